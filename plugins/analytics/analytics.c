/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file analytics.c
 * @brief Counts calls per minute by API, version, application, method and status, with their
 * latencies.
 *
 * Phase LOG, class OBSERVE: the hook leaves a record in a ring of its worker and never waits.  A
 * full ring loses the record and counts the loss.  The report is a management mount of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <gatehouse/worker.h>

#include "lib/hash/hash.h"
#include "plugins/analytics/analytics.h"

/* ---- Configuration --------------------------------------------------------------------------- */

struct config {
	struct gh_ms retention;
	uint64_t max_rows;
	struct gh_str forward_url;
	struct gh_bytes spool_max;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, retention, .dflt = "30d", .min = 60000, .max = UINT64_C(315360000000),
		.help = "How long usage is kept."),
	GH_OPT(struct config, max_rows, .dflt = "20000", .min = 100, .max = 10000000, .fixed = true,
		.help = "Combinations of API, version, application, method and status that are "
			"counted in one minute; calls beyond are lost, and "
			"gatehouse_analytics_dropped_total counts them."),
	GH_OPT(struct config, forward_url, .dflt = "", .max = 512, .fixed = true,
		.help = "URL of the analytics node, or of a balancer before it, where calls are "
			"sent; empty: they are kept here."),
	GH_OPT(struct config, spool_max, .dflt = "64M", .min = 2u << 20, .fixed = true,
		.help = "Most bytes on disk that wait for the analytics node."),
	{ .type = GH_OPT_END },
};

/* ---- Hook: LOG ------------------------------------------------------------------------------- */

/* Methods are chosen by callers; those that no API defines share one name. */
static struct gh_str
method_name(struct gh_str method)
{
	static const char *const known[] = { "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD",
		"OPTIONS" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (gh_str_eq(method, gh_str_of(known[i])))
			return method;
	return GH_STR("OTHER");
}

static enum gh_verdict
on_log(const void *config, struct gh_txn *txn)
{
	struct analytics *a = gh_txn_process(txn);
	struct names names = { .part = { [NAMES_API_ID] = gh_txn_attr(txn, GH_ATTR_API_ID) } };
	bool is_filling = false;

	(void)config;
	if (names.part[NAMES_API_ID].n == 0 || gh_txn_is_dry_run(txn))
		return GH_NEXT;
	names.part[NAMES_TENANT] = gh_txn_attr(txn, GH_ATTR_TENANT);
	names.part[NAMES_API] = gh_txn_attr(txn, GH_ATTR_API_NAME);
	names.part[NAMES_VERSION] = gh_txn_attr(txn, GH_ATTR_API_VERSION);
	names.part[NAMES_APPLICATION] = gh_txn_attr(txn, GH_ATTR_APPLICATION_NAME);
	names.part[NAMES_METHOD] = method_name(gh_txn_attr(txn, GH_ATTR_METHOD));
	uint64_t latency_us = (gh_mono_ns() - gh_txn_start_ns(txn)) / 1000u;
	struct record record = {
		.time_s = (uint32_t)(gh_now_us() / 1000000u),
		.latency_us = (uint32_t)(latency_us < SKETCH_MAX_US ? latency_us : SKETCH_MAX_US),
		.status = (uint16_t)gh_txn_status(txn),
	};

	if (recorder_put(a->recorders[gh_worker_index(gh_txn_worker(txn))], &names, &record,
		&is_filling) < 0)
		gh_metric_add(a->dropped, 1);
	if (is_filling)
		batcher_wake(a->batcher);
	return GH_NEXT;
}

/* ---- The report ------------------------------------------------------------------------------ */

static const struct rest_route routes[] = {
	{ "GET", "/usage", "apim:api_view apim:admin", usage_get },
	{ .method = NULL },
};
static const struct rest_api api = { .version = 1, .routes = routes };

static void
serve(void *process, const void *config, struct gh_call *call)
{
	struct analytics *a = process;

	if (a->series.vt != NULL && a->services.tokens.vt != NULL)
		rest_serve(&api, &a->services, process, config, call);
	else
		gh_call_reply(call, 404, GH_STR_NONE, GH_STR_NONE); /* another node reports */
}

/* ---- Parcels of other nodes ------------------------------------------------------------------ */

static void
take_in(void *process, const void *config, struct gh_call *call)
{
	struct analytics *a = process;

	(void)config;
	if (a->intake != NULL)
		intake_serve(a->intake, call);
	else
		gh_call_reply(call, 404, GH_STR_NONE, GH_STR_NONE);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int
recorders_new(struct analytics *a, uint64_t seed)
{
	a->recorder_count = gh_worker_count(a->inst);
	a->recorders = calloc(a->recorder_count, sizeof(struct recorder *));
	if (a->recorders == NULL)
		return GH_ENOMEM;
	for (unsigned i = 0; i < a->recorder_count; i++) {
		a->recorders[i] = recorder_new(seed);
		if (a->recorders[i] == NULL)
			return GH_ENOMEM;
	}
	return 0;
}

static void
close_analytics(void *process)
{
	struct analytics *a = process;

	batcher_free(a->batcher);
	forward_free(a->forward);
	intake_free(a->intake);
	for (unsigned i = 0; i < a->recorder_count && a->recorders != NULL; i++)
		recorder_free(a->recorders[i]);
	free(a->recorders);
}

/* Where rows go: to a series of this node, or to the analytics node. */
static int
open_sink(struct analytics *a, const struct config *c, struct gh_series *ret_sink)
{
	struct forward_setup setup = { .inst = a->inst, .url = c->forward_url,
		.max_bytes = c->spool_max.v };
	char directory[4096];
	int r = GH_BIND(a->inst, GH_SVC_SERIES, &a->series);
	bool has_series = r == 0;

	if (has_series != (c->forward_url.n == 0)) {
		gh_inst_log(a->inst, LOG_ERR, has_series
			? "forward_url is set, but a series/1 is bound too: calls are kept here or sent, "
			  "not both"
			: "no series/1 is bound to keep calls, and forward_url, where to send them, is "
			  "not set");
		return GH_EINVAL;
	}
	if (has_series) {
		*ret_sink = a->series;
		a->intake = intake_new(a->inst, &a->series);
		return a->intake != NULL ? 0 : GH_ENOMEM;
	}
	r = GH_BIND(a->inst, GH_SVC_PEER, &setup.peer);
	if (r < 0) {
		gh_inst_log(a->inst, LOG_ERR, "forward_url: no peer/1 is bound to send calls with");
		return r;
	}
	if (snprintf(directory, sizeof(directory), "%s/%.*s", gh_inst_state_dir(a->inst),
			GH_STR_ARG(gh_inst_label(a->inst))) >= (int)sizeof(directory))
		return GH_ETOOBIG;
	setup.directory = directory;
	r = forward_new(&setup, &a->forward);
	if (r == 0)
		*ret_sink = forward_series(a->forward);
	return r;
}

static int
open_analytics(void *process, const void *config, struct gh_inst *inst)
{
	struct analytics *a = process;
	const struct config *c = config;
	struct batcher_setup setup = { .inst = inst, .seed = hash_seed(), .max_rows = c->max_rows };

	a->inst = inst;
	a->dropped = gh_metric_new(inst, GH_COUNTER, "gatehouse_analytics_dropped_total",
		"Calls that were not counted: a ring or the table of rows was full.", NULL);
	GH_BIND(inst, GH_SVC_TOKENS, &a->services.tokens); /* without it there is no report */
	int r = open_sink(a, c, &setup.series);

	if (r == 0)
		r = recorders_new(a, setup.seed);
	if (r == 0) {
		setup.recorders = a->recorders;
		setup.recorder_count = a->recorder_count;
		setup.dropped = a->dropped;
		setup.recorded = gh_metric_new(inst, GH_COUNTER, "gatehouse_analytics_calls_total",
			"Calls that were counted.", NULL);
		r = batcher_new(&setup, &a->batcher);
	}
	if (r < 0) {
		gh_inst_log(inst, LOG_ERR, "cannot start: %s", gh_strerror(r));
		close_analytics(a);
	}
	return r;
}

static int
start_analytics(void *process, void *config)
{
	struct analytics *a = process;
	const struct config *c = config;

	batcher_set_retention(a->batcher, c->retention.v / 1000u);
	return 0;
}

static const char *const needs[] = { "?" GH_SVC_SERIES, "?" GH_SVC_TOKENS, "?" GH_SVC_PEER, NULL };

static const struct gh_hook_row hooks[] = {
	{ GH_LOG, GH_OBSERVE, on_log, NULL },
	{ .fn = NULL },
};

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/am/analytics", .handler = serve,
		.lane = GH_LANE_STORE },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = PARCEL_PATH, .handler = take_in,
		.lane = GH_LANE_STORE, .max_body_bytes = PARCEL_BYTES_MAX },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "analytics", .version = "0.1.0", .needs = needs, .opts = opts,
	.hooks = hooks, .mounts = mounts, .config_size = sizeof(struct config),
	.process_size = sizeof(struct analytics), .open = open_analytics, .close = close_analytics,
	.start = start_analytics,
};
