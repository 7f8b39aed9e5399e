/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.c
 * @brief Limits are checked on the text before jansson builds anything from it.
 */
#include "lib/json/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int
fail(int err, char *error, size_t size, const char *fmt, ...) GH_PRINTF(4, 5);

static int
fail(int err, char *error, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (size > 0)
		vsnprintf(error, size, fmt, args);
	va_end(args);
	return err;
}

/** Offset at which the text is nested deeper than @p max_depth, or text.n.  Brackets in strings do
 *  not count; what is no JSON at all is for the parser to tell. */
static size_t
too_deep_at(struct gh_str text, unsigned max_depth)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > max_depth)
				return i;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return text.n;
}

static unsigned
line_of(struct gh_str text, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text.p[i] == '\n';
	return line;
}

int
js_parse(struct gh_str text, const struct js_limits *limits, json_t **ret_json, char *error,
	size_t error_size)
{
	static const struct js_limits defaults = { JS_BYTES_MAX, JS_DEPTH_MAX };
	const struct js_limits *max = limits != NULL ? limits : &defaults;
	json_error_t why;

	if (text.n > max->max_bytes)
		return fail(GH_ETOOBIG, error, error_size, "longer than %zu bytes", max->max_bytes);
	if (text.n == 0)
		return fail(GH_EINVAL, error, error_size, "empty where JSON is expected");
	size_t at = too_deep_at(text, max->max_depth);

	if (at < text.n)
		return fail(GH_ETOOBIG, error, error_size, "line %u: nested deeper than %u levels",
			line_of(text, at), max->max_depth);
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (json == NULL && json_error_code(&why) == json_error_out_of_memory)
		return fail(GH_ENOMEM, error, error_size, "out of memory");
	if (json == NULL)
		return fail(GH_EINVAL, error, error_size, "line %d, column %d: %.100s", why.line,
			why.column, why.text);
	*ret_json = json;
	return 0;
}

struct gh_str
js_text(const json_t *value)
{
	if (!json_is_string(value))
		return GH_STR_NONE;
	return (struct gh_str){ json_string_value(value), json_string_length(value) };
}

struct gh_str
js_str(const json_t *object, const char *name)
{
	return js_text(json_object_get(object, name));
}

struct gh_str
js_str_or(const json_t *object, const char *name, struct gh_str otherwise)
{
	struct gh_str s = js_str(object, name);

	return s.p != NULL ? s : otherwise;
}

int64_t
js_int(const json_t *object, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool
js_bool(const json_t *object, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

json_t *
js_array(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_array(value) ? value : NULL;
}

json_t *
js_object(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_object(value) ? value : NULL;
}

bool
js_has(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value != NULL && !json_is_null(value);
}

/** A decimal integer and nothing else. */
static int
integer_of_text(struct gh_str text, int64_t *ret_value)
{
	char *end = NULL;

	/* A JSON string is NUL-terminated and holds no NUL, so strtoll() sees all of it. */
	if (text.n == 0 || text.n > 20 ||
		(text.p[0] != '-' && (text.p[0] < '0' || text.p[0] > '9')))
		return GH_EINVAL;
	errno = 0;
	long long value = strtoll(text.p, &end, 10);

	if (errno != 0 || end != text.p + text.n)
		return GH_EINVAL;
	*ret_value = value;
	return 0;
}

int
js_int_in(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret_value)
{
	const json_t *member = json_object_get(object, name);
	int64_t value = 0;

	if (member == NULL || json_is_null(member))
		return GH_ENOENT;
	if (json_is_integer(member))
		value = json_integer_value(member);
	else if (!json_is_string(member) || integer_of_text(js_text(member), &value) < 0)
		return GH_EINVAL;
	if (value < min || value > max)
		return GH_EINVAL;
	*ret_value = value;
	return 0;
}

json_t *
js_string(struct gh_str text)
{
	json_t *json = json_stringn(text.n > 0 ? text.p : "", text.n);

	if (json != NULL || text.n == 0)
		return json;
	char *ascii = malloc(text.n);

	if (ascii == NULL)
		return NULL;
	for (size_t i = 0; i < text.n; i++)
		ascii[i] = (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?';
	json = json_stringn(ascii, text.n);
	free(ascii);
	return json;
}

int
js_set(json_t *object, const char *name, json_t *value)
{
	if (value == NULL)
		return GH_ENOMEM;
	return json_object_set_new(object, name, value) == 0 ? 0 : GH_ENOMEM;
}

int
js_set_str(json_t *object, const char *name, struct gh_str text)
{
	return js_set(object, name, js_string(text));
}

int
js_dump(const json_t *json, struct gh_str *ret_text)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		return GH_ENOMEM;
	*ret_text = gh_str_of(text);
	return 0;
}
