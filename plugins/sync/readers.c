/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file readers.c
 * @brief Who reads the feed on this node, and what all of them act on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock/clock.h"
#include "plugins/sync/sync.h"

int
readers_init(struct readers *readers)
{
	*readers = (struct readers){ .n = 0 };
	return clock_init(&readers->lock, &readers->change) < 0 ? GH_ENOMEM : GH_OK;
}

void
readers_done(struct readers *readers)
{
	free(readers->v);
	pthread_cond_destroy(&readers->change);
	pthread_mutex_destroy(&readers->lock);
}

/** Nobody is asked: the list may change.  Takes the lock. */
static void
lock_idle(struct readers *readers)
{
	pthread_mutex_lock(&readers->lock);
	while (readers->is_busy)
		pthread_cond_wait(&readers->change, &readers->lock);
}

int
readers_attach(struct readers *readers, const struct gh_feed_reader *reader)
{
	lock_idle(readers);
	const struct gh_feed_reader **grown =
		reallocarray(readers->v, readers->n + 1, sizeof(*grown));

	if (grown != NULL) {
		readers->v = grown;
		readers->v[readers->n++] = reader;
	}
	pthread_mutex_unlock(&readers->lock);
	return grown != NULL ? GH_OK : GH_ENOMEM;
}

void
readers_detach(struct readers *readers, const struct gh_feed_reader *reader)
{
	size_t kept = 0;

	lock_idle(readers);
	for (size_t i = 0; i < readers->n; i++)
		if (readers->v[i] != reader)
			readers->v[kept++] = readers->v[i];
	readers->n = kept;
	pthread_mutex_unlock(&readers->lock);
}

/** They are asked without the lock, as asking may take time. */
static void
set_busy(struct readers *readers, bool is_busy)
{
	pthread_mutex_lock(&readers->lock);
	readers->is_busy = is_busy;
	pthread_cond_broadcast(&readers->change);
	pthread_mutex_unlock(&readers->lock);
}

static uint64_t
lowest(const struct readers *readers, uint64_t seq)
{
	for (size_t i = 0; i < readers->n; i++) {
		const struct gh_rollout *rollout = &readers->v[i]->rollout;
		uint64_t serving = rollout->vt->serving(rollout->self);

		if (serving < seq)
			seq = serving;
	}
	return seq;
}

uint64_t
readers_serving(struct readers *readers, uint64_t seq)
{
	set_busy(readers, true);
	seq = lowest(readers, seq);
	set_busy(readers, false);
	return seq;
}

uint64_t
readers_wait(struct readers *readers, uint64_t seq, uint64_t deadline_ms)
{
	uint64_t end_ns = gh_mono_ns() + deadline_ms * 1000000u;

	set_busy(readers, true);
	for (size_t i = 0; i < readers->n; i++) {
		const struct gh_rollout *rollout = &readers->v[i]->rollout;
		uint64_t now_ns = gh_mono_ns();

		if (rollout->vt->serving(rollout->self) < seq && now_ns < end_ns)
			rollout->vt->wait(rollout->self, seq, (end_ns - now_ns) / 1000000u);
	}
	seq = lowest(readers, seq);
	set_busy(readers, false);
	return seq;
}

void
readers_environments(struct readers *readers, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	pthread_mutex_lock(&readers->lock);
	for (size_t i = 0; i < readers->n; i++) {
		struct gh_str s = readers->v[i]->environments;

		if (s.n > 0 && s.n + 2 < size - at)
			at += (size_t)snprintf(ret + at, size - at, "%s%.*s", at > 0 ? " " : "",
				GH_STR_ARG(s));
	}
	pthread_mutex_unlock(&readers->lock);
}
