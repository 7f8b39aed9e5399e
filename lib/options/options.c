/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.c
 * @brief The typed option tables: checking them, filling configurations, comparing, JSON Schema.
 *
 * One row of `kinds` says all about a type of option.  A default is text and takes the same way as
 * a scalar from the manifest.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/options/options.h"

enum { ROWS_MAX = 256 }; /* A table that goes on longer has lost its end. */

/** Where a configuration is being filled. */
struct filler {
	const char *where;        /* The file; NULL: a table's own defaults are being checked. */
	struct gh_str label;
	const struct gh_opt *opt; /* The option at hand, or NULL. */
	struct gh_str key;
	unsigned line;            /* 0: not known. */
	struct gh_str *lists;     /* Free room for list items ... */
	char *texts;              /* ... and for text, both measured before. */
	char *error;
	size_t error_size;
};

static int complain(struct filler *f, const char *fmt, ...) GH_PRINTF(2, 3);

/** "FILE:LINE: ENTRY: KEY: why", with what is known of it. */
static int
complain(struct filler *f, const char *fmt, ...)
{
	char why[256], line[24] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (f->where == NULL) {
		snprintf(f->error, f->error_size, "option '%.*s': its default %s",
			GH_STR_ARG(f->key), why);
		return GH_EINVAL;
	}
	if (f->line > 0)
		snprintf(line, sizeof(line), ":%u", f->line);
	snprintf(f->error, f->error_size, "%s%s: %.*s%s%.*s%s%s", f->where, line,
		GH_STR_ARG(f->label), f->label.n > 0 ? ": " : "",
		(int)(f->key.n < 64 ? f->key.n : 64), f->key.n > 0 ? f->key.p : "",
		f->key.n > 0 ? ": " : "", why);
	return GH_EINVAL;
}

/* ---- Numbers with units ---------------------------------------------------------------------- */

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* The smallest first; the first row of all is "no unit". */
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit ms_units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit bytes_units[] = { { "", 1 }, { "k", 1u << 10 }, { "K", 1u << 10 },
	{ "M", 1u << 20 }, { "G", 1u << 30 }, { "T", UINT64_C(1) << 40 }, { NULL, 0 } };

static bool
parse_number(struct gh_str text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(text.p[i] - '0'), &value))
			return false;
	if (i == 0)
		return false;
	struct gh_str suffix = { text.p + i, text.n - i };

	for (; units->suffix != NULL; units++) {
		if (!gh_str_eq(suffix, gh_str_of(units->suffix)))
			continue;
		if (__builtin_mul_overflow(value, units->factor, &value))
			return false;
		*ret_value = value;
		return true;
	}
	return false;
}

/** With the largest unit that leaves a whole number. */
static const char *
format_number(char buf[32], uint64_t value, const struct unit *units)
{
	const struct unit *best = units;

	for (; units->suffix != NULL; units++)
		if (value != 0 && value % units->factor == 0)
			best = units;
	snprintf(buf, 32, "%" PRIu64 "%s", value / best->factor, best->suffix);
	return buf;
}

static int
check_range(struct filler *f, uint64_t value, const struct unit *units, const char *what)
{
	const struct gh_opt *opt = f->opt;
	char min[32], max[32];

	if (value >= opt->min && (opt->max == 0 || value <= opt->max))
		return 0;
	format_number(min, opt->min, units);
	format_number(max, opt->max, units);
	if (opt->max == 0)
		return complain(f, "must %s at least %s", what, min);
	return complain(f, "must %s between %s and %s", what, min, max);
}

static int
store_number(struct filler *f, const struct yaml_node *value, const struct unit *units,
	const char *wanted, uint64_t *field)
{
	uint64_t number;

	if (value->kind != YAML_SCALAR_NODE_KIND || !parse_number(value->text, units, &number))
		return complain(f, "must be %s", wanted);
	int r = check_range(f, number, units, "be");

	if (r == 0)
		*field = number;
	return r;
}

/* ---- Storing, one function per type ---------------------------------------------------------- */

static int
store_bool(struct filler *f, const struct yaml_node *value, void *field)
{
	if (yaml_type_of(value) != YAML_TYPE_BOOL)
		return complain(f, "must be true or false, without quotes");
	*(bool *)field = value->text.p[0] == 't' || value->text.p[0] == 'T';
	return 0;
}

static int
store_uint(struct filler *f, const struct yaml_node *value, void *field)
{
	static const char wanted[] = "a whole number, without quotes";

	if (value->kind == YAML_SCALAR_NODE_KIND && !value->is_plain)
		return complain(f, "must be %s", wanted);
	return store_number(f, value, no_units, wanted, field);
}

static int
store_ms(struct filler *f, const struct yaml_node *value, void *field)
{
	return store_number(f, value, ms_units, "a duration such as 250ms, 30s, 5m, 2h or 7d",
		&((struct gh_ms *)field)->v);
}

static int
store_bytes(struct filler *f, const struct yaml_node *value, void *field)
{
	return store_number(f, value, bytes_units, "a size such as 512, 64k, 1M or 2G",
		&((struct gh_bytes *)field)->v);
}

/** A copy of @p text in the configuration's own storage. */
static struct gh_str
keep_text(struct filler *f, struct gh_str text)
{
	struct gh_str kept = { f->texts, text.n };

	if (text.n > 0)
		memcpy(f->texts, text.p, text.n);
	f->texts[text.n] = '\0';
	f->texts += text.n + 1;
	return kept;
}

static int
check_text(struct filler *f, const struct yaml_node *value)
{
	if (value->kind != YAML_SCALAR_NODE_KIND)
		return complain(f, "must be a text, not a list or a mapping");
	if (value->text.n > 0 && memchr(value->text.p, '\0', value->text.n) != NULL)
		return complain(f, "must not contain a NUL");
	return 0;
}

static int
store_string(struct filler *f, const struct yaml_node *value, void *field)
{
	int r = check_text(f, value);

	if (r < 0)
		return r;
	r = check_range(f, value->text.n, no_units, "have a length in bytes");
	if (r == 0)
		*(struct gh_str *)field = keep_text(f, value->text);
	return r;
}

static int
store_secret(struct filler *f, const struct yaml_node *value, void *field)
{
	return store_string(f, value, &((struct gh_secret *)field)->v);
}

static int
store_choice(struct filler *f, const struct yaml_node *value, void *field)
{
	const char *const *words = f->opt->words;
	char all[200] = "";
	size_t used = 0;

	for (unsigned i = 0; words[i] != NULL; i++) {
		if (value->kind == YAML_SCALAR_NODE_KIND &&
			gh_str_eq(value->text, gh_str_of(words[i]))) {
			((struct gh_choice *)field)->v = i;
			return 0;
		}
		int n = snprintf(
			all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "", words[i]);

		used = n > 0 && (size_t)n < sizeof(all) - used ? used + (size_t)n : sizeof(all) - 1;
	}
	return complain(f, "must be one of: %s", all);
}

/** Cut the next item off a text with commas.  @return false: there is none. */
static bool
next_item(struct gh_str *rest, struct gh_str *ret_item)
{
	while (rest->n > 0 && (rest->p[0] == ',' || rest->p[0] == ' ')) {
		rest->p++;
		rest->n--;
	}
	if (rest->n == 0)
		return false;
	const char *comma = memchr(rest->p, ',', rest->n);
	struct gh_str item = { rest->p, comma != NULL ? (size_t)(comma - rest->p) : rest->n };

	rest->p += item.n;
	rest->n -= item.n;
	while (item.n > 0 && item.p[item.n - 1] == ' ')
		item.n--;
	*ret_item = item;
	return true;
}

static int
store_list(struct filler *f, const struct yaml_node *value, void *field)
{
	struct gh_list list = { f->lists, 0 };
	struct gh_str *items = f->lists, item, rest = value->text;

	if (value->kind == YAML_MAPPING_NODE_KIND)
		return complain(f, "must be a list");
	if (value->kind == YAML_SCALAR_NODE_KIND) {
		int r = check_text(f, value);

		if (r < 0)
			return r;
		while (next_item(&rest, &item))
			items[list.n++] = keep_text(f, item);
	}
	for (size_t i = 0; i < value->n; i++) {
		int r = check_text(f, value->items[i]);

		if (r < 0)
			return r;
		items[list.n++] = keep_text(f, value->items[i]->text);
	}
	int r = check_range(f, list.n, no_units, "have a number of items");

	f->lists += list.n;
	if (r == 0)
		*(struct gh_list *)field = list;
	return r;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static bool
equal_bool(const void *a, const void *b)
{
	return *(const bool *)a == *(const bool *)b;
}

/** Also for durations and sizes, which are a struct of one number. */
static bool
equal_number(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t)) == 0;
}

static bool
equal_choice(const void *a, const void *b)
{
	return ((const struct gh_choice *)a)->v == ((const struct gh_choice *)b)->v;
}

/** Also for secrets, which are a struct of one string: both sides belong to the operator. */
static bool
equal_string(const void *a, const void *b)
{
	return gh_str_eq(*(const struct gh_str *)a, *(const struct gh_str *)b);
}

static bool
equal_list(const void *a, const void *b)
{
	const struct gh_list *x = a, *y = b;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!gh_str_eq(x->v[i], y->v[i]))
			return false;
	return true;
}

/* ---- JSON Schema, one function per type ------------------------------------------------------ */

static void
schema_range(json_t *schema, const struct gh_opt *opt, const char *min, const char *max)
{
	if (opt->min > 0)
		json_object_set_new(schema, min, json_integer((json_int_t)opt->min));
	if (opt->max > 0)
		json_object_set_new(schema, max, json_integer((json_int_t)opt->max));
}

static void
schema_default(json_t *schema, const struct gh_opt *opt)
{
	if (opt->dflt != NULL)
		json_object_set_new(schema, "default", json_string(opt->dflt));
}

static void
schema_bool(json_t *schema, const struct gh_opt *opt)
{
	json_object_set_new(schema, "type", json_string("boolean"));
	if (opt->dflt != NULL)
		json_object_set_new(schema, "default", json_boolean((opt->dflt[0] | 32) == 't'));
}

static void
schema_uint(json_t *schema, const struct gh_opt *opt)
{
	uint64_t dflt;

	json_object_set_new(schema, "type", json_string("integer"));
	json_object_set_new(schema, "minimum", json_integer((json_int_t)opt->min));
	if (opt->max > 0)
		json_object_set_new(schema, "maximum", json_integer((json_int_t)opt->max));
	if (opt->dflt != NULL && parse_number(gh_str_of(opt->dflt), no_units, &dflt))
		json_object_set_new(schema, "default", json_integer((json_int_t)dflt));
}

static void
schema_with_unit(json_t *schema, const struct gh_opt *opt, const char *unit, const char *pattern)
{
	json_object_set_new(schema, "type", json_pack("[s,s]", "string", "integer"));
	json_object_set_new(schema, "pattern", json_string(pattern));
	json_object_set_new(schema, "x-unit", json_string(unit));
	schema_range(schema, opt, "x-minimum", "x-maximum");
	schema_default(schema, opt);
}

static void
schema_ms(json_t *schema, const struct gh_opt *opt)
{
	schema_with_unit(schema, opt, "ms", "^[0-9]+(ms|s|m|h|d)?$");
}

static void
schema_bytes(json_t *schema, const struct gh_opt *opt)
{
	schema_with_unit(schema, opt, "bytes", "^[0-9]+[kKMGT]?$");
}

static void
schema_string(json_t *schema, const struct gh_opt *opt)
{
	json_object_set_new(schema, "type", json_string("string"));
	schema_range(schema, opt, "minLength", "maxLength");
	schema_default(schema, opt);
}

/** No default: a schema is shown to people. */
static void
schema_secret(json_t *schema, const struct gh_opt *opt)
{
	json_object_set_new(schema, "type", json_string("string"));
	json_object_set_new(schema, "format", json_string("password"));
	json_object_set_new(schema, "writeOnly", json_true());
	schema_range(schema, opt, "minLength", "maxLength");
}

static void
schema_choice(json_t *schema, const struct gh_opt *opt)
{
	json_t *words = json_array();

	for (unsigned i = 0; opt->words[i] != NULL; i++)
		json_array_append_new(words, json_string(opt->words[i]));
	json_object_set_new(schema, "enum", words);
	schema_default(schema, opt);
}

static void
schema_list(json_t *schema, const struct gh_opt *opt)
{
	json_object_set_new(schema, "type", json_string("array"));
	json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
	schema_range(schema, opt, "minItems", "maxItems");
	if (opt->dflt == NULL)
		return;
	struct gh_str rest = gh_str_of(opt->dflt), item;
	json_t *items = json_array();

	while (next_item(&rest, &item))
		json_array_append_new(items, json_stringn(item.p, item.n));
	json_object_set_new(schema, "default", items);
}

/* ---- The types ------------------------------------------------------------------------------- */

struct kind {
	size_t size, align;
	int (*store)(struct filler *f, const struct yaml_node *value, void *field);
	bool (*equal)(const void *a, const void *b);
	void (*schema)(json_t *schema, const struct gh_opt *opt);
};

#define FIELD(type) sizeof(type), alignof(type)

static const struct kind kinds[] = {
	[GH_OPT_BOOL] = { FIELD(bool), store_bool, equal_bool, schema_bool },
	[GH_OPT_UINT] = { FIELD(uint64_t), store_uint, equal_number, schema_uint },
	[GH_OPT_MS] = { FIELD(struct gh_ms), store_ms, equal_number, schema_ms },
	[GH_OPT_BYTES] = { FIELD(struct gh_bytes), store_bytes, equal_number, schema_bytes },
	[GH_OPT_STRING] = { FIELD(struct gh_str), store_string, equal_string, schema_string },
	[GH_OPT_SECRET] = { FIELD(struct gh_secret), store_secret, equal_string, schema_secret },
	[GH_OPT_CHOICE] = { FIELD(struct gh_choice), store_choice, equal_choice, schema_choice },
	[GH_OPT_LIST] = { FIELD(struct gh_list), store_list, equal_list, schema_list },
};

static bool
is_end(const struct gh_opt *opt)
{
	return opt == NULL || opt->type == GH_OPT_END;
}

/* ---- Filling --------------------------------------------------------------------------------- */

/** Room that the strings of one value take. */
struct room {
	size_t items, chars;
};

static void
measure(const struct yaml_node *value, enum gh_opt_type type, struct room *room)
{
	if (type != GH_OPT_STRING && type != GH_OPT_SECRET && type != GH_OPT_LIST)
		return;
	room->chars += value->text.n + 1;
	if (type == GH_OPT_LIST)
		room->items += 1;
	for (size_t i = 0; i < value->text.n && type == GH_OPT_LIST; i++)
		if (value->text.p[i] == ',') {
			room->items++;
			room->chars++;
		}
	for (size_t i = 0; i < value->n && value->kind == YAML_SEQUENCE_NODE_KIND; i++) {
		room->items++;
		room->chars += value->items[i]->text.n + 1;
	}
}

/** The value of an option: from the manifest, else its default as a node made in @p dflt.
 *  @return NULL: it has neither. */
static const struct yaml_node *
value_of(const struct gh_opt *opt, const struct yaml_node *node, struct yaml_node *dflt)
{
	const struct yaml_node *value = yaml_get(node, gh_str_of(opt->key));

	if (value != NULL && yaml_type_of(value) != YAML_TYPE_NULL)
		return value;
	if (opt->dflt == NULL)
		return NULL;
	*dflt = (struct yaml_node){ .kind = YAML_SCALAR_NODE_KIND, .text = gh_str_of(opt->dflt),
		.is_plain = true, .line = node != NULL ? node->line : 0 };
	return dflt;
}

static int
refuse_unknown_keys(struct filler *f, const struct gh_opt *opts, const struct yaml_node *node)
{
	for (size_t i = 0; i < node->n; i++) {
		const struct gh_opt *opt = opts;
		char known[200] = "";
		size_t used = 0;

		for (; !is_end(opt) && !gh_str_eq(gh_str_of(opt->key), node->keys[i]); opt++) {
			int n = snprintf(known + used, sizeof(known) - used, "%s%s",
				used > 0 ? ", " : "", opt->key);

			used = n > 0 && (size_t)n < sizeof(known) - used ? used + (size_t)n
									 : sizeof(known) - 1;
		}
		if (!is_end(opt))
			continue;
		f->key = node->keys[i];
		f->line = node->key_lines[i];
		if (used == 0)
			return complain(f, "unknown key; none is known here");
		return complain(f, "unknown key; known are: %s", known);
	}
	return 0;
}

static int
alloc_config(const struct gh_opt *opts, size_t config_size, const struct yaml_node *node,
	struct options_config *ret_config, struct filler *f)
{
	struct room room = { 0, 1 };

	for (const struct gh_opt *opt = opts; !is_end(opt); opt++) {
		struct yaml_node dflt;
		const struct yaml_node *value = value_of(opt, node, &dflt);

		if (value != NULL)
			measure(value, opt->type, &room);
	}
	struct options_config made = { .opts = opts, .block_size = config_size,
		.strings_size = room.items * sizeof(struct gh_str) + room.chars };

	made.block = calloc(1, config_size > 0 ? config_size : 1);
	made.strings = calloc(1, made.strings_size);
	if (made.block == NULL || made.strings == NULL) {
		options_done(&made);
		complain(f, "out of memory");
		return GH_ENOMEM;
	}
	f->lists = (struct gh_str *)(void *)made.strings;
	f->texts = made.strings + room.items * sizeof(struct gh_str);
	*ret_config = made;
	return 0;
}

static int
fill_one(struct filler *f, const struct gh_opt *opt, const struct yaml_node *node, void *block)
{
	struct yaml_node dflt;
	const struct yaml_node *value = value_of(opt, node, &dflt);

	f->opt = opt;
	f->key = gh_str_of(opt->key);
	f->line = value != NULL ? value->line : (node != NULL ? node->line : 0);
	if (value == NULL)
		return complain(f, "missing, and it has no default");
	return kinds[opt->type].store(f, value, (char *)block + opt->offset);
}

int
options_fill(const struct gh_opt *opts, size_t config_size, const struct yaml_node *node,
	const char *where, struct gh_str label, struct options_config *ret_config, char *error,
	size_t error_size)
{
	struct filler f = {
		.where = where, .label = label, .error = error, .error_size = error_size
	};
	struct options_config made = { NULL, NULL, 0, NULL, 0 };
	int r;

	if (node != NULL && yaml_type_of(node) == YAML_TYPE_NULL)
		node = NULL;
	if (node != NULL) {
		f.line = node->line;
		if (node->kind != YAML_MAPPING_NODE_KIND)
			return complain(&f, "must be a mapping of keys to values");
		r = refuse_unknown_keys(&f, opts, node);
		if (r < 0)
			return r;
	}
	r = alloc_config(opts, config_size, node, &made, &f);
	for (const struct gh_opt *opt = opts; r == 0 && !is_end(opt); opt++)
		r = fill_one(&f, opt, node, made.block);
	if (r < 0) {
		options_done(&made);
		return r;
	}
	*ret_config = made;
	return 0;
}

void
options_done(struct options_config *config)
{
	if (config->block != NULL)
		explicit_bzero(config->block, config->block_size);
	if (config->strings != NULL)
		explicit_bzero(config->strings, config->strings_size);
	free(config->block);
	free(config->strings);
	*config = (struct options_config){ NULL, NULL, 0, NULL, 0 };
}

bool
options_same_fixed(
	const struct options_config *a, const struct options_config *b, const char **ret_key)
{
	for (const struct gh_opt *opt = a->opts; !is_end(opt); opt++) {
		const char *x = (const char *)a->block + opt->offset,
			   *y = (const char *)b->block + opt->offset;

		if (opt->fixed && !kinds[opt->type].equal(x, y)) {
			*ret_key = opt->key;
			return false;
		}
	}
	return true;
}

/* ---- Checking a table ------------------------------------------------------------------------ */

/** Keys of an entry that the kernel reads itself. */
static const char *const kernel_keys[] = { "as", "provide", "needs", "dry_run", "bypass",
	"on_error" };

static bool
is_snake_case(const char *key)
{
	if (*key < 'a' || *key > 'z')
		return false;
	for (; *key != '\0'; key++)
		if (!(*key >= 'a' && *key <= 'z') && !(*key >= '0' && *key <= '9') && *key != '_')
			return false;
	return true;
}

/** @return why the row is wrong, or NULL. */
static const char *
row_fault(const struct gh_opt *opts, const struct gh_opt *opt, size_t config_size)
{
	if ((unsigned)opt->type >= sizeof(kinds) / sizeof(kinds[0]))
		return "has an unknown type";
	const struct kind *kind = &kinds[opt->type];

	if (!is_snake_case(opt->key))
		return "is not named in snake_case";
	for (size_t i = 0; i < sizeof(kernel_keys) / sizeof(kernel_keys[0]); i++)
		if (strcmp(kernel_keys[i], opt->key) == 0)
			return "has a name that belongs to the kernel";
	for (const struct gh_opt *other = opts; other != opt; other++)
		if (strcmp(other->key, opt->key) == 0)
			return "stands in the table twice";
	if (opt->offset % kind->align != 0 || opt->offset > config_size ||
		config_size - opt->offset < kind->size)
		return "lies outside of the configuration";
	if (opt->help == NULL || opt->help[0] == '\0')
		return "has no help";
	if (opt->max != 0 && opt->min > opt->max)
		return "has a minimum above its maximum";
	if (opt->type == GH_OPT_CHOICE && (opt->words == NULL || opt->words[0] == NULL))
		return "has no words to choose from";
	return NULL;
}

static int
check_default(const struct gh_opt *opt, size_t config_size, char *error, size_t error_size)
{
	struct filler f = { .error = error, .error_size = error_size, .key = gh_str_of(opt->key) };
	const struct gh_opt table[] = { *opt, { .type = GH_OPT_END } };
	struct options_config scratch;

	if (opt->dflt == NULL)
		return 0;
	int r = alloc_config(table, config_size, NULL, &scratch, &f);

	if (r < 0)
		return r;
	r = fill_one(&f, table, NULL, scratch.block);
	options_done(&scratch);
	return r;
}

int
options_check_table(const struct gh_opt *opts, size_t config_size, char *error, size_t error_size)
{
	unsigned n = 0;

	for (const struct gh_opt *opt = opts; !is_end(opt); opt++, n++) {
		if (opt->key == NULL || n == ROWS_MAX) {
			snprintf(error, error_size,
				"option number %u has no key: the table has no end", n + 1);
			return GH_EINVAL;
		}
		const char *fault = row_fault(opts, opt, config_size);

		if (fault != NULL) {
			snprintf(error, error_size, "option '%.64s' %s", opt->key, fault);
			return GH_EINVAL;
		}
		int r = check_default(opt, config_size, error, error_size);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- JSON Schema ----------------------------------------------------------------------------- */

char *
options_schema(const char *plugin_name, const struct gh_opt *opts)
{
	json_t *properties = json_object(), *required = json_array();

	for (const struct gh_opt *opt = opts; !is_end(opt); opt++) {
		json_t *schema = json_object();

		kinds[opt->type].schema(schema, opt);
		json_object_set_new(schema, "description", json_string(opt->help));
		if (opt->fixed)
			json_object_set_new(schema, "x-needs-restart", json_true());
		json_object_set_new(properties, opt->key, schema);
		if (opt->dflt == NULL)
			json_array_append_new(required, json_string(opt->key));
	}
	json_t *root = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "$schema",
		"https://json-schema.org/draft/2020-12/schema", "title", plugin_name, "type",
		"object", "additionalProperties", 0, "properties", properties, "required",
		required);
	char *text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	return text;
}
