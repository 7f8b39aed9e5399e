/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file patch.c
 * @brief Operations of a PATCH on a resource.
 *
 * Here values only find their place; whether they are right is asked by attributes_read() when all
 * operations are done.
 */
#include "plugins/scim/patch.h"

#include "lib/json/json.h"
#include "plugins/scim/filter.h"

enum verb { ADD, REPLACE, REMOVE };

/** Where one operation acts. */
struct target {
	json_t *resource;
	const struct attribute *attribute, *sub; /**< sub: NULL when the whole is meant. */
	const struct filter *filter;             /**< NULL: every value. */
	enum verb verb;
	json_t *value;                           /**< BORROW; NULL for REMOVE without one. */
};

/** Put the members that @p subs knows into @p object, under their own names. */
static int
merge(const struct attribute *subs, json_t *object, json_t *values)
{
	const char *key;
	json_t *value;
	int r = GH_OK;

	json_object_foreach(values, key, value) {
		const struct attribute *sub = attribute_find(subs, gh_str_of(key));

		if (sub != NULL && r == 0)
			r = js_set(object, sub->name, json_incref(value));
	}
	return r;
}

/** One value among others was made the primary one: the others are it no more. */
static void
keep_one_primary(json_t *list, const json_t *primary)
{
	json_t *item;
	size_t i;

	if (!js_bool(primary, "primary", false))
		return;
	json_array_foreach(list, i, item)
		if (item != primary && js_bool(item, "primary", false))
			json_object_set_new(item, "primary", json_false());
}

/** Act on one complex value. */
static int
change_value(const struct target *t, json_t *object)
{
	if (!json_is_object(object))
		return GH_OK;
	if (t->sub == NULL)
		return merge(t->attribute->subs, object, t->value);
	if (t->verb == REMOVE) {
		json_object_del(object, t->sub->name);
		return GH_OK;
	}
	return js_set(object, t->sub->name, json_incref(t->value));
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/** Adding a value that is there changes nothing; those without a type are named by their value. */
static bool
same(const json_t *a, const json_t *b)
{
	if (!json_equal(json_object_get(a, "value"), json_object_get(b, "value")))
		return false;
	return (!js_has(a, "type") && !js_has(b, "type")) ||
		json_equal((json_t *)a, (json_t *)b);
}

static int
append(json_t *list, const struct attribute *attribute, json_t *value)
{
	json_t *item, *fresh;
	size_t i;
	int r = GH_OK;

	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
			if (r == 0)
				r = append(list, attribute, item);
		return r;
	}
	if (!json_is_object(value))
		return json_array_append(list, value) < 0 ? GH_ENOMEM : GH_OK;
	fresh = json_object();
	r = merge(attribute->subs, fresh, value);
	json_array_foreach(list, i, item) {
		if (r == 0 && same(item, fresh)) {
			json_decref(fresh);
			return GH_OK;
		}
	}
	if (r < 0 || json_array_append(list, fresh) < 0)
		r = GH_ENOMEM;
	else
		keep_one_primary(list, fresh);
	json_decref(fresh);
	return r;
}

/** Take out of the list what a removal names by its values: {"value": "..."} or a list of them. */
static void
subtract(json_t *list, const json_t *value)
{
	json_t *item;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach((json_t *)value, i, item)
			subtract(list, item);
		return;
	}
	for (i = json_array_size(list); i > 0; i--) {
		item = json_array_get(list, i - 1);
		if (json_equal(json_object_get(item, "value"), json_object_get(value, "value")))
			json_array_remove(list, i - 1);
	}
}

/** Values that a filter matches, or every value where only a part of them is meant. */
static int
change_matches(const struct target *t, json_t *list, struct scim_error *ret_error)
{
	size_t matched = 0;
	int r = GH_OK;

	for (size_t i = json_array_size(list); i > 0 && r == 0; i--) {
		json_t *item = json_array_get(list, i - 1);

		if (t->filter != NULL && !filter_matches(t->filter, item))
			continue;
		matched++;
		if (t->verb == REMOVE && t->sub == NULL) {
			json_array_remove(list, i - 1);
			continue;
		}
		r = change_value(t, item);
		if (r == 0)
			keep_one_primary(list, item);
	}
	if (r == 0 && matched == 0 && t->filter != NULL && t->verb != REMOVE)
		return scim_refuse(ret_error, "noTarget", "no value of '%s' matches the filter",
			t->attribute->name);
	return r;
}

static int
change_list(const struct target *t, struct scim_error *ret_error)
{
	json_t *list = js_array(t->resource, t->attribute->name), *fresh;
	int r = GH_OK;

	if (list == NULL || (t->verb == REPLACE && t->filter == NULL && t->sub == NULL)) {
		fresh = json_array();
		r = js_set(t->resource, t->attribute->name, fresh);
		list = fresh;
	}
	if (r < 0)
		return r;
	if (t->filter != NULL || t->sub != NULL)
		return change_matches(t, list, ret_error);
	if (t->verb != REMOVE)
		return append(list, t->attribute, t->value);
	if (t->value != NULL)
		subtract(list, t->value);
	else
		json_array_clear(list);
	return GH_OK;
}

/* ---- One operation --------------------------------------------------------------------------- */

static int
change(const struct target *t, struct scim_error *ret_error)
{
	const char *name = t->attribute->name;
	json_t *object;
	int r = GH_OK;

	if (t->attribute->is_list)
		return change_list(t, ret_error);
	if (t->filter != NULL)
		return scim_refuse(ret_error, "invalidPath", "'%s' has one value only", name);
	if (t->sub == NULL && t->verb == REMOVE) {
		json_object_del(t->resource, name);
		return GH_OK;
	}
	if (t->attribute->type != ATTRIBUTE_COMPLEX)
		return js_set(t->resource, name, json_incref(t->value));
	object = js_object(t->resource, name);
	if (object == NULL) {
		object = json_object();
		r = js_set(t->resource, name, object);
	}
	return r < 0 ? r : change_value(t, object);
}

/** May clients write it?  An IMMUTABLE one may be sent as long as it stays the same. */
static int
check_mutability(const struct target *t, struct scim_error *ret_error)
{
	const struct attribute *a = t->attribute;
	bool is_same = t->verb != REMOVE && json_is_string(t->value) && gh_str_eq_nocase(
		js_text(t->value), js_str(t->resource, a->name));

	if (a->mutability == READ_ONLY || (t->sub != NULL && (t->sub->mutability == READ_ONLY ||
			t->sub->mutability == IMMUTABLE)) || (a->mutability == IMMUTABLE &&
			!is_same))
		return scim_refuse(ret_error, "mutability", "'%s' cannot be changed", a->name);
	if (a->is_required && t->verb == REMOVE)
		return scim_refuse(ret_error, "mutability", "'%s' cannot be removed", a->name);
	if (t->verb != REMOVE && a->type == ATTRIBUTE_COMPLEX && t->sub == NULL &&
			!json_is_object(t->value) && !(a->is_list && t->filter == NULL &&
			json_is_array(t->value)))
		return scim_refuse(ret_error, "invalidValue", "'%s' needs an object", a->name);
	return GH_OK;
}

static int
apply_at(const struct attribute *table, struct target *t, struct gh_str path,
	struct scim_error *ret_error)
{
	struct filter_path names;
	struct filter *filter = NULL;
	const char *why = NULL;
	int r = filter_parse_target(path, &names, &filter, &why);

	if (r == GH_ENOMEM)
		return r;
	if (r < 0)
		return scim_refuse(ret_error, "invalidPath", "the path is malformed: %s", why);
	t->filter = filter;
	t->attribute = attribute_find(table, names.name);
	t->sub = NULL;
	if (t->attribute != NULL && names.sub.n > 0 && t->attribute->subs != NULL)
		t->sub = attribute_find(t->attribute->subs, names.sub);
	if (t->attribute == NULL || (names.sub.n > 0 && t->sub == NULL))
		r = scim_refuse(ret_error, "invalidPath", "there is no attribute %.*s",
			GH_STR_ARG(path));
	if (r == 0)
		r = check_mutability(t, ret_error);
	if (r == 0)
		r = change(t, ret_error);
	filter_free(filter);
	return r;
}

/** An operation without a path: each member of its value is a path.  Those that the table does not
 *  have are left out, as in a PUT. */
static int
apply_members(const struct attribute *table, struct target *t, struct scim_error *ret_error)
{
	json_t *members = t->value, *value;
	struct filter_path path;
	const char *key;
	int r = GH_OK;

	if (t->verb == REMOVE)
		return scim_refuse(ret_error, "noTarget", "a removal needs a path");
	if (!json_is_object(members))
		return scim_refuse(ret_error, "invalidValue",
			"an operation without a path needs an object as its value");
	json_object_foreach(members, key, value) {
		struct gh_str rest = gh_str_of(key);

		if (r < 0 || !filter_take_path(&rest, &path) ||
				attribute_find(table, path.name) == NULL)
			continue;
		t->value = value;
		r = apply_at(table, t, gh_str_of(key), ret_error);
	}
	return r;
}

static int
apply(const struct attribute *table, json_t *resource, const json_t *operation,
	struct scim_error *ret_error)
{
	static const char *const verbs[] = { [ADD] = "add", [REPLACE] = "replace",
		[REMOVE] = "remove" };
	struct gh_str op = js_text(filter_member(operation, GH_STR("op")));
	json_t *path = filter_member(operation, GH_STR("path"));
	struct target t = { .resource = resource, .verb = ADD,
		.value = filter_member(operation, GH_STR("value")) };

	while (t.verb <= REMOVE && !gh_str_eq_nocase(op, gh_str_of(verbs[t.verb])))
		t.verb++;
	if (t.verb > REMOVE)
		return scim_refuse(ret_error, "invalidSyntax",
			"'op' must be add, replace or remove");
	if (json_is_null(t.value)) { /* null is no value (RFC 7643, 2.5) */
		t.value = NULL;
		t.verb = t.verb == REPLACE && path != NULL ? REMOVE : t.verb;
	}
	if (t.verb != REMOVE && t.value == NULL)
		return scim_refuse(ret_error, "invalidValue", "'value' is missing");
	if (path != NULL && !json_is_null(path) && !json_is_string(path))
		return scim_refuse(ret_error, "invalidPath", "'path' must be a string");
	return json_is_string(path) ? apply_at(table, &t, js_text(path), ret_error)
		: apply_members(table, &t, ret_error);
}

int
attributes_patch(const struct attribute *table, json_t *resource, const json_t *operations,
	struct scim_error *ret_error)
{
	json_t *operation;
	size_t i;
	int r = GH_OK;

	if (!json_is_array(operations) || json_array_size(operations) == 0)
		return scim_refuse(ret_error, "invalidSyntax", "'Operations' must be a list");
	if (json_array_size(operations) > ATTRIBUTES_OPERATIONS_MAX)
		return scim_refuse(ret_error, "tooMany", "there are more than %d operations",
			ATTRIBUTES_OPERATIONS_MAX);
	json_array_foreach((json_t *)operations, i, operation)
		if (r == 0)
			r = apply(table, resource, operation, ret_error);
	return r;
}
