/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gateway.c
 * @brief The API gateway: options, life and descriptor.
 *
 * What it serves comes from feed/1 (publish.c, apply.c) and stands in an immutable snapshot
 * (snapshot.h).  A call passes route.c, authenticate.c, authorize.c and forward.c; the wire to the
 * backend is upstream.h's.  Limits and analytics are other plugins'.
 */
#include "plugins/gateway/gateway.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <gatehouse/svc/nodes.h>

#include "lib/hash/hash.h"

#define HOUR_MS 3600000

static const struct gh_opt opts[] = {
	GH_OPT(struct gw_config, environments, .fixed = true, .dflt = "Default", .min = 1,
		.max = 64,
		.help = "Environments whose deployments are served; for one path the first wins."),
	GH_OPT(struct gw_config, token_cache, .fixed = true, .dflt = "4096", .min = 64,
		.max = 1 << 20, .help = "Verified tokens that each worker remembers."),
	GH_OPT(struct gw_config, clock_skew, .dflt = "1s", .max = 300000,
		.help = "How far the clocks of key manager and gateway may differ."),
	GH_OPT(struct gw_config, verify_share, .dflt = "20", .min = 1, .max = 100,
		.help = "Percent of a worker's time for token signatures before the pool helps."),
	GH_OPT(struct gw_config, cors, .dflt = "true",
		.help = "Answer cross-origin calls of browsers, preflight requests too."),
	GH_OPT(struct gw_config, cors_origins, .dflt = "*", .max = 64,
		.help = "Origins that may call; * is any."),
	GH_OPT(struct gw_config, cors_headers, .max = 64,
		.dflt = "authorization,Access-Control-Allow-Origin,Content-Type,SOAPAction,apikey,"
			"Internal-Key",
		.help = "Request fields that a page may set."),
	GH_OPT(struct gw_config, connect_timeout, .fixed = true, .dflt = "5s", .min = 1,
		.max = HOUR_MS,
		.help = "Longest wait for a connection, name look-up and TLS included."),
	GH_OPT(struct gw_config, response_timeout, .fixed = true, .dflt = "60s", .min = 1,
		.max = HOUR_MS, .help = "Longest wait for the head of a backend's response."),
	GH_OPT(struct gw_config, idle_timeout, .fixed = true, .dflt = "60s", .min = 1,
		.max = HOUR_MS, .help = "Longest pause between two pieces of a body."),
	GH_OPT(struct gw_config, keep_alive, .fixed = true, .dflt = "60s", .min = 1, .max = HOUR_MS,
		.help = "How long an unused connection to a backend is kept."),
	GH_OPT(struct gw_config, max_idle_connections, .fixed = true, .dflt = "512", .min = 1,
		.max = 65536, .help = "Unused connections that a worker keeps per backend."),
	GH_OPT(struct gw_config, max_connections, .fixed = true, .dflt = "0", .max = 1 << 20,
		.help = "Connections of a worker to one backend; 0: no limit."),
	GH_OPT(struct gw_config, backend_ca_file, .fixed = true, .dflt = "", .max = 4096,
		.help = "PEM file with whom backends are verified against; empty: the system's."),
	GH_OPT(struct gw_config, insecure_backends, .fixed = true, .dflt = "false",
		.help = "Do not verify certificates of backends.  For tests only."),
	GH_OPT(struct gw_config, jwks_url, .fixed = true, .dflt = "", .max = 2048,
		.help = "Where a key manager publishes its keys (https); empty: keys come through the "
			"feed alone."),
	GH_OPT(struct gw_config, jwks_issuer, .fixed = true, .dflt = "", .max = 512,
		.help = "Issuer of tokens that are signed with the keys of jwks_url."),
	GH_OPT(struct gw_config, jwks_ca_file, .fixed = true, .dflt = "", .max = 4096,
		.help = "PEM file with whom the key manager is verified against; empty: the system's."),
	GH_OPT(struct gw_config, jwks_interval, .fixed = true, .dflt = "5m", .min = 1000,
		.max = 24 * HOUR_MS, .help = "How often the keys of jwks_url are fetched."),
	{ .type = GH_OPT_END },
};

/* ---- rollout/1 -------------------------------------------------------------------------- */

static int
wait_for(void *self, uint64_t seq, uint64_t deadline_ms)
{
	struct gw_process *process = self;

	return follow_acks_wait(&process->publisher.acks, seq, deadline_ms);
}

static uint64_t
serving(void *self)
{
	const struct gw_process *process = self;

	return follow_acks_serving(&process->publisher.acks);
}

static const struct gh_rollout_v1 rollout = {
	.size = sizeof(rollout), .wait = wait_for, .serving = serving,
};

/* ---- nodes/1: this gateway, for the management APIs of its own node ---------------------- */

/* One allocation: the list and its node. */
struct self_seen {
	struct gh_nodes_seen list;
	struct gh_node_seen node;
};

static int
list_self(void *self, struct gh_nodes_seen **ret)
{
	struct gw_process *process = self;
	struct self_seen *seen = calloc(1, sizeof(*seen));

	if (seen == NULL)
		return GH_ENOMEM;
	struct gh_str name = gh_inst_node_name(process->inst);

	seen->node = (struct gh_node_seen){
		.id = name, .name = name, .roles = GH_STR("gateway"),
		.environments = process->reader.environments, .version = GH_STR(PACKAGE_VERSION),
		.serving = serving(process), .last_seen_s = gh_now_us() / 1000000, .is_live = true,
	};
	seen->list = (struct gh_nodes_seen){ 1, &seen->node };
	*ret = &seen->list;
	return 0;
}

static void
free_self(struct gh_nodes_seen *list)
{
	free(list);
}

static const struct gh_nodes_v1 nodes = {
	.size = sizeof(nodes), .list = list_self, .free_list = free_self,
};

/* ---- Process ---------------------------------------------------------------------------- */

/* For the nodes that we follow: "Default internal". */
static int
join_environments(struct gw_process *process)
{
	const struct gh_list *list = &process->environments;
	size_t size = 1, at = 0;

	for (size_t i = 0; i < list->n; i++)
		size += list->v[i].n + 1;
	char *text = gw_arena_alloc(&process->arena, size);

	if (text == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < list->n; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%.*s", i > 0 ? " " : "",
			GH_STR_ARG(list->v[i]));
	process->reader = (struct gh_feed_reader){ .rollout = { &rollout, process },
		.environments = { text, at } };
	return 0;
}

/* Fixed options outlive the generation that they were read in. */
static int
copy_options(struct gw_process *process, const struct gw_config *c)
{
	size_t n = c->environments.n;
	struct gh_str *environments = gw_arena_alloc(&process->arena, n * sizeof(*environments));

	if (environments == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (gw_arena_str(&process->arena, c->environments.v[i], &environments[i]) < 0)
			return GH_ENOMEM;
	process->environments = (struct gh_list){ environments, n };
	int r = join_environments(process);

	if (r < 0)
		return r;
	process->token_cache = c->token_cache;
	process->upstream = (struct upstream_options){
		.connect_ms = c->connect_timeout.v, .head_ms = c->response_timeout.v,
		.idle_ms = c->idle_timeout.v, .keep_ms = c->keep_alive.v,
		.max_idle = c->max_idle_connections, .max_connections = c->max_connections,
		.insecure = c->insecure_backends,
	};
	return gw_arena_str(&process->arena, c->backend_ca_file, &process->upstream.ca_file);
}

static void
make_metrics(struct gw_process *process, struct gh_inst *inst)
{
	gw_error_metrics(inst, process->refused);
	process->cache_hits = gh_metric_new(inst, GH_COUNTER,
		"gatehouse_gateway_token_cache_hits_total", "Tokens that the worker knew.", NULL);
	process->cache_misses = gh_metric_new(inst, GH_COUNTER,
		"gatehouse_gateway_token_cache_misses_total", "Tokens that were verified.", NULL);
	process->offloaded = gh_metric_new(inst, GH_COUNTER,
		"gatehouse_gateway_token_offloaded_total", "Verifications on the pool.", NULL);
}

static void
close_gateway(void *data)
{
	struct gw_process *process = data;

	gw_jwks_free(process->jwks);
	gw_publisher_close(&process->publisher);
	gw_watch_done(&process->watch);
	upstream_trust_free(process->trust);
	gw_arena_free(&process->arena);
}

static int
open_jwks(struct gw_process *process, const struct gw_config *c)
{
	const struct gw_jwks_options options = { c->jwks_url, c->jwks_issuer, c->jwks_ca_file,
		c->jwks_interval.v };
	int r;

	if (c->jwks_url.n == 0)
		return GH_OK;
	r = gw_jwks_new(process->inst, &options, &process->jwks);
	return r == 0 ? gw_jwks_start(process->jwks) : r;
}

static int
open_gateway(void *data, const void *config, struct gh_inst *inst)
{
	struct gw_process *process = data;
	char error[256];
	int r;

	process->inst = inst;
	process->seed = hash_seed();
	if ((r = copy_options(process, config)) < 0 ||
		(r = gw_watch_init(&process->watch, inst)) < 0)
		goto out;
	make_metrics(process, inst);
	r = upstream_trust_new(&process->upstream, &process->trust, error, sizeof(error));
	if (r == GH_EINVAL)
		gh_inst_log(inst, LOG_ERR, "backend_ca_file: %s", error);
	if (r < 0)
		goto out;
	r = open_jwks(process, config);
	if (r == 0)
		r = gw_publisher_open(&process->publisher, inst, &process->environments,
			&process->reader, process->seed);
out:
	if (r < 0)
		close_gateway(process);
	return r;
}

/* ---- Generation ------------------------------------------------------------------------- */

static int
start_gateway(void *process, void *data)
{
	struct gw_config *config = data;
	size_t size = 1, n = 0;

	(void)process;
	for (size_t i = 0; i < config->cors_headers.n; i++)
		size += config->cors_headers.v[i].n + 2;
	char *text = malloc(size);

	if (text == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < config->cors_headers.n; i++) {
		struct gh_str name = config->cors_headers.v[i];

		n += (size_t)snprintf(text + n, size - n, "%s%.*s", i > 0 ? ", " : "",
			GH_STR_ARG(name));
	}
	config->cors_headers_text = (struct gh_str){ text, n };
	return 0;
}

static void
stop_gateway(void *process, void *data)
{
	struct gw_config *config = data;

	(void)process;
	free((void *)(uintptr_t)config->cors_headers_text.p);
}

/* ---- Workers ---------------------------------------------------------------------------- */

void
gw_worker_take(struct gh_inst *inst, struct gh_worker *worker, struct gw_view *view)
{
	struct gw_worker *data = gh_worker_data(inst, worker);
	struct gw_view *old = data->view;

	data->view = view;
	gw_view_unpin(old);
}

static int
start_worker(void *data, struct gh_worker *worker, void *worker_data)
{
	struct gw_process *process = data;
	struct gw_worker *w = worker_data;
	int r;

	w->tokens = gw_token_cache_new(process->token_cache, process->seed);
	if (w->tokens == NULL)
		return GH_ENOMEM;
	r = upstream_pool_new(gh_worker_loop(worker), &process->upstream, process->trust, &w->pool);
	if (r < 0)
		goto out;
	r = gw_watcher_start(&w->watcher, &process->watch, worker, w->pool);
	if (r < 0)
		goto out;
	w->view = gw_publisher_first(&process->publisher, gh_worker_index(worker));
out:
	if (r < 0) {
		upstream_pool_free(w->pool);
		gw_token_cache_free(w->tokens);
	}
	return r;
}

static void
stop_worker(void *process, struct gh_worker *worker, void *worker_data)
{
	struct gw_worker *w = worker_data;

	(void)process;
	(void)worker;
	gw_watcher_stop(&w->watcher);
	upstream_pool_free(w->pool);
	gw_token_cache_free(w->tokens);
	gw_view_unpin(w->view);
	w->view = NULL;
}

/* ---- Descriptor ------------------------------------------------------------------------- */

static const struct gh_service_row provides[] = {
	{ GH_SVC_ROLLOUT, &rollout },
	{ GH_SVC_NODES, &nodes },
	{ .name = NULL },
};

static const char *const needs[] = { GH_SVC_FEED, NULL };

/* Credentials go before any other hook of REQUEST may put some of its own there. */
static const struct gh_hook_row hooks[] = {
	{ GH_ROUTE, GH_AUTH, gw_on_route, NULL },
	{ GH_AUTHENTICATE, GH_AUTH, gw_on_authenticate, NULL },
	{ GH_AUTHORIZE, GH_AUTH, gw_on_authorize, NULL },
	{ GH_REQUEST, GH_AUTH, gw_on_request, NULL },
	{ GH_UPSTREAM, GH_TRANSFORM, gw_on_upstream, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, gw_on_response, NULL },
	{ .fn = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "gateway", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts, .hooks = hooks, .config_size = sizeof(struct gw_config),
	.process_size = sizeof(struct gw_process), .worker_size = sizeof(struct gw_worker),
	.open = open_gateway, .close = close_gateway, .start = start_gateway, .stop = stop_gateway,
	.worker_start = start_worker, .worker_stop = stop_worker,
};
