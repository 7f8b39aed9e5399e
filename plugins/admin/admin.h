/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file admin.h
 * @brief What the files of the admin plugin share.
 */
#ifndef PLUGINS_ADMIN_ADMIN_H
#define PLUGINS_ADMIN_ADMIN_H
#include "lib/rest/rest.h"

struct admin {
	struct rest_services services;
};

/* policies.c: throttling policies of the levels "subscription", "application" and "api". */
int policies_list_subscription(struct rest_context *ctx);
int policies_create_subscription(struct rest_context *ctx);
int policies_get_subscription(struct rest_context *ctx);
int policies_update_subscription(struct rest_context *ctx);
int policies_delete_subscription(struct rest_context *ctx);

/** Milliseconds of a time unit as clients spell it ("min", "hours" ...).  @return 0: unknown. */
uint64_t admin_unit_ms(struct gh_str unit);
/** A `policy` document from its REST form.
 *  @param uuid  36 characters.  @param dto  the REST form; its policyId is set.
 *  @param[out] ret_body  GIVE: malloc()ed.
 *  @return 0; GH_EINVAL: limit without a known unit, or out of range; GH_ENOMEM. */
int admin_policy_doc(const char *level, struct gh_str name, const char *uuid, json_t *dto,
	struct gh_str *ret_body);

/* scopes.c: roles and scopes. */
int system_scopes_list(struct rest_context *ctx);
int system_scopes_update(struct rest_context *ctx);
int system_scopes_get(struct rest_context *ctx);
int system_scopes_list_aliases(struct rest_context *ctx);
int system_scopes_update_aliases(struct rest_context *ctx);

/* seed.c */
/** Write the default policies, if there is no policy at all yet.  MAIN.  @return as docs/1. */
int admin_seed(const struct gh_docs *docs);

#endif
