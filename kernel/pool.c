/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.c
 * @brief Runs jobs off the workers, and brings their results back.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/metrics.h"
#include "kernel/pool.h"
#include "kernel/txn.h"

/* A queued job.  The mail brings it back to the worker whose transaction waits. */
struct item {
	struct gh_mail mail; /* first: the mailbox's handle */
	struct item *next;
	struct gh_job *job;
	struct gh_token token; /* serial 0: nobody waits */
	uint64_t deadline_ns;  /* not begun after this; 0: whenever */
	bool is_run;           /* false: too late, or the pool was stopped first */
};

struct lane {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct item *head, **tail; /* lock */
	uint64_t queued, queue_max; /* lock */
	bool is_stopping;           /* lock */
	pthread_t *threads;
	uint64_t thread_count;
	const char *name;
	struct gh_metric *depth, *rejected;
};

struct krn_pool {
	struct lane lanes[GH_LANE_COUNT];
};

static const char *const lane_names[GH_LANE_COUNT] = { "store", "crypto", "net" };

/* Back on the worker: results first, then the resume function. */
static void
on_finished(struct gh_worker *worker, struct gh_mail *mail)
{
	struct item *item = (struct item *)mail;
	struct gh_txn *txn = krn_txn_of_token(worker, item->token);

	if (txn != NULL && item->is_run && item->job->done != NULL)
		item->job->done(item->job, txn);
	item->job->free(item->job);
	if (txn != NULL)
		krn_txn_wake(txn, item->is_run ? GH_DONE : GH_DEADLINE);
	free(item);
}

static void
finish(struct item *item)
{
	if (item->token.serial != 0) {
		item->mail.fn = on_finished;
		gh_worker_post(item->token.worker, &item->mail);
		return;
	}
	item->job->free(item->job);
	free(item);
}

static void *
lane_main(void *arg)
{
	struct lane *lane = arg;

#ifdef HAVE_PTHREAD_SETNAME_NP
	char name[16];

	snprintf(name, sizeof(name), "pool-%s", lane->name);
	pthread_setname_np(pthread_self(), name);
#endif
	pthread_mutex_lock(&lane->lock);
	for (;;) {
		while (lane->head == NULL && !lane->is_stopping)
			pthread_cond_wait(&lane->more, &lane->lock);
		if (lane->is_stopping)
			break;
		struct item *item = lane->head;

		lane->head = item->next;
		if (lane->head == NULL)
			lane->tail = &lane->head;
		lane->queued--;
		pthread_mutex_unlock(&lane->lock);
		item->is_run = item->deadline_ns == 0 || gh_mono_ns() < item->deadline_ns;
		if (item->is_run)
			item->job->run(item->job);
		finish(item);
		pthread_mutex_lock(&lane->lock);
	}
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

static int
lane_start(struct lane *lane, const char *name, uint64_t threads, uint64_t queue_max)
{
	char labels[48];

	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->more, NULL);
	lane->tail = &lane->head;
	lane->queue_max = queue_max;
	lane->name = name;
	snprintf(labels, sizeof(labels), "lane=\"%s\"", name);
	lane->depth = krn_metric_new(GH_COUNTER, "gatehouse_kernel_jobs_total",
		"Jobs given to the pool.", labels);
	lane->rejected = krn_metric_new(GH_COUNTER, "gatehouse_kernel_jobs_rejected_total",
		"Jobs refused because their lane's queue was full.", labels);
	lane->threads = calloc(threads, sizeof(*lane->threads));
	if (lane->threads == NULL)
		return GH_ENOMEM;
	for (; lane->thread_count < threads; lane->thread_count++)
		if (pthread_create(&lane->threads[lane->thread_count], NULL, lane_main, lane) != 0)
			return GH_EAGAIN;
	return GH_OK;
}

static void
lane_stop(struct lane *lane)
{
	if (lane->name == NULL)
		return; /* never started */
	pthread_mutex_lock(&lane->lock);
	lane->is_stopping = true;
	pthread_cond_broadcast(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	for (uint64_t i = 0; i < lane->thread_count; i++)
		pthread_join(lane->threads[i], NULL);
	while (lane->head != NULL) {
		struct item *item = lane->head;

		lane->head = item->next;
		finish(item);
	}
	free(lane->threads);
	lane->threads = NULL;
	lane->thread_count = 0;
}

int
krn_pool_new(const struct manifest_node *options, struct krn_pool **ret_pool)
{
	struct krn_pool *pool = calloc(1, sizeof(*pool));
	int r = pool != NULL ? GH_OK : GH_ENOMEM;

	for (unsigned i = 0; i < GH_LANE_COUNT && r == GH_OK; i++)
		r = lane_start(&pool->lanes[i], lane_names[i], options->pool_threads[i],
			options->pool_queue);
	if (r < 0) {
		krn_pool_free(pool);
		return r;
	}
	*ret_pool = pool;
	return GH_OK;
}

void
krn_pool_stop(struct krn_pool *pool)
{
	for (unsigned i = 0; pool != NULL && i < GH_LANE_COUNT; i++)
		lane_stop(&pool->lanes[i]);
}

void
krn_pool_free(struct krn_pool *pool)
{
	krn_pool_stop(pool);
	for (unsigned i = 0; pool != NULL && i < GH_LANE_COUNT; i++)
		if (pool->lanes[i].name != NULL) {
			pthread_cond_destroy(&pool->lanes[i].more);
			pthread_mutex_destroy(&pool->lanes[i].lock);
		}
	free(pool);
}

static int
enqueue(struct krn_pool *pool, enum gh_lane which, struct item *item)
{
	struct lane *lane = &pool->lanes[which];

	pthread_mutex_lock(&lane->lock);
	bool has_room = lane->queued < lane->queue_max && !lane->is_stopping;

	if (has_room) {
		item->next = NULL;
		*lane->tail = item;
		lane->tail = &item->next;
		lane->queued++;
		pthread_cond_signal(&lane->more);
	}
	pthread_mutex_unlock(&lane->lock);
	gh_metric_add(has_room ? lane->depth : lane->rejected, 1);
	return has_room ? GH_OK : GH_EAGAIN;
}

int
gh_offload(struct gh_txn *txn, enum gh_lane lane, struct gh_job *job, uint64_t deadline_ms, gh_resume_fn *fn)
{
	struct item *item = calloc(1, sizeof(*item));

	if (item == NULL || (unsigned)lane >= GH_LANE_COUNT)
		goto refuse;
	if (deadline_ms > KRN_SUSPEND_MAX_MS)
		deadline_ms = KRN_SUSPEND_MAX_MS;
	item->job = job;
	item->deadline_ns = gh_mono_ns() + deadline_ms * 1000000u;
	item->token = gh_txn_suspend(txn, deadline_ms, fn);
	if (item->token.serial == 0)
		goto refuse;
	if (enqueue(txn->worker->node->pool, lane, item) == GH_OK)
		return GH_OK;
	uv_timer_stop(&txn->timer);
	txn->susp.fn = NULL;
refuse:
	free(item);
	job->free(job);
	return GH_EAGAIN;
}

int
gh_job_post(struct gh_inst *inst, enum gh_lane lane, struct gh_job *job)
{
	struct item *item = calloc(1, sizeof(*item));

	if (item == NULL || (unsigned)lane >= GH_LANE_COUNT)
		goto refuse;
	item->job = job;
	if (enqueue(inst->node->pool, lane, item) == GH_OK)
		return GH_OK;
refuse:
	free(item);
	job->free(job);
	return GH_EAGAIN;
}
