/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file router.h
 * @brief Which API does a canonical path belong to?
 *
 * A radix tree of routes ("/books/1.0", "/books", "/t/example.com/books/1.0"); the longest one that
 * ends at a '/' wins.  Several deployments may claim one route: the environment that the option
 * names first wins, then the newer document; when it goes, the next one serves.
 */
#ifndef GATEWAY_ROUTER_H
#define GATEWAY_ROUTER_H
#include "plugins/gateway/api.h"
#include "plugins/gateway/radix.h"

/** Add all routes of @p api.  The applier.  @return 0 or GH_ENOMEM: some may have been added. */
int gw_router_add(struct gw_radix **router, struct gw_api *api);
/** Remove them; routes that it does not have are no error.  @return as gw_router_add(). */
int gw_router_remove(struct gw_radix **router, struct gw_api *api);
/** ANY thread that holds the root.
 *  @param[out] ret_resource  what is left of @p path: "" or starts with '/'.
 *  @return the API; NULL: none. */
const struct gw_api *gw_router_find(const struct gw_radix *router, struct gh_str path,
	struct gh_str *ret_resource);

#endif
