/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file record.c
 * @brief A record of the feed: what one commit changed, as bytes.
 *
 * format:1 time_us:8 n:4, then n times verb:1 kind:2 tenant_n:1 id_n:1 body_n:4 tenant id body.
 * Every commit has one, also when n is 0, so that the sequence has no gap.
 */
#include <stdlib.h>

#include "store/leveldb/leveldb.h"

#define FORMAT 1
#define COUNT_AT 9 /* where n stands */

void
ldb_feed_begin(struct ldb_buf *record, uint64_t now_us)
{
	ldb_buf_reset(record);
	ldb_put_uint(record, FORMAT, 1);
	ldb_put_uint(record, now_us, 8);
	ldb_put_uint(record, 0, 4);
}

void
ldb_feed_add(struct ldb_buf *record, const struct gh_doc_op *op, const struct model_kind *kind)
{
	bool is_put = op->verb == GH_DOC_PUT;

	ldb_put_uint(record, (uint64_t)op->verb, 1);
	ldb_put_uint(record, kind->number, 2);
	ldb_put_uint(record, op->tenant.n, 1);
	ldb_put_uint(record, op->id.n, 1);
	ldb_put_uint(record, is_put ? op->body.n : 0, 4);
	ldb_put_str(record, op->tenant);
	ldb_put_str(record, op->id);
	if (is_put)
		ldb_put_str(record, op->body);
}

void
ldb_feed_finish(struct ldb_buf *record, uint32_t n)
{
	size_t end = record->n;

	if (record->has_failed)
		return;
	record->n = COUNT_AT;
	ldb_put_uint(record, n, 4);
	record->n = end;
}

bool
ldb_feed_time(struct gh_str record, uint64_t *ret_us)
{
	uint64_t format;

	return ldb_take_uint(&record, 1, &format) && format == FORMAT &&
		ldb_take_uint(&record, 8, ret_us);
}

static bool
take_change(struct gh_str *rest, uint64_t seq, struct gh_feed_change *change)
{
	uint64_t verb, number, tenant_n, id_n, body_n;

	if (!ldb_take_uint(rest, 1, &verb) || !ldb_take_uint(rest, 2, &number) ||
	    !ldb_take_uint(rest, 1, &tenant_n) || !ldb_take_uint(rest, 1, &id_n) ||
	    !ldb_take_uint(rest, 4, &body_n))
		return false;
	const struct model_kind *kind = model_kind_at((uint16_t)number);

	*change = (struct gh_feed_change){
		.deleted = verb == GH_DOC_DELETE, .doc = { .rev = seq } };
	if (kind == NULL || !ldb_take(rest, tenant_n, &change->doc.tenant) ||
	    !ldb_take(rest, id_n, &change->doc.id) || !ldb_take(rest, body_n, &change->doc.body))
		return false;
	change->doc.kind = gh_str_of(kind->name);
	return true;
}

int
ldb_feed_deliver(uint64_t seq, struct gh_str record, gh_feed_fn *fn, void *arg, bool *ret_damaged)
{
	uint64_t format, time_us, n;
	struct gh_feed_change *changes = NULL;
	int r = GH_EIO;

	*ret_damaged = true;
	if (!ldb_take_uint(&record, 1, &format) || format != FORMAT ||
	    !ldb_take_uint(&record, 8, &time_us) || !ldb_take_uint(&record, 4, &n) ||
	    n > LDB_OPS_MAX)
		return GH_EIO;
	if (n > 0) {
		changes = calloc(n, sizeof(*changes));
		if (changes == NULL) {
			*ret_damaged = false;
			return GH_ENOMEM;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!take_change(&record, seq, &changes[i]))
			goto out;
	*ret_damaged = false;
	r = fn(arg, &(const struct gh_feed_batch){ .seq = seq, .n = n, .changes = changes });
out:
	free(changes);
	return r;
}
