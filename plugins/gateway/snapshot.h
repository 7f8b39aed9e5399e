/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file snapshot.h
 * @brief Everything a gateway serves, at one sequence of the feed: immutable, shared by all.
 *
 * One thread, the applier, makes roots: it forks the newest one, puts and removes documents, and
 * publishes the result (publish.h).  A fork shares everything; a change copies one shard of a map,
 * or the nodes of one route.  Roots are counted atomically and may be let go on ANY thread; what is
 * below them is counted plainly, so a root that nobody holds waits in the graveyard until the
 * applier buries it.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H
#include <stdatomic.h>

#include "lib/jose/jose.h"
#include "plugins/gateway/router.h"

struct gw_graveyard {
	struct gw_snapshot *_Atomic dead;
};

struct gw_snapshot {
	atomic_uint refs;
	uint64_t seq;
	uint64_t trust;           /**< Grows when an issuer key or a revocation changes. */
	struct gw_router router;
	struct gw_map *apis;          /**< gw_api by tenant and id of the document. */
	struct gw_map *consumers;     /**< gw_consumer by consumer key. */
	struct gw_map *subscriptions; /**< gw_subscription by tenant and id of the document. */
	struct gw_map *subscribed;    /**< gw_subscription by application and API. */
	struct gw_map *keys;          /**< gw_issuer_key by kid. */
	struct gw_map *revocations;   /**< gw_entry by jti. */
	struct gw_map *tenants;       /**< gw_tenant by domain. */
	struct gw_graveyard *graveyard;
	struct gw_snapshot *next_dead;
};

/** Who calls.  Key: the consumer key. */
struct gw_consumer {
	struct gw_entry entry;
	struct gh_str application_id, application_name, owner, tier, key_type;
	bool is_sandbox;
};

enum gw_subscription_state {
	GW_UNBLOCKED, GW_ALL_BLOCKED, GW_PROD_ONLY_BLOCKED, GW_ON_HOLD, GW_REJECTED
};

/** Key: tenant, id of the document. */
struct gw_subscription {
	struct gw_entry entry;
	struct gw_key pair; /**< Application, API. */
	struct gh_str tier;
	enum gw_subscription_state state;
};

/** Key: its domain. */
struct gw_tenant {
	struct gw_entry entry;
	bool is_active;
};

/** A key that tokens are signed with.  Key: kid. */
struct gw_issuer_key {
	struct gw_entry entry;
	struct gh_str issuer;
	struct jose_key *jose;
};

/** An empty root with one reference.  @param seed  of its hashes.  @return NULL: out of memory. */
struct gw_snapshot *gw_snapshot_new(struct gw_graveyard *graveyard, uint64_t seed);
/** A root with the content of @p snapshot, to be changed.  The applier. */
struct gw_snapshot *gw_snapshot_fork(const struct gw_snapshot *snapshot);
/** ANY. */
struct gw_snapshot *gw_snapshot_ref(struct gw_snapshot *snapshot);
/** ANY.  NULL is allowed. */
void gw_snapshot_unref(struct gw_snapshot *snapshot);
/** Free what nobody holds any more.  The applier; MAIN when there is none. */
void gw_graveyard_clear(struct gw_graveyard *graveyard);

/** What of the feed concerns this gateway. */
struct gw_scope {
	const struct gh_list *environments; /**< Deployments of others are not served. */
};

/** Apply one change to a root that is not published.  The applier.
 *  @param previous  where unchanged objects are taken from; may be NULL.
 *  @param[out] ret_why  STATIC: why the document, or a part of it, was not taken; or NULL.
 *  @return 0 or GH_ENOMEM (the root can only be thrown away). */
int gw_snapshot_apply(struct gw_snapshot *snapshot, const struct gw_snapshot *previous,
	const struct gw_scope *scope, bool is_deleted, const struct gh_doc *doc,
	const char **ret_why);

/* Look-ups, on any thread that holds the root.  NULL: there is none. */
const struct gw_consumer *gw_snapshot_consumer(const struct gw_snapshot *snapshot,
	struct gh_str key);
const struct gw_subscription *gw_snapshot_subscription(const struct gw_snapshot *snapshot,
	struct gh_str application_id, struct gh_str api_id);
const struct gw_issuer_key *gw_snapshot_key(const struct gw_snapshot *snapshot, struct gh_str kid);
/** Is the tenant there and not disabled?  Not for the default one, which has no document. */
bool gw_snapshot_has_tenant(const struct gw_snapshot *snapshot, struct gh_str domain);
bool gw_snapshot_is_revoked(const struct gw_snapshot *snapshot, struct gh_str jti);

#endif
