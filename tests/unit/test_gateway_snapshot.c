/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_snapshot.c
 * @brief From documents to what a gateway serves: old roots stay, unchanged objects are shared.
 */
#include <stdlib.h>

#include "tests/unit/gateway_docs.h"

#define SEED 99
#define BOOKS                                                                                      \
	"{\"api_id\":\"books\",\"name\":\"Books\",\"version\":\"1.0\",\"context\":\"/books\","     \
	"\"provider\":\"admin\",\"state\":\"%s\",\"environment\":\"%s\",\"api_tier\":"             \
	"\"Unlimited\","                                                                           \
	"\"is_default\":true,\"transport\":[\"https\"],\"operations\":[{\"target\":\"/{id}\","     \
	"\"verb\":\"GET\",\"auth_type\":\"None\",\"tier\":\"Gold\",\"scopes\":[\"a\",\"b\"]},"     \
	"{\"target\":\"/*\",\"verb\":\"POST\",\"auth_type\":\"Application & Application User\"}]," \
	"\"production\":[\"http://one.example/base/\",\"https://two.example:8443?k=v\"],"          \
	"\"sandbox\":[\"http://[::1]:81\"]}"
#define CONSUMER "{\"application_id\":\"app\",\"application_name\":\"App\",\"owner\":\"alice\"," \
	"\"tier\":\"10PerMin\",\"key_type\":\"SANDBOX\"}"
#define SUBSCRIPTION                                                                               \
	"{\"application_id\":\"app\",\"api_id\":\"books\",\"tier\":\"Gold\",\"state\":\"%s\"}"

static struct gw_graveyard graveyard;

static const char *
put_api(struct gw_snapshot *root, uint64_t rev, const char *state, const char *environment)
{
	char json[2048], id[64];

	snprintf(json, sizeof(json), BOOKS, state, environment);
	snprintf(id, sizeof(id), "books/%s", environment);
	return test_put(root, "deployment", id, rev, json);
}

static const char *
put_subscription(struct gw_snapshot *root, const char *id, uint64_t rev, const char *state)
{
	char json[512];

	snprintf(json, sizeof(json), SUBSCRIPTION, state);
	return test_put(root, "subscription", id, rev, json);
}

static const struct gw_api *
find_api(const struct gw_snapshot *root, const char *path)
{
	struct gh_str resource;

	return gw_router_find(&root->router, GH_STR_NONE, gh_str_of(path), &resource);
}

static const struct gw_subscription *
find_subscription(const struct gw_snapshot *root)
{
	return gw_snapshot_subscription(root, GH_STR("app"), GH_STR("books"));
}

static struct gw_snapshot *
new_root(void)
{
	struct gw_snapshot *root = gw_snapshot_new(&graveyard, SEED);

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	return root;
}

static struct gw_snapshot *
fork_root(const struct gw_snapshot *root)
{
	struct gw_snapshot *fork = gw_snapshot_fork(root);

	CU_ASSERT_PTR_NOT_NULL_FATAL(fork);
	return fork;
}

static void
end_roots(struct gw_snapshot *a, struct gw_snapshot *b)
{
	gw_snapshot_unref(a);
	gw_snapshot_unref(b);
	gw_graveyard_clear(&graveyard);
	CU_ASSERT_PTR_NULL(atomic_load(&graveyard.dead));
}

static void
test_api_from_its_document(void)
{
	struct gw_snapshot *root = new_root();
	struct gw_matched matched;

	CU_ASSERT_PTR_NULL(put_api(root, 1, "PUBLISHED", "Default"));
	const struct gw_api *api = find_api(root, "/books/1.0/5");

	CU_ASSERT_PTR_NOT_NULL_FATAL(api);
	CU_ASSERT_PTR_EQUAL(find_api(root, "/books/5"), api);
	CU_ASSERT(
		gh_str_eq(api->name, GH_STR("Books")) && gh_str_eq(api->tier, GH_STR("Unlimited")));
	CU_ASSERT(gh_str_eq(api->authorization_header, GH_STR("Authorization")));
	CU_ASSERT(!api->on_http && api->on_https && !api->pass_credentials);
	CU_ASSERT_EQUAL(api->state, GW_PUBLISHED);
	CU_ASSERT_EQUAL_FATAL(api->production.n, 2);
	CU_ASSERT(gh_str_eq(api->production.v[0].where.host, GH_STR("one.example")));
	CU_ASSERT_EQUAL(api->production.v[0].where.port, 80);
	CU_ASSERT(gh_str_eq(api->production.v[0].path, GH_STR("/base")));
	CU_ASSERT(api->production.v[1].where.is_tls && api->production.v[1].where.port == 8443);
	CU_ASSERT(api->production.v[1].path.n == 0);
	CU_ASSERT(gh_str_eq(api->production.v[1].query, GH_STR("k=v")));
	CU_ASSERT(gh_str_eq(api->sandbox.v[0].where.host, GH_STR("[::1]")));
	gw_resource_find(api->resources, GH_STR("/5"), GH_STR("GET"), &matched);
	CU_ASSERT_PTR_NOT_NULL_FATAL(matched.operation);
	CU_ASSERT_EQUAL(matched.operation->auth_type, GW_AUTH_NONE);
	CU_ASSERT_EQUAL(matched.operation->scope_count, 2);
	CU_ASSERT(gh_str_eq(matched.operation->tier, GH_STR("Gold")));
	gw_resource_find(api->resources, GH_STR("/5"), GH_STR("POST"), &matched);
	CU_ASSERT_EQUAL(matched.operation->auth_type, GW_AUTH_ANY);
	end_roots(root, NULL);
}

static void
test_apis_of_other_environments_are_not_served(void)
{
	struct gw_snapshot *root = new_root();

	CU_ASSERT_PTR_NULL(put_api(root, 1, "PUBLISHED", "Internal"));
	CU_ASSERT_PTR_NULL(find_api(root, "/books/1.0"));
	CU_ASSERT_EQUAL(gw_map_count(root->apis), 0);
	end_roots(root, NULL);
}

static void
test_change_leaves_the_old_root_alone(void)
{
	struct gw_snapshot *old = new_root(), *new;

	put_api(old, 1, "PUBLISHED", "Default");
	put_subscription(old, "s1", 1, "UNBLOCKED");
	test_put(old, "consumer", "key", 1, CONSUMER);
	new = fork_root(old);
	put_api(new, 2, "BLOCKED", "Default");
	put_subscription(new, "s1", 2, "BLOCKED");
	test_delete(new, "consumer", "key");
	CU_ASSERT_EQUAL(find_api(old, "/books/x")->state, GW_PUBLISHED);
	CU_ASSERT_EQUAL(find_api(new, "/books/x")->state, GW_BLOCKED);
	CU_ASSERT_EQUAL(find_subscription(old)->state, GW_UNBLOCKED);
	CU_ASSERT_EQUAL(find_subscription(new)->state, GW_ALL_BLOCKED);
	const struct gw_consumer *consumer = gw_snapshot_consumer(old, GH_STR("key"));

	CU_ASSERT_PTR_NOT_NULL_FATAL(consumer);
	CU_ASSERT(consumer->is_sandbox && gh_str_eq(consumer->application_id, GH_STR("app")));
	CU_ASSERT_PTR_NULL(gw_snapshot_consumer(new, GH_STR("key")));
	test_delete(new, "deployment", "books/Default");
	test_delete(new, "subscription", "s1");
	CU_ASSERT_PTR_NULL(find_api(new, "/books/1.0"));
	CU_ASSERT_PTR_NULL(find_subscription(new));
	CU_ASSERT_PTR_NOT_NULL(find_api(old, "/books/1.0"));
	CU_ASSERT_PTR_NOT_NULL(find_subscription(old));
	end_roots(old, new);
}

static void
test_new_snapshot_takes_over_what_has_not_changed(void)
{
	struct gw_snapshot *old = new_root(), *new = new_root();
	char json[2048];
	const char *why;

	put_api(old, 4, "PUBLISHED", "Default");
	put_subscription(old, "s1", 4, "UNBLOCKED");
	snprintf(json, sizeof(json), BOOKS, "PUBLISHED", "Default");
	struct gh_doc api = test_doc("deployment", "books/Default", 4, json);

	snprintf(json, sizeof(json), SUBSCRIPTION, "BLOCKED");
	struct gh_doc subscription = test_doc("subscription", "s1", 5, json);

	CU_ASSERT_EQUAL(gw_snapshot_apply(new, old, &test_scope, false, &api, &why), 0);
	CU_ASSERT_EQUAL(gw_snapshot_apply(new, old, &test_scope, false, &subscription, &why), 0);
	CU_ASSERT_PTR_EQUAL(find_api(new, "/books"), find_api(old, "/books"));
	CU_ASSERT_PTR_NOT_EQUAL(find_subscription(new), find_subscription(old));
	gw_snapshot_unref(old);
	gw_graveyard_clear(&graveyard);
	CU_ASSERT_EQUAL(find_api(new, "/books")->state, GW_PUBLISHED);
	CU_ASSERT_EQUAL(find_subscription(new)->state, GW_ALL_BLOCKED);
	test_doc_done(&api);
	test_doc_done(&subscription);
	end_roots(new, NULL);
}

static void
test_default_version_moves(void)
{
	static const char json[] =
		"{\"api_id\":\"%s\",\"name\":\"n\",\"version\":\"%s\",\"context\":\"/c\","
		"\"state\":\"PUBLISHED\",\"environment\":\"Default\",\"is_default\":%s}";
	struct gw_snapshot *root = new_root();
	char text[512];

	snprintf(text, sizeof(text), json, "one", "1", "true");
	test_put(root, "deployment", "one/Default", 1, text);
	snprintf(text, sizeof(text), json, "two", "2", "true");
	test_put(root, "deployment", "two/Default", 2, text);
	snprintf(text, sizeof(text), json, "one", "1", "false");
	test_put(root, "deployment", "one/Default", 3, text);
	CU_ASSERT(gh_str_eq(find_api(root, "/c")->id, GH_STR("two")));
	CU_ASSERT(gh_str_eq(find_api(root, "/c/1")->id, GH_STR("one")));
	test_delete(root, "deployment", "two/Default");
	CU_ASSERT_PTR_NULL(find_api(root, "/c"));
	end_roots(root, NULL);
}

static void
test_documents_that_make_no_sense(void)
{
	static const struct {
		const char *kind, *json;
	} rows[] = {
		{ "deployment", "{\"environment\":\"Default\"}" },
		{ "deployment", "{\"environment\":\"Default\",\"api_id\":\"a\",\"name\":\"n\","
			"\"version\":\"1\",\"context\":\"/c\",\"state\":\"WHATEVER\"}" },
		{ "deployment", "{\"environment\":\"Default\",\"api_id\":\"a\",\"name\":\"n\","
			"\"version\":\"1\",\"context\":\"/c/../..\",\"state\":\"PUBLISHED\"}" },
		{ "deployment", "{\"environment\":\"Default\",\"api_id\":\"a\",\"name\":\"n\","
			"\"version\":\"1\",\"context\":\"c\",\"state\":\"PUBLISHED\"}" },
		{ "consumer", "{\"application_id\":\"a\"}" },
		{ "consumer", "{\"application_id\":\"a\",\"key_type\":\"OTHER\"}" },
		{ "subscription", "{\"application_id\":\"a\",\"api_id\":\"b\",\"state\":\"?\"}" },
		{ "subscription", "{\"api_id\":\"b\",\"state\":\"UNBLOCKED\"}" },
		{ "issuer_key", "{\"issuer\":\"i\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_snapshot *root = new_root();

		CU_ASSERT_PTR_NOT_NULL(test_put(root, rows[i].kind, "id", 1, rows[i].json));
		CU_ASSERT_EQUAL(gw_map_count(root->apis) + gw_map_count(root->consumers) +
			gw_map_count(root->subscriptions) + gw_map_count(root->keys), 0);
		end_roots(root, NULL);
	}
}

static void
test_a_bad_document_takes_the_good_one_away(void)
{
	struct gw_snapshot *root = new_root();

	put_api(root, 1, "PUBLISHED", "Default");
	put_subscription(root, "s1", 1, "UNBLOCKED");
	CU_ASSERT_PTR_NOT_NULL(put_api(root, 2, "NONSENSE", "Default"));
	CU_ASSERT_PTR_NOT_NULL(put_subscription(root, "s1", 2, "NONSENSE"));
	CU_ASSERT_PTR_NULL(find_api(root, "/books"));
	CU_ASSERT_PTR_NULL(find_subscription(root));
	end_roots(root, NULL);
}

static void
test_other_tenants_do_not_touch_ours(void)
{
	struct gw_snapshot *root = new_root();
	struct gh_doc other = test_doc("consumer", "key", 7, CONSUMER);
	const char *why = NULL;

	test_put(root, "consumer", "key", 1, CONSUMER);
	other.tenant = GH_STR("evil.example");
	CU_ASSERT_EQUAL(gw_snapshot_apply(root, NULL, &test_scope, false, &other, &why), 0);
	CU_ASSERT_PTR_NOT_NULL(why);
	CU_ASSERT_EQUAL(gw_snapshot_apply(root, NULL, &test_scope, true, &other, &why), 0);
	CU_ASSERT_PTR_NOT_NULL(gw_snapshot_consumer(root, GH_STR("key")));
	test_doc_done(&other);
	end_roots(root, NULL);
}

static void
test_trust_grows_with_revocations_only(void)
{
	struct gw_snapshot *root = new_root();
	uint64_t trust = root->trust;

	put_api(root, 1, "PUBLISHED", "Default");
	CU_ASSERT_EQUAL(root->trust, trust);
	test_put(root, "revocation", "jti-1", 2, "{\"expires_at_s\":1}");
	CU_ASSERT(root->trust > trust);
	CU_ASSERT(gw_snapshot_is_revoked(root, GH_STR("jti-1")));
	CU_ASSERT(!gw_snapshot_is_revoked(root, GH_STR("jti-2")));
	test_delete(root, "revocation", "jti-1");
	CU_ASSERT(!gw_snapshot_is_revoked(root, GH_STR("jti-1")));
	end_roots(root, NULL);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_api_from_its_document),
	UNIT_TEST(test_apis_of_other_environments_are_not_served),
	UNIT_TEST(test_change_leaves_the_old_root_alone),
	UNIT_TEST(test_new_snapshot_takes_over_what_has_not_changed),
	UNIT_TEST(test_default_version_moves),
	UNIT_TEST(test_documents_that_make_no_sense),
	UNIT_TEST(test_a_bad_document_takes_the_good_one_away),
	UNIT_TEST(test_other_tenants_do_not_touch_ours),
	UNIT_TEST(test_trust_grows_with_revocations_only),
	{ .name = NULL },
};

int
main(void)
{
	return unit_run("gateway_snapshot", tests);
}
