/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file acks.c
 * @brief Which worker acts on which sequence, and waiting until all of them act on one.
 */
#include <stdlib.h>

#include "lib/clock/clock.h"
#include "lib/follow/follow.h"

#define CACHE_LINE 64

struct follow_ack {
	_Alignas(CACHE_LINE) _Atomic uint64_t seq;
};

int
follow_acks_init(struct follow_acks *acks, unsigned n)
{
	struct follow_ack *workers = aligned_alloc(CACHE_LINE, n * sizeof(*workers));

	*acks = (struct follow_acks){ .n = n };
	if (workers == NULL)
		return GH_ENOMEM;
	if (clock_init(&acks->lock, &acks->change) < 0) {
		free(workers);
		return GH_ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		atomic_init(&workers[i].seq, 0);
	acks->workers = workers;
	return GH_OK;
}

void
follow_acks_done(struct follow_acks *acks)
{
	if (acks->workers == NULL)
		return;
	pthread_cond_destroy(&acks->change);
	pthread_mutex_destroy(&acks->lock);
	free(acks->workers);
	acks->workers = NULL;
}

void
follow_acks_set(struct follow_acks *acks, unsigned worker, uint64_t seq)
{
	_Atomic uint64_t *own = &acks->workers[worker].seq;

	if (atomic_load_explicit(own, memory_order_relaxed) >= seq)
		return;
	/* This store and load are in one total order with those of follow_acks_wait(): either the
	 * waiter sees the sequence, or this worker sees the waiter. */
	atomic_store(own, seq);
	if (atomic_load(&acks->waiters) == 0)
		return;
	pthread_mutex_lock(&acks->lock);
	pthread_cond_broadcast(&acks->change);
	pthread_mutex_unlock(&acks->lock);
}

void
follow_acks_set_all(struct follow_acks *acks, uint64_t seq)
{
	for (unsigned i = 0; i < acks->n; i++)
		follow_acks_set(acks, i, seq);
}

void
follow_acks_restart(struct follow_acks *acks)
{
	for (unsigned i = 0; i < acks->n; i++)
		atomic_store(&acks->workers[i].seq, 0);
}

uint64_t
follow_acks_serving(const struct follow_acks *acks)
{
	uint64_t lowest = acks->n > 0 ? UINT64_MAX : 0;

	for (unsigned i = 0; i < acks->n; i++) {
		uint64_t seq = atomic_load(&acks->workers[i].seq);

		if (seq < lowest)
			lowest = seq;
	}
	return lowest;
}

int
follow_acks_wait(struct follow_acks *acks, uint64_t seq, uint64_t deadline_ms)
{
	struct timespec until = clock_after(deadline_ms);
	int r = GH_OK;

	if (follow_acks_serving(acks) >= seq)
		return GH_OK;
	atomic_fetch_add(&acks->waiters, 1);
	pthread_mutex_lock(&acks->lock);
	while (follow_acks_serving(acks) < seq && r == 0)
		if (pthread_cond_timedwait(&acks->change, &acks->lock, &until) != 0)
			r = follow_acks_serving(acks) >= seq ? GH_OK : GH_ETIMEDOUT;
	pthread_mutex_unlock(&acks->lock);
	atomic_fetch_sub(&acks->waiters, 1);
	return r;
}
