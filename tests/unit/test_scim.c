/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_scim.c
 * @brief Filters and PATCH of SCIM on resources that stand here.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "plugins/scim/attributes.h"
#include "plugins/scim/filter.h"
#include "tests/unit/unit.h"

#define RESOURCE "{\"id\":\"A-1\",\"userName\":\"ann\",\"active\":true,\"age\":7," \
	"\"name\":{\"givenName\":\"Ann\"},\"emails\":[{\"value\":\"a@x\",\"type\":\"work\"," \
	"\"primary\":true},{\"value\":\"b@y\",\"type\":\"home\"}]}"

static json_t *
parse(const char *text)
{
	json_t *json = NULL;

	CU_ASSERT_EQUAL_FATAL(js_parse(gh_str_of(text), NULL, &json, NULL, 0), 0);
	return json;
}

static void
test_filters(void)
{
	static const struct { const char *text; bool matches; } rows[] = {
		{ "userName eq \"ANN\"", true }, { "id eq \"a-1\"", false },
		{ "id eq \"A-1\"", true }, { "userName ne \"ann\"", false },
		{ "nothing ne \"x\"", true }, { "userName sw \"a\"", true },
		{ "userName ew \"nn\"", true }, { "userName co \"x\"", false },
		{ "userName gt \"anm\"", true }, { "userName lt \"ann\"", false },
		{ "userName le \"ann\"", true }, { "age ge 7", true }, { "age gt 7", false },
		{ "age eq 7.0", true }, { "age eq \"7\"", false }, { "active eq true", true },
		{ "active ne true", false }, { "name pr", true }, { "title pr", false },
		{ "title eq null", true }, { "name.givenName eq \"ann\"", true },
		{ "emails eq \"a@x\"", true }, { "emails.type eq \"home\"", true },
		{ "emails[type eq \"home\" and primary eq true]", false },
		{ "emails[type eq \"work\" and primary eq true]", true },
		{ "not (userName pr) or active eq true", true },
		{ "not (userName pr or active pr)", false },
		/* and binds closer than or */
		{ "userName eq \"x\" and active eq false or active eq true", true },
		{ "active eq true or userName eq \"x\" and active eq false", true },
		{ "(active eq true or userName eq \"x\") and active eq false", false },
		{ "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ann\"", true },
		{ "userName  eq  \"ann\"  and  ( active  pr )", true },
		{ "and eq \"x\"", false }, { "userName eq \"\\u0061nn\"", true },
	};
	json_t *resource = parse(RESOURCE);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter *filter = NULL;
		const char *why;

		CU_ASSERT_EQUAL(filter_parse(gh_str_of(rows[i].text), &filter, &why), 0);
		if (filter != NULL)
			CU_ASSERT_EQUAL(filter_matches(filter, resource), rows[i].matches);
		filter_free(filter);
	}
	json_decref(resource);
}

static void
test_filters_refused(void)
{
	static const char *const rows[] = {
		"", " ", "a", "a eq", "a xx \"b\"", "a eq b", "a eq \"b", "a eq \"b\\", "a eq \"b\"c",
		"a pr b", "a pr and", "a pr or", "(a pr", "a pr)", "()", "not a pr", "a co 1",
		"a gt true", "a gt null", "a eq {}", "a eq []", "a[b pr", "a[]", "a[b pr] eq 1",
		"a. pr", ".a pr", "a.b.c pr", "a: pr", "a eq 1 2", "a eq \"\\u0000\"", "\"a\" pr",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter *filter = NULL;
		const char *why = NULL;

		CU_ASSERT_EQUAL(filter_parse(gh_str_of(rows[i]), &filter, &why), GH_EINVAL);
		CU_ASSERT_PTR_NULL(filter);
		CU_ASSERT_PTR_NOT_NULL(why);
	}
}

static void
test_filters_are_bounded(void)
{
	char text[FILTER_BYTES_MAX + 1];
	struct filter *filter = NULL;
	const char *why = NULL;

	memset(text, '(', sizeof(text));
	CU_ASSERT_EQUAL(filter_parse((struct gh_str){ text, sizeof(text) }, &filter, &why),
		GH_ETOOBIG);
	CU_ASSERT_EQUAL(filter_parse((struct gh_str){ text, 500 }, &filter, &why), GH_EINVAL);
	for (size_t i = 0; i + 8 <= sizeof(text); i += 8)
		memcpy(text + i, "a pr or ", 8);
	CU_ASSERT_EQUAL(filter_parse((struct gh_str){ text, 8 * 40 + 4 }, &filter, &why),
		GH_EINVAL);
	CU_ASSERT_EQUAL(filter_parse((struct gh_str){ text, 8 * 30 + 4 }, &filter, &why), 0);
	filter_free(filter);
}

/** Apply one list of operations to RESOURCE.  @return what attributes_patch() does. */
static int
patch(const char *operations, json_t **ret_json, struct scim_error *ret_error)
{
	json_t *list = parse(operations);
	int r;

	*ret_json = parse(RESOURCE);
	r = attributes_patch(user_attributes, *ret_json, list, ret_error);
	json_decref(list);
	return r;
}

static void
test_patches(void)
{
	static const struct { const char *operations, *filter; } rows[] = {
		{ "[{\"op\":\"add\",\"path\":\"title\",\"value\":\"x\"}]", "title eq \"x\"" },
		{ "[{\"op\":\"REPLACE\",\"path\":\"TITLE\",\"value\":\"x\"}]", "title eq \"x\"" },
		{ "[{\"op\":\"remove\",\"path\":\"name.givenName\"}]", "not (name.givenName pr)" },
		{ "[{\"op\":\"remove\",\"path\":\"name\"}]", "name eq null" },
		{ "[{\"op\":\"replace\",\"path\":\"active\",\"value\":null}]", "active eq null" },
		{ "[{\"op\":\"add\",\"value\":{\"NAME\":{\"familyname\":\"L\"}}}]",
			"name.familyName eq \"L\" and name.givenName eq \"Ann\"" },
		{ "[{\"op\":\"add\",\"path\":\"emails\",\"value\":{\"value\":\"c\","
			"\"primary\":true}}]",
			"emails[value eq \"c\" and primary eq true] and "
			"emails[value eq \"a@x\" and primary eq false]" },
		{ "[{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"type\":\"work\","
			"\"value\":\"a@x\",\"primary\":true}]}]", "emails[primary eq true]" },
		{ "[{\"op\":\"replace\",\"path\":\"emails\",\"value\":[]}]", "not (emails pr)" },
		{ "[{\"op\":\"remove\",\"path\":\"emails[type eq \\\"home\\\"]\"}]",
			"emails.type eq \"work\" and not (emails.type eq \"home\")" },
		{ "[{\"op\":\"replace\",\"path\":\"emails[type eq \\\"home\\\"].value\","
			"\"value\":\"z\"}]", "emails[type eq \"home\" and value eq \"z\"]" },
		{ "[{\"op\":\"remove\",\"path\":\"emails.type\"}]", "not (emails.type pr)" },
		{ "[{\"op\":\"remove\",\"path\":\"emails\",\"value\":[{\"value\":\"a@x\"}]}]",
			"emails eq \"b@y\" and not (emails eq \"a@x\")" },
		{ "[{\"op\":\"replace\",\"path\":\"userName\",\"value\":\"ANN\"}]",
			"userName eq \"ann\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter *filter = NULL;
		struct scim_error error;
		const char *why;
		json_t *json;

		CU_ASSERT_EQUAL(patch(rows[i].operations, &json, &error), 0);
		CU_ASSERT_EQUAL_FATAL(filter_parse(gh_str_of(rows[i].filter), &filter, &why), 0);
		CU_ASSERT(filter_matches(filter, json));
		filter_free(filter);
		json_decref(json);
	}
}

static void
test_patches_refused(void)
{
	static const struct { const char *operations, *type; } rows[] = {
		{ "[]", "invalidSyntax" }, { "{}", "invalidSyntax" }, { "[1]", "invalidSyntax" },
		{ "[{\"op\":\"x\"}]", "invalidSyntax" },
		{ "[{\"op\":\"remove\"}]", "noTarget" },
		{ "[{\"op\":\"add\",\"value\":1}]", "invalidValue" },
		{ "[{\"op\":\"add\",\"path\":\"title\"}]", "invalidValue" },
		{ "[{\"op\":\"add\",\"path\":\"x\",\"value\":1}]", "invalidPath" },
		{ "[{\"op\":\"add\",\"path\":\"title]\",\"value\":1}]", "invalidPath" },
		{ "[{\"op\":\"add\",\"path\":\"title[a pr]\",\"value\":1}]", "invalidPath" },
		{ "[{\"op\":\"add\",\"path\":\"id\",\"value\":\"x\"}]", "mutability" },
		{ "[{\"op\":\"add\",\"path\":\"userName\",\"value\":\"bob\"}]", "mutability" },
		{ "[{\"op\":\"add\",\"value\":{\"Groups\":[]}}]", "mutability" },
		{ "[{\"op\":\"add\",\"path\":\"emails\",\"value\":\"x\"}]", "invalidValue" },
		{ "[{\"op\":\"replace\",\"path\":\"emails[value eq 1]\",\"value\":{}}]",
			"noTarget" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scim_error error = { .type = "" };
		json_t *json;

		CU_ASSERT_EQUAL(patch(rows[i].operations, &json, &error), GH_EINVAL);
		CU_ASSERT_STRING_EQUAL(error.type, rows[i].type);
		json_decref(json);
	}
}

static void
test_projections(void)
{
	static const struct { const char *wanted, *unwanted, *left; } rows[] = {
		{ "", "", RESOURCE },
		{ "userName", "", "{\"id\":\"A-1\",\"userName\":\"ann\"}" },
		{ " NAME.GIVENNAME , age", "id", "{\"id\":\"A-1\",\"age\":7,"
			"\"name\":{\"givenName\":\"Ann\"}}" },
		{ "", "id,emails,name.givenName,age,active",
			"{\"id\":\"A-1\",\"userName\":\"ann\",\"name\":{}}" },
		{ ",,", "", "{\"id\":\"A-1\"}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *json = parse(RESOURCE), *left = parse(rows[i].left);

		CU_ASSERT_EQUAL(attributes_project(json, gh_str_of(rows[i].wanted),
			gh_str_of(rows[i].unwanted)), 0);
		CU_ASSERT(json_equal(json, left));
		json_decref(json);
		json_decref(left);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_filters), UNIT_TEST(test_filters_refused),
		UNIT_TEST(test_filters_are_bounded), UNIT_TEST(test_patches),
		UNIT_TEST(test_patches_refused), UNIT_TEST(test_projections),
		{ .name = NULL },
	};

	return unit_run("scim", tests);
}
