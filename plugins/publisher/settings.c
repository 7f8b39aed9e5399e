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
	"apim:tier_view", "apim:tier_manage", "apim:publisher_settings", "apim:admin",
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

/** Keep a user's roles in the call's memory. */
static int
copy_roles(struct rest_context *ctx, const struct gh_user *user,
	struct publisher_roles *ret_roles)
{
	struct gh_str *v = gh_call_alloc(ctx->call, (user->role_count + 1) * sizeof(*v));

	if (v == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < user->role_count; i++)
		if ((v[i] = gh_call_strdup(ctx->call, user->roles[i])).p == NULL)
			return GH_ENOMEM;
	*ret_roles = (struct publisher_roles){ v, user->role_count };
	return 0;
}

int
publisher_roles_of_caller(struct rest_context *ctx, struct publisher_roles *ret_roles)
{
	const struct publisher *p = ctx->process;
	struct gh_str name = gh_call_printf(ctx->call, "%.*s@%.*s",
		GH_STR_ARG(ctx->principal->user), GH_STR_ARG(ctx->principal->tenant));
	int r = name.p != NULL ? GH_ENOENT : GH_ENOMEM;

	for (size_t i = 0; r == GH_ENOENT && i < p->identity_count; i++) {
		const struct gh_identity *identity = &p->identities[i];
		struct gh_user *user;

		r = identity->vt->lookup(identity->self, name, &user);
		if (r < 0)
			continue;
		r = copy_roles(ctx, user, ret_roles);
		identity->vt->user_free(user);
	}
	if (r != GH_ENOENT)
		return r;
	*ret_roles = (struct publisher_roles){ NULL, 0 };
	return 0;
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
	struct publisher_roles roles;
	size_t n;
	int r = environment_list(ctx, &list, &n);

	if (r == 0)
		r = publisher_roles_of_caller(ctx, &roles);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (environment_is_allowed(list[i], roles.v, roles.n) &&
		    json_array_append_new(rows, environment_row(ctx, list[i])) < 0)
			r = GH_ENOMEM;
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
