/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file follow.h
 * @brief Follow feed/1 with one thread of the plugin's own, and know which workers act on what.
 *
 * A follower keeps a state that is made of the runtime documents: routes, keys, policies.  It
 * builds that state from a snapshot and changes it batch by batch.  This library does the rest: it
 * takes the snapshot, waits for batches, starts anew when the feed has forgotten where we were,
 * backs off when the store has trouble, stops at once when told to.
 *
 *   open():   follow_init(&p->follow, &p->feed, &follow_ops, p);
 *             r = follow_snapshot(&p->follow);          the node is complete before it listens
 *             pthread_create(..., run, &p->follow);     run() calls follow_run()
 *   close():  follow_stop(&p->follow);  pthread_join();  follow_done(&p->follow);
 *
 * Rollout: publish() hands the new state to the workers (gh_worker_post); each of them calls
 * follow_acks_set() when it has taken it.  rollout/1 is follow_acks_wait() and
 * follow_acks_serving().
 */
#ifndef LIB_FOLLOW_FOLLOW_H
#define LIB_FOLLOW_FOLLOW_H
#include <gatehouse/svc/feed.h>
#include <pthread.h>
#include <stdatomic.h>

#define FOLLOW_BACKOFF_MIN_MS 50
#define FOLLOW_BACKOFF_MAX_MS 5000

/** What the follower does; called by the thread in follow_snapshot() or follow_run(), never by two
 *  at once.  An error (not 0) of begin, apply or publish is followed by abort(), a pause and a new
 *  snapshot: the state that was published last goes on serving meanwhile. */
struct follow_ops {
	/** A snapshot begins: make a new, empty state aside.  The published one stays as it is. */
	int (*begin)(void *arg);
	/** One batch: of the snapshot after begin(), else the next one of the feed, to be applied
	 *  to what was published last.  n may be 0.  @param batch  BORROW. */
	int (*apply)(void *arg, const struct gh_feed_batch *batch);
	/** Everything up to @p seq has been applied: make it visible.  Several batches that waited
	 *  are published together. */
	int (*publish)(void *arg, uint64_t seq);
	/** Throw away what was applied since the last publish(), if anything was. */
	void (*abort)(void *arg);
	/** For the log; may be NULL.  @param err  what happened, once per trouble; 0: it works
	 *  again. */
	void (*trouble)(void *arg, int err);
};

/** One follower; make it a member of the process block. */
struct follow {
	struct gh_feed feed;
	const struct follow_ops *ops;
	void *arg;
	uint64_t seq;         /**< Published last; the following thread's. */
	bool has_state;       /**< A snapshot was published and no error came after it; as seq. */
	uint8_t history[GH_FEED_HISTORY_BYTES]; /**< That the state belongs to; as seq. */
	const struct gh_feed_reader *reader; /**< Attached to the feed, or NULL; MAIN. */
	bool is_troubled;     /**< trouble() was told; as seq. */
	pthread_mutex_t lock;
	pthread_cond_t change;
	atomic_bool is_stopping; /**< Set under lock. */
	bool is_running;         /**< lock */
};

/** MAIN, in open().  @param feed  copied.  @param ops  STATIC.  @return 0, GH_ENOMEM. */
int follow_init(struct follow *f, const struct gh_feed *feed, const struct follow_ops *ops,
	void *arg);
/** MAIN, after the thread in follow_run() was joined.  Accepts a zeroed struct. */
void follow_done(struct follow *f);
/** Let the feed ask @p reader what it acts on, if the feed wants to know.  MAIN, after follow_init().
 *  @param reader  BORROW until follow_done().  @return 0, GH_ENOMEM. */
int follow_attach(struct follow *f, const struct gh_feed_reader *reader);
/** The history of a feed; all zero while it has none, or cannot tell.  ANY.
 *  @return 0; GH_EAGAIN: there is nothing to read yet; GH_ENOENT: it cannot tell. */
int follow_history(const struct gh_feed *feed, uint8_t ret_id[GH_FEED_HISTORY_BYTES]);

/** Take and publish a snapshot now; no second try.  MAIN, before follow_run().
 *  @return 0, or what the feed or an op returned (after abort(); trouble() is not called). */
int follow_snapshot(struct follow *f);
/** Follow until follow_stop().  POOL: the plugin's own thread.  Begins with a snapshot unless
 *  follow_snapshot() has succeeded. */
void follow_run(struct follow *f);
/** End follow_run() and wait until it has left its loop; a run that begins later returns at once.
 *  MAIN, not from an op. */
void follow_stop(struct follow *f);

/** What each worker acts on. */
struct follow_acks {
	struct follow_ack *workers; /**< One per worker, each on a cache line of its own. */
	unsigned n;
	atomic_uint waiters;        /**< Calls of follow_acks_wait() under way. */
	pthread_mutex_t lock;       /**< Only for sleeping on change. */
	pthread_cond_t change;
};

/** MAIN, in open().  @param n  gh_worker_count().  @return 0, GH_ENOMEM. */
int follow_acks_init(struct follow_acks *acks, unsigned n);
/** MAIN, in close().  Accepts a zeroed struct. */
void follow_acks_done(struct follow_acks *acks);
/** Worker @p worker acts on @p seq; never goes back.  WORKER, no lock unless somebody waits. */
void follow_acks_set(struct follow_acks *acks, unsigned worker, uint64_t seq);
/** All workers do: for the snapshot in open(), before they run.  MAIN. */
void follow_acks_set_all(struct follow_acks *acks, uint64_t seq);
/** Forget what all of them act on: the feed began another history, whose sequences may be lower. */
void follow_acks_restart(struct follow_acks *acks);
/** The sequence that every worker acts on.  ANY. */
uint64_t follow_acks_serving(const struct follow_acks *acks);
/** Wait until that is @p seq or more, for at most @p deadline_ms.  MAIN or POOL.
 *  @return 0, GH_ETIMEDOUT. */
int follow_acks_wait(struct follow_acks *acks, uint64_t seq, uint64_t deadline_ms);

#endif
