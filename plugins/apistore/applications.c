/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file applications.c
 * @brief Applications of the caller.
 *
 * An application's name and tier stand in its `consumer` documents too, because gateways know no
 * applications: an update rewrites them, and a deletion removes keys and subscriptions, in one batch.
 */
#include "lib/application/application.h"
#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/apistore/apistore.h"

static const char *const token_types[] = { "JWT", "OAUTH", NULL };

static bool
is_printable(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

const struct rest_field apistore_application_fields[] = {
	{ "name", REST_STRING, .is_required = true, .min = 1, .max = 100, .is_valid = is_printable,
		.rule = "must not contain control characters" },
	{ "throttlingPolicy", REST_STRING, .is_required = true, .min = 1, .max = 60 },
	{ "description", REST_STRING, .max = 512, .dflt = "\"\"" },
	{ "tokenType", REST_STRING, .words = token_types, .dflt = "\"JWT\"" },
	{ "groups", REST_ARRAY, .item = REST_STRING, .max = 100, .dflt = "[]" },
	{ "attributes", REST_OBJECT, .dflt = "{}" },
	{ .type = REST_END },
};

/* ---- Rows ---------------------------------------------------------------------------------------- */

/* A nested value of the document, or an empty one of that kind. */
static json_t *
nested(struct gh_str body, const char *name, json_t *empty)
{
	json_t *all = NULL, *value = NULL;

	if (doc_map_to_json(body, &all) == GH_OK)
		value = json_incref(json_object_get(all, name));
	json_decref(all);
	if (value == NULL)
		return empty;
	json_decref(empty);
	return value;
}

static int
count_subscriptions(struct rest_context *ctx, struct gh_str application_id, uint64_t *ret_n)
{
	struct gh_find find = { .kind = GH_STR("subscription"), .index = "application_api",
		.equal = &application_id, .equal_count = 1, .limit = 1 };
	const struct gh_docs_found *found;
	int r = rest_find(ctx, &find, &found);

	if (r == GH_OK)
		*ret_n = found->total;
	return r;
}

json_t *
apistore_application_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	uint64_t subscriptions = 0;

	if (count_subscriptions(ctx, doc->id, &subscriptions) < 0)
		return NULL;
	struct gh_str b = doc->body;
	json_t *row = json_object();

	if (js_set_str(row, "applicationId", doc->id) < 0 ||
		js_set_str(row, "name", doc_str(b, "name")) < 0 ||
		js_set_str(row, "throttlingPolicy", doc_str(b, "tier")) < 0 ||
		js_set_str(row, "description", doc_str(b, "description")) < 0 ||
		js_set_str(row, "status", doc_str(b, "status")) < 0 ||
		js_set_str(row, "tokenType", doc_str(b, "token_type")) < 0 ||
		js_set_str(row, "owner", doc_str(b, "owner")) < 0 ||
		js_set(row, "subscriptionCount", json_integer((json_int_t)subscriptions)) < 0 ||
		js_set(row, "groups", nested(b, "groups", json_array())) < 0 ||
		js_set(row, "attributes", nested(b, "attributes", json_object())) < 0 ||
		js_set(row, "hashEnabled", json_false()) < 0 ||
		js_set(row, "createdTime", apistore_time(doc_int(b, "created_at_s", 0))) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

int
applications_list(struct rest_context *ctx)
{
	/* The query is a name, as it is. */
	struct gh_str equal[] = { ctx->user, rest_query(ctx, "query") };
	struct gh_find find = { .kind = GH_STR("application"), .index = "owner_name", .equal = equal,
		.equal_count = equal[1].n > 0 ? 2 : 1 };

	return rest_reply_find(ctx, &find, apistore_application_row);
}

/* ---- Writing ------------------------------------------------------------------------------------- */

int
apistore_put_application(struct rest_context *ctx, struct gh_str id, struct gh_str owner,
	const json_t *dto, int64_t created_at_s, uint64_t expect_rev)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "name", js_str(dto, "name"));
	doc_put_str(&w, "owner", owner);
	doc_put_str(&w, "tier", js_str(dto, "throttlingPolicy"));
	doc_put_str(&w, "token_type", js_str(dto, "tokenType"));
	doc_put_str(&w, "description", js_str(dto, "description"));
	doc_put_str(&w, "status", GH_STR("APPROVED"));
	doc_put_json(&w, "attributes", js_object(dto, "attributes"));
	doc_put_json(&w, "groups", js_array(dto, "groups"));
	doc_put_int(&w, "created_at_s", created_at_s);
	return rest_put_written(ctx, "application", id, &w, expect_rev);
}

/* The scopes that an API declares, by name. */
static int
add_scopes(const struct gh_doc *api, json_t *scopes)
{
	json_t *dto = NULL, *item;
	size_t i;
	int r = doc_map_to_json(doc_map(api->body, "dto"), &dto);

	json_array_foreach(js_array(dto, "scopes"), i, item) {
		const json_t *scope = js_object(item, "scope");
		struct gh_str name = js_str(scope, "name");
		json_t *row = json_object(), *roles = js_array(scope, "bindings");

		if (r == GH_OK)
			r = js_set_str(row, "key", name);
		if (r == GH_OK)
			r = js_set_str(row, "name", js_str_or(scope, "displayName", name));
		if (r == GH_OK)
			r = js_set(row, "roles", roles != NULL ? json_incref(roles) : json_array());
		if (r == GH_OK)
			r = js_set_str(row, "description", js_str_or(scope, "description", GH_STR("")));
		if (r == GH_OK && name.n > 0 && json_object_set(scopes, name.p, row) < 0)
			r = GH_ENOMEM;
		json_decref(row);
	}
	json_decref(dto);
	return r;
}

/* Scopes of the APIs that the application is subscribed to, each once. */
static json_t *
subscription_scopes(struct rest_context *ctx, struct gh_str application_id)
{
	const struct gh_docs_found *found;
	json_t *scopes = json_object(), *rows = json_array(), *row;
	const char *name;
	int r = rest_find_equal(ctx, "subscription", "application_api", &application_id, 1, &found);

	for (size_t i = 0; r == GH_OK && i < found->n; i++) {
		const struct gh_doc *api;

		r = rest_lookup(ctx, "api", doc_str(found->docs[i].body, "api_id"), &api);
		if (r == GH_OK)
			r = add_scopes(api, scopes);
		else if (r == GH_ENOENT)
			r = GH_OK;
	}
	json_object_foreach(scopes, name, row)
		if (r == GH_OK && json_array_append(rows, row) < 0)
			r = GH_ENOMEM;
	json_decref(scopes);
	if (r == GH_OK)
		return rows;
	json_decref(rows);
	return NULL;
}

int
apistore_full_row(struct rest_context *ctx, const struct gh_doc *doc, json_t **ret_row)
{
	json_t *row = apistore_application_row(ctx, doc);
	int r = GH_ENOMEM;

	if (row != NULL)
		r = js_set(row, "subscriptionScopes", subscription_scopes(ctx, doc->id));
	if (r < 0)
		json_decref(row);
	else
		*ret_row = row;
	return r;
}

static int
reply_application(struct rest_context *ctx, struct gh_str id, bool is_new)
{
	const struct gh_doc *doc;
	int r = rest_get(ctx, "application", id, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	json_t *row;

	r = apistore_full_row(ctx, doc, &row);
	if (r < 0)
		return r;
	return is_new ? rest_reply_created(ctx, row, "/applications/%.*s", GH_STR_ARG(id))
		      : rest_reply(ctx, 200, row);
}

int
applications_create(struct rest_context *ctx)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	json_t *dto;
	int r = rest_body(ctx, apistore_application_fields, &dto);

	if (r == GH_OK)
		r = apistore_check_policy(ctx, "application", "throttlingPolicy",
			js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = application_check_name(ctx, ctx->user, js_str(dto, "name"), GH_STR_NONE);
	if (r == GH_OK)
		r = crypto_uuid(uuid);
	if (r == GH_OK)
		r = apistore_put_application(ctx, gh_str_of(uuid), ctx->user, dto,
			(int64_t)(gh_now_us() / 1000000), GH_REV_NONE);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_application(ctx, gh_str_of(uuid), true);
}

int
applications_get(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &doc);

	if (r < 0)
		return r;
	return reply_application(ctx, doc->id, false);
}

int
applications_update(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	json_t *dto;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = rest_body(ctx, apistore_application_fields, &dto);
	if (r == GH_OK)
		r = apistore_check_policy(ctx, "application", "throttlingPolicy",
			js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = application_check_name(ctx, ctx->user, js_str(dto, "name"), doc->id);
	if (r == GH_OK)
		r = apistore_put_application(ctx, doc->id, ctx->user, dto,
			doc_int(doc->body, "created_at_s", 0), doc->rev);
	if (r == GH_OK)
		r = application_put_consumers(ctx, doc->id, js_str(dto, "name"), ctx->user,
			js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_application(ctx, doc->id, false);
}

int
applications_delete(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = application_delete(ctx, doc);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}
