/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file snapshot.c
 * @brief Roots: making, sharing, burying, and looking up in them.
 */
#include "plugins/gateway/snapshot.h"

#include <stdlib.h>

struct gw_snapshot *
gw_snapshot_new(struct gw_graveyard *graveyard, uint64_t seed)
{
	struct gw_snapshot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->graveyard = graveyard;
	int r = gw_router_init(&s->router, seed);

	s->apis = gw_map_new(seed);
	s->consumers = gw_map_new(seed);
	s->subscriptions = gw_map_new(seed);
	s->subscribed = gw_map_new(seed);
	s->keys = gw_map_new(seed);
	s->revocations = gw_map_new(seed);
	s->tenants = gw_map_new(seed);
	if (r < 0 || s->apis == NULL || s->consumers == NULL || s->subscriptions == NULL ||
		s->subscribed == NULL || s->keys == NULL || s->revocations == NULL ||
		s->tenants == NULL) {
		gw_snapshot_unref(s);
		return NULL;
	}
	return s;
}

struct gw_snapshot *
gw_snapshot_fork(const struct gw_snapshot *snapshot)
{
	struct gw_snapshot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->seq = snapshot->seq;
	s->trust = snapshot->trust;
	s->graveyard = snapshot->graveyard;
	s->router = gw_router_ref(&snapshot->router);
	s->apis = gw_map_ref(snapshot->apis);
	s->consumers = gw_map_ref(snapshot->consumers);
	s->subscriptions = gw_map_ref(snapshot->subscriptions);
	s->subscribed = gw_map_ref(snapshot->subscribed);
	s->keys = gw_map_ref(snapshot->keys);
	s->revocations = gw_map_ref(snapshot->revocations);
	s->tenants = gw_map_ref(snapshot->tenants);
	return s;
}

struct gw_snapshot *
gw_snapshot_ref(struct gw_snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
	return snapshot;
}

void
gw_snapshot_unref(struct gw_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	if (atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
		return;
	struct gw_graveyard *graveyard = snapshot->graveyard;

	snapshot->next_dead = atomic_load_explicit(&graveyard->dead, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&graveyard->dead, &snapshot->next_dead,
		snapshot, memory_order_release, memory_order_relaxed))
		;
}

static void
bury(struct gw_snapshot *snapshot)
{
	gw_router_unref(&snapshot->router);
	gw_map_unref(snapshot->subscribed);
	gw_map_unref(snapshot->subscriptions);
	gw_map_unref(snapshot->apis);
	gw_map_unref(snapshot->consumers);
	gw_map_unref(snapshot->keys);
	gw_map_unref(snapshot->revocations);
	gw_map_unref(snapshot->tenants);
	free(snapshot);
}

void
gw_graveyard_clear(struct gw_graveyard *graveyard)
{
	struct gw_snapshot *dead = atomic_exchange_explicit(&graveyard->dead, NULL,
		memory_order_acquire);

	while (dead != NULL) {
		struct gw_snapshot *next = dead->next_dead;

		bury(dead);
		dead = next;
	}
}

const struct gw_consumer *
gw_snapshot_consumer(const struct gw_snapshot *snapshot, struct gh_str key)
{
	return (const void *)gw_map_get(snapshot->consumers, (struct gw_key){ .a = key });
}

const struct gw_subscription *
gw_snapshot_subscription(const struct gw_snapshot *snapshot, struct gh_str application_id,
	struct gh_str api_id)
{
	return (const void *)gw_map_get(snapshot->subscribed,
		(struct gw_key){ application_id, api_id });
}

const struct gw_issuer_key *
gw_snapshot_key(const struct gw_snapshot *snapshot, struct gh_str kid)
{
	return (const void *)gw_map_get(snapshot->keys, (struct gw_key){ .a = kid });
}

bool
gw_snapshot_has_tenant(const struct gw_snapshot *snapshot, struct gh_str domain)
{
	const struct gw_tenant *tenant = (const void *)gw_map_get(snapshot->tenants,
		(struct gw_key){ .a = domain });

	return tenant != NULL && tenant->is_active;
}

bool
gw_snapshot_is_revoked(const struct gw_snapshot *snapshot, struct gh_str jti)
{
	return gw_map_get(snapshot->revocations, (struct gw_key){ .a = jti }) != NULL;
}
