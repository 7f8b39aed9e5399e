/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file changes.c
 * @brief GET /cluster/v1/feed/changes: the batches after a sequence, as soon as there is one.
 *
 *   after    the sequence that the follower has       feed      its history, hexadecimal
 *   wait_ms  how long to wait for a batch             serving   what all its workers act on
 *   name, environments, version                       for nodes/1
 *
 * The hook never blocks: it answers from the ring, or suspends until the hub resumes it.  Who is
 * further behind than the ring is served on the pool, from the feed itself.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/feedwire/feedwire.h"
#include "lib/form/form.h"
#include "plugins/origin/origin.h"

#define WAIT_MAX_MS 60000
#define OLDER_DEADLINE_MS 60000
#define TEXT_MAX 1024
#define FRAME_ROOM 512 /* of a HELLO or END */

/** One poll, in the transaction's memory. */
struct poll {
	struct parked parked;
	struct origin *origin;
	struct gh_str node;
	uint64_t after;
	uint8_t history[GH_FEED_HISTORY_BYTES];
	uint64_t until_ns;
	struct older *older;  /* what the pool has read */
};

static enum gh_verdict answer(struct gh_txn *txn, struct poll *poll, bool may_wait);

/* ---- The request ----------------------------------------------------------------------------- */

bool
origin_admits(struct gh_txn *txn)
{
	if (gh_txn_attr(txn, GH_ATTR_PEER_NODE).n == 0) {
		refuse(txn, 403, "Forbidden", "Only nodes of the cluster, with a certificate of its "
			"authority, may follow the feed.");
		return false;
	}
	if (!gh_str_eq(gh_txn_attr(txn, GH_ATTR_METHOD), GH_STR("GET"))) {
		refuse(txn, 405, "Method Not Allowed", "The feed is read with GET.");
		gh_txn_field_set(txn, GH_SIDE_RESPONSE, GH_STR("Allow"), GH_STR("GET"));
		return false;
	}
	return true;
}

bool
origin_take_number(const struct form *form, const char *name, uint64_t *ret)
{
	struct gh_str s = form_get(form, name);
	uint64_t value = 0;

	if (s.n == 0 || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		value = 10 * value + (uint64_t)(s.p[i] - '0');
	}
	*ret = value;
	return true;
}

static bool
take_request(const struct form *form, struct poll *poll, struct report *report, uint64_t *ret_wait_ms)
{
	report->name = form_get(form, "name");
	report->environments = form_get(form, "environments");
	report->version = form_get(form, "version");
	return origin_take_number(form, "after", &poll->after) &&
		origin_take_number(form, "serving", &report->serving) &&
		origin_take_number(form, "wait_ms", ret_wait_ms) && *ret_wait_ms <= WAIT_MAX_MS &&
		crypto_unhex(form_get(form, "feed"), poll->history, sizeof(poll->history)) == 0 &&
		report->name.n <= TEXT_MAX && report->environments.n <= TEXT_MAX &&
		report->version.n <= TEXT_MAX && report->serving <= poll->after;
}

enum gh_verdict
origin_on_changes(const void *config, struct gh_txn *txn)
{
	struct origin *o = gh_txn_process(txn);
	struct report report = { .id = gh_txn_attr(txn, GH_ATTR_PEER_NODE),
		.roles = gh_txn_attr(txn, GH_ATTR_PEER_ROLES) };
	struct poll *poll = gh_txn_slot(txn, sizeof(*poll));
	struct form *form = NULL;
	uint64_t wait_ms = 0;

	(void)config;
	if (poll == NULL)
		return GH_FAIL;
	if (!origin_admits(txn))
		return GH_STOP;
	poll->origin = o;
	poll->node = report.id;
	int r = form_parse(gh_txn_attr(txn, GH_ATTR_QUERY), &form, NULL);

	if (r == 0 && !take_request(form, poll, &report, &wait_ms))
		r = GH_EINVAL;
	if (r == 0)
		r = followers_report(&o->followers, &report);
	form_free(form);
	if (r == GH_EINVAL)
		return refuse(txn, 400, "Bad Request", "after, feed, serving or wait_ms is missing or "
			"malformed.");
	if (r < 0)
		return refuse(txn, 503, "Service Unavailable", "No more nodes can follow this one.");
	gh_metric_add(o->polls, 1);
	origin_forget_snapshot(&o->hub, false, 0);
	poll->until_ns = gh_mono_ns() + wait_ms * 1000000u;
	return answer(txn, poll, wait_ms > 0);
}

/* ---- The answer ------------------------------------------------------------------------------ */

static struct piece *
frame_piece(enum feedwire_kind kind, uint64_t seq, const uint8_t *history)
{
	struct buffer bytes = { .p = NULL };
	struct feedwire_frame frame = { .kind = kind, .seq = seq };
	struct piece *piece = NULL;

	if (history != NULL)
		memcpy(frame.history, history, sizeof(frame.history));
	if (feedwire_put(&bytes, &frame, FRAME_ROOM) == 0)
		piece = piece_new((struct gh_str){ bytes.p, bytes.n }, seq);
	buffer_done(&bytes);
	return piece;
}

/** @param pieces  GIVE: each reference. */
static enum gh_verdict
send(struct gh_txn *txn, struct poll *poll, struct piece **pieces, size_t n, uint64_t head)
{
	uint64_t last = n > 0 ? pieces[n - 1]->seq : poll->after;
	struct body *body = body_new(txn, n + 2);

	if (body == NULL) {
		for (size_t i = 0; i < n; i++)
			piece_unref(pieces[i]);
		return GH_FAIL;
	}
	struct piece *hello = frame_piece(FEEDWIRE_HELLO, head, poll->history);
	struct piece *end = frame_piece(FEEDWIRE_END, last, NULL);

	if (hello != NULL)
		body->pieces[body->n++] = hello;
	for (size_t i = 0; i < n; i++)
		body->pieces[body->n++] = pieces[i];
	if (end != NULL)
		body->pieces[body->n++] = end;
	if (hello == NULL || end == NULL)
		return GH_FAIL;
	return body_send(body, poll->origin->sent);
}

/* ---- From the feed itself, on the pool ------------------------------------------------------- */

struct older {
	struct gh_job job; /* first: the pool's handle */
	struct hub *hub;
	uint64_t after;
	uint8_t history[GH_FEED_HISTORY_BYTES];
	int r;
	size_t n, bytes;
	struct piece *pieces[ANSWER_BATCHES_MAX];
};

#define ENOUGH 1

static int
read_older(void *arg, const struct gh_feed_batch *batch)
{
	struct older *older = arg;
	struct buffer bytes = { .p = NULL };

	if (older->n == ANSWER_BATCHES_MAX || older->bytes > ANSWER_BYTES_MAX)
		return ENOUGH;
	if (batch->seq != older->after + older->n + 1)
		return GH_ETRUNCATED;
	int r = feedwire_put_batch(&bytes, batch, 2 * (uint64_t)FEEDWIRE_BATCH_BYTES_MAX);
	struct piece *piece = r == 0
		? piece_new((struct gh_str){ bytes.p, bytes.n }, batch->seq) : NULL;

	older->bytes += bytes.n;
	buffer_done(&bytes);
	if (piece == NULL)
		return r == GH_ETOOBIG ? GH_ETRUNCATED : GH_ENOMEM;
	older->pieces[older->n++] = piece;
	return GH_OK;
}

static void
run_older(struct gh_job *job)
{
	struct older *older = (struct older *)(void *)job;
	const struct gh_feed *feed = &older->hub->feed;
	uint8_t history[GH_FEED_HISTORY_BYTES];
	int r = feed->vt->read(feed->self, older->after, 0, read_older, older);

	follow_history(feed, history);
	if (memcmp(history, older->history, sizeof(history)) != 0)
		r = GH_ETRUNCATED;
	older->r = r == ENOUGH ? GH_OK : r;
}

static void
free_older(struct gh_job *job)
{
	struct older *older = (struct older *)(void *)job;

	for (size_t i = 0; i < older->n; i++)
		piece_unref(older->pieces[i]);
	free(older);
}

/** WORKER: the transaction still waits; it takes over what was read. */
static void
older_done(struct gh_job *job, struct gh_txn *txn)
{
	struct older *older = (struct older *)(void *)job;
	struct poll *poll = gh_txn_slot(txn, sizeof(*poll));
	struct older *copy = poll != NULL ? gh_txn_alloc(txn, sizeof(*copy)) : NULL;

	if (copy == NULL)
		return;
	*copy = *older;
	older->n = 0;
	poll->older = copy;
}

static enum gh_verdict
on_older(struct gh_txn *txn, enum gh_reason reason)
{
	struct poll *poll = gh_txn_slot(txn, sizeof(*poll));
	struct older *older = poll != NULL ? poll->older : NULL;

	if (reason != GH_DONE || older == NULL)
		return refuse(txn, 503, "Service Unavailable", "The feed could not be read in time.");
	if (older->r == GH_ETRUNCATED) {
		for (size_t i = 0; i < older->n; i++)
			piece_unref(older->pieces[i]);
		return refuse(txn, 410, "Gone", "The feed does not reach back so far: take a "
			"snapshot.");
	}
	if (older->r < 0) {
		for (size_t i = 0; i < older->n; i++)
			piece_unref(older->pieces[i]);
		return refuse(txn, 503, "Service Unavailable", "The feed cannot be read.");
	}
	return send(txn, poll, older->pieces, older->n, poll->after + older->n);
}

static enum gh_verdict
answer_older(struct gh_txn *txn, struct poll *poll)
{
	struct older *older = calloc(1, sizeof(*older));

	if (older == NULL)
		return GH_FAIL;
	older->job = (struct gh_job){ run_older, older_done, free_older };
	older->hub = &poll->origin->hub;
	older->after = poll->after;
	memcpy(older->history, poll->history, sizeof(older->history));
	gh_metric_add(poll->origin->older, 1);
	if (gh_offload(txn, GH_LANE_STORE, &older->job, OLDER_DEADLINE_MS, on_older) < 0)
		return refuse(txn, 503, "Service Unavailable", "Too much waits for the store.");
	return GH_SUSPEND;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static enum gh_verdict
on_resumed(struct gh_txn *txn, enum gh_reason reason)
{
	struct poll *poll = gh_txn_slot(txn, sizeof(*poll));

	hub_unpark(&poll->origin->hub, &poll->parked);
	followers_unpark(&poll->origin->followers, poll->node, reason == GH_CANCELLED);
	if (reason == GH_CANCELLED)
		return GH_STOP;
	return answer(txn, poll, reason == GH_DONE);
}

static enum gh_verdict
answer(struct gh_txn *txn, struct poll *poll, bool may_wait)
{
	struct piece *pieces[ANSWER_BATCHES_MAX];
	size_t n = 0;
	uint64_t head = 0, now_ns = gh_mono_ns();
	struct parked *park = may_wait && now_ns < poll->until_ns ? &poll->parked : NULL;

	if (park != NULL)
		*park = (struct parked){ .txn = txn, .fn = on_resumed,
			.wait_ms = (poll->until_ns - now_ns) / 1000000u + 1 };
	switch (hub_ask(&poll->origin->hub, poll->history, poll->after, pieces, &n, &head, park)) {
	case HUB_BATCHES:
		return send(txn, poll, pieces, n, head);
	case HUB_NOTHING:
		if (park == NULL)
			return send(txn, poll, pieces, 0, head);
		followers_park(&poll->origin->followers, poll->node);
		return GH_SUSPEND;
	case HUB_OLDER:
		return answer_older(txn, poll);
	case HUB_OTHER:
		followers_stray(&poll->origin->followers, poll->node);
		return refuse(txn, 410, "Gone", "This is another database: take a snapshot.");
	case HUB_EMPTY:
		break;
	}
	return refuse(txn, 503, "Service Unavailable", "This node has no documents yet.");
}
