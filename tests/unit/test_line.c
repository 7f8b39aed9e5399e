/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_line.c
 * @brief Lines: what hostile values become, and where they are cut.
 */
#include "lib/line/line.h"
#include "tests/unit/unit.h"

static void
test_line_escapes(void)
{
	static const struct {
		void (*put)(struct line *line, struct gh_str s);
		struct gh_str in;
		const char *out;
	} rows[] = {
		{ line_text, { "plain \"text\" \\", 14 }, "plain \"text\" \\" },
		{ line_text, { "a\nb\r\x1b[31m\x7f", 10 }, "a\\x0ab\\x0d\\x1b[31m\\x7f" },
		{ line_text, { "\0x", 2 }, "\\x00x" },
		{ line_text, { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", 11 },
			"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ line_text, { "\xc2\x9b", 2 }, "\\xc2\\x9b" }, /* CSI as C1 */
		{ line_text, { "\xc0\x8a", 2 }, "\\xc0\\x8a" }, /* overlong LF */
		{ line_text, { "\xed\xa0\x80", 3 }, "\\xed\\xa0\\x80" }, /* surrogate */
		{ line_text, { "\xe2\x82", 2 }, "\\xe2\\x82" }, /* cut short */
		{ line_quoted, { "a\"b\\", 4 }, "\"a\\x22b\\x5c\"" },
		{ line_quoted, { NULL, 0 }, "\"-\"" },
		{ line_word, { "a b\"", 4 }, "a\\x20b\\x22" },
		{ line_word, { NULL, 0 }, "-" },
		{ line_json, { "a\"\\\n\xff\xc2\x85", 7 },
			"\"a\\\"\\\\\\u000a\xef\xbf\xbd\\u0085\"" },
		{ line_json, { NULL, 0 }, "\"\"" },
		{ line_text, { "0123456789012345678901234567890123", 34 },
			"01234567890123456789012345678901..." },
		{ line_json, { "012345678901234567890123456789\n", 31 },
			"\"012345678901234567890123456789...\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct line line;

		line_init(&line, 32);
		rows[i].put(&line, rows[i].in);
		CU_ASSERT_EQUAL(line.n, strlen(rows[i].out));
		CU_ASSERT_EQUAL(memcmp(line.p, rows[i].out, line.n), 0);
	}
}

static void
test_line_numbers(void)
{
	struct line line;

	line_init(&line, 32);
	line_uint(&line, 0);
	line_put(&line, GH_STR(" "));
	line_uint(&line, UINT64_MAX);
	line_put(&line, GH_STR(" "));
	line_int(&line, INT64_MIN);
	CU_ASSERT_EQUAL(line.n, 43);
	CU_ASSERT_EQUAL(memcmp(line.p, "0 18446744073709551615 -9223372036854775808", 43), 0);
}

static bool
is(const struct line *line, const char *text)
{
	return line->n == strlen(text) && memcmp(line->p, text, line->n) == 0;
}

static void
test_line_time(void)
{
	struct line line;

	line_init(&line, 32);
	line_time(&line, 1717567860123456);
	CU_ASSERT_TRUE(is(&line, "2024-06-05T06:11:00.123Z"));
	line_init(&line, 32);
	line_time(&line, 0);
	CU_ASSERT_TRUE(is(&line, "1970-01-01T00:00:00.000Z"));
}

/* More than a line holds is cut, never written behind it. */
static void
test_line_full(void)
{
	static const char kilobyte[1024];
	struct line line;

	line_init(&line, 1000);
	for (int i = 0; i < 20; i++)
		line_put(&line, (struct gh_str){ kilobyte, sizeof(kilobyte) });
	CU_ASSERT_EQUAL(line.n, LINE_BYTES);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_line_escapes),
		UNIT_TEST(test_line_numbers),
		UNIT_TEST(test_line_time),
		UNIT_TEST(test_line_full),
		{ NULL, NULL },
	};

	return unit_run("line", tests);
}
