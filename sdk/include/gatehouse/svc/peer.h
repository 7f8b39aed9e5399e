/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/peer.h
 * @brief peer/1: call another node of the cluster over mutual TLS.
 *
 * Connections are kept and used again.  Every function blocks (POOL, or a thread of the plugin's own)
 * unless it says ANY.  Provided by the plugin `cluster`.
 */
#ifndef GATEHOUSE_SVC_PEER_H
#define GATEHOUSE_SVC_PEER_H
#include <gatehouse/base.h>

#define GH_SVC_PEER "peer/1"

/** One caller's handle: what stop() ends together.  Opaque. */
struct gh_peer_line;

/** A request.  All BORROW. */
struct gh_peer_request {
	struct gh_str url;     /**< "https://host:port" of the node or of a balancer before several. */
	struct gh_str role;    /**< Role that the answering node's certificate must carry. */
	struct gh_str method, path; /**< Path with query: "/cluster/v1/feed?after=17". */
	struct gh_str body;    /**< n = 0: none. */
	struct gh_str content_type;
	uint64_t deadline_ms;  /**< For all of it; 1 to 600,000. */
	uint64_t idle_ms;      /**< Longest time without a byte; 0: the deadline alone counts. */
	uint64_t max_bytes;    /**< Largest response body; a longer one is GH_ETOOBIG. */
};

/** A response, in one allocation. */
struct gh_peer_reply {
	unsigned status;
	struct gh_str content_type;
	struct gh_str body;    /**< Empty when it went to a gh_peer_data_fn. */
};

/** A piece of the body of a response with status 200.  BORROW.  @return 0 to go on, anything else stops
 *  and is passed through. */
typedef int gh_peer_data_fn(void *arg, struct gh_str piece);

struct gh_peer_v1 {
	uint32_t size;
	/** @return a line, or NULL.  Each thread of a caller may use it at the same time.  ANY. */
	struct gh_peer_line *(*line_new)(void *self);
	/** Make calls of this line that are under way, and later ones, return GH_EAGAIN at once.  ANY. */
	void (*line_stop)(struct gh_peer_line *line);
	void (*line_free)(struct gh_peer_line *line); /**< No call is under way.  NULL is allowed. */
	/** @param fn  takes the body of a 200 piece by piece; NULL: it is in the reply.
	 *  @param[out] error  at least 256 bytes: a sentence when the result is not 0.
	 *  @param[out] ret  GIVE: reply_free().
	 *  @return 0: there was an answer, of whatever status; GH_EAGAIN (not reached, connection broken,
	 *  or stopped); GH_EDENIED (its certificate, or ours, is not good); GH_ETIMEDOUT; GH_ETOOBIG;
	 *  GH_ENOENT (this node has no certificate yet); GH_EINVAL (URL); GH_ENOMEM; what @p fn returned. */
	int (*call)(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn,
		void *arg, struct gh_peer_reply **ret, char *error, size_t error_size);
	void (*reply_free)(struct gh_peer_reply *reply); /**< Wipes it.  NULL is allowed. */
};
struct gh_peer { const struct gh_peer_v1 *vt; void *self; };

#endif
