/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file app_export.c
 * @brief GET /applications/export: an application with its subscriptions, and perhaps its keys.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "plugins/apistore/app_archive.h"
#include "plugins/apistore/apistore.h"

int
apistore_check_foreign(struct rest_context *ctx, struct gh_str owner, const char *what)
{
	if (gh_str_eq(owner, ctx->user) || rest_has_scope(ctx, "apim:admin") ||
		rest_has_scope(ctx, "apim:app_owner_change"))
		return GH_OK;
	return rest_fail(ctx, 403, "%s that belongs to another user needs the scope apim:admin or "
		"apim:app_owner_change", what);
}

/* ---- Keys ---------------------------------------------------------------------------------------- */

static json_t *
base64_string(struct gh_str secret)
{
	size_t size = CRYPTO_BASE64_LEN(secret.n) + 1;
	char *text = malloc(size);

	if (text == NULL)
		return NULL;
	crypto_base64(secret.p, secret.n, text);
	json_t *json = json_string(text);

	crypto_wipe(text, size);
	free(text);
	return json;
}

static json_t *
key_row(const struct gh_client *c)
{
	json_t *row = json_object();

	if (js_set_str(row, "keyManager", GH_STR(APISTORE_KEY_MANAGER)) < 0 ||
		js_set_str(row, "consumerKey", c->id) < 0 ||
		js_set(row, "consumerSecret", base64_string(c->secret)) < 0 ||
		js_set_str(row, "keyType", c->key_type) < 0 ||
		js_set(row, "supportedGrantTypes", apistore_words(c->grants)) < 0 ||
		js_set_str(row, "callbackUrl", c->callback) < 0 ||
		js_set(row, "validityTime", json_integer(c->validity_s)) < 0 ||
		js_set(row, "additionalProperties", json_object()) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

static int
add_keys(struct rest_context *ctx, struct gh_str application_id, json_t *rows)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "consumer", "application", &application_id, 1, &found);

	for (size_t i = 0; r == GH_OK && i < found->n; i++) {
		struct gh_client *client;

		r = tokens->vt->client_get(tokens->self, ctx->tenant, found->docs[i].id, &client);
		if (r == GH_OK)
			r = apistore_own_client(ctx, client);
		if (r == GH_OK && client->secret.n == 0)
			return rest_fail(ctx, 400, "withKeys: only hashes of client secrets are kept "
				"here (client_secrets: hash_only), so keys cannot be exported");
		if (r == GH_OK && json_array_append_new(rows, key_row(client)) < 0)
			r = GH_ENOMEM;
	}
	return r;
}

/* ---- Subscriptions ------------------------------------------------------------------------------- */

/* A rest_each_fn.  A subscription whose API is gone is left out. */
static int
add_subscription(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	const struct gh_doc *api;
	int r = rest_lookup(ctx, "api", doc_str(doc->body, "api_id"), &api);

	if (r < 0)
		return r == GH_ENOENT ? GH_OK : r;
	struct gh_str provider = doc_str(api->body, "provider"), name = doc_str(api->body, "name");
	struct gh_str version = doc_str(api->body, "version"), tier = doc_str(doc->body, "tier");

	return json_array_append_new(arg, json_pack("{s:{s:s%, s:s%, s:s%}, s:s%}", "apiId",
		"providerName", provider.p, provider.n, "apiName", name.p, name.n,
		"version", version.p, version.n, "throttlingPolicy", tier.p, tier.n)) < 0
		       ? GH_ENOMEM
		       : GH_OK;
}

/* ---- The archive --------------------------------------------------------------------------------- */

/* The members of an application that an archive carries, in their order. */
static int
make_info(const json_t *row, json_t *keys, json_t *info)
{
	static const char *const members[] = { "applicationId", "name", "throttlingPolicy", "description",
		"tokenType", "status", "groups", "subscriptionCount", "keys", "attributes",
		"subscriptionScopes", "owner", "hashEnabled" };
	int r = GH_OK;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && r == GH_OK; i++) {
		json_t *value = strcmp(members[i], "keys") == 0 ? keys : json_object_get(row, members[i]);

		if (value != NULL)
			r = js_set(info, members[i], json_incref(value));
	}
	return r;
}

static int
make_data(struct rest_context *ctx, const struct gh_doc *app, bool has_keys, json_t *data)
{
	struct gh_find find = { .kind = GH_STR("subscription"), .index = "application_api",
		.equal = &app->id, .equal_count = 1 };
	json_t *info = json_object(), *keys = json_array(), *subscribed = json_array();
	json_t *row = NULL;
	int r = js_set(data, "applicationInfo", info);

	if (js_set(data, "subscribedAPIs", subscribed) < 0)
		r = GH_ENOMEM;
	if (r == GH_OK)
		r = apistore_full_row(ctx, app, &row);
	if (r == GH_OK && has_keys)
		r = add_keys(ctx, app->id, keys);
	if (r == GH_OK)
		r = make_info(row, keys, info);
	if (r == GH_OK)
		r = rest_find_each(ctx, &find, add_subscription, subscribed);
	json_decref(keys);
	json_decref(row);
	return r;
}

static int
reply_archive(struct rest_context *ctx, const struct gh_doc *app, const json_t *data, bool is_json)
{
	char buf[200];
	struct gh_str folder = app_archive_folder(doc_str(app->body, "owner"),
		doc_str(app->body, "name"), buf);
	struct gh_str zip = GH_STR_NONE;
	int r = app_archive_write(folder, data, is_json, &zip);

	if (r == GH_OK)
		r = rest_reply_text(ctx, 200, GH_STR("application/zip"), zip);
	if (r == GH_OK)
		r = gh_call_reply_field(ctx->call, GH_STR("Content-Disposition"),
			gh_call_printf(ctx->call, "attachment; filename=\"%.*s.zip\"", GH_STR_ARG(folder)));
	if (zip.p != NULL)
		crypto_wipe((void *)(uintptr_t)zip.p, zip.n);
	free((void *)(uintptr_t)zip.p);
	return r;
}

static int
read_format(struct rest_context *ctx, bool *ret_is_json)
{
	struct gh_str format = rest_query(ctx, "format");

	if (format.n > 0 && !gh_str_eq_nocase(format, GH_STR("YAML")) &&
		!gh_str_eq_nocase(format, GH_STR("JSON")))
		return rest_fail(ctx, 400, "format: must be YAML or JSON");
	*ret_is_json = gh_str_eq_nocase(format, GH_STR("JSON"));
	return GH_OK;
}

int
applications_export(struct rest_context *ctx)
{
	struct gh_str equal[2]; /* owner, name */
	const struct gh_docs_found *found = NULL;
	bool has_keys = false, is_json = false;
	json_t *data = json_object();
	int r = rest_own_json(ctx, data);

	if (r == GH_OK)
		r = rest_query_need(ctx, "appName", &equal[1]);
	if (r == GH_OK)
		r = rest_query_need(ctx, "appOwner", &equal[0]);
	if (r == GH_OK && rest_user_name(ctx, equal[0], &equal[0]) == GH_ENOMEM)
		r = GH_ENOMEM;
	if (r == GH_OK)
		r = rest_query_bool(ctx, "withKeys", false, &has_keys);
	if (r == GH_OK)
		r = read_format(ctx, &is_json);
	if (r == GH_OK && has_keys)
		r = apistore_check_foreign(ctx, equal[0], "withKeys: exporting the keys of an application");
	if (r == GH_OK)
		r = rest_find_equal(ctx, "application", "owner_name", equal, 2, &found);
	if (r == GH_OK && found->n == 0)
		return rest_fail(ctx, 404, "%.*s has no application named %.*s", GH_STR_ARG(equal[0]),
			GH_STR_ARG(equal[1]));
	if (r == GH_OK)
		r = make_data(ctx, &found->docs[0], has_keys, data);
	return r == GH_OK ? reply_archive(ctx, &found->docs[0], data, is_json) : r;
}
