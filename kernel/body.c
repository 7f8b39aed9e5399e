/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file body.c
 * @brief Bodies in both directions: borrowed slices, back-pressure, or held whole when a policy asks.
 */
#include <string.h>

#include "kernel/base.h"
#include "kernel/txn.h"

/* A body that was waited for has come to its end, or never will: the response follows. */
static void
respond(struct gh_txn *txn)
{
	txn->state = KRN_TXN_RUNNING;
	krn_txn_enter_phase(txn, GH_RESPONSE);
	krn_txn_run(txn);
}

/* ---- Request body: engine -> (whole) -> sink --------------------------------------------------- */

/* The engine may go on, if it was refused before. */
static void
engine_ready(struct gh_txn *txn)
{
	if (!txn->req.engine_waits)
		return;
	txn->req.engine_waits = false;
	txn->ops->ready(txn->conn);
}

void
krn_request_push(struct gh_txn *txn)
{
	struct krn_request *req = &txn->req;

	if (req->sink == NULL || req->sink_ended)
		return;
	while (req->offered < req->whole.n) {
		size_t n = req->sink->data(req->sink_ctx, req->whole.p + req->offered,
			req->whole.n - req->offered);

		if (n == 0 || req->sink == NULL)
			return;
		req->offered += n;
	}
	if (req->is_complete && !req->sink_ended) {
		req->sink_ended = true;
		req->sink->end(req->sink_ctx);
		return;
	}
	if (!req->is_complete)
		engine_ready(txn);
}

/* A whole body was asked for: keep it.  @return bytes taken. */
static size_t
keep(struct gh_txn *txn, const char *p, size_t n)
{
	struct krn_request *req = &txn->req;
	int r = buffer_add(&req->whole, p, n, req->cap);

	if (r == GH_OK)
		return n;
	req->is_dropped = true;
	req->refused = r == GH_ETOOBIG ? 413 : 503;
	if (txn->state == KRN_TXN_WAIT_REQUEST) {
		txn->state = KRN_TXN_RUNNING;
		krn_txn_run(txn);
	} /* else the end of the phase answers: a hook may be waiting for something else just now */
	return n;
}

bool
krn_request_refused(struct gh_txn *txn)
{
	struct krn_request *req = &txn->req;

	if (req->is_wanted && req->whole.n > req->cap) /* a later hook wanted less */
		req->refused = 413;
	if (req->refused == 413)
		krn_txn_reply_error(txn, 413, "Content Too Large",
			"The request body is longer than this resource accepts.");
	else if (req->refused != 0)
		krn_txn_reply_error(txn, 503, "Service Unavailable", "Out of memory.");
	return req->refused != 0;
}

size_t
gh_engine_body(struct gh_txn *txn, const char *p, size_t n)
{
	struct krn_request *req = &txn->req;
	size_t taken;

	krn_txn_enter(txn);
	if (req->is_dropped || txn->is_finished || (txn->phase >= GH_RESPONSE && req->sink == NULL))
		taken = n; /* answered, perhaps without the body, which nobody takes any more */
	else if (req->is_wanted)
		taken = keep(txn, p, n);
	else if (req->sink != NULL)
		taken = req->sink_ended ? n : req->sink->data(req->sink_ctx, p, n);
	else
		taken = 0;
	req->engine_waits = taken < n;
	krn_txn_leave(txn);
	return taken;
}

void
gh_engine_body_end(struct gh_txn *txn)
{
	struct krn_request *req = &txn->req;

	krn_txn_enter(txn);
	req->is_complete = true;
	if (txn->state == KRN_TXN_WAIT_REQUEST) {
		txn->state = KRN_TXN_RUNNING;
		krn_txn_run(txn);
	} else {
		krn_request_push(txn);
	}
	krn_txn_leave(txn);
}

int64_t
gh_txn_request_length(const struct gh_txn *txn)
{
	const struct krn_request *req = &txn->req;

	return req->is_wanted && req->is_complete ? (int64_t)req->whole.n : req->length;
}

void
gh_txn_request_sink(struct gh_txn *txn, const struct gh_sink *sink, void *ctx)
{
	if (gh_txn_is_dry_run(txn)) {
		sink->abort(ctx);
		return;
	}
	txn->req.sink = sink;
	txn->req.sink_ctx = ctx;
	krn_request_push(txn);
}

void
gh_txn_request_ready(struct gh_txn *txn)
{
	krn_txn_enter(txn);
	krn_request_push(txn);
	krn_txn_leave(txn);
}

void
gh_txn_request_drop(struct gh_txn *txn)
{
	/* With a sink it is that one's owner who asks, also when a dry run happens to be suspended. */
	if (txn->req.sink == NULL && gh_txn_is_dry_run(txn))
		return;
	txn->req.sink = NULL;
	txn->req.is_dropped = true;
	if (!txn->is_finished)
		engine_ready(txn);
}

/* ---- Response body: source -> (whole) -> engine ------------------------------------------------ */

static void
send_end(struct gh_txn *txn)
{
	if (txn->resp.end_sent)
		return;
	txn->resp.end_sent = true;
	txn->ops->end(txn->conn);
}

void
krn_response_push(struct gh_txn *txn)
{
	struct krn_response *resp = &txn->resp;

	if (!resp->head_sent || resp->end_sent || txn->is_finished)
		return;
	bool is_whole = resp->mode == KRN_RESPONSE_REPLY || resp->is_wanted;

	if (is_whole && !resp->is_bodiless) {
		while (resp->sent < resp->whole.n) {
			size_t n = txn->ops->body(txn->conn, resp->whole.p + resp->sent,
				resp->whole.n - resp->sent);

			if (n == 0)
				return;
			resp->sent += n;
		}
	}
	if (is_whole || resp->is_ended) {
		send_end(txn);
	} else if (resp->source_waits) {
		resp->source_waits = false;
		resp->source->ready(resp->source_ctx);
	}
}

void
krn_txn_send(struct gh_txn *txn)
{
	struct krn_response *resp = &txn->resp;
	struct gh_str method = gh_txn_attr(txn, GH_ATTR_METHOD);

	if (resp->mode == KRN_RESPONSE_REPLY || resp->is_wanted)
		resp->length = gh_str_eq(method, GH_STR("HEAD")) && resp->mode == KRN_RESPONSE_STREAM
				? resp->length
				: (int64_t)resp->whole.n;
	resp->is_bodiless = gh_str_eq(method, GH_STR("HEAD")) || resp->status == 204 ||
		resp->status == 304;
	resp->head_sent = true;
	txn->ops->head(txn->conn, resp->status, resp->length, resp->fields.v, resp->fields.n,
		!atomic_load_explicit(&txn->worker->node->is_serving, memory_order_relaxed));
	if (!txn->is_finished)
		krn_response_push(txn);
	if (!txn->is_finished && txn->req.sink == NULL)
		engine_ready(txn); /* nobody took the request's body: the engine may drop it now */
}

void
gh_txn_response_stream(struct gh_txn *txn, int64_t length, const struct gh_source *source, void *ctx)
{
	struct krn_response *resp = &txn->resp;

	if (gh_txn_is_dry_run(txn)) {
		source->cancel(ctx);
		return;
	}
	if (resp->mode == KRN_RESPONSE_STREAM && !resp->is_ended)
		resp->source->cancel(resp->source_ctx); /* another one takes its place */
	resp->mode = KRN_RESPONSE_STREAM;
	resp->length = length;
	resp->source = source;
	resp->source_ctx = ctx;
	resp->is_ended = resp->source_waits = false;
	resp->whole.n = 0;
}

/* The response is held whole for the response phase. */
static size_t
collect(struct gh_txn *txn, const char *p, size_t n)
{
	struct krn_response *resp = &txn->resp;
	int r = buffer_add(&resp->whole, p, n, resp->cap);

	if (r == GH_OK)
		return n;
	resp->is_wanted = false;
	resp->is_ended = true;
	resp->source->cancel(resp->source_ctx);
	krn_txn_reply_error(txn, 502, "Bad Gateway",
		"The response body is longer than a policy on it accepts.");
	respond(txn);
	return 0;
}

bool
krn_response_await(struct gh_txn *txn)
{
	struct krn_response *resp = &txn->resp;

	if (resp->mode != KRN_RESPONSE_STREAM || !resp->is_wanted || resp->is_ended)
		return false;
	txn->state = KRN_TXN_WAIT_RESPONSE;
	if (resp->source_waits) {
		resp->source_waits = false;
		resp->source->ready(resp->source_ctx);
	}
	return true;
}

size_t
gh_txn_response_data(struct gh_txn *txn, const char *p, size_t n)
{
	struct krn_response *resp = &txn->resp;
	size_t taken = 0;

	if (resp->is_ended || resp->mode != KRN_RESPONSE_STREAM)
		return n;
	krn_txn_enter(txn);
	if (resp->is_wanted && txn->state == KRN_TXN_WAIT_RESPONSE)
		taken = collect(txn, p, n);
	else if (resp->head_sent)
		taken = resp->is_bodiless ? n : txn->ops->body(txn->conn, p, n);
	if (!resp->is_ended)
		resp->source_waits = taken < n;
	krn_txn_leave(txn);
	return taken;
}

void
gh_txn_response_end(struct gh_txn *txn)
{
	struct krn_response *resp = &txn->resp;

	if (resp->is_ended)
		return;
	krn_txn_enter(txn);
	resp->is_ended = true;
	resp->source_waits = false;
	if (txn->state == KRN_TXN_WAIT_RESPONSE)
		respond(txn);
	else
		krn_response_push(txn);
	krn_txn_leave(txn);
}

void
gh_txn_response_abort(struct gh_txn *txn)
{
	struct krn_response *resp = &txn->resp;

	if (resp->is_ended)
		return;
	krn_txn_enter(txn);
	resp->is_ended = true;
	resp->source_waits = false;
	if (resp->head_sent) {
		resp->end_sent = true;
		txn->ops->abort(txn->conn);
	} else { /* nothing was promised to the client yet */
		krn_txn_reply_error(txn, 502, "Bad Gateway", "The backend broke off its response.");
		if (txn->state == KRN_TXN_WAIT_RESPONSE)
			respond(txn);
	}
	krn_txn_leave(txn);
}

void
gh_engine_drained(struct gh_txn *txn)
{
	krn_txn_enter(txn);
	krn_response_push(txn);
	krn_txn_leave(txn);
}

/* ---- Whole bodies ------------------------------------------------------------------------------ */

int
gh_txn_body_want(struct gh_txn *txn, enum gh_side side, uint64_t cap)
{
	if (gh_txn_is_dry_run(txn)) /* a wish could end in 413 or 502 */
		return GH_OK;
	if (side == GH_SIDE_REQUEST) {
		if (txn->phase >= GH_UPSTREAM)
			return GH_EINVAL;
		if (txn->req.is_wanted && txn->req.cap <= cap)
			return GH_OK; /* the smallest cap holds */
		txn->req.is_wanted = true;
		txn->req.cap = cap;
		if (txn->req.length == 0)
			txn->req.is_complete = true;
		engine_ready(txn);
		return GH_OK;
	}
	if (txn->phase >= GH_RESPONSE)
		return GH_EINVAL;
	if (!txn->resp.is_wanted || cap < txn->resp.cap)
		txn->resp.cap = cap;
	txn->resp.is_wanted = true;
	return GH_OK;
}

struct gh_str
gh_txn_body(const struct gh_txn *txn, enum gh_side side)
{
	const struct buffer *b = side == GH_SIDE_REQUEST ? &txn->req.whole : &txn->resp.whole;
	bool is_there = side == GH_SIDE_REQUEST
		? txn->req.is_wanted && txn->req.is_complete
		: txn->resp.mode == KRN_RESPONSE_REPLY || (txn->resp.is_wanted && txn->resp.is_ended);

	if (!is_there)
		return GH_STR_NONE;
	return b->n > 0 ? (struct gh_str){ b->p, b->n } : GH_STR("");
}

int
gh_txn_body_set(struct gh_txn *txn, enum gh_side side, struct gh_str body)
{
	if (gh_txn_body(txn, side).p == NULL)
		return GH_EINVAL;
	if (gh_txn_is_dry_run(txn))
		return GH_OK;
	struct buffer *b = side == GH_SIDE_REQUEST ? &txn->req.whole : &txn->resp.whole;
	struct buffer fresh = { .p = NULL };
	int r = buffer_add(&fresh, body.p, body.n, SIZE_MAX / 4);

	if (r < 0)
		return r;
	buffer_done(b);
	*b = fresh;
	return GH_OK;
}
