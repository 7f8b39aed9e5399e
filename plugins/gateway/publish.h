/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file publish.h
 * @brief From the feed to every worker: the applier thread, the views that workers have, rollout/1.
 *
 * A view is one worker's hold on a root.  The applier makes one per worker and root and posts it;
 * the worker takes it at once.  Transactions pin the view under which they began with a plain
 * integer, so that everything they point to stays, and no worker touches a cache line of another on
 * a request.
 */
#ifndef GATEWAY_PUBLISH_H
#define GATEWAY_PUBLISH_H
#include <gatehouse/metric.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/worker.h>
#include <pthread.h>

#include "lib/follow/follow.h"
#include "plugins/gateway/snapshot.h"

struct gw_publisher;

struct gw_view {
	struct gh_mail mail;        /**< First: the view travels as its own mail. */
	struct gw_snapshot *root;   /**< One reference. */
	uint64_t pins;              /**< The worker's: transactions, one while it is newest. */
	struct gw_publisher *publisher;
	struct gw_view *previous, *next; /**< publisher->lock */
};

struct gw_publisher {
	struct gh_inst *inst;
	struct gw_scope scope;
	uint64_t seed;
	struct follow follow;
	struct follow_acks acks;
	struct gw_graveyard graveyard;
	struct gw_snapshot *current; /**< The applier's, as the next one. */
	struct gw_snapshot *edit;    /**< Not published yet, or NULL. */
	struct gw_view **first;      /**< One per worker, until it has started. */
	pthread_t thread;
	bool is_running;             /**< MAIN: the thread was started. */
	pthread_mutex_t lock;
	struct gw_view *views;       /**< lock: all that have not been let go. */
	struct gh_metric *seq, *apis, *consumers, *subscriptions;
};

/** Take the snapshot, then follow.  MAIN, in open().  @param environments  lives until close.
 *  @param reader  whom the feed may ask about the rollout; lives until close.
 *  @return 0, or what the feed returned (logged). */
int gw_publisher_open(struct gw_publisher *publisher, struct gh_inst *inst,
	const struct gh_list *environments, const struct gh_feed_reader *reader, uint64_t seed);
/** MAIN, in close().  Accepts a zeroed struct. */
void gw_publisher_close(struct gw_publisher *publisher);

/** The view that a worker starts with.  WORKER, in worker_start(). */
struct gw_view *gw_publisher_first(struct gw_publisher *publisher, unsigned worker);
/** One transaction more, or one less; the last one lets the root go.  WORKER. */
struct gw_view *gw_view_pin(struct gw_view *view);
void gw_view_unpin(struct gw_view *view);

/** Whoever receives a view: put it in the place of the old one.  WORKER. */
void gw_worker_take(struct gh_inst *inst, struct gh_worker *worker, struct gw_view *view);

#endif
