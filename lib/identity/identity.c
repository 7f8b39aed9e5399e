/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity.c
 * @brief A chain of providers of users.
 */
#include "lib/identity/identity.h"

#include "lib/tenant/tenant.h"

void
identity_bind(struct gh_inst *inst, struct identity_chain *chain)
{
	while (chain->n < IDENTITY_PROVIDERS_MAX &&
		GH_BIND_AT(inst, GH_SVC_IDENTITY, (unsigned)chain->n, &chain->v[chain->n]) == 0)
		chain->n++;
}

/** A user that must be freed by the service that gave it. */
struct given {
	const struct gh_identity *from;
	struct gh_user *user;
};

static void
drop(void *arg)
{
	struct given *g = arg;

	g->from->vt->user_free(g->user);
}

int
identity_find(struct rest_context *ctx, const struct identity_chain *chain, struct gh_str name,
	const struct gh_user **ret_user)
{
	struct gh_str bare, tenant;

	tenant_split_user(name, ctx->tenant, &bare, &tenant);
	if (!gh_str_eq_nocase(tenant, ctx->tenant))
		return GH_ENOENT;
	struct gh_str full = gh_call_printf(ctx->call, "%.*s@%.*s", GH_STR_ARG(bare),
		GH_STR_ARG(ctx->tenant));
	struct given *g = gh_call_alloc(ctx->call, sizeof(*g));
	int r = GH_ENOENT;

	if (full.p == NULL || g == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < chain->n && r == GH_ENOENT; i++) {
		g->from = &chain->v[i];
		r = g->from->vt->lookup(g->from->self, full, &g->user);
	}
	if (r == 0)
		r = rest_defer(ctx, drop, g);
	if (r == 0)
		*ret_user = g->user;
	return r;
}
