/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jws.c
 * @brief Take tokens apart, verify and make their signatures.
 */
#include <stdio.h>
#include <stdlib.h>
#include "lib/crypto/crypto.h"
#include "lib/jose/key.h"
#include "lib/json/json.h"

int
jose_object(struct gh_str part, struct json_t **ret_object)
{
	static const struct js_limits limits = { JOSE_TOKEN_MAX, JOSE_DEPTH_MAX };
	size_t cap = CRYPTO_UNBASE64_MAX(part.n), n = 0;
	char *text = malloc(cap);
	json_t *json = NULL;
	int r;

	if (text == NULL)
		return GH_ENOMEM;
	r = crypto_unbase64url(part, text, cap, &n);
	if (r == 0) {
		r = js_parse((struct gh_str){ text, n }, &limits, &json, NULL, 0);
		if (r == 0 && !json_is_object(json))
			r = GH_EINVAL;
	}
	free(text);
	if (r < 0)
		json_decref(json);
	else
		*ret_object = json;
	return r == GH_ETOOBIG ? GH_EINVAL : r;
}

/** Copy a header member that is used for look-ups or comparisons; it may be absent. */
static int
read_plain(const json_t *header, const char *name, char *ret, size_t max)
{
	const json_t *v = json_object_get(header, name);
	struct gh_str s = { json_string_value(v), json_string_length(v) };

	if (v == NULL) {
		ret[0] = '\0';
		return GH_OK;
	}
	if (!json_is_string(v) || !jose_is_plain(s, max))
		return GH_EINVAL;
	memcpy(ret, s.p, s.n + 1);
	return GH_OK;
}

static int
read_header(struct gh_str part, struct jose_token *token)
{
	/* Extensions that we would have to understand, a compressed or an unencoded payload. */
	static const char *const refused[] = { "crit", "zip", "b64" };
	json_t *header = NULL;
	int r = jose_object(part, &header);

	if (r < 0)
		return r;
	const json_t *alg = json_object_get(header, "alg");

	if (!json_is_string(alg))
		r = GH_EINVAL;
	token->alg = r == 0 ? jose_alg_of(gh_str_of(json_string_value(alg))) : JOSE_UNKNOWN;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (json_object_get(header, refused[i]) != NULL)
			r = GH_EINVAL;
	if (r == 0)
		r = read_plain(header, "kid", token->kid, JOSE_KID_MAX);
	if (r == 0)
		r = read_plain(header, "typ", token->typ, JOSE_TYP_MAX);
	json_decref(header);
	return r;
}

int
jose_parse(struct gh_str text, struct jose_token *ret_token)
{
	const char *dot, *second;
	int r;

	if (text.n > JOSE_TOKEN_MAX)
		return GH_ETOOBIG;
	dot = text.n > 0 ? memchr(text.p, '.', text.n) : NULL;
	if (dot == NULL)
		return GH_EINVAL;
	struct gh_str header = { text.p, (size_t)(dot - text.p) };
	struct gh_str rest = { dot + 1, text.n - header.n - 1 };

	second = rest.n > 0 ? memchr(rest.p, '.', rest.n) : NULL;
	if (second == NULL)
		return GH_EINVAL;
	ret_token->payload = (struct gh_str){ rest.p, (size_t)(second - rest.p) };
	ret_token->signing_input = (struct gh_str){ text.p, (size_t)(second - text.p) };
	/* A third dot is no base64url and is refused there. */
	r = crypto_unbase64url((struct gh_str){ second + 1, rest.n - ret_token->payload.n - 1 },
		ret_token->signature, sizeof(ret_token->signature), &ret_token->signature_n);
	if (r < 0)
		return GH_EINVAL;
	return read_header(header, ret_token);
}

bool
jose_typ_is(const struct jose_token *token, const char *typ)
{
	struct gh_str have = gh_str_of(token->typ), prefix = GH_STR("application/");

	if (have.n > prefix.n && gh_str_eq_nocase((struct gh_str){ have.p, prefix.n }, prefix))
		have = (struct gh_str){ have.p + prefix.n, have.n - prefix.n };
	return gh_str_eq_nocase(have, gh_str_of(typ));
}

/** Half of an ES256 signature as a number without zeros in front, as DER wants it. */
static gnutls_datum_t
number_of(const uint8_t *p)
{
	gnutls_datum_t number = { (unsigned char *)p, JOSE_ES256_PART };

	while (number.size > 1 && number.data[0] == 0) {
		number.data++;
		number.size--;
	}
	return number;
}

int
jose_verify(const struct jose_token *token, const struct jose_key *key)
{
	gnutls_datum_t input = { (unsigned char *)token->signing_input.p,
		(unsigned)token->signing_input.n };
	gnutls_datum_t signature = { (unsigned char *)token->signature,
		(unsigned)token->signature_n };
	bool is_ecdsa = key->suite->pk == GNUTLS_PK_ECDSA;
	int r;

	if (token->alg != key->alg || token->signature_n != key->signature_n)
		return GH_EDENIED;
	if (is_ecdsa) {
		gnutls_datum_t r_value = number_of(token->signature);
		gnutls_datum_t s_value = number_of(token->signature + JOSE_ES256_PART);

		if (gnutls_encode_rs_value(&signature, &r_value, &s_value) != 0)
			return GH_EDENIED;
	}
	r = gnutls_pubkey_verify_data2(key->public, key->suite->sign, 0, &input, &signature);
	if (is_ecdsa)
		gnutls_free(signature.data);
	return r >= 0 ? GH_OK : GH_EDENIED;
}

/** Put a DER number into a field of fixed width; false: it is too long. */
static bool
put_number(gnutls_datum_t number, uint8_t *to)
{
	while (number.size > 0 && number.data[0] == 0) {
		number.data++;
		number.size--;
	}
	if (number.size > JOSE_ES256_PART)
		return false;
	memset(to, 0, JOSE_ES256_PART);
	if (number.size > 0)
		memcpy(to + JOSE_ES256_PART - number.size, number.data, number.size);
	return true;
}

/** A signature in the form of RFC 7518.  @param ret  JOSE_SIGNATURE_MAX bytes. */
static int
sign(const struct jose_key *key, struct gh_str text, uint8_t *ret, size_t *ret_n)
{
	gnutls_datum_t input = { (unsigned char *)text.p, (unsigned)text.n };
	gnutls_datum_t signature = { NULL, 0 }, r_value = { NULL, 0 }, s_value = { NULL, 0 };
	int r = GH_EIO;

	if (gnutls_privkey_sign_data2(key->private, key->suite->sign, 0, &input, &signature) != 0)
		return GH_EIO;
	*ret_n = key->signature_n;
	if (key->suite->pk == GNUTLS_PK_ECDSA) {
		if (gnutls_decode_rs_value(&signature, &r_value, &s_value) == 0 &&
				put_number(r_value, ret) &&
				put_number(s_value, ret + JOSE_ES256_PART))
			r = GH_OK;
	} else if (signature.size == key->signature_n) {
		memcpy(ret, signature.data, signature.size);
		r = GH_OK;
	}
	gnutls_free(signature.data);
	gnutls_free(r_value.data);
	gnutls_free(s_value.data);
	return r;
}

int
jose_sign(const struct jose_key *key, const char *typ, struct gh_str payload,
	struct gh_str *ret_token)
{
	char header[JOSE_KID_MAX + JOSE_TYP_MAX + 64];
	uint8_t signature[JOSE_SIGNATURE_MAX];
	size_t signature_n = 0, at = 0, cap;
	char *text;
	int n, r;

	if (key->private == NULL || !jose_is_plain(gh_str_of(typ), JOSE_TYP_MAX))
		return GH_EINVAL;
	n = snprintf(header, sizeof(header), "{\"typ\":\"%s\",\"alg\":\"%s\",\"kid\":\"%.*s\"}",
		typ, key->suite->name, GH_STR_ARG(key->jwk.kid));
	if (n < 0 || (size_t)n >= sizeof(header) || payload.n > JOSE_TOKEN_MAX)
		return GH_ETOOBIG;
	cap = CRYPTO_BASE64URL_LEN((size_t)n) + 1 + CRYPTO_BASE64URL_LEN(payload.n) + 1 +
		CRYPTO_BASE64URL_LEN(key->signature_n);
	if (cap > JOSE_TOKEN_MAX)
		return GH_ETOOBIG;
	text = malloc(cap + 1);
	if (text == NULL)
		return GH_ENOMEM;
	at = crypto_base64url(header, (size_t)n, text);
	text[at++] = '.';
	at += crypto_base64url(payload.p, payload.n, text + at);
	r = sign(key, (struct gh_str){ text, at }, signature, &signature_n);
	if (r < 0) {
		crypto_wipe_free(text, cap + 1);
		return r;
	}
	text[at++] = '.';
	at += crypto_base64url(signature, signature_n, text + at);
	*ret_token = (struct gh_str){ text, at };
	return GH_OK;
}
