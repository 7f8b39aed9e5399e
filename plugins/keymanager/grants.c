/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file grants.c
 * @brief POST /oauth2/token: the grants password, client_credentials and refresh_token.
 */
#include "plugins/keymanager/keymanager.h"

/** One grant being decided. */
struct grant {
	struct km_request *request;
	struct km_access access;
	struct gh_user *user;
	struct km_refresh refresh;       /**< Of the grant refresh_token. */
	char scopes[SCOPES_MAX];
	char refresh_token[KM_REFRESH_LEN + 1];
};

/** Decide; on success access is filled.  @return false: an error was replied. */
typedef bool grant_fn(struct grant *grant);

static bool
refuse(struct grant *grant, const struct km_error *error)
{
	km_reply_error(grant->request->call, error);
	return false;
}

/** The client's owner, or nobody when it is not known here.  @return 0 or an error of the store. */
static int
find_owner(struct grant *grant)
{
	const struct km_client *client = &grant->request->client;
	int r;

	grant->access.user = km_client_owner(client);
	grant->access.tenant = client->tenant;
	if (km_request_param(grant->request, "scope").n == 0)
		return GH_OK; /* nothing that would depend on roles */
	r = km_user_lookup(grant->request->km, grant->access.tenant, grant->access.user,
		&grant->user);
	return r == GH_ENOENT ? GH_OK : r;
}

/** Fill scopes from what is asked for and the user's roles. */
static bool
choose_scopes(struct grant *grant, struct gh_str requested)
{
	static const struct km_error too_long = { 400, "invalid_scope", "The scope is too long" };
	struct scopes_owner owner = { NULL, 0 };

	if (grant->user != NULL)
		owner = km_user_owner(grant->user);
	int r = km_scopes_grant(grant->request->km, grant->access.tenant, requested, &owner,
		grant->scopes);

	if (r == GH_ETOOBIG)
		return refuse(grant, &too_long);
	if (r < 0)
		return km_reply_failure(grant->request->call, r, "scopes");
	grant->access.scopes = gh_str_of(grant->scopes);
	return true;
}

/** The token is the user's. */
static void
take_user(struct grant *grant)
{
	grant->access.is_user = true;
	grant->access.user = grant->user->name;
	grant->access.tenant = grant->user->tenant;
	grant->access.session = km_user_session(grant->user);
}

static bool
on_client_credentials(struct grant *grant)
{
	int r = find_owner(grant);

	if (r < 0)
		return km_reply_failure(grant->request->call, r, "owner of a client");
	return choose_scopes(grant, km_request_param(grant->request, "scope"));
}

static bool
on_password(struct grant *grant)
{
	static const struct km_error missing = { 400, "invalid_request",
		"username and password are needed" };
	static const struct km_error wrong = { 400, "invalid_grant",
		"The user name or the password is wrong" };
	struct km_request *request = grant->request;
	struct gh_str username = km_request_param(request, "username"), name, tenant;
	struct gh_str password = km_request_param(request, "password");

	if (username.n == 0 || password.n == 0)
		return refuse(grant, &missing);
	username = km_request_username(request, username);
	if (username.p == NULL)
		return km_reply_failure(request->call, GH_ENOMEM, "authentication");
	tenant_split_user(username, KM_TENANT, &name, &tenant);
	if (!km_request_serves(request, tenant))
		return refuse(grant, &wrong);
	int r = km_user_authenticate(request->km, username, password,
		gh_call_peer(request->call), &grant->user);

	if (r == GH_EDENIED)
		return refuse(grant, &wrong);
	if (r < 0)
		return km_reply_failure(request->call, r, "authentication");
	take_user(grant);
	return choose_scopes(grant, km_request_param(grant->request, "scope"));
}

/** The family of the refresh token, if it belongs to this client. */
static bool
load_family(struct grant *grant)
{
	static const struct km_error missing = { 400, "invalid_request",
		"refresh_token is needed" };
	static const struct km_error bad = { 400, "invalid_grant",
		"The refresh token is not valid, was used before, or has expired" };
	struct km_request *request = grant->request;
	struct gh_str token = km_request_param(request, "refresh_token");

	if (token.n == 0)
		return refuse(grant, &missing);
	int r = km_refresh_load(request->km, token, &grant->refresh);

	if (r == GH_EDENIED || r == GH_EEXPIRED)
		return refuse(grant, &bad);
	if (r < 0)
		return km_reply_failure(request->call, r, "refresh token");
	if (!gh_str_eq(doc_str(grant->refresh.body, "client_id"), request->client.id))
		return refuse(grant, &bad);
	return true;
}

static bool
on_refresh_token(struct grant *grant)
{
	static const struct km_error gone = { 400, "invalid_grant",
		"The user is gone, or has another password" };
	static const struct km_error wider = { 400, "invalid_scope",
		"The scope is wider than the one granted" };
	struct gh_str scope = km_request_param(grant->request, "scope");

	if (!load_family(grant))
		return false;
	struct gh_str granted = doc_str(grant->refresh.body, "scopes");
	struct gh_str tenant = doc_str(grant->refresh.body, "user_tenant");
	int r = km_user_lookup(grant->request->km, tenant, doc_str(grant->refresh.body, "user"),
		&grant->user);

	if (r == GH_ENOENT || (r == 0 && (!km_request_serves(grant->request, tenant) ||
			!crypto_equal(km_user_session(grant->user),
				doc_str(grant->refresh.body, "session")))))
		return refuse(grant, &gone);
	if (r < 0)
		return km_reply_failure(grant->request->call, r, "user of a refresh token");
	if (scope.n != 0 && !scopes_contain(granted, scope))
		return refuse(grant, &wider);
	take_user(grant);
	/* Roles may have been taken away since. */
	return choose_scopes(grant, scope.n != 0 ? scope : granted);
}

static const struct {
	struct gh_str name;
	grant_fn *fn;
	bool has_refresh; /**< A refresh token comes with it, if the client may use one. */
} grants[KM_GRANT_COUNT] = {
	[KM_GRANT_PASSWORD] = { { "password", 8 }, on_password, true },
	[KM_GRANT_CLIENT] = { { "client_credentials", 18 }, on_client_credentials, false },
	[KM_GRANT_REFRESH] = { { "refresh_token", 13 }, on_refresh_token, true },
};

/** Find the grant and ask whether the client may use it.  @return KM_GRANT_COUNT: replied. */
static enum km_grant
choose_grant(struct km_request *request)
{
	static const struct km_error missing = { 400, "invalid_request", "grant_type is needed" };
	static const struct km_error unknown = { 400, "unsupported_grant_type",
		"The grant type is not supported" };
	static const struct km_error forbidden = { 400, "unauthorized_client",
		"The client may not use this grant type" };
	struct gh_str name = km_request_param(request, "grant_type");
	unsigned i = 0;

	while (i < KM_GRANT_COUNT && !gh_str_eq(grants[i].name, name))
		i++;
	if (i < KM_GRANT_COUNT && km_client_has_grant(&request->client, name))
		return (enum km_grant)i;
	km_reply_error(request->call, name.n == 0 ? &missing : i == KM_GRANT_COUNT ? &unknown
		: &forbidden);
	return KM_GRANT_COUNT;
}

/** Make the tokens.  @return 0 or a gh_err; GH_EDENIED: the refresh token was just used. */
static int
issue(struct grant *grant, enum km_grant which)
{
	struct km *km = grant->request->km;
	struct km_client *client = &grant->request->client;
	int r;

	grant->access.client_id = client->id;
	grant->access.validity_s = doc_int(client->body, "validity_s", 0);
	r = km_access_issue(km, &grant->access);
	if (r < 0 || !grants[which].has_refresh)
		return r;
	if (which == KM_GRANT_REFRESH)
		return km_refresh_rotate(km, &grant->refresh, &grant->access, grant->refresh_token);
	if (!km_client_has_grant(client, grants[KM_GRANT_REFRESH].name))
		return GH_OK;
	return km_refresh_new(km, &grant->access, grant->refresh_token);
}

static json_t *
answer(const struct grant *grant)
{
	json_t *json = json_object();
	struct gh_str refresh = gh_str_of(grant->refresh_token);

	if (js_set_str(json, "access_token", grant->access.token) < 0 ||
			(refresh.n != 0 && js_set_str(json, "refresh_token", refresh) < 0) ||
			js_set_str(json, "scope", grant->access.scopes) < 0 ||
			js_set_str(json, "token_type", GH_STR("Bearer")) < 0 ||
			js_set(json, "expires_in", json_integer(grant->access.expires_in_s)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static void
serve(struct km_request *request, enum km_grant which)
{
	static const struct km_error used = { 400, "invalid_grant",
		"The refresh token was used at the same moment" };
	struct grant grant = { .request = request };
	int r;

	if (!grants[which].fn(&grant))
		goto out;
	r = issue(&grant, which);
	if (r == GH_EDENIED) {
		km_reply_error(request->call, &used);
	} else if (r < 0) {
		km_reply_failure(request->call, r, "token");
	} else {
		km_reply_json(request->call, 200, answer(&grant));
		gh_metric_add(request->km->tokens_issued[which], 1);
	}
out:
	crypto_wipe_free((void *)grant.access.token.p, grant.access.token.n);
	crypto_wipe(grant.refresh_token, sizeof(grant.refresh_token));
	km_refresh_done(request->km, &grant.refresh);
	block_free(grant.user);
}

void
km_on_token(void *process, const void *config, struct gh_call *call)
{
	struct km_request request;

	(void)config;
	if (km_request_init(&request, process, call) && km_request_client(&request)) {
		enum km_grant which = choose_grant(&request);

		if (which != KM_GRANT_COUNT)
			serve(&request, which);
	}
	km_request_done(&request);
}
