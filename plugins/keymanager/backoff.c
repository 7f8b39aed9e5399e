/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file backoff.c
 * @brief Whoever guesses passwords waits longer after each wrong one.
 *
 * Counted per user name and client address, so that a stranger cannot lock a user out.  The table
 * has a fixed size: two pairs that fall on the same place forget each other, which can help an
 * attacker a little, but never keeps a user out.
 */
#include "lib/hash/hash.h"
#include "plugins/keymanager/keymanager.h"

#define PLACES 1024
#define FREE_FAILURES 10  /* before the first wait */
#define WAIT_MAX_SHIFT 6  /* 64 s */
#define FORGET_S 900

struct km_backoff {
	uint64_t seed;
	pthread_mutex_t lock;
	struct place {
		uint64_t hash;
		uint64_t last_s, until_s; /**< CLOCK_MONOTONIC */
		unsigned failures;
	} places[PLACES];                 /**< lock */
};

int
km_backoff_open(struct km *km)
{
	km->backoff = block_new(sizeof(*km->backoff));
	if (km->backoff == NULL)
		return GH_ENOMEM;
	km->backoff->seed = hash_seed();
	pthread_mutex_init(&km->backoff->lock, NULL);
	return GH_OK;
}

void
km_backoff_close(struct km *km)
{
	if (km->backoff == NULL)
		return;
	pthread_mutex_destroy(&km->backoff->lock);
	block_free(km->backoff);
	km->backoff = NULL;
}

static uint64_t
now_s(void)
{
	return gh_mono_ns() / 1000000000;
}

/** @return NULL: nobody whose failures are counted. */
static struct place *
find_place(struct km_backoff *b, struct gh_str user, struct gh_str peer, uint64_t *ret_hash)
{
	if (peer.n == 0)
		return NULL;
	*ret_hash = hash_bytes(hash_bytes(b->seed, user), peer);
	return &b->places[*ret_hash % PLACES];
}

int
km_backoff_ask(struct km *km, struct gh_str user, struct gh_str peer)
{
	struct km_backoff *b = km->backoff;
	uint64_t hash;
	struct place *place = find_place(b, user, peer, &hash);

	if (place == NULL)
		return GH_OK;
	pthread_mutex_lock(&b->lock);
	bool must_wait = place->hash == hash && now_s() < place->until_s;

	pthread_mutex_unlock(&b->lock);
	return must_wait ? GH_EAGAIN : GH_OK;
}

void
km_backoff_tell(struct km *km, struct gh_str user, struct gh_str peer, int r)
{
	struct km_backoff *b = km->backoff;
	uint64_t hash, at_s = now_s();
	struct place *place = find_place(b, user, peer, &hash);

	if (place == NULL || (r != GH_OK && r != GH_EDENIED))
		return;
	pthread_mutex_lock(&b->lock);
	if (place->hash == hash && r == GH_OK)
		*place = (struct place){ .hash = 0 };
	if (r == GH_EDENIED) {
		if (place->hash != hash || at_s - place->last_s > FORGET_S)
			*place = (struct place){ .hash = hash };
		place->last_s = at_s;
		place->failures++;
		if (place->failures > FREE_FAILURES) {
			unsigned shift = place->failures - FREE_FAILURES - 1;

			place->until_s = at_s + (UINT64_C(1) << (shift < WAIT_MAX_SHIFT ? shift
				: WAIT_MAX_SHIFT));
		}
	}
	pthread_mutex_unlock(&b->lock);
}
