/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file throttle.h
 * @brief The parts behind the throttle plugin.
 *
 *   throttle  decides about calls
 *   policies  knows the policies
 *   counters  counts exactly, on this node
 *   leases    counts from what a traffic manager has lent, where several gateways share a limit
 *   asks      the wire between the two: what a gateway asks for, what the traffic manager lends
 *   table     keys with a window, for counters and leases
 */
#ifndef PLUGINS_THROTTLE_THROTTLE_H
#define PLUGINS_THROTTLE_THROTTLE_H
#include <gatehouse/base.h>
#include <gatehouse/svc/counter.h>
#include <gatehouse/metric.h>
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/peer.h>
#include <gatehouse/txn.h>
#include <stdatomic.h>

#include "lib/doc/doc.h"

/* ---- Table (table.c) --------------------------------------------------------------------------- */

/** Begin of what stands behind a key. */
struct throttle_entry {
	struct throttle_entry *next; /**< Private. */
	uint64_t hash;               /**< Private. */
	uint64_t end_ms;             /**< Of its window; an entry whose window is over may be removed */
	uint32_t n;                  /**< Private: length of the key, which stands behind it all. */
	bool is_pinned;              /**< unless it is pinned. */
};

struct throttle_table;
struct throttle_shard;

/** An entry whose lock is held. */
struct throttle_place {
	struct throttle_shard *shard;
	struct throttle_entry *entry;
};

/** @param entry_size  of the struct that begins with a throttle_entry.  @return NULL: out of memory. */
struct throttle_table *throttle_table_new(uint64_t max_keys, size_t entry_size);
void throttle_table_free(struct throttle_table *table);
uint64_t throttle_table_keys(const struct throttle_table *table);
/** Find the key, or insert it, zeroed, and hold its lock.  ANY.  One lock at a time per thread.
 *  @return 0: throttle_table_leave() must follow; GH_ENOENT; GH_ENOMEM: all keys have a window. */
int throttle_table_enter(struct throttle_table *table, uint64_t now_ms, struct gh_str key,
	bool may_insert, struct throttle_place *ret_place);
/** The same for an entry that is pinned. */
void throttle_table_enter_entry(struct throttle_table *table, struct throttle_entry *entry,
	struct throttle_place *ret_place);
void throttle_table_leave(struct throttle_place *place);
struct gh_str throttle_table_key(const struct throttle_table *table, struct throttle_entry *entry);
/** Start a window when the last one is over. */
void throttle_window_begin(struct throttle_entry *entry, uint64_t now_ms, uint64_t window_ms,
	uint64_t *used);

/* ---- Counters (counters.c) ------------------------------------------------------------------- */

#define THROTTLE_KEY_MAX 2048 /**< Bytes; the service counter/1 promises 512. */

struct throttle_counters;

/** @param max_keys  keys that may have a window at the same time.  @return NULL: out of memory. */
struct throttle_counters *throttle_counters_new(uint64_t max_keys);
void throttle_counters_free(struct throttle_counters *counters);

/** Count @p amount against @p limit, at the moment @p now_ms of a clock that never goes back.  ANY.
 *  Two threads never admit more than @p limit within one window.
 *  @return 0, GH_EINVAL (key or window), GH_ENOMEM (all keys have a window, or no memory). */
int throttle_counters_hit(struct throttle_counters *counters, uint64_t now_ms, struct gh_str key,
	uint64_t amount, uint64_t limit, uint64_t window_ms, struct gh_counted *ret_counted);

/* One ask gets these parts at most, and at least one call, while there is one: what a gateway holds
 * and does not use, its lease and a quarter more, is less than 0.5 % of the limit. */
#define LEND_OF_LEFT 4    /**< Of what is left. */
#define LEND_OF_LIMIT 256 /**< Of the limit. */

/** What was lent. */
struct throttle_grant {
	uint64_t amount;   /**< Calls; 0: nothing is left in this window. */
	uint64_t used;     /**< In the window, by all who asked. */
	uint64_t reset_ms; /**< Until the window ends, from now. */
};

/** Count up to @p want at once, for a gateway that will count them one by one.  ANY.
 *  @return as throttle_counters_hit(). */
int throttle_counters_lend(struct throttle_counters *counters, uint64_t now_ms, struct gh_str key,
	uint64_t want, uint64_t limit, uint64_t window_ms, struct throttle_grant *ret_grant);
/** Take back an admitted hit of a call that was then refused elsewhere, if its window still runs.
 *  @param window_end_ms  now_ms + reset_ms of that hit.  ANY. */
void throttle_counters_undo(struct throttle_counters *counters, struct gh_str key, uint64_t amount,
	uint64_t window_end_ms);
/** Keys in the table; some of them may be over, but not removed yet.  ANY. */
uint64_t throttle_counters_keys(const struct throttle_counters *counters);

/* ---- Asks (asks.c): msgpack between gateway and traffic manager -------------------------------- */

#define ASKS_PATH "/cluster/v1/leases"
#define ASKS_MAX 256u             /**< In one request. */
#define ASKS_BYTES_MAX (ASKS_MAX * (THROTTLE_KEY_MAX + 128u) + 256u)
#define ASKS_WANT_MAX 1024u       /**< Calls that are lent at once. */

struct throttle_ask {
	struct gh_str key;
	uint64_t want, limit, window_ms;
};

/** {v, asks: [{key, want, limit, window}]}.  @param[out] ret  malloc()ed. */
int throttle_asks_write(const struct throttle_ask *asks, size_t n, struct gh_str *ret);
/** From anywhere.  @param asks  room for ASKS_MAX; they point into @p bytes.
 *  @return 0, GH_EINVAL with a sentence in @p error. */
int throttle_asks_read(struct gh_str bytes, struct throttle_ask *asks, size_t *ret_n,
	const char **error);
/** {v, grants: [{amount, used, reset}]}, in the order of the asks. */
int throttle_grants_write(const struct throttle_grant *grants, size_t n, struct gh_str *ret);
/** @param n  how many there must be; room for as many.  @return 0, GH_EINVAL. */
int throttle_grants_read(struct gh_str bytes, size_t n, struct throttle_grant *grants);
/** The traffic manager's side: answer a gateway's asks from @p counters.  A gh_handler's part. */
void throttle_asks_serve(struct throttle_counters *counters, struct gh_call *call);

/* ---- Leases (leases.c) ------------------------------------------------------------------------- */

struct leases;

struct leases_setup {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_str url;   /**< Copied. */
	uint64_t max_keys;
};

/** Start the thread that asks.  MAIN.  @return 0, GH_ENOMEM. */
int leases_new(const struct leases_setup *setup, struct leases **ret_leases);
/** MAIN, after the workers.  NULL is allowed. */
void leases_free(struct leases *leases);
/** Count one call from what was lent.  WORKER.
 *  @param txn  to be resumed when more was lent; NULL: the caller tries again by itself.
 *  @return 0; GH_EAGAIN: more was asked for, the transaction was suspended (gh_txn_suspend with @p fn)
 *  and counts again when it goes on; GH_EIO: the traffic manager is away; GH_EINVAL, GH_ENOMEM as throttle_counters_hit(). */
int leases_take(struct leases *leases, uint64_t now_ms, struct gh_str key, uint64_t limit,
	uint64_t window_ms, struct gh_txn *txn, uint64_t deadline_ms, gh_resume_fn *fn,
	struct gh_counted *ret_counted);
/** Give back what leases_take() has counted, if its window still runs.  ANY. */
void leases_undo(struct leases *leases, struct gh_str key, uint64_t window_end_ms);

/* ---- Policies (policies.c) ------------------------------------------------------------------- */

/** What one policy says.  requests = 0: no limit. */
struct throttle_policy {
	struct gh_str key; /**< "<tenant>\n<level>/<name>"; in an allocation of its own. */
	uint64_t requests, window_ms;
	bool stop_on_quota_reach;
};

/** All policies at one sequence of the feed.  Immutable once published, counted. */
struct throttle_policies {
	_Atomic unsigned refs;
	size_t n, capacity;
	struct throttle_policy *items; /**< Sorted by key. */
};

/** Empty, with one reference.  @return NULL: out of memory. */
struct throttle_policies *throttle_policies_new(void);
/** A copy that may be changed, with one reference.  @return NULL: out of memory. */
struct throttle_policies *throttle_policies_copy(const struct throttle_policies *from);
struct throttle_policies *throttle_policies_ref(struct throttle_policies *policies);
/** The last one frees.  ANY.  NULL is allowed. */
void throttle_policies_unref(struct throttle_policies *policies);
/** Apply one change of a `policy` document.  Before publishing only.
 *  @return 0; GH_EINVAL: the document makes no sense and counts as deleted; GH_ENOMEM. */
int throttle_policies_apply(struct throttle_policies *policies,
	const struct gh_feed_change *change);
/** @param level  "subscription", "application" or "api".  @return NULL: there is none. */
const struct throttle_policy *throttle_policies_find(const struct throttle_policies *policies,
	struct gh_str tenant, const char *level, struct gh_str name);

#endif
