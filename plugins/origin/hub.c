/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hub.c
 * @brief The newest batches, encoded once for all followers, and the polls that wait for the next.
 *
 * One thread follows feed/1.  It keeps a ring of encoded batches and resumes the polls that wait: a
 * waiting follower costs a suspended transaction, no thread.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "lib/feedwire/feedwire.h"
#include "plugins/origin/origin.h"

#define RING_MAX 4096
#define RING_BYTES (8u << 20)
#define BATCH_BYTES_MAX (2 * (uint64_t)FEEDWIRE_BATCH_BYTES_MAX)

/* ---- The ring.  lock ------------------------------------------------------------------------- */

static struct piece *
ring_at(const struct hub *hub, size_t i)
{
	return hub->ring[(hub->ring_start + i) % RING_MAX];
}

static void
ring_drop(struct hub *hub)
{
	struct piece *piece = ring_at(hub, 0);

	hub->ring_bytes -= piece->n;
	hub->ring_start = (hub->ring_start + 1) % RING_MAX;
	hub->ring_n--;
	piece_unref(piece);
}

static void
ring_clear(struct hub *hub)
{
	while (hub->ring_n > 0)
		ring_drop(hub);
}

static void
ring_add(struct hub *hub, struct piece *piece)
{
	while (hub->ring_n == RING_MAX ||
		(hub->ring_n > 0 && hub->ring_bytes + piece->n > RING_BYTES))
		ring_drop(hub);
	hub->ring[(hub->ring_start + hub->ring_n++) % RING_MAX] = piece;
	hub->ring_bytes += piece->n;
}

bool
hub_reaches(const struct hub *hub, uint64_t seq)
{
	return seq >= hub->head || (hub->ring_n > 0 && ring_at(hub, 0)->seq <= seq + 1);
}

/* ---- Following ------------------------------------------------------------------------------- */

static void
drop_pending(struct hub *hub)
{
	while (hub->pending_n > 0)
		piece_unref(hub->pending[--hub->pending_n]);
	hub->has_hole = false;
}

static int
begin(void *arg)
{
	struct hub *hub = arg;

	drop_pending(hub);
	hub->is_snapshot = true;
	follow_history(&hub->feed, hub->read_history);
	return GH_OK;
}

static int
add_pending(struct hub *hub, const struct gh_feed_batch *batch)
{
	struct buffer bytes = { .p = NULL };
	int r = feedwire_put_batch(&bytes, batch, BATCH_BYTES_MAX);

	if (r == 0 && hub->pending_n == hub->pending_size) {
		size_t size = hub->pending_size > 0 ? 2 * hub->pending_size : 16;
		struct piece **grown = reallocarray(hub->pending, size, sizeof(*grown));

		r = grown != NULL ? GH_OK : GH_ENOMEM;
		if (grown != NULL) {
			hub->pending = grown;
			hub->pending_size = size;
		}
	}
	struct piece *piece = r == 0
		? piece_new((struct gh_str){ bytes.p, bytes.n }, batch->seq) : NULL;

	buffer_done(&bytes);
	if (piece == NULL)
		return r < 0 ? r : GH_ENOMEM;
	hub->pending[hub->pending_n++] = piece;
	return GH_OK;
}

/** Only the sequence of a snapshot matters here: followers that need one get their own. */
static int
apply(void *arg, const struct gh_feed_batch *batch)
{
	struct hub *hub = arg;

	if (hub->is_snapshot)
		return GH_OK;
	if (hub->pending_n >= RING_MAX)
		hub->has_hole = true;
	if (!hub->has_hole && add_pending(hub, batch) < 0) {
		/* Followers that need it must read the feed, or take a snapshot. */
		gh_inst_log(hub->inst, LOG_WARNING, "commit %llu is not kept for followers: too "
			"large, or out of memory", (unsigned long long)batch->seq);
		hub->has_hole = true;
	}
	return GH_OK;
}

static void
resume_parked(struct hub *hub)
{
	for (struct parked *p = hub->parked; p != NULL; p = p->next)
		if (p->after < hub->head || !hub->has_state)
			gh_resume(p->token); /* through the mailbox: it takes itself off the list */
}

static int
publish(void *arg, uint64_t seq)
{
	struct hub *hub = arg;

	pthread_mutex_lock(&hub->lock);
	if (hub->is_snapshot || hub->has_hole)
		ring_clear(hub);
	for (size_t i = 0; i < hub->pending_n && !hub->has_hole; i++)
		ring_add(hub, hub->pending[i]);
	if (!hub->has_hole)
		hub->pending_n = 0; /* they moved */
	if (hub->is_snapshot) {
		memcpy(hub->history, hub->read_history, sizeof(hub->history));
		/* A relay without a state has an empty feed of no history. */
		static const uint8_t none[GH_FEED_HISTORY_BYTES];

		hub->has_state = memcmp(hub->history, none, sizeof(none)) != 0;
	}
	hub->head = seq;
	resume_parked(hub);
	pthread_mutex_unlock(&hub->lock);
	drop_pending(hub);
	hub->is_snapshot = false;
	return GH_OK;
}

static void
throw_away(void *arg)
{
	drop_pending(arg);
}

static void
trouble(void *arg, int err)
{
	struct hub *hub = arg;

	if (err != 0)
		gh_inst_log(hub->inst, LOG_ERR, "the feed cannot be read (%s); other nodes get "
			"nothing new", gh_strerror(err));
	else
		gh_inst_log(hub->inst, LOG_NOTICE, "the feed is read again");
}

static const struct follow_ops follow_ops = { begin, apply, publish, throw_away, trouble };

static void *
run(void *arg)
{
	follow_run(arg);
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------ */

int
hub_open(struct hub *hub, struct gh_inst *inst, const struct gh_feed_reader *reader)
{
	uint8_t history[GH_FEED_HISTORY_BYTES];

	hub->inst = inst;
	if (pthread_mutex_init(&hub->lock, NULL) != 0)
		return GH_ENOMEM;
	hub->ring = calloc(RING_MAX, sizeof(struct piece *));
	int r = hub->ring != NULL ? GH_BIND(inst, GH_SVC_FEED, &hub->feed) : GH_ENOMEM;

	if (r == 0 && follow_history(&hub->feed, history) == GH_ENOENT) {
		gh_inst_log(inst, LOG_ERR, "the store cannot tell the history of its feed, without "
			"which no other node can follow it");
		r = GH_EVERSION;
	}
	if (r == 0)
		r = follow_init(&hub->follow, &hub->feed, &follow_ops, hub);
	if (r == 0)
		r = follow_attach(&hub->follow, reader);
	if (r == 0) {
		hub->has_thread = pthread_create(&hub->thread, NULL, run, &hub->follow) == 0;
		r = hub->has_thread ? GH_OK : GH_ENOMEM;
	}
	if (r < 0)
		hub_close(hub);
	return r;
}

void
hub_close(struct hub *hub)
{
	if (hub->has_thread) {
		follow_stop(&hub->follow);
		pthread_join(hub->thread, NULL);
	}
	follow_done(&hub->follow);
	drop_pending(hub);
	free(hub->pending);
	origin_forget_snapshot(hub, true, 0);
	if (hub->ring != NULL)
		ring_clear(hub);
	free(hub->ring);
	pthread_mutex_destroy(&hub->lock);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static size_t
take_pieces(const struct hub *hub, uint64_t after, struct piece **pieces)
{
	size_t first = (size_t)(after + 1 - ring_at(hub, 0)->seq), n = 0, bytes = 0;

	for (size_t i = first; i < hub->ring_n && n < ANSWER_BATCHES_MAX; i++) {
		struct piece *piece = ring_at(hub, i);

		if (n > 0 && bytes + piece->n > ANSWER_BYTES_MAX)
			break;
		bytes += piece->n;
		pieces[n++] = piece_ref(piece);
	}
	return n;
}

enum hub_answer
hub_ask(struct hub *hub, const uint8_t history[GH_FEED_HISTORY_BYTES], uint64_t after,
	struct piece **pieces, size_t *ret_n, uint64_t *ret_head, struct parked *park)
{
	enum hub_answer answer = HUB_BATCHES;

	*ret_n = 0;
	pthread_mutex_lock(&hub->lock);
	*ret_head = hub->head;
	if (!hub->has_state)
		answer = HUB_EMPTY;
	else if (memcmp(hub->history, history, sizeof(hub->history)) != 0)
		answer = HUB_OTHER;
	else if (after >= hub->head)
		answer = HUB_NOTHING;
	else if (!hub_reaches(hub, after))
		answer = HUB_OLDER;
	else
		*ret_n = take_pieces(hub, after, pieces);
	if (answer == HUB_NOTHING && park != NULL) {
		/* Under the lock: no batch comes between looking and waiting. */
		park->token = gh_txn_suspend(park->txn, park->wait_ms, park->fn);
		park->after = after;
		park->previous = NULL;
		if ((park->next = hub->parked) != NULL)
			park->next->previous = park;
		hub->parked = park;
	}
	pthread_mutex_unlock(&hub->lock);
	return answer;
}

void
hub_unpark(struct hub *hub, struct parked *parked)
{
	pthread_mutex_lock(&hub->lock);
	if (parked->previous != NULL)
		parked->previous->next = parked->next;
	else
		hub->parked = parked->next;
	if (parked->next != NULL)
		parked->next->previous = parked->previous;
	pthread_mutex_unlock(&hub->lock);
}
