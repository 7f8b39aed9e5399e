/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_body.c
 * @brief Bodies of an exchange: request bytes are framed and written, response bytes are unframed
 * and offered.  Neither side is read faster than the other takes.
 */
#include "plugins/gateway/upstream_private.h"

/* ---- Request: transaction -> connection -------------------------------------------- */

static struct iovec
iovec_of(struct gh_str s)
{
	return (struct iovec){ (void *)(uintptr_t)s.p, s.n };
}

/** The request is complete: the backend's turn. */
static void
request_sent(struct upstream_exchange *x)
{
	x->is_sent = true;
	if (x->conn != NULL)
		upstream_set_deadline(x);
}

/** Body of a known length: written as it is.  @return bytes taken. */
static size_t
send_plain(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;
	struct gh_str head = upstream_take_head(x);
	struct iovec iov[2] = { iovec_of(head), { (void *)(uintptr_t)p, n } };

	if (n > x->body_left) /* the engine counts; this is a second lock */
		iov[1].iov_len = (size_t)x->body_left;
	int64_t written = upstream_conn_writev(c, iov + (head.n == 0), head.n == 0 ? 1 : 2);

	if (written < 0) {
		upstream_write_failed(x);
		return 0;
	}
	x->was_written |= written > 0;
	if ((size_t)written < head.n) {
		struct iovec rest = { iov[0].iov_base, head.n };

		rest.iov_base = (char *)rest.iov_base + written;
		rest.iov_len -= (size_t)written;
		if (upstream_conn_write_all(c, &rest, 1) < 0)
			upstream_write_failed(x);
		return 0;
	}
	size_t taken = (size_t)written - head.n;

	x->body_left -= taken;
	if (x->body_left == 0)
		request_sent(x);
	return taken;
}

/** Body of unknown length: each slice becomes a chunk.  @return bytes taken. */
static size_t
send_chunk(struct upstream_exchange *x, const char *p, size_t n)
{
	char prefix[H1_CHUNK_PREFIX_MAX];
	size_t size = n < UPSTREAM_CHUNK_MAX ? n : UPSTREAM_CHUNK_MAX;
	struct iovec iov[4] = { iovec_of(upstream_take_head(x)),
		{ prefix, h1_chunk_prefix(size, prefix) }, { (void *)(uintptr_t)p, size },
		iovec_of(GH_STR("\r\n")) };

	if (upstream_conn_write_all(x->conn, iov, 4) < 0) {
		upstream_write_failed(x);
		return 0;
	}
	x->was_written = true;
	return size;
}

/** Does the connection take request bytes now? */
static bool
can_send(const struct upstream_exchange *x)
{
	return (x->state == UPSTREAM_SENDING || x->state == UPSTREAM_STREAMING) &&
		x->conn != NULL && !x->conn->is_broken && !x->is_send_stopped;
}

/** Kernel: take body bytes. */
static size_t
on_data(void *ctx, const char *p, size_t n)
{
	struct upstream_exchange *x = ctx;
	size_t taken = 0, some = 1;

	if (x->is_send_stopped || x->is_sent || x->state == UPSTREAM_OVER)
		return n; /* nobody wants them */
	while (some > 0 && taken < n && can_send(x) && !x->is_sent &&
		!upstream_conn_is_full(x->conn)) {
		some = x->body_length < 0 ? send_chunk(x, p + taken, n - taken) :
			send_plain(x, p + taken, n - taken);
		taken += some;
	}
	x->is_body_touched |= taken > 0;
	x->sink_waits = taken < n;
	if (can_send(x)) {
		if (x->sink_waits)
			upstream_conn_want_write(x->conn);
		upstream_set_deadline(x);
	}
	return taken;
}

int
upstream_send_rest(struct upstream_exchange *x)
{
	bool is_end = x->sink_ended && x->body_length < 0 && !x->is_sent;
	struct gh_str head = upstream_take_head(x);
	struct iovec iov[2] = { iovec_of(head), iovec_of(GH_STR("0\r\n\r\n")) };
	int first = head.n == 0, count = (head.n > 0) + is_end;

	if (count > 0) {
		if (upstream_conn_write_all(x->conn, iov + first, count) < 0)
			return GH_EIO;
		x->was_written = true;
	}
	if (is_end || x->body_length == 0)
		request_sent(x);
	return 0;
}

/** Kernel: the client left or broke the framing. */
static void
on_abort(void *ctx)
{
	struct upstream_exchange *x = ctx;

	x->sink_ended = true;
	if (x->state == UPSTREAM_OVER || x->state == UPSTREAM_FAILED_STATE)
		return;
	if (x->is_suspended) {
		upstream_failed(x, UPSTREAM_FAILED, 502,
			GH_STR("the request body was not completed"));
		return;
	}
	struct upstream_conn *c = upstream_detach(x);

	x->state = UPSTREAM_OVER; /* source->cancel follows, and finds nothing left to do */
	if (c != NULL)
		upstream_conn_close(c);
}

/** Kernel: the body is complete. */
static void
on_end(void *ctx)
{
	struct upstream_exchange *x = ctx;

	x->sink_ended = true;
	x->sink_waits = false;
	if (!can_send(x))
		return; /* upstream_begin() will see to it, or nobody wants it */
	if (x->body_length > 0 && x->body_left > 0)
		on_abort(x); /* the engine promised more */
	else if (upstream_send_rest(x) < 0)
		upstream_write_failed(x);
}

const struct gh_sink upstream_sink = { .data = on_data, .end = on_end, .abort = on_abort };

/* ---- Response: connection -> transaction ------------------------------------------- */

/** Offer bytes as long as they are taken.  @return bytes taken; the tie may be cut afterwards. */
static size_t
offer(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;
	size_t taken = 0;
	bool again = true;

	while (again && taken < n) {
		x->is_pushing = true;
		x->is_ready_again = false;
		taken += gh_txn_response_data(x->txn, p + taken, n - taken);
		if (c->serial != serial)
			break;
		x->is_pushing = false;
		again = x->is_ready_again;
	}
	return taken;
}

/** Each takes what it can and says how much: less than all of it means that the client is slow,
 *  that the response is complete, or that the exchange is over. */
typedef size_t consume_fn(struct upstream_exchange *x, const char *p, size_t n);

static size_t
consume_nothing(struct upstream_exchange *x, const char *p, size_t n)
{
	(void)p;
	upstream_finish(x, n > 0);
	return 0;
}

static size_t
consume_length(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;
	size_t want = n < x->left ? n : (size_t)x->left;
	size_t taken = offer(x, p, want);

	if (c->serial != serial)
		return taken;
	x->left -= taken;
	if (x->left == 0)
		upstream_finish(x, n > taken);
	return taken;
}

static size_t
consume_until_close(struct upstream_exchange *x, const char *p, size_t n)
{
	return offer(x, p, n);
}

static size_t
consume_chunked(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;
	size_t at = 0;

	while (true) {
		struct gh_str data;
		size_t used = 0;
		const char *why = NULL;
		int r = h1_chunked_next(&x->chunked, p + at, n - at, &used, &data, &why);

		if (r == GH_EAGAIN)
			return n;
		if (r < 0) {
			upstream_failed(x, UPSTREAM_FAILED, 502, gh_str_of(why));
			return at;
		}
		at += used;
		if (data.n == 0) {
			upstream_finish(x, at < n);
			return at;
		}
		size_t taken = offer(x, data.p, data.n);

		at += taken;
		if (c->serial != serial)
			return at;
		h1_chunked_took(&x->chunked, taken);
		if (taken < data.n)
			return at;
	}
}

size_t
upstream_consume(struct upstream_exchange *x, const char *p, size_t n)
{
	static consume_fn *const by_framing[] = {
		[H1_NO_BODY] = consume_nothing, [H1_LENGTH] = consume_length,
		[H1_CHUNKED] = consume_chunked, [H1_UNTIL_CLOSE] = consume_until_close,
	};

	return by_framing[x->framing](x, p, n);
}

/** Kernel: the client can take more. */
static void
on_ready(void *ctx)
{
	struct upstream_exchange *x = ctx;
	struct upstream_conn *c = x->conn;

	if (x->is_pushing) {
		x->is_ready_again = true;
		return;
	}
	if (x->state != UPSTREAM_STREAMING || c == NULL || c->held == NULL)
		return;
	uint64_t serial = c->serial;
	size_t n = c->held_n - c->held_at;
	size_t taken = upstream_consume(x, c->held + c->held_at, n);

	if (c->serial != serial)
		return;
	c->held_at += taken;
	if (taken == n)
		upstream_conn_resume(c);
	upstream_set_deadline(x);
}

/** Kernel: the client left. */
static void
on_cancel(void *ctx)
{
	struct upstream_exchange *x = ctx;
	struct upstream_conn *c = upstream_detach(x);

	x->state = UPSTREAM_OVER;
	if (c != NULL)
		upstream_conn_close(c);
}

const struct gh_source upstream_source = { .ready = on_ready, .cancel = on_cancel };
