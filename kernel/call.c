/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file call.c
 * @brief A management request on the pool: copied out of its transaction, answered, copied back.
 */
#include <gatehouse/call.h>
#include <stdlib.h>
#include <syslog.h>

#include "kernel/log.h"
#include "kernel/txn.h"

#define DEADLINE_DEFAULT_MS 30000u
#define ARENA_MAX (UINT64_C(256) << 20)

struct gh_call {
	struct gh_job job;           /* first: the pool's handle */
	const struct gh_mount_row *row;
	struct krn_generation *gen;  /* held: options outlive a cancelled transaction */
	struct gh_inst *inst;
	const void *config;
	uint64_t deadline_ns;
	struct arena arena;

	struct gh_str method, path, query, peer, peer_node, peer_roles, origin, id;
	struct krn_fields fields;
	struct buffer body;

	unsigned status;
	struct gh_str type;
	struct krn_fields reply_fields;
	struct buffer reply;
};

/* ---- Into the call and back -------------------------------------------------------------------- */

static void
call_run(struct gh_job *job)
{
	struct gh_call *call = (struct gh_call *)job;

	call->row->handler(call->inst->process, call->config, call);
	if (call->status == 0)
		gh_call_log(call, LOG_ERR, "%s %.*s: the handler set no reply",
			call->row->prefix, GH_STR_ARG(call->path));
}

static void
call_done(struct gh_job *job, struct gh_txn *txn)
{
	struct gh_call *call = (struct gh_call *)job;
	struct krn_response *resp = &txn->resp;

	if (call->status == 0) {
		krn_txn_reply_error(txn, 500, "Internal Server Error", "No answer was produced.");
		return;
	}
	if (krn_txn_reply(txn, call->status, call->type, GH_STR_NONE) < 0)
		goto fail;
	buffer_done(&resp->whole);
	resp->whole = call->reply;
	call->reply = (struct buffer){ .p = NULL };
	for (size_t i = 0; i < call->reply_fields.n; i++)
		if (gh_txn_field_add(txn, GH_SIDE_RESPONSE, call->reply_fields.v[i].name,
				call->reply_fields.v[i].value) < 0)
			goto fail;
	return;
fail:
	krn_txn_reply_error(txn, 503, "Service Unavailable", "Out of memory.");
}

static void
call_free(struct gh_job *job)
{
	struct gh_call *call = (struct gh_call *)job;

	if (call->body.p != NULL)
		explicit_bzero(call->body.p, call->body.n); /* forms carry passwords */
	buffer_done(&call->body);
	buffer_done(&call->reply);
	arena_reset(&call->arena);
	krn_generation_drop(call->gen);
	free(call);
}

static enum gh_verdict
on_answered(struct gh_txn *txn, enum gh_reason reason)
{
	if (reason == GH_DEADLINE)
		krn_txn_reply_error(txn, 503, "Service Unavailable",
			"The request took longer than it may.");
	return GH_STOP;
}

/* Copy what the handler may look at.  @return GH_ENOMEM. */
static int
fill(struct gh_call *call, struct gh_txn *txn)
{
	struct arena *a = &call->arena;
	struct gh_str host = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Host"));

	call->method = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_METHOD));
	call->path = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_PATH));
	call->query = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_QUERY));
	call->peer = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_PEER));
	call->peer_node = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_PEER_NODE));
	call->peer_roles = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_PEER_ROLES));
	call->id = arena_strdup(a, gh_txn_attr(txn, GH_ATTR_ID));
	call->origin = gh_call_printf(call, "%.*s://%.*s",
		GH_STR_ARG(gh_txn_attr(txn, GH_ATTR_SCHEME)), GH_STR_ARG(host));
	if (call->method.p == NULL || call->path.p == NULL || call->query.p == NULL ||
		call->peer.p == NULL || call->peer_node.p == NULL ||
		call->peer_roles.p == NULL || call->id.p == NULL || call->origin.p == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < txn->req.fields.n; i++) {
		struct gh_str name = arena_strdup(a, txn->req.fields.v[i].name);
		struct gh_str value = arena_strdup(a, txn->req.fields.v[i].value);

		if (name.p == NULL || value.p == NULL ||
			krn_fields_add(&call->fields, a, name, value) < 0)
			return GH_ENOMEM;
	}
	call->body = txn->req.whole;
	txn->req.whole = (struct buffer){ .p = NULL };
	return GH_OK;
}

static void
fields_init(struct krn_fields *f)
{
	f->v = f->first;
	f->cap = KRN_FIELDS_INLINE;
}

enum gh_verdict
krn_call_start(struct gh_txn *txn, const struct gh_mount_row *row)
{
	struct gh_call *call = calloc(1, sizeof(*call));
	uint64_t deadline_ms = row->deadline_ms > 0 ? row->deadline_ms : DEADLINE_DEFAULT_MS;

	if (call == NULL)
		return GH_FAIL;
	call->job = (struct gh_job){ call_run, call_done, call_free };
	call->row = row;
	call->inst = txn->step->inst;
	call->config = txn->step->config;
	call->gen = txn->gen;
	call->deadline_ns = gh_mono_ns() + deadline_ms * 1000000u;
	arena_init(&call->arena, NULL, 0, ARENA_MAX);
	fields_init(&call->fields);
	fields_init(&call->reply_fields);
	krn_generation_hold(call->gen);
	if (fill(call, txn) < 0) {
		call_free(&call->job);
		return GH_FAIL;
	}
	int r = gh_offload(txn, row->lane, &call->job, deadline_ms, on_answered);

	if (r == GH_OK)
		return GH_SUSPEND;
	krn_txn_reply_error(txn, 503, "Service Unavailable", "Too many requests wait already.");
	gh_txn_field_add(txn, GH_SIDE_RESPONSE, GH_STR("Retry-After"), GH_STR("1"));
	return GH_STOP;
}

/* ---- SDK --------------------------------------------------------------------------------------- */

struct gh_str
gh_call_method(const struct gh_call *call)
{
	return call->method;
}

struct gh_str
gh_call_path(const struct gh_call *call)
{
	return call->path;
}

struct gh_str
gh_call_subpath(const struct gh_call *call)
{
	size_t n = call->row->prefix[1] != '\0' ? strlen(call->row->prefix) : 0; /* "/" covers all */

	return (struct gh_str){ call->path.p + n, call->path.n - n };
}

struct gh_str
gh_call_query(const struct gh_call *call)
{
	return call->query;
}

struct gh_str
gh_call_field(const struct gh_call *call, struct gh_str name)
{
	for (size_t i = 0; i < call->fields.n; i++)
		if (gh_str_eq_nocase(call->fields.v[i].name, name))
			return call->fields.v[i].value;
	return GH_STR_NONE;
}

const struct gh_field *
gh_call_fields(const struct gh_call *call, size_t *ret_n)
{
	*ret_n = call->fields.n;
	return call->fields.v;
}

struct gh_str
gh_call_body(const struct gh_call *call)
{
	return (struct gh_str){ call->body.p, call->body.n };
}

struct gh_str
gh_call_peer(const struct gh_call *call)
{
	return call->peer;
}

struct gh_str
gh_call_peer_node(const struct gh_call *call)
{
	return call->peer_node;
}

bool
gh_call_peer_has_role(const struct gh_call *call, struct gh_str role)
{
	struct gh_str roles = call->peer_roles;

	for (size_t at = 0, end; at < roles.n; at = end + 1) {
		for (end = at; end < roles.n && roles.p[end] != ' '; end++)
			;
		if (role.n > 0 && gh_str_eq(role, (struct gh_str){ roles.p + at, end - at }))
			return true;
	}
	return false;
}

struct gh_str
gh_call_origin(const struct gh_call *call)
{
	return call->origin;
}

struct gh_str
gh_call_id(const struct gh_call *call)
{
	return call->id;
}

bool
gh_call_is_over(const struct gh_call *call)
{
	return gh_mono_ns() > call->deadline_ns;
}

void *
gh_call_alloc(struct gh_call *call, size_t bytes)
{
	return arena_alloc(&call->arena, bytes);
}

struct gh_str
gh_call_strdup(struct gh_call *call, struct gh_str s)
{
	return arena_strdup(&call->arena, s);
}

struct gh_str
gh_call_printf(struct gh_call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct gh_str s = arena_vprintf(&call->arena, fmt, ap);

	va_end(ap);
	return s;
}

int
gh_call_reply(struct gh_call *call, unsigned status, struct gh_str content_type, struct gh_str body)
{
	struct gh_str type = arena_strdup(&call->arena, content_type);

	call->reply.n = 0;
	int r = type.p == NULL ? GH_ENOMEM : buffer_add(&call->reply, body.p, body.n, SIZE_MAX / 4);

	if (r < 0)
		return r;
	call->type = type;
	call->status = status;
	return GH_OK;
}

int
gh_call_reply_field(struct gh_call *call, struct gh_str name, struct gh_str value)
{
	if (!krn_field_is_valid(name, value))
		return GH_EINVAL;
	struct gh_str n = arena_strdup(&call->arena, name);
	struct gh_str v = arena_strdup(&call->arena, value);

	if (n.p == NULL || v.p == NULL)
		return GH_ENOMEM;
	return krn_fields_add(&call->reply_fields, &call->arena, n, v);
}

unsigned
gh_call_status(const struct gh_call *call)
{
	return call->status;
}

void
gh_call_log(struct gh_call *call, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	krn_vlog(level, call->inst->label, call->id, fmt, ap);
	va_end(ap);
}
