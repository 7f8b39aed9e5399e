/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batcher.c
 * @brief The thread that turns calls into rows per minute and writes them.
 *
 * A row's identity in the series is its minute, a random part of this run of the process, and a
 * number that is never used again in the run.  So rows are only ever written by the one who made
 * them: nothing is read before it is written, a restart keeps what the run before has written, and
 * a report adds up all rows of a minute.  A row may be forgotten as soon as it is written and its
 * minute is over; a call that comes late makes another one.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "lib/crypto/crypto.h"
#include "lib/clock/clock.h"
#include "lib/hash/hash.h"
#include "plugins/analytics/analytics.h"

#define TICK_MS 250          /* the rings are looked at this often */
#define FLUSH_MS 1000        /* changed rows are written this often */
#define TRIM_MS 3600000      /* old rows are deleted this often */
#define MINUTE_S 60u
#define KEY_BYTES 16         /* of a row in the series: part and number */
#define BATCH_ROWS 256u
#define BATCH_BYTES (256u << 10)

/* Rows on their way to the series. */
struct batch {
	size_t n, used;
	struct row *rows[BATCH_ROWS];
	struct gh_series_row out[BATCH_ROWS];
	char keys[BATCH_ROWS][KEY_BYTES];
	char bytes[BATCH_BYTES];
};
_Static_assert(BATCH_BYTES >= 4 * VALUE_BYTES_MAX, "a batch takes more than the longest row");

struct batcher {
	struct batcher_setup setup;
	struct rows *rows;
	char part[KEY_BYTES / 2];
	struct batch batch;
	bool is_troubled;              /* writing fails, and the log says so */
	uint64_t next_flush_ms, next_trim_ms;
	_Atomic uint64_t retention_s;
	_Atomic bool is_stopping, is_woken;
	sem_t wake;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint64_t flushes_begun, flushes_done; /* lock */
	bool is_flush_wanted;                 /* lock */
};

/* A row's key in memory: minute, status, names.  Only of this process: integers as they are. */
struct row_head {
	uint64_t minute_s;
	uint16_t status;
};
#define ROW_HEAD (sizeof(uint64_t) + sizeof(uint16_t))

/* ---- Calls to rows --------------------------------------------------------------------------- */

static void
add(struct batcher *b, const struct record *record)
{
	char key[ROW_HEAD + NAMES_BYTES_MAX];
	struct row_head head = { record->time_s - record->time_s % MINUTE_S, record->status };

	memcpy(key, &head.minute_s, sizeof(head.minute_s));
	memcpy(key + sizeof(head.minute_s), &head.status, sizeof(head.status));
	memcpy(key + ROW_HEAD, record->subject->bytes, record->subject->n);
	uint64_t hash = hash_bytes(record->subject->hash, (struct gh_str){ key, ROW_HEAD });
	struct row *row = rows_get(b->rows, hash,
		(struct gh_str){ key, ROW_HEAD + record->subject->n });

	if (row == NULL || sketch_add(&row->sketch, record->latency_us, 1) < 0) {
		gh_metric_add(b->setup.dropped, 1);
		return;
	}
	row->is_dirty = true;
}

static void
drain(struct batcher *b)
{
	uint64_t n = 0;

	atomic_store(&b->is_woken, false);
	for (unsigned i = 0; i < b->setup.recorder_count; i++) {
		struct record record;

		while (recorder_take(b->setup.recorders[i], &record)) {
			add(b, &record);
			n++;
		}
	}
	if (n > 0)
		gh_metric_add(b->setup.recorded, n);
}

/* ---- Rows to the series ---------------------------------------------------------------------- */

static struct row_head
head_of(const struct row *row)
{
	struct row_head head;

	memcpy(&head.minute_s, row->key, sizeof(head.minute_s));
	memcpy(&head.status, row->key + sizeof(head.minute_s), sizeof(head.status));
	return head;
}

static int
write_batch(struct batcher *b)
{
	struct batch *batch = &b->batch;
	int r = batch->n > 0
		? b->setup.series.vt->write(b->setup.series.self, batch->out, batch->n) : 0;

	for (size_t i = 0; i < batch->n && r == 0; i++) {
		batch->rows[i]->is_dirty = false;
		batch->rows[i]->written = batch->rows[i]->sketch.total;
	}
	batch->n = 0;
	batch->used = 0;
	return r;
}

static int
write_row(void *arg, struct row *row)
{
	struct batcher *b = arg;
	struct batch *batch = &b->batch;

	if (!row->is_dirty)
		return 0;
	if (batch->n == BATCH_ROWS || BATCH_BYTES - batch->used < VALUE_BYTES_MAX) {
		int r = write_batch(b);

		if (r < 0)
			return r;
	}
	struct row_head head = head_of(row);
	char *key = batch->keys[batch->n], *value = batch->bytes + batch->used;

	memcpy(key, b->part, sizeof(b->part));
	for (unsigned i = 0; i < 8; i++)
		key[8 + i] = (char)(row->number >> (56 - 8 * i));
	size_t n = value_write(head.status,
		(struct gh_str){ row->key + ROW_HEAD, row->n - ROW_HEAD }, &row->sketch, value);

	batch->used += n;
	batch->rows[batch->n] = row;
	batch->out[batch->n++] = (struct gh_series_row){ ANALYTICS_SERIES, head.minute_s,
		{ key, KEY_BYTES }, { value, n } };
	return 0;
}

static bool
is_over(const void *arg, const struct row *row)
{
	return !row->is_dirty && head_of(row).minute_s < *(const uint64_t *)arg;
}

static void
note(struct batcher *b, int r)
{
	if ((r < 0) == b->is_troubled)
		return;
	b->is_troubled = r < 0;
	if (r < 0)
		gh_inst_log(b->setup.inst, LOG_ERR,
			"cannot write usage (%s); calls are kept in memory, up to max_rows",
			gh_strerror(r));
	else
		gh_inst_log(b->setup.inst, LOG_NOTICE, "usage is written again");
}

/* Write every changed row; those of minutes that are over are forgotten. */
static void
flush(struct batcher *b)
{
	pthread_mutex_lock(&b->lock);
	uint64_t number = ++b->flushes_begun;

	b->is_flush_wanted = false;
	pthread_mutex_unlock(&b->lock);
	drain(b); /* what was recorded before the flush began is in it */
	int r = rows_each(b->rows, write_row, b);

	if (r == 0)
		r = write_batch(b);
	b->batch.n = 0;
	b->batch.used = 0;
	note(b, r);
	uint64_t now_s = gh_now_us() / 1000000u, minute_s = now_s - now_s % MINUTE_S;

	rows_remove(b->rows, is_over, &minute_s);
	pthread_mutex_lock(&b->lock);
	b->flushes_done = number;
	pthread_cond_broadcast(&b->change);
	pthread_mutex_unlock(&b->lock);
}

static void
trim(struct batcher *b)
{
	uint64_t now_s = gh_now_us() / 1000000u, keep_s = atomic_load(&b->retention_s);

	if (keep_s == 0 || keep_s >= now_s)
		return;
	int r = b->setup.series.vt->trim(b->setup.series.self, ANALYTICS_SERIES, now_s - keep_s);

	if (r < 0)
		gh_inst_log(b->setup.inst, LOG_WARNING, "cannot delete old usage: %s",
			gh_strerror(r));
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void
sleep_until_woken(struct batcher *b)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += TICK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (sem_timedwait(&b->wake, &until) < 0 && errno == EINTR)
		;
}

static bool
is_flush_wanted(struct batcher *b)
{
	pthread_mutex_lock(&b->lock);
	bool is_wanted = b->is_flush_wanted;

	pthread_mutex_unlock(&b->lock);
	return is_wanted;
}

static int
add_lost(void *arg, struct row *row)
{
	*(uint64_t *)arg += row->sketch.total - row->written;
	return 0;
}

/* At the end: what could not be written is lost, and told. */
static void
count_lost(struct batcher *b)
{
	uint64_t lost = 0;

	rows_each(b->rows, add_lost, &lost);
	if (lost == 0)
		return;
	gh_metric_add(b->setup.dropped, lost);
	gh_inst_log(b->setup.inst, LOG_ERR, "%llu calls could not be written and are lost",
		(unsigned long long)lost);
}

static void *
run(void *arg)
{
	struct batcher *b = arg;

	while (!atomic_load(&b->is_stopping)) {
		sleep_until_woken(b);
		drain(b);
		uint64_t now_ms = gh_mono_ns() / 1000000u;

		if (now_ms >= b->next_flush_ms || is_flush_wanted(b)) {
			flush(b);
			b->next_flush_ms = now_ms + FLUSH_MS;
		}
		if (now_ms >= b->next_trim_ms) {
			trim(b);
			b->next_trim_ms = now_ms + TRIM_MS;
		}
	}
	flush(b);
	count_lost(b);
	return NULL;
}

int
batcher_new(const struct batcher_setup *setup, struct batcher **ret_batcher)
{
	struct batcher *b = calloc(1, sizeof(*b));
	int r = GH_ENOMEM;

	if (b == NULL)
		return r;
	b->setup = *setup;
	if (clock_init(&b->lock, &b->change) < 0)
		goto no_lock;
	if (sem_init(&b->wake, 0, 0) < 0)
		goto no_sem;
	b->rows = rows_new(setup->max_rows);
	if (b->rows == NULL)
		goto out;
	r = crypto_random(b->part, sizeof(b->part));
	if (r == 0 && pthread_create(&b->thread, NULL, run, b) != 0)
		r = GH_ENOMEM;
	if (r == 0) {
		*ret_batcher = b;
		return 0;
	}
out:
	rows_free(b->rows);
	sem_destroy(&b->wake);
no_sem:
	pthread_cond_destroy(&b->change);
	pthread_mutex_destroy(&b->lock);
no_lock:
	free(b);
	return r;
}

void
batcher_free(struct batcher *b)
{
	if (b == NULL)
		return;
	atomic_store(&b->is_stopping, true);
	sem_post(&b->wake);
	pthread_join(b->thread, NULL);
	rows_free(b->rows);
	sem_destroy(&b->wake);
	pthread_cond_destroy(&b->change);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void
batcher_set_retention(struct batcher *b, uint64_t retention_s)
{
	atomic_store(&b->retention_s, retention_s);
}

void
batcher_wake(struct batcher *b)
{
	if (!atomic_exchange(&b->is_woken, true))
		sem_post(&b->wake);
}

int
batcher_flush(struct batcher *b, uint64_t deadline_ms)
{
	struct timespec until = clock_after(deadline_ms);
	int r = 0;

	pthread_mutex_lock(&b->lock);
	uint64_t wanted = b->flushes_begun + 1; /* the next one: the present one has begun before */

	b->is_flush_wanted = true;
	sem_post(&b->wake);
	while (b->flushes_done < wanted && r == 0)
		if (pthread_cond_timedwait(&b->change, &b->lock, &until) != 0)
			r = GH_ETIMEDOUT;
	pthread_mutex_unlock(&b->lock);
	return r;
}
