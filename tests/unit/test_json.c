/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_json.c
 * @brief Limits and errors of js_parse(), and members by type.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "tests/unit/unit.h"

static const struct refusal {
	const char *text;
	int err;
	const char *error; /* how it begins */
} refusals[] = {
	{ "", GH_EINVAL, "empty where JSON is expected" },
	{ "{", GH_EINVAL, "line 1, column 1: " },
	{ "{\"a\":1,\n\"a\":2}", GH_EINVAL, "line 2, column " },
	{ "{\"a\":1}x", GH_EINVAL, "line 1, column " },
	{ "[1,]", GH_EINVAL, "line 1, column " },
	{ "{'a':1}", GH_EINVAL, "line 1, column " },
	{ "\"\\u0000\"", GH_EINVAL, "line 1, column " },
	{ "\"\xff\"", GH_EINVAL, "line 1, column " },
	{ "[[[[1]]]]", GH_ETOOBIG, "line 1: nested deeper than 3 levels" },
	{ "[\n[[\n[1]]]]", GH_ETOOBIG, "line 3: nested deeper than 3 levels" },
	{ "[\"0123456789012345678901234567890123456789\"]", GH_ETOOBIG, "longer than 32 bytes" },
	{ "123456789012345678901", GH_EINVAL, "line 1, column " },
};

static void
test_refused(void)
{
	static const struct js_limits limits = { 32, 3 };
	char error[160];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *row = &refusals[i];
		json_t *json = NULL;

		error[0] = '\0';
		CU_ASSERT_EQUAL(js_parse(gh_str_of(row->text), &limits, &json, error,
			sizeof(error)), row->err);
		CU_ASSERT_PTR_NULL(json);
		CU_ASSERT_EQUAL(strncmp(error, row->error, strlen(row->error)), 0);
	}
}

static json_t *
parsed(const char *text)
{
	json_t *json = NULL;
	char error[160];

	CU_ASSERT_EQUAL_FATAL(js_parse(gh_str_of(text), NULL, &json, error, sizeof(error)), 0);
	return json;
}

static void
test_brackets_in_strings_do_not_nest(void)
{
	static const struct js_limits limits = { 64, 1 };
	json_t *json = NULL;
	char error[160];

	CU_ASSERT_EQUAL(js_parse(GH_STR("[\"[[[\\\"[\", \"\\\\\"]"), &limits, &json, error,
		sizeof(error)), 0);
	json_decref(json);
}

static void
test_members(void)
{
	json_t *json = parsed("{\"s\":\"x\",\"i\":7,\"b\":true,\"a\":[1],\"o\":{},\"n\":null}");

	CU_ASSERT(gh_str_eq(js_str(json, "s"), GH_STR("x")));
	CU_ASSERT_PTR_NULL(js_str(json, "i").p);
	CU_ASSERT_PTR_NULL(js_str(json, "none").p);
	CU_ASSERT(gh_str_eq(js_str_or(json, "n", GH_STR("d")), GH_STR("d")));
	CU_ASSERT_EQUAL(js_int(json, "i", 1), 7);
	CU_ASSERT_EQUAL(js_int(json, "s", 1), 1);
	CU_ASSERT(js_bool(json, "b", false));
	CU_ASSERT(js_bool(json, "s", true));
	CU_ASSERT_PTR_NOT_NULL(js_array(json, "a"));
	CU_ASSERT_PTR_NULL(js_array(json, "o"));
	CU_ASSERT_PTR_NOT_NULL(js_object(json, "o"));
	CU_ASSERT_PTR_NULL(js_object(NULL, "o"));
	CU_ASSERT(js_has(json, "i"));
	CU_ASSERT_FALSE(js_has(json, "n"));
	json_decref(json);
}

static void
test_integers_within_bounds(void)
{
	static const struct {
		const char *name;
		int r;
		int64_t value;
	} rows[] = {
		{ "n", 0, 42 }, { "t", 0, 43 }, { "minus", 0, -1 }, { "big", GH_EINVAL, 0 },
		{ "word", GH_EINVAL, 0 }, { "space", GH_EINVAL, 0 }, { "trail", GH_EINVAL, 0 },
		{ "real", GH_EINVAL, 0 }, { "null", GH_ENOENT, 0 }, { "none", GH_ENOENT, 0 },
		{ "huge", GH_EINVAL, 0 }, { "empty", GH_EINVAL, 0 },
	};
	json_t *json = parsed("{\"n\":42,\"t\":\"43\",\"minus\":\"-1\",\"big\":101,\"word\":\"x\","
		"\"space\":\" 1\",\"trail\":\"1x\",\"real\":1.5,\"null\":null,"
		"\"huge\":\"99999999999999999999\",\"empty\":\"\"}");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t value = 0;

		CU_ASSERT_EQUAL(js_int_in(json, rows[i].name, -1, 100, &value), rows[i].r);
		CU_ASSERT_EQUAL(value, rows[i].value);
	}
	json_decref(json);
}

static void
test_strings_are_made_utf8(void)
{
	json_t *json = json_object();
	struct gh_str text;

	CU_ASSERT_EQUAL(js_set_str(json, "good", GH_STR("\xc3\xa4")), 0);
	CU_ASSERT_EQUAL(js_set_str(json, "bad", GH_STR("a\xff")), 0);
	CU_ASSERT_EQUAL(js_set_str(json, "none", GH_STR_NONE), 0);
	CU_ASSERT_EQUAL(js_set(json, "missing", NULL), GH_ENOMEM);
	CU_ASSERT_EQUAL(js_dump(json, &text), 0);
	CU_ASSERT_STRING_EQUAL(text.p, "{\"good\":\"\xc3\xa4\",\"bad\":\"a?\",\"none\":\"\"}");
	free((void *)text.p);
	json_decref(json);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_refused),
		UNIT_TEST(test_brackets_in_strings_do_not_nest),
		UNIT_TEST(test_members),
		UNIT_TEST(test_integers_within_bounds),
		UNIT_TEST(test_strings_are_made_utf8),
		{ NULL, NULL },
	};

	return unit_run("json", tests);
}
