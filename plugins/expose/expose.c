/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file expose.c
 * @brief Lets other nodes of the cluster call services of this one.
 */
#include <gatehouse/http.h>
#include <stdio.h>
#include <syslog.h>

#include "plugins/expose/expose.h"

/* ---- Configuration --------------------------------------------------------------------------- */

struct config {
	struct gh_list services;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, services, .dflt = "docs/1,tokens/1,identity/1,rollout/1", .min = 1,
		.max = EXPOSE_COUNT, .fixed = true,
		.help = "Services of this node that other nodes may call: docs/1, tokens/1, "
			"identity/1, rollout/1."),
	{ .type = GH_OPT_END },
};

/* ---- Life ------------------------------------------------------------------------------------ */

static void
make_metrics(struct expose *e, enum expose_service service)
{
	const struct expose_function *functions = expose_services[service].functions;

	for (unsigned i = 0; functions[i].name != NULL; i++) {
		struct expose_metrics *m = &e->metrics[service][i];
		char labels[96];

		snprintf(labels, sizeof(labels), "service=\"%s\",function=\"%s\"",
			expose_services[service].name, functions[i].name);
		m->calls = gh_metric_new(e->inst, GH_COUNTER, "gatehouse_expose_calls_total",
			"Calls of services by other nodes.", labels);
		m->errors = gh_metric_new(e->inst, GH_COUNTER, "gatehouse_expose_errors_total",
			"Calls by other nodes that were not understood or could not be served.", labels);
		m->seconds = gh_metric_new(e->inst, GH_HISTOGRAM, "gatehouse_expose_seconds",
			"Time of a call by another node.", labels);
	}
}

static int
bind(struct expose *e, enum expose_service service)
{
	switch (service) {
	case EXPOSE_DOCS:
		return GH_BIND(e->inst, GH_SVC_DOCS, &e->docs);
	case EXPOSE_TOKENS:
		return GH_BIND(e->inst, GH_SVC_TOKENS, &e->tokens);
	case EXPOSE_IDENTITY:
		return GH_BIND(e->inst, GH_SVC_IDENTITY, &e->identity);
	default:
		while (e->rollout_count < EXPOSE_ROLLOUTS_MAX && GH_BIND_AT(e->inst, GH_SVC_ROLLOUT,
				e->rollout_count, &e->rollouts[e->rollout_count]) == 0)
			e->rollout_count++;
		return e->rollout_count > 0 ? GH_OK : GH_ENOENT;
	}
}

static int
offer(struct expose *e, struct gh_str name)
{
	for (unsigned s = 0; s < EXPOSE_COUNT; s++) {
		if (!gh_str_eq(name, gh_str_of(expose_services[s].name)))
			continue;
		int r = e->is_offered[s] ? GH_OK : bind(e, (enum expose_service)s);

		if (r < 0)
			gh_inst_log(e->inst, LOG_ERR, "services names %s, but no plugin of this node "
				"provides it", expose_services[s].name);
		else if (!e->is_offered[s])
			make_metrics(e, (enum expose_service)s);
		e->is_offered[s] = r == 0;
		return r;
	}
	gh_inst_log(e->inst, LOG_ERR, "services: \"%.*s\" is none of docs/1, tokens/1, identity/1, "
		"rollout/1", GH_STR_ARG(name));
	return GH_EINVAL;
}

static int
open_expose(void *process, const void *config, struct gh_inst *inst)
{
	const struct config *c = config;
	struct expose *e = process;
	int r = GH_OK;

	e->inst = inst;
	for (size_t i = 0; i < c->services.n && r == 0; i++)
		r = offer(e, c->services.v[i]);
	return r;
}

/* ---- Strangers --------------------------------------------------------------------------------- */

/** Nobody without a certificate gets as far as sending a body. */
static enum gh_verdict
on_accept(const void *config, struct gh_txn *txn)
{
	struct gh_str path = gh_txn_attr(txn, GH_ATTR_PATH);
	size_t n = sizeof(RPC_PREFIX) - 1;

	(void)config;
	if (gh_txn_chain(txn) != GH_CHAIN_CLUSTER || gh_txn_attr(txn, GH_ATTR_PEER_NODE).n > 0 ||
	    path.n < n || memcmp(path.p, RPC_PREFIX, n) != 0)
		return GH_NEXT;
	return gh_txn_reply(txn, 403, GH_STR("text/plain; charset=utf-8"),
		GH_STR("the caller showed no certificate of this cluster")) == 0 ? GH_STOP : GH_FAIL;
}

static const struct gh_hook_row hooks[] = {
	{ GH_ACCEPT, GH_DENY, on_accept, NULL },
	{ .fn = NULL },
};

static const char *const needs[] = { "?" GH_SVC_DOCS, "?" GH_SVC_TOKENS, "?" GH_SVC_IDENTITY,
	GH_SVC_ROLLOUT "*", NULL };

/* Waiting and hashing passwords must not keep documents from being read. */
static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_CLUSTER, .prefix = RPC_PREFIX, .handler = expose_handle,
		.lane = GH_LANE_STORE, .max_body_bytes = RPC_SMALL_MAX },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = RPC_PREFIX "/docs/1/commit", .handler = expose_handle,
		.lane = GH_LANE_STORE, .max_body_bytes = RPC_MESSAGE_MAX },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = RPC_PREFIX "/identity", .handler = expose_handle,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = RPC_SMALL_MAX },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = RPC_PREFIX "/tokens/1/login", .handler = expose_handle,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = RPC_SMALL_MAX },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = RPC_PREFIX "/rollout", .handler = expose_handle,
		.lane = GH_LANE_NET, .max_body_bytes = RPC_SMALL_MAX },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "expose", .version = "0.1.0", .needs = needs, .opts = opts,
	.hooks = hooks, .mounts = mounts, .config_size = sizeof(struct config),
	.process_size = sizeof(struct expose), .open = open_expose,
};
