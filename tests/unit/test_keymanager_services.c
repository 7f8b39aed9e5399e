/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_keymanager_services.c
 * @brief tokens/1, identity/1 and rollout/1 of the key manager, on a real store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/keymanager/keymanager.h"
#include "tests/unit/leveldb_kit.h"
#include "tests/unit/unit.h"

#define STATE_PATH_MAX 256

/** One key manager and its store. */
struct node {
	struct kit kit;
	struct km km;
	char key_file[STATE_PATH_MAX];
};

/** Start a key manager on a store that is open. */
static void
km_start(struct km *km, const struct kit *kit, const char *key_file, unsigned algorithm)
{
	const struct km_config config = { .cluster_key_file = gh_str_of(key_file),
		.signing_algorithm = { algorithm }, .admin_password = { GH_STR("pass") } };

	*km = (struct km){ .docs = kit->docs, .token_s = 3600, .refresh_s = 86400,
		.internal_key_s = 60, .skew_s = 5 };
	km->issuer = strdup("https://test/oauth2/token");
	CU_ASSERT_EQUAL_FATAL(passwords_init(&km->passwords, 1000), 0);
	CU_ASSERT_EQUAL_FATAL(km_backoff_open(km), 0);
	CU_ASSERT_EQUAL_FATAL(km_keys_open(km, &config), 0);
	CU_ASSERT_EQUAL_FATAL(km_users_open(km, &config), 0);
	CU_ASSERT_EQUAL_FATAL(km_catalogue_open(km, &kit->feed), 0);
}

static void
km_end(struct km *km)
{
	km_catalogue_close(km);
	km_users_close(km);
	km_keys_close(km);
	km_backoff_close(km);
	passwords_done(&km->passwords);
	free(km->issuer);
}

static void
node_start(struct node *node, const char *path)
{
	struct ldb_config config = kit_config(path);

	kit_clock_ahead_s = 0;
	CU_ASSERT_EQUAL_FATAL(kit_open(&node->kit, &config), 0);
	snprintf(node->key_file, sizeof(node->key_file), "%s/%s.key", kit_state_dir(), path);
	unlink(node->key_file);
	km_start(&node->km, &node->kit, node->key_file, 0);
}

static void
node_end(struct node *node)
{
	km_end(&node->km);
	kit_close(&node->kit);
	unlink(node->key_file);
	kit_clock_ahead_s = 0;
}

/** Is there such a document? */
static bool
has_doc(struct node *node, const char *kind, struct gh_str id)
{
	struct gh_docs_found *found;
	int r = node->kit.docs.vt->get(node->kit.docs.self, KM_TENANT, gh_str_of(kind), id, &found);

	if (r == 0)
		node->kit.docs.vt->found_free(found);
	return r == 0;
}

/** Write a document from JSON-like calls.  @param body  GIVE. */
static uint64_t
put_doc_in(struct node *node, struct gh_str tenant, const char *kind, const char *id,
	struct gh_str body)
{
	const struct gh_doc_op op = { GH_DOC_PUT, tenant, gh_str_of(kind), gh_str_of(id), body,
		GH_REV_ANY };
	uint64_t seq = 0;

	CU_ASSERT_EQUAL(node->kit.docs.vt->commit(node->kit.docs.self, &op, 1, &seq, NULL), 0);
	free((void *)body.p);
	return seq;
}

static uint64_t
put_doc(struct node *node, const char *kind, const char *id, struct gh_str body)
{
	return put_doc_in(node, KM_TENANT, kind, id, body);
}

/** A user with one role.  @return body */
static struct gh_str
user(const char *role, bool enabled)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "password", GH_STR("damaged"));
	doc_begin_array(&w, "roles");
	doc_put_int(&w, NULL, 7); /* no role, but no harm either */
	doc_put_str(&w, NULL, gh_str_of(role));
	doc_end(&w);
	doc_put_bool(&w, "enabled", enabled);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
	return body;
}

static struct gh_client
make_client(struct node *node, const struct gh_client *wanted, struct gh_client **ret)
{
	CU_ASSERT_EQUAL_FATAL(km_tokens.client_put(&node->km, wanted, ret, NULL), 0);
	return **ret;
}

static const struct gh_client plain = { .name = { "tool", 4 }, .owner = { "admin", 5 },
	.grants = { "password client_credentials", 27 }, .callback = { "https://x/", 10 } };
static const struct gh_client bound = { .name = { "app", 3 }, .owner = { "admin", 5 },
	.grants = { "client_credentials", 18 }, .application_id = { "a-1", 3 },
	.application_name = { "App", 3 }, .application_tier = { "Gold", 4 },
	.key_type = { "PRODUCTION", 10 } };

/* ---- Clients --------------------------------------------------------------------------------- */

static void
test_client_of_an_application(void)
{
	struct node node;
	struct gh_client *first, *second, *third;
	uint64_t seq = 0;

	node_start(&node, "client_app");
	struct gh_client c = make_client(&node, &bound, &first);

	CU_ASSERT(c.id.n == 32 && c.secret.n == 64 && c.key_mapping_id.n == CRYPTO_UUID_LEN);
	CU_ASSERT(gh_str_eq(c.application_tier, GH_STR("Gold")));
	CU_ASSERT(has_doc(&node, "consumer", c.id));

	/* Other metadata: the secret and the ids stay. */
	struct gh_client change = c;

	change.secret = change.key_mapping_id = GH_STR_NONE;
	change.grants = GH_STR("password refresh_token");
	change.validity_s = -1;
	struct gh_client d = make_client(&node, &change, &second);

	CU_ASSERT(gh_str_eq(d.id, c.id) && gh_str_eq(d.secret, c.secret));
	CU_ASSERT(gh_str_eq(d.key_mapping_id, c.key_mapping_id));
	CU_ASSERT(gh_str_eq(d.grants, change.grants) && d.validity_s == -1);

	/* A second client for the same keys of the application cannot be. */
	CU_ASSERT_EQUAL(km_tokens.client_put(&node.km, &bound, &third, NULL), GH_ECONFLICT);

	CU_ASSERT_EQUAL(km_tokens.client_renew_secret(&node.km, KM_TENANT, c.id, &third), 0);
	CU_ASSERT(third->secret.n == 64 && !gh_str_eq(third->secret, c.secret));
	km_tokens.client_free(third);
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, KM_TENANT, c.id, &third), 0);
	CU_ASSERT(!gh_str_eq(third->secret, c.secret) && gh_str_eq(third->grants, change.grants));
	km_tokens.client_free(third);

	/* It leaves the application. */
	change.application_id = change.key_type = GH_STR_NONE;
	make_client(&node, &change, &third);
	CU_ASSERT(third->application_id.n == 0 && !has_doc(&node, "consumer", c.id));
	km_tokens.client_free(third);
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, KM_TENANT, c.id, &seq), 0);
	CU_ASSERT(seq > 0 && !has_doc(&node, "client", c.id));
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, KM_TENANT, c.id, &seq), GH_ENOENT);
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, KM_TENANT, c.id, &third), GH_ENOENT);
	km_tokens.client_free(first);
	km_tokens.client_free(second);
	node_end(&node);
}

static void
test_client_that_was_imported(void)
{
	struct node node;
	struct gh_client *client, import = bound;

	node_start(&node, "client_import");
	import.id = GH_STR("given id");
	import.secret = GH_STR("given secret");
	struct gh_client c = make_client(&node, &import, &client);

	CU_ASSERT(gh_str_eq(c.id, import.id) && gh_str_eq(c.secret, import.secret));
	km_tokens.client_free(client);
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, KM_TENANT, import.id, NULL), 0);
	CU_ASSERT(!has_doc(&node, "consumer", import.id));
	node_end(&node);
}

static void
test_clients_refused(void)
{
	char long_name[KM_NAME_MAX + 1];
	struct gh_client rows[8], *client;
	struct node node;

	memset(long_name, 'n', sizeof(long_name));
	for (size_t i = 0; i < 8; i++)
		rows[i] = bound;
	rows[0].key_type = GH_STR("STAGING");
	rows[1].key_type = GH_STR_NONE;
	rows[2].application_id = GH_STR_NONE;
	rows[3].owner = GH_STR_NONE;
	rows[4].validity_s = -2;
	rows[5].name = (struct gh_str){ long_name, sizeof(long_name) };
	rows[6].callback = GH_STR("https://x/\r\ny");
	rows[7].grants = GH_STR("a b c d e f g h i j k l m n o p q");
	node_start(&node, "client_refused");
	for (size_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(km_tokens.client_put(&node.km, &rows[i], &client, NULL), GH_EINVAL);
	node_end(&node);
}

static void
test_client_with_only_a_hash(void)
{
	struct gh_client *made, *got;
	struct node node;

	node_start(&node, "client_hash");
	node.km.client_secrets = KM_SECRETS_HASH_ONLY;
	struct gh_client c = make_client(&node, &plain, &made);

	CU_ASSERT_EQUAL(c.secret.n, 64); /* told once */
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, KM_TENANT, c.id, &got), 0);
	CU_ASSERT_EQUAL(got->secret.n, 0);
	km_tokens.client_free(got);
	km_tokens.client_free(made);
	node_end(&node);
}

static void
test_sealed_secret_does_not_open_elsewhere(void)
{
	struct gh_client *made, *got;
	struct gh_docs_found *found;
	struct node node;

	node_start(&node, "client_moved");
	struct gh_client c = make_client(&node, &plain, &made);
	struct gh_str body;

	CU_ASSERT_EQUAL_FATAL(node.kit.docs.vt->get(node.kit.docs.self, KM_TENANT,
		GH_STR("client"), c.id, &found), 0);
	CU_ASSERT_EQUAL(doc_merge(found->docs[0].body, gh_str_of("\x80"), &body), 0);
	put_doc(&node, "client", "another", body); /* as somebody with the store's files might */
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, KM_TENANT, GH_STR("another"), &got), 0);
	CU_ASSERT_EQUAL(got->secret.n, 0);
	km_tokens.client_free(got);
	km_tokens.client_free(made);
	node.kit.docs.vt->found_free(found);
	node_end(&node);
}

/** Make a tenant, or disable it. */
static void
put_tenant(struct node *node, const char *domain, bool is_active)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_int(&w, "number", domain[0]);
	doc_put_bool(&w, "is_active", is_active);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
	put_doc(node, "tenant", domain, body);
}

static void
test_ids_are_unique_in_all_tenants(void)
{
	static const struct gh_str a = { "a.com", 5 }, b = { "b.com", 5 }, id = { "shared", 6 };
	struct gh_client wanted = bound, *made, *other;
	struct km_client found;
	struct node node;

	node_start(&node, "client_tenants");
	put_tenant(&node, "a.com", true);
	put_tenant(&node, "b.com", true);
	wanted.id = id;
	wanted.tenant = a;
	struct gh_client c = make_client(&node, &wanted, &made);

	CU_ASSERT(gh_str_eq(c.tenant, a) && !has_doc(&node, "consumer", id));
	wanted.tenant = b;
	CU_ASSERT_EQUAL(km_tokens.client_put(&node.km, &wanted, &other, NULL), GH_ECONFLICT);
	wanted.tenant = KM_TENANT;
	CU_ASSERT_EQUAL(km_tokens.client_put(&node.km, &wanted, &other, NULL), GH_ECONFLICT);

	/* Nobody but its tenant reaches it. */
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, KM_TENANT, id, &other), GH_ENOENT);
	CU_ASSERT_EQUAL(km_tokens.client_get(&node.km, b, id, &other), GH_ENOENT);
	CU_ASSERT_EQUAL(km_tokens.client_renew_secret(&node.km, KM_TENANT, id, &other), GH_ENOENT);
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, KM_TENANT, id, NULL), GH_ENOENT);
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, b, id, NULL), GH_ENOENT);

	/* But it is found by its id, with the rights of its tenant. */
	CU_ASSERT_EQUAL_FATAL(km_client_authenticate(&node.km, id, c.secret, &found), 0);
	CU_ASSERT(gh_str_eq(found.tenant, a) && km_client_serves(&found, a));
	CU_ASSERT(!km_client_serves(&found, b) && !km_client_serves(&found, KM_TENANT));
	km_client_done(&node.km, &found);
	put_tenant(&node, "a.com", false);
	CU_ASSERT_EQUAL(km_client_authenticate(&node.km, id, c.secret, &found), GH_EDENIED);
	put_tenant(&node, "a.com", true);

	/* The id is free when it is gone, and then belongs to who comes first. */
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, a, id, NULL), 0);
	CU_ASSERT(!has_doc(&node, "client", id));
	CU_ASSERT_EQUAL(km_client_find(&node.km, id, &found), GH_ENOENT);
	km_tokens.client_free(made);
	make_client(&node, &wanted, &made);
	wanted.tenant = a;
	CU_ASSERT_EQUAL(km_tokens.client_put(&node.km, &wanted, &other, NULL), GH_ECONFLICT);
	CU_ASSERT_EQUAL_FATAL(km_client_find(&node.km, id, &found), 0);
	CU_ASSERT(km_client_serves(&found, KM_TENANT) && !km_client_serves(&found, a)); /* bound */
	km_client_done(&node.km, &found);
	km_tokens.client_free(made);
	make_client(&node, &plain, &made);
	CU_ASSERT_EQUAL_FATAL(km_client_find(&node.km, made->id, &found), 0);
	CU_ASSERT(km_client_serves(&found, KM_TENANT) && km_client_serves(&found, a));
	km_client_done(&node.km, &found);
	km_tokens.client_free(made);
	node_end(&node);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static struct gh_token_issued *
issue(struct node *node, struct gh_str client_id, const char *scopes, int64_t validity_s)
{
	const struct gh_token_request request = { .kind = GH_TOKEN_APPLICATION, .tenant = KM_TENANT,
		.client_id = client_id, .scopes = gh_str_of(scopes), .validity_s = validity_s };
	struct gh_token_issued *issued = NULL;

	CU_ASSERT_EQUAL_FATAL(km_tokens.issue(&node->km, &request, &issued), 0);
	return issued;
}

static int
check(struct node *node, struct gh_str token)
{
	struct gh_principal *principal;
	int r = km_tokens.check(&node->km, token, &principal);

	if (r == 0)
		km_tokens.principal_free(principal);
	return r;
}

static void
test_application_token(void)
{
	struct gh_principal *principal;
	struct gh_client *client;
	uint64_t seq = 0;
	struct node node;

	node_start(&node, "token_app");
	struct gh_client c = make_client(&node, &plain, &client);
	struct gh_token_issued *issued = issue(&node, c.id, "apim:api_view nonsense", 0);

	CU_ASSERT(gh_str_eq(issued->scopes, GH_STR("apim:api_view")) && issued->validity_s == 3600);
	CU_ASSERT_EQUAL_FATAL(km_tokens.check(&node.km, issued->token, &principal), 0);
	CU_ASSERT(gh_str_eq(principal->user, GH_STR("admin")));
	CU_ASSERT(gh_str_eq(principal->tenant, KM_TENANT) && gh_str_eq(principal->client_id, c.id));
	CU_ASSERT(gh_str_eq(principal->scopes, GH_STR("apim:api_view")));
	CU_ASSERT_EQUAL(principal->jti.n, CRYPTO_UUID_LEN);
	CU_ASSERT(!has_doc(&node, "revocation", principal->jti));
	CU_ASSERT_EQUAL(km_tokens.revoke(&node.km, issued->token, &seq), 0);
	CU_ASSERT(seq > 0 && has_doc(&node, "revocation", principal->jti));
	CU_ASSERT_EQUAL(check(&node, issued->token), GH_EDENIED);
	seq = 7;
	CU_ASSERT_EQUAL(km_tokens.revoke(&node.km, GH_STR("nonsense"), &seq), 0);
	CU_ASSERT_EQUAL(seq, 0);
	km_tokens.principal_free(principal);
	km_tokens.issued_free(issued);
	km_tokens.client_free(client);
	node_end(&node);
}

static void
test_lifetimes(void)
{
	static const struct { int64_t asked, client, got; uint64_t later_s; int r; } rows[] = {
		{ 0, 0, 3600, 3599, 0 }, { 0, 0, 3600, 3606, GH_EEXPIRED },
		{ 60, 0, 60, 66, GH_EEXPIRED }, { 0, 120, 120, 119, 0 },
		{ 0, 120, 120, 126, GH_EEXPIRED }, { 60, 120, 60, 66, GH_EEXPIRED },
		{ -1, 0, -1, UINT64_C(3000000000), 0 }, { INT64_MAX, 0, 0, 3600, 0 },
	};
	struct node node;

	node_start(&node, "token_life");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_client wanted = plain, *client;

		wanted.validity_s = rows[i].client;
		struct gh_client c = make_client(&node, &wanted, &client);
		struct gh_token_issued *issued = issue(&node, c.id, "", rows[i].asked);

		if (rows[i].got != 0)
			CU_ASSERT_EQUAL(issued->validity_s, rows[i].got);
		CU_ASSERT(gh_str_eq(issued->scopes, GH_STR("default")));
		kit_clock_ahead_s = rows[i].later_s;
		CU_ASSERT_EQUAL(check(&node, issued->token), rows[i].r);
		kit_clock_ahead_s = 0;
		km_tokens.issued_free(issued);
		km_tokens.client_free(client);
	}
	node_end(&node);
}

static void
test_token_of_a_deleted_client(void)
{
	struct gh_client *client;
	struct node node;

	node_start(&node, "token_gone");
	struct gh_client c = make_client(&node, &plain, &client);
	struct gh_token_issued *issued = issue(&node, c.id, "", 0);

	CU_ASSERT_EQUAL(check(&node, issued->token), 0);
	CU_ASSERT_EQUAL(km_tokens.client_delete(&node.km, KM_TENANT, c.id, NULL), 0);
	CU_ASSERT_EQUAL(check(&node, issued->token), GH_EDENIED);
	km_tokens.issued_free(issued);
	km_tokens.client_free(client);
	node_end(&node);
}

static void
test_tokens_of_tenants(void)
{
	struct gh_token_request request = { .kind = GH_TOKEN_APPLICATION,
		.tenant = GH_STR("a.com"), .scopes = GH_STR("apim:admin") };
	struct gh_client wanted = plain, *client;
	struct gh_token_issued *issued;
	struct gh_principal *principal;
	struct node node;

	node_start(&node, "token_tenant");
	put_tenant(&node, "a.com", true);
	wanted.tenant = request.tenant; /* its owner `admin` has roles elsewhere, not there */
	request.client_id = make_client(&node, &wanted, &client).id;
	CU_ASSERT_EQUAL_FATAL(km_tokens.issue(&node.km, &request, &issued), 0);
	CU_ASSERT(gh_str_eq(issued->scopes, GH_STR("default")));
	CU_ASSERT_EQUAL(check(&node, issued->token), GH_EDENIED); /* it acts for nobody */
	put_doc_in(&node, request.tenant, "user", "admin", user("Internal/subscriber", true));
	CU_ASSERT_EQUAL_FATAL(km_tokens.check(&node.km, issued->token, &principal), 0);
	CU_ASSERT(gh_str_eq(principal->tenant, request.tenant));
	CU_ASSERT(gh_str_eq(principal->user, GH_STR("admin")));
	km_tokens.principal_free(principal);
	put_tenant(&node, "a.com", false);
	CU_ASSERT_EQUAL(check(&node, issued->token), GH_EDENIED);
	put_tenant(&node, "a.com", true);
	CU_ASSERT_EQUAL(check(&node, issued->token), 0);
	request.tenant = GH_STR("b.com");
	struct gh_token_issued *none = NULL;

	CU_ASSERT_EQUAL(km_tokens.issue(&node.km, &request, &none), GH_ENOENT);
	km_tokens.issued_free(issued);
	km_tokens.client_free(client);
	node_end(&node);
}

static void
test_internal_key_is_no_access_token(void)
{
	const struct gh_token_request request = { .kind = GH_TOKEN_INTERNAL,
		.user = GH_STR("admin"), .api_id = GH_STR("api-1") };
	struct gh_token_issued *issued;
	struct jose_claims claims;
	struct jose_token token;
	struct node node;
	uint64_t seq = 0;

	node_start(&node, "token_internal");
	CU_ASSERT_EQUAL_FATAL(km_tokens.issue(&node.km, &request, &issued), 0);
	CU_ASSERT_EQUAL(issued->validity_s, 60);
	CU_ASSERT_EQUAL_FATAL(jose_parse(issued->token, &token), 0);
	CU_ASSERT_STRING_EQUAL(token.typ, "internal+jwt");
	CU_ASSERT_EQUAL(jose_verify(&token, node.km.signing_key), 0);
	CU_ASSERT_EQUAL_FATAL(jose_claims(&token, &claims), 0);
	CU_ASSERT(gh_str_eq(claims.token_type, GH_STR("InternalKey")));
	CU_ASSERT(gh_str_eq(claims.api_id, GH_STR("api-1")) && claims.client_id.n == 0);
	CU_ASSERT_EQUAL(check(&node, issued->token), GH_EDENIED);
	CU_ASSERT_EQUAL(km_tokens.revoke(&node.km, issued->token, &seq), 0);
	CU_ASSERT(seq > 0 && has_doc(&node, "revocation", claims.jti));
	jose_claims_done(&claims);
	km_tokens.issued_free(issued);
	node_end(&node);
}

static void
test_requests_refused(void)
{
	const struct gh_token_request rows[] = {
		{ .kind = GH_TOKEN_INTERNAL, .user = GH_STR("admin") },
		{ .kind = GH_TOKEN_INTERNAL, .api_id = GH_STR("x") },
		{ .kind = GH_TOKEN_APPLICATION, .client_id = GH_STR("x"), .validity_s = -2 },
		{ .kind = GH_TOKEN_APPLICATION, .client_id = GH_STR("x") },
		{ .kind = GH_TOKEN_APPLICATION },
	};
	static const int errors[] = { GH_EINVAL, GH_EINVAL, GH_EINVAL, GH_ENOENT, GH_ENOENT };
	struct gh_token_issued *issued;
	struct node node;

	node_start(&node, "token_refused");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(km_tokens.issue(&node.km, &rows[i], &issued), errors[i]);
	node_end(&node);
}

static void
test_two_key_managers_on_one_store(void)
{
	struct gh_client *client;
	struct node node;
	struct km second;

	node_start(&node, "token_two");
	struct gh_client c = make_client(&node, &plain, &client);

	km_start(&second, &node.kit, node.key_file, 2); /* EdDSA: a key unknown to the first */
	const struct gh_token_request request = { .kind = GH_TOKEN_APPLICATION, .client_id = c.id };
	struct gh_token_issued *issued;

	CU_ASSERT_EQUAL_FATAL(km_tokens.issue(&second, &request, &issued), 0);
	CU_ASSERT_EQUAL(check(&node, issued->token), 0);
	CU_ASSERT_EQUAL(node.km.key_count, 2);
	km_tokens.issued_free(issued);
	km_tokens.client_free(client);
	km_end(&second);
	node_end(&node);
}

/* ---- Scopes of APIs, and users --------------------------------------------------------------- */

/** A deployment that declares the scope @p name for @p role (NULL: for everybody). */
static struct gh_str
deployment(const char *name, const char *role)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "api_id", GH_STR("a"));
	doc_begin_array(&w, "scopes");
	doc_begin_map(&w, NULL);
	doc_put_str(&w, "name", gh_str_of(name));
	doc_begin_array(&w, "roles");
	if (role != NULL)
		doc_put_str(&w, NULL, gh_str_of(role));
	doc_end(&w);
	doc_end(&w);
	doc_end(&w);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
	return body;
}

static void
expect_scopes(struct node *node, uint64_t seq, struct gh_str client_id, const char *expected)
{
	struct gh_token_issued *issued;

	CU_ASSERT_EQUAL(km_rollout.wait(&node->km, seq, 5000), 0);
	CU_ASSERT(km_rollout.serving(&node->km) >= seq);
	issued = issue(node, client_id, "books_write", 0);
	CU_ASSERT(gh_str_eq(issued->scopes, gh_str_of(expected)));
	km_tokens.issued_free(issued);
}

static void
test_scopes_that_apis_declare(void)
{
	const struct gh_doc_op gone = { GH_DOC_DELETE, KM_TENANT, GH_STR("deployment"),
		GH_STR("a/Default"), GH_STR_NONE, GH_REV_ANY };
	struct gh_client *client, wanted = plain;
	struct node node;
	uint64_t seq;

	node_start(&node, "scopes");
	put_doc(&node, "user", "ann", user("Internal/creator", true));
	wanted.owner = GH_STR("ann");
	struct gh_client c = make_client(&node, &wanted, &client);

	seq = put_doc(&node, "deployment", "b/Default", deployment("books_read", NULL));
	expect_scopes(&node, seq, c.id, "default");
	seq = put_doc(&node, "deployment", "a/Default", deployment("books_write", "librarian"));
	expect_scopes(&node, seq, c.id, "default");
	seq = put_doc(&node, "deployment", "a/Default",
		deployment("books_write", "Internal/creator"));
	expect_scopes(&node, seq, c.id, "books_write");
	seq = put_doc(&node, "deployment", "a/Default", deployment("books_write", NULL));
	expect_scopes(&node, seq, c.id, "books_write");

	/* A key manager that starts now knows it from the snapshot. */
	km_end(&node.km);
	km_start(&node.km, &node.kit, node.key_file, 0);
	expect_scopes(&node, 0, c.id, "books_write");
	CU_ASSERT_EQUAL(node.kit.docs.vt->commit(node.kit.docs.self, &gone, 1, &seq, NULL), 0);
	expect_scopes(&node, seq, c.id, "default");
	km_tokens.client_free(client);
	node_end(&node);
}

static void
test_users(void)
{
	struct gh_user *u;
	struct node node;

	node_start(&node, "users");
	put_doc(&node, "user", "ann", user("Internal/creator", true));
	put_doc(&node, "user", "bob", user("admin", false));
	CU_ASSERT_EQUAL(km_identity.authenticate(&node.km, GH_STR("admin"), GH_STR("pass"), &u), 0);
	CU_ASSERT(gh_str_eq(u->name, GH_STR("admin")) && gh_str_eq(u->tenant, KM_TENANT));
	CU_ASSERT(u->role_count == 2 && gh_str_eq(u->roles[0], GH_STR("admin")));
	km_identity.user_free(u);
	CU_ASSERT_EQUAL(km_identity.authenticate(&node.km, GH_STR("admin"), GH_STR("Pass"), &u),
		GH_EDENIED);
	CU_ASSERT_EQUAL(km_identity.authenticate(&node.km, GH_STR("ann"), GH_STR("damaged"), &u),
		GH_EDENIED);
	CU_ASSERT_EQUAL(km_identity.authenticate(&node.km, GH_STR_NONE, GH_STR("pass"), &u),
		GH_EDENIED);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("ann@carbon.super"), &u), 0);
	CU_ASSERT(u->role_count == 1 && gh_str_eq(u->roles[0], GH_STR("Internal/creator")));
	km_identity.user_free(u);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("bob"), &u), GH_ENOENT); /* disabled */
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("ann@other"), &u), GH_ENOENT);
	put_tenant(&node, "other.org", true);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("ann@other.org"), &u), GH_ENOENT);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("ann@carbon.super@carbon.super"), &u),
		GH_ENOENT);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR("@"), &u), GH_ENOENT);
	CU_ASSERT_EQUAL(km_identity.lookup(&node.km, GH_STR_NONE, &u), GH_ENOENT);
	node_end(&node);
}

static void
test_guessing_passwords_takes_longer(void)
{
	struct gh_str ann = GH_STR("ann"), peer = GH_STR("192.0.2.1");
	struct node node;

	node_start(&node, "backoff");
	for (int i = 0; i < 10; i++)
		km_backoff_tell(&node.km, ann, peer, GH_EDENIED);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, peer), 0);
	km_backoff_tell(&node.km, ann, peer, GH_EAGAIN); /* says nothing */
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, peer), 0);
	for (int i = 0; i < 40; i++)
		km_backoff_tell(&node.km, ann, peer, GH_EDENIED);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, peer), GH_EAGAIN);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, GH_STR("192.0.2.2")), 0);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, GH_STR("bob"), peer), 0);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, GH_STR_NONE), 0);
	km_backoff_tell(&node.km, ann, peer, GH_OK);
	CU_ASSERT_EQUAL(km_backoff_ask(&node.km, ann, peer), 0);
	node_end(&node);
}

/* ---- Two key managers at once ---------------------------------------------------------------- */

static struct gh_docs race_docs; /* the store behind race_find() */
static unsigned race_hidden;     /* searches for signing keys that find nothing yet */

/** The other key manager writes its key just after this one has looked. */
static int
race_find(void *self, const struct gh_find *find, struct gh_docs_found **ret_found)
{
	struct gh_find other = *find;

	if (race_hidden > 0 && gh_str_eq(find->kind, GH_STR("signing_key"))) {
		race_hidden--;
		other.tenant = GH_STR("nobody");
	}
	return race_docs.vt->find(self, &other, ret_found);
}

static void
test_two_key_managers_make_one_key(void)
{
	struct gh_docs_v1 vtable;
	struct node node;
	struct kit late;
	struct km km;

	node_start(&node, "two_at_once");
	race_docs = node.kit.docs;
	vtable = *race_docs.vt;
	vtable.find = race_find;
	late = node.kit;
	late.docs.vt = &vtable;
	race_hidden = 1;
	const struct km_config config = { .cluster_key_file = gh_str_of(node.key_file) };

	km = (struct km){ .docs = late.docs, .is_issuer_auto = true };
	km.issuer = strdup("https://localhost:1/oauth2/token");
	CU_ASSERT_EQUAL_FATAL(km_keys_open(&km, &config), 0);
	CU_ASSERT_EQUAL(race_hidden, 0);
	CU_ASSERT_TRUE(gh_str_eq(jose_key_kid(km.signing_key),
		jose_key_kid(node.km.signing_key)));
	CU_ASSERT_STRING_EQUAL(km.issuer, node.km.issuer);
	km_keys_close(&km);
	free(km.issuer);
	node_end(&node);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_client_of_an_application), UNIT_TEST(test_client_that_was_imported),
		UNIT_TEST(test_clients_refused), UNIT_TEST(test_client_with_only_a_hash),
		UNIT_TEST(test_sealed_secret_does_not_open_elsewhere),
		UNIT_TEST(test_ids_are_unique_in_all_tenants), UNIT_TEST(test_tokens_of_tenants),
		UNIT_TEST(test_application_token),
		UNIT_TEST(test_lifetimes), UNIT_TEST(test_token_of_a_deleted_client),
		UNIT_TEST(test_internal_key_is_no_access_token), UNIT_TEST(test_requests_refused),
		UNIT_TEST(test_two_key_managers_on_one_store),
		UNIT_TEST(test_two_key_managers_make_one_key),
		UNIT_TEST(test_scopes_that_apis_declare), UNIT_TEST(test_users),
		UNIT_TEST(test_guessing_passwords_takes_longer),
		{ .name = NULL },
	};

	return unit_run("keymanager services", tests);
}
