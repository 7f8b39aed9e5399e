/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file table.c
 * @brief Keys with something of a window's length behind them, shared by all workers.
 *
 * The table is cut into shards, each with a lock that is held for a look-up and what follows from
 * it; workers meet only where their keys fall into the same shard.  Keys whose window is over are
 * removed a few at a time when a new key comes, and all of them when the table is full, but not more
 * often than every SWEEP_MS.
 */
#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#include "lib/hash/hash.h"
#include "plugins/throttle/throttle.h"

#define SHARDS 128u
#define BUCKETS_MIN 16u
#define SWEEP_STEP 2u
#define SWEEP_MS 100u

struct throttle_shard {
	alignas(64) pthread_mutex_t lock; /* for all of the shard */
	struct throttle_entry **buckets;
	uint32_t bucket_count;            /* a power of two */
	uint32_t n;
	uint32_t sweep_at;                /* bucket that the next step of sweeping looks at */
};

struct throttle_table {
	uint64_t seed, max_keys;
	size_t entry_size;
	_Atomic uint64_t keys;
	_Atomic uint64_t next_sweep_ms;
	struct throttle_shard shards[SHARDS];
};

struct throttle_table *
throttle_table_new(uint64_t max_keys, size_t entry_size)
{
	struct throttle_table *t = aligned_alloc(alignof(struct throttle_table), sizeof(*t));

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->max_keys = max_keys;
	t->entry_size = entry_size;
	t->seed = hash_seed();
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->shards[i].lock, NULL);
	return t;
}

void
throttle_table_free(struct throttle_table *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct throttle_shard *s = &t->shards[i];

		for (uint32_t b = 0; b < s->bucket_count; b++)
			for (struct throttle_entry *e = s->buckets[b], *next; e != NULL; e = next) {
				next = e->next;
				free(e);
			}
		free(s->buckets);
		pthread_mutex_destroy(&s->lock);
	}
	free(t);
}

uint64_t
throttle_table_keys(const struct throttle_table *t)
{
	return atomic_load_explicit(&t->keys, memory_order_relaxed);
}

/* ---- One shard; its lock is held ------------------------------------------------------------- */

static char *
key_of(const struct throttle_table *t, struct throttle_entry *e)
{
	return (char *)e + t->entry_size;
}

static struct throttle_entry *
find(const struct throttle_table *t, const struct throttle_shard *s, uint64_t hash, struct gh_str key)
{
	if (s->bucket_count == 0)
		return NULL;
	for (struct throttle_entry *e = s->buckets[hash & (s->bucket_count - 1)]; e != NULL; e = e->next)
		if (e->hash == hash && e->n == key.n && memcmp(key_of(t, e), key.p, key.n) == 0)
			return e;
	return NULL;
}

/* Remove the keys of one bucket whose window is over. */
static void
sweep_bucket(struct throttle_table *t, struct throttle_shard *s, uint32_t bucket, uint64_t now_ms)
{
	for (struct throttle_entry **at = &s->buckets[bucket], *e; (e = *at) != NULL;) {
		if (e->end_ms > now_ms || e->is_pinned) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		free(e);
		s->n--;
		atomic_fetch_sub_explicit(&t->keys, 1, memory_order_relaxed);
	}
}

static void
sweep_some(struct throttle_table *t, struct throttle_shard *s, uint64_t now_ms)
{
	for (unsigned i = 0; i < SWEEP_STEP && s->bucket_count > 0; i++)
		sweep_bucket(t, s, s->sweep_at++ & (s->bucket_count - 1), now_ms);
}

/* Twice as many buckets, when there is less than one for each key. */
static int
grow(struct throttle_shard *s)
{
	if (s->n < s->bucket_count)
		return 0;
	uint32_t count = s->bucket_count > 0 ? 2 * s->bucket_count : BUCKETS_MIN;
	struct throttle_entry **buckets = calloc(count, sizeof(struct throttle_entry *));

	if (buckets == NULL)
		return s->bucket_count > 0 ? 0 : GH_ENOMEM; /* longer chains will do */
	for (uint32_t b = 0; b < s->bucket_count; b++)
		for (struct throttle_entry *e = s->buckets[b], *next; e != NULL; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
		}
	free(s->buckets);
	s->buckets = buckets;
	s->bucket_count = count;
	return 0;
}

/* A key with an empty window that is over.  @return NULL: the table is full, or no memory. */
static struct throttle_entry *
insert(struct throttle_table *t, struct throttle_shard *s, uint64_t hash, struct gh_str key)
{
	struct throttle_entry *e = NULL;

	if (atomic_fetch_add_explicit(&t->keys, 1, memory_order_relaxed) >= t->max_keys ||
	    grow(s) < 0 || (e = calloc(1, t->entry_size + key.n)) == NULL) {
		atomic_fetch_sub_explicit(&t->keys, 1, memory_order_relaxed);
		return NULL;
	}
	e->hash = hash;
	e->n = (uint32_t)key.n;
	memcpy(key_of(t, e), key.p, key.n);
	e->next = s->buckets[hash & (s->bucket_count - 1)];
	s->buckets[hash & (s->bucket_count - 1)] = e;
	s->n++;
	return e;
}

/* ---- All shards; no lock is held ------------------------------------------------------------- */

/* Make room in a full table; by one thread, and not all the time.  @return was it done? */
static bool
sweep_all(struct throttle_table *t, uint64_t now_ms)
{
	uint64_t next = atomic_load(&t->next_sweep_ms);

	if (now_ms < next ||
	    !atomic_compare_exchange_strong(&t->next_sweep_ms, &next, now_ms + SWEEP_MS))
		return false;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct throttle_shard *s = &t->shards[i];

		pthread_mutex_lock(&s->lock);
		for (uint32_t b = 0; b < s->bucket_count; b++)
			sweep_bucket(t, s, b, now_ms);
		pthread_mutex_unlock(&s->lock);
	}
	return true;
}

static struct throttle_shard *
shard_of(struct throttle_table *t, uint64_t hash)
{
	return &t->shards[hash >> 57]; /* the upper bits: the lower ones choose the bucket */
}
static_assert(SHARDS == 1u << (64 - 57), "shard_of() takes as many bits as there are shards");

int
throttle_table_enter(struct throttle_table *t, uint64_t now_ms, struct gh_str key, bool may_insert,
	struct throttle_place *ret_place)
{
	uint64_t hash = hash_bytes(t->seed, key);
	struct throttle_shard *s = shard_of(t, hash);
	bool may_sweep = true;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		struct throttle_entry *e = find(t, s, hash, key);

		if (e == NULL && may_insert) {
			sweep_some(t, s, now_ms);
			e = insert(t, s, hash, key);
		}
		if (e != NULL) {
			*ret_place = (struct throttle_place){ s, e };
			return 0;
		}
		pthread_mutex_unlock(&s->lock);
		if (!may_insert)
			return GH_ENOENT;
		if (!may_sweep || !sweep_all(t, now_ms))
			return GH_ENOMEM;
		may_sweep = false;
	}
}

void
throttle_table_enter_entry(struct throttle_table *t, struct throttle_entry *entry,
	struct throttle_place *ret_place)
{
	struct throttle_shard *s = shard_of(t, entry->hash);

	pthread_mutex_lock(&s->lock);
	*ret_place = (struct throttle_place){ s, entry };
}

void
throttle_table_leave(struct throttle_place *place)
{
	pthread_mutex_unlock(&place->shard->lock);
	*place = (struct throttle_place){ NULL, NULL };
}

struct gh_str
throttle_table_key(const struct throttle_table *t, struct throttle_entry *entry)
{
	return (struct gh_str){ key_of(t, entry), entry->n };
}
