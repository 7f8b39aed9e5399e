/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_fetch.c
 * @brief Requests that lib/fetch refuses before anybody is called, and a line that was stopped.
 */
#include "lib/fetch/fetch.h"

#include "tests/unit/unit.h"

static struct fetch *fetch;

static int
call(struct fetch_line *line, const struct fetch_request *request)
{
	struct fetch_reply *reply = NULL;
	char error[256] = "";
	int r = fetch_call(line, request, NULL, NULL, &reply, error, sizeof(error));

	CU_ASSERT_PTR_NULL(reply);
	CU_ASSERT(r == GH_OK || error[0] != '\0');
	return r;
}

static void
test_requests_that_are_refused(void)
{
	static const struct fetch_field split = { { "X", 1 }, { "a\r\nB: c", 7 } };
	static const char *const urls[] = { "", "x", "https://", "ftp://127.0.0.1/", "file:///etc/passwd",
		"gopher://127.0.0.1/", "https://127.0.0.1:0x/", "https://127.0.0.1:99999/",
		"https://127.0.0.1/\r\nHost: x" };
	struct fetch_line *line = fetch_line_new(fetch);

	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct fetch_request request = { .url = gh_str_of(urls[i]), .deadline_ms = 1000,
			.max_bytes = 10 };

		CU_ASSERT_EQUAL(call(line, &request), GH_EINVAL);
	}
	const struct fetch_request field = { .url = GH_STR("http://127.0.0.1:1/"), .fields = &split,
		.field_count = 1, .deadline_ms = 1000, .max_bytes = 10 };
	const struct fetch_request method = { .url = GH_STR("http://127.0.0.1:1/"),
		.method = GH_STR("GET / HTTP/1.1\r\nX:"), .deadline_ms = 1000, .max_bytes = 10 };

	CU_ASSERT_EQUAL(call(line, &field), GH_EINVAL);
	CU_ASSERT_EQUAL(call(line, &method), GH_EINVAL);
	fetch_line_free(line);
}

static void
test_nobody_there(void)
{
	const struct fetch_request request = { .url = GH_STR("http://127.0.0.1:1/"), .deadline_ms = 2000,
		.max_bytes = 10 };
	struct fetch_line *line = fetch_line_new(fetch);

	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_EQUAL(call(line, &request), GH_EAGAIN);
	fetch_line_stop(line);
	CU_ASSERT_EQUAL(call(line, &request), GH_EAGAIN);
	fetch_line_free(line);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_requests_that_are_refused), UNIT_TEST(test_nobody_there), { NULL, NULL },
	};
	const struct fetch_tls tls = { .is_unverified = false };

	if (fetch_new(&tls, &fetch) < 0)
		return 70;
	int code = unit_run("fetch", tests);

	fetch_free(fetch);
	return code;
}
