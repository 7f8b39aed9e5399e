/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jwks.h
 * @brief Keys of a key manager that publishes them as a JWK set (RFC 7517, 5), besides those that
 * come through the feed.
 *
 * A thread of its own fetches the set: at the start, every now and then, and when a token names a
 * key that nobody knows, but not more often than every GW_JWKS_PAUSE_MS.  What was fetched last
 * counts until something else is: a key manager that is away changes nothing.
 */
#ifndef GATEWAY_JWKS_H
#define GATEWAY_JWKS_H
#include <gatehouse/metric.h>
#include <gatehouse/txn.h>

#include "lib/jose/jose.h"

#define GW_JWKS_PAUSE_MS 5000      /**< Between two fetches that tokens asked for. */
#define GW_JWKS_DEADLINE_MS 2000   /**< Of one fetch. */
#define GW_JWKS_BYTES_MAX (256u << 10)
#define GW_JWKS_KEYS_MAX 64        /**< Keys of a set; further ones are not looked at. */
#define GW_JWKS_WAITERS_MAX 256

struct gw_jwks;

/** All BORROW, copied. */
struct gw_jwks_options {
	struct gh_str url;         /**< "https://host:port/path" */
	struct gh_str issuer;      /**< Of tokens that are signed with these keys. */
	struct gh_str ca_file;     /**< PEM; n = 0: the authorities of the system. */
	uint64_t interval_ms;      /**< Between two fetches that nobody asked for. */
};

/** Without the thread.  MAIN.  @param inst  NULL in tests.  @return 0, GH_EINVAL (logged),
 *  GH_ENOMEM. */
int gw_jwks_new(struct gh_inst *inst, const struct gw_jwks_options *options, struct gw_jwks **ret);
/** Start fetching.  MAIN.  @return 0 or GH_EAGAIN. */
int gw_jwks_start(struct gw_jwks *jwks);
/** Stop and free.  MAIN.  NULL is allowed. */
void gw_jwks_free(struct gw_jwks *jwks);

/** Take a set, as it was fetched.  The thread; tests.
 *  @return 0; GH_EINVAL: it is no set, or holds no key that is accepted, and the old one stays;
 *  GH_ENOMEM. */
int gw_jwks_take(struct gw_jwks *jwks, struct gh_str text);

/* ANY; NULL for @p jwks is a set without keys. */
/** @param[out] ret_key  GIVE: jose_key_unref().  @return 0, GH_ENOENT. */
int gw_jwks_key(struct gw_jwks *jwks, struct gh_str kid, struct jose_key **ret_key);
/** Does the set hold a key of that id, and is it this issuer's? */
bool gw_jwks_trusts(struct gw_jwks *jwks, struct gh_str kid, struct gh_str issuer);
/** Grows with every change of the set. */
uint64_t gw_jwks_trust(const struct gw_jwks *jwks);

/** Would waiting for a fetch help?  One is under way, or may begin. */
bool gw_jwks_may_wait(struct gw_jwks *jwks);
/** Ask for a fetch, and for gh_resume(token) when it has ended.  @return false: not now. */
bool gw_jwks_wait(struct gw_jwks *jwks, struct gh_token token);

#endif
