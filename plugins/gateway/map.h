/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file map.h
 * @brief An immutable hash map in 256 shards, of which a changed copy costs one shard.
 *
 * Threads: whoever holds a root may look up, on any thread.  Everything that counts references or
 * changes something belongs to the one thread that applies the feed; therefore the counts are plain
 * integers.  A map, a shard or a node of the router with one reference is not published yet and is
 * changed in place; one with more is copied first.
 */
#ifndef GATEWAY_MAP_H
#define GATEWAY_MAP_H
#include <gatehouse/base.h>

#define GW_SHARDS 256

/** What maps and routes hold: first member of everything made from a document. */
struct gw_object {
	unsigned refs; /**< Slots and leaves that point here; made with 0. */
	void (*free)(struct gw_object *object);
};
void gw_object_ref(struct gw_object *object);
/** NULL is allowed. */
void gw_object_unref(struct gw_object *object);

/** Key of one or two parts; b.n = 0 when there is only one. */
struct gw_key {
	struct gh_str a, b;
};

struct gw_map;

/** An empty map.  @param seed  of the hash, so that nobody outside can aim at one slot.
 *  @return one reference, or NULL. */
struct gw_map *gw_map_new(uint64_t seed);
struct gw_map *gw_map_ref(struct gw_map *map);
/** NULL is allowed. */
void gw_map_unref(struct gw_map *map);
/** ANY thread that holds the root.  @return the object, or NULL. */
struct gw_object *gw_map_get(const struct gw_map *map, struct gw_key key);
/** Insert or replace.  @param map  replaced by a copy when it is shared.
 *  @param key  points into @p object, and lives as long.  @param object  one reference is added.
 *  @return 0 or GH_ENOMEM: nothing has changed, an object without references is the caller's. */
int gw_map_put(struct gw_map **map, const struct gw_key *key, struct gw_object *object);
/** Remove; a key that is not there is no error.  @return 0 or GH_ENOMEM. */
int gw_map_remove(struct gw_map **map, struct gw_key key);
size_t gw_map_count(const struct gw_map *map);

#endif
