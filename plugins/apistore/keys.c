/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keys.c
 * @brief Keys of an application: OAuth clients of the key manager, one per key type.
 */
#include <stdio.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "plugins/apistore/apistore.h"

#define GRANTS_MAX 512
#define VALIDITY_MAX_S INT64_C(3153600000) /* a hundred years */

static const char *const key_types[] = { "PRODUCTION", "SANDBOX", NULL };

static bool
is_grant(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static const struct rest_field generate_fields[] = {
	{ "keyType", REST_STRING, .is_required = true, .words = key_types },
	{ "grantTypesToBeSupported", REST_ARRAY, .is_required = true, .max = 16, .item = REST_STRING },
	{ "callbackUrl", REST_STRING, .max = 2048, .dflt = "\"\"" },
	{ "scopes", REST_ARRAY, .item = REST_STRING, .max = 100, .dflt = "[]" },
	{ "validityTime", REST_ANY, .is_required = false }, /* a number, or a number in a string */
	{ "keyManager", REST_STRING, .max = 100 },
	{ .type = REST_END },
};
static const struct rest_field update_fields[] = {
	{ "supportedGrantTypes", REST_ARRAY, .is_required = true, .max = 16, .item = REST_STRING },
	{ "callbackUrl", REST_STRING, .max = 2048, .dflt = "\"\"" },
	{ .type = REST_END },
};
static const struct rest_field token_fields[] = {
	{ "consumerSecret", REST_STRING, .max = 512 },
	{ "validityPeriod", REST_ANY, .is_required = false },
	{ "scopes", REST_ARRAY, .item = REST_STRING, .max = 100, .dflt = "[]" },
	{ "revokeToken", REST_STRING, .max = 16384 },
	{ .type = REST_END },
};

/* ---- Shared -------------------------------------------------------------------------------------- */

struct gift {
	const struct gh_tokens *tokens;
	void *what;
};

static void
free_client(void *arg)
{
	struct gift *g = arg;

	g->tokens->vt->client_free(g->what);
}

static void
free_issued(void *arg)
{
	struct gift *g = arg;

	g->tokens->vt->issued_free(g->what);
}

/* Let the context free what the key manager gave. */
static int
own(struct rest_context *ctx, void *what, void (*fn)(void *arg))
{
	struct gift gift = { &ctx->services->tokens, what };
	struct gift *g = gh_call_alloc(ctx->call, sizeof(*g));

	if (g == NULL) {
		fn(&gift);
		return GH_ENOMEM;
	}
	*g = gift;
	return rest_defer(ctx, fn, g);
}

int
apistore_own_client(struct rest_context *ctx, struct gh_client *client)
{
	return own(ctx, client, free_client);
}

/* An array of strings as one text with spaces between. */
int
apistore_join_words(struct rest_context *ctx, const char *field, const json_t *array, struct gh_str *ret_text)
{
	char text[GRANTS_MAX] = "";
	size_t at = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		struct gh_str s = js_text(json_array_get(array, i));

		if (!is_grant(s) || at + s.n + 2 > sizeof(text))
			return rest_fail(ctx, 400, "%s[%zu]: is not a word, or too long", field, i);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", at > 0 ? " " : "",
			GH_STR_ARG(s));
	}
	*ret_text = gh_call_strdup(ctx->call, (struct gh_str){ text, at });
	return ret_text->p != NULL ? GH_OK : GH_ENOMEM;
}

/* Seconds from a member that may be a number or a number in a string; absent is 0 (the default). */
int
apistore_validity(struct rest_context *ctx, const json_t *dto, const char *field, int64_t *ret_s)
{
	struct gh_str text = js_str(dto, field);

	*ret_s = 0;
	if (!js_has(dto, field) || (text.p != NULL && text.n == 0))
		return GH_OK;
	if (js_int_in(dto, field, -1, VALIDITY_MAX_S, ret_s) < 0)
		return rest_fail(ctx, 400, "%s: must be a number of seconds, or -1", field);
	return GH_OK;
}

json_t *
apistore_words(struct gh_str text)
{
	json_t *list = json_array();

	while (text.n > 0) {
		const char *space = memchr(text.p, ' ', text.n);
		size_t n = space != NULL ? (size_t)(space - text.p) : text.n;

		if (n > 0)
			json_array_append_new(list, js_string((struct gh_str){ text.p, n }));
		n += space != NULL;
		text = (struct gh_str){ text.p + n, text.n - n };
	}
	return list;
}

static json_t *
key_row(const struct gh_client *c)
{
	json_t *row = json_object();

	if (js_set_str(row, "keyMappingId", c->key_mapping_id) < 0 ||
		js_set_str(row, "keyManager", GH_STR(APISTORE_KEY_MANAGER)) < 0 ||
		js_set_str(row, "consumerKey", c->id) < 0 ||
		(c->secret.n > 0 ? js_set_str(row, "consumerSecret", c->secret)
				 : js_set(row, "consumerSecret", json_null())) < 0 ||
		js_set(row, "supportedGrantTypes", apistore_words(c->grants)) < 0 ||
		js_set_str(row, "callbackUrl", c->callback) < 0 ||
		js_set_str(row, "keyState", GH_STR("APPROVED")) < 0 ||
		js_set_str(row, "keyType", c->key_type) < 0 ||
		js_set_str(row, "mode", GH_STR("CREATED")) < 0 ||
		js_set(row, "additionalProperties", json_object()) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

static json_t *
token_row(const struct gh_token_issued *t)
{
	json_t *row = json_object();

	if (js_set_str(row, "accessToken", t->token) < 0 ||
		js_set(row, "tokenScopes", apistore_words(t->scopes)) < 0 ||
		js_set(row, "validityTime", json_integer(t->validity_s)) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* The key that the path names, by mapping or by type; its application is the caller's. */
static int
find_key(struct rest_context *ctx, const struct gh_doc **ret_application, struct gh_client **ret_client)
{
	struct gh_str mapping = rest_param(ctx, "keyMappingId");
	const struct gh_docs_found *found;
	const struct gh_tokens *tokens = &ctx->services->tokens;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), ret_application);

	if (r < 0)
		return r;
	struct gh_str by_type[] = { (*ret_application)->id, rest_param(ctx, "keyType") };

	r = mapping.n > 0 ? rest_find_equal(ctx, "consumer", "key_mapping", &mapping, 1, &found)
			  : rest_find_equal(ctx, "consumer", "application", by_type, 2, &found);
	if (r < 0)
		return r;
	if (found->n == 0 ||
		!gh_str_eq(doc_str(found->docs[0].body, "application_id"), (*ret_application)->id))
		return rest_fail(ctx, 404, "the application has no such key");
	r = tokens->vt->client_get(tokens->self, ctx->tenant, found->docs[0].id, ret_client);
	return r < 0 ? r : apistore_own_client(ctx, *ret_client);
}

/* ---- Operations ---------------------------------------------------------------------------------- */

/* 409 when the application has a key of that type already. */
static int
check_no_key(struct rest_context *ctx, struct gh_str application_id, struct gh_str key_type)
{
	struct gh_str equal[] = { application_id, key_type };
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "consumer", "application", equal, 2, &found);

	if (r == GH_OK && found->n > 0)
		return rest_fail_code(ctx, 409, 901409, "Key Mappings already exists",
			"the application has %.*s keys already", GH_STR_ARG(key_type));
	return r;
}

/* Add {"token": ...} to the answer, where the client may get one by itself. */
static int
add_first_token(struct rest_context *ctx, const struct gh_client *client, const json_t *dto, json_t *row)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_token_request request = { .kind = GH_TOKEN_APPLICATION, .tenant = ctx->tenant,
		.client_id = client->id };
	struct gh_token_issued *issued;
	bool has_grant = false;

	for (size_t i = 0; i < json_array_size(js_array(dto, "grantTypesToBeSupported")); i++)
		has_grant |= gh_str_eq(js_text(json_array_get(js_array(dto, "grantTypesToBeSupported"), i)),
			GH_STR("client_credentials"));
	if (!has_grant)
		return GH_OK;
	int r = apistore_join_words(ctx, "scopes", js_array(dto, "scopes"), &request.scopes);

	if (r == GH_OK)
		r = tokens->vt->issue(tokens->self, &request, &issued);
	if (r == GH_OK)
		r = own(ctx, issued, free_issued);
	return r < 0 ? r : js_set(row, "token", token_row(issued));
}

int
keys_generate(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	char mapping[CRYPTO_UUID_LEN + 1];
	struct gh_client spec = { .tenant = ctx->tenant, .owner = ctx->user };
	struct gh_client *client;
	const struct gh_doc *app;
	uint64_t seq = 0;
	json_t *dto;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &app);

	if (r == GH_OK)
		r = rest_body(ctx, generate_fields, &dto);
	if (r == GH_OK)
		r = apistore_join_words(ctx, "grantTypesToBeSupported", js_array(dto, "grantTypesToBeSupported"),
			&spec.grants);
	if (r == GH_OK)
		r = apistore_validity(ctx, dto, "validityTime", &spec.validity_s);
	if (r == GH_OK)
		r = check_no_key(ctx, app->id, js_str(dto, "keyType"));
	if (r == GH_OK)
		r = crypto_uuid(mapping);
	if (r < 0)
		return r;
	spec.key_type = js_str(dto, "keyType");
	spec.callback = js_str(dto, "callbackUrl");
	spec.application_id = app->id;
	spec.application_name = doc_str(app->body, "name");
	spec.application_tier = doc_str(app->body, "tier");
	spec.key_mapping_id = gh_str_of(mapping);
	spec.name = gh_call_printf(ctx->call, "%.*s_%.*s_%.*s", GH_STR_ARG(ctx->user),
		GH_STR_ARG(spec.application_name), GH_STR_ARG(spec.key_type));
	r = tokens->vt->client_put(tokens->self, &spec, &client, &seq);
	if (r == GH_OK)
		r = apistore_own_client(ctx, client);
	if (r < 0)
		return r;
	rest_rollout_wait(ctx, seq);
	json_t *row = key_row(client);

	r = add_first_token(ctx, client, dto, row);
	if (r < 0) {
		json_decref(row);
		return r;
	}
	return rest_reply(ctx, 200, row);
}

int
keys_list(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	const struct gh_docs_found *found;
	const struct gh_doc *app;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &app);

	if (r == GH_OK)
		r = rest_find_equal(ctx, "consumer", "application", &app->id, 1, &found);
	if (r < 0)
		return r;
	json_t *list = json_array();

	for (size_t i = 0; i < found->n; i++) {
		struct gh_client *client;

		r = tokens->vt->client_get(tokens->self, ctx->tenant, found->docs[i].id, &client);
		if (r == GH_ENOENT)
			continue; /* deleted in between */
		if (r < 0) {
			json_decref(list);
			return r;
		}
		json_array_append_new(list, key_row(client));
		tokens->vt->client_free(client);
	}
	return rest_reply(ctx, 200,
		json_pack("{s:I, s:o}", "count", (json_int_t)json_array_size(list), "list", list));
}

int
keys_get(struct rest_context *ctx)
{
	struct gh_client *client;
	const struct gh_doc *app;
	int r = find_key(ctx, &app, &client);

	return r < 0 ? r : rest_reply(ctx, 200, key_row(client));
}

int
keys_update(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_client *client, *updated;
	struct gh_client spec;
	const struct gh_doc *app;
	uint64_t seq = 0;
	json_t *dto;
	int r = find_key(ctx, &app, &client);

	if (r == GH_OK)
		r = rest_body(ctx, update_fields, &dto);
	if (r < 0)
		return r;
	spec = *client;
	r = apistore_join_words(ctx, "supportedGrantTypes", js_array(dto, "supportedGrantTypes"), &spec.grants);
	if (r < 0)
		return r;
	spec.callback = js_str(dto, "callbackUrl");
	spec.application_name = doc_str(app->body, "name");
	spec.application_tier = doc_str(app->body, "tier");
	r = tokens->vt->client_put(tokens->self, &spec, &updated, &seq);
	if (r == GH_OK)
		r = apistore_own_client(ctx, updated);
	if (r < 0)
		return r;
	rest_rollout_wait(ctx, seq);
	return rest_reply(ctx, 200, key_row(updated));
}

int
keys_regenerate_secret(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_client *client, *renewed;
	const struct gh_doc *app;
	int r = find_key(ctx, &app, &client);

	if (r == GH_OK)
		r = tokens->vt->client_renew_secret(tokens->self, ctx->tenant, client->id, &renewed);
	if (r == GH_OK)
		r = apistore_own_client(ctx, renewed);
	if (r < 0)
		return r;
	json_t *row = json_object();

	if (js_set_str(row, "consumerKey", renewed->id) < 0 ||
		js_set_str(row, "consumerSecret", renewed->secret) < 0) {
		json_decref(row);
		return GH_ENOMEM;
	}
	return rest_reply(ctx, 200, row);
}

/* Revoke an access token of this key; 400 for another key's.  One that is not valid needs no
 * revocation. */
static int
revoke_own(struct rest_context *ctx, const struct gh_client *client, struct gh_str token)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_principal *principal;
	uint64_t seq = 0;
	int r = tokens->vt->check(tokens->self, token, &principal);

	if (r == GH_EDENIED || r == GH_EEXPIRED)
		return GH_OK;
	if (r < 0)
		return r;
	bool is_own = gh_str_eq(principal->client_id, client->id);

	tokens->vt->principal_free(principal);
	if (!is_own)
		return rest_fail(ctx, 400, "revokeToken: is not a token of this key");
	r = tokens->vt->revoke(tokens->self, token, &seq);
	if (r == GH_OK)
		rest_rollout_wait(ctx, seq);
	return r;
}

int
keys_generate_token(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_token_request request = { .kind = GH_TOKEN_APPLICATION, .tenant = ctx->tenant };
	struct gh_token_issued *issued;
	struct gh_client *client;
	const struct gh_doc *app;
	json_t *dto;
	int r = find_key(ctx, &app, &client);

	if (r == GH_OK)
		r = rest_body(ctx, token_fields, &dto);
	if (r == GH_OK)
		r = apistore_validity(ctx, dto, "validityPeriod", &request.validity_s);
	if (r == GH_OK)
		r = apistore_join_words(ctx, "scopes", js_array(dto, "scopes"), &request.scopes);
	if (r < 0)
		return r;
	struct gh_str secret = js_str(dto, "consumerSecret"), old = js_str(dto, "revokeToken");

	if (secret.n > 0 && client->secret.n > 0 && !crypto_equal(secret, client->secret))
		return rest_fail(ctx, 400, "consumerSecret: is not this application's");
	r = old.n > 0 ? revoke_own(ctx, client, old) : GH_OK;
	if (r < 0)
		return r;
	request.client_id = client->id;
	r = tokens->vt->issue(tokens->self, &request, &issued);
	if (r == GH_OK)
		r = own(ctx, issued, free_issued);
	return r < 0 ? r : rest_reply(ctx, 200, token_row(issued));
}
