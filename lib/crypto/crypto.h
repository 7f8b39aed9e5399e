/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto.h
 * @brief Random, digests, base64, sealing under a key, and the care that secrets need.
 *
 * GnuTLS stays behind this header.  No state, no threads: every function is ANY and never waits for
 * disk or network.  Digests and encodings write into buffers of the caller; what is returned on the
 * heap is GIVE and said so.
 */
#ifndef LIB_CRYPTO_CRYPTO_H
#define LIB_CRYPTO_CRYPTO_H
#include <gatehouse/base.h>

/* ---- Random ---------------------------------------------------------------------------------- */

#define CRYPTO_UUID_LEN 36

/** Bytes fit for keys and secrets.  @return 0, GH_EIO (the system gives no randomness). */
int crypto_random(void *ret, size_t n);
/** Random UUID (RFC 9562, version 4), lower case, NUL-terminated.  @return as crypto_random(). */
int crypto_uuid(char ret_uuid[CRYPTO_UUID_LEN + 1]);
/** Is it written as crypto_uuid() writes one? */
bool crypto_is_uuid(struct gh_str s);
/** @p n random bytes as lower-case hexadecimal, NUL-terminated; @p ret has room for 2n + 1.
 *  @return as crypto_random(). */
int crypto_random_hex(char *ret, size_t n);

/* ---- SHA-256 --------------------------------------------------------------------------------- */

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_SHA256_HEX_LEN 64

/** Cannot fail for want of memory or input.  @return 0, GH_EIO (the library refuses, FIPS mode). */
int crypto_sha256(struct gh_str data, uint8_t ret_digest[CRYPTO_SHA256_LEN]);
/** As lower-case hexadecimal, NUL-terminated. */
int crypto_sha256_hex(struct gh_str data, char ret_hex[CRYPTO_SHA256_HEX_LEN + 1]);

/* ---- Encodings ------------------------------------------------------------------------------- */

/** Lower-case hexadecimal, NUL-terminated; @p ret has room for 2n + 1. */
void crypto_hex(const void *p, size_t n, char *ret);
/** Strict: even length, both cases, exactly @p n bytes.  @return 0 or GH_EINVAL. */
int crypto_unhex(struct gh_str hex, void *ret, size_t n);

/** Characters of base64url without padding for @p n bytes. */
#define CRYPTO_BASE64URL_LEN(n) (((n) * 4 + 2) / 3)
/** Characters of base64 with padding for @p n bytes. */
#define CRYPTO_BASE64_LEN(n) (((n) + 2) / 3 * 4)
/** Most bytes that @p n characters of either can mean. */
#define CRYPTO_UNBASE64_MAX(n) ((n) / 4 * 3 + 3)

/** RFC 4648, 5, without padding.  @param ret  room for CRYPTO_BASE64URL_LEN(n) + 1; NUL-terminated.
 *  @return characters written. */
size_t crypto_base64url(const void *p, size_t n, char *ret);
/** Strict: no padding, no white space, and the unused bits are 0: no two texts mean the same bytes.
 *  @param cap  of @p ret.  @return 0, GH_EINVAL, GH_ETOOBIG. */
int crypto_unbase64url(struct gh_str text, void *ret, size_t cap, size_t *ret_n);
/** RFC 4648, 4, with padding.  @param ret  room for CRYPTO_BASE64_LEN(n) + 1; NUL-terminated. */
size_t crypto_base64(const void *p, size_t n, char *ret);
/** Strict, padding required.  As crypto_unbase64url(). */
int crypto_unbase64(struct gh_str text, void *ret, size_t cap, size_t *ret_n);

/* ---- Secrets in memory ----------------------------------------------------------------------- */

/** Compare without telling by time where they differ.  Their lengths are not secret. */
bool crypto_equal(struct gh_str a, struct gh_str b);
/** Overwrite with zeros; the compiler cannot leave it out.  @p p may be NULL where n is 0. */
void crypto_wipe(void *p, size_t n);
/** Wipe and free() heap memory.  NULL is allowed. */
void crypto_wipe_free(void *p, size_t n);
/** Zeroed pages of their own that stay out of core dumps (and out of swap, where the limit allows).
 *  For few long-lived keys: it takes whole pages.  @return GIVE: crypto_secret_free(); or NULL. */
void *crypto_secret_new(size_t n);
/** Wipe and unmap.  @param n  as given to crypto_secret_new().  NULL is allowed. */
void crypto_secret_free(void *p, size_t n);

/* ---- Sealing: AES-256-GCM under a named key -------------------------------------------------- */

#define CRYPTO_KEY_LEN 32
#define CRYPTO_KEY_ID_LEN 4
/** What a sealed record is longer than its content: version, key id, nonce, tag. */
#define CRYPTO_SEAL_OVERHEAD (1 + CRYPTO_KEY_ID_LEN + 12 + 16)

/** A key that seals.  It may lie in crypto_secret_new() memory. */
struct crypto_key {
	uint8_t id[CRYPTO_KEY_ID_LEN]; /**< From the key itself; stands in each record. */
	uint8_t bytes[CRYPTO_KEY_LEN];
};

/** @param bytes  CRYPTO_KEY_LEN random bytes.  @return 0 or GH_EIO. */
int crypto_key_init(struct crypto_key *key, const uint8_t *bytes);
/** Seal.  @param context  what the record belongs to ("client/<id>"), bound to it: a copy of the
 *  record in another place does not open.  @param ret  room for plain.n + CRYPTO_SEAL_OVERHEAD.
 *  @return 0 or GH_EIO. */
int crypto_seal(const struct crypto_key *key, struct gh_str context, struct gh_str plain,
	uint8_t *ret);
/** Open.  @param ret  room for sealed.n - CRYPTO_SEAL_OVERHEAD; wipe it after use.
 *  @return 0; GH_EINVAL (not a sealed record); GH_ENOENT (sealed under another key); GH_EDENIED
 *  (changed, or of another context). */
int crypto_unseal(const struct crypto_key *key, struct gh_str context, struct gh_str sealed,
	uint8_t *ret, size_t *ret_n);

#endif
