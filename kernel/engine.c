/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine.c
 * @brief What engines call: a head becomes a transaction, and the transaction ends.
 */
#include <stdlib.h>
#include <syslog.h>

#include "kernel/base.h"
#include "kernel/log.h"
#include "kernel/txn.h"
#include "lib/uri/uri.h"

static void
set(struct gh_txn *txn, enum gh_attr attr, struct gh_str value)
{
	if (value.n > 0)
		gh_txn_set_attr(txn, attr, value);
}

/* Attributes that the kernel writes before ACCEPT.  @return GH_EINVAL: the target has no canonical
 * form; *ret_why says why. */
static int
set_head(struct gh_txn *txn, const struct gh_engine_head *head, const char **ret_why)
{
	const struct gh_listener *l = &txn->port->listen->listener;
	struct uri uri;

	set(txn, GH_ATTR_LISTENER, l->name);
	set(txn, GH_ATTR_PEER, head->peer);
	set(txn, GH_ATTR_PEER_NODE, head->peer_node);
	set(txn, GH_ATTR_PEER_ROLES, head->peer_roles);
	set(txn, GH_ATTR_SCHEME, head->tls ? GH_STR("https") : GH_STR("http"));
	set(txn, GH_ATTR_METHOD, head->method);
	set(txn, GH_ATTR_TARGET, head->target);
	for (size_t i = 0; i < head->field_count; i++)
		if (krn_fields_add(&txn->req.fields, &txn->arena, head->fields[i].name,
				head->fields[i].value) < 0) {
			*ret_why = "too many fields";
			return GH_EINVAL;
		}
	txn->minor = head->minor;
	txn->req.length = head->body_length;
	txn->req.is_complete = head->body_length == 0;

	struct gh_str host = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Host"));
	size_t size = URI_BUFFER_SIZE(head->target.n, host.n);
	char *buf = gh_txn_alloc(txn, size);

	*ret_why = "the target is too long";
	if (buf == NULL)
		return GH_EINVAL;
	int r = uri_canonical(head->target, host, buf, size, &uri, ret_why);

	if (r < 0)
		return GH_EINVAL;
	if (uri.is_asterisk && !gh_str_eq(head->method, GH_STR("OPTIONS"))) {
		*ret_why = "only OPTIONS may ask about \"*\"";
		return GH_EINVAL;
	}
	set(txn, GH_ATTR_HOST, uri.host);
	set(txn, GH_ATTR_PATH, uri.path);
	set(txn, GH_ATTR_QUERY, uri.query);
	return GH_OK;
}

struct gh_txn *
gh_engine_begin(void *kport, const struct gh_engine_head *head, const struct gh_engine_ops *ops, void *conn)
{
	struct krn_port *port = kport;
	struct gh_txn *txn = krn_txn_new(port->worker, port);
	const char *why = NULL;

	if (txn == NULL)
		return NULL;
	txn->ops = ops;
	txn->conn = conn;
	txn->chain = port->listen->listener.chain;
	krn_txn_enter(txn);
	krn_txn_enter_phase(txn, GH_ACCEPT);
	if (set_head(txn, head, &why) < 0) {
		gh_log(txn, LOG_INFO, "refused target: %s", why);
		krn_txn_reply_error(txn, 400, "Bad Request", "The request target is not acceptable.");
		krn_txn_enter_phase(txn, GH_RESPONSE);
	}
	krn_txn_run(txn);
	KRN_ASSERT(!txn->is_finished); /* engines end transactions later, not inside ops */
	krn_txn_leave(txn);
	return txn;
}

void
gh_engine_done(struct gh_txn *txn, uint64_t bytes)
{
	krn_txn_enter(txn);
	txn->bytes_sent = bytes;
	txn->is_finished = true;
	if (!txn->resp.end_sent)
		krn_txn_cancel(txn);
	else if (txn->req.sink != NULL && !txn->req.sink_ended) {
		txn->req.sink_ended = true;
		txn->req.sink->abort(txn->req.sink_ctx);
	}
	krn_txn_leave(txn);
}

void
gh_engine_gone(struct gh_txn *txn, uint64_t bytes)
{
	krn_txn_enter(txn);
	txn->bytes_sent = bytes;
	krn_txn_cancel(txn);
	krn_txn_leave(txn);
}

void
gh_engine_refused(void *kport, unsigned status, struct gh_str peer, struct gh_str target, const char *why)
{
	struct krn_port *port = kport;
	struct access_entry a = { .listener = port->listen->listener.name, .peer = peer, .target = target,
		.status = status, .upstream_us = -1, .time_us = gh_now_us() };

	gh_metric_add(port->listen->refused, 1);
	krn_log(LOG_INFO, GH_STR("kernel"), GH_STR_NONE, "refused a request from %.*s: %u, %s",
		GH_STR_ARG(peer), status, why);
	if (krn_access_is_on())
		krn_access_log(&a);
}
