/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokens.c
 * @brief The service tokens/1: access tokens (RFC 9068) and internal test keys.
 */
#include <stdlib.h>

#include "plugins/keymanager/keymanager.h"

static uint64_t
now_s(void)
{
	return gh_now_us() / 1000000;
}

/* ---- Issue ----------------------------------------------------------------------------------- */

/** Claims that both kinds of token have; times are told by @p iat_s and @p exp_s. */
static int
put_common(struct km *km, json_t *claims, const char *jti, uint64_t iat_s, uint64_t exp_s)
{
	return js_set_str(claims, "iss", gh_str_of(km->issuer)) < 0 ||
		js_set(claims, "iat", json_integer((json_int_t)iat_s)) < 0 ||
		js_set(claims, "nbf", json_integer((json_int_t)iat_s)) < 0 ||
		js_set(claims, "exp", json_integer((json_int_t)exp_s)) < 0 ||
		js_set_str(claims, "jti", gh_str_of(jti)) < 0 ? GH_ENOMEM : GH_OK;
}

/** @param claims  GIVE; NULL: out of memory. */
static int
sign_claims(struct km *km, const char *typ, json_t *claims, struct gh_str *ret_token)
{
	struct gh_str payload = GH_STR_NONE;
	int r = claims != NULL ? js_dump(claims, &payload) : GH_ENOMEM;

	if (r == 0)
		r = jose_sign(km->signing_key, typ, payload, ret_token);
	free((void *)payload.p);
	json_decref(claims);
	return r;
}

/** When a token ends.  @param validity_s  0: @p otherwise_s; -1: never. */
static uint64_t
expiry(uint64_t from_s, int64_t validity_s, uint64_t otherwise_s)
{
	if (validity_s == 0)
		return from_s + otherwise_s;
	return validity_s < 0 || (uint64_t)validity_s > KM_EXP_NEVER - from_s ? KM_EXP_NEVER
		: from_s + (uint64_t)validity_s;
}

int
km_access_issue(struct km *km, struct km_access *access)
{
	uint64_t iat_s = now_s(), exp_s = expiry(iat_s, access->validity_s, km->token_s);
	json_t *claims = json_object();
	bool has_tenant = !gh_str_eq(access->tenant, KM_TENANT);
	int r = crypto_uuid(access->jti);

	if (r < 0) {
		json_decref(claims);
		return r;
	}
	if (js_set_str(claims, "sub", access->user) < 0 ||
			js_set_str(claims, "aut", access->is_user ? GH_STR("APPLICATION_USER")
				: GH_STR("APPLICATION")) < 0 ||
			js_set_str(claims, "aud", access->client_id) < 0 ||
			js_set_str(claims, "azp", access->client_id) < 0 ||
			js_set_str(claims, "client_id", access->client_id) < 0 ||
			js_set_str(claims, "scope", access->scopes) < 0 ||
			(has_tenant && js_set_str(claims, "tenant", access->tenant) < 0) ||
			(access->session.n != 0 &&
				js_set_str(claims, "session", access->session) < 0) ||
			put_common(km, claims, access->jti, iat_s, exp_s) < 0) {
		json_decref(claims);
		return GH_ENOMEM;
	}
	r = sign_claims(km, KM_TYP_ACCESS, claims, &access->token);
	access->expires_at_s = exp_s;
	access->expires_in_s = (int64_t)(exp_s - iat_s);
	return r;
}

static int
issue_internal(struct km *km, const struct gh_token_request *request,
	struct gh_token_issued *issued)
{
	uint64_t iat_s = now_s(), exp_s = expiry(iat_s, request->validity_s, km->internal_key_s);
	bool has_tenant = request->tenant.n != 0 && !gh_str_eq(request->tenant, KM_TENANT);
	json_t *claims = json_object();
	char jti[CRYPTO_UUID_LEN + 1];
	int r = crypto_uuid(jti);

	if (r == 0 && (js_set_str(claims, "sub", request->user) < 0 ||
			js_set_str(claims, "token_type", GH_STR("InternalKey")) < 0 ||
			js_set_str(claims, "api_id", request->api_id) < 0 ||
			(has_tenant && js_set_str(claims, "tenant", request->tenant) < 0) ||
			put_common(km, claims, jti, iat_s, exp_s) < 0))
		r = GH_ENOMEM;
	if (r < 0) {
		json_decref(claims);
		return r;
	}
	issued->validity_s = (int64_t)(exp_s - iat_s);
	return sign_claims(km, KM_TYP_INTERNAL, claims, &issued->token);
}

static int
issue_application(struct km *km, const struct gh_token_request *request,
	struct gh_token_issued *issued, char scopes[SCOPES_MAX])
{
	struct gh_str tenant = request->tenant.n != 0 ? request->tenant : KM_TENANT, owner;
	struct scopes_owner nobody = { NULL, 0 };
	struct gh_user *user = NULL;
	struct km_client client;
	int r = km_client_load(km, tenant, request->client_id, &client);

	if (r < 0)
		return r;
	owner = km_client_owner(&client);
	if (request->scopes.n != 0)
		r = km_user_lookup(km, tenant, owner, &user);
	if (r == 0 || r == GH_ENOENT) {
		struct scopes_owner roles = user != NULL ? km_user_owner(user) : nobody;

		r = km_scopes_grant(km, tenant, request->scopes, &roles, scopes);
	}
	struct km_access access = { .tenant = tenant, .user = owner, .client_id = client.id,
		.scopes = gh_str_of(scopes), .validity_s = request->validity_s != 0
			? request->validity_s : doc_int(client.body, "validity_s", 0) };

	if (r == 0)
		r = km_access_issue(km, &access);
	issued->token = access.token;
	issued->scopes = access.scopes;
	issued->validity_s = access.expires_in_s;
	block_free(user);
	km_client_done(km, &client);
	return r;
}

static int
tokens_issue(void *self, const struct gh_token_request *request, struct gh_token_issued **ret)
{
	static const size_t strings[] = { offsetof(struct gh_token_issued, token),
		offsetof(struct gh_token_issued, scopes) };
	struct gh_token_issued issued = { .token = GH_STR_NONE };
	char scopes[SCOPES_MAX] = "";
	int r;

	if (request->validity_s < -1 || request->scopes.n >= SCOPES_MAX)
		return GH_EINVAL;
	if (request->kind == GH_TOKEN_INTERNAL)
		r = request->api_id.n > 0 && request->user.n > 0
			? issue_internal(self, request, &issued) : GH_EINVAL;
	else
		r = issue_application(self, request, &issued, scopes);
	if (r == 0 && request->validity_s == -1)
		issued.validity_s = -1;
	if (r == 0) {
		*ret = block_copy(&issued, sizeof(issued), strings, 2);
		r = *ret != NULL ? GH_OK : GH_ENOMEM;
	}
	crypto_wipe_free((void *)issued.token.p, issued.token.n);
	return r;
}

static void
tokens_issued_free(struct gh_token_issued *issued)
{
	block_free(issued);
}

/* ---- Check ----------------------------------------------------------------------------------- */

struct gh_str
km_claims_tenant(const struct jose_claims *claims)
{
	return claims->tenant.n != 0 ? claims->tenant : KM_TENANT;
}

/** Has it been revoked, its client or user deleted, its user or tenant disabled?
 *  @return 0, GH_EDENIED, GH_EIO, GH_ENOMEM. */
static int
check_state(struct km *km, const struct jose_claims *claims)
{
	struct gh_str tenant = km_claims_tenant(claims);
	struct gh_docs_found *found;
	struct km_client client;
	int r;

	if (claims->jti.n == 0 || claims->jti.n > GH_DOC_ID_MAX)
		return GH_EDENIED;
	r = km_get(km, KM_TENANT, "revocation", claims->jti, &found);
	if (r == 0) {
		km_found_free(km, found);
		return GH_EDENIED;
	}
	if (r == GH_ENOENT)
		r = tenant_check(&km->docs, tenant);
	if (r < 0 || claims->client_id.n == 0) /* an internal key belongs to no client */
		return r == GH_ENOENT ? GH_EDENIED : r;
	r = km_client_find(km, claims->client_id, &client);
	if (r == 0) {
		r = km_client_serves(&client, tenant) ? GH_OK : GH_EDENIED;
		km_client_done(km, &client);
	}
	if (r < 0)
		return r == GH_ENOENT ? GH_EDENIED : r;
	/* A new password ends what the user's old one gave, but not the tokens of applications. */
	struct gh_str session = GH_STR_NONE;

	if (gh_str_eq(claims->aut, GH_STR("APPLICATION_USER"))) {
		session = jose_claim(claims, "session");
		if (session.p == NULL)
			session = GH_STR("");
	}
	return km_user_check(km, tenant, claims->sub, session);
}

int
km_token_verify(struct km *km, struct gh_str token, const char *typ, struct jose_claims *ret_claims)
{
	struct jose_key *key = NULL;
	struct jose_token parsed;
	struct jose_claims claims;
	int r = jose_parse(token, &parsed);

	if (r < 0)
		return r == GH_ENOMEM ? r : GH_EDENIED;
	if (!jose_typ_is(&parsed, typ))
		return GH_EDENIED;
	r = km_key_find(km, parsed.kid, &key);
	if (r == 0)
		r = jose_verify(&parsed, key);
	jose_key_unref(key);
	if (r < 0)
		return r == GH_ENOENT ? GH_EDENIED : r;
	r = jose_claims(&parsed, &claims);
	if (r < 0)
		return r == GH_ENOMEM ? r : GH_EDENIED;
	r = jose_check_time(&claims, now_s(), km->skew_s);
	if (r == 0 && !gh_str_eq(claims.iss, gh_str_of(km->issuer)))
		r = GH_EDENIED;
	if (r == 0)
		r = check_state(km, &claims);
	if (r < 0)
		jose_claims_done(&claims);
	else
		*ret_claims = claims;
	return r;
}

static int
tokens_check(void *self, struct gh_str token, struct gh_principal **ret)
{
	static const size_t strings[] = {
		offsetof(struct gh_principal, user), offsetof(struct gh_principal, tenant),
		offsetof(struct gh_principal, client_id), offsetof(struct gh_principal, scopes),
		offsetof(struct gh_principal, jti),
	};
	struct jose_claims claims;
	int r = km_token_verify(self, token, KM_TYP_ACCESS, &claims);

	if (r < 0)
		return r;
	const struct gh_principal principal = { .user = claims.sub,
		.tenant = km_claims_tenant(&claims), .client_id = claims.client_id,
		.scopes = claims.scope, .jti = claims.jti, .expires_at_s = claims.exp_s };

	*ret = block_copy(&principal, sizeof(principal), strings,
		sizeof(strings) / sizeof(strings[0]));
	jose_claims_done(&claims);
	return *ret != NULL ? GH_OK : GH_ENOMEM;
}

static int
tokens_login(void *self, const struct gh_login *login, struct gh_principal **ret)
{
	static const size_t strings[] = { offsetof(struct gh_principal, user),
		offsetof(struct gh_principal, tenant), offsetof(struct gh_principal, scopes) };
	char scopes[SCOPES_MAX];
	struct gh_user *user;
	int r = km_user_authenticate(self, login->user, login->password, login->peer, &user);

	if (r < 0)
		return r;
	struct scopes_owner owner = km_user_owner(user);

	r = km_scopes_grant(self, user->tenant, login->scopes, &owner, scopes);
	if (r == 0) {
		const struct gh_principal principal = { .user = user->name,
			.tenant = user->tenant, .scopes = gh_str_of(scopes) };

		*ret = block_copy(&principal, sizeof(principal), strings,
			sizeof(strings) / sizeof(strings[0]));
		r = *ret != NULL ? GH_OK : GH_ENOMEM;
	}
	block_free(user);
	return r;
}

static void
tokens_principal_free(struct gh_principal *principal)
{
	block_free(principal);
}

/* ---- Revoke ---------------------------------------------------------------------------------- */

/** Revocations stand in the default tenant: ids of tokens are unique everywhere. */
int
km_token_revoke(struct km *km, struct gh_str jti, uint64_t expires_at_s, uint64_t *ret_seq)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;
	int r;

	doc_writer_init(&w);
	doc_put_int(&w, "expires_at_s", (int64_t)(expires_at_s + km->skew_s));
	r = doc_finish(&w, &body);
	if (r < 0)
		return r;
	const struct gh_doc_op op = { GH_DOC_PUT, KM_TENANT, GH_STR("revocation"), jti, body,
		GH_REV_ANY };

	r = km_commit(km, &op, 1, ret_seq);
	free((void *)body.p);
	return r;
}

static int
tokens_revoke(void *self, struct gh_str token, uint64_t *ret_seq)
{
	static const char *const types[] = { KM_TYP_ACCESS, KM_TYP_INTERNAL };
	struct jose_claims claims;
	struct km_refresh refresh;
	uint64_t seq = 0;
	int r = GH_EDENIED;

	if (km_refresh_is_shaped(token)) {
		r = km_refresh_load(self, token, &refresh);
		if (r == 0) {
			r = km_refresh_end(self, &refresh, &seq);
			km_refresh_done(self, &refresh);
		}
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && r == GH_EDENIED; i++) {
		r = km_token_verify(self, token, types[i], &claims);
		if (r < 0)
			continue;
		r = km_token_revoke(self, claims.jti, claims.exp_s, &seq);
		jose_claims_done(&claims);
	}
	if (r < 0 && r != GH_EDENIED && r != GH_EEXPIRED)
		return r;
	*ret_seq = seq;
	return GH_OK;
}

int
km_rollout_wait(struct km *km, uint64_t seq)
{
	uint64_t until_ns = gh_mono_ns() + KM_ROLLOUT_WAIT_MS * UINT64_C(1000000);

	for (unsigned i = 0; seq != 0 && i < km->rollout_count; i++) {
		uint64_t at_ns = gh_mono_ns();
		uint64_t left_ms = at_ns < until_ns ? (until_ns - at_ns) / 1000000 : 0;
		int r = km->rollouts[i].vt->wait(km->rollouts[i].self, seq, left_ms);

		if (r < 0)
			return r;
	}
	return GH_OK;
}

static void
tokens_client_free(struct gh_client *client)
{
	block_free(client);
}

const struct gh_tokens_v1 km_tokens = {
	.size = sizeof(km_tokens),
	.check = tokens_check,
	.principal_free = tokens_principal_free,
	.issue = tokens_issue,
	.issued_free = tokens_issued_free,
	.revoke = tokens_revoke,
	.client_put = km_client_put,
	.client_get = km_client_get,
	.client_renew_secret = km_client_renew_secret,
	.client_free = tokens_client_free,
	.client_delete = km_client_delete,
	.login = tokens_login,
};
