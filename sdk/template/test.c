/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test.c
 * @brief Runs the policy on the test kit: the real kernel with one worker and no sockets.
 */
#include <gatehouse/test.h>
#include <stdio.h>

static int
run(const char *manifest, const struct gh_field *fields, unsigned status)
{
	const struct gh_test_request request = { .target = "/books", .fields = fields };
	struct gh_test_outcome out;
	char error[256];
	int failed = 1;
	struct gh_test *test = gh_test_new(manifest, ".", error, sizeof(error));

	if (test == NULL) {
		fprintf(stderr, "%s\n", error);
		return failed;
	}
	if (gh_test_run(test, &request, &out) == 0) {
		failed = out.status != status || out.reached_upstream != (status == 200);
		if (failed)
			fprintf(stderr, "%s: status %u, not %u\n", manifest, out.status, status);
	}
	gh_test_free(test);
	return failed;
}

int
main(void)
{
	static const struct gh_field with[] = { { GH_STR("x-request-id"), GH_STR("1") },
		{ GH_STR_NONE, GH_STR_NONE } };
	int failed = 0;

	failed += run("plugins: [ my_policy ]", with, 200);
	failed += run("plugins: [ my_policy ]", NULL, 400);
	failed += run("plugins: [ my_policy: { field: X-Other } ]", with, 400);
	failed += run("plugins: [ my_policy: { dry_run: true } ]", NULL, 200);
	return failed == 0 ? 0 : 1;
}
