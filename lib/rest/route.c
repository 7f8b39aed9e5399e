/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file route.c
 * @brief From path and method to a row of the routing table.
 *
 * The best template wins: at the first segment where two differ, a literal beats a parameter.  Only
 * then does the method count, so that a wrong method on a known path is 405 and never another row.
 */
#include <stdio.h>

#include "lib/rest/context.h"
#include "lib/uri/uri.h"

#define SEGMENTS_MAX 16

/** Take the next segment, without its slash, from the front of @p rest. */
static bool
take_segment(struct gh_str *rest, struct gh_str *ret_segment)
{
	if (rest->n == 0)
		return false;
	struct gh_str from = { rest->p + 1, rest->n - 1 };
	const char *slash = from.n > 0 ? memchr(from.p, '/', from.n) : NULL;
	size_t n = slash != NULL ? (size_t)(slash - from.p) : from.n;

	*ret_segment = (struct gh_str){ from.p, n };
	*rest = (struct gh_str){ from.p + n, from.n - n };
	return true;
}

static bool
is_parameter(struct gh_str segment)
{
	return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

/** How well does @p path fit @p template?  One bit per segment, the first is the highest; literals
 *  set it.  @return 0: not at all. */
static uint32_t
fit(struct gh_str template, struct gh_str path)
{
	uint32_t score = 1;
	unsigned count = 0;

	for (;;) {
		struct gh_str wanted, given;
		bool has_wanted = take_segment(&template, &wanted);
		bool has_given = take_segment(&path, &given);

		if (has_wanted != has_given)
			return 0;
		if (!has_wanted)
			return score;
		if (++count > SEGMENTS_MAX || given.n == 0)
			return 0;
		bool is_literal = !is_parameter(wanted);

		if (is_literal && !gh_str_eq(wanted, given))
			return 0;
		score = score << 1 | is_literal;
	}
}

/** Path behind the version segment; @return false: a version that does not exist. */
static bool
skip_version(struct gh_str path, unsigned newest, struct gh_str *ret_path)
{
	struct gh_str rest = path, segment;
	unsigned version = 0;

	*ret_path = path;
	if (newest == 0 || !take_segment(&rest, &segment) || segment.n < 2 || segment.n > 4 ||
	    segment.p[0] != 'v')
		return true;
	for (size_t i = 1; i < segment.n; i++) {
		if (segment.p[i] < '0' || segment.p[i] > '9')
			return true;
		version = version * 10 + (unsigned)(segment.p[i] - '0');
	}
	*ret_path = rest;
	return version >= 1 && version <= newest;
}

/** The template that fits best, or NULL. */
static const char *
best_template(const struct rest_route *routes, struct gh_str path)
{
	const char *best = NULL;
	uint32_t best_score = 0;

	for (const struct rest_route *row = routes; row->method != NULL; row++) {
		uint32_t score = fit(gh_str_of(row->path), path);

		if (score > best_score) {
			best = row->path;
			best_score = score;
		}
	}
	return best;
}

static int
keep_params(struct rest_context *ctx, struct gh_str template, struct gh_str path)
{
	struct gh_str name, value;

	while (take_segment(&template, &name) && take_segment(&path, &value)) {
		if (!is_parameter(name))
			continue;
		if (value.n > 3 * REST_PARAM_BYTES || ctx->param_count == REST_PARAMS_MAX)
			return GH_ENOENT;
		char *buf = gh_call_alloc(ctx->call, value.n);

		if (buf == NULL)
			return GH_ENOMEM;
		if (uri_percent_decode(value, buf, value.n, &value) < 0 ||
		    value.n > REST_PARAM_BYTES || memchr(value.p, '\0', value.n) != NULL)
			return GH_ENOENT;
		ctx->params[ctx->param_count].name = (struct gh_str){ name.p + 1, name.n - 2 };
		ctx->params[ctx->param_count++].value = value;
	}
	return 0;
}

/** Methods of one template for the Allow field. */
static void
list_methods(const struct rest_route *routes, const char *template, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "OPTIONS");

	for (const struct rest_route *row = routes; row->method != NULL; row++) {
		if (strcmp(row->path, template) != 0 || used >= size)
			continue;
		used += (size_t)snprintf(text + used, size - used, ", %s", row->method);
		if (strcmp(row->method, "GET") == 0 && used < size)
			used += (size_t)snprintf(text + used, size - used, ", HEAD");
	}
}

int
rest_route_find(struct rest_context *ctx, struct gh_str method, struct gh_str subpath,
	const struct rest_route **ret_route, char *ret_allowed, size_t allowed_size)
{
	const struct rest_route *routes = ctx->api->routes;

	if (!skip_version(subpath, ctx->api->version, &ctx->path))
		return GH_ENOENT;
	if (ctx->path.n > 1 && ctx->path.p[ctx->path.n - 1] == '/')
		ctx->path.n--; /* "/apis/" means "/apis" */
	const char *template = best_template(routes, ctx->path);

	if (template == NULL)
		return GH_ENOENT;
	if (gh_str_eq(method, GH_STR("HEAD")))
		method = GH_STR("GET");
	for (const struct rest_route *row = routes; row->method != NULL; row++) {
		if (strcmp(row->path, template) != 0 || !gh_str_eq(method, gh_str_of(row->method)))
			continue;
		int r = keep_params(ctx, gh_str_of(template), ctx->path);

		if (r == 0)
			*ret_route = row;
		return r;
	}
	list_methods(routes, template, ret_allowed, allowed_size);
	return GH_EDENIED;
}
