/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file import.c
 * @brief APIs from OpenAPI definitions, and definitions that are replaced.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "plugins/publisher/openapi.h"
#include "plugins/publisher/publisher.h"

#define PARTS_MAX 8
#define URL_MAX 2048

/** What a multipart request carries. */
struct upload {
	struct multipart_part parts[PARTS_MAX];
	size_t n;
};

/** The definition that one of the parts in @p names holds, the context's. */
static int
read_definition(struct rest_context *ctx, const struct upload *upload, const char *const *names,
	json_t **ret_definition)
{
	const struct multipart_part *part = NULL;
	char error[OPENAPI_ERROR_SIZE];

	for (; part == NULL && *names != NULL; names++)
		part = multipart_find(upload->parts, upload->n, *names);
	if (part == NULL)
		return rest_fail(ctx, 400, "The part 'file' with the definition is missing");
	int r = openapi_parse(part->body, ret_definition, error);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "The definition cannot be used. %s", error);
	return r == 0 ? rest_own_json(ctx, *ret_definition) : r;
}

/** The part additionalProperties: a DTO in which everything may be missing. */
static int
read_properties(struct rest_context *ctx, const struct upload *upload, json_t **ret_dto)
{
	const struct multipart_part *part = multipart_find(upload->parts, upload->n,
		"additionalProperties");
	char why[160];
	int r = 0;

	if (part == NULL || part->body.n == 0)
		*ret_dto = json_object();
	else
		r = js_parse(part->body, NULL, ret_dto, why, sizeof(why));
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400,
			"'additionalProperties' is not acceptable JSON: %s", why);
	if (r == 0)
		r = rest_own_json(ctx, *ret_dto);
	if (r == 0 && !json_is_object(*ret_dto))
		return rest_fail(ctx, 400, "'additionalProperties' must be a JSON object");
	return r;
}

/** Copy of @p text with only letters, digits and what @p others holds. */
static json_t *
reduced(struct gh_str text, const char *others, size_t max, bool to_lower)
{
	char buf[256];
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < max && n < sizeof(buf); i++) {
		char c = text.p[i];
		bool is_upper = c >= 'A' && c <= 'Z';

		if (is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr(others, c) != NULL))
			buf[n++] = is_upper && to_lower ? c + 32 : c;
	}
	return json_stringn(buf, n);
}

/** Name, version, context and description from the definition, where the client gave none. */
static int
fill_identity(json_t *dto, const json_t *definition)
{
	const json_t *info = js_object(definition, "info");
	struct gh_str text = js_str(info, "description");
	int r = 0;

	if (!js_has(dto, "name"))
		r = js_set(dto, "name", reduced(js_str(info, "title"), "-_.", 60, false));
	if (r == 0 && !js_has(dto, "version"))
		r = js_set(dto, "version", reduced(js_str(info, "version"), "-_.~", 30, false));
	if (r == 0 && !js_has(dto, "context")) {
		json_t *name = reduced(js_str(dto, "name"), "-_.~", 200, true);

		r = js_set(dto, "context", json_sprintf("/%s", json_string_value(name)));
		json_decref(name);
	}
	if (r == 0 && text.n > 0 && !js_has(dto, "description"))
		r = js_set_str(dto, "description", text);
	return r;
}

/** Endpoints from the servers of the definition. */
static int
fill_endpoint(json_t *dto, const json_t *definition)
{
	char url[URL_MAX];

	if (publisher_has_endpoint(dto) || !openapi_server(definition, url, sizeof(url)))
		return 0;
	return js_set(dto, "endpointConfig", json_pack("{s:s,s:{s:s},s:{s:s}}",
		"endpoint_type", "http", "production_endpoints", "url", url,
		"sandbox_endpoints", "url", url));
}

/** Operations and scopes are what the definition says. */
static int
fill_operations(struct rest_context *ctx, json_t *dto, const json_t *definition)
{
	json_t *operations = NULL, *scopes = NULL;
	char error[OPENAPI_ERROR_SIZE];
	int r = openapi_operations(definition, &operations, error);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "The definition cannot be used. %s", error);
	if (r == 0)
		r = js_set(dto, "operations", operations);
	if (r == 0)
		r = openapi_scopes(definition, &scopes);
	return r == 0 ? js_set(dto, "scopes", scopes) : r;
}

/** Put the definition that the part url names, when there is one, in the place of the URL. */
static int
fetch_definition(struct rest_context *ctx, struct upload *upload)
{
	struct multipart_part *part = NULL;

	for (size_t i = 0; i < upload->n; i++)
		if (gh_str_eq(upload->parts[i].name, GH_STR("url")) && upload->parts[i].body.n > 0)
			part = &upload->parts[i];
	if (part == NULL)
		return 0;
	if (multipart_find(upload->parts, upload->n, "file") != NULL ||
	    multipart_find(upload->parts, upload->n, "inlineAPIDefinition") != NULL)
		return rest_fail(ctx, 400, "Give either 'url' or the definition itself, not both");
	return publisher_definition_fetch(ctx, part->body, &part->body);
}

int
publisher_import_openapi(struct rest_context *ctx)
{
	static const char *const names[] = { "file", "inlineAPIDefinition", "url", NULL };
	struct upload upload = { .n = 0 };
	json_t *definition = NULL, *dto = NULL;
	int r = rest_multipart(ctx, upload.parts, PARTS_MAX, &upload.n);

	if (r == 0)
		r = fetch_definition(ctx, &upload);
	if (r == 0)
		r = read_definition(ctx, &upload, names, &definition);
	if (r == 0)
		r = read_properties(ctx, &upload, &dto);
	if (r == 0)
		r = fill_identity(dto, definition);
	if (r == 0)
		r = fill_endpoint(dto, definition);
	if (r == 0)
		r = fill_operations(ctx, dto, definition);
	if (r == 0)
		r = rest_check(ctx, NULL, publisher_api_schema, dto);
	return r == 0 ? publisher_api_add(ctx, dto, definition) : r;
}

/** {"isValid", "info" or "errors"} of a definition. */
static json_t *
validation_to_json(const json_t *definition)
{
	const json_t *info = js_object(definition, "info");
	json_t *context = reduced(js_str(info, "title"), "-_.~", 200, true);
	json_t *endpoints = json_array(), *json;
	char url[URL_MAX];

	if (openapi_server(definition, url, sizeof(url)))
		json_array_append_new(endpoints, json_string(url));
	json = json_pack("{s:b,s:{s:s,s:s,s:o,s:s,s:s,s:o}}", "isValid", 1, "info",
		"name", js_str(info, "title").p, "version", js_str(info, "version").p,
		"context", json_sprintf("/%s", json_string_value(context)),
		"description", js_str_or(info, "description", GH_STR("")).p,
		"openAPIVersion", js_str(definition, "openapi").p, "endpoints", endpoints);
	json_decref(context);
	return json;
}

int
publisher_validate_openapi(struct rest_context *ctx)
{
	static const char *const names[] = { "file", "inlineAPIDefinition", "url", NULL };
	struct upload upload = { .n = 0 };
	const struct multipart_part *part = NULL;
	json_t *definition = NULL;
	char error[OPENAPI_ERROR_SIZE];
	int r = rest_multipart(ctx, upload.parts, PARTS_MAX, &upload.n);

	if (r == 0)
		r = fetch_definition(ctx, &upload);
	if (r < 0)
		return r;
	for (size_t i = 0; part == NULL && names[i] != NULL; i++)
		part = multipart_find(upload.parts, upload.n, names[i]);
	if (r == 0 && part == NULL)
		return read_definition(ctx, &upload, names, &definition); /* says what is missing */
	if (r == 0)
		r = openapi_parse(part->body, &definition, error);
	if (part != NULL && (r == GH_EINVAL || r == GH_ETOOBIG))
		return rest_reply(ctx, 200, json_pack("{s:b,s:[{s:s,s:s,s:s}]}", "isValid", 0,
			"errors", "code", "900754", "message", error, "description", error));
	if (r == 0)
		r = rest_own_json(ctx, definition);
	return r == 0 ? rest_reply(ctx, 200, validation_to_json(definition)) : r;
}

/** The definition of a request to replace one: multipart, or itself as JSON or YAML. */
static int
read_replacement(struct rest_context *ctx, json_t **ret_definition)
{
	static const char *const names[] = { "apiDefinition", "file", NULL };
	struct gh_str type = gh_call_field(ctx->call, GH_STR("Content-Type"));
	struct upload upload = { .n = 0 };

	if (!form_is_type(type, GH_STR("multipart/form-data"))) {
		upload.parts[0] = (struct multipart_part){
			.name = GH_STR("apiDefinition"), .body = gh_call_body(ctx->call),
		};
		upload.n = 1;
		return read_definition(ctx, &upload, names, ret_definition);
	}
	int r = rest_multipart(ctx, upload.parts, PARTS_MAX, &upload.n);

	return r == 0 ? read_definition(ctx, &upload, names, ret_definition) : r;
}

int
publisher_swagger_update(struct rest_context *ctx)
{
	const struct gh_doc *api;
	json_t *definition = NULL, *dto = NULL;
	uint64_t rev = 0;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_if_match(ctx, api->rev);
	if (r == 0)
		r = read_replacement(ctx, &definition);
	if (r == 0) {
		dto = publisher_api_dto(api);
		r = rest_own_json(ctx, dto);
	}
	if (r == 0)
		r = fill_operations(ctx, dto, definition);
	if (r == 0)
		r = rest_check(ctx, NULL, publisher_api_schema, dto);
	if (r == 0)
		r = publisher_api_replace(ctx, api, dto, definition);
	if (r == 0)
		r = rest_commit(ctx, &rev);
	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	return rest_reply(ctx, 200, json_incref(definition));
}
