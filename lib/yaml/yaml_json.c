/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml_json.c
 * @brief From a YAML tree to jansson's values.  Recursive: the parser's depth limit bounds it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/yaml/yaml_json.h"

struct converter {
	char *error;
	size_t error_size;
};

static int
refuse(const struct converter *c, unsigned line, int err, const char *why)
{
	snprintf(c->error, c->error_size, "line %u: %s", line, why);
	return err;
}

/** The text of a number has a NUL behind it and only characters that strtod() and strtoll() know.
 */
static int
convert_float(const struct converter *c, const struct yaml_node *node, json_t **ret_json)
{
	double value = strtod(node->text.p, NULL);

	if (!isfinite(value) || memchr(node->text.p, 'n', node->text.n) != NULL ||
		memchr(node->text.p, 'N', node->text.n) != NULL)
		return refuse(c, node->line, GH_EINVAL, "the number cannot be written as JSON");
	*ret_json = json_real(value);
	return 0;
}

static int
convert_int(const struct converter *c, const struct yaml_node *node, json_t **ret_json)
{
	const char *p = node->text.p;
	int base = 10;

	if (node->text.n > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'o')) {
		base = p[1] == 'x' ? 16 : 8;
		p += 2;
	}
	errno = 0;
	long long value = strtoll(p, NULL, base);

	if (errno == 0) {
		*ret_json = json_integer(value);
		return 0;
	}
	if (base != 10)
		return refuse(c, node->line, GH_EINVAL, "the number does not fit into 64 bits");
	return convert_float(c, node, ret_json);
}

static int
convert_scalar(const struct converter *c, const struct yaml_node *node, json_t **ret_json)
{
	switch (yaml_type_of(node)) {
	case YAML_TYPE_NULL:
		*ret_json = json_null();
		return 0;
	case YAML_TYPE_BOOL:
		*ret_json = json_boolean(node->text.p[0] == 't' || node->text.p[0] == 'T');
		return 0;
	case YAML_TYPE_INT:
		return convert_int(c, node, ret_json);
	case YAML_TYPE_FLOAT:
		return convert_float(c, node, ret_json);
	default:
		*ret_json = json_stringn(node->text.p, node->text.n);
		return 0;
	}
}

static int convert(const struct converter *c, const struct yaml_node *node, json_t **ret_json);

static int
convert_container(const struct converter *c, const struct yaml_node *node, json_t **ret_json)
{
	bool is_mapping = node->kind == YAML_MAPPING_NODE_KIND;
	json_t *made = is_mapping ? json_object() : json_array();
	int r = made != NULL ? 0 : refuse(c, node->line, GH_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < node->n; i++) {
		json_t *child = NULL;

		if (is_mapping && memchr(node->keys[i].p, '\0', node->keys[i].n) != NULL) {
			r = refuse(c, node->key_lines[i], GH_EINVAL, "a key contains a NUL");
			break;
		}
		r = convert(c, node->items[i], &child);
		if (r < 0)
			break;
		int failed = is_mapping ? json_object_set_new(made, node->keys[i].p, child)
					: json_array_append_new(made, child);

		if (failed != 0)
			r = refuse(c, node->line, GH_ENOMEM, "out of memory");
	}
	if (r < 0) {
		json_decref(made);
		return r;
	}
	*ret_json = made;
	return 0;
}

static int
convert(const struct converter *c, const struct yaml_node *node, json_t **ret_json)
{
	json_t *made = NULL;
	int r = node->kind == YAML_SCALAR_NODE_KIND ? convert_scalar(c, node, &made)
						    : convert_container(c, node, &made);

	if (r < 0)
		return r;
	if (made == NULL)
		return refuse(c, node->line, GH_ENOMEM, "out of memory");
	*ret_json = made;
	return 0;
}

int
yaml_to_json(const struct yaml_node *node, json_t **ret_json, char *error, size_t error_size)
{
	struct converter c = { error, error_size };

	if (node != NULL)
		return convert(&c, node, ret_json);
	*ret_json = json_null();
	return 0;
}
