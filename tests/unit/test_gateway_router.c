/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_router.c
 * @brief Which API and which operation a canonical path means.
 */
#include <stdlib.h>

#include "tests/unit/gateway_docs.h"

/* ---- Resources --------------------------------------------------------------------- */

#define OPERATIONS_MAX 16
#define NOT_FOUND ""
#define NOT_ALLOWED "405"

struct resource_case {
	const char *method, *path, *template; /* the template that answers; or one of the above */
};

struct resource_table {
	const char *name;
	struct {
		const char *method, *template;
	} operations[OPERATIONS_MAX];
	struct resource_case cases[24];
};

static const struct resource_table tables[] = {
	{ "literals win over parameters, these over *",
		{ { "GET", "/books" }, { "POST", "/books" }, { "GET", "/books/{id}" },
			{ "GET", "/books/new" }, { "GET", "/books/{id}/pages" },
			{ "GET", "/books/*" }, { "DELETE", "/books/*" },
			{ "GET", "/books/{id}.json" }, { "GET", "/books/{a}-{b}" } },
		{ { "GET", "/books", "/books" }, { "POST", "/books", "/books" },
			{ "GET", "/books/", "/books" }, { "GET", "/books/1", "/books/{id}" },
			{ "GET", "/books/new", "/books/new" },
			{ "GET", "/books/newer", "/books/{id}" },
			{ "GET", "/books/ne", "/books/{id}" },
			{ "GET", "/books/1/pages", "/books/{id}/pages" },
			{ "GET", "/books/new/pages", "/books/{id}/pages" },
			{ "GET", "/books/1/pages/2", "/books/*" },
			{ "DELETE", "/books/1", "/books/*" }, { "DELETE", "/books", "/books/*" },
			{ "PUT", "/books/1", NOT_ALLOWED },
			{ "GET", "/books/1.json", "/books/{id}.json" },
			{ "GET", "/books/.json", "/books/{id}" },
			{ "GET", "/books/x-y", "/books/{a}-{b}" },
			{ "GET", "/books/-y", "/books/{id}" }, { "GET", "/book", NOT_FOUND },
			{ "GET", "/bookss", NOT_FOUND }, { "GET", "/", NOT_FOUND },
			{ "GET", "", NOT_FOUND }, { "get", "/books", NOT_ALLOWED },
			{ "GET", "/books/{id}", "/books/{id}" } } },
	{ "everything", { { "GET", "/*" }, { "POST", "/a/b" } },
		{ { "GET", "", "/*" }, { "GET", "/", "/*" }, { "GET", "/a", "/*" },
			{ "GET", "/a/b/c/d", "/*" }, { "GET", "/a/b", "/*" },
			{ "POST", "/a/b", "/a/b" }, { "POST", "/a/b/c", NOT_ALLOWED } } },
	{ "the root", { { "GET", "/" }, { "GET", "/a" } },
		{ { "GET", "", "/" }, { "GET", "/", "/" }, { "GET", "/a", "/a" },
			{ "GET", "/b", NOT_FOUND }, { "HEAD", "/", NOT_ALLOWED } } },
	{ "numbers that begin alike",
		{ { "GET", "/a/1" }, { "GET", "/a/10" }, { "GET", "/a/1/0" } },
		{ { "GET", "/a/1", "/a/1" }, { "GET", "/a/10", "/a/10" },
			{ "GET", "/a/1/0", "/a/1/0" }, { "GET", "/a/100", NOT_FOUND },
			{ "GET", "/a", NOT_FOUND } } },
	{ "back from a literal that leads nowhere",
		{ { "GET", "/a/b/c" }, { "GET", "/{x}/b/d" }, { "GET", "/a/{y}/e" },
			{ "GET", "/{x}/{y}/{z}" } },
		{ { "GET", "/a/b/c", "/a/b/c" }, { "GET", "/a/b/d", "/{x}/b/d" },
			{ "GET", "/a/b/e", "/a/{y}/e" }, { "GET", "/a/b/f", "/{x}/{y}/{z}" },
			{ "GET", "/z/z/z", "/{x}/{y}/{z}" }, { "GET", "/a/b", NOT_FOUND } } },
	{ "encoded bytes are bytes of a segment",
		{ { "GET", "/files/{name}" }, { "GET", "/caf%c3%a9" }, { "GET", "/t%65a" } },
		{ { "GET", "/files/a%2Fb", "/files/{name}" }, { "GET", "/files/a/b", NOT_FOUND },
			{ "GET", "/caf%C3%A9", "/caf%c3%a9" }, { "GET", "/tea", "/t%65a" } } },
	{ "templates that make no sense are left out",
		{ { "GET", "books" }, { "GET", "/a{" }, { "GET", "/{a{b}}" }, { "GET", "/}" },
			{ "GET", "/ok" }, { "GET", "/{a/b}" } },
		{ { "GET", "/ok", "/ok" }, { "GET", "/books", NOT_FOUND },
			{ "GET", "/a", NOT_FOUND } } },
	{ "the first of two equal ones",
		{ { "GET", "/x/{a}" }, { "GET", "/x/{b}" }, { "PUT", "/x/{b}" } },
		{ { "GET", "/x/1", "/x/{a}" }, { "PUT", "/x/1", "/x/{b}" },
			{ "POST", "/x/1", NOT_ALLOWED } } },
};

static void
check_resource(const struct resource_table *table, const struct gw_resource *tree,
	const struct resource_case *expected)
{
	struct gw_matched matched;

	gw_resource_find(tree, gh_str_of(expected->path), gh_str_of(expected->method), &matched);
	const char *found = matched.allow_count > 0 ? NOT_ALLOWED : NOT_FOUND;
	struct gh_str template = matched.operation != NULL ? matched.operation->template :
		gh_str_of(found);

	if (!gh_str_eq(template, gh_str_of(expected->template)))
		printf("\n%s: %s %s: \"%.*s\"", table->name, expected->method, expected->path,
			GH_STR_ARG(template));
	CU_ASSERT(gh_str_eq(template, gh_str_of(expected->template)));
}

static void
test_resources(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const struct resource_table *table = &tables[i];
		struct gw_operation operations[OPERATIONS_MAX] = { 0 };
		struct gw_arena arena = { 0 };
		const struct gw_resource *tree;
		size_t n = 0, skipped;

		while (n < OPERATIONS_MAX && table->operations[n].method != NULL) {
			operations[n].method = gh_str_of(table->operations[n].method);
			operations[n].template = gh_str_of(table->operations[n].template);
			n++;
		}
		CU_ASSERT_EQUAL_FATAL(gw_resource_build(&arena, operations, n, &tree, &skipped), 0);
		for (size_t c = 0; table->cases[c].method != NULL; c++)
			check_resource(table, tree, &table->cases[c]);
		gw_arena_free(&arena);
	}
}

static void
test_resource_of_nothing_and_of_much(void)
{
	static char templates[2000][24];
	static struct gw_operation operations[2000];
	struct gw_arena arena = { 0 };
	const struct gw_resource *tree;
	struct gw_matched matched;
	size_t skipped;

	CU_ASSERT_EQUAL_FATAL(gw_resource_build(&arena, NULL, 0, &tree, &skipped), 0);
	gw_resource_find(tree, GH_STR("/a"), GH_STR("GET"), &matched);
	CU_ASSERT(matched.operation == NULL && matched.allow_count == 0);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(templates[i], sizeof(templates[i]), "/r%u/{id}/s%u", i % 500, i);
		operations[i].method = GH_STR("GET");
		operations[i].template = gh_str_of(templates[i]);
	}
	CU_ASSERT_EQUAL_FATAL(gw_resource_build(&arena, operations, 2000, &tree, &skipped), 0);
	CU_ASSERT_EQUAL(skipped, 0);
	for (unsigned i = 0; i < 2000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/r%u/x/s%u", i % 500, i);
		gw_resource_find(tree, gh_str_of(path), GH_STR("GET"), &matched);
		CU_ASSERT_PTR_EQUAL(matched.operation, &operations[i]);
	}
	gw_arena_free(&arena);
}

static void
test_resource_deeper_than_any_template(void)
{
	char path[2 * 3000 + 1];
	char template[2 * (GW_TEMPLATE_SEGMENTS + 1) + 1];
	struct gw_operation operations[2] = { { .method = GH_STR("GET"),
						      .template = GH_STR("/a/*") },
		{ .method = GH_STR("GET") } };
	struct gw_arena arena = { 0 };
	const struct gw_resource *tree;
	struct gw_matched matched;
	size_t skipped;

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 == 0 ? '/' : 'a';
	for (size_t i = 0; i < sizeof(template) - 1; i++)
		template[i] = i % 2 == 0 ? '/' : 'a';
	operations[1].template = (struct gh_str){ template, sizeof(template) - 1 };
	CU_ASSERT_EQUAL_FATAL(gw_resource_build(&arena, operations, 2, &tree, &skipped), 0);
	CU_ASSERT_EQUAL(skipped, 1);
	gw_resource_find(tree, (struct gh_str){ path, sizeof(path) - 1 }, GH_STR("GET"), &matched);
	CU_ASSERT_PTR_EQUAL(matched.operation, &operations[0]);
	gw_arena_free(&arena);
}

/* ---- Routes ------------------------------------------------------------------------ */

static const struct {
	const char *id, *tenant, *context, *version;
	bool is_default;
} apis[] = {
	{ "books-1", "carbon.super", "/books", "1.0", false },
	{ "books-2", "carbon.super", "/books", "2.0", true },
	{ "book", "carbon.super", "/book", "1.0", true },
	{ "books-shop", "carbon.super", "/books/shop", "1.0", false },
	{ "books-10", "carbon.super", "/books", "10", false },
	{ "inside-1", "carbon.super", "/x/{version}/y", "v1", false },
	{ "inside-2", "carbon.super", "/x/{version}/y", "v2", true },
	{ "tenant", "example.com", "/books", "1.0", true },
	{ "tenant-full", "example.com", "/t/example.com/other", "1.0", false },
	{ "deep", "carbon.super", "/a/b/c/d", "1", false },
};

static const struct {
	const char *path, *id, *resource; /* id NULL: no API */
} routes[] = {
	{ "/books/1.0", "books-1", "" },
	{ "/books/1.0/", "books-1", "/" },
	{ "/books/1.0/x", "books-1", "/x" },
	{ "/books/2.0/x", "books-2", "/x" },
	{ "/books/x", "books-2", "/x" },
	{ "/books", "books-2", "" },
	{ "/books/1.00", "books-2", "/1.00" },
	{ "/books/1", "books-2", "/1" },
	{ "/books/10", "books-10", "" },
	{ "/books/100", "books-2", "/100" },
	{ "/books/shop/1.0/x", "books-shop", "/x" },
	{ "/books/shop/2.0", "books-2", "/shop/2.0" },
	{ "/book/1.0", "book", "" },
	{ "/book/s", "book", "/s" },
	{ "/boo", NULL, NULL },
	{ "/bookss", NULL, NULL },
	{ "/Books", NULL, NULL },
	{ "/", NULL, NULL },
	{ "/x/v1/y", "inside-1", "" },
	{ "/x/v2/y/z", "inside-2", "/z" },
	{ "/x/y", "inside-2", "" },
	{ "/x/v3/y", NULL, NULL },
	{ "/x", NULL, NULL },
	{ "/x/y/v1", "inside-2", "/v1" },
	{ "/t/example.com/books/1.0/x", "tenant", "/x" },
	{ "/t/example.com/books", "tenant", "" },
	{ "/t/example.com/other/1.0", "tenant-full", "" },
	{ "/other/1.0", NULL, NULL },
	{ "/t/other.com/books/1.0", NULL, NULL },
	{ "/a/b/c/d/1/e", "deep", "/e" },
	{ "/a/b/c/d", NULL, NULL },
	{ "/a/b/c", NULL, NULL },
	{ "/books%2F1.0", NULL, NULL },
};

static struct gw_api *
api_of(size_t i)
{
	char json[512];
	struct gh_doc doc;
	struct gw_api *api = NULL;
	const char *why;

	snprintf(json, sizeof(json),
		"{\"api_id\":\"%s\",\"name\":\"n\",\"version\":\"%s\","
		"\"context\":\"%s\",\"state\":\"PUBLISHED\",\"is_default\":%s}",
		apis[i].id, apis[i].version, apis[i].context,
		apis[i].is_default ? "true" : "false");
	doc = test_doc("deployment", apis[i].id, 1, json);
	doc.tenant = gh_str_of(apis[i].tenant);
	CU_ASSERT_EQUAL_FATAL(gw_api_new(&doc, 0, &api, &why), 0);
	test_doc_done(&doc);
	return api;
}

static void
test_routes(void)
{
	struct gw_router router;
	struct gw_api *made[sizeof(apis) / sizeof(apis[0])];
	size_t n = sizeof(apis) / sizeof(apis[0]);

	CU_ASSERT_EQUAL_FATAL(gw_router_init(&router, 1), 0);
	for (size_t i = 0; i < n; i++) {
		made[i] = api_of(i);
		CU_ASSERT_EQUAL_FATAL(gw_router_add(&router, made[i]), 0);
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct gh_str resource = GH_STR_NONE;
		const struct gw_api *api =
			gw_router_find(&router, GH_STR_NONE, gh_str_of(routes[i].path), &resource);
		struct gh_str id = api != NULL ? api->id : GH_STR_NONE;

		if (!gh_str_eq(id, gh_str_of(routes[i].id)) ||
			!gh_str_eq(resource, gh_str_of(routes[i].resource)))
			printf("\n%s: %.*s %.*s", routes[i].path, GH_STR_ARG(id),
				GH_STR_ARG(resource));
		CU_ASSERT(gh_str_eq(id, gh_str_of(routes[i].id)));
		CU_ASSERT(gh_str_eq(resource, gh_str_of(routes[i].resource)));
	}
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(gw_router_remove(&router, made[i]), 0);
	gw_router_unref(&router);
}

static void
test_claims_on_one_route(void)
{
	static const char json[] =
		"{\"api_id\":\"%s\",\"name\":\"n\",\"version\":\"1\",\"context\":\"/c\","
		"\"state\":\"PUBLISHED\"}";
	static const struct {
		const char *id;
		unsigned rank;
		uint64_t rev;
	} claims[] = { { "second", 1, 9 }, { "older", 0, 1 }, { "newer", 0, 2 } };
	struct gw_router router;
	struct gw_api *made[3];
	struct gh_str resource;

	CU_ASSERT_EQUAL_FATAL(gw_router_init(&router, 1), 0);
	for (size_t i = 0; i < 3; i++) {
		char text[256];
		const char *why;

		snprintf(text, sizeof(text), json, claims[i].id);
		struct gh_doc doc = test_doc("deployment", claims[i].id, claims[i].rev, text);

		CU_ASSERT_EQUAL_FATAL(gw_api_new(&doc, claims[i].rank, &made[i], &why), 0);
		test_doc_done(&doc);
		CU_ASSERT_EQUAL(gw_router_add(&router, made[i]), 0);
	}
	/* Whoever serves goes first: newer, older, second. */
	for (size_t i = 3; i-- > 0; ) {
		CU_ASSERT_PTR_EQUAL(gw_router_find(&router, GH_STR_NONE, GH_STR("/c/1"), &resource), made[i]);
		CU_ASSERT_EQUAL(gw_router_remove(&router, made[i]), 0);
	}
	CU_ASSERT_PTR_NULL(gw_router_find(&router, GH_STR_NONE, GH_STR("/c/1"), &resource));
	gw_router_unref(&router);
}

/* ---- Virtual hosts ------------------------------------------------------------------ */

static const struct {
	const char *id, *vhost, *context;
} hosted[] = {
	{ "common", "localhost", "/c" }, { "old", "", "/old" }, { "shop", "Shop.Example.COM.", "/c" },
	{ "shop2", "shop.example.com", "/c/1/x" }, { "address", "192.0.2.1", "/c" },
};

static const struct {
	const char *host, *path, *id;
} calls[] = {
	{ "", "/c/1", "common" }, { "localhost", "/c/1", "common" },
	{ "gateway.example.com", "/c/1", "common" }, { "[2001:db8::1]", "/c/1", "common" },
	{ "192.0.2.2", "/c/1", "common" }, { "192.0.2.1", "/c/1", "address" },
	{ "shop.example.com", "/c/1", "shop" }, { "shop.example.com", "/c/1/x/1", "shop2" },
	{ "shop.example.com", "/old/1", "" }, /* a host with a name serves nothing else */
	{ "localhost", "/old/1", "old" }, { "example.com", "/old/1", "old" },
	{ "example.com", "/c/1/x/1", "common" },
};

static struct gw_api *
hosted_api(size_t i)
{
	char text[512];
	struct gw_api *api;
	const char *why;

	snprintf(text, sizeof(text), "{\"api_id\":\"%s\",\"name\":\"n\",\"version\":\"1\","
		"\"context\":\"%s\",\"state\":\"PUBLISHED\",\"vhost\":\"%s\"}", hosted[i].id,
		hosted[i].context, hosted[i].vhost);
	struct gh_doc doc = test_doc("deployment", hosted[i].id, i + 1, text);

	CU_ASSERT_EQUAL_FATAL(gw_api_new(&doc, 0, &api, &why), 0);
	test_doc_done(&doc);
	return api;
}

static void
test_virtual_hosts(void)
{
	struct gw_api *made[sizeof(hosted) / sizeof(hosted[0])];
	struct gw_router router, before;
	struct gh_str resource;

	CU_ASSERT_EQUAL_FATAL(gw_router_init(&router, 1), 0);
	for (size_t i = 0; i < sizeof(hosted) / sizeof(hosted[0]); i++) {
		made[i] = hosted_api(i);
		CU_ASSERT_EQUAL(gw_router_add(&router, made[i]), 0);
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct gw_api *api = gw_router_find(&router, gh_str_of(calls[i].host),
			gh_str_of(calls[i].path), &resource);
		struct gh_str id = api != NULL ? api->id : GH_STR_NONE;

		if (!gh_str_eq(id, gh_str_of(calls[i].id)))
			printf("\n%s %s: %.*s", calls[i].host, calls[i].path, GH_STR_ARG(id));
		CU_ASSERT(gh_str_eq(id, gh_str_of(calls[i].id)));
	}
	/* A snapshot that is being served does not change; a host without APIs is nobody's. */
	before = gw_router_ref(&router);
	CU_ASSERT_EQUAL(gw_router_remove(&router, made[2]), 0);
	CU_ASSERT_PTR_EQUAL(gw_router_find(&before, GH_STR("shop.example.com"), GH_STR("/c/1"),
		&resource), made[2]);
	CU_ASSERT_PTR_NULL(gw_router_find(&router, GH_STR("shop.example.com"), GH_STR("/c/1"),
		&resource));
	CU_ASSERT_EQUAL(gw_router_remove(&router, made[3]), 0);
	CU_ASSERT_PTR_EQUAL(gw_router_find(&router, GH_STR("shop.example.com"), GH_STR("/c/1"),
		&resource), made[0]);
	gw_router_unref(&before);
	gw_router_unref(&router);
}

static void
test_virtual_hosts_that_are_none(void)
{
	static const char *const hosts[] = { "a b", "x:80", "user@x", "[::1", "a/b", "*.example.com/" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char text[256];
		struct gw_api *api;
		const char *why = NULL;

		snprintf(text, sizeof(text), "{\"api_id\":\"a\",\"name\":\"n\","
			"\"version\":\"1\",\"context\":\"/c\",\"state\":\"PUBLISHED\","
			"\"vhost\":\"%s\"}", hosts[i]);
		struct gh_doc doc = test_doc("deployment", "a", 1, text);

		CU_ASSERT_EQUAL(gw_api_new(&doc, 0, &api, &why), GH_EINVAL);
		CU_ASSERT_PTR_NOT_NULL(why);
		test_doc_done(&doc);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_resources),
	UNIT_TEST(test_resource_of_nothing_and_of_much),
	UNIT_TEST(test_resource_deeper_than_any_template),
	UNIT_TEST(test_routes),
	UNIT_TEST(test_claims_on_one_route),
	UNIT_TEST(test_virtual_hosts),
	UNIT_TEST(test_virtual_hosts_that_are_none),
	{ .name = NULL },
};

int
main(void)
{
	return unit_run("gateway_router", tests);
}
