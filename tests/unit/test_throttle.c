/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_throttle.c
 * @brief The tables of the throttle plugin: counters that are exact under threads, and policies.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "plugins/throttle/throttle.h"
#include "tests/unit/unit.h"

/* ---- Counters -------------------------------------------------------------------------------- */

static struct gh_counted
hit(struct throttle_counters *c, uint64_t now_ms, struct gh_str key, uint64_t amount,
	uint64_t limit)
{
	struct gh_counted counted = { 0 };

	CU_ASSERT_EQUAL(throttle_counters_hit(c, now_ms, key, amount, limit, 1000, &counted), 0);
	return counted;
}

static void
test_window_starts_at_first_hit(void)
{
	struct throttle_counters *c = throttle_counters_new(100);
	static const struct {
		uint64_t now_ms;
		const char *key;
		uint64_t amount, limit;
		bool is_admitted;
		uint64_t used, reset_ms;
	} rows[] = {
		{ 5000, "a", 1, 3, true, 1, 1000 },
		{ 5400, "a", 1, 3, true, 2, 600 },
		{ 5400, "b", 1, 3, true, 1, 1000 },
		{ 5999, "a", 2, 3, false, 2, 1 },   /* what does not fit is not counted */
		{ 5999, "a", 1, 3, true, 3, 1 },
		{ 5999, "a", 1, 3, false, 3, 1 },
		{ 5999, "a", 0, 3, true, 3, 1 },
		{ 5999, "a", 1, 4, true, 4, 1 },    /* the limit was raised */
		{ 5999, "a", 0, 3, false, 4, 1 },
		{ 6000, "a", 1, 3, true, 1, 1000 }, /* the next window */
		{ 6300, "b", 1, 3, true, 2, 100 },
		{ 9000, "c", 4, 3, false, 0, 1000 }, /* never fits: no window starts */
		{ 9500, "c", 1, 3, true, 1, 1000 },
		{ 9500, "d", UINT64_MAX, UINT64_MAX, true, UINT64_MAX, 1000 },
		{ 9500, "d", 1, UINT64_MAX, false, UINT64_MAX, 1000 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_counted got = hit(
			c, rows[i].now_ms, gh_str_of(rows[i].key), rows[i].amount, rows[i].limit);

		CU_ASSERT_EQUAL(got.is_admitted, rows[i].is_admitted);
		CU_ASSERT_EQUAL(got.used, rows[i].used);
		CU_ASSERT_EQUAL(got.reset_ms, rows[i].reset_ms);
	}
	throttle_counters_free(c);
}

static void
test_shorter_window_takes_effect(void)
{
	struct throttle_counters *c = throttle_counters_new(100);
	struct gh_counted counted;

	throttle_counters_hit(c, 0, GH_STR("a"), 1, 1, 86400000, &counted);
	throttle_counters_hit(c, 1000, GH_STR("a"), 1, 1, 500, &counted);
	CU_ASSERT_FALSE(counted.is_admitted);
	CU_ASSERT_EQUAL(counted.reset_ms, 500);
	throttle_counters_hit(c, 1500, GH_STR("a"), 1, 1, 500, &counted);
	CU_ASSERT_TRUE(counted.is_admitted);
	throttle_counters_free(c);
}

static void
test_undo_within_the_window_only(void)
{
	struct throttle_counters *c = throttle_counters_new(100);

	hit(c, 0, GH_STR("a"), 1, 2);
	hit(c, 0, GH_STR("a"), 1, 2);
	throttle_counters_undo(c, GH_STR("a"), 1, 1000);
	CU_ASSERT_EQUAL(hit(c, 10, GH_STR("a"), 0, 2).used, 1);
	throttle_counters_undo(c, GH_STR("a"), 1, 999);
	throttle_counters_undo(c, GH_STR("b"), 1, 1000);
	throttle_counters_undo(c, GH_STR("a"), 2, 1000);
	CU_ASSERT_EQUAL(hit(c, 10, GH_STR("a"), 0, 2).used, 1);
	throttle_counters_free(c);
}

static void
test_bad_keys_refused(void)
{
	struct throttle_counters *c = throttle_counters_new(100);
	struct gh_counted counted;
	char longest[THROTTLE_KEY_MAX + 1] = { 0 };

	CU_ASSERT_EQUAL(throttle_counters_hit(c, 0, GH_STR_NONE, 1, 1, 1, &counted), GH_EINVAL);
	CU_ASSERT_EQUAL(throttle_counters_hit(c, 0, GH_STR("a"), 1, 1, 0, &counted), GH_EINVAL);
	CU_ASSERT_EQUAL(
		throttle_counters_hit(c, 1, GH_STR("a"), 1, 1, UINT64_MAX, &counted), GH_EINVAL);
	CU_ASSERT_EQUAL(throttle_counters_hit(c, 0, (struct gh_str){ longest, sizeof(longest) }, 1,
				1, 1, &counted),
		GH_EINVAL);
	CU_ASSERT_EQUAL(throttle_counters_hit(c, 0, (struct gh_str){ longest, THROTTLE_KEY_MAX }, 1,
				1, 1, &counted),
		0);
	throttle_counters_free(c);
}

/* A full table refuses new keys, never forgets a running window, and is used again later. */
static void
test_full_table(void)
{
	struct throttle_counters *c = throttle_counters_new(1000);
	struct gh_counted counted;
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		CU_ASSERT_TRUE(hit(c, 10, gh_str_of(key), 1, 1).is_admitted);
	}
	CU_ASSERT_EQUAL(throttle_counters_keys(c), 1000);
	CU_ASSERT_EQUAL(
		throttle_counters_hit(c, 20, GH_STR("new"), 1, 1, 1000, &counted), GH_ENOMEM);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		CU_ASSERT_FALSE(hit(c, 1009, gh_str_of(key), 1, 1).is_admitted);
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "n%u", i);
		CU_ASSERT_TRUE(hit(c, 1010, gh_str_of(key), 1, 1).is_admitted);
	}
	CU_ASSERT_EQUAL(throttle_counters_keys(c), 1000);
	throttle_counters_free(c);
}

/* Keys that come once each do not pile up. */
static void
test_finished_windows_go_away(void)
{
	struct throttle_counters *c = throttle_counters_new(1000000);
	char key[16];

	for (unsigned i = 0; i < 200000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		hit(c, i, gh_str_of(key), 1, 1); /* a key per ms, windows of 1,000 ms */
	}
	CU_ASSERT_TRUE(throttle_counters_keys(c) < 20000);
	throttle_counters_free(c);
}

#define THREADS 4
#define KEYS 50
#define WINDOWS 40
#define LIMIT 7

struct race {
	struct throttle_counters *counters;
	_Atomic unsigned admitted[WINDOWS][KEYS];
	pthread_barrier_t barrier;
};

static void *
race(void *arg)
{
	struct race *r = arg;
	struct gh_counted counted;
	char key[16];

	for (unsigned w = 0; w < WINDOWS; w++) {
		pthread_barrier_wait(&r->barrier); /* all threads are in the same window */
		for (unsigned i = 0; i < KEYS * LIMIT; i++) {
			snprintf(key, sizeof(key), "k%u", i % KEYS);
			if (throttle_counters_hit(r->counters, 1000 * w, gh_str_of(key), 1, LIMIT,
				1000, &counted) == 0 && counted.is_admitted)
				r->admitted[w][i % KEYS]++;
		}
	}
	return NULL;
}

/* Over-admission is 0 and under-admission too: exactly LIMIT per key and window. */
static void
test_threads_admit_exactly_the_limit(void)
{
	static struct race r;
	pthread_t threads[THREADS];
	unsigned wrong = 0;

	r.counters = throttle_counters_new(KEYS);
	pthread_barrier_init(&r.barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, race, &r);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned w = 0; w < WINDOWS; w++)
		for (unsigned k = 0; k < KEYS; k++)
			wrong += r.admitted[w][k] != LIMIT;
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(throttle_counters_keys(r.counters), KEYS);
	pthread_barrier_destroy(&r.barrier);
	throttle_counters_free(r.counters);
}

/* ---- Policies -------------------------------------------------------------------------------- */

static int
change(struct throttle_policies *p, const char *tenant, const char *id, int64_t requests,
	int64_t window_ms)
{
	struct doc_writer w;
	struct gh_feed_change c = { .doc = { .tenant = gh_str_of(tenant), .kind = GH_STR("policy"),
		.id = gh_str_of(id) } };

	doc_writer_init(&w);
	if (requests != INT64_MIN)
		doc_put_int(&w, "requests", requests);
	doc_put_int(&w, "window_ms", window_ms);
	doc_put_bool(&w, "stop_on_quota_reach", false);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &c.doc.body), 0);
	int r = throttle_policies_apply(p, &c);

	free((char *)c.doc.body.p);
	return r;
}

static uint64_t
requests_of(
	const struct throttle_policies *p, const char *tenant, const char *level, const char *name)
{
	const struct throttle_policy *policy = throttle_policies_find(p, gh_str_of(tenant), level,
		gh_str_of(name));

	return policy != NULL ? policy->requests : UINT64_MAX;
}

static void
test_policies_by_tenant_and_level(void)
{
	struct throttle_policies *p = throttle_policies_new();

	CU_ASSERT_EQUAL(change(p, "carbon.super", "subscription/Gold", 5000, 60000), 0);
	CU_ASSERT_EQUAL(change(p, "carbon.super", "subscription/Bronze", 1000, 60000), 0);
	CU_ASSERT_EQUAL(change(p, "carbon.super", "application/Gold", 7, 60000), 0);
	CU_ASSERT_EQUAL(change(p, "other.org", "subscription/Gold", 9, 60000), 0);
	CU_ASSERT_EQUAL(change(p, "carbon.super", "subscription/Unlimited", 0, 0), 0);
	CU_ASSERT_EQUAL(requests_of(p, "carbon.super", "subscription", "Gold"), 5000);
	CU_ASSERT_EQUAL(requests_of(p, "carbon.super", "subscription", "Bronze"), 1000);
	CU_ASSERT_EQUAL(requests_of(p, "carbon.super", "application", "Gold"), 7);
	CU_ASSERT_EQUAL(requests_of(p, "other.org", "subscription", "Gold"), 9);
	CU_ASSERT_EQUAL(requests_of(p, "carbon.super", "subscription", "Unlimited"), 0);
	CU_ASSERT_EQUAL(requests_of(p, "carbon.super", "api", "Gold"), UINT64_MAX);
	CU_ASSERT_EQUAL(requests_of(p, "", "subscription", ""), UINT64_MAX);
	throttle_policies_unref(p);
}

static void
test_policies_change_and_copy(void)
{
	struct throttle_policies *p = throttle_policies_new();
	struct gh_feed_change gone = { .deleted = true,
		.doc = { .tenant = GH_STR("t"), .id = GH_STR("subscription/a") } };

	change(p, "t", "subscription/a", 1, 1000);
	change(p, "t", "subscription/b", 2, 1000);
	struct throttle_policies *copy = throttle_policies_copy(p);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(change(copy, "t", "subscription/b", 3, 1000), 0);
	CU_ASSERT_EQUAL(throttle_policies_apply(copy, &gone), 0);
	CU_ASSERT_EQUAL(throttle_policies_apply(copy, &gone), 0);
	CU_ASSERT_EQUAL(requests_of(p, "t", "subscription", "a"), 1);
	CU_ASSERT_EQUAL(requests_of(p, "t", "subscription", "b"), 2);
	CU_ASSERT_EQUAL(requests_of(copy, "t", "subscription", "a"), UINT64_MAX);
	CU_ASSERT_EQUAL(requests_of(copy, "t", "subscription", "b"), 3);
	throttle_policies_unref(p);
	throttle_policies_unref(copy);
	throttle_policies_unref(NULL);
}

/* A policy that cannot be understood must not let calls pass without a limit. */
static void
test_policies_senseless(void)
{
	struct throttle_policies *p = throttle_policies_new();
	static char longest[300];

	CU_ASSERT_EQUAL(change(p, "t", "subscription/a", 1, 1000), 0);
	CU_ASSERT_EQUAL(change(p, "t", "subscription/a", -1, 1000), GH_EINVAL);
	CU_ASSERT_EQUAL(requests_of(p, "t", "subscription", "a"), UINT64_MAX);
	CU_ASSERT_EQUAL(change(p, "t", "subscription/a", 1, 0), GH_EINVAL);
	CU_ASSERT_EQUAL(change(p, "t", "subscription/a", INT64_MIN, 1000), GH_EINVAL);
	CU_ASSERT_EQUAL(requests_of(p, "t", "subscription", "a"), UINT64_MAX);
	memset(longest, 'x', sizeof(longest) - 1);
	CU_ASSERT_EQUAL(requests_of(p, "t", "subscription", longest), UINT64_MAX);
	CU_ASSERT_EQUAL(requests_of(p, longest, "subscription", "a"), UINT64_MAX);
	CU_ASSERT_EQUAL(change(p, longest, "subscription/a", 1, 1000), GH_EINVAL);
	throttle_policies_unref(p);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_window_starts_at_first_hit),
		UNIT_TEST(test_shorter_window_takes_effect),
		UNIT_TEST(test_undo_within_the_window_only),
		UNIT_TEST(test_bad_keys_refused),
		UNIT_TEST(test_full_table),
		UNIT_TEST(test_finished_windows_go_away),
		UNIT_TEST(test_threads_admit_exactly_the_limit),
		UNIT_TEST(test_policies_by_tenant_and_level),
		UNIT_TEST(test_policies_change_and_copy),
		UNIT_TEST(test_policies_senseless),
		{ NULL, NULL },
	};

	return unit_run("throttle", tests);
}
