/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file subscriptions.c
 * @brief Subscriptions of the caller's applications to APIs.
 */
#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/apistore/apistore.h"

static const struct rest_field fields[] = {
	{ "applicationId", REST_STRING, .is_required = true, .max = 64 },
	{ "apiId", REST_STRING, .is_required = true, .max = 64 },
	{ "throttlingPolicy", REST_STRING, .is_required = true, .min = 1, .max = 60 },
	{ .type = REST_END },
};

/* ---- Rows ---------------------------------------------------------------------------------------- */

static json_t *
api_info(struct rest_context *ctx, struct gh_str api_id)
{
	char context[TENANT_CONTEXT_MAX];
	const struct gh_doc *doc;
	json_t *row = json_object();

	if (rest_lookup(ctx, "api", api_id, &doc) < 0)
		return row;
	js_set_str(row, "id", doc->id);
	js_set_str(row, "name", doc_str(doc->body, "name"));
	js_set_str(row, "version", doc_str(doc->body, "version"));
	js_set_str(row, "context",
		tenant_context(doc->tenant, doc_str(doc->body, "context"), context));
	js_set_str(row, "provider", doc_str(doc->body, "provider"));
	js_set_str(row, "lifeCycleStatus", doc_str(doc->body, "state"));
	js_set_str(row, "type", doc_str(doc->body, "type"));
	return row;
}

static json_t *
application_info(struct rest_context *ctx, struct gh_str application_id)
{
	const struct gh_doc *doc;
	json_t *row = json_object();

	if (rest_lookup(ctx, "application", application_id, &doc) < 0)
		return row;
	js_set_str(row, "applicationId", doc->id);
	js_set_str(row, "name", doc_str(doc->body, "name"));
	js_set_str(row, "throttlingPolicy", doc_str(doc->body, "tier"));
	js_set_str(row, "status", doc_str(doc->body, "status"));
	js_set_str(row, "owner", doc_str(doc->body, "owner"));
	return row;
}

static json_t *
subscription_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	struct gh_str b = doc->body;
	struct gh_str api_id = doc_str(b, "api_id"), application_id = doc_str(b, "application_id");
	json_t *row = json_object();

	if (js_set_str(row, "subscriptionId", doc->id) < 0 ||
		js_set_str(row, "applicationId", application_id) < 0 ||
		js_set_str(row, "apiId", api_id) < 0 ||
		js_set(row, "apiInfo", api_info(ctx, api_id)) < 0 ||
		js_set(row, "applicationInfo", application_info(ctx, application_id)) < 0 ||
		js_set_str(row, "throttlingPolicy", doc_str(b, "tier")) < 0 ||
		js_set_str(row, "requestedThrottlingPolicy", doc_str(b, "tier")) < 0 ||
		js_set_str(row, "status", doc_str(b, "state")) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* By application, or by API and then only those of the caller's applications. */
int
subscriptions_list(struct rest_context *ctx)
{
	struct gh_str application_id = rest_query(ctx, "applicationId"), api_id = rest_query(ctx, "apiId");
	struct gh_str equal[] = { application_id, api_id };
	const struct gh_docs_found *found;
	const struct gh_doc *app;
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r < 0)
		return r;
	if (application_id.n == 0 && api_id.n == 0)
		return rest_fail(ctx, 400, "applicationId or apiId: one of them is required");
	if (application_id.n > 0) {
		struct gh_find find = { .kind = GH_STR("subscription"), .index = "application_api",
			.equal = equal, .equal_count = api_id.n > 0 ? 2 : 1 };

		r = apistore_application(ctx, application_id, &app);
		return r < 0 ? r : rest_reply_find(ctx, &find, subscription_row);
	}
	r = rest_find_equal(ctx, "subscription", "api", &api_id, 1, &found);
	if (r < 0)
		return r;
	json_t *list = json_array();
	uint64_t total = 0;

	for (size_t i = 0; i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];

		if (rest_lookup(ctx, "application", doc_str(doc->body, "application_id"), &app) < 0 ||
			!gh_str_eq(doc_str(app->body, "owner"), ctx->user))
			continue;
		if (total >= page.offset && json_array_size(list) < page.limit)
			json_array_append_new(list, subscription_row(ctx, doc));
		total++;
	}
	return rest_reply_list(ctx, &page, list, total);
}

/* ---- Writing ------------------------------------------------------------------------------------- */

struct gh_str
apistore_why_not(struct rest_context *ctx, const struct gh_doc *api, struct gh_str tier)
{
	struct doc_iter it = doc_iter(doc_array(doc_map(api->body, "dto"), "policies"));
	struct gh_str state = doc_str(api->body, "state");
	struct doc_value v;

	if (!gh_str_eq(state, GH_STR("PUBLISHED")) && !gh_str_eq(state, GH_STR("PROTOTYPED")))
		return gh_call_printf(ctx->call, "the API is %.*s and takes no new subscriptions",
			GH_STR_ARG(state));
	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && gh_str_eq(v.s, tier))
			return GH_STR_NONE;
	return gh_call_printf(ctx->call, "the API does not offer %.*s", GH_STR_ARG(tier));
}

/* The API must be there for new subscribers, and offer the plan. */
static int
check_api(struct rest_context *ctx, struct gh_str api_id, struct gh_str tier)
{
	const struct gh_doc *api;
	int r = rest_get(ctx, "api", api_id, &api);

	if (r < 0)
		return r;
	struct gh_str why = apistore_why_not(ctx, api, tier);

	return why.p == NULL ? GH_OK :
		rest_fail(ctx, 400, "apiId, throttlingPolicy: %.*s", GH_STR_ARG(why));
}

int
apistore_put_subscription(struct rest_context *ctx, struct gh_str id,
	struct gh_str application_id, struct gh_str api_id, struct gh_str tier, struct gh_str state,
	int64_t created_at_s, uint64_t expect_rev)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "api_id", api_id);
	doc_put_str(&w, "application_id", application_id);
	doc_put_str(&w, "tier", tier);
	doc_put_str(&w, "state", state);
	doc_put_int(&w, "created_at_s", created_at_s);
	return rest_put_written(ctx, "subscription", id, &w, expect_rev);
}

static int
reply_subscription(struct rest_context *ctx, struct gh_str id, bool is_new)
{
	const struct gh_doc *doc;
	int r = rest_get(ctx, "subscription", id, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	json_t *row = subscription_row(ctx, doc);

	return is_new ? rest_reply_created(ctx, row, "/subscriptions/%.*s", GH_STR_ARG(id))
		      : rest_reply(ctx, 200, row);
}

int
subscriptions_create(struct rest_context *ctx)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_docs_found *found;
	const struct gh_doc *app;
	json_t *dto;
	int r = rest_body(ctx, fields, &dto);

	if (r == GH_OK)
		r = apistore_application(ctx, js_str(dto, "applicationId"), &app);
	if (r == GH_OK)
		r = check_api(ctx, js_str(dto, "apiId"), js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = apistore_check_policy(ctx, "subscription", "throttlingPolicy",
			js_str(dto, "throttlingPolicy"));
	if (r < 0)
		return r;
	struct gh_str equal[] = { app->id, js_str(dto, "apiId") };

	r = rest_find_equal(ctx, "subscription", "application_api", equal, 2, &found);
	if (r == GH_OK && found->n > 0)
		return rest_fail(ctx, 409, "the application is subscribed to this API already");
	if (r == GH_OK)
		r = crypto_uuid(uuid);
	if (r == GH_OK)
		r = apistore_put_subscription(ctx, gh_str_of(uuid), app->id, equal[1],
			js_str(dto, "throttlingPolicy"), GH_STR("UNBLOCKED"),
			(int64_t)(gh_now_us() / 1000000), GH_REV_NONE);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_subscription(ctx, gh_str_of(uuid), true);
}

/* The subscription that the path names, if its application is the caller's. */
static int
find_subscription(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	struct gh_str id = rest_param(ctx, "subscriptionId");
	const struct gh_doc *app;
	int r = rest_get(ctx, "subscription", id, ret_doc);

	if (r < 0)
		return r;
	r = rest_lookup(ctx, "application", doc_str((*ret_doc)->body, "application_id"), &app);
	if (r == GH_ENOENT ||
		(r == GH_OK && !gh_str_eq(doc_str(app->body, "owner"), ctx->user)))
		return rest_fail(ctx, 404, "there is no subscription with the id %.*s", GH_STR_ARG(id));
	return r;
}

int
subscriptions_get(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_subscription(ctx, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	return rest_reply(ctx, 200, subscription_row(ctx, doc));
}

/* Only the plan of a subscription changes. */
int
subscriptions_update(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	json_t *dto;
	int r = find_subscription(ctx, &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = rest_body(ctx, fields, &dto);
	if (r < 0)
		return r;
	if (!gh_str_eq(js_str(dto, "apiId"), doc_str(doc->body, "api_id")) ||
		!gh_str_eq(js_str(dto, "applicationId"), doc_str(doc->body, "application_id")))
		return rest_fail(ctx, 400, "apiId and applicationId: a subscription keeps both");
	r = check_api(ctx, js_str(dto, "apiId"), js_str(dto, "throttlingPolicy"));
	if (r == GH_OK)
		r = apistore_put_subscription(ctx, doc->id, js_str(dto, "applicationId"),
			js_str(dto, "apiId"), js_str(dto, "throttlingPolicy"),
			doc_str(doc->body, "state"), doc_int(doc->body, "created_at_s", 0),
			doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_subscription(ctx, doc->id, false);
}

int
subscriptions_delete(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_subscription(ctx, &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = rest_delete(ctx, "subscription", doc->id, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}
