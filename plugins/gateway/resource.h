/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resource.h
 * @brief The operations of one API as a tree of path segments.
 *
 * A template is made of segments: literals ("books"), parameters ("{id}"), segments with both
 * ("{name}.json"), and at its end perhaps "*", which stands for any number of segments, also none.
 * Literals win over mixed segments, these over parameters, these over "*"; where the winner has no
 * operation for the method, the next one is asked.  A slash at the end makes no difference.
 */
#ifndef GATEWAY_RESOURCE_H
#define GATEWAY_RESOURCE_H
#include "plugins/gateway/arena.h"

#define GW_TEMPLATE_MAX 2048      /**< Longest path template. */
#define GW_TEMPLATE_SEGMENTS 64   /**< Most segments in it. */
#define GW_ALLOW_MAX 8            /**< Templates whose methods an answer 405 lists. */

/** Which credentials an operation takes. */
enum gw_auth_type {
	GW_AUTH_ANY,
	GW_AUTH_NONE,
	GW_AUTH_APPLICATION,      /**< Tokens of an application itself. */
	GW_AUTH_APPLICATION_USER, /**< Tokens of a user through an application. */
};

/** One operation: a method on a path template. */
struct gw_operation {
	struct gh_str method, template, tier;
	enum gw_auth_type auth_type;
	const struct gh_str *scopes; /**< One of them is enough; none: no scope is asked for. */
	size_t scope_count;
};

struct gw_resource; /* a node; a tree is its root */

/** What a look-up found. */
struct gw_matched {
	const struct gw_operation *operation; /**< NULL: see allow_count. */
	/** Groups of operations whose templates fit but whose methods do not. */
	const struct gw_operation *const *allow[GW_ALLOW_MAX];
	size_t allow_sizes[GW_ALLOW_MAX];
	size_t allow_count; /**< 0: no template fits (404); else 405. */
};

/** Build the tree.  Of two operations with the same method and equal templates the first counts.
 *  @param operations  must live as long as @p arena.
 *  @param[out] ret_skipped  how many templates were left out: too long, or not canonical.
 *  @return 0 or GH_ENOMEM. */
int gw_resource_build(struct gw_arena *arena, const struct gw_operation *operations, size_t n,
	const struct gw_resource **ret_tree, size_t *ret_skipped);
/** Find the operation.  Allocates nothing.  @param path  canonical; "" and "/" mean the same. */
void gw_resource_find(const struct gw_resource *tree, struct gh_str path, struct gh_str method,
	struct gw_matched *ret_matched);

#endif
