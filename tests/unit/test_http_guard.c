/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_http_guard.c
 * @brief What the request guard of plugins/http lets through, what it refuses, what it removes.
 */
#include "plugins/http/guard.h"
#include "tests/unit/unit.h"

#define MAX_FIELDS 8
#define PASS GUARD_RULE_COUNT

static const struct guard_limits limits = { .target_bytes = 64, .head_bytes = 1024, .fields = 6 };

struct row {
	const char *what, *method, *target, *version;
	const char *fields[MAX_FIELDS][2];
	enum guard_rule rule;
	int64_t length;
};

#define GET "GET", "/", "HTTP/1.1"
#define POST "POST", "/", "HTTP/1.1"
#define HOST { "Host", "a" }

static const struct row rows[] = {
	{ "plain", GET, { HOST }, PASS, 0 },
	{ "no fields at all in 1.0", "GET", "/", "HTTP/1.0", { { NULL } }, PASS, 0 },
	{ "a body", POST, { HOST, { "Content-Length", "5" } }, PASS, 5 },
	{ "an empty body", POST, { HOST, { "content-length", "0" } }, PASS, 0 },
	{ "leading zeros", POST, { HOST, { "Content-Length", "007" } }, PASS, 7 },
	{ "chunked", POST, { HOST, { "Transfer-Encoding", "Chunked" } }, PASS, -1 },
	{ "100-continue", POST, { HOST, { "Content-Length", "5" }, { "Expect", "100-Continue" } },
		PASS, 5 },
	{ "expectation in 1.0", "POST", "/", "HTTP/1.0", { { "Expect", "x" } }, PASS, 0 },
	{ "a list twice", GET, { HOST, { "Accept", "a" }, { "Accept", "b" } }, PASS, 0 },
	{ "bytes above 127 in a value", GET, { HOST, { "X", "\xc3\xa4\t." } }, PASS, 0 },

	{ "no Host", GET, { { "Accept", "a" } }, GUARD_HOST_MISSING, 0 },
	{ "two Hosts", GET, { HOST, { "host", "a" } }, GUARD_HOST_TWICE, 0 },
	{ "two Hosts in 1.0", "GET", "/", "HTTP/1.0", { HOST, { "host", "b" } },
		GUARD_HOST_TWICE, 0 },
	{ "empty Host", GET, { { "Host", "" } }, GUARD_HOST_SYNTAX, 0 },
	{ "Host with a path", GET, { { "Host", "a/b" } }, GUARD_HOST_SYNTAX, 0 },
	{ "Host with user information", GET, { { "Host", "u@a" } }, GUARD_HOST_SYNTAX, 0 },
	{ "Host with two names", GET, { { "Host", "a, b" } }, GUARD_HOST_SYNTAX, 0 },
	{ "Host with a bad port", GET, { { "Host", "a:99999" } }, GUARD_HOST_SYNTAX, 0 },
	{ "Host with a port", GET, { { "Host", "a.b:8243" } }, PASS, 0 },
	{ "Host as IPv6", GET, { { "Host", "[::1]:8243" } }, PASS, 0 },

	{ "space before the colon", POST, { HOST, { "Content-Length ", "5" } },
		GUARD_FIELD_NAME, 0 },
	{ "space before the name", GET, { { " X", "y" }, HOST }, GUARD_FIELD_NAME, 0 },
	{ "a corrupted fold", GET, { HOST, { "X folded text", "b" } }, GUARD_FIELD_NAME, 0 },
	{ "empty name", GET, { HOST, { "", "b" } }, GUARD_FIELD_NAME, 0 },
	{ "control byte in a name", GET, { HOST, { "X\x01", "b" } }, GUARD_FIELD_NAME, 0 },
	{ "parentheses in a name", GET, { HOST, { "X()", "b" } }, GUARD_FIELD_NAME, 0 },
	{ "bare CR in a value", GET, { HOST, { "X", "a\rEvil: 1" } }, GUARD_FIELD_VALUE, 0 },
	{ "DEL in a value", GET, { HOST, { "X", "a\x7f" } }, GUARD_FIELD_VALUE, 0 },
	{ "vertical tab in a value", GET, { HOST, { "X", "\va" } }, GUARD_FIELD_VALUE, 0 },

	{ "length and chunked", POST, { HOST, { "Content-Length", "5" },
		{ "Transfer-Encoding", "chunked" } }, GUARD_FRAMING_TWICE, 0 },
	{ "two different lengths", POST, { HOST, { "Content-Length", "5" },
		{ "Content-Length", "6" } }, GUARD_LENGTH_TWICE, 0 },
	{ "two equal lengths", POST, { HOST, { "Content-Length", "5" },
		{ "Content-Length", "5" } }, GUARD_LENGTH_TWICE, 0 },
	{ "a list of lengths", POST, { HOST, { "Content-Length", "5, 5" } },
		GUARD_LENGTH_SYNTAX, 0 },
	{ "plus sign", POST, { HOST, { "Content-Length", "+5" } }, GUARD_LENGTH_SYNTAX, 0 },
	{ "hexadecimal", POST, { HOST, { "Content-Length", "0x5" } }, GUARD_LENGTH_SYNTAX, 0 },
	{ "negative", POST, { HOST, { "Content-Length", "-1" } }, GUARD_LENGTH_SYNTAX, 0 },
	{ "blank behind", POST, { HOST, { "Content-Length", "5 " } }, GUARD_LENGTH_SYNTAX, 0 },
	{ "empty length", POST, { HOST, { "Content-Length", "" } }, GUARD_LENGTH_SYNTAX, 0 },
	{ "too long a length", POST, { HOST, { "Content-Length", "99999999999999999999" } },
		GUARD_LENGTH_LONG, 0 },
	{ "the largest length", POST, { HOST, { "Content-Length", "9223372036854775807" } },
		GUARD_LENGTH_LONG, 0 },

	{ "xchunked", POST, { HOST, { "Transfer-Encoding", "xchunked" } },
		GUARD_CODING_UNKNOWN, 0 },
	{ "gzip, chunked", POST, { HOST, { "Transfer-Encoding", "gzip, chunked" } },
		GUARD_CODING_UNKNOWN, 0 },
	{ "chunked and a tab", POST, { HOST, { "Transfer-Encoding", "chunked\t" } },
		GUARD_CODING_UNKNOWN, 0 },
	{ "vertical tab and chunked", POST, { HOST, { "Transfer-Encoding", "\vchunked" } },
		GUARD_FIELD_VALUE, 0 },
	{ "identity and chunked", POST, { HOST, { "Transfer-Encoding", "identity" },
		{ "Transfer-Encoding", "chunked" } }, GUARD_CODING_TWICE, 0 },
	{ "chunked in 1.0", "POST", "/", "HTTP/1.0", { HOST, { "Transfer-Encoding", "chunked" } },
		GUARD_CODING_OLD, 0 },
	{ "another expectation", POST, { HOST, { "Expect", "200-ok" } }, GUARD_EXPECTATION, 0 },

	{ "two Authorizations", GET, { HOST, { "Authorization", "a" }, { "authorization", "b" } },
		GUARD_FIELD_TWICE, 0 },
	{ "two Content-Types", GET, { HOST, { "Content-Type", "a" }, { "Content-Type", "a" } },
		GUARD_FIELD_TWICE, 0 },
	{ "two User-Agents", GET, { HOST, { "User-Agent", "a" }, { "User-Agent", "a" } },
		GUARD_FIELD_TWICE, 0 },
	{ "too many fields", GET, { HOST, { "A", "1" }, { "A", "1" }, { "A", "1" }, { "A", "1" },
		{ "A", "1" }, { "A", "1" } }, GUARD_FIELD_COUNT, 0 },

	{ "method that is no token", "GE(T", "/", "HTTP/1.1", { HOST }, GUARD_METHOD_SYNTAX, 0 },
	{ "empty method", "", "/", "HTTP/1.1", { HOST }, GUARD_METHOD_SYNTAX, 0 },
	{ "lower case method", "get", "/", "HTTP/1.1", { HOST }, GUARD_METHOD_UNKNOWN, 0 },
	{ "CONNECT", "CONNECT", "a:443", "HTTP/1.1", { HOST }, GUARD_METHOD_UNKNOWN, 0 },
	{ "TRACE", "TRACE", "/", "HTTP/1.1", { HOST }, GUARD_METHOD_UNKNOWN, 0 },
	{ "HTTP/1.2", "GET", "/", "HTTP/1.2", { HOST }, GUARD_VERSION, 0 },
	{ "no version", "GET", "/", "", { HOST }, GUARD_VERSION, 0 },
	{ "HTTP/2.0", "GET", "/", "HTTP/2.0", { HOST }, GUARD_VERSION, 0 },
	{ "lower case version", "GET", "/", "http/1.1", { HOST }, GUARD_VERSION, 0 },

	{ "no target", "GET", "", "HTTP/1.1", { HOST }, GUARD_TARGET_FORM, 0 },
	{ "relative target", "GET", "a/b", "HTTP/1.1", { HOST }, GUARD_TARGET_FORM, 0 },
	{ "space in the target", "GET", "/a b", "HTTP/1.1", { HOST }, GUARD_TARGET_SYNTAX, 0 },
	{ "tab in the target", "GET", "/a\tb", "HTTP/1.1", { HOST }, GUARD_TARGET_SYNTAX, 0 },
	{ "fragment", "GET", "/a#b", "HTTP/1.1", { HOST }, GUARD_TARGET_SYNTAX, 0 },
	{ "raw UTF-8", "GET", "/\xc3\xa4", "HTTP/1.1", { HOST }, GUARD_TARGET_SYNTAX, 0 },
	{ "long target", "GET",
		"/0123456789012345678901234567890123456789012345678901234567890123456789",
		"HTTP/1.1", { HOST }, GUARD_TARGET_LONG, 0 },
	{ "OPTIONS *", "OPTIONS", "*", "HTTP/1.1", { HOST }, PASS, 0 },
	{ "GET *", "GET", "*", "HTTP/1.1", { HOST }, GUARD_TARGET_FORM, 0 },
	{ "absolute", "GET", "http://a/b", "HTTP/1.1", { HOST }, PASS, 0 },
	{ "absolute, without path", "GET", "HTTPS://A?b", "HTTP/1.1", { HOST }, PASS, 0 },
	{ "absolute, other host", "GET", "http://b/", "HTTP/1.1", { HOST }, GUARD_HOST_OTHER, 0 },
	{ "absolute, no host", "GET", "http:///b", "HTTP/1.1", { HOST }, GUARD_TARGET_FORM, 0 },
	{ "absolute, user information", "GET", "http://u@a/", "HTTP/1.1", { HOST },
		GUARD_TARGET_FORM, 0 },
	{ "another scheme", "GET", "ftp://a/b", "HTTP/1.1", { HOST }, GUARD_TARGET_FORM, 0 },
};

static void
test_every_row(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct gh_field fields[MAX_FIELDS];
		struct guard_facts facts = { .body_length = 99 };
		struct guard_request request = { .method = gh_str_of(row->method),
			.target = gh_str_of(row->target), .version = gh_str_of(row->version),
			.fields = fields, .head_bytes = 100 };

		for (size_t n = 0; n < MAX_FIELDS && row->fields[n][0] != NULL; n++) {
			fields[n] = (struct gh_field){ gh_str_of(row->fields[n][0]),
				gh_str_of(row->fields[n][1]) };
			request.field_count = n + 1;
		}
		const struct guard_refusal *refusal = http_guard_check(&request, &limits, &facts);
		const struct guard_refusal *expected =
			row->rule == PASS ? NULL : &http_guard_refusals[row->rule];

		if (refusal != expected || (refusal == NULL && facts.body_length != row->length))
			printf("\n  %s: %s\n", row->what,
				refusal != NULL ? refusal->why : "passed");
		CU_ASSERT_PTR_EQUAL(refusal, expected);
		/* On a refusal it is untouched. */
		CU_ASSERT_EQUAL(facts.body_length, refusal == NULL ? row->length : 99);
	}
}

static void
test_head_over_its_limit(void)
{
	struct gh_field host = { GH_STR("Host"), GH_STR("a") };
	struct guard_facts facts;
	struct guard_request request = { GH_STR("GET"), GH_STR("/"), GH_STR("HTTP/1.1"), &host, 1,
		1025 };

	CU_ASSERT_PTR_EQUAL(http_guard_check(&request, &limits, &facts),
		&http_guard_refusals[GUARD_HEAD_LONG]);
	request.head_bytes = 1024;
	CU_ASSERT_PTR_NULL(http_guard_check(&request, &limits, &facts));
}

static void
test_every_refusal_has_words(void)
{
	for (size_t i = 0; i < GUARD_RULE_COUNT; i++) {
		CU_ASSERT_TRUE(http_guard_refusals[i].status >= 400);
		CU_ASSERT_PTR_NOT_NULL_FATAL(http_guard_refusals[i].reason);
		CU_ASSERT_PTR_NOT_NULL_FATAL(http_guard_refusals[i].why);
		/* It is put into JSON as it is. */
		CU_ASSERT_PTR_NULL(strpbrk(http_guard_refusals[i].why, "\"\\"));
	}
}

#define F(name, value) { { name, sizeof(name) - 1 }, { value, sizeof(value) - 1 } }

static void
test_strip_hop_by_hop(void)
{
	struct gh_field fields[] = {
		F("Host", "a"), F("Connection", "close, X-Hop ,,\tx-Other"),
		F("Keep-Alive", "timeout=5"),
		F("Proxy-Connection", "x"), F("TE", "trailers"), F("Trailer", "X"),
		F("Transfer-Encoding", "chunked"), F("Upgrade", "h2c"), F("Content-Length", "5"),
		F("Expect", "100-continue"), F("x-hop", "1"), F("X-Other", "1"), F("X-Hop", "2"),
		F("Close", "stays"), F("Accept", "*/* \t"), F("X-Empty", ""),
	};
	static const struct gh_field kept[] = { F("Host", "a"), F("Close", "stays"),
		F("Accept", "*/*"), F("X-Empty", "") };
	size_t n = http_guard_strip(fields, sizeof(fields) / sizeof(fields[0]));

	CU_ASSERT_EQUAL_FATAL(n, sizeof(kept) / sizeof(kept[0]));
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_TRUE(gh_str_eq(fields[i].name, kept[i].name));
		CU_ASSERT_TRUE(gh_str_eq(fields[i].value, kept[i].value));
	}
}

static void
test_strip_keeps_host(void)
{
	struct gh_field fields[] = { F("Connection", "Host"), F("Host", "a"), F("Connection", "X"),
		F("X", "1") };

	CU_ASSERT_EQUAL_FATAL(http_guard_strip(fields, 4), 1);
	CU_ASSERT_TRUE(gh_str_eq(fields[0].name, GH_STR("Host")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_every_row),
		UNIT_TEST(test_head_over_its_limit),
		UNIT_TEST(test_every_refusal_has_words),
		UNIT_TEST(test_strip_hop_by_hop),
		UNIT_TEST(test_strip_keeps_host),
		{ .name = NULL },
	};

	return unit_run("http guard", tests);
}
