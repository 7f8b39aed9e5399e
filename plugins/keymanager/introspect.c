/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file introspect.c
 * @brief What others ask about tokens: introspection, revocation, user info, keys, discovery.
 */
#include <stdlib.h>

#include "plugins/keymanager/keymanager.h"

/* ---- Revocation (RFC 7009) ------------------------------------------------------------------- */

/** End a refresh token of this client.  @return as km_refresh_load(); GH_EINVAL: of another one. */
static int
revoke_refresh(struct km_request *request, struct gh_str token, uint64_t *ret_seq)
{
	struct km_refresh refresh;
	int r = km_refresh_load(request->km, token, &refresh);

	if (r < 0)
		return r;
	if (gh_str_eq(doc_str(refresh.body, "client_id"), request->client.id))
		r = km_refresh_end(request->km, &refresh, ret_seq);
	else
		r = GH_EINVAL;
	km_refresh_done(request->km, &refresh);
	return r;
}

static int
revoke_access(struct km_request *request, struct gh_str token, uint64_t *ret_seq)
{
	struct jose_claims claims;
	int r = km_token_verify(request->km, token, KM_TYP_ACCESS, &claims);

	if (r < 0)
		return r;
	if (gh_str_eq(claims.client_id, request->client.id))
		r = km_token_revoke(request->km, claims.jti, claims.exp_s, ret_seq);
	else
		r = GH_EINVAL;
	jose_claims_done(&claims);
	return r;
}

static void
revoke(struct km_request *request)
{
	static const struct km_error missing = { 400, "invalid_request", "token is needed" };
	static const struct km_error foreign = { 400, "unauthorized_client",
		"The token belongs to another client" };
	struct gh_str token = km_request_param(request, "token");
	uint64_t seq = 0;
	int r;

	if (token.p == NULL) {
		km_reply_error(request->call, &missing);
		return;
	}
	r = km_refresh_is_shaped(token) ? revoke_refresh(request, token, &seq)
		: revoke_access(request, token, &seq);
	if (r == GH_EINVAL) {
		km_reply_error(request->call, &foreign);
		return;
	}
	/* A token that is not valid needs no revocation (RFC 7009, 2.2). */
	if (r < 0 && r != GH_EDENIED && r != GH_EEXPIRED) {
		km_reply_failure(request->call, r, "revocation");
		return;
	}
	if (km_rollout_wait(request->km, seq) < 0)
		(void)gh_call_reply_field(request->call, GH_STR("Warning"),
			GH_STR("199 - \"not every worker of this node refuses the token yet\""));
	(void)gh_call_reply_field(request->call, GH_STR("Cache-Control"), GH_STR("no-store"));
	(void)gh_call_reply(request->call, 200, GH_STR_NONE, GH_STR_NONE);
}

void
km_on_revoke(void *process, const void *config, struct gh_call *call)
{
	struct km_request request;

	(void)config;
	if (km_request_init(&request, process, call) && km_request_client(&request))
		revoke(&request);
	km_request_done(&request);
}

/* ---- Introspection (RFC 7662) ---------------------------------------------------------------- */

/** A client, or an administrator with Basic.  @return false: replied. */
static bool
authorize_introspection(struct km_request *request)
{
	struct gh_str username;
	int r;

	if (!request->has_basic || km_client_find(request->km, request->basic.user,
			&request->client) == 0) {
		km_client_done(request->km, &request->client);
		return km_request_client(request);
	}
	username = km_request_username(request, request->basic.user);
	r = username.p == NULL ? GH_ENOMEM : km_user_authenticate(request->km, username,
		request->basic.password, gh_call_peer(request->call), &request->user);
	if (r == 0) {
		struct scopes_owner owner = km_user_owner(request->user);
		bool is_here = request->home.n == 0 ||
			gh_str_eq(request->home, request->user->tenant);

		r = is_here && scopes_has_role(&owner, GH_STR("admin")) ? GH_OK : GH_EDENIED;
	}
	if (r == GH_EDENIED)
		km_reply_error(request->call, &km_bad_client);
	else if (r < 0)
		km_reply_failure(request->call, r, "authentication");
	return r == 0;
}

/** Is a token of that tenant and client any business of who asks?  It is when both are of one tenant,
 *  and a client may always look at what it was given. */
static bool
may_see(const struct km_request *request, struct gh_str tenant, struct gh_str client_id)
{
	if (request->user != NULL)
		return gh_str_eq(request->user->tenant, tenant);
	return gh_str_eq(request->client.tenant, tenant) ||
		gh_str_eq(request->client.id, client_id);
}

/** "name", or "name@tenant" outside the default tenant. */
static json_t *
full_name(struct gh_call *call, struct gh_str user, struct gh_str tenant)
{
	if (!gh_str_eq(tenant, KM_TENANT))
		user = gh_call_printf(call, "%.*s@%.*s", GH_STR_ARG(user), GH_STR_ARG(tenant));
	return js_string(user);
}

/** @return NULL: out of memory. */
static json_t *
describe_access(struct gh_call *call, const struct jose_claims *claims)
{
	static const char *const copied[] = { "scope", "client_id", "iss", "sub", "aud", "jti",
		"exp", "iat", "nbf", "aut" };
	json_t *json = json_object();
	int r = js_set(json, "active", json_true());

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		json_t *value = json_object_get(claims->json, copied[i]);

		if (r == 0 && value != NULL)
			r = js_set(json, copied[i], json_incref(value));
	}
	if (r == 0)
		r = js_set_str(json, "token_type", GH_STR("Bearer"));
	if (r == 0)
		r = js_set(json, "username",
			full_name(call, claims->sub, km_claims_tenant(claims)));
	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *
describe_refresh(struct gh_call *call, const struct km_refresh *refresh)
{
	json_t *json = json_object();

	if (js_set(json, "active", json_true()) < 0 ||
			js_set_str(json, "scope", doc_str(refresh->body, "scopes")) < 0 ||
			js_set_str(json, "client_id", doc_str(refresh->body, "client_id")) < 0 ||
			js_set(json, "exp", json_integer(doc_int(refresh->body, "expires_at_s",
				0))) < 0 ||
			js_set_str(json, "token_type", GH_STR("refresh_token")) < 0 ||
			js_set(json, "username", full_name(call, doc_str(refresh->body, "user"),
				doc_str(refresh->body, "user_tenant"))) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/** @param[out] ret_json  NULL: out of memory.  @return as km_refresh_peek(); GH_EDENIED also when
 *  the token is none of theirs who ask. */
static int
introspect_refresh(struct km_request *request, struct gh_str token, json_t **ret_json)
{
	struct km_refresh refresh;
	int r = km_refresh_peek(request->km, token, &refresh);

	if (r < 0)
		return r;
	struct gh_str tenant = doc_str(refresh.body, "user_tenant");

	r = tenant_check(&request->km->docs, tenant);
	if (r == GH_ENOENT ||
			(r == 0 && !may_see(request, tenant, doc_str(refresh.body, "client_id"))))
		r = GH_EDENIED;
	if (r == 0)
		*ret_json = describe_refresh(request->call, &refresh);
	km_refresh_done(request->km, &refresh);
	return r;
}

/** As introspect_refresh(). */
static int
introspect_access(struct km_request *request, struct gh_str token, json_t **ret_json)
{
	struct jose_claims claims;
	int r = km_token_verify(request->km, token, KM_TYP_ACCESS, &claims);

	if (r < 0)
		return r;
	if (may_see(request, km_claims_tenant(&claims), claims.client_id))
		*ret_json = describe_access(request->call, &claims);
	else
		r = GH_EDENIED;
	jose_claims_done(&claims);
	return r;
}

static void
introspect(struct km_request *request)
{
	static const struct km_error missing = { 400, "invalid_request", "token is needed" };
	struct gh_str token = km_request_param(request, "token");
	json_t *json = NULL;
	int r;

	if (token.n == 0) {
		km_reply_error(request->call, &missing);
		return;
	}
	if (km_refresh_is_shaped(token)) {
		r = introspect_refresh(request, token, &json);
	} else {
		r = introspect_access(request, token, &json);
	}
	if (r == GH_EDENIED || r == GH_EEXPIRED) /* and not a word why (RFC 7662, 2.2) */
		json = json_pack("{s:b}", "active", 0);
	else if (r < 0) {
		km_reply_failure(request->call, r, "introspection");
		return;
	}
	km_reply_json(request->call, 200, json);
}

void
km_on_introspect(void *process, const void *config, struct gh_call *call)
{
	struct km_request request;

	(void)config;
	if (km_request_init(&request, process, call) && authorize_introspection(&request))
		introspect(&request);
	km_request_done(&request);
}

/* ---- User info (OpenID Connect Core, 5.3) ---------------------------------------------------- */

static void
refuse_bearer(struct gh_call *call, unsigned status, const char *challenge)
{
	(void)gh_call_reply_field(call, GH_STR("WWW-Authenticate"), gh_str_of(challenge));
	(void)gh_call_reply_field(call, GH_STR("Cache-Control"), GH_STR("no-store"));
	(void)gh_call_reply(call, status, GH_STR_NONE, GH_STR_NONE);
}

void
km_on_userinfo(void *process, const void *config, struct gh_call *call)
{
	struct gh_str token, home = km_path_tenant(call);
	struct jose_claims claims;
	int r = form_bearer_parse(gh_call_field(call, GH_STR("Authorization")), &token);

	(void)config;
	if (!gh_str_eq(gh_call_method(call), GH_STR("POST")) && !km_require_method(call, "GET"))
		return;
	if (r == GH_ENOENT) {
		refuse_bearer(call, 401, "Bearer realm=\"gatehouse\"");
		return;
	}
	if (r == 0)
		r = km_token_verify(process, token, KM_TYP_ACCESS, &claims);
	if (r == 0 && home.n != 0 && !gh_str_eq(home, km_claims_tenant(&claims))) {
		jose_claims_done(&claims);
		r = GH_EDENIED; /* good, but not for the tenant that the path names */
	}
	if (r == GH_EDENIED || r == GH_EEXPIRED || r == GH_EINVAL) {
		refuse_bearer(call, 401, "Bearer realm=\"gatehouse\", error=\"invalid_token\"");
		return;
	}
	if (r < 0) {
		km_reply_failure(call, r, "user info");
		return;
	}
	if (!scopes_contain(claims.scope, GH_STR("openid")))
		refuse_bearer(call, 403, "Bearer realm=\"gatehouse\", "
			"error=\"insufficient_scope\", scope=\"openid\"");
	else
		km_reply_json(call, 200, json_pack("{s:o}", "sub",
			full_name(call, claims.sub, km_claims_tenant(&claims))));
	jose_claims_done(&claims);
}

/* ---- Keys and discovery ---------------------------------------------------------------------- */

/** Reply with JSON that anybody may keep for a while.  @param json  GIVE. */
static void
reply_public(struct gh_call *call, json_t *json)
{
	struct gh_str text;

	if (json == NULL || js_dump(json, &text) < 0) {
		json_decref(json);
		km_reply_failure(call, GH_ENOMEM, "answer");
		return;
	}
	json_decref(json);
	(void)gh_call_reply_field(call, GH_STR("Cache-Control"), GH_STR("public, max-age=300"));
	(void)gh_call_reply(call, 200, GH_STR("application/json"), text);
	free((void *)text.p);
}

void
km_on_jwks(void *process, const void *config, struct gh_call *call)
{
	json_t *keys = NULL;
	int r;

	(void)config;
	if (!km_require_method(call, "GET"))
		return;
	r = km_keys_json(process, &keys);
	if (r < 0)
		km_reply_failure(call, r, "keys");
	else
		reply_public(call, keys);
}

void
km_on_discovery(void *process, const void *config, struct gh_call *call)
{
	static const struct km_error unknown = { 404, "invalid_request", "There is nothing here" };

	(void)config;
	if (gh_str_eq(gh_call_subpath(call), GH_STR("/openid-configuration")))
		km_discover(process, call, GH_STR_NONE);
	else
		km_reply_error(call, &unknown);
}

void
km_discover(struct km *km, struct gh_call *call, struct gh_str prefix)
{
	static const struct { const char *name, *path; } endpoints[] = {
		{ "token_endpoint", "/oauth2/token" }, { "jwks_uri", "/oauth2/jwks" },
		{ "revocation_endpoint", "/oauth2/revoke" },
		{ "introspection_endpoint", "/oauth2/introspect" },
		{ "userinfo_endpoint", "/oauth2/userinfo" },
	};
	struct gh_str origin = gh_call_origin(call);

	if (!km_require_method(call, "GET"))
		return;
	json_t *json = json_pack("{s:s, s:[], s:[s,s,s], s:[s,s], s:[s], s:[s], s:[s,s]}",
		"issuer", km->issuer,
		"response_types_supported", /* there is no authorization endpoint yet */
		"grant_types_supported", "password", "client_credentials", "refresh_token",
		"token_endpoint_auth_methods_supported", "client_secret_basic",
			"client_secret_post",
		"subject_types_supported", "public",
		"id_token_signing_alg_values_supported",
			jose_alg_name(jose_key_alg(km->signing_key)),
		"scopes_supported", "openid", SCOPES_DEFAULT);
	int r = json != NULL ? GH_OK : GH_ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
		r = js_set_str(json, endpoints[i].name, gh_call_printf(call, "%.*s%.*s%s",
			GH_STR_ARG(origin), GH_STR_ARG(prefix), endpoints[i].path));
	if (r == 0) /* clients are registered at one place for all tenants */
		r = js_set_str(json, "registration_endpoint", gh_call_printf(call,
			"%.*s/client-registration/v0.17/register", GH_STR_ARG(origin)));
	if (r < 0) {
		json_decref(json);
		json = NULL;
	}
	reply_public(call, json);
}
