/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_form.c
 * @brief Forms, Authorization fields and multipart bodies: what is taken, and what is refused.
 */
#include <stdlib.h>

#include "lib/form/form.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Forms ----------------------------------------------------------------------------------- */

/** The fields of a form as "name=value|name=value|". */
static void
check_form(const char *text, int r, const char *expected)
{
	struct form *form = NULL;
	const char *why = NULL;
	char got[256] = "";
	size_t n = 0;

	CU_ASSERT_EQUAL(form_parse(gh_str_of(text), &form, &why), r);
	CU_ASSERT((why != NULL) == (r < 0));
	for (size_t i = 0; r == 0 && form != NULL && i < form->n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s=%.*s|",
			GH_STR_ARG(form->fields[i].name), GH_STR_ARG(form->fields[i].value));
	CU_ASSERT_STRING_EQUAL(got, expected);
	form_free(form);
}

static void
test_forms(void)
{
	static const struct {
		const char *text;
		int r;
		const char *fields;
	} rows[] = {
		{ "", 0, "" },
		{ "a=1", 0, "a=1|" },
		{ "a=1&b=2&a=3", 0, "a=1|b=2|a=3|" },
		{ "&&a&&=x&", 0, "a=|=x|" },
		{ "a=b=c", 0, "a=b=c|" },
		{ "a+b=c+d%2Be%26%3d", 0, "a b=c d+e&=|" },
		{ "%6eame=%C3%A4", 0, "name=\xc3\xa4|" },
		{ "raw=\xc3\xa4", 0, "raw=\xc3\xa4|" },
		{ "a=%", GH_EINVAL, "" },
		{ "a=%4", GH_EINVAL, "" },
		{ "a=%zz", GH_EINVAL, "" },
		{ "%=a", GH_EINVAL, "" },
		{ "a=%00", GH_EINVAL, "" },
		{ "a=\n", GH_EINVAL, "" },
		{ "a=%4&b=1", GH_EINVAL, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_form(rows[i].text, rows[i].r, rows[i].fields);
}

static void
test_form_look_ups(void)
{
	struct form *form = NULL;

	CU_ASSERT_EQUAL_FATAL(form_parse(GH_STR("a=1&b=&a=2"), &form, NULL), 0);
	CU_ASSERT(gh_str_eq(form_get(form, "a"), GH_STR("1")));
	CU_ASSERT_PTR_NOT_NULL(form_get(form, "b").p);
	CU_ASSERT_PTR_NULL(form_get(form, "c").p);
	CU_ASSERT_PTR_NULL(form_get(NULL, "a").p);
	CU_ASSERT_EQUAL(form_count(form, "a"), 2);
	CU_ASSERT_EQUAL(form_count(form, "c"), 0);
	form_free(form);
}

static void
test_form_with_too_many_fields(void)
{
	static char text[2 * (FORM_FIELDS_MAX + 1)];
	struct form *form = NULL;

	memset(text, '&', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = 'a';
	CU_ASSERT_EQUAL(form_parse((struct gh_str){ text, sizeof(text) - 2 }, &form, NULL), 0);
	CU_ASSERT_EQUAL(form->n, FORM_FIELDS_MAX);
	form_free(form);
	CU_ASSERT_EQUAL(form_parse((struct gh_str){ text, sizeof(text) }, &form, NULL), GH_ETOOBIG);
}

/* ---- Authorization fields -------------------------------------------------------------------- */

static void
test_basic(void)
{
	static const struct {
		const char *field;
		int r;
		const char *user, *password;
	} rows[] = {
		{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 0, "Aladdin", "open sesame" },
		{ "basic  dTpwOnE=", 0, "u", "p:q" },
		{ "Basic Og==", 0, "", "" },
		{ "", GH_ENOENT, NULL, NULL },
		{ "Bearer abc", GH_ENOENT, NULL, NULL },
		{ "Basical Og==", GH_ENOENT, NULL, NULL },
		{ "Basic", GH_EINVAL, NULL, NULL },
		{ "Basic ", GH_EINVAL, NULL, NULL },
		{ "Basic dXNlcg==", GH_EINVAL, NULL, NULL }, /* no colon */
		{ "Basic dTpw=", GH_EINVAL, NULL, NULL },
		{ "Basic dT pw", GH_EINVAL, NULL, NULL },
		{ "Basic dToAcA==", GH_EINVAL, NULL, NULL }, /* NUL */
	};
	struct form_basic basic;

	for (size_t i = 0; i < COUNT(rows); i++) {
		CU_ASSERT_EQUAL(form_basic_parse(gh_str_of(rows[i].field), &basic), rows[i].r);
		if (rows[i].r < 0)
			continue;
		CU_ASSERT(gh_str_eq(basic.user, gh_str_of(rows[i].user)));
		CU_ASSERT(gh_str_eq(basic.password, gh_str_of(rows[i].password)));
	}
}

static void
test_bearer(void)
{
	static const struct {
		const char *field;
		int r;
		const char *token;
	} rows[] = {
		{ "Bearer a.b-c_d~e+f/g=", 0, "a.b-c_d~e+f/g=" },
		{ "bearer x", 0, "x" },
		{ "", GH_ENOENT, NULL },
		{ "Basic x", GH_ENOENT, NULL },
		{ "Bearer", GH_EINVAL, NULL },
		{ "Bearer a b", GH_EINVAL, NULL },
		{ "Bearer a,b", GH_EINVAL, NULL },
		{ "Bearer \"a\"", GH_EINVAL, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_str token = GH_STR_NONE;

		CU_ASSERT_EQUAL(form_bearer_parse(gh_str_of(rows[i].field), &token), rows[i].r);
		if (rows[i].r == 0)
			CU_ASSERT(gh_str_eq(token, gh_str_of(rows[i].token)));
	}
}

static void
test_types(void)
{
	CU_ASSERT(form_is_type(GH_STR("application/json"), GH_STR("application/json")));
	CU_ASSERT(form_is_type(
		GH_STR("Application/JSON ; charset=utf-8"), GH_STR("application/json")));
	CU_ASSERT_FALSE(form_is_type(GH_STR("application/jsonp"), GH_STR("application/json")));
	CU_ASSERT_FALSE(form_is_type(GH_STR_NONE, GH_STR("application/json")));
}

/* ---- multipart/form-data --------------------------------------------------------------------- */

#define TYPE "multipart/form-data; boundary=XX"
#define FIELD(name) "Content-Disposition: form-data; name=" name "\r\n"

/** The parts as "name(file;type)body|", without what is not there. */
static void
write_parts(const struct multipart_part *parts, size_t count, char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct multipart_part *p = &parts[i];

		n += (size_t)snprintf(text + n, size - n, "%.*s(%.*s;%.*s)%.*s|",
			GH_STR_ARG(p->name), GH_STR_ARG(p->filename), GH_STR_ARG(p->content_type),
			GH_STR_ARG(p->body));
	}
}

static const struct multipart_row {
	const char *type, *body;
	int r;
	const char *parts;
} multipart_rows[] = {
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1\r\n--XX--\r\n", 0, "a(;)1|" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1\r\n--XX--", 0, "a(;)1|" },
	{ TYPE, "preamble\r\n--XX \t\r\n" FIELD("a") "\r\n1\r\n--XX--\r\nepilogue", 0, "a(;)1|" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n\r\n--XX--", 0, "a(;)|" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n--XX--", 0, "a(;)|" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1\r\n--XX\r\n" FIELD("b") "\r\n2\r\n--XX--", 0,
		"a(;)1|b(;)2|" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n--XXX\r\n --XX\r\nx--XX\n--XX\r\n--XX--", 0,
		"a(;)--XXX\r\n --XX\r\nx--XX\n--XX|" },
	{ TYPE,
		"--XX\r\ncontent-type: text/yaml\r\nCONTENT-DISPOSITION: form-data; name=\"f\"; "
		"filename=\"a;b=\\\"c.yaml\"\r\nX-Other: y\r\n\r\n{\r\n\r\n}\r\n--XX--",
		0, "f(a;b=\\\"c.yaml;text/yaml){\r\n\r\n}|" },
	{ TYPE,
		"--XX\r\nContent-Disposition: form-data; filename=c:\\d\\e.txt; "
		"name=f;\r\n\r\nx\r\n--XX--",
		0, "f(c:\\d\\e.txt;)x|" },
	{ "multipart/form-data; charset=x; boundary=\"a b\"",
		"--a b\r\n" FIELD("a") "\r\n1\r\n--a b--", 0, "a(;)1|" },
	{ TYPE, "--XX--", 0, "" },
	{ "multipart/mixed; boundary=XX", "--XX--", GH_EINVAL, "" },
	{ "multipart/form-data", "--XX--", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=", "----", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=XX; boundary=YY", "--XX--", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=\"XX", "--XX--", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=\"X \"", "--X --", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=X@X", "--X@X--", GH_EINVAL, "" },
	{ "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789"
	  "012345678901234567890",
		"", GH_EINVAL, "" },
	{ TYPE, "", GH_EINVAL, "" },
	{ TYPE, "--XX", GH_EINVAL, "" },
	/* Only the closing line is one here; what stands before it is a preamble. */
	{ TYPE, "--XX\n" FIELD("a") "\r\n1\r\n--XX--", 0, "" },
	{ TYPE, "x--XX\r\n" FIELD("a") "\r\n1\r\n--XX--", 0, "" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1\r\n--XX\r\n", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a") "\r\n1--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\nContent-Type: x\r\n\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--", GH_EINVAL,
		"" },
	{ TYPE, "--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("\"\"") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("\"a") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("\"a\"b") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a; name=b") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a; filename") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a") FIELD("b") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a") " folded\r\n\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a") "no colon\r\n\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE, "--XX\r\n" FIELD("a\n") "\r\n1\r\n--XX--", GH_EINVAL, "" },
	{ TYPE,
		"--XX\r\n" FIELD("a") "\r\n1\r\n--XX\r\n" FIELD("b") "\r\n2\r\n--XX\r\n" FIELD(
			"c") "\r\n3\r\n--XX--",
		GH_ETOOBIG, "" },
};

static void
test_multipart(void)
{
	for (size_t i = 0; i < COUNT(multipart_rows); i++) {
		const struct multipart_row *row = &multipart_rows[i];
		struct multipart_part parts[2];
		char got[512] = "";
		const char *why = NULL;
		size_t n = 0;
		int r = multipart_parse(
			gh_str_of(row->type), gh_str_of(row->body), parts, 2, &n, &why);

		if (r == 0)
			write_parts(parts, n, got, sizeof(got));
		if (r != row->r || strcmp(got, row->parts) != 0)
			fprintf(stderr, "row %zu: %d %s\n", i, r, got);
		CU_ASSERT_EQUAL(r, row->r);
		CU_ASSERT_STRING_EQUAL(got, row->parts);
		CU_ASSERT((why != NULL) == (r < 0));
	}
}

static void
test_multipart_with_long_fields(void)
{
	static char body[MULTIPART_HEAD_MAX + 256];
	struct multipart_part part;
	size_t n = (size_t)snprintf(body, sizeof(body), "--XX\r\n" FIELD("a") "X: "), count;

	memset(body + n, 'x', MULTIPART_HEAD_MAX);
	n += MULTIPART_HEAD_MAX;
	n += (size_t)snprintf(body + n, sizeof(body) - n, "\r\n\r\n1\r\n--XX--");
	CU_ASSERT_EQUAL(
		multipart_parse(GH_STR(TYPE), (struct gh_str){ body, n }, &part, 1, &count, NULL),
		GH_ETOOBIG);
}

static void
test_multipart_look_up(void)
{
	static const struct multipart_part parts[] = {
		{ .name = { "a", 1 }, .body = { "1", 1 } },
		{ .name = { "b", 1 }, .body = { "2", 1 } },
	};

	CU_ASSERT_PTR_EQUAL(multipart_find(parts, 2, "b"), &parts[1]);
	CU_ASSERT_PTR_NULL(multipart_find(parts, 2, "c"));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_forms),
		UNIT_TEST(test_form_look_ups),
		UNIT_TEST(test_form_with_too_many_fields),
		UNIT_TEST(test_basic),
		UNIT_TEST(test_bearer),
		UNIT_TEST(test_types),
		UNIT_TEST(test_multipart),
		UNIT_TEST(test_multipart_with_long_fields),
		UNIT_TEST(test_multipart_look_up),
		{ NULL, NULL },
	};

	return unit_run("form", tests);
}
