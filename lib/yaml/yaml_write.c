/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml_write.c
 * @brief Through libyaml's emitter.  Recursive: DEPTH_MAX is the bottom.
 */
#include "lib/yaml/yaml_write.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 1000 };

/** The text so far. */
struct output {
	char *p;
	size_t n, size;
};

/** A yaml_write_handler_t: 1 is success. */
static int
append(void *data, unsigned char *bytes, size_t n)
{
	struct output *out = data;

	if (n >= out->size - out->n) {
		size_t size = out->size * 2 + n;
		char *grown = realloc(out->p, size);

		if (grown == NULL)
			return 0;
		out->p = grown;
		out->size = size;
	}
	memcpy(out->p + out->n, bytes, n);
	out->n += n;
	out->p[out->n] = '\0';
	return 1;
}

/** Letters, digits and what is harmless within words: such a text needs no quotes, unless it is a
 *  number, a time or a word of YAML. */
static bool
is_word(struct gh_str text)
{
	static const char *const reserved[] = {
		"null", "true", "false", "yes", "no", "on", "off", "y", "n",
	};
	bool has_space = false;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (gh_str_eq_nocase(text, gh_str_of(reserved[i])))
			return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/';

		if (i == 0 && !is_letter) /* so that nothing that begins as a number passes */
			return false;
		if (c == ' ' && has_space)
			return false;
		has_space = c == ' ';
		if (!is_letter && !has_space && (c < '0' || c > '9') &&
		    (c == '\0' || strchr("_-.:+$(){}*&@", c) == NULL))
			return false;
		if (c == ':' && (i + 1 == text.n || text.p[i + 1] == ' '))
			return false;
	}
	return text.n > 0 && !has_space;
}

static int
emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
	return yaml_emitter_emit(emitter, event) ? 0 : GH_ENOMEM;
}

static int
emit_scalar(yaml_emitter_t *emitter, struct gh_str text, yaml_scalar_style_t style)
{
	bool is_plain = style == YAML_PLAIN_SCALAR_STYLE;
	yaml_event_t event;

	if (text.n > INT_MAX || !yaml_scalar_event_initialize(&event, NULL, NULL,
			(const yaml_char_t *)(text.n > 0 ? text.p : ""), (int)text.n, is_plain,
			!is_plain, style))
		return GH_ENOMEM;
	return emit(emitter, &event);
}

static int
emit_text(yaml_emitter_t *emitter, struct gh_str text, bool is_key)
{
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;

	if (is_word(text))
		style = YAML_PLAIN_SCALAR_STYLE;
	else if (!is_key && text.n > 0 && text.p[0] > ' ' && memchr(text.p, '\n', text.n) != NULL)
		style = YAML_LITERAL_SCALAR_STYLE;
	return emit_scalar(emitter, text, style);
}

static int
emit_number(yaml_emitter_t *emitter, const json_t *json)
{
	char text[64];
	size_t n = json_dumpb(json, text, sizeof(text), JSON_ENCODE_ANY);

	if (n == 0 || n > sizeof(text))
		return GH_ENOMEM;
	return emit_scalar(emitter, (struct gh_str){ text, n }, YAML_PLAIN_SCALAR_STYLE);
}

static int emit_value(yaml_emitter_t *emitter, const json_t *json, unsigned depth);

static int
emit_array(yaml_emitter_t *emitter, const json_t *json, unsigned depth)
{
	yaml_sequence_style_t style = json_array_size(json) > 0 ? YAML_BLOCK_SEQUENCE_STYLE :
		YAML_FLOW_SEQUENCE_STYLE;
	yaml_event_t event;
	json_t *item;
	size_t i;
	int r = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) ?
		emit(emitter, &event) : GH_ENOMEM;

	json_array_foreach(json, i, item)
		if (r == 0)
			r = emit_value(emitter, item, depth);
	if (r == 0)
		r = yaml_sequence_end_event_initialize(&event) ? emit(emitter, &event) : GH_ENOMEM;
	return r;
}

static int
emit_object(yaml_emitter_t *emitter, const json_t *json, unsigned depth)
{
	yaml_mapping_style_t style = json_object_size(json) > 0 ? YAML_BLOCK_MAPPING_STYLE :
		YAML_FLOW_MAPPING_STYLE;
	yaml_event_t event;
	const char *key;
	json_t *member;
	int r = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) ?
		emit(emitter, &event) : GH_ENOMEM;

	json_object_foreach((json_t *)(uintptr_t)json, key, member) {
		if (r == 0)
			r = emit_text(emitter, gh_str_of(key), true);
		if (r == 0)
			r = emit_value(emitter, member, depth);
	}
	if (r == 0)
		r = yaml_mapping_end_event_initialize(&event) ? emit(emitter, &event) : GH_ENOMEM;
	return r;
}

static int
emit_value(yaml_emitter_t *emitter, const json_t *json, unsigned depth)
{
	if (depth == DEPTH_MAX)
		return GH_ETOOBIG;
	switch (json_typeof(json)) {
	case JSON_OBJECT: return emit_object(emitter, json, depth + 1);
	case JSON_ARRAY: return emit_array(emitter, json, depth + 1);
	case JSON_STRING:
		return emit_text(emitter, (struct gh_str){ json_string_value(json),
			json_string_length(json) }, false);
	case JSON_TRUE: return emit_scalar(emitter, GH_STR("true"), YAML_PLAIN_SCALAR_STYLE);
	case JSON_FALSE: return emit_scalar(emitter, GH_STR("false"), YAML_PLAIN_SCALAR_STYLE);
	case JSON_NULL: return emit_scalar(emitter, GH_STR("null"), YAML_PLAIN_SCALAR_STYLE);
	default: return emit_number(emitter, json);
	}
}

static int
emit_document(yaml_emitter_t *emitter, const json_t *json)
{
	yaml_event_t event;
	int r = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) ?
		emit(emitter, &event) : GH_ENOMEM;

	if (r == 0)
		r = yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) ?
			emit(emitter, &event) : GH_ENOMEM;
	if (r == 0)
		r = emit_value(emitter, json, 0);
	if (r == 0)
		r = yaml_document_end_event_initialize(&event, 1) ? emit(emitter, &event) :
			GH_ENOMEM;
	if (r == 0)
		r = yaml_stream_end_event_initialize(&event) ? emit(emitter, &event) : GH_ENOMEM;
	return r;
}

int
yaml_write(const json_t *json, struct gh_str *ret_text)
{
	struct output out = { .p = malloc(1024), .size = 1024 };
	yaml_emitter_t emitter;

	if (out.p == NULL || !yaml_emitter_initialize(&emitter)) {
		free(out.p);
		return GH_ENOMEM;
	}
	out.p[0] = '\0';
	yaml_emitter_set_output(&emitter, append, &out);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	int r = emit_document(&emitter, json);

	yaml_emitter_delete(&emitter);
	if (r == 0)
		*ret_text = (struct gh_str){ out.p, out.n };
	else
		free(out.p);
	return r;
}
