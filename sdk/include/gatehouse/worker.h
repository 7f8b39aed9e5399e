/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/worker.h
 * @brief Workers, their mailboxes and their loops: for plugins that keep state per worker.
 */
#ifndef GATEHOUSE_WORKER_H
#define GATEHOUSE_WORKER_H
#include <gatehouse/plugin.h>

struct uv_loop_s;

/** How many workers this node has; fixed at start.  ANY. */
GH_API unsigned gh_worker_count(const struct gh_inst *inst);
/** @param index  0 to gh_worker_count() - 1.  ANY. */
GH_API struct gh_worker *gh_worker_at(const struct gh_inst *inst, unsigned index);
/** Number of this worker, from 0.  ANY. */
GH_API unsigned gh_worker_index(const struct gh_worker *worker);
/** The worker's libuv loop.  WORKER.  For in-tree plugins; policies use timers and offload. */
GH_API struct uv_loop_s *gh_worker_loop(struct gh_worker *worker);
/** This entry's block on that worker.  WORKER. */
GH_API void *gh_worker_data(const struct gh_inst *inst, struct gh_worker *worker);

/** A message; make it the first member of a struct of your own. */
struct gh_mail {
	struct gh_mail *next; /**< The mailbox's. */
	/** WORKER.  It owns @p mail and frees it when it likes. */
	void (*fn)(struct gh_worker *worker, struct gh_mail *mail);
};
/** Put @p mail into the worker's mailbox.  ANY, lock-free, never fails; in order per sender.  Mail sent
 *  before the worker has started waits; what was sent until worker_stop() returned is delivered, the
 *  last of it right after worker_stop().  Mail sent later, or to a worker that never starts, is not
 *  delivered: a sender that might do that notes, under a lock of its own, which workers run.
 *  @param mail  GIVE. */
GH_API void gh_worker_post(struct gh_worker *worker, struct gh_mail *mail);

#endif
