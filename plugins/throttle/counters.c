/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file counters.c
 * @brief Counters per key, shared by all workers and exact on the node.
 *
 * The table is cut into shards, each with a lock that is held for a look-up and an addition;
 * workers meet only where their keys fall into the same shard.  A window starts at the first hit
 * of its key.  Keys whose window is over are removed a few at a time when a new key comes, and all
 * of them when the table is full, but not more often than every SWEEP_MS.
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

struct key {
	struct key *next;
	uint64_t hash;
	uint64_t used;
	uint64_t end_ms;
	uint32_t n;
	char bytes[];
};

struct shard {
	alignas(64) pthread_mutex_t lock; /* for all of the shard */
	struct key **buckets;
	uint32_t bucket_count;            /* a power of two */
	uint32_t n;
	uint32_t sweep_at;                /* bucket that the next step of sweeping looks at */
};

struct throttle_counters {
	uint64_t seed, max_keys;
	_Atomic uint64_t keys;
	_Atomic uint64_t next_sweep_ms;
	struct shard shards[SHARDS];
};

struct throttle_counters *
throttle_counters_new(uint64_t max_keys)
{
	struct throttle_counters *c = aligned_alloc(alignof(struct throttle_counters), sizeof(*c));

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->max_keys = max_keys;
	c->seed = hash_seed();
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&c->shards[i].lock, NULL);
	return c;
}

void
throttle_counters_free(struct throttle_counters *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];

		for (uint32_t b = 0; b < s->bucket_count; b++)
			for (struct key *k = s->buckets[b], *next; k != NULL; k = next) {
				next = k->next;
				free(k);
			}
		free(s->buckets);
		pthread_mutex_destroy(&s->lock);
	}
	free(c);
}

/* ---- One shard; its lock is held ------------------------------------------------------------- */

static struct key *
find(const struct shard *s, uint64_t hash, struct gh_str key)
{
	if (s->bucket_count == 0)
		return NULL;
	for (struct key *k = s->buckets[hash & (s->bucket_count - 1)]; k != NULL; k = k->next)
		if (k->hash == hash && k->n == key.n && memcmp(k->bytes, key.p, key.n) == 0)
			return k;
	return NULL;
}

/* Remove the keys of one bucket whose window is over. */
static void
sweep_bucket(struct throttle_counters *c, struct shard *s, uint32_t bucket, uint64_t now_ms)
{
	for (struct key **at = &s->buckets[bucket], *k; (k = *at) != NULL;) {
		if (k->end_ms > now_ms) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		free(k);
		s->n--;
		atomic_fetch_sub_explicit(&c->keys, 1, memory_order_relaxed);
	}
}

static void
sweep_some(struct throttle_counters *c, struct shard *s, uint64_t now_ms)
{
	for (unsigned i = 0; i < SWEEP_STEP && s->bucket_count > 0; i++)
		sweep_bucket(c, s, s->sweep_at++ & (s->bucket_count - 1), now_ms);
}

/* Twice as many buckets, when there is less than one for each key. */
static int
grow(struct shard *s)
{
	if (s->n < s->bucket_count)
		return 0;
	uint32_t count = s->bucket_count > 0 ? 2 * s->bucket_count : BUCKETS_MIN;
	struct key **buckets = calloc(count, sizeof(struct key *));

	if (buckets == NULL)
		return s->bucket_count > 0 ? 0 : GH_ENOMEM; /* longer chains will do */
	for (uint32_t b = 0; b < s->bucket_count; b++)
		for (struct key *k = s->buckets[b], *next; k != NULL; k = next) {
			next = k->next;
			k->next = buckets[k->hash & (count - 1)];
			buckets[k->hash & (count - 1)] = k;
		}
	free(s->buckets);
	s->buckets = buckets;
	s->bucket_count = count;
	return 0;
}

/* A key with an empty window that is over.  @return NULL: the table is full, or no memory. */
static struct key *
insert(struct throttle_counters *c, struct shard *s, uint64_t hash, struct gh_str key)
{
	struct key *k = NULL;

	if (atomic_fetch_add_explicit(&c->keys, 1, memory_order_relaxed) >= c->max_keys ||
	    grow(s) < 0 || (k = malloc(sizeof(*k) + key.n)) == NULL) {
		atomic_fetch_sub_explicit(&c->keys, 1, memory_order_relaxed);
		return NULL;
	}
	k->hash = hash;
	k->used = 0;
	k->end_ms = 0;
	k->n = (uint32_t)key.n;
	memcpy(k->bytes, key.p, key.n);
	k->next = s->buckets[hash & (s->bucket_count - 1)];
	s->buckets[hash & (s->bucket_count - 1)] = k;
	s->n++;
	return k;
}

/* Count in the window that runs, or in a new one. */
static void
count(struct key *k, uint64_t now_ms, uint64_t amount, uint64_t limit, uint64_t window_ms,
	struct gh_counted *ret_counted)
{
	if (k->end_ms <= now_ms) {
		k->used = 0;
		k->end_ms = now_ms + window_ms;
	} else if (k->end_ms - now_ms > window_ms) {
		k->end_ms = now_ms + window_ms; /* the policy's window has become shorter */
	}
	ret_counted->is_admitted = k->used <= limit && amount <= limit - k->used;
	if (ret_counted->is_admitted)
		k->used += amount;
	ret_counted->used = k->used;
	ret_counted->reset_ms = k->end_ms - now_ms;
}

/* ---- All shards; no lock is held ------------------------------------------------------------- */

/* Make room in a full table; by one thread, and not all the time.  @return was it done? */
static bool
sweep_all(struct throttle_counters *c, uint64_t now_ms)
{
	uint64_t next = atomic_load(&c->next_sweep_ms);

	if (now_ms < next ||
	    !atomic_compare_exchange_strong(&c->next_sweep_ms, &next, now_ms + SWEEP_MS))
		return false;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];

		pthread_mutex_lock(&s->lock);
		for (uint32_t b = 0; b < s->bucket_count; b++)
			sweep_bucket(c, s, b, now_ms);
		pthread_mutex_unlock(&s->lock);
	}
	return true;
}

static struct shard *
shard_of(struct throttle_counters *c, uint64_t hash)
{
	return &c->shards[hash >> 57]; /* the upper bits: the lower ones choose the bucket */
}
static_assert(SHARDS == 1u << (64 - 57), "shard_of() takes as many bits as there are shards");

int
throttle_counters_hit(struct throttle_counters *c, uint64_t now_ms, struct gh_str key,
	uint64_t amount, uint64_t limit, uint64_t window_ms, struct gh_counted *ret_counted)
{
	if (key.n == 0 || key.n > THROTTLE_KEY_MAX || window_ms == 0 ||
	    window_ms > UINT64_MAX - now_ms)
		return GH_EINVAL;
	uint64_t hash = hash_bytes(c->seed, key);
	struct shard *s = shard_of(c, hash);
	bool may_sweep = true;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		struct key *k = find(s, hash, key);

		if (k == NULL && amount <= limit) {
			sweep_some(c, s, now_ms);
			k = insert(c, s, hash, key);
		}
		if (k != NULL)
			count(k, now_ms, amount, limit, window_ms, ret_counted);
		pthread_mutex_unlock(&s->lock);
		if (k != NULL)
			return 0;
		if (amount > limit) { /* can never be admitted: no window starts */
			*ret_counted = (struct gh_counted){ .reset_ms = window_ms };
			return 0;
		}
		if (!may_sweep || !sweep_all(c, now_ms))
			return GH_ENOMEM;
		may_sweep = false;
	}
}

void
throttle_counters_undo(struct throttle_counters *c, struct gh_str key, uint64_t amount,
	uint64_t window_end_ms)
{
	uint64_t hash = hash_bytes(c->seed, key);
	struct shard *s = shard_of(c, hash);

	pthread_mutex_lock(&s->lock);
	struct key *k = find(s, hash, key);

	if (k != NULL && k->end_ms == window_end_ms && k->used >= amount)
		k->used -= amount;
	pthread_mutex_unlock(&s->lock);
}

uint64_t
throttle_counters_keys(const struct throttle_counters *c)
{
	return atomic_load_explicit(&c->keys, memory_order_relaxed);
}
