/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policies.c
 * @brief Throttling policies: their REST form, and the document that the throttle plugin reads.
 *
 * A document's id is "<level>/<name>", because plans and subscriptions name a policy; its uuid is what
 * the REST paths carry.  The name of a policy does not change.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/yaml/yaml_json.h"
#include "lib/yaml/yaml_write.h"
#include "plugins/admin/admin.h"

#define REQUESTS_MAX INT64_C(1000000000000)
#define UNIT_TIME_MAX INT64_C(1000000)
#define WINDOW_MAX_MS (UINT64_C(10) * 366 * 86400 * 1000)

/* ---- Schema -------------------------------------------------------------------------------------- */

static bool
is_name(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= 0x20 || c == 0x7f || strchr("/\\\"'<>?#%:&", c) != NULL)
			return false;
	}
	return true;
}

static bool
is_unit(struct gh_str s)
{
	return admin_unit_ms(s) > 0;
}

#define UNIT_FIELDS \
	{ "timeUnit", REST_STRING, .is_required = true, .is_valid = is_unit, \
		.rule = "must be sec, min, hour, day, month or year" }, \
	{ "unitTime", REST_INTEGER, .is_required = true, .min = 1, .max = UNIT_TIME_MAX }

static const struct rest_field request_count[] = {
	UNIT_FIELDS,
	{ "requestCount", REST_INTEGER, .is_required = true, .min = 1, .max = REQUESTS_MAX },
	{ .type = REST_END },
};
static const struct rest_field event_count[] = {
	UNIT_FIELDS,
	{ "eventCount", REST_INTEGER, .is_required = true, .min = 1, .max = REQUESTS_MAX },
	{ .type = REST_END },
};
static const char *const limit_types[] = { "REQUESTCOUNTLIMIT", "EVENTCOUNTLIMIT", NULL };
static const struct rest_field limit_fields[] = {
	{ "type", REST_STRING, .is_required = true, .words = limit_types },
	{ "requestCount", REST_OBJECT, .fields = request_count },
	{ "eventCount", REST_OBJECT, .fields = event_count },
	{ .type = REST_END },
};
static const char *const plans[] = { "FREE", "COMMERCIAL", NULL };
static const struct rest_field subscription_fields[] = {
	{ "policyName", REST_STRING, .is_required = true, .min = 1, .max = 60, .is_valid = is_name,
		.rule = "must not contain spaces or any of / \\ \" ' < > ? # % : &" },
	{ "displayName", REST_STRING, .max = 512 },
	{ "description", REST_STRING, .max = 1024 },
	{ "defaultLimit", REST_OBJECT, .is_required = true, .fields = limit_fields },
	{ "rateLimitCount", REST_INTEGER, .min = 0, .max = REQUESTS_MAX, .dflt = "0" },
	{ "stopOnQuotaReach", REST_BOOLEAN, .dflt = "false" },
	{ "billingPlan", REST_STRING, .words = plans, .dflt = "\"FREE\"" },
	{ "customAttributes", REST_ARRAY, .item = REST_OBJECT, .dflt = "[]" },
	{ "graphQLMaxComplexity", REST_INTEGER, .min = 0, .max = REQUESTS_MAX, .dflt = "0" },
	{ "graphQLMaxDepth", REST_INTEGER, .min = 0, .max = REQUESTS_MAX, .dflt = "0" },
	{ "subscriberCount", REST_INTEGER, .min = 0, .max = REQUESTS_MAX, .dflt = "0" },
	{ .type = REST_END },
};

/* Applications and APIs count requests. */
static const char *const request_limit_types[] = { "REQUESTCOUNTLIMIT", NULL };
static const struct rest_field request_limit_fields[] = {
	{ "type", REST_STRING, .is_required = true, .words = request_limit_types },
	{ "requestCount", REST_OBJECT, .fields = request_count },
	{ .type = REST_END },
};
static const struct rest_field plain_fields[] = {
	{ "policyName", REST_STRING, .is_required = true, .min = 1, .max = 60, .is_valid = is_name,
		.rule = "must not contain spaces or any of / \\ \" ' < > ? # % : &" },
	{ "displayName", REST_STRING, .max = 512 },
	{ "description", REST_STRING, .max = 1024 },
	{ "defaultLimit", REST_OBJECT, .is_required = true, .fields = request_limit_fields },
	{ "conditionalGroups", REST_ARRAY, .item = REST_OBJECT },
	{ .type = REST_END },
};

/* A level of policies: what REST calls it, what documents and the throttle plugin call it. */
struct level {
	const char *rest, *doc, *title;
	const struct rest_field *fields;
	/* Documents that name a policy of the level in that field. */
	const char *used_kind, *used_field, *used_title;
};
static const struct level subscription = { "subscription", "subscription", "subscription",
	subscription_fields, "subscription", "tier", "a subscription" };
static const struct level application = { "application", "application", "application", plain_fields,
	"application", "tier", "an application" };
static const struct level advanced = { "advanced", "api", "advanced", plain_fields, "deployment",
	"api_tier", "a deployed API" };

/* ---- REST form to document ----------------------------------------------------------------------- */

uint64_t
admin_unit_ms(struct gh_str unit)
{
	static const struct { const char *name; uint64_t ms; } units[] = {
		{ "sec", 1000 }, { "second", 1000 }, { "seconds", 1000 },
		{ "min", 60000 }, { "minute", 60000 }, { "minutes", 60000 },
		{ "hour", 3600000 }, { "hours", 3600000 },
		{ "day", 86400000 }, { "days", 86400000 },
		{ "week", UINT64_C(604800000) }, { "weeks", UINT64_C(604800000) },
		{ "month", UINT64_C(2592000000) }, { "months", UINT64_C(2592000000) }, /* 30 days */
		{ "year", UINT64_C(31536000000) }, { "years", UINT64_C(31536000000) },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (gh_str_eq_nocase(unit, gh_str_of(units[i].name)))
			return units[i].ms;
	return 0;
}

/* Requests and window of a limit; a limit without a count is unlimited (both 0). */
static int
limit_of(const json_t *dto, int64_t *ret_requests, uint64_t *ret_window_ms)
{
	const json_t *limit = js_object(dto, "defaultLimit");
	const json_t *count = js_object(limit, "requestCount");
	const char *name = "requestCount";

	if (count == NULL) {
		name = "eventCount";
		count = js_object(limit, name);
	}
	*ret_requests = 0;
	*ret_window_ms = 0;
	if (count == NULL)
		return GH_OK;
	uint64_t unit_ms = admin_unit_ms(js_str(count, "timeUnit"));
	int64_t requests = js_int(count, name, 0), times = js_int(count, "unitTime", 0);

	if (unit_ms == 0 || requests < 1 || times < 1 || (uint64_t)times > WINDOW_MAX_MS / unit_ms)
		return GH_EINVAL;
	*ret_requests = requests;
	*ret_window_ms = unit_ms * (uint64_t)times;
	return GH_OK;
}

int
admin_policy_doc(const char *level, struct gh_str name, const char *uuid, json_t *dto,
	struct gh_str *ret_body)
{
	struct doc_writer w;
	int64_t requests;
	uint64_t window_ms;
	int r = limit_of(dto, &requests, &window_ms);

	if (r < 0)
		return r;
	if (js_set_str(dto, "policyId", gh_str_of(uuid)) < 0 ||
		js_set(dto, "isDeployed", json_true()) < 0)
		return GH_ENOMEM;
	doc_writer_init(&w);
	doc_put_str(&w, "uuid", gh_str_of(uuid));
	doc_put_str(&w, "level", gh_str_of(level));
	doc_put_str(&w, "name", name);
	doc_put_int(&w, "requests", requests);
	doc_put_int(&w, "window_ms", (int64_t)window_ms);
	doc_put_bool(&w, "stop_on_quota_reach", js_bool(dto, "stopOnQuotaReach", true));
	doc_put_json(&w, "dto", dto);
	return doc_finish(&w, ret_body);
}

/* ---- Operations ---------------------------------------------------------------------------------- */

static json_t *
policy_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	json_t *dto = NULL;

	(void)ctx;
	return doc_map_to_json(doc_map(doc->body, "dto"), &dto) == GH_OK ? dto : NULL;
}

/* The limit's member must be the one that its type names. */
static int
check_limit(struct rest_context *ctx, const json_t *dto)
{
	const json_t *limit = js_object(dto, "defaultLimit");
	bool is_events = gh_str_eq(js_str(limit, "type"), GH_STR("EVENTCOUNTLIMIT"));
	const char *needed = is_events ? "eventCount" : "requestCount";

	if (js_object(limit, needed) == NULL)
		return rest_fail(ctx, 400, "defaultLimit.%s: is required for this type of limit", needed);
	if (js_object(limit, is_events ? "requestCount" : "eventCount") != NULL)
		return rest_fail(ctx, 400, "defaultLimit: has a count that its type does not name");
	return GH_OK;
}

/* What the throttle plugin does not enforce is refused, not kept. */
static int
check_enforced(struct rest_context *ctx, const json_t *dto)
{
	if (js_int(dto, "rateLimitCount", 0) > 0)
		return rest_fail(ctx, 400, "rateLimitCount: burst limits are not enforced yet");
	if (js_has(dto, "burstLimit"))
		return rest_fail(ctx, 400, "burstLimit: burst limits are not enforced yet");
	if (json_array_size(js_array(dto, "conditionalGroups")) > 0)
		return rest_fail(ctx, 400, "conditionalGroups: conditions are not enforced yet");
	return GH_OK;
}

static int
read_policy(struct rest_context *ctx, const struct level *level, json_t **ret_dto)
{
	int r = rest_body(ctx, level->fields, ret_dto);

	if (r == GH_OK)
		r = check_limit(ctx, *ret_dto);
	return r == GH_OK ? check_enforced(ctx, *ret_dto) : r;
}

/* Does one of the operations of a deployment name the policy? */
static bool
has_operation(struct gh_str deployment, struct gh_str name)
{
	struct doc_iter it = doc_iter(doc_array(deployment, "operations"));
	struct doc_value v;

	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_MAP && gh_str_eq(doc_str(v.s, "tier"), name))
			return true;
	return false;
}

/* Put the policy and answer with its REST form. */
static int
write_policy(struct rest_context *ctx, const struct level *level, const char *uuid, json_t *dto, uint64_t expect_rev,
	bool is_new)
{
	struct gh_str name = js_str(dto, "policyName");
	struct gh_str id = gh_call_printf(ctx->call, "%s/%.*s", level->doc, GH_STR_ARG(name));
	struct gh_str body;
	uint64_t rev;

	if (id.p == NULL)
		return GH_ENOMEM;
	if (!js_has(dto, "displayName") && js_set_str(dto, "displayName", name) < 0)
		return GH_ENOMEM;
	int r = admin_policy_doc(level->doc, name, uuid, dto, &body);

	if (r == GH_EINVAL)
		return rest_fail(ctx, 400, "defaultLimit: the window is longer than ten years");
	if (r == GH_OK)
		r = rest_put(ctx, "policy", id, body, expect_rev);
	if (r == GH_OK)
		r = rest_commit(ctx, &rev);
	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	return is_new ? rest_reply_created(ctx, json_incref(dto), "/throttling/policies/%s/%s", level->rest, uuid)
		      : rest_reply(ctx, 200, json_incref(dto));
}

/* The policy of a level by the uuid in the path. */
static int
find_policy(struct rest_context *ctx, const struct level *level, const struct gh_doc **ret_doc)
{
	struct gh_str uuid = rest_param(ctx, "policyId");
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "policy", "uuid", &uuid, 1, &found);

	if (r < 0)
		return r;
	if (found->n == 0 || !gh_str_eq(doc_str(found->docs[0].body, "level"), gh_str_of(level->doc)))
		return rest_fail(ctx, 404, "there is no %s policy with the id %.*s", level->title,
			GH_STR_ARG(uuid));
	*ret_doc = &found->docs[0];
	return GH_OK;
}

static int
list_policies(struct rest_context *ctx, const struct level *level)
{
	struct gh_str name = gh_str_of(level->doc);
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r < 0)
		return r;
	if (rest_query(ctx, "limit").p == NULL)
		page.limit = REST_LIMIT_MAX; /* the reference's list of policies has no pages */
	struct gh_find find = { .kind = GH_STR("policy"), .index = "level_name", .equal = &name,
		.equal_count = 1, .limit = page.limit, .offset = page.offset };
	const struct gh_docs_found *found;

	r = rest_find(ctx, &find, &found);
	return r < 0 ? r : rest_reply_docs(ctx, &page, found, policy_row);
}

static int
create_policy(struct rest_context *ctx, const struct level *level)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_doc *doc;
	json_t *dto;
	int r = read_policy(ctx, level, &dto);

	if (r < 0)
		return r;
	struct gh_str name = js_str(dto, "policyName");

	r = rest_lookup(ctx, "policy",
		gh_call_printf(ctx->call, "%s/%.*s", level->doc, GH_STR_ARG(name)), &doc);
	if (r == GH_OK)
		return rest_fail(ctx, 409, "there is a %s policy named %.*s already", level->title,
			GH_STR_ARG(name));
	if (r != GH_ENOENT)
		return r;
	r = crypto_uuid(uuid);
	return r < 0 ? r : write_policy(ctx, level, uuid, dto, GH_REV_NONE, true);
}

static int
get_policy(struct rest_context *ctx, const struct level *level)
{
	const struct gh_doc *doc;
	int r = find_policy(ctx, level, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	return rest_reply(ctx, 200, policy_row(ctx, doc));
}

static int
update_policy(struct rest_context *ctx, const struct level *level)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_doc *doc;
	json_t *dto;
	int r = find_policy(ctx, level, &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = read_policy(ctx, level, &dto);
	if (r < 0)
		return r;
	if (!gh_str_eq(js_str(dto, "policyName"), doc_str(doc->body, "name")))
		return rest_fail(ctx, 400, "policyName: the name of a policy does not change");
	snprintf(uuid, sizeof(uuid), "%.*s", GH_STR_ARG(doc_str(doc->body, "uuid")));
	return write_policy(ctx, level, uuid, dto, doc->rev, false);
}

/* What check_unused() looks for. */
struct use {
	const struct level *level;
	struct gh_str name;
};

/* A rest_each_fn. */
static int
is_in_use(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	const struct use *use = arg;

	if (!gh_str_eq(doc_str(doc->body, use->level->used_field), use->name) &&
		!has_operation(doc->body, use->name))
		return GH_OK;
	return rest_fail(ctx, 409, "the policy %.*s is used by %s", GH_STR_ARG(use->name),
		use->level->used_title);
}

static int
check_unused(struct rest_context *ctx, const struct level *level, struct gh_str name)
{
	struct gh_find find = { .kind = gh_str_of(level->used_kind) };

	return rest_find_each(ctx, &find, is_in_use, &(struct use){ level, name });
}

static int
delete_policy(struct rest_context *ctx, const struct level *level)
{
	const struct gh_doc *doc;
	int r = find_policy(ctx, level, &doc);

	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = check_unused(ctx, level, doc_str(doc->body, "name"));
	if (r == GH_OK)
		r = rest_delete(ctx, "policy", doc->id, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}

/* ---- By level ------------------------------------------------------------------------------------ */

#define OPERATIONS(level) \
	int policies_list_##level(struct rest_context *ctx) { return list_policies(ctx, &level); } \
	int policies_create_##level(struct rest_context *ctx) { return create_policy(ctx, &level); } \
	int policies_get_##level(struct rest_context *ctx) { return get_policy(ctx, &level); } \
	int policies_update_##level(struct rest_context *ctx) { return update_policy(ctx, &level); } \
	int policies_delete_##level(struct rest_context *ctx) { return delete_policy(ctx, &level); }

OPERATIONS(subscription)
OPERATIONS(application)
OPERATIONS(advanced)

int
policies_list_custom(struct rest_context *ctx)
{
	return rest_reply(ctx, 200, json_pack("{s:i, s:[]}", "count", 0, "list"));
}

int
policies_refuse_custom(struct rest_context *ctx)
{
	return rest_fail(ctx, 501, "custom rules are not enforced yet, so none can be made");
}

/* ---- All levels ---------------------------------------------------------------------------------- */

/* A row of the search over all levels. */
static json_t *
search_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	struct gh_str b = doc->body, level = doc_str(b, "level"), dto = doc_map(b, "dto");
	json_t *row = json_object();

	(void)ctx;
	if (js_set(row, "policyId", json_integer((json_int_t)doc->rev)) < 0 ||
		js_set_str(row, "uuid", doc_str(b, "uuid")) < 0 ||
		js_set_str(row, "policyName", doc_str(b, "name")) < 0 ||
		js_set_str(row, "displayName", doc_str(dto, "displayName")) < 0 ||
		js_set_str(row, "description", doc_str(dto, "description")) < 0 ||
		js_set(row, "isDeployed", json_true()) < 0 ||
		js_set_str(row, "type", gh_str_eq(level, GH_STR("subscription")) ? GH_STR("sub") :
			gh_str_eq(level, GH_STR("application")) ? GH_STR("app") : GH_STR("api")) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

int
policies_search(struct rest_context *ctx)
{
	static const struct { const char *query, *level; } types[] = {
		{ "", NULL }, { "type:all", NULL }, { "type:sub", "subscription" },
		{ "type:app", "application" }, { "type:api", "api" }, { "type:advanced", "api" },
	};
	struct gh_str query = rest_query(ctx, "query"), level = GH_STR_NONE;
	const struct rest_page page = { REST_LIMIT_MAX, 0 };
	const struct gh_docs_found *found;
	bool is_known = false;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!gh_str_eq(query, gh_str_of(types[i].query)))
			continue;
		is_known = true;
		level = gh_str_of(types[i].level);
	}
	if (!is_known)
		return rest_fail(ctx, 400, "query: must be type:all, type:sub, type:app or type:api");
	int r = rest_find_equal(ctx, "policy", "level_name", &level, level.n > 0, &found);

	return r < 0 ? r : rest_reply_docs(ctx, &page, found, search_row);
}

/* ---- Archives ------------------------------------------------------------------------------------ */

static const struct { const char *type, *subtype; const struct level *level; } archives[] = {
	{ "sub", "subscription policy", &subscription }, { "app", "application policy", &application },
	{ "api", "advanced policy", &advanced },
};
#define ARCHIVES (sizeof(archives) / sizeof(archives[0]))

/* The policy that the query names, by policyId or by name and type. */
static int
find_exported(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	struct gh_str uuid = rest_query(ctx, "policyId"), name = rest_query(ctx, "name");
	struct gh_str type = rest_query(ctx, "type");
	const struct gh_docs_found *found;
	bool is_known = type.n == 0;
	int r;

	if (uuid.n == 0 && name.n == 0)
		return rest_fail(ctx, 400, "policyId or name: one of them is required");
	for (size_t i = 0; i < ARCHIVES; i++)
		is_known |= gh_str_eq(type, gh_str_of(archives[i].type));
	if (!is_known)
		return rest_fail(ctx, 404, "type: there are no policies of the type %.*s",
			GH_STR_ARG(type));
	if (uuid.n > 0) {
		r = rest_find_equal(ctx, "policy", "uuid", &uuid, 1, &found);
		if (r == GH_OK && found->n > 0)
			*ret_doc = &found->docs[0];
		if (r < 0 || found->n > 0)
			return r;
	}
	for (size_t i = 0; name.n > 0 && i < ARCHIVES; i++) {
		if (type.n > 0 && !gh_str_eq(type, gh_str_of(archives[i].type)))
			continue;
		r = rest_lookup(ctx, "policy", gh_call_printf(ctx->call, "%s/%.*s",
			archives[i].level->doc, GH_STR_ARG(name)), ret_doc);
		if (r != GH_ENOENT)
			return r;
	}
	return rest_fail(ctx, 404, "there is no such policy");
}

/* {type, subtype, version, data: {policyId, policyName, ...}}; clients count on that order. */
static int
export_json(const struct gh_doc *doc, json_t *root)
{
	json_t *dto = NULL, *data = json_object();
	const char *subtype = "";
	int r = doc_map_to_json(doc_map(doc->body, "dto"), &dto);

	for (size_t i = 0; i < ARCHIVES; i++)
		if (gh_str_eq(doc_str(doc->body, "level"), gh_str_of(archives[i].level->doc)))
			subtype = archives[i].subtype;
	if (r == GH_OK)
		r = js_set_str(data, "policyId", doc_str(doc->body, "uuid"));
	if (r == GH_OK)
		r = js_set_str(data, "policyName", doc_str(doc->body, "name"));
	if (r == GH_OK && json_object_update_missing(data, dto) < 0)
		r = GH_ENOMEM;
	if (r == GH_OK)
		r = js_set_str(root, "type", GH_STR("throttling policy"));
	if (r == GH_OK)
		r = js_set_str(root, "subtype", gh_str_of(subtype));
	if (r == GH_OK)
		r = js_set_str(root, "version", GH_STR("v4.7.0"));
	if (r == GH_OK)
		r = js_set(root, "data", json_incref(data));
	json_decref(data);
	json_decref(dto);
	return r;
}

int
policies_export(struct rest_context *ctx)
{
	struct gh_str format = rest_query(ctx, "format"), text;
	bool is_yaml = gh_str_eq_nocase(format, GH_STR("YAML"));
	json_t *root = json_object();
	const struct gh_doc *doc;
	int r = rest_own_json(ctx, root);

	if (r == GH_OK && format.n > 0 && !is_yaml && !gh_str_eq_nocase(format, GH_STR("JSON")))
		return rest_fail(ctx, 400, "format: must be YAML or JSON");
	if (r == GH_OK)
		r = find_exported(ctx, &doc);
	if (r == GH_OK)
		r = export_json(doc, root);
	if (r < 0)
		return r;
	if (!is_yaml)
		return rest_reply(ctx, 200, json_incref(root));
	r = yaml_write(root, &text);
	if (r < 0)
		return r;
	r = rest_reply_text(ctx, 200, GH_STR("application/yaml"), text);
	free((void *)(uintptr_t)text.p);
	return r;
}

/* The file of the request, JSON or YAML. */
static int
read_file(struct rest_context *ctx, json_t **ret_root)
{
	const struct yaml_limits limits = { 1u << 20, 10000, 32 };
	struct multipart_part parts[8];
	const struct multipart_part *file;
	struct yaml_doc *doc = NULL;
	char why[256] = "";
	size_t n;
	int r = rest_multipart(ctx, parts, sizeof(parts) / sizeof(parts[0]), &n);

	if (r < 0)
		return r;
	if ((file = multipart_find(parts, n, "file")) == NULL)
		return rest_fail(ctx, 400, "file: the part with the policy is missing");
	r = yaml_parse(file->body, &limits, NULL, NULL, &doc, why, sizeof(why));
	if (r == GH_OK)
		r = yaml_to_json(yaml_root(doc), ret_root, why, sizeof(why));
	yaml_doc_free(doc);
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "file: cannot be read. %s", why);
	return r == GH_OK ? rest_own_json(ctx, *ret_root) : r;
}

int
policies_import(struct rest_context *ctx)
{
	const struct level *level = NULL;
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_doc *old = NULL;
	bool overwrites = false;
	json_t *root = NULL;
	int r = rest_query_bool(ctx, "overwrite", false, &overwrites);

	if (r == GH_OK)
		r = read_file(ctx, &root);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARCHIVES; i++)
		if (gh_str_eq(js_str(root, "subtype"), gh_str_of(archives[i].subtype)))
			level = archives[i].level;
	json_t *dto = js_object(root, "data");

	if (level == NULL || dto == NULL || !gh_str_eq(js_str(root, "type"), GH_STR("throttling policy")))
		return rest_fail(ctx, 400, "file: type must be 'throttling policy', subtype that of a "
			"subscription, application or advanced policy, and data an object");
	r = rest_check(ctx, "data", level->fields, dto);
	if (r == GH_OK)
		r = check_limit(ctx, dto);
	if (r == GH_OK)
		r = check_enforced(ctx, dto);
	if (r < 0)
		return r;
	struct gh_str name = js_str(dto, "policyName");

	r = rest_lookup(ctx, "policy",
		gh_call_printf(ctx->call, "%s/%.*s", level->doc, GH_STR_ARG(name)), &old);
	if (r == GH_OK && !overwrites)
		return rest_fail(ctx, 409, "there is a %s policy named %.*s already; overwrite=true "
			"replaces it", level->title, GH_STR_ARG(name));
	if (r == GH_OK)
		snprintf(uuid, sizeof(uuid), "%.*s", GH_STR_ARG(doc_str(old->body, "uuid")));
	else if (r == GH_ENOENT)
		r = crypto_uuid(uuid);
	return r < 0 ? r : write_policy(ctx, level, uuid, dto, old != NULL ? old->rev : GH_REV_NONE,
		old == NULL);
}
