/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_scopes.c
 * @brief lib/scopes: the table, what a tenant changes in it, and the choice among scopes.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/scopes/scopes.h"
#include "tests/unit/unit.h"

/** As the catalogue: the scope "books_write" is for creators, "books_read" for everybody. */
static bool
other_scopes(void *arg, struct gh_str scope, const struct scopes_owner *owner)
{
	(void)arg;
	return gh_str_eq(scope, GH_STR("books_read")) || (gh_str_eq(scope, GH_STR("books_write")) &&
		scopes_has_role(owner, GH_STR("Internal/creator")));
}

static void
test_granted_scopes(void)
{
	static const struct { const char *role, *requested, *granted; } rows[] = {
		{ "admin", "apim:api_view apim:admin", "apim:api_view apim:admin" },
		{ "admin", "", "default" },
		{ "admin", "   ", "default" },
		{ "admin", "apim:no_such_thing", "default" },
		{ "admin", "apim:api_view  apim:api_view openid", "apim:api_view openid" },
		{ "Internal/creator", "apim:api_create apim:api_publish apim:admin",
			"apim:api_create" },
		{ "Internal/publisher", "apim:api_create apim:api_publish", "apim:api_publish" },
		{ "Internal/subscriber", "apim:subscribe apim:api_view", "apim:subscribe" },
		{ "Internal/devops", "apim:api_import_export apim:admin",
			"apim:api_import_export" },
		{ "Internal/observer", "apim:api_view apim:api_create", "apim:api_view" },
		{ "Internal/everyone", "apim:api_view openid default", "openid default" },
		{ "Admin", "apim:admin", "default" }, /* names of roles have case */
		{ "Internal/creator", "books_write books_read x", "books_write books_read" },
		{ "Internal/subscriber", "books_write books_read", "books_read" },
		{ "Internal/subscriber", "apim:api_view\tapim:subscribe", "default" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_str role = gh_str_of(rows[i].role);
		struct scopes_owner owner = { &role, 1 };
		char granted[SCOPES_MAX];

		CU_ASSERT_EQUAL(scopes_grant(gh_str_of(rows[i].requested), &owner, NULL,
			other_scopes, NULL, granted), 0);
		CU_ASSERT_STRING_EQUAL(granted, rows[i].granted);
	}
}

static void
test_scope_lists_are_bounded(void)
{
	struct scopes_owner nobody = { NULL, 0 };
	char requested[SCOPES_MAX], granted[SCOPES_MAX];

	memset(requested, 'a', sizeof(requested));
	CU_ASSERT_EQUAL(scopes_grant((struct gh_str){ requested, SCOPES_MAX }, &nobody, NULL, NULL,
		NULL, granted), GH_ETOOBIG);
	CU_ASSERT_EQUAL(scopes_grant((struct gh_str){ requested, SCOPES_MAX - 1 }, &nobody, NULL,
		NULL, NULL, granted), 0);
	CU_ASSERT_STRING_EQUAL(granted, "default");
}

static void
test_scope_subsets(void)
{
	CU_ASSERT(scopes_contain(GH_STR("a b c"), GH_STR("c a")));
	CU_ASSERT(scopes_contain(GH_STR("a b c"), GH_STR("")));
	CU_ASSERT(!scopes_contain(GH_STR("a bb c"), GH_STR("b")));
	CU_ASSERT(!scopes_contain(GH_STR("a"), GH_STR("a b")));
	CU_ASSERT(!scopes_contain(GH_STR_NONE, GH_STR("a")));
}

/** A map: apim:api_create for "makers" only, apim:tier_manage for nobody else; "buyer" counts as
 *  Internal/subscriber, "boss" as admin. */
static struct gh_str
changed_map(void)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_begin_map(&w, "scopes");
	doc_begin_array(&w, "apim:api_create");
	doc_put_str(&w, NULL, GH_STR("makers"));
	doc_put_int(&w, NULL, 7);
	doc_end(&w);
	doc_begin_array(&w, "apim:api_view");
	doc_end(&w);
	doc_put_str(&w, "apim:api_publish", GH_STR("no array"));
	doc_end(&w);
	doc_begin_map(&w, "aliases");
	doc_begin_array(&w, "Internal/subscriber");
	doc_put_str(&w, NULL, GH_STR("buyer"));
	doc_end(&w);
	doc_begin_array(&w, "admin");
	doc_put_str(&w, NULL, GH_STR("boss"));
	doc_end(&w);
	doc_end(&w);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
	return body;
}

static void
test_what_a_tenant_changes(void)
{
	static const struct { const char *role, *scope; bool is_allowed; } rows[] = {
		{ "makers", "apim:api_create", true },
		{ "Internal/creator", "apim:api_create", false },
		{ "Internal/creator", "apim:api_delete", true }, /* not changed */
		{ "Internal/creator", "apim:api_view", false }, /* an empty list: nobody */
		{ "Internal/publisher", "apim:api_publish", true }, /* no array: not changed */
		{ "admin", "apim:api_view", true },
		{ "admin", "apim:api_create", true },
		{ "boss", "apim:admin", true },
		{ "buyer", "apim:subscribe", true },
		{ "buyer", "apim:api_create", false },
		{ "buyer", "no such scope", false },
		{ "admin", "no such scope", false },
	};
	struct gh_str body = changed_map();
	struct scopes_map map = scopes_map_of(body);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_str role = gh_str_of(rows[i].role);
		struct scopes_owner owner = { &role, 1 };

		CU_ASSERT_EQUAL(scopes_allow(gh_str_of(rows[i].scope), &owner, &map),
			rows[i].is_allowed);
	}
	free((void *)body.p);
}

static void
test_who_is_a_manager(void)
{
	static const struct { const char *role; bool by_default, changed; } rows[] = {
		{ "Internal/everyone", false, false }, { "makers", false, true },
		{ "Internal/subscriber", true, true }, { "admin", true, true },
		{ "buyer", false, true },
	};
	struct gh_str body = changed_map();
	struct scopes_map map = scopes_map_of(body);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_str role = gh_str_of(rows[i].role);
		struct scopes_owner owner = { &role, 1 };

		CU_ASSERT_EQUAL(scopes_is_manager(&owner, NULL), rows[i].by_default);
		CU_ASSERT_EQUAL(scopes_is_manager(&owner, &map), rows[i].changed);
	}
	free((void *)body.p);
}

static void
test_rows_of_the_table(void)
{
	struct scopes_row row;
	size_t i = 0, found;

	for (; scopes_at(i, &row); i++) {
		CU_ASSERT(scopes_find(gh_str_of(row.name), &found) && found == i);
		CU_ASSERT_STRING_EQUAL(scopes_default_role(i, 0), "admin");
	}
	CU_ASSERT(i > 60);
	CU_ASSERT(scopes_find(GH_STR("apim:subscribe"), &i));
	CU_ASSERT_STRING_EQUAL(scopes_default_role(i, 1), "Internal/subscriber");
	CU_ASSERT_PTR_NULL(scopes_default_role(i, 2));
	CU_ASSERT(!scopes_find(GH_STR("openid"), &i)); /* needs no role */
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_granted_scopes), UNIT_TEST(test_scope_lists_are_bounded),
		UNIT_TEST(test_scope_subsets), UNIT_TEST(test_what_a_tenant_changes),
		UNIT_TEST(test_who_is_a_manager), UNIT_TEST(test_rows_of_the_table),
		{ .name = NULL },
	};

	return unit_run("scopes", tests);
}
