/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file settings.c
 * @brief What clients must know before they begin: environments, scopes, defaults.
 */
#include "lib/json/json.h"
#include "plugins/publisher/publisher.h"

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

int
publisher_may_deploy(struct rest_context *ctx, const struct gh_doc *environment)
{
	const struct publisher *p = ctx->process;
	const struct gh_user *user = NULL;
	int r = 0;

	if (environment_is_allowed(environment, NULL, 0))
		return 0; /* everybody may */
	r = identity_find(ctx, &p->identities, ctx->user, &user);
	if (r < 0 && r != GH_ENOENT)
		return r;
	return r == 0 && environment_is_allowed(environment, user->roles, user->role_count) ? 0 :
		GH_EDENIED;
}

/** An environment as this API shows it. */
static json_t *
environment_row(struct rest_context *ctx, const struct gh_doc *environment)
{
	json_t *row = environment_to_json(ctx, environment);
	int r = row != NULL ? 0 : GH_ENOMEM;

	if (r == 0)
		r = js_set(row, "serverUrl", json_string(""));
	if (r == 0)
		r = js_set(row, "showInApiConsole", json_true());
	json_object_del(row, "permissions");
	json_object_del(row, "isReadOnly");
	if (r == 0)
		return row;
	json_decref(row);
	return NULL;
}

/** Those that the caller may use. */
static int
list_environments(struct rest_context *ctx, json_t *rows)
{
	const struct gh_doc *const *list;
	size_t n;
	int r = environment_list(ctx, &list, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = publisher_may_deploy(ctx, list[i]);
		if (r == 0 && json_array_append_new(rows, environment_row(ctx, list[i])) < 0)
			r = GH_ENOMEM;
		else if (r == GH_EDENIED)
			r = 0;
	}
	return r;
}

int
publisher_settings_get(struct rest_context *ctx)
{
	struct gh_str origin = gh_call_origin(ctx->call);
	json_t *environments = json_array();
	int r = list_environments(ctx, environments);

	if (r < 0) {
		json_decref(environments);
		return r;
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
