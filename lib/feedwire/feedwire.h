/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file feedwire.h
 * @brief The change feed as bytes: frames, as nodes send them to each other and keep them on disk.
 *
 * A frame is head_n:4 body_n:4 head body sum:8, integers big-endian.  The head is a msgpack map, the
 * body the body of a document, the sum a hash of everything before it: it finds faults, not attacks;
 * those are kept out by TLS on the wire and by sealing on disk.
 *
 * A stream of frames:
 *
 *   HELLO  version, history, newest sequence, snapshot or changes
 *   PUT, DELETE   one change each, with the sequence of its batch and its number within it
 *   COMMIT the batch is complete: its sequence, how many changes it has
 *   END    the stream is complete: its last sequence
 *
 * A snapshot is one batch.  Of changes, each batch has the next sequence.  So every loss, repetition
 * and exchange of frames shows, wherever a stream is cut.  The encoding of a batch does not depend on
 * the stream: it is made once for all who want it.
 *
 * No threads, no state but the caller's.  Everything is safe on hostile bytes.
 */
#ifndef LIB_FEEDWIRE_FEEDWIRE_H
#define LIB_FEEDWIRE_FEEDWIRE_H
#include <gatehouse/svc/feed.h>

#include "lib/buffer/buffer.h"

#define FEEDWIRE_VERSION 1
#define FEEDWIRE_HEAD_MAX 2048
#define FEEDWIRE_FRAME_MAX (16 + FEEDWIRE_HEAD_MAX + (size_t)GH_DOC_BODY_MAX)
#define FEEDWIRE_BATCH_CHANGES_MAX 1000000u     /**< Of one batch that is no snapshot. */
#define FEEDWIRE_BATCH_BYTES_MAX (256u << 20)   /**< As that. */

enum feedwire_kind {
	FEEDWIRE_HELLO = 1, FEEDWIRE_PUT, FEEDWIRE_DELETE, FEEDWIRE_COMMIT, FEEDWIRE_END,
};

struct feedwire_frame {
	enum feedwire_kind kind;
	uint64_t seq;       /**< HELLO: newest at the sender; else of the batch. */
	uint64_t index;     /**< PUT, DELETE: number within the batch, from 0; COMMIT: how many. */
	bool is_snapshot;   /**< HELLO. */
	uint8_t history[GH_FEED_HISTORY_BYTES]; /**< HELLO. */
	struct gh_doc doc;  /**< PUT, DELETE.  When read, it points into the bytes. */
};

/** Append a frame.  @param cap  most bytes that @p out may hold.
 *  @return 0; GH_ETOOBIG; GH_EINVAL (a document that no feed may carry); GH_ENOMEM. */
int feedwire_put(struct buffer *out, const struct feedwire_frame *frame, uint64_t cap);
/** Append all frames of a batch, COMMIT included.  @return as feedwire_put(). */
int feedwire_put_batch(struct buffer *out, const struct gh_feed_batch *batch, uint64_t cap);
/** Take the frame at the beginning of @p bytes.
 *  @param[out] ret_n    bytes that it takes.
 *  @param[out] ret_why  on GH_EINVAL and GH_EVERSION: STATIC sentence.
 *  @return 0; GH_EAGAIN: it is not complete; GH_EINVAL; GH_EVERSION (a HELLO of another version). */
int feedwire_take(struct gh_str bytes, struct feedwire_frame *ret_frame, size_t *ret_n,
	const char **ret_why);

/* ---- Reading a stream ------------------------------------------------------------------------ */

/** What becomes of a stream.  An error (not 0) ends the reading and is passed through. */
struct feedwire_ops {
	int (*hello)(void *arg, const struct feedwire_frame *frame);
	/** A change of the batch that is coming in; it counts only when commit() follows.  BORROW. */
	int (*change)(void *arg, const struct feedwire_frame *frame);
	/** @param n  changes of the batch, all of which came. */
	int (*commit)(void *arg, uint64_t seq, uint64_t n);
};

/** A stream being read. */
struct feedwire_reader {
	const struct feedwire_ops *ops;
	void *arg;
	bool is_snapshot;        /**< Asked for. */
	bool has_hello, has_commit, has_end;
	uint64_t seq;            /**< Of the last batch that is complete. */
	uint64_t index;          /**< Changes of the one that is coming in. */
	uint64_t batch_bytes;    /**< As index. */
	const char *why;         /**< What was wrong; STATIC. */
	struct buffer pending;   /**< The beginning of a frame. */
};

/** @param after  changes must go on there; a snapshot has any sequence.  @param ops  STATIC. */
void feedwire_reader_init(struct feedwire_reader *r, bool is_snapshot, uint64_t after,
	const struct feedwire_ops *ops, void *arg);
void feedwire_reader_done(struct feedwire_reader *r);
/** Take the next bytes, in pieces of any size.
 *  @return 0; GH_EINVAL, GH_EVERSION (why says what is wrong), GH_ENOMEM; what an op returned. */
int feedwire_reader_add(struct feedwire_reader *r, struct gh_str piece);
/** No more bytes come.  @return 0: the stream is whole; GH_EINVAL: it was cut. */
int feedwire_reader_end(struct feedwire_reader *r);

#endif
