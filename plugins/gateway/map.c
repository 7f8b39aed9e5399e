/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file map.c
 * @brief The sharded map: linear probing, at most three quarters full, removal by shifting back.
 */
#include "plugins/gateway/map.h"

#include <stdlib.h>

#include "lib/hash/hash.h"

#define SLOTS_MIN 4

struct slot {
	uint64_t hash;
	const struct gw_key *key;
	struct gw_object *object; /* NULL: free */
};

struct shard {
	unsigned refs;
	uint32_t used, mask;
	struct slot slots[];
};

struct gw_map {
	unsigned refs;
	uint64_t seed;
	size_t count;
	struct shard *shards[GW_SHARDS]; /* NULL: empty */
};

void
gw_object_ref(struct gw_object *object)
{
	object->refs++;
}

void
gw_object_unref(struct gw_object *object)
{
	if (object != NULL && --object->refs == 0)
		object->free(object);
}

static uint64_t
hash_of(uint64_t seed, struct gw_key key)
{
	uint64_t hash = hash_bytes(seed, key.a);

	return key.b.n == 0 ? hash : hash_bytes(hash, key.b);
}

/* The upper bits choose the shard, the lower ones the slot. */
static inline unsigned
shard_of(uint64_t hash)
{
	return (unsigned)(hash >> 56);
}

static bool
holds(const struct slot *slot, uint64_t hash, const struct gw_key *key)
{
	return slot->hash == hash && gh_str_eq(slot->key->a, key->a) &&
		gh_str_eq(slot->key->b, key->b);
}

/* The slot with that key, or the free one where it would go.  A shard is never full. */
static struct slot *
probe(struct shard *shard, uint64_t hash, const struct gw_key *key)
{
	uint32_t i = (uint32_t)hash & shard->mask;

	while (shard->slots[i].object != NULL && !holds(&shard->slots[i], hash, key))
		i = (i + 1) & shard->mask;
	return &shard->slots[i];
}

static struct shard *
shard_new(uint32_t slots)
{
	struct shard *shard = calloc(1, sizeof(*shard) + slots * sizeof(struct slot));

	if (shard != NULL) {
		shard->refs = 1;
		shard->mask = slots - 1;
	}
	return shard;
}

static void
shard_unref(struct shard *shard)
{
	if (shard == NULL || --shard->refs > 0)
		return;
	for (uint32_t i = 0; i <= shard->mask; i++)
		gw_object_unref(shard->slots[i].object);
	free(shard);
}

/* A copy with room for @p slots; every object gets one reference more. */
static struct shard *
shard_copy(const struct shard *old, uint32_t slots)
{
	struct shard *shard = shard_new(slots);

	if (shard == NULL)
		return NULL;
	for (uint32_t i = 0; i <= old->mask; i++) {
		const struct slot *from = &old->slots[i];

		if (from->object == NULL)
			continue;
		*probe(shard, from->hash, from->key) = *from;
		gw_object_ref(from->object);
	}
	shard->used = old->used;
	return shard;
}

/* Make the shard ours alone, with room for one object more. */
static int
shard_own(struct shard **at)
{
	struct shard *old = *at, *shard;

	if (old == NULL) {
		shard = shard_new(SLOTS_MIN);
	} else {
		uint32_t slots = old->mask + 1;

		if ((old->used + 1) * 4 > slots * 3)
			slots *= 2;
		else if (old->refs == 1)
			return 0;
		shard = shard_copy(old, slots);
	}
	if (shard == NULL)
		return GH_ENOMEM;
	shard_unref(old);
	*at = shard;
	return 0;
}

struct gw_map *
gw_map_new(uint64_t seed)
{
	struct gw_map *map = calloc(1, sizeof(*map));

	if (map != NULL) {
		map->refs = 1;
		map->seed = seed;
	}
	return map;
}

struct gw_map *
gw_map_ref(struct gw_map *map)
{
	map->refs++;
	return map;
}

void
gw_map_unref(struct gw_map *map)
{
	if (map == NULL || --map->refs > 0)
		return;
	for (unsigned i = 0; i < GW_SHARDS; i++)
		shard_unref(map->shards[i]);
	free(map);
}

static int
map_own(struct gw_map **at)
{
	struct gw_map *old = *at;

	if (old->refs == 1)
		return 0;
	struct gw_map *map = malloc(sizeof(*map));

	if (map == NULL)
		return GH_ENOMEM;
	*map = *old;
	map->refs = 1;
	for (unsigned i = 0; i < GW_SHARDS; i++)
		if (map->shards[i] != NULL)
			map->shards[i]->refs++;
	old->refs--;
	*at = map;
	return 0;
}

struct gw_object *
gw_map_get(const struct gw_map *map, struct gw_key key)
{
	uint64_t hash = hash_of(map->seed, key);
	struct shard *shard = map->shards[shard_of(hash)];

	return shard == NULL ? NULL : probe(shard, hash, &key)->object;
}

int
gw_map_put(struct gw_map **at, const struct gw_key *key, struct gw_object *object)
{
	uint64_t hash = hash_of((*at)->seed, *key);
	struct shard **shard_at;
	struct slot *slot;
	int r = map_own(at);

	if (r < 0)
		return r;
	shard_at = &(*at)->shards[shard_of(hash)];
	if ((r = shard_own(shard_at)) < 0)
		return r;
	slot = probe(*shard_at, hash, key);
	if (slot->object == NULL) {
		(*shard_at)->used++;
		(*at)->count++;
	}
	gw_object_ref(object);
	gw_object_unref(slot->object);
	*slot = (struct slot){ hash, key, object };
	return 0;
}

/* Close the gap at @p hole: move back every follower whose own place is not behind the gap. */
static void
shift_back(struct shard *shard, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & shard->mask; shard->slots[i].object != NULL;
		i = (i + 1) & shard->mask) {
		uint32_t home = (uint32_t)shard->slots[i].hash & shard->mask;

		if (((i - home) & shard->mask) >= ((i - hole) & shard->mask)) {
			shard->slots[hole] = shard->slots[i];
			hole = i;
		}
	}
	shard->slots[hole] = (struct slot){ 0 };
}

int
gw_map_remove(struct gw_map **at, struct gw_key key)
{
	uint64_t hash = hash_of((*at)->seed, key);
	struct shard **shard_at;
	struct slot *slot;
	struct gw_object *object;
	int r;

	if (gw_map_get(*at, key) == NULL)
		return 0;
	if ((r = map_own(at)) < 0)
		return r;
	shard_at = &(*at)->shards[shard_of(hash)];
	if ((r = shard_own(shard_at)) < 0)
		return r;
	slot = probe(*shard_at, hash, &key);
	object = slot->object;
	shift_back(*shard_at, (uint32_t)(slot - (*shard_at)->slots));
	(*shard_at)->used--;
	(*at)->count--;
	gw_object_unref(object); /* last: the key may point into it */
	return 0;
}

size_t
gw_map_count(const struct gw_map *map)
{
	return map->count;
}
