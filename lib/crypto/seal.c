/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file seal.c
 * @brief Sealed records: version (1) | key id (4) | nonce (12) | ciphertext and tag.
 *
 * The nonce is random: no cluster ever seals the 2^32 records for which that is safe under one key.
 * Version and key id are authenticated together with the caller's context.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include "lib/crypto/crypto.h"

#define SEAL_VERSION 1
#define NONCE_LEN 12
#define TAG_LEN 16
#define HEAD_LEN (1 + CRYPTO_KEY_ID_LEN)

int
crypto_key_init(struct crypto_key *key, const uint8_t *bytes)
{
	static const char label[] = "gatehouse seal key id";
	uint8_t input[sizeof(label) + CRYPTO_KEY_LEN], digest[CRYPTO_SHA256_LEN];

	memcpy(input, label, sizeof(label));
	memcpy(input + sizeof(label), bytes, CRYPTO_KEY_LEN);
	int r = crypto_sha256((struct gh_str){ (const char *)input, sizeof(input) }, digest);

	crypto_wipe(input, sizeof(input));
	if (r < 0)
		return r;
	memcpy(key->id, digest, sizeof(key->id));
	memmove(key->bytes, bytes, CRYPTO_KEY_LEN);
	return GH_OK;
}

static int
open_cipher(const struct crypto_key *key, gnutls_aead_cipher_hd_t *ret_cipher)
{
	gnutls_datum_t datum = { (unsigned char *)key->bytes, CRYPTO_KEY_LEN };

	return gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum) == 0
		? GH_OK : GH_EIO;
}

int
crypto_seal(const struct crypto_key *key, struct gh_str context, struct gh_str plain, uint8_t *ret)
{
	gnutls_aead_cipher_hd_t cipher;
	uint8_t *nonce = ret + HEAD_LEN, *body = nonce + NONCE_LEN;
	size_t tag_len = TAG_LEN;
	int r;

	ret[0] = SEAL_VERSION;
	memcpy(ret + 1, key->id, CRYPTO_KEY_ID_LEN);
	r = crypto_random(nonce, NONCE_LEN);
	if (r < 0)
		return r;
	r = open_cipher(key, &cipher);
	if (r < 0)
		return r;
	const giovec_t auth[] = {
		{ .iov_base = ret, .iov_len = HEAD_LEN },
		{ .iov_base = (void *)context.p, .iov_len = context.n },
	};

	if (plain.n != 0)
		memcpy(body, plain.p, plain.n);
	const giovec_t content = { .iov_base = body, .iov_len = plain.n };

	if (gnutls_aead_cipher_encryptv2(cipher, nonce, NONCE_LEN, auth, 2, &content, 1,
			body + plain.n, &tag_len) != 0 || tag_len != TAG_LEN) {
		crypto_wipe(body, plain.n);
		r = GH_EIO;
	}
	gnutls_aead_cipher_deinit(cipher);
	return r;
}

int
crypto_unseal(const struct crypto_key *key, struct gh_str context, struct gh_str sealed,
	uint8_t *ret, size_t *ret_n)
{
	const uint8_t *record = (const uint8_t *)sealed.p;
	gnutls_aead_cipher_hd_t cipher;
	int r;

	if (sealed.n < CRYPTO_SEAL_OVERHEAD || record[0] != SEAL_VERSION)
		return GH_EINVAL;
	if (memcmp(record + 1, key->id, CRYPTO_KEY_ID_LEN) != 0)
		return GH_ENOENT;
	size_t n = sealed.n - CRYPTO_SEAL_OVERHEAD;
	const uint8_t *nonce = record + HEAD_LEN, *body = nonce + NONCE_LEN;

	r = open_cipher(key, &cipher);
	if (r < 0)
		return r;
	const giovec_t auth[] = {
		{ .iov_base = (void *)record, .iov_len = HEAD_LEN },
		{ .iov_base = (void *)context.p, .iov_len = context.n },
	};

	if (n != 0)
		memcpy(ret, body, n);
	const giovec_t content = { .iov_base = ret, .iov_len = n };

	if (gnutls_aead_cipher_decryptv2(cipher, (void *)nonce, NONCE_LEN, auth, 2, &content, 1,
			(void *)(body + n), TAG_LEN) != 0) {
		crypto_wipe(ret, n);
		r = GH_EDENIED;
	} else {
		*ret_n = n;
	}
	gnutls_aead_cipher_deinit(cipher);
	return r;
}
