/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file feed.c
 * @brief feed/1: the snapshot, reading on, waking.  Records themselves are record.c's.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "store/leveldb/leveldb.h"

#define SNAPSHOT_DOCS 256
#define SNAPSHOT_BYTES (1u << 20)
#define PUBLISH_WAIT_MS 5000

/* ---- Ends ---------------------------------------------------------------------------------- */

static bool
take_feed_key(const leveldb_iterator_t *it, uint64_t *ret_seq)
{
	struct gh_str key;
	uint64_t space;

	if (!leveldb_iter_valid(it))
		return false;
	key = ldb_iter_key(it);
	return ldb_take_uint(&key, 1, &space) && space == LDB_FEED &&
		ldb_take_uint(&key, 8, ret_seq);
}

/** First and last sequence that an iterator sees; 0 when there is none. */
static void
find_ends(leveldb_iterator_t *it, uint64_t *ret_oldest, uint64_t *ret_newest)
{
	static const char first[] = { LDB_FEED }, behind[] = { LDB_FEED + 1 };

	*ret_oldest = *ret_newest = 0;
	leveldb_iter_seek(it, first, 1);
	if (!take_feed_key(it, ret_oldest))
		return;
	leveldb_iter_seek(it, behind, 1);
	if (leveldb_iter_valid(it))
		leveldb_iter_prev(it);
	else
		leveldb_iter_seek_to_last(it);
	take_feed_key(it, ret_newest);
}

int
ldb_feed_ends(struct ldb_db *db, uint64_t *ret_oldest, uint64_t *ret_newest)
{
	struct ldb_view view;
	uint64_t oldest, newest;
	int r = ldb_view_open(&view, db);

	if (r < 0)
		return r;
	leveldb_iterator_t *it = ldb_view_iterate(&view);

	find_ends(it, &oldest, &newest);
	r = ldb_iter_end(db, it, GH_OK);
	ldb_view_close(&view);
	if (r == 0) {
		*ret_oldest = oldest;
		*ret_newest = newest;
	}
	return r;
}

/* ---- Snapshot ------------------------------------------------------------------------------ */

struct snapshot {
	struct ldb_view view;
	struct ldb_page page;
	uint64_t seq;
	size_t batches;
	gh_feed_fn *fn;
	void *arg;
};

/** Hand out what was gathered. */
static int
flush(struct snapshot *s)
{
	struct gh_feed_change changes[SNAPSHOT_DOCS];
	size_t at = 0;

	for (size_t i = 0; i < s->page.n; i++)
		changes[i] = (struct gh_feed_change){
			.doc = ldb_page_doc(&s->page, s->page.bytes.p, i, &at) };
	int r = s->fn(s->arg, &(const struct gh_feed_batch){
		.seq = s->seq, .n = s->page.n, .changes = changes });

	ldb_page_reset(&s->page);
	s->batches++;
	return r;
}

static int
snapshot_doc(struct snapshot *s, leveldb_iterator_t *it)
{
	struct gh_str rest = ldb_iter_key(it), space, raw;
	const struct model_kind *kind;
	struct ldb_buf tenant = { .n = 0 };

	if (!ldb_take(&rest, 1, &space) || !ldb_take_doc_key(&rest, &kind, &raw))
		return GH_EIO;
	ldb_put_unescaped(&tenant, raw);
	int r = tenant.has_failed ? GH_ENOMEM
		: ldb_page_add(&s->page, ldb_buf_str(&tenant), rest, ldb_iter_value(it));

	ldb_buf_free(&tenant);
	if (r == 0 && (s->page.n == SNAPSHOT_DOCS || s->page.bytes.n >= SNAPSHOT_BYTES))
		r = flush(s);
	return r;
}

static int
snapshot_kind(struct snapshot *s, const struct model_kind *kind)
{
	leveldb_iterator_t *it = ldb_view_iterate(&s->view);
	struct ldb_buf prefix = { .n = 0 };
	int r = GH_OK;

	s->page.kind = gh_str_of(kind->name);
	ldb_key_docs(&prefix, kind, GH_STR_NONE);
	if (prefix.has_failed)
		r = GH_ENOMEM;
	else
		ldb_iter_seek(it, ldb_buf_str(&prefix));
	for (; r == 0 && ldb_iter_on(it, ldb_buf_str(&prefix)); leveldb_iter_next(it))
		r = snapshot_doc(s, it);
	r = ldb_iter_end(s->view.db, it, r);
	if (r == 0 && s->page.n > 0)
		r = flush(s);
	ldb_buf_free(&prefix);
	return r;
}

/** The view may be a moment ahead of what the writer has announced: wait, or reading on fails. */
static void
await_announcement(struct ldb_writer *w, uint64_t seq)
{
	struct timespec until = clock_after(PUBLISH_WAIT_MS);

	pthread_mutex_lock(&w->lock);
	while (w->last_seq < seq && !w->is_stopping)
		if (pthread_cond_timedwait(&w->news, &w->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&w->lock);
}

int
ldb_feed_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	struct ldb *p = self;
	struct snapshot s = { .fn = fn, .arg = arg };
	uint64_t oldest;

	LDB_ASSERT_MAY_BLOCK();
	int r = ldb_view_open(&s.view, &p->db);

	if (r < 0)
		return r;
	leveldb_iterator_t *it = ldb_view_iterate(&s.view);

	find_ends(it, &oldest, &s.seq);
	r = ldb_iter_end(&p->db, it, GH_OK);
	for (const struct model_kind *kind = model_kinds; kind->name != NULL && r == 0; kind++)
		if (kind->is_runtime)
			r = snapshot_kind(&s, kind);
	if (r == 0 && s.batches == 0)
		r = flush(&s);
	ldb_page_free(&s.page);
	ldb_view_close(&s.view);
	if (r != 0)
		return r;
	await_announcement(&p->writer, s.seq);
	*ret_seq = s.seq;
	return GH_OK;
}

/* ---- Reading on ---------------------------------------------------------------------------- */

/** Wait for a commit after @p after_seq.
 *  @param[out] ret_last  newest commit.  @return 0, GH_ETRUNCATED. */
static int
await(struct ldb_writer *w, uint64_t after_seq, uint64_t wait_ms, uint64_t *ret_last)
{
	struct timespec until = clock_after(wait_ms);
	int timed_out = 0;

	pthread_mutex_lock(&w->lock);
	uint64_t wakes = w->wakes;

	while (w->last_seq == after_seq && w->wakes == wakes && !w->is_stopping && timed_out == 0)
		timed_out = pthread_cond_timedwait(&w->news, &w->lock, &until);
	/* One who is ahead of us has followed another database, or one that was restored since. */
	int r = after_seq > w->last_seq || after_seq + 1 < w->oldest_seq ? GH_ETRUNCATED : GH_OK;

	*ret_last = w->last_seq;
	pthread_mutex_unlock(&w->lock);
	return r;
}

int
ldb_feed_read(void *self, uint64_t after_seq, uint64_t wait_ms, gh_feed_fn *fn, void *arg)
{
	struct ldb *p = self;
	struct ldb_buf key = { .n = 0 };
	struct ldb_view view;
	uint64_t last, seq, expected = after_seq + 1;

	LDB_ASSERT_MAY_BLOCK();
	int r = await(&p->writer, after_seq, wait_ms, &last);

	if (r < 0 || last == after_seq)
		return r;
	r = ldb_view_open(&view, &p->db);
	if (r < 0)
		return r;
	leveldb_iterator_t *it = ldb_view_iterate(&view);
	bool is_damaged = false;

	ldb_key_feed(&key, expected);
	if (key.has_failed)
		r = GH_ENOMEM;
	else
		ldb_iter_seek(it, ldb_buf_str(&key));
	for (; r == 0 && expected <= last; expected++, leveldb_iter_next(it)) {
		is_damaged = !take_feed_key(it, &seq) || seq != expected;
		if (is_damaged) /* the first may have been trimmed just now */
			r = expected == after_seq + 1 ? GH_ETRUNCATED : GH_EIO;
		else
			r = ldb_feed_deliver(seq, ldb_iter_value(it), fn, arg, &is_damaged);
	}
	r = ldb_iter_end(&p->db, it, r);
	if (is_damaged && r == GH_EIO)
		gh_inst_log(p->inst, LOG_ERR,
			"database %s: commit %llu is missing or damaged in the feed", p->db.dir,
			(unsigned long long)expected - 1);
	ldb_view_close(&view);
	ldb_buf_free(&key);
	return r;
}

void
ldb_feed_wake(void *self)
{
	struct ldb *p = self;

	pthread_mutex_lock(&p->writer.lock);
	p->writer.wakes++;
	pthread_cond_broadcast(&p->writer.news);
	pthread_mutex_unlock(&p->writer.lock);
}

int
ldb_feed_history(void *self, uint8_t ret_id[GH_FEED_HISTORY_BYTES])
{
	const struct ldb *p = self;

	memcpy(ret_id, p->db.history, GH_FEED_HISTORY_BYTES);
	return GH_OK;
}
