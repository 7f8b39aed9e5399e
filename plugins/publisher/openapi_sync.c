/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file openapi_sync.c
 * @brief Writing definitions: operations and scopes of the DTO are put where OpenAPI has them.
 *
 * Scopes of operations that the definition does not state already are stated through one security
 * scheme named "default", as the reference product writes them.
 */
#include "plugins/publisher/openapi.h"

#include <string.h>

#include "lib/json/json.h"

#define SCHEME "default"

/** The member as an object, made when it is missing.  BORROW; NULL: out of memory. */
static json_t *
member_object(json_t *object, const char *name)
{
	json_t *member = js_object(object, name);

	if (member != NULL)
		return member;
	return js_set(object, name, json_object()) == 0 ? js_object(object, name) : NULL;
}

/** {"name": "id", "in": "path", ...} for each parameter of a template. */
static json_t *
path_parameters(const char *path)
{
	json_t *list = json_array();

	for (const char *p = strchr(path, '{'); p != NULL; p = strchr(p, '{')) {
		size_t n = strcspn(++p, "}");

		json_array_append_new(list, json_pack("{s:s%,s:s,s:b,s:{s:s}}", "name", p, n,
			"in", "path", "required", 1, "schema", "type", "string"));
	}
	return list;
}

/** The operation in the definition, made when it is missing.  BORROW. */
static json_t *
operation_at(json_t *paths, const char *target, const char *name)
{
	json_t *item = member_object(paths, target);
	json_t *operation = js_object(item, name);

	if (item == NULL || operation != NULL)
		return operation;
	operation = json_pack("{s:{s:{s:s}}}", "responses", "200", "description", "OK");
	if (strchr(target, '{') != NULL &&
	    js_set(operation, "parameters", path_parameters(target)) < 0) {
		json_decref(operation);
		return NULL;
	}
	return js_set(item, name, operation) == 0 ? operation : NULL;
}

/** Does the operation's security name exactly these scopes already, in whatever scheme? */
static bool
states_scopes(const json_t *definition, const json_t *operation, const json_t *scopes)
{
	const json_t *security = json_object_get(operation, "security");
	json_t *requirement, *names;
	const char *scheme;
	size_t i;

	if (security == NULL)
		security = json_object_get(definition, "security");
	if (json_array_size(scopes) == 0 && json_array_size(security) == 0)
		return true;
	json_array_foreach(security, i, requirement)
		json_object_foreach(requirement, scheme, names)
			if (json_equal(names, scopes))
				return true;
	return false;
}

static int
sync_operation(json_t *definition, json_t *paths, const json_t *source)
{
	struct gh_str target = js_str(source, "target"), tier = js_str(source, "throttlingPolicy");
	json_t *scopes = js_array(source, "scopes");
	const char *field = openapi_field_of(js_str(source, "verb").p);
	json_t *operation = operation_at(paths, target.p, field);

	if (operation == NULL ||
		js_set_str(operation, "x-auth-type", js_str(source, "authType")) < 0)
		return GH_ENOMEM;
	if (tier.n > 0 && js_set_str(operation, "x-throttling-tier", tier) < 0)
		return GH_ENOMEM;
	if (scopes == NULL || states_scopes(definition, operation, scopes))
		return 0;
	return js_set(operation, "security", json_pack("[{s:O}]", SCHEME, scopes));
}

/** The operations of a DTO as a set of "get /books".  @return a new reference, or NULL. */
static json_t *
set_of(const json_t *operations)
{
	json_t *set = json_object(), *operation;
	size_t i;
	int r = 0;

	json_array_foreach(operations, i, operation) {
		json_t *key = json_sprintf("%s %s", openapi_field_of(js_str(operation, "verb").p),
			js_str(operation, "target").p);

		if (r == 0)
			r = key == NULL ? GH_ENOMEM :
				js_set(set, json_string_value(key), json_true());
		json_decref(key);
	}
	if (r == 0)
		return set;
	json_decref(set);
	return NULL;
}

static bool
is_wanted(const json_t *wanted, const char *path, const char *field)
{
	json_t *key = json_sprintf("%s %s", field, path);
	bool is_there = key == NULL || json_object_get(wanted, json_string_value(key)) != NULL;

	json_decref(key);
	return is_there;
}

/** Remove the operations that are not wanted, and path items that lose their last one. */
static void
drop_unwanted(json_t *paths, const json_t *wanted)
{
	const char *path, *field;
	json_t *item, *value;
	void *next, *next_field;

	json_object_foreach_safe(paths, next, path, item) {
		size_t kept = 0, dropped = 0;

		json_object_foreach_safe(item, next_field, field, value) {
			if (path[0] != '/' || openapi_verb_of(field) == NULL)
				continue;
			if (is_wanted(wanted, path, field)) {
				kept++;
				continue;
			}
			json_object_del(item, field);
			dropped++;
		}
		if (dropped > 0 && kept == 0)
			json_object_del(paths, path);
	}
}

/** "creator,admin" from ["creator", "admin"]. */
static json_t *
role_list(const json_t *roles)
{
	json_t *list = json_string(""), *role;
	size_t i;

	json_array_foreach(roles, i, role) {
		json_t *longer = json_sprintf("%s%s%s", json_string_value(list), i > 0 ? "," : "",
			json_is_string(role) ? json_string_value(role) : "");

		json_decref(list);
		list = longer;
	}
	return list;
}

/** Declare the DTO's scopes in the scheme that sync_operation() refers to. */
static int
sync_scopes(json_t *definition, const json_t *dto)
{
	const json_t *rows = js_array(dto, "scopes"), *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return 0;
	json_t *schemes = member_object(member_object(definition, "components"), "securitySchemes");
	json_t *scheme = member_object(schemes, SCHEME);
	json_t *flow = member_object(member_object(scheme, "flows"), "implicit");
	json_t *scopes = json_object(), *bindings = json_object();
	int r = flow != NULL ? js_set_str(scheme, "type", GH_STR("oauth2")) : GH_ENOMEM;

	if (r == 0 && !js_has(flow, "authorizationUrl"))
		r = js_set_str(flow, "authorizationUrl", GH_STR("/oauth2/authorize"));
	json_array_foreach(rows, i, row) {
		const json_t *scope = js_object(row, "scope");
		struct gh_str name = js_str(scope, "name");

		if (r == 0 && name.n > 0)
			r = js_set_str(scopes, name.p, js_str(scope, "description"));
		if (r == 0 && name.n > 0 && json_array_size(js_array(scope, "bindings")) > 0)
			r = js_set(bindings, name.p, role_list(js_array(scope, "bindings")));
	}
	if (r == 0)
		r = js_set(flow, "scopes", json_incref(scopes));
	if (r == 0)
		r = js_set(flow, "x-scopes-bindings", json_incref(bindings));
	json_decref(scopes);
	json_decref(bindings);
	return r;
}

static int
sync_head(json_t *definition, const json_t *dto)
{
	json_t *info;
	int r = 0;

	if (!js_has(definition, "openapi"))
		r = js_set_str(definition, "openapi", GH_STR("3.0.3"));
	info = r == 0 ? member_object(definition, "info") : NULL;
	if (info == NULL)
		return GH_ENOMEM;
	if (!js_has(info, "title"))
		r = js_set_str(info, "title", js_str(dto, "name"));
	return r == 0 ? js_set_str(info, "version", js_str(dto, "version")) : r;
}

int
openapi_sync(json_t *definition, const json_t *dto)
{
	const json_t *operations = js_array(dto, "operations"), *operation;
	size_t i;
	int r = sync_head(definition, dto);
	json_t *paths = r == 0 ? member_object(definition, "paths") : NULL;
	json_t *wanted = paths != NULL ? set_of(operations) : NULL;

	if (wanted == NULL)
		return GH_ENOMEM;
	drop_unwanted(paths, wanted);
	json_decref(wanted);
	json_array_foreach(operations, i, operation)
		if (r == 0)
			r = sync_operation(definition, paths, operation);
	return r == 0 ? sync_scopes(definition, dto) : r;
}
