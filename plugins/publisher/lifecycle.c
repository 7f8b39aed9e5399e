/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lifecycle.c
 * @brief The lifecycle of an API: which event leads from which state to which, and what it takes.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "plugins/publisher/lifecycle.h"
#include "plugins/publisher/publisher.h"

#define HISTORY_MAX 100

/* ---- Answers --------------------------------------------------------------------------------- */

/** {"state", "checkItems", "availableTransitions"} */
static json_t *
state_to_json(struct gh_str state)
{
	json_t *transitions = json_array(), *items = json_array();
	int r = 0;

	for (const struct lifecycle_row *row = lifecycle_rows; row->event != NULL; row++) {
		if (gh_str_eq(state, gh_str_of(row->from)))
			r |= json_array_append_new(transitions, json_pack("{s:s,s:s}",
				"event", row->event, "targetState", lifecycle_label(row->to)));
	}
	for (size_t i = 0; lifecycle_has_checklist(state) && i < LIFECYCLE_CHECK_COUNT; i++)
		r |= json_array_append_new(items, json_pack("{s:s,s:b,s:[]}",
			"name", lifecycle_checks[i], "value", 0, "requiredStates"));
	json_t *json = json_pack("{s:s,s:o,s:o}", "state", lifecycle_label_of(state),
		"checkItems", items, "availableTransitions", transitions);

	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

int
publisher_lifecycle_get(struct rest_context *ctx)
{
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	return r == 0 ? rest_reply(ctx, 200, state_to_json(doc_str(api->body, "state"))) : r;
}

int
publisher_lifecycle_history(struct rest_context *ctx)
{
	const struct gh_doc *api;
	json_t *list = json_array();
	int r = publisher_api_of_path(ctx, &api);

	if (r < 0) {
		json_decref(list);
		return r;
	}
	struct doc_iter it = doc_iter(doc_array(api->body, "history"));
	struct doc_value item;

	while (doc_next(&it, NULL, &item)) {
		struct gh_str from = doc_str(item.s, "from"), to = doc_str(item.s, "to");
		struct gh_str user = doc_str(item.s, "user");

		if (json_array_append_new(list, json_pack("{s:s%,s:s%,s:s%,s:o}",
				"previousState", from.p, from.n, "postState", to.p, to.n,
				"user", user.p, user.n,
				"updatedTime", publisher_time(doc_int(item.s, "at_s", 0)))) < 0)
			r = GH_ENOMEM;
	}
	if (r == 0)
		return rest_reply(ctx, 200, json_pack("{s:I,s:o}", "count",
			(json_int_t)json_array_size(list), "list", list));
	json_decref(list);
	return r;
}

/* ---- What an event takes --------------------------------------------------------------------- */

static int
check_publishable(struct rest_context *ctx, const struct gh_doc *api)
{
	json_t *dto = publisher_stored_dto(api->body);
	int r = rest_own_json(ctx, dto);

	if (r < 0)
		return r;
	if (json_array_size(js_array(dto, "policies")) == 0)
		return rest_fail_code(ctx, 400, 903224,
			"Failed to publish service to API store. No Tiers selected",
			"The API offers no business plan; add one to its 'policies' first");
	if (!publisher_has_endpoint(dto))
		return rest_fail(ctx, 400, "The API has no endpoint; it needs one before it can be "
			"published");
	return 0;
}

/* ---- Changes --------------------------------------------------------------------------------- */

/** The history with one row more, without its oldest rows when it gets too long. */
static void
put_history(struct rest_context *ctx, struct doc_writer *w, const struct gh_doc *api,
	struct gh_str to)
{
	struct gh_str history = doc_array(api->body, "history");
	struct doc_iter it = doc_iter(history);
	uint32_t n = doc_count(history);
	struct doc_value item;

	doc_begin_array(w, "history");
	for (; doc_next(&it, NULL, &item); n--)
		if (n < HISTORY_MAX)
			doc_put_value(w, NULL, &item);
	doc_begin_map(w, NULL);
	doc_put_str(w, "from", doc_str(api->body, "state"));
	doc_put_str(w, "to", to);
	doc_put_str(w, "user", ctx->user);
	doc_put_int(w, "at_s", publisher_now_s());
	doc_end(w);
	doc_end(w);
}

/** A rest_each_fn. */
static int
remove_subscription(struct rest_context *ctx, const struct gh_doc *subscription, void *arg)
{
	(void)arg;
	return rest_delete(ctx, "subscription", subscription->id, subscription->rev);
}

int
publisher_subscriptions_remove(struct rest_context *ctx, struct gh_str api_id)
{
	struct gh_find find = {
		.kind = GH_STR("subscription"), .index = "api", .equal = &api_id, .equal_count = 1,
	};

	return rest_find_each(ctx, &find, remove_subscription, NULL);
}

/** The API's body in another state. */
static int
body_in_state(struct rest_context *ctx, const struct gh_doc *api, struct gh_str state,
	struct gh_str *ret_body)
{
	struct gh_str changes;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "state", state);
	doc_put_int(&w, "updated_at_s", publisher_now_s());
	put_history(ctx, &w, api, state);
	int r = doc_finish(&w, &changes);

	if (r == 0) {
		r = doc_merge(api->body, changes, ret_body);
		free((void *)changes.p);
	}
	return r;
}

/** Bring one API into a state: its document, what is deployed of it, its subscriptions. */
static int
enter_state(struct rest_context *ctx, const struct gh_doc *api, struct gh_str state)
{
	struct doc_writer w;
	struct gh_str changes = GH_STR_NONE, body;
	int r = body_in_state(ctx, api, state, &body);

	if (r == 0)
		r = rest_put(ctx, "api", api->id, body, api->rev);
	if (r == 0 && gh_str_eq(state, GH_STR("RETIRED"))) {
		r = publisher_deployments_remove(ctx, api->id);
		return r == 0 ? publisher_subscriptions_remove(ctx, api->id) : r;
	}
	if (r == 0) {
		doc_writer_init(&w);
		doc_put_str(&w, "state", state);
		r = doc_finish(&w, &changes);
	}
	if (r == 0)
		r = publisher_deployments_change(ctx, api->id, changes);
	free((void *)changes.p);
	return r;
}

int
publisher_lifecycle_reach(struct rest_context *ctx, struct gh_doc *api, struct gh_str state)
{
	struct gh_str now = doc_str(api->body, "state"), body;
	int r = 0;

	if (!lifecycle_is_state(state))
		return rest_fail(ctx, 400, "'lifeCycleStatus' is no state of an API: %.*s",
			(int)(state.n < 40 ? state.n : 40), state.p);
	while (r == 0 && !gh_str_eq(now, state)) {
		const struct lifecycle_row *row = lifecycle_step(now, state);

		if (row == NULL)
			return rest_fail(ctx, 400, "No event leads from the state %s to %s",
				lifecycle_label_of(now), lifecycle_label_of(state));
		if (strcmp(row->to, "PUBLISHED") == 0)
			r = check_publishable(ctx, api);
		if (r == 0)
			r = body_in_state(ctx, api, gh_str_of(row->to), &body);
		if (r < 0)
			break;
		free((void *)(uintptr_t)api->body.p);
		api->body = body;
		now = doc_str(api->body, "state");
	}
	return r;
}

/** Is @p other an older, published version of the same API? */
static bool
is_older_published(const struct gh_doc *api, const struct gh_doc *other)
{
	return !gh_str_eq(other->id, api->id) &&
		gh_str_eq(doc_str(other->body, "state"), GH_STR("PUBLISHED")) &&
		doc_int(other->body, "created_at_s", 0) <= doc_int(api->body, "created_at_s", 0);
}

/** Subscribe to @p api every application that is subscribed to @p older. */
static int
copy_subscriptions(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *older)
{
	const struct gh_docs_found *found, *own;
	int r = rest_find_equal(ctx, "subscription", "api", &older->id, 1, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		struct gh_str application = doc_str(found->docs[i].body, "application_id"), body;
		char uuid[CRYPTO_UUID_LEN + 1];

		r = rest_find_equal(ctx, "subscription", "application_api",
			(struct gh_str[]){ application, api->id }, 2, &own);
		if (r < 0 || own->n > 0)
			continue;
		r = crypto_uuid(uuid);
		if (r == 0)
			r = doc_set(found->docs[i].body, "api_id", DOC_OF_STR(api->id), &body);
		if (r == 0)
			r = rest_put(ctx, "subscription", gh_str_of(uuid), body, GH_REV_NONE);
	}
	return r;
}

/** What the checklist asks for when an API is published beside older versions. */
static int
apply_checklist(struct rest_context *ctx, const struct gh_doc *api, struct gh_str checklist)
{
	bool deprecates = lifecycle_is_checked(checklist, LIFECYCLE_DEPRECATE_OLD, false);
	bool resubscribes = lifecycle_is_checked(checklist, LIFECYCLE_RESUBSCRIBE, true);
	struct gh_str name = doc_str(api->body, "name");
	const struct gh_doc *latest = NULL;
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "api", "name_version", &name, 1, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct gh_doc *other = &found->docs[i];

		if (!is_older_published(api, other))
			continue;
		if (latest == NULL || doc_int(latest->body, "created_at_s", 0) <
		    doc_int(other->body, "created_at_s", 0))
			latest = other;
		if (deprecates)
			r = enter_state(ctx, other, GH_STR("DEPRECATED"));
	}
	if (r == 0 && !resubscribes && latest != NULL)
		r = copy_subscriptions(ctx, api, latest);
	return r;
}

int
publisher_lifecycle_change(struct rest_context *ctx)
{
	const struct gh_doc *api;
	struct gh_str id, action, checklist = rest_query(ctx, "lifecycleChecklist");
	uint64_t rev = 0;
	int r = rest_query_need(ctx, "apiId", &id);

	if (r == 0)
		r = rest_query_need(ctx, "action", &action);
	if (r == 0)
		r = rest_get(ctx, "api", id, &api);
	if (r == 0)
		r = rest_if_match(ctx, api->rev);
	if (r < 0)
		return r;
	struct gh_str state = doc_str(api->body, "state");
	const struct lifecycle_row *row = lifecycle_find(state, action);

	if (row == NULL)
		return rest_fail(ctx, 400, "The action '%.*s' is not possible in the state %s",
			GH_STR_ARG(action), lifecycle_label_of(state));
	if (gh_str_eq(gh_str_of(row->to), GH_STR("PUBLISHED"))) {
		r = check_publishable(ctx, api);
		if (r == 0 && lifecycle_has_checklist(state))
			r = apply_checklist(ctx, api, checklist);
	}
	if (r == 0)
		r = enter_state(ctx, api, gh_str_of(row->to));
	if (r == 0)
		r = rest_commit(ctx, &rev);
	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	return rest_reply(ctx, 200, json_pack("{s:s,s:o}", "workflowStatus", "APPROVED",
		"lifecycleState", state_to_json(gh_str_of(row->to))));
}
