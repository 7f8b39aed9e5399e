/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resolve.h
 * @brief Addresses of hosts, for one worker: c-ares on its loop, with a cache.
 *
 * Names are looked up in /etc/hosts and by DNS.  Answers are kept for their TTL, 1 s at least and
 * 60 s at most; failures for 2 s.  Numeric addresses need neither.
 */
#ifndef PLUGINS_GATEWAY_RESOLVE_H
#define PLUGINS_GATEWAY_RESOLVE_H
#include <gatehouse/base.h>
#include <netinet/in.h>

struct uv_loop_s;
struct resolver; /**< Of one worker; all functions are WORKER. */

#define RESOLVE_MAX 8 /**< Addresses kept per host. */

union resolve_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct resolve_answer {
	union resolve_address v[RESOLVE_MAX]; /**< In the order to try them; ports are 0. */
	unsigned n;                           /**< 0: none; then @c why says why. */
	const char *why;                      /**< STATIC. */
};

/** @param answer  BORROW. */
typedef void resolve_fn(void *arg, const struct resolve_answer *answer);

/** One wait for an answer; part of the struct that waits. */
struct resolve_query {
	struct resolve_query *next, **link; /**< Private. */
	resolve_fn *fn;
	void *arg;
};

/** Prepare the library; count init and done.  MAIN.  @return 0 or GH_EIO. */
int resolve_library_init(void);
void resolve_library_done(void);

/** @param servers  comma-separated name servers, "192.0.2.1:53"; n = 0: those of /etc/resolv.conf.
 *  @return 0, GH_ENOMEM, GH_EINVAL (servers), GH_EIO (the library did not start). */
int resolver_new(struct uv_loop_s *loop, struct gh_str servers, struct resolver **ret_resolver);
/** No query may wait any more.  Memory goes when the loop has closed its handles. */
void resolver_free(struct resolver *resolver);

/** Ask for the addresses of @p host (canonical, see lib/uri).  @p query's fn is called exactly
 *  once, perhaps before this returns, unless resolve_cancel() comes first.  @param query  fn and
 *  arg set. */
void resolve_start(struct resolver *resolver, struct gh_str host, struct resolve_query *query);
/** Forget a query; one that does not wait is left alone. */
void resolve_cancel(struct resolve_query *query);

#endif
