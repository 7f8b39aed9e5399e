/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_gateway.c
 * @brief Any bytes as a document of the feed: put, served, put again, deleted.
 *
 * The first byte chooses the kind, the rest is the body.
 */
#include <stdint.h>

#include "plugins/gateway/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gh_str kinds[] = {
	GH_STR("deployment"), GH_STR("consumer"), GH_STR("subscription"), GH_STR("issuer_key"),
	GH_STR("revocation"), GH_STR("tenant"),
};
static const struct gh_str paths[] = {
	GH_STR("/"), GH_STR("/books/1.0.0"), GH_STR("/books/1.0.0/a/b/c"), GH_STR("/books/a.json"),
	GH_STR("/t/x/books"), GH_STR("/a%2Fb/1/-"),
};

static void
look_up(const struct gw_snapshot *root)
{
	struct gw_matched matched;
	struct gh_str resource;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct gw_api *api = gw_router_find(&root->router, i % 2 == 0 ? GH_STR_NONE : GH_STR("api.example.com"),
			paths[i], &resource);

		if (api == NULL)
			continue;
		gw_resource_find(api->resources, resource, GH_STR("GET"), &matched);
		gw_resource_find(api->resources, paths[i], GH_STR("POST"), &matched);
	}
	(void)gw_snapshot_consumer(root, GH_STR("id"));
	(void)gw_snapshot_subscription(root, GH_STR("app"), GH_STR("api"));
	(void)gw_snapshot_key(root, GH_STR("id"));
	(void)gw_snapshot_is_revoked(root, GH_STR("id"));
	(void)gw_snapshot_has_tenant(root, GH_STR("id"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_graveyard graveyard = { NULL };
	struct gh_str environment = GH_STR("Default");
	struct gh_list environments = { &environment, 1 };
	struct gw_scope scope = { &environments };
	struct gw_snapshot *root, *fork;
	const char *why;

	if (size == 0)
		return 0;
	struct gh_doc doc = { GH_STR("carbon.super"), kinds[data[0] % 6], GH_STR("id"), 1,
		{ (const char *)data + 1, size - 1 } };

	root = gw_snapshot_new(&graveyard, 1);
	if (root == NULL)
		return 0;
	(void)gw_snapshot_apply(root, NULL, &scope, false, &doc, &why);
	look_up(root);
	fork = gw_snapshot_fork(root);
	if (fork != NULL) {
		doc.rev = 2;
		(void)gw_snapshot_apply(fork, root, &scope, false, &doc, &why);
		(void)gw_snapshot_apply(fork, root, &scope, true, &doc, &why);
		look_up(fork);
		look_up(root);
	}
	gw_snapshot_unref(fork);
	gw_snapshot_unref(root);
	gw_graveyard_clear(&graveyard);
	return 0;
}
