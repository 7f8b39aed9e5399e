/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_sketch.c
 * @brief Sketches: the error that is promised, adding up, and bytes that somebody damaged.
 */
#include <stdlib.h>

#include "lib/sketch/sketch.h"
#include "tests/unit/unit.h"

/* A small generator, so that every run sees the same numbers. */
static uint64_t
next_number(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
test_every_value_within_bound(void)
{
	for (uint64_t v = 0; v <= SKETCH_MAX_US; v = v < 4096 ? v + 1 : v + v / 97) {
		struct sketch s = { 0 };

		CU_ASSERT_EQUAL_FATAL(sketch_add(&s, v, 1), 0);
		uint64_t got = sketch_quantile(&s, 0.5), error = got > v ? got - v : v - got;

		CU_ASSERT_TRUE(error * 32 <= v);
		sketch_done(&s);
	}
}

static void
test_quantiles_within_bound(void)
{
	enum { N = 20000 };
	static uint64_t values[N];
	static const double shares[] = { 0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };
	struct sketch s = { 0 };
	uint64_t state = 42;

	for (int i = 0; i < N; i++) {
		/* Spread over the magnitudes, as latencies are. */
		values[i] = next_number(&state) >> (next_number(&state) % 24);
		CU_ASSERT_EQUAL(sketch_add(&s, values[i], 1), 0);
	}
	qsort(values, N, sizeof(values[0]), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double rank = shares[i] * N;
		size_t at = (size_t)rank;

		at = (double)at < rank ? at + 1 : at;
		uint64_t exact = values[at > 0 ? at - 1 : 0], got = sketch_quantile(&s, shares[i]);
		uint64_t error = got > exact ? got - exact : exact - got;

		CU_ASSERT_TRUE(error * 32 <= exact);
	}
	CU_ASSERT_EQUAL(s.total, N);
	sketch_done(&s);
}

static void
test_edges(void)
{
	struct sketch s = { 0 };

	CU_ASSERT_EQUAL(sketch_quantile(&s, 0.5), 0);
	CU_ASSERT_EQUAL(sketch_add(&s, UINT64_MAX, 1), 0); /* counts as an hour */
	CU_ASSERT_TRUE(sketch_quantile(&s, 0.5) >= SKETCH_MAX_US / 32 * 31);
	CU_ASSERT_TRUE(sketch_quantile(&s, 0.5) <= SKETCH_MAX_US / 32 * 33);
	CU_ASSERT_EQUAL(sketch_add(&s, 1, UINT64_MAX), 0); /* saturates */
	CU_ASSERT_EQUAL(s.total, UINT64_MAX);
	CU_ASSERT_EQUAL(sketch_quantile(&s, 0.5), 1);
	sketch_done(&s);
	sketch_done(&s);
}

static bool
same(const struct sketch *a, const struct sketch *b)
{
	static char x[SKETCH_BYTES_MAX], y[SKETCH_BYTES_MAX];
	size_t n = sketch_write(a, x), m = sketch_write(b, y);

	return n == m && memcmp(x, y, n) == 0 && a->total == b->total;
}

/* Parts that are added up, in memory or as bytes, equal the whole. */
static void
test_merge_is_exact(void)
{
	struct sketch whole = { 0 }, sum = { 0 }, of_bytes = { 0 }, parts[3] = { { 0 } };
	static char bytes[SKETCH_BYTES_MAX];
	uint64_t state = 7;

	for (int i = 0; i < 3000; i++) {
		uint64_t v = next_number(&state) >> (next_number(&state) % 30);

		sketch_add(&whole, v, 2);
		sketch_add(&parts[i % 3], v, 2);
	}
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(sketch_merge(&sum, &parts[i]), 0);
		size_t n = sketch_write(&parts[i], bytes);

		CU_ASSERT_EQUAL(sketch_merge_bytes(&of_bytes, (struct gh_str){ bytes, n }), 0);
	}
	CU_ASSERT_TRUE(same(&whole, &sum));
	CU_ASSERT_TRUE(same(&whole, &of_bytes));
	struct sketch empty = { 0 };

	CU_ASSERT_EQUAL(sketch_merge(&sum, &empty), 0);
	size_t n = sketch_write(&empty, bytes);

	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(sketch_merge_bytes(&sum, (struct gh_str){ bytes, n }), 0);
	CU_ASSERT_TRUE(same(&whole, &sum));
	sketch_done(&whole);
	sketch_done(&sum);
	sketch_done(&of_bytes);
	for (int i = 0; i < 3; i++)
		sketch_done(&parts[i]);
}

static void
test_longest_form_fits(void)
{
	static char bytes[SKETCH_BYTES_MAX];
	struct sketch s = { 0 };

	for (uint64_t v = 1; v <= SKETCH_MAX_US; v += v / 40 + 1)
		CU_ASSERT_EQUAL(sketch_add(&s, v, UINT64_MAX), 0);
	CU_ASSERT_TRUE(sketch_write(&s, bytes) <= sizeof(bytes));
	CU_ASSERT_TRUE((unsigned)s.first + s.n <= SKETCH_BUCKETS);
	sketch_done(&s);
}

static void
test_hostile_bytes_refused(void)
{
	static const struct gh_str rows[] = {
		{ NULL, 0 },
		{ "\2\0", 2 },                     /* another version */
		{ "\1", 1 },                       /* cut */
		{ "\1\1", 2 }, { "\1\1\1", 3 },
		{ "\1\0\0", 3 },                   /* something behind it */
		{ "\1\1\0\1", 4 },                 /* no distance */
		{ "\1\1\1\0", 4 },                 /* an empty bucket */
		{ "\1\1\xd1\3\1", 5 },             /* bucket 465 of 464 */
		{ "\1\2\xd0\3\1\1\1", 7 },         /* one behind the last */
		{ "\1\xff\x7f\1\1", 5 },           /* too many buckets */
		{ "\1\1\1\x81\0", 5 },             /* not the shortest form */
		{ "\1\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 13 }, /* over 64 bits */
		{ "\1\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 14 },
	};
	struct sketch s = { 0 };

	sketch_add(&s, 100, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(sketch_merge_bytes(&s, rows[i]), GH_EINVAL);
	CU_ASSERT_EQUAL(s.total, 1);
	CU_ASSERT_EQUAL(sketch_merge_bytes(&s, (struct gh_str){ "\1\1\xd0\3\1", 5 }), 0);
	CU_ASSERT_EQUAL(s.total, 2);
	sketch_done(&s);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_every_value_within_bound), UNIT_TEST(test_quantiles_within_bound),
		UNIT_TEST(test_edges), UNIT_TEST(test_merge_is_exact),
		UNIT_TEST(test_longest_form_fits), UNIT_TEST(test_hostile_bytes_refused),
		{ NULL, NULL },
	};

	return unit_run("sketch", tests);
}
