/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_tenant.c
 * @brief Names of tenants: which are taken, and what contexts and users become within them.
 */
#include "lib/tenant/tenant.h"
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEN "abcdefghij"

static void
test_domains(void)
{
	static const struct {
		struct gh_str domain;
		bool is_good;
	} rows[] = {
		{ { "a.b", 3 }, true }, { { "example.com", 11 }, true },
		{ { "x-1.y--2.z", 10 }, true }, { { "1.2.3.4", 7 }, true },
		{ { "", 0 }, false }, { { "localhost", 9 }, false }, { { ".", 1 }, false },
		{ { "a.", 2 }, false }, { { ".a", 2 }, false }, { { "a..b", 4 }, false },
		{ { "Example.com", 11 }, false }, { { "a_b.c", 5 }, false },
		{ { "-a.b", 4 }, false }, { { "a-.b", 4 }, false }, { { "a.b-", 4 }, false },
		{ { "a.b/c", 5 }, false }, { { "a.b@c.d", 7 }, false }, { { "a.%62", 5 }, false },
		{ { "a.b\n", 4 }, false }, { { "a.\0b", 4 }, false }, { { "a.b ", 4 }, false },
		{ { "a.\xc3\xa4", 4 }, false }, { { "carbon.super", 12 }, false },
		{ { "carbon.super.org", 16 }, true },
		{ { TEN TEN TEN TEN TEN TEN "xyz.b", 65 }, true },
		{ { TEN TEN TEN TEN TEN TEN "wxyz.b", 66 }, false },
		{ { TEN TEN TEN TEN "." TEN TEN TEN TEN "." TEN "xyz.efg9", 100 }, true },
		{ { TEN TEN TEN TEN "." TEN TEN TEN TEN "." TEN "xyz.efg90", 101 }, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		CU_ASSERT_EQUAL(tenant_is_domain(rows[i].domain), rows[i].is_good);
}

static void
test_users(void)
{
	static const struct {
		const char *user, *name, *tenant;
	} rows[] = {
		{ "ann", "ann", "home.org" }, { "ann@a.com", "ann", "a.com" },
		{ "ann@carbon.super", "ann", "carbon.super" }, { "a@b@c", "a@b", "c" },
		{ "@a.com", "", "a.com" }, { "ann@", "ann", "" }, { "", "", "home.org" },
		{ "@", "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_str name, tenant;

		tenant_split_user(gh_str_of(rows[i].user), GH_STR("home.org"), &name, &tenant);
		CU_ASSERT(gh_str_eq(name, gh_str_of(rows[i].name)));
		CU_ASSERT(gh_str_eq(tenant, gh_str_of(rows[i].tenant)));
	}
}

static void
test_contexts(void)
{
	static const struct {
		const char *tenant, *inner, *shown;
	} rows[] = {
		{ "carbon.super", "/books", "/books" }, { "a.com", "/books", "/t/a.com/books" },
		{ "a.com", "/x/{version}", "/t/a.com/x/{version}" },
		{ "carbon.super", "/t/carbon.super/x", "/t/carbon.super/x" },
	};
	static const char *const foreign[] = { "/t/b.com/books", "/t/a.com", "/t/a.com.evil/x",
		"/t/A.com/x", "/t", "/t/", "/x/t/a.com/y", "" };
	char buf[TENANT_CONTEXT_MAX], large[TENANT_CONTEXT_MAX];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_str tenant = gh_str_of(rows[i].tenant), shown;

		shown = tenant_context(tenant, gh_str_of(rows[i].inner), buf);
		CU_ASSERT(gh_str_eq(shown, gh_str_of(rows[i].shown)));
		CU_ASSERT(gh_str_eq(tenant_context_inner(tenant, shown), gh_str_of(rows[i].inner)));
	}
	for (size_t i = 0; i < COUNT(foreign); i++) {
		struct gh_str context = gh_str_of(foreign[i]);

		CU_ASSERT(gh_str_eq(tenant_context_inner(GH_STR("a.com"), context), context));
	}
	memset(large, 'x', sizeof(large));
	CU_ASSERT_EQUAL(tenant_context(GH_STR("a.com"),
		(struct gh_str){ large, TENANT_CONTEXT_MAX - 8 }, buf).n, TENANT_CONTEXT_MAX);
	CU_ASSERT_EQUAL(tenant_context(GH_STR("a.com"),
		(struct gh_str){ large, TENANT_CONTEXT_MAX - 7 }, buf).n, 0);
	CU_ASSERT(tenant_has_prefix(GH_STR("/t")) && tenant_has_prefix(GH_STR("/t/x")));
	CU_ASSERT(!tenant_has_prefix(GH_STR("/tx")) && !tenant_has_prefix(GH_STR("/")));
	CU_ASSERT(!tenant_has_prefix(GH_STR_NONE) && !tenant_has_prefix(GH_STR("/T/x")));
}

/* ---- Is it served? --------------------------------------------------------------------------- */

/** A store with one document, or an error. */
struct store {
	struct gh_str body;
	int r;
	unsigned asked;
};

static int
get(void *self, struct gh_str tenant, struct gh_str kind, struct gh_str id,
	struct gh_docs_found **ret_found)
{
	struct store *store = self;

	store->asked++;
	CU_ASSERT(gh_str_eq(tenant, GH_STR("carbon.super")) && gh_str_eq(kind, GH_STR("tenant")));
	CU_ASSERT(gh_str_eq(id, GH_STR("a.com")));
	if (store->r < 0)
		return store->r;
	struct gh_docs_found *found = calloc(1, sizeof(*found) + sizeof(*found->docs));

	found->n = 1;
	found->docs = (struct gh_doc *)(found + 1);
	found->docs[0].body = store->body;
	*ret_found = found;
	return 0;
}

static void
found_free(struct gh_docs_found *found)
{
	free(found);
}

static void
test_check(void)
{
	static const struct gh_docs_v1 vt = { .size = sizeof(vt), .get = get,
		.found_free = found_free };
	static const struct {
		const char *tenant;
		struct gh_str body; /* msgpack */
		int found, r;
		unsigned asked;
	} rows[] = {
		{ "carbon.super", { NULL, 0 }, GH_EIO, 0, 0 },
		{ "a.com", { "\x81\xa9is_active\xc3", 12 }, 0, 0, 1 },
		{ "a.com", { "\x81\xa9is_active\xc2", 12 }, 0, GH_ENOENT, 1 },
		{ "a.com", { "\x80", 1 }, 0, GH_ENOENT, 1 },
		{ "a.com", { "\x81\xa9is_active\x01", 12 }, 0, GH_ENOENT, 1 },
		{ "a.com", { NULL, 0 }, GH_ENOENT, GH_ENOENT, 1 },
		{ "a.com", { NULL, 0 }, GH_EIO, GH_EIO, 1 },
		{ "A.com", { NULL, 0 }, 0, GH_ENOENT, 0 },
		{ "", { NULL, 0 }, 0, GH_ENOENT, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct store store = { rows[i].body, rows[i].found, 0 };
		const struct gh_docs docs = { &vt, &store };

		CU_ASSERT_EQUAL(tenant_check(&docs, gh_str_of(rows[i].tenant)), rows[i].r);
		CU_ASSERT_EQUAL(store.asked, rows[i].asked);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = { UNIT_TEST(test_domains), UNIT_TEST(test_users),
		UNIT_TEST(test_contexts), UNIT_TEST(test_check), { .name = NULL } };

	return unit_run("tenant", tests);
}
