/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file txn.c
 * @brief Transactions: slots, memory, attributes, fields, replies.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/base.h"
#include "kernel/log.h"
#include "kernel/txn.h"
#include "lib/h1/h1.h"

#define FIELD_NAME_MAX 8192u
#define FIELD_VALUE_MAX 65536u

/* ---- Slots ------------------------------------------------------------------------------------- */

/* One more slot with a transaction in it; its timer is initialised once. */
static int
slot_add(struct gh_worker *w)
{
	if (w->slot_count == w->slot_size) {
		uint32_t size = w->slot_size == 0 ? 64 : w->slot_size * 2;

		if (size > KRN_SLOTS_MAX)
			return GH_EAGAIN;
		struct gh_txn **slots = realloc(w->slots, size * sizeof(struct gh_txn *));

		if (slots != NULL)
			w->slots = slots;
		uint32_t *free_slots = realloc(w->free_slots, size * sizeof(uint32_t));

		if (free_slots != NULL)
			w->free_slots = free_slots;
		if (slots == NULL || free_slots == NULL)
			return GH_ENOMEM;
		w->slot_size = size;
	}
	struct gh_txn *txn = calloc(1, sizeof(*txn));

	if (txn == NULL)
		return GH_ENOMEM;
	txn->worker = w;
	txn->slot = w->slot_count;
	uv_timer_init(&w->loop, &txn->timer);
	txn->timer.data = txn;
	w->slots[w->slot_count] = txn;
	w->free_slots[w->free_count++] = w->slot_count++;
	return GH_OK;
}

static void
fields_init(struct krn_fields *f)
{
	f->v = f->first;
	f->n = 0;
	f->cap = KRN_FIELDS_INLINE;
}

struct gh_txn *
krn_txn_new(struct gh_worker *w, struct krn_port *port)
{
	if (w->free_count == 0 && slot_add(w) < 0)
		return NULL;
	struct gh_txn *txn = w->slots[w->free_slots[--w->free_count]];
	struct krn_generation *gen = w->gen;

	w->live++;
	txn->is_live = true;
	txn->gen = gen;
	txn->port = port;
	txn->state = KRN_TXN_RUNNING;
	txn->phase = GH_ACCEPT;
	txn->depth = 0;
	txn->is_finished = txn->is_gone = false;
	txn->bytes_sent = 0;
	txn->start_ns = gh_mono_ns();
	txn->number = ++w->txn_count;
	txn->node_plan = gen->plan;
	txn->op_plan = w->node->test_plan; /* NULL but in the test kit */
	txn->step = txn->mount = NULL;
	txn->mount_ran = false;
	txn->susp = (struct krn_suspension){ .fn = NULL };
	txn->slots = txn->entry_slots = NULL;
	txn->defers = NULL;
	memset((char *)&txn->req + offsetof(struct krn_request, length), 0,
		sizeof(txn->req) - offsetof(struct krn_request, length));
	memset((char *)&txn->resp + offsetof(struct krn_response, status), 0,
		sizeof(txn->resp) - offsetof(struct krn_response, status));
	fields_init(&txn->req.fields);
	fields_init(&txn->resp.fields);
	txn->attr_set = 0;
	txn->id[0] = '\0';
	arena_init(&txn->arena, txn->first, sizeof(txn->first),
		gen->manifest->node.txn_arena_bytes);
	krn_generation_pin(gen, w);
	return txn;
}

void
krn_txn_free(struct gh_txn *txn)
{
	struct gh_worker *w = txn->worker;

	KRN_ASSERT(txn->is_live && txn->depth == 0);
	uv_timer_stop(&txn->timer); /* a plugin may have suspended where it could not */
	while (txn->defers != NULL) {
		struct krn_defer *d = txn->defers;

		txn->defers = d->next;
		d->fn(d->arg);
	}
	buffer_done(&txn->req.whole);
	buffer_done(&txn->resp.whole);
	arena_reset(&txn->arena);
	txn->is_live = false;
	txn->susp.fn = NULL;
	w->live--;
	w->free_slots[w->free_count++] = txn->slot;
	krn_generation_unpin(txn->gen, w);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static bool
is_dry(const struct gh_txn *txn)
{
	return txn->step != NULL && txn->step->dry_run;
}

/* Made on first use: most transactions never show their id. */
static struct gh_str
txn_id(struct gh_txn *txn)
{
	if (txn->id[0] == '\0') {
		uint64_t v = txn->worker->node->boot_id +
			(txn->number * txn->worker->node->worker_count + txn->worker->index) *
				UINT64_C(0x9e3779b97f4a7c15);

		snprintf(txn->id, sizeof(txn->id), "%016llx", (unsigned long long)v);
	}
	return (struct gh_str){ txn->id, 16 };
}

struct gh_str
gh_txn_attr(const struct gh_txn *txn, enum gh_attr attr)
{
	if (attr == GH_ATTR_ID)
		return txn_id((struct gh_txn *)txn);
	if ((unsigned)attr >= GH_ATTR_COUNT || (txn->attr_set & (UINT64_C(1) << attr)) == 0)
		return GH_STR_NONE;
	return txn->attrs[attr].s;
}

int64_t
gh_txn_attr_int(const struct gh_txn *txn, enum gh_attr attr, int64_t dflt)
{
	if ((unsigned)attr >= GH_ATTR_COUNT || (txn->attr_set & (UINT64_C(1) << attr)) == 0)
		return dflt;
	return txn->attrs[attr].i;
}

static bool
attr_is_int(enum gh_attr attr)
{
	return attr == GH_ATTR_ERROR_CODE || attr == GH_ATTR_UPSTREAM_US;
}

void
gh_txn_set_attr(struct gh_txn *txn, enum gh_attr attr, struct gh_str value)
{
	if (is_dry(txn) || (unsigned)attr >= GH_ATTR_COUNT || attr_is_int(attr))
		return;
	txn->attrs[attr].s = value;
	txn->attr_set |= UINT64_C(1) << attr;
}

void
gh_txn_set_attr_int(struct gh_txn *txn, enum gh_attr attr, int64_t value)
{
	if (is_dry(txn) || !attr_is_int(attr))
		return;
	txn->attrs[attr].i = value;
	txn->attr_set |= UINT64_C(1) << attr;
}

/* ---- Memory and blocks ------------------------------------------------------------------------- */

void *
gh_txn_alloc(struct gh_txn *txn, size_t bytes)
{
	return arena_alloc(&txn->arena, bytes);
}

struct gh_str
gh_txn_strdup(struct gh_txn *txn, struct gh_str s)
{
	return arena_strdup(&txn->arena, s);
}

struct gh_str
gh_txn_printf(struct gh_txn *txn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct gh_str s = arena_vprintf(&txn->arena, fmt, ap);

	va_end(ap);
	return s;
}

void *
gh_txn_process(const struct gh_txn *txn)
{
	return txn->step != NULL ? txn->step->inst->process : NULL;
}

void *
gh_txn_worker_data(const struct gh_txn *txn)
{
	return txn->step != NULL ? gh_worker_data(txn->step->inst, txn->worker) : NULL;
}

struct gh_worker *
gh_txn_worker(const struct gh_txn *txn)
{
	return txn->worker;
}

/* The block behind one pointer of a lazily made table. */
static void *
lazy_block(struct gh_txn *txn, void ***table, size_t table_size, size_t index, size_t bytes)
{
	if (*table == NULL)
		*table = gh_txn_alloc(txn, table_size * sizeof(void *));
	if (*table == NULL)
		return NULL;
	if ((*table)[index] == NULL)
		(*table)[index] = gh_txn_alloc(txn, bytes);
	return (*table)[index];
}

void *
gh_txn_slot(struct gh_txn *txn, size_t bytes)
{
	if (txn->step == NULL)
		return NULL;
	/* The operation's plan is not known when the table is made: first the mount, then as many as such
	 * a plan may have, then the node's. */
	const unsigned first_node = 1 + KRN_PLAN_ATTACHMENTS_MAX;
	const struct krn_step *s = txn->step;
	bool is_op = txn->op_plan != NULL && s >= txn->op_plan->steps &&
		s < txn->op_plan->steps + txn->op_plan->n;
	size_t at = s == txn->mount ? 0 : s->attachment + (is_op ? 1 : first_node);

	return lazy_block(txn, &txn->slots, first_node + txn->node_plan->attachments, at, bytes);
}

void *
gh_txn_entry_slot(struct gh_txn *txn, size_t bytes)
{
	if (txn->step == NULL)
		return NULL;
	return lazy_block(txn, &txn->entry_slots, txn->worker->node->set->n, txn->step->inst->index,
		bytes);
}

int
gh_txn_defer(struct gh_txn *txn, void (*fn)(void *arg), void *arg)
{
	struct krn_defer *d = gh_txn_alloc(txn, sizeof(*d));

	if (d == NULL)
		return GH_ENOMEM;
	*d = (struct krn_defer){ txn->defers, fn, arg };
	txn->defers = d;
	return GH_OK;
}

bool
gh_txn_is_dry_run(const struct gh_txn *txn)
{
	return is_dry(txn);
}

void
gh_txn_set_plan(struct gh_txn *txn, const struct gh_plan *plan)
{
	if (is_dry(txn) || txn->phase != GH_ROUTE)
		return;
	txn->op_plan = plan;
	txn->op_at = SIZE_MAX; /* from the next phase on */
}

enum gh_chain
gh_txn_chain(const struct gh_txn *txn)
{
	return txn->chain;
}

uint64_t
gh_txn_start_ns(const struct gh_txn *txn)
{
	return txn->start_ns;
}

void
gh_log(struct gh_txn *txn, int level, const char *fmt, ...)
{
	va_list ap;
	struct gh_str who = txn->step != NULL ? txn->step->inst->label : GH_STR("kernel");

	va_start(ap, fmt);
	krn_vlog(level, who, txn_id(txn), fmt, ap);
	va_end(ap);
}

/* ---- Fields ------------------------------------------------------------------------------------ */

bool
krn_field_is_valid(struct gh_str name, struct gh_str value)
{
	return name.n <= FIELD_NAME_MAX && value.n <= FIELD_VALUE_MAX && h1_is_token(name) &&
		h1_is_value(value);
}

int
krn_fields_add(struct krn_fields *f, struct arena *arena, struct gh_str name, struct gh_str value)
{
	if (f->n == KRN_FIELDS_MAX)
		return GH_ETOOBIG;
	if (f->n == f->cap) {
		struct gh_field *v = arena_alloc(arena, KRN_FIELDS_MAX * sizeof(*v));

		if (v == NULL)
			return GH_ENOMEM;
		memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
		f->cap = KRN_FIELDS_MAX;
	}
	f->v[f->n++] = (struct gh_field){ name, value };
	return GH_OK;
}

static const struct krn_fields *
fields_of(const struct gh_txn *txn, enum gh_side side)
{
	return side == GH_SIDE_REQUEST ? &txn->req.fields : &txn->resp.fields;
}

struct gh_str
gh_txn_field(const struct gh_txn *txn, enum gh_side side, struct gh_str name)
{
	const struct krn_fields *f = fields_of(txn, side);

	for (size_t i = 0; i < f->n; i++)
		if (gh_str_eq_nocase(f->v[i].name, name))
			return f->v[i].value.p != NULL ? f->v[i].value : GH_STR("");
	return GH_STR_NONE;
}

const struct gh_field *
gh_txn_fields(const struct gh_txn *txn, enum gh_side side, size_t *ret_n)
{
	const struct krn_fields *f = fields_of(txn, side);

	*ret_n = f->n;
	return f->v;
}

int
gh_txn_field_add(struct gh_txn *txn, enum gh_side side, struct gh_str name, struct gh_str value)
{
	if (!krn_field_is_valid(name, value))
		return GH_EINVAL;
	if (is_dry(txn))
		return GH_OK;
	struct gh_str n = arena_strdup(&txn->arena, name);
	struct gh_str v = arena_strdup(&txn->arena, value);

	if (n.p == NULL || v.p == NULL)
		return GH_ENOMEM;
	return krn_fields_add((struct krn_fields *)fields_of(txn, side), &txn->arena, n, v);
}

unsigned
gh_txn_field_remove(struct gh_txn *txn, enum gh_side side, struct gh_str name)
{
	struct krn_fields *f = (struct krn_fields *)fields_of(txn, side);
	bool is_dry_run = is_dry(txn);
	size_t kept = 0;
	unsigned found = 0;

	for (size_t i = 0; i < f->n; i++)
		if (gh_str_eq_nocase(f->v[i].name, name))
			found++;
		else if (!is_dry_run)
			f->v[kept++] = f->v[i];
	if (!is_dry_run)
		f->n = kept;
	return found;
}

int
gh_txn_field_set(struct gh_txn *txn, enum gh_side side, struct gh_str name, struct gh_str value)
{
	if (!krn_field_is_valid(name, value))
		return GH_EINVAL;
	gh_txn_field_remove(txn, side, name);
	return gh_txn_field_add(txn, side, name, value);
}

unsigned
gh_txn_status(const struct gh_txn *txn)
{
	return txn->resp.status;
}

void
gh_txn_set_status(struct gh_txn *txn, unsigned status)
{
	if (!is_dry(txn) && status >= 100 && status <= 599)
		txn->resp.status = status;
}

/* ---- Replies ----------------------------------------------------------------------------------- */

/* A reply takes the place of the backend's response: no more of that is wanted. */
static void
drop_stream(struct krn_response *resp)
{
	if (resp->mode != KRN_RESPONSE_STREAM || resp->is_ended)
		return;
	resp->is_ended = true;
	resp->source_waits = false;
	resp->source->cancel(resp->source_ctx);
}

int
krn_txn_reply(struct gh_txn *txn, unsigned status, struct gh_str type, struct gh_str body)
{
	struct krn_response *resp = &txn->resp;
	struct gh_str copy = arena_strdup(&txn->arena, type);
	struct buffer fresh = { .p = NULL }; /* body may be a part of the body that it replaces */

	if (resp->head_sent)
		return GH_EINVAL;
	if (copy.p == NULL || buffer_add(&fresh, body.p, body.n, SIZE_MAX / 4) < 0)
		return GH_ENOMEM;
	drop_stream(resp);
	buffer_done(&resp->whole);
	resp->whole = fresh;
	resp->fields.n = 0;
	if (copy.n > 0)
		krn_fields_add(&resp->fields, &txn->arena, GH_STR("Content-Type"), copy);
	resp->status = status;
	resp->mode = KRN_RESPONSE_REPLY;
	resp->length = (int64_t)body.n;
	return GH_OK;
}

int
gh_txn_reply(struct gh_txn *txn, unsigned status, struct gh_str content_type, struct gh_str body)
{
	if (is_dry(txn))
		return GH_OK;
	return krn_txn_reply(txn, status, content_type, body);
}

void
krn_txn_reply_error(struct gh_txn *txn, unsigned status, const char *message, const char *description)
{
	char body[512];
	int n = snprintf(body, sizeof(body), "{\"code\":\"%u\",\"message\":\"%s\",\"description\":\"%s\"}",
		status, message, description);

	KRN_ASSERT(n > 0 && (size_t)n < sizeof(body)); /* both are the kernel's own literals */
	if (krn_txn_reply(txn, status, GH_STR("application/json"),
			(struct gh_str){ body, (size_t)n }) == GH_ENOMEM) {
		drop_stream(&txn->resp);
		txn->resp.whole.n = 0; /* no memory: the status alone */
		txn->resp.fields.n = 0;
		txn->resp.status = status;
		txn->resp.mode = KRN_RESPONSE_REPLY;
		txn->resp.length = 0;
	}
}
