/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_throttle_hooks.c
 * @brief The throttle plugin in the test kit: which calls pass, what refused callers are told, and
 * how policies that change take effect.  The feed is one of this program.
 */
#include <gatehouse/svc/counter.h>
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/rollout.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sdk/testkit/testkit.h"
#include "lib/doc/doc.h"
#include "plugins/throttle/throttle.h"
#include "tests/unit/unit.h"

extern const struct gh_plugin gh_plugin; /* of plugins/throttle/throttle.c */

/* ---- A feed of policies ---------------------------------------------------------------------- */

struct policy {
	const char *id;
	int64_t requests, window_ms; /* requests < 0: deleted */
	bool stop;
};

/* The snapshot is the first ones; each of the others is a batch of its own. */
static const struct policy snapshot[] = {
	{ "subscription/Two", 2, 60000, true },
	{ "subscription/Soft", 1, 60000, false },
	{ "subscription/Short", 1, 50, true },
	{ "subscription/Unlimited", 0, 0, true },
	{ "subscription/Zero", 0, 0, true },
	{ "application/One", 1, 60000, true },
	{ "api/Three", 3, 60000, true },
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct policy more[8];
	uint64_t seq; /* 1: only the snapshot */
	bool is_woken;
} feed_state = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .seq = 1 };

static int
emit(const struct policy *policies, size_t n, uint64_t seq, gh_feed_fn *fn, void *arg)
{
	struct gh_feed_change changes[8];
	struct gh_feed_batch batch = { .seq = seq, .n = n, .changes = changes };

	for (size_t i = 0; i < n; i++) {
		struct doc_writer w;

		changes[i] = (struct gh_feed_change){ .deleted = policies[i].requests < 0,
			.doc = { .tenant = GH_STR("carbon.super"), .kind = GH_STR("policy"),
				.id = gh_str_of(policies[i].id), .rev = seq } };
		if (changes[i].deleted)
			continue;
		doc_writer_init(&w);
		doc_put_int(&w, "requests", policies[i].requests);
		doc_put_int(&w, "window_ms", policies[i].window_ms);
		doc_put_bool(&w, "stop_on_quota_reach", policies[i].stop);
		if (doc_finish(&w, &changes[i].doc.body) < 0)
			abort();
	}
	int r = fn(arg, &batch);

	for (size_t i = 0; i < n; i++)
		free((char *)changes[i].doc.body.p);
	return r;
}

static int
feed_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	(void)self;
	*ret_seq = 1;
	return emit(snapshot, sizeof(snapshot) / sizeof(snapshot[0]), 1, fn, arg);
}

static int
feed_read(void *self, uint64_t after_seq, uint64_t wait_ms, gh_feed_fn *fn, void *arg)
{
	struct policy policy;

	(void)self;
	(void)wait_ms;
	pthread_mutex_lock(&feed_state.lock);
	while (feed_state.seq <= after_seq && !feed_state.is_woken)
		pthread_cond_wait(&feed_state.change, &feed_state.lock);
	feed_state.is_woken = false;
	bool is_new = feed_state.seq > after_seq;

	if (is_new)
		policy = feed_state.more[after_seq - 1];
	pthread_mutex_unlock(&feed_state.lock);
	return is_new ? emit(&policy, 1, after_seq + 1, fn, arg) : 0;
}

static void
feed_wake(void *self)
{
	(void)self;
	pthread_mutex_lock(&feed_state.lock);
	feed_state.is_woken = true;
	pthread_cond_broadcast(&feed_state.change);
	pthread_mutex_unlock(&feed_state.lock);
}

static uint64_t
feed_push(struct policy policy)
{
	pthread_mutex_lock(&feed_state.lock);
	feed_state.more[feed_state.seq - 1] = policy;
	uint64_t seq = ++feed_state.seq;

	pthread_cond_broadcast(&feed_state.change);
	pthread_mutex_unlock(&feed_state.lock);
	return seq;
}

static const struct gh_feed_v1 feed_v1 = { .size = sizeof(feed_v1), .snapshot = feed_snapshot,
	.read = feed_read, .wake = feed_wake };
static const struct gh_service_row feed_provides[] = { { GH_SVC_FEED, &feed_v1 }, { NULL, NULL } };

/* ---- A plugin that uses what throttle provides ----------------------------------------------- */

static struct gh_counter counter;
static struct gh_rollout rollout;

static int
open_user(void *process, const void *config, struct gh_inst *inst)
{
	(void)process;
	(void)config;
	int r = GH_BIND(inst, GH_SVC_COUNTER, &counter);

	return r < 0 ? r : GH_BIND(inst, GH_SVC_ROLLOUT, &rollout);
}

static const char *const user_needs[] = { GH_SVC_COUNTER, GH_SVC_ROLLOUT, NULL };
static const struct gh_plugin feed_plugin = { GH_PLUGIN_ABI, .name = "feed", .version = "1",
	.provides = feed_provides };
static const struct gh_plugin user_plugin = { GH_PLUGIN_ABI, .name = "user", .version = "1",
	.needs = user_needs, .open = open_user };

/* ---- A traffic manager ------------------------------------------------------------------------- */

static struct {
	struct throttle_counters *counters; /* NULL: it is away */
	bool is_slow;                       /* it answers after the calls have given up */
} manager;

static struct gh_peer_line *
line_new(void *self)
{
	(void)self;
	return (struct gh_peer_line *)&manager;
}

static void
line_end(struct gh_peer_line *line)
{
	(void)line;
}

static int
ask(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn, void *arg,
	struct gh_peer_reply **ret, char *error, size_t error_size)
{
	struct throttle_ask asks[ASKS_MAX];
	struct throttle_grant grants[ASKS_MAX];
	const char *why;
	size_t n;

	(void)line;
	(void)fn;
	(void)arg;
	if (manager.is_slow) {
		const struct timespec pause = { .tv_nsec = 200000000 };

		nanosleep(&pause, NULL);
	}
	if (manager.counters == NULL) {
		snprintf(error, error_size, "nobody listens");
		return GH_EAGAIN;
	}
	*ret = calloc(1, sizeof(**ret));
	if (*ret == NULL || throttle_asks_read(request->body, asks, &n, &why) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		throttle_counters_lend(manager.counters, gh_mono_ns() / 1000000u, asks[i].key,
			asks[i].want, asks[i].limit, asks[i].window_ms, &grants[i]);
	(*ret)->status = 200;
	return throttle_grants_write(grants, n, &(*ret)->body);
}

static void
reply_free(struct gh_peer_reply *reply)
{
	if (reply != NULL)
		free((void *)(uintptr_t)reply->body.p);
	free(reply);
}

static const struct gh_peer_v1 peer_v1 = { .size = sizeof(peer_v1), .line_new = line_new,
	.line_stop = line_end, .line_free = line_end, .call = ask, .reply_free = reply_free };
static const struct gh_service_row peer_provides[] = { { GH_SVC_PEER, &peer_v1 }, { NULL, NULL } };
static const struct gh_plugin peer_plugin = { GH_PLUGIN_ABI, .name = "peer", .version = "1",
	.provides = peer_provides };

/* ---- The node -------------------------------------------------------------------------------- */

static int
load(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	static const struct gh_plugin *const plugins[] = { &gh_plugin, &feed_plugin, &user_plugin,
		&peer_plugin };

	(void)arg;
	for (size_t i = 0; i < 4; i++)
		if (gh_str_eq(name, gh_str_of(plugins[i]->name))) {
			*ret_desc = plugins[i];
			*ret_handle = NULL;
			return 0;
		}
	snprintf(error, error_size, "no such plugin");
	return GH_ENOENT;
}

static struct gh_test *
node(const char *options)
{
	char text[512], error[512] = "";
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;

	feed_state.seq = 1;
	feed_state.is_woken = false;
	snprintf(text, sizeof(text), "plugins:\n - feed\n - peer\n - throttle: %s\n - user\n", options);
	int r = manifest_parse("test", gh_str_of(text), &manifest, error, sizeof(error));

	if (r == 0)
		r = krn_set_new_with(manifest, load, NULL, &set, error, sizeof(error));
	struct gh_test *t = r == 0 ? krn_test_new(manifest, set, error, sizeof(error)) : NULL;

	if (t == NULL)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	return t;
}

/* Who calls; NULL: the attribute stays unset. */
struct caller {
	const char *subscription, *tier, *application, *application_tier, *api_tier;
	const char *operation_tier;
};

static int64_t error_code; /* of the last call, as GH_RESPONSE saw it */

static void
set(struct gh_txn *txn, enum gh_attr attr, const char *value)
{
	if (value != NULL)
		gh_txn_set_attr(txn, attr, gh_str_of(value));
}

static void
read_error_code(void *txn)
{
	error_code = gh_txn_attr_int(txn, GH_ATTR_ERROR_CODE, 0);
}

static void
route(struct gh_txn *txn, void *arg)
{
	const struct caller *c = arg;

	set(txn, GH_ATTR_TENANT, "carbon.super");
	set(txn, GH_ATTR_API_CONTEXT, "/books");
	set(txn, GH_ATTR_API_VERSION, "1.0");
	set(txn, GH_ATTR_OPERATION, "/list");
	set(txn, GH_ATTR_SUBSCRIPTION_ID, c->subscription);
	set(txn, GH_ATTR_SUBSCRIPTION_TIER, c->tier);
	set(txn, GH_ATTR_APPLICATION_ID, c->application);
	set(txn, GH_ATTR_APPLICATION_TIER, c->application_tier);
	set(txn, GH_ATTR_API_TIER, c->api_tier);
	set(txn, GH_ATTR_OPERATION_TIER, c->operation_tier);
	gh_txn_defer(txn, read_error_code, txn);
}

static struct gh_test_outcome
call(struct gh_test *t, struct caller caller)
{
	struct gh_test_request request = {
		.chain = GH_CHAIN_GATEWAY, .route = route, .arg = &caller
	};
	struct gh_test_outcome outcome = { 0 };

	CU_ASSERT_EQUAL(gh_test_run(t, &request, &outcome), 0);
	return outcome;
}

static bool
field_is(const struct gh_test_outcome *o, const char *name, const char *value)
{
	struct gh_str got = gh_test_field(o, name);

	if (gh_str_eq(got, gh_str_of(value)))
		return true;
	fprintf(stderr, "%s: %.*s, not %s\n", name, GH_STR_ARG(got), value);
	return false;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_subscription_limit(void)
{
	struct gh_test *t = node("{}");
	struct caller first = { .subscription = "s1", .tier = "Two" };
	struct caller second = { .subscription = "s2", .tier = "Two" };
	struct gh_test_outcome o = call(t, first);

	CU_ASSERT_EQUAL(o.status, 200);
	CU_ASSERT_TRUE(field_is(&o, "RateLimit-Policy", "\"subscription\";q=2;w=60"));
	CU_ASSERT_TRUE(field_is(&o, "RateLimit", "\"subscription\";r=1;t=60"));
	CU_ASSERT_PTR_NULL(gh_test_field(&o, "Retry-After").p);
	CU_ASSERT_EQUAL(error_code, 0);
	CU_ASSERT_EQUAL(call(t, first).status, 200);
	for (int i = 0; i < 3; i++) {
		o = call(t, first);
		CU_ASSERT_EQUAL(o.status, 429);
		CU_ASSERT_FALSE(o.reached_upstream);
		CU_ASSERT_EQUAL(error_code, 900804);
		CU_ASSERT_TRUE(field_is(&o, "Retry-After", "60"));
		CU_ASSERT_TRUE(field_is(&o, "RateLimit", "\"subscription\";r=0;t=60"));
		CU_ASSERT_TRUE(field_is(&o, "Content-Type", "application/json"));
		static const char start[] =
			"{\"code\":\"900804\",\"message\":\"Message throttled out\","
			"\"description\":\"You have exceeded your quota .You can access API after ";

		CU_ASSERT_TRUE(o.body.n > sizeof(start) &&
			memcmp(o.body.p, start, sizeof(start) - 1) == 0);
	}
	CU_ASSERT_EQUAL(call(t, second).status, 200); /* has a counter of its own */
	gh_test_free(t);
}

static void
test_tiers_without_limit(void)
{
	struct gh_test *t = node("{}");
	static const char *const tiers[] = { NULL, "Unlimited", "Zero" };

	for (size_t i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			struct gh_test_outcome o =
				call(t, (struct caller){ .subscription = "s", .tier = tiers[i] });

			CU_ASSERT_EQUAL(o.status, 200);
			CU_ASSERT_PTR_NULL(gh_test_field(&o, "RateLimit").p);
		}
	gh_test_free(t);
}

static void
test_soft_quota_lets_through(void)
{
	struct gh_test *t = node("{}");
	struct caller caller = { .subscription = "s", .tier = "Soft" };

	CU_ASSERT_EQUAL(call(t, caller).status, 200);
	struct gh_test_outcome o = call(t, caller);

	CU_ASSERT_EQUAL(o.status, 200);
	CU_ASSERT_TRUE(field_is(&o, "RateLimit", "\"subscription\";r=0;t=60"));
	gh_test_free(t);
}

static void
test_unknown_policy_refuses(void)
{
	struct gh_test *t = node("{}");
	struct caller caller = { .subscription = "s", .tier = "Nobody" };

	CU_ASSERT_EQUAL(call(t, caller).status, 500);
	CU_ASSERT_EQUAL(
		call(t, (struct caller){ .tier = "Two" }).status, 500); /* no subscription */
	gh_test_free(t);
	t = node("{on_error: allow}");
	CU_ASSERT_EQUAL(call(t, caller).status, 200);
	gh_test_free(t);
}

static void
test_next_window_admits_again(void)
{
	struct gh_test *t = node("{}");
	struct caller caller = { .subscription = "s", .tier = "Short" };
	uint64_t start_ns = gh_mono_ns();
	struct gh_test_outcome o = call(t, caller);

	CU_ASSERT_EQUAL(o.status, 200);
	CU_ASSERT_TRUE(field_is(&o, "RateLimit-Policy", "\"subscription\";q=1;w=1"));
	while (call(t, caller).status == 429 && gh_mono_ns() - start_ns < 5000000000u)
		;
	uint64_t took_ms = (gh_mono_ns() - start_ns) / 1000000u;

	CU_ASSERT_TRUE(took_ms >= 49 && took_ms < 5000);
	gh_test_free(t);
}

/* The API's own limit, then the application's: what one level refuses costs nothing at another. */
static void
test_levels(void)
{
	struct gh_test *t = node("{}");
	struct caller a = { .subscription = "s1", .tier = "Two", .application = "a1",
		.application_tier = "One", .api_tier = "Three", .operation_tier = "Nobody" };
	struct caller b = { .subscription = "s2", .tier = "Unlimited", .api_tier = "Three" };
	struct gh_test_outcome o = call(t, a);

	CU_ASSERT_EQUAL(o.status, 200);
	CU_ASSERT_TRUE(field_is(&o, "RateLimit", "\"api\";r=2;t=60, \"subscription\";r=1;t=60, "
		"\"application\";r=0;t=60"));
	CU_ASSERT_EQUAL(call(t, a).status, 429);
	CU_ASSERT_EQUAL(error_code, 900803);
	CU_ASSERT_EQUAL(call(t, b).status, 200);
	CU_ASSERT_EQUAL(call(t, b).status, 200);
	CU_ASSERT_EQUAL(call(t, b).status, 429);
	CU_ASSERT_EQUAL(error_code, 900800);
	a.api_tier = "Unlimited";
	a.operation_tier = "Three";
	a.application = "a2";
	o = call(t, a);
	CU_ASSERT_EQUAL(o.status, 200);
	CU_ASSERT_TRUE(field_is(&o, "RateLimit",
		"\"operation\";r=2;t=60, \"subscription\";r=0;t=60, "
		"\"application\";r=0;t=60"));
	gh_test_free(t);
}

static void
test_dry_run_counts_aside(void)
{
	struct gh_test *t = node("{dry_run: true}");

	for (int i = 0; i < 5; i++) {
		struct gh_test_outcome o =
			call(t, (struct caller){ .subscription = "s", .tier = "Two" });

		CU_ASSERT_EQUAL(o.status, 200);
		CU_ASSERT_PTR_NULL(gh_test_field(&o, "RateLimit").p);
		CU_ASSERT_EQUAL(error_code, 0);
	}
	gh_test_free(t);
}

/* Run calls until the worker of the test kit acts on `seq`. */
static void
wait_for(struct gh_test *t, uint64_t seq)
{
	uint64_t start_ns = gh_mono_ns();

	while (rollout.vt->serving(rollout.self) < seq && gh_mono_ns() - start_ns < 5000000000u)
		call(t, (struct caller){ 0 });
	CU_ASSERT_TRUE(rollout.vt->serving(rollout.self) >= seq);
	CU_ASSERT_EQUAL(rollout.vt->wait(rollout.self, seq, 0), 0);
}

static void
test_policies_change(void)
{
	struct gh_test *t = node("{}");
	struct caller caller = { .subscription = "s", .tier = "Two" };

	call(t, caller);
	call(t, caller);
	CU_ASSERT_EQUAL(call(t, caller).status, 429);
	wait_for(t, feed_push((struct policy){ "subscription/Two", 4, 60000, true }));
	CU_ASSERT_EQUAL(call(t, caller).status, 200);
	CU_ASSERT_EQUAL(call(t, caller).status, 200);
	CU_ASSERT_EQUAL(call(t, caller).status, 429);
	wait_for(t, feed_push((struct policy){ "subscription/Two", -1, 0, true }));
	CU_ASSERT_EQUAL(call(t, caller).status, 500);
	wait_for(t, feed_push((struct policy){ "subscription/Two", 0, 0, true }));
	CU_ASSERT_EQUAL(call(t, caller).status, 200);
	CU_ASSERT_EQUAL(rollout.vt->wait(rollout.self, 1000, 1), GH_ETIMEDOUT);
	gh_test_free(t);
}

static void
test_counter_service(void)
{
	struct gh_test *t = node("{max_keys: 2}");
	struct gh_counted c;
	static char longest[513];

	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, GH_STR("a"), 2, 3, 60000, &c), 0);
	CU_ASSERT_TRUE(c.is_admitted && c.used == 2 && c.reset_ms == 60000);
	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, GH_STR("a"), 2, 3, 60000, &c), 0);
	CU_ASSERT_TRUE(!c.is_admitted && c.used == 2);
	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, GH_STR("b"), 1, 3, 60000, &c), 0);
	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, GH_STR("c"), 1, 3, 60000, &c), GH_ENOMEM);
	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, GH_STR_NONE, 1, 3, 60000, &c), GH_EINVAL);
	CU_ASSERT_EQUAL(counter.vt->hit(counter.self, (struct gh_str){ longest, sizeof(longest) },
				1, 3, 60000, &c),
		GH_EINVAL);
	/* No counter is left for a call: it is refused, not let through. */
	CU_ASSERT_EQUAL(call(t, (struct caller){ .subscription = "s", .tier = "Two" }).status, 500);
	gh_test_free(t);
}

#define LENT "traffic_manager: 'https://traffic.example:9447'"

static void
test_leases_count_for_all_gateways(void)
{
	manager.counters = throttle_counters_new(100);
	struct gh_test *a = node("{" LENT "}"), *b = node("{" LENT "}");
	const struct caller two = { .subscription = "s", .tier = "Two" };

	CU_ASSERT_EQUAL(call(a, two).status, 200);
	CU_ASSERT_EQUAL(call(b, two).status, 200);
	CU_ASSERT_EQUAL(call(a, two).status, 429);
	CU_ASSERT_EQUAL(error_code, 900804);
	CU_ASSERT_EQUAL(call(b, two).status, 429);
	/* What a later level refuses is taken back from the lease of an earlier one. */
	const struct caller both = { .subscription = "t", .tier = "Two", .application = "p",
		.application_tier = "One" };

	CU_ASSERT_EQUAL(call(a, both).status, 200);
	CU_ASSERT_EQUAL(call(a, both).status, 429);
	CU_ASSERT_EQUAL(error_code, 900803);
	CU_ASSERT_EQUAL(call(a, (struct caller){ .subscription = "t", .tier = "Two" }).status, 200);
	CU_ASSERT_EQUAL(call(a, (struct caller){ .subscription = "t", .tier = "Two" }).status, 429);
	gh_test_free(a);
	gh_test_free(b);
	throttle_counters_free(manager.counters);
	manager.counters = NULL;
}

static void
test_traffic_manager_away(void)
{
	static const struct {
		const char *options;
		unsigned status[3];
	} rows[] = {
		{ "{" LENT "}", { 200, 200, 429 } },
		{ "{" LENT ", away: open}", { 200, 200, 200 } },
		{ "{" LENT ", away: closed}", { 500, 500, 500 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_test *t = node(rows[i].options);

		for (size_t k = 0; k < 3; k++)
			CU_ASSERT_EQUAL(call(t, (struct caller){ .subscription = "s",
				.tier = "Two" }).status, rows[i].status[k]);
		gh_test_free(t);
	}
}

static void
test_traffic_manager_slow(void)
{
	manager.counters = throttle_counters_new(100);
	manager.is_slow = true;
	struct gh_test *t = node("{" LENT ", lease_wait: 20ms, away: closed}");

	CU_ASSERT_EQUAL(call(t, (struct caller){ .subscription = "s", .tier = "Two" }).status, 500);
	gh_test_free(t);
	throttle_counters_free(manager.counters);
	manager.counters = NULL;
	manager.is_slow = false;
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_subscription_limit), UNIT_TEST(test_tiers_without_limit),
		UNIT_TEST(test_soft_quota_lets_through), UNIT_TEST(test_unknown_policy_refuses),
		UNIT_TEST(test_next_window_admits_again), UNIT_TEST(test_levels),
		UNIT_TEST(test_dry_run_counts_aside), UNIT_TEST(test_policies_change),
		UNIT_TEST(test_counter_service),
		UNIT_TEST(test_leases_count_for_all_gateways),
		UNIT_TEST(test_traffic_manager_away), UNIT_TEST(test_traffic_manager_slow),
		{ NULL, NULL },
	};

	return unit_run("throttle_hooks", tests);
}
