/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sync.h
 * @brief What the files of this plugin share.
 *
 *   sync.c      descriptor, options, life, feed/1    file.c, index.c, replica.c  the replica on disk
 *   follower.c  the thread that follows the origin   readers.c  who reads the feed here
 */
#ifndef PLUGINS_SYNC_SYNC_H
#define PLUGINS_SYNC_SYNC_H
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/peer.h>
#include <stdatomic.h>

#include "plugins/sync/replica.h"

/* ---- readers.c ------------------------------------------------------------------------------- */

/** The readers of feed/1 on this node that say what they act on. */
struct readers {
	pthread_mutex_t lock;
	pthread_cond_t change;
	const struct gh_feed_reader **v; /**< lock */
	size_t n;
	bool is_busy;                    /**< lock: they are being asked; none may go. */
};

int readers_init(struct readers *readers);
void readers_done(struct readers *readers);
int readers_attach(struct readers *readers, const struct gh_feed_reader *reader);
/** Waits until nobody asks the reader any more. */
void readers_detach(struct readers *readers, const struct gh_feed_reader *reader);
/** The sequence that all of them act on, at most @p seq.  One thread asks at a time. */
uint64_t readers_serving(struct readers *readers, uint64_t seq);
/** Wait until that is @p seq.  @return as readers_serving(). */
uint64_t readers_wait(struct readers *readers, uint64_t seq, uint64_t deadline_ms);
/** Environments of all of them, space separated, NUL-terminated. */
void readers_environments(struct readers *readers, char *ret, size_t size);

/* ---- The process block ----------------------------------------------------------------------- */

struct sync_config {
	struct gh_str url, replica;
	struct gh_ms timeout, poll, max_pause;
};

struct sync {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_peer_line *line;
	struct replica replica;
	struct readers readers;
	char *url;
	uint64_t timeout_ms, poll_ms, max_pause_ms;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;      /**< New batches, wake(), stop. */
	uint64_t wakes;             /**< lock */
	bool is_stopping;           /**< lock */
	atomic_bool is_open;        /**< There is a state, and all readers have taken it. */
	struct {                    /**< The follower's. */
		bool needs_snapshot;
		bool may_go_back;   /**< Take a snapshot that is older than what there is. */
		bool is_connected;
		int trouble;        /**< What the log was told last; 0: nothing. */
		uint64_t head;      /**< Newest sequence that the origin told. */
		uint64_t complete_us; /**< When nothing was missing, by the clock of the day. */
		uint64_t ahead_ns;  /**< Since when the origin knows less than we; 0: it does not. */
		uint64_t pause_ms;
		char error[512];    /**< What went wrong in this step. */
	} follower;
	struct gh_metric *connected, *sequence, *lag, *age, *bytes, *reconnects, *snapshots, *batches,
		*refused, *docs, *file_bytes;
};

/** The body of the follower's thread. */
void *sync_follow(void *arg);

#endif
