/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_streams.c
 * @brief Streamed responses through the kernel: passed on, held whole, replaced, broken off.
 *
 * One plugin of this program produces "pong" from UPSTREAM and does in RESPONSE what its options say.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sdk/testkit/testkit.h"
#include "tests/unit/unit.h"

static char trace[256];

static void
note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
	strncat(trace, " ", sizeof(trace) - strlen(trace) - 1);
}

struct config {
	uint64_t cap;           /* ask for the whole response, at most so long; 0: do not ask */
	bool replace, break_off, stop;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, cap, .dflt = "0", .help = "Ask for whole responses of so many bytes."),
	GH_OPT(struct config, replace, .dflt = "false", .help = "Answer something else in response."),
	GH_OPT(struct config, stop, .dflt = "false", .help = "Say STOP in upstream, not NEXT."),
	GH_OPT(struct config, break_off, .dflt = "false", .help = "Break off in the middle."),
	{ .type = GH_OPT_END },
};

struct producer {
	struct gh_txn *txn;
	const struct config *config;
	size_t at;
	bool is_over;
};

static void
produce(void *ctx)
{
	struct producer *p = ctx;

	while (!p->is_over && p->at < 4) {
		if (p->config->break_off && p->at == 2) {
			p->is_over = true;
			gh_txn_response_abort(p->txn);
			return;
		}
		size_t n = gh_txn_response_data(p->txn, "pong" + p->at, 1);

		if (n == 0)
			return;
		p->at += n;
	}
	if (!p->is_over) {
		p->is_over = true;
		gh_txn_response_end(p->txn);
	}
}

static void
cancelled(void *ctx)
{
	((struct producer *)ctx)->is_over = true;
	note("cancelled");
}

static const struct gh_source source = { produce, cancelled };

static enum gh_verdict
on_request(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;

	if (c->cap > 0)
		CU_ASSERT_EQUAL(gh_txn_body_want(txn, GH_SIDE_RESPONSE, c->cap), 0);
	return GH_NEXT;
}

static enum gh_verdict
on_upstream(const void *config, struct gh_txn *txn)
{
	struct producer *p = gh_txn_slot(txn, sizeof(*p));

	p->txn = txn;
	p->config = config;
	gh_txn_set_status(txn, 200);
	gh_txn_response_stream(txn, -1, &source, p);
	produce(p); /* refused until the head is out; ready() follows */
	return p->config->stop ? GH_STOP : GH_NEXT;
}

static enum gh_verdict
on_response(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;
	struct gh_str whole = gh_txn_body(txn, GH_SIDE_RESPONSE);

	if (whole.p != NULL)
		note(gh_str_eq(whole, GH_STR("pong")) ? "whole" : "other");
	if (!c->replace)
		return GH_NEXT;
	gh_txn_reply(txn, 410, GH_STR_NONE, GH_STR("gone"));
	return GH_STOP;
}

static const struct gh_hook_row hooks[] = {
	{ GH_REQUEST, GH_TRANSFORM, on_request, NULL },
	{ GH_UPSTREAM, GH_TRANSFORM, on_upstream, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, on_response, NULL },
	{ .fn = NULL },
};

static const struct gh_plugin streamer = { GH_PLUGIN_ABI, .name = "streamer", .version = "1",
	.opts = opts, .hooks = hooks, .config_size = sizeof(struct config) };

static int
load_streamer(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	(void)arg;
	(void)name;
	(void)error;
	(void)error_size;
	*ret_desc = &streamer;
	*ret_handle = NULL;
	return GH_OK;
}

struct row {
	const char *options, *method;
	unsigned status;
	const char *body, *trace;
};

static void
test_streamed_responses(void)
{
	static const struct row rows[] = {
		{ "{}", "GET", 200, "pong", "" },
		{ "{}", "HEAD", 200, "", "" },
		{ "{cap: 4}", "GET", 200, "pong", "whole " },
		{ "{cap: 3}", "GET", 502, NULL, "cancelled other " },
		{ "{replace: true}", "GET", 410, "gone", "cancelled " },
		{ "{cap: 4, replace: true}", "GET", 410, "gone", "whole " },
		{ "{stop: true}", "GET", 200, "pong", "" },
		{ "{cap: 4, stop: true}", "GET", 200, "pong", "whole " },
		{ "{break_off: true}", "GET", 200, "po", "" },
		{ "{cap: 4, break_off: true}", "GET", 502, NULL, "other " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_test_request q = { .method = rows[i].method, .chain = GH_CHAIN_GATEWAY };
		struct gh_test_outcome o = { .status = 0 };
		struct manifest *manifest = NULL;
		struct krn_set *set = NULL;
		char text[128], error[1024] = "";

		snprintf(text, sizeof(text), "plugins:\n - streamer: %s\n", rows[i].options);
		CU_ASSERT_EQUAL_FATAL(manifest_parse("test", gh_str_of(text), &manifest, error,
					      sizeof(error)), 0);
		CU_ASSERT_EQUAL_FATAL(krn_set_new_with(manifest, load_streamer, NULL, &set, error,
					      sizeof(error)), 0);
		struct gh_test *t = krn_test_new(manifest, set, error, sizeof(error));

		CU_ASSERT_PTR_NOT_NULL_FATAL(t);
		trace[0] = '\0';
		CU_ASSERT_EQUAL(gh_test_run(t, &q, &o), 0);
		CU_ASSERT_EQUAL(o.status, rows[i].status);
		if (rows[i].body != NULL)
			CU_ASSERT(gh_str_eq(o.body, gh_str_of(rows[i].body)));
		CU_ASSERT_STRING_EQUAL(trace, rows[i].trace);
		if (strcmp(trace, rows[i].trace) != 0 || o.status != rows[i].status)
			fprintf(stderr, "row %zu: %u %s\n", i, o.status, trace);
		gh_test_free(t);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_streamed_responses),
		{ NULL, NULL },
	};

	return unit_run("streams", tests);
}
