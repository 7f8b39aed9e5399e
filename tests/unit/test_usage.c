/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_usage.c
 * @brief The analytics plugin in the test kit: calls through the LOG hook, then reports over REST.
 * Series and tokens are of this program.
 */
#include <gatehouse/svc/tokens.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdk/testkit/testkit.h"
#include "tests/unit/memory_series.h"
#include "tests/unit/unit.h"

extern const struct gh_plugin gh_plugin; /* of plugins/analytics/analytics.c */

/* ---- Services -------------------------------------------------------------------------------- */

static struct gh_principal reader = { .user = { "ann", 3 }, .tenant = { "carbon.super", 12 },
	.scopes = { "apim:api_view", 13 } };
static struct gh_principal neighbour = { .user = { "ann", 3 }, .tenant = { "other.org", 9 },
	.scopes = { "apim:admin", 10 } };
static struct gh_principal subscriber = { .user = { "ann", 3 }, .tenant = { "carbon.super", 12 },
	.scopes = { "apim:subscribe apim:api_viewer", 30 } };

static int
check(void *self, struct gh_str token, struct gh_principal **ret)
{
	(void)self;
	*ret = gh_str_eq(token, GH_STR("reader")) ? &reader
		: gh_str_eq(token, GH_STR("neighbour")) ? &neighbour
		: gh_str_eq(token, GH_STR("subscriber")) ? &subscriber : NULL;
	return *ret != NULL ? 0 : GH_EDENIED;
}

static void
principal_free(struct gh_principal *principal)
{
	(void)principal;
}

static const struct gh_tokens_v1 tokens_v1 = { .size = sizeof(tokens_v1), .check = check,
	.principal_free = principal_free };
static const struct gh_service_row provides[] = { { GH_SVC_SERIES, &memory_v1 },
	{ GH_SVC_TOKENS, &tokens_v1 }, { NULL, NULL } };
static const struct gh_plugin services_plugin = { GH_PLUGIN_ABI, .name = "services", .version = "1",
	.provides = provides };

static int
load(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	(void)arg;
	(void)error;
	(void)error_size;
	*ret_desc = gh_str_eq(name, GH_STR("services")) ? &services_plugin : &gh_plugin;
	*ret_handle = NULL;
	return 0;
}

static struct gh_test *
node(const char *options)
{
	char text[256], error[512] = "";
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;

	snprintf(text, sizeof(text), "plugins:\n - services\n - analytics: %s\n", options);
	int r = manifest_parse("test", gh_str_of(text), &manifest, error, sizeof(error));

	if (r == 0)
		r = krn_set_new_with(manifest, load, NULL, &set, error, sizeof(error));
	struct gh_test *t = r == 0 ? krn_test_new(manifest, set, error, sizeof(error)) : NULL;

	if (t == NULL)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	return t;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

struct call {
	const char *method, *tenant, *api, *application;
	unsigned status, times;
};

static void
route(struct gh_txn *txn, void *arg)
{
	const struct call *c = arg;

	if (c->api == NULL)
		return;
	gh_txn_set_attr(txn, GH_ATTR_TENANT, gh_str_of(c->tenant));
	gh_txn_set_attr(txn, GH_ATTR_API_ID, GH_STR("d8e8fca2"));
	gh_txn_set_attr(txn, GH_ATTR_API_NAME, gh_str_of(c->api));
	gh_txn_set_attr(txn, GH_ATTR_API_VERSION, GH_STR("1.0"));
	if (c->application != NULL)
		gh_txn_set_attr(txn, GH_ATTR_APPLICATION_NAME, gh_str_of(c->application));
}

static void
run_calls(struct gh_test *t, const struct call *calls)
{
	for (const struct call *c = calls; c->times > 0; c++) {
		struct gh_test_request request = { .method = c->method, .chain = GH_CHAIN_GATEWAY,
			.route = route, .arg = (void *)(uintptr_t)c, .upstream_status = c->status };
		struct gh_test_outcome outcome;

		for (unsigned i = 0; i < c->times; i++)
			CU_ASSERT_EQUAL(gh_test_run(t, &request, &outcome), 0);
	}
}

static const struct call calls[] = {
	{ "GET", "carbon.super", "Books", "App", 200, 5 },
	{ "GET", "carbon.super", "Books", "App", 404, 3 },
	{ "POST", "carbon.super", "Books", NULL, 401, 2 },
	{ "BREW", "carbon.super", "Films", "App", 200, 1 },
	{ "PROPFIND", "carbon.super", "Films", "App", 200, 1 },
	{ "GET", "other.org", "Books", "App", 200, 7 },
	{ "GET", NULL, NULL, NULL, 200, 9 }, /* no API: not counted */
	{ .times = 0 },
};

/* ---- Reports --------------------------------------------------------------------------------- */

/* GET the report.  @return its JSON, or that of the error; a new reference. */
static json_t *
report(struct gh_test *t, const char *token, const char *query, unsigned status)
{
	char target[256], authorization[64];

	snprintf(target, sizeof(target), "/api/am/analytics/v1/usage%s", query);
	snprintf(authorization, sizeof(authorization), "Bearer %s", token);
	struct gh_field fields[] = { { GH_STR("Authorization"), gh_str_of(authorization) },
		{ GH_STR_NONE, GH_STR_NONE } };
	struct gh_test_request request = { .target = target, .chain = GH_CHAIN_MANAGEMENT,
		.fields = token[0] != '\0' ? fields : NULL };
	struct gh_test_outcome outcome;

	CU_ASSERT_EQUAL_FATAL(gh_test_run(t, &request, &outcome), 0);
	if (outcome.status != status)
		fprintf(stderr, "%s: %u %.*s\n", target, outcome.status, GH_STR_ARG(outcome.body));
	CU_ASSERT_EQUAL(outcome.status, status);
	json_t *json = json_loadb(outcome.body.p, outcome.body.n, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	return json;
}

/* The list as text without latencies: "Books GET=8;". */
static bool
list_is(struct gh_test *t, const char *token, const char *query, const char *wanted)
{
	json_t *json = report(t, token, query, 200), *row, *value;
	char text[512] = "";
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(json, "list"), i, row) {
		json_t *latency = json_object_get(row, "latency_us");
		json_int_t p50 = json_integer_value(json_object_get(latency, "p50"));

		CU_ASSERT_TRUE(p50 <= json_integer_value(json_object_get(latency, "p99")));
		json_object_foreach(row, key, value) {
			char part[64] = "";

			if (strcmp(key, "count") == 0)
				snprintf(part, sizeof(part), "=%lld;",
					(long long)json_integer_value(value));
			else if (json_is_string(value))
				snprintf(part, sizeof(part), "%s ", json_string_value(value));
			else if (json_is_integer(value))
				snprintf(part, sizeof(part), "%lld ",
					(long long)json_integer_value(value));
			strncat(text, part, sizeof(text) - strlen(text) - 1);
		}
	}
	CU_ASSERT_EQUAL((size_t)json_integer_value(json_object_get(json, "count")), i);
	json_decref(json);
	if (strcmp(text, wanted) != 0)
		fprintf(stderr, "%s: %s\n", query, text);
	return strcmp(text, wanted) == 0;
}

static void
test_groups(void)
{
	struct gh_test *t = node("{}");

	run_calls(t, calls);
	CU_ASSERT_TRUE(list_is(t, "reader", "", "Books =10;Films =2;"));
	CU_ASSERT_TRUE(list_is(t, "reader", "?groupBy=api,status",
		"Books 200 =5;Books 401 =2;Books 404 =3;Films 200 =2;"));
	CU_ASSERT_TRUE(list_is(t, "reader", "?groupBy=status%2Capi%2Cstatus", /* as sets are */
		"Books 200 =5;Books 401 =2;Books 404 =3;Films 200 =2;"));
	CU_ASSERT_TRUE(list_is(t, "reader", "?groupBy=method", "GET =8;POST =2;OTHER =2;"));
	CU_ASSERT_TRUE(
		list_is(t, "reader", "?groupBy=application,version", "1.0  =2;1.0 App =10;"));
	CU_ASSERT_TRUE(list_is(t, "neighbour", "?groupBy=status", "200 =7;"));
	run_calls(t, calls);
	CU_ASSERT_TRUE(list_is(t, "neighbour", "?groupBy=status", "200 =14;"));
	gh_test_free(t);
	t = node("{}"); /* a restart */
	run_calls(t, calls);
	CU_ASSERT_TRUE(list_is(t, "neighbour", "?groupBy=status", "200 =21;"));
	gh_test_free(t);
	memory_clear();
}

static void
test_span(void)
{
	struct gh_test *t = node("{}");
	unsigned long now = (unsigned long)(gh_now_us() / 1000000u);
	char query[128];

	run_calls(t, calls);
	snprintf(query, sizeof(query), "?from=%lu&to=%lu", now, now + 100000);
	CU_ASSERT_TRUE(list_is(t, "reader", query, "Books =10;Films =2;")); /* whole minutes */
	snprintf(query, sizeof(query), "?from=%lu&to=%lu", now - 7200, now - 3600);
	CU_ASSERT_TRUE(list_is(t, "reader", query, ""));
	snprintf(query, sizeof(query), "?from=%lu&to=%lu", now + 3600, now + 7200);
	CU_ASSERT_TRUE(list_is(t, "reader", query, ""));
	snprintf(query, sizeof(query), "?from=0&to=253402300799");
	CU_ASSERT_TRUE(list_is(t, "reader", query, "Books =10;Films =2;"));
	gh_test_free(t);
	memory_clear();
}

static void
test_bad_requests(void)
{
	static const struct {
		const char *token, *query, *described;
		unsigned status;
	} rows[] = {
		{ "reader", "?from=yesterday", "from", 400 },
		{ "reader", "?from=-1", "from", 400 },
		{ "reader", "?from=", "from", 400 },
		{ "reader", "?from=1.5", "from", 400 },
		{ "reader", "?to=99999999999999999999", "to", 400 },
		{ "reader", "?to=253402300800", "to", 400 },
		{ "reader", "?from=2000&to=1000", "to", 400 },
		{ "reader", "?from=1000&to=1000", "to", 400 },
		{ "reader", "?groupBy=user", "groupBy", 400 },
		{ "reader", "?groupBy=", "groupBy", 400 },
		{ "reader", "?groupBy=api,,status", "groupBy", 400 },
		{ "reader", "?groupBy=API", "groupBy", 400 },
		{ "reader", "?groupBy=%zz", "query", 400 },
		{ "subscriber", "", "scopes", 403 },
		{ "nobody", "", "token", 401 },
		{ "", "", "token", 401 },
	};
	struct gh_test *t = node("{}");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *json = report(t, rows[i].token, rows[i].query, rows[i].status);
		const char *text = json_string_value(json_object_get(json, "description"));

		CU_ASSERT_TRUE(text != NULL && strstr(text, rows[i].described) != NULL);
		json_decref(json);
	}
	gh_test_free(t);
}

/* What somebody damaged in the database is left out; the rest is reported. */
static void
test_damaged_rows(void)
{
	struct gh_test *t = node("{}");
	uint64_t now_s = gh_now_us() / 1000000u;
	static const struct gh_str values[] = { { "", 0 }, { "\1", 1 }, { "\1\0\310\1a\1b\1c", 9 },
		{ "\1\0\310\14carbon.super\0\0\0\0\0\7", 22 }, { "\2\0\310", 3 } };

	run_calls(t, calls);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char key = (char)i;
		struct gh_series_row row = { GH_STR("usage_minute"), now_s - now_s % 60,
			{ &key, 1 }, values[i] };

		CU_ASSERT_EQUAL(memory_write(NULL, &row, 1), 0);
	}
	CU_ASSERT_TRUE(list_is(t, "reader", "", "Books =10;Films =2;"));
	gh_test_free(t);
	memory_clear();
}

static void
test_dry_run_counts_nothing(void)
{
	struct gh_test *t = node("{dry_run: true}");

	run_calls(t, calls);
	CU_ASSERT_TRUE(list_is(t, "reader", "", ""));
	gh_test_free(t);
	memory_clear();
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_groups),
		UNIT_TEST(test_span),
		UNIT_TEST(test_bad_requests),
		UNIT_TEST(test_damaged_rows),
		UNIT_TEST(test_dry_run_counts_nothing),
		{ NULL, NULL },
	};

	return unit_run("usage", tests);
}
