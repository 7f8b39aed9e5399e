/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tiers.c
 * @brief Throttling policies as the publisher offers them for choice.
 */
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "plugins/publisher/publisher.h"

#define UNLIMITED_REQUESTS 2147483647 /* what the reference shows for no limit */

/** A rest_row_fn. */
static json_t *
tier_row(struct rest_context *ctx, const struct gh_doc *policy)
{
	struct gh_str body = policy->body, dto = doc_map(body, "dto");
	struct gh_str limit = doc_map(doc_map(dto, "defaultLimit"), "requestCount");
	struct gh_str name = doc_str(body, "name"), level = doc_str(body, "level");
	struct gh_str title = doc_str(dto, "displayName"), text = doc_str(dto, "description");
	struct gh_str unit = doc_str(limit, "timeUnit"), plan = doc_str(dto, "billingPlan");
	int64_t requests = doc_int(body, "requests", 0);

	(void)ctx;
	if (title.n == 0)
		title = name;
	if (plan.n == 0)
		plan = GH_STR("FREE");
	return json_pack("{s:s%,s:s%,s:s%,s:s%,s:{},s:I,s:I,s:s%,s:s,s:s%,s:b}",
		"name", name.p, name.n, "displayName", title.p, title.n,
		"description", text.n > 0 ? text.p : "", text.n,
		"policyLevel", level.p, level.n, "attributes",
		"requestCount", (json_int_t)(requests > 0 ? requests : UNLIMITED_REQUESTS),
		"unitTime", (json_int_t)doc_int(limit, "unitTime", 0),
		"timeUnit", unit.n > 0 ? unit.p : "", unit.n, "quotaPolicyType", "REQUESTCOUNT",
		"tierPlan", plan.p, plan.n,
		"stopOnQuotaReach", doc_bool(body, "stop_on_quota_reach", true));
}

static int
check_level(struct rest_context *ctx, struct gh_str *ret_level)
{
	struct gh_str level = rest_param(ctx, "policyLevel");

	if (!gh_str_eq(level, GH_STR("subscription")) && !gh_str_eq(level, GH_STR("application")) &&
	    !gh_str_eq(level, GH_STR("api")))
		return rest_fail(ctx, 404, "There is no policy level '%.*s'", GH_STR_ARG(level));
	*ret_level = level;
	return 0;
}

int
publisher_tier_list(struct rest_context *ctx)
{
	struct gh_str level;
	struct gh_find find = { .kind = GH_STR("policy"), .index = "level_name", .equal = &level,
		.equal_count = 1 };
	int r = check_level(ctx, &level);

	return r < 0 ? r : rest_reply_find(ctx, &find, tier_row);
}

int
publisher_tier_get(struct rest_context *ctx)
{
	const struct gh_doc *policy;
	struct gh_str level;
	int r = check_level(ctx, &level);

	if (r < 0)
		return r;
	struct gh_str id = gh_call_printf(ctx->call, "%.*s/%.*s", GH_STR_ARG(level),
		GH_STR_ARG(rest_param(ctx, "policyName")));

	r = id.p != NULL ? rest_get(ctx, "policy", id, &policy) : GH_ENOMEM;
	return r == 0 ? rest_reply(ctx, 200, tier_row(ctx, policy)) : r;
}
