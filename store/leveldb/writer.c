/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writer.c
 * @brief The one thread that writes documents, and the queue before it.
 *
 * While a group is being synced, the next commits queue up; then they are written together, each
 * with a sequence number of its own.  So the cost of a sync is shared by all who wait.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "lib/doc/doc.h"
#include "store/leveldb/leveldb.h"

#define CARE_MS 1000
#define REOPEN_MS 200 /* while broken, commits try again that often */

/* ---- The caller's side --------------------------------------------------------------------- */

static int
check_op(const struct gh_doc_op *op, const struct model_kind **ret_kind, size_t *bytes)
{
	const struct model_kind *kind = model_kind_find(op->kind);

	if (kind == NULL || (op->verb != GH_DOC_PUT && op->verb != GH_DOC_DELETE))
		return GH_EINVAL;
	if (op->tenant.n == 0 || op->tenant.n > LDB_TENANT_MAX || op->id.n == 0 ||
	    op->id.n > GH_DOC_ID_MAX)
		return GH_EINVAL;
	*ret_kind = kind;
	if (op->verb == GH_DOC_DELETE)
		return GH_OK;
	if (op->body.n > GH_DOC_BODY_MAX || op->body.n > LDB_COMMIT_BYTES_MAX - *bytes)
		return GH_ETOOBIG;
	*bytes += op->body.n;
	return doc_check(op->body);
}

/** Take a request back out of the queue.  Lock held.  @return false: the writer has it already. */
static bool
withdraw(struct ldb_writer *w, struct ldb_request *request)
{
	if (request->is_taken)
		return false;
	for (struct ldb_request **at = &w->first; *at != NULL; at = &(*at)->next) {
		if (*at != request)
			continue;
		*at = request->next;
		if (w->last == &request->next)
			w->last = at;
		w->queued--;
		return true;
	}
	return false;
}

/** Queue a request and wait for its answer.  @return its result; GH_EAGAIN: not even tried. */
static int
submit(struct ldb_writer *w, struct ldb_request *request)
{
	struct timespec until = clock_after(LDB_QUEUE_WAIT_MS);
	int r = 0;

	pthread_mutex_lock(&w->lock);
	if (w->is_stopping || w->queued >= LDB_QUEUE_MAX) {
		pthread_mutex_unlock(&w->lock);
		return GH_EAGAIN;
	}
	*w->last = request;
	w->last = &request->next;
	w->queued++;
	pthread_cond_signal(&w->work);
	while (!request->is_done) {
		if (r == 0) {
			r = pthread_cond_timedwait(&w->done, &w->lock, &until);
			continue;
		}
		if (withdraw(w, request)) {
			request->r = GH_EAGAIN;
			break;
		}
		pthread_cond_wait(&w->done, &w->lock); /* it is being written: wait for the truth */
	}
	pthread_mutex_unlock(&w->lock);
	return request->r;
}

int
ldb_commit(void *self, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq, size_t *ret_failed)
{
	struct ldb *p = self;
	struct ldb_request request = { .ops = ops, .n = n };
	int r = GH_OK;

	LDB_ASSERT_MAY_BLOCK();
	if (n == 0)
		return GH_EINVAL;
	if (n > LDB_OPS_MAX)
		return GH_ETOOBIG;
	uint64_t start_ns = gh_mono_ns();

	request.kinds = calloc(n, sizeof(*request.kinds));
	if (request.kinds == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_op(&ops[i], &request.kinds[i], &request.bytes);
	if (r == 0)
		r = submit(&p->writer, &request);
	free(request.kinds);
	if (r == 0 && ret_seq != NULL)
		*ret_seq = request.seq;
	if ((r == GH_ECONFLICT || r == GH_ENOENT) && ret_failed != NULL)
		*ret_failed = request.failed;
	if (r == 0)
		gh_metric_observe(p->commit_time, (double)(gh_mono_ns() - start_ns) / 1e9);
	gh_metric_add(r == 0 ? p->commits : r == GH_ECONFLICT ? p->conflicts : p->errors, 1);
	return r;
}

/* ---- The writer's side --------------------------------------------------------------------- */

/** Open a broken database again and learn what is really on disk. */
static int
recover(struct ldb *p)
{
	struct ldb_writer *w = &p->writer;
	uint64_t oldest, newest;

	if (gh_mono_ns() < w->next_reopen_ns)
		return GH_EIO;
	int r = ldb_db_reopen(&p->db);

	if (r == 0)
		r = ldb_feed_ends(&p->db, &oldest, &newest);
	w->next_reopen_ns = gh_mono_ns() + (uint64_t)REOPEN_MS * 1000000;
	if (r < 0)
		return r;
	if (newest > w->last_seq)
		gh_inst_log(p->inst, LOG_WARNING, "database %s: commits %llu to %llu, whose write "
			"had failed, are there after all", p->db.dir,
			(unsigned long long)w->last_seq + 1, (unsigned long long)newest);
	if (newest < w->last_seq)
		gh_inst_log(p->inst, LOG_CRIT, "database %s: acknowledged commits %llu to %llu are "
			"lost; the disk does not keep what it says it has written", p->db.dir,
			(unsigned long long)newest + 1, (unsigned long long)w->last_seq);
	pthread_mutex_lock(&w->lock);
	w->last_seq = newest;
	w->oldest_seq = oldest;
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->lock);
	return GH_OK;
}

/** Write the overlay.  When that fails, ask the disk what has become of it.
 *  @param last_seq  of the group's last commit. */
static int
write_overlay(struct ldb *p, uint64_t last_seq)
{
	leveldb_writebatch_t *batch = leveldb_writebatch_create();

	ldb_overlay_fill(&p->writer.overlay, batch);
	int r = ldb_db_write(&p->db, batch, p->is_synced);

	leveldb_writebatch_destroy(batch);
	if (r == GH_EIO && recover(p) == 0 && p->writer.last_seq == last_seq)
		r = GH_OK; /* it failed, and is on disk nevertheless */
	return r;
}

/** Check and number the commits of a group.  @return the sequence of the last one that holds. */
static uint64_t
apply_group(struct ldb *p, struct ldb_request **requests, size_t n, uint64_t seq)
{
	struct ldb_view view;
	int opened = ldb_view_open(&view, &p->db);

	for (size_t i = 0; i < n; i++) {
		struct ldb_request *request = requests[i];

		request->r = opened < 0 ? opened : ldb_apply(p, &view, request, seq + 1);
		if (request->r == 0)
			request->seq = ++seq;
	}
	if (opened == 0)
		ldb_view_close(&view);
	return seq;
}

void
ldb_write_group(struct ldb *p, struct ldb_request **requests, size_t n)
{
	struct ldb_writer *w = &p->writer;
	uint64_t before = w->last_seq;
	int r = atomic_load(&p->db.is_broken) ? recover(p) : GH_OK;

	if (r == 0)
		before = w->last_seq;
	uint64_t seq = r == 0 ? apply_group(p, requests, n, before) : before;

	if (r == 0 && seq > before) {
		r = write_overlay(p, seq);
		gh_metric_add(p->groups, 1);
	}
	ldb_overlay_rollback(&w->overlay, 0);
	pthread_mutex_lock(&w->lock);
	if (r == 0 && seq > w->last_seq)
		w->last_seq = seq;
	if (w->oldest_seq == 0 && w->last_seq > 0)
		w->oldest_seq = 1;
	for (size_t i = 0; i < n; i++) {
		if (r < 0 && requests[i]->r == 0)
			requests[i]->r = r;
		requests[i]->is_done = true;
	}
	pthread_cond_broadcast(&w->done);
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->lock);
	gh_metric_set(p->sequence, (int64_t)w->last_seq);
}

/** Take the next group from the queue.  Lock held. */
static size_t
take_group(struct ldb_writer *w, struct ldb_request **group)
{
	size_t n = 0, bytes = 0;

	while (w->first != NULL && n < LDB_GROUP_MAX && bytes < LDB_GROUP_BYTES) {
		struct ldb_request *request = w->first;

		w->first = request->next;
		if (w->first == NULL)
			w->last = &w->first;
		w->queued--;
		request->is_taken = true;
		bytes += request->bytes;
		group[n++] = request;
	}
	return n;
}

/** Look after old documents, old feed records and a broken database, once in a while. */
static void
care(struct ldb *p)
{
	struct ldb_writer *w = &p->writer;

	if (gh_mono_ns() < w->next_care_ns)
		return;
	bool is_usable = !atomic_load(&p->db.is_broken) || recover(p) == 0;

	if (!is_usable || !ldb_care(p))
		w->next_care_ns = gh_mono_ns() + (uint64_t)CARE_MS * 1000000;
}

static void *
run(void *arg)
{
	struct ldb *p = arg;
	struct ldb_writer *w = &p->writer;
	struct ldb_request *group[LDB_GROUP_MAX];
	bool is_stopping = false;

	while (!is_stopping) {
		struct timespec until = clock_after(gh_mono_ns() < w->next_care_ns ? CARE_MS : 0);
		int r = 0;

		pthread_mutex_lock(&w->lock);
		while (w->first == NULL && !w->is_stopping && r == 0)
			r = pthread_cond_timedwait(&w->work, &w->lock, &until);
		size_t n = take_group(w, group);

		is_stopping = w->is_stopping && n == 0;
		pthread_mutex_unlock(&w->lock);
		if (n > 0)
			ldb_write_group(p, group, n);
		if (!is_stopping)
			care(p);
	}
	return NULL;
}

int
ldb_writer_start(struct ldb *p)
{
	struct ldb_writer *w = &p->writer;
	int r = ldb_feed_ends(&p->db, &w->oldest_seq, &w->last_seq);

	if (r < 0)
		return r;
	if (clock_init(&w->lock, &w->work) < 0)
		return GH_ENOMEM;
	if (clock_cond_init(&w->done) < 0)
		goto no_done;
	if (clock_cond_init(&w->news) < 0)
		goto no_news;
	w->last = &w->first;
	w->has_thread = pthread_create(&w->thread, NULL, run, p) == 0;
	if (!w->has_thread) {
		gh_inst_log(p->inst, LOG_ERR, "no thread for writing the database %s", p->db.dir);
		ldb_writer_stop(p);
		return GH_ENOMEM;
	}
	return GH_OK;
no_news:
	pthread_cond_destroy(&w->done);
no_done:
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	return GH_ENOMEM;
}

void
ldb_writer_stop(struct ldb *p)
{
	struct ldb_writer *w = &p->writer;

	pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	pthread_cond_broadcast(&w->work);
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->lock);
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	ldb_overlay_free(&w->overlay);
	pthread_cond_destroy(&w->news);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
}
