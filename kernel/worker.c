/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.c
 * @brief Worker threads, mailboxes and timers.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/base.h"
#include "kernel/node.h"
#include "kernel/txn.h"
#include "kernel/worker.h"

static _Thread_local const struct gh_worker *current;

bool
krn_worker_is_current(const struct gh_worker *worker)
{
	return current == worker;
}

static void
on_wake(uv_async_t *handle)
{
	krn_worker_deliver(handle->data);
}

int
krn_worker_init(struct gh_worker *worker, struct krn_node *node, unsigned index)
{
	worker->index = index;
	atomic_init(&worker->mailbox, NULL);
	atomic_init(&worker->resumes, NULL);
	if (uv_loop_init(&worker->loop) < 0)
		return GH_ENOMEM;
	if (uv_async_init(&worker->loop, &worker->wake, on_wake) < 0) {
		uv_loop_close(&worker->loop);
		return GH_ENOMEM;
	}
	worker->wake.data = worker;
	worker->loop.data = worker;
	sem_init(&worker->step, 0, 0);
	worker->node = node; /* last: krn_worker_done() knows by it what there is to undo */
	return GH_OK;
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
krn_worker_done(struct gh_worker *worker)
{
	if (worker->node == NULL)
		return; /* never initialised */
	uv_walk(&worker->loop, close_handle, NULL);
	uv_run(&worker->loop, UV_RUN_DEFAULT);
	KRN_ASSERT(uv_loop_close(&worker->loop) == 0);
	krn_resume_drop(worker);
	for (uint32_t i = 0; i < worker->slot_count; i++)
		free(worker->slots[i]);
	free(worker->slots);
	free(worker->free_slots);
	free(worker->ports);
	sem_destroy(&worker->step);
	worker->node = NULL;
}

/* ---- Mailbox: a lock-free stack, reversed by its one reader ------------------------------------ */

void
gh_worker_post(struct gh_worker *worker, struct gh_mail *mail)
{
	struct gh_mail *head = atomic_load_explicit(&worker->mailbox, memory_order_relaxed);

	do
		mail->next = head;
	while (!atomic_compare_exchange_weak_explicit(&worker->mailbox, &head, mail,
		memory_order_release, memory_order_relaxed));
	if (head == NULL) /* somebody else has woken it already otherwise */
		uv_async_send(&worker->wake);
}

void
krn_worker_deliver(struct gh_worker *worker)
{
	struct gh_mail *mail = atomic_exchange_explicit(&worker->mailbox, NULL, memory_order_acquire);
	struct gh_mail *in_order = NULL;

	while (mail != NULL) {
		struct gh_mail *next = mail->next;

		mail->next = in_order;
		in_order = mail;
		mail = next;
	}
	while (in_order != NULL) {
		struct gh_mail *next = in_order->next;

		in_order->fn(worker, in_order);
		in_order = next;
	}
	krn_resume_deliver(worker);
}

/* ---- The thread -------------------------------------------------------------------------------- */

/* worker_start() of each entry in start order; on failure those that ran are stopped again. */
int
krn_worker_begin(struct gh_worker *worker)
{
	current = worker;
	struct krn_set *set = worker->node->set;
	size_t i;
	int r = GH_OK;

	for (i = 0; i < set->n && r == GH_OK; i++) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];

		if (inst->desc->worker_start != NULL)
			r = inst->desc->worker_start(inst->process, worker,
				gh_worker_data(inst, worker));
		if (r < 0)
			gh_inst_log(inst, 3, "worker %u: worker_start failed: %s", worker->index,
				gh_strerror(r));
	}
	if (r == GH_OK)
		return r;
	for (i--; i-- > 0;) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];

		if (inst->desc->worker_stop != NULL)
			inst->desc->worker_stop(inst->process, worker, gh_worker_data(inst, worker));
	}
	return r;
}

void
krn_worker_end(struct gh_worker *worker)
{
	struct krn_set *set = worker->node->set;

	krn_worker_deliver(worker);
	for (size_t i = set->n; i-- > 0;) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];

		if (inst->desc->worker_stop != NULL)
			inst->desc->worker_stop(inst->process, worker, gh_worker_data(inst, worker));
	}
	/* What worker_stop() closed calls back on the next turns; mail may still come from it. */
	krn_worker_deliver(worker);
	uv_run(&worker->loop, UV_RUN_NOWAIT);
}

static void *
worker_main(void *arg)
{
	struct gh_worker *worker = arg;

#ifdef HAVE_PTHREAD_SETNAME_NP
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", worker->index);
	pthread_setname_np(pthread_self(), name);
#endif
	krn_on_worker = true;
	worker->result = krn_worker_begin(worker);
	bool is_begun = worker->result == GH_OK;

	sem_post(&worker->step);
	while (is_begun && !atomic_load_explicit(&worker->is_stopping, memory_order_acquire))
		uv_run(&worker->loop, UV_RUN_ONCE);
	if (is_begun)
		krn_worker_end(worker);
	return NULL;
}

int
krn_worker_launch(struct gh_worker *worker)
{
	if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
		return GH_EAGAIN;
	while (sem_wait(&worker->step) != 0)
		continue; /* a signal */
	worker->has_thread = worker->result == GH_OK;
	if (!worker->has_thread) /* it answers no mail: nobody may wait for it */
		pthread_join(worker->thread, NULL);
	return worker->result;
}

void
krn_worker_join(struct gh_worker *worker)
{
	if (!worker->has_thread)
		return;
	atomic_store_explicit(&worker->is_stopping, true, memory_order_release);
	uv_async_send(&worker->wake);
	pthread_join(worker->thread, NULL);
	worker->has_thread = false;
}

/* ---- Asking a worker and waiting --------------------------------------------------------------- */

struct ask {
	struct gh_mail mail;
	void (*fn)(struct gh_worker *worker, void *arg);
	void *arg;
};

static void
on_ask(struct gh_worker *worker, struct gh_mail *mail)
{
	struct ask *ask = (struct ask *)mail;

	ask->fn(worker, ask->arg);
	sem_post(&worker->step);
}

void
krn_worker_ask(struct gh_worker *worker, void (*fn)(struct gh_worker *worker, void *arg), void *arg)
{
	struct ask ask = { .mail.fn = on_ask, .fn = fn, .arg = arg };

	if (!worker->has_thread) {
		fn(worker, arg);
		return;
	}
	gh_worker_post(worker, &ask.mail);
	while (sem_wait(&worker->step) != 0)
		continue;
}

/* ---- SDK --------------------------------------------------------------------------------------- */

unsigned
gh_worker_count(const struct gh_inst *inst)
{
	return inst->node->worker_count;
}

struct gh_worker *
gh_worker_at(const struct gh_inst *inst, unsigned index)
{
	return index < inst->node->worker_count ? &inst->node->workers[index] : NULL;
}

unsigned
gh_worker_index(const struct gh_worker *worker)
{
	return worker->index;
}

struct uv_loop_s *
gh_worker_loop(struct gh_worker *worker)
{
	return &worker->loop;
}

void *
gh_worker_data(const struct gh_inst *inst, struct gh_worker *worker)
{
	return inst->worker_blocks != NULL ? inst->worker_blocks[worker->index] : NULL;
}

struct gh_timer {
	uv_timer_t uv;
	gh_timer_fn *fn;
	void *arg;
};

static void
on_timer(uv_timer_t *uv)
{
	struct gh_timer *timer = (struct gh_timer *)uv;

	timer->fn(timer->arg);
}

struct gh_timer *
gh_timer_new(struct gh_worker *worker, uint64_t after_ms, uint64_t repeat_ms, gh_timer_fn *fn, void *arg)
{
	struct gh_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->fn = fn;
	timer->arg = arg;
	uv_timer_init(&worker->loop, &timer->uv);
	uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms);
	return timer;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

void
gh_timer_free(struct gh_timer *timer)
{
	if (timer != NULL)
		uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}
