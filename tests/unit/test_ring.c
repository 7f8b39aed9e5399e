/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_ring.c
 * @brief The ring of records: full, round and round, closed, and under threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "lib/ring/ring.h"
#include "tests/unit/unit.h"

static void
test_ring_full_and_closed(void)
{
	static struct ring ring;
	static char record[1000];
	struct gh_str taken;
	unsigned tag, put = 0;

	CU_ASSERT_FALSE(ring_take(&ring, &tag, &taken));
	while (ring_put(&ring, 7, (struct gh_str){ record, sizeof(record) }) == 0)
		put++;
	CU_ASSERT_EQUAL(put, RING_BYTES / 1008);
	CU_ASSERT_EQUAL(ring_put(&ring, 7, (struct gh_str){ record, sizeof(record) }), GH_EAGAIN);
	CU_ASSERT_EQUAL(ring_put(&ring, 7, (struct gh_str){ record, RING_BYTES }), GH_ETOOBIG);
	/* Go round a few times, so that fillers and reused places are met. */
	for (unsigned i = 0; i < 5 * put; i++) {
		CU_ASSERT_TRUE_FATAL(ring_take(&ring, &tag, &taken));
		CU_ASSERT_EQUAL(tag, 7);
		CU_ASSERT_EQUAL(taken.n, i < put ? sizeof(record) : 500 + (i - put) % 400);
		ring_release(&ring);
		int r = ring_put(&ring, 7, (struct gh_str){ record, 500 + i % 400 });

		CU_ASSERT_EQUAL_FATAL(r, 0);
	}
	ring_close(&ring);
	CU_ASSERT_EQUAL(ring_put(&ring, 7, GH_STR("x")), GH_EEXPIRED);
	for (unsigned i = 0; i < put; i++) {
		CU_ASSERT_TRUE_FATAL(ring_take(&ring, &tag, &taken));
		ring_release(&ring);
	}
	CU_ASSERT_TRUE(ring_is_empty(&ring));
	ring_open(&ring);
	CU_ASSERT_EQUAL(ring_put(&ring, 1, GH_STR_NONE), 0);
	CU_ASSERT_TRUE(ring_take(&ring, &tag, &taken));
	CU_ASSERT_EQUAL(taken.n, 0);
}

#define THREADS 4
#define RECORDS 20000

static struct ring shared;

struct number {
	unsigned thread, i;
};

static void *
put_many(void *arg)
{
	for (unsigned i = 0; i < RECORDS; i++) {
		struct number n = { (unsigned)(uintptr_t)arg, i };

		while (ring_put(&shared, 1, (struct gh_str){ (const char *)&n, sizeof(n) }) < 0)
			;
	}
	return NULL;
}

/* Every record comes once, whole, and in the order of its thread. */
static void
test_ring_threads(void)
{
	pthread_t threads[THREADS];
	unsigned next[THREADS] = { 0 }, seen = 0, wrong = 0, tag;
	struct gh_str record;

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, put_many, (void *)i);
	while (seen < THREADS * RECORDS) {
		struct number n;

		if (!ring_take(&shared, &tag, &record))
			continue;
		memcpy(&n, record.p, sizeof(n));
		wrong += record.n != sizeof(n) || n.i != next[n.thread];
		next[n.thread] = n.i + 1;
		ring_release(&shared);
		seen++;
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(ring_is_empty(&shared));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_ring_full_and_closed), UNIT_TEST(test_ring_threads), { NULL, NULL },
	};

	return unit_run("ring", tests);
}
