/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scim.h
 * @brief What the files of the SCIM plugin share.
 *
 *   scim.c        descriptor, routes, errors         filter.c      filters
 *   users.c       /Users and /Me                     attributes.c  tables of attributes
 *   groups.c      /Groups: roles, their members      patch.c       PATCH
 *   roles.c       default roles, the last admin      schemas.c     what the server can do
 *   list.c        pages and filters of both          signup.c      self sign-up
 */
#ifndef SCIM_SCIM_H
#define SCIM_SCIM_H
#include <gatehouse/svc/users.h>

#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "lib/rest/rest.h"
#include "plugins/scim/attributes.h"

#define SCIM_URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"
#define SCIM_URN_LIST "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define SCIM_URN_PATCH "urn:ietf:params:scim:api:messages:2.0:PatchOp"

#define SCIM_NAME_MAX 64 /**< Longest name of a user or role, in bytes. */
#define SCIM_ADMIN "admin"
#define SCIM_EVERYONE "Internal/everyone"
#define SCIM_SUBSCRIBER "Internal/subscriber"

struct scim_config {
	bool self_signup;
	uint64_t signup_per_hour;
};

struct scim {
	struct rest_services services;
	struct gh_users users;
	struct signup_limit *limit;
};

/* ---- scim.c: errors, and what resources have in common --------------------------------------- */

/** Answer an error in the form of RFC 7644, 3.12.  @param type  scimType, or NULL.
 *  @return GH_EINVAL, to be returned at once. */
int scim_fail(struct rest_context *ctx, unsigned status, const char *type, const char *fmt, ...)
	GH_PRINTF(4, 5);
/** The same from what attributes.h says; @p r that is not GH_EINVAL is returned as it is. */
int scim_fail_error(struct rest_context *ctx, int r, const struct scim_error *error);
/** The body of a request; attribute "schemas", if there, must name @p urn. */
int scim_body(struct rest_context *ctx, const char *urn, json_t **ret_json);
/** Operations of a PATCH. */
int scim_operations(struct rest_context *ctx, json_t **ret_operations);
/** Set "schemas", "id" and "meta" of a resource.  @param type  "User" or "Group". */
int scim_set_common(struct rest_context *ctx, json_t *json, const char *type, struct gh_str uuid,
	const struct gh_doc *doc);
/** Where a resource is, as a URL.  @return ARENA(call). */
struct gh_str scim_location(struct rest_context *ctx, const char *type, struct gh_str uuid);
/** Reply with one resource, ETag, and for 201 Location.  @param json  GIVE; NULL: out of memory. */
int scim_reply(struct rest_context *ctx, unsigned status, uint64_t rev, json_t *json);
/** A document of that kind by its uuid; 404 when there is none. */
int scim_get(struct rest_context *ctx, const char *kind, struct gh_str uuid,
	const struct gh_doc **ret_doc);
/** 2026-01-31T12:00:00Z  @return a new reference. */
json_t *scim_time(int64_t at_s);
/** Copy in lower case.  @return ARENA(call). */
struct gh_str scim_fold(struct rest_context *ctx, struct gh_str name);
static inline struct scim *
scim_of(const struct rest_context *ctx)
{
	return ctx->process;
}

/* ---- list.c ---------------------------------------------------------------------------------- */

struct filter;

/** A list being made. */
struct scim_list {
	struct gh_str wanted, unwanted; /**< attributes, excludedAttributes */
	struct filter *filter;          /**< NULL: everything. */
	uint32_t start, count;          /**< start: from 1. */
	uint64_t total;
	json_t *resources;
};

/** From the query parameters; the context frees it. */
int scim_list_init(struct rest_context *ctx, struct scim_list *list);
/** Count a resource, if it matches, and put it into the page it belongs to.  @param json  GIVE. */
int scim_list_add(struct scim_list *list, json_t *json);
/** Put it into the page without asking the filter. */
int scim_list_put(struct scim_list *list, json_t *json);
int scim_list_reply(struct rest_context *ctx, const struct scim_list *list);

/* ---- roles.c --------------------------------------------------------------------------------- */

/** Write the default roles of a tenant if they are not there.  @return as docs/1. */
int roles_seed(const struct gh_docs *docs, struct gh_str tenant);
/** Names and uuids of all roles: {"admin": "..."}.  @param[out] ret_map  the context's. */
int roles_map(struct rest_context *ctx, json_t **ret_map);
/** Is the role one that nobody can delete, or whose name only this program gives? */
bool roles_is_reserved(struct gh_str name);
bool roles_has(struct gh_str user_body, struct gh_str role);
/** A role gets other members: write its document anew, so that its ETag changes and operations on
 *  one role do not overtake each other.  @return 0, also when there is no such role. */
int roles_touch(struct rest_context *ctx, struct gh_str name);
/** A user who may be the last administrator ceases to be one.  Puts the role into the batch, so
 *  that of two such operations at once one runs again and sees what the other has done.
 *  @return 409 when there would be none left. */
int roles_leave_admin(struct rest_context *ctx, const struct gh_doc *user);
/** 403 unless the caller may change administrators. */
int roles_check_admin(struct rest_context *ctx, bool concerns_admin);
/** The body of a user with a role more or less.  @param[out] ret_body  malloc()ed. */
int roles_change(struct gh_str user_body, struct gh_str role, bool has_it, struct gh_str *ret_body);

/* ---- users.c --------------------------------------------------------------------------------- */

/** May a user have this name?  What it must be: USERS_NAME_RULE. */
bool users_is_name(struct gh_str name);
#define USERS_NAME_RULE \
	"must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
/** Id of a user; those from before there were ids get one now. */
int users_uuid(struct rest_context *ctx, const struct gh_doc *doc, struct gh_str *ret_uuid);
/** Give an id to those users of all tenants who have none.  @return as docs/1. */
int users_migrate(const struct gh_docs *docs);
/** Make a user and reply with it; 409 when the name is taken.
 *  @param json  as attributes_read() gives it.  @param role  beside Internal/everyone, or NULL. */
int users_make(struct rest_context *ctx, json_t *json, const char *role,
	const struct gh_doc **ret_doc);
int users_reply(struct rest_context *ctx, unsigned status, const struct gh_doc *doc);

int users_list(struct rest_context *ctx);
int users_create(struct rest_context *ctx);
int users_get(struct rest_context *ctx);
int users_replace(struct rest_context *ctx);
int users_patch(struct rest_context *ctx);
int users_delete(struct rest_context *ctx);
int me_get(struct rest_context *ctx);
int me_replace(struct rest_context *ctx);
int me_patch(struct rest_context *ctx);

/* ---- groups.c -------------------------------------------------------------------------------- */

int groups_list(struct rest_context *ctx);
int groups_create(struct rest_context *ctx);
int groups_get(struct rest_context *ctx);
int groups_replace(struct rest_context *ctx);
int groups_patch(struct rest_context *ctx);
int groups_delete(struct rest_context *ctx);

/* ---- schemas.c ------------------------------------------------------------------------------- */

int schemas_config(struct rest_context *ctx);
int schemas_types(struct rest_context *ctx);
int schemas_type(struct rest_context *ctx);
int schemas_list(struct rest_context *ctx);
int schemas_get(struct rest_context *ctx);

/* ---- signup.c -------------------------------------------------------------------------------- */

struct signup_limit *signup_limit_new(void);
void signup_limit_free(struct signup_limit *limit);
int signup_scim(struct rest_context *ctx);
/** As the reference's portals ask for it. */
int signup_identity(struct rest_context *ctx);

#endif
