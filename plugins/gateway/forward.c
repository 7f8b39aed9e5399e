/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file forward.c
 * @brief REQUEST and UPSTREAM: what leaves, and where to.
 */
#include <syslog.h>

#include "plugins/gateway/gateway.h"

/* The caller's credentials are for this gateway; a backend that saw them could use them. */
enum gh_verdict
gw_on_request(const void *config, struct gh_txn *txn)
{
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));

	(void)config;
	if (call == NULL || call->api == NULL)
		return GH_FAIL;
	if (call->api->pass_credentials)
		return GH_NEXT;
	gh_txn_field_remove(txn, GH_SIDE_REQUEST, call->api->authorization_header);
	gh_txn_field_remove(txn, GH_SIDE_REQUEST, call->api->api_key_header);
	gh_txn_field_remove(txn, GH_SIDE_REQUEST, GH_STR("Internal-Key"));
	return GH_NEXT;
}

/* Append @p s at *n. */
static void
append(char *text, size_t *n, struct gh_str s)
{
	if (s.n > 0)
		memcpy(text + *n, s.p, s.n);
	*n += s.n;
}

/* Path of the endpoint, path of the resource, query of both. */
static struct gh_str
make_target(struct gh_txn *txn, const struct gw_endpoint *endpoint)
{
	struct gh_str path = gh_txn_attr(txn, GH_ATTR_RESOURCE_PATH);
	struct gh_str query = gh_txn_attr(txn, GH_ATTR_QUERY);
	char *text = gh_txn_alloc(txn, endpoint->path.n + path.n + endpoint->query.n + query.n + 2);
	size_t n = 0;

	if (text == NULL)
		return GH_STR_NONE;
	append(text, &n, endpoint->path);
	append(text, &n, path);
	if (endpoint->query.n > 0 || query.n > 0)
		append(text, &n, GH_STR("?"));
	append(text, &n, endpoint->query);
	if (endpoint->query.n > 0 && query.n > 0)
		append(text, &n, GH_STR("&"));
	append(text, &n, query);
	return (struct gh_str){ text, n };
}

static enum gh_verdict
fail(struct gh_txn *txn, int error_code, unsigned status)
{
	struct gh_str why = upstream_why(txn);

	(void)status; /* the table's */
	gh_log(txn, LOG_WARNING, "backend %.*s: %.*s",
		GH_STR_ARG(gh_txn_attr(txn, GH_ATTR_UPSTREAM)), GH_STR_ARG(why));
	return gw_refuse(txn, gw_error_of_upstream(error_code));
}

enum gh_verdict
gw_on_upstream(const void *config, struct gh_txn *txn)
{
	struct gw_worker *worker = gh_txn_worker_data(txn);
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));
	const struct gw_endpoints *endpoints;
	const struct gw_endpoint *endpoint;
	struct gh_str target;

	(void)config;
	if (call == NULL || call->api == NULL)
		return GH_FAIL;
	endpoints = call->is_sandbox ? &call->api->sandbox : &call->api->production;
	if (endpoints->n == 0)
		return gw_refuse(txn, GW_ERR_NO_ENDPOINT);
	endpoint = &endpoints->v[endpoints->n > 1 ? worker->turn++ % endpoints->n : 0];
	target = make_target(txn, endpoint);
	if (target.n == 0)
		return GH_FAIL;
	return upstream_start(worker->pool, txn, &endpoint->where, target, fail);
}
