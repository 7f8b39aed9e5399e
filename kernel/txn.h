/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file txn.h
 * @brief The inside of a transaction.  WORKER.
 *
 * txn.c keeps memory, attributes and fields; phases.c runs the plan; body.c moves bodies; engine.c is
 * what engines call.  Entry points bracket their work with krn_txn_enter() and krn_txn_leave(), so that a
 * transaction that ends inside a callback is freed only when the outermost one returns.
 */
#ifndef KERNEL_TXN_H
#define KERNEL_TXN_H
#include <gatehouse/http.h>
#include <gatehouse/offload.h>
#include <gatehouse/svc/engine.h>
#include <uv.h>

#include "lib/arena/arena.h"
#include "lib/buffer/buffer.h"
#include "kernel/node.h"

#define KRN_SUSPEND_MAX_MS UINT64_C(86400000)
#define KRN_FIELDS_MAX 256u
#define KRN_FIELDS_INLINE 24u
#ifdef GH_DEBUG_ARENA
#define KRN_TXN_FIRST_BYTES 16u
#else
#define KRN_TXN_FIRST_BYTES 4096u
#endif

enum krn_txn_state {
	KRN_TXN_RUNNING,       /**< Steps of the current phase follow. */
	KRN_TXN_SUSPENDED,     /**< A hook waits for its resume. */
	KRN_TXN_WAIT_REQUEST,  /**< For the whole request body. */
	KRN_TXN_WAIT_RESPONSE, /**< For the whole response body. */
	KRN_TXN_SENDING,       /**< The head was given to the engine. */
	KRN_TXN_OVER,
};

struct krn_fields {
	struct gh_field *v;
	size_t n, cap;
	struct gh_field first[KRN_FIELDS_INLINE];
};

struct krn_request {
	struct krn_fields fields;
	int64_t length;           /**< As announced; -1 chunked. */
	bool is_complete, is_dropped;
	unsigned refused;         /**< 413 or 503: it was wanted whole and could not be kept; else 0. */
	bool is_wanted;           /**< Whole, at most @c cap. */
	uint64_t cap;
	struct buffer whole;
	size_t offered;           /**< Of the whole body, to the sink. */
	const struct gh_sink *sink;
	void *sink_ctx;
	bool sink_ended;          /**< end() or abort() was called. */
	bool engine_waits;        /**< The engine was refused bytes and waits for ready(). */
};

enum krn_response_mode { KRN_RESPONSE_NONE, KRN_RESPONSE_REPLY, KRN_RESPONSE_STREAM };

struct krn_response {
	struct krn_fields fields;
	unsigned status;
	enum krn_response_mode mode;
	int64_t length;
	bool is_wanted;
	uint64_t cap;
	struct buffer whole;  /**< Replies, and streams that were wanted whole. */
	size_t sent;              /**< Of the whole body, to the engine. */
	const struct gh_source *source;
	void *source_ctx;
	bool is_ended;            /**< The producer has said end or abort. */
	bool source_waits;        /**< The producer was refused bytes and waits for ready(). */
	bool head_sent, end_sent;
	bool is_bodiless;         /**< HEAD, 204, 304: nothing is passed on. */
};

struct krn_suspension {
	gh_resume_fn *fn;         /**< NULL: not suspended. */
	uint64_t serial;
	const struct krn_step *step;
	bool is_pending;          /**< Resumed while its hook was still running. */
	enum gh_reason reason;
};

union krn_attr_value {
	struct gh_str s;
	int64_t i;
};

struct krn_defer {
	struct krn_defer *next;
	void (*fn)(void *arg);
	void *arg;
};

struct gh_txn {
	struct gh_worker *worker;
	struct krn_generation *gen;
	struct krn_port *port;
	const struct gh_engine_ops *ops;
	void *conn;
	uint32_t slot;
	bool is_live;
	enum gh_chain chain;
	unsigned minor;               /**< HTTP/1.minor of the request. */
	enum krn_txn_state state;
	enum gh_phase phase;
	unsigned depth;               /**< Of krn_txn_enter(). */
	bool is_finished;             /**< done() or gone() came. */
	bool is_gone;
	uint64_t bytes_sent, start_ns, number;

	const struct gh_plan *node_plan, *op_plan;
	size_t node_at, op_at;        /**< Next step of each within the phase. */
	const struct krn_step *step;  /**< Running, or suspended. */
	const struct krn_step *mount; /**< Answers instead of the gateway; NULL: none. */
	bool mount_ran;
	struct krn_suspension susp;
	uv_timer_t timer;             /**< Deadline of the suspension; initialised once per slot. */
	void **slots;                 /**< Per attachment of both plans. */
	void **entry_slots;           /**< Per entry of the set. */
	struct krn_defer *defers;

	struct krn_request req;
	struct krn_response resp;
	uint64_t attr_set;            /**< Bit per attribute. */
	union krn_attr_value attrs[GH_ATTR_COUNT];
	char id[17];
	struct arena arena;
	char first[KRN_TXN_FIRST_BYTES] __attribute__((aligned(16)));
};
_Static_assert(GH_ATTR_COUNT <= 64, "attr_set has a bit per attribute");

/* txn.c */
/** @return NULL: the worker has no slot left, or no memory. */
struct gh_txn *krn_txn_new(struct gh_worker *worker, struct krn_port *port);
void krn_txn_free(struct gh_txn *txn);
int krn_fields_add(struct krn_fields *fields, struct arena *arena, struct gh_str name,
	struct gh_str value);
/** Is this a field line that may be sent?  (RFC 9110, 5.5 and 5.6.2) */
bool krn_field_is_valid(struct gh_str name, struct gh_str value);
/** As gh_txn_reply(), also in a dry run. */
int krn_txn_reply(struct gh_txn *txn, unsigned status, struct gh_str type, struct gh_str body);
/** A reply of the kernel's own: {"code","message","description"}. */
void krn_txn_reply_error(struct gh_txn *txn, unsigned status, const char *message, const char *description);

/* phases.c */
static inline void
krn_txn_enter(struct gh_txn *txn)
{
	txn->depth++;
}
void krn_txn_leave(struct gh_txn *txn);
/** Go on where the transaction stands. */
void krn_txn_run(struct gh_txn *txn);
/** Continue with @p phase. */
void krn_txn_enter_phase(struct gh_txn *txn, enum gh_phase phase);
/** What follows from a hook's verdict. */
void krn_txn_verdict(struct gh_txn *txn, enum gh_verdict verdict);
/** The waiting resume function runs with @p reason, then the transaction goes on. */
void krn_txn_wake(struct gh_txn *txn, enum gh_reason reason);
/** The transaction @p token names, if it still waits for that.  WORKER. */
struct gh_txn *krn_txn_of_token(struct gh_worker *worker, struct gh_token token);
/** Go on with the transactions that gh_resume() was called for on other threads.  WORKER. */
void krn_resume_deliver(struct gh_worker *worker);
/** Free what came after the worker's end.  MAIN. */
void krn_resume_drop(struct gh_worker *worker);
/** End it: the client left, or the node stops. */
void krn_txn_cancel(struct gh_txn *txn);

/* body.c */
/** Give the head to the engine and start the body. */
void krn_txn_send(struct gh_txn *txn);
/** Was the request's body wanted whole and cannot be had?  Then the reply says so.  @return whether. */
bool krn_request_refused(struct gh_txn *txn);
/** Is the response streamed and wanted whole?  Then the transaction waits for its end, perhaps no longer
 *  when this returns.  @return whether. */
bool krn_response_await(struct gh_txn *txn);
/** Hand on what can be handed on, in both directions. */
void krn_request_push(struct gh_txn *txn);
void krn_response_push(struct gh_txn *txn);

/* txn_access.c */
/** The access log's line about a finished transaction; does nothing while the log is off. */
void krn_access_of_txn(struct gh_txn *txn);

/* mounts.c */
int krn_mounts_new(struct krn_set *set, struct krn_mounts **ret_mounts);
void krn_mounts_free(struct krn_mounts *mounts);
size_t krn_mounts_count(const struct krn_mounts *mounts);
/** Make the steps of a generation: one per mount. */
void krn_mounts_steps(const struct krn_mounts *mounts, struct krn_generation *gen);
/** Find the mount of the transaction's path: sets txn->mount, and asks for the whole body where its
 *  handler blocks. */
void krn_mounts_find(struct gh_txn *txn);
/** Run txn->mount: the verdict follows. */
void krn_mounts_run(struct gh_txn *txn);

/* call.c */
/** Hand the complete request to a blocking handler on the pool; suspends.  @return the verdict. */
enum gh_verdict krn_call_start(struct gh_txn *txn, const struct gh_mount_row *mount);

#endif
