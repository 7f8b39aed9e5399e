/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file key.c
 * @brief Life of a key: generate, import, export, count.
 */
#include <gnutls/x509.h>
#include <stdlib.h>
#include "lib/jose/key.h"

static const struct jose_suite suites[] = {
	[JOSE_ES256] = { "ES256", "EC", "P-256", GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP256R1,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), GNUTLS_SIGN_ECDSA_SHA256 },
	[JOSE_RS256] = { "RS256", "RSA", NULL, GNUTLS_PK_RSA, GNUTLS_ECC_CURVE_INVALID, 2048,
		GNUTLS_SIGN_RSA_SHA256 },
	[JOSE_EDDSA] = { "EdDSA", "OKP", "Ed25519", GNUTLS_PK_EDDSA_ED25519,
		GNUTLS_ECC_CURVE_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519),
		GNUTLS_SIGN_EDDSA_ED25519 },
};
#define SUITE_END (sizeof(suites) / sizeof(suites[0]))

const struct jose_suite *
jose_suite_of(enum jose_alg alg)
{
	return alg > JOSE_UNKNOWN && (size_t)alg < SUITE_END ? &suites[alg] : NULL;
}

const char *
jose_alg_name(enum jose_alg alg)
{
	const struct jose_suite *suite = jose_suite_of(alg);

	return suite != NULL ? suite->name : "";
}

enum jose_alg
jose_alg_of(struct gh_str name)
{
	for (size_t i = JOSE_UNKNOWN + 1; i < SUITE_END; i++)
		if (gh_str_eq(name, gh_str_of(suites[i].name)))
			return (enum jose_alg)i;
	return JOSE_UNKNOWN;
}

bool
jose_is_plain(struct gh_str s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return s.n > 0 && s.n <= max;
}

/** An empty key of that algorithm.  @return NULL: out of memory, or no such algorithm. */
static struct jose_key *
key_new(enum jose_alg alg)
{
	const struct jose_suite *suite = jose_suite_of(alg);
	struct jose_key *key = suite != NULL ? calloc(1, sizeof(*key)) : NULL;

	if (key == NULL)
		return NULL;
	atomic_init(&key->refs, 1);
	key->alg = alg;
	key->suite = suite;
	if (gnutls_pubkey_init(&key->public) != 0) {
		free(key);
		return NULL;
	}
	return key;
}

/** Derive the public part of a key whose private one is there, and give it away. */
static int
finish_private(struct jose_key *key, struct jose_key **ret_key)
{
	int r;

	if (gnutls_privkey_get_pk_algorithm(key->private, NULL) != (int)key->suite->pk)
		return GH_EINVAL;
	if (gnutls_pubkey_import_privkey(key->public, key->private, 0, 0) != 0)
		return GH_EINVAL;
	r = jose_jwk_export(key, GH_STR_NONE);
	if (r == 0)
		*ret_key = key;
	return r;
}

int
jose_key_generate(enum jose_alg alg, struct jose_key **ret_key)
{
	struct jose_key *key;
	int r = GH_EIO;

	if (jose_suite_of(alg) == NULL)
		return GH_EINVAL;
	key = key_new(alg);
	if (key == NULL || gnutls_privkey_init(&key->private) != 0) {
		r = GH_ENOMEM;
		goto out;
	}
	if (gnutls_privkey_generate(key->private, key->suite->pk, key->suite->bits, 0) != 0)
		goto out;
	r = finish_private(key, ret_key);
	if (r == 0)
		key = NULL;
out:
	jose_key_unref(key);
	return r;
}

int
jose_key_from_private(enum jose_alg alg, struct gh_str der, struct jose_key **ret_key)
{
	gnutls_datum_t datum = { (unsigned char *)der.p, (unsigned)der.n };
	struct jose_key *key;
	int r = GH_EINVAL;

	if (jose_suite_of(alg) == NULL || der.n == 0 || der.n > JOSE_TOKEN_MAX)
		return GH_EINVAL;
	key = key_new(alg);
	if (key == NULL || gnutls_privkey_init(&key->private) != 0) {
		r = GH_ENOMEM;
		goto out;
	}
	if (gnutls_privkey_import_x509_raw(key->private, &datum, GNUTLS_X509_FMT_DER, NULL,
			GNUTLS_PKCS_PLAIN) != 0)
		goto out;
	r = finish_private(key, ret_key);
	if (r == 0)
		key = NULL;
out:
	jose_key_unref(key);
	return r;
}

/** The algorithm that kty and crv mean, if alg and use agree with it. */
static enum jose_alg
alg_of_jwk(const struct jose_jwk *jwk)
{
	if (jwk->use.n != 0 && !gh_str_eq(jwk->use, GH_STR("sig")))
		return JOSE_UNKNOWN;
	for (size_t i = JOSE_UNKNOWN + 1; i < SUITE_END; i++) {
		const struct jose_suite *s = &suites[i];

		if (!gh_str_eq(jwk->kty, gh_str_of(s->kty)) ||
				!gh_str_eq(jwk->crv, gh_str_of(s->crv)))
			continue;
		return jwk->alg.n == 0 || gh_str_eq(jwk->alg, gh_str_of(s->name))
			? (enum jose_alg)i : JOSE_UNKNOWN;
	}
	return JOSE_UNKNOWN;
}

int
jose_key_from_jwk(const struct jose_jwk *jwk, struct jose_key **ret_key)
{
	enum jose_alg alg = alg_of_jwk(jwk);
	struct jose_key *key;
	int r;

	if (alg == JOSE_UNKNOWN || (jwk->kid.n != 0 && !jose_is_plain(jwk->kid, JOSE_KID_MAX)))
		return GH_EINVAL;
	key = key_new(alg);
	if (key == NULL)
		return GH_ENOMEM;
	r = jose_jwk_import(jwk, key->suite, key->public);
	if (r == 0)
		r = jose_jwk_export(key, jwk->kid);
	if (r < 0)
		jose_key_unref(key);
	else
		*ret_key = key;
	return r;
}

int
jose_key_private(const struct jose_key *key, struct gh_str *ret_der)
{
	gnutls_x509_privkey_t x509 = NULL;
	gnutls_datum_t der = { NULL, 0 };
	char *copy;
	int r = GH_ENOMEM;

	if (key->private == NULL)
		return GH_ENOENT;
	if (gnutls_privkey_export_x509(key->private, &x509) != 0 ||
			gnutls_x509_privkey_export2_pkcs8(x509, GNUTLS_X509_FMT_DER, NULL,
				GNUTLS_PKCS_PLAIN, &der) != 0)
		goto out;
	copy = malloc(der.size);
	if (copy == NULL)
		goto out;
	memcpy(copy, der.data, der.size);
	*ret_der = (struct gh_str){ copy, der.size };
	r = GH_OK;
out:
	if (der.data != NULL)
		gnutls_memset(der.data, 0, der.size);
	gnutls_free(der.data);
	gnutls_x509_privkey_deinit(x509);
	return r;
}

const struct jose_jwk *
jose_key_jwk(const struct jose_key *key)
{
	return &key->jwk;
}

enum jose_alg
jose_key_alg(const struct jose_key *key)
{
	return key->alg;
}

struct gh_str
jose_key_kid(const struct jose_key *key)
{
	return key->jwk.kid;
}

struct jose_key *
jose_key_ref(struct jose_key *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

void
jose_key_unref(struct jose_key *key)
{
	if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
		return;
	gnutls_pubkey_deinit(key->public);
	gnutls_privkey_deinit(key->private);
	free(key->text);
	free(key);
}
