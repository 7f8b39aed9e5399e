/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file origin.h
 * @brief What the files of this plugin share.
 *
 *   origin.c     descriptor, options, life      changes.c    GET /cluster/v1/feed/changes
 *   hub.c        recent batches, who waits      snapshot.c   GET /cluster/v1/feed/snapshot
 *   followers.c  nodes/1, rollout/1             body.c       encoded bytes to a response
 */
#ifndef PLUGINS_ORIGIN_ORIGIN_H
#define PLUGINS_ORIGIN_ORIGIN_H
#include <gatehouse/http.h>
#include <gatehouse/metric.h>
#include <gatehouse/offload.h>
#include <gatehouse/svc/nodes.h>
#include <gatehouse/svc/rollout.h>
#include <stdatomic.h>

#include "lib/follow/follow.h"

/* ---- body.c ---------------------------------------------------------------------------------- */

/** Encoded frames, shared by all who send them. */
struct piece {
	atomic_uint refs;
	uint64_t seq;   /**< Of a batch. */
	size_t n;
	char bytes[];
};

/** @return a piece with one reference, or NULL. */
struct piece *piece_new(struct gh_str bytes, uint64_t seq);
struct piece *piece_ref(struct piece *piece);
void piece_unref(struct piece *piece); /**< NULL is allowed. */

/** Pieces of one response, in the transaction's memory. */
struct body {
	struct gh_txn *txn;
	struct gh_metric *sent;
	size_t n, at, offset;
	bool is_over;
	struct piece *pieces[];
};

/** A body with room for @p n pieces; what is put into it is let go with the transaction.
 *  @return ARENA(txn), or NULL. */
struct body *body_new(struct gh_txn *txn, size_t n);
/** Send it with status 200.  WORKER, in the hook or its resume function, which then returns this. */
enum gh_verdict body_send(struct body *body, struct gh_metric *sent);
/** A reply as all management APIs give it. */
enum gh_verdict refuse(struct gh_txn *txn, unsigned status, const char *message,
	const char *description);

/* ---- hub.c ----------------------------------------------------------------------------------- */

#define ANSWER_BATCHES_MAX 512
#define ANSWER_BYTES_MAX (4u << 20)

struct parked;
/** A poll that waits for a batch; in the transaction's memory. */
struct parked {
	struct gh_txn *txn;
	uint64_t wait_ms;
	gh_resume_fn *fn;
	struct parked *next, *previous; /**< hub->lock, as the rest. */
	struct gh_token token;
	uint64_t after;
};

struct snapshot;

struct hub {
	struct gh_inst *inst;
	struct gh_feed feed;
	struct follow follow;
	pthread_t thread;
	bool has_thread;
	struct piece **pending;    /**< The follower's: encoded, not published. */
	size_t pending_n, pending_size;
	bool is_snapshot, has_hole;/**< The follower's. */
	uint8_t read_history[GH_FEED_HISTORY_BYTES]; /**< The follower's: of what it reads. */
	pthread_mutex_t lock;
	bool has_state;            /**< lock, as all below */
	uint8_t history[GH_FEED_HISTORY_BYTES];
	uint64_t head;             /**< Newest sequence. */
	struct piece **ring;       /**< The newest batches; RING_MAX places. */
	size_t ring_start, ring_n, ring_bytes;
	struct parked *parked;
	struct snapshot *snapshot; /**< Made last, or being made. */
};

/** MAIN, in open().  @param reader  attached to the feed.  @return 0, or what failed. */
int hub_open(struct hub *hub, struct gh_inst *inst, const struct gh_feed_reader *reader);
void hub_close(struct hub *hub);

/** What there is for one who has everything up to @p after. */
enum hub_answer {
	HUB_BATCHES,   /**< Batches from the ring. */
	HUB_NOTHING,   /**< Nothing new. */
	HUB_OLDER,     /**< More than the ring holds: read the feed. */
	HUB_OTHER,     /**< Another history. */
	HUB_EMPTY,     /**< There is no state yet. */
};
/** @param pieces  room for ANSWER_BATCHES_MAX; each with a reference for the caller.
 *  @param park  not NULL: on HUB_NOTHING its transaction is suspended, and resumed by the next batch. */
enum hub_answer hub_ask(struct hub *hub, const uint8_t history[GH_FEED_HISTORY_BYTES], uint64_t after,
	struct piece **pieces, size_t *ret_n, uint64_t *ret_head, struct parked *park);
void hub_unpark(struct hub *hub, struct parked *parked);
/** Is @p seq near enough that the ring tells what came after it?  lock. */
bool hub_reaches(const struct hub *hub, uint64_t seq);

/* ---- followers.c ----------------------------------------------------------------------------- */

/** What a node says with each poll.  All BORROW. */
struct report {
	struct gh_str id, name, roles, environments, version;
	uint64_t serving;
};

struct follower;
struct followers {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct follower *first;    /**< lock */
	size_t n;                  /**< lock */
	struct gh_metric *live, *late;
};

int followers_init(struct followers *followers);
void followers_done(struct followers *followers);
/** A node polls.  @return 0, GH_ENOMEM, GH_ETOOBIG (too many nodes). */
int followers_report(struct followers *followers, const struct report *report);
/** Its poll waits here, or does not any more.  @param is_gone  it has hung up. */
void followers_park(struct followers *followers, struct gh_str id);
void followers_unpark(struct followers *followers, struct gh_str id, bool is_gone);
/** It follows something else now: nobody waits for it. */
void followers_stray(struct followers *followers, struct gh_str id);

/** rollout/1. */
int followers_wait(struct followers *followers, uint64_t seq, uint64_t deadline_ms);
uint64_t followers_serving(struct followers *followers);
/** nodes/1. */
int followers_list(struct followers *followers, struct gh_nodes_seen **ret);

/* ---- The process block, changes.c, snapshot.c ------------------------------------------------ */

struct form;

struct origin_config {
	struct gh_bytes snapshot_max;
};

struct origin {
	struct gh_inst *inst;
	struct hub hub;
	struct followers followers;
	struct gh_feed_reader reader;
	_Atomic uint64_t snapshot_max_bytes;
	struct gh_metric *polls, *sent, *snapshots, *older;
};

/** Is the caller a node of the cluster, with a request that is read?  Else a reply is set. */
bool origin_admits(struct gh_txn *txn);

enum gh_verdict origin_on_changes(const void *config, struct gh_txn *txn);
enum gh_verdict origin_on_snapshot(const void *config, struct gh_txn *txn);
/** A decimal number of the query.  @return false: there is none, or it is too large. */
bool origin_take_number(const struct form *form, const char *name, uint64_t *ret);
/** Let a snapshot go that is old, or older than @p after. */
void origin_forget_snapshot(struct hub *hub, bool always, uint64_t after);

#endif
