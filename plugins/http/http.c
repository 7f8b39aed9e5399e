/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http.c
 * @brief engine/1 on libmicrohttpd and GnuTLS: the plugin's options, life and service.
 *
 * HTTP/1.0 and HTTP/1.1 for management listeners, and for gateway listeners too.  What the library
 * does not refuse although it should, guard.c refuses.
 */
#include "config.h"

#include <stdlib.h>
#include <syslog.h>

#include "plugins/http/http.h"

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt opts[] = {
	GH_OPT(struct http_options, body_stall, .dflt = "20s", .min = 1000, .max = 600000,
		.fixed = true,
		.help = "A request body that gains less than 1 KiB in that time is given up."),
	GH_OPT(struct http_options, max_target, .dflt = "8k", .min = 256, .max = 65536,
		.fixed = true, .help = "Longest request target; a longer one is answered 414."),
	GH_OPT(struct http_options, max_fields, .dflt = "100", .min = 16, .max = GUARD_MAX_FIELDS,
		.fixed = true, .help = "Most fields of a request; more are answered 431."),
	GH_OPT(struct http_options, tls_priorities,
		.dflt = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", .min = 1, .max = 512,
		.fixed = true,
		.help = "Protocol versions and ciphers, as a GnuTLS priority string."),
	{ .type = GH_OPT_END },
};

/* ---- Service --------------------------------------------------------------------------------- */

/* All cluster listeners show the node's one certificate. */
static int
prepare_mutual(struct http_process *process, struct gh_inst *inst, const struct gh_listener *listener,
	char *error, size_t error_size)
{
	char why[512];
	int r = GH_ENOENT;

	if (process->trust.vt == NULL)
		snprintf(error, error_size, "listener %.*s: the chain cluster needs " GH_SVC_TRUST
			", which no entry provides: name the plugin cluster", GH_STR_ARG(listener->name));
	if (process->trust.vt == NULL || process->mutual != NULL)
		return process->trust.vt == NULL ? r : GH_OK;
	if (listener->certificate_file.n > 0) {
		snprintf(error, error_size, "listener %.*s: certificate_file does not belong to the chain "
			"cluster, whose certificate is the node's own", GH_STR_ARG(listener->name));
		return GH_EINVAL;
	}
	r = http_mutual_new(inst, &process->trust, why, sizeof(why), &process->mutual);
	if (r < 0)
		snprintf(error, error_size, "listener %.*s: %s", GH_STR_ARG(listener->name), why);
	return r;
}

static int
prepare(void *self, struct gh_inst *inst, const struct gh_listener *listener, char *error,
	size_t error_size)
{
	struct http_process *process = self;

	if (listener->chain == GH_CHAIN_CLUSTER)
		return prepare_mutual(process, inst, listener, error, error_size);
	if (!listener->tls || http_tls_find(process->tls, listener) != NULL)
		return GH_OK;
	return http_tls_load(process->tls, listener, error, error_size);
}

static const struct gh_engine_v1 engine = {
	.size = sizeof(engine), .prepare = prepare, .open = http_port_open,
	.quiesce = http_port_quiesce, .connections = http_port_connections,
	.close = http_port_close,
};

/* ---- Life ------------------------------------------------------------------------------------ */

/* The library has found itself in a state that it cannot leave. */
static void
on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
	(void)cls;
	fprintf(stderr, "gatehouse: libmicrohttpd gave up at %s:%u: %s\n", file, line,
		reason != NULL ? reason : "no reason given");
	abort();
}

static int
make_metrics(struct http_process *p)
{
	unsigned workers = gh_worker_count(p->inst);
	char label[64];

	p->counts = calloc(workers, sizeof(*p->counts));
	if (p->counts == NULL)
		return GH_ENOMEM;
	for (unsigned i = 0; i < workers; i++) {
		struct http_counts *c = &p->counts[i];

		snprintf(label, sizeof(label), "worker=\"%u\"", i);
		c->connections_now = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_http_connections",
			"Connections of clients that are open.", label);
		c->connections_total = gh_metric_new(p->inst, GH_COUNTER,
			"gatehouse_http_connections_total",
			"Connections of clients that were accepted.", label);
		c->requests_total = gh_metric_new(p->inst, GH_COUNTER,
			"gatehouse_http_requests_total", "Requests that became transactions.",
			label);
	}
	for (size_t i = 0; i < GUARD_RULE_COUNT; i++) {
		snprintf(label, sizeof(label), "reason=\"%s\"", http_guard_refusals[i].reason);
		p->refused_total[i] = gh_metric_new(p->inst, GH_COUNTER,
			"gatehouse_http_refused_total",
			"Requests that did not become transactions.", label);
	}
	return GH_OK;
}

static int
open_http(void *process, const void *config, struct gh_inst *inst)
{
	struct http_process *p = process;
	const struct http_options *options = config;
	gnutls_priority_t priorities;
	const char *at = NULL;
	int r = GH_ENOMEM;

	p->inst = inst;
	p->options = *options;
	if (GH_BIND(inst, GH_SVC_TRUST, &p->trust) < 0)
		p->trust.vt = NULL;
	p->tls_priorities = strndup(options->tls_priorities.p, options->tls_priorities.n);
	if (p->tls_priorities == NULL)
		goto out;
	if (gnutls_priority_init(&priorities, p->tls_priorities, &at) < 0) {
		gh_inst_log(inst, LOG_ERR, "tls_priorities: GnuTLS does not understand \"%s\"",
			at != NULL ? at : p->tls_priorities);
		r = GH_EINVAL;
		goto out;
	}
	gnutls_priority_deinit(priorities);
	r = http_tls_store_new(gh_inst_state_dir(inst), &p->tls);
	if (r < 0)
		goto out;
	r = make_metrics(p);
	if (r < 0)
		goto out;
	MHD_set_panic_func(on_panic, NULL);
	gh_inst_log(inst, LOG_INFO, "libmicrohttpd %s, GnuTLS %s", MHD_get_version(),
		gnutls_check_version(NULL));
	return GH_OK;
out:
	http_tls_store_free(p->tls);
	free(p->tls_priorities);
	return r;
}

static void
close_http(void *process)
{
	struct http_process *p = process;

	http_mutual_free(p->mutual);
	http_tls_store_free(p->tls);
	free(p->tls_priorities);
	free(p->counts);
}

/* A new generation: certificates may have been renewed. */
static int
start_http(void *process, void *config)
{
	struct http_process *p = process;
	char error[1024];
	int r = http_tls_reload(p->tls, error, sizeof(error));

	(void)config;
	if (r < 0)
		gh_inst_log(p->inst, LOG_ERR, "%s", error);
	return r;
}

static int
worker_start(void *process, struct gh_worker *worker, void *worker_data)
{
	return http_port_worker_new(process, worker, worker_data);
}

static void
worker_stop(void *process, struct gh_worker *worker, void *worker_data)
{
	struct http_worker **block = worker_data;

	(void)process;
	(void)worker;
	http_port_worker_free(*block);
	*block = NULL;
}

/* ---- Descriptor ------------------------------------------------------------------------------ */

static const struct gh_service_row provides[] = {
	{ GH_SVC_ENGINE, &engine },
	{ .name = NULL },
};

static const char *const needs[] = { "?" GH_SVC_TRUST, NULL };

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "http", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts,
	.config_size = sizeof(struct http_options), .process_size = sizeof(struct http_process),
	.worker_size = sizeof(struct http_worker *), .open = open_http, .close = close_http,
	.start = start_http, .worker_start = worker_start, .worker_stop = worker_stop,
};
