/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_analytics.c
 * @brief From a recorded call to a row of the series: nothing lost, nothing counted twice.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/inst.h"
#include "kernel/metrics.h"
#include "lib/hash/hash.h"
#include "plugins/analytics/analytics.h"
#include "tests/unit/memory_series.h"
#include "tests/unit/unit.h"

#define SEED 42

/* ---- What the series holds ------------------------------------------------------------------- */

/* Calls that the series holds of one API; "" for all. */
static uint64_t
stored(const char *api, unsigned status)
{
	struct sketch sum = { 0 };
	uint64_t total;

	pthread_mutex_lock(&memory.lock);
	for (size_t i = 0; i < memory.n; i++) {
		struct names names;
		struct gh_str sketch;
		unsigned s;

		CU_ASSERT_EQUAL(value_read((struct gh_str){ memory.rows[i].value,
			memory.rows[i].value_n }, &s, &names, &sketch), 0);
		if (api[0] != '\0' && !gh_str_eq(names.part[NAMES_API], gh_str_of(api)))
			continue;
		if (status != 0 && s != status)
			continue;
		CU_ASSERT_EQUAL(sketch_merge_bytes(&sum, sketch), 0);
	}
	pthread_mutex_unlock(&memory.lock);
	total = sum.total;
	sketch_done(&sum);
	return total;
}

/* ---- Names and values ------------------------------------------------------------------------ */

static struct names
names_of(const char *api, const char *application)
{
	return (struct names){ .part = { GH_STR("carbon.super"), GH_STR("id"), gh_str_of(api),
		GH_STR("1.0"), gh_str_of(application), GH_STR("GET") } };
}

static void
test_names_round_trip(void)
{
	char bytes[NAMES_BYTES_MAX], longest[300];
	struct names names = names_of("Books", ""), got;
	size_t n = names_encode(&names, bytes);

	CU_ASSERT_EQUAL(names_decode((struct gh_str){ bytes, n }, &got), n);
	for (unsigned i = 0; i < NAMES_COUNT; i++)
		CU_ASSERT_TRUE(gh_str_eq(names.part[i], got.part[i]));
	for (size_t cut = 0; cut < n; cut++)
		CU_ASSERT_EQUAL(names_decode((struct gh_str){ bytes, cut }, &got), 0);
	memset(longest, 'x', sizeof(longest));
	for (unsigned i = 0; i < NAMES_COUNT; i++)
		names.part[i] = (struct gh_str){ longest, sizeof(longest) };
	CU_ASSERT_EQUAL(names_encode(&names, bytes), NAMES_BYTES_MAX);
}

static void
test_value_damaged(void)
{
	static char bytes[VALUE_BYTES_MAX];
	struct sketch s = { 0 };
	struct names names = names_of("Books", "App"), got;
	char encoded[NAMES_BYTES_MAX];
	struct gh_str rest;
	unsigned status;

	sketch_add(&s, 1000, 3);
	size_t n = value_write(
		404, (struct gh_str){ encoded, names_encode(&names, encoded) }, &s, bytes);

	CU_ASSERT_EQUAL(value_read((struct gh_str){ bytes, n }, &status, &got, &rest), 0);
	CU_ASSERT_EQUAL(status, 404);
	CU_ASSERT_TRUE(gh_str_eq(got.part[NAMES_APPLICATION], GH_STR("App")));
	sketch_done(&s);
	CU_ASSERT_EQUAL(sketch_merge_bytes(&s, rest), 0);
	CU_ASSERT_EQUAL(s.total, 3);
	for (size_t cut = 0; cut < n; cut++)
		if (value_read((struct gh_str){ bytes, cut }, &status, &got, &rest) == 0)
			CU_ASSERT_EQUAL(sketch_merge_bytes(&s, rest), GH_EINVAL);
	bytes[0] = 9;
	CU_ASSERT_EQUAL(value_read((struct gh_str){ bytes, n }, &status, &got, &rest), GH_EINVAL);
	sketch_done(&s);
}

/* ---- Recorder -------------------------------------------------------------------------------- */

static void
test_recorder_full_ring(void)
{
	struct recorder *r = recorder_new(SEED);
	struct names names = names_of("Books", "App");
	struct record record = { .status = 200 };
	bool is_filling = true;
	unsigned put_n = 0, taken = 0, filling_from = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	while (recorder_put(r, &names, &record, &is_filling) == 0) {
		record.latency_us = ++put_n;
		if (is_filling && filling_from == 0)
			filling_from = put_n;
	}
	CU_ASSERT_TRUE(put_n >= 16000 && put_n < 17000);
	CU_ASSERT_TRUE(filling_from > put_n / 3 && filling_from < put_n * 2 / 3);
	while (recorder_take(r, &record)) {
		CU_ASSERT_EQUAL(record.latency_us, taken);
		taken++;
	}
	CU_ASSERT_EQUAL(taken, put_n);
	CU_ASSERT_EQUAL(recorder_put(r, &names, &record, &is_filling), 0);
	CU_ASSERT_FALSE(is_filling);
	recorder_free(r);
	recorder_free(NULL);
}

/* More subjects than a table holds: old tables live until their last record was taken. */
static void
test_recorder_many_subjects(void)
{
	struct recorder *r = recorder_new(SEED);
	char app[16];
	bool is_filling;

	for (unsigned i = 0; i < 30000; i++) {
		snprintf(app, sizeof(app), "app%u", i);
		struct names names = names_of("Books", app), got;
		struct record record = { .status = 200 };

		CU_ASSERT_EQUAL_FATAL(recorder_put(r, &names, &record, &is_filling), 0);
		if (i % 3000 != 2999)
			continue;
		for (unsigned k = i - 2999; k <= i; k++) {
			CU_ASSERT_TRUE_FATAL(recorder_take(r, &record));
			snprintf(app, sizeof(app), "app%u", k);
			CU_ASSERT_TRUE(names_decode((struct gh_str){ record.subject->bytes,
				record.subject->n }, &got) > 0);
			CU_ASSERT_TRUE(gh_str_eq(got.part[NAMES_APPLICATION], gh_str_of(app)));
		}
	}
	/* Leave calls and a retired table behind. */
	for (unsigned i = 0; i < 6000; i++) {
		snprintf(app, sizeof(app), "last%u", i);
		struct names names = names_of("Books", app);

		CU_ASSERT_EQUAL(
			recorder_put(r, &names, &(struct record){ .status = 200 }, &is_filling), 0);
	}
	recorder_free(r);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static bool
is_odd(const void *arg, const struct row *row)
{
	(void)arg;
	return row->number % 2 == 1;
}

static void
test_rows_bounded(void)
{
	struct rows *rows = rows_new(1000);
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		struct row *row = rows_get(rows, hash_bytes(SEED, gh_str_of(key)), gh_str_of(key));

		CU_ASSERT_PTR_NOT_NULL_FATAL(row);
		CU_ASSERT_EQUAL(row->number, i + 1);
		CU_ASSERT_EQUAL(sketch_add(&row->sketch, i, 1), 0);
	}
	CU_ASSERT_PTR_NULL(rows_get(rows, 1, GH_STR("one more")));
	struct row *row = rows_get(rows, hash_bytes(SEED, GH_STR("k7")), GH_STR("k7"));

	CU_ASSERT_EQUAL(row->number, 8);
	rows_remove(rows, is_odd, NULL);
	CU_ASSERT_EQUAL(rows_count(rows), 500);
	row = rows_get(rows, 1, GH_STR("one more"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(row);
	CU_ASSERT_EQUAL(row->number, 1001); /* numbers are never used again */
	rows_free(rows);
	rows_free(NULL);
}

/* ---- Batcher --------------------------------------------------------------------------------- */

#define WORKERS 2
#define CALLS 60000

static struct recorder *recorders[WORKERS];

static struct batcher *
batcher_start(size_t max_rows, struct gh_metric *dropped)
{
	static struct gh_inst inst = { .label = { "analytics", 9 } };
	struct batcher *b = NULL;

	for (unsigned i = 0; i < WORKERS; i++)
		recorders[i] = recorder_new(SEED);
	struct batcher_setup setup = { .inst = &inst, .series = { &memory_v1, NULL },
		.recorders = recorders, .recorder_count = WORKERS, .seed = SEED,
		.max_rows = max_rows, .dropped = dropped };

	CU_ASSERT_EQUAL_FATAL(batcher_new(&setup, &b), 0);
	return b;
}

static void
batcher_end(struct batcher *b)
{
	batcher_free(b);
	for (unsigned i = 0; i < WORKERS; i++)
		recorder_free(recorders[i]);
}

struct load {
	struct recorder *recorder;
	struct batcher *batcher;
	unsigned retries;
};

/* A worker that is faster than the batcher tries again here; the plugin would drop the call. */
static void *
call_much(void *arg)
{
	struct load *load = arg;
	bool is_filling;

	for (unsigned i = 0; i < CALLS; i++) {
		struct names names =
			names_of(i % 2 == 0 ? "Books" : "Films", i % 3 == 0 ? "A" : "B");
		struct record record = { .time_s = 1000000 + i % 90, .latency_us = i % 5000,
			.status = i % 10 == 0 ? 500 : 200 };

		while (recorder_put(load->recorder, &names, &record, &is_filling) < 0) {
			load->retries++;
			batcher_wake(load->batcher);
		}
		if (is_filling)
			batcher_wake(load->batcher);
	}
	return NULL;
}

static void
test_batcher_counts_exactly(void)
{
	struct batcher *b = batcher_start(1000, NULL);
	struct load loads[WORKERS];
	pthread_t threads[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		loads[i] = (struct load){ recorders[i], b, 0 };
		pthread_create(&threads[i], NULL, call_much, &loads[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(batcher_flush(b, 5000), 0);
	CU_ASSERT_EQUAL(stored("", 0), WORKERS * CALLS);
	CU_ASSERT_EQUAL(stored("Books", 0), WORKERS * CALLS / 2);
	CU_ASSERT_EQUAL(stored("", 500), WORKERS * CALLS / 10);
	batcher_end(b);
	CU_ASSERT_EQUAL(stored("", 0), WORKERS * CALLS);
	memory_clear();
}

static void
record_calls(unsigned n)
{
	struct names names = names_of("Books", "A");
	struct record record = { .time_s = 1000000, .latency_us = 10, .status = 200 };
	bool is_filling;

	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL(recorder_put(recorders[0], &names, &record, &is_filling), 0);
}

/* What the end of the process finds is written, and the next run adds to it. */
static void
test_restart_keeps_what_was_counted(void)
{
	for (unsigned run = 1; run <= 3; run++) {
		struct batcher *b = batcher_start(1000, NULL);

		record_calls(100);
		batcher_end(b);
		CU_ASSERT_EQUAL(stored("", 0), 100 * run);
	}
	memory_clear();
}

static void
test_series_fails_for_a_while(void)
{
	struct batcher *b = batcher_start(1000, NULL);

	memory.fail = GH_EIO;
	record_calls(10);
	CU_ASSERT_EQUAL(batcher_flush(b, 5000), 0);
	CU_ASSERT_EQUAL(stored("", 0), 0);
	pthread_mutex_lock(&memory.lock);
	memory.fail = 0;
	pthread_mutex_unlock(&memory.lock);
	record_calls(5);
	CU_ASSERT_EQUAL(batcher_flush(b, 5000), 0);
	CU_ASSERT_EQUAL(stored("", 0), 15);
	batcher_end(b);
	memory_clear();
}

static void
test_too_many_rows_are_counted_as_dropped(void)
{
	struct gh_metric *dropped =
		krn_metric_new(GH_COUNTER, "gatehouse_test_dropped_total", "D.", NULL);
	struct batcher *b = batcher_start(50, dropped);
	bool is_filling;
	char app[16];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(app, sizeof(app), "app%u", i);
		struct names names = names_of("Books", app);
		/* In the future, so that no row is over yet. */
		struct record record = { .time_s = 4000000000u, .status = 200 };

		CU_ASSERT_EQUAL(recorder_put(recorders[1], &names, &record, &is_filling), 0);
	}
	CU_ASSERT_EQUAL(batcher_flush(b, 5000), 0);
	CU_ASSERT_EQUAL(stored("", 0), 50);
	CU_ASSERT_EQUAL(krn_metric_value(dropped), 10);
	batcher_end(b);
	memory_clear();
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_names_round_trip),
		UNIT_TEST(test_value_damaged),
		UNIT_TEST(test_recorder_full_ring),
		UNIT_TEST(test_recorder_many_subjects),
		UNIT_TEST(test_rows_bounded),
		UNIT_TEST(test_batcher_counts_exactly),
		UNIT_TEST(test_restart_keeps_what_was_counted),
		UNIT_TEST(test_series_fails_for_a_while),
		UNIT_TEST(test_too_many_rows_are_counted_as_dropped),
		{ NULL, NULL },
	};

	return unit_run("analytics", tests);
}
