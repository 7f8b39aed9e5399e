/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file admin.c
 * @brief The admin REST API, /api/am/admin/v4: settings, subscription throttling policies, scopes.
 *
 * On the first start of a store it writes the default policies.
 */
#include <syslog.h>

#include "plugins/admin/admin.h"

#define SUBSCRIPTION_POLICIES "/throttling/policies/subscription"
#define VIEW "apim:admin apim:tier_view apim:tier_manage"
#define MANAGE "apim:admin apim:tier_manage"
#define SCOPES "apim:admin apim:scope_manage"

static int
get_settings(struct rest_context *ctx)
{
	static const char *const scopes[] = { "apim:admin", "apim:tier_view", "apim:tier_manage",
		"apim:admin_settings", NULL };
	json_t *list = json_array();

	for (const char *const *s = scopes; *s != NULL; s++)
		json_array_append_new(list, json_string(*s));
	return rest_reply(ctx, 200, json_pack("{s:o, s:[s], s:[], s:b}", "scopes", list,
		"gatewayTypes", "Regular", "keyManagerConfiguration", "analyticsEnabled", 1));
}

static const struct rest_route routes[] = {
	{ "GET", "/settings", "apim:admin apim:admin_settings", get_settings },
	{ "GET", SUBSCRIPTION_POLICIES, VIEW, policies_list_subscription },
	{ "POST", SUBSCRIPTION_POLICIES, MANAGE, policies_create_subscription },
	{ "GET", SUBSCRIPTION_POLICIES "/{policyId}", VIEW, policies_get_subscription },
	{ "PUT", SUBSCRIPTION_POLICIES "/{policyId}", MANAGE, policies_update_subscription },
	{ "DELETE", SUBSCRIPTION_POLICIES "/{policyId}", MANAGE, policies_delete_subscription },
	{ "GET", "/system-scopes", SCOPES, system_scopes_list },
	{ "PUT", "/system-scopes", SCOPES, system_scopes_update },
	{ "GET", "/system-scopes/role-aliases", SCOPES, system_scopes_list_aliases },
	{ "PUT", "/system-scopes/role-aliases", SCOPES, system_scopes_update_aliases },
	{ "GET", "/system-scopes/{scopeName}", SCOPES, system_scopes_get },
	{ .method = NULL },
};

static const struct rest_api api = { .version = 4, .routes = routes };

static void
handle(void *process, const void *config, struct gh_call *call)
{
	struct admin *p = process;

	rest_serve(&api, &p->services, process, config, call);
}

static int
open_admin(void *process, const void *config, struct gh_inst *inst)
{
	struct admin *p = process;

	(void)config;
	int r = rest_services_bind(inst, &p->services);

	if (r == GH_OK)
		r = admin_seed(&p->services.docs);
	if (r < 0)
		gh_inst_log(inst, LOG_ERR, "the default policies cannot be written: %s", gh_strerror(r));
	return r;
}

static const char *const needs[] = { REST_NEEDS, NULL };

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/am/admin", .handler = handle,
		.lane = GH_LANE_STORE },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "admin", .version = "0.1.0", .needs = needs, .mounts = mounts,
	.process_size = sizeof(struct admin), .open = open_admin,
};
