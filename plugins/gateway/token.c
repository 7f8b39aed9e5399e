/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file token.c
 * @brief Is a token true?  Signature, issuer, type, time, revocation; then what it says.
 */
#include <stdlib.h>

#include "lib/tenant/tenant.h"
#include "plugins/gateway/gateway.h"

/* Copy @p s behind *at. */
static struct gh_str
keep(char **at, struct gh_str s)
{
	struct gh_str kept = { *at, s.n };

	if (s.n == 0)
		return GH_STR_NONE;
	memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

/* "name", or "name@tenant" for other tenants than the default one. */
static struct gh_str
keep_user(char **at, struct gh_str name, struct gh_str tenant)
{
	struct gh_str kept = keep(at, name);

	if (name.n == 0 || tenant_is_default(tenant))
		return kept;
	kept.n += keep(at, GH_STR("@")).n;
	kept.n += keep(at, tenant).n;
	return kept;
}

static enum gw_token_of
token_of(struct gh_str aut)
{
	if (gh_str_eq(aut, GH_STR("APPLICATION")))
		return GW_TOKEN_OF_APPLICATION;
	return gh_str_eq(aut, GH_STR("APPLICATION_USER")) ? GW_TOKEN_OF_USER : GW_TOKEN_OF_ANY;
}

static struct gw_claims *
claims_new(const struct jose_token *token, const struct jose_claims *from, bool is_test_key,
	uint64_t trust)
{
	struct gh_str consumer_key = from->azp.n > 0 ? from->azp : from->client_id;
	struct gh_str kid = gh_str_of(token->kid);
	struct gh_str tenant = from->tenant.n > 0 ? from->tenant : TENANT_DEFAULT;
	struct gw_claims *claims = calloc(1, sizeof(*claims) + consumer_key.n + from->sub.n + 1 +
		2 * tenant.n + from->scope.n + from->jti.n + kid.n + from->iss.n +
		from->api_id.n);

	if (claims == NULL)
		return NULL;
	char *at = (char *)(claims + 1);

	claims->pins = 1;
	claims->is_test_key = is_test_key;
	claims->of = token_of(from->aut);
	claims->expires_at_s = from->exp_s;
	claims->trust = trust;
	claims->consumer_key = keep(&at, consumer_key);
	claims->user = keep_user(&at, from->sub, tenant);
	claims->tenant = keep(&at, tenant);
	claims->scopes = keep(&at, from->scope);
	claims->jti = keep(&at, from->jti);
	claims->kid = keep(&at, kid);
	claims->issuer = keep(&at, from->iss);
	claims->api_id = keep(&at, from->api_id);
	return claims;
}

bool
gw_token_is_trusted(const struct gw_snapshot *root, struct gw_jwks *jwks,
	const struct gw_claims *claims)
{
	const struct gw_issuer_key *key = gw_snapshot_key(root, claims->kid);
	bool is_issuers = key != NULL ? gh_str_eq(key->issuer, claims->issuer) :
		gw_jwks_trusts(jwks, claims->kid, claims->issuer);

	return is_issuers && !gw_snapshot_is_revoked(root, claims->jti);
}

/* The key of that id; the feed's counts before the set's.  @return GIVE, or NULL. */
static struct jose_key *
find_key(const struct gw_snapshot *root, struct gw_jwks *jwks, struct gh_str kid)
{
	const struct gw_issuer_key *known = gw_snapshot_key(root, kid);
	struct jose_key *key = NULL;

	if (known != NULL)
		return jose_key_ref(known->jose);
	return gw_jwks_key(jwks, kid, &key) == 0 ? key : NULL;
}

/* Everything behind the signature. */
static enum gw_error
judge(const struct gw_snapshot *root, struct gw_jwks *jwks, uint64_t trust,
	const struct jose_token *token, const struct jose_claims *from, uint64_t now_s,
	uint64_t skew_s, struct gw_claims **ret_claims)
{
	bool is_test_key = jose_typ_is(token, "internal+jwt");
	int r;

	/* Each kind of token has its own type, so that none passes for another (RFC 8725, 3.11). */
	bool is_kind = is_test_key ?
		gh_str_eq(from->token_type, GH_STR("InternalKey")) && from->api_id.n > 0 :
		jose_typ_is(token, "at+jwt") && (from->azp.n > 0 || from->client_id.n > 0);

	if (!is_kind || from->jti.n == 0)
		return GW_ERR_INVALID_CREDENTIALS;
	if ((r = jose_check_time(from, now_s, skew_s)) < 0)
		return r == GH_EEXPIRED ? GW_ERR_EXPIRED_CREDENTIALS : GW_ERR_INVALID_CREDENTIALS;
	struct gw_claims *claims = claims_new(token, from, is_test_key, trust);

	if (claims == NULL)
		return GW_ERR_BUSY;
	if (!gw_token_is_trusted(root, jwks, claims)) {
		gw_claims_unpin(claims);
		return GW_ERR_INVALID_CREDENTIALS;
	}
	*ret_claims = claims;
	return GW_OK;
}

enum gw_error
gw_token_verify(const struct gw_snapshot *root, struct gw_jwks *jwks, struct gh_str text,
	uint64_t now_s, uint64_t skew_s, struct gw_claims **ret_claims)
{
	uint64_t trust = gw_trust(root, jwks);
	struct jose_token token;
	struct jose_claims claims = { 0 };
	enum gw_error error = GW_ERR_INVALID_CREDENTIALS;
	int r;

	if ((r = jose_parse(text, &token)) < 0)
		return r == GH_ENOMEM ? GW_ERR_BUSY : GW_ERR_INVALID_CREDENTIALS;
	struct jose_key *key = find_key(root, jwks, gh_str_of(token.kid));

	r = key != NULL ? jose_verify(&token, key) : GH_ENOENT;
	jose_key_unref(key);
	if (r < 0)
		return GW_ERR_INVALID_CREDENTIALS;
	if ((r = jose_claims(&token, &claims)) == 0)
		error = judge(root, jwks, trust, &token, &claims, now_s, skew_s, ret_claims);
	else if (r == GH_ENOMEM)
		error = GW_ERR_BUSY;
	jose_claims_done(&claims);
	return error;
}

bool
gw_token_has_unknown_key(const struct gw_snapshot *root, struct gw_jwks *jwks, struct gh_str text)
{
	struct jose_token token;

	if (jose_parse(text, &token) < 0 || token.kid[0] == '\0')
		return false;
	struct jose_key *key = find_key(root, jwks, gh_str_of(token.kid));

	jose_key_unref(key);
	return key == NULL;
}
