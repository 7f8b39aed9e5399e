/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file serve.c
 * @brief One request from the mount to its operation: route, token, scopes, query, attempts.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/model/model.h"
#include "lib/rest/context.h"

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
	/* RFC 6750, 3: no error code when the request carried no credentials. */
	int r = gh_call_reply_field(ctx->call, GH_STR("WWW-Authenticate"), is_missing ?
		GH_STR("Bearer realm=\"gatehouse\"") :
		GH_STR("Bearer realm=\"gatehouse\", error=\"invalid_token\""));

	if (r < 0)
		return r;
	if (is_missing)
		return rest_fail_code(ctx, 401, 900902, "Missing Credentials",
			"The request carries no access token in its Authorization field");
	return rest_fail_code(ctx, 401, 900901, "Invalid Credentials",
		"The access token is malformed, expired, revoked or not of this issuer");
}

static int
authenticate(struct rest_context *ctx, struct gh_principal **ret_principal)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_str field = gh_call_field(ctx->call, GH_STR("Authorization"));
	struct gh_str token;
	int r = form_bearer_parse(field, &token);

	if (r < 0)
		return refuse_token(ctx, r == GH_ENOENT);
	r = tokens->vt->check(tokens->self, token, ret_principal);
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

struct gh_str
rest_subpath(const struct rest_context *ctx)
{
	struct gh_str path = gh_call_path(ctx->call);
	size_t n = ctx->api->base != NULL ? strlen(ctx->api->base) : 0;

	return n > 0 ? (struct gh_str){ path.p + n, path.n - n } : gh_call_subpath(ctx->call);
}

static int
route(struct rest_context *ctx, const struct rest_route **ret_route)
{
	struct gh_str method = gh_call_method(ctx->call);
	char allowed[80];
	int r = rest_route_find(ctx, method, rest_subpath(ctx), ret_route, allowed,
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
		.api = api, 		.tenant = GH_STR(MODEL_TENANT_DEFAULT),
	};
	const struct rest_route *row = NULL;
	struct gh_principal *principal = NULL;
	struct form *query = NULL;
	int r = route(&ctx, &row);

	if (r == GH_EDENIED && !ctx.has_failed)
		goto out; /* OPTIONS */
	if (r == 0 && row->scopes != NULL)
		r = authenticate(&ctx, &principal);
	if (r == 0 && principal != NULL) {
		ctx.principal = principal;
		ctx.tenant = principal->tenant;
		r = authorize(&ctx, row->scopes);
	}
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
