/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.h
 * @brief A gh_worker: one libuv loop on one thread, its mailbox and its transactions.
 */
#ifndef KERNEL_WORKER_H
#define KERNEL_WORKER_H
#include <gatehouse/offload.h>
#include <gatehouse/worker.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <uv.h>

struct krn_node;
struct krn_generation;
struct krn_port;

#define KRN_SLOTS_MAX 65536u /**< Transactions of one worker at a time; more are answered 503. */

struct gh_worker {
	struct krn_node *node;
	unsigned index;
	uv_loop_t loop;
	uv_async_t wake;
	_Atomic(struct gh_mail *) mailbox;  /**< Newest first; reversed by the reader. */
	_Atomic(struct krn_resume *) resumes; /**< What gh_resume() left; in no order. */
	pthread_t thread;
	bool has_thread;
	sem_t step;                  /**< Posted when a start or stop step is finished. */
	int result;                  /**< Of that step. */
	_Atomic bool is_stopping;

	/* The worker's own thread only: */
	struct krn_generation *gen;
	struct gh_txn **slots;       /**< slot_count pointers; made as needed, kept. */
	uint32_t slot_count, slot_size;
	uint32_t *free_slots;
	uint32_t free_count;
	uint64_t serial;             /**< Of the last suspension. */
	uint64_t txn_count;          /**< For ids and for the sampling of costs. */
	uint32_t live;               /**< Transactions that are not freed. */
	struct krn_port *ports;      /**< Open ones: one per listener, more after an upgrade. */
	unsigned port_count;
};

int krn_worker_init(struct gh_worker *worker, struct krn_node *node, unsigned index);
/** Start the thread; it runs every worker_start() and waits for mail.  @return what they returned. */
int krn_worker_launch(struct gh_worker *worker);
/** The steps of the thread, for the test kit, which has none. */
int krn_worker_begin(struct gh_worker *worker);
void krn_worker_end(struct gh_worker *worker);
/** Run one mail function on the worker and wait until it is done.  MAIN. */
void krn_worker_ask(struct gh_worker *worker, void (*fn)(struct gh_worker *worker, void *arg), void *arg);
/** Stop the loop, deliver what is left in the mailbox, run worker_stop(), join.  MAIN. */
void krn_worker_join(struct gh_worker *worker);
void krn_worker_done(struct gh_worker *worker);
/** Is this the thread of @p worker? */
bool krn_worker_is_current(const struct gh_worker *worker);
/** Deliver all mail.  WORKER. */
void krn_worker_deliver(struct gh_worker *worker);

#endif
