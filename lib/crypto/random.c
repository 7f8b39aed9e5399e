/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file random.c
 * @brief Random bytes, UUIDs and SHA-256.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include "lib/crypto/crypto.h"

int
crypto_random(void *ret, size_t n)
{
	return gnutls_rnd(GNUTLS_RND_KEY, ret, n) == 0 ? GH_OK : GH_EIO;
}

int
crypto_uuid(char ret_uuid[CRYPTO_UUID_LEN + 1])
{
	static const uint8_t group_bytes[] = { 4, 2, 2, 2, 6 };
	uint8_t bytes[16];
	const uint8_t *p = bytes;
	char *out = ret_uuid;

	/* An id is unique, not secret. */
	if (gnutls_rnd(GNUTLS_RND_NONCE, bytes, sizeof(bytes)) != 0)
		return GH_EIO;
	bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f));
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
	for (size_t i = 0; i < sizeof(group_bytes); i++) {
		if (i > 0)
			*out++ = '-';
		crypto_hex(p, group_bytes[i], out);
		p += group_bytes[i];
		out += 2 * group_bytes[i];
	}
	return GH_OK;
}

bool
crypto_is_uuid(struct gh_str s)
{
	if (s.n != CRYPTO_UUID_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? s.p[i] != '-' : memchr("0123456789abcdef", s.p[i], 16) == NULL)
			return false;
	}
	return true;
}

int
crypto_random_hex(char *ret, size_t n)
{
	/* In place: the upper half of the room holds the bytes until they are written as digits. */
	int r = crypto_random(ret + n, n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		char digits[3];

		crypto_hex(ret + n + i, 1, digits);
		ret[2 * i] = digits[0];
		ret[2 * i + 1] = digits[1];
	}
	ret[2 * n] = '\0';
	return GH_OK;
}

int
crypto_sha256(struct gh_str data, uint8_t ret_digest[CRYPTO_SHA256_LEN])
{
	const char *p = data.n != 0 ? data.p : "";

	return gnutls_hash_fast(GNUTLS_DIG_SHA256, p, data.n, ret_digest) == 0 ? GH_OK : GH_EIO;
}

int
crypto_sha256_hex(struct gh_str data, char ret_hex[CRYPTO_SHA256_HEX_LEN + 1])
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	int r = crypto_sha256(data, digest);

	if (r == 0)
		crypto_hex(digest, sizeof(digest), ret_hex);
	return r;
}
