/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_memory.c
 * @brief Every allocation of a change fails once: the published root serves on, nothing is lost.
 *
 * The linker sends malloc() and its kin of the gateway's own objects through here (--wrap).
 */
#include <stdlib.h>

#include "tests/unit/gateway_docs.h"

#define DEPLOYMENT                                                                                 \
	"{\"api_id\":\"%s\",\"name\":\"n\",\"version\":\"%u\",\"context\":\"/%s\",\"state\":"      \
	"\"PUBLISHED\",\"environment\":\"Default\",\"is_default\":true,\"operations\":[{"          \
	"\"target\":\"/a/{id}\",\"verb\":\"GET\",\"scopes\":[\"x\"]},{\"target\":\"/*\",\"verb\":" \
	"\"POST\"}],\"production\":[\"http://one.example\"]}"

#define HOSTED                                                                                     \
	"{\"api_id\":\"hosted\",\"name\":\"n\",\"version\":\"1\",\"context\":\"/h\",\"state\":"     \
	"\"PUBLISHED\",\"environment\":\"Default\",\"vhost\":\"%s\"}"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static unsigned until_failure; /* 0: none fails */

static bool
fails(void)
{
	return until_failure > 0 && --until_failure == 0;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

static struct gw_graveyard graveyard;

static struct gh_doc
deployment(const char *api, const char *context, unsigned version, uint64_t rev)
{
	char json[1024], id[64];

	snprintf(json, sizeof(json), DEPLOYMENT, api, version, context);
	snprintf(id, sizeof(id), "%s/Default", api);
	struct gh_doc doc = test_doc("deployment", "", rev, json);

	doc.id = gh_str_of(strdup(id));
	return doc;
}

static struct gh_doc
hosted(const char *vhost, uint64_t rev)
{
	char json[512];

	snprintf(json, sizeof(json), HOSTED, vhost);
	return test_doc("deployment", "hosted/Default", rev, json);
}

/** All changes of one batch.  @return as gw_snapshot_apply(). */
static int
apply_all(struct gw_snapshot *root, const struct gh_doc *docs, size_t n)
{
	const char *why;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = gw_snapshot_apply(root, NULL, &test_scope, docs[i].body.n == 0, &docs[i], &why);
	return r;
}

static bool
serves(const struct gw_snapshot *root, const char *path, const char *id)
{
	struct gh_str resource;
	const struct gw_api *api = gw_router_find(&root->router, GH_STR_NONE, gh_str_of(path), &resource);

	return gh_str_eq(api != NULL ? api->id : GH_STR_NONE, gh_str_of(id));
}

static bool
has_host(const struct gw_snapshot *root, const char *host)
{
	struct gh_str resource;

	return gw_router_find(&root->router, gh_str_of(host), GH_STR("/h/1"), &resource) != NULL;
}

static void
test_every_allocation_fails_once(void)
{
	struct gh_doc first[] = { deployment("one", "books", 1, 1), deployment("two", "boo", 1, 1),
		test_doc("subscription", "s", 1,
			"{\"application_id\":\"app\",\"api_id\":\"one\",\"state\":\"UNBLOCKED\"}"),
		test_doc("consumer", "c", 1,
			"{\"application_id\":\"app\",\"key_type\":\"SANDBOX\"}"),
		hosted("one.example", 1) };
	struct gh_doc then[] = { deployment("one", "books", 2, 2), deployment("three", "boot", 1, 2),
		{ GH_STR("carbon.super"), GH_STR("deployment"), GH_STR("two/Default"), 0,
			GH_STR_NONE },
		test_doc("subscription", "s", 2,
			"{\"application_id\":\"app\",\"api_id\":\"one\",\"state\":\"BLOCKED\"}"),
		test_doc("revocation", "jti", 2, "{\"expires_at_s\":1}"),
		{ GH_STR("carbon.super"), GH_STR("consumer"), GH_STR("c"), 0, GH_STR_NONE },
		hosted("two.example", 2) };
	struct gw_snapshot *root = gw_snapshot_new(&graveyard, 5);
	unsigned n = 1;
	int r;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL_FATAL(apply_all(root, first, 5), 0);
	do {
		until_failure = n++;
		struct gw_snapshot *fork = gw_snapshot_fork(root);

		r = fork != NULL ? apply_all(fork, then, 7) : GH_ENOMEM;
		until_failure = 0;
		CU_ASSERT(r == 0 || r == GH_ENOMEM);
		CU_ASSERT(serves(root, "/books/1/x", "one") && serves(root, "/boo", "two"));
		CU_ASSERT(serves(root, "/books/2", "one") && serves(root, "/boot", ""));
		CU_ASSERT_EQUAL(gw_snapshot_subscription(root, GH_STR("app"), GH_STR("one"))->state,
			GW_UNBLOCKED);
		CU_ASSERT_PTR_NOT_NULL(gw_snapshot_consumer(root, GH_STR("c")));
		CU_ASSERT(!gw_snapshot_is_revoked(root, GH_STR("jti")));
		CU_ASSERT(has_host(root, "one.example") && !has_host(root, "two.example"));
		if (r == 0) {
			CU_ASSERT(serves(fork, "/boo", "") && serves(fork, "/boot/1", "three"));
			CU_ASSERT_PTR_NULL(gw_snapshot_consumer(fork, GH_STR("c")));
			CU_ASSERT(gw_snapshot_is_revoked(fork, GH_STR("jti")));
			CU_ASSERT(!has_host(fork, "one.example") && has_host(fork, "two.example"));
		}
		gw_snapshot_unref(fork);
		gw_graveyard_clear(&graveyard);
	} while (r < 0 && n < 1000);
	CU_ASSERT_EQUAL(r, 0);
	CU_ASSERT(n > 30); /* so many allocations there were at least */
	gw_snapshot_unref(root);
	gw_graveyard_clear(&graveyard);
	for (size_t i = 0; i < 2; i++) {
		free((void *)(uintptr_t)first[i].id.p);
		free((void *)(uintptr_t)then[i].id.p);
	}
	for (size_t i = 0; i < 5; i++)
		test_doc_done(&first[i]);
	for (size_t i = 0; i < 7; i++)
		test_doc_done(&then[i]);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_every_allocation_fails_once),
	{ .name = NULL },
};

int
main(void)
{
	return unit_run("gateway_memory", tests);
}
