/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file router.c
 * @brief Routes, and who claims them.
 */
#include "plugins/gateway/router.h"

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

int
gw_router_add(struct gw_radix **router, struct gw_api *api)
{
	int r = 0;

	for (unsigned i = 0; i < api->route_count && r == 0; i++)
		r = change(router, api->routes[i], api, api);
	return r;
}

int
gw_router_remove(struct gw_radix **router, struct gw_api *api)
{
	int r = 0;

	gw_object_ref(&api->entry.object); /* a claim may hold the last one */
	for (unsigned i = 0; i < api->route_count && r == 0; i++)
		r = change(router, api->routes[i], api, NULL);
	gw_object_unref(&api->entry.object);
	return r;
}

const struct gw_api *
gw_router_find(const struct gw_radix *router, struct gh_str path, struct gh_str *ret_resource)
{
	size_t n = 0;
	const struct claims *claims = (const void *)gw_radix_longest(router, path, &n);

	if (claims == NULL)
		return NULL;
	*ret_resource = (struct gh_str){ path.p + n, path.n - n };
	return claims->apis[0];
}
