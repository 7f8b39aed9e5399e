/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policies.c
 * @brief The throttling policies that applications and subscriptions may choose from.
 */
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "plugins/apistore/apistore.h"

static json_t *
policy_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	json_t *dto = NULL, *row = NULL;

	(void)ctx;
	if (doc_map_to_json(doc_map(doc->body, "dto"), &dto) < 0)
		return NULL;
	const json_t *limit = js_object(dto, "defaultLimit");
	const json_t *count = js_object(limit, "requestCount");
	const char *counted = "requestCount";

	if (count == NULL && js_object(limit, "eventCount") != NULL) {
		counted = "eventCount";
		count = js_object(limit, counted);
	}
	int64_t requests = count != NULL ? js_int(count, counted, 0) : INT32_MAX; /* unlimited */

	row = json_object();
	if (js_set_str(row, "name", doc_str(doc->body, "name")) < 0 ||
		js_set_str(row, "displayName",
			js_str_or(dto, "displayName", doc_str(doc->body, "name"))) < 0 ||
		js_set_str(row, "description", js_str_or(dto, "description", GH_STR(""))) < 0 ||
		js_set_str(row, "policyLevel", doc_str(doc->body, "level")) < 0 ||
		js_set(row, "requestCount", json_integer(requests)) < 0 ||
		js_set(row, "unitTime", json_integer(js_int(count, "unitTime", 0))) < 0 ||
		js_set_str(row, "timeUnit", js_str_or(count, "timeUnit", GH_STR("min"))) < 0 ||
		js_set_str(row, "quotaPolicyType", GH_STR("REQUESTCOUNT")) < 0 ||
		js_set_str(row, "tierPlan", js_str_or(dto, "billingPlan", GH_STR("FREE"))) < 0 ||
		js_set(row, "stopOnQuotaReach", json_boolean(js_bool(dto, "stopOnQuotaReach", true))) < 0 ||
		js_set(row, "attributes", json_object()) < 0) {
		json_decref(row);
		row = NULL;
	}
	json_decref(dto);
	return row;
}

static int
check_level(struct rest_context *ctx, struct gh_str level)
{
	if (gh_str_eq(level, GH_STR("application")) || gh_str_eq(level, GH_STR("subscription")))
		return GH_OK;
	return rest_fail(ctx, 404, "policyLevel: is application or subscription, not %.*s",
		GH_STR_ARG(level));
}

int
policies_list(struct rest_context *ctx)
{
	struct gh_str level = rest_param(ctx, "policyLevel");
	struct gh_find find = { .kind = GH_STR("policy"), .index = "level_name", .equal = &level,
		.equal_count = 1 };
	int r = check_level(ctx, level);

	return r < 0 ? r : rest_reply_find(ctx, &find, policy_row);
}

int
policies_get(struct rest_context *ctx)
{
	struct gh_str level = rest_param(ctx, "policyLevel");
	const struct gh_doc *doc;
	int r = check_level(ctx, level);

	if (r == GH_OK)
		r = rest_get(ctx, "policy",
			gh_call_printf(ctx->call, "%.*s/%.*s", GH_STR_ARG(level),
				GH_STR_ARG(rest_param(ctx, "policyId"))),
			&doc);
	return r < 0 ? r : rest_reply(ctx, 200, policy_row(ctx, doc));
}
