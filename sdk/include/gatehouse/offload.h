/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/offload.h
 * @brief Work that would block a worker: jobs on the pool, and timers.
 */
#ifndef GATEHOUSE_OFFLOAD_H
#define GATEHOUSE_OFFLOAD_H
#include <gatehouse/txn.h>

/**
 * One piece of work.  Make it the first member of a struct of your own, on the heap: a job owns what it
 * uses and never sees transaction memory, because the transaction may be gone before it runs.
 */
struct gh_job {
	/** POOL.  May block, but never waits for another job. */
	void (*run)(struct gh_job *job);
	/** WORKER, and only while the transaction still waits: carry results over.  May be NULL. */
	void (*done)(struct gh_job *job, struct gh_txn *txn);
	/** ANY, exactly once, last. */
	void (*free)(struct gh_job *job);
};

/** Suspend @p txn and run @p job on @p lane; the hook then returns GH_SUSPEND.
 *  @param job  GIVE.  @param deadline_ms  of the suspension: a job that was not begun by then never runs.
 *  @param fn  the resume function: GH_DONE after job->done(), else as in gh_txn_suspend().
 *  @return 0; GH_EAGAIN: the lane's queue is full, the node ends, or the transaction is suspended
 *  already (nothing was suspended, the job was freed). */
GH_API int gh_offload(struct gh_txn *txn, enum gh_lane lane, struct gh_job *job, uint64_t deadline_ms,
	gh_resume_fn *fn);

/** Run @p job on @p lane without a transaction; done is not called.  ANY.
 *  @param job  GIVE.  @return 0; GH_EAGAIN (the job was freed). */
GH_API int gh_job_post(struct gh_inst *inst, enum gh_lane lane, struct gh_job *job);

/** A repeating or single timer of one worker.  WORKER. */
struct gh_timer;
typedef void gh_timer_fn(void *arg);
/** @param after_ms  until the first call.  @param repeat_ms  0: once.  @return the timer, or NULL. */
GH_API struct gh_timer *gh_timer_new(struct gh_worker *worker, uint64_t after_ms, uint64_t repeat_ms,
	gh_timer_fn *fn, void *arg);
/** Stop and free; NULL is allowed. */
GH_API void gh_timer_free(struct gh_timer *timer);

#endif
