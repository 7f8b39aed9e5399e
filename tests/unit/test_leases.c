/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_leases.c
 * @brief A limit that several gateways share: never one call too many, hardly one too few.
 *
 * The traffic manager is one of this program, with real counters and the real wire format.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/inst.h"
#include "lib/clock/clock.h"
#include "plugins/throttle/throttle.h"
#include "tests/unit/unit.h"

/* ---- The traffic manager --------------------------------------------------------------------- */

static struct manager {
	struct throttle_counters *counters;
	_Atomic bool is_away;
	_Atomic unsigned calls;
	struct gh_str answer; /* instead of a proper one; n = 0: none */
	unsigned status;      /* of that answer */
} manager;

static struct gh_peer_line *
line_new(void *self)
{
	return self;
}

static void
line_end(struct gh_peer_line *line)
{
	(void)line;
}

static int
answer(struct gh_str body, struct gh_peer_reply **ret)
{
	struct throttle_ask asks[ASKS_MAX];
	struct throttle_grant grants[ASKS_MAX];
	struct gh_peer_reply *reply = calloc(1, sizeof(*reply));
	const char *why;
	size_t n;

	if (reply == NULL)
		abort();
	reply->status = 200;
	if (manager.status != 0) {
		reply->status = manager.status;
		char *copy = malloc(manager.answer.n + 1);

		if (copy == NULL)
			abort();
		memcpy(copy, manager.answer.p, manager.answer.n);
		reply->body = (struct gh_str){ copy, manager.answer.n };
		*ret = reply;
		return 0;
	}
	CU_ASSERT_EQUAL(throttle_asks_read(body, asks, &n, &why), 0);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(throttle_counters_lend(manager.counters, gh_mono_ns() / 1000000u,
			asks[i].key, asks[i].want, asks[i].limit, asks[i].window_ms, &grants[i]), 0);
	CU_ASSERT_EQUAL(throttle_grants_write(grants, n, &reply->body), 0);
	*ret = reply;
	return 0;
}

static int
call(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn, void *arg,
	struct gh_peer_reply **ret, char *error, size_t error_size)
{
	(void)line;
	(void)fn;
	(void)arg;
	manager.calls++;
	CU_ASSERT_TRUE(gh_str_eq(request->role, GH_STR("traffic")));
	if (manager.is_away) {
		snprintf(error, error_size, "nobody listens");
		return GH_EAGAIN;
	}
	return answer(request->body, ret);
}

static void
reply_free(struct gh_peer_reply *reply)
{
	if (reply != NULL)
		free((void *)(uintptr_t)reply->body.p);
	free(reply);
}

static const struct gh_peer_v1 peer_v1 = { .size = sizeof(peer_v1), .line_new = line_new,
	.line_stop = line_end, .line_free = line_end, .call = call, .reply_free = reply_free };

static void
manager_start(void)
{
	manager = (struct manager){ .counters = throttle_counters_new(1000) };
}

static struct leases *
gateway_start(void)
{
	static struct gh_inst inst = { .label = { "throttle", 8 } };
	const struct leases_setup setup = { .inst = &inst, .peer = { &peer_v1, &manager },
		.url = GH_STR("https://traffic.example:9447"), .max_keys = 1000 };
	struct leases *ls = NULL;

	CU_ASSERT_EQUAL_FATAL(leases_new(&setup, &ls), 0);
	return ls;
}

/* One call, which waits for its lease.  @return was it admitted? */
static bool
pass(struct leases *ls, const char *key, uint64_t limit, uint64_t window_ms, int *ret_r)
{
	struct gh_counted counted = { 0 };
	uint64_t until_ms = gh_mono_ns() / 1000000u + 10000;
	int r;

	do
		r = leases_take(ls, gh_mono_ns() / 1000000u, gh_str_of(key), limit, window_ms, NULL,
			1, NULL, &counted);
	while (r == GH_EAGAIN && gh_mono_ns() / 1000000u < until_ms);
	if (ret_r != NULL)
		*ret_r = r;
	else
		CU_ASSERT_EQUAL(r, 0);
	return r == 0 && counted.is_admitted;
}

/* ---- Exactness ------------------------------------------------------------------------------- */

static void
test_small_limit_is_exact(void)
{
	manager_start();
	struct leases *a = gateway_start(), *b = gateway_start();
	unsigned admitted = 0;

	for (unsigned i = 0; i < 40; i++)
		admitted += pass(i % 3 == 0 ? a : b, "five", 5, 60000, NULL);
	CU_ASSERT_EQUAL(admitted, 5);
	leases_free(a);
	leases_free(b);
	throttle_counters_free(manager.counters);
}

#define THREADS 4
#define LIMIT 5000

static struct leases *gateways[2];

static void *
call_much(void *arg)
{
	unsigned *admitted = arg, thread = *admitted;

	*admitted = 0;
	for (unsigned i = 0; i < 4000; i++) /* three of four on one gateway */
		*admitted += pass(gateways[thread == 0], "shared", LIMIT, 600000, NULL);
	return NULL;
}

static void
test_large_limit_is_never_exceeded(void)
{
	pthread_t threads[THREADS];
	unsigned admitted[THREADS], sum = 0;

	manager_start();
	for (unsigned i = 0; i < 2; i++)
		gateways[i] = gateway_start();
	for (unsigned i = 0; i < THREADS; i++) {
		admitted[i] = i;
		pthread_create(&threads[i], NULL, call_much, &admitted[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += admitted[i];
	}
	CU_ASSERT_TRUE(sum <= LIMIT);
	CU_ASSERT_TRUE(sum >= LIMIT - LIMIT / 200); /* what one gateway may hold and not use */
	CU_ASSERT_TRUE(manager.calls < LIMIT / 2);  /* not one request per call */
	for (unsigned i = 0; i < 2; i++)
		leases_free(gateways[i]);
	throttle_counters_free(manager.counters);
}

static void
test_next_window_is_free_again(void)
{
	manager_start();
	struct leases *ls = gateway_start();
	unsigned admitted = 0;
	uint64_t until_ms = gh_mono_ns() / 1000000u + 10000;

	while (pass(ls, "short", 3, 100, NULL))
		admitted++;
	CU_ASSERT_TRUE(admitted >= 3);
	while (!pass(ls, "short", 3, 100, NULL) && gh_mono_ns() / 1000000u < until_ms)
		;
	CU_ASSERT_TRUE(gh_mono_ns() / 1000000u < until_ms);
	leases_free(ls);
	throttle_counters_free(manager.counters);
}

static void
test_undo_gives_the_call_back(void)
{
	manager_start();
	struct leases *ls = gateway_start();
	struct gh_counted counted;
	uint64_t now_ms;

	CU_ASSERT_TRUE(pass(ls, "k", 2, 60000, NULL));
	do {
		now_ms = gh_mono_ns() / 1000000u;
	} while (leases_take(ls, now_ms, GH_STR("k"), 2, 60000, NULL, 1, NULL, &counted) < 0);
	CU_ASSERT_TRUE(counted.is_admitted);
	CU_ASSERT_FALSE(pass(ls, "k", 2, 60000, NULL));
	leases_undo(ls, GH_STR("k"), now_ms + counted.reset_ms);
	CU_ASSERT_TRUE(pass(ls, "k", 2, 60000, NULL));
	CU_ASSERT_FALSE(pass(ls, "k", 2, 60000, NULL));
	leases_undo(ls, GH_STR("k"), 1); /* of a window long ago */
	leases_undo(ls, GH_STR("unknown"), now_ms);
	CU_ASSERT_FALSE(pass(ls, "k", 2, 60000, NULL));
	leases_free(ls);
	throttle_counters_free(manager.counters);
}

static void
test_policy_changes(void)
{
	manager_start();
	struct leases *ls = gateway_start();

	CU_ASSERT_TRUE(pass(ls, "k", 1, 60000, NULL));
	CU_ASSERT_FALSE(pass(ls, "k", 1, 60000, NULL));
	CU_ASSERT_TRUE(pass(ls, "k", 3, 60000, NULL)); /* what was used counts */
	CU_ASSERT_TRUE(pass(ls, "k", 3, 60000, NULL));
	CU_ASSERT_FALSE(pass(ls, "k", 3, 60000, NULL));
	CU_ASSERT_FALSE(pass(ls, "k", 2, 60000, NULL));
	leases_free(ls);
	throttle_counters_free(manager.counters);
}

/* ---- Trouble --------------------------------------------------------------------------------- */

static void
test_away_and_back(void)
{
	manager_start();
	manager.is_away = true;
	struct leases *ls = gateway_start();
	uint64_t until_ms = gh_mono_ns() / 1000000u + 10000;
	int r = 0;

	CU_ASSERT_FALSE(pass(ls, "k", 5, 60000, &r));
	CU_ASSERT_EQUAL(r, GH_EIO);
	manager.is_away = false;
	while (!pass(ls, "k", 5, 60000, &r) && gh_mono_ns() / 1000000u < until_ms)
		;
	CU_ASSERT_EQUAL(r, 0);
	leases_free(ls);
	throttle_counters_free(manager.counters);
}

static void
test_garbage_is_as_good_as_nothing(void)
{
	static const struct {
		unsigned status;
		struct gh_str answer;
	} rows[] = {
		{ 500, { "", 0 } },
		{ 200, { "", 0 } },
		{ 200, { "garbage", 7 } },
		{ 200, { "\x80", 1 } },
		{ 200, { "\x82\xa1v\x02\xa6grants\x90", 12 } }, /* another version */
		{ 200, { "\x82\xa1v\x01\xa6grants\x90", 12 } }, /* too few */
		{ 200, { "\x82\xa1v\x01\xa6grants\x91\x83\xa6"
			"amount\xff\xa4used\x00\xa5reset\x01", 34 } }, /* a negative amount */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = 0;

		manager_start();
		manager.status = rows[i].status;
		manager.answer = rows[i].answer;
		struct leases *ls = gateway_start();

		CU_ASSERT_FALSE(pass(ls, "k", 5, 60000, &r));
		CU_ASSERT_EQUAL(r, GH_EIO);
		leases_free(ls);
		throttle_counters_free(manager.counters);
	}
}

static void
test_asks_out_of_range(void)
{
	const struct throttle_ask rows[] = {
		{ GH_STR("k"), 0, 5, 1000 },
		{ GH_STR("k"), ASKS_WANT_MAX + 1, 5, 1000 },
		{ GH_STR("k"), 1, 0, 1000 },
		{ GH_STR("k"), 1, 5, 0 },
		{ GH_STR_NONE, 1, 5, 1000 },
	};
	struct throttle_ask asks[ASKS_MAX];
	struct gh_str bytes;
	const char *why;
	size_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(throttle_asks_write(&rows[i], 1, &bytes), 0);
		CU_ASSERT_EQUAL(throttle_asks_read(bytes, asks, &n, &why), GH_EINVAL);
		free((void *)(uintptr_t)bytes.p);
	}
	for (size_t i = 0; i < ASKS_MAX; i++)
		asks[i] = (struct throttle_ask){ GH_STR("k"), 1, 1, 1 };
	CU_ASSERT_EQUAL(throttle_asks_write(asks, ASKS_MAX, &bytes), 0);
	CU_ASSERT_EQUAL(throttle_asks_read(bytes, asks, &n, &why), 0);
	CU_ASSERT_EQUAL(n, ASKS_MAX);
	for (size_t cut = 0; cut < bytes.n; cut++)
		CU_ASSERT_EQUAL(throttle_asks_read((struct gh_str){ bytes.p, cut }, asks, &n, &why),
			GH_EINVAL);
	free((void *)(uintptr_t)bytes.p);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_small_limit_is_exact),
		UNIT_TEST(test_large_limit_is_never_exceeded),
		UNIT_TEST(test_next_window_is_free_again),
		UNIT_TEST(test_undo_gives_the_call_back),
		UNIT_TEST(test_policy_changes),
		UNIT_TEST(test_away_and_back),
		UNIT_TEST(test_garbage_is_as_good_as_nothing),
		UNIT_TEST(test_asks_out_of_range),
		{ NULL, NULL },
	};

	return unit_run("leases", tests);
}
