/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file route.c
 * @brief ROUTE: which API and operation is called, and is it being served?
 */
#include "plugins/gateway/gateway.h"

static void
end_call(void *arg)
{
	struct gw_call *call = arg;

	gw_claims_unpin(call->claims);
	gw_view_unpin(call->view);
}

/* The transaction keeps the view it began with until it is freed. */
static struct gw_call *
begin_call(struct gh_txn *txn)
{
	struct gw_worker *worker = gh_txn_worker_data(txn);
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));

	if (call == NULL || gh_txn_defer(txn, end_call, call) < 0)
		return NULL;
	call->view = gw_view_pin(worker->view);
	return call;
}

static void
set_api_attributes(struct gh_txn *txn, const struct gw_api *api, struct gh_str resource)
{
	gh_txn_set_attr(txn, GH_ATTR_TENANT, api->entry.tenant);
	gh_txn_set_attr(txn, GH_ATTR_API_ID, api->id);
	gh_txn_set_attr(txn, GH_ATTR_API_NAME, api->name);
	gh_txn_set_attr(txn, GH_ATTR_API_VERSION, api->version);
	gh_txn_set_attr(txn, GH_ATTR_API_CONTEXT, api->context);
	gh_txn_set_attr(txn, GH_ATTR_API_PROVIDER, api->provider);
	gh_txn_set_attr(txn, GH_ATTR_API_TIER, api->tier);
	gh_txn_set_attr(txn, GH_ATTR_RESOURCE_PATH, resource.n > 0 ? resource : GH_STR("/"));
}

/* The methods of every template that fits, as a field value. */
static struct gh_str
allowed_methods(struct gh_txn *txn, const struct gw_matched *matched)
{
	struct gh_str methods[GW_ALLOW_MAX * 4];
	size_t count = 0, size = 0, n = 0;

	for (size_t i = 0; i < matched->allow_count; i++) {
		for (size_t j = 0; j < matched->allow_sizes[i]; j++) {
			struct gh_str method = matched->allow[i][j]->method;
			size_t k = 0;

			while (k < count && !gh_str_eq(methods[k], method))
				k++;
			if (k == count && count < sizeof(methods) / sizeof(methods[0])) {
				methods[count++] = method;
				size += method.n + 2;
			}
		}
	}
	char *text = gh_txn_alloc(txn, size);

	if (text == NULL)
		return GH_STR_NONE;
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			memcpy(text + n, ", ", 2);
			n += 2;
		}
		memcpy(text + n, methods[i].p, methods[i].n);
		n += methods[i].n;
	}
	return (struct gh_str){ text, n };
}

/* The path fits, the method does not: OPTIONS is answered here, anything else is refused. */
static enum gh_verdict
other_method(const struct gw_config *config, struct gh_txn *txn, const struct gw_matched *matched)
{
	struct gh_str allow = allowed_methods(txn, matched);
	enum gh_verdict verdict;

	if (allow.n == 0)
		return GH_FAIL;
	if (gw_cors_is_preflight(config, txn))
		return gw_cors_preflight(config, txn, allow);
	if (gh_str_eq(gh_txn_attr(txn, GH_ATTR_METHOD), GH_STR("OPTIONS")))
		verdict = gh_txn_reply(txn, 204, GH_STR_NONE, GH_STR_NONE) < 0 ? GH_FAIL : GH_STOP;
	else
		verdict = gw_refuse(txn, GW_ERR_METHOD);
	if (verdict == GH_STOP &&
		gh_txn_field_set(txn, GH_SIDE_RESPONSE, GH_STR("Allow"), allow) < 0)
		return GH_FAIL;
	return verdict;
}

enum gh_verdict
gw_on_route(const void *config, struct gh_txn *txn)
{
	const struct gw_config *c = config;
	struct gw_call *call = begin_call(txn);
	struct gw_matched matched;
	struct gh_str resource;

	if (call == NULL)
		return GH_FAIL;
	call->is_cors = c->cors && gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Origin")).p != NULL;
	const struct gw_api *api = gw_router_find(&call->view->root->router,
		gh_txn_attr(txn, GH_ATTR_HOST), gh_txn_attr(txn, GH_ATTR_PATH), &resource);

	if (api == NULL || api->state == GW_RETIRED)
		return gw_refuse(txn, GW_ERR_NO_API);
	if (api->has_own_tenant && !gw_snapshot_has_tenant(call->view->root, api->entry.tenant))
		return gw_refuse(txn, GW_ERR_NO_TENANT);
	bool is_https = gh_str_eq(gh_txn_attr(txn, GH_ATTR_SCHEME), GH_STR("https"));

	if (!(is_https ? api->on_https : api->on_http))
		return gw_refuse(txn, GW_ERR_NO_API);
	set_api_attributes(txn, api, resource);
	if (api->state == GW_BLOCKED)
		return gw_refuse(txn, GW_ERR_API_BLOCKED);
	gw_resource_find(api->resources, resource, gh_txn_attr(txn, GH_ATTR_METHOD), &matched);
	if (matched.operation == NULL && matched.allow_count == 0)
		return gw_refuse(txn, GW_ERR_NO_RESOURCE);
	if (matched.operation == NULL)
		return other_method(c, txn, &matched);
	call->api = api;
	call->operation = matched.operation;
	gh_txn_set_attr(txn, GH_ATTR_OPERATION, matched.operation->template);
	gh_txn_set_attr(txn, GH_ATTR_OPERATION_TIER, matched.operation->tier);
	return GH_NEXT;
}
