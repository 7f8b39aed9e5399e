/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file docs.c
 * @brief Documents for operations: read them into the context, change them in one batch.
 */
#include <stdlib.h>

#include "lib/model/model.h"
#include "lib/rest/context.h"

#define BATCH_MAX 20000      /* changes in one commit */
#define EACH_PAGE 100        /* documents at a time in rest_find_each() */
#define CURSOR_MAX 4096      /* index values and an id */
#define ROLLOUT_WAIT_MS 2000 /* DESIGN: a management write waits at most that long */

struct rest_batch {
	struct gh_doc_op *ops;
	size_t n, capacity;
	bool is_runtime; /**< Gateways follow one of the kinds in it. */
};

/** A result that must be freed by the service that gave it. */
struct found {
	const struct gh_docs *docs;
	struct gh_docs_found *found;
};

static void
drop_found(void *arg)
{
	struct found *f = arg;

	f->docs->vt->found_free(f->found);
	free(f);
}

static int
own_found(struct rest_context *ctx, struct gh_docs_found *found)
{
	struct found *f = malloc(sizeof(*f));

	if (f == NULL) {
		ctx->services->docs.vt->found_free(found);
		return GH_ENOMEM;
	}
	*f = (struct found){ &ctx->services->docs, found };
	return rest_defer(ctx, drop_found, f);
}

struct gh_str
rest_use_tenant(struct rest_context *ctx, struct gh_str tenant)
{
	struct gh_str before = ctx->tenant;

	ctx->tenant = tenant;
	return before;
}

int
rest_lookup(struct rest_context *ctx,
	const char *kind, struct gh_str id, const struct gh_doc **ret_doc)
{
	const struct gh_docs *docs = &ctx->services->docs;
	struct gh_docs_found *found = NULL;

	if (id.n == 0 || id.n > GH_DOC_ID_MAX)
		return GH_ENOENT;
	int r = docs->vt->get(docs->self, ctx->tenant, gh_str_of(kind), id, &found);

	if (r == 0)
		r = own_found(ctx, found);
	if (r == 0)
		*ret_doc = &found->docs[0];
	return r;
}

int
rest_get(struct rest_context *ctx,
	const char *kind, struct gh_str id, const struct gh_doc **ret_doc)
{
	int r = rest_lookup(ctx, kind, id, ret_doc);

	if (r == GH_ENOENT)
		return rest_fail(ctx, 404,
			"There is no %s with the id '%.*s'", kind, GH_STR_ARG(id));
	return r;
}

int
rest_find(struct rest_context *ctx, struct gh_find *find, const struct gh_docs_found **ret_found)
{
	const struct gh_docs *docs = &ctx->services->docs;
	struct gh_docs_found *found = NULL;

	find->tenant = ctx->tenant;
	int r = docs->vt->find(docs->self, find, &found);

	if (r == 0)
		r = own_found(ctx, found);
	if (r == 0)
		*ret_found = found;
	return r;
}

int
rest_find_equal(struct rest_context *ctx, const char *kind, const char *index,
	const struct gh_str *equal, size_t n, const struct gh_docs_found **ret_found)
{
	struct gh_find find = {
		.kind = gh_str_of(kind), .index = index, .equal = equal, .equal_count = n,
		.limit = GH_FIND_MAX,
	};

	return rest_find(ctx, &find, ret_found);
}

int
rest_find_each(struct rest_context *ctx, struct gh_find *find, rest_each_fn *fn, void *arg)
{
	const struct gh_docs *docs = &ctx->services->docs;
	char cursor[CURSOR_MAX];
	int r;

	find->tenant = ctx->tenant;
	find->limit = EACH_PAGE;
	find->cursor = GH_STR_NONE;
	do {
		struct gh_docs_found *found = NULL;

		r = docs->vt->find(docs->self, find, &found);
		if (r < 0)
			return r;
		for (size_t i = 0; r == 0 && i < found->n; i++)
			r = fn(ctx, &found->docs[i], arg);
		if (found->next.n > sizeof(cursor))
			r = r == 0 ? GH_ETOOBIG : r;
		else if (found->next.n > 0)
			memcpy(cursor, found->next.p, found->next.n);
		find->cursor = (struct gh_str){ cursor, found->next.n };
		docs->vt->found_free(found);
	} while (r == 0 && find->cursor.n > 0);
	return r;
}

/* ---- The batch ------------------------------------------------------------------------------- */

void
rest_batch_free(struct rest_batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->n; i++)
		free((void *)batch->ops[i].body.p);
	free(batch->ops);
	free(batch);
}

/** Room for one op more. */
static int
grow(struct rest_context *ctx)
{
	if (ctx->batch == NULL)
		ctx->batch = calloc(1, sizeof(*ctx->batch));
	struct rest_batch *batch = ctx->batch;

	if (batch == NULL)
		return GH_ENOMEM;
	if (batch->n < batch->capacity)
		return 0;
	if (batch->n == BATCH_MAX)
		return GH_ETOOBIG;
	size_t capacity = batch->capacity == 0 ? 8 : batch->capacity * 2;
	struct gh_doc_op *ops = realloc(batch->ops, capacity * sizeof(*ops));

	if (ops == NULL)
		return GH_ENOMEM;
	batch->ops = ops;
	batch->capacity = capacity;
	return 0;
}

static int
add(struct rest_context *ctx, struct gh_doc_op op)
{
	const struct model_kind *kind = model_kind_find(op.kind);
	int r = kind != NULL ? grow(ctx) : GH_EINVAL;

	op.tenant = ctx->tenant;
	op.id = gh_call_strdup(ctx->call, op.id);
	if (r == 0 && op.id.p == NULL)
		r = GH_ENOMEM;
	if (r < 0) {
		free((void *)op.body.p);
		return r;
	}
	ctx->batch->ops[ctx->batch->n++] = op;
	ctx->batch->is_runtime |= kind->is_runtime;
	return 0;
}

int
rest_put(struct rest_context *ctx, const char *kind, struct gh_str id, struct gh_str body,
	uint64_t expect_rev)
{
	return add(ctx, (struct gh_doc_op){
		.verb = GH_DOC_PUT, .kind = gh_str_of(kind), .id = id, .body = body,
		.expect_rev = expect_rev,
	});
}

int
rest_put_written(struct rest_context *ctx, const char *kind, struct gh_str id, struct doc_writer *w,
	uint64_t expect_rev)
{
	struct gh_str body;
	int r = doc_finish(w, &body);

	return r < 0 ? r : rest_put(ctx, kind, id, body, expect_rev);
}

int
rest_delete(struct rest_context *ctx, const char *kind, struct gh_str id, uint64_t expect_rev)
{
	return add(ctx, (struct gh_doc_op){
		.verb = GH_DOC_DELETE, .kind = gh_str_of(kind), .id = id, .expect_rev = expect_rev,
	});
}

int
rest_commit(struct rest_context *ctx, uint64_t *ret_rev)
{
	const struct gh_docs *docs = &ctx->services->docs;
	struct rest_batch *batch = ctx->batch;
	uint64_t seq = 0;

	if (batch == NULL)
		return 0;
	bool is_runtime = batch->is_runtime;
	int r = batch->n > 0 ? docs->vt->commit(docs->self, batch->ops, batch->n, &seq, NULL) : 0;

	ctx->batch = NULL;
	rest_batch_free(batch);
	if (r == GH_ENOENT)
		return GH_ECONFLICT; /* what was read is gone */
	if (r < 0)
		return r;
	if (is_runtime)
		rest_rollout_wait(ctx, seq);
	if (ret_rev != NULL)
		*ret_rev = seq;
	return 0;
}

void
rest_rollout_wait(struct rest_context *ctx, uint64_t seq)
{
	uint64_t end_ns = gh_mono_ns() + ROLLOUT_WAIT_MS * UINT64_C(1000000);
	bool is_late = false;

	for (size_t i = 0; seq != 0 && i < ctx->services->rollout_count; i++) {
		const struct gh_rollout *rollout = &ctx->services->rollouts[i];
		uint64_t now_ns = gh_mono_ns();
		uint64_t left_ms = now_ns < end_ns ? (end_ns - now_ns) / 1000000 : 0;

		if (rollout->vt->serving(rollout->self) >= seq)
			continue;
		if (rollout->vt->wait(rollout->self, seq, left_ms) < 0)
			is_late = true;
	}
	if (is_late)
		gh_call_reply_field(ctx->call, GH_STR("Warning"),
			GH_STR("199 gatehouse \"stored, but not all workers serve it yet\""));
}
