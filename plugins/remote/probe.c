/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file probe.c
 * @brief Asks the other node every now and then whether it is there.
 *
 * So a node that cannot be reached costs nobody a deadline, is told by /readyz, and is used again as
 * soon as it is back, without a call having to fail for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "plugins/remote/remote.h"

#define INTERVAL_MS 1000
#define DOWN_INTERVAL_MS 250
#define DEADLINE_MS 1000

struct remote_probe {
	struct remote *remote;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_stopping; /**< lock */
};

/** Is the other node there?  @return 0, or an error with its sentence. */
static int
ask(struct remote *remote, char *error)
{
	struct gh_str message = GH_STR_NONE;
	struct gh_peer_reply *reply = NULL;
	struct rpc_message answer;
	struct rpc_writer w;
	int r;

	rpc_writer_init(&w);
	r = rpc_finish(&w, &message);
	if (r == 0)
		r = remote_post(remote, "hello", message, DEADLINE_MS, RPC_SMALL_MAX, &reply, error);
	if (r == 0 && (rpc_read(reply->body, &answer) < 0 || doc_int(answer.head, "r", 1) != 0)) {
		snprintf(error, REMOTE_ERROR_MAX, "the answer cannot be understood");
		r = GH_EIO;
	}
	rpc_free(message);
	remote->peer.vt->reply_free(reply);
	return r;
}

/** Why this node is not ready; /readyz wants words that stay. */
static const char *
reason_of(int r)
{
	switch (r) {
	case GH_ENOENT:
		return "this node has no certificate of its cluster yet";
	case GH_EDENIED:
		return "the node at url and this one do not trust each other";
	case GH_EIO:
		return "the node at url answers, but does not serve this node";
	default:
		return "the node at url cannot be reached";
	}
}

/** Note what was found, and tell changes. */
static void
take(struct remote *remote, int r, const char *error)
{
	bool was_down = atomic_exchange(&remote->is_down, r < 0);

	gh_metric_set(remote->up, r == 0);
	if (r < 0)
		gh_inst_ready(remote->inst, false, reason_of(r));
	if ((r < 0) == was_down)
		return;
	if (r < 0) {
		gh_inst_log(remote->inst, LOG_ERR, "%s: %s", remote->url, error);
		return;
	}
	gh_inst_ready(remote->inst, true, NULL);
	atomic_store(&remote->has_complained, false);
	gh_inst_log(remote->inst, LOG_NOTICE, "%s serves this node again", remote->url);
}

/** Wait until it is time to ask again.  @return false: the node ends. */
static bool
pause_before_next(struct remote_probe *probe)
{
	struct timespec until = clock_after(atomic_load(&probe->remote->is_down)
		? DOWN_INTERVAL_MS : INTERVAL_MS);
	int r = 0;

	pthread_mutex_lock(&probe->lock);
	while (!probe->is_stopping && r == 0)
		r = pthread_cond_timedwait(&probe->change, &probe->lock, &until);
	bool goes_on = !probe->is_stopping;

	pthread_mutex_unlock(&probe->lock);
	return goes_on;
}

static void *
run(void *arg)
{
	struct remote_probe *probe = arg;
	char error[REMOTE_ERROR_MAX];

	while (pause_before_next(probe)) {
		int r = ask(probe->remote, error);

		/* One lost connection is no trouble: a node that restarts closes them all. */
		if (r == GH_EAGAIN && !atomic_load(&probe->remote->is_down))
			r = ask(probe->remote, error);
		take(probe->remote, r, error);
	}
	return NULL;
}

int
remote_probe_open(struct remote *remote, uint64_t wait_ms)
{
	uint64_t end_ns = gh_mono_ns() + wait_ms * UINT64_C(1000000);
	struct remote_probe *probe = calloc(1, sizeof(*probe));
	char error[REMOTE_ERROR_MAX] = "";
	int r = probe != NULL && clock_init(&probe->lock, &probe->change) == 0 ? 0 : GH_ENOMEM;

	if (r < 0) {
		free(probe);
		return r;
	}
	probe->remote = remote;
	r = ask(remote, error);
	atomic_store(&remote->is_down, r < 0);
	if (r < 0)
		gh_inst_log(remote->inst, LOG_WARNING, "waits for %s: %s", remote->url, error);
	while (r < 0 && gh_mono_ns() < end_ns) {
		pause_before_next(probe);
		r = ask(remote, error);
	}
	atomic_store(&remote->is_down, r < 0);
	if (r < 0)
		gh_inst_log(remote->inst, LOG_ERR, "cannot start without %s: %s", remote->url, error);
	if (r == 0 && pthread_create(&probe->thread, NULL, run, probe) != 0)
		r = GH_EAGAIN;
	if (r < 0) {
		pthread_cond_destroy(&probe->change);
		pthread_mutex_destroy(&probe->lock);
		free(probe);
		return r;
	}
	gh_metric_set(remote->up, 1);
	remote->probe = probe;
	return GH_OK;
}

void
remote_probe_close(struct remote *remote)
{
	struct remote_probe *probe = remote->probe;

	if (probe == NULL)
		return;
	pthread_mutex_lock(&probe->lock);
	probe->is_stopping = true;
	pthread_cond_broadcast(&probe->change);
	pthread_mutex_unlock(&probe->lock);
	pthread_join(probe->thread, NULL);
	pthread_cond_destroy(&probe->change);
	pthread_mutex_destroy(&probe->lock);
	free(probe);
	remote->probe = NULL;
}
