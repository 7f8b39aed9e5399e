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
#include <gatehouse/svc/rollout.h>

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

#define GH_FEED_HISTORY_BYTES 16

/** One who reads the feed, and can say which sequence it acts on. */
struct gh_feed_reader {
	struct gh_rollout rollout;
	struct gh_str environments; /**< That it serves, space separated; n = 0: it is no gateway. */
};

/** The functions behind wake() were appended: a provider may lack them (a smaller size, or NULL).
 *  lib/follow asks for them. */
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
	/** Which history the sequences belong to: a random id that changes when the database was replaced
	 *  by another one.  What was read under another id is void: take a snapshot.  ANY.
	 *  @return 0; GH_EAGAIN: there is nothing to read yet. */
	int (*history)(void *self, uint8_t ret_id[GH_FEED_HISTORY_BYTES]);
	/** Tell who acts on what is read here, for a feed that passes it on.  MAIN, in open().
	 *  @param reader  BORROW until detach().  @return 0, GH_ENOMEM. */
	int (*attach)(void *self, const struct gh_feed_reader *reader);
	/** MAIN, in close(); afterwards the reader is not asked any more. */
	void (*detach)(void *self, const struct gh_feed_reader *reader);
};
struct gh_feed { const struct gh_feed_v1 *vt; void *self; };

#endif
