/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file replica.h
 * @brief The runtime documents on disk: the last snapshot and the batches after it, in one file.
 *
 * The file is the only copy; in memory there is an index of which records count, some 40 bytes per
 * document.  It holds blocks, each sealed (trust/1) and bound to its place in this file; a block holds
 * frames of lib/feedwire.  A batch counts when the block with its COMMIT is whole: what follows the
 * last such block (a torn write, a crash) is cut off when the file is opened.  A snapshot is written
 * beside the file, synced, and renamed.  Appended batches are not synced: what a crash of the machine
 * takes is asked for again.
 *
 * One thread writes; any reads.  A reader works on the file as it was when it began.
 */
#ifndef PLUGINS_SYNC_REPLICA_H
#define PLUGINS_SYNC_REPLICA_H
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/trust.h>
#include <pthread.h>

#include "lib/buffer/buffer.h"

struct replica_file;
struct replica_pending;

/** What there is. */
struct replica_state {
	bool has_state;
	uint8_t history[GH_FEED_HISTORY_BYTES];
	uint64_t base;   /**< Sequence of the snapshot. */
	uint64_t seq;    /**< Of the last batch. */
	uint64_t docs;
	uint64_t bytes;  /**< Of the file. */
};

struct replica {
	struct gh_trust trust;
	char *path, *new_path;
	pthread_mutex_t lock;
	struct replica_file *current;  /**< lock; NULL: there is no state. */
	struct replica_file *previous; /**< lock: before the last compaction, for readers that are behind. */
	struct {                       /**< The writer's. */
		struct replica_file *file; /**< Being made, or current. */
		bool is_new;
		struct buffer block;       /**< Frames that are not written yet. */
		uint64_t at;               /**< Where the next block goes. */
		uint64_t records;          /**< PUT frames so far. */
		uint64_t index;            /**< Changes of the batch so far. */
		struct replica_pending *pending; /**< What the batch does to the index. */
		size_t pending_n, pending_size;
	} writer;
};

/** @param trust  copied.  @param path  copied.  @return 0, GH_ENOMEM. */
int replica_init(struct replica *r, const struct gh_trust *trust, const char *path);
/** No reader is at work.  Accepts a zeroed struct. */
void replica_done(struct replica *r);

/** Open the file of an earlier run.  MAIN, before anybody reads.
 *  @param[out] error  why not; at least 256 bytes.  @return 0; GH_ENOENT: there is none;
 *  GH_EINVAL: it is of no use (another key, damaged before the end of its snapshot); GH_EIO; GH_ENOMEM. */
int replica_load(struct replica *r, char *error, size_t error_size);
/** ANY. */
void replica_state(struct replica *r, struct replica_state *ret_state);

/* ---- Writing: one thread --------------------------------------------------------------------- */

/** Begin a snapshot beside the current state.  @return 0, GH_EIO, GH_ENOMEM. */
int replica_begin(struct replica *r, const uint8_t history[GH_FEED_HISTORY_BYTES], uint64_t seq);
/** A change of the snapshot, or of the batch after the last one.  @return 0, GH_EIO, GH_ENOMEM,
 *  GH_EINVAL. */
int replica_change(struct replica *r, uint64_t seq, const struct gh_feed_change *change);
/** The batch is complete: readers see it.  Of a snapshot: the file takes its place.
 *  @return as replica_change(). */
int replica_commit(struct replica *r, uint64_t seq);
/** Throw away what was not committed. */
void replica_abort(struct replica *r);
/** Write the state anew if much of the file is history.  Call between batches.
 *  @return 0, GH_EIO, GH_ENOMEM: the state is as good as before. */
int replica_compact(struct replica *r);

/* ---- Reading: any thread that may block ------------------------------------------------------ */

/** As feed/1 snapshot.  @return also GH_ENOENT: there is no state. */
int replica_snapshot(struct replica *r, gh_feed_fn *fn, void *arg, uint64_t *ret_seq);
/** Batches after @p after, at most until the newest.
 *  @return as feed/1 read; GH_ENOENT: there is no state. */
int replica_read(struct replica *r, uint64_t after, gh_feed_fn *fn, void *arg);

#endif
