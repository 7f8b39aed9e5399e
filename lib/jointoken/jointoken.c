/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jointoken.c
 * @brief Making, printing and reading tokens for joining.
 */
#include "lib/jointoken/jointoken.h"

#define PREFIX_LEN (sizeof(JOINTOKEN_PREFIX) - 1)

int
jointoken_new(const uint8_t fingerprint[JOINTOKEN_FINGERPRINT_LEN], struct jointoken *ret)
{
	memcpy(ret->fingerprint, fingerprint, JOINTOKEN_FINGERPRINT_LEN);
	return crypto_random(ret->secret, sizeof(ret->secret));
}

void
jointoken_print(const struct jointoken *token, char ret[JOINTOKEN_TEXT_LEN + 1])
{
	memcpy(ret, JOINTOKEN_PREFIX, PREFIX_LEN);
	crypto_base64url(token, sizeof(*token), ret + PREFIX_LEN);
}

int
jointoken_parse(struct gh_str text, struct jointoken *ret)
{
	struct jointoken token;
	size_t n = 0;
	int r;

	if (text.n != JOINTOKEN_TEXT_LEN || memcmp(text.p, JOINTOKEN_PREFIX, PREFIX_LEN) != 0)
		return GH_EINVAL;
	r = crypto_unbase64url((struct gh_str){ text.p + PREFIX_LEN, text.n - PREFIX_LEN }, &token,
		sizeof(token), &n);
	if (r == GH_OK && n == sizeof(token))
		*ret = token;
	else
		r = GH_EINVAL;
	crypto_wipe(&token, sizeof(token));
	return r;
}

int
jointoken_id(const struct jointoken *token, char ret_id[JOINTOKEN_ID_LEN + 1])
{
	return crypto_sha256_hex((struct gh_str){ (const char *)token->secret, sizeof(token->secret) },
		ret_id);
}
