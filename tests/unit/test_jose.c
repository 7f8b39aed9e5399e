/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_jose.c
 * @brief lib/jose: another implementation's tokens are accepted, attacks are refused.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/crypto/crypto.h"
#include "lib/jose/jose.h"
#include "tests/unit/jose_vectors.h"
#include "tests/unit/unit.h"

#define X "\"y3Pw3ueQCyj_Mgj45o9T-_ikhse5I8qa4V1UR5yAp2o\"" /* 32 bytes */
#define NOW_S 1700000100
#define ES256_HEAD "eyJhbGciOiJFUzI1NiJ9" /* {"alg":"ES256"} */

static const struct {
	const char *jwk, *thumbprint, *token;
	enum jose_alg alg;
} vectors[] = {
	{ es256_jwk, es256_thumbprint, es256_token, JOSE_ES256 },
	{ rs256_jwk, rs256_thumbprint, rs256_token, JOSE_RS256 },
	{ eddsa_jwk, eddsa_thumbprint, eddsa_token, JOSE_EDDSA },
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/** A key from JWK text; aborts the test when it cannot be made. */
static struct jose_key *
key_of(const char *text)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct jose_key *key = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_EQUAL_FATAL(jose_key_from_json(json, &key), 0);
	json_decref(json);
	return key;
}

/** What an issuer of hostile tokens would write: header and payload as they are, a signature
 *  of zeros.  @return on the heap */
static char *
forge(const char *header, const char *payload, size_t signature_n)
{
	static const uint8_t zeros[JOSE_SIGNATURE_MAX * 2];
	size_t h = strlen(header), p = strlen(payload), at;
	char *text = malloc(CRYPTO_BASE64URL_LEN(h) + CRYPTO_BASE64URL_LEN(p) +
		CRYPTO_BASE64URL_LEN(signature_n) + 3);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	at = crypto_base64url(header, h, text);
	text[at++] = '.';
	at += crypto_base64url(payload, p, text + at);
	text[at++] = '.';
	crypto_base64url(zeros, signature_n, text + at);
	return text;
}

static void
test_vectors_of_another_implementation(void)
{
	for (size_t i = 0; i < VECTORS; i++) {
		struct jose_key *key = key_of(vectors[i].jwk);
		struct jose_token token;
		struct jose_claims claims;

		CU_ASSERT_EQUAL(jose_key_alg(key), vectors[i].alg);
		CU_ASSERT(gh_str_eq(jose_key_kid(key), gh_str_of(vectors[i].thumbprint)));
		CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(vectors[i].token), &token), 0);
		CU_ASSERT_EQUAL(token.alg, vectors[i].alg);
		CU_ASSERT_EQUAL(strncmp(token.kid, "k-", 2), 0);
		CU_ASSERT(jose_typ_is(&token, "at+jwt") && !jose_typ_is(&token, "jwt"));
		CU_ASSERT_EQUAL(jose_verify(&token, key), 0);
		CU_ASSERT_EQUAL_FATAL(jose_claims(&token, &claims), 0);
		CU_ASSERT(gh_str_eq(claims.sub, GH_STR("alice")));
		CU_ASSERT(gh_str_eq(claims.scope, GH_STR("apim:api_view default")));
		CU_ASSERT(gh_str_eq(jose_claim(&claims, "azp"), GH_STR("c1")));
		CU_ASSERT_EQUAL(jose_claim(&claims, "exp").n, 0);
		CU_ASSERT_EQUAL(claims.exp_s, 1700003600);
		CU_ASSERT(jose_has_audience(&claims, GH_STR("two")));
		CU_ASSERT(!jose_has_audience(&claims, GH_STR("tw")));
		jose_claims_done(&claims);
		jose_key_unref(key);
	}
}

static void
test_any_key_but_the_right_one_refuses(void)
{
	for (size_t i = 0; i < VECTORS; i++) {
		struct jose_key *same_alg = NULL;
		struct jose_token token;

		CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(vectors[i].token), &token), 0);
		for (size_t j = 0; j < VECTORS; j++) {
			struct jose_key *key = key_of(vectors[j].jwk);

			CU_ASSERT_EQUAL(jose_verify(&token, key), i == j ? 0 : GH_EDENIED);
			jose_key_unref(key);
		}
		CU_ASSERT_EQUAL_FATAL(jose_key_generate(vectors[i].alg, &same_alg), 0);
		CU_ASSERT_EQUAL(jose_verify(&token, same_alg), GH_EDENIED);
		jose_key_unref(same_alg);
	}
}

static void
test_alg_none_and_key_confusion(void)
{
	static const char *const tokens[] = { none_token, confused_token };
	static const char claims[] = "{\"sub\":\"alice\",\"exp\":4000000000}";

	for (size_t i = 0; i < VECTORS; i++) {
		struct jose_key *key = key_of(vectors[i].jwk);
		struct jose_token token;

		for (size_t j = 0; j < sizeof(tokens) / sizeof(tokens[0]); j++) {
			CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(tokens[j]), &token), 0);
			CU_ASSERT_EQUAL(token.alg, JOSE_UNKNOWN);
			CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
		}
		/* The right length and another algorithm's name. */
		size_t n = vectors[i].alg == JOSE_RS256 ? 256 : 64;
		char *text = forge("{\"alg\":\"nOnE\"}", claims, n);

		CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(text), &token), 0);
		CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
		free(text);
		jose_key_unref(key);
	}
}

static void
test_modified_tokens(void)
{
	for (size_t i = 0; i < VECTORS; i++) {
		struct jose_key *key = key_of(vectors[i].jwk);
		size_t n = strlen(vectors[i].token);
		char *text = malloc(n + 1);

		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		for (size_t at = 0; at < n; at += 7) { /* any character, anywhere */
			struct jose_token token;

			memcpy(text, vectors[i].token, n + 1);
			text[at] = text[at] == 'A' ? 'B' : 'A';
			if (jose_parse((struct gh_str){ text, n }, &token) == 0)
				CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
		}
		for (size_t cut = 0; cut < n; cut += 5) {
			struct jose_token token;

			if (jose_parse((struct gh_str){ vectors[i].token, cut }, &token) == 0)
				CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
		}
		free(text);
		jose_key_unref(key);
	}
}

static void
test_es256_signature_has_64_bytes(void)
{
	static const size_t lengths[] = { 0, 1, 32, 63, 65, 70, 72, 96, 128, 132 };
	struct jose_key *key = key_of(es256_jwk);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *text = forge("{\"alg\":\"ES256\"}", "{}", lengths[i]);
		struct jose_token token;

		CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(text), &token), 0);
		CU_ASSERT_EQUAL(token.signature_n, lengths[i]);
		CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
		free(text);
	}
	/* r = s = 0: once accepted by several products for every key. */
	char *text = forge("{\"alg\":\"ES256\"}", "{}", 64);
	struct jose_token token;

	CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(text), &token), 0);
	CU_ASSERT_EQUAL(jose_verify(&token, key), GH_EDENIED);
	free(text);
	jose_key_unref(key);
}

static void
test_headers_refused(void)
{
	static const char *const rows[] = {
		"", "[]", "null", "{", "{}",
		"{\"alg\":5}", "{\"alg\":null}",
		"{\"alg\":\"ES256\",\"alg\":\"none\"}",
		"{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}",
		"{\"alg\":\"ES256\",\"crit\":[]}",
		"{\"alg\":\"ES256\",\"zip\":\"DEF\"}",
		"{\"alg\":\"ES256\",\"b64\":false}",
		"{\"alg\":\"ES256\",\"kid\":7}",
		"{\"alg\":\"ES256\",\"kid\":\"\"}",
		"{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}",
		"{\"alg\":\"ES256\",\"kid\":\"a b\"}",
		"{\"alg\":\"ES256\",\"kid\":\"a\\\"b\"}",
		"{\"alg\":\"ES256\",\"kid\":\"\\u00e9\"}",
		"{\"alg\":\"ES256\",\"typ\":{}}",
		"{\"alg\":\"ES256\",\"typ\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = forge(rows[i], "{}", 64);
		struct jose_token token;

		CU_ASSERT_EQUAL(jose_parse(gh_str_of(text), &token), GH_EINVAL);
		free(text);
	}
}

static void
test_kid_is_bounded(void)
{
	for (size_t n = JOSE_KID_MAX; n <= JOSE_KID_MAX + 1; n++) {
		char kid[JOSE_KID_MAX + 2], header[JOSE_KID_MAX + 64];
		struct jose_token token;

		memset(kid, 'k', n);
		kid[n] = '\0';
		snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
		char *text = forge(header, "{}", 64);

		int expected = n > JOSE_KID_MAX ? GH_EINVAL : 0;

		CU_ASSERT_EQUAL(jose_parse(gh_str_of(text), &token), expected);
		free(text);
	}
}

static void
test_shapes_refused(void)
{
	static const char *const rows[] = {
		"", ".", "..", "...", "a.b", ES256_HEAD "..", /* the last: no payload */
		ES256_HEAD ".e30.AA.AA", ES256_HEAD ".e30.AA.", " " ES256_HEAD ".e30.",
		ES256_HEAD ".e30.AA==", ES256_HEAD ".e30.AB", ES256_HEAD ".e30.A A",
		ES256_HEAD "=.e30.AA",
	};
	struct jose_claims claims;
	struct jose_token token;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT(jose_parse(gh_str_of(rows[i]), &token) < 0 ||
			jose_claims(&token, &claims) == GH_EINVAL);
	char *big = malloc(JOSE_TOKEN_MAX + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	memset(big, 'A', JOSE_TOKEN_MAX + 1);
	CU_ASSERT_EQUAL(jose_parse((struct gh_str){ big, JOSE_TOKEN_MAX + 1 }, &token), GH_ETOOBIG);
	free(big);
}

static void
test_claims_refused(void)
{
	static const char *const rows[] = {
		"", "[]", "\"x\"", "{\"exp\":1,\"exp\":2}", "{\"sub\":1}", "{\"scope\":[\"a\"]}",
		"{\"exp\":\"1700000000\"}", "{\"exp\":-1}", "{\"exp\":1e300}", "{\"nbf\":true}",
		"{\"iat\":9007199254740994}", "{\"sub\":\"a\\u0000b\"}", "{} {}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = forge("{\"alg\":\"ES256\"}", rows[i], 64);
		struct jose_token token;
		struct jose_claims claims;

		CU_ASSERT_EQUAL_FATAL(jose_parse(gh_str_of(text), &token), 0);
		CU_ASSERT_EQUAL(jose_claims(&token, &claims), GH_EINVAL);
		free(text);
	}
}

static void
test_times(void)
{
	static const struct { uint64_t nbf_s, exp_s, skew_s; int r; } rows[] = {
		{ 0, NOW_S + 1, 0, 0 }, { 0, NOW_S, 0, GH_EEXPIRED }, { 0, NOW_S - 4, 5, 0 },
		{ 0, NOW_S - 5, 5, GH_EEXPIRED }, { NOW_S, NOW_S + 9, 0, 0 },
		{ NOW_S + 1, NOW_S + 9, 0, GH_EDENIED }, { NOW_S + 5, NOW_S + 9, 5, 0 },
		{ NOW_S + 6, NOW_S + 9, 5, GH_EDENIED },
		{ 0, 0, 5, GH_EDENIED }, /* never expires: not a token that we take */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jose_claims claims = { .nbf_s = rows[i].nbf_s, .exp_s = rows[i].exp_s };

		CU_ASSERT_EQUAL(jose_check_time(&claims, NOW_S, rows[i].skew_s), rows[i].r);
	}
}

static void
test_sign_and_verify(void)
{
	struct gh_str payload = GH_STR("{\"sub\":\"bob\",\"exp\":1700003600}");

	for (size_t i = 0; i < VECTORS; i++) {
		struct jose_key *key = NULL, *public = NULL, *restored = NULL;
		struct jose_token token;
		struct jose_claims claims;
		struct gh_str text, der;

		CU_ASSERT_EQUAL_FATAL(jose_key_generate(vectors[i].alg, &key), 0);
		CU_ASSERT_EQUAL_FATAL(jose_key_from_jwk(jose_key_jwk(key), &public), 0);
		CU_ASSERT_EQUAL_FATAL(jose_key_private(key, &der), 0);
		CU_ASSERT_EQUAL_FATAL(jose_key_from_private(vectors[i].alg, der, &restored), 0);
		CU_ASSERT_EQUAL(jose_key_private(public, &text), GH_ENOENT);
		crypto_wipe_free((void *)der.p, der.n);
		CU_ASSERT(gh_str_eq(jose_key_kid(key), jose_key_kid(restored)));
		for (int round = 0; round < 20; round++) { /* now and then r or s begins with 0 */
			CU_ASSERT_EQUAL_FATAL(jose_sign(restored, "at+jwt", payload, &text), 0);
			CU_ASSERT_EQUAL(text.p[text.n], '\0');
			CU_ASSERT_EQUAL_FATAL(jose_parse(text, &token), 0);
			CU_ASSERT_EQUAL(jose_verify(&token, public), 0);
			CU_ASSERT(gh_str_eq(gh_str_of(token.kid), jose_key_kid(key)));
			free((void *)text.p);
		}
		CU_ASSERT_EQUAL(jose_sign(public, "at+jwt", payload, &text), GH_EINVAL);
		CU_ASSERT_EQUAL(jose_sign(key, "a\"b", payload, &text), GH_EINVAL);
		CU_ASSERT_EQUAL_FATAL(jose_sign(key, "JWT", payload, &text), 0);
		CU_ASSERT_EQUAL_FATAL(jose_parse(text, &token), 0);
		CU_ASSERT(jose_typ_is(&token, "jwt"));
		CU_ASSERT_EQUAL_FATAL(jose_claims(&token, &claims), 0);
		CU_ASSERT(gh_str_eq(claims.sub, GH_STR("bob")));
		jose_claims_done(&claims);
		free((void *)text.p);
		jose_key_unref(key);
		jose_key_unref(public);
		jose_key_unref(restored);
	}
}

static void
test_private_key_of_another_implementation(void)
{
	struct jose_key *key = NULL;
	uint8_t der[256];
	size_t n = 0;

	CU_ASSERT_EQUAL(crypto_unbase64(gh_str_of(es256_private), der, sizeof(der), &n), 0);
	struct gh_str text = { (const char *)der, n };

	CU_ASSERT_EQUAL_FATAL(jose_key_from_private(JOSE_ES256, text, &key), 0);
	CU_ASSERT(gh_str_eq(jose_key_kid(key), gh_str_of(es256_thumbprint)));
	jose_key_unref(key);
	key = NULL;
	CU_ASSERT_EQUAL(jose_key_from_private(JOSE_RS256, text, &key), GH_EINVAL);
	CU_ASSERT_EQUAL(jose_key_from_private(JOSE_UNKNOWN, text, &key), GH_EINVAL);
	text.n--;
	CU_ASSERT_EQUAL(jose_key_from_private(JOSE_ES256, text, &key), GH_EINVAL);
	CU_ASSERT_PTR_NULL(key);
}

static void
test_keys_refused(void)
{
	static const char *const rows[] = {
		"{}", "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":" X ",\"y\":" X "}", /* not on the curve */
		"{\"kty\":\"EC\",\"crv\":\"P-256K\",\"x\":" X ",\"y\":" X "}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":" X "}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":" X ",\"alg\":\"ES256\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":" X ",\"use\":\"enc\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":" X ",\"kid\":\"a b\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":7}",
		"{\"kty\":\"RSA\",\"n\":" X ",\"e\":\"AQAB\"}", /* 256 bits */
		"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}",
		weak_rsa_jwk,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jose_key *key = NULL;
		json_t *json = json_loads(rows[i], 0, NULL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		CU_ASSERT_EQUAL(jose_key_from_json(json, &key), GH_EINVAL);
		CU_ASSERT_PTR_NULL(key);
		json_decref(json);
	}
}

static void
test_weak_exponents(void)
{
	static const char *const exponents[] = { "AA", "AQ", "Ag", "BA", "AQAA", "AQAAAAAB" };

	for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		json_t *json = json_loads(rs256_jwk, 0, NULL);
		struct jose_key *key = NULL;

		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		json_object_set_new(json, "e", json_string(exponents[i]));
		CU_ASSERT_EQUAL(jose_key_from_json(json, &key), GH_EINVAL);
		json_decref(json);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_vectors_of_another_implementation),
		UNIT_TEST(test_any_key_but_the_right_one_refuses),
		UNIT_TEST(test_alg_none_and_key_confusion), UNIT_TEST(test_modified_tokens),
		UNIT_TEST(test_es256_signature_has_64_bytes), UNIT_TEST(test_headers_refused),
		UNIT_TEST(test_kid_is_bounded), UNIT_TEST(test_shapes_refused),
		UNIT_TEST(test_claims_refused), UNIT_TEST(test_times),
		UNIT_TEST(test_sign_and_verify),
		UNIT_TEST(test_private_key_of_another_implementation), UNIT_TEST(test_keys_refused),
		UNIT_TEST(test_weak_exponents),
		{ .name = NULL },
	};

	return unit_run("jose", tests);
}
