/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/nodes.h
 * @brief nodes/1: which nodes follow the feed, and how far they are.
 *
 * Provided by the plugin `origin`, for the nodes that follow this one's feed, and by `gateway`, for
 * this node itself; read by the admin and publisher APIs, which need "nodes/1*".
 */
#ifndef GATEHOUSE_SVC_NODES_H
#define GATEHOUSE_SVC_NODES_H
#include <gatehouse/base.h>

#define GH_SVC_NODES "nodes/1"

/** A node that follows, or has followed, the feed. */
struct gh_node_seen {
	struct gh_str id, name;
	struct gh_str roles;         /**< Space separated, from its certificate. */
	struct gh_str environments;  /**< That it serves, space separated; n = 0: it is no gateway. */
	struct gh_str version;       /**< Of its program. */
	uint64_t serving;            /**< Sequence that all of its workers act on. */
	uint64_t last_seen_s;        /**< Unix seconds. */
	bool is_live;                /**< It was heard of within the last GH_NODE_LIVE_S seconds. */
};
#define GH_NODE_LIVE_S 120 /**< As the reference expires its gateways. */

/** In one allocation. */
struct gh_nodes_seen {
	size_t n;
	struct gh_node_seen *nodes;
};

struct gh_nodes_v1 {
	uint32_t size;
	/** @param[out] ret  GIVE: free_list().  MAIN or POOL.  @return 0, GH_ENOMEM. */
	int (*list)(void *self, struct gh_nodes_seen **ret);
	void (*free_list)(struct gh_nodes_seen *list);
};
struct gh_nodes { const struct gh_nodes_v1 *vt; void *self; };

#endif
