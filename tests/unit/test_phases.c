/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_phases.c
 * @brief Transactions: order of hooks, verdicts, dry run, suspensions, bodies, operation plans.
 *
 * The plugins are descriptors of this program; the node is the test kit's.
 */
#include <gatehouse/offload.h>
#include <gatehouse/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/testkit/testkit.h"
#include "tests/unit/unit.h"

static char trace[1024]; /* what ran, in order */

static void
note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
	strncat(trace, " ", sizeof(trace) - strlen(trace) - 1);
}

/* ---- One plugin whose options say what each of its hooks does ------------------------------------ */

struct config {
	struct gh_str tag;
	struct gh_choice in_limit, in_request, in_response;
	uint64_t body_cap;
};

enum act { NEXT, STOP, FAIL, SUSPEND, OFFLOAD, DEADLINE, EARLY, FORGET, WANT };
static const char *const acts[] = { "next", "stop", "fail", "suspend", "offload", "deadline", "early",
	"forget", "want", NULL };

static const struct gh_opt opts[] = {
	GH_OPT(struct config, tag, .dflt = "", .help = "Name in the trace."),
	GH_OPT(struct config, in_limit, .dflt = "next", .words = acts, .help = "What limit does."),
	GH_OPT(struct config, in_request, .dflt = "next", .words = acts, .help = "What request does."),
	GH_OPT(struct config, in_response, .dflt = "next", .words = acts, .help = "What response does."),
	GH_OPT(struct config, body_cap, .dflt = "0", .help = "Ask for whole bodies of so many bytes."),
	{ .type = GH_OPT_END },
};

static struct gh_inst *last_inst;

static void
note_as(const void *config, const char *phase)
{
	const struct config *c = config;
	char text[64];

	snprintf(text, sizeof(text), "%.*s.%s", GH_STR_ARG(c->tag), phase);
	note(text);
}

static enum gh_verdict
resumed(struct gh_txn *txn, enum gh_reason reason)
{
	int *visits = gh_txn_slot(txn, sizeof(*visits));

	CU_ASSERT_EQUAL(*visits, 1); /* the slot of the hook that suspended */
	note(reason == GH_DONE ? "done" : reason == GH_DEADLINE ? "deadline" : "cancelled");
	return GH_NEXT;
}

static struct gh_token waiting;
static struct gh_timer *timer;

static void
resume_waiting(void *arg)
{
	(void)arg;
	gh_timer_free(timer);
	gh_resume(waiting);
	gh_resume(waiting); /* stale by now: nothing happens */
}

struct job {
	struct gh_job job;
	int answer;
};

static void
job_run(struct gh_job *job)
{
	CU_ASSERT(gh_may_block());
	((struct job *)job)->answer = 42;
}

static void
job_done(struct gh_job *job, struct gh_txn *txn)
{
	CU_ASSERT(!gh_may_block());
	CU_ASSERT_EQUAL(((struct job *)job)->answer, 42);
	gh_txn_set_attr(txn, GH_ATTR_USER, GH_STR("from the job"));
}

static void
job_free(struct gh_job *job)
{
	note("freed");
	free(job);
}

static enum gh_verdict
act(enum act what, struct gh_txn *txn)
{
	int *visits = gh_txn_slot(txn, sizeof(*visits));
	struct job *job;

	switch (what) {
	case STOP:
		gh_txn_set_attr(txn, GH_ATTR_USER, GH_STR("stopped"));
		gh_txn_reply(txn, 403, GH_STR("text/plain"), GH_STR("no"));
		return GH_STOP;
	case FORGET:
		return GH_STOP;
	case FAIL:
		return GH_FAIL;
	case SUSPEND:
		++*visits;
		waiting = gh_txn_suspend(txn, 5000, resumed);
		timer = gh_timer_new(gh_txn_worker(txn), 1, 0, resume_waiting, NULL);
		return GH_SUSPEND;
	case EARLY: /* resumed before the hook has returned */
		++*visits;
		gh_resume(gh_txn_suspend(txn, 5000, resumed));
		return GH_SUSPEND;
	case DEADLINE:
		++*visits;
		gh_txn_suspend(txn, 5, resumed);
		return GH_SUSPEND;
	case OFFLOAD:
		++*visits;
		job = calloc(1, sizeof(*job));
		job->job = (struct gh_job){ job_run, job_done, job_free };
		return gh_offload(txn, GH_LANE_CRYPTO, &job->job, 5000, resumed) == 0 ? GH_SUSPEND : GH_FAIL;
	default:
		return GH_NEXT;
	}
}

static enum gh_verdict
on_authorize(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;

	note_as(config, "authorize");
	if (c->body_cap > 0) {
		CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_REQUEST, c->body_cap), 0);
		CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_RESPONSE, c->body_cap), 0);
	}
	return GH_NEXT;
}

static enum gh_verdict
on_limit_late(const void *config, struct gh_txn *txn)
{
	(void)txn;
	note_as(config, "limit-observe");
	return GH_NEXT;
}

static enum gh_verdict
on_limit(const void *config, struct gh_txn *txn)
{
	note_as(config, "limit");
	return act(((const struct config *)config)->in_limit.v, txn);
}

static enum gh_verdict
on_request(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;
	struct gh_str body = gh_txn_body(txn, GH_SIDE_REQUEST);

	note_as(config, "request");
	if (body.p != NULL && c->body_cap > 0) {
		CU_ASSERT(gh_str_eq(body, GH_STR("ping")));
		CU_ASSERT_EQUAL(gh_txn_request_length(txn), 4);
	}
	gh_txn_field_set(txn, GH_SIDE_REQUEST, GH_STR("x-seen"), c->tag);
	return act(c->in_request.v, txn);
}

static enum gh_verdict
on_response(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;

	note_as(config, "response");
	if (c->body_cap > 0 && gh_txn_body(txn, GH_SIDE_RESPONSE).p != NULL)
		gh_txn_body_set(txn, GH_SIDE_RESPONSE, GH_STR("PONG"));
	CU_ASSERT_EQUAL(gh_txn_field_add(txn, GH_SIDE_RESPONSE, GH_STR("Bad Name"), GH_STR("x")), GH_EINVAL);
	CU_ASSERT_EQUAL(gh_txn_field_add(txn, GH_SIDE_RESPONSE, GH_STR("X"), GH_STR("a\r\nb")), GH_EINVAL);
	gh_txn_field_add(txn, GH_SIDE_RESPONSE, GH_STR("X-Tag"), c->tag);
	return act(c->in_response.v, txn);
}

static enum gh_verdict
on_log(const void *config, struct gh_txn *txn)
{
	char text[16];

	note_as(config, "log");
	snprintf(text, sizeof(text), "%u", gh_txn_status(txn));
	note(text);
	return GH_STOP; /* is ignored here */
}

static const struct gh_hook_row hooks[] = {
	{ GH_LOG, GH_OBSERVE, on_log, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, on_response, NULL },
	{ GH_REQUEST, GH_TRANSFORM, on_request, NULL },
	{ GH_LIMIT, GH_OBSERVE, on_limit_late, "late" },
	{ GH_LIMIT, GH_QUOTA, on_limit, NULL },
	{ GH_AUTHORIZE, GH_AUTH, on_authorize, NULL },
	{ .fn = NULL },
};

static int
open_actor(void *process, const void *config, struct gh_inst *inst)
{
	(void)process;
	(void)config;
	last_inst = inst;
	return GH_OK;
}

static const struct gh_plugin actor = { GH_PLUGIN_ABI, .name = "actor", .version = "1", .opts = opts,
	.hooks = hooks, .config_size = sizeof(struct config), .open = open_actor };

static int
load_actor(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	(void)arg;
	if (!gh_str_eq(name, GH_STR("actor"))) {
		snprintf(error, error_size, "no such plugin");
		return GH_ENOENT;
	}
	*ret_desc = &actor;
	*ret_handle = NULL;
	return GH_OK;
}

/* ---- Running one request -------------------------------------------------------------------------- */

static struct gh_test *
node_of(const char *plugins)
{
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	char text[1024], error[1024] = "";

	snprintf(text, sizeof(text), "plugins:\n%s", plugins);
	int r = manifest_parse("test", gh_str_of(text), &manifest, error, sizeof(error));

	if (r == 0)
		r = krn_set_new_with(manifest, load_actor, NULL, &set, error, sizeof(error));
	struct gh_test *t = r == 0 ? krn_test_new(manifest, set, error, sizeof(error)) : NULL;

	if (t == NULL)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	return t;
}

static unsigned
run(const char *plugins, const struct gh_test_request *request, struct gh_test_outcome *ret_outcome,
	struct gh_test **ret_test)
{
	struct gh_test *t = node_of(plugins);
	struct gh_test_outcome o = { .status = 0 };

	trace[0] = '\0';
	CU_ASSERT_EQUAL(gh_test_run(t, request, &o), 0);
	if (ret_outcome != NULL)
		*ret_outcome = o;
	if (ret_test != NULL)
		*ret_test = t;
	else
		gh_test_free(t);
	return o.status;
}

static const struct gh_test_request plain = { .chain = GH_CHAIN_GATEWAY };

struct row {
	const char *plugins;
	unsigned status;
	const char *trace;
};

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(run(rows[i].plugins, &plain, NULL, NULL), rows[i].status);
		if (strcmp(trace, rows[i].trace) != 0)
			fprintf(stderr, "row %zu: %s\nexpected: %s\n", i, trace, rows[i].trace);
		CU_ASSERT_STRING_EQUAL(trace, rows[i].trace);
	}
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows[0]))
#define ALL_PHASES "a.authorize a.limit a.limit-observe a.request a.response a.log 200 "

static void
test_order_is_phase_class_manifest(void)
{
	static const struct row rows[] = {
		{ " - actor: {tag: a}\n", 200, ALL_PHASES },
		{ " - actor: {tag: b, as: one}\n - actor: {tag: a, as: two}\n", 200,
			"b.authorize a.authorize b.limit a.limit b.limit-observe a.limit-observe "
			"b.request a.request b.response a.response b.log 200 a.log 200 " },
	};

	CHECK_ROWS(rows);
}

static void
test_verdicts(void)
{
	static const struct row rows[] = {
		{ " - actor: {tag: a, in_limit: stop}\n", 403, "a.authorize a.limit a.response a.log 403 " },
		/* Fails closed in limit, open in request; on_error turns both around. */
		{ " - actor: {tag: a, in_limit: fail}\n", 500, "a.authorize a.limit a.response a.log 500 " },
		{ " - actor: {tag: a, in_limit: fail, on_error: allow}\n", 200, ALL_PHASES },
		{ " - actor: {tag: a, in_request: fail}\n", 200, ALL_PHASES },
		{ " - actor: {tag: a, in_request: fail, on_error: deny}\n", 500,
			"a.authorize a.limit a.limit-observe a.request a.response a.log 500 " },
		/* STOP without a reply is a failure to decide. */
		{ " - actor: {tag: a, in_limit: forget}\n", 500, "a.authorize a.limit a.response a.log 500 " },
		{ " - actor: {tag: a, in_response: stop}\n", 403,
			"a.authorize a.limit a.limit-observe a.request a.response a.log 403 " },
		{ " - actor: {tag: a, bypass: true, in_limit: stop}\n", 200, "" },
		{ " - actor: {tag: a, dry_run: true, in_limit: stop}\n", 200, ALL_PHASES },
		{ " - actor: {tag: a, dry_run: true, in_limit: fail}\n", 200, ALL_PHASES },
	};

	CHECK_ROWS(rows);
}

static void
test_suspensions(void)
{
	static const struct row rows[] = {
		{ " - actor: {tag: a, in_limit: suspend}\n", 200,
			"a.authorize a.limit done a.limit-observe a.request a.response a.log 200 " },
		{ " - actor: {tag: a, in_limit: early}\n", 200,
			"a.authorize a.limit done a.limit-observe a.request a.response a.log 200 " },
		{ " - actor: {tag: a, in_limit: deadline}\n", 200,
			"a.authorize a.limit deadline a.limit-observe a.request a.response a.log 200 " },
		{ " - actor: {tag: a, in_response: offload}\n", 200,
			"a.authorize a.limit a.limit-observe a.request a.response freed done a.log 200 " },
	};

	CHECK_ROWS(rows);
}

static void
test_dry_run_changes_nothing(void)
{
	struct gh_test *t;
	struct gh_test_outcome o;

	run(" - actor: {tag: a, dry_run: true, in_limit: stop}\n", &plain, &o, &t);
	CU_ASSERT(o.reached_upstream);
	CU_ASSERT_PTR_NULL(gh_test_field(&o, "X-Tag").p);
	CU_ASSERT_EQUAL(o.upstream_request_field_count, 0);
	gh_test_free(t);
}

static void
test_whole_bodies(void)
{
	struct gh_test_request q = { .method = "POST", .chain = GH_CHAIN_GATEWAY, .body = GH_STR("ping"),
		.upstream_body = GH_STR("pong") };
	struct gh_test *t;
	struct gh_test_outcome o;

	CU_ASSERT_EQUAL(run(" - actor: {tag: a, body_cap: 100}\n", &q, &o, &t), 200);
	CU_ASSERT(gh_str_eq(o.body, GH_STR("PONG")));
	CU_ASSERT(gh_str_eq(gh_test_field(&o, "x-tag"), GH_STR("a")));
	gh_test_free(t);
	CU_ASSERT_EQUAL(run(" - actor: {tag: a, body_cap: 3}\n", &q, &o, NULL), 413);
}

static void
test_target_without_canonical_form(void)
{
	struct gh_test_request q = { .target = "/a/%00", .chain = GH_CHAIN_GATEWAY };

	CU_ASSERT_EQUAL(run(" - actor: {tag: a}\n", &q, NULL, NULL), 400);
	CU_ASSERT_STRING_EQUAL(trace, "a.response a.log 400 ");
}

/* ---- Plans of operations -------------------------------------------------------------------------- */

static void
set_plan(struct gh_txn *txn, void *arg)
{
	gh_txn_set_plan(txn, arg);
}

static void
test_operation_plan_is_merged(void)
{
	struct gh_test *t = node_of(" - actor: {tag: n}\n");
	struct gh_attachment a = { .label = GH_STR("actor"),
		.options = GH_STR("{\"tag\": \"o\", \"in_request\": \"suspend\"}") };
	struct gh_test_request q = { .chain = GH_CHAIN_GATEWAY, .route = set_plan };
	struct gh_test_outcome o;
	struct gh_plan *plan = NULL;
	char error[512];

	CU_ASSERT_EQUAL_FATAL(gh_plan_new(last_inst, &a, 1, error, sizeof(error), &plan), 0);
	q.arg = plan;
	trace[0] = '\0';
	CU_ASSERT_EQUAL(gh_test_run(t, &q, &o), 0);
	CU_ASSERT_STRING_EQUAL(trace,
		"n.authorize o.authorize n.limit o.limit n.limit-observe o.limit-observe n.request "
		"o.request done n.response o.response n.log 200 o.log 200 ");
	gh_plan_unref(plan);

	a.options = GH_STR("{\"tagg\": \"o\"}");
	CU_ASSERT_EQUAL(gh_plan_new(last_inst, &a, 1, error, sizeof(error), &plan), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "tagg"));
	a.label = GH_STR("nobody");
	CU_ASSERT_EQUAL(gh_plan_new(last_inst, &a, 1, error, sizeof(error), &plan), GH_ENOENT);
	gh_test_free(t);
}

static void
test_builtin_pages(void)
{
	struct gh_test_request q = { .target = "/healthz", .chain = GH_CHAIN_MANAGEMENT };

	CU_ASSERT_EQUAL(run(" - actor: {tag: a}\n", &q, NULL, NULL), 200);
	CU_ASSERT_STRING_EQUAL(trace, "a.log 200 ");
	q.target = "/readyz";
	CU_ASSERT_EQUAL(run(" - actor: {tag: a}\n", &q, NULL, NULL), 200);
	q.target = "/healthzz";
	CU_ASSERT_EQUAL(run(" - actor: {tag: a}\n", &q, NULL, NULL), 404);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_order_is_phase_class_manifest),
		UNIT_TEST(test_verdicts),
		UNIT_TEST(test_suspensions),
		UNIT_TEST(test_dry_run_changes_nothing),
		UNIT_TEST(test_whole_bodies),
		UNIT_TEST(test_target_without_canonical_form),
		UNIT_TEST(test_operation_plan_is_merged),
		UNIT_TEST(test_builtin_pages),
		{ NULL, NULL },
	};

	return unit_run("phases", tests);
}
