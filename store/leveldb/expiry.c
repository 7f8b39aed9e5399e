/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file expiry.c
 * @brief Deletes documents some time after they expired, and feed records that are old enough.
 *
 * Both happen on the writer's thread, a piece at a time, so that commits never wait long for them.
 * Searching starts where the first entry can be: deleted entries before it are not walked again.
 */
#include <stdlib.h>
#include <syslog.h>

#include "store/leveldb/leveldb.h"

#define GRACE_S 60       /* clocks differ, and what has just expired may be looked at */
#define EXPIRE_PIECE 256
#define TRIM_PIECE 1000

void
ldb_expiry_note(struct ldb_writer *w, struct gh_str key)
{
	uint64_t space, expires_s;

	if (ldb_take_uint(&key, 1, &space) && space == LDB_EXPIRY &&
	    ldb_take_uint(&key, 8, &expires_s) && expires_s < w->next_expiry_s)
		w->next_expiry_s = expires_s;
}

/** Documents that have expired. */
struct expired {
	struct gh_doc_op ops[EXPIRE_PIECE];
	const struct model_kind *kinds[EXPIRE_PIECE];
	struct ldb_buf names[EXPIRE_PIECE]; /* tenant, then id */
	size_t n;
	uint64_t next_s; /* when the first one that is not among them expires */
	leveldb_writebatch_t *orphans; /* deletes entries that belong to no document */
	size_t orphan_count;
};

/** @return 0; GH_ENOENT: the key is damaged; GH_ENOMEM. */
static int
add_expired(struct expired *e, struct gh_str key)
{
	const struct model_kind *kind;
	struct gh_str head, raw;

	if (!ldb_take(&key, 9, &head) || !ldb_take_doc_key(&key, &kind, &raw))
		return GH_ENOENT;
	struct ldb_buf *name = &e->names[e->n];

	ldb_put_unescaped(name, raw);
	size_t tenant_n = name->n;

	ldb_put_str(name, key);
	if (name->has_failed)
		return GH_ENOMEM;
	e->kinds[e->n] = kind;
	e->ops[e->n++] = (struct gh_doc_op){
		.verb = GH_DOC_DELETE, .tenant = { name->p, tenant_n },
		.kind = gh_str_of(kind->name), .id = { name->p + tenant_n, name->n - tenant_n },
		.expect_rev = GH_REV_ANY,
	};
	return GH_OK;
}

/** Take the document of one entry, or the entry itself when no document has it.  That cannot be;
 *  but if it were, the entry would be found again and again. */
static int
take_entry(struct ldb_view *view, struct expired *e, struct gh_str entry)
{
	struct ldb_buf key = { .n = 0 };
	struct gh_str stored;
	int r = add_expired(e, entry);

	if (r == 0) {
		const struct gh_doc_op *op = &e->ops[e->n - 1];

		ldb_key_doc(&key, e->kinds[e->n - 1], op->tenant, op->id);
		r = key.has_failed ? GH_ENOMEM : ldb_view_get(view, ldb_buf_str(&key), &stored);
		if (r == 0)
			leveldb_free((void *)stored.p);
		else
			ldb_buf_free(&e->names[--e->n]);
		ldb_buf_free(&key);
	}
	if (r != GH_ENOENT)
		return r;
	leveldb_writebatch_delete(e->orphans, entry.p, entry.n);
	e->orphan_count++;
	return GH_OK;
}

/** Gather what expired before @p now_s. */
static int
find_expired(struct ldb *p, uint64_t now_s, struct expired *e)
{
	static const char space[] = { LDB_EXPIRY };
	struct gh_str prefix = { space, 1 };
	struct ldb_buf from = { .n = 0 };
	struct ldb_view view;
	int r = ldb_view_open(&view, &p->db);

	if (r < 0)
		return r;
	leveldb_iterator_t *it = ldb_view_iterate(&view);

	e->next_s = UINT64_MAX;
	ldb_put_str(&from, prefix);
	ldb_put_uint(&from, p->writer.next_expiry_s, 8);
	if (from.has_failed)
		r = GH_ENOMEM;
	else
		ldb_iter_seek(it, ldb_buf_str(&from));
	for (; r == 0 && ldb_iter_on(it, prefix); leveldb_iter_next(it)) {
		struct gh_str key = ldb_iter_key(it);
		uint64_t skipped, expires_s = 0;

		ldb_take_uint(&key, 1, &skipped);
		ldb_take_uint(&key, 8, &expires_s);
		if (expires_s >= now_s || e->n + e->orphan_count >= EXPIRE_PIECE) {
			e->next_s = expires_s;
			break;
		}
		r = take_entry(&view, e, ldb_iter_key(it));
	}
	r = ldb_iter_end(&p->db, it, r);
	ldb_view_close(&view);
	ldb_buf_free(&from);
	return r;
}

/** @return true: there are more. */
static bool
expire(struct ldb *p)
{
	uint64_t now_s = gh_now_us() / 1000000 - GRACE_S;
	struct ldb_writer *w = &p->writer;

	if (w->next_expiry_s >= now_s)
		return false;
	struct expired *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return false;
	e->orphans = leveldb_writebatch_create();
	int r = find_expired(p, now_s, e);
	struct ldb_request request = { .ops = e->ops, .kinds = e->kinds, .n = e->n };
	struct ldb_request *group[] = { &request };

	if (r == 0 && e->n > 0) {
		ldb_write_group(p, group, 1);
		r = request.r;
		gh_metric_add(p->expired, r == 0 ? e->n : 0);
	}
	if (r == 0 && e->orphan_count > 0) {
		gh_inst_log(p->inst, LOG_WARNING, "database %s: %zu entries of the expiry queue "
			"belong to no document; they are removed", p->db.dir, e->orphan_count);
		r = ldb_db_write(&p->db, e->orphans, false);
	}
	if (r == 0)
		w->next_expiry_s = e->next_s;
	else
		gh_inst_log(p->inst, LOG_ERR, "expired documents could not be deleted: %s",
			gh_strerror(r));
	bool has_more = r == 0 && e->next_s < now_s;

	for (size_t i = 0; i < EXPIRE_PIECE; i++)
		ldb_buf_free(&e->names[i]);
	leveldb_writebatch_destroy(e->orphans);
	free(e);
	return has_more;
}

/** Put deletes of old feed records into @p batch.
 *  @param last  the newest that may go.  @param[out] ret_oldest  the oldest that stays. */
static int
gather_old_records(struct ldb *p, uint64_t last, leveldb_writebatch_t *batch, uint64_t *ret_oldest)
{
	uint64_t before_us = gh_now_us() - atomic_load(&p->feed_keep_ms) * 1000;
	uint64_t seq = p->writer.oldest_seq, time_us;
	struct ldb_buf key = { .n = 0 };
	struct ldb_view view;
	int r = ldb_view_open(&view, &p->db);

	if (r < 0)
		return r;
	for (size_t i = 0; i < TRIM_PIECE && seq <= last; i++, seq++) {
		struct gh_str record;

		ldb_key_feed(&key, seq);
		r = key.has_failed ? GH_ENOMEM : ldb_view_get(&view, ldb_buf_str(&key), &record);
		if (r < 0)
			break;
		bool is_old = ldb_feed_time(record, &time_us) && time_us < before_us;

		leveldb_free((void *)record.p);
		if (!is_old)
			break;
		leveldb_writebatch_delete(batch, key.p, key.n);
	}
	*ret_oldest = seq;
	ldb_view_close(&view);
	ldb_buf_free(&key);
	return r;
}

/** Delete feed records beyond both limits.  @return true: there are more. */
static bool
trim(struct ldb *p)
{
	struct ldb_writer *w = &p->writer;
	uint64_t keep = atomic_load(&p->feed_keep_batches), oldest = w->oldest_seq;

	if (w->oldest_seq == 0 || w->last_seq - w->oldest_seq < keep)
		return false;
	leveldb_writebatch_t *batch = leveldb_writebatch_create();
	int r = gather_old_records(p, w->last_seq - keep, batch, &oldest);
	bool has_some = r == 0 && oldest > w->oldest_seq;
	bool has_more = has_some && oldest - w->oldest_seq == TRIM_PIECE;

	if (has_some)
		r = ldb_db_write(&p->db, batch, false);
	leveldb_writebatch_destroy(batch);
	if (r == 0 && has_some) {
		pthread_mutex_lock(&w->lock);
		w->oldest_seq = oldest;
		pthread_mutex_unlock(&w->lock);
	}
	if (r < 0)
		gh_inst_log(p->inst, LOG_ERR, "old feed records could not be deleted: %s",
			gh_strerror(r));
	return r == 0 && has_more;
}

bool
ldb_care(struct ldb *p)
{
	bool has_expired = expire(p);
	bool has_old = trim(p);

	return has_expired || has_old;
}
