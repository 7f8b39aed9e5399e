/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attributes.c
 * @brief The tables, and what is done with whole resources by them.
 */
#include "plugins/scim/attributes.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/json/json.h"
#include "plugins/scim/filter.h"
#include "plugins/scim/patch.h"

#define STRING(n, bytes, text) \
	{ .name = n, .type = ATTRIBUTE_STRING, .max = bytes, .description = text }
#define SHOWN(n, text) \
	{ .name = n, .type = ATTRIBUTE_STRING, .mutability = READ_ONLY, .description = text }
#define END { .type = ATTRIBUTE_END }

static const struct attribute name_parts[] = {
	STRING("formatted", 512, "The full name."),
	STRING("familyName", 256, "The family name."),
	STRING("givenName", 256, "The given name."),
	STRING("middleName", 256, "The middle name."),
	END,
};
static const struct attribute contact_parts[] = {
	{ .name = "value", .type = ATTRIBUTE_STRING, .max = 320, .is_required = true,
		.description = "The address or number." },
	STRING("type", 64, "What it is for: work, home."),
	STRING("display", 256, "How it is shown."),
	{ .name = "primary", .type = ATTRIBUTE_BOOLEAN, .description = "Is it the first choice?" },
	END,
};
static const struct attribute group_parts[] = {
	SHOWN("value", "Id of the role."), SHOWN("display", "Name of the role."),
	SHOWN("$ref", "Where the role is."), END,
};
static const struct attribute member_parts[] = {
	{ .name = "value", .type = ATTRIBUTE_STRING, .mutability = IMMUTABLE, .max = 64,
		.is_required = true, .is_exact = true, .description = "Id of the user." },
	SHOWN("display", "Name of the user."), SHOWN("$ref", "Where the user is."), END,
};
static const struct attribute meta_parts[] = {
	SHOWN("resourceType", "User or Group."), SHOWN("created", "When it was made."),
	SHOWN("lastModified", "When it was changed."), SHOWN("location", "Where it is."),
	SHOWN("version", "Its entity tag."), END,
};

#define COMMON \
	{ .name = "id", .type = ATTRIBUTE_STRING, .mutability = READ_ONLY, .is_exact = true, \
		.description = "Id that this server has given." }, \
	{ .name = "meta", .type = ATTRIBUTE_COMPLEX, .mutability = READ_ONLY, .subs = meta_parts, \
		.description = "About the resource." }

const struct attribute user_attributes[] = {
	COMMON,
	{ .name = "externalId", .type = ATTRIBUTE_STRING, .is_exact = true, .max = 255,
		.description = "Id that the client has given." },
	{ .name = "userName", .type = ATTRIBUTE_STRING, .mutability = IMMUTABLE, .max = 64,
		.is_required = true, .is_unique = true, .description = "Name to log in with." },
	{ .name = "name", .type = ATTRIBUTE_COMPLEX, .subs = name_parts,
		.description = "Parts of the name." },
	STRING("displayName", 256, "Name to be shown."),
	STRING("nickName", 256, "Name among friends."),
	STRING("title", 256, "Title in the organization."),
	STRING("preferredLanguage", 64, "Language to be spoken to."),
	STRING("locale", 64, "Where formats come from."),
	STRING("timezone", 64, "Name of the time zone."),
	{ .name = "active", .type = ATTRIBUTE_BOOLEAN, .description = "May the user log in?" },
	{ .name = "password", .type = ATTRIBUTE_STRING, .mutability = WRITE_ONLY,
		.is_exact = true, .max = 512, .description = "A new password." },
	{ .name = "emails", .type = ATTRIBUTE_COMPLEX, .is_list = true, .subs = contact_parts,
		.max = ATTRIBUTES_ITEMS_MAX, .description = "Mail addresses." },
	{ .name = "phoneNumbers", .type = ATTRIBUTE_COMPLEX, .is_list = true,
		.subs = contact_parts, .max = ATTRIBUTES_ITEMS_MAX,
		.description = "Telephone numbers." },
	{ .name = "groups", .type = ATTRIBUTE_COMPLEX, .mutability = READ_ONLY, .is_list = true,
		.subs = group_parts, .description = "Roles of the user." },
	END,
};

const struct attribute group_attributes[] = {
	COMMON,
	{ .name = "displayName", .type = ATTRIBUTE_STRING, .mutability = IMMUTABLE, .max = 64,
		.is_required = true, .is_exact = true, .is_unique = true,
		.description = "Name of the role." },
	{ .name = "members", .type = ATTRIBUTE_COMPLEX, .is_list = true, .subs = member_parts,
		.max = ATTRIBUTES_MEMBERS_MAX, .description = "Users who have the role." },
	END,
};

/* ---- Errors and names ------------------------------------------------------------------------ */

int
scim_refuse(struct scim_error *ret_error, const char *type, const char *fmt, ...)
{
	va_list args;

	ret_error->type = type;
	va_start(args, fmt);
	vsnprintf(ret_error->detail, sizeof(ret_error->detail), fmt, args);
	va_end(args);
	return GH_EINVAL;
}

const struct attribute *
attribute_find(const struct attribute *table, struct gh_str name)
{
	for (; table->type != ATTRIBUTE_END; table++)
		if (gh_str_eq_nocase(gh_str_of(table->name), name))
			return table;
	return NULL;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int read_value(const struct attribute *a, json_t *given, json_t **ret_json,
	struct scim_error *ret_error);

/** Object of a table's attributes. */
static int
read_object(const struct attribute *table, json_t *given, json_t **ret_json,
	struct scim_error *ret_error)
{
	json_t *json = json_object();
	int r = json != NULL ? GH_OK : GH_ENOMEM;

	for (const struct attribute *a = table; a->type != ATTRIBUTE_END && r == 0; a++) {
		json_t *value = filter_member(given, gh_str_of(a->name)), *read = NULL;

		if (a->mutability == READ_ONLY)
			continue;
		if (value == NULL || json_is_null(value)) {
			if (a->is_required)
				r = scim_refuse(ret_error, "invalidValue", "'%s' is missing",
					a->name);
			continue;
		}
		r = read_value(a, value, &read, ret_error);
		if (r == 0)
			r = js_set(json, a->name, read);
	}
	if (r < 0)
		json_decref(json);
	else
		*ret_json = json;
	return r;
}

static int
read_one(const struct attribute *a, json_t *given, json_t **ret_json, struct scim_error *ret_error)
{
	if (a->type == ATTRIBUTE_COMPLEX && json_is_object(given))
		return read_object(a->subs, given, ret_json, ret_error);
	if (a->type == ATTRIBUTE_COMPLEX)
		return scim_refuse(ret_error, "invalidValue", "'%s' must be an object%s", a->name,
			a->is_list ? ", each of the list" : "");
	if (a->type == ATTRIBUTE_BOOLEAN && !json_is_boolean(given))
		return scim_refuse(ret_error, "invalidValue", "'%s' must be true or false",
			a->name);
	if (a->type == ATTRIBUTE_STRING && !json_is_string(given))
		return scim_refuse(ret_error, "invalidValue", "'%s' must be a string", a->name);
	if (a->type == ATTRIBUTE_STRING && json_string_length(given) > a->max)
		return scim_refuse(ret_error, "invalidValue", "'%s' is longer than %zu bytes",
			a->name, a->max);
	if (a->type == ATTRIBUTE_STRING && a->is_required && json_string_length(given) == 0)
		return scim_refuse(ret_error, "invalidValue", "'%s' must not be empty", a->name);
	*ret_json = json_incref(given);
	return GH_OK;
}

static int
read_value(const struct attribute *a, json_t *given, json_t **ret_json,
	struct scim_error *ret_error)
{
	size_t i, primaries = 0;
	json_t *item, *list, *read = NULL;
	int r = GH_OK;

	if (!a->is_list)
		return read_one(a, given, ret_json, ret_error);
	if (!json_is_array(given))
		return scim_refuse(ret_error, "invalidValue", "'%s' must be a list", a->name);
	if (json_array_size(given) > a->max)
		return scim_refuse(ret_error, "invalidValue", "'%s' has more than %zu items",
			a->name, a->max);
	list = json_array();
	json_array_foreach(given, i, item) {
		r = read_one(a, item, &read, ret_error);
		if (r == 0 && js_bool(read, "primary", false) && ++primaries > 1) {
			json_decref(read);
			r = scim_refuse(ret_error, "invalidValue",
				"'%s' has more than one primary value", a->name);
		}
		if (r < 0)
			break;
		if (json_array_append_new(list, read) < 0) {
			r = GH_ENOMEM;
			break;
		}
	}
	if (r < 0)
		json_decref(list);
	else
		*ret_json = list;
	return r;
}

int
attributes_read(const struct attribute *table, json_t *given, json_t **ret_json,
	struct scim_error *ret_error)
{
	return read_object(table, given, ret_json, ret_error);
}

/* ---- Projection ------------------------------------------------------------------------------ */

/** Take the next name of a list separated by commas. */
static bool
next_path(struct gh_str *list, struct filter_path *ret_path)
{
	while (list->n > 0) {
		const char *comma = memchr(list->p, ',', list->n);
		struct gh_str one = { list->p,
			comma != NULL ? (size_t)(comma - list->p) : list->n };
		size_t taken = one.n + (comma != NULL);

		*list = (struct gh_str){ list->p + taken, list->n - taken };
		while (one.n > 0 && one.p[0] == ' ')
			one = (struct gh_str){ one.p + 1, one.n - 1 };
		if (filter_take_path(&one, ret_path))
			return true;
	}
	return false;
}

/** Is a name in the list?  @param sub  n = 0: the attribute as a whole.
 *  @param[out] ret_has_subs  the list names parts of it. */
static bool
is_named(struct gh_str list, const char *name, struct gh_str sub, bool *ret_has_subs)
{
	struct filter_path path;
	bool is_there = false;

	*ret_has_subs = false;
	while (next_path(&list, &path)) {
		if (!gh_str_eq_nocase(path.name, gh_str_of(name)))
			continue;
		*ret_has_subs |= path.sub.n > 0;
		is_there |= path.sub.n == 0 || (sub.n > 0 && gh_str_eq_nocase(path.sub, sub));
	}
	return is_there;
}

/** Attributes that are always returned. */
static bool
is_fixed(const char *name)
{
	return strcmp(name, "id") == 0 || strcmp(name, "schemas") == 0;
}

bool
attributes_is_wanted(const char *name, struct gh_str wanted, struct gh_str unwanted)
{
	bool has_subs;

	if (is_fixed(name))
		return true;
	if (wanted.n > 0)
		return is_named(wanted, name, GH_STR_NONE, &has_subs) || has_subs;
	return !is_named(unwanted, name, GH_STR_NONE, &has_subs);
}

/** Leave out parts of one value of an attribute of which some parts are wanted, or are not. */
static void
project_parts(const char *name, json_t *value, struct gh_str list, bool is_wanted)
{
	const char *part;
	json_t *item, *ignored;
	void *next;
	size_t i;
	bool has_subs;

	if (json_is_array(value))
		json_array_foreach(value, i, item)
			project_parts(name, item, list, is_wanted);
	json_object_foreach_safe(value, next, part, ignored)
		if (is_named(list, name, gh_str_of(part), &has_subs) != is_wanted)
			json_object_del(value, part);
}

int
attributes_project(json_t *resource, struct gh_str wanted, struct gh_str unwanted)
{
	struct gh_str list = wanted.n > 0 ? wanted : unwanted;
	const char *name;
	json_t *value;
	void *next;
	bool has_subs;

	if (resource == NULL)
		return GH_ENOMEM;
	json_object_foreach_safe(resource, next, name, value) {
		if (!attributes_is_wanted(name, wanted, unwanted))
			json_object_del(resource, name);
		else if (!is_fixed(name) && !is_named(list, name, GH_STR_NONE, &has_subs) &&
				has_subs)
			project_parts(name, value, list, wanted.n > 0);
	}
	return GH_OK;
}

/* ---- Description ----------------------------------------------------------------------------- */

static json_t *
describe(const struct attribute *a)
{
	static const char *const types[] = {
		[ATTRIBUTE_STRING] = "string", [ATTRIBUTE_BOOLEAN] = "boolean",
		[ATTRIBUTE_COMPLEX] = "complex",
	};
	static const char *const mutabilities[] = {
		[READ_WRITE] = "readWrite", [READ_ONLY] = "readOnly", [IMMUTABLE] = "immutable",
		[WRITE_ONLY] = "writeOnly",
	};
	json_t *json = json_pack("{s:s, s:s, s:b, s:s, s:b, s:b, s:s, s:s, s:s}", "name", a->name,
		"type", types[a->type], "multiValued", a->is_list, "description", a->description,
		"required", a->is_required, "caseExact", a->is_exact, "mutability",
		mutabilities[a->mutability], "returned",
		a->mutability == WRITE_ONLY ? "never" : "default", "uniqueness",
		a->is_unique ? "server" : "none");

	if (a->subs != NULL && js_set(json, "subAttributes", attributes_describe(a->subs)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *
attributes_describe(const struct attribute *table)
{
	json_t *list = json_array();

	for (; table->type != ATTRIBUTE_END; table++) {
		if (json_array_append_new(list, describe(table)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
