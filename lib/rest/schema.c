/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schema.c
 * @brief Check a JSON object against its table of fields; messages name the field and the reason.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/json/json.h"
#include "lib/rest/rest.h"

#define WHERE_MAX 160

/** Where the check is: "operations[2].verb" is three of these. */
struct place {
	const struct place *parent;
	const char *name; /**< NULL: an item. */
	size_t index;
};

static int check_object(struct rest_context *ctx, const struct place *place,
	const struct rest_field *schema, json_t *object);

static size_t
write_place(const struct place *place, char *text, size_t size)
{
	if (place == NULL)
		return 0;
	size_t n = write_place(place->parent, text, size);

	if (n >= size)
		return n;
	if (place->name == NULL)
		return n + (size_t)snprintf(text + n, size - n, "[%zu]", place->index);
	return n + (size_t)snprintf(text + n, size - n, "%s%s", n > 0 ? "." : "", place->name);
}

static int refuse(struct rest_context *ctx, const struct place *place, const char *fmt, ...)
	GH_PRINTF(3, 4);

static int
refuse(struct rest_context *ctx, const struct place *place, const char *fmt, ...)
{
	char where[WHERE_MAX] = "", why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	write_place(place, where, sizeof(where));
	return rest_fail(ctx, 400, "'%s' %s", where, why);
}

static bool
is_blank(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r')
			return false;
	return true;
}

static int
check_words(struct rest_context *ctx, const struct place *place, const struct rest_field *field,
	struct gh_str value)
{
	char list[200] = "";
	size_t n = 0;

	for (const char *const *word = field->words; *word != NULL; word++) {
		if (gh_str_eq(value, gh_str_of(*word)))
			return 0;
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				n > 0 ? ", " : "", *word);
	}
	return refuse(ctx, place, "must be one of %s", list);
}

static int
check_string(struct rest_context *ctx, const struct place *place, const struct rest_field *field,
	struct gh_str value)
{
	bool is_bounded = field->min != 0 || field->max != 0;

	if (field->is_required && is_blank(value))
		return refuse(ctx, place, "must not be blank");
	if (is_bounded && (int64_t)value.n > field->max)
		return refuse(ctx, place, "is longer than %" PRId64 " bytes", field->max);
	if (is_bounded && (int64_t)value.n < field->min)
		return refuse(ctx, place, "is shorter than %" PRId64 " bytes", field->min);
	if (field->words != NULL)
		return check_words(ctx, place, field, value);
	if (field->is_valid != NULL && !field->is_valid(value))
		return refuse(ctx, place, "%s", field->rule);
	return 0;
}

static int
check_integer(struct rest_context *ctx, const struct place *place, const struct rest_field *field,
	int64_t value)
{
	if ((field->min != 0 || field->max != 0) && (value < field->min || value > field->max))
		return refuse(ctx, place, "must be from %" PRId64 " to %" PRId64, field->min,
			field->max);
	return 0;
}

static bool
has_type(const json_t *value, enum rest_type type)
{
	switch (type) {
	case REST_STRING: return json_is_string(value);
	case REST_INTEGER: return json_is_integer(value);
	case REST_BOOLEAN: return json_is_boolean(value);
	case REST_ARRAY: return json_is_array(value);
	case REST_OBJECT: return json_is_object(value);
	case REST_ANY:
	case REST_END: break;
	}
	return true;
}

static const char *const type_names[] = {
	[REST_STRING] = "a string", [REST_INTEGER] = "an integer", [REST_BOOLEAN] = "true or false",
	[REST_ARRAY] = "an array", [REST_OBJECT] = "an object",
};

static int
check_array(struct rest_context *ctx, const struct place *place, const struct rest_field *field,
	json_t *array)
{
	int64_t n = (int64_t)json_array_size(array);
	json_t *item;
	size_t i;

	if (field->max != 0 && n > field->max)
		return refuse(ctx, place, "has more than %" PRId64 " items", field->max);
	if (n < field->min)
		return refuse(ctx, place, "has fewer than %" PRId64 " items", field->min);
	json_array_foreach(array, i, item) {
		struct place here = { place, NULL, i };

		if (!has_type(item, field->item))
			return refuse(ctx, &here, "must be %s", type_names[field->item]);
		if (field->item != REST_OBJECT || field->fields == NULL)
			continue;
		int r = check_object(ctx, &here, field->fields, item);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
check_value(struct rest_context *ctx, const struct place *place, const struct rest_field *field,
	json_t *value)
{
	if (!has_type(value, field->type))
		return refuse(ctx, place, "must be %s", type_names[field->type]);
	switch (field->type) {
	case REST_STRING: return check_string(ctx, place, field, js_text(value));
	case REST_INTEGER: return check_integer(ctx, place, field, json_integer_value(value));
	case REST_ARRAY: return check_array(ctx, place, field, value);
	case REST_OBJECT:
		return field->fields != NULL ? check_object(ctx, place, field->fields, value) : 0;
	case REST_BOOLEAN:
	case REST_ANY:
	case REST_END: break;
	}
	return 0;
}

static int
check_object(struct rest_context *ctx, const struct place *place, const struct rest_field *schema,
	json_t *object)
{
	for (const struct rest_field *field = schema; field->type != REST_END; field++) {
		struct place here = { place, field->name, 0 };
		json_t *value = json_object_get(object, field->name);
		bool is_absent = value == NULL || json_is_null(value);
		int r = 0;

		if (is_absent && field->dflt != NULL) {
			value = json_loads(field->dflt, JSON_DECODE_ANY, NULL);
			r = js_set(object, field->name, value);
		} else if (is_absent && field->is_required) {
			r = refuse(ctx, &here, "is missing");
		}
		if (r == 0 && (!is_absent || field->dflt != NULL))
			r = check_value(ctx, &here, field, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int
rest_check(struct rest_context *ctx, const char *where, const struct rest_field *schema,
	json_t *object)
{
	struct place outer = { NULL, where, 0 };

	return check_object(ctx, where != NULL ? &outer : NULL, schema, object);
}
