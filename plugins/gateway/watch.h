/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file watch.h
 * @brief What the wire to the backends does, as metrics: a timer of each worker carries it over.
 */
#ifndef GATEWAY_WATCH_H
#define GATEWAY_WATCH_H
#include <gatehouse/metric.h>

#include "plugins/gateway/upstream.h"

enum gw_watched { GW_REQUESTS, GW_CONNECTS, GW_REUSED, GW_RETRIED, GW_FAILED, GW_WATCHED };

/** Of the process. */
struct gw_watch {
	struct gh_metric *counters[GW_WATCHED];
	struct gh_metric **open, **idle; /**< Gauges, one per worker. */
};

/** Of one worker. */
struct gw_watcher {
	const struct gw_watch *watch;
	const struct upstream_pool *pool;
	struct gh_timer *timer;
	unsigned worker;
	uint64_t told[GW_WATCHED];       /**< What the counters have got from here. */
};

/** Register.  MAIN, in open().  @return 0 or GH_ENOMEM. */
int gw_watch_init(struct gw_watch *watch, struct gh_inst *inst);
/** Accepts a zeroed struct. */
void gw_watch_done(struct gw_watch *watch);

/** WORKER, in worker_start() and, before the pool is freed, in worker_stop().
 *  @return 0 or GH_ENOMEM. */
int gw_watcher_start(struct gw_watcher *watcher, const struct gw_watch *watch,
	struct gh_worker *worker, const struct upstream_pool *pool);
void gw_watcher_stop(struct gw_watcher *watcher);

#endif
