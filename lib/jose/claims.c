/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file claims.c
 * @brief The payload of a verified token: known claims by name, the rest as JSON.
 */
#include <math.h>
#include "lib/jose/key.h"
#include "lib/json/json.h"

#define TIME_MAX 9007199254740992.0 /* 2^53: beyond it doubles skip integers */

static const struct { const char *name; size_t offset; } strings[] = {
	{ "iss", offsetof(struct jose_claims, iss) },
	{ "sub", offsetof(struct jose_claims, sub) },
	{ "jti", offsetof(struct jose_claims, jti) },
	{ "azp", offsetof(struct jose_claims, azp) },
	{ "client_id", offsetof(struct jose_claims, client_id) },
	{ "scope", offsetof(struct jose_claims, scope) },
	{ "aut", offsetof(struct jose_claims, aut) },
	{ "tenant", offsetof(struct jose_claims, tenant) },
	{ "token_type", offsetof(struct jose_claims, token_type) },
	{ "api_id", offsetof(struct jose_claims, api_id) },
};

static const struct { const char *name; size_t offset; } times[] = {
	{ "exp", offsetof(struct jose_claims, exp_s) },
	{ "nbf", offsetof(struct jose_claims, nbf_s) },
	{ "iat", offsetof(struct jose_claims, iat_s) },
};

/** A NumericDate (RFC 7519, 2): seconds, perhaps with a fraction, which is cut off. */
static int
read_time(const json_t *value, uint64_t *ret_s)
{
	double v = json_number_value(value);

	if (!json_is_number(value) || !isfinite(v) || v < 0 || v > TIME_MAX)
		return GH_EINVAL;
	*ret_s = (uint64_t)v;
	return GH_OK;
}

int
jose_claims(const struct jose_token *token, struct jose_claims *ret_claims)
{
	struct jose_claims claims = { .json = NULL };
	int r = jose_object(token->payload, &claims.json);

	for (size_t i = 0; r == 0 && i < sizeof(strings) / sizeof(strings[0]); i++) {
		const json_t *v = json_object_get(claims.json, strings[i].name);

		if (v == NULL)
			continue;
		if (!json_is_string(v))
			r = GH_EINVAL;
		*(struct gh_str *)((char *)&claims + strings[i].offset) = js_text(v);
	}
	for (size_t i = 0; r == 0 && i < sizeof(times) / sizeof(times[0]); i++) {
		const json_t *v = json_object_get(claims.json, times[i].name);

		if (v != NULL)
			r = read_time(v, (uint64_t *)((char *)&claims + times[i].offset));
	}
	if (r < 0)
		json_decref(claims.json);
	else
		*ret_claims = claims;
	return r;
}

void
jose_claims_done(struct jose_claims *claims)
{
	json_decref(claims->json);
	*claims = (struct jose_claims){ .json = NULL };
}

struct gh_str
jose_claim(const struct jose_claims *claims, const char *name)
{
	return js_str(claims->json, name);
}

bool
jose_has_audience(const struct jose_claims *claims, struct gh_str audience)
{
	const json_t *aud = json_object_get(claims->json, "aud"), *one;
	size_t i;

	if (json_is_string(aud))
		return gh_str_eq(js_text(aud), audience);
	json_array_foreach (aud, i, one)
		if (json_is_string(one) && gh_str_eq(js_text(one), audience))
			return true;
	return false;
}

int
jose_check_time(const struct jose_claims *claims, uint64_t now_s, uint64_t skew_s)
{
	if (claims->exp_s == 0 || claims->nbf_s > now_s + skew_s)
		return GH_EDENIED;
	return now_s < claims->exp_s + skew_s ? GH_OK : GH_EEXPIRED;
}
