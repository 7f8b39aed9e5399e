/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_kernel_edges.c
 * @brief Corners of the kernel: bodies and departures while hooks wait, late jobs, starts that fail,
 * jobs after the end, mistakes of plugins.
 *
 * One plugin of this program; each test says what its hooks do by setting the functions below.
 */
#include <gatehouse/call.h>
#include <gatehouse/offload.h>
#include <gatehouse/plan.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/pool.h"
#include "kernel/txn.h"
#include "sdk/testkit/testkit.h"
#include "tests/unit/unit.h"

/* What the plugin does, and what was seen of it. */
static struct probe {
	gh_hook *accept, *authorize, *response, *mount;
	bool open_emits, open_fails, worker_start_fails, worker_stop_posts;
	struct gh_inst *inst;
	_Atomic unsigned opened, closed, started, stopped, worker_started, worker_stopped;
	unsigned events, jobs_freed, jobs_run, resumed;
	enum gh_reason reason;
} probe;

static enum gh_verdict
on_accept(const void *config, struct gh_txn *txn)
{
	return probe.accept != NULL ? probe.accept(config, txn) : GH_NEXT;
}

static enum gh_verdict
on_authorize(const void *config, struct gh_txn *txn)
{
	return probe.authorize != NULL ? probe.authorize(config, txn) : GH_NEXT;
}

static enum gh_verdict
on_response(const void *config, struct gh_txn *txn)
{
	return probe.response != NULL ? probe.response(config, txn) : GH_NEXT;
}

static enum gh_verdict
on_mount(const void *config, struct gh_txn *txn)
{
	return probe.mount(config, txn);
}

static void
run_job(struct gh_job *job)
{
	(void)job;
	probe.jobs_run++;
}

static void
job_done(struct gh_job *job, struct gh_txn *txn)
{
	(void)job;
	(void)txn;
	CU_FAIL("a job that never ran has no result");
}

static void
free_job(struct gh_job *job)
{
	probe.jobs_freed++;
	free(job);
}

static struct gh_job *
new_job(void)
{
	struct gh_job *job = calloc(1, sizeof(*job));

	CU_ASSERT_PTR_NOT_NULL_FATAL(job);
	*job = (struct gh_job){ run_job, job_done, free_job };
	return job;
}

static int
open_probe(void *process, const void *config, struct gh_inst *inst)
{
	(void)process;
	(void)config;
	probe.inst = inst;
	if (probe.open_fails && probe.opened > 0)
		return GH_EIO;
	probe.opened++;
	if (probe.open_emits)
		CU_ASSERT_EQUAL(gh_event_emit(inst, GH_STR("knock"), GH_STR("")), 0);
	return GH_OK;
}

static void
close_probe(void *process)
{
	(void)process;
	probe.closed++;
	if (probe.worker_stop_posts)
		CU_ASSERT_EQUAL(gh_job_post(probe.inst, GH_LANE_NET, new_job()), GH_EAGAIN);
}

static int
start_probe(void *process, void *config)
{
	(void)process;
	(void)config;
	probe.started++;
	return GH_OK;
}

static void
stop_probe(void *process, void *config)
{
	(void)process;
	(void)config;
	probe.stopped++;
}

static int
worker_start(void *process, struct gh_worker *worker, void *data)
{
	(void)process;
	(void)data;
	if (probe.worker_start_fails && gh_worker_index(worker) == 1)
		return GH_EIO;
	probe.worker_started++;
	return GH_OK;
}

static void
worker_stop(void *process, struct gh_worker *worker, void *data)
{
	(void)process;
	(void)worker;
	(void)data;
	probe.worker_stopped++;
	if (probe.worker_stop_posts)
		CU_ASSERT_EQUAL(gh_job_post(probe.inst, GH_LANE_NET, new_job()), GH_EAGAIN);
}

static void
on_knock(void *process, struct gh_str name, struct gh_str payload)
{
	(void)process;
	CU_ASSERT(gh_str_eq(name, GH_STR("knock")));
	CU_ASSERT_EQUAL(payload.n, 0);
	probe.events++;
}

static const struct gh_hook_row hooks[] = {
	{ GH_ACCEPT, GH_DENY, on_accept, NULL },
	{ GH_AUTHORIZE, GH_AUTH, on_authorize, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, on_response, NULL },
	{ .fn = NULL },
};
/* Answers with what is behind its prefix. */
static void
handle(void *process, const void *config, struct gh_call *call)
{
	(void)process;
	(void)config;
	CU_ASSERT(gh_may_block());
	gh_call_reply(call, 200, GH_STR_NONE, gh_call_subpath(call));
}

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_GATEWAY, .prefix = "/", .handler = handle },
	{ .chain = GH_CHAIN_GATEWAY, .prefix = "/api/v1", .handler = handle },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/mount", .hook = on_mount },
	{ .prefix = NULL },
};
static const struct gh_event_row events[] = { { "knock", on_knock, 4 }, { .name = NULL } };

#define LIFE .open = open_probe, .close = close_probe, .start = start_probe, .stop = stop_probe, \
	.worker_start = worker_start, .worker_stop = worker_stop
static const struct gh_plugin descriptors[] = {
	{ GH_PLUGIN_ABI, .name = "probe", .version = "1", .hooks = hooks, .events = events, LIFE },
	{ GH_PLUGIN_ABI, .name = "mounted", .version = "1", .mounts = mounts, LIFE },
};

static int
load(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	(void)arg;
	(void)error;
	(void)error_size;
	*ret_desc = &descriptors[gh_str_eq(name, GH_STR("mounted"))];
	*ret_handle = NULL;
	return GH_OK;
}

/* ---- Nodes ------------------------------------------------------------------------------------- */

static void
read_manifest(const char *text, struct manifest **ret_manifest, struct krn_set **ret_set)
{
	char error[1024] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_parse("test", gh_str_of(text), ret_manifest, error,
				      sizeof(error)), 0);
	CU_ASSERT_EQUAL_FATAL(krn_set_new_with(*ret_manifest, load, NULL, ret_set, error,
				      sizeof(error)), 0);
}

static struct gh_test *
kit_of(const char *text)
{
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	char error[1024] = "";

	read_manifest(text, &manifest, &set);
	struct gh_test *t = krn_test_new(manifest, set, error, sizeof(error));

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	return t;
}

/* One request through a fresh node.  @return its status. */
static unsigned
run(const char *text, const struct gh_test_request *q, struct gh_test_outcome *ret_outcome)
{
	struct gh_test *t = kit_of(text);
	struct gh_test_outcome o = { .status = 0 };

	CU_ASSERT_EQUAL(gh_test_run(t, q, &o), 0);
	if (ret_outcome != NULL)
		*ret_outcome = o;
	gh_test_free(t);
	return o.status;
}

static struct krn_node *
node_of(const char *text)
{
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	struct krn_node *node = NULL;
	char error[1024] = "";

	read_manifest(text, &manifest, &set);
	CU_ASSERT_EQUAL_FATAL(krn_node_new(manifest, set, NULL, &node, error, sizeof(error)), 0);
	return node;
}

static const struct gh_test_request post = { .method = "POST", .chain = GH_CHAIN_GATEWAY,
	.body = GH_STR("ping"), .upstream_body = GH_STR("pong") };

#define ONE "plugins:\n - probe\n"

/* ---- Bodies ------------------------------------------------------------------------------------ */

static enum gh_verdict
go_on(struct gh_txn *txn, enum gh_reason reason)
{
	(void)txn;
	probe.resumed++;
	probe.reason = reason;
	return GH_NEXT;
}

static enum gh_verdict
want_3_and_wait(const void *config, struct gh_txn *txn)
{
	(void)config;
	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, 3), 0);
	gh_txn_suspend(txn, 20, go_on);
	return GH_SUSPEND;
}

/* The body passes its cap while a hook waits for something else: it must not go on without it. */
static void
test_body_over_cap_while_suspended(void)
{
	struct gh_test_outcome o;

	probe = (struct probe){ .authorize = want_3_and_wait };
	CU_ASSERT_EQUAL(run(ONE, &post, &o), 413);
	CU_ASSERT(!o.reached_upstream);
	CU_ASSERT_EQUAL(probe.resumed, 1);
}

static enum gh_verdict
want_less_later(const void *config, struct gh_txn *txn)
{
	(void)config;
	uint64_t cap = gh_txn_body(txn, GH_SIDE_REQUEST).p == NULL ? 100 : 3;

	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, cap), 0);
	gh_txn_suspend(txn, 20, go_on);
	return GH_SUSPEND;
}

static void
test_smallest_cap_holds_for_a_body_that_is_there(void)
{
	probe = (struct probe){ .authorize = want_less_later };
	CU_ASSERT_EQUAL(run("plugins:\n - probe\n - probe: {as: two}\n", &post, NULL), 413);
}

static enum gh_verdict
want_3(const void *config, struct gh_txn *txn)
{
	(void)config;
	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, 3), 0);
	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_RESPONSE, 3), 0);
	return GH_NEXT;
}

static void
test_dry_run_wants_no_body(void)
{
	probe = (struct probe){ .authorize = want_3 };
	CU_ASSERT_EQUAL(run("plugins:\n - probe: {dry_run: true}\n", &post, NULL), 200);
}

static enum gh_verdict
reply_with_part(const void *config, struct gh_txn *txn)
{
	struct gh_str body = gh_txn_body(txn, GH_SIDE_RESPONSE);

	(void)config;
	CU_ASSERT_EQUAL_FATAL(body.n, 4);
	CU_ASSERT_EQUAL(gh_txn_reply(txn, 203, GH_STR_NONE, (struct gh_str){ body.p + 1, 3 }), 0);
	return GH_STOP;
}

static void
test_reply_with_part_of_what_it_replaces(void)
{
	probe = (struct probe){ .response = reply_with_part };
	CU_ASSERT_EQUAL(run(ONE, &post, NULL), 203);
}

/* ---- Mistakes of plugins ------------------------------------------------------------------------- */

static enum gh_verdict
no_verdict(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	return (enum gh_verdict)99;
}

static enum gh_verdict
suspend_twice(const void *config, struct gh_txn *txn)
{
	(void)config;
	gh_txn_suspend(txn, 1, go_on);
	CU_ASSERT_EQUAL(gh_txn_suspend(txn, 1, go_on).serial, 0);
	CU_ASSERT_EQUAL(gh_offload(txn, GH_LANE_NET, new_job(), 5, go_on), GH_EAGAIN);
	return GH_SUSPEND;
}

static void
test_mistakes_are_denied_not_fatal(void)
{
	probe = (struct probe){ .authorize = no_verdict };
	CU_ASSERT_EQUAL(run(ONE, &post, NULL), 500);
	probe = (struct probe){ .authorize = suspend_twice };
	CU_ASSERT_EQUAL(run(ONE, &post, NULL), 200);
	CU_ASSERT_EQUAL(probe.resumed, 1);
	CU_ASSERT_EQUAL(probe.jobs_freed, 1);
}

static enum gh_verdict
fail(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	return GH_FAIL;
}

static void
set_plan(struct gh_txn *txn, void *arg)
{
	gh_txn_set_plan(txn, arg);
}

static void
test_plan_takes_on_error_from_the_entry(void)
{
	struct gh_test_request q = { .chain = GH_CHAIN_GATEWAY, .route = set_plan };
	struct gh_attachment a[65] = { { .label = GH_STR("probe") } };
	struct gh_test_outcome o;
	struct gh_plan *plan = NULL;
	char error[512] = "";

	probe = (struct probe){ .authorize = fail };
	struct gh_test *t = kit_of("plugins:\n - probe: {on_error: allow}\n");

	CU_ASSERT_EQUAL_FATAL(gh_plan_new(probe.inst, a, 1, error, sizeof(error), &plan), 0);
	q.arg = plan;
	CU_ASSERT_EQUAL(gh_test_run(t, &q, &o), 0);
	CU_ASSERT_EQUAL(o.status, 200);
	gh_plan_unref(plan);
	for (size_t i = 1; i < 65; i++)
		a[i] = a[0];
	CU_ASSERT_EQUAL(gh_plan_new(probe.inst, a, 65, error, sizeof(error), &plan), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "65 attachments"));
	gh_test_free(t);
	CU_ASSERT_EQUAL(probe.started, probe.stopped);
}

/* Names of hooks become labels of metrics. */
static void
test_names_of_hooks_are_checked(void)
{
	static const struct { const char *name; int r; } rows[] = {
		{ "late", 0 },
		{ "a\"} 1\nb{x=\"", GH_EINVAL },
		{ "a234567890123456789012345678901234567890123456789012345678901234", 0 },
		{ "a2345678901234567890123456789012345678901234567890123456789012345", GH_EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_hook_row row[] = { { GH_LOG, GH_OBSERVE, on_accept, rows[i].name },
			{ .fn = NULL } };
		struct gh_plugin d = descriptors[0];
		char error[512] = "";

		d.hooks = row;
		CU_ASSERT_EQUAL(krn_check_descriptor(&d, GH_STR("probe"), error, sizeof(error)),
			rows[i].r);
	}
}

/* ---- Slots ------------------------------------------------------------------------------------- */

static enum gh_verdict
fill_slot(const void *config, struct gh_txn *txn)
{
	char *slot = gh_txn_slot(txn, 8);

	(void)config;
	memset(slot, 0x55, 8);
	return GH_NEXT;
}

static enum gh_verdict
look_at_slot(const void *config, struct gh_txn *txn)
{
	const char *slot = gh_txn_slot(txn, 64);
	static const char zeros[64];

	(void)config;
	CU_ASSERT_EQUAL(memcmp(slot, zeros, 64), 0);
	gh_txn_reply(txn, 204, GH_STR_NONE, GH_STR_NONE);
	return GH_STOP;
}

static void
test_mount_has_a_slot_of_its_own(void)
{
	struct gh_test_request q = { .target = "/mount", .chain = GH_CHAIN_MANAGEMENT };

	probe = (struct probe){ .accept = fill_slot, .mount = look_at_slot };
	CU_ASSERT_EQUAL(run("plugins:\n - probe\n - mounted\n", &q, NULL), 204);
}

static void
test_mounts_match_at_segment_borders(void)
{
	static const struct { const char *target, *subpath; } rows[] = {
		{ "/", "/" },
		{ "/api", "/api" },
		{ "/api/v1", "" },
		{ "/api/v1/", "/" },
		{ "/api/v1/x", "/x" },
		{ "/api/v12", "/api/v12" },
		{ "/api/./v1/x?y", "/x" },
	};

	probe = (struct probe){ .authorize = fail }; /* is not asked: a mount answers */
	struct gh_test *t = kit_of("plugins:\n - probe\n - mounted\n");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_test_request q = { .target = rows[i].target, .chain = GH_CHAIN_GATEWAY };
		struct gh_test_outcome o = { .status = 0 };

		CU_ASSERT_EQUAL(gh_test_run(t, &q, &o), 0);
		CU_ASSERT_EQUAL(o.status, 200);
		CU_ASSERT(gh_str_eq(o.body, gh_str_of(rows[i].subpath)));
	}
	gh_test_free(t);
}

/* ---- Jobs -------------------------------------------------------------------------------------- */

static sem_t gate;

static void
wait_at_gate(struct gh_job *job)
{
	(void)job;
	sem_wait(&gate);
}

/* A job that waits in its lane past its deadline, and whose mail comes before the timer does. */
static enum gh_verdict
offload_late(const void *config, struct gh_txn *txn)
{
	struct gh_job *blocker = new_job();
	struct gh_worker *worker = gh_txn_worker(txn);

	(void)config;
	blocker->run = wait_at_gate;
	sem_init(&gate, 0, 0);
	CU_ASSERT_EQUAL(gh_job_post(probe.inst, GH_LANE_NET, blocker), 0);
	CU_ASSERT_EQUAL(gh_offload(txn, GH_LANE_NET, new_job(), 1, go_on), 0);
	for (uint64_t until = gh_mono_ns() + 2000000; gh_mono_ns() < until;)
		continue;
	sem_post(&gate);
	while (atomic_load(&worker->mailbox) == NULL)
		continue;
	krn_worker_deliver(worker);
	return GH_SUSPEND;
}

static void
test_late_job_is_a_deadline(void)
{
	probe = (struct probe){ .authorize = offload_late };
	CU_ASSERT_EQUAL(run("pool: {net: 1}\n" ONE, &post, NULL), 200);
	CU_ASSERT_EQUAL(probe.resumed, 1);
	CU_ASSERT_EQUAL(probe.reason, GH_DEADLINE);
	CU_ASSERT_EQUAL(probe.jobs_run, 0);
	CU_ASSERT_EQUAL(probe.jobs_freed, 2);
	sem_destroy(&gate);
}

static void
test_jobs_after_the_end_are_refused(void)
{
	probe = (struct probe){ .worker_stop_posts = true };
	CU_ASSERT_EQUAL(run(ONE, &post, NULL), 200);
	CU_ASSERT_EQUAL(probe.jobs_run, 0);
	CU_ASSERT_EQUAL(probe.jobs_freed, 2);
}

/* ---- Starts that fail, and ends ------------------------------------------------------------------- */

static void
test_worker_start_fails(void)
{
	probe = (struct probe){ .worker_start_fails = true };
	struct krn_node *node = node_of("node: {workers: 3}\n" ONE);
	char error[1024] = "";

	CU_ASSERT_EQUAL_FATAL(krn_node_open(node, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(krn_node_start(node, error, sizeof(error)), GH_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "worker 1"));
	krn_node_stop(node, 0); /* used to wait for the worker that had never begun */
	krn_node_free(node);
	CU_ASSERT_EQUAL(probe.worker_started, probe.worker_stopped);
	CU_ASSERT_EQUAL(probe.started, probe.stopped);
	CU_ASSERT_EQUAL(probe.closed, 1);
}

static void
test_open_fails(void)
{
	probe = (struct probe){ .open_fails = true, .open_emits = true };
	struct krn_node *node = node_of("plugins:\n - probe\n - probe: {as: two}\n");
	char error[1024] = "";

	CU_ASSERT_EQUAL(krn_node_open(node, error, sizeof(error)), GH_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "two: open failed"));
	krn_node_free(node);
	CU_ASSERT_EQUAL(probe.closed, 1);
	CU_ASSERT_EQUAL(probe.events, 0); /* a subscriber that never opened hears nothing */
}

static enum gh_verdict
emit(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	CU_ASSERT_EQUAL(gh_event_emit(probe.inst, GH_STR("knock"), GH_STR("")), 0);
	CU_ASSERT_EQUAL(gh_event_emit(probe.inst, GH_STR("nobody listens"), GH_STR("")), 0);
	CU_ASSERT_EQUAL(probe.events, 0); /* not on the worker */
	return GH_NEXT;
}

static void
test_events_are_delivered(void)
{
	probe = (struct probe){ .authorize = emit };
	CU_ASSERT_EQUAL(run(ONE, &post, NULL), 200);
	CU_ASSERT_EQUAL(probe.events, 1);
}

/* ---- Departures, seen by an engine ---------------------------------------------------------------- */

static struct client {
	unsigned status, ended, ready;
} client;

static void
on_head(void *conn, unsigned status, int64_t length, const struct gh_field *fields, size_t field_count,
	bool close)
{
	(void)conn;
	(void)length;
	(void)fields;
	(void)field_count;
	(void)close;
	client.status = status;
}

static size_t
on_body(void *conn, const char *p, size_t n)
{
	(void)conn;
	(void)p;
	return n;
}

static void
on_end(void *conn)
{
	(void)conn;
	client.ended++;
}

static void
on_ready(void *conn)
{
	(void)conn;
	client.ready++;
}

static const struct gh_engine_ops ops = { on_head, on_body, on_end, on_end, on_ready };

static enum gh_verdict
second_wait_cancelled(struct gh_txn *txn, enum gh_reason reason)
{
	(void)txn;
	probe.resumed++;
	probe.reason = reason;
	return GH_STOP;
}

/* The client leaves while this function has suspended again and not returned yet. */
static enum gh_verdict
leave_and_wait(struct gh_txn *txn, enum gh_reason reason)
{
	CU_ASSERT_EQUAL(reason, GH_DONE);
	gh_txn_suspend(txn, 1000, second_wait_cancelled);
	gh_engine_gone(txn, 0);
	CU_ASSERT_EQUAL(probe.resumed, 0);
	return GH_SUSPEND;
}

static struct gh_token token;

static enum gh_verdict
wait_to_leave(const void *config, struct gh_txn *txn)
{
	(void)config;
	token = gh_txn_suspend(txn, 1000, leave_and_wait);
	return GH_SUSPEND;
}

static enum gh_verdict
refuse(struct gh_txn *txn, enum gh_reason reason)
{
	CU_ASSERT_EQUAL(reason, GH_DONE);
	gh_txn_reply(txn, 403, GH_STR_NONE, GH_STR_NONE);
	return GH_STOP;
}

static enum gh_verdict
wait_to_refuse(const void *config, struct gh_txn *txn)
{
	(void)config;
	token = gh_txn_suspend(txn, 1000, refuse);
	return GH_SUSPEND;
}

/* A node whose worker is this thread, with one transaction begun on it. */
static struct gh_txn *
begin(struct krn_node **ret_node, struct krn_port *port, struct krn_listen *listen)
{
	struct gh_engine_head head = { .method = GH_STR("POST"), .target = GH_STR("/"), .minor = 1,
		.peer = GH_STR("::1"), .body_length = 4 };
	struct krn_node *node = node_of("node: {workers: 1}\n" ONE);
	char error[1024] = "";

	CU_ASSERT_EQUAL_FATAL(krn_node_open(node, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL_FATAL(krn_worker_begin(&node->workers[0]), 0);
	krn_worker_adopt(&node->workers[0], node->gen);
	atomic_store(&node->is_serving, true);
	*listen = (struct krn_listen){ .listener.chain = GH_CHAIN_GATEWAY };
	*port = (struct krn_port){ .worker = &node->workers[0], .listen = listen };
	client = (struct client){ .status = 0 };
	*ret_node = node;
	struct gh_txn *txn = gh_engine_begin(port, &head, &ops, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(txn);
	return txn;
}

static void
end(struct krn_node *node)
{
	CU_ASSERT_EQUAL(node->workers[0].live, 0);
	krn_pool_stop(node->pool);
	krn_worker_adopt(&node->workers[0], NULL);
	krn_worker_end(&node->workers[0]);
	krn_node_free(node);
}

static void
test_client_leaves_within_a_resume_function(void)
{
	struct krn_node *node;
	struct krn_port port;
	struct krn_listen listen;

	probe = (struct probe){ .authorize = wait_to_leave };
	begin(&node, &port, &listen);
	gh_resume(token);
	CU_ASSERT_EQUAL(probe.resumed, 1); /* exactly once, as promised */
	CU_ASSERT_EQUAL(probe.reason, GH_CANCELLED);
	CU_ASSERT_EQUAL(client.status, 0);
	gh_resume(token); /* stale */
	end(node);
}

static void
test_refused_body_is_asked_for_after_an_early_answer(void)
{
	struct krn_node *node;
	struct krn_port port;
	struct krn_listen listen;

	probe = (struct probe){ .authorize = wait_to_refuse };
	struct gh_txn *txn = begin(&node, &port, &listen);

	CU_ASSERT_EQUAL(gh_engine_body(txn, "ping", 4), 0);
	CU_ASSERT_EQUAL(client.ready, 0);
	gh_resume(token);
	CU_ASSERT_EQUAL(client.status, 403);
	CU_ASSERT_EQUAL(client.ended, 1);
	CU_ASSERT_EQUAL(client.ready, 1);
	CU_ASSERT_EQUAL(gh_engine_body(txn, "ping", 4), 4); /* dropped */
	gh_engine_body_end(txn);
	gh_engine_done(txn, 0);
	end(node);
}

/* Reload with @p text.  @return what it returned; *error says why. */
static int
reload(struct krn_node *node, const char *text, char *error, size_t error_size)
{
	struct manifest *manifest = NULL;

	CU_ASSERT_EQUAL_FATAL(manifest_parse("test", gh_str_of(text), &manifest, error, error_size), 0);
	return krn_node_reload(node, manifest, error, error_size);
}

static enum gh_verdict
wait_long(const void *config, struct gh_txn *txn)
{
	(void)config;
	gh_txn_suspend(txn, 60000, go_on);
	return GH_SUSPEND;
}

/* Each generation has its own time to drain, however often others follow it. */
static void
test_reloads_cut_when_the_time_of_a_generation_is_over(void)
{
	struct krn_node *node;
	struct krn_port port;
	struct krn_listen listen;
	char error[1024] = "";

	probe = (struct probe){ .authorize = wait_long };
	struct gh_txn *txn = begin(&node, &port, &listen);

	CU_ASSERT_EQUAL(reload(node, "node: {workers: 1, drain_ms: 50}\n" ONE, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(reload(node, "node: {workers: 1, drain_ms: 60000}\n" ONE, error,
				sizeof(error)), 0);
	krn_node_cut_retired(node);
	krn_node_reap(node);
	CU_ASSERT_EQUAL(client.ended, 0);
	CU_ASSERT_EQUAL(probe.stopped, 1); /* of the second one, which nobody used */
	for (uint64_t until = gh_mono_ns() + 50000000; gh_mono_ns() < until;)
		continue;
	krn_node_cut_retired(node);
	CU_ASSERT_EQUAL(client.ended, 1);
	gh_engine_gone(txn, 0);
	CU_ASSERT_EQUAL(probe.reason, GH_CANCELLED);
	krn_node_reap(node);
	CU_ASSERT_EQUAL(probe.stopped, 2);
	end(node);
	CU_ASSERT_EQUAL(probe.stopped, 3);
}

static void
test_reload_refuses_what_needs_a_restart(void)
{
	static const struct { const char *text, *why; } rows[] = {
		{ "node: {name: b}\nplugins:\n - probe: {provide: []}\n", "node" },
		{ "node: {name: a}\nplugins:\n - probe: {dry_run: true}\n", "probe" },
		{ "node: {name: a}\nplugins:\n - probe: {needs: {x/1: one}}\n", "probe" },
		{ "node: {name: a}\nplugins:\n - probe\n - mounted\n", "plugins" },
	};
	char error[1024] = "";

	probe = (struct probe){ .accept = NULL };
	struct krn_node *node = node_of("node: {name: a}\n" ONE);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(reload(node, rows[i].text, error, sizeof(error)), GH_EINVAL);
		CU_ASSERT_EQUAL(strncmp(error, rows[i].why, strlen(rows[i].why)), 0);
	}
	krn_node_free(node);
}

static enum gh_verdict
want_and_refuse(const void *config, struct gh_txn *txn)
{
	(void)config;
	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, 100), 0);
	gh_txn_reply(txn, 403, GH_STR_NONE, GH_STR_NONE);
	return GH_STOP;
}

static void
test_wanted_body_is_not_kept_after_an_answer(void)
{
	struct krn_node *node;
	struct krn_port port;
	struct krn_listen listen;

	probe = (struct probe){ .authorize = want_and_refuse };
	struct gh_txn *txn = begin(&node, &port, &listen);

	CU_ASSERT_EQUAL(client.status, 403);
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(gh_engine_body(txn, "ping" + i, 1), 1);
	CU_ASSERT_EQUAL(txn->req.whole.n, 0);
	gh_engine_body_end(txn);
	gh_engine_done(txn, 0);
	end(node);
}

static enum gh_verdict
want_request(const void *config, struct gh_txn *txn)
{
	(void)config;
	CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, 100), 0);
	return GH_NEXT;
}

/* Byte by byte, while nothing else happens; the client may also leave in the middle. */
static void
test_whole_body_comes_in_bytes_or_not_at_all(void)
{
	for (int leaves = 0; leaves < 2; leaves++) {
		struct krn_node *node;
		struct krn_port port;
		struct krn_listen listen;

		probe = (struct probe){ .authorize = want_request };
		struct gh_txn *txn = begin(&node, &port, &listen);

		for (size_t i = 0; i < 3; i++)
			CU_ASSERT_EQUAL(gh_engine_body(txn, "ping" + i, 1), 1);
		CU_ASSERT_EQUAL(client.status, 0);
		if (leaves) {
			gh_engine_gone(txn, 0);
		} else {
			CU_ASSERT_EQUAL(gh_engine_body(txn, "g", 1), 1);
			gh_engine_body_end(txn);
			CU_ASSERT_EQUAL(client.status, 404); /* there is no upstream here */
			CU_ASSERT(gh_str_eq(gh_txn_body(txn, GH_SIDE_REQUEST), GH_STR("ping")));
			gh_engine_done(txn, 0);
		}
		end(node);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_body_over_cap_while_suspended),
		UNIT_TEST(test_smallest_cap_holds_for_a_body_that_is_there),
		UNIT_TEST(test_dry_run_wants_no_body),
		UNIT_TEST(test_reply_with_part_of_what_it_replaces),
		UNIT_TEST(test_mistakes_are_denied_not_fatal),
		UNIT_TEST(test_plan_takes_on_error_from_the_entry),
		UNIT_TEST(test_names_of_hooks_are_checked),
		UNIT_TEST(test_mount_has_a_slot_of_its_own),
		UNIT_TEST(test_mounts_match_at_segment_borders),
		UNIT_TEST(test_late_job_is_a_deadline),
		UNIT_TEST(test_jobs_after_the_end_are_refused),
		UNIT_TEST(test_worker_start_fails),
		UNIT_TEST(test_open_fails),
		UNIT_TEST(test_events_are_delivered),
		UNIT_TEST(test_client_leaves_within_a_resume_function),
		UNIT_TEST(test_refused_body_is_asked_for_after_an_early_answer),
		UNIT_TEST(test_wanted_body_is_not_kept_after_an_answer),
		UNIT_TEST(test_whole_body_comes_in_bytes_or_not_at_all),
		UNIT_TEST(test_reloads_cut_when_the_time_of_a_generation_is_over),
		UNIT_TEST(test_reload_refuses_what_needs_a_restart),
		{ NULL, NULL },
	};

	return unit_run("kernel_edges", tests);
}
