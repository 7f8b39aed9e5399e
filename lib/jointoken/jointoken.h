/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jointoken.h
 * @brief The text that lets a node join a cluster once: "ghj1." and base64url of secret and fingerprint.
 *
 * The secret proves to the control plane that the node may join; the fingerprint of the authority
 * proves to the node that it tells the secret to the right control plane.
 */
#ifndef LIB_JOINTOKEN_JOINTOKEN_H
#define LIB_JOINTOKEN_JOINTOKEN_H
#include "lib/crypto/crypto.h"

#define JOINTOKEN_SECRET_LEN 24
#define JOINTOKEN_FINGERPRINT_LEN CRYPTO_SHA256_LEN
#define JOINTOKEN_PREFIX "ghj1."
#define JOINTOKEN_TEXT_LEN (sizeof(JOINTOKEN_PREFIX) - 1 + \
	CRYPTO_BASE64URL_LEN(JOINTOKEN_SECRET_LEN + JOINTOKEN_FINGERPRINT_LEN))
#define JOINTOKEN_ID_LEN CRYPTO_SHA256_HEX_LEN

/** Wipe it after use. */
struct jointoken {
	uint8_t secret[JOINTOKEN_SECRET_LEN];
	uint8_t fingerprint[JOINTOKEN_FINGERPRINT_LEN]; /**< SHA-256 of the authority's certificate. */
};

/** With a new secret.  @return 0 or GH_EIO. */
int jointoken_new(const uint8_t fingerprint[JOINTOKEN_FINGERPRINT_LEN], struct jointoken *ret);
/** @param ret  NUL-terminated; wipe it after use. */
void jointoken_print(const struct jointoken *token, char ret[JOINTOKEN_TEXT_LEN + 1]);
/** Strict.  @return 0 or GH_EINVAL. */
int jointoken_parse(struct gh_str text, struct jointoken *ret);
/** Under which the control plane keeps it: SHA-256 of the secret, hexadecimal.  @return 0 or GH_EIO. */
int jointoken_id(const struct jointoken *token, char ret_id[JOINTOKEN_ID_LEN + 1]);

#endif
