/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scopes.h
 * @brief Which role may have which scope of the management APIs; the choice among those requested.
 *
 * A table has the defaults.  A tenant changes them with its `scope_map` document: other roles for a
 * scope, and aliases, which are roles that count as another one.  The administrator's role has
 * every scope, whatever the document says, so that nobody is locked out.
 */
#ifndef LIB_SCOPES_SCOPES_H
#define LIB_SCOPES_SCOPES_H
#include <gatehouse/base.h>

#define SCOPES_MAX 4096      /**< Longest list of scopes, requested or granted, with its NUL. */
#define SCOPES_DEFAULT "default" /**< Granted when nothing else is. */
#define SCOPES_ADMIN_ROLE "admin"
#define SCOPES_MAP_ID "scopes" /**< Id of a tenant's scope_map document. */

/** Who asks. */
struct scopes_owner {
	const struct gh_str *roles;
	size_t role_count;
};

/** What a tenant has changed: parts of the body of its scope_map document (lib/doc), BORROW. */
struct scopes_map {
	struct gh_str scopes;  /**< Map: scope to array of roles.  n = 0: as the table says. */
	struct gh_str aliases; /**< Map: role to array of roles that count as it. */
};

/** May @p owner have a scope that is none of the management APIs'?  (Scopes that APIs declare.) */
typedef bool scopes_other_fn(void *arg, struct gh_str scope, const struct scopes_owner *owner);

/** The map in the body of a scope_map document.  @param body  n = 0: there is none. */
struct scopes_map scopes_map_of(struct gh_str body);

/** Those of @p requested that the roles allow, each once, in the order requested; unknown ones are
 *  dropped silently.  Nothing left: SCOPES_DEFAULT.
 *  @param requested  separated by spaces.  @param map  NULL: the defaults.
 *  @param other  NULL: there are no other scopes.
 *  @param[out] ret  NUL-terminated.  @return 0, GH_ETOOBIG. */
int scopes_grant(struct gh_str requested, const struct scopes_owner *owner,
	const struct scopes_map *map, scopes_other_fn *other, void *arg, char ret[SCOPES_MAX]);
/** May @p owner have this scope of a management API?  false also for a name that is none. */
bool scopes_allow(struct gh_str scope, const struct scopes_owner *owner,
	const struct scopes_map *map);
/** Is every scope of @p part in @p whole?  Both are separated by spaces. */
bool scopes_contain(struct gh_str whole, struct gh_str part);
/** Take the next word of a list separated by spaces.  @return false at its end. */
bool scopes_next(struct gh_str *rest, struct gh_str *ret_scope);
/** May somebody with these roles use a management API at all? */
bool scopes_is_manager(const struct scopes_owner *owner, const struct scopes_map *map);
bool scopes_has_role(const struct scopes_owner *owner, struct gh_str role);

/** A scope that needs a role, for those who show and change the table. */
struct scopes_row {
	const char *name, *tag, *description; /**< tag: which API it belongs to. */
};
/** @param i  0, 1, ...  @return false: there are no more. */
bool scopes_at(size_t i, struct scopes_row *ret_row);
/** Index of the scope of that name, for scopes_at().  @return false: there is none. */
bool scopes_find(struct gh_str name, size_t *ret_i);
/** The @p n-th role that has the scope by default, the administrator's first.
 *  @return NULL: there are no more. */
const char *scopes_default_role(size_t i, size_t n);

#endif
