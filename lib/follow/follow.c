/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file follow.c
 * @brief The loop of a follower: snapshot, batches, trouble, stop.
 */
#include "lib/follow/follow.h"

#include "lib/clock/clock.h"

#define READ_WAIT_MS 1000 /* stop does not wait for it: follow_stop() wakes the reader */
#define STOP_POLL_MS 10

/** What one call of the feed has handed to apply(). */
struct pass {
	struct follow *follow;
	bool is_snapshot;
	bool has_applied;
	bool has_failed;  /* an op refused, or the feed had a gap: what was applied is no use */
	uint64_t seq;     /* of the last batch applied */
};

int
follow_init(struct follow *f, const struct gh_feed *feed, const struct follow_ops *ops, void *arg)
{
	*f = (struct follow){ .feed = *feed, .arg = arg };
	if (clock_init(&f->lock, &f->change) < 0)
		return GH_ENOMEM;
	f->ops = ops;
	return GH_OK;
}

/** Does the feed have the function that ends at @p end of the table? */
static bool
feed_has(const struct gh_feed *feed, size_t end)
{
	return feed->vt->size >= end;
}
#define FEED_HAS(feed, member) (feed_has(feed, offsetof(struct gh_feed_v1, member) + \
	sizeof((feed)->vt->member)) && (feed)->vt->member != NULL)

int
follow_history(const struct gh_feed *feed, uint8_t ret_id[GH_FEED_HISTORY_BYTES])
{
	memset(ret_id, 0, GH_FEED_HISTORY_BYTES);
	return FEED_HAS(feed, history) ? feed->vt->history(feed->self, ret_id) : GH_ENOENT;
}

int
follow_attach(struct follow *f, const struct gh_feed_reader *reader)
{
	if (!FEED_HAS(&f->feed, attach) || !FEED_HAS(&f->feed, detach))
		return GH_OK;
	int r = f->feed.vt->attach(f->feed.self, reader);

	if (r == 0)
		f->reader = reader;
	return r;
}

/** Is what was published last still part of the feed? */
static bool
is_same_history(const struct follow *f)
{
	uint8_t now[GH_FEED_HISTORY_BYTES];

	follow_history(&f->feed, now);
	return memcmp(now, f->history, sizeof(now)) == 0;
}

void
follow_done(struct follow *f)
{
	if (f->ops == NULL)
		return;
	if (f->reader != NULL)
		f->feed.vt->detach(f->feed.self, f->reader);
	pthread_cond_destroy(&f->change);
	pthread_mutex_destroy(&f->lock);
	f->ops = NULL;
}

static int
on_batch(void *arg, const struct gh_feed_batch *batch)
{
	struct pass *pass = arg;
	struct follow *f = pass->follow;

	if (atomic_load(&f->is_stopping))
		return GH_EAGAIN;
	bool fits = pass->is_snapshot || (batch->seq == pass->seq + 1 && is_same_history(f));
	int r = !fits
		? GH_ETRUNCATED
		: f->ops->apply(f->arg, batch);

	pass->has_failed = r != 0;
	if (r != 0)
		return r;
	pass->has_applied = true;
	pass->seq = batch->seq;
	return GH_OK;
}

static int
publish(struct follow *f, uint64_t seq)
{
	int r = f->ops->publish(f->arg, seq);

	if (r == 0) {
		f->seq = seq;
		f->has_state = true;
	}
	return r;
}

int
follow_snapshot(struct follow *f)
{
	struct pass pass = { .follow = f, .is_snapshot = true };
	uint64_t seq = 0;

	f->has_state = false;
	follow_history(&f->feed, f->history);
	int r = f->ops->begin(f->arg);

	if (r == 0)
		r = f->feed.vt->snapshot(f->feed.self, on_batch, &pass, &seq);
	if (r == 0 && !is_same_history(f))
		r = GH_ETRUNCATED; /* it changed meanwhile: of which is the snapshot? */
	if (r == 0)
		r = publish(f, seq);
	if (r != 0)
		f->ops->abort(f->arg);
	return r;
}

/** Read what comes after f->seq.  Trouble of the feed leaves the state as good as it was. */
static int
follow_batches(struct follow *f)
{
	struct pass pass = { .follow = f, .seq = f->seq };
	int r = !is_same_history(f) ? GH_ETRUNCATED
		: f->feed.vt->read(f->feed.self, f->seq, READ_WAIT_MS, on_batch, &pass);

	if (pass.has_applied && !pass.has_failed) {
		int published = publish(f, pass.seq);

		if (published != 0) {
			pass.has_failed = true;
			r = published;
		}
	}
	if (pass.has_failed || r == GH_ETRUNCATED) {
		f->ops->abort(f->arg);
		f->has_state = false;
	}
	return r;
}

/** Tell the log when trouble begins and when it is over. */
static void
note(struct follow *f, int err)
{
	if (err == GH_ETRUNCATED || f->is_troubled == (err != 0))
		return; /* to be behind is no trouble: a snapshot follows */
	f->is_troubled = err != 0;
	if (f->ops->trouble != NULL)
		f->ops->trouble(f->arg, err);
}

static void
pause_for(struct follow *f, uint64_t ms)
{
	struct timespec until = clock_after(ms);

	pthread_mutex_lock(&f->lock);
	while (!atomic_load(&f->is_stopping))
		if (pthread_cond_timedwait(&f->change, &f->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&f->lock);
}

static void
set_running(struct follow *f, bool is_running)
{
	pthread_mutex_lock(&f->lock);
	f->is_running = is_running;
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
}

void
follow_run(struct follow *f)
{
	uint64_t pause_ms = FOLLOW_BACKOFF_MIN_MS;

	set_running(f, true);
	while (!atomic_load(&f->is_stopping)) {
		bool is_snapshot = !f->has_state;
		int r = is_snapshot ? follow_snapshot(f) : follow_batches(f);

		if (atomic_load(&f->is_stopping))
			break;
		note(f, r);
		if (r == 0) {
			/* A snapshot alone proves little: the next read may fail at once. */
			if (!is_snapshot)
				pause_ms = FOLLOW_BACKOFF_MIN_MS;
			continue;
		}
		pause_for(f, pause_ms);
		pause_ms *= 2;
		if (pause_ms > FOLLOW_BACKOFF_MAX_MS)
			pause_ms = FOLLOW_BACKOFF_MAX_MS;
	}
	set_running(f, false);
}

void
follow_stop(struct follow *f)
{
	if (f->ops == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	atomic_store(&f->is_stopping, true);
	pthread_cond_broadcast(&f->change);
	while (f->is_running) {
		/* Again and again: a wake that comes just before the reader waits is lost. */
		struct timespec until = clock_after(STOP_POLL_MS);

		pthread_mutex_unlock(&f->lock);
		f->feed.vt->wake(f->feed.self);
		pthread_mutex_lock(&f->lock);
		if (f->is_running)
			pthread_cond_timedwait(&f->change, &f->lock, &until);
	}
	pthread_mutex_unlock(&f->lock);
}
