/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file follower.c
 * @brief The thread that follows the origin: long polls, snapshots, what goes wrong.
 *
 * Each poll says which sequence every reader here acts on, so the origin knows when a change is
 * served.  After new batches the thread waits a moment for the readers before it polls again; that
 * poll carries the acknowledgement, on the connection on which the change came: behind a balancer no
 * other way is sure to reach the node that waits for it.
 *
 * Nothing the origin sends is believed: a stream that is not what lib/feedwire describes is dropped
 * with everything since its last whole batch, and a snapshot follows.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <gatehouse/svc/trust.h>

#include "lib/clock/clock.h"
#include "lib/crypto/crypto.h"
#include "lib/feedwire/feedwire.h"
#include "lib/uri/uri.h"
#include "plugins/sync/sync.h"

#define PAUSE_MIN_MS 100
#define SERVE_WAIT_MS 100         /* for the readers, before the next poll */
#define BEHIND_POLL_MS 50         /* a poll while they are not done */
#define OPEN_WAIT_MS 10000        /* for the readers, to take the first snapshot */
#define AHEAD_NS UINT64_C(60000000000) /* an origin that knows less than we is believed then */
#define SNAPSHOT_DEADLINE_MS 600000
#define SNAPSHOT_BYTES_MAX (UINT64_C(8) << 30)
#define CHANGES_BYTES_MAX (UINT64_C(1) << 30)
#define ENVIRONMENTS_MAX 1024

/* ---- A stream -------------------------------------------------------------------------------- */

/** One answer of the origin. */
struct stream {
	struct sync *s;
	struct feedwire_reader reader;
	struct replica_state state;  /**< When it began. */
	uint64_t batches;
};

static int
fail(struct stream *t, int err, const char *why)
{
	t->reader.why = why;
	return err;
}

static int
snapshot_hello(struct stream *t, const struct feedwire_frame *f)
{
	struct sync *s = t->s;

	t->s->follower.head = f->seq;
	if (t->state.has_state && f->seq < t->state.seq && !s->follower.may_go_back &&
	    memcmp(f->history, t->state.history, sizeof(f->history)) == 0)
		return fail(t, GH_EAGAIN, "its snapshot is older than what is served here");
	return replica_begin(&s->replica, f->history, f->seq);
}

static int
on_hello(void *arg, const struct feedwire_frame *f)
{
	struct stream *t = arg;
	struct sync *s = t->s;

	if (t->reader.is_snapshot)
		return snapshot_hello(t, f);
	if (memcmp(f->history, t->state.history, sizeof(f->history)) != 0)
		return fail(t, GH_ETRUNCATED, "the origin has another database now");
	s->follower.head = f->seq;
	if (f->seq >= t->state.seq) {
		s->follower.ahead_ns = 0;
		return GH_OK;
	}
	if (s->follower.ahead_ns == 0)
		s->follower.ahead_ns = gh_mono_ns();
	if (gh_mono_ns() - s->follower.ahead_ns < AHEAD_NS)
		return GH_OK;
	s->follower.may_go_back = true;
	return fail(t, GH_ETRUNCATED, "the origin has gone back to an older state");
}

static int
on_change(void *arg, const struct feedwire_frame *f)
{
	struct stream *t = arg;

	return replica_change(&t->s->replica, f->seq, &(const struct gh_feed_change){
		.deleted = f->kind == FEEDWIRE_DELETE, .doc = f->doc });
}

static void
tell_readers(struct sync *s)
{
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
}

static int
on_commit(void *arg, uint64_t seq, uint64_t n)
{
	struct stream *t = arg;
	int r = replica_commit(&t->s->replica, seq);

	(void)n;
	if (r < 0)
		return r;
	t->batches++;
	tell_readers(t->s);
	return GH_OK;
}

static const struct feedwire_ops ops = { on_hello, on_change, on_commit };

static int
on_piece(void *arg, struct gh_str piece)
{
	struct stream *t = arg;

	gh_metric_add(t->s->bytes, piece.n);
	return feedwire_reader_add(&t->reader, piece);
}

/* ---- A request ------------------------------------------------------------------------------- */

static void
explain(struct sync *s, const char *what, const char *why)
{
	snprintf(s->follower.error, sizeof(s->follower.error), "%s: %s", what, why);
}

/** What an answer without a stream means. */
static int
refuse_status(struct sync *s, unsigned status)
{
	char text[96];

	if (status == 410)
		return GH_ETRUNCATED;
	snprintf(text, sizeof(text), "it answered %u%s", status,
		status == 403 ? ": this node may not follow it" : status == 503
		? ": it has nothing to give yet" : "");
	explain(s, s->url, text);
	return status == 403 ? GH_EDENIED : GH_EAGAIN;
}

/** What came of a call whose stream has been read.  @param r  of the call. */
static int
judge(struct sync *s, struct stream *t, int r, unsigned status, const char *error)
{
	bool is_ours = t->reader.why != NULL;

	if (r == 0 && status != 200)
		return refuse_status(s, status);
	if (r == 0) {
		r = feedwire_reader_end(&t->reader);
		is_ours = true;
	}
	if (r == 0)
		return GH_OK;
	explain(s, s->url, is_ours && t->reader.why != NULL ? t->reader.why
		: error[0] != '\0' ? error : gh_strerror(r));
	if (is_ours && (r == GH_EINVAL || r == GH_EVERSION))
		gh_metric_add(s->refused, 1);
	/* Whatever it was that came: what is complete stands, and we ask for all of it anew. */
	return r == GH_EINVAL && is_ours ? GH_ETRUNCATED : r;
}

static int
request(struct sync *s, struct stream *t, struct gh_peer_request *q)
{
	struct gh_peer_reply *reply = NULL;
	char error[256] = "";

	s->follower.error[0] = '\0';
	q->url = gh_str_of(s->url);
	q->role = GH_STR(GH_ROLE_CONTROL);
	q->method = GH_STR("GET");
	int r = s->peer.vt->call(s->line, q, on_piece, t, &reply, error, sizeof(error));

	r = judge(s, t, r, reply != NULL ? reply->status : 0, error);
	if (reply != NULL)
		s->peer.vt->reply_free(reply);
	if (r != 0)
		replica_abort(&s->replica);
	return r;
}

static void
stream_init(struct stream *t, struct sync *s, bool is_snapshot)
{
	*t = (struct stream){ .s = s };
	replica_state(&s->replica, &t->state);
	feedwire_reader_init(&t->reader, is_snapshot, t->state.seq, &ops, t);
}

static int
take_snapshot(struct sync *s)
{
	char path[64];
	struct stream t;

	stream_init(&t, s, true);
	int n = snprintf(path, sizeof(path), "/cluster/v1/feed/snapshot?after=%llu",
		s->follower.may_go_back ? 0 : (unsigned long long)t.state.seq);
	struct gh_peer_request q = { .path = { path, (size_t)n },
		.deadline_ms = SNAPSHOT_DEADLINE_MS, .idle_ms = 3 * s->timeout_ms,
		.max_bytes = SNAPSHOT_BYTES_MAX };
	int r = request(s, &t, &q);

	feedwire_reader_done(&t.reader);
	if (r != 0)
		return r;
	s->follower.needs_snapshot = s->follower.may_go_back = false;
	s->follower.ahead_ns = 0;
	gh_metric_add(s->snapshots, 1);
	replica_state(&s->replica, &t.state);
	gh_inst_log(s->inst, LOG_NOTICE, "took a snapshot: %llu documents, sequence %llu",
		(unsigned long long)t.state.docs, (unsigned long long)t.state.seq);
	return GH_OK;
}

/** Text as a query value.  @param buf  3 * n bytes. */
static struct gh_str
encoded(struct gh_str text, char *buf, size_t size)
{
	struct gh_str out;

	return uri_percent_encode(text, buf, size, &out) == 0 ? out : GH_STR_NONE;
}

/** @return bytes of the path, or 0: too long. */
static size_t
poll_path(struct sync *s, const struct replica_state *state, uint64_t serving, uint64_t wait_ms,
	char *path, size_t size)
{
	char history[2 * GH_FEED_HISTORY_BYTES + 1], environments[ENVIRONMENTS_MAX];
	char name_buf[3 * 255], environments_buf[3 * ENVIRONMENTS_MAX];
	struct gh_str name = gh_inst_node_name(s->inst);

	if (name.n > 255)
		name.n = 255;
	crypto_hex(state->history, sizeof(state->history), history);
	readers_environments(&s->readers, environments, sizeof(environments));
	name = encoded(name, name_buf, sizeof(name_buf));
	struct gh_str list = encoded(gh_str_of(environments), environments_buf,
		sizeof(environments_buf));
	int n = snprintf(path, size, "/cluster/v1/feed/changes?after=%llu&feed=%s&serving=%llu"
		"&wait_ms=%llu&version=" PACKAGE_VERSION "&name=%.*s&environments=%.*s",
		(unsigned long long)state->seq, history, (unsigned long long)serving,
		(unsigned long long)wait_ms, GH_STR_ARG(name), GH_STR_ARG(list));

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/** What the node knows after a poll. */
static void
after_poll(struct sync *s)
{
	struct replica_state state;

	replica_state(&s->replica, &state);
	if (state.seq >= s->follower.head)
		s->follower.complete_us = gh_now_us();
	if (replica_compact(&s->replica) < 0)
		gh_inst_log(s->inst, LOG_WARNING, "%s cannot be written anew; it grows",
			s->replica.path);
}

static int
poll_changes(struct sync *s)
{
	char path[512 + 3 * 255 + 3 * ENVIRONMENTS_MAX];
	struct stream t;

	stream_init(&t, s, false);
	uint64_t serving = readers_wait(&s->readers, t.state.seq, SERVE_WAIT_MS);
	uint64_t wait_ms = serving < t.state.seq ? BEHIND_POLL_MS : s->poll_ms;
	size_t n = poll_path(s, &t.state, serving, wait_ms, path, sizeof(path));
	struct gh_peer_request q = { .path = { path, n }, .deadline_ms = wait_ms + 3 * s->timeout_ms,
		.idle_ms = wait_ms + s->timeout_ms, .max_bytes = CHANGES_BYTES_MAX };
	int r = n > 0 ? request(s, &t, &q) : GH_ETOOBIG;

	feedwire_reader_done(&t.reader);
	gh_metric_add(s->batches, t.batches);
	if (r == 0)
		after_poll(s);
	return r;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static bool
is_stopping(struct sync *s)
{
	pthread_mutex_lock(&s->lock);
	bool result = s->is_stopping;

	pthread_mutex_unlock(&s->lock);
	return result;
}

static void
tell_metrics(struct sync *s)
{
	struct replica_state state;
	uint64_t now_us = gh_now_us(), complete_us = s->follower.complete_us;

	replica_state(&s->replica, &state);
	gh_metric_set(s->connected, s->follower.is_connected);
	gh_metric_set(s->sequence, (int64_t)state.seq);
	gh_metric_set(s->docs, (int64_t)state.docs);
	gh_metric_set(s->file_bytes, (int64_t)state.bytes);
	gh_metric_set(s->lag, s->follower.head > state.seq
		? (int64_t)(s->follower.head - state.seq) : 0);
	gh_metric_set(s->age, now_us > complete_us ? (int64_t)((now_us - complete_us) / 1000000) : 0);
}

/** Sleep, a little less than the pause by chance: or all who lost the origin come back at once. */
static void
pause_follower(struct sync *s)
{
	uint64_t ms = s->follower.pause_ms;
	uint32_t chance = 0;

	crypto_random(&chance, sizeof(chance));
	struct timespec until = clock_after(ms / 2 + chance % (ms / 2 + 1));

	pthread_mutex_lock(&s->lock);
	while (!s->is_stopping)
		if (pthread_cond_timedwait(&s->change, &s->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&s->lock);
	s->follower.pause_ms = 2 * ms < s->max_pause_ms ? 2 * ms : s->max_pause_ms;
}

static void
note_success(struct sync *s)
{
	if (s->follower.trouble != 0)
		gh_inst_log(s->inst, LOG_NOTICE, "%s is followed again", s->url);
	if (!s->follower.is_connected)
		gh_metric_add(s->reconnects, 1);
	s->follower.trouble = 0;
	s->follower.is_connected = true;
}

static void
note_failure(struct sync *s, int err)
{
	if (err == GH_ETRUNCATED) {
		s->follower.needs_snapshot = true;
		gh_inst_log(s->inst, LOG_NOTICE, "a snapshot is needed: %s",
			s->follower.error[0] != '\0' ? s->follower.error
			: "the origin does not know any more what came next");
		return;
	}
	s->follower.is_connected = false;
	if (s->follower.trouble != err)
		gh_inst_log(s->inst, LOG_WARNING, "cannot follow %s; %s", s->follower.error[0] != '\0'
			? s->follower.error : gh_strerror(err), atomic_load(&s->is_open)
			? "serving on what is known" : "there is nothing to serve yet");
	s->follower.trouble = err;
}

/** The first snapshot is there: calls may come when the readers have taken it. */
static void
open_up(struct sync *s)
{
	struct replica_state state;

	replica_state(&s->replica, &state);
	if (!state.has_state || atomic_load(&s->is_open))
		return;
	if (readers_wait(&s->readers, state.seq, OPEN_WAIT_MS) < state.seq)
		return;
	atomic_store(&s->is_open, true);
	gh_inst_ready(s->inst, true, NULL);
}

void *
sync_follow(void *arg)
{
	struct sync *s = arg;

	s->follower.pause_ms = PAUSE_MIN_MS;
	while (!is_stopping(s)) {
		bool is_snapshot = s->follower.needs_snapshot;
		int r = is_snapshot ? take_snapshot(s) : poll_changes(s);

		if (is_stopping(s))
			break;
		if (r == 0) {
			note_success(s);
			open_up(s);
			/* A snapshot alone proves little: the next poll may fail at once. */
			if (!is_snapshot)
				s->follower.pause_ms = PAUSE_MIN_MS;
		} else {
			note_failure(s, r);
		}
		tell_metrics(s);
		if (r != 0)
			pause_follower(s);
	}
	return NULL;
}
