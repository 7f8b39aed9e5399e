/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file watch.c
 * @brief Connections, their deadlines, and clients that leave.
 *
 * The library's only timer is one of inactivity, which a byte now and then keeps from firing, and
 * it watches suspended connections not at all.  So heads have a deadline of their own, bodies must
 * make progress, and the sockets of requests that have waited for a while are asked whether the
 * client is still there: with one poll() for all of them, four times a second, which fast requests
 * never see.
 */
#include "config.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <syslog.h>
#include <sys/socket.h>

#include "plugins/http/http.h"

#define TICKS_PER_SWEEP (1000 / HTTP_TICK_MS)

struct watch_set {
	size_t size;
	struct pollfd *fds;
	struct conn **conns;
};

/* ---- Connections ----------------------------------------------------------------------------- */

static void
set_peer(struct link *link, const struct sockaddr *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const char *text = NULL;

	if (address->sa_family == AF_INET)
		text = inet_ntop(AF_INET, &v4->sin_addr, link->peer, sizeof(link->peer));
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		text = inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], link->peer,
			sizeof(link->peer));
	else if (address->sa_family == AF_INET6)
		text = inet_ntop(AF_INET6, &v6->sin6_addr, link->peer, sizeof(link->peer));
	link->peer_n = text != NULL ? strlen(text) : 0;
}

/* Certificates, before the handshake. */
static bool
set_session(struct gh_port *port, struct link *link, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (!port->listener->tls)
		return true;
	if (info == NULL)
		return false;
	if (port->mutual == NULL)
		return http_tls_session_setup(port->identity, info->tls_session) == GH_OK;
	link->credentials = http_mutual_setup(port->mutual, info->tls_session);
	return link->credentials != NULL;
}

static struct link *
link_new(struct gh_port *port, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct link *link = calloc(1, sizeof(*link));

	if (info == NULL || link == NULL) {
		free(link);
		return NULL;
	}
	link->fd = info->connect_fd;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info != NULL && info->client_addr != NULL)
		set_peer(link, info->client_addr);
	if (!set_session(port, link, mhd)) {
		free(link);
		return NULL;
	}
	return link;
}

static void
count(struct http_worker *w, int step)
{
	w->connections += step;
	gh_metric_set(w->counts->connections_now, w->connections);
	if (step > 0)
		gh_metric_add(w->counts->connections_total, 1);
}

void
http_watch_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct gh_port *port = cls;
	struct link *link = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		link = *socket_context = link_new(port, mhd);
		if (link == NULL)
			return; /* its requests are refused */
		link->next = port->links;
		if (link->next != NULL)
			link->next->prev = link;
		port->links = link;
		port->link_count++;
		http_watch_head(port, link,
			port->is_quiesced ? HTTP_GRACE_MS : port->listener->head_ms);
		http_port_watch(port);
		count(port->worker, 1);
		return;
	}
	if (link == NULL)
		return;
	if (link->prev != NULL)
		link->prev->next = link->next;
	else
		port->links = link->next;
	if (link->next != NULL)
		link->next->prev = link->prev;
	port->link_count--;
	count(port->worker, -1);
	http_mutual_release(link->credentials);
	free(link->caller);
	free(link);
	*socket_context = NULL;
}

struct link *
http_watch_link(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

void
http_watch_head(struct gh_port *port, struct link *link, uint64_t ms)
{
	link->head_deadline_ms = ms > 0 ? uv_now(port->worker->loop) + ms : 0;
}

/* The library notices by itself and tells through its callbacks. */
static void
shut(struct gh_port *port, struct link *link)
{
	shutdown(link->fd, SHUT_RDWR);
	link->head_deadline_ms = 0;
	http_port_run_soon(port);
}

void
http_watch_quiesce(struct gh_port *port)
{
	uint64_t now = uv_now(port->worker->loop);

	for (struct link *link = port->links; link != NULL; link = link->next) {
		struct pollfd fd = { .fd = link->fd, .events = POLLIN };
		uint64_t wait_ms = HTTP_GRACE_MS;

		if (link->conn != NULL)
			continue;
		/* Not at once: the next request may be on its way. */
		if (link->requests > 0 && poll(&fd, 1, 0) == 0)
			wait_ms = HTTP_LINGER_MS;
		if (link->head_deadline_ms > now + wait_ms)
			link->head_deadline_ms = now + wait_ms;
	}
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

static void
check_head(struct gh_port *port, struct link *link, uint64_t now)
{
	struct conn *c = link->conn;

	if (link->head_deadline_ms == 0 || link->head_deadline_ms > now)
		return;
	if (!port->is_quiesced || c != NULL)
		http_port_refused(port, &http_guard_refusals[GUARD_SLOW_HEAD], 408, link);
	if (c != NULL)
		c->is_refused = true;
	shut(port, link);
}

/* Only while the body waits for the client, not for its consumer. */
static void
check_body(struct gh_port *port, struct link *link, uint64_t now)
{
	struct conn *c = link->conn;

	if (c == NULL || c->stage != STAGE_BODY || c->is_suspended ||
		now - c->stall_since_ms < port->worker->process->options.body_stall.v)
		return;
	if (c->body_seen - c->stall_seen < HTTP_STALL_BYTES) {
		gh_inst_log(port->worker->process->inst, LOG_INFO,
			"closing a connection from %s: its request body does not come", link->peer);
		shut(port, link);
	}
	c->stall_seen = c->body_seen;
	c->stall_since_ms = now;
}

/* Nodes that were removed, or whose certificate has ended, get nothing more, also of a long answer. */
static void
check_caller(struct gh_port *port, struct link *link)
{
	if (link->caller == NULL || http_mutual_is_good(port->mutual, link->caller))
		return;
	gh_inst_log(port->worker->process->inst, LOG_NOTICE, "closing a connection of node %s, which is "
		"no member of the cluster any more or whose certificate has ended", link->caller->node);
	if (link->conn != NULL)
		http_conn_gone(link->conn);
	shut(port, link);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

static bool
set_reserve(struct http_worker *w, size_t n)
{
	if (w->watched == NULL && (w->watched = calloc(1, sizeof(*w->watched))) == NULL)
		return false;
	struct watch_set *set = w->watched;

	if (n <= set->size)
		return true;
	struct pollfd *fds = realloc(set->fds, n * sizeof(*fds));

	if (fds == NULL)
		return false;
	set->fds = fds;
	struct conn **conns = realloc(set->conns, n * sizeof(*conns));

	if (conns == NULL)
		return false;
	set->conns = conns;
	set->size = n;
	return true;
}

static void
check_suspended(struct gh_port *port, uint64_t now)
{
	struct http_worker *w = port->worker;
	size_t n = 0;

	if (port->suspended_first == NULL ||
		now - port->suspended_first->suspended_at_ms < HTTP_PATIENCE_MS ||
		!set_reserve(w, port->suspended_count))
		return;
	struct watch_set *set = w->watched;

	for (struct conn *c = port->suspended_first;
		c != NULL && now - c->suspended_at_ms >= HTTP_PATIENCE_MS; c = c->next) {
		set->fds[n] = (struct pollfd){ .fd = c->link->fd, .events = POLLRDHUP };
		set->conns[n++] = c;
	}
	if (poll(set->fds, n, 0) <= 0)
		return;
	/* Ending one may wake others, but none is freed before the library runs. */
	for (size_t i = 0; i < n; i++)
		if (set->fds[i].revents != 0 && set->conns[i]->is_suspended)
			http_conn_gone(set->conns[i]);
}

/* The library does not hear of an end that came together with the last bytes: a head or a body that
 * cannot be completed any more would be awaited until its deadline. */
static void
check_end(struct gh_port *port, struct link *link)
{
	const struct conn *c = link->conn;
	bool is_body = c != NULL && c->stage == STAGE_BODY && !c->is_suspended;
	char byte;

	if ((is_body || link->head_deadline_ms != 0) &&
		recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		shut(port, link);
}

void
http_watch_tick(struct http_worker *w)
{
	uint64_t now = uv_now(w->loop);
	bool is_sweep = ++w->tick_count % TICKS_PER_SWEEP == 0;

	for (struct gh_port *port = w->ports; port != NULL; port = port->next) {
		check_suspended(port, now);
		for (struct link *link = port->links; port->mutual != NULL && link != NULL;
			link = link->next)
			check_caller(port, link);
		for (struct link *link = port->links; (is_sweep || port->is_quiesced) && link != NULL;
			link = link->next) {
			check_head(port, link, now);
			check_body(port, link, now);
			check_end(port, link);
		}
	}
}

void
http_watch_done(struct http_worker *w)
{
	if (w->watched == NULL)
		return;
	free(w->watched->fds);
	free(w->watched->conns);
	free(w->watched);
	w->watched = NULL;
}
