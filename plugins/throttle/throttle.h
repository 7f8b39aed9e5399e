/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file throttle.h
 * @brief The two parts behind the throttle plugin: the table of counters and the table of policies.
 *
 * throttle.c decides about calls, counters.c counts exactly, policies.c knows the policies.
 */
#ifndef PLUGINS_THROTTLE_THROTTLE_H
#define PLUGINS_THROTTLE_THROTTLE_H
#include <gatehouse/base.h>
#include <gatehouse/svc/counter.h>
#include <gatehouse/svc/feed.h>
#include <stdatomic.h>

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
/** Take back an admitted hit of a call that was then refused elsewhere, if its window still runs.
 *  @param window_end_ms  now_ms + reset_ms of that hit.  ANY. */
void throttle_counters_undo(struct throttle_counters *counters, struct gh_str key, uint64_t amount,
	uint64_t window_end_ms);
/** Keys in the table; some of them may be over, but not removed yet.  ANY. */
uint64_t throttle_counters_keys(const struct throttle_counters *counters);

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
