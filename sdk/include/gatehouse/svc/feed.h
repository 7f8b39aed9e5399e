/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/feed.h
 * @brief feed/1: the runtime documents as a snapshot, then every change in order, without gap.
 *
 * Only kinds that lib/model declares as runtime appear.  Every function blocks (MAIN or POOL).
 */
#ifndef GATEHOUSE_SVC_FEED_H
#define GATEHOUSE_SVC_FEED_H
#include <gatehouse/svc/docs.h>

#define GH_SVC_FEED "feed/1"

struct gh_feed_change {
	bool deleted;      /**< Then doc.body is empty. */
	struct gh_doc doc;
};

/** What one commit changed; a commit without runtime documents comes with n = 0. */
struct gh_feed_batch {
	uint64_t seq;
	size_t n;
	const struct gh_feed_change *changes; /**< BORROW during the call. */
};

/** @return 0 to go on, anything else stops the reading and is passed through. */
typedef int gh_feed_fn(void *arg, const struct gh_feed_batch *batch);

struct gh_feed_v1 {
	uint32_t size;
	/** All runtime documents at one sequence, in batches of that seq (at least one, possibly empty).
	 *  @param[out] ret_seq  read on with this.  @return 0, GH_EIO, GH_ENOMEM, or what fn returned. */
	int (*snapshot)(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq);
	/** Batches after @p after_seq in order; waits up to @p wait_ms for the first.
	 *  @return 0 (perhaps none came); GH_ETRUNCATED: take a snapshot; else as snapshot. */
	int (*read)(void *self, uint64_t after_seq, uint64_t wait_ms, gh_feed_fn *fn, void *arg);
	/** Make every waiting read() return now.  ANY. */
	void (*wake)(void *self);
};
struct gh_feed { const struct gh_feed_v1 *vt; void *self; };

#endif
