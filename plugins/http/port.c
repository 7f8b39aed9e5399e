/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file port.c
 * @brief A libmicrohttpd daemon per listener and worker, driven by the worker's loop.
 *
 * The library runs in its external epoll mode: it has one epoll descriptor, which the loop polls,
 * and no other way to wake anybody.  So whoever resumes a connection asks for a run, and one
 * prepare handle runs all daemons that need it just before the loop waits; a hundred resumed
 * connections cost one MHD_run().  An idle handle keeps the loop from waiting while one is due. 
 * The library's epoll set is edge-triggered: MHD_get_timeout() is asked after every run, and 0
 * means that there is more to do although no event will come.
 */
#include "config.h"

#include <gnutls/abstract.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/http/http.h"

#define ACCEPT_ROUNDS_MAX 64 /* When the queue of a socket is emptied; ten connections each. */
#define POOL_REST_BYTES 8192u /* Of a connection's pool, beside the longest request head. */

/* ---- Driving the daemons --------------------------------------------------------------------- */

static void
on_idle(uv_idle_t *idle)
{
	(void)idle; /* while it is active, the loop does not wait */
}

void
http_port_run_soon(struct gh_port *port)
{
	port->need_run = true;
	uv_idle_start(&port->worker->idle, on_idle);
}

/* One run; what it leaves for the next is done together with what the loop brings until then. */
static void
run_port(struct gh_port *port)
{
	unsigned long long wait_ms;
	bool was_full = port->link_count >= port->listener->max_connections;

	port->need_run = false;
	MHD_run(port->daemon);
	/* A full daemon has stopped listening, and starts again in the next run only. */
	if ((was_full && port->link_count < port->listener->max_connections) ||
		(MHD_get_timeout(port->daemon, &wait_ms) == MHD_YES && wait_ms == 0))
		http_port_run_soon(port);
}

static void
on_timer(uv_timer_t *timer)
{
	struct http_worker *w = timer->data;
	unsigned long long wait_ms;

	for (struct gh_port *port = w->ports; port != NULL; port = port->next)
		if (MHD_get_timeout(port->daemon, &wait_ms) == MHD_YES && wait_ms == 0)
			http_port_run_soon(port);
}

/* Wake up when the library's next timeout is due.  A timer that fires too early costs less than one
 * that is set again for every request, so it is only ever moved forward. */
static void
arm_timer(struct http_worker *w, uint64_t wait_ms)
{
	if (!uv_is_active((uv_handle_t *)&w->timer) || uv_timer_get_due_in(&w->timer) > wait_ms)
		uv_timer_start(&w->timer, on_timer, wait_ms, 0);
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct http_worker *w = prepare->data;
	bool has_work = false;

	for (struct gh_port *port = w->ports; port != NULL; port = port->next)
		if (port->need_run)
			run_port(port);
	for (struct gh_port *port = w->ports; port != NULL; port = port->next) {
		unsigned long long wait_ms;

		if (port->need_run)
			has_work = true;
		else if (MHD_get_timeout(port->daemon, &wait_ms) == MHD_YES)
			arm_timer(w, wait_ms);
	}
	if (!has_work)
		uv_idle_stop(&w->idle);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct gh_port *port = poll->data;

	(void)status;
	(void)events;
	http_port_run_soon(port);
}

static void
on_tick(uv_timer_t *tick)
{
	struct http_worker *w = tick->data;
	unsigned links = 0;

	http_watch_tick(w);
	for (struct gh_port *port = w->ports; port != NULL; port = port->next) {
		links += port->link_count;
		http_port_run_soon(port); /* it stops listening when descriptors run out */
	}
	if (links == 0)
		uv_timer_stop(tick);
}

void
http_port_watch(struct gh_port *port)
{
	struct http_worker *w = port->worker;

	if (!uv_is_active((uv_handle_t *)&w->tick))
		uv_timer_start(&w->tick, on_tick, HTTP_TICK_MS, HTTP_TICK_MS);
}

static void
on_refresh(uv_timer_t *refresh)
{
	struct http_worker *w = refresh->data;

	http_mutual_refresh(w->process->mutual);
}

/* ---- Workers --------------------------------------------------------------------------------- */

int
http_port_worker_new(struct http_process *process, struct gh_worker *worker,
	struct http_worker **ret_worker)
{
	struct http_worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return GH_ENOMEM;
	w->process = process;
	w->counts = &process->counts[gh_worker_index(worker)];
	w->loop = gh_worker_loop(worker);
	w->prepare.data = w->idle.data = w->timer.data = w->tick.data = w->refresh.data = w;
	uv_prepare_init(w->loop, &w->prepare);
	uv_idle_init(w->loop, &w->idle);
	uv_timer_init(w->loop, &w->timer);
	uv_timer_init(w->loop, &w->tick);
	uv_timer_init(w->loop, &w->refresh);
	w->handles = 5;
	uv_prepare_start(&w->prepare, on_prepare);
	*ret_worker = w;
	return GH_OK;
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct http_worker *w = handle->data;

	if (--w->handles > 0)
		return;
	http_conn_pool_free(w);
	http_watch_done(w);
	free(w->scratch);
	free(w);
}

void
http_port_worker_free(struct http_worker *w)
{
	uv_close((uv_handle_t *)&w->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&w->idle, on_handle_closed);
	uv_close((uv_handle_t *)&w->timer, on_handle_closed);
	uv_close((uv_handle_t *)&w->tick, on_handle_closed);
	uv_close((uv_handle_t *)&w->refresh, on_handle_closed);
}

/* ---- Ports ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void
on_log(void *cls, const char *fmt, va_list ap)
{
	const struct http_process *process = cls;
	char line[256];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	while (n > 0 && (size_t)n < sizeof(line) && line[n - 1] == '\n')
		line[--n] = '\0';
	gh_inst_log(process->inst, LOG_DEBUG, "%s", line);
}

/* Targets stay as they came; the library would decode them in place. */
static size_t
on_unescape(void *cls, struct MHD_Connection *mhd, char *s)
{
	(void)cls;
	(void)mhd;
	return strlen(s);
}

/* The library wants a source of certificates when it starts; sessions are given theirs in watch.c,
 * before the handshake, so this one is never asked. */
static int
on_certificate(gnutls_session_t session, const gnutls_datum_t *req_ca_dn, int nreqs,
	const gnutls_pk_algorithm_t *pk_algos, int pk_algos_length, gnutls_pcert_st **pcert,
	unsigned *pcert_length, gnutls_privkey_t *privkey)
{
	(void)session, (void)req_ca_dn, (void)nreqs, (void)pk_algos, (void)pk_algos_length;
	(void)pcert, (void)pcert_length, (void)privkey;
	return -1;
}

/* One pool serves the request head, the lists parsed from it, and the response head.  The library
 * clears all of it between requests, so it is no larger than it must be. */
static size_t
pool_bytes(const struct gh_listener *listener)
{
	return (size_t)listener->max_head_bytes + POOL_REST_BYTES;
}

/* How strictly requests are parsed.  The library that runs may be newer than the headers; before
 * 0.9.77 the scale was half inverted: -1 refused blanks in field names, 1 did not. */
static int
discipline(void)
{
	const char *version = MHD_get_version();
	bool is_old = strncmp(version, "0.9.", 4) == 0 && strtoul(version + 4, NULL, 10) < 77;

	return is_old ? -1 : 1;
}

static struct MHD_Daemon *
start_daemon(struct gh_port *port, int fd)
{
	const struct gh_listener *l = port->listener;
	struct http_process *process = port->worker->process;
	uint64_t idle_s = (l->idle_ms + 999) / 1000;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)on_certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
			port->mutual != NULL ? (char *)(uintptr_t)MUTUAL_PRIORITIES
					     : process->tls_priorities },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

#if MHD_VERSION >= 0x00097707
	flags |= MHD_USE_NO_THREAD_SAFETY;
#endif
	if (l->tls)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(flags, 0, NULL, NULL, http_conn_on_call, port,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, process,
		MHD_OPTION_LISTEN_SOCKET, fd,
#if MHD_VERSION >= 0x00097701
		MHD_OPTION_CLIENT_DISCIPLINE_LVL, discipline(),
#else
		MHD_OPTION_STRICT_FOR_CLIENT, discipline(),
#endif
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)l->max_connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, port->pool_bytes,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)idle_s,
		MHD_OPTION_NOTIFY_CONNECTION, http_watch_connection, port,
		MHD_OPTION_NOTIFY_COMPLETED, http_conn_on_completed, port,
		MHD_OPTION_URI_LOG_CALLBACK, http_conn_on_target, port,
		MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
		MHD_OPTION_ARRAY, l->tls ? tls : none,
		MHD_OPTION_END);
}

int
http_port_open(void *self, struct gh_worker *worker, const struct gh_listener *listener, int fd,
	void *kport, struct gh_port **ret_port)
{
	struct http_process *process = self;
	struct http_worker **block = gh_worker_data(process->inst, worker);
	struct gh_port *port = calloc(1, sizeof(*port));
	int r = GH_ENOMEM;

	if (port == NULL)
		return r;
	port->worker = *block;
	port->listener = listener;
	port->kport = kport;
	port->pool_bytes = pool_bytes(listener);
	if (listener->chain == GH_CHAIN_CLUSTER)
		port->mutual = process->mutual;
	else if (listener->tls)
		port->identity = http_tls_find(process->tls, listener);
	if (listener->tls && port->identity == NULL && port->mutual == NULL) {
		r = GH_EINVAL; /* prepare() was not called */
		goto out;
	}
	r = GH_EIO;
	port->daemon = start_daemon(port, fd);
	if (port->daemon == NULL) {
		gh_inst_log(process->inst, LOG_ERR, "listener %.*s: libmicrohttpd did not start",
			GH_STR_ARG(listener->name));
		goto out;
	}
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(port->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (info == NULL || uv_poll_init(port->worker->loop, &port->poll, info->epoll_fd) < 0) {
		MHD_quiesce_daemon(port->daemon); /* or stopping would close the kernel's socket */
		MHD_stop_daemon(port->daemon);
		goto out;
	}
	port->poll.data = port;
	uv_poll_start(&port->poll, UV_READABLE, on_poll);
	port->next = port->worker->ports;
	port->worker->ports = port;
	if (port->mutual != NULL)
		uv_timer_start(&port->worker->refresh, on_refresh, HTTP_REFRESH_MS, HTTP_REFRESH_MS);
	http_port_run_soon(port);
	*ret_port = port;
	return GH_OK;
out:
	free(port);
	return r;
}

void
http_port_quiesce(struct gh_port *port)
{
	if (port->is_quiesced)
		return;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(port->daemon, MHD_DAEMON_INFO_LISTEN_FD);
	struct pollfd waiting = { .fd = info != NULL ? info->listen_fd : -1, .events = POLLIN };

	/* Clients in the socket's queue believe that they are connected. */
	for (int i = 0; i < ACCEPT_ROUNDS_MAX && poll(&waiting, 1, 0) > 0; i++) {
		if (port->link_count >= port->listener->max_connections)
			break;
		MHD_run(port->daemon);
	}
	MHD_quiesce_daemon(port->daemon);
	port->is_quiesced = true;
	http_port_run_soon(port);
	http_watch_quiesce(port);
}

unsigned
http_port_connections(struct gh_port *port)
{
	return port->link_count;
}

static void
on_poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
http_port_close(struct gh_port *port)
{
	struct gh_port **at = &port->worker->ports;

	if (!port->is_quiesced)
		MHD_quiesce_daemon(port->daemon); /* the socket stays the kernel's */
	port->is_quiesced = true;
	for (struct link *link = port->links; link != NULL; link = link->next)
		if (link->conn != NULL)
			http_conn_gone(link->conn);
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	uv_poll_stop(&port->poll);
	MHD_stop_daemon(port->daemon);
	uv_close((uv_handle_t *)&port->poll, on_poll_closed);
}

void
http_port_refused(struct gh_port *port, const struct guard_refusal *why, unsigned status,
	const struct link *link)
{
	const struct conn *c = link->conn;
	struct gh_str target = c != NULL ? (struct gh_str){ c->target, c->target_n } : GH_STR_NONE;

	gh_metric_add(port->worker->process->refused_total[why - http_guard_refusals], 1);
	gh_engine_refused(port->kport, status, (struct gh_str){ link->peer, link->peer_n }, target,
		why->why);
}
