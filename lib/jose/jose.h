/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jose.h
 * @brief Signed tokens: JWS compact (RFC 7515), JWT claims (RFC 7519), and their keys (RFC 7517).
 *
 * The order of use is the order of trust; nothing of a token counts before the step that checks it:
 *
 *   jose_parse(text, &token)       shape only: tells kid and typ, so that the caller finds a key
 *   jose_verify(&token, key)       signature; the algorithm is the key's, never the token's word
 *   jose_claims(&token, &claims)   read the payload
 *   jose_check_time(&claims, ...)  exp and nbf; issuer, audience and revocation are the caller's
 *
 * ES256, RS256 (2,048 to 8,192 bits) and EdDSA with Ed25519.  There is no "none" and no shared-key
 * algorithm, so a public key can never be taken for a secret.
 *
 * A key never changes after it was made and may be used by several threads at once.  Everything is
 * ANY and touches no disk or network; signing and verifying cost 40 to 2,400 us.
 */
#ifndef LIB_JOSE_JOSE_H
#define LIB_JOSE_JOSE_H
#include <gatehouse/base.h>

struct json_t; /* jansson's */

#define JOSE_TOKEN_MAX 16384   /**< Longest token that is looked at. */
#define JOSE_KID_MAX 128
#define JOSE_TYP_MAX 32
#define JOSE_SIGNATURE_MAX 1024

/* ---- Algorithms and keys --------------------------------------------------------------------- */

enum jose_alg { JOSE_UNKNOWN, JOSE_ES256, JOSE_RS256, JOSE_EDDSA };

/** "ES256" ...  @return STATIC; "" for JOSE_UNKNOWN. */
const char *jose_alg_name(enum jose_alg alg);
/** @return JOSE_UNKNOWN for any name but the three. */
enum jose_alg jose_alg_of(struct gh_str name);

/** A public key as its JSON members (RFC 7518, 6); members that it lacks have n = 0. */
struct jose_jwk {
	struct gh_str kty, use, alg, kid;
	struct gh_str crv, x, y; /**< EC and OKP. */
	struct gh_str n, e;      /**< RSA. */
};

struct jose_key;

/** A new private key with its public part; kid is the RFC 7638 thumbprint.  RSA takes up to 200 ms.
 *  @return 0, GH_EINVAL (JOSE_UNKNOWN), GH_ENOMEM, GH_EIO. */
int jose_key_generate(enum jose_alg alg, struct jose_key **ret_key);
/** A public key.  kty, crv, alg and use must fit one of our algorithms and each other; alg may be
 *  left out where kty and crv say it.  Without kid a key gets its thumbprint.  @param jwk  BORROW.
 *  @return 0; GH_EINVAL: not a key that we accept (also weak RSA keys); GH_ENOMEM. */
int jose_key_from_jwk(const struct jose_jwk *jwk, struct jose_key **ret_key);
/** As jose_key_from_jwk(), from a JSON object; other members are ignored.  @param json  BORROW. */
int jose_key_from_json(const struct json_t *json, struct jose_key **ret_key);
/** A private key from PKCS #8 DER.  @return as jose_key_from_jwk(). */
int jose_key_from_private(enum jose_alg alg, struct gh_str der, struct jose_key **ret_key);
/** Private part as PKCS #8 DER.  @param[out] ret_der  GIVE: crypto_wipe_free((void *)p, n).
 *  @return 0, GH_ENOENT (the key is public), GH_ENOMEM. */
int jose_key_private(const struct jose_key *key, struct gh_str *ret_der);
/** Public part, with kid, alg and use "sig".  @return lives as long as the key. */
const struct jose_jwk *jose_key_jwk(const struct jose_key *key);
enum jose_alg jose_key_alg(const struct jose_key *key);
struct gh_str jose_key_kid(const struct jose_key *key);
struct jose_key *jose_key_ref(struct jose_key *key);
/** The last one frees (and wipes) it.  NULL is allowed. */
void jose_key_unref(struct jose_key *key);

/* ---- Tokens ---------------------------------------------------------------------------------- */

/** A token taken apart, not yet verified.  Plain data; it points into the text. */
struct jose_token {
	enum jose_alg alg;            /**< What the header says: compared, never obeyed. */
	char kid[JOSE_KID_MAX + 1];   /**< Printable ASCII; "" when there is none. */
	char typ[JOSE_TYP_MAX + 1];   /**< As kid. */
	struct gh_str signing_input;  /**< header.payload */
	struct gh_str payload;        /**< base64url */
	uint8_t signature[JOSE_SIGNATURE_MAX];
	size_t signature_n;
};

/** Take a token apart.  Refused: longer than JOSE_TOKEN_MAX, not three parts, base64url that is not
 *  strict, a header that is no JSON object or names a member twice, no alg, any crit, zip or b64.
 *  @param text  BORROW, must outlive @p ret_token.  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int jose_parse(struct gh_str text, struct jose_token *ret_token);
/** Is typ @p typ ("at+jwt"), with or without "application/", case ignored (RFC 7515, 4.1.9)? */
bool jose_typ_is(const struct jose_token *token, const char *typ);
/** Does @p key say that this token is true?  Another algorithm than the key's is refused.
 *  @return 0, GH_EDENIED. */
int jose_verify(const struct jose_token *token, const struct jose_key *key);
/** Sign.  @param typ  printable ASCII, put into the header with the key's alg and kid.
 *  @param payload  JSON text.  @param[out] ret_token  GIVE: free(p); NUL-terminated, at most
 *  JOSE_TOKEN_MAX.  @return 0, GH_EINVAL (public key), GH_ETOOBIG, GH_ENOMEM, GH_EIO. */
int jose_sign(const struct jose_key *key, const char *typ, struct gh_str payload,
	struct gh_str *ret_token);

/* ---- Claims ---------------------------------------------------------------------------------- */

/** Claims of a payload; strings live until jose_claims_done() and have n = 0 when absent. */
struct jose_claims {
	struct gh_str iss, sub, jti, azp, client_id, scope;
	struct gh_str aut, tenant, token_type, api_id; /**< Our own. */
	uint64_t exp_s, nbf_s, iat_s;                  /**< 0: absent. */
	struct json_t *json;                           /**< All of them. */
};

/** Read the payload.  Refused: not a JSON object, a name twice, one of the above with another type,
 *  a time below 0 or above 2^53.  @return 0, GH_EINVAL, GH_ENOMEM.  End with jose_claims_done(). */
int jose_claims(const struct jose_token *token, struct jose_claims *ret_claims);
/** Accepts a zeroed struct. */
void jose_claims_done(struct jose_claims *claims);
/** Another string claim.  @return n = 0 when absent or of another type. */
struct gh_str jose_claim(const struct jose_claims *claims, const char *name);
/** Is @p audience one of aud (a string or an array of strings)? */
bool jose_has_audience(const struct jose_claims *claims, struct gh_str audience);
/** Is @p now_s inside nbf and exp?  exp must be there.  @param skew_s  how far clocks may differ.
 *  @return 0, GH_EEXPIRED (exp), GH_EDENIED (nbf, or no exp). */
int jose_check_time(const struct jose_claims *claims, uint64_t now_s, uint64_t skew_s);

#endif
