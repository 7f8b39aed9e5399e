/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file watch.c
 * @brief From the plain counts of a worker's pool to metrics, once a second.
 */
#include "plugins/gateway/watch.h"

#include <gatehouse/offload.h>
#include <gatehouse/worker.h>
#include <stdio.h>
#include <stdlib.h>

#define PERIOD_MS 1000

static const struct {
	const char *name, *help;
} counters[GW_WATCHED] = {
	[GW_REQUESTS] = { "gatehouse_gateway_upstream_requests_total",
		"Requests that were sent to backends." },
	[GW_CONNECTS] = { "gatehouse_gateway_upstream_connects_total",
		"Connections to backends that were begun." },
	[GW_REUSED] = { "gatehouse_gateway_upstream_reused_total",
		"Requests that went out on a kept connection." },
	[GW_RETRIED] = { "gatehouse_gateway_upstream_retried_total",
		"Requests that were sent again, as the kept connection was closed." },
	[GW_FAILED] = { "gatehouse_gateway_upstream_failed_total",
		"Requests that got no whole response." },
};

int
gw_watch_init(struct gw_watch *watch, struct gh_inst *inst)
{
	unsigned n = gh_worker_count(inst);
	char label[32];

	watch->open = calloc(n, sizeof(struct gh_metric *));
	watch->idle = calloc(n, sizeof(struct gh_metric *));
	if (watch->open == NULL || watch->idle == NULL) {
		gw_watch_done(watch);
		return GH_ENOMEM;
	}
	for (unsigned i = 0; i < GW_WATCHED; i++)
		watch->counters[i] = gh_metric_new(inst, GH_COUNTER, counters[i].name,
			counters[i].help, NULL);
	for (unsigned i = 0; i < n; i++) {
		snprintf(label, sizeof(label), "worker=\"%u\"", i);
		watch->open[i] = gh_metric_new(inst, GH_GAUGE, "gatehouse_gateway_upstream_open",
			"Connections to backends.", label);
		watch->idle[i] = gh_metric_new(inst, GH_GAUGE, "gatehouse_gateway_upstream_idle",
			"Connections to backends that wait for a request.", label);
	}
	return 0;
}

void
gw_watch_done(struct gw_watch *watch)
{
	free(watch->open);
	free(watch->idle);
	*watch = (struct gw_watch){ .open = NULL };
}

static void
carry_over(void *arg)
{
	struct gw_watcher *watcher = arg;
	struct upstream_counts counts;

	upstream_pool_counts(watcher->pool, &counts);
	const uint64_t now[GW_WATCHED] = { [GW_REQUESTS] = counts.requests,
		[GW_CONNECTS] = counts.connects, [GW_REUSED] = counts.reused,
		[GW_RETRIED] = counts.retried, [GW_FAILED] = counts.failed };

	for (unsigned i = 0; i < GW_WATCHED; i++) {
		gh_metric_add(watcher->watch->counters[i], now[i] - watcher->told[i]);
		watcher->told[i] = now[i];
	}
	gh_metric_set(watcher->watch->open[watcher->worker], counts.open);
	gh_metric_set(watcher->watch->idle[watcher->worker], counts.idle);
}

int
gw_watcher_start(struct gw_watcher *watcher, const struct gw_watch *watch, struct gh_worker *worker,
	const struct upstream_pool *pool)
{
	*watcher = (struct gw_watcher){ .watch = watch, .pool = pool,
		.worker = gh_worker_index(worker) };
	watcher->timer = gh_timer_new(worker, PERIOD_MS, PERIOD_MS, carry_over, watcher);
	return watcher->timer != NULL ? 0 : GH_ENOMEM;
}

void
gw_watcher_stop(struct gw_watcher *watcher)
{
	gh_timer_free(watcher->timer);
	watcher->timer = NULL;
}
