/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream.c
 * @brief Exchanges: from a suspended transaction to a request on a connection, and back with the
 * head of the response; what fails, what is tried again, and how an exchange ends.
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/gateway/upstream_private.h"

#define SUSPEND_MS 86400000u /* our own deadlines come first */

/* ---- The tie, the head and the deadline -------------------------------------------- */

struct gh_str
upstream_take_head(struct upstream_exchange *x)
{
	struct gh_str head = x->head;

	x->head = GH_STR_NONE;
	if (x->pool->deferred == x) {
		x->pool->deferred = NULL;
		uv_idle_stop(&x->pool->idle);
	}
	return head;
}

struct upstream_conn *
upstream_detach(struct upstream_exchange *x)
{
	struct upstream_conn *c = x->conn;

	upstream_take_head(x);
	x->conn = NULL;
	if (c != NULL) {
		c->x = NULL;
		c->serial++;
	}
	return c;
}

void
upstream_set_deadline(struct upstream_exchange *x)
{
	const struct upstream_options *o = &x->pool->options;
	uint64_t ms = UPSTREAM_NO_DEADLINE; /* it is the client that is waited for */

	if (x->state == UPSTREAM_STREAMING)
		ms = x->conn->is_paused ? ms : o->idle_ms;
	else if (x->is_sent)
		ms = o->head_ms;
	else if (x->sink_waits || x->conn->is_broken || upstream_conn_is_full(x->conn))
		ms = o->idle_ms;
	upstream_conn_deadline(x->conn, ms);
}

/* ---- Failing ----------------------------------------------------------------------- */

void
upstream_stop_sending(struct upstream_exchange *x)
{
	if (x->is_send_stopped || !x->has_sink || x->sink_ended)
		return;
	x->is_send_stopped = true;
	gh_txn_request_drop(x->txn);
}

void
upstream_write_failed(struct upstream_exchange *x)
{
	x->conn->is_broken = true;
	if (x->state == UPSTREAM_STREAMING)
		upstream_stop_sending(x);
}

void
upstream_failed(struct upstream_exchange *x, int error_code, unsigned status, struct gh_str why)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c != NULL ? c->serial : 0;
	struct gh_txn *txn = x->txn;
	bool is_streaming = x->state == UPSTREAM_STREAMING;

	if (x->state == UPSTREAM_OVER || x->state == UPSTREAM_FAILED_STATE)
		return;
	x->pool->counts.failed++;
	x->error_code = error_code;
	x->error_status = status;
	x->why = why;
	if (is_streaming) { /* before that, fail says it */
		gh_log(txn, LOG_WARNING, "backend %.*s:%u: %.*s; the response was cut off",
			GH_STR_ARG(x->endpoint.host), (unsigned)x->endpoint.port, GH_STR_ARG(why));
		upstream_stop_sending(x);
		if (c != NULL && c->serial != serial)
			return;
	}
	upstream_detach(x);
	x->state = is_streaming ? UPSTREAM_OVER : UPSTREAM_FAILED_STATE;
	if (c != NULL)
		upstream_conn_close(c);
	if (is_streaming)
		gh_txn_response_abort(txn);
	else
		gh_resume(x->token);
}

void
upstream_on_deadline(struct upstream_exchange *x)
{
	upstream_failed(x, UPSTREAM_TIMED_OUT, 504,
		x->state == UPSTREAM_STREAMING ? GH_STR("the backend stalled within its response") :
		x->is_sent ? GH_STR("the backend did not answer in time") :
		GH_STR("the backend did not take the request in time"));
}

/* ---- Trying again ------------------------------------------------------------------ */

/** May a request that got no answer be sent once more?  (RFC 9110, 9.2.2; RFC 9112, 9.3.1) */
static bool
may_retry(const struct upstream_exchange *x)
{
	const struct upstream_conn *c = x->conn;

	return c->carried > 1 && c->spill == NULL && !x->is_retried && !x->is_body_touched &&
		(!x->was_written || x->is_idempotent);
}

static void
retry(struct upstream_exchange *x)
{
	upstream_conn_close(upstream_detach(x));
	x->pool->counts.retried++;
	x->is_retried = true;
	x->is_sent = false;
	x->state = UPSTREAM_WAITING;
	upstream_conn_open(x);
}

void
upstream_on_closed(struct upstream_exchange *x, bool is_clean, const char *why)
{
	if (x->state == UPSTREAM_SENDING && may_retry(x))
		retry(x);
	else if (x->state == UPSTREAM_STREAMING && x->framing == H1_UNTIL_CLOSE && is_clean)
		upstream_finish(x, false);
	else
		upstream_failed(x, UPSTREAM_FAILED, 502, gh_str_of(why));
}

/* ---- Sending ----------------------------------------------------------------------- */

static void
send_head(struct upstream_exchange *x)
{
	if (!x->conn->is_broken && upstream_send_rest(x) < 0)
		upstream_write_failed(x);
	upstream_set_deadline(x);
}

void
upstream_send_deferred(struct upstream_pool *pool)
{
	if (pool->deferred != NULL)
		send_head(pool->deferred);
}

static void
on_idle(uv_idle_t *idle)
{
	upstream_send_deferred(idle->data);
}

/** Head and first bytes of the body leave together, if the body comes within this turn of the
 *  loop. */
static void
defer_head(struct upstream_exchange *x)
{
	x->pool->deferred = x;
	uv_idle_start(&x->pool->idle, on_idle);
}

void
upstream_begin(struct upstream_exchange *x)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;
	bool has_body = x->body_length != 0 && !x->sink_ended;

	upstream_send_deferred(x->pool); /* there is one scratch */
	x->state = UPSTREAM_SENDING;
	x->was_written = false;
	x->body_left = x->body_length > 0 ? (uint64_t)x->body_length : 0;
	c->carried++;
	if (upstream_write_head(x) < 0) {
		upstream_failed(x, UPSTREAM_FAILED, 502, GH_STR("the request head is too long or "
			"cannot be written as HTTP/1.1"));
		return;
	}
	if (has_body) {
		x->sink_waits = false;
		if (x->has_sink) {
			gh_txn_request_ready(x->txn);
		} else {
			x->has_sink = true;
			gh_txn_request_sink(x->txn, &upstream_sink, x);
		}
		if (c->serial != serial)
			return;
	}
	if (has_body && !x->sink_ended && x->head.n > 0)
		defer_head(x);
	else
		send_head(x);
}

void
upstream_on_writable(struct upstream_exchange *x)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;

	if (x->sink_waits && !x->is_send_stopped) {
		x->sink_waits = false;
		gh_txn_request_ready(x->txn);
	}
	if (c->serial == serial)
		upstream_set_deadline(x);
}

/* ---- The response head ------------------------------------------------------------- */

/** A head that is not complete waits in a place of its own. */
static int
keep_partial(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;

	if (c->spill != NULL)
		return 0; /* its bytes are there already */
	c->spill = malloc(sizeof(*c->spill));
	if (c->spill == NULL)
		return GH_ENOMEM;
	c->spill->parser = x->pool->head;
	c->spill->n = n;
	memcpy(c->spill->bytes, p, n);
	return 0;
}

/** A complete head: pass it on, and let the transaction run.  @return false: the tie was cut. */
static bool
on_head(struct upstream_exchange *x, const struct h1_response *r, const char *bytes)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;

	uint64_t took_us = (gh_mono_ns() - x->start_ns) / 1000;

	gh_txn_set_attr_int(x->txn, GH_ATTR_UPSTREAM_US, (int64_t)took_us);
	x->framing = r->framing;
	x->is_persistent = r->is_persistent;
	x->left = r->framing == H1_LENGTH ? (uint64_t)r->content_length : 0;
	memset(&x->chunked, 0, sizeof(x->chunked));
	if (upstream_pass_head(x, r, bytes) < 0) {
		upstream_failed(x, UPSTREAM_FAILED, 502,
			GH_STR("the response head of the backend is too large"));
		return false;
	}
	bool is_refusal = r->status >= 400;

	free(c->spill); /* r and bytes may have been in it */
	c->spill = NULL;
	x->state = UPSTREAM_STREAMING;
	if (!x->is_sent && (is_refusal || c->is_broken)) {
		upstream_stop_sending(x);
		if (c->serial != serial)
			return false;
	}
	x->is_suspended = false;
	gh_resume(x->token);
	return c->serial == serial;
}

/** Bytes before the body.  @return how many of them belong to the head; the state says what became
 *  of the exchange, unless the tie was cut. */
static size_t
on_head_bytes(struct upstream_exchange *x, const char *p, size_t n, bool *ret_has_head)
{
	struct upstream_spill *spill = x->conn->spill;
	struct h1_response *parser = spill != NULL ? &spill->parser : &x->pool->head;
	size_t before = 0, used = 0, have = n;
	const char *bytes = p, *why = NULL;

	*ret_has_head = false;
	if (spill != NULL) {
		size_t room = H1_HEAD_MAX - spill->n, more = n < room ? n : room;

		before = spill->n;
		memcpy(spill->bytes + before, p, more);
		spill->n += more;
		bytes = spill->bytes;
		have = spill->n;
	} else {
		h1_response_init(parser, x->is_head);
	}
	int r = h1_response_parse(parser, bytes, have, &used, &why);

	if (r == GH_EAGAIN) {
		if (keep_partial(x, p, n) < 0)
			upstream_failed(x, UPSTREAM_FAILED, 502, GH_STR("out of memory"));
	} else if (r < 0) {
		upstream_failed(x, UPSTREAM_FAILED, 502, gh_txn_printf(x->txn,
			"the response of the backend is malformed: %s", why));
	} else {
		*ret_has_head = on_head(x, parser, bytes);
	}
	return used - (r == 0 ? before : 0);
}

void
upstream_on_bytes(struct upstream_exchange *x, const char *p, size_t n)
{
	struct upstream_conn *c = x->conn;
	uint64_t serial = c->serial;

	if (x->state == UPSTREAM_SENDING && !x->was_written) {
		upstream_on_closed(x, false, "the backend answered before it was asked");
		return;
	}
	if (x->state == UPSTREAM_SENDING) {
		bool has_head;
		size_t used = on_head_bytes(x, p, n, &has_head);

		if (!has_head)
			return;
		p += used;
		n -= used;
	}
	size_t taken = upstream_consume(x, p, n);

	if (c->serial != serial)
		return;
	if (taken < n && upstream_conn_hold(c, p + taken, n - taken) < 0)
		upstream_failed(x, UPSTREAM_FAILED, 502, GH_STR("out of memory"));
	else
		upstream_set_deadline(x);
}

void
upstream_finish(struct upstream_exchange *x, bool has_rest)
{
	struct upstream_conn *c = x->conn;
	struct gh_txn *txn = x->txn;
	uint64_t serial = c->serial;

	if (!x->is_sent) {
		upstream_stop_sending(x);
		if (c->serial != serial)
			return;
	}
	bool is_clean = x->is_persistent && x->is_sent && !has_rest && !c->is_broken &&
		!upstream_conn_is_full(c) && !upstream_tls_has_bytes(c);

	upstream_detach(x);
	x->state = UPSTREAM_OVER;
	upstream_tls_keep_session(c);
	if (is_clean)
		upstream_pool_keep(c);
	else
		upstream_conn_close(c);
	gh_txn_response_end(txn);
}

/* ---- Between hook and exchange ----------------------------------------------------- */

/** The exchange has come to a response head, or to nothing. */
static enum gh_verdict
on_resumed(struct gh_txn *txn, enum gh_reason reason)
{
	struct upstream_exchange *x = gh_txn_slot(txn, sizeof(*x));

	x->is_suspended = false;
	if (reason == GH_CANCELLED) {
		struct upstream_conn *c = upstream_detach(x);

		x->state = UPSTREAM_OVER;
		if (c != NULL)
			upstream_conn_close(c);
		return GH_STOP;
	}
	if (reason == GH_DEADLINE)
		upstream_failed(x, UPSTREAM_TIMED_OUT, 504,
			GH_STR("the backend did not answer in time"));
	if (x->state != UPSTREAM_FAILED_STATE)
		return GH_NEXT;
	enum gh_verdict verdict = x->fail(txn, x->error_code, x->error_status);

	if (verdict != GH_SUSPEND)
		upstream_stop_sending(x);
	return verdict;
}

static bool
is_idempotent(struct gh_str method)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (gh_str_eq(method, gh_str_of(methods[i])))
			return true;
	return false;
}

/** Another endpoint may be asked for a transaction: what the kernel knows of the sink stays. */
static void
exchange_init(struct upstream_exchange *x, struct upstream_pool *pool, struct gh_txn *txn)
{
	struct gh_str method = gh_txn_attr(txn, GH_ATTR_METHOD);

	*x = (struct upstream_exchange){
		.txn = txn, .pool = pool, .start_ns = gh_mono_ns(),
		.is_head = gh_str_eq(method, GH_STR("HEAD")),
		.is_idempotent = is_idempotent(method),
		.body_length = gh_txn_request_length(txn),
		.has_sink = x->has_sink, .sink_ended = x->sink_ended,
		.is_body_touched = x->is_body_touched, .sink_waits = x->sink_waits,
	};
}

enum gh_verdict
upstream_start(struct upstream_pool *pool, struct gh_txn *txn,
	const struct upstream_endpoint *endpoint, struct gh_str target, upstream_fail_fn *fail)
{
	struct upstream_exchange *x = gh_txn_slot(txn, sizeof(*x));

	if (x == NULL)
		return GH_FAIL;
	exchange_init(x, pool, txn);
	x->endpoint = *endpoint;
	x->target = target;
	x->fail = fail;
	x->peer = upstream_peer_of(pool, endpoint);
	if (x->peer == NULL || x->is_body_touched) {
		x->why = x->peer == NULL ? GH_STR("out of memory") :
			GH_STR("a part of the request body is gone");
		return fail(txn, UPSTREAM_FAILED, 502);
	}
	gh_txn_set_attr(txn, GH_ATTR_UPSTREAM,
		gh_txn_strdup(txn, (struct gh_str){ x->peer->name, x->peer->name_n }));
	pool->counts.requests++;
	x->token = gh_txn_suspend(txn, SUSPEND_MS, on_resumed);
	x->is_suspended = true;
	x->state = UPSTREAM_WAITING;
	if (upstream_pool_take(x) != NULL) {
		pool->counts.reused++;
		upstream_begin(x);
	} else {
		upstream_conn_open(x);
	}
	return GH_SUSPEND;
}

struct gh_str
upstream_why(struct gh_txn *txn)
{
	const struct upstream_exchange *x = gh_txn_slot(txn, sizeof(*x));

	return x != NULL ? x->why : GH_STR_NONE;
}
