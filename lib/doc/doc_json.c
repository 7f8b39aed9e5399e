/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doc_json.c
 * @brief msgpack to jansson and back.  Recursive: DOC_DEPTH_MAX is the bottom both ways.
 */
#include "lib/doc/doc_json.h"

#include <math.h>
#include <stdlib.h>

#include "lib/doc/read.h"

static int value_to_json(const struct doc_value *value, unsigned depth, json_t **ret_json);

/** A string; json_stringn() checks UTF-8 but does not say whether that or memory was the reason. */
static int
str_to_json(struct gh_str s, json_t **ret_json)
{
	const char *p = s.n > 0 ? s.p : "";
	json_t *j = json_stringn(p, s.n);

	if (j == NULL) {
		j = json_stringn_nocheck(p, s.n);
		int r = j == NULL ? GH_ENOMEM : GH_EINVAL;

		json_decref(j);
		return r;
	}
	*ret_json = j;
	return GH_OK;
}

static int
array_to_json(struct gh_str array, unsigned depth, json_t **ret_json)
{
	json_t *j = json_array(), *item;
	struct doc_value v;
	int r = j == NULL ? GH_ENOMEM : GH_OK;

	for (struct doc_iter it = doc_iter(array); r == 0 && doc_next(&it, NULL, &v);) {
		r = value_to_json(&v, depth, &item);
		if (r == 0 && json_array_append_new(j, item) < 0)
			r = GH_ENOMEM;
	}
	if (r < 0)
		json_decref(j);
	else
		*ret_json = j;
	return r;
}

/** Put one field into a JSON object, whose names are C strings. */
static int
field_to_json(struct gh_str name, const struct doc_value *v, unsigned depth, json_t *object)
{
	json_t *item;

	if (name.n > 0 && memchr(name.p, '\0', name.n) != NULL)
		return GH_EINVAL;
	char *key = name.n > 0 ? strndup(name.p, name.n) : strdup("");

	if (key == NULL)
		return GH_ENOMEM;
	int r = json_object_get(object, key) != NULL ? GH_EINVAL : value_to_json(v, depth, &item);

	/* It fails for memory, or for a name that is no UTF-8: what hostile input can reach. */
	if (r == 0 && json_object_set_new(object, key, item) < 0)
		r = GH_EINVAL;
	free(key);
	return r;
}

static int
object_to_json(struct gh_str map, unsigned depth, json_t **ret_json)
{
	json_t *j = json_object();
	struct gh_str name;
	struct doc_value v;
	int r = j == NULL ? GH_ENOMEM : GH_OK;

	for (struct doc_iter it = doc_iter(map); r == 0 && doc_next(&it, &name, &v);)
		r = field_to_json(name, &v, depth, j);
	if (r < 0)
		json_decref(j);
	else
		*ret_json = j;
	return r;
}

static int
value_to_json(const struct doc_value *value, unsigned depth, json_t **ret_json)
{
	json_t *j = NULL;

	switch (value->type) {
	case DOC_NIL: j = json_null(); break;
	case DOC_BOOL: j = json_boolean(value->b); break;
	case DOC_INT: j = json_integer(value->i); break;
	case DOC_FLOAT:
		if (!isfinite(value->f))
			return GH_EINVAL;
		j = json_real(value->f);
		break;
	case DOC_STR: return str_to_json(value->s, ret_json);
	case DOC_ARRAY:
	case DOC_MAP:
		if (depth == DOC_DEPTH_MAX)
			return GH_ETOOBIG;
		return value->type == DOC_ARRAY ? array_to_json(value->s, depth + 1, ret_json)
						: object_to_json(value->s, depth + 1, ret_json);
	case DOC_UINT:
	case DOC_BIN: return GH_EINVAL;
	}
	if (j == NULL)
		return GH_ENOMEM;
	*ret_json = j;
	return GH_OK;
}

int
doc_to_json(const struct doc_value *value, json_t **ret_json)
{
	if (value->type == DOC_ARRAY || value->type == DOC_MAP) {
		int r = doc_check_value(value->s, 0);

		if (r < 0)
			return r;
	}
	return value_to_json(value, 0, ret_json);
}

int
doc_map_to_json(struct gh_str map, json_t **ret_json)
{
	int r = doc_check(map);

	if (r < 0)
		return r;
	return doc_to_json(&(const struct doc_value){ .type = DOC_MAP, .s = map }, ret_json);
}

/** Members of an object, into the map that is open. */
static void
put_members(struct doc_writer *w, const json_t *json)
{
	json_t *object = (json_t *)json; /* jansson's iterators are not const-correct */

	for (void *it = json_object_iter(object); it != NULL && w->error == 0;
		it = json_object_iter_next(object, it)) {
		doc_put_key(w, gh_str_of(json_object_iter_key(it)));
		doc_put_json(w, NULL, json_object_iter_value(it));
	}
}

void
doc_put_json(struct doc_writer *w, const char *name, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_NULL: doc_put_nil(w, name); break;
	case JSON_TRUE:
	case JSON_FALSE: doc_put_bool(w, name, json_is_true(json)); break;
	case JSON_INTEGER: doc_put_int(w, name, json_integer_value(json)); break;
	case JSON_REAL: doc_put_float(w, name, json_real_value(json)); break;
	case JSON_STRING:
		doc_put_str(w, name,
			(struct gh_str){ json_string_value(json), json_string_length(json) });
		break;
	case JSON_ARRAY:
		doc_begin_array(w, name);
		for (size_t i = 0; i < json_array_size(json) && w->error == 0; i++)
			doc_put_json(w, NULL, json_array_get(json, i));
		doc_end(w);
		break;
	case JSON_OBJECT:
		doc_begin_map(w, name);
		put_members(w, json);
		doc_end(w);
		break;
	}
}

int
doc_from_json(const json_t *json, struct gh_str *ret_body)
{
	struct doc_writer w;

	if (!json_is_object(json))
		return GH_EINVAL;
	doc_writer_init(&w);
	put_members(&w, json);
	return doc_finish(&w, ret_body);
}
