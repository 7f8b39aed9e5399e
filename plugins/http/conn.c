/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file conn.c
 * @brief One request: the library's handler calls on one side, the kernel's calls on the other.
 *
 * The library calls the handler once with the head, then with body bytes, then without until a
 * response is queued, and again after every resume; so the request has a stage, and calls are not
 * counted.  A response queued in the head stage closes the connection: that is for refusals and for
 * bodies that nobody wants to read.  All others are queued when the request is complete.
 *
 * The kernel may answer at any time, also from within the calls made here; it only leaves marks in
 * struct reply, and the connection is woken if it sleeps.
 */
#include "config.h"

#include <stdlib.h>

#include "plugins/http/http.h"

#define FREE_CONNS_MAX 1024u
#define FIRST_FIELDS 32u
#define POOL_ENTRY_BYTES 72u

/* ---- Objects --------------------------------------------------------------------------------- */

static void
conn_free(struct conn *c)
{
	free(c->fields);
	free(c->target);
	free(c);
}

static struct conn *
conn_take(struct gh_port *port)
{
	struct http_worker *w = port->worker;
	struct conn *c = w->free_conns;

	if (c == NULL) {
		c = calloc(1, sizeof(*c));
	} else {
		struct conn kept = *c;

		w->free_conns = c->next;
		w->free_conn_count--;
		*c = (struct conn){ .fields = kept.fields, .field_size = kept.field_size,
			.target = kept.target, .target_size = kept.target_size };
	}
	if (c != NULL)
		c->port = port;
	return c;
}

static void
conn_give(struct conn *c)
{
	struct http_worker *w = c->port->worker;

	http_reply_done(c);
	if (w->free_conn_count >= FREE_CONNS_MAX) {
		conn_free(c);
		return;
	}
	c->next = w->free_conns;
	w->free_conns = c;
	w->free_conn_count++;
}

void
http_conn_pool_free(struct http_worker *w)
{
	while (w->free_conns != NULL) {
		struct conn *c = w->free_conns;

		w->free_conns = c->next;
		conn_free(c);
	}
	while (w->free_buffers != NULL) {
		struct reply_buffer *b = w->free_buffers;

		w->free_buffers = b->next;
		free(b);
	}
}

/* ---- Sleeping and waking --------------------------------------------------------------------- */

void
http_conn_suspend(struct conn *c)
{
	struct gh_port *port = c->port;

	c->is_suspended = true;
	c->suspended_at_ms = uv_now(port->worker->loop);
	c->next = NULL;
	c->prev = port->suspended_last;
	if (c->prev != NULL)
		c->prev->next = c;
	else
		port->suspended_first = c;
	port->suspended_last = c;
	port->suspended_count++;
	MHD_suspend_connection(c->mhd);
}

void
http_conn_wake(struct conn *c)
{
	struct gh_port *port = c->port;

	if (!c->is_suspended)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		port->suspended_first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		port->suspended_last = c->prev;
	port->suspended_count--;
	c->is_suspended = false;
	c->stall_seen = c->body_seen;
	c->stall_since_ms = uv_now(port->worker->loop);
	MHD_resume_connection(c->mhd);
	http_port_run_soon(port);
}

void
http_conn_gone(struct conn *c)
{
	struct gh_txn *txn = c->txn;

	c->txn = NULL;
	c->is_cut = true;
	if (txn != NULL)
		gh_engine_gone(txn, c->reply.sent);
	http_conn_wake(c);
}

/* ---- What the kernel calls ------------------------------------------------------------------- */

static void
on_head(void *conn, unsigned status, int64_t length, const struct gh_field *fields,
	size_t field_count, bool close)
{
	struct conn *c = conn;

	c->reply.has_head = true;
	c->reply.status = status;
	c->reply.length = length;
	c->reply.fields = fields;
	c->reply.field_count = field_count;
	c->reply.wants_close = close;
	if (c->stage == STAGE_ANSWER)
		http_conn_wake(c);
}

static size_t
on_body(void *conn, const char *p, size_t n)
{
	struct conn *c = conn;
	size_t taken = c->is_cut ? n : http_reply_put(c, p, n);

	if (c->stage == STAGE_ANSWER || c->is_cut)
		http_conn_wake(c);
	return taken;
}

static void
on_end(void *conn)
{
	struct conn *c = conn;

	c->reply.is_ended = true;
	http_conn_wake(c); /* in the body stage: to read and drop the rest */
}

static void
on_abort(void *conn)
{
	struct conn *c = conn;

	c->is_cut = true;
	http_conn_wake(c);
}

static void
on_ready(void *conn)
{
	struct conn *c = conn;

	c->may_read = true;
	if (c->stage == STAGE_BODY)
		http_conn_wake(c);
}

static const struct gh_engine_ops ops = {
	.head = on_head, .body = on_body, .end = on_end, .abort = on_abort, .ready = on_ready,
};

/* ---- The head -------------------------------------------------------------------------------- */

void *
http_conn_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct gh_port *port = cls;
	struct link *link = http_watch_link(mhd);
	struct conn *c = link != NULL ? conn_take(port) : NULL;
	size_t n = target != NULL ? strlen(target) : 0;

	if (c == NULL)
		return NULL;
	if (n > c->target_size) {
		char *larger = realloc(c->target, n);

		if (larger == NULL) {
			conn_give(c);
			return NULL;
		}
		c->target = larger;
		c->target_size = n;
	}
	if (n > 0)
		memcpy(c->target, target, n);
	c->target_n = n;
	c->mhd = mhd;
	c->link = link;
	link->conn = c;
	link->requests++;
	http_watch_head(port, link, port->listener->head_ms);
	return c;
}

/* MHD_KeyValueIteratorN: borrow one field.  Stops when there are too many or memory is out. */
static enum MHD_Result
on_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
	size_t value_n)
{
	struct conn *c = cls;

	(void)kind;
	if (c->field_count > GUARD_MAX_FIELDS)
		return MHD_NO; /* one too many is enough for the guard */
	if (c->field_count == c->field_size) {
		size_t size = c->field_size > 0 ? 2 * c->field_size : FIRST_FIELDS;
		struct gh_field *larger = realloc(c->fields, size * sizeof(*larger));

		if (larger == NULL) {
			c->is_cut = true;
			return MHD_NO;
		}
		c->fields = larger;
		c->field_size = size;
	}
	c->fields[c->field_count++] = (struct gh_field){ { name, name_n },
		{ value, value != NULL ? value_n : 0 } };
	return MHD_YES;
}

static size_t
count_bytes(struct gh_str s, char ch)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ch;
	return n;
}

/* The library has an entry of a list for each field, argument and cookie, and a copy of cookies. */
size_t
http_conn_pool_use(const struct conn *c)
{
	size_t entries = c->field_total +
		count_bytes((struct gh_str){ c->target, c->target_n }, '&') + 1;
	size_t bytes = c->head_bytes;

	for (size_t i = 0; i < c->field_count; i++)
		if (gh_str_eq_nocase(c->fields[i].name, GH_STR("Cookie"))) {
			entries += count_bytes(c->fields[i].value, ';') + 1;
			bytes += c->fields[i].value.n;
		}
	return bytes + entries * POOL_ENTRY_BYTES;
}

static const struct guard_refusal *
judge(struct conn *c, const char *method, const char *version, struct guard_facts *ret_facts)
{
	struct http_process *process = c->port->worker->process;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_field, c);
	if (c->is_cut)
		return &http_guard_refusals[GUARD_NO_MEMORY];
	struct guard_request request = {
		.method = gh_str_of(method), .version = gh_str_of(version),
		.target = { c->target, c->target_n },
		.fields = c->fields, .field_count = c->field_count,
		.head_bytes = info != NULL ? info->header_size : 0,
	};
	const struct guard_limits limits = {
		.target_bytes = process->options.max_target.v,
		.head_bytes = c->port->listener->max_head_bytes,
		.fields = process->options.max_fields,
	};

	c->head_bytes = request.head_bytes;
	c->field_total = c->field_count;
	return http_guard_check(&request, &limits, ret_facts);
}

/* A reply that came before the body: is it better sent now, closing the connection, than after the
 * body was read and dropped? */
static bool
answers_early(const struct conn *c, const struct guard_facts *facts)
{
	return c->reply.is_ended && facts->body_length != 0 &&
		(facts->expects_100 || facts->body_length > HTTP_DRAIN_KEEP);
}

/* Who calls, on a cluster listener: asked once for a connection, judged for each request. */
static void
set_caller(struct conn *c, struct gh_engine_head *head)
{
	const struct mutual *mutual = c->port->mutual;
	struct link *link = c->link;

	if (mutual == NULL)
		return;
	if (!link->is_asked) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

		if (info != NULL)
			(void)http_mutual_caller(info->tls_session, &link->caller);
		link->is_asked = true;
	}
	if (link->caller == NULL || !http_mutual_is_good(mutual, link->caller))
		return;
	head->peer_node = gh_str_of(link->caller->node);
	head->peer_roles = gh_str_of(link->caller->roles);
}

static enum MHD_Result
begin(struct conn *c, const char *method, const char *version)
{
	struct gh_port *port = c->port;
	struct guard_facts facts;
	const struct guard_refusal *refusal = judge(c, method, version, &facts);

	http_watch_head(port, c->link, 0);
	if (refusal != NULL)
		return http_reply_refusal(c, refusal);
	gh_metric_add(port->worker->counts->requests_total, 1);
	c->field_count = http_guard_strip(c->fields, c->field_count);
	c->is_head_request = strcmp(method, "HEAD") == 0;
	c->stage = STAGE_BODY;
	c->stall_since_ms = uv_now(port->worker->loop);
	struct gh_engine_head head = {
		.method = gh_str_of(method), .target = { c->target, c->target_n },
		.minor = facts.minor, .peer = { c->link->peer, c->link->peer_n },
		.tls = port->listener->tls, .fields = c->fields, .field_count = c->field_count,
		.body_length = facts.body_length, .body_expected_100 = facts.expects_100,
	};

	set_caller(c, &head);
	c->txn = gh_engine_begin(port->kport, &head, &ops, c);
	if (c->txn == NULL)
		return http_reply_refusal(c, &http_guard_refusals[GUARD_NO_MEMORY]);
	if (c->is_cut)
		return MHD_NO;
	return answers_early(c, &facts) ? http_reply_queue(c) : MHD_YES;
}

/* ---- The body -------------------------------------------------------------------------------- */

/* The reply is there already: nobody wants the rest. */
static enum MHD_Result
drop(struct conn *c, size_t n)
{
	c->body_dropped += n;
	if (c->body_dropped > HTTP_DRAIN_KEEP)
		c->reply.wants_close = true;
	return c->body_dropped > HTTP_DRAIN_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result
take_body(struct conn *c, const char *data, size_t *data_size)
{
	size_t left = *data_size;

	do {
		if (c->reply.is_ended)
			break;
		c->may_read = false; /* ready() may be called meanwhile */
		size_t n = gh_engine_body(c->txn, data, left);

		data += n;
		left -= n;
	} while (left > 0 && c->may_read && !c->is_cut);
	c->body_seen += *data_size - left;
	if (c->is_cut)
		return MHD_NO;
	if (left > 0 && c->reply.is_ended) {
		if (drop(c, left) == MHD_NO)
			return MHD_NO;
		c->body_seen += left;
		left = 0;
	}
	*data_size = left;
	if (left > 0)
		http_conn_suspend(c);
	return MHD_YES;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static enum MHD_Result
answer(struct conn *c)
{
	if (c->is_cut)
		return MHD_NO;
	if (c->reply.has_head)
		return http_reply_queue(c);
	http_conn_suspend(c);
	return MHD_YES;
}

static enum MHD_Result
complete(struct conn *c)
{
	c->stage = STAGE_ANSWER;
	if (c->body_dropped == 0)
		gh_engine_body_end(c->txn);
	return answer(c);
}

enum MHD_Result
http_conn_on_call(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
	const char *version, const char *data, size_t *data_size, void **req_cls)
{
	struct conn *c = *req_cls;

	(void)cls;
	(void)mhd;
	(void)url;
	if (c == NULL || c->is_cut)
		return MHD_NO;
	switch (c->stage) {
	case STAGE_HEAD:
		return begin(c, method, version);
	case STAGE_BODY:
		return *data_size > 0 ? take_body(c, data, data_size) : complete(c);
	case STAGE_ANSWER:
		break;
	}
	return answer(c);
}

/* The library has answered a request by itself, or had no room for an answer. */
static void
library_refused(const struct conn *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
	const struct guard_refusal *why = &http_guard_refusals[GUARD_MALFORMED];

	http_port_refused(c->port, why, info != NULL ? info->http_status : why->status, c->link);
}

void
http_conn_on_completed(void *cls, struct MHD_Connection *mhd, void **req_cls,
	enum MHD_RequestTerminationCode code)
{
	struct gh_port *port = cls;
	struct conn *c = *req_cls;

	(void)mhd;
	*req_cls = NULL;
	if (c == NULL)
		return;
	if (c->stage == STAGE_HEAD && !c->is_refused &&
		(code == MHD_REQUEST_TERMINATED_COMPLETED_OK ||
			code == MHD_REQUEST_TERMINATED_WITH_ERROR))
		library_refused(c);
	struct gh_txn *txn = c->txn;

	c->txn = NULL;
	if (txn != NULL && (c->is_cut || (c->reply.is_queued &&
			code == MHD_REQUEST_TERMINATED_COMPLETED_OK)))
		gh_engine_done(txn, c->reply.sent);
	else if (txn != NULL)
		gh_engine_gone(txn, c->reply.sent);
	c->link->conn = NULL;
	http_watch_head(port, c->link, port->listener->idle_ms + port->listener->head_ms);
	conn_give(c);
}
