/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_jwt.c
 * @brief Any bytes as a token: taken apart, verified and read, in the order that callers use.
 *
 * The payload is read although the signature is wrong, so that the claims' reader is reached too.
 */
#include <stdlib.h>
#include "lib/jose/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** An ES256 key that no input was signed with. */
static struct jose_key *
make_key(void)
{
	static const struct jose_jwk jwk = {
		.kty = { "EC", 2 }, .crv = { "P-256", 5 },
		.x = { "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", 43 }, /* RFC 7515, A.3 */
		.y = { "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", 43 },
	};
	struct jose_key *key = NULL;

	if (jose_key_from_jwk(&jwk, &key) != 0)
		abort();
	return key;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jose_key *key;
	struct jose_token token;
	struct jose_claims claims;

	if (key == NULL)
		key = make_key();
	if (jose_parse((struct gh_str){ (const char *)data, size }, &token) != 0)
		return 0;
	jose_typ_is(&token, "at+jwt");
	jose_verify(&token, key);
	if (jose_claims(&token, &claims) != 0)
		return 0;
	jose_check_time(&claims, 1700000000, 5);
	jose_has_audience(&claims, GH_STR("one"));
	jose_claim(&claims, "nonce");
	jose_claims_done(&claims);
	return 0;
}
