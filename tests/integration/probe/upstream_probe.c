/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_probe.c
 * @brief A gateway that does nothing but forward: for tests of the upstream client on real sockets.
 *
 * The field X-Backend of a request is the URL to send it to; an endpoint in X-Backend-2 is tried
 * when the first one fails.  /_counts answers how the worker's pool stands.
 */
#include <gatehouse/worker.h>

#include "lib/uri/uri.h"
#include "plugins/gateway/upstream.h"

struct config {
	struct gh_ms connect, head, idle, keep;
	uint64_t max_connections;
	struct gh_str ca_file;
};

struct process {
	struct upstream_options options;
	struct upstream_trust *trust;
};

struct worker {
	struct upstream_pool *pool;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, connect, .dflt = "1s", .help = "Deadline for a connection."),
	GH_OPT(struct config, head, .dflt = "2s", .help = "Deadline for a response head."),
	GH_OPT(struct config, idle, .dflt = "3s", .help = "Deadline between two pieces of a body."),
	GH_OPT(struct config, keep, .dflt = "60s", .help = "How long connections are kept."),
	GH_OPT(struct config, max_connections, .dflt = "0", .help = "Per endpoint; 0: any."),
	GH_OPT(struct config, ca_file, .dflt = "", .help = "Trusted certificates."),
	{ .type = GH_OPT_END },
};

static enum gh_verdict forward(struct gh_txn *txn, struct gh_str field, upstream_fail_fn *fail);

static enum gh_verdict
refuse(struct gh_txn *txn, int error_code, unsigned status)
{
	struct gh_str why = upstream_why(txn);
	struct gh_str text = gh_txn_printf(txn, "%d %.*s", error_code, GH_STR_ARG(why));

	gh_txn_set_attr_int(txn, GH_ATTR_ERROR_CODE, error_code);
	return gh_txn_reply(txn, status, GH_STR("text/plain"), text) < 0 ? GH_FAIL : GH_STOP;
}

static enum gh_verdict
try_second(struct gh_txn *txn, int error_code, unsigned status)
{
	if (gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("X-Backend-2")).p == NULL)
		return refuse(txn, error_code, status);
	return forward(txn, GH_STR("X-Backend-2"), refuse);
}

static enum gh_verdict
forward(struct gh_txn *txn, struct gh_str field, upstream_fail_fn *fail)
{
	const struct worker *w = gh_txn_worker_data(txn);
	struct gh_str text = gh_txn_field(txn, GH_SIDE_REQUEST, field);
	struct gh_str path = gh_txn_attr(txn, GH_ATTR_PATH);
	struct gh_str query = gh_txn_attr(txn, GH_ATTR_QUERY);
	struct gh_str target = gh_txn_printf(txn, "%.*s%s%.*s", GH_STR_ARG(path),
		query.n > 0 ? "?" : "", GH_STR_ARG(query));
	char *buf = gh_txn_alloc(txn, URI_BUFFER_SIZE(text.n, 0));
	struct uri_url url;

	if (buf == NULL || uri_url_parse(text, buf, URI_BUFFER_SIZE(text.n, 0), &url, NULL) < 0)
		return refuse(txn, 0, 400);
	struct upstream_endpoint endpoint = { url.is_tls, url.port, url.host };

	return upstream_start(w->pool, txn, &endpoint, target, fail);
}

static enum gh_verdict
on_upstream(const void *config, struct gh_txn *txn)
{
	const struct worker *w = gh_txn_worker_data(txn);
	struct upstream_counts c;

	(void)config;
	if (!gh_str_eq(gh_txn_attr(txn, GH_ATTR_PATH), GH_STR("/_counts")))
		return forward(txn, GH_STR("X-Backend"), try_second);
	upstream_pool_counts(w->pool, &c);
	struct gh_str text = gh_txn_printf(txn, "{\"requests\":%llu,\"connects\":%llu,"
		"\"reused\":%llu,\"retried\":%llu,\"failed\":%llu,"
		"\"open\":%u,\"idle\":%u,\"endpoints\":%u}",
		(unsigned long long)c.requests, (unsigned long long)c.connects,
		(unsigned long long)c.reused, (unsigned long long)c.retried,
		(unsigned long long)c.failed, c.open, c.idle, c.endpoints);

	return gh_txn_reply(txn, 200, GH_STR("application/json"), text) < 0 ? GH_FAIL : GH_STOP;
}

static const struct gh_hook_row hooks[] = {
	{ GH_UPSTREAM, GH_TRANSFORM, on_upstream, NULL },
	{ .fn = NULL },
};

static int
open_probe(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;
	const struct config *c = config;
	char error[256];

	p->options = (struct upstream_options){ .connect_ms = c->connect.v, .head_ms = c->head.v,
		.idle_ms = c->idle.v, .keep_ms = c->keep.v, .max_connections = c->max_connections,
		.ca_file = c->ca_file };
	int r = upstream_trust_new(&p->options, &p->trust, error, sizeof(error));

	if (r < 0)
		gh_inst_log(inst, 3, "%s", error);
	return r;
}

static void
close_probe(void *process)
{
	upstream_trust_free(((struct process *)process)->trust);
}

static int
start_worker(void *process, struct gh_worker *worker, void *data)
{
	struct process *p = process;

	return upstream_pool_new(gh_worker_loop(worker), &p->options, p->trust,
		&((struct worker *)data)->pool);
}

static void
stop_worker(void *process, struct gh_worker *worker, void *data)
{
	(void)process;
	(void)worker;
	upstream_pool_free(((struct worker *)data)->pool);
}

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "upstream_probe", .version = "1.0.0", .opts = opts, .hooks = hooks,
	.config_size = sizeof(struct config), .process_size = sizeof(struct process),
	.worker_size = sizeof(struct worker), .open = open_probe, .close = close_probe,
	.worker_start = start_worker, .worker_stop = stop_worker,
};
