/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apply.c
 * @brief One commit onto the overlay: revisions, documents, indexes, unique keys, feed record.
 *
 * First all documents are replaced and their old entries removed, then the new entries are made.
 * So two documents of one commit may exchange a unique value.
 */
#include <stdlib.h>

#include "store/leveldb/leveldb.h"

/** A commit being applied. */
struct apply {
	struct ldb *p;
	struct ldb_view *view;   /* the database before the group */
	struct ldb_overlay *overlay;
	uint64_t seq;
	size_t mark;             /* what is in the overlay from here on is this commit's */
	const struct gh_doc_op *op;
	const struct model_kind *kind;
	struct ldb_buf key, value, feed;
	uint32_t feed_count;
};

/** Value of a key as this commit sees it.
 *  @param[out] ret_value   lives as long as ret_stored and the overlay.
 *  @param[out] ret_stored  leveldb_free() it, or NULL.
 *  @return 0, GH_ENOENT, GH_EIO; GH_EINVAL: this commit itself has changed it. */
static int
look(struct apply *a, struct gh_str key, struct gh_str *ret_value, char **ret_stored)
{
	const struct ldb_change *c = ldb_overlay_find(a->overlay, key);
	struct gh_str stored;

	*ret_stored = NULL;
	if (c != NULL) {
		if (c->is_delete)
			return c->number >= a->mark ? GH_EINVAL : GH_ENOENT;
		*ret_value = c->value;
		return c->number >= a->mark ? GH_EINVAL : GH_OK;
	}
	int r = ldb_view_get(a->view, key, &stored);

	if (r == 0) {
		*ret_value = stored;
		*ret_stored = (char *)stored.p;
	}
	return r;
}

static int
remove_entry(void *arg, const struct ldb_entry *entry)
{
	struct apply *a = arg;

	return ldb_overlay_delete(a->overlay, entry->key);
}

static int
add_entry(void *arg, const struct ldb_entry *entry)
{
	struct apply *a = arg;
	const struct ldb_change *c = ldb_overlay_find(a->overlay, entry->key);
	bool is_taken = c != NULL && !c->is_delete;

	if (entry->is_unique && c == NULL) {
		struct gh_str owner;
		int r = ldb_view_get(a->view, entry->key, &owner);

		if (r < 0 && r != GH_ENOENT)
			return r;
		is_taken = r == 0;
		if (r == 0)
			leveldb_free((void *)owner.p);
	}
	ldb_expiry_note(&a->p->writer, entry->key);
	/* The document's own old entries are gone by now: whoever has the value is another one. */
	if (entry->is_unique && is_taken)
		return GH_ECONFLICT;
	return ldb_overlay_put(a->overlay, entry->key, entry->value);
}

/** Does the revision hold?  @param rev  of the document, 0 when there is none. */
static int
check_revision(const struct gh_doc_op *op, uint64_t rev)
{
	if (op->expect_rev == GH_REV_ANY || op->expect_rev == rev)
		return GH_OK;
	return op->verb == GH_DOC_DELETE && rev == 0 ? GH_ENOENT : GH_ECONFLICT;
}

static int
put_document(struct apply *a)
{
	ldb_buf_reset(&a->value);
	ldb_put_uint(&a->value, a->seq, 8);
	ldb_put_str(&a->value, a->op->body);
	if (a->value.has_failed)
		return GH_ENOMEM;
	return ldb_overlay_put(a->overlay, ldb_buf_str(&a->key), ldb_buf_str(&a->value));
}

/** Check the old document, remove its entries, put or delete the document. */
static int
replace(struct apply *a)
{
	struct gh_str old = GH_STR_NONE;
	uint64_t rev = 0;
	char *stored = NULL;

	ldb_key_doc(&a->key, a->kind, a->op->tenant, a->op->id);
	if (a->key.has_failed)
		return GH_ENOMEM;
	int r = look(a, ldb_buf_str(&a->key), &old, &stored);
	bool is_there = r == 0;

	if (r < 0 && r != GH_ENOENT)
		return r;
	if (is_there && !ldb_take_uint(&old, 8, &rev)) {
		r = GH_EIO;
		goto out;
	}
	r = check_revision(a->op, rev);
	if (r == 0 && is_there)
		r = ldb_entries(a->kind, a->op->tenant, a->op->id, old, remove_entry, a);
	if (r < 0)
		goto out;
	if (a->op->verb == GH_DOC_PUT)
		r = put_document(a);
	else if (is_there)
		r = ldb_overlay_delete(a->overlay, ldb_buf_str(&a->key));
	if (r == 0 && a->kind->is_runtime && (is_there || a->op->verb == GH_DOC_PUT)) {
		ldb_feed_add(&a->feed, a->op, a->kind);
		a->feed_count++;
	}
out:
	leveldb_free(stored);
	return r;
}

static int
add_entries(struct apply *a)
{
	if (a->op->verb != GH_DOC_PUT)
		return GH_OK;
	return ldb_entries(a->kind, a->op->tenant, a->op->id, a->op->body, add_entry, a);
}

static int
for_each_op(struct apply *a, struct ldb_request *request, int (*step)(struct apply *a))
{
	for (size_t i = 0; i < request->n; i++) {
		a->op = &request->ops[i];
		a->kind = request->kinds[i];
		int r = step(a);

		if (r < 0) {
			request->failed = i;
			return r;
		}
	}
	return GH_OK;
}

int
ldb_apply(struct ldb *p, struct ldb_view *view, struct ldb_request *request, uint64_t seq)
{
	struct apply a = {
		.p = p, .view = view, .overlay = &p->writer.overlay, .seq = seq,
		.mark = p->writer.overlay.n,
	};

	ldb_feed_begin(&a.feed, gh_now_us());
	int r = for_each_op(&a, request, replace);

	if (r == 0)
		r = for_each_op(&a, request, add_entries);
	if (r == 0) {
		ldb_feed_finish(&a.feed, a.feed_count);
		ldb_key_feed(&a.key, seq);
		r = a.feed.has_failed || a.key.has_failed ? GH_ENOMEM
			: ldb_overlay_put(a.overlay, ldb_buf_str(&a.key), ldb_buf_str(&a.feed));
	}
	if (r < 0)
		ldb_overlay_rollback(a.overlay, a.mark);
	ldb_buf_free(&a.key);
	ldb_buf_free(&a.value);
	ldb_buf_free(&a.feed);
	return r;
}
