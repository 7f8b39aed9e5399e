/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file token_cache.h
 * @brief Tokens that one worker has verified, and some that it has refused.
 *
 * Keyed by SHA-256 of the token, bounded, set associative: the place is a keyed hash of the digest,
 * so that nobody can choose tokens that push each other out.  Refused tokens have a table of their
 * own and never displace a good one.  Everything here is WORKER, without a lock; claims may be made
 * on ANY thread and are then handed over.
 */
#ifndef GATEWAY_TOKEN_CACHE_H
#define GATEWAY_TOKEN_CACHE_H
#include "lib/crypto/crypto.h"
#include "plugins/gateway/errors.h"

/** What a verified token says.  Strings live as long as the claims. */
struct gw_claims {
	unsigned pins;        /**< The cache's and the transactions'; the worker's. */
	bool is_test_key;     /**< An internal test key, for one API. */
	enum gw_token_of { GW_TOKEN_OF_ANY, GW_TOKEN_OF_APPLICATION, GW_TOKEN_OF_USER } of;
	uint64_t expires_at_s;
	uint64_t trust;       /**< gw_snapshot.trust when it was found true last. */
	struct gh_str consumer_key, user, scopes, jti, kid, issuer;
	struct gh_str tenant; /**< Of the user, or of the application that it was issued to. */
	struct gh_str api_id; /**< Of a test key. */
};

/** One reference more or less; the last one frees.  NULL is allowed for the latter. */
struct gw_claims *gw_claims_pin(struct gw_claims *claims);
void gw_claims_unpin(struct gw_claims *claims);

struct gw_token_cache;

/** @param entries  good tokens, 64 to 1,048,576; a quarter as many refused ones come on top.
 *  @return NULL: out of memory. */
struct gw_token_cache *gw_token_cache_new(uint64_t entries, uint64_t seed);
void gw_token_cache_free(struct gw_token_cache *cache);

/** @return the claims, not pinned; NULL: not there. */
struct gw_claims *gw_token_cache_get(struct gw_token_cache *cache,
	const uint8_t digest[CRYPTO_SHA256_LEN]);
/** Put; the one used longest ago in its set gives way.  @param claims  pinned by the cache. */
void gw_token_cache_put(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN],
	struct gw_claims *claims);
/** Forget; not being there is no error. */
void gw_token_cache_drop(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN]);
/** Was it refused, and nothing has changed since?  @return GW_OK: not known. */
enum gw_error gw_token_cache_refused(struct gw_token_cache *cache,
	const uint8_t digest[CRYPTO_SHA256_LEN], uint64_t trust);
void gw_token_cache_refuse(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN],
	uint64_t trust, enum gw_error error);

#endif
