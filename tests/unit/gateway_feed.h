/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gateway_feed.h
 * @brief For tests of the gateway: a plugin `feed` whose documents the test writes, and a wire to
 * backends that answers by the backend's name.
 */
#ifndef TESTS_UNIT_GATEWAY_FEED_H
#define TESTS_UNIT_GATEWAY_FEED_H
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "plugins/gateway/gateway.h"
#include "tests/unit/gateway_docs.h"

#define TEST_DOCS_MAX 128

/** The store of the test: what a snapshot gives, and the last batch. */
static struct test_feed {
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint64_t seq, truncated_below;
	struct gh_str tenant;                /**< Of what is written next. */
	bool is_awake;
	size_t n;
	struct gh_feed_change last;          /**< Of batch seq. */
	struct gh_doc docs[TEST_DOCS_MAX];
	char ids[TEST_DOCS_MAX][64];
} test_feed = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .seq = 1,
	.tenant = { "carbon.super", 12 } };

/** Write (or, with json NULL, delete) a document and tell the readers.  @return its sequence. */
static inline uint64_t
test_feed_write(const char *kind, const char *id, const char *json)
{
	struct test_feed *f = &test_feed;
	struct gh_doc doc = { GH_STR("carbon.super"), gh_str_of(kind), gh_str_of(id), 0,
		GH_STR_NONE };
	size_t i = 0;

	pthread_mutex_lock(&f->lock);
	uint64_t seq = ++f->seq;

	if (json != NULL)
		doc = test_doc(kind, id, seq, json);
	doc.tenant = f->tenant;
	while (i < f->n &&
		!(gh_str_eq(f->docs[i].id, doc.id) && gh_str_eq(f->docs[i].kind, doc.kind) &&
			gh_str_eq(f->docs[i].tenant, doc.tenant)))
		i++;
	CU_ASSERT_FATAL(i < TEST_DOCS_MAX && strlen(id) < sizeof(f->ids[0]));
	if (i < f->n)
		test_doc_done(&f->docs[i]);
	else
		f->n++;
	memcpy(f->ids[i], id, strlen(id));
	doc.id = (struct gh_str){ f->ids[i], strlen(id) };
	f->docs[i] = doc;
	f->last = (struct gh_feed_change){ json == NULL, doc };
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
	return seq;
}

/** Every reader must start anew. */
static inline void
test_feed_truncate(void)
{
	pthread_mutex_lock(&test_feed.lock);
	test_feed.truncated_below = ++test_feed.seq;
	pthread_cond_broadcast(&test_feed.change);
	pthread_mutex_unlock(&test_feed.lock);
}

static inline void
test_feed_clear(void)
{
	for (size_t i = 0; i < test_feed.n; i++)
		test_doc_done(&test_feed.docs[i]);
	test_feed.n = 0;
}

static int
test_feed_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	struct test_feed *f = &test_feed;
	int r = 0;

	(void)self;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n && r == 0; i++) {
		struct gh_feed_change change = { false, f->docs[i] };
		struct gh_feed_batch batch = { f->seq, 1, &change };

		if (change.doc.body.n > 0)
			r = fn(arg, &batch);
	}
	*ret_seq = f->seq;
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* The test writes one batch at a time and waits until it is served. */
static int
test_feed_read(void *self, uint64_t after_seq, uint64_t wait_ms, gh_feed_fn *fn, void *arg)
{
	struct test_feed *f = &test_feed;
	struct timespec until;
	int r = 0;

	(void)self;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(wait_ms / 1000) + 1;
	pthread_mutex_lock(&f->lock);
	while (f->seq <= after_seq && !f->is_awake)
		if (pthread_cond_timedwait(&f->change, &f->lock, &until) == ETIMEDOUT)
			break;
	if (after_seq < f->truncated_below)
		r = GH_ETRUNCATED;
	else if (f->seq > after_seq)
		r = fn(arg, &(struct gh_feed_batch){ f->seq, 1, &f->last });
	f->is_awake = false;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static void
test_feed_wake(void *self)
{
	(void)self;
	pthread_mutex_lock(&test_feed.lock);
	test_feed.is_awake = true;
	pthread_cond_broadcast(&test_feed.change);
	pthread_mutex_unlock(&test_feed.lock);
}

static const struct gh_feed_v1 test_feed_v1 = { .size = sizeof(test_feed_v1),
	.snapshot = test_feed_snapshot, .read = test_feed_read, .wake = test_feed_wake };
static const struct gh_service_row test_feed_provides[] = {
	{ GH_SVC_FEED, &test_feed_v1 }, { .name = NULL },
};
static const struct gh_plugin test_feed_plugin = { GH_PLUGIN_ABI, .name = "feed", .version = "1",
	.provides = test_feed_provides };

/* ---- The wire: "fail-CODE-STATUS.example" fails, anything else says what it was asked ------ */

int
upstream_trust_new(const struct upstream_options *options, struct upstream_trust **ret_trust,
	char *error, size_t error_size)
{
	(void)options;
	(void)error;
	(void)error_size;
	*ret_trust = NULL;
	return 0;
}

void
upstream_trust_free(struct upstream_trust *trust)
{
	(void)trust;
}

int
upstream_pool_new(struct uv_loop_s *loop, const struct upstream_options *options,
	struct upstream_trust *trust, struct upstream_pool **ret_pool)
{
	(void)loop;
	(void)options;
	(void)trust;
	*ret_pool = NULL;
	return 0;
}

void
upstream_pool_free(struct upstream_pool *pool)
{
	(void)pool;
}

struct gh_str
upstream_why(struct gh_txn *txn)
{
	(void)txn;
	return GH_STR("the test says so");
}

enum gh_verdict
upstream_start(struct upstream_pool *pool, struct gh_txn *txn,
	const struct upstream_endpoint *endpoint, struct gh_str target, upstream_fail_fn *fail)
{
	static const struct gh_str fail_word = { "fail-", 5 };
	char text[1024];
	int at = 0;
	size_t n;

	(void)pool;
	if (endpoint->host.n > 5 && memcmp(endpoint->host.p, fail_word.p, 5) == 0)
		return fail(txn, (int)strtol(endpoint->host.p + 5, NULL, 10), 502);
	at = snprintf(text, sizeof(text), "%.*s:%u%.*s", GH_STR_ARG(endpoint->host), endpoint->port,
		GH_STR_ARG(target));
	const struct gh_field *fields = gh_txn_fields(txn, GH_SIDE_REQUEST, &n);

	for (size_t i = 0; i < n && at > 0 && (size_t)at < sizeof(text); i++)
		at += snprintf(
			text + at, sizeof(text) - (size_t)at, " %.*s", GH_STR_ARG(fields[i].name));
	CU_ASSERT_EQUAL(gh_txn_reply(txn, 200, GH_STR("text/plain"),
		(struct gh_str){ text, (size_t)at }), 0);
	return GH_STOP;
}

void
upstream_pool_counts(const struct upstream_pool *pool, struct upstream_counts *ret_counts)
{
	(void)pool;
	*ret_counts = (struct upstream_counts){ 0 };
}

#endif
