/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_feedwire.c
 * @brief Bytes as a stream of the feed: the first says how it is read, in pieces of which size.  Whole
 * batches in order, or nothing, whatever comes; and each frame that is taken is written the same.
 */
#include <stdlib.h>

#include "lib/feedwire/feedwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	bool is_snapshot, has_hello;
	uint64_t seq, changes;
};

static int
on_hello(void *arg, const struct feedwire_frame *f)
{
	struct seen *seen = arg;

	if (seen->has_hello)
		abort();
	seen->has_hello = true;
	if (seen->is_snapshot)
		seen->seq = f->seq;
	return 0;
}

static int
on_change(void *arg, const struct feedwire_frame *f)
{
	struct seen *seen = arg;
	struct buffer b = { .p = NULL };
	struct feedwire_frame again;
	const char *why;
	size_t n;

	if (!seen->has_hello || f->index != seen->changes++ ||
	    f->seq != seen->seq + !seen->is_snapshot)
		abort();
	if (feedwire_put(&b, f, FEEDWIRE_FRAME_MAX) < 0 ||
	    feedwire_take((struct gh_str){ b.p, b.n }, &again, &n, &why) < 0 || n != b.n ||
	    !gh_str_eq(again.doc.id, f->doc.id) || !gh_str_eq(again.doc.body, f->doc.body))
		abort();
	buffer_done(&b);
	return 0;
}

static int
on_commit(void *arg, uint64_t seq, uint64_t n)
{
	struct seen *seen = arg;

	if (seq != seen->seq + !seen->is_snapshot || n != seen->changes)
		abort();
	seen->seq = seq;
	seen->changes = 0;
	return 0;
}

static const struct feedwire_ops ops = { on_hello, on_change, on_commit };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	struct feedwire_reader r;

	if (size < 1)
		return 0;
	size_t piece = 1u + (data[0] >> 1);
	int err = 0;

	seen.is_snapshot = (data[0] & 1) != 0;
	feedwire_reader_init(&r, seen.is_snapshot, 0, &ops, &seen);
	for (size_t at = 1; at < size && err == 0; at += piece)
		err = feedwire_reader_add(&r, (struct gh_str){ (const char *)data + at,
			size - at < piece ? size - at : piece });
	if (err == 0)
		err = feedwire_reader_end(&r);
	if ((err == GH_EINVAL || err == GH_EVERSION) && r.why == NULL)
		abort();
	feedwire_reader_done(&r);
	return 0;
}
