/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file env.h
 * @brief Environment variables in a manifest: ${NAME}, ${NAME:-default}, and $${ for a literal ${.
 *
 * In YAML's flow style braces and commas are syntax.  So each reference is replaced by an opaque
 * mark before the text is parsed, and each mark by its value inside the scalar that contains it: a
 * value can hold anything and never becomes syntax, and references in comments are never looked up.
 * A default ends at the first '}' and stays on its line; it may be another variable: ${A:-${B}}.
 */
#ifndef LIB_ENV_ENV_H
#define LIB_ENV_ENV_H
#include <gatehouse/base.h>

struct env;

/** Find the references.  @param text  BORROW until env_free().
 *  @param[out] error  "line N: why".  @return 0, GH_EINVAL (contains a mark itself), GH_ENOMEM. */
int env_new(struct gh_str text, struct env **ret_env, char *error, size_t error_size);
/** The text with marks.  @return valid until env_free(). */
struct gh_str env_text(const struct env *env);
/** A yaml_expand_fn: marks become values.  @param arg  the env.
 *  @return 0, GH_EINVAL (malformed, or not set and without a default), GH_ETOOBIG, GH_ENOMEM. */
int env_expand(void *arg, struct gh_str text, unsigned line, struct gh_str *ret_text, char *error,
	size_t error_size);
void env_free(struct env *env);

#endif
