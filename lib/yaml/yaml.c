/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml.c
 * @brief Composes the tree from libyaml's events, and gives scalars their YAML 1.2 types.
 *
 * One pass without recursion.  Children wait on a stack of slots until their container ends; then
 * they are copied to arrays of the exact size.  Everything that stays lives in the document's
 * blocks.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/yaml/yaml.h"

enum {
	BLOCK_MIN_BYTES = 4096,
	BLOCK_MAX_BYTES = 256 * 1024,
	ANCHORS_MAX = 1000,
	DEPTH_MAX = 1000,
};

static const struct yaml_limits default_limits = {
	.max_bytes = 8u * 1024 * 1024,
	.max_nodes = 1000000,
	.max_depth = 64,
};

/* ---- Memory of a document -------------------------------------------------------------------- */

struct block {
	struct block *next;
	size_t used, size;
	max_align_t data[];
};

struct yaml_doc {
	struct block *blocks; /* The newest first. */
	struct yaml_node *root;
};

static struct block *
block_new(struct yaml_doc *doc, size_t bytes)
{
	size_t size = doc->blocks != NULL ? doc->blocks->size * 2 : BLOCK_MIN_BYTES;

	if (size > BLOCK_MAX_BYTES)
		size = BLOCK_MAX_BYTES;
	if (size < bytes)
		size = bytes;
	struct block *block = calloc(1, sizeof(*block) + size);

	if (block == NULL)
		return NULL;
	block->size = size;
	block->next = doc->blocks;
	doc->blocks = block;
	return block;
}

void *
yaml_alloc(struct yaml_doc *doc, size_t bytes)
{
	struct block *block = doc->blocks;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (block == NULL || block->size - block->used < bytes) {
		block = block_new(doc, bytes);
		if (block == NULL)
			return NULL;
	}
	void *p = (char *)block->data + block->used;

	block->used += bytes;
	return p;
}

void
yaml_doc_free(struct yaml_doc *doc)
{
	if (doc == NULL)
		return;
	for (struct block *block = doc->blocks, *next; block != NULL; block = next) {
		next = block->next;
		explicit_bzero(block->data, block->used);
		free(block);
	}
	free(doc);
}

/* ---- Composing ------------------------------------------------------------------------------- */

/** A child whose container is still open. */
struct slot {
	struct gh_str key;
	unsigned key_line;
	struct yaml_node *node;
};

/** A container that is still open. */
struct frame {
	struct yaml_node *node;
	size_t first_slot;
	size_t nodes_before;   /* What the count was, to know how big the subtree got. */
	unsigned height;       /* Of the highest child. */
	struct anchor *anchor; /* Or NULL. */
	bool has_key;          /* Mappings: a key has come, its value not yet. */
	struct gh_str key;
	unsigned key_line;
};

struct anchor {
	struct gh_str name;
	struct yaml_node *node;
	size_t nodes;
	unsigned height;
	bool is_complete;
};

struct composer {
	struct yaml_doc *doc;
	const struct yaml_limits *limits;
	yaml_expand_fn *expand;
	void *arg;
	struct slot *slots;
	size_t slot_count, slot_room;
	struct frame *frames;
	unsigned depth, depth_max;
	struct anchor *anchors;
	size_t anchor_count;
	size_t nodes;
	unsigned documents;
	unsigned line; /* Of the event at hand. */
	char *error;
	size_t error_size;
};

static int refuse(struct composer *c, int err, const char *fmt, ...) GH_PRINTF(3, 4);

static int
refuse(struct composer *c, int err, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(c->error, c->error_size, "line %u: ", c->line);

	if (n > 0 && (size_t)n < c->error_size) {
		va_start(ap, fmt);
		vsnprintf(c->error + n, c->error_size - (size_t)n, fmt, ap);
		va_end(ap);
	}
	return err;
}

static int
out_of_memory(struct composer *c)
{
	return refuse(c, GH_ENOMEM, "out of memory");
}

/** A copy with a NUL behind it, for those who hand it to C functions. */
static int
keep_text(struct composer *c, const char *p, size_t n, struct gh_str *ret_text)
{
	char *copy = yaml_alloc(c->doc, n + 1);

	if (copy == NULL)
		return out_of_memory(c);
	if (n > 0)
		memcpy(copy, p, n);
	*ret_text = (struct gh_str){ copy, n };
	return 0;
}

static int
keep_expanded(struct composer *c, const char *p, size_t n, struct gh_str *ret_text)
{
	struct gh_str made = GH_STR_NONE;
	char why[256] = "";

	if (c->expand == NULL)
		return keep_text(c, p, n, ret_text);
	int r = c->expand(c->arg, (struct gh_str){ p, n }, c->line, &made, why, sizeof(why));

	if (r < 0)
		return refuse(c, r, "%s", why);
	if (made.p == NULL)
		return keep_text(c, p, n, ret_text);
	r = keep_text(c, made.p, made.n, ret_text);
	explicit_bzero((char *)made.p, made.n);
	free((char *)made.p);
	return r;
}

static int
count_nodes(struct composer *c, size_t n)
{
	if (n > c->limits->max_nodes - c->nodes)
		return refuse(c, GH_ETOOBIG, "more than %zu values", c->limits->max_nodes);
	c->nodes += n;
	return 0;
}

static int
new_node(struct composer *c, enum yaml_kind kind, struct yaml_node **ret_node)
{
	int r = count_nodes(c, 1);

	if (r < 0)
		return r;
	struct yaml_node *node = yaml_alloc(c->doc, sizeof(*node));

	if (node == NULL)
		return out_of_memory(c);
	node->kind = kind;
	node->line = c->line;
	*ret_node = node;
	return 0;
}

static int
push_slot(struct composer *c, const struct slot *slot)
{
	if (c->slot_count == c->slot_room) {
		size_t room = c->slot_room > 0 ? c->slot_room * 2 : 64;
		struct slot *slots = reallocarray(c->slots, room, sizeof(*slots));

		if (slots == NULL)
			return out_of_memory(c);
		c->slots = slots;
		c->slot_room = room;
	}
	c->slots[c->slot_count++] = *slot;
	return 0;
}

/** Put a complete node where it belongs: into the open container, or at the root. */
static int
place(struct composer *c, struct yaml_node *node, unsigned height)
{
	if (c->depth == 0) {
		c->doc->root = node;
		return 0;
	}
	struct frame *f = &c->frames[c->depth - 1];
	struct slot slot = { .key = f->key, .key_line = f->key_line, .node = node };

	f->has_key = false;
	if (height > f->height)
		f->height = height;
	return push_slot(c, &slot);
}

/** Is the next event of the open container a key? */
static bool
wants_key(const struct composer *c)
{
	if (c->depth == 0)
		return false;
	const struct frame *f = &c->frames[c->depth - 1];

	return f->node->kind == YAML_MAPPING_NODE_KIND && !f->has_key;
}

static int
new_anchor(struct composer *c, const yaml_char_t *name, struct yaml_node *node,
	struct anchor **ret_anchor)
{
	if (c->anchors == NULL) {
		c->anchors = calloc(ANCHORS_MAX, sizeof(*c->anchors));
		if (c->anchors == NULL)
			return out_of_memory(c);
	}
	if (c->anchor_count == ANCHORS_MAX)
		return refuse(c, GH_ETOOBIG, "more than %d anchors", ANCHORS_MAX);
	struct anchor *anchor = &c->anchors[c->anchor_count];
	int r = keep_text(c, (const char *)name, strlen((const char *)name), &anchor->name);

	if (r < 0)
		return r;
	anchor->node = node;
	c->anchor_count++;
	*ret_anchor = anchor;
	return 0;
}

#define CORE_TAG "tag:yaml.org,2002:"

/** Check a tag against what it stands at.  A scalar tagged !!str, or only "!", is no longer plain.
 */
static int
apply_tag(struct composer *c, const yaml_char_t *yaml_tag, struct yaml_node *node)
{
	static const struct {
		const char *name;
		enum yaml_kind kind;
		enum yaml_type type;
	} tags[] = {
		{ CORE_TAG "str", YAML_SCALAR_NODE_KIND, YAML_TYPE_STR },
		{ CORE_TAG "int", YAML_SCALAR_NODE_KIND, YAML_TYPE_INT },
		{ CORE_TAG "float", YAML_SCALAR_NODE_KIND, YAML_TYPE_FLOAT },
		{ CORE_TAG "bool", YAML_SCALAR_NODE_KIND, YAML_TYPE_BOOL },
		{ CORE_TAG "null", YAML_SCALAR_NODE_KIND, YAML_TYPE_NULL },
		{ CORE_TAG "seq", YAML_SEQUENCE_NODE_KIND, YAML_TYPE_STR },
		{ CORE_TAG "map", YAML_MAPPING_NODE_KIND, YAML_TYPE_STR },
		{ "!", YAML_SCALAR_NODE_KIND, YAML_TYPE_STR },
		{ "!", YAML_SEQUENCE_NODE_KIND, YAML_TYPE_STR },
		{ "!", YAML_MAPPING_NODE_KIND, YAML_TYPE_STR },
	};
	const char *tag = (const char *)yaml_tag;

	if (tag == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strcmp(tags[i].name, tag) != 0 || tags[i].kind != node->kind)
			continue;
		if (node->kind != YAML_SCALAR_NODE_KIND)
			return 0;
		node->is_plain = tags[i].type != YAML_TYPE_STR;
		if (yaml_type_of(node) == tags[i].type ||
			(tags[i].type == YAML_TYPE_FLOAT && yaml_type_of(node) == YAML_TYPE_INT))
			return 0;
		return refuse(c, GH_EINVAL, "the value does not fit its tag");
	}
	return refuse(c, GH_EINVAL, "only the core tags are allowed here, not '%.64s'", tag);
}

static int
on_scalar(struct composer *c, const yaml_event_t *event)
{
	const char *p = (const char *)event->data.scalar.value;
	size_t n = event->data.scalar.length;
	struct yaml_node *node;
	struct anchor *anchor;

	if (wants_key(c)) {
		struct frame *f = &c->frames[c->depth - 1];

		f->has_key = true;
		f->key_line = c->line;
		return keep_expanded(c, p, n, &f->key);
	}
	int r = new_node(c, YAML_SCALAR_NODE_KIND, &node);

	if (r < 0)
		return r;
	r = keep_expanded(c, p, n, &node->text);
	if (r < 0)
		return r;
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	r = apply_tag(c, event->data.scalar.tag, node);
	if (r < 0)
		return r;
	if (event->data.scalar.anchor != NULL) {
		r = new_anchor(c, event->data.scalar.anchor, node, &anchor);
		if (r < 0)
			return r;
		anchor->nodes = 1;
		anchor->is_complete = true;
	}
	return place(c, node, 0);
}

static int
on_open(struct composer *c, enum yaml_kind kind, const yaml_char_t *name, const yaml_char_t *tag)
{
	struct frame frame = { .first_slot = c->slot_count, .nodes_before = c->nodes };

	if (wants_key(c))
		return refuse(c, GH_EINVAL, "a key must be a single word or string");
	if (c->depth == c->depth_max)
		return refuse(c, GH_ETOOBIG, "nested deeper than %u", c->depth_max);
	int r = new_node(c, kind, &frame.node);

	if (r < 0)
		return r;
	r = apply_tag(c, tag, frame.node);
	if (r < 0)
		return r;
	if (name != NULL) {
		r = new_anchor(c, name, frame.node, &frame.anchor);
		if (r < 0)
			return r;
	}
	c->frames[c->depth++] = frame;
	return 0;
}

static int
by_key_then_place(const void *a, const void *b)
{
	const struct slot *x = *(const struct slot *const *)a, *y = *(const struct slot *const *)b;
	int order = memcmp(x->key.p, y->key.p, x->key.n < y->key.n ? x->key.n : y->key.n);

	if (order != 0)
		return order;
	if (x->key.n != y->key.n)
		return x->key.n < y->key.n ? -1 : 1;
	return x < y ? -1 : x > y;
}

/** By sorting, because a mapping may have hundreds of thousands of keys. */
static int
refuse_duplicate_keys(struct composer *c, const struct slot *slots, size_t n)
{
	const struct slot *second = NULL;

	if (n < 2)
		return 0;
	const struct slot **sorted = calloc(n, sizeof(struct slot *));

	if (sorted == NULL)
		return out_of_memory(c);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &slots[i];
	qsort(sorted, n, sizeof(struct slot *), by_key_then_place);
	for (size_t i = 1; i < n; i++)
		if (gh_str_eq(sorted[i - 1]->key, sorted[i]->key) &&
			(second == NULL || sorted[i] < second))
			second = sorted[i];
	free(sorted);
	if (second == NULL)
		return 0;
	c->line = second->key_line;
	return refuse(c, GH_EINVAL, "the key '%.*s' is given twice",
		(int)(second->key.n < 64 ? second->key.n : 64), second->key.p);
}

static int
on_close(struct composer *c)
{
	struct frame *f = &c->frames[c->depth - 1];
	struct yaml_node *node = f->node;
	bool is_mapping = node->kind == YAML_MAPPING_NODE_KIND;
	size_t n = c->slot_count - f->first_slot;
	const struct slot *slots = n > 0 ? c->slots + f->first_slot : NULL;

	if (n > 0) {
		int r = is_mapping ? refuse_duplicate_keys(c, slots, n) : 0;

		if (r < 0)
			return r;
		node->items = yaml_alloc(c->doc, n * sizeof(*node->items));
		node->keys = is_mapping ? yaml_alloc(c->doc, n * sizeof(*node->keys)) : NULL;
		node->key_lines =
			is_mapping ? yaml_alloc(c->doc, n * sizeof(*node->key_lines)) : NULL;
		if (node->items == NULL ||
			(is_mapping && (node->keys == NULL || node->key_lines == NULL)))
			return out_of_memory(c);
	}
	for (size_t i = 0; i < n; i++) {
		node->items[i] = slots[i].node;
		if (is_mapping) {
			node->keys[i] = slots[i].key;
			node->key_lines[i] = slots[i].key_line;
		}
	}
	node->n = n;
	c->slot_count = f->first_slot;
	if (f->anchor != NULL) {
		f->anchor->nodes = c->nodes - f->nodes_before;
		f->anchor->height = f->height + 1;
		f->anchor->is_complete = true;
	}
	c->depth--;
	return place(c, node, f->height + 1);
}

static int
on_alias(struct composer *c, const yaml_char_t *yaml_name)
{
	struct gh_str name = gh_str_of((const char *)yaml_name);

	if (wants_key(c))
		return refuse(c, GH_EINVAL, "a key must be a single word or string");
	for (size_t i = c->anchor_count; i-- > 0;) {
		const struct anchor *anchor = &c->anchors[i];

		if (!gh_str_eq(anchor->name, name))
			continue;
		if (!anchor->is_complete)
			return refuse(
				c, GH_EINVAL, "the alias '%.64s' stands inside of itself", name.p);
		if (c->depth + anchor->height > c->depth_max)
			return refuse(c, GH_ETOOBIG, "nested deeper than %u", c->depth_max);
		int r = count_nodes(c, anchor->nodes);

		return r < 0 ? r : place(c, anchor->node, anchor->height);
	}
	return refuse(c, GH_EINVAL, "the alias '%.64s' has no anchor", name.p);
}

static int
on_event(struct composer *c, const yaml_event_t *event)
{
	c->line = (unsigned)event->start_mark.line + 1;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++c->documents > 1)
			return refuse(
				c, GH_EINVAL, "a second document begins; only one is allowed");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(c, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(c, YAML_SEQUENCE_NODE_KIND, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_open(c, YAML_MAPPING_NODE_KIND, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(c);
	case YAML_ALIAS_EVENT:
		return on_alias(c, event->data.alias.anchor);
	default:
		return 0; /* Stream and document ends carry nothing. */
	}
}

/** What libyaml says about text that is no YAML. */
static int
refuse_syntax(struct composer *c, const yaml_parser_t *parser, struct gh_str text)
{
	const char *problem = parser->problem != NULL ? parser->problem : "this is not YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		return out_of_memory(c);
	c->line = (unsigned)parser->problem_mark.line + 1;
	if (parser->error == YAML_READER_ERROR) { /* It knows the byte, but not the line. */
		c->line = 1;
		for (size_t i = 0; i < parser->problem_offset && i < text.n; i++)
			c->line += text.p[i] == '\n';
	}
	if (parser->context != NULL)
		return refuse(c, GH_EINVAL, "%s: %s", parser->context, problem);
	return refuse(c, GH_EINVAL, "%s", problem);
}

static int
compose(struct composer *c, struct gh_str text)
{
	yaml_parser_t parser;
	bool is_done = false;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return out_of_memory(c);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)(text.n > 0 ? text.p : ""), text.n);
	while (r == 0 && !is_done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			r = refuse_syntax(c, &parser, text);
			break;
		}
		is_done = event.type == YAML_STREAM_END_EVENT;
		r = on_event(c, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return r;
}

int
yaml_parse(struct gh_str text, const struct yaml_limits *limits, yaml_expand_fn *expand, void *arg,
	struct yaml_doc **ret_doc, char *error, size_t error_size)
{
	struct composer c = { .limits = limits != NULL ? limits : &default_limits, .expand = expand,
		.arg = arg, .line = 1, .error = error, .error_size = error_size };
	int r;

	if (text.n > c.limits->max_bytes)
		return refuse(&c, GH_ETOOBIG, "the text has %zu bytes, at most %zu are allowed",
			text.n, c.limits->max_bytes);
	c.depth_max = c.limits->max_depth < DEPTH_MAX ? c.limits->max_depth : DEPTH_MAX;
	c.doc = calloc(1, sizeof(*c.doc));
	c.frames = calloc(c.depth_max + 1, sizeof(*c.frames));
	r = c.doc != NULL && c.frames != NULL ? compose(&c, text) : out_of_memory(&c);
	if (r < 0)
		goto out;
	*ret_doc = c.doc;
	c.doc = NULL;
out:
	yaml_doc_free(c.doc);
	free(c.frames);
	free(c.slots);
	free(c.anchors);
	return r;
}

/* ---- Reading the tree ------------------------------------------------------------------------ */

const struct yaml_node *
yaml_root(const struct yaml_doc *doc)
{
	return doc->root;
}

const struct yaml_node *
yaml_get(const struct yaml_node *mapping, struct gh_str key)
{
	if (mapping == NULL || mapping->kind != YAML_MAPPING_NODE_KIND)
		return NULL;
	for (size_t i = 0; i < mapping->n; i++)
		if (gh_str_eq(mapping->keys[i], key))
			return mapping->items[i];
	return NULL;
}

static bool
is_among(const char *const *keys, struct gh_str key)
{
	for (; *keys != NULL; keys++)
		if (gh_str_eq(gh_str_of(*keys), key))
			return true;
	return false;
}

const struct yaml_node *
yaml_pick(struct yaml_doc *doc, const struct yaml_node *mapping, const char *const *keys, bool keep)
{
	struct yaml_node *picked = yaml_alloc(doc, sizeof(*picked));

	if (picked == NULL)
		return NULL;
	picked->kind = YAML_MAPPING_NODE_KIND;
	picked->line = mapping->line;
	picked->items = yaml_alloc(doc, mapping->n * sizeof(*picked->items));
	picked->keys = yaml_alloc(doc, mapping->n * sizeof(*picked->keys));
	picked->key_lines = yaml_alloc(doc, mapping->n * sizeof(*picked->key_lines));
	if (picked->items == NULL || picked->keys == NULL || picked->key_lines == NULL)
		return NULL;
	for (size_t i = 0; i < mapping->n; i++) {
		if (is_among(keys, mapping->keys[i]) != keep)
			continue;
		picked->items[picked->n] = mapping->items[i];
		picked->keys[picked->n] = mapping->keys[i];
		picked->key_lines[picked->n] = mapping->key_lines[i];
		picked->n++;
	}
	return picked;
}

/* ---- Types (YAML 1.2.2, section 10.3.2) ------------------------------------------------------ */

static bool
is_digit_of(char c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') < base;
	return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

/** Length of the run of digits that @p s begins with. */
static size_t
digits(struct gh_str s, unsigned base)
{
	size_t n = 0;

	while (n < s.n && is_digit_of(s.p[n], base))
		n++;
	return n;
}

static struct gh_str
skip(struct gh_str s, size_t n)
{
	return (struct gh_str){ s.p + n, s.n - n };
}

static struct gh_str
skip_sign(struct gh_str s)
{
	return s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? skip(s, 1) : s;
}

static bool
is_int(struct gh_str s)
{
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'o' || s.p[1] == 'x'))
		return digits(skip(s, 2), s.p[1] == 'o' ? 8 : 16) == s.n - 2;
	s = skip_sign(s);
	return s.n > 0 && digits(s, 10) == s.n;
}

static bool
is_float(struct gh_str s)
{
	s = skip_sign(s);
	size_t whole = digits(s, 10), part = 0;

	s = skip(s, whole);
	if (s.n > 0 && s.p[0] == '.') {
		part = digits(skip(s, 1), 10);
		s = skip(s, 1 + part);
	}
	if (whole + part == 0)
		return false;
	if (s.n > 0 && (s.p[0] == 'e' || s.p[0] == 'E')) {
		s = skip_sign(skip(s, 1));
		return s.n > 0 && digits(s, 10) == s.n;
	}
	return s.n == 0;
}

enum yaml_type
yaml_type_of(const struct yaml_node *scalar)
{
	static const struct {
		const char *word;
		enum yaml_type type;
	} words[] = {
		{ "", YAML_TYPE_NULL },
		{ "~", YAML_TYPE_NULL },
		{ "null", YAML_TYPE_NULL },
		{ "Null", YAML_TYPE_NULL },
		{ "NULL", YAML_TYPE_NULL },
		{ "true", YAML_TYPE_BOOL },
		{ "True", YAML_TYPE_BOOL },
		{ "TRUE", YAML_TYPE_BOOL },
		{ "false", YAML_TYPE_BOOL },
		{ "False", YAML_TYPE_BOOL },
		{ "FALSE", YAML_TYPE_BOOL },
		{ ".nan", YAML_TYPE_FLOAT },
		{ ".NaN", YAML_TYPE_FLOAT },
		{ ".NAN", YAML_TYPE_FLOAT },
		{ ".inf", YAML_TYPE_FLOAT },
		{ ".Inf", YAML_TYPE_FLOAT },
		{ ".INF", YAML_TYPE_FLOAT },
		{ "+.inf", YAML_TYPE_FLOAT },
		{ "+.Inf", YAML_TYPE_FLOAT },
		{ "+.INF", YAML_TYPE_FLOAT },
		{ "-.inf", YAML_TYPE_FLOAT },
		{ "-.Inf", YAML_TYPE_FLOAT },
		{ "-.INF", YAML_TYPE_FLOAT },
	};

	if (scalar->kind != YAML_SCALAR_NODE_KIND || !scalar->is_plain)
		return YAML_TYPE_STR;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (gh_str_eq(gh_str_of(words[i].word), scalar->text))
			return words[i].type;
	if (is_int(scalar->text))
		return YAML_TYPE_INT;
	return is_float(scalar->text) ? YAML_TYPE_FLOAT : YAML_TYPE_STR;
}
