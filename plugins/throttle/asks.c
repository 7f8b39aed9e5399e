/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file asks.c
 * @brief What a gateway asks a traffic manager for, and how that answers.
 */
#include <gatehouse/call.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/throttle/throttle.h"

#define VERSION 1
#define LIMIT_MAX (INT64_C(1) << 53)
#define WINDOW_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

static void
begin(struct doc_writer *w, const char *list)
{
	doc_writer_init(w);
	doc_put_int(w, "v", VERSION);
	doc_begin_array(w, list);
}

static int
end(struct doc_writer *w, struct gh_str *ret)
{
	doc_end(w);
	return doc_finish(w, ret);
}

int
throttle_asks_write(const struct throttle_ask *asks, size_t n, struct gh_str *ret)
{
	struct doc_writer w;

	begin(&w, "asks");
	for (size_t i = 0; i < n; i++) {
		doc_begin_map(&w, NULL);
		doc_put_bin(&w, "key", asks[i].key);
		doc_put_int(&w, "want", (int64_t)asks[i].want);
		doc_put_int(&w, "limit", (int64_t)asks[i].limit);
		doc_put_int(&w, "window", (int64_t)asks[i].window_ms);
		doc_end(&w);
	}
	return end(&w, ret);
}

static bool
is_between(int64_t value, int64_t min, int64_t max)
{
	return value >= min && value <= max;
}

int
throttle_asks_read(struct gh_str bytes, struct throttle_ask *asks, size_t *ret_n, const char **error)
{
	size_t n = 0;

	*error = "not a msgpack map";
	if (doc_check(bytes) < 0)
		return GH_EINVAL;
	*error = "of another version";
	if (doc_int(bytes, "v", 0) != VERSION)
		return GH_EINVAL;
	struct doc_iter it = doc_iter(doc_array(bytes, "asks"));

	for (struct doc_value v; doc_next(&it, NULL, &v); n++) {
		*error = "too many at once";
		if (n == ASKS_MAX)
			return GH_EINVAL;
		*error = "not made of maps";
		if (v.type != DOC_MAP)
			return GH_EINVAL;
		int64_t want = doc_int(v.s, "want", 0), limit = doc_int(v.s, "limit", 0);
		int64_t window_ms = doc_int(v.s, "window", 0);
		struct gh_str key = doc_bin(v.s, "key");

		*error = "for a key, an amount, a limit or a window out of range";
		if (key.n == 0 || key.n > THROTTLE_KEY_MAX || !is_between(want, 1, ASKS_WANT_MAX) ||
			!is_between(limit, 1, LIMIT_MAX) || !is_between(window_ms, 1, WINDOW_MAX_MS))
			return GH_EINVAL;
		asks[n] = (struct throttle_ask){ key, (uint64_t)want, (uint64_t)limit,
			(uint64_t)window_ms };
	}
	*ret_n = n;
	return 0;
}

int
throttle_grants_write(const struct throttle_grant *grants, size_t n, struct gh_str *ret)
{
	struct doc_writer w;

	begin(&w, "grants");
	for (size_t i = 0; i < n; i++) {
		doc_begin_map(&w, NULL);
		doc_put_int(&w, "amount", (int64_t)grants[i].amount);
		doc_put_int(&w, "used", (int64_t)grants[i].used);
		doc_put_int(&w, "reset", (int64_t)grants[i].reset_ms);
		doc_end(&w);
	}
	return end(&w, ret);
}

int
throttle_grants_read(struct gh_str bytes, size_t n, struct throttle_grant *grants)
{
	if (doc_check(bytes) < 0 || doc_int(bytes, "v", 0) != VERSION)
		return GH_EINVAL;
	struct doc_iter it = doc_iter(doc_array(bytes, "grants"));
	size_t got = 0;

	for (struct doc_value v; doc_next(&it, NULL, &v); got++) {
		if (got == n || v.type != DOC_MAP)
			return GH_EINVAL;
		int64_t amount = doc_int(v.s, "amount", -1), used = doc_int(v.s, "used", -1);
		int64_t reset_ms = doc_int(v.s, "reset", -1);

		if (!is_between(amount, 0, ASKS_WANT_MAX) || !is_between(used, 0, LIMIT_MAX) ||
			!is_between(reset_ms, 0, WINDOW_MAX_MS))
			return GH_EINVAL;
		grants[got] = (struct throttle_grant){ (uint64_t)amount, (uint64_t)used,
			(uint64_t)reset_ms };
	}
	return got == n ? 0 : GH_EINVAL;
}

/* ---- The traffic manager's side -------------------------------------------------------------- */

static void
reply(struct gh_call *call, unsigned status, struct gh_str text)
{
	gh_call_reply(call, status, GH_STR("text/plain; charset=utf-8"), text);
}

static int
lend(struct throttle_counters *counters, const struct throttle_ask *asks, size_t n,
	struct gh_str *ret_body)
{
	struct throttle_grant grants[ASKS_MAX];
	uint64_t now_ms = gh_mono_ns() / 1000000u;

	for (size_t i = 0; i < n; i++) {
		int r = throttle_counters_lend(counters, now_ms, asks[i].key, asks[i].want,
			asks[i].limit, asks[i].window_ms, &grants[i]);

		if (r < 0) /* a full table lends nothing: in doubt a limit holds */
			grants[i] = (struct throttle_grant){ 0, asks[i].limit, 1 };
	}
	return throttle_grants_write(grants, n, ret_body);
}

void
throttle_asks_serve(struct throttle_counters *counters, struct gh_call *call)
{
	struct throttle_ask asks[ASKS_MAX];
	struct gh_str body;
	const char *why;
	size_t n;

	if (gh_call_peer_node(call).n == 0) {
		reply(call, 403, GH_STR("leases are given to nodes of the cluster only\n"));
		return;
	}
	if (!gh_str_eq(gh_call_method(call), GH_STR("POST"))) {
		gh_call_reply_field(call, GH_STR("Allow"), GH_STR("POST"));
		reply(call, 405, GH_STR("asks are posted\n"));
		return;
	}
	if (throttle_asks_read(gh_call_body(call), asks, &n, &why) < 0) {
		gh_call_log(call, LOG_WARNING, "asks of node %.*s are %s",
			GH_STR_ARG(gh_call_peer_node(call)), why);
		reply(call, 400, gh_call_printf(call, "the asks are %s\n", why));
		return;
	}
	if (lend(counters, asks, n, &body) < 0) {
		reply(call, 503, GH_STR("out of memory\n"));
		return;
	}
	gh_call_reply(call, 200, GH_STR("application/msgpack"), body);
	free((void *)(uintptr_t)body.p);
}
