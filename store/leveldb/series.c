/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file series.c
 * @brief series/1: rows sorted by series, bucket and key; written by the caller's thread, unsynced.
 */
#include "store/leveldb/leveldb.h"

#define NAME_MAX_BYTES 32
#define KEY_MAX_BYTES 1024u
#define VALUE_MAX_BYTES (1u << 20)
#define ROWS_MAX 100000
#define TRIM_PIECE 1000

static bool
is_name(struct gh_str series)
{
	if (series.n == 0 || series.n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < series.n; i++) {
		char c = series.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    c == '_'))
			return false;
	}
	return true;
}

static void
put_series(struct ldb_buf *key, struct gh_str series)
{
	ldb_buf_reset(key);
	ldb_put_uint(key, LDB_SERIES, 1);
	ldb_put_escaped(key, series);
	ldb_put_end(key);
}

static int
check_row(const struct gh_series_row *row, size_t *bytes)
{
	if (!is_name(row->series))
		return GH_EINVAL;
	if (row->key.n > KEY_MAX_BYTES || row->value.n > VALUE_MAX_BYTES)
		return GH_ETOOBIG;
	*bytes += row->key.n + row->value.n;
	return *bytes > LDB_COMMIT_BYTES_MAX ? GH_ETOOBIG : GH_OK;
}

int
ldb_series_write(void *self, const struct gh_series_row *rows, size_t n)
{
	struct ldb *p = self;
	struct ldb_buf key = { .n = 0 };
	size_t bytes = 0;
	int r = n > ROWS_MAX ? GH_ETOOBIG : GH_OK;

	LDB_ASSERT_MAY_BLOCK();
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_row(&rows[i], &bytes);
	if (r < 0 || n == 0)
		return r;
	leveldb_writebatch_t *batch = leveldb_writebatch_create();

	for (size_t i = 0; i < n && r == 0; i++) {
		put_series(&key, rows[i].series);
		ldb_put_uint(&key, rows[i].bucket_s, 8);
		ldb_put_str(&key, rows[i].key);
		if (key.has_failed)
			r = GH_ENOMEM;
		else
			leveldb_writebatch_put(batch, key.p, key.n, rows[i].value.p,
				rows[i].value.n);
	}
	if (r == 0)
		r = ldb_db_write(&p->db, batch, false);
	leveldb_writebatch_destroy(batch);
	ldb_buf_free(&key);
	return r;
}

/** A walk over a part of a series. */
struct walk {
	struct ldb_view view;
	leveldb_iterator_t *it;
	struct ldb_buf prefix, key;
	uint64_t to_s;
};

static int
walk_begin(struct walk *w, struct ldb *p, struct gh_str series, uint64_t from_s, uint64_t to_s)
{
	*w = (struct walk){ .to_s = to_s };
	if (!is_name(series))
		return GH_EINVAL;
	put_series(&w->prefix, series);
	put_series(&w->key, series);
	ldb_put_uint(&w->key, from_s, 8);
	int r = w->prefix.has_failed || w->key.has_failed ? GH_ENOMEM
		: ldb_view_open(&w->view, &p->db);

	if (r < 0) {
		ldb_buf_free(&w->prefix);
		ldb_buf_free(&w->key);
		return r;
	}
	w->it = ldb_view_iterate(&w->view);
	ldb_iter_seek(w->it, ldb_buf_str(&w->key));
	return GH_OK;
}

/** The row that the walk stands on.  @return false: the end. */
static bool
walk_row(struct walk *w, struct gh_str series, struct gh_series_row *ret_row)
{
	if (!ldb_iter_on(w->it, ldb_buf_str(&w->prefix)))
		return false;
	struct gh_str rest = ldb_iter_key(w->it), front;
	uint64_t bucket_s;

	if (!ldb_take(&rest, w->prefix.n, &front) || !ldb_take_uint(&rest, 8, &bucket_s) ||
	    bucket_s >= w->to_s)
		return false;
	*ret_row = (struct gh_series_row){
		.series = series, .bucket_s = bucket_s, .key = rest,
		.value = ldb_iter_value(w->it) };
	return true;
}

static int
walk_end(struct walk *w, int r)
{
	r = ldb_iter_end(w->view.db, w->it, r);
	ldb_view_close(&w->view);
	ldb_buf_free(&w->prefix);
	ldb_buf_free(&w->key);
	return r;
}

int
ldb_series_scan(void *self, struct gh_str series, uint64_t from_s, uint64_t to_s, gh_series_fn *fn,
	void *arg)
{
	struct gh_series_row row;
	struct walk w;

	LDB_ASSERT_MAY_BLOCK();
	int r = walk_begin(&w, self, series, from_s, to_s);

	if (r < 0)
		return r;
	for (; r == 0 && walk_row(&w, series, &row); leveldb_iter_next(w.it))
		r = fn(arg, &row);
	return walk_end(&w, r);
}

int
ldb_series_trim(void *self, struct gh_str series, uint64_t before_s)
{
	struct ldb *p = self;
	struct gh_series_row row;
	struct walk w;
	size_t n = 0;

	LDB_ASSERT_MAY_BLOCK();
	int r = walk_begin(&w, p, series, 0, before_s);

	if (r < 0)
		return r;
	leveldb_writebatch_t *batch = leveldb_writebatch_create();

	for (; r == 0 && walk_row(&w, series, &row); leveldb_iter_next(w.it)) {
		struct gh_str key = ldb_iter_key(w.it);

		leveldb_writebatch_delete(batch, key.p, key.n);
		if (++n % TRIM_PIECE == 0) {
			r = ldb_db_write(&p->db, batch, false);
			leveldb_writebatch_clear(batch);
		}
	}
	if (r == 0)
		r = ldb_db_write(&p->db, batch, false);
	leveldb_writebatch_destroy(batch);
	return walk_end(&w, r);
}
