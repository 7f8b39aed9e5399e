/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file token_cache.c
 * @brief Two set-associative tables: tokens that are good, tokens that are not.
 */
#include "plugins/gateway/token_cache.h"

#include <stdlib.h>

#include "lib/hash/hash.h"

#define WAYS 8u

struct place {
	uint8_t digest[CRYPTO_SHA256_LEN];
	uint64_t used_at;         /* tick of the last use; 0: free */
	struct gw_claims *claims; /* of a good one */
	uint64_t trust;           /* of a refused one */
	enum gw_error error;
};

struct table {
	struct place *places;
	uint64_t set_mask;
};

struct gw_token_cache {
	uint64_t seed, tick;
	struct table good, refused;
};

struct gw_claims *
gw_claims_pin(struct gw_claims *claims)
{
	claims->pins++;
	return claims;
}

void
gw_claims_unpin(struct gw_claims *claims)
{
	if (claims != NULL && --claims->pins == 0)
		free(claims);
}

/* As many sets as are needed for @p entries, rounded up to a power of two. */
static int
table_init(struct table *table, uint64_t entries)
{
	uint64_t sets = 1;

	while (sets * WAYS < entries)
		sets *= 2;
	table->places = calloc(sets * WAYS, sizeof(*table->places));
	table->set_mask = sets - 1;
	return table->places != NULL ? 0 : GH_ENOMEM;
}

static void
table_done(struct table *table)
{
	for (uint64_t i = 0; table->places != NULL && i < (table->set_mask + 1) * WAYS; i++)
		gw_claims_unpin(table->places[i].claims);
	free(table->places);
}

struct gw_token_cache *
gw_token_cache_new(uint64_t entries, uint64_t seed)
{
	struct gw_token_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->seed = seed;
	if (table_init(&cache->good, entries) < 0 || table_init(&cache->refused, entries / 4) < 0) {
		gw_token_cache_free(cache);
		return NULL;
	}
	return cache;
}

void
gw_token_cache_free(struct gw_token_cache *cache)
{
	if (cache == NULL)
		return;
	table_done(&cache->good);
	table_done(&cache->refused);
	free(cache);
}

static struct place *
set_of(const struct gw_token_cache *cache, const struct table *table, const uint8_t *digest)
{
	uint64_t hash = hash_bytes(cache->seed,
		(struct gh_str){ (const char *)digest, CRYPTO_SHA256_LEN });

	return &table->places[(hash & table->set_mask) * WAYS];
}

static struct place *
find(struct gw_token_cache *cache, const struct table *table, const uint8_t *digest)
{
	struct place *set = set_of(cache, table, digest);

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].used_at != 0 && memcmp(set[i].digest, digest, CRYPTO_SHA256_LEN) == 0) {
			set[i].used_at = ++cache->tick;
			return &set[i];
		}
	}
	return NULL;
}

/* A place for @p digest: its own, a free one, or that of the one used longest ago. */
static struct place *
make_room(struct gw_token_cache *cache, const struct table *table, const uint8_t *digest)
{
	struct place *place = find(cache, table, digest);

	if (place == NULL) {
		struct place *set = set_of(cache, table, digest);

		place = set;
		for (unsigned i = 1; i < WAYS; i++)
			if (set[i].used_at < place->used_at)
				place = &set[i];
	}
	gw_claims_unpin(place->claims);
	*place = (struct place){ .used_at = ++cache->tick };
	memcpy(place->digest, digest, CRYPTO_SHA256_LEN);
	return place;
}

struct gw_claims *
gw_token_cache_get(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN])
{
	struct place *place = find(cache, &cache->good, digest);

	return place != NULL ? place->claims : NULL;
}

void
gw_token_cache_put(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN],
	struct gw_claims *claims)
{
	gw_claims_pin(claims); /* first: it may stand there already */
	make_room(cache, &cache->good, digest)->claims = claims;
}

void
gw_token_cache_drop(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN])
{
	struct place *place = find(cache, &cache->good, digest);

	if (place == NULL)
		return;
	gw_claims_unpin(place->claims);
	*place = (struct place){ 0 };
}

enum gw_error
gw_token_cache_refused(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN],
	uint64_t trust)
{
	struct place *place = find(cache, &cache->refused, digest);

	return place != NULL && place->trust == trust ? place->error : GW_OK;
}

void
gw_token_cache_refuse(struct gw_token_cache *cache, const uint8_t digest[CRYPTO_SHA256_LEN],
	uint64_t trust, enum gw_error error)
{
	struct place *place = make_room(cache, &cache->refused, digest);

	place->trust = trust;
	place->error = error;
}
