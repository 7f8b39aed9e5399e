/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_conn.c
 * @brief One connection to a backend: find an address, connect, shake hands, move bytes.
 *
 * What costs system calls is avoided: READABLE stays armed as long as somebody reads, also while
 * the connection is idle (so its end is noticed); WRITABLE is armed only after a write fell short;
 * the timer is not touched per request, it fires at the earliest time ever asked for and looks at
 * deadline_ms then.
 */
#include "plugins/gateway/upstream_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void connect_next(struct upstream_conn *c);
static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- Deadline ---------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct upstream_conn *c, uint64_t now)
{
	c->timer_ms = c->deadline_ms;
	uv_timer_start(&c->timer, on_timer, c->deadline_ms > now ? c->deadline_ms - now : 0, 0);
}

void
upstream_conn_deadline(struct upstream_conn *c, uint64_t ms)
{
	uint64_t now = uv_now(c->pool->loop);

	c->deadline_ms = ms == UPSTREAM_NO_DEADLINE ? ms : now + ms;
	if (c->deadline_ms < c->timer_ms)
		arm_timer(c, now);
}

/** An attempt, or the whole of connecting, took too long. */
static void
connect_timed_out(struct upstream_conn *c)
{
	struct upstream_exchange *x = c->x;

	if (c->state == UPSTREAM_CONNECTING && c->address_at < c->addresses.n &&
		uv_now(c->pool->loop) < c->connect_until_ms) {
		c->why = "an address of the backend did not answer in time";
		connect_next(c);
		return;
	}
	upstream_failed(x, UPSTREAM_TIMED_OUT, 504,
		c->state == UPSTREAM_RESOLVING ? GH_STR("the name service did not answer in time") :
		c->state == UPSTREAM_HANDSHAKE ? GH_STR("the TLS handshake was not done in time") :
		GH_STR("the connection was not made in time"));
}

static void
on_timer(uv_timer_t *timer)
{
	struct upstream_conn *c = timer->data;
	uint64_t now = uv_now(c->pool->loop);

	c->timer_ms = UPSTREAM_NO_DEADLINE;
	if (now < c->deadline_ms) {
		if (c->deadline_ms != UPSTREAM_NO_DEADLINE)
			arm_timer(c, now);
		return;
	}
	c->deadline_ms = UPSTREAM_NO_DEADLINE;
	switch (c->state) {
	case UPSTREAM_IDLE:
		upstream_conn_close(c);
		break;
	case UPSTREAM_BUSY:
		upstream_on_deadline(c->x);
		break;
	case UPSTREAM_CLOSED:
		break;
	default:
		connect_timed_out(c);
	}
}

/* ---- The socket -------------------------------------------------------------------- */

/** Watch for exactly these events. */
static void
watch(struct upstream_conn *c, int events)
{
	if (c->events == events)
		return;
	c->events = events;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, events, on_poll);
}

static void
on_poll_closed(uv_handle_t *handle)
{
	struct upstream_conn *c = handle->data;

	c->is_polled = false;
	if (c->state == UPSTREAM_NEXT_ADDRESS)
		connect_next(c);
	else
		upstream_conn_recycle(c);
}

static void
close_socket(struct upstream_conn *c)
{
	if (c->is_polled && !uv_is_closing((uv_handle_t *)&c->poll))
		uv_close((uv_handle_t *)&c->poll, on_poll_closed);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->events = 0;
}

static void
drop_buffers(struct upstream_conn *c)
{
	free(c->out);
	free(c->held);
	free(c->spill);
	c->out = c->held = NULL;
	c->spill = NULL;
	c->out_at = c->out_n = c->out_size = c->held_at = c->held_n = 0;
	c->read_soon = c->is_paused = false;
}

void
upstream_conn_close(struct upstream_conn *c)
{
	if (c->state == UPSTREAM_CLOSED)
		return;
	if (c->state == UPSTREAM_IDLE)
		upstream_pool_unlink_idle(c);
	resolve_cancel(&c->query);
	upstream_tls_close(c);
	c->state = UPSTREAM_CLOSED;
	c->x = NULL;
	c->deadline_ms = c->timer_ms = UPSTREAM_NO_DEADLINE;
	uv_timer_stop(&c->timer);
	drop_buffers(c);
	c->peer->open_count--;
	c->pool->counts.open--;
	c->peer = NULL;
	close_socket(c);
	if (!c->is_polled)
		upstream_conn_recycle(c);
}

/* ---- Connecting -------------------------------------------------------------------- */

static const char *
connect_text(int error)
{
	switch (error) {
	case ECONNREFUSED: return "the backend refused the connection";
	case ENETUNREACH: case EHOSTUNREACH: return "the backend cannot be reached";
	case ETIMEDOUT: return "the backend did not answer";
	case EMFILE: case ENFILE: return "there are too many open files";
	case ENOMEM: case ENOBUFS: return "out of memory";
	case EADDRNOTAVAIL: return "there is no free local port";
	default: return "the connection to the backend could not be made";
	}
}

static void
connection_ready(struct upstream_conn *c)
{
	c->state = UPSTREAM_BUSY;
	watch(c, UV_READABLE);
	upstream_begin(c->x);
}

static void
handshake_step(struct upstream_conn *c)
{
	enum upstream_tls_want want;
	char why[256];

	if (upstream_tls_handshake(c, &want, why, sizeof(why)) < 0) {
		struct gh_str copy = gh_txn_strdup(c->x->txn, gh_str_of(why));

		upstream_failed(c->x, UPSTREAM_FAILED, 502, copy);
		return;
	}
	if (want == UPSTREAM_TLS_DONE)
		connection_ready(c);
	else
		watch(c, want == UPSTREAM_TLS_WRITE ? UV_WRITABLE : UV_READABLE);
}

static void
connected(struct upstream_conn *c)
{
	const char *why = NULL;

	c->pool->counts.connects++;
	if (!c->peer->is_tls) {
		connection_ready(c);
		return;
	}
	uint64_t now = uv_now(c->pool->loop);

	c->state = UPSTREAM_HANDSHAKE;
	upstream_conn_deadline(c, c->connect_until_ms > now ? c->connect_until_ms - now : 0);
	if (upstream_tls_open(c, &why) < 0)
		upstream_failed(c->x, UPSTREAM_FAILED, 502, gh_str_of(why));
	else
		handshake_step(c);
}

/** Begin to connect to one address.  @return 0 (the poll handle is there), or an errno. */
static int
try_address(struct upstream_conn *c, union resolve_address *address)
{
	bool is_v6 = address->any.sa_family == AF_INET6;
	socklen_t size = is_v6 ? sizeof(address->v6) : sizeof(address->v4);
	int one = 1;

	if (is_v6)
		address->v6.sin6_port = htons(c->peer->port);
	else
		address->v4.sin_port = htons(c->peer->port);
	c->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, &address->any, size) < 0 && errno != EINPROGRESS)
		return errno;
	if (uv_poll_init(c->pool->loop, &c->poll, c->fd) < 0)
		return ENOMEM;
	c->poll.data = c;
	c->is_polled = true;
	return 0;
}

/** Go on with the next address.  A handle of the last one must be closed first. */
static void
connect_next(struct upstream_conn *c)
{
	uint64_t now = uv_now(c->pool->loop);

	if (c->is_polled) {
		c->state = UPSTREAM_NEXT_ADDRESS;
		close_socket(c);
		return;
	}
	while (c->address_at < c->addresses.n) {
		unsigned left = c->addresses.n - c->address_at;
		int error = try_address(c, &c->addresses.v[c->address_at++]);

		if (error == 0) {
			uint64_t until = c->connect_until_ms > now ? c->connect_until_ms - now : 0;

			c->state = UPSTREAM_CONNECTING;
			upstream_conn_deadline(c, until / left);
			watch(c, UV_WRITABLE);
			return;
		}
		c->why = connect_text(error);
		close_socket(c);
	}
	upstream_failed(c->x, UPSTREAM_FAILED, 502, gh_str_of(c->why));
}

static void
on_addresses(void *arg, const struct resolve_answer *answer)
{
	struct upstream_conn *c = arg;

	c->addresses = *answer;
	c->address_at = 0;
	if (answer->n == 0)
		upstream_failed(c->x, UPSTREAM_FAILED, 502, gh_str_of(answer->why));
	else
		connect_next(c);
}

void
upstream_conn_open(struct upstream_exchange *x)
{
	struct upstream_peer *peer = x->peer;
	struct upstream_pool *pool = peer->pool;

	if (peer->open_count >= pool->options.max_connections) {
		upstream_failed(x, UPSTREAM_FULL, 503,
			GH_STR("the backend has as many connections as it may have"));
		return;
	}
	struct upstream_conn *c = upstream_conn_new(pool);

	if (c == NULL) {
		upstream_failed(x, UPSTREAM_FAILED, 502, GH_STR("out of memory"));
		return;
	}
	c->peer = peer;
	peer->open_count++;
	pool->counts.open++;
	c->x = x;
	x->conn = c;
	c->carried = 0;
	c->is_broken = false;
	c->state = UPSTREAM_RESOLVING;
	c->deadline_ms = c->timer_ms = UPSTREAM_NO_DEADLINE;
	c->connect_until_ms = uv_now(pool->loop) + pool->options.connect_ms;
	upstream_conn_deadline(c, pool->options.connect_ms);
	c->query = (struct resolve_query){ .fn = on_addresses, .arg = c };
	resolve_start(pool->resolver, upstream_peer_host(peer), &c->query);
}

static void
connect_done(struct upstream_conn *c)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error == 0) {
		connected(c);
		return;
	}
	c->why = connect_text(error);
	connect_next(c);
}

/* ---- Writing ----------------------------------------------------------------------- */

bool
upstream_conn_is_full(const struct upstream_conn *c)
{
	return c->out_at < c->out_n || upstream_tls_is_full(c);
}

void
upstream_conn_want_write(struct upstream_conn *c)
{
	watch(c, c->events | UV_WRITABLE);
}

int64_t
upstream_conn_writev(struct upstream_conn *c, struct iovec *iov, int count)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	ssize_t n;

	if (c->tls != NULL) {
		int64_t taken = upstream_tls_write(c, iov, count);

		if (upstream_tls_is_full(c))
			upstream_conn_want_write(c);
		return taken;
	}
	do
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		n = 0;
	return n < 0 ? GH_EIO : n;
}

/** Append what is behind the first @p skip bytes of @p iov to what waits to be written. */
static int
queue(struct upstream_conn *c, const struct iovec *iov, int count, size_t skip)
{
	for (int i = 0; i < count; i++) {
		size_t n = iov[i].iov_len, from = skip < n ? skip : n;

		skip -= from;
		n -= from;
		if (n == 0)
			continue;
		if (c->out_size - c->out_n < n) {
			size_t size = c->out_n + n;
			char *grown = realloc(c->out, size);

			if (grown == NULL)
				return GH_ENOMEM;
			c->out = grown;
			c->out_size = size;
		}
		memcpy(c->out + c->out_n, (const char *)iov[i].iov_base + from, n);
		c->out_n += n;
	}
	return 0;
}

int
upstream_conn_write_all(struct upstream_conn *c, struct iovec *iov, int count)
{
	size_t total = 0, done = 0;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (!upstream_conn_is_full(c)) {
		int64_t n = upstream_conn_writev(c, iov, count);

		if (n < 0)
			return GH_EIO;
		done = (size_t)n;
	}
	if (done == total)
		return 0;
	int r = queue(c, iov, count, done);

	if (r == 0)
		upstream_conn_want_write(c);
	return r;
}

static void
drop_output(struct upstream_conn *c)
{
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_n = c->out_size = 0;
}

/** Write what waits.  @return 0: nothing waits any more; GH_EAGAIN; GH_EIO. */
static int
flush(struct upstream_conn *c)
{
	while (true) {
		int r = c->tls != NULL ? upstream_tls_flush(c) : 0;

		if (r < 0)
			return r;
		if (c->out_at == c->out_n)
			break;
		struct iovec iov = { c->out + c->out_at, c->out_n - c->out_at };
		int64_t n = upstream_conn_writev(c, &iov, 1);

		if (n < 0)
			return GH_EIO;
		if (n == 0)
			return GH_EAGAIN;
		c->out_at += (size_t)n;
	}
	drop_output(c);
	return 0;
}

static void
on_writable(struct upstream_conn *c)
{
	int r = flush(c);

	if (r == GH_EAGAIN) {
		upstream_set_deadline(c->x);
		return;
	}
	watch(c, c->events & ~UV_WRITABLE);
	if (r < 0) {
		drop_output(c);
		upstream_write_failed(c->x);
	} else {
		upstream_on_writable(c->x);
	}
}

/* ---- Reading ----------------------------------------------------------------------- */

int
upstream_conn_hold(struct upstream_conn *c, const char *p, size_t n)
{
	char *copy = malloc(n);

	if (copy == NULL)
		return GH_ENOMEM;
	memcpy(copy, p, n);
	free(c->held);
	c->held = copy;
	c->held_at = 0;
	c->held_n = n;
	c->is_paused = true;
	watch(c, c->events & ~UV_READABLE);
	return 0;
}

void
upstream_conn_resume(struct upstream_conn *c)
{
	free(c->held);
	c->held = NULL;
	c->held_at = c->held_n = 0;
	c->is_paused = false;
	c->read_soon = upstream_tls_has_bytes(c);
	/* The socket is writable nearly always: that wakes us for what TLS has already. */
	watch(c, c->events | UV_READABLE | (c->read_soon ? UV_WRITABLE : 0));
}

void
upstream_conn_rest(struct upstream_conn *c)
{
	free(c->held);
	c->held = NULL;
	c->held_at = c->held_n = 0;
	c->is_paused = c->read_soon = false;
	watch(c, UV_READABLE);
}

/** @return bytes; 0: closed properly; GH_EAGAIN; GH_EIO. */
static int64_t
receive(struct upstream_conn *c)
{
	ssize_t n;

	if (c->tls != NULL)
		return upstream_tls_read(c, c->pool->input, UPSTREAM_READ_SIZE);
	do
		n = recv(c->fd, c->pool->input, UPSTREAM_READ_SIZE, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? GH_EAGAIN : GH_EIO;
	return n;
}

static void
on_readable(struct upstream_conn *c)
{
	struct upstream_exchange *x = c->x;
	uint64_t serial = c->serial;

	c->read_soon = false;
	do {
		int64_t n = receive(c);

		if (n == GH_EAGAIN)
			return;
		if (n <= 0) {
			upstream_on_closed(x, n == 0, n == 0 ? "the backend closed the connection" :
				"the backend broke the connection");
			return;
		}
		upstream_on_bytes(x, c->pool->input, (size_t)n);
	} while (c->serial == serial && !c->is_paused && upstream_tls_has_bytes(c));
}

/** Nothing may come on an idle connection but its end, and records that only TLS sees. */
static void
on_idle_event(struct upstream_conn *c)
{
	if (receive(c) != GH_EAGAIN)
		upstream_conn_close(c);
}

static void
on_busy_event(struct upstream_conn *c, int events)
{
	uint64_t serial = c->serial;

	if (!c->is_paused && ((events & UV_READABLE) != 0 || c->read_soon))
		on_readable(c);
	if ((events & UV_WRITABLE) != 0 && c->serial == serial)
		on_writable(c);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct upstream_conn *c = poll->data;

	if (status < 0) /* the socket has an error: the call that comes next will say which */
		events = c->events;
	switch (c->state) {
	case UPSTREAM_CONNECTING:
		connect_done(c);
		break;
	case UPSTREAM_HANDSHAKE:
		handshake_step(c);
		break;
	case UPSTREAM_BUSY:
		on_busy_event(c, events);
		break;
	case UPSTREAM_IDLE:
		on_idle_event(c);
		break;
	default:
		break;
	}
}
