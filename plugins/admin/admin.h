/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file admin.h
 * @brief What the files of the admin plugin share.
 */
#ifndef PLUGINS_ADMIN_ADMIN_H
#define PLUGINS_ADMIN_ADMIN_H
#include <gatehouse/svc/users.h>

#include "lib/environment/environment.h"
#include "lib/identity/identity.h"
#include "lib/rest/rest.h"

/** Options: of the environment Default, when it is made. */
struct admin_config {
	struct gh_str gateway_host;
	uint64_t gateway_http_port, gateway_https_port;
};

struct admin {
	struct rest_services services;
	struct environment_nodes nodes;
	struct identity_chain identities;
	struct gh_users users; /**< vt = NULL: nobody here makes passwords. */
};

/* applications.c: those of everybody. */
int applications_list(struct rest_context *ctx);
int applications_delete(struct rest_context *ctx);
int applications_change_owner(struct rest_context *ctx);

/* environments.c: where APIs can be deployed. */
int environments_list(struct rest_context *ctx);
int environments_create(struct rest_context *ctx);
int environments_get(struct rest_context *ctx);
int environments_update(struct rest_context *ctx);
int environments_delete(struct rest_context *ctx);
int environments_list_gateways(struct rest_context *ctx);

/** An `environment` document from its REST form.  @param[out] ret_body  GIVE: malloc()ed.
 *  @return 0, GH_ENOMEM, GH_ETOOBIG. */
int admin_environment_doc(struct gh_str name, struct gh_str uuid, bool is_shared, const json_t *dto,
	struct gh_str *ret_body);
/** Write the environment Default for all tenants, if there is none.  MAIN.
 *  @return as docs/1; GH_EINVAL: the option gateway_host is no host. */
int admin_seed_environment(const struct gh_docs *docs, struct gh_inst *inst,
	const struct admin_config *config);

/* policies.c: throttling policies, by level ("advanced" is "api" in documents). */
rest_fn policies_list_subscription, policies_create_subscription, policies_get_subscription,
	policies_update_subscription, policies_delete_subscription;
rest_fn policies_list_application, policies_create_application, policies_get_application,
	policies_update_application, policies_delete_application;
rest_fn policies_list_advanced, policies_create_advanced, policies_get_advanced,
	policies_update_advanced, policies_delete_advanced;
rest_fn policies_list_custom, policies_refuse_custom, policies_search, policies_export,
	policies_import;

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
/** Put the default policies of a new tenant into the batch; the context works in that tenant. */
int admin_seed_tenant(struct rest_context *ctx);

/* tenants.c: for administrators of the default tenant; the last two also for the caller's own. */
int tenants_list(struct rest_context *ctx);
int tenants_create(struct rest_context *ctx);
int tenants_get(struct rest_context *ctx);
int tenants_update(struct rest_context *ctx);
int tenants_info_of_user(struct rest_context *ctx);
int tenants_custom_urls(struct rest_context *ctx);

#endif
