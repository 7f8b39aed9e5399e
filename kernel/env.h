/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file env.h
 * @brief Environment variables in a manifest: ${NAME}, ${NAME:-default}, and $${ for a literal ${.
 *
 * In YAML's flow style braces and commas are syntax.  So each reference is replaced by an opaque mark
 * before the text is parsed, and each mark by its value inside the scalar that contains it: a value can
 * hold anything and never becomes syntax, and references in comments are never looked up.
 * A default ends at the first '}' and stays on its line.
 */
#ifndef KERNEL_ENV_H
#define KERNEL_ENV_H
#include "kernel/base.h"

struct krn_env;

/** Find the references.  @param text  BORROW until krn_env_free().
 *  @param[out] error  "line N: why".  @return 0, GH_EINVAL (contains a mark itself), GH_ENOMEM. */
int krn_env_new(struct gh_str text, struct krn_env **ret_env, char *error, size_t error_size);
/** The text with marks.  @return valid until krn_env_free(). */
struct gh_str krn_env_text(const struct krn_env *env);
/** A yaml_expand_fn: marks become values.  @param arg  the krn_env.
 *  @return 0, GH_EINVAL (malformed, or not set and without a default), GH_ETOOBIG, GH_ENOMEM. */
int krn_env_expand(void *arg, struct gh_str text, unsigned line, struct gh_str *ret_text, char *error,
	size_t error_size);
void krn_env_free(struct krn_env *env);

#endif
