/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file router.h
 * @brief Which API do a host and a canonical path belong to?
 *
 * A host that a deployment names as its virtual host has a tree of routes of its own and answers
 * with nothing else; every other host, and a call without one, has the common tree: that of
 * deployments on the virtual host "localhost".  Where nobody names a host, which is usual, a call
 * costs no look-up for it.
 *
 * A tree is a radix tree of routes ("/books/1.0", "/books", "/t/example.com/books/1.0"); the longest one that
 * ends at a '/' wins.  Several deployments may claim one route: the environment that the option
 * names first wins, then the newer document; when it goes, the next one serves.
 */
#ifndef GATEWAY_ROUTER_H
#define GATEWAY_ROUTER_H
#include "plugins/gateway/api.h"
#include "plugins/gateway/radix.h"

/** Routes at one moment; copied by gw_router_ref(), whose parts are shared. */
struct gw_router {
	struct gw_radix *common;
	struct gw_map *hosts; /**< Trees by canonical host; private to router.c. */
};

/** An empty one.  @param seed  of its hash.  @return 0 or GH_ENOMEM. */
int gw_router_init(struct gw_router *router, uint64_t seed);
/** One hold more on everything in it. */
struct gw_router gw_router_ref(const struct gw_router *router);
/** A zeroed one is allowed. */
void gw_router_unref(struct gw_router *router);
/** Add all routes of @p api.  The applier.  @return 0 or GH_ENOMEM: some may have been added. */
int gw_router_add(struct gw_router *router, struct gw_api *api);
/** Remove them; routes that it does not have are no error.  @return as gw_router_add(). */
int gw_router_remove(struct gw_router *router, struct gw_api *api);
/** ANY thread that holds the root.  Allocates nothing.
 *  @param host  canonical; n = 0: the call names none.
 *  @param[out] ret_resource  what is left of @p path: "" or starts with '/'.
 *  @return the API; NULL: none. */
const struct gw_api *gw_router_find(const struct gw_router *router, struct gh_str host,
	struct gh_str path, struct gh_str *ret_resource);

#endif
