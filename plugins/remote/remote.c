/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file remote.c
 * @brief Services of another node, as if a plugin of this one provided them.
 *
 * So publisher, API store, admin and key manager run in processes of their own: the plugin `expose`
 * of a control-plane node answers docs/1 and rollout/1, that of a key manager tokens/1 and
 * identity/1.  The manifest says what an entry provides:
 *
 *   - remote: { url: "https://control:9447", provide: [docs/1, rollout/1] }
 *   - remote: { as: km, url: "https://keys:9447", provide: [tokens/1, identity/1] }
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/remote/remote.h"

struct config {
	struct gh_str url;
	struct gh_ms deadline, start_wait;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, url, .min = 1, .max = 1024, .fixed = true,
		.help = "https://host:port of the cluster listener of the other node, or of a "
			"balancer before several."),
	GH_OPT(struct config, deadline, .dflt = "5s", .min = 100, .max = 60000, .fixed = true,
		.help = "How long a call may take."),
	GH_OPT(struct config, start_wait, .dflt = "30s", .max = 600000, .fixed = true,
		.help = "How long a start waits for the other node; then it fails."),
	{ .type = GH_OPT_END },
};

static void
make_metrics(struct remote *p)
{
	p->calls = gh_metric_new(p->inst, GH_COUNTER, "gatehouse_remote_calls_total",
		"Calls of services of another node.", NULL);
	p->failures = gh_metric_new(p->inst, GH_COUNTER, "gatehouse_remote_failures_total",
		"Calls of services of another node that got no answer.", NULL);
	p->retries = gh_metric_new(p->inst, GH_COUNTER, "gatehouse_remote_retries_total",
		"Calls that were sent again because a connection broke.", NULL);
	p->seconds = gh_metric_new(p->inst, GH_HISTOGRAM, "gatehouse_remote_seconds",
		"Time of a call of another node.", NULL);
	p->up = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_remote_up",
		"1 while the other node can be reached.", NULL);
}

static void
close_remote(void *process)
{
	struct remote *p = process;

	if (p->line != NULL)
		p->peer.vt->line_stop(p->line);
	remote_probe_close(p);
	if (p->line != NULL)
		p->peer.vt->line_free(p->line);
	free(p->url);
}

static int
open_remote(void *process, const void *config, struct gh_inst *inst)
{
	const struct config *c = config;
	struct remote *p = process;
	int r = GH_BIND(inst, GH_SVC_PEER, &p->peer);

	p->inst = inst;
	p->deadline_ms = c->deadline.v;
	make_metrics(p);
	if (r < 0)
		return r;
	p->url = strndup(c->url.p, c->url.n);
	p->line = p->peer.vt->line_new(p->peer.self);
	r = p->url != NULL && p->line != NULL ? remote_probe_open(p, c->start_wait.v) : GH_ENOMEM;
	if (r < 0)
		close_remote(p);
	return r;
}

static const char *const needs[] = { GH_SVC_PEER, NULL };

static const struct gh_service_row provides[] = {
	{ GH_SVC_DOCS, &remote_docs }, { GH_SVC_TOKENS, &remote_tokens },
	{ GH_SVC_IDENTITY, &remote_identity }, { GH_SVC_ROLLOUT, &remote_rollout },
	{ .name = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "remote", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts, .config_size = sizeof(struct config), .process_size = sizeof(struct remote),
	.open = open_remote, .close = close_remote,
};
