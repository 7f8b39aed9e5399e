/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test.c
 * @brief add_header on the test kit: the real kernel without sockets.
 */
#include <gatehouse/test.h>
#include <stdio.h>

#ifndef PLUGIN_DIR
#define PLUGIN_DIR "."
#endif

static unsigned failures;

#define CHECK(cond) do { \
	if (!(cond)) { \
		failures++; \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
	} } while (0)

/** How many fields of that name, and the value of the last. */
static unsigned
count(const struct gh_field *fields, size_t n, const char *name, struct gh_str *ret_value)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++)
		if (gh_str_eq_nocase(fields[i].name, gh_str_of(name))) {
			found++;
			*ret_value = fields[i].value;
		}
	return found;
}

static const struct gh_field old[] = { { GH_STR("X-Side"), GH_STR("old") },
	{ GH_STR_NONE, GH_STR_NONE } };

struct row {
	const char *options;
	unsigned in_request, in_response; /* Fields X-Side that come out, where one went in. */
	const char *request_value, *response_value;
};

static void
test_where_it_goes(void)
{
	static const struct row rows[] = {
		{ "name: X-Side, value: new", 1, 1, "old", "new" },
		{ "name: x-side, value: new, mode: add", 1, 2, "old", "new" },
		{ "name: X-Side, value: new, side: request", 1, 1, "new", "old" },
		{ "name: X-Side, value: new, side: request, mode: add", 2, 1, "new", "old" },
		{ "name: X-Side, value: new, dry_run: true", 1, 1, "old", "old" },
		{ "name: X-Side, value: new, bypass: true", 1, 1, "old", "old" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gh_test_request request = { .fields = old, .upstream_fields = old };
		struct gh_test_outcome out;
		struct gh_str value = GH_STR_NONE;
		char manifest[256], error[256];

		snprintf(manifest, sizeof(manifest), "plugins: [ add_header: { %s } ]",
			rows[i].options);
		struct gh_test *test = gh_test_new(manifest, PLUGIN_DIR, error, sizeof(error));

		CHECK(test != NULL);
		if (test == NULL) {
			fprintf(stderr, "%s\n", error);
			return;
		}
		CHECK(gh_test_run(test, &request, &out) == 0);
		CHECK(out.reached_upstream && out.status == 200);
		CHECK(count(out.upstream_request_fields, out.upstream_request_field_count, "X-Side",
			      &value) == rows[i].in_request);
		CHECK(gh_str_eq(value, gh_str_of(rows[i].request_value)));
		CHECK(count(out.fields, out.field_count, "X-Side", &value) == rows[i].in_response);
		CHECK(gh_str_eq(value, gh_str_of(rows[i].response_value)));
		gh_test_free(test);
	}
}

static void
test_refused_options(void)
{
	static const char *const options[] = {
		"{}",
		"{ name: 'a b' }",
		"{ name: Content-Length, value: 1 }",
		"{ name: x, side: both }",
		"{ name: x, value: \"a\\r\\nb: c\" }",
		"{ name: x, colour: red }",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char manifest[256], error[256];

		snprintf(manifest, sizeof(manifest), "plugins: [ add_header: %s ]", options[i]);
		struct gh_test *test = gh_test_new(manifest, PLUGIN_DIR, error, sizeof(error));

		CHECK(test == NULL);
		gh_test_free(test);
	}
}

int
main(void)
{
	test_where_it_goes();
	test_refused_options();
	return failures == 0 ? 0 : 1;
}
