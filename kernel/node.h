/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node.h
 * @brief The running node: entries, generations, workers, pool, sockets.
 *
 * Life: krn_node_new() makes it of a manifest and its entries; krn_node_open() opens process blocks and the first generation;
 * krn_node_start() starts the workers, krn_node_listen() serves; krn_node_stop() drains and ends them;
 * krn_node_free() closes everything in reverse order.  All MAIN.
 */
#ifndef KERNEL_NODE_H
#define KERNEL_NODE_H
#include <stdatomic.h>

#include "kernel/inst.h"
#include "kernel/plan.h"
#include "kernel/worker.h"

struct krn_pool;
struct krn_events;
struct krn_mounts;

/** A listener of the manifest with its sockets.  Worker w serves those whose number modulo
 *  worker_count is w. */
struct krn_listen {
	struct gh_listener listener;     /**< Strings belong to the first generation's manifest. */
	const struct gh_engine_v1 *engine;
	struct gh_inst *engine_inst;
	int *fds;
	unsigned fd_count;               /**< At least worker_count, once open. */
	bool is_prepared;                /**< Its engine has checked it. */
	struct gh_metric *refused;
};

/** What a worker serves of one listener on one of its sockets. */
struct krn_port {
	struct gh_worker *worker;
	struct krn_listen *listen;
	struct gh_port *port;            /**< The engine's; NULL: not open. */
};

/** One set of options and the plan made of it.  Read-only once published. */
struct krn_generation {
	struct krn_node *node;
	unsigned number;
	struct manifest *manifest;
	struct options_config *configs;      /**< Per entry. */
	size_t started;                  /**< Entries of start_order whose start() has run. */
	struct gh_plan *plan;
	struct krn_step *mount_steps;    /**< One per mount, so that its handler has a config. */
	unsigned *pins;                  /**< Per worker, its own: transactions. */
	_Atomic unsigned users;          /**< Workers, and calls on the pool, that still use it. */
	uint64_t cut_ns;             /**< Once retired: its transactions are ended then.  Set before workers switch. */
	struct krn_generation *next_retired;
};

struct krn_node {
	const char *state_dir;
	struct krn_set *set;
	struct krn_generation *gen;      /**< Current; MAIN. */
	struct krn_generation *retired;  /**< Old ones whose workers are not all done; MAIN. */
	struct manifest *manifest;   /**< Of the first generation: names and listeners stay. */
	struct gh_worker *workers;
	unsigned worker_count;
	struct krn_listen *listens;
	size_t listen_count;
	struct krn_pool *pool;
	struct krn_events *events;
	struct krn_mounts *mounts;
	uint64_t boot_id;                /**< Random; part of transaction ids. */
	_Atomic bool is_serving;         /**< Between start and the beginning of the drain. */
	/** Called when a worker no longer needs a retired generation.  ANY. */
	void (*on_retired)(struct krn_node *node);
	void *on_retired_arg;
	/** Test kit: produces the response when no hook did.  WORKER. */
	void (*backend)(struct krn_node *node, struct gh_txn *txn);
	void *backend_arg;
	const struct gh_plan *test_plan; /**< Test kit: set on every transaction before ROUTE. */
	struct gh_metric *txn_total[GH_CHAIN_COUNT], *cancelled_total, *reload_total, *reload_failed_total;
};

/** @param manifest  GIVE.  @param set  GIVE: what krn_set_new() made of the manifest.
 *  @param state_dir  BORROW, or NULL: the node writes no files.
 *  @param[out] error  >= 512 bytes.  @return 0 or why the node cannot start. */
int krn_node_new(struct manifest *manifest, struct krn_set *set, const char *state_dir,
	struct krn_node **ret_node, char *error, size_t error_size);
int krn_node_open(struct krn_node *node, char *error, size_t error_size);
int krn_node_start(struct krn_node *node, char *error, size_t error_size);
int krn_node_listen(struct krn_node *node, char *error, size_t error_size);
/** The first entry that said it cannot serve yet, or NULL. */
const struct gh_inst *krn_node_unready(const struct krn_node *node);
/** Accept no more, let transactions finish for up to @p drain_ms, end the workers. */
void krn_node_stop(struct krn_node *node, uint64_t drain_ms);
void krn_node_free(struct krn_node *node);

/** Make the directory with mode 0700, or check the one that is there. */
int krn_state_dir_make(const char *dir, char *error, size_t error_size);

/** New options for the same entries.  @param manifest  GIVE.  On any error the old one goes on. */
int krn_node_reload(struct krn_node *node, struct manifest *manifest, char *error, size_t error_size);
/** Free retired generations that nobody uses any more. */
void krn_node_reap(struct krn_node *node);
/** End the transactions of retired generations whose drain_ms has passed. */
void krn_node_cut_retired(struct krn_node *node);

/* kernel/generation.c */
int krn_generation_new(struct krn_node *node, struct manifest *manifest,
	struct krn_generation **ret_gen, char *error, size_t error_size);
/** start() of every entry, in order.  On failure krn_generation_free() stops those that ran. */
int krn_generation_start(struct krn_generation *gen, char *error, size_t error_size);
void krn_generation_free(struct krn_generation *gen);
/** A transaction began or ended.  WORKER. */
void krn_generation_pin(struct krn_generation *gen, struct gh_worker *worker);
void krn_generation_unpin(struct krn_generation *gen, struct gh_worker *worker);
/** One user more or less: a worker, or a call on the pool, which may outlive its transaction.  ANY. */
void krn_generation_hold(struct krn_generation *gen);
void krn_generation_drop(struct krn_generation *gen);
/** The worker switches to @p gen.  WORKER. */
void krn_worker_adopt(struct gh_worker *worker, struct krn_generation *gen);

/* kernel/sockets.c */
/** Bind every listener: to what was passed on, or new, after a trial without SO_REUSEPORT. */
int krn_sockets_open(struct krn_node *node, char *error, size_t error_size);
int krn_sockets_listen(struct krn_node *node, char *error, size_t error_size);
void krn_sockets_close(struct krn_node *node);

struct krn_events *krn_node_events(struct krn_node *node);

#endif
