/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file request.c
 * @brief Parameters of path and query, and bodies.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "lib/rest/rest.h"

#define OFFSET_MAX 1000000

struct gh_str
rest_param(const struct rest_context *ctx, const char *name)
{
	for (size_t i = 0; i < ctx->param_count; i++)
		if (gh_str_eq(ctx->params[i].name, gh_str_of(name)))
			return ctx->params[i].value;
	return GH_STR_NONE;
}

struct gh_str
rest_query(const struct rest_context *ctx, const char *name)
{
	return form_get(ctx->query, name);
}

int
rest_query_need(struct rest_context *ctx, const char *name, struct gh_str *ret_value)
{
	struct gh_str value = rest_query(ctx, name);

	if (value.n == 0)
		return rest_fail(ctx, 400, "The query parameter '%s' is missing", name);
	*ret_value = value;
	return 0;
}

int
rest_query_bool(struct rest_context *ctx, const char *name, bool otherwise, bool *ret_value)
{
	struct gh_str value = rest_query(ctx, name);
	bool is_true = gh_str_eq_nocase(value, GH_STR("true"));

	if (value.n > 0 && !is_true && !gh_str_eq_nocase(value, GH_STR("false")))
		return rest_fail(ctx, 400, "The query parameter '%s' must be true or false", name);
	*ret_value = value.n > 0 ? is_true : otherwise;
	return 0;
}

/** A decimal query parameter. */
static int
query_number(struct rest_context *ctx, const char *name, uint32_t otherwise, uint32_t max,
	uint32_t *ret_value)
{
	struct gh_str text = rest_query(ctx, name);
	uint64_t value = 0;

	if (text.n == 0) {
		*ret_value = otherwise;
		return 0;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || value > UINT32_MAX)
			return rest_fail(ctx, 400,
				"The query parameter '%s' must be a whole number", name);
		value = value * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret_value = value > max ? max : (uint32_t)value;
	return 0;
}

int
rest_page(struct rest_context *ctx, struct rest_page *ret_page)
{
	struct rest_page page;
	int r = query_number(ctx, "limit", REST_LIMIT_DEFAULT, REST_LIMIT_MAX, &page.limit);

	if (r == 0)
		r = query_number(ctx, "offset", 0, OFFSET_MAX, &page.offset);
	if (r < 0)
		return r;
	if (page.limit == 0)
		page.limit = REST_LIMIT_DEFAULT;
	*ret_page = page;
	return 0;
}

/** Parse the body; an empty one is @p empty.  @param[out] ret_json  the context's. */
static int
parse_body(struct rest_context *ctx, json_t *(*empty)(void), json_t **ret_json)
{
	struct gh_str body = gh_call_body(ctx->call);
	struct gh_str type = gh_call_field(ctx->call, GH_STR("Content-Type"));
	json_t *json = NULL;
	char why[160];

	const char *media_type = ctx->api->media_type;

	if (body.n > 0 && type.n == 0 && ctx->api->accepts_basic)
		return rest_fail(ctx, 415, "The body needs a Content-Type");
	if (body.n > 0 && type.n > 0 && !form_is_type(type, GH_STR("application/json")) &&
	    (media_type == NULL || !form_is_type(type, gh_str_of(media_type))))
		return rest_fail(ctx, 415, "The body must be %s, not %.*s", media_type != NULL
			? media_type : "application/json", GH_STR_ARG(type));
	if (body.n == 0) {
		json = empty();
	} else {
		int r = js_parse(body, NULL, &json, why, sizeof(why));

		if (r == GH_EINVAL || r == GH_ETOOBIG)
			return rest_fail(ctx, 400, "The body is not acceptable JSON: %s", why);
	}
	*ret_json = json;
	return rest_own_json(ctx, json);
}

int
rest_body(struct rest_context *ctx, const struct rest_field *schema, json_t **ret_json)
{
	json_t *json = NULL;
	int r = parse_body(ctx, json_object, &json);

	if (r < 0)
		return r;
	if (!json_is_object(json))
		return rest_fail(ctx, 400, "The body must be a JSON object");
	if (schema != NULL)
		r = rest_check(ctx, NULL, schema, json);
	if (r == 0)
		*ret_json = json;
	return r;
}

int
rest_body_array(struct rest_context *ctx, const struct rest_field *schema, json_t **ret_json)
{
	json_t *json = NULL, *item;
	size_t i;
	int r = parse_body(ctx, json_array, &json);

	if (r < 0)
		return r;
	if (!json_is_array(json))
		return rest_fail(ctx, 400, "The body must be a JSON array");
	json_array_foreach(json, i, item) {
		if (!json_is_object(item))
			return rest_fail(ctx, 400, "Item %zu of the body must be an object", i);
		r = rest_check(ctx, NULL, schema, item);
		if (r < 0)
			return r;
	}
	*ret_json = json;
	return 0;
}

int
rest_multipart(struct rest_context *ctx, struct multipart_part *parts, size_t max, size_t *ret_n)
{
	struct gh_str type = gh_call_field(ctx->call, GH_STR("Content-Type"));
	const char *why = NULL;

	if (!form_is_type(type, GH_STR("multipart/form-data")))
		return rest_fail(ctx, 415, "The body must be multipart/form-data");
	if (multipart_parse(type, gh_call_body(ctx->call), parts, max, ret_n, &why) < 0)
		return rest_fail(ctx, 400, "The multipart body is malformed: %s", why);
	return 0;
}
