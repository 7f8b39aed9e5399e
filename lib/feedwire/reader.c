/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reader.c
 * @brief A stream of frames: nothing lost, nothing twice, nothing out of order, and an end.
 */
#include "lib/feedwire/feedwire.h"

void
feedwire_reader_init(struct feedwire_reader *r, bool is_snapshot, uint64_t after,
	const struct feedwire_ops *ops, void *arg)
{
	*r = (struct feedwire_reader){ .ops = ops, .arg = arg, .is_snapshot = is_snapshot,
		.seq = after };
}

void
feedwire_reader_done(struct feedwire_reader *r)
{
	buffer_done(&r->pending);
}

static int
refuse(struct feedwire_reader *r, const char *why)
{
	r->why = why;
	return GH_EINVAL;
}

static int
on_hello(struct feedwire_reader *r, const struct feedwire_frame *f)
{
	if (r->has_hello)
		return refuse(r, "a stream that begins twice");
	if (f->is_snapshot != r->is_snapshot)
		return refuse(r, r->is_snapshot ? "changes in the place of a snapshot"
			: "a snapshot in the place of changes");
	r->has_hello = true;
	if (r->is_snapshot)
		r->seq = f->seq;
	return r->ops->hello(r->arg, f);
}

/** The sequence that the batch must have which is coming in. */
static uint64_t
expected_seq(const struct feedwire_reader *r)
{
	return r->is_snapshot ? r->seq : r->seq + 1;
}

static int
on_change(struct feedwire_reader *r, const struct feedwire_frame *f, size_t bytes)
{
	if (f->seq != expected_seq(r) || f->index != r->index)
		return refuse(r, "a change out of its order");
	r->index++;
	r->batch_bytes += bytes;
	if (!r->is_snapshot && (r->index > FEEDWIRE_BATCH_CHANGES_MAX ||
	    r->batch_bytes > FEEDWIRE_BATCH_BYTES_MAX))
		return refuse(r, "a batch that is larger than any may be");
	return r->ops->change(r->arg, f);
}

static int
on_commit(struct feedwire_reader *r, const struct feedwire_frame *f)
{
	if (f->seq != expected_seq(r) || f->index != r->index)
		return refuse(r, "a batch that lacks changes, or is out of its order");
	int err = r->ops->commit(r->arg, f->seq, f->index);

	r->seq = f->seq;
	r->index = r->batch_bytes = 0;
	r->has_commit = true;
	return err;
}

static int
on_frame(struct feedwire_reader *r, const struct feedwire_frame *f, size_t bytes)
{
	if (r->has_end)
		return refuse(r, "something behind the end of the stream");
	if (!r->has_hello && f->kind != FEEDWIRE_HELLO)
		return refuse(r, "a stream without a beginning");
	if (r->is_snapshot && r->has_commit && f->kind != FEEDWIRE_END)
		return refuse(r, "something behind the end of the snapshot");
	switch (f->kind) {
	case FEEDWIRE_HELLO:
		return on_hello(r, f);
	case FEEDWIRE_PUT:
	case FEEDWIRE_DELETE:
		if (r->is_snapshot && f->kind == FEEDWIRE_DELETE)
			return refuse(r, "a deletion in a snapshot");
		return on_change(r, f, bytes);
	case FEEDWIRE_COMMIT:
		return on_commit(r, f);
	case FEEDWIRE_END:
		if (f->seq != r->seq || r->index > 0 || (r->is_snapshot && !r->has_commit))
			return refuse(r, "an end in the middle of the stream");
		r->has_end = true;
		return GH_OK;
	}
	return refuse(r, "a frame that cannot be understood");
}

int
feedwire_reader_add(struct feedwire_reader *r, struct gh_str piece)
{
	struct feedwire_frame frame;
	size_t at = 0, n;
	int err = buffer_add(&r->pending, piece.p, piece.n, FEEDWIRE_FRAME_MAX + piece.n);

	if (err < 0)
		return err;
	while (at < r->pending.n) {
		struct gh_str rest = { r->pending.p + at, r->pending.n - at };

		err = feedwire_take(rest, &frame, &n, &r->why);
		if (err == GH_EAGAIN)
			break;
		if (err == 0)
			err = on_frame(r, &frame, n);
		if (err != 0)
			return err;
		at += n;
	}
	if (at > 0)
		memmove(r->pending.p, r->pending.p + at, r->pending.n - at);
	r->pending.n -= at;
	return GH_OK;
}

int
feedwire_reader_end(struct feedwire_reader *r)
{
	if (r->has_end && r->pending.n == 0)
		return GH_OK;
	return refuse(r, "a stream that was cut");
}
