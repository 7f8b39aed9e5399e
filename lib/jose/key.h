/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file key.h
 * @brief The inside of a key, shared by the files of lib/jose only.
 */
#ifndef LIB_JOSE_KEY_H
#define LIB_JOSE_KEY_H
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include "lib/jose/jose.h"

/** What an algorithm means to JOSE and to GnuTLS. */
struct jose_suite {
	const char *name, *kty, *crv; /**< crv is NULL for RSA. */
	gnutls_pk_algorithm_t pk;
	gnutls_ecc_curve_t curve;
	unsigned bits;                /**< For generating. */
	gnutls_sign_algorithm_t sign;
};

/** @return STATIC; NULL for JOSE_UNKNOWN. */
const struct jose_suite *jose_suite_of(enum jose_alg alg);

struct jose_key {
	atomic_uint refs;
	enum jose_alg alg;
	const struct jose_suite *suite;
	gnutls_pubkey_t public;
	gnutls_privkey_t private; /**< NULL: a public key. */
	unsigned signature_n;     /**< Length that every signature has. */
	struct jose_jwk jwk;      /**< Its strings lie in text, or are STATIC. */
	char *text;
};

#define JOSE_DEPTH_MAX 16  /**< Levels of JSON in a header or payload. */
#define JOSE_ES256_PART 32 /**< Bytes of a coordinate, and of r and s. */

/** Is @p kid 1 to JOSE_KID_MAX characters of printable ASCII that need no escape in JSON? */
bool jose_is_plain(struct gh_str s, size_t max);

/** Import the numbers of @p jwk into @p public.  @return 0, GH_EINVAL, GH_ENOMEM. */
int jose_jwk_import(const struct jose_jwk *jwk, const struct jose_suite *suite,
	gnutls_pubkey_t public);
/** Fill jwk, text and signature_n from public.  @param kid  n = 0: the thumbprint.
 *  @return 0, GH_EINVAL (weak, or another kind of key than the suite's), GH_ENOMEM, GH_EIO. */
int jose_jwk_export(struct jose_key *key, struct gh_str kid);

/** Decode one part of a token and parse it as a JSON object, strictly.
 *  @return 0, GH_EINVAL, GH_ENOMEM. */
int jose_object(struct gh_str part, struct json_t **ret_object);

#endif
