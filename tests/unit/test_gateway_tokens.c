/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_tokens.c
 * @brief Which tokens a gateway takes, each with its attack twin; and the cache that remembers
 * them.
 */
#include <stdlib.h>

#include "plugins/gateway/gateway.h"
#include "tests/unit/gateway_docs.h"

#define NOW_S 1700000000
#define ISSUER "https://localhost:9443/oauth2/token"

static struct gw_graveyard graveyard;
static struct jose_key *key, *stranger;
static struct gw_jwks *jwks; /* NULL, but where a test has one */

/** A root that trusts @c key. */
static struct gw_snapshot *
trusting_root(void)
{
	struct gw_snapshot *root = gw_snapshot_new(&graveyard, 3);
	const struct jose_jwk *jwk = jose_key_jwk(key);
	char json[1024], kid[JOSE_KID_MAX + 1];

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	snprintf(kid, sizeof(kid), "%.*s", GH_STR_ARG(jwk->kid));
	snprintf(json, sizeof(json),
		"{\"issuer\":\"" ISSUER "\",\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\","
		"\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\"}}",
		GH_STR_ARG(jwk->x), GH_STR_ARG(jwk->y));
	CU_ASSERT_PTR_NULL(test_put(root, "issuer_key", kid, 1, json));
	return root;
}

static void
end_root(struct gw_snapshot *root)
{
	gw_snapshot_unref(root);
	gw_graveyard_clear(&graveyard);
}

static enum gw_error
verify(const struct gw_snapshot *root, struct jose_key *with, const char *typ, const char *payload,
	struct gw_claims **ret_claims)
{
	struct gh_str token;

	CU_ASSERT_EQUAL_FATAL(jose_sign(with, typ, gh_str_of(payload), &token), 0);
	enum gw_error error = gw_token_verify(root, jwks, token, NOW_S, 5, ret_claims);

	free((void *)(uintptr_t)token.p);
	return error;
}

#define GOOD "\"iss\":\"" ISSUER "\",\"sub\":\"alice\",\"azp\":\"client\",\"jti\":\"j1\"," \
	"\"scope\":\"a b\",\"exp\":1700000100"
#define TEST_KEY "\"iss\":\"" ISSUER "\",\"sub\":\"alice\",\"jti\":\"j2\",\"exp\":1700000100," \
	"\"api_id\":\"books\""

static void
test_claims_of_a_good_token(void)
{
	struct gw_snapshot *root = trusting_root();
	struct gw_claims *claims = NULL;

	CU_ASSERT_EQUAL_FATAL(verify(root, key, "at+jwt",
		"{" GOOD ",\"aut\":\"APPLICATION\",\"tenant\":\"example.com\"}", &claims), GW_OK);
	CU_ASSERT(gh_str_eq(claims->consumer_key, GH_STR("client")));
	CU_ASSERT(gh_str_eq(claims->user, GH_STR("alice@example.com")));
	CU_ASSERT(gh_str_eq(claims->scopes, GH_STR("a b")));
	CU_ASSERT_EQUAL(claims->of, GW_TOKEN_OF_APPLICATION);
	CU_ASSERT_EQUAL(claims->expires_at_s, 1700000100);
	CU_ASSERT(!claims->is_test_key);
	gw_claims_unpin(claims);
	CU_ASSERT_EQUAL_FATAL(verify(root, key, "internal+jwt",
		"{" TEST_KEY ",\"token_type\":\"InternalKey\"}", &claims), GW_OK);
	CU_ASSERT(claims->is_test_key && gh_str_eq(claims->api_id, GH_STR("books")));
	gw_claims_unpin(claims);
	end_root(root);
}

static void
test_tokens_that_are_refused(void)
{
	static const struct {
		const char *typ, *payload;
		enum gw_error error;
	} rows[] = {
		{ "at+jwt", "{" GOOD "}", GW_OK },
		{ "JWT", "{" GOOD "}", GW_ERR_INVALID_CREDENTIALS }, /* an ID token */
		{ "internal+jwt", "{" GOOD "}", GW_ERR_INVALID_CREDENTIALS },
		{ "internal+jwt", "{" TEST_KEY "}", GW_ERR_INVALID_CREDENTIALS },
		{ "at+jwt", "{" TEST_KEY ",\"token_type\":\"InternalKey\"}",
			GW_ERR_INVALID_CREDENTIALS },
		{ "at+jwt",
			"{\"iss\":\"" ISSUER "\",\"azp\":\"c\",\"jti\":\"j\",\"exp\":1699999990}",
			GW_ERR_EXPIRED_CREDENTIALS },
		{ "at+jwt",
			"{\"iss\":\"" ISSUER "\",\"azp\":\"c\",\"jti\":\"j\",\"exp\":1699999998}",
			GW_OK }, /* within the skew */
		{ "at+jwt", "{" GOOD ",\"nbf\":1700000050}", GW_ERR_INVALID_CREDENTIALS },
		{ "at+jwt", "{\"iss\":\"" ISSUER "\",\"azp\":\"c\",\"jti\":\"j\"}",
			GW_ERR_INVALID_CREDENTIALS }, /* no end */
		{ "at+jwt",
			"{\"iss\":\"https://evil\",\"azp\":\"c\",\"jti\":\"j\",\"exp\":1700000100}",
			GW_ERR_INVALID_CREDENTIALS },
		{ "at+jwt", "{\"azp\":\"c\",\"jti\":\"j\",\"exp\":1700000100}",
			GW_ERR_INVALID_CREDENTIALS },
		{ "at+jwt", "{\"iss\":\"" ISSUER "\",\"jti\":\"j\",\"exp\":1700000100}",
			GW_ERR_INVALID_CREDENTIALS }, /* of no client */
		{ "at+jwt", "{\"iss\":\"" ISSUER "\",\"azp\":\"c\",\"exp\":1700000100}",
			GW_ERR_INVALID_CREDENTIALS }, /* could not be revoked */
		{ "at+jwt", "{" GOOD ",\"exp\":1700000100}",
			GW_ERR_INVALID_CREDENTIALS }, /* said twice */
		{ "at+jwt", "[]", GW_ERR_INVALID_CREDENTIALS },
	};
	struct gw_snapshot *root = trusting_root();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_claims *claims = NULL;
		enum gw_error error = verify(root, key, rows[i].typ, rows[i].payload, &claims);

		if (error != rows[i].error)
			printf("\n%s %s: %d", rows[i].typ, rows[i].payload, (int)error);
		CU_ASSERT_EQUAL(error, rows[i].error);
		gw_claims_unpin(claims);
	}
	end_root(root);
}

static void
test_keys_that_are_not_trusted(void)
{
	struct gw_snapshot *root = trusting_root(), *empty = gw_snapshot_new(&graveyard, 4);
	struct gw_claims *claims = NULL;

	CU_ASSERT_EQUAL(verify(root, stranger, "at+jwt", "{" GOOD "}", &claims),
		GW_ERR_INVALID_CREDENTIALS);
	CU_ASSERT_EQUAL(
		verify(empty, key, "at+jwt", "{" GOOD "}", &claims), GW_ERR_INVALID_CREDENTIALS);
	CU_ASSERT_EQUAL(gw_token_verify(root, NULL, GH_STR("a.b.c"), NOW_S, 5, &claims),
		GW_ERR_INVALID_CREDENTIALS);
	CU_ASSERT_EQUAL(gw_token_verify(root, NULL, GH_STR_NONE, NOW_S, 5, &claims),
		GW_ERR_INVALID_CREDENTIALS);
	CU_ASSERT_PTR_NULL(claims);
	end_root(root);
	end_root(empty);
}

static void
test_trust_ends_with_revocation_and_with_the_key(void)
{
	struct gw_snapshot *root = trusting_root(), *revoked, *without;
	struct gw_claims *claims = NULL;
	char kid[JOSE_KID_MAX + 1];

	CU_ASSERT_EQUAL_FATAL(verify(root, key, "at+jwt", "{" GOOD "}", &claims), GW_OK);
	CU_ASSERT(gw_token_is_trusted(root, NULL, claims));
	revoked = gw_snapshot_fork(root);
	test_put(revoked, "revocation", "j1", 2, "{\"expires_at_s\":1700000100}");
	CU_ASSERT(revoked->trust > claims->trust);
	CU_ASSERT(!gw_token_is_trusted(revoked, NULL, claims));
	without = gw_snapshot_fork(root);
	snprintf(kid, sizeof(kid), "%.*s", GH_STR_ARG(jose_key_kid(key)));
	test_delete(without, "issuer_key", kid);
	CU_ASSERT(!gw_token_is_trusted(without, NULL, claims));
	CU_ASSERT(gw_token_is_trusted(root, NULL, claims));
	gw_claims_unpin(claims);
	claims = NULL;
	CU_ASSERT_EQUAL(verify(revoked, key, "at+jwt", "{" GOOD "}", &claims),
		GW_ERR_INVALID_CREDENTIALS);
	end_root(root);
	end_root(revoked);
	end_root(without);
}

/* ---- The cache --------------------------------------------------------------------- */

static struct gw_claims *
claims_until(uint64_t expires_at_s)
{
	struct gw_claims *claims = calloc(1, sizeof(*claims));

	CU_ASSERT_PTR_NOT_NULL_FATAL(claims);
	claims->pins = 1;
	claims->expires_at_s = expires_at_s;
	return claims;
}

static void
digest_of(unsigned i, uint8_t digest[CRYPTO_SHA256_LEN])
{
	CU_ASSERT_EQUAL(crypto_sha256((struct gh_str){ (const char *)&i, sizeof(i) }, digest), 0);
}

static void
test_cache_is_bounded_and_keeps_what_is_used(void)
{
	struct gw_token_cache *cache = gw_token_cache_new(64, 11);
	uint8_t digest[CRYPTO_SHA256_LEN], first[CRYPTO_SHA256_LEN];
	unsigned there = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	digest_of(0, first);
	for (unsigned i = 0; i < 2000; i++) {
		struct gw_claims *claims = claims_until(i);

		digest_of(i, digest);
		gw_token_cache_put(cache, digest, claims);
		gw_claims_unpin(claims);
		CU_ASSERT_PTR_EQUAL(gw_token_cache_get(cache, digest), claims);
		CU_ASSERT_PTR_NOT_NULL(gw_token_cache_get(cache, first));
	}
	for (unsigned i = 0; i < 2000; i++) {
		digest_of(i, digest);
		struct gw_claims *claims = gw_token_cache_get(cache, digest);

		there += claims != NULL;
		CU_ASSERT(claims == NULL || claims->expires_at_s == i);
	}
	CU_ASSERT(there > 32 && there <= 64);
	gw_token_cache_drop(cache, first);
	CU_ASSERT_PTR_NULL(gw_token_cache_get(cache, first));
	gw_token_cache_drop(cache, first);
	gw_token_cache_free(cache);
}

static void
test_claims_outlive_their_place(void)
{
	struct gw_token_cache *cache = gw_token_cache_new(64, 12);
	uint8_t digest[CRYPTO_SHA256_LEN];
	struct gw_claims *claims = claims_until(77);

	digest_of(1, digest);
	gw_token_cache_put(cache, digest, claims);
	gw_token_cache_put(cache, digest, claims); /* again, in its own place */
	gw_token_cache_drop(cache, digest);
	CU_ASSERT_EQUAL(claims->expires_at_s, 77);
	CU_ASSERT_EQUAL(claims->pins, 1);
	gw_claims_unpin(claims);
	gw_token_cache_free(cache);
}

static void
test_refusals_never_displace_good_tokens(void)
{
	struct gw_token_cache *cache = gw_token_cache_new(64, 13);
	uint8_t good[CRYPTO_SHA256_LEN], digest[CRYPTO_SHA256_LEN];
	struct gw_claims *claims = claims_until(1);

	digest_of(0, good);
	gw_token_cache_put(cache, good, claims);
	gw_claims_unpin(claims);
	for (unsigned i = 1; i < 2000; i++) {
		digest_of(i, digest);
		gw_token_cache_refuse(cache, digest, 5, GW_ERR_INVALID_CREDENTIALS);
	}
	CU_ASSERT_PTR_EQUAL(gw_token_cache_get(cache, good), claims);
	CU_ASSERT_EQUAL(gw_token_cache_refused(cache, digest, 5), GW_ERR_INVALID_CREDENTIALS);
	/* A new key or revocation: ask again. */
	CU_ASSERT_EQUAL(gw_token_cache_refused(cache, digest, 6), GW_OK);
	digest_of(1, digest);
	CU_ASSERT_EQUAL(gw_token_cache_refused(cache, digest, 5), GW_OK);
	gw_token_cache_free(cache);
}

/* ---- Keys of a JWK set ------------------------------------------------------------------ */

static struct gw_jwks *
jwks_new(void)
{
	const struct gw_jwks_options options = { .url = GH_STR("https://keys/jwks"),
		.issuer = GH_STR(ISSUER), .interval_ms = 1000 };
	struct gw_jwks *set = NULL;

	CU_ASSERT_EQUAL_FATAL(gw_jwks_new(NULL, &options, &set), 0);
	return set;
}

/** A set with these keys, as a key manager publishes it.  @return STATIC. */
static struct gh_str
set_of(const struct jose_key *first, const struct jose_key *second)
{
	static char text[2048];
	const struct jose_key *keys[] = { first, second };
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"keys\":[");

	for (size_t i = 0; i < 2 && keys[i] != NULL; i++) {
		const struct jose_jwk *jwk = jose_key_jwk(keys[i]);

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"kty\":\"EC\",\"use\":\"sig\","
			"\"kid\":\"%.*s\",\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
			i > 0 ? "," : "", GH_STR_ARG(jwk->kid), GH_STR_ARG(jwk->x),
			GH_STR_ARG(jwk->y));
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "]}");
	return (struct gh_str){ text, n };
}

static void
test_keys_of_a_set(void)
{
	struct gw_snapshot *root = gw_snapshot_new(&graveyard, 3);
	struct gw_claims *claims = NULL;

	jwks = jwks_new();
	CU_ASSERT_EQUAL(verify(root, key, "at+jwt", "{" GOOD "}", &claims),
		GW_ERR_INVALID_CREDENTIALS);
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, set_of(key, NULL)), 0);
	uint64_t trust = gw_trust(root, jwks);

	CU_ASSERT_EQUAL_FATAL(verify(root, key, "at+jwt", "{" GOOD "}", &claims), GW_OK);
	CU_ASSERT_EQUAL(claims->trust, trust);
	CU_ASSERT_EQUAL(verify(root, stranger, "at+jwt", "{" GOOD "}", &claims),
		GW_ERR_INVALID_CREDENTIALS);
	/* Only tokens of the issuer that the set belongs to. */
	CU_ASSERT_EQUAL(verify(root, key, "at+jwt", "{\"iss\":\"https://evil\",\"azp\":\"c\","
		"\"jti\":\"j\",\"exp\":1700000100}", &claims), GW_ERR_INVALID_CREDENTIALS);
	/* The same set again changes nothing; another one ends what the old one said. */
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, set_of(key, NULL)), 0);
	CU_ASSERT_EQUAL(gw_trust(root, jwks), trust);
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, set_of(stranger, key)), 0);
	CU_ASSERT(gw_trust(root, jwks) > trust);
	CU_ASSERT(gw_token_is_trusted(root, jwks, claims));
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, set_of(stranger, NULL)), 0);
	CU_ASSERT(!gw_token_is_trusted(root, jwks, claims));
	gw_claims_unpin(claims);
	end_root(root);
	gw_jwks_free(jwks);
	jwks = NULL;
}

static void
test_sets_that_are_refused(void)
{
	static const char *const sets[] = { "", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}",
		"{\"keys\":[1,null,[]]}", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
		"{\"keys\":[[[[[[[[[[]]]]]]]]]]}", "{\"keys\":[]} and more" };
	struct gw_snapshot *root = gw_snapshot_new(&graveyard, 3);
	char nameless[1024];

	jwks = jwks_new();
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, set_of(key, NULL)), 0);
	uint64_t trust = gw_trust(root, jwks);

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		CU_ASSERT_EQUAL(gw_jwks_take(jwks, gh_str_of(sets[i])), GH_EINVAL);
	snprintf(nameless, sizeof(nameless), "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
		"\"x\":\"%.*s\",\"y\":\"%.*s\"}]}", GH_STR_ARG(jose_key_jwk(stranger)->x),
		GH_STR_ARG(jose_key_jwk(stranger)->y));
	CU_ASSERT_EQUAL(gw_jwks_take(jwks, gh_str_of(nameless)), GH_EINVAL);
	CU_ASSERT_EQUAL(gw_trust(root, jwks), trust);
	CU_ASSERT(gw_jwks_trusts(jwks, jose_key_kid(key), GH_STR(ISSUER)));
	end_root(root);
	gw_jwks_free(jwks);
	jwks = NULL;
}

static void
test_tokens_whose_key_nobody_knows(void)
{
	struct gw_snapshot *root = trusting_root();
	struct gh_str known, unknown;

	CU_ASSERT_EQUAL_FATAL(jose_sign(key, "at+jwt", GH_STR("{}"), &known), 0);
	CU_ASSERT_EQUAL_FATAL(jose_sign(stranger, "at+jwt", GH_STR("{}"), &unknown), 0);
	CU_ASSERT(!gw_token_has_unknown_key(root, NULL, known));
	CU_ASSERT(gw_token_has_unknown_key(root, NULL, unknown));
	CU_ASSERT(!gw_token_has_unknown_key(root, NULL, GH_STR("a.b.c")));
	/* Without a thread that fetches there is nothing to wait for. */
	jwks = jwks_new();
	CU_ASSERT(!gw_jwks_may_wait(NULL));
	CU_ASSERT(!gw_jwks_may_wait(jwks));
	gw_jwks_free(jwks);
	jwks = NULL;
	free((void *)(uintptr_t)known.p);
	free((void *)(uintptr_t)unknown.p);
	end_root(root);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_claims_of_a_good_token),
	UNIT_TEST(test_tokens_that_are_refused),
	UNIT_TEST(test_keys_that_are_not_trusted),
	UNIT_TEST(test_trust_ends_with_revocation_and_with_the_key),
	UNIT_TEST(test_cache_is_bounded_and_keeps_what_is_used),
	UNIT_TEST(test_claims_outlive_their_place),
	UNIT_TEST(test_refusals_never_displace_good_tokens),
	UNIT_TEST(test_keys_of_a_set),
	UNIT_TEST(test_sets_that_are_refused),
	UNIT_TEST(test_tokens_whose_key_nobody_knows),
	{ .name = NULL },
};

int
main(void)
{
	if (jose_key_generate(JOSE_ES256, &key) < 0 || jose_key_generate(JOSE_ES256, &stranger) < 0)
		return 70;
	int status = unit_run("gateway_tokens", tests);

	jose_key_unref(key);
	jose_key_unref(stranger);
	return status;
}
