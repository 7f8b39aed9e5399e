/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file applications.c
 * @brief Applications of the caller.
 *
 * An application's name and tier stand in its `consumer` documents too, because gateways know no
 * applications: an update rewrites them, and a deletion removes keys and subscriptions, in one batch.
 */
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

static const struct rest_field fields[] = {
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

static json_t *
application_row(struct rest_context *ctx, const struct gh_doc *doc)
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
	struct gh_str query = rest_query(ctx, "query");
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r < 0)
		return r;
	struct gh_find find = { .kind = GH_STR("application"), .index = "owner_name",
		.equal = &ctx->user, .equal_count = 1, .from = query, .is_prefix = query.n > 0,
		.limit = page.limit, .offset = page.offset };
	const struct gh_docs_found *found;

	r = rest_find(ctx, &find, &found);
	return r < 0 ? r : rest_reply_docs(ctx, &page, found, application_row);
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static int
put_application(struct rest_context *ctx, struct gh_str id, const json_t *dto, int64_t created_at_s,
	uint64_t expect_rev)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "name", js_str(dto, "name"));
	doc_put_str(&w, "owner", ctx->user);
	doc_put_str(&w, "tier", js_str(dto, "throttlingPolicy"));
	doc_put_str(&w, "token_type", js_str(dto, "tokenType"));
	doc_put_str(&w, "description", js_str(dto, "description"));
	doc_put_str(&w, "status", GH_STR("APPROVED"));
	doc_put_json(&w, "attributes", js_object(dto, "attributes"));
	doc_put_json(&w, "groups", js_array(dto, "groups"));
	doc_put_int(&w, "created_at_s", created_at_s);
	return rest_put_written(ctx, "application", id, &w, expect_rev);
}

/* 409 when another application of the caller has that name. */
static int
check_name(struct rest_context *ctx, struct gh_str name, struct gh_str own_id)
{
	struct gh_str equal[] = { ctx->user, name };
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "application", "owner_name", equal, 2, &found);

	if (r == GH_OK && found->n > 0 && !gh_str_eq(found->docs[0].id, own_id))
		return rest_fail(ctx, 409, "there is an application named %.*s already", GH_STR_ARG(name));
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
	json_t *row = application_row(ctx, doc);

	return is_new ? rest_reply_created(ctx, row, "/applications/%.*s", GH_STR_ARG(id))
		      : rest_reply(ctx, 200, row);
}

int
applications_create(struct rest_context *ctx)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	json_t *dto;
	int r = rest_body(ctx, fields, &dto);

	if (r == GH_OK)
		r = apistore_check_policy(ctx, "application", "throttlingPolicy",
			js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = check_name(ctx, js_str(dto, "name"), GH_STR_NONE);
	if (r == GH_OK)
		r = crypto_uuid(uuid);
	if (r == GH_OK)
		r = put_application(ctx, gh_str_of(uuid), dto, (int64_t)(gh_now_us() / 1000000),
			GH_REV_NONE);
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
	rest_etag(ctx, doc->rev);
	return rest_reply(ctx, 200, application_row(ctx, doc));
}

/* The consumers of an application carry its name and tier. */
static int
rewrite_consumers(struct rest_context *ctx, struct gh_str application_id, const json_t *dto)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "consumer", "application", &application_id, 1, &found);

	for (size_t i = 0; r == GH_OK && i < found->n; i++) {
		json_t *consumer = NULL;
		struct gh_str body;

		r = doc_map_to_json(found->docs[i].body, &consumer);
		if (r == GH_OK && (js_set_str(consumer, "application_name", js_str(dto, "name")) < 0 ||
					  js_set_str(consumer, "tier", js_str(dto, "throttlingPolicy")) < 0))
			r = GH_ENOMEM;
		if (r == GH_OK)
			r = doc_from_json(consumer, &body);
		if (r == GH_OK)
			r = rest_put(ctx, "consumer", found->docs[i].id, body, found->docs[i].rev);
		json_decref(consumer);
	}
	return r;
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
		r = rest_body(ctx, fields, &dto);
	if (r == GH_OK)
		r = apistore_check_policy(ctx, "application", "throttlingPolicy",
			js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = check_name(ctx, js_str(dto, "name"), doc->id);
	if (r == GH_OK)
		r = put_application(ctx, doc->id, dto, doc_int(doc->body, "created_at_s", 0), doc->rev);
	if (r == GH_OK)
		r = rewrite_consumers(ctx, doc->id, dto);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_application(ctx, doc->id, false);
}

/* Delete every document of @p kind that the index names for this application. */
static int
delete_all(struct rest_context *ctx, const char *kind, const char *index, struct gh_str application_id)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, kind, index, &application_id, 1, &found);

	for (size_t i = 0; r == GH_OK && i < found->n; i++)
		r = rest_delete(ctx, kind, found->docs[i].id, GH_REV_ANY);
	return r;
}

/* The key manager keeps their ids in the default tenant, too. */
static int
delete_clients(struct rest_context *ctx, struct gh_str application_id)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "client", "application", &application_id, 1, &found);

	for (size_t i = 0; r == GH_OK && i < found->n; i++) {
		r = rest_delete(ctx, "client", found->docs[i].id, GH_REV_ANY);
		if (r < 0 || tenant_is_default(ctx->tenant))
			continue;
		struct gh_str before = rest_use_tenant(ctx, TENANT_DEFAULT);

		r = rest_delete(ctx, "client", found->docs[i].id, GH_REV_ANY);
		rest_use_tenant(ctx, before);
	}
	return r;
}

int
applications_delete(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = apistore_application(ctx, rest_param(ctx, "applicationId"), &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = delete_all(ctx, "subscription", "application_api", doc->id);
	if (r == GH_OK)
		r = delete_all(ctx, "consumer", "application", doc->id);
	if (r == GH_OK)
		r = delete_clients(ctx, doc->id);
	if (r == GH_OK)
		r = rest_delete(ctx, "application", doc->id, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}
