/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scopes.h
 * @brief Which role may have which scope of the management APIs; the choice among those requested.
 */
#ifndef KEYMANAGER_SCOPES_H
#define KEYMANAGER_SCOPES_H
#include <gatehouse/base.h>

#define SCOPES_MAX 4096      /**< Longest list of scopes, requested or granted, with its NUL. */
#define SCOPES_DEFAULT "default" /**< Granted when nothing else is. */

/** Who asks. */
struct scopes_owner {
	const struct gh_str *roles;
	size_t role_count;
};

/** May @p owner have a scope that is none of the management APIs'?  (Scopes that APIs declare.) */
typedef bool scopes_other_fn(void *arg, struct gh_str scope, const struct scopes_owner *owner);

/** Those of @p requested that the roles allow, each once, in the order requested; unknown ones are
 *  dropped silently.  Nothing left: SCOPES_DEFAULT.
 *  @param requested  separated by spaces.  @param other  NULL: there are no other scopes.
 *  @param[out] ret  NUL-terminated.  @return 0, GH_ETOOBIG. */
int scopes_grant(struct gh_str requested, const struct scopes_owner *owner, scopes_other_fn *other,
	void *arg, char ret[SCOPES_MAX]);
/** Is every scope of @p part in @p whole?  Both are separated by spaces. */
bool scopes_contain(struct gh_str whole, struct gh_str part);
/** Take the next word of a list separated by spaces.  @return false at its end. */
bool scopes_next(struct gh_str *rest, struct gh_str *ret_scope);
/** May somebody with these roles use a management API at all? */
bool scopes_is_manager(const struct scopes_owner *owner);
bool scopes_has_role(const struct scopes_owner *owner, struct gh_str role);

#endif
