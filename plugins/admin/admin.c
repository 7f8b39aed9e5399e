/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file admin.c
 * @brief The admin REST API, /api/am/admin/v4: settings, applications, environments, throttling
 * policies, tenants, scopes.
 *
 * On the first start of a store it writes the default policies and the environment Default.
 */
#include <syslog.h>

#include "plugins/admin/admin.h"

#define POLICIES "/throttling/policies"
#define VIEW "apim:admin apim:tier_view apim:tier_manage"
#define MANAGE "apim:admin apim:tier_manage"
#define ENVIRONMENT "/environments/{environmentId}"
#define ENV_READ "apim:admin apim:environment_read apim:environment_manage"
#define ENV_MANAGE "apim:admin apim:environment_manage"
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
	{ "GET", "/applications", "apim:admin apim:app_owner_change apim:app_import_export",
		applications_list },
	{ "DELETE", "/applications/{applicationId}", "apim:admin apim:app_import_export",
		applications_delete },
	{ "POST", "/applications/{applicationId}/change-owner", "apim:admin apim:app_owner_change",
		applications_change_owner },
	{ "GET", "/environments", ENV_READ, environments_list },
	{ "POST", "/environments", ENV_MANAGE, environments_create },
	{ "GET", ENVIRONMENT, ENV_READ, environments_get },
	{ "PUT", ENVIRONMENT, ENV_MANAGE, environments_update },
	{ "DELETE", ENVIRONMENT, ENV_MANAGE, environments_delete },
	{ "GET", ENVIRONMENT "/gateways", ENV_READ, environments_list_gateways },
	{ "GET", POLICIES "/search", VIEW " apim:policies_import_export", policies_search },
	{ "GET", POLICIES "/export", MANAGE " apim:policies_import_export", policies_export },
	{ "POST", POLICIES "/import", MANAGE " apim:policies_import_export", policies_import },
	{ "GET", POLICIES "/subscription", VIEW, policies_list_subscription },
	{ "POST", POLICIES "/subscription", MANAGE, policies_create_subscription },
	{ "GET", POLICIES "/subscription/{policyId}", VIEW, policies_get_subscription },
	{ "PUT", POLICIES "/subscription/{policyId}", MANAGE, policies_update_subscription },
	{ "DELETE", POLICIES "/subscription/{policyId}", MANAGE, policies_delete_subscription },
	{ "GET", POLICIES "/application", VIEW, policies_list_application },
	{ "POST", POLICIES "/application", MANAGE, policies_create_application },
	{ "GET", POLICIES "/application/{policyId}", VIEW, policies_get_application },
	{ "PUT", POLICIES "/application/{policyId}", MANAGE, policies_update_application },
	{ "DELETE", POLICIES "/application/{policyId}", MANAGE, policies_delete_application },
	{ "GET", POLICIES "/advanced", VIEW, policies_list_advanced },
	{ "POST", POLICIES "/advanced", MANAGE, policies_create_advanced },
	{ "GET", POLICIES "/advanced/{policyId}", VIEW, policies_get_advanced },
	{ "PUT", POLICIES "/advanced/{policyId}", MANAGE, policies_update_advanced },
	{ "DELETE", POLICIES "/advanced/{policyId}", MANAGE, policies_delete_advanced },
	{ "GET", POLICIES "/custom", VIEW, policies_list_custom },
	{ "POST", POLICIES "/custom", MANAGE, policies_refuse_custom },
	{ "GET", "/tenants", "apim:admin", tenants_list },
	{ "POST", "/tenants", "apim:admin", tenants_create },
	{ "GET", "/tenants/{domain}", "apim:admin", tenants_get },
	{ "PUT", "/tenants/{domain}", "apim:admin", tenants_update },
	{ "GET", "/tenant-info/{username}", "apim:admin apim:tenantInfo", tenants_info_of_user },
	{ "GET", "/custom-urls/{tenantDomain}", "apim:admin apim:tenantInfo",
		tenants_custom_urls },
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

	int r = rest_services_bind(inst, &p->services);

	if (r < 0)
		return r;
	environment_nodes_bind(inst, &p->nodes);
	identity_bind(inst, &p->identities);
	if (GH_BIND(inst, GH_SVC_USERS, &p->users) < 0)
		p->users.vt = NULL;
	r = admin_seed(&p->services.docs);
	if (r < 0) {
		gh_inst_log(inst, LOG_ERR, "the default policies cannot be written: %s", gh_strerror(r));
		return r;
	}
	r = admin_seed_environment(&p->services.docs, inst, config);
	if (r == GH_EINVAL)
		gh_inst_log(inst, LOG_ERR, "gateway_host: must be the name of a host");
	else if (r < 0)
		gh_inst_log(inst, LOG_ERR, "the environment " ENVIRONMENT_DEFAULT
			" cannot be written: %s", gh_strerror(r));
	return r;
}

static const struct gh_opt opts[] = {
	GH_OPT(struct admin_config, gateway_host, .dflt = "localhost", .min = 1, .max = 253,
		.fixed = true,
		.help = "Virtual host of the environment Default when it is made; localhost answers "
			"for every name that no other virtual host has."),
	GH_OPT(struct admin_config, gateway_http_port, .dflt = "0", .max = 65535, .fixed = true,
		.help = "Its port for HTTP; 0: that of this node's listener, else 8280."),
	GH_OPT(struct admin_config, gateway_https_port, .dflt = "0", .max = 65535, .fixed = true,
		.help = "Its port for HTTPS; 0: that of this node's listener, else 8243."),
	{ .type = GH_OPT_END },
};

static const char *const needs[] = { REST_NEEDS, ENVIRONMENT_NODES, IDENTITY_NEEDS, "?" GH_SVC_USERS,
	NULL };

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/am/admin", .handler = handle,
		.lane = GH_LANE_STORE },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "admin", .version = "0.1.0", .needs = needs, .opts = opts,
	.mounts = mounts, .config_size = sizeof(struct admin_config),
	.process_size = sizeof(struct admin), .open = open_admin,
};
