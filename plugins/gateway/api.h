/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file api.h
 * @brief One deployed API, ready to be served: made from a `deployment` document, then immutable.
 */
#ifndef GATEWAY_API_H
#define GATEWAY_API_H
#include <gatehouse/svc/docs.h>

#include "plugins/gateway/entry.h"
#include "plugins/gateway/resource.h"
#include "plugins/gateway/upstream.h"

#define GW_CONTEXT_MAX 1024 /**< Longest context, with version and tenant. */
#define GW_OPERATIONS_MAX 10000
#define GW_ENDPOINTS_MAX 64

/** States of the life cycle, as far as a gateway tells them apart. */
enum gw_state { GW_CREATED, GW_PROTOTYPED, GW_PUBLISHED, GW_BLOCKED, GW_DEPRECATED, GW_RETIRED };

/** A backend. */
struct gw_endpoint {
	struct upstream_endpoint where;
	struct gh_str path;  /**< In front of the resource path, without a slash at its end. */
	struct gh_str query; /**< In front of the caller's; n = 0: none. */
};

struct gw_endpoints {
	const struct gw_endpoint *v;
	size_t n;
};

struct gw_api {
	struct gw_entry entry;    /**< Key: tenant, id of the document. */
	unsigned rank;            /**< Place of its environment in the option; the first wins. */
	enum gw_state state;
	bool has_own_tenant;      /**< It is not the default one, which is always served. */
	bool pass_credentials;
	bool on_http, on_https;
	struct gh_str id, name, version, context, provider, tier;
	struct gh_str vhost;      /**< Canonical; n = 0: every host that nobody names. */
	/** Where credentials stand: "Authorization" and "ApiKey", if not said otherwise. */
	struct gh_str authorization_header, api_key_header;
	/** Paths where it is served: with version, and for a default version also without. */
	struct gh_str routes[2];
	unsigned route_count;
	struct gw_endpoints production, sandbox;
	const struct gw_resource *resources;
	size_t operation_count;
	size_t skipped;           /**< Operations and endpoints that could not be used. */
};

/** Make one.  @param doc  of the kind `deployment`; BORROW.
 *  @param[out] ret_why  on GH_EINVAL, and when a part was left out: a STATIC sentence.
 *  @return 0, GH_EINVAL (the document says nothing that could be served), GH_ENOMEM. */
int gw_api_new(const struct gh_doc *doc, unsigned rank, struct gw_api **ret_api,
	const char **ret_why);

#endif
