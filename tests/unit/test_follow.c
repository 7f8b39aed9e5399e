/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_follow.c
 * @brief lib/follow on a fake feed: snapshot, batches, gaps, trouble, stop; and acknowledgements.
 */
#include <time.h>

#include "lib/clock/clock.h"
#include "lib/follow/follow.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 5000

/** A feed of empty batches up to head, and a script of what goes wrong. */
struct fake {
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint64_t head;            /* lock */
	uint64_t oldest;          /* lock: read() after an older one is GH_ETRUNCATED */
	unsigned snapshot_errors; /* lock: so many snapshots fail */
	unsigned read_errors;     /* lock: so many reads fail */
	bool skips_one;           /* lock: the next read leaves a gap */
	unsigned wakes;           /* lock */
};

static int
fake_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	struct fake *fake = self;

	pthread_mutex_lock(&fake->lock);
	uint64_t seq = fake->head;
	bool fails = fake->snapshot_errors > 0;

	fake->snapshot_errors -= fails;
	pthread_mutex_unlock(&fake->lock);
	int r = fn(arg, &(const struct gh_feed_batch){ .seq = seq });

	if (r != 0)
		return r;
	if (fails)
		return GH_EIO;
	*ret_seq = seq;
	return 0;
}

static int
fake_read(void *self, uint64_t after, uint64_t wait_ms, gh_feed_fn *fn, void *arg)
{
	struct fake *fake = self;
	struct timespec until = clock_after(wait_ms);
	int r = 0;

	pthread_mutex_lock(&fake->lock);
	unsigned wakes = fake->wakes;

	while (fake->head <= after && fake->wakes == wakes && fake->read_errors == 0 && r == 0)
		r = pthread_cond_timedwait(&fake->change, &fake->lock, &until);
	r = 0;
	if (fake->read_errors > 0) {
		fake->read_errors--;
		r = GH_EIO;
	}
	if (after < fake->oldest)
		r = GH_ETRUNCATED;
	uint64_t head = fake->head, next = after + 1;

	if (fake->skips_one && head > after + 1) {
		next++;
		fake->skips_one = false;
	}
	pthread_mutex_unlock(&fake->lock);
	for (; r == 0 && next <= head; next++)
		r = fn(arg, &(const struct gh_feed_batch){ .seq = next });
	return r;
}

static void
fake_wake(void *self)
{
	struct fake *fake = self;

	pthread_mutex_lock(&fake->lock);
	fake->wakes++;
	pthread_cond_broadcast(&fake->change);
	pthread_mutex_unlock(&fake->lock);
}

static const struct gh_feed_v1 fake_vt = {
	.size = sizeof(fake_vt), .snapshot = fake_snapshot, .read = fake_read, .wake = fake_wake,
};

/** Change the fake under its lock; waiting readers notice. */
#define FAKE_DO(fake, statement) do { \
	pthread_mutex_lock(&(fake)->lock); \
	statement; \
	pthread_cond_broadcast(&(fake)->change); \
	pthread_mutex_unlock(&(fake)->lock); \
} while (0)

/** A follower whose state is the last sequence applied. */
struct state {
	struct fake fake;
	struct follow follow;
	struct follow_acks acks;
	pthread_t thread;
	uint64_t building;
	bool is_begun;
	atomic_uint snapshots, aborts, troubles, recoveries, refusals;
};

static int
on_begin(void *arg)
{
	struct state *s = arg;

	s->building = 0;
	s->is_begun = true;
	return 0;
}

static int
on_apply(void *arg, const struct gh_feed_batch *batch)
{
	struct state *s = arg;

	if (atomic_load(&s->refusals) > 0) {
		atomic_fetch_sub(&s->refusals, 1);
		return GH_ENOMEM;
	}
	CU_ASSERT(s->is_begun || batch->seq == s->building + 1);
	s->building = batch->seq;
	return 0;
}

static int
on_publish(void *arg, uint64_t seq)
{
	struct state *s = arg;

	CU_ASSERT_EQUAL(s->building, seq);
	if (s->is_begun)
		atomic_fetch_add(&s->snapshots, 1);
	s->is_begun = false;
	follow_acks_set(&s->acks, 0, seq);
	return 0;
}

static void
on_abort(void *arg)
{
	struct state *s = arg;

	atomic_fetch_add(&s->aborts, 1);
}

static void
on_trouble(void *arg, int err)
{
	struct state *s = arg;

	atomic_fetch_add(err != 0 ? &s->troubles : &s->recoveries, 1);
}

static const struct follow_ops ops = {
	.begin = on_begin, .apply = on_apply, .publish = on_publish, .abort = on_abort,
	.trouble = on_trouble,
};

static void *
run(void *arg)
{
	follow_run(arg);
	return NULL;
}

static void
setup(struct state *s, uint64_t head)
{
	memset(s, 0, sizeof(*s));
	CU_ASSERT_EQUAL_FATAL(clock_init(&s->fake.lock, &s->fake.change), 0);
	s->fake.head = head;
	CU_ASSERT_EQUAL_FATAL(follow_acks_init(&s->acks, 1), 0);
	CU_ASSERT_EQUAL_FATAL(follow_init(&s->follow,
		&(const struct gh_feed){ .vt = &fake_vt, .self = &s->fake }, &ops, s), 0);
}

static void
start(struct state *s)
{
	CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, run, &s->follow), 0);
}

static void
teardown(struct state *s)
{
	follow_stop(&s->follow);
	pthread_join(s->thread, NULL);
	follow_done(&s->follow);
	follow_acks_done(&s->acks);
	pthread_cond_destroy(&s->fake.change);
	pthread_mutex_destroy(&s->fake.lock);
}

static void
test_snapshot_then_batches(void)
{
	struct state s;

	setup(&s, 7);
	CU_ASSERT_EQUAL(follow_snapshot(&s.follow), 0);
	CU_ASSERT_EQUAL(follow_acks_serving(&s.acks), 7); /* before any thread runs */
	start(&s);
	FAKE_DO(&s.fake, s.fake.head = 20);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 20, PATIENCE_MS), 0);
	FAKE_DO(&s.fake, s.fake.head++);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 21, PATIENCE_MS), 0);
	teardown(&s);
	CU_ASSERT_EQUAL(s.snapshots, 1);
	CU_ASSERT_EQUAL(s.aborts, 0);
}

static void
test_snapshot_again_when_too_far_behind(void)
{
	struct state s;

	setup(&s, 1);
	CU_ASSERT_EQUAL(follow_snapshot(&s.follow), 0);
	FAKE_DO(&s.fake, s.fake.head = 50; s.fake.oldest = 40);
	start(&s);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 50, PATIENCE_MS), 0);
	teardown(&s);
	CU_ASSERT_EQUAL(s.snapshots, 2);
	CU_ASSERT_EQUAL(s.troubles, 0);
}

static void
test_snapshot_again_after_gap(void)
{
	struct state s;

	setup(&s, 1);
	CU_ASSERT_EQUAL(follow_snapshot(&s.follow), 0);
	FAKE_DO(&s.fake, s.fake.head = 5; s.fake.skips_one = true);
	start(&s);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 5, PATIENCE_MS), 0);
	teardown(&s);
	CU_ASSERT_EQUAL(s.snapshots, 2);
}

static void
test_trouble_is_told_once_and_passes(void)
{
	struct state s;

	setup(&s, 3);
	s.fake.snapshot_errors = 2;
	CU_ASSERT_EQUAL(follow_snapshot(&s.follow), GH_EIO);
	CU_ASSERT_EQUAL(s.troubles, 0);
	start(&s);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 3, PATIENCE_MS), 0);
	CU_ASSERT_EQUAL(s.troubles, 1);
	FAKE_DO(&s.fake, s.fake.read_errors = 2);
	FAKE_DO(&s.fake, s.fake.head = 4);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 4, PATIENCE_MS), 0);
	CU_ASSERT(s.recoveries >= 1); /* told after the acknowledgement, before the next read */
	teardown(&s);
	CU_ASSERT_EQUAL(s.snapshots, 1); /* a failed read costs no snapshot */
	CU_ASSERT_EQUAL(s.troubles, 2);
}

static void
test_snapshot_again_when_apply_fails(void)
{
	struct state s;

	setup(&s, 1);
	CU_ASSERT_EQUAL(follow_snapshot(&s.follow), 0);
	s.refusals = 1;
	start(&s);
	FAKE_DO(&s.fake, s.fake.head = 9);
	CU_ASSERT_EQUAL(follow_acks_wait(&s.acks, 9, PATIENCE_MS), 0);
	teardown(&s);
	CU_ASSERT_EQUAL(s.aborts, 1);
	CU_ASSERT_EQUAL(s.snapshots, 2);
}

static void
test_stop_is_prompt(void)
{
	for (unsigned i = 0; i < 20; i++) {
		struct timespec before, after;
		struct state s;

		setup(&s, 1);
		if (i % 2 == 0)
			s.fake.snapshot_errors = UINT32_MAX; /* stopped in a pause */
		start(&s);
		clock_gettime(CLOCK_MONOTONIC, &before);
		teardown(&s);
		clock_gettime(CLOCK_MONOTONIC, &after);
		CU_ASSERT(after.tv_sec - before.tv_sec < 2);
	}
}

static void *
acknowledge(void *arg)
{
	struct follow_acks *acks = arg;

	for (uint64_t seq = 1; seq <= 1000; seq++)
		for (unsigned w = 0; w < acks->n; w++)
			follow_acks_set(acks, w, seq);
	return NULL;
}

static void
test_acks(void)
{
	struct follow_acks acks;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(follow_acks_init(&acks, 3), 0);
	follow_acks_set_all(&acks, 5);
	CU_ASSERT_EQUAL(follow_acks_serving(&acks), 5);
	follow_acks_set(&acks, 0, 9);
	follow_acks_set(&acks, 1, 8);
	CU_ASSERT_EQUAL(follow_acks_serving(&acks), 5); /* the slowest counts */
	CU_ASSERT_EQUAL(follow_acks_wait(&acks, 8, 20), GH_ETIMEDOUT);
	follow_acks_set(&acks, 2, 8);
	CU_ASSERT_EQUAL(follow_acks_wait(&acks, 8, 0), 0);
	follow_acks_set(&acks, 0, 1);
	CU_ASSERT_EQUAL(follow_acks_serving(&acks), 8); /* never goes back */
	follow_acks_done(&acks);

	CU_ASSERT_EQUAL_FATAL(follow_acks_init(&acks, 2), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, acknowledge, &acks), 0);
	for (uint64_t seq = 1; seq <= 1000; seq += 7)
		CU_ASSERT_EQUAL(follow_acks_wait(&acks, seq, PATIENCE_MS), 0);
	pthread_join(thread, NULL);
	follow_acks_done(&acks);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_snapshot_then_batches),
		UNIT_TEST(test_snapshot_again_when_too_far_behind),
		UNIT_TEST(test_snapshot_again_after_gap),
		UNIT_TEST(test_trouble_is_told_once_and_passes),
		UNIT_TEST(test_snapshot_again_when_apply_fails),
		UNIT_TEST(test_stop_is_prompt),
		UNIT_TEST(test_acks),
		{ .name = NULL },
	};

	return unit_run("follow", tests);
}
