/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file router.c
 * @brief Routes, and who claims them.
 */
#include "plugins/gateway/router.h"

#include <stdlib.h>

/* What a key of the tree means: the deployments that claim it, the one that serves first. */
struct claims {
	struct gw_object object;
	size_t n;
	struct gw_api *apis[];
};

static void
claims_free(struct gw_object *object)
{
	struct claims *claims = (struct claims *)(void *)object;

	for (size_t i = 0; i < claims->n; i++)
		gw_object_unref(&claims->apis[i]->entry.object);
	free(claims);
}

static bool
is_before(const struct gw_api *a, const struct gw_api *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->entry.rev > b->entry.rev;
}

/* A copy of @p old without @p without and, where it belongs, with @p with. */
static struct claims *
claims_copy(const struct claims *old, const struct gw_api *without, struct gw_api *with)
{
	size_t most = (old != NULL ? old->n : 0) + (with != NULL);
	struct claims *claims = calloc(1, sizeof(*claims) + most * sizeof(claims->apis[0]));

	if (claims == NULL)
		return NULL;
	claims->object.free = claims_free;
	for (size_t i = 0; old != NULL && i < old->n; i++) {
		if (old->apis[i] == without)
			continue;
		if (with != NULL && is_before(with, old->apis[i])) {
			claims->apis[claims->n++] = with;
			with = NULL;
		}
		claims->apis[claims->n++] = old->apis[i];
	}
	if (with != NULL)
		claims->apis[claims->n++] = with;
	for (size_t i = 0; i < claims->n; i++)
		gw_object_ref(&claims->apis[i]->entry.object);
	return claims;
}

static int
change(struct gw_radix **router, struct gh_str route, const struct gw_api *without,
	struct gw_api *with)
{
	const struct claims *old = (const void *)gw_radix_get(*router, route);

	if (old == NULL && with == NULL)
		return 0;
	struct claims *claims = claims_copy(old, without, with);

	if (claims == NULL)
		return GH_ENOMEM;
	gw_object_ref(&claims->object);
	int r = claims->n > 0 ? gw_radix_put(router, route, &claims->object) :
		gw_radix_remove(router, route);

	gw_object_unref(&claims->object);
	return r;
}

/* ---- Hosts ------------------------------------------------------------------------------ */

/* The routes of one virtual host. */
struct host {
	struct gw_object object;
	struct gw_key key;
	struct gw_radix *routes;
	char name[];
};

static void
host_free(struct gw_object *object)
{
	struct host *host = (struct host *)(void *)object;

	gw_radix_unref(host->routes);
	free(host);
}

/* A host with the routes of @p old, if there is one, to be changed. */
static struct host *
host_copy(struct gh_str name, const struct host *old)
{
	struct host *host = calloc(1, sizeof(*host) + name.n);

	if (host == NULL)
		return NULL;
	host->object.free = host_free;
	memcpy(host->name, name.p, name.n);
	host->key.a = (struct gh_str){ host->name, name.n };
	if (old != NULL)
		host->routes = gw_radix_ref(old->routes);
	return host;
}

static int
change_all(struct gw_radix **routes, struct gw_api *api, bool is_added)
{
	int r = 0;

	for (unsigned i = 0; i < api->route_count && r == 0; i++)
		r = change(routes, api->routes[i], api, is_added ? api : NULL);
	return r;
}

/* The host is copied even when nobody else holds it: its place in the map may be shared. */
static int
change_host(struct gw_router *router, struct gw_api *api, bool is_added)
{
	const struct gw_key key = { .a = api->vhost };
	const struct host *old = (const void *)gw_map_get(router->hosts, key);
	struct host *host;
	int r;

	if (old == NULL && !is_added)
		return 0;
	if ((host = host_copy(api->vhost, old)) == NULL)
		return GH_ENOMEM;
	gw_object_ref(&host->object);
	r = change_all(&host->routes, api, is_added);
	if (r == 0 && !gw_radix_is_empty(host->routes))
		r = gw_map_put(&router->hosts, &host->key, &host->object);
	else if (r == 0)
		r = gw_map_remove(&router->hosts, key); /* anybody may answer for it again */
	gw_object_unref(&host->object);
	return r;
}

/* ---- The router ------------------------------------------------------------------------- */

int
gw_router_init(struct gw_router *router, uint64_t seed)
{
	router->common = NULL;
	router->hosts = gw_map_new(seed);
	return router->hosts != NULL ? 0 : GH_ENOMEM;
}

struct gw_router
gw_router_ref(const struct gw_router *router)
{
	return (struct gw_router){ gw_radix_ref(router->common), gw_map_ref(router->hosts) };
}

void
gw_router_unref(struct gw_router *router)
{
	gw_radix_unref(router->common);
	gw_map_unref(router->hosts);
	*router = (struct gw_router){ NULL, NULL };
}

int
gw_router_add(struct gw_router *router, struct gw_api *api)
{
	return api->vhost.n == 0 ? change_all(&router->common, api, true) :
		change_host(router, api, true);
}

int
gw_router_remove(struct gw_router *router, struct gw_api *api)
{
	int r;

	gw_object_ref(&api->entry.object); /* a claim may hold the last one */
	r = api->vhost.n == 0 ? change_all(&router->common, api, false) :
		change_host(router, api, false);
	gw_object_unref(&api->entry.object);
	return r;
}

const struct gw_api *
gw_router_find(const struct gw_router *router, struct gh_str host, struct gh_str path,
	struct gh_str *ret_resource)
{
	const struct gw_radix *routes = router->common;
	const struct host *named = NULL;
	size_t n = 0;

	if (host.n > 0 && gw_map_count(router->hosts) > 0)
		named = (const void *)gw_map_get(router->hosts, (struct gw_key){ .a = host });
	if (named != NULL)
		routes = named->routes;
	const struct claims *claims = (const void *)gw_radix_longest(routes, path, &n);

	if (claims == NULL)
		return NULL;
	*ret_resource = (struct gh_str){ path.p + n, path.n - n };
	return claims->apis[0];
}
