/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file settings.c
 * @brief What clients must know before they begin: environments, scopes, defaults.
 */
#include "plugins/publisher/publisher.h"

const struct publisher_environment publisher_environments[] = {
	{ "Default", "localhost" },
	{ NULL, NULL },
};

/** Scopes that the portal asks for; all that a row of the routing table names are among them. */
static const char *const scopes[] = {
	"openid", "apim:api_view", "apim:api_create", "apim:api_delete", "apim:api_publish",
	"apim:api_manage", "apim:api_list_view", "apim:api_definition_view",
	"apim:api_import_export", "apim:api_product_import_export", "apim:api_generate_key",
	"apim:subscription_view", "apim:subscription_block", "apim:subscription_manage",
	"apim:tier_view", "apim:tier_manage", "apim:document_create", "apim:document_manage",
	"apim:publisher_settings", "apim:admin",
};

static json_t *
scopes_to_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (json_array_append_new(list, json_string(scopes[i])) < 0)
			break;
	return list;
}

static json_t *
environment_to_json(const struct publisher *p, const struct publisher_environment *environment)
{
	int http_port = gh_inst_port(p->inst, GH_CHAIN_GATEWAY, false);
	int https_port = gh_inst_port(p->inst, GH_CHAIN_GATEWAY, true);
	json_t *vhost = json_pack("{s:s,s:s,s:i,s:i}", "host", environment->vhost, "httpContext",
		"", "httpPort", http_port, "httpsPort", https_port);

	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:[o],s:[],s:[]}",
		"id", environment->name, "name", environment->name,
		"displayName", environment->name, "type", "hybrid", "serverUrl", "",
		"provider", "gatehouse", "showInApiConsole", 1, "vhosts", vhost,
		"endpointURIs", "additionalProperties");
}

int
publisher_settings_get(struct rest_context *ctx)
{
	const struct publisher *p = ctx->process;
	struct gh_str origin = gh_call_origin(ctx->call);
	json_t *environments = json_array();

	for (const struct publisher_environment *e = publisher_environments; e->name != NULL; e++) {
		if (json_array_append_new(environments, environment_to_json(p, e)) < 0) {
			json_decref(environments);
			return GH_ENOMEM;
		}
	}
	return rest_reply(ctx, 200, json_pack(
		"{s:o,s:o,s:[s],s:o,s:[],s:{},s:b,s:b,s:b,s:s,s:s,s:s}",
		"devportalUrl", json_sprintf("%.*s/devportal", GH_STR_ARG(origin)),
		"environment", environments, "gatewayTypes", "Regular", "scopes", scopes_to_json(),
		"monetizationAttributes", "securityAuditProperties", "externalStoresEnabled", 0,
		"docVisibilityEnabled", 0, "crossTenantSubscriptionEnabled", 0,
		"defaultAdvancePolicy", "Unlimited", "defaultSubscriptionPolicy", "Unlimited",
		"authorizationHeader", "Authorization"));
}
