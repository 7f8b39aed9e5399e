/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reply.c
 * @brief One response: queued whole when all of it is there, else fed from a bounded buffer.
 *
 * Framing is the library's, with its defects worked around: up to 0.9.77 it gives a chunked body to
 * responses that have none (HEAD, 304) when their length is not known, and it closes a connection
 * without a word when a head does not fit its memory.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/h1/h1.h"
#include "plugins/http/http.h"

#define FREE_BUFFERS_MAX 64u
#define BLOCK_BYTES 32768u    /* The library's buffer for a body of known length. */
#define HEAD_RESERVE 1024u    /* Status line, Date, Connection, framing. */
#define SMALL_HEAD 4096u      /* Always fits. */

/* ---- The buffer ------------------------------------------------------------------------------ */

static struct reply_buffer *
buffer_take(struct http_worker *w)
{
	struct reply_buffer *b = w->free_buffers;

	if (b == NULL) {
		b = malloc(sizeof(*b));
	} else {
		w->free_buffers = b->next;
		w->free_buffer_count--;
	}
	if (b != NULL)
		b->start = b->fill = 0;
	return b;
}

void
http_reply_done(struct conn *c)
{
	struct http_worker *w = c->port->worker;
	struct reply_buffer *b = c->reply.buffer;

	c->reply.buffer = NULL;
	if (b == NULL)
		return;
	if (w->free_buffer_count >= FREE_BUFFERS_MAX) {
		free(b);
		return;
	}
	b->next = w->free_buffers;
	w->free_buffers = b;
	w->free_buffer_count++;
}

size_t
http_reply_put(struct conn *c, const char *p, size_t n)
{
	struct reply_buffer *b = c->reply.buffer;

	if (b == NULL && (b = c->reply.buffer = buffer_take(c->port->worker)) == NULL) {
		c->is_cut = true; /* out of memory */
		return n;
	}
	size_t at = (b->start + b->fill) % HTTP_BUFFER, room = HTTP_BUFFER - b->fill;
	size_t taken = n < room ? n : room;
	size_t first = taken < HTTP_BUFFER - at ? taken : HTTP_BUFFER - at;

	memcpy(b->bytes + at, p, first);
	memcpy(b->bytes, p + first, taken - first);
	b->fill += taken;
	if (taken < n)
		c->reply.is_starving = true;
	return taken;
}

static size_t
buffer_get(struct reply_buffer *b, char *to, size_t max)
{
	size_t taken = b->fill < max ? b->fill : max;
	size_t first = taken < HTTP_BUFFER - b->start ? taken : HTTP_BUFFER - b->start;

	memcpy(to, b->bytes + b->start, first);
	memcpy(to + first, b->bytes, taken - first);
	b->start = (b->start + taken) % HTTP_BUFFER;
	b->fill -= taken;
	return taken;
}

/* MHD_ContentReaderCallback.  Returning 0 without suspending would make the library spin. */
static ssize_t
on_read(void *cls, uint64_t at, char *to, size_t max)
{
	struct conn *c = cls;
	struct reply *reply = &c->reply;
	size_t n = 0;

	(void)at;
	if (c->is_cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (reply->buffer != NULL)
		n = buffer_get(reply->buffer, to, max);
	if (reply->is_starving && reply->buffer->fill <= HTTP_BUFFER / 2) {
		reply->is_starving = false;
		gh_engine_drained(c->txn);
		if (n == 0)
			n = buffer_get(reply->buffer, to, max);
	}
	reply->sent += n;
	if (n > 0)
		return (ssize_t)n;
	if (c->is_cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (reply->is_ended)
		return reply->length < 0 ? MHD_CONTENT_READER_END_OF_STREAM
					 : MHD_CONTENT_READER_END_WITH_ERROR; /* too short */
	http_conn_suspend(c);
	return 0;
}

/* ---- The head -------------------------------------------------------------------------------- */

/* The library wants NUL-ended strings: both of them in the worker's scratch memory. */
static bool
scratch_field(struct http_worker *w, const struct gh_field *field, char **ret_name,
	char **ret_value)
{
	size_t size = field->name.n + field->value.n + 2;

	if (size > w->scratch_size) {
		char *larger = realloc(w->scratch, size);

		if (larger == NULL)
			return false;
		w->scratch = larger;
		w->scratch_size = size;
	}
	*ret_name = w->scratch;
	*ret_value = w->scratch + field->name.n + 1;
	memcpy(*ret_name, field->name.p, field->name.n);
	(*ret_name)[field->name.n] = '\0';
	memcpy(*ret_value, field->value.p, field->value.n);
	(*ret_value)[field->value.n] = '\0';
	return true;
}

/* An empty value cannot be said with this library; such a field is left out.  @return NULL, or why
 * the head cannot be sent. */
static const char *
add_fields(struct conn *c, struct MHD_Response *response)
{
	const struct reply *reply = &c->reply;
	size_t bytes = HEAD_RESERVE;

	/* First: setting it later would make the library forget that there is a Date. */
	if ((reply->wants_close || c->port->is_quiesced) &&
		MHD_add_response_header(response, "Connection", "close") == MHD_NO)
		return "the server is out of memory";
	for (size_t i = 0; i < reply->field_count; i++) {
		const struct gh_field *field = &reply->fields[i];
		char *name, *value;

		if (field->value.n == 0 || h1_is_hop_by_hop(field->name))
			continue;
		if (!h1_is_token(field->name) || !h1_is_value(field->value))
			return "a field of it is malformed";
		bytes += field->name.n + field->value.n + 4;
		if (bytes > SMALL_HEAD && bytes + http_conn_pool_use(c) > c->port->pool_bytes)
			return "it is too long";
		if (!scratch_field(c->port->worker, field, &name, &value) ||
			MHD_add_response_header(response, name, value) == MHD_NO)
			return "the server is out of memory";
	}
	return NULL;
}

/* ---- Queueing -------------------------------------------------------------------------------- */

/* No body is sent, but the head may say how long it would be.  The length of a 304 that nobody told
 * is not 0 (RFC 9110, 8.6).  Where the library cannot leave it out, the connection pays. */
static struct MHD_Response *
bodiless(const struct reply *reply)
{
	bool is_unknown = reply->length < 0 || (reply->status == 304 && reply->length == 0);
	struct MHD_Response *response;

	if (reply->status == 204)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	response = MHD_create_response_from_callback(is_unknown ? MHD_SIZE_UNKNOWN
		: (uint64_t)reply->length, 1, on_read, NULL, NULL);
	if (response != NULL && is_unknown)
#if MHD_VERSION >= 0x00097701
		MHD_set_response_options(response, MHD_RF_HEAD_ONLY_RESPONSE, MHD_RO_END);
#else
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
#endif
	return response;
}

static struct MHD_Response *
make_response(struct conn *c)
{
	struct reply *reply = &c->reply;
	struct reply_buffer *b = reply->buffer;

	if (c->is_head_request || reply->status == 204 || reply->status == 304)
		return bodiless(reply);
	if (!reply->is_ended)
		return MHD_create_response_from_callback(reply->length < 0 ? MHD_SIZE_UNKNOWN
			: (uint64_t)reply->length, BLOCK_BYTES, on_read, c, NULL);
	/* Nothing was taken out yet, so the ring is straight. */
	reply->sent = b != NULL ? b->fill : 0;
	return MHD_create_response_from_buffer(reply->sent, b != NULL ? b->bytes : NULL,
		MHD_RESPMEM_PERSISTENT);
}

/* A reply of our own.  @param cause  says why, at most 200 bytes. */
static enum MHD_Result
queue_error(struct conn *c, unsigned status, const char *message, const char *cause)
{
	char body[512];
	int n = snprintf(body, sizeof(body),
		"{\"code\":\"%u\",\"message\":\"%s\",\"description\":\"%s\"}", status, message,
		cause);
	struct MHD_Response *response =
		MHD_create_response_from_buffer((size_t)n, body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, "Content-Type", "application/json") == MHD_YES &&
		MHD_add_response_header(response, "Connection", "close") == MHD_YES)
		r = MHD_queue_response(c->mhd, status, response);
	MHD_destroy_response(response);
	return r;
}

enum MHD_Result
http_reply_queue(struct conn *c)
{
	struct MHD_Response *response = make_response(c);
	enum MHD_Result r;

	if (response == NULL)
		return MHD_NO;
	const char *why = add_fields(c, response);

	c->reply.is_queued = true;
	if (why != NULL) {
		gh_inst_log(c->port->worker->process->inst, LOG_WARNING,
			"a response head of %zu fields was replaced by 502: %s",
			c->reply.field_count, why);
		MHD_destroy_response(response);
		c->reply.sent = 0;
		return queue_error(c, 502, "Bad Gateway", "The response head cannot be sent.");
	}
	r = MHD_queue_response(c->mhd, c->reply.status, response);
	MHD_destroy_response(response);
	return r;
}

enum MHD_Result
http_reply_refusal(struct conn *c, const struct guard_refusal *why)
{
	http_port_refused(c->port, why, why->status, c->link);
	c->is_refused = true;
	const char *phrase = MHD_get_reason_phrase_for(why->status);

	return queue_error(c, why->status, phrase != NULL ? phrase : "Refused", why->why);
}
