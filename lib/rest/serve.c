/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file serve.c
 * @brief One request from the mount to its operation: route, credentials, scopes, query, attempts.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "lib/rest/context.h"
#include "lib/tenant/tenant.h"

#define ATTEMPTS_MAX 5 /* of an operation whose commit conflicts with another request */

int
rest_services_bind(struct gh_inst *inst, struct rest_services *services)
{
	int r = GH_BIND(inst, GH_SVC_DOCS, &services->docs);

	if (r == 0)
		r = GH_BIND(inst, GH_SVC_TOKENS, &services->tokens);
	while (r == 0 && services->rollout_count < REST_ROLLOUTS_MAX) {
		unsigned i = (unsigned)services->rollout_count;

		if (GH_BIND_AT(inst, GH_SVC_ROLLOUT, i, &services->rollouts[i]) < 0)
			break;
		services->rollout_count++;
	}
	return r;
}

/* ---- Who calls, and may they? ---------------------------------------------------------------- */

static int
refuse_token(struct rest_context *ctx, bool is_missing)
{
	int r = 0;

	if (ctx->api->accepts_basic)
		r = gh_call_reply_field(ctx->call, GH_STR("WWW-Authenticate"),
			GH_STR("Basic realm=\"gatehouse\", charset=\"UTF-8\""));
	/* RFC 6750, 3: no error code when the request carried no credentials. */
	if (r == 0)
		r = gh_call_reply_field(ctx->call, GH_STR("WWW-Authenticate"), is_missing ?
			GH_STR("Bearer realm=\"gatehouse\"") :
			GH_STR("Bearer realm=\"gatehouse\", error=\"invalid_token\""));

	if (r < 0)
		return r;
	if (is_missing)
		return rest_fail_code(ctx, 401, 900902, "Missing Credentials",
			"The request carries no access token in its Authorization field");
	if (ctx->api->accepts_basic)
		return rest_fail_code(ctx, 401, 900901, "Invalid Credentials",
			"The password is wrong, or the access token is not valid any more");
	return rest_fail_code(ctx, 401, 900901, "Invalid Credentials",
		"The access token is malformed, expired, revoked or not of this issuer");
}

/** @return as tokens/1; GH_ENOENT: there are no Basic credentials. */
static int
log_in(struct rest_context *ctx, const char *scopes, struct gh_str field,
	struct gh_principal **ret_principal)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct form_basic basic;
	int r = form_basic_parse(field, &basic);

	if (r < 0)
		return r == GH_ENOENT ? r : GH_EDENIED;
	const struct gh_login login = { .user = basic.user, .password = basic.password,
		.peer = gh_call_peer(ctx->call), .scopes = gh_str_of(scopes) };

	r = tokens->vt->size >= offsetof(struct gh_tokens_v1, login) + sizeof(tokens->vt->login)
		? tokens->vt->login(tokens->self, &login, ret_principal) : GH_EDENIED;
	crypto_wipe(&basic, sizeof(basic));
	return r;
}

static int
authenticate(struct rest_context *ctx, const char *scopes, struct gh_principal **ret_principal)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_str field = gh_call_field(ctx->call, GH_STR("Authorization"));
	struct gh_str token;
	int r = ctx->api->accepts_basic ? log_in(ctx, scopes, field, ret_principal) : GH_ENOENT;

	if (r == GH_ENOENT) {
		r = form_bearer_parse(field, &token);
		if (r < 0)
			return refuse_token(ctx, r == GH_ENOENT);
		r = tokens->vt->check(tokens->self, token, ret_principal);
	}
	if (r == GH_EIO || r == GH_ENOMEM || r == GH_EAGAIN)
		return r; /* nothing is wrong with the token */
	return r < 0 ? refuse_token(ctx, false) : 0;
}

/** Is @p word one of the space separated @p words? */
static bool
has_word(struct gh_str words, struct gh_str word)
{
	for (size_t i = 0; i < words.n; i++) {
		size_t start = i;

		while (i < words.n && words.p[i] != ' ')
			i++;
		if (gh_str_eq((struct gh_str){ words.p + start, i - start }, word))
			return true;
	}
	return false;
}

bool
rest_has_scope(const struct rest_context *ctx, const char *scope)
{
	return ctx->principal != NULL && has_word(ctx->principal->scopes, gh_str_of(scope));
}

static int
authorize(struct rest_context *ctx, const char *scopes)
{
	if (*scopes == '\0')
		return 0;
	for (const char *p = scopes; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (has_word(ctx->principal->scopes, (struct gh_str){ p, n }))
			return 0;
		p += n + (p[n] == ' ');
	}
	struct gh_str challenge = gh_call_printf(ctx->call,
		"Bearer realm=\"gatehouse\", error=\"insufficient_scope\", scope=\"%s\"", scopes);

	if (challenge.p == NULL ||
	    gh_call_reply_field(ctx->call, GH_STR("WWW-Authenticate"), challenge) < 0)
		return GH_ENOMEM;
	return rest_fail_code(ctx, 403, 900910,
		"The access token does not allow you to access the requested resource",
		"The access token has none of the scopes %s", scopes);
}

/** The caller of a route that needs no token, and the tenant that is asked for.  Whose token it
 *  is says more than a field that anybody can send. */
static int
identify(struct rest_context *ctx, struct gh_principal **ret_principal)
{
	struct gh_str token, tenant = gh_call_field(ctx->call, GH_STR("X-WSO2-Tenant"));

	if (form_bearer_parse(gh_call_field(ctx->call, GH_STR("Authorization")), &token) !=
			GH_ENOENT)
		return authenticate(ctx, "", ret_principal);
	if (tenant.n == 0)
		return 0;
	int r = tenant_check(&ctx->services->docs, tenant);

	if (r == GH_ENOENT)
		return rest_fail(ctx, 404, "There is no tenant '%.*s'", GH_STR_ARG(tenant));
	ctx->tenant = tenant;
	return r;
}

/** A user of ctx->tenant as owners and providers are stored. */
static int
full_name(struct rest_context *ctx, struct gh_str name, struct gh_str *ret_user)
{
	struct gh_str full = tenant_is_default(ctx->tenant) ? gh_call_strdup(ctx->call, name)
		: gh_call_printf(ctx->call, "%.*s@%.*s", GH_STR_ARG(name), GH_STR_ARG(ctx->tenant));

	if (full.p == NULL)
		return GH_ENOMEM;
	*ret_user = full;
	return 0;
}

int
rest_user_name(struct rest_context *ctx, struct gh_str given, struct gh_str *ret_user)
{
	struct gh_str name, tenant;

	tenant_split_user(given, ctx->tenant, &name, &tenant);
	if (name.n == 0 || memchr(name.p, '@', name.n) != NULL || !gh_str_eq_nocase(tenant, ctx->tenant))
		return GH_ENOENT;
	return full_name(ctx, name, ret_user);
}

/** From here on the caller is known. */
static int
set_principal(struct rest_context *ctx, const struct gh_principal *principal)
{
	ctx->principal = principal;
	ctx->tenant = principal->tenant;
	return full_name(ctx, principal->user, &ctx->user);
}

/* ---- One request ----------------------------------------------------------------------------- */

/** Forget what an attempt has left behind. */
static void
clear(struct rest_context *ctx)
{
	rest_batch_free(ctx->batch);
	ctx->batch = NULL;
	while (ctx->owned != NULL) {
		struct rest_owned *owned = ctx->owned;

		ctx->owned = owned->next;
		owned->fn(owned->arg);
		free(owned);
	}
}

static int
run(struct rest_context *ctx, rest_fn *fn)
{
	int r = GH_ECONFLICT;

	for (unsigned i = 0; i < ATTEMPTS_MAX && r == GH_ECONFLICT && !ctx->has_failed; i++) {
		clear(ctx);
		r = fn(ctx);
	}
	return r;
}

static int
parse_query(struct rest_context *ctx, struct form **ret_query)
{
	const char *why = NULL;
	int r = form_parse(gh_call_query(ctx->call), ret_query, &why);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "The query string is malformed: %s", why);
	ctx->query = *ret_query;
	return r;
}

static int
route(struct rest_context *ctx, const struct rest_route **ret_route)
{
	struct gh_str method = gh_call_method(ctx->call);
	char allowed[80];
	int r = rest_route_find(ctx, method, gh_call_subpath(ctx->call), ret_route, allowed,
		sizeof(allowed));

	if (r == GH_ENOENT)
		return rest_fail(ctx, 404, "There is no resource %.*s",
			GH_STR_ARG(gh_call_path(ctx->call)));
	if (r != GH_EDENIED)
		return r;
	r = gh_call_reply_field(ctx->call, GH_STR("Allow"), gh_str_of(allowed));
	if (r < 0)
		return r;
	if (gh_str_eq(method, GH_STR("OPTIONS"))) {
		r = rest_reply_empty(ctx, 204);
		return r < 0 ? r : GH_EDENIED;
	}
	return rest_fail(ctx, 405,
		"%.*s is not possible here, but %s", GH_STR_ARG(method), allowed);
}

void
rest_serve(const struct rest_api *api, const struct rest_services *services, void *process,
	const void *config, struct gh_call *call)
{
	struct rest_context ctx = {
		.call = call, .process = process, .config = config, .services = services,
		.api = api, .tenant = TENANT_DEFAULT,
	};
	const struct rest_route *row = NULL;
	struct gh_principal *principal = NULL;
	struct form *query = NULL;
	int r = route(&ctx, &row);

	if (r == GH_EDENIED && !ctx.has_failed)
		goto out; /* OPTIONS */
	if (r == 0)
		r = row->scopes != NULL ? authenticate(&ctx, row->scopes, &principal)
			: identify(&ctx, &principal);
	if (r == 0 && principal != NULL)
		r = set_principal(&ctx, principal);
	if (r == 0 && row->scopes != NULL)
		r = authorize(&ctx, row->scopes);
	if (r == 0)
		r = parse_query(&ctx, &query);
	if (r == 0)
		r = run(&ctx, row->fn);
	if (r < 0 && !ctx.has_failed)
		rest_fail_err(&ctx, r);
out:
	clear(&ctx);
	form_free(query);
	if (principal != NULL)
		services->tokens.vt->principal_free(principal);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

int
rest_defer(struct rest_context *ctx, void (*fn)(void *arg), void *arg)
{
	struct rest_owned *owned = malloc(sizeof(*owned));

	if (owned == NULL) {
		fn(arg);
		return GH_ENOMEM;
	}
	*owned = (struct rest_owned){ ctx->owned, fn, arg };
	ctx->owned = owned;
	return 0;
}

static void
drop_json(void *json)
{
	json_decref(json);
}

int
rest_own_json(struct rest_context *ctx, json_t *json)
{
	return json != NULL ? rest_defer(ctx, drop_json, json) : GH_ENOMEM;
}
