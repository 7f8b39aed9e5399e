/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file openapi.c
 * @brief Reading definitions: what is wrong with one is said with the place where it stands.
 */
#include "plugins/publisher/openapi.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/json/json.h"
#include "lib/uri/uri.h"
#include "lib/yaml/yaml.h"
#include "lib/yaml/yaml_json.h"

#define DEFAULT_AUTH_TYPE "Application & Application User"
#define PATH_MAX_BYTES 1024

const char *const openapi_verbs[] = {
	"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", NULL,
};
static const char *const fields[] = { /* in the same order */
	"get", "put", "post", "delete", "patch", "head", "options", NULL,
};

/** The word at the place in @p to that @p word has in @p from, or NULL. */
static const char *
translate(const char *word, const char *const *from, const char *const *to)
{
	for (size_t i = 0; from[i] != NULL; i++)
		if (strcmp(word, from[i]) == 0)
			return to[i];
	return NULL;
}

const char *
openapi_verb_of(const char *field)
{
	return translate(field, fields, openapi_verbs);
}

const char *
openapi_field_of(const char *verb)
{
	return translate(verb, openapi_verbs, fields);
}

static int fail(char *error, const char *fmt, ...) GH_PRINTF(2, 3);

static int
fail(char *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, OPENAPI_ERROR_SIZE, fmt, args);
	va_end(args);
	return GH_EINVAL;
}

/* ---- Path templates -------------------------------------------------------------------------- */

/** Length of the parameter that begins at "{", or 0 when it is none. */
static size_t
parameter_length(const char *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (p[i] == '}')
			return i > 1 ? i + 1 : 0;
		if (p[i] == '{' || p[i] == '/')
			return 0;
	}
	return 0;
}

/** Requests are made canonical before they are routed, so such a template could never match. */
static bool
has_odd_segment(struct gh_str path)
{
	for (size_t i = 0; i + 1 < path.n; i++) {
		struct gh_str rest = { path.p + i + 1, path.n - i - 1 };
		size_t n = 0;

		if (path.p[i] != '/')
			continue;
		while (n < rest.n && rest.p[n] != '/')
			n++;
		rest.n = n;
		if (n == 0 || gh_str_eq(rest, GH_STR(".")) || gh_str_eq(rest, GH_STR("..")))
			return true;
	}
	return false;
}

bool
openapi_is_path(struct gh_str path, const char **ret_why)
{
	const char *why = NULL;

	if (path.n == 0 || path.p[0] != '/')
		why = "must start with '/'";
	else if (path.n > PATH_MAX_BYTES)
		why = "is longer than 1024 bytes";
	else if (has_odd_segment(path))
		why = "has an empty segment, or '.' or '..' as one";
	for (size_t i = 0; i < path.n && why == NULL; i++) {
		unsigned char c = (unsigned char)path.p[i];
		size_t n;

		if (c <= ' ' || c >= 0x7F || strchr("?#\\\"<>^`|", c) != NULL) {
			why = "holds a character that no path can have";
		} else if (c == '}') {
			why = "has a '}' without '{'";
		} else if (c == '{') {
			n = parameter_length(path.p + i, path.n - i);
			if (n == 0)
				why = "has a parameter without name or end";
			i += n > 0 ? n - 1 : 0;
		}
	}
	if (why != NULL && ret_why != NULL)
		*ret_why = why;
	return why == NULL;
}

/** Copy @p path with every parameter as "{}", so that templates that match the same paths are
 *  equal. */
static struct gh_str
shape_of(struct gh_str path, char buf[PATH_MAX_BYTES + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < path.n && n < PATH_MAX_BYTES; i++) {
		buf[n++] = path.p[i];
		if (path.p[i] == '{')
			i += parameter_length(path.p + i, path.n - i) - 2;
	}
	buf[n] = '\0';
	return (struct gh_str){ buf, n };
}

/* ---- The whole definition -------------------------------------------------------------------- */

static int
check_version(const json_t *root, char *error)
{
	struct gh_str version = js_str(root, "openapi");

	if (js_has(root, "swagger"))
		return fail(error,
			"Swagger 2 definitions are not supported; convert it to OpenAPI 3");
	if (version.p == NULL)
		return fail(error,
			"'openapi' is missing or no string: it must be a version such as "
			"\"3.0.3\"");
	if (version.n < 3 || version.p[0] != '3' || version.p[1] != '.' ||
	    (version.p[2] != '0' && version.p[2] != '1') ||
	    (version.n > 3 && version.p[3] != '.'))
		return fail(error, "'openapi' is %.40s; only 3.0 and 3.1 are supported", version.p);
	return 0;
}

static int
check_info(const json_t *root, char *error)
{
	static const char *const names[] = { "title", "version" };
	const json_t *info = js_object(root, "info");

	if (info == NULL)
		return fail(error, "'info' is missing or no object");
	for (size_t i = 0; i < 2; i++) {
		struct gh_str text = js_str(info, names[i]);

		if (!js_has(info, names[i]))
			return fail(error, "'info.%s' is missing", names[i]);
		if (text.p == NULL)
			return fail(error,
				"'info.%s' must be a string (in YAML, quote it)", names[i]);
		if (strspn(text.p, " \t\r\n") == text.n)
			return fail(error, "'info.%s' must not be blank", names[i]);
	}
	return 0;
}

static int
check_path_item(const char *path, json_t *item, char *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(item))
		return fail(error, "paths['%.100s'] must be an object", path);
	if (js_has(item, "$ref"))
		return fail(error, "paths['%.100s'] is a $ref, which is not supported", path);
	json_object_foreach(item, name, value)
		if (openapi_verb_of(name) != NULL && !json_is_object(value))
			return fail(error, "paths['%.100s'].%s must be an object", path, name);
	return 0;
}

static int
check_paths(const json_t *root, char *error)
{
	json_t *paths = json_object_get(root, "paths"), *item;
	json_t *shapes = json_object();
	const char *path, *why = NULL;
	char shape[PATH_MAX_BYTES + 1];
	int r = shapes != NULL ? 0 : GH_ENOMEM;

	if (r == 0 && paths != NULL && !json_is_object(paths))
		r = fail(error, "'paths' must be an object");
	json_object_foreach(paths, path, item) {
		if (r < 0)
			break;
		if (strncmp(path, "x-", 2) == 0)
			continue;
		if (!openapi_is_path(gh_str_of(path), &why)) {
			r = fail(error, "The path '%.100s' %s", path, why);
			break;
		}
		shape_of(gh_str_of(path), shape);
		if (json_object_get(shapes, shape) != NULL)
			r = fail(error, "The paths '%.80s' and '%.80s' are the same", path,
				json_string_value(json_object_get(shapes, shape)));
		else
			r = js_set_str(shapes, shape, gh_str_of(path));
		if (r == 0)
			r = check_path_item(path, item, error);
	}
	json_decref(shapes);
	return r;
}

int
openapi_parse_text(struct gh_str text, json_t **ret_json, char *error)
{
	struct yaml_doc *doc = NULL;
	char why[200] = "";
	size_t blank = 0;
	int r;

	while (blank < text.n && strchr(" \t\r\n", text.p[blank]) != NULL && text.p[blank] != '\0')
		blank++;
	if (blank == text.n)
		return fail(error, "It is empty");
	if (text.p[blank] == '{') {
		r = js_parse(text, NULL, ret_json, why, sizeof(why));
		return r == 0 || r == GH_ENOMEM ? r : fail(error, "The JSON is malformed: %s", why);
	}
	r = yaml_parse(text, NULL, NULL, NULL, &doc, why, sizeof(why));
	if (r == 0)
		r = yaml_to_json(yaml_root(doc), ret_json, why, sizeof(why));
	yaml_doc_free(doc);
	return r == 0 || r == GH_ENOMEM ? r : fail(error, "The YAML is malformed: %s", why);
}

int
openapi_parse(struct gh_str text, json_t **ret_definition, char *error)
{
	json_t *root = NULL;
	int r = openapi_parse_text(text, &root, error);

	if (r == 0 && !json_is_object(root))
		r = fail(error, "The definition is no object");
	if (r == 0)
		r = check_version(root, error);
	if (r == 0)
		r = check_info(root, error);
	if (r == 0)
		r = check_paths(root, error);
	if (r < 0) {
		json_decref(root);
		return r;
	}
	*ret_definition = root;
	return 0;
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

static json_t *
security_schemes(const json_t *definition)
{
	return js_object(js_object(definition, "components"), "securitySchemes");
}

static bool
is_oauth2(const json_t *definition, const char *scheme_name)
{
	const json_t *scheme = js_object(security_schemes(definition), scheme_name);

	return gh_str_eq(js_str(scheme, "type"), GH_STR("oauth2"));
}

static bool
has_text(const json_t *array, struct gh_str text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
		if (gh_str_eq(js_text(item), text))
			return true;
	return false;
}

/** Scopes that an operation wants: every one that its OAuth 2 requirements name. */
static json_t *
operation_scopes(const json_t *definition, const json_t *operation)
{
	json_t *scopes = json_array(), *requirement, *names, *name;
	const json_t *security = js_array(operation, "security");
	const char *scheme;
	size_t i, k;

	if (security == NULL)
		security = js_array(definition, "security");
	json_array_foreach(security, i, requirement) {
		json_object_foreach(requirement, scheme, names) {
			if (!is_oauth2(definition, scheme))
				continue;
			json_array_foreach(names, k, name)
				if (json_is_string(name) && !has_text(scopes, js_text(name)))
					json_array_append(scopes, name);
		}
	}
	return scopes;
}

/** "creator, admin" as ["creator", "admin"]. */
static json_t *
roles_of(const char *list)
{
	json_t *roles = json_array();

	while (list != NULL && *list != '\0') {
		size_t skip = strspn(list, ", "), n = strcspn(list + skip, ",");
		size_t trimmed = n;

		while (trimmed > 0 && list[skip + trimmed - 1] == ' ')
			trimmed--;
		if (trimmed > 0)
			json_array_append_new(roles, json_stringn(list + skip, trimmed));
		list += skip + n;
	}
	return roles;
}

static int
add_scope(json_t *scopes, json_t *seen, const char *name, const json_t *description,
	const char *roles)
{
	json_t *row;

	if (json_object_get(seen, name) != NULL)
		return 0;
	row = json_pack("{s:{s:s,s:s,s:s,s:o},s:b}", "scope", "name", name, "displayName", name,
		"description", json_is_string(description) ? json_string_value(description) : "",
		"bindings", roles_of(roles), "shared", 0);
	if (json_array_append_new(scopes, row) < 0)
		return GH_ENOMEM;
	return js_set(seen, name, json_true());
}

int
openapi_scopes(const json_t *definition, json_t **ret_scopes)
{
	json_t *scopes = json_array(), *seen = json_object(), *scheme, *flow, *description;
	const char *scheme_name, *flow_name, *name;
	int r = scopes != NULL && seen != NULL ? 0 : GH_ENOMEM;

	json_object_foreach(security_schemes(definition), scheme_name, scheme) {
		if (!is_oauth2(definition, scheme_name))
			continue;
		json_object_foreach(js_object(scheme, "flows"), flow_name, flow) {
			json_t *bindings = js_object(flow, "x-scopes-bindings");

			json_object_foreach(js_object(flow, "scopes"), name, description)
				if (r == 0)
					r = add_scope(scopes, seen, name, description,
						js_str(bindings, name).p);
		}
	}
	json_decref(seen);
	if (r < 0)
		json_decref(scopes);
	else
		*ret_scopes = scopes;
	return r;
}

/* ---- Operations ------------------------------------------------------------------------------ */

/** A vendor field of the operation, its path item, or the definition. */
static struct gh_str
vendor_text(const json_t *definition, const json_t *item, const json_t *operation, const char *name,
	struct gh_str otherwise)
{
	struct gh_str text = js_str(operation, name);

	if (text.n == 0)
		text = js_str(item, name);
	if (text.n == 0)
		text = js_str(definition, name);
	return text.n > 0 ? text : otherwise;
}

static json_t *
make_operation(const json_t *definition, const json_t *item, const json_t *source,
	const char *path, const char *verb)
{
	struct gh_str auth_type = vendor_text(definition, item, source, "x-auth-type",
		GH_STR(DEFAULT_AUTH_TYPE));
	struct gh_str tier = vendor_text(definition, item, source, "x-throttling-tier",
		GH_STR("Unlimited"));

	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "id", "", "target", path, "verb", verb,
		"authType", auth_type.p, "throttlingPolicy", tier.p, "scopes",
		operation_scopes(definition, source));
}

int
openapi_operations(const json_t *definition, json_t **ret_operations, char *error)
{
	json_t *paths = js_object(definition, "paths"), *item, *source;
	json_t *operations = json_array();
	const char *path, *name;
	int r = operations != NULL ? 0 : GH_ENOMEM;

	json_object_foreach(paths, path, item) {
		json_object_foreach(item, name, source) {
			const char *verb = openapi_verb_of(name);

			if (r < 0 || path[0] != '/' || verb == NULL)
				continue;
			if (json_array_size(operations) == OPENAPI_OPERATIONS_MAX)
				r = fail(error, "The definition has more than %d operations",
					OPENAPI_OPERATIONS_MAX);
			else if (json_array_append_new(operations,
					make_operation(definition, item, source, path, verb)) < 0)
				r = GH_ENOMEM;
		}
	}
	if (r < 0)
		json_decref(operations);
	else
		*ret_operations = operations;
	return r;
}

/* ---- Servers --------------------------------------------------------------------------------- */

/** Copy @p url with "{name}" replaced by the variable's default.  @return false: it does not fit,
 *  or a variable has no default. */
static bool
expand_server(const char *url, const json_t *variables, char *ret, size_t size)
{
	size_t n = 0;

	while (*url != '\0') {
		const char *end = *url == '{' ? strchr(url, '}') : NULL;
		struct gh_str piece = { url, 1 };
		char name[64];

		if (end != NULL) {
			if ((size_t)(end - url) > sizeof(name))
				return false;
			size_t name_n = (size_t)(end - url) - 1;

			memcpy(name, url + 1, name_n);
			name[name_n] = '\0';
			piece = js_str(js_object(variables, name), "default");
			if (piece.p == NULL)
				return false;
			url = end;
		}
		if (n + piece.n >= size)
			return false;
		memcpy(ret + n, piece.p, piece.n);
		n += piece.n;
		url++;
	}
	ret[n] = '\0';
	return true;
}

bool
openapi_server(const json_t *definition, char *ret_url, size_t size)
{
	const json_t *servers = js_array(definition, "servers"), *server;
	size_t i;

	json_array_foreach(servers, i, server) {
		struct gh_str url = js_str(server, "url");
		struct uri_url parsed;
		char buf[URI_BUFFER_SIZE(2048, URI_HOST_MAX)];

		if (url.p == NULL || size > 2048 ||
		    !expand_server(url.p, js_object(server, "variables"), ret_url, size))
			continue;
		if (uri_url_parse(gh_str_of(ret_url), buf, sizeof(buf), &parsed, NULL) == 0)
			return true;
	}
	return false;
}
