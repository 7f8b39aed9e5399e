/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apistore.c
 * @brief The REST API of the API store (developer portal), /api/am/devportal/v3: find APIs, keep
 * applications, subscribe, get keys and tokens.
 */
#include <stdio.h>

#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "plugins/apistore/apistore.h"

#define APPS "apim:subscribe apim:app_manage"
#define APPS_OR_IMPORT "apim:subscribe apim:app_manage apim:app_import_export"
#define TRANSFER "apim:app_import_export"
#define SUBS "apim:subscribe apim:sub_manage"
#define APP "/applications/{applicationId}"
#define OAUTH_KEY APP "/oauth-keys/{keyMappingId}"
#define TYPED_KEY APP "/keys/{keyType}"

static int
get_settings(struct rest_context *ctx)
{
	const struct gh_users *users = &((const struct apistore *)ctx->process)->users;
	bool has_passwords = users->vt != NULL;

	return rest_reply(ctx, 200, json_pack("{s:[s,s,s], s:[s,s,s,s], s:b, s:b, s:b, s:b, s:b, s:{s:b}, s:b, s:b, s:i, s:i}",
		"grantTypes", "password", "client_credentials", "refresh_token",
		"scopes", "apim:subscribe", "apim:app_manage", "apim:sub_manage", "apim:store_settings",
		"applicationSharingEnabled", 0, "mapExistingAuthApps", 0, "monetizationEnabled", 0,
		"recommendationEnabled", 0, "IsUnlimitedTierPaid", 0, "identityProvider", "external", 0,
		"IsAnonymousModeEnabled", 1, "IsPasswordChangeEnabled", has_passwords, "passwordPolicyMinLength",
		has_passwords ? (int)users->vt->password_min(users->self) : -1,
		"passwordPolicyMaxLength", has_passwords ? GH_PASSWORD_MAX : -1));
}

static const struct rest_route routes[] = {
	{ "GET", "/settings", NULL, get_settings },
	{ "GET", "/apis", NULL, apis_list },
	{ "GET", "/apis/{apiId}", NULL, apis_get },
	{ "GET", "/apis/{apiId}/swagger", NULL, apis_get_definition },
	{ "GET", "/applications", APPS_OR_IMPORT, applications_list },
	{ "POST", "/applications", APPS, applications_create },
	{ "GET", "/applications/export", TRANSFER, applications_export },
	{ "POST", "/applications/import", TRANSFER, applications_import },
	{ "GET", APP, APPS, applications_get },
	{ "PUT", APP, APPS, applications_update },
	{ "DELETE", APP, APPS_OR_IMPORT, applications_delete },
	{ "POST", APP "/generate-keys", APPS, keys_generate },
	{ "GET", APP "/oauth-keys", APPS, keys_list },
	{ "GET", OAUTH_KEY, APPS, keys_get },
	{ "PUT", OAUTH_KEY, APPS, keys_update },
	{ "POST", OAUTH_KEY "/regenerate-secret", APPS, keys_regenerate_secret },
	{ "POST", OAUTH_KEY "/generate-token", APPS, keys_generate_token },
	{ "GET", APP "/keys", APPS, keys_list },
	{ "GET", TYPED_KEY, APPS, keys_get },
	{ "PUT", TYPED_KEY, APPS, keys_update },
	{ "POST", TYPED_KEY "/regenerate-secret", APPS, keys_regenerate_secret },
	{ "POST", TYPED_KEY "/generate-token", APPS, keys_generate_token },
	{ "GET", "/subscriptions", SUBS, subscriptions_list },
	{ "POST", "/subscriptions", SUBS, subscriptions_create },
	{ "GET", "/subscriptions/{subscriptionId}", SUBS, subscriptions_get },
	{ "PUT", "/subscriptions/{subscriptionId}", SUBS, subscriptions_update },
	{ "DELETE", "/subscriptions/{subscriptionId}", SUBS, subscriptions_delete },
	{ "POST", "/me/change-password", "apim:subscribe", me_change_password },
	{ "GET", "/throttling-policies/{policyLevel}", NULL, policies_list },
	{ "GET", "/throttling-policies/{policyLevel}/{policyId}", NULL, policies_get },
	{ .method = NULL },
};

static const struct rest_api api = { .version = 3, .routes = routes };

/* ---- Shared -------------------------------------------------------------------------------------- */

int
apistore_application(struct rest_context *ctx, struct gh_str id, const struct gh_doc **ret_doc)
{
	const struct gh_doc *doc;
	int r = rest_get(ctx, "application", id, &doc);

	if (r < 0)
		return r;
	if (!gh_str_eq(doc_str(doc->body, "owner"), ctx->user))
		return rest_fail(ctx, 404, "there is no application with the id %.*s", GH_STR_ARG(id));
	*ret_doc = doc;
	return GH_OK;
}

int
apistore_check_policy(struct rest_context *ctx, const char *level, const char *field, struct gh_str name)
{
	const struct gh_doc *doc;
	int r = rest_lookup(ctx, "policy", gh_call_printf(ctx->call, "%s/%.*s", level, GH_STR_ARG(name)),
		&doc);

	if (r == GH_ENOENT || r == GH_EINVAL)
		return rest_fail(ctx, 400, "%s: there is no %s policy named %.*s", field, level,
			GH_STR_ARG(name));
	return r;
}

json_t *
apistore_time(int64_t seconds)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)seconds * 1000);
	return json_string(text);
}

/* ---- Life ---------------------------------------------------------------------------------------- */

static void
handle(void *process, const void *config, struct gh_call *call)
{
	struct apistore *p = process;

	rest_serve(&api, &p->services, process, config, call);
}

static int
open_apistore(void *process, const void *config, struct gh_inst *inst)
{
	struct apistore *p = process;

	int r = rest_services_bind(inst, &p->services);

	(void)config;
	identity_bind(inst, &p->identities);
	if (r == 0 && GH_BIND(inst, GH_SVC_USERS, &p->users) < 0)
		p->users.vt = NULL;
	return r;
}

static const char *const needs[] = { REST_NEEDS, IDENTITY_NEEDS, "?" GH_SVC_USERS, NULL };

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/am/devportal", .handler = handle,
		.lane = GH_LANE_STORE },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "apistore", .version = "0.1.0", .needs = needs, .mounts = mounts,
	.process_size = sizeof(struct apistore), .open = open_apistore,
};
