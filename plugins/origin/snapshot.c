/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file snapshot.c
 * @brief GET /cluster/v1/feed/snapshot: all documents at one sequence.
 *
 * The pool encodes it once; whoever asks meanwhile, or shortly afterwards, gets the same bytes: fifty
 * gateways that start together cost one reading of the store and one copy in memory.  Who says with
 * "after" what it has already gets none that is older.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/feedwire/feedwire.h"
#include "lib/form/form.h"
#include "plugins/origin/origin.h"

#define PIECE_BYTES (256u << 10)
#define KEEP_NS UINT64_C(2000000000) /* how long it is given to others */
#define BUILD_DEADLINE_MS 120000

/** One who waits for it; in the transaction's memory. */
struct waiting {
	struct waiting *next;
	struct gh_token token;
	struct snapshot *snapshot; /* a reference */
};

/** hub->lock, but what the builder makes before it is ready. */
struct snapshot {
	unsigned refs;
	bool is_ready;
	int r;                /* what came of it */
	uint64_t seq, ready_ns;
	size_t n, size;
	struct piece **pieces;
	struct waiting *waiting;
};

static void
unref(struct snapshot *snapshot)
{
	if (snapshot == NULL || --snapshot->refs > 0)
		return;
	for (size_t i = 0; i < snapshot->n; i++)
		piece_unref(snapshot->pieces[i]);
	free(snapshot->pieces);
	free(snapshot);
}

/** Can one who starts with it go on with what the ring holds, and is it no step back from @p after?
 *  lock. */
static bool
is_good(const struct hub *hub, const struct snapshot *snapshot, uint64_t after)
{
	return snapshot != NULL && (!snapshot->is_ready || (snapshot->r == 0 &&
		(snapshot->seq >= after || hub->head < after) &&
		gh_mono_ns() - snapshot->ready_ns < KEEP_NS && hub_reaches(hub, snapshot->seq)));
}

void
origin_forget_snapshot(struct hub *hub, bool always, uint64_t after)
{
	pthread_mutex_lock(&hub->lock);
	if (hub->snapshot != NULL && (always || !is_good(hub, hub->snapshot, after))) {
		unref(hub->snapshot);
		hub->snapshot = NULL;
	}
	pthread_mutex_unlock(&hub->lock);
}

/* ---- Building, on the pool ------------------------------------------------------------------- */

struct build {
	struct gh_job job; /* first: the pool's handle */
	struct origin *origin;
	struct snapshot *snapshot; /* a reference */
	struct buffer bytes;
	uint8_t history[GH_FEED_HISTORY_BYTES];
	bool has_hello;
	uint64_t index, total;
};

static int
add_piece(struct build *b)
{
	struct snapshot *s = b->snapshot;

	b->total += b->bytes.n;
	if (b->total > atomic_load(&b->origin->snapshot_max_bytes))
		return GH_ETOOBIG;
	if (s->n == s->size) {
		size_t size = s->size > 0 ? 2 * s->size : 16;
		struct piece **grown = reallocarray(s->pieces, size, sizeof(*grown));

		if (grown == NULL)
			return GH_ENOMEM;
		s->pieces = grown;
		s->size = size;
	}
	struct piece *piece = piece_new((struct gh_str){ b->bytes.p, b->bytes.n }, s->seq);

	if (piece == NULL)
		return GH_ENOMEM;
	s->pieces[s->n++] = piece;
	b->bytes.n = 0;
	return GH_OK;
}

static int
add_frame(struct build *b, struct feedwire_frame *frame)
{
	frame->seq = b->snapshot->seq;
	int r = feedwire_put(&b->bytes, frame, PIECE_BYTES + FEEDWIRE_FRAME_MAX);

	return r == 0 && b->bytes.n >= PIECE_BYTES ? add_piece(b) : r;
}

static int
on_batch(void *arg, const struct gh_feed_batch *batch)
{
	struct build *b = arg;
	int r = GH_OK;

	if (!b->has_hello) {
		struct feedwire_frame hello = { .kind = FEEDWIRE_HELLO, .is_snapshot = true };

		b->has_hello = true;
		b->snapshot->seq = batch->seq;
		memcpy(hello.history, b->history, sizeof(hello.history));
		r = add_frame(b, &hello);
	}
	for (size_t i = 0; i < batch->n && r == 0; i++) {
		struct feedwire_frame put = { .kind = FEEDWIRE_PUT, .index = b->index++,
			.doc = batch->changes[i].doc };

		r = add_frame(b, &put);
	}
	return r;
}

static int
build(struct build *b)
{
	const struct gh_feed *feed = &b->origin->hub.feed;
	struct feedwire_frame commit = { .kind = FEEDWIRE_COMMIT }, end = { .kind = FEEDWIRE_END };
	uint8_t history[GH_FEED_HISTORY_BYTES];
	uint64_t seq;
	int r = follow_history(feed, b->history);

	if (r == 0)
		r = feed->vt->snapshot(feed->self, on_batch, b, &seq);
	commit.index = b->index;
	if (r == 0)
		r = add_frame(b, &commit);
	if (r == 0)
		r = add_frame(b, &end);
	if (r == 0 && b->bytes.n > 0)
		r = add_piece(b);
	follow_history(feed, history);
	if (r == 0 && memcmp(history, b->history, sizeof(history)) != 0)
		r = GH_EAGAIN; /* another database meanwhile: of which is it? */
	return r;
}

static void
run_build(struct gh_job *job)
{
	struct build *b = (struct build *)(void *)job;
	struct hub *hub = &b->origin->hub;
	int r = build(b);

	if (r < 0 && r != GH_EAGAIN)
		gh_inst_log(b->origin->inst, LOG_ERR, "no snapshot for other nodes: %s",
			r == GH_ETOOBIG ? "it is larger than snapshot_max" : gh_strerror(r));
	gh_metric_add(b->origin->snapshots, 1);
	pthread_mutex_lock(&hub->lock);
	b->snapshot->r = r;
	b->snapshot->is_ready = true;
	b->snapshot->ready_ns = gh_mono_ns();
	for (struct waiting *w = b->snapshot->waiting; w != NULL; w = w->next)
		gh_resume(w->token); /* through the mailbox */
	pthread_mutex_unlock(&hub->lock);
}

static void
free_build(struct gh_job *job)
{
	struct build *b = (struct build *)(void *)job;
	struct hub *hub = &b->origin->hub;

	pthread_mutex_lock(&hub->lock);
	if (!b->snapshot->is_ready) { /* it never ran: the queue is full */
		b->snapshot->is_ready = true;
		b->snapshot->r = GH_EAGAIN;
	}
	unref(b->snapshot);
	pthread_mutex_unlock(&hub->lock);
	buffer_done(&b->bytes);
	free(b);
}

/** Begin a snapshot.  @return it, with a reference for the hub; NULL: out of memory. */
static struct snapshot *
snapshot_new(struct origin *o)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct build *b = calloc(1, sizeof(*b));

	if (snapshot == NULL || b == NULL) {
		free(snapshot);
		free(b);
		return NULL;
	}
	snapshot->refs = 2;
	b->job = (struct gh_job){ .run = run_build, .free = free_build };
	b->origin = o;
	b->snapshot = snapshot;
	pthread_mutex_lock(&o->hub.lock);
	unref(o->hub.snapshot);
	o->hub.snapshot = snapshot;
	pthread_mutex_unlock(&o->hub.lock);
	gh_job_post(o->inst, GH_LANE_STORE, &b->job); /* a refusal is told by free_build() */
	return snapshot;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/** Leave the list, and drop the reference. */
static void
leave(struct hub *hub, struct waiting *waiting)
{
	pthread_mutex_lock(&hub->lock);
	struct waiting **at = &waiting->snapshot->waiting;

	while (*at != NULL && *at != waiting)
		at = &(*at)->next;
	if (*at != NULL)
		*at = waiting->next;
	unref(waiting->snapshot);
	waiting->snapshot = NULL;
	pthread_mutex_unlock(&hub->lock);
}

/** The pieces as a body.  lock.  @return NULL: out of memory. */
static struct body *
body_of(struct gh_txn *txn, const struct snapshot *snapshot)
{
	struct body *body = body_new(txn, snapshot->n);

	for (size_t i = 0; body != NULL && i < snapshot->n; i++)
		body->pieces[body->n++] = piece_ref(snapshot->pieces[i]);
	return body;
}

static enum gh_verdict
reply(struct gh_txn *txn, struct origin *o, struct waiting *waiting)
{
	struct body *body = NULL;

	pthread_mutex_lock(&o->hub.lock);
	bool is_good_one = waiting->snapshot->is_ready && waiting->snapshot->r == 0;

	if (is_good_one)
		body = body_of(txn, waiting->snapshot);
	pthread_mutex_unlock(&o->hub.lock);
	leave(&o->hub, waiting);
	if (!is_good_one)
		return refuse(txn, 503, "Service Unavailable", "There is no snapshot now.");
	return body != NULL ? body_send(body, o->sent) : GH_FAIL;
}

static enum gh_verdict
on_ready(struct gh_txn *txn, enum gh_reason reason)
{
	struct origin *o = gh_txn_process(txn);
	struct waiting *waiting = gh_txn_slot(txn, sizeof(*waiting));

	if (reason == GH_DONE)
		return reply(txn, o, waiting);
	leave(&o->hub, waiting);
	return refuse(txn, 503, "Service Unavailable", "The snapshot took too long.");
}

enum gh_verdict
origin_on_snapshot(const void *config, struct gh_txn *txn)
{
	struct origin *o = gh_txn_process(txn);
	struct waiting *waiting = gh_txn_slot(txn, sizeof(*waiting));
	struct hub *hub = &o->hub;

	(void)config;
	if (waiting == NULL)
		return GH_FAIL;
	if (!origin_admits(txn))
		return GH_STOP;
	struct form *form = NULL;
	uint64_t after = 0;
	int r = form_parse(gh_txn_attr(txn, GH_ATTR_QUERY), &form, NULL);

	if (r == 0 && form_get(form, "after").n > 0 && !origin_take_number(form, "after", &after))
		r = GH_EINVAL;
	form_free(form);
	if (r < 0)
		return r == GH_EINVAL ? refuse(txn, 400, "Bad Request", "after is malformed.") : GH_FAIL;
	origin_forget_snapshot(hub, false, after);
	pthread_mutex_lock(&hub->lock);
	bool has_state = hub->has_state, has_one = hub->snapshot != NULL;

	pthread_mutex_unlock(&hub->lock);
	if (!has_state)
		return refuse(txn, 503, "Service Unavailable", "This node has no documents yet.");
	if (!has_one && snapshot_new(o) == NULL)
		return GH_FAIL;
	pthread_mutex_lock(&hub->lock);
	if ((waiting->snapshot = hub->snapshot) == NULL) { /* taken away by another worker just now */
		pthread_mutex_unlock(&hub->lock);
		return refuse(txn, 503, "Service Unavailable", "There is no snapshot now.");
	}
	waiting->snapshot->refs++;
	bool is_ready = waiting->snapshot->is_ready;

	if (!is_ready) {
		waiting->token = gh_txn_suspend(txn, BUILD_DEADLINE_MS, on_ready);
		waiting->next = waiting->snapshot->waiting;
		waiting->snapshot->waiting = waiting;
	}
	pthread_mutex_unlock(&hub->lock);
	return is_ready ? reply(txn, o, waiting) : GH_SUSPEND;
}
