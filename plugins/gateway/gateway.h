/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gateway.h
 * @brief What the files of the gateway plugin share: its blocks, its hooks, and what they leave to
 * each other within a transaction.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H
#include "plugins/gateway/jwks.h"
#include "plugins/gateway/publish.h"
#include "plugins/gateway/token_cache.h"
#include "plugins/gateway/watch.h"

/** Options of one generation. */
struct gw_config {
	struct gh_list environments;
	struct gh_feed_reader reader;        /**< What the feed may ask us. */
	uint64_t token_cache;
	struct gh_ms clock_skew;
	uint64_t verify_share;
	bool cors;
	struct gh_list cors_origins, cors_headers;
	struct gh_ms connect_timeout, response_timeout, idle_timeout, keep_alive;
	uint64_t max_idle_connections, max_connections;
	struct gh_str backend_ca_file;
	bool insecure_backends;
	struct gh_str jwks_url, jwks_issuer, jwks_ca_file;
	struct gh_ms jwks_interval;
	struct gh_str cors_headers_text; /**< Not an option: cors_headers as one field value. */
};

/** For the life of the process. */
struct gw_process {
	struct gh_inst *inst;
	struct gw_publisher publisher;
	struct gw_arena arena;               /**< Copies of fixed options. */
	struct gh_list environments;
	struct gh_feed_reader reader;        /**< What the feed may ask us. */
	uint64_t token_cache;
	uint64_t seed;                       /**< Of every hash whose keys come from outside. */
	struct upstream_options upstream;
	struct upstream_trust *trust;
	struct gw_jwks *jwks;                /**< NULL: all keys come through the feed. */
	struct gh_metric *refused[GW_ERR_COUNT];
	struct gh_metric *cache_hits, *cache_misses, *offloaded;
	struct gw_watch watch;
};

/** Of one worker. */
struct gw_worker {
	struct gw_view *view;                /**< The newest. */
	struct gw_token_cache *tokens;
	struct upstream_pool *pool;
	struct gw_watcher watcher;
	uint64_t turn;                       /**< Whose turn it is among endpoints. */
	uint64_t second_ns, verify_ns;       /**< This second's start; spent on signatures. */
};

/** What the hooks leave to each other within one transaction: the entry's slot. */
struct gw_call {
	struct gw_view *view;                /**< Pinned; NULL: ROUTE has not run. */
	const struct gw_api *api;            /**< As the operation, under the view. */
	const struct gw_operation *operation;
	struct gw_claims *claims;            /**< Pinned; NULL: the caller is not known. */
	const struct gw_config *config;      /**< For whoever waits for a key. */
	enum gw_error refused;               /**< Why the token is not accepted. */
	bool is_sandbox;
	bool has_waited;                     /**< For the key that the token names. */
	bool is_cors;                        /**< The answer needs CORS fields. */
};

/* The hooks, in phase order. */
gh_hook gw_on_route, gw_on_authenticate, gw_on_authorize, gw_on_request, gw_on_upstream,
	gw_on_response;

/* CORS (Fetch standard, 3.2). */
/** Is it a preflight request that the gateway answers? */
bool gw_cors_is_preflight(const struct gw_config *config, struct gh_txn *txn);
/** Answer it.  @param allow  methods of the resource.  @return GH_STOP or GH_FAIL. */
enum gh_verdict gw_cors_preflight(const struct gw_config *config, struct gh_txn *txn,
	struct gh_str allow);

/** Verify a token, at the cost of a signature.  ANY thread that holds @p root.
 *  @param jwks  may be NULL.  @param[out] ret_claims  one pin, which is the caller's.
 *  @return GW_OK, or why not; GW_ERR_BUSY: out of memory. */
enum gw_error gw_token_verify(const struct gw_snapshot *root, struct gw_jwks *jwks,
	struct gh_str token, uint64_t now_s, uint64_t skew_s, struct gw_claims **ret_claims);
/** Is it a token whose key nobody knows? */
bool gw_token_has_unknown_key(const struct gw_snapshot *root, struct gw_jwks *jwks,
	struct gh_str token);
/** Are they still true?  Keys and revocations may have changed. */
bool gw_token_is_trusted(const struct gw_snapshot *root, struct gw_jwks *jwks,
	const struct gw_claims *claims);
/** Changes whenever a key or a revocation does; what was found under it holds as long as it stays.
 *  Read it before what it stands for. */
static inline uint64_t
gw_trust(const struct gw_snapshot *root, const struct gw_jwks *jwks)
{
	return gw_jwks_trust(jwks) << 40 | root->trust;
}

#endif
