/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/txn.h
 * @brief The transaction: one request and its response, as hooks see it.
 *
 * Every function here is WORKER, on the transaction's own worker, unless it says ANY.  A transaction
 * and its arena live until the GH_LOG phase is over and every resume function has returned.
 */
#ifndef GATEHOUSE_TXN_H
#define GATEHOUSE_TXN_H
#include <gatehouse/plugin.h>

/* ---- Attributes -------------------------------------------------------------------------------- */

/**
 * What parts tell each other about a transaction.  Append only.  The comment says type, who writes
 * it, and from which phase on it can be read.
 */
enum gh_attr {
	GH_ATTR_NONE,
	/* Connection and request; written by the kernel before ACCEPT. */
	GH_ATTR_LISTENER,       /**< str: name of the listener. */
	GH_ATTR_PEER,           /**< str: numeric address of the client, without port. */
	GH_ATTR_SCHEME,         /**< str: "http" or "https". */
	GH_ATTR_METHOD,         /**< str: RFC 9110, 9.1. */
	GH_ATTR_TARGET,         /**< str: the raw request target, as received. */
	GH_ATTR_HOST,           /**< str: authority of the request, lower case, without port. */
	GH_ATTR_PATH,           /**< str: canonical path (lib/uri), starts with '/'. */
	GH_ATTR_QUERY,          /**< str: raw query without '?'; unset when there is none. */
	GH_ATTR_ID,             /**< str: id of the transaction, for logs and the caller. */
	/* What is called; written by the gateway in ROUTE. */
	GH_ATTR_TENANT,         /**< str: "carbon.super". */
	GH_ATTR_API_ID, GH_ATTR_API_NAME, GH_ATTR_API_VERSION, GH_ATTR_API_CONTEXT,
	GH_ATTR_API_PROVIDER,   /**< str */
	GH_ATTR_OPERATION,      /**< str: path template of the operation, "/books/{id}". */
	GH_ATTR_RESOURCE_PATH,  /**< str: canonical path behind context and version. */
	GH_ATTR_API_TIER,       /**< str: API-level throttling policy; unset or "Unlimited": none. */
	GH_ATTR_OPERATION_TIER, /**< str */
	/* Who calls; written by the gateway in AUTHENTICATE and AUTHORIZE. */
	GH_ATTR_CONSUMER_KEY,   /**< str: OAuth client id. */
	GH_ATTR_USER,           /**< str: end user or application owner, with tenant where not default. */
	GH_ATTR_KEY_TYPE,       /**< str: "PRODUCTION" or "SANDBOX". */
	GH_ATTR_SCOPES,         /**< str: space separated. */
	GH_ATTR_APPLICATION_ID, GH_ATTR_APPLICATION_NAME, GH_ATTR_APPLICATION_OWNER,
	GH_ATTR_APPLICATION_TIER, /**< str */
	GH_ATTR_SUBSCRIPTION_ID,  /**< str */
	GH_ATTR_SUBSCRIPTION_TIER, /**< str: name of the business plan. */
	/* What happened. */
	GH_ATTR_ERROR_CODE,     /**< int: documented number (900901 ...), by who refuses. */
	GH_ATTR_UPSTREAM,       /**< str: "host:port" of the endpoint, by the gateway in UPSTREAM. */
	GH_ATTR_UPSTREAM_US,    /**< int: until the response head came, by the gateway in UPSTREAM. */
	/* Which node calls, on the cluster chain; written by the kernel before ACCEPT, from the client
	 * certificate that the engine verified.  Unset without a valid one. */
	GH_ATTR_PEER_NODE,      /**< str: id of the node. */
	GH_ATTR_PEER_ROLES,     /**< str: its roles, space separated (gatehouse/svc/trust.h). */
	GH_ATTR_COUNT
};

/** @return the value, ARENA(txn) or longer; n = 0 when it is unset. */
GH_API struct gh_str gh_txn_attr(const struct gh_txn *txn, enum gh_attr attr);
/** @return the value, or @p dflt when it is unset. */
GH_API int64_t gh_txn_attr_int(const struct gh_txn *txn, enum gh_attr attr, int64_t dflt);
/** Set a string.  @param value  BORROW, must outlive the transaction (use gh_txn_strdup otherwise). */
GH_API void gh_txn_set_attr(struct gh_txn *txn, enum gh_attr attr, struct gh_str value);
GH_API void gh_txn_set_attr_int(struct gh_txn *txn, enum gh_attr attr, int64_t value);

/* ---- Memory and blocks ------------------------------------------------------------------------- */

/** Zeroed, aligned for any type.  @return ARENA(txn), or NULL (limit reached or out of memory). */
GH_API void *gh_txn_alloc(struct gh_txn *txn, size_t bytes);
/** @return ARENA(txn) copy; n = 0 and p = NULL when out of memory. */
GH_API struct gh_str gh_txn_strdup(struct gh_txn *txn, struct gh_str s);
/** Formatted text.  @return ARENA(txn); p = NULL when out of memory. */
GH_API struct gh_str gh_txn_printf(struct gh_txn *txn, const char *fmt, ...) GH_PRINTF(2, 3);
/** The running entry's process block, what open() was given. */
GH_API void *gh_txn_process(const struct gh_txn *txn);
/** The running entry's block of this worker; NULL when worker_size is 0. */
GH_API void *gh_txn_worker_data(const struct gh_txn *txn);
GH_API struct gh_worker *gh_txn_worker(const struct gh_txn *txn);
/** This attachment's state within this transaction, zeroed on first use; the same block in a hook and
 *  in its resume function.  @return ARENA(txn), or NULL. */
GH_API void *gh_txn_slot(struct gh_txn *txn, size_t bytes);
/** One block that all hooks of the running entry share within this transaction, zeroed on first use
 *  (a route hook leaves something for the upstream hook).  @return ARENA(txn), or NULL. */
GH_API void *gh_txn_entry_slot(struct gh_txn *txn, size_t bytes);
/** Call @p fn(arg) when the transaction is freed, after LOG; last registered first.
 *  @return 0 or GH_ENOMEM (then fn was not registered). */
GH_API int gh_txn_defer(struct gh_txn *txn, void (*fn)(void *arg), void *arg);
/** Is the running attachment a dry run?  Setters do nothing then; limits count under a shadow key. */
GH_API bool gh_txn_is_dry_run(const struct gh_txn *txn);
/** Add the attachments of @p plan to those of the node, for the phases after ROUTE.  Call in ROUTE.
 *  @param plan  BORROW; must live until the transaction ends (see gh_txn_defer). */
GH_API void gh_txn_set_plan(struct gh_txn *txn, const struct gh_plan *plan);
/** Chain of the listener that it came in on. */
GH_API enum gh_chain gh_txn_chain(const struct gh_txn *txn);
/** Start of the transaction, CLOCK_MONOTONIC. */
GH_API uint64_t gh_txn_start_ns(const struct gh_txn *txn);

/** Log one line; the kernel adds time, entry and the transaction's id.  No secrets. */
GH_API void gh_log(struct gh_txn *txn, int level, const char *fmt, ...) GH_PRINTF(3, 4);

/* ---- Suspend and resume ------------------------------------------------------------------------ */

enum gh_reason {
	GH_DONE,      /**< gh_resume() was called. */
	GH_DEADLINE,  /**< The deadline passed first. */
	GH_CANCELLED, /**< The client left, or the node stops. */
};

/** Goes on where the hook stopped.  Runs exactly once; its verdict is the hook's.  It may suspend
 *  again. */
typedef enum gh_verdict gh_resume_fn(struct gh_txn *txn, enum gh_reason reason);

/** Names one suspension.  Plain data; a stale one does nothing. */
struct gh_token {
	struct gh_worker *worker;
	uint32_t slot;
	uint32_t reserved;
	uint64_t serial; /**< 0: no token. */
};

/** Stop this transaction until gh_resume(), the deadline, or the client's departure.  The caller then
 *  returns GH_SUSPEND.  @param deadline_ms  from now, 1 to 86,400,000.
 *  @return the token; serial 0: it is suspended already, and that one stands. */
GH_API struct gh_token gh_txn_suspend(struct gh_txn *txn, uint64_t deadline_ms, gh_resume_fn *fn);
/** Resume.  ANY.  On the transaction's own worker and outside a hook the transaction goes on before
 *  this returns; elsewhere through the mailbox. */
GH_API void gh_resume(struct gh_token token);

#endif
