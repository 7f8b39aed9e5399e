/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file forward.c
 * @brief From the batcher to the analytics node: what is written goes into the spool, and a thread
 * of its own sends the spool.
 *
 * Rows are states, not differences, and parcels are sent one at a time in their order; so a parcel
 * that arrives twice changes nothing, and one that was answered is never needed again.
 */
#include <gatehouse/svc/trust.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "plugins/analytics/analytics.h"

#define SEND_MS 5000          /* for one parcel */
#define PAUSE_MIN_MS 100      /* after a failure, doubled up to the maximum */
#define PAUSE_MAX_MS 5000
#define LAST_MS 1000          /* to send what is left at the end */
#define ANSWER_MAX 4096

struct forward {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_peer_line *line;
	char *url;
	struct spool *spool;
	uint64_t seq;                  /* the batcher's: of the last parcel */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool has_more, is_stopping;    /* lock */
	bool is_troubled;              /* the thread's: the log says so */
	struct gh_metric *sent, *failed, *refused, *waiting;
};

/* ---- What the batcher calls ------------------------------------------------------------------ */

static int
write_rows(void *self, const struct gh_series_row *rows, size_t n)
{
	struct forward *f = self;
	struct parcel_number number = { spool_run(f->spool), f->seq + 1 };
	struct gh_str parcel;
	int r = parcel_write(&number, rows, n, &parcel);

	if (r < 0)
		return r;
	r = spool_put(f->spool, parcel);
	free((void *)(uintptr_t)parcel.p);
	if (r < 0)
		return r;
	f->seq++;
	pthread_mutex_lock(&f->lock);
	f->has_more = true;
	pthread_cond_signal(&f->change);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* The analytics node deletes what is old. */
static int
trim(void *self, struct gh_str series, uint64_t before_s)
{
	(void)self;
	(void)series;
	(void)before_s;
	return 0;
}

static int
scan(void *self, struct gh_str series, uint64_t from_s, uint64_t to_s, gh_series_fn *fn, void *arg)
{
	(void)self;
	(void)series;
	(void)from_s;
	(void)to_s;
	(void)fn;
	(void)arg;
	return GH_EINVAL;
}

static const struct gh_series_v1 series_v1 = { .size = sizeof(series_v1), .write = write_rows,
	.scan = scan, .trim = trim };

struct gh_series
forward_series(struct forward *f)
{
	return (struct gh_series){ &series_v1, f };
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* One line per trouble and one at its end. */
static void
note(struct forward *f, const char *why)
{
	if (why != NULL)
		gh_metric_add(f->failed, 1);
	if ((why != NULL) == f->is_troubled)
		return;
	f->is_troubled = why != NULL;
	if (why != NULL)
		gh_inst_log(f->inst, LOG_WARNING,
			"usage cannot be sent to %s: %s; it is kept on disk, up to spool_max", f->url, why);
	else
		gh_inst_log(f->inst, LOG_NOTICE, "usage is sent again");
}

/* @return 0: the parcel is done with; GH_EAGAIN: it must be sent again, later. */
static int
send_parcel(struct forward *f, struct gh_str parcel)
{
	const struct gh_peer_request request = { .url = gh_str_of(f->url),
		.role = GH_STR(GH_ROLE_ANALYTICS), .method = GH_STR("POST"),
		.path = GH_STR(PARCEL_PATH), .body = parcel,
		.content_type = GH_STR("application/msgpack"), .deadline_ms = SEND_MS,
		.max_bytes = ANSWER_MAX };
	struct gh_peer_reply *reply = NULL;
	char error[512] = "";
	int r = f->peer.vt->call(f->line, &request, NULL, NULL, &reply, error, sizeof(error));

	if (r < 0) {
		note(f, error[0] != '\0' ? error : gh_strerror(r));
		return GH_EAGAIN;
	}
	if (reply->status == 200) {
		note(f, NULL);
		gh_metric_add(f->sent, 1);
	} else if (reply->status == 400) { /* it would never be taken */
		gh_metric_add(f->refused, 1);
		gh_inst_log(f->inst, LOG_ERR, "%s refuses a parcel of usage, which is lost: %.*s",
			f->url, GH_STR_ARG(reply->body));
	} else {
		snprintf(error, sizeof(error), "it answers %u: %.*s", reply->status,
			(int)(reply->body.n < 300 ? reply->body.n : 300), reply->body.p);
		note(f, error);
		r = GH_EAGAIN;
	}
	f->peer.vt->reply_free(reply);
	return r;
}

/* @return 0: the oldest parcel is gone; GH_ENOENT: there is none; GH_EAGAIN: later. */
static int
send_oldest(struct forward *f)
{
	struct gh_str parcel;
	int r = spool_peek(f->spool, &parcel);

	if (r == GH_EIO) {
		gh_inst_log(f->inst, LOG_ERR, "the spool is damaged: %llu bytes of usage are lost",
			(unsigned long long)spool_clear(f->spool));
		gh_metric_add(f->refused, 1);
		return 0;
	}
	if (r < 0)
		return r == GH_ENOENT ? r : GH_EAGAIN;
	r = send_parcel(f, parcel);
	free((void *)(uintptr_t)parcel.p);
	if (r == 0)
		spool_drop(f->spool);
	gh_metric_set(f->waiting, (int64_t)spool_bytes(f->spool));
	return r;
}

/* Wait for more to send, or after a failure for @p pause_ms.  @return false: it is time to end. */
static bool
pause_or_wait(struct forward *f, uint64_t pause_ms)
{
	struct timespec until = clock_after(pause_ms);

	pthread_mutex_lock(&f->lock);
	if (pause_ms > 0)
		while (!f->is_stopping && pthread_cond_timedwait(&f->change, &f->lock, &until) == 0)
			;
	else
		while (!f->is_stopping && !f->has_more)
			pthread_cond_wait(&f->change, &f->lock);
	f->has_more = false;
	bool goes_on = !f->is_stopping;

	pthread_mutex_unlock(&f->lock);
	return goes_on;
}

static void *
run(void *arg)
{
	struct forward *f = arg;
	uint64_t pause_ms = 0;

	do {
		int r;

		while ((r = send_oldest(f)) == 0)
			pause_ms = 0;
		if (r == GH_ENOENT)
			pause_ms = 0;
		else
			pause_ms = pause_ms == 0 ? PAUSE_MIN_MS
				: 2 * pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
	} while (pause_or_wait(f, pause_ms));
	uint64_t until_ns = gh_mono_ns() + LAST_MS * UINT64_C(1000000);

	while (gh_mono_ns() < until_ns && send_oldest(f) == 0)
		;
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void
release(struct forward *f)
{
	if (f->line != NULL)
		f->peer.vt->line_free(f->line);
	spool_close(f->spool);
	pthread_cond_destroy(&f->change);
	pthread_mutex_destroy(&f->lock);
	free(f->url);
	free(f);
}

static void
make_metrics(struct forward *f)
{
	f->sent = gh_metric_new(f->inst, GH_COUNTER, "gatehouse_analytics_parcels_sent_total",
		"Parcels of usage that the analytics node has taken.", NULL);
	f->failed = gh_metric_new(f->inst, GH_COUNTER, "gatehouse_analytics_parcels_failed_total",
		"Attempts to send one that will be repeated.", NULL);
	f->refused = gh_metric_new(f->inst, GH_COUNTER, "gatehouse_analytics_parcels_lost_total",
		"Parcels that the analytics node refused, or that could not be read again.", NULL);
	f->waiting = gh_metric_new(f->inst, GH_GAUGE, "gatehouse_analytics_spool_bytes",
		"Usage on disk that waits for the analytics node.", NULL);
}

int
forward_new(const struct forward_setup *setup, struct forward **ret_forward)
{
	struct forward *f = calloc(1, sizeof(*f));
	char error[4400] = "out of memory";
	int r = GH_ENOMEM;

	if (f == NULL)
		return r;
	f->inst = setup->inst;
	f->peer = setup->peer;
	if (clock_init(&f->lock, &f->change) < 0) {
		free(f);
		return r;
	}
	make_metrics(f);
	f->url = strndup(setup->url.p, setup->url.n);
	f->line = f->peer.vt->line_new(f->peer.self);
	if (f->url == NULL || f->line == NULL)
		goto out;
	r = spool_open(setup->directory, setup->max_bytes, &f->spool, error, sizeof(error));
	if (r == 0 && pthread_create(&f->thread, NULL, run, f) != 0)
		r = GH_ENOMEM;
out:
	if (r < 0) {
		gh_inst_log(setup->inst, LOG_ERR, "usage cannot be forwarded: %s", error);
		release(f);
		return r;
	}
	*ret_forward = f;
	return 0;
}

void
forward_free(struct forward *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	f->is_stopping = true;
	pthread_cond_signal(&f->change);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	if (spool_bytes(f->spool) > 0)
		gh_inst_log(f->inst, LOG_NOTICE, "%llu bytes of usage wait on disk for the next start",
			(unsigned long long)spool_bytes(f->spool));
	release(f);
}
