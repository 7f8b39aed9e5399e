/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file phases.c
 * @brief Runs a transaction through its phases: steps of two plans merged, verdicts, suspensions.
 */
#include <stdlib.h>
#include <syslog.h>

#include "kernel/base.h"
#include "kernel/txn.h"

#define COST_SAMPLE 64u /* one of so many transactions has its hooks timed */

static void finish(struct gh_txn *txn);

void
krn_txn_leave(struct gh_txn *txn)
{
	KRN_ASSERT(txn->depth > 0);
	if (--txn->depth == 0 && txn->is_finished)
		finish(txn);
}

/* ---- Steps ------------------------------------------------------------------------------------- */

void
krn_txn_enter_phase(struct gh_txn *txn, enum gh_phase phase)
{
	txn->phase = phase;
	txn->node_at = txn->node_plan->first[phase];
	txn->op_at = txn->op_plan != NULL ? txn->op_plan->first[phase] : 0;
}

/* The next step of this phase: by class, the node's first.  NULL: none is left. */
static const struct krn_step *
next_step(struct gh_txn *txn)
{
	const struct gh_plan *a = txn->node_plan, *b = txn->op_plan;
	const struct krn_step *x = NULL, *y = NULL;

	if (txn->node_at < a->first[txn->phase + 1])
		x = &a->steps[txn->node_at];
	if (b != NULL && txn->op_at < b->first[txn->phase + 1])
		y = &b->steps[txn->op_at];
	if (x != NULL && (y == NULL || x->order <= y->order)) {
		txn->node_at++;
		return x;
	}
	if (y != NULL)
		txn->op_at++;
	return y;
}

static enum gh_verdict
call_step(struct gh_txn *txn, const struct krn_step *step)
{
	txn->step = step;
	if (txn->number % COST_SAMPLE != 0)
		return step->fn(step->config, txn);
	uint64_t t0 = gh_mono_ns();
	enum gh_verdict v = step->fn(step->config, txn);

	gh_metric_add(step->cost_ns, gh_mono_ns() - t0);
	gh_metric_add(step->cost_samples, 1);
	return v;
}

/* ---- Verdicts ---------------------------------------------------------------------------------- */

static void
clear_suspension(struct gh_txn *txn)
{
	if (txn->susp.fn == NULL)
		return;
	txn->susp.fn = NULL;
	uv_timer_stop(&txn->timer);
}

/* GH_RESPONSE follows; hooks of that phase see every reply. */
static void
respond(struct gh_txn *txn)
{
	txn->step = NULL;
	if (txn->phase < GH_RESPONSE && krn_response_await(txn))
		return;
	if (txn->phase < GH_RESPONSE)
		krn_txn_enter_phase(txn, GH_RESPONSE);
	else /* the response phase itself was cut short */
		txn->node_at = txn->op_at = SIZE_MAX;
}

static void
on_fail(struct gh_txn *txn)
{
	const struct krn_step *step = txn->step;

	gh_log(txn, LOG_WARNING, "%s: %s could not decide; %s", krn_phase_name(txn->phase), step->name,
		step->dry_run ? "dry run" : step->deny_on_fail ? "denied" : "allowed");
	if (step->dry_run || !step->deny_on_fail)
		return;
	krn_txn_reply_error(txn, 500, "Internal Server Error", "A policy could not decide.");
	respond(txn);
}

void
krn_txn_verdict(struct gh_txn *txn, enum gh_verdict verdict)
{
	const struct krn_step *step = txn->step;

	if (verdict != GH_SUSPEND || txn->phase == GH_LOG)
		clear_suspension(txn);
	if (txn->phase == GH_LOG)
		return;
	if (verdict == GH_SUSPEND) {
		if (txn->susp.fn == NULL) {
			gh_log(txn, LOG_ERR, "%s said it suspends, but did not", step->name);
			verdict = GH_FAIL;
		} else if (txn->susp.is_pending) {
			enum gh_reason reason = txn->susp.reason;

			txn->state = KRN_TXN_SUSPENDED;
			krn_txn_wake(txn, reason);
			return;
		} else {
			txn->state = KRN_TXN_SUSPENDED;
			return;
		}
	}
	if ((unsigned)verdict > GH_FAIL) {
		gh_log(txn, LOG_ERR, "%s returned %d, which is no verdict", step->name, (int)verdict);
		verdict = GH_FAIL;
	}
	if (verdict == GH_STOP && !step->dry_run) {
		if (txn->resp.mode != KRN_RESPONSE_NONE) {
			respond(txn);
			return;
		}
		gh_log(txn, LOG_ERR, "%s stopped without a reply", step->name);
		verdict = GH_FAIL;
	}
	if (verdict == GH_FAIL)
		on_fail(txn);
}

/* ---- Phases ------------------------------------------------------------------------------------ */

/* Nobody produced a response. */
static void
no_upstream(struct gh_txn *txn)
{
	struct krn_node *node = txn->worker->node;

	txn->step = NULL;
	if (node->backend != NULL && txn->chain == GH_CHAIN_GATEWAY)
		node->backend(node, txn);
	if (txn->resp.mode == KRN_RESPONSE_NONE)
		krn_txn_reply_error(txn, 404, "Not Found", "The requested resource is not available.");
}

/* All steps of the phase have run. */
static void
phase_done(struct gh_txn *txn)
{
	switch (txn->phase) {
	case GH_ACCEPT:
		/* A management chain has its mounts and nothing else; a gateway may have some too. */
		krn_mounts_find(txn);
		krn_txn_enter_phase(txn, txn->mount != NULL ? GH_REQUEST : GH_ROUTE);
		return;
	case GH_UPSTREAM:
		if (txn->mount != NULL && !txn->mount_ran) {
			txn->mount_ran = true;
			krn_mounts_run(txn);
			return;
		}
		if (txn->resp.mode == KRN_RESPONSE_NONE)
			no_upstream(txn);
		respond(txn);
		return;
	case GH_RESPONSE:
		txn->step = NULL;
		txn->state = KRN_TXN_SENDING;
		krn_txn_send(txn);
		return;
	case GH_LOG:
		txn->state = KRN_TXN_OVER;
		return;
	default:
		if (krn_request_refused(txn)) {
			respond(txn);
			return;
		}
		if (txn->req.is_wanted && !txn->req.is_complete) {
			txn->state = KRN_TXN_WAIT_REQUEST;
			txn->ops->ready(txn->conn);
			return;
		}
		krn_txn_enter_phase(txn, txn->phase + 1);
	}
}

void
krn_txn_run(struct gh_txn *txn)
{
	krn_txn_enter(txn);
	while (txn->state == KRN_TXN_RUNNING && !txn->is_finished) {
		/* What a mount answers passes the hooks of accept and log only. */
		bool has_hooks = txn->phase == GH_ACCEPT ||
			(txn->chain == GH_CHAIN_GATEWAY && txn->mount == NULL);
		const struct krn_step *step = has_hooks ? next_step(txn) : NULL;

		if (step != NULL)
			krn_txn_verdict(txn, call_step(txn, step));
		else
			phase_done(txn);
	}
	krn_txn_leave(txn);
}

/* ---- Suspend and resume ------------------------------------------------------------------------ */

static void
on_deadline(uv_timer_t *timer)
{
	struct gh_txn *txn = timer->data;

	krn_txn_enter(txn);
	krn_txn_wake(txn, GH_DEADLINE);
	krn_txn_leave(txn);
}

struct gh_token
gh_txn_suspend(struct gh_txn *txn, uint64_t deadline_ms, gh_resume_fn *fn)
{
	if (txn->susp.fn != NULL) {
		gh_log(txn, LOG_ERR, "suspended a second time; the first one stands");
		return (struct gh_token){ .serial = 0 };
	}
	if (deadline_ms < 1)
		deadline_ms = 1;
	if (deadline_ms > KRN_SUSPEND_MAX_MS)
		deadline_ms = KRN_SUSPEND_MAX_MS;
	txn->susp = (struct krn_suspension){
		.fn = fn, .serial = ++txn->worker->serial, .step = txn->step };
	uv_timer_start(&txn->timer, on_deadline, deadline_ms, 0);
	return (struct gh_token){ txn->worker, txn->slot, 0, txn->susp.serial };
}

void
krn_txn_wake(struct gh_txn *txn, enum gh_reason reason)
{
	if (txn->susp.fn == NULL)
		return;
	if (txn->state != KRN_TXN_SUSPENDED) { /* its hook has not returned yet */
		txn->susp.is_pending = true;
		if (txn->susp.reason != GH_CANCELLED)
			txn->susp.reason = reason;
		return;
	}
	gh_resume_fn *fn = txn->susp.fn;

	krn_txn_enter(txn);
	txn->step = txn->susp.step;
	clear_suspension(txn);
	txn->state = KRN_TXN_RUNNING;
	enum gh_verdict v = fn(txn, reason);

	if (reason != GH_CANCELLED) {
		krn_txn_verdict(txn, v);
		krn_txn_run(txn);
	} else {
		clear_suspension(txn);
	}
	krn_txn_leave(txn);
}

struct gh_txn *
krn_txn_of_token(struct gh_worker *w, struct gh_token token)
{
	if (token.serial == 0 || token.slot >= w->slot_count)
		return NULL;
	struct gh_txn *txn = w->slots[token.slot];

	return txn->is_live && txn->susp.fn != NULL && txn->susp.serial == token.serial ? txn : NULL;
}

/* What gh_resume() leaves for a worker.  Not mail: its senders may not know of the worker's end, and
 * what comes late must be freed without looking at anything else. */
struct krn_resume {
	struct krn_resume *next;
	struct gh_token token;
};

void
krn_resume_deliver(struct gh_worker *worker)
{
	struct krn_resume *m = atomic_exchange_explicit(&worker->resumes, NULL, memory_order_acquire);

	for (struct krn_resume *next; m != NULL; m = next) {
		struct gh_txn *txn = krn_txn_of_token(worker, m->token);

		next = m->next;
		free(m);
		if (txn != NULL)
			krn_txn_wake(txn, GH_DONE);
	}
}

void
krn_resume_drop(struct gh_worker *worker)
{
	struct krn_resume *m = atomic_exchange(&worker->resumes, NULL);

	for (struct krn_resume *next; m != NULL; m = next) {
		next = m->next;
		free(m);
	}
}

void
gh_resume(struct gh_token token)
{
	if (token.serial == 0)
		return;
	if (krn_worker_is_current(token.worker)) {
		struct gh_txn *txn = krn_txn_of_token(token.worker, token);

		if (txn != NULL)
			krn_txn_wake(txn, GH_DONE);
		return;
	}
	struct krn_resume *m = malloc(sizeof(*m));

	if (m == NULL) /* the suspension's deadline ends it */
		return;
	struct krn_resume *head = atomic_load_explicit(&token.worker->resumes, memory_order_relaxed);

	m->token = token;
	do
		m->next = head;
	while (!atomic_compare_exchange_weak_explicit(&token.worker->resumes, &head, m,
		memory_order_release, memory_order_relaxed));
	if (head == NULL) /* somebody else has woken it already otherwise */
		uv_async_send(&token.worker->wake);
}

/* ---- The end ----------------------------------------------------------------------------------- */

void
krn_txn_cancel(struct gh_txn *txn)
{
	struct krn_request *req = &txn->req;
	struct krn_response *resp = &txn->resp;

	krn_txn_enter(txn);
	txn->is_gone = true;
	txn->is_finished = true;
	krn_txn_wake(txn, GH_CANCELLED);
	if (req->sink != NULL && !req->sink_ended) {
		req->sink_ended = true;
		req->sink->abort(req->sink_ctx);
	}
	if (resp->source != NULL && !resp->is_ended) {
		resp->is_ended = true;
		resp->source->cancel(resp->source_ctx);
	}
	krn_txn_leave(txn);
}

/* The log phase, once, and the end of the transaction. */
static void
finish(struct gh_txn *txn)
{
	const struct krn_step *step;

	if (txn->is_gone && !txn->resp.end_sent)
		txn->resp.status = 499;
	txn->depth++; /* hooks of the log phase must not end it again */
	txn->state = KRN_TXN_RUNNING;
	krn_txn_enter_phase(txn, GH_LOG);
	while ((step = next_step(txn)) != NULL)
		krn_txn_verdict(txn, call_step(txn, step));
	txn->step = NULL;
	gh_metric_add(txn->worker->node->txn_total[txn->chain], 1);
	if (txn->is_gone)
		gh_metric_add(txn->worker->node->cancelled_total, 1);
	krn_access_of_txn(txn);
	txn->state = KRN_TXN_OVER;
	txn->depth--;
	krn_txn_free(txn);
}
