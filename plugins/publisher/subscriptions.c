/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file subscriptions.c
 * @brief Subscriptions as the publisher sees them: who is subscribed; block and unblock them.
 */
#include "lib/json/json.h"
#include "plugins/publisher/publisher.h"

/** {"applicationId", "name", "subscriber", "description"}; a lost application has its id only. */
static json_t *
application_info(struct rest_context *ctx, struct gh_str id)
{
	const struct gh_doc *application;
	json_t *info = json_object();
	int r = js_set_str(info, "applicationId", id);

	if (r == 0 && rest_lookup(ctx, "application", id, &application) == 0) {
		r = js_set_str(info, "name", doc_str(application->body, "name"));
		if (r == 0)
			r = js_set_str(info, "subscriber", doc_str(application->body, "owner"));
		if (r == 0)
			r = js_set_str(info, "description",
				doc_str(application->body, "description"));
	}
	if (r == 0)
		return info;
	json_decref(info);
	return NULL;
}

/** A rest_row_fn. */
static json_t *
subscription_row(struct rest_context *ctx, const struct gh_doc *subscription)
{
	struct gh_str body = subscription->body;
	struct gh_str tier = doc_str(body, "tier"), state = doc_str(body, "state");

	return json_pack("{s:s%,s:o,s:s%,s:s%}", "subscriptionId", subscription->id.p,
		subscription->id.n,
		"applicationInfo", application_info(ctx, doc_str(body, "application_id")),
		"throttlingPolicy", tier.p, tier.n, "subscriptionStatus", state.p, state.n);
}

int
publisher_subscription_list(struct rest_context *ctx)
{
	struct gh_str api_id = rest_query(ctx, "apiId");
	struct gh_find find = { .kind = GH_STR("subscription") };
	const struct gh_doc *api;
	int r = 0;

	if (api_id.n > 0) {
		find.index = "api";
		find.equal = &api_id;
		find.equal_count = 1;
		r = rest_get(ctx, "api", api_id, &api);
	}
	return r < 0 ? r : rest_reply_find(ctx, &find, subscription_row);
}

static int
change_state(struct rest_context *ctx, struct gh_str state)
{
	const struct gh_doc *subscription;
	struct gh_str id, body;
	uint64_t rev = 0;
	int r = rest_query_need(ctx, "subscriptionId", &id);

	if (r == 0)
		r = rest_get(ctx, "subscription", id, &subscription);
	if (r == 0)
		r = rest_if_match(ctx, subscription->rev);
	if (r == 0)
		r = doc_set(subscription->body, "state", DOC_OF_STR(state), &body);
	if (r == 0)
		r = rest_put(ctx, "subscription", id, body, subscription->rev);
	if (r == 0)
		r = rest_commit(ctx, &rev);
	if (r == 0)
		r = rest_lookup(ctx, "subscription", id, &subscription);
	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	return rest_reply(ctx, 200, subscription_row(ctx, subscription));
}

int
publisher_subscription_block(struct rest_context *ctx)
{
	struct gh_str state;
	int r = rest_query_need(ctx, "blockState", &state);

	if (r < 0)
		return r;
	if (!gh_str_eq(state, GH_STR("BLOCKED")) && !gh_str_eq(state, GH_STR("PROD_ONLY_BLOCKED")))
		return rest_fail(ctx, 400, "The query parameter 'blockState' must be BLOCKED or "
			"PROD_ONLY_BLOCKED");
	return change_state(ctx, state);
}

int
publisher_subscription_unblock(struct rest_context *ctx)
{
	return change_state(ctx, GH_STR("UNBLOCKED"));
}
