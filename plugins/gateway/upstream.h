/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream.h
 * @brief The upstream client: sends a request to a backend and streams the answer back.
 *
 * One pool per worker, shared with nobody.  Connections are kept alive per endpoint (scheme, host,
 * port); the last one used is the first taken.  Framing is written anew in both directions and
 * hop-by-hop fields are dropped; a response is parsed strictly (lib/h1) before a byte of it goes
 * on.
 *
 * What can go wrong, and what the hook's fail function is called with:
 *   502  101503  no address, refused, unreachable, TLS failed, closed before the head, or a head
 *                that is malformed or too large
 *   503  303001  the endpoint has as many connections as it may have
 *   504  101504  no connection, or no response head, in time
 * After the head has been passed on, a failure breaks the client's connection instead.
 *
 * A request is sent again, once and on a fresh connection, when a kept connection turns out to be
 * closed before a byte of the response came, and either nothing was sent on it or the method is
 * idempotent (RFC 9110, 9.2.2); never when a part of its body is gone.
 */
#ifndef PLUGINS_GATEWAY_UPSTREAM_H
#define PLUGINS_GATEWAY_UPSTREAM_H
#include <gatehouse/http.h>

struct uv_loop_s;

/** Documented numbers of upstream failures. */
enum upstream_error {
	UPSTREAM_FAILED = 101503,
	UPSTREAM_TIMED_OUT = 101504,
	UPSTREAM_FULL = 303001,
};

/** How a pool behaves; read-only once a pool uses it.  Zero means the default in brackets. */
struct upstream_options {
	uint64_t connect_ms;        /**< Address, connection and TLS together [5,000]. */
	uint64_t head_ms;           /**< From the request's end to the response head [60,000]. */
	uint64_t idle_ms;           /**< Between two pieces of a body, either way [60,000]. */
	uint64_t keep_ms;           /**< How long an unused connection is kept [60,000]. */
	uint64_t max_idle;          /**< Unused connections kept per endpoint [512]. */
	uint64_t max_connections;   /**< Per endpoint and worker [no limit]. */
	struct gh_str ca_file;      /**< PEM; n = 0: the system's.  Lives as long as the trust. */
	struct gh_str name_servers; /**< Comma separated; n = 0: those of /etc/resolv.conf. */
	bool insecure;              /**< Do not verify certificates; for tests with foreign ones. */
};

struct upstream_trust; /**< Whom https endpoints are verified against; shared by all workers. */
struct upstream_pool;  /**< Of one worker. */

/** Where a backend is; slices live as long as the transaction. */
struct upstream_endpoint {
	bool is_tls;
	uint16_t port;
	struct gh_str host; /**< Canonical (lib/uri): lower case, brackets around IPv6. */
};

/** Form the reply for a failure.  WORKER.  @return the hook's verdict (GH_STOP with a reply
 *  set). */
typedef enum gh_verdict upstream_fail_fn(struct gh_txn *txn, int error_code, unsigned status);

/** Trust store for https.  Files are read on first use, once, under a lock.  MAIN.
 *  @param options  BORROW until upstream_trust_free().  @return 0, GH_ENOMEM;
 *  GH_EINVAL: @c ca_file is named but cannot be used (read at once then); error says why. */
int upstream_trust_new(const struct upstream_options *options, struct upstream_trust **ret_trust,
	char *error, size_t error_size);
void upstream_trust_free(struct upstream_trust *trust);

/** WORKER, in worker_start().  @param options, trust  BORROW until the pool is freed.
 *  @return 0, GH_ENOMEM, GH_EINVAL (name servers), GH_EIO (the resolver did not start). */
int upstream_pool_new(struct uv_loop_s *loop, const struct upstream_options *options,
	struct upstream_trust *trust, struct upstream_pool **ret_pool);
/** WORKER, in worker_stop(): closes every connection.  Memory goes when the loop has closed its
 *  handles.  NULL is allowed. */
void upstream_pool_free(struct upstream_pool *pool);

/** Send the transaction's request and stream the response; for the hook of GH_UPSTREAM, which
 *  returns what this returns.  It uses that hook's gh_txn_slot() and suspends it.  Writes
 *  GH_ATTR_UPSTREAM and GH_ATTR_UPSTREAM_US.
 *  @param target  path and query for the request line; ARENA(txn) or longer.
 *  @param fail    STATIC; may call upstream_start() again (another endpoint) and return its
 *  verdict. */
enum gh_verdict upstream_start(struct upstream_pool *pool, struct gh_txn *txn,
	const struct upstream_endpoint *endpoint, struct gh_str target, upstream_fail_fn *fail);

/** What the last exchange of this transaction's hook came to: STATIC or ARENA(txn) sentence for the
 *  description of an error body; n = 0: no failure.  Callable from the fail function. */
struct gh_str upstream_why(struct gh_txn *txn);

/** How a pool stands, for metrics and tests. */
struct upstream_counts {
	uint64_t requests, connects, reused, retried, failed;
	unsigned open, idle, endpoints;
};
void upstream_pool_counts(const struct upstream_pool *pool, struct upstream_counts *ret_counts);

#endif
