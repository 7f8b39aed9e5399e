/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file testkit.c
 * @brief gatehouse/test.h: the real kernel with one worker on the caller's thread and no sockets.
 */
#include <gatehouse/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/base.h"
#include "kernel/event.h"
#include "kernel/pool.h"
#include "sdk/testkit/testkit.h"
#include "kernel/txn.h"

#define DEADLINE_NS (UINT64_C(10) * 1000000000u)
#define BODY_MAX (UINT64_C(64) << 20)

struct gh_test {
	struct krn_node *node;
	struct krn_listen listen;
	struct krn_port port;
	char state_dir[32];
	const struct gh_test_request *request; /* of the run that is going on */
	struct gh_txn *txn;
	bool is_ended;
	struct arena arena;       /* what the outcome points to */
	struct buffer body;
	struct gh_test_outcome outcome;
};

/* ---- The engine of the test kit: keeps what a client would get --------------------------------- */

static const struct gh_field *
copy_fields(struct gh_test *t, const struct gh_field *fields, size_t n)
{
	struct gh_field *copy = arena_alloc(&t->arena, (n + 1) * sizeof(*copy));

	KRN_ASSERT(copy != NULL);
	for (size_t i = 0; i < n; i++) {
		copy[i].name = arena_strdup(&t->arena, fields[i].name);
		copy[i].value = arena_strdup(&t->arena, fields[i].value);
	}
	return copy;
}

static void
on_head(void *conn, unsigned status, int64_t length, const struct gh_field *fields, size_t field_count,
	bool close)
{
	struct gh_test *t = conn;

	(void)length;
	(void)close;
	t->outcome.status = status;
	t->outcome.fields = copy_fields(t, fields, field_count);
	t->outcome.field_count = field_count;
}

static size_t
on_body(void *conn, const char *p, size_t n)
{
	struct gh_test *t = conn;

	return buffer_add(&t->body, p, n, BODY_MAX) == GH_OK ? n : 0;
}

static void
on_end(void *conn)
{
	((struct gh_test *)conn)->is_ended = true;
}

static void
on_ready(void *conn)
{
	(void)conn; /* the body is offered by gh_test_run() */
}

static const struct gh_engine_ops ops = { on_head, on_body, on_end, on_end, on_ready };

/* The backend: answers what the test asked for. */
static void
backend(struct krn_node *node, struct gh_txn *txn)
{
	struct gh_test *t = node->backend_arg;
	const struct gh_test_request *q = t->request;
	size_t n;
	const struct gh_field *fields = gh_txn_fields(txn, GH_SIDE_REQUEST, &n);

	t->outcome.reached_upstream = true;
	t->outcome.upstream_request_fields = copy_fields(t, fields, n);
	t->outcome.upstream_request_field_count = n;
	struct krn_fields kept = txn->resp.fields; /* what earlier hooks set for the response */
	struct gh_field *v = kept.v == txn->resp.fields.first ? kept.first : kept.v;

	KRN_ASSERT(krn_txn_reply(txn, q->upstream_status != 0 ? q->upstream_status : 200, GH_STR_NONE,
			   q->upstream_body) == GH_OK);
	for (size_t i = 0; i < kept.n; i++)
		gh_txn_field_add(txn, GH_SIDE_RESPONSE, v[i].name, v[i].value);
	for (const struct gh_field *f = q->upstream_fields; f != NULL && f->name.n > 0; f++)
		gh_txn_field_add(txn, GH_SIDE_RESPONSE, f->name, f->value);
}

/* ---- Life -------------------------------------------------------------------------------------- */

struct gh_test *
krn_test_new(struct manifest *manifest, struct krn_set *set, char *error, size_t error_size)
{
	struct gh_test *t = calloc(1, sizeof(*t));

	manifest->node.workers = 1;
	manifest->listener_count = 0;
	if (t != NULL)
		snprintf(t->state_dir, sizeof(t->state_dir), "/tmp/gh-test-XXXXXX");
	if (t == NULL || mkdtemp(t->state_dir) == NULL) {
		snprintf(error, error_size, "no temporary directory to be had");
		krn_set_free(set);
		manifest_free(manifest);
		free(t);
		return NULL;
	}
	arena_init(&t->arena, NULL, 0, BODY_MAX);
	if (krn_node_new(manifest, set, t->state_dir, &t->node, error, error_size) < 0)
		goto fail;
	t->node->backend = backend;
	t->node->backend_arg = t;
	if (krn_node_open(t->node, error, error_size) < 0)
		goto fail;
	if (krn_worker_begin(&t->node->workers[0]) < 0) {
		snprintf(error, error_size, "worker_start failed");
		goto fail;
	}
	krn_worker_adopt(&t->node->workers[0], t->node->gen);
	t->listen.listener.name = GH_STR("test");
	t->port = (struct krn_port){ .worker = &t->node->workers[0], .listen = &t->listen };
	return t;
fail:
	krn_node_free(t->node);
	rmdir(t->state_dir);
	free(t);
	return NULL;
}

struct gh_test *
gh_test_new(const char *manifest_text, const char *plugin_path, char *error, size_t error_size)
{
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	char why[1024] = "out of memory";
	struct gh_test *t = NULL;

	if (manifest_parse("test", gh_str_of(manifest_text), &manifest, why, sizeof(why)) == GH_OK) {
		if (krn_set_new(manifest, plugin_path, &set, why, sizeof(why)) == GH_OK)
			t = krn_test_new(manifest, set, why, sizeof(why));
		else
			manifest_free(manifest);
	}
	if (t == NULL)
		snprintf(error, error_size, "%s", why);
	return t;
}

void
gh_test_free(struct gh_test *t)
{
	if (t == NULL)
		return;
	krn_pool_stop(t->node->pool);
	krn_worker_adopt(&t->node->workers[0], NULL);
	krn_worker_end(&t->node->workers[0]);
	krn_node_free(t->node);
	arena_reset(&t->arena);
	buffer_done(&t->body);
	rmdir(t->state_dir); /* stays when a plugin left files in it */
	free(t);
}

/* ---- One run ----------------------------------------------------------------------------------- */

static size_t
field_count(const struct gh_field *fields)
{
	size_t n = 0;

	while (fields != NULL && fields[n].name.n > 0)
		n++;
	return n;
}

/* ROUTE is where a gateway would say what is called: the test does it through a plan of one hook. */
static enum gh_verdict
on_route(const void *config, struct gh_txn *txn)
{
	const struct gh_test_request *q = config;

	q->route(txn, q->arg);
	return GH_NEXT;
}

/* Turn the loop until the response is complete. */
static int
drive(struct gh_test *t)
{
	uint64_t until = gh_mono_ns() + DEADLINE_NS;
	struct gh_str body = t->request->body;
	size_t offered = 0;
	bool body_ended = false;

	while (!t->is_ended && gh_mono_ns() < until) {
		if (offered < body.n)
			offered += gh_engine_body(t->txn, body.p + offered, body.n - offered);
		if (offered == body.n && !body_ended) {
			body_ended = true;
			gh_engine_body_end(t->txn);
		}
		if (t->is_ended)
			break;
		uv_run(&t->node->workers[0].loop, UV_RUN_NOWAIT);
		usleep(200);
	}
	return t->is_ended ? GH_OK : GH_ETIMEDOUT;
}

int
gh_test_run(struct gh_test *t, const struct gh_test_request *q, struct gh_test_outcome *ret_outcome)
{
	struct gh_worker *w = &t->node->workers[0];
	struct krn_step step = { .fn = on_route, .config = q, .phase = GH_ROUTE, .name = "test" };
	struct gh_plan plan = { .steps = &step, .n = 1 };
	struct gh_engine_head head = {
		.method = gh_str_of(q->method != NULL ? q->method : "GET"),
		.target = gh_str_of(q->target != NULL ? q->target : "/"),
		.minor = 1,
		.peer = gh_str_of(q->peer != NULL ? q->peer : "127.0.0.1"),
		.fields = q->fields,
		.field_count = field_count(q->fields),
		.body_length = (int64_t)q->body.n,
	};

	arena_reset(&t->arena);
	t->body.n = 0;
	t->outcome = (struct gh_test_outcome){ .status = 0 };
	t->request = q;
	t->is_ended = false;
	t->listen.listener.chain = q->chain;
	atomic_store(&t->node->is_serving, true);
	for (unsigned p = 0; p <= GH_PHASE_COUNT; p++)
		plan.first[p] = p > GH_ROUTE ? 1 : 0;
	t->node->test_plan = q->route != NULL ? &plan : NULL;
	krn_on_worker = true; /* this thread is the worker for the time of the run */
	t->txn = gh_engine_begin(&t->port, &head, &ops, t);
	int r = t->txn == NULL ? GH_ENOMEM : t->is_ended ? GH_OK : drive(t);

	if (t->txn != NULL && r == GH_OK)
		gh_engine_done(t->txn, t->body.n);
	else if (t->txn != NULL)
		gh_engine_gone(t->txn, t->body.n);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	krn_on_worker = false; /* from here on it is MAIN */
	krn_events_deliver(t->node->events);
	t->node->test_plan = NULL;
	t->outcome.body = (struct gh_str){ t->body.p, t->body.n };
	if (r == GH_OK)
		*ret_outcome = t->outcome;
	return r;
}

struct gh_str
gh_test_field(const struct gh_test_outcome *outcome, const char *name)
{
	for (size_t i = 0; i < outcome->field_count; i++)
		if (gh_str_eq_nocase(outcome->fields[i].name, gh_str_of(name)))
			return outcome->fields[i].value.p != NULL ? outcome->fields[i].value : GH_STR("");
	return GH_STR_NONE;
}
