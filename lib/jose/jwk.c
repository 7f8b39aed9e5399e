/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jwk.c
 * @brief Public keys as JSON Web Keys: numbers in base64url (RFC 7518, 6) and the thumbprint.
 *
 * What comes in is decoded, checked by GnuTLS and written anew from there, so that a key has one
 * text whoever wrote it, and one thumbprint.
 */
#include <stdio.h>
#include <stdlib.h>
#include "lib/crypto/crypto.h"
#include "lib/jose/key.h"
#include "lib/json/json.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define NUMBER_MAX (RSA_BITS_MAX / 8)
#define RSA_EXPONENT_MAX 5 /* bytes: up to 2^32 + 1 */
#define THUMBPRINT_INPUT_MAX (2 * CRYPTO_BASE64URL_LEN(NUMBER_MAX) + 64)

/** One number of a key. */
struct number {
	uint8_t bytes[NUMBER_MAX];
	size_t n;
};

static int
number_read(struct gh_str text, size_t max, struct number *ret)
{
	if (text.n == 0 || text.n > CRYPTO_BASE64URL_LEN(max))
		return GH_EINVAL;
	return crypto_unbase64url(text, ret->bytes, max, &ret->n) == 0 && ret->n > 0
		? GH_OK : GH_EINVAL;
}

static gnutls_datum_t
datum_of(struct number *number)
{
	return (gnutls_datum_t){ number->bytes, (unsigned)number->n };
}

int
jose_jwk_import(const struct jose_jwk *jwk, const struct jose_suite *suite,
	gnutls_pubkey_t public)
{
	bool is_rsa = suite->pk == GNUTLS_PK_RSA, has_y = suite->pk == GNUTLS_PK_ECDSA;
	struct number a, b = { .n = 0 };
	int r;

	r = number_read(is_rsa ? jwk->n : jwk->x, is_rsa ? NUMBER_MAX : JOSE_ES256_PART, &a);
	if (r == 0 && is_rsa)
		r = number_read(jwk->e, RSA_EXPONENT_MAX, &b);
	if (r == 0 && has_y)
		r = number_read(jwk->y, JOSE_ES256_PART, &b);
	if (r < 0)
		return r;
	gnutls_datum_t first = datum_of(&a), second = datum_of(&b);

	if (is_rsa)
		r = gnutls_pubkey_import_rsa_raw(public, &first, &second);
	else if (a.n != JOSE_ES256_PART || (has_y && b.n != JOSE_ES256_PART))
		return GH_EINVAL;
	else
		r = gnutls_pubkey_import_ecc_raw(public, suite->curve, &first,
			has_y ? &second : NULL);
	if (r == GNUTLS_E_MEMORY_ERROR)
		return GH_ENOMEM;
	/* A point beside the curve would make signatures forgeable. */
	return r == 0 && (!has_y || gnutls_pubkey_verify_params(public) == 0) ? GH_OK : GH_EINVAL;
}

/** An odd exponent from 3 to 2^32 + 1, and a modulus of an accepted length. */
static bool
is_good_rsa(gnutls_datum_t modulus, gnutls_datum_t exponent)
{
	uint64_t e = 0;

	if (exponent.size == 0 || exponent.size > RSA_EXPONENT_MAX)
		return false;
	for (unsigned i = 0; i < exponent.size; i++)
		e = e << 8 | exponent.data[i];
	return e >= 3 && e % 2 == 1 && e <= (UINT64_C(1) << 32) + 1 &&
		modulus.size >= RSA_BITS_MIN / 8 && modulus.size <= RSA_BITS_MAX / 8 &&
		(modulus.size > RSA_BITS_MIN / 8 || modulus.data[0] >= 0x80);
}

/** Write a number at @p *at, with zeros in front up to @p width bytes.  @return its text. */
static struct gh_str
number_write(gnutls_datum_t number, size_t width, char **at)
{
	uint8_t padded[NUMBER_MAX] = { 0 };
	size_t n = number.size < width ? width : number.size;
	struct gh_str text = { *at, 0 };

	memcpy(padded + n - number.size, number.data, number.size);
	text.n = crypto_base64url(padded, n, *at);
	*at += text.n + 1;
	return text;
}

/** RFC 7638: SHA-256 over the required members in lexicographic order. */
static int
thumbprint(const struct jose_jwk *jwk, char **at, struct gh_str *ret_kid)
{
	char input[THUMBPRINT_INPUT_MAX];
	uint8_t digest[CRYPTO_SHA256_LEN];
	int n;

	if (jwk->n.n != 0)
		n = snprintf(input, sizeof(input),
			"{\"e\":\"%.*s\",\"kty\":\"RSA\",\"n\":\"%.*s\"}",
			GH_STR_ARG(jwk->e), GH_STR_ARG(jwk->n));
	else if (jwk->y.n != 0)
		n = snprintf(input, sizeof(input),
			"{\"crv\":\"%.*s\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
			GH_STR_ARG(jwk->crv), GH_STR_ARG(jwk->x), GH_STR_ARG(jwk->y));
	else
		n = snprintf(input, sizeof(input),
			"{\"crv\":\"%.*s\",\"kty\":\"OKP\",\"x\":\"%.*s\"}",
			GH_STR_ARG(jwk->crv), GH_STR_ARG(jwk->x));
	if (n < 0 || (size_t)n >= sizeof(input))
		return GH_EINVAL;
	int r = crypto_sha256((struct gh_str){ input, (size_t)n }, digest);

	if (r < 0)
		return r;
	*ret_kid = (struct gh_str){ *at, crypto_base64url(digest, sizeof(digest), *at) };
	return GH_OK;
}

/** Numbers of a public key; both datums are gnutls_free()d by the caller, also after an error. */
static int
export_numbers(const struct jose_key *key, gnutls_datum_t *a, gnutls_datum_t *b)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	int r;

	if (key->suite->pk == GNUTLS_PK_RSA) {
		r = gnutls_pubkey_export_rsa_raw2(key->public, a, b, GNUTLS_EXPORT_FLAG_NO_LZ);
		return r == 0 && is_good_rsa(*a, *b) ? GH_OK : GH_EINVAL;
	}
	r = gnutls_pubkey_export_ecc_raw2(key->public, &curve, a, b, GNUTLS_EXPORT_FLAG_NO_LZ);
	return r == 0 && curve == key->suite->curve && a->size <= JOSE_ES256_PART &&
		b->size <= JOSE_ES256_PART ? GH_OK : GH_EINVAL;
}

int
jose_jwk_export(struct jose_key *key, struct gh_str kid)
{
	const struct jose_suite *suite = key->suite;
	struct jose_jwk *jwk = &key->jwk;
	gnutls_datum_t a = { NULL, 0 }, b = { NULL, 0 };
	char *at;
	int r = export_numbers(key, &a, &b);

	if (r < 0)
		goto out;
	key->text = at = malloc(2 * CRYPTO_BASE64URL_LEN(NUMBER_MAX) + JOSE_KID_MAX + 3);
	if (at == NULL) {
		r = GH_ENOMEM;
		goto out;
	}
	*jwk = (struct jose_jwk){ .kty = gh_str_of(suite->kty), .crv = gh_str_of(suite->crv),
		.alg = gh_str_of(suite->name), .use = GH_STR("sig") };
	if (suite->pk == GNUTLS_PK_RSA) {
		key->signature_n = a.size;
		jwk->n = number_write(a, 0, &at);
		jwk->e = number_write(b, 0, &at);
	} else {
		key->signature_n = 2 * JOSE_ES256_PART; /* Ed25519 has the same */
		jwk->x = number_write(a, JOSE_ES256_PART, &at);
		if (suite->pk == GNUTLS_PK_ECDSA)
			jwk->y = number_write(b, JOSE_ES256_PART, &at);
	}
	if (kid.n == 0) {
		r = thumbprint(jwk, &at, &jwk->kid);
	} else {
		memcpy(at, kid.p, kid.n);
		jwk->kid = (struct gh_str){ at, kid.n };
	}
out:
	gnutls_free(a.data);
	gnutls_free(b.data);
	return r;
}

int
jose_key_from_json(const struct json_t *json, struct jose_key **ret_key)
{
	struct jose_jwk jwk = { .kty = GH_STR_NONE };
	const struct { const char *name; struct gh_str *to; } members[] = {
		{ "kty", &jwk.kty }, { "use", &jwk.use }, { "alg", &jwk.alg }, { "kid", &jwk.kid },
		{ "crv", &jwk.crv }, { "x", &jwk.x }, { "y", &jwk.y }, { "n", &jwk.n },
		{ "e", &jwk.e },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *v = json_object_get(json, members[i].name);

		if (v == NULL)
			continue;
		if (!json_is_string(v))
			return GH_EINVAL;
		*members[i].to = js_text(v);
	}
	return jose_key_from_jwk(&jwk, ret_key);
}
