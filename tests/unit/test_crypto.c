/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_crypto.c
 * @brief lib/crypto: published vectors, strict encodings, and what a sealed record refuses.
 */
#include "lib/crypto/crypto.h"
#include "tests/unit/unit.h"

static void
test_sha256_of_vectors(void)
{
	static const struct { const char *in, *hex; } rows[] = { /* FIPS 180-2, appendix B */
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char hex[CRYPTO_SHA256_HEX_LEN + 1];

		CU_ASSERT_EQUAL(crypto_sha256_hex(gh_str_of(rows[i].in), hex), 0);
		CU_ASSERT_STRING_EQUAL(hex, rows[i].hex);
	}
}

static void
test_base64_of_vectors(void)
{
	static const struct { const char *plain, *padded, *url; } rows[] = { /* RFC 4648, 10 */
		{ "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" }, { "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" }, { "\xfb\xff\xfe", "+//+", "-__-" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[32], plain[32];
		size_t n = strlen(rows[i].plain), got = 99;

		CU_ASSERT_EQUAL(crypto_base64(rows[i].plain, n, text), CRYPTO_BASE64_LEN(n));
		CU_ASSERT_STRING_EQUAL(text, rows[i].padded);
		CU_ASSERT_EQUAL(crypto_unbase64(gh_str_of(text), plain, sizeof(plain), &got), 0);
		CU_ASSERT(got == n && memcmp(plain, rows[i].plain, n) == 0);
		CU_ASSERT_EQUAL(crypto_base64url(rows[i].plain, n, text), CRYPTO_BASE64URL_LEN(n));
		CU_ASSERT_STRING_EQUAL(text, rows[i].url);
		CU_ASSERT_EQUAL(crypto_unbase64url(gh_str_of(text), plain, sizeof(plain), &got), 0);
		CU_ASSERT(got == n && memcmp(plain, rows[i].plain, n) == 0);
	}
}

static void
test_base64url_refused(void)
{
	static const struct { const char *text; int err; } rows[] = {
		{ "Zg==", GH_EINVAL },  /* padding */
		{ "Zh", GH_EINVAL },    /* unused bits */
		{ "Zm9", GH_EINVAL },   /* unused bits */
		{ "Z", GH_EINVAL },     /* six bits are no byte */
		{ "Zm9v\n", GH_EINVAL }, { "Zm 9v", GH_EINVAL },
		{ "+//+", GH_EINVAL },  /* the other alphabet */
		{ "AAAAAAAAAAAA", GH_ETOOBIG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char plain[8];
		size_t n;

		int r = crypto_unbase64url(gh_str_of(rows[i].text), plain, sizeof(plain), &n);

		CU_ASSERT_EQUAL(r, rows[i].err);
	}
	char plain[8];
	size_t n;

	CU_ASSERT_EQUAL(crypto_unbase64(GH_STR("Zg"), plain, sizeof(plain), &n), GH_EINVAL);
	CU_ASSERT_EQUAL(crypto_unbase64(GH_STR("===="), plain, sizeof(plain), &n), GH_EINVAL);
	CU_ASSERT_EQUAL(crypto_unbase64(GH_STR("-__-"), plain, sizeof(plain), &n), GH_EINVAL);
}

static void
test_hex_both_ways(void)
{
	uint8_t bytes[3];
	char text[7];

	CU_ASSERT_EQUAL(crypto_unhex(GH_STR("00fFa1"), bytes, sizeof(bytes)), 0);
	crypto_hex(bytes, sizeof(bytes), text);
	CU_ASSERT_STRING_EQUAL(text, "00ffa1");
	CU_ASSERT_EQUAL(crypto_unhex(GH_STR("00ff"), bytes, sizeof(bytes)), GH_EINVAL);
	CU_ASSERT_EQUAL(crypto_unhex(GH_STR("00ffg1"), bytes, sizeof(bytes)), GH_EINVAL);
}

static void
test_uuid_form(void)
{
	char a[CRYPTO_UUID_LEN + 1], b[CRYPTO_UUID_LEN + 1];

	CU_ASSERT_EQUAL(crypto_uuid(a), 0);
	CU_ASSERT_EQUAL(crypto_uuid(b), 0);
	CU_ASSERT_EQUAL(strlen(a), CRYPTO_UUID_LEN);
	CU_ASSERT(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
	CU_ASSERT(a[14] == '4' && strchr("89ab", a[19]) != NULL);
	CU_ASSERT_STRING_NOT_EQUAL(a, b);
}

static void
test_random_hex_form(void)
{
	char a[41], b[41];

	CU_ASSERT_EQUAL(crypto_random_hex(a, 20), 0);
	CU_ASSERT_EQUAL(crypto_random_hex(b, 20), 0);
	CU_ASSERT_EQUAL(strspn(a, "0123456789abcdef"), 40);
	CU_ASSERT_EQUAL(strlen(a), 40);
	CU_ASSERT_STRING_NOT_EQUAL(a, b);
}

static void
test_equal(void)
{
	CU_ASSERT(crypto_equal(GH_STR("secret"), GH_STR("secret")));
	CU_ASSERT(crypto_equal(GH_STR_NONE, GH_STR("")));
	CU_ASSERT(!crypto_equal(GH_STR("secret"), GH_STR("secreT")));
	CU_ASSERT(!crypto_equal(GH_STR("secret"), GH_STR("secre")));
}

static void
test_seal_opens_only_where_it_belongs(void)
{
	uint8_t bytes[CRYPTO_KEY_LEN] = { 1, 2, 3 }, sealed[64], plain[64];
	struct crypto_key *key = crypto_secret_new(sizeof(*key)), other;
	struct gh_str context = GH_STR("client/42"), secret = GH_STR("s3cret");
	size_t n = 0;
	int r;

	CU_ASSERT_PTR_NOT_NULL_FATAL(key);
	CU_ASSERT_EQUAL(crypto_key_init(key, bytes), 0);
	bytes[0] = 9;
	CU_ASSERT_EQUAL(crypto_key_init(&other, bytes), 0);
	CU_ASSERT_EQUAL(crypto_seal(key, context, secret, sealed), 0);
	struct gh_str record = { (const char *)sealed, secret.n + CRYPTO_SEAL_OVERHEAD };

	CU_ASSERT_EQUAL(crypto_unseal(key, context, record, plain, &n), 0);
	CU_ASSERT(n == secret.n && memcmp(plain, secret.p, n) == 0);
	CU_ASSERT_EQUAL(crypto_unseal(&other, context, record, plain, &n), GH_ENOENT);
	CU_ASSERT_EQUAL(crypto_unseal(key, GH_STR("client/43"), record, plain, &n), GH_EDENIED);
	for (size_t i = 0; i < record.n; i++) { /* no single byte can change */
		sealed[i] ^= 1;
		CU_ASSERT_NOT_EQUAL(crypto_unseal(key, context, record, plain, &n), 0);
		sealed[i] ^= 1;
	}
	for (record.n--; record.n > 0; record.n--) { /* nor can it be cut */
		r = crypto_unseal(key, context, record, plain, &n);
		CU_ASSERT_NOT_EQUAL(r, 0);
	}
	crypto_secret_free(key, sizeof(*key));
}

static void
test_seal_of_nothing(void)
{
	uint8_t bytes[CRYPTO_KEY_LEN] = { 7 }, sealed[CRYPTO_SEAL_OVERHEAD], plain[1];
	struct crypto_key key;
	size_t n = 9;

	CU_ASSERT_EQUAL(crypto_key_init(&key, bytes), 0);
	CU_ASSERT_EQUAL(crypto_seal(&key, GH_STR_NONE, GH_STR_NONE, sealed), 0);
	CU_ASSERT_EQUAL(crypto_unseal(&key, GH_STR_NONE,
		(struct gh_str){ (const char *)sealed, sizeof(sealed) }, plain, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_sha256_of_vectors), UNIT_TEST(test_base64_of_vectors),
		UNIT_TEST(test_base64url_refused), UNIT_TEST(test_hex_both_ways),
		UNIT_TEST(test_uuid_form), UNIT_TEST(test_random_hex_form), UNIT_TEST(test_equal),
		UNIT_TEST(test_seal_opens_only_where_it_belongs), UNIT_TEST(test_seal_of_nothing),
		{ .name = NULL },
	};

	return unit_run("crypto", tests);
}
