/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sync.c
 * @brief feed/1 for a node without a database: it follows another node's, and keeps a replica.
 *
 * The other node runs the plugin `origin`.  What was received is on disk (replica.h), so that the node
 * starts and serves while the other one is away, and goes on from where it was.  A node that has
 * never received anything starts, is not ready, and answers calls with 503 until it has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>

#include <gatehouse/http.h>

#include "lib/clock/clock.h"
#include "plugins/sync/sync.h"

static const struct gh_opt opts[] = {
	GH_OPT(struct sync_config, url, .fixed = true, .min = 1, .max = 2000,
		.help = "Where the control plane's cluster listener is: https://HOST:PORT, of a node "
			"or of a balancer before several."),
	GH_OPT(struct sync_config, replica, .fixed = true, .dflt = "feed.replica", .min = 1,
		.max = 4000, .help = "File with what was received, sealed; relative to the state "
			"directory."),
	GH_OPT(struct sync_config, timeout, .fixed = true, .dflt = "10s", .min = 100, .max = 100000,
		.help = "How long the control plane may be silent before the connection is given up."),
	GH_OPT(struct sync_config, poll, .fixed = true, .dflt = "2s", .min = 10, .max = 60000,
		.help = "How long the control plane waits with its answer when nothing changes."),
	GH_OPT(struct sync_config, max_pause, .fixed = true, .dflt = "5s", .min = 100, .max = 600000,
		.help = "Longest pause between two attempts while the control plane is away."),
	{ .type = GH_OPT_END },
};

/* ---- Calls before the first snapshot --------------------------------------------------------- */

static enum gh_verdict
on_route(const void *config, struct gh_txn *txn)
{
	const struct sync *s = gh_txn_process(txn);

	(void)config;
	if (atomic_load_explicit(&s->is_open, memory_order_acquire))
		return GH_NEXT;
	if (gh_txn_reply(txn, 503, GH_STR("application/json"),
		GH_STR("{\"code\":\"303001\",\"message\":\"Service Unavailable\",\"description\":"
			"\"The gateway has not received its APIs yet\"}")) < 0 ||
	    gh_txn_field_set(txn, GH_SIDE_RESPONSE, GH_STR("Retry-After"), GH_STR("1")) < 0)
		return GH_FAIL;
	return GH_STOP;
}

/* ---- feed/1 ---------------------------------------------------------------------------------- */

static int
feed_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	struct sync *s = self;
	int r = replica_snapshot(&s->replica, fn, arg, ret_seq);

	if (r != GH_ENOENT)
		return r;
	/* Nothing yet: an empty state, which belongs to no history. */
	r = fn(arg, &(const struct gh_feed_batch){ .seq = 0 });
	if (r == 0)
		*ret_seq = 0;
	return r;
}

/** Is there something else than the reader knows? */
static bool
has_news(struct sync *s, const struct replica_state *then, uint64_t after)
{
	struct replica_state now;

	replica_state(&s->replica, &now);
	return now.has_state != then->has_state || (now.has_state && now.seq != after) ||
		memcmp(now.history, then->history, sizeof(now.history)) != 0;
}

static int
feed_read(void *self, uint64_t after, uint64_t wait_ms, gh_feed_fn *fn, void *arg)
{
	struct sync *s = self;
	struct timespec until = clock_after(wait_ms);
	struct replica_state then;

	replica_state(&s->replica, &then);
	pthread_mutex_lock(&s->lock);
	uint64_t wakes = s->wakes;

	while (!has_news(s, &then, after) && s->wakes == wakes && !s->is_stopping)
		if (pthread_cond_timedwait(&s->change, &s->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&s->lock);
	int r = replica_read(&s->replica, after, fn, arg);

	return r == GH_ENOENT ? GH_OK : r;
}

static void
feed_wake(void *self)
{
	struct sync *s = self;

	pthread_mutex_lock(&s->lock);
	s->wakes++;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
}

static int
feed_history(void *self, uint8_t ret_id[GH_FEED_HISTORY_BYTES])
{
	struct sync *s = self;
	struct replica_state state;

	replica_state(&s->replica, &state);
	if (!state.has_state)
		return GH_EAGAIN;
	memcpy(ret_id, state.history, sizeof(state.history));
	return GH_OK;
}

static int
feed_attach(void *self, const struct gh_feed_reader *reader)
{
	return readers_attach(&((struct sync *)self)->readers, reader);
}

static void
feed_detach(void *self, const struct gh_feed_reader *reader)
{
	readers_detach(&((struct sync *)self)->readers, reader);
}

static const struct gh_feed_v1 feed = {
	.size = sizeof(feed), .snapshot = feed_snapshot, .read = feed_read, .wake = feed_wake,
	.history = feed_history, .attach = feed_attach, .detach = feed_detach,
};

/* ---- Life ------------------------------------------------------------------------------------ */

static void
make_metrics(struct sync *s, struct gh_inst *inst)
{
	s->connected = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_connected",
		"1 while the control plane's feed is followed.", NULL);
	s->sequence = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_sequence",
		"Sequence of the newest commit received.", NULL);
	s->lag = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_lag_sequences",
		"Commits that the control plane had more at the last contact.", NULL);
	s->age = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_age_seconds",
		"Time since nothing was missing here.", NULL);
	s->bytes = gh_metric_new(inst, GH_COUNTER, "gatehouse_sync_received_bytes_total",
		"Bytes of the feed that came.", NULL);
	s->reconnects = gh_metric_new(inst, GH_COUNTER, "gatehouse_sync_connects_total",
		"How often the control plane was reached after it was not.", NULL);
	s->snapshots = gh_metric_new(inst, GH_COUNTER, "gatehouse_sync_snapshots_total",
		"Snapshots that were taken.", NULL);
	s->batches = gh_metric_new(inst, GH_COUNTER, "gatehouse_sync_batches_total",
		"Commits that came one by one.", NULL);
	s->refused = gh_metric_new(inst, GH_COUNTER, "gatehouse_sync_refused_total",
		"Streams that were not what the protocol says.", NULL);
	s->docs = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_documents",
		"Documents in the replica.", NULL);
	s->file_bytes = gh_metric_new(inst, GH_GAUGE, "gatehouse_sync_replica_bytes",
		"Size of the replica's file.", NULL);
}

static char *
replica_path(const struct sync_config *c, struct gh_inst *inst)
{
	bool is_absolute = c->replica.p[0] == '/';
	const char *state = is_absolute ? "" : gh_inst_state_dir(inst);
	size_t size = strlen(state) + c->replica.n + 2;
	char *path = malloc(size);

	if (path != NULL)
		snprintf(path, size, "%s%s%.*s", state, is_absolute ? "" : "/",
			GH_STR_ARG(c->replica));
	return path;
}

/** Serve what an earlier run has left; else wait for a snapshot. */
static int
load(struct sync *s)
{
	char error[512];
	struct replica_state state;
	struct stat st;
	int r = replica_load(&s->replica, error, sizeof(error));

	if (r == GH_ENOMEM || r == GH_EIO) {
		gh_inst_log(s->inst, LOG_ERR, "%s", error);
		return r;
	}
	if (r < 0) {
		if (r != GH_ENOENT)
			gh_inst_log(s->inst, LOG_WARNING, "%s; a snapshot will replace it", error);
		s->follower.needs_snapshot = true;
		s->follower.complete_us = gh_now_us();
		gh_inst_ready(s->inst, false, "no snapshot from the control plane yet");
		return GH_OK;
	}
	replica_state(&s->replica, &state);
	gh_inst_log(s->inst, LOG_NOTICE, "begins with %llu documents of sequence %llu from %s",
		(unsigned long long)state.docs, (unsigned long long)state.seq, s->replica.path);
	s->follower.head = state.seq;
	s->follower.complete_us = stat(s->replica.path, &st) == 0
		? (uint64_t)st.st_mtime * 1000000u : gh_now_us();
	atomic_store(&s->is_open, true);
	return GH_OK;
}

static void
release(struct sync *s)
{
	s->peer.vt->line_free(s->line);
	replica_done(&s->replica);
	readers_done(&s->readers);
	pthread_cond_destroy(&s->change);
	pthread_mutex_destroy(&s->lock);
	free(s->url);
}

static int
prepare(struct sync *s, const struct sync_config *c, const struct gh_trust *trust)
{
	char *path = replica_path(c, s->inst);
	int r = path != NULL ? replica_init(&s->replica, trust, path) : GH_ENOMEM;

	free(path);
	s->url = strndup(c->url.p, c->url.n);
	s->line = s->peer.vt->line_new(s->peer.self);
	s->timeout_ms = c->timeout.v;
	s->poll_ms = c->poll.v;
	s->max_pause_ms = c->max_pause.v;
	if (r == 0 && (s->url == NULL || s->line == NULL))
		r = GH_ENOMEM;
	return r == 0 ? load(s) : r;
}

static int
open_sync(void *process, const void *config, struct gh_inst *inst)
{
	struct sync *s = process;
	struct gh_trust trust;
	int r = GH_BIND(inst, GH_SVC_PEER, &s->peer);

	s->inst = inst;
	if (r == 0)
		r = GH_BIND(inst, GH_SVC_TRUST, &trust);
	if (r < 0)
		return r;
	make_metrics(s, inst);
	if (readers_init(&s->readers) < 0)
		return GH_ENOMEM;
	if (clock_init(&s->lock, &s->change) < 0) {
		readers_done(&s->readers);
		return GH_ENOMEM;
	}
	r = prepare(s, config, &trust);
	if (r == 0 && pthread_create(&s->thread, NULL, sync_follow, s) != 0)
		r = GH_ENOMEM;
	if (r < 0)
		release(s);
	return r;
}

static void
close_sync(void *process)
{
	struct sync *s = process;

	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
	s->peer.vt->line_stop(s->line);
	pthread_join(s->thread, NULL);
	release(s);
}

/* ---- Descriptor ------------------------------------------------------------------------------ */

static const struct gh_service_row provides[] = { { GH_SVC_FEED, &feed }, { .name = NULL } };
static const char *const needs[] = { GH_SVC_PEER, GH_SVC_TRUST, NULL };
static const struct gh_hook_row hooks[] = {
	{ GH_ROUTE, GH_DENY, on_route, NULL },
	{ .fn = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "sync", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts, .hooks = hooks, .config_size = sizeof(struct sync_config),
	.process_size = sizeof(struct sync), .open = open_sync, .close = close_sync,
};
