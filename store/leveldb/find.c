/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file find.c
 * @brief docs/1 find: the keys of a request are ranges, one per tenant, walked up or down.
 *
 * The cursor is the key at which the last page ended.  It comes from outside, so it only narrows
 * the ranges that the request itself allows.
 */
#include <stdlib.h>
#include <syslog.h>

#include "store/leveldb/leveldb.h"

#define PRIMARY (-1)

/** A find() under way. */
struct query {
	struct ldb_view *view;
	leveldb_iterator_t *it;
	const struct gh_find *find;
	const struct model_kind *kind;
	const struct model_index *index; /* NULL: all of the kind, by id */
	int number;                      /* of the index, or PRIMARY */
	struct ldb_buf values;           /* equal values, encoded */
	struct ldb_buf lower, upper;     /* this tenant's range: lower <= key < upper */
	struct ldb_buf key, tenant;
	uint32_t to_skip;
	struct ldb_page page;
};

/* ---- What is asked ------------------------------------------------------------------------- */

/** An integer in decimal, strictly. */
static bool
parse_integer(struct gh_str text, int64_t *ret_value)
{
	bool is_negative = text.n > 0 && text.p[0] == '-';
	uint64_t value = 0, max = is_negative ? UINT64_C(1) << 63 : INT64_MAX;

	if (text.n == is_negative)
		return false;
	for (size_t i = is_negative; i < text.n; i++) {
		unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = is_negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

static int
put_value(struct ldb_buf *b, enum model_type type, struct gh_str text)
{
	int64_t integer;

	if (type == MODEL_STRING) {
		ldb_put_escaped(b, text);
		ldb_put_end(b);
		return GH_OK;
	}
	if (!parse_integer(text, &integer))
		return GH_EINVAL;
	ldb_put_integer(b, integer);
	return GH_OK;
}

static size_t
field_count(const struct model_index *index)
{
	size_t max = sizeof(index->fields) / sizeof(index->fields[0]), n = 0;

	while (n < max && index->fields[n].field != NULL)
		n++;
	return n;
}

static bool
has_range(const struct gh_find *f)
{
	return f->is_prefix || f->from.n > 0 || f->to.n > 0;
}

/** Find the index and encode the equal values. */
static int
plan(struct query *q)
{
	const struct gh_find *f = q->find;

	q->number = PRIMARY;
	if (f->index == NULL)
		return f->equal_count == 0 ? GH_OK : GH_EINVAL;
	for (int i = 0; q->kind->indexes[i].name != NULL; i++)
		if (strcmp(q->kind->indexes[i].name, f->index) == 0)
			q->number = i;
	if (q->number == PRIMARY)
		return GH_EINVAL;
	q->index = &q->kind->indexes[q->number];
	size_t fields = field_count(q->index);

	if (f->equal_count > fields || (has_range(f) && f->equal_count == fields))
		return GH_EINVAL;
	if (f->is_prefix && q->index->fields[f->equal_count].type != MODEL_STRING)
		return GH_EINVAL;
	for (size_t i = 0; i < f->equal_count; i++) {
		int r = put_value(&q->values, q->index->fields[i].type, f->equal[i]);

		if (r < 0)
			return r;
	}
	return GH_OK;
}

/* ---- Ranges -------------------------------------------------------------------------------- */

static void
put_range_start(struct query *q, struct ldb_buf *b, struct gh_str tenant)
{
	if (q->number == PRIMARY)
		ldb_key_docs(b, q->kind, tenant);
	else
		ldb_key_index(b, q->kind, (uint8_t)q->number, tenant);
	ldb_put_str(b, ldb_buf_str(&q->values));
}

/** Narrow by from and to on ids, which are raw. */
static void
bound_ids(struct query *q)
{
	const struct gh_find *f = q->find;

	ldb_put_str(&q->lower, f->from);
	if (f->is_prefix) {
		ldb_put_str(&q->upper, f->from);
		ldb_buf_successor(&q->upper);
	} else if (f->to.n > 0) {
		ldb_put_str(&q->upper, f->to);
		ldb_put(&q->upper, "", 1); /* the first key after it */
	} else {
		ldb_buf_successor(&q->upper);
	}
}

/** Narrow by from and to on the next field of the index. */
static int
bound_values(struct query *q)
{
	const struct gh_find *f = q->find;
	int64_t integer;

	if (!has_range(f)) {
		ldb_buf_successor(&q->upper);
		return GH_OK;
	}
	bool is_string = q->index->fields[f->equal_count].type == MODEL_STRING;

	if (is_string) {
		ldb_put_escaped(&q->lower, f->from);
	} else if (f->from.n > 0) {
		if (!parse_integer(f->from, &integer))
			return GH_EINVAL;
		ldb_put_integer(&q->lower, integer);
	}
	if (f->is_prefix) {
		ldb_put_escaped(&q->upper, f->from);
	} else if (f->to.n > 0) {
		int r = put_value(&q->upper, q->index->fields[f->equal_count].type, f->to);

		if (r < 0)
			return r;
	}
	ldb_buf_successor(&q->upper);
	return GH_OK;
}

/** Set lower and upper for a tenant.  @return 0, GH_EINVAL, GH_ENOMEM. */
static int
set_range(struct query *q, struct gh_str tenant)
{
	int r = GH_OK;

	put_range_start(q, &q->lower, tenant);
	put_range_start(q, &q->upper, tenant);
	if (q->number == PRIMARY)
		bound_ids(q);
	else
		r = bound_values(q);
	return r == 0 && (q->lower.has_failed || q->upper.has_failed) ? GH_ENOMEM : r;
}

/** Leave out what earlier pages have given. */
static void
apply_cursor(struct query *q)
{
	struct gh_str cursor = q->find->cursor;

	if (cursor.n == 0)
		return;
	if (q->find->descending) {
		if (ldb_compare(cursor, ldb_buf_str(&q->upper)) < 0) {
			ldb_buf_reset(&q->upper);
			ldb_put_str(&q->upper, cursor);
		}
	} else if (ldb_compare(cursor, ldb_buf_str(&q->lower)) >= 0) {
		ldb_buf_reset(&q->lower);
		ldb_put_str(&q->lower, cursor);
		ldb_put(&q->lower, "", 1);
	}
}

/* ---- Walking ------------------------------------------------------------------------------- */

static bool
is_inside(struct query *q)
{
	if (!leveldb_iter_valid(q->it))
		return false;
	struct gh_str key = ldb_iter_key(q->it);

	return ldb_compare(key, ldb_buf_str(&q->lower)) >= 0 &&
		ldb_compare(key, ldb_buf_str(&q->upper)) < 0;
}

static void
go_to_start(struct query *q)
{
	if (!q->find->descending) {
		ldb_iter_seek(q->it, ldb_buf_str(&q->lower));
		return;
	}
	ldb_iter_seek(q->it, ldb_buf_str(&q->upper));
	if (leveldb_iter_valid(q->it))
		leveldb_iter_prev(q->it);
	else
		leveldb_iter_seek_to_last(q->it);
}

static void
go_on(struct query *q)
{
	if (q->find->descending)
		leveldb_iter_prev(q->it);
	else
		leveldb_iter_next(q->it);
}

static void
count_range(struct query *q)
{
	ldb_iter_seek(q->it, ldb_buf_str(&q->lower));
	while (q->page.total < LDB_TOTAL_MAX && is_inside(q)) {
		q->page.total++;
		leveldb_iter_next(q->it);
	}
}

/** The id that an entry stands for.  @return false: damaged. */
static bool
id_of_entry(struct query *q, struct gh_str *ret_id)
{
	struct gh_str rest = ldb_iter_key(q->it), skipped;

	if (!ldb_take(&rest, q->number == PRIMARY ? 3 : 4, &skipped) ||
	    !ldb_take_escaped(&rest, NULL))
		return false;
	if (q->number != PRIMARY && q->index->is_unique) {
		*ret_id = ldb_iter_value(q->it);
		return true;
	}
	for (size_t i = 0; q->number != PRIMARY && i < field_count(q->index); i++) {
		bool is_string = q->index->fields[i].type == MODEL_STRING;

		if (is_string ? !ldb_take_escaped(&rest, NULL) : !ldb_take(&rest, 8, &skipped))
			return false;
	}
	*ret_id = rest;
	return true;
}

/** Add the document that the iterator stands on. */
static int
add_current(struct query *q, struct gh_str tenant)
{
	struct gh_str id, stored;

	if (!id_of_entry(q, &id))
		return GH_EIO;
	if (q->number == PRIMARY)
		return ldb_page_add(&q->page, tenant, id, ldb_iter_value(q->it));
	ldb_key_doc(&q->key, q->kind, tenant, id);
	if (q->key.has_failed)
		return GH_ENOMEM;
	int r = ldb_view_get(q->view, ldb_buf_str(&q->key), &stored);

	if (r == 0) {
		r = ldb_page_add(&q->page, tenant, id, stored);
		leveldb_free((void *)stored.p);
	}
	return r == GH_ENOENT ? GH_EIO : r;
}

static bool
is_full(const struct query *q)
{
	return q->page.n == q->find->limit || q->page.bytes.n >= LDB_COMMIT_BYTES_MAX;
}

/** Collect from one tenant's range until the page is full. */
static int
collect(struct query *q, struct gh_str tenant)
{
	int r = GH_OK;

	for (go_to_start(q); r == 0 && is_inside(q); go_on(q)) {
		if (q->to_skip > 0) {
			q->to_skip--;
			continue;
		}
		if (is_full(q)) {
			q->page.has_more = true;
			return GH_OK;
		}
		r = add_current(q, tenant);
		ldb_buf_reset(&q->page.cursor);
		ldb_put_str(&q->page.cursor, ldb_iter_key(q->it));
	}
	if (r == GH_EIO)
		gh_inst_log(q->view->db->inst, LOG_ERR,
			"database %s: an index entry of kind %s is damaged", q->view->db->dir,
			q->kind->name);
	return r;
}

static int
find_in_tenant(struct query *q, struct gh_str tenant)
{
	int r = set_range(q, tenant);

	if (r < 0)
		return r;
	count_range(q);
	if (q->page.has_more)
		return GH_OK;
	apply_cursor(q);
	if (q->lower.has_failed || q->upper.has_failed)
		return GH_ENOMEM;
	return collect(q, tenant);
}

static int
find_in_all_tenants(struct query *q)
{
	struct gh_str *tenants;
	size_t n;

	if (q->number == PRIMARY)
		ldb_key_docs(&q->key, q->kind, GH_STR_NONE);
	else
		ldb_key_index(&q->key, q->kind, (uint8_t)q->number, GH_STR_NONE);
	int r = ldb_tenants(q->view, ldb_buf_str(&q->key), &tenants, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = find_in_tenant(q, tenants[q->find->descending ? n - 1 - i : i]);
	ldb_tenants_free(tenants, n);
	return r;
}

static int
run_query(struct query *q)
{
	int r = plan(q);

	if (r < 0)
		return r;
	if (q->values.has_failed)
		return GH_ENOMEM;
	/* Values are checked even where no tenant has documents. */
	r = set_range(q, GH_STR("-"));
	if (r < 0)
		return r;
	q->it = ldb_view_iterate(q->view);
	r = q->find->tenant.n > 0 ? find_in_tenant(q, q->find->tenant) : find_in_all_tenants(q);
	r = ldb_iter_end(q->view->db, q->it, r);
	return r;
}

int
ldb_find(void *self, const struct gh_find *find, struct gh_docs_found **ret_found)
{
	struct ldb *p = self;
	struct query q = { .find = find, .kind = model_kind_find(find->kind),
		.to_skip = find->offset };
	struct ldb_view view;

	LDB_ASSERT_MAY_BLOCK();
	if (q.kind == NULL || find->limit == 0 || find->limit > GH_FIND_MAX)
		return GH_EINVAL;
	int r = ldb_view_open(&view, &p->db);

	if (r < 0)
		return r;
	q.view = &view;
	q.page.kind = gh_str_of(q.kind->name);
	r = find->index != NULL && strcmp(find->index, "text") == 0
		? ldb_search(&view, q.kind, find, &q.page)
		: run_query(&q);
	if (r == 0)
		r = ldb_page_finish(&q.page, ret_found);
	ldb_page_free(&q.page);
	ldb_buf_free(&q.values);
	ldb_buf_free(&q.lower);
	ldb_buf_free(&q.upper);
	ldb_buf_free(&q.key);
	ldb_view_close(&view);
	return r;
}
