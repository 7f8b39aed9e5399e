/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file environment.h
 * @brief Gateway environments, as the management APIs read them: which there are, under which
 * addresses their virtual hosts answer, which gateways serve them.
 *
 * A tenant sees its own environments and those that the default tenant shares with everybody
 * (is_shared), which it cannot change.  Writing them is the admin plugin's.
 * All POOL, unless something else is said.
 */
#ifndef LIB_ENVIRONMENT_ENVIRONMENT_H
#define LIB_ENVIRONMENT_ENVIRONMENT_H
#include <gatehouse/svc/nodes.h>

#include "lib/rest/rest.h"

#define ENVIRONMENT_DEFAULT "Default"
#define ENVIRONMENT_VHOST_DEFAULT "localhost" /**< Answers for every host that nobody claims. */

#define ENVIRONMENT_HTTP_PORT 80
#define ENVIRONMENT_HTTPS_PORT 443
#define ENVIRONMENT_WS_PORT 9099
#define ENVIRONMENT_WSS_PORT 8099

/* ---- Documents ------------------------------------------------------------------------------- */

/** By name.  @return 0; GH_ENOENT without a reply; or as docs/1. */
int environment_by_name(struct rest_context *ctx, struct gh_str name,
	const struct gh_doc **ret_environment);
/** By uuid, as environment_by_name(). */
int environment_by_uuid(struct rest_context *ctx, struct gh_str uuid,
	const struct gh_doc **ret_environment);
/** Every environment that the caller's tenant sees, its own first.
 *  @param[out] ret_list  the call's memory. */
int environment_list(struct rest_context *ctx, const struct gh_doc *const **ret_list,
	size_t *ret_n);
/** Does the caller's tenant own it? */
bool environment_is_own(const struct rest_context *ctx, const struct gh_doc *environment);
/** Its REST representation in the admin API.  @return a new reference; NULL: out of memory. */
json_t *environment_to_json(const struct rest_context *ctx, const struct gh_doc *environment);
/** "hybrid", "production" or "sandbox": which backends of an API it may reach. */
struct gh_str environment_type(const struct gh_doc *environment);

/* ---- Virtual hosts --------------------------------------------------------------------------- */

/** Strings BORROW from the document. */
struct environment_vhost {
	struct gh_str host;    /**< Canonical (lib/uri). */
	struct gh_str context; /**< Path in front of everything, without slashes around it; or empty. */
	int http_port, https_port, ws_port, wss_port;
};

/** A virtual host of an environment.  @param host  in any spelling; n = 0: the first one.
 *  @return false: it has none of that name. */
bool environment_vhost(const struct gh_doc *environment, struct gh_str host,
	struct environment_vhost *ret_vhost);
/** "https://host:port/context" and @p path behind it; the scheme's own port is not written.
 *  @param path  "" or starts with '/'.  @return a new string; NULL: out of memory. */
json_t *environment_url(const struct environment_vhost *vhost, bool is_tls, struct gh_str path);

/* ---- Who may use one ------------------------------------------------------------------------- */

/** May a user with these roles deploy there?
 *  @param n  0: the roles are not known, which is enough for PUBLIC only. */
bool environment_is_allowed(const struct gh_doc *environment, const struct gh_str *roles, size_t n);

/* ---- Gateways -------------------------------------------------------------------------------- */

#define ENVIRONMENT_NODES "nodes/1*" /**< Row of the plugin's table of needs. */
#define ENVIRONMENT_NODES_MAX 4
#define ENVIRONMENT_FAILED_AFTER_S 30 /**< A live gateway that is behind for so long has failed. */

/** Bound once, in open(). */
struct environment_nodes {
	struct gh_nodes v[ENVIRONMENT_NODES_MAX];
	size_t n;
};

/** MAIN. */
void environment_nodes_bind(struct gh_inst *inst, struct environment_nodes *nodes);

/** Called for one node.  @return not 0: stop. */
typedef int environment_node_fn(void *arg, const struct gh_node_seen *node);
/** Every gateway that serves the environment.  @return 0, what @p fn returned, or GH_ENOMEM. */
int environment_nodes_each(const struct environment_nodes *nodes, struct gh_str environment,
	environment_node_fn *fn, void *arg);

/** How far something that was committed has come. */
struct environment_counts {
	unsigned live, deployed, failed;
};
/** Count gateways of an environment that serve @p seq.
 *  @param age_s  how long ago it was committed. */
int environment_count(const struct environment_nodes *nodes, struct gh_str environment,
	uint64_t seq, int64_t age_s, struct environment_counts *ret_counts);

#endif
