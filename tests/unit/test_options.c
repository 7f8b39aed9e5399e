/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_options.c
 * @brief lib/options: values of every type, sentences of refusal, tables, schema.
 */
#include <jansson.h>
#include <stdlib.h>

#include "lib/options/options.h"
#include "tests/unit/unit.h"

struct config {
	bool on;
	uint64_t count;
	struct gh_ms wait;
	struct gh_bytes size;
	struct gh_str name;
	struct gh_secret password;
	struct gh_choice color;
	struct gh_list hosts;
};

static const char *const colors[] = { "red", "green", "blue", NULL };

static const struct gh_opt opts[] = {
	GH_OPT(struct config, on, .dflt = "true", .help = "On?"),
	GH_OPT(struct config, count, .dflt = "3", .min = 1, .max = 10, .fixed = true,
		.help = "Count."),
	GH_OPT(struct config, wait, .dflt = "30s", .min = 1000, .max = 60000, .help = "Wait."),
	GH_OPT(struct config, size, .dflt = "64k", .max = 1 << 20, .help = "Size."),
	GH_OPT(struct config, name, .dflt = "", .max = 8, .fixed = true, .help = "Name."),
	GH_OPT(struct config, password, .dflt = "", .help = "Password."),
	GH_OPT(struct config, color, .dflt = "green", .words = colors, .help = "Color."),
	GH_OPT(struct config, hosts, .dflt = "a, b", .max = 3, .fixed = true, .help = "Hosts."),
	{ .type = GH_OPT_END },
};

static char error[512];

static int
fill(const char *text, const struct gh_opt *table, struct options_config *ret_config)
{
	struct yaml_doc *doc = NULL;

	error[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(
		yaml_parse(gh_str_of(text), NULL, NULL, NULL, &doc, error, sizeof(error)), 0);
	int r = options_fill(table, sizeof(struct config), yaml_root(doc), "m.yaml",
		GH_STR("entry"), ret_config, error, sizeof(error));

	yaml_doc_free(doc); /* Nothing filled may point into it. */
	return r;
}

static void
test_fill_defaults(void)
{
	struct options_config made;

	CU_ASSERT_EQUAL_FATAL(fill("", opts, &made), 0);
	const struct config *c = made.block;

	CU_ASSERT(c->on);
	CU_ASSERT_EQUAL(c->count, 3);
	CU_ASSERT_EQUAL(c->wait.v, 30000);
	CU_ASSERT_EQUAL(c->size.v, 65536);
	CU_ASSERT_EQUAL(c->name.n, 0);
	CU_ASSERT_EQUAL(c->color.v, 1);
	CU_ASSERT_EQUAL_FATAL(c->hosts.n, 2);
	CU_ASSERT_STRING_EQUAL(c->hosts.v[1].p, "b");
	options_done(&made);
	CU_ASSERT_PTR_NULL(made.block);
	options_done(&made);
}

static void
test_fill_values(void)
{
	struct options_config made;

	CU_ASSERT_EQUAL_FATAL(fill("on: False\ncount: 10\nwait: 1m\nsize: 1M\nname: 12345678\n"
		"password: ' s3cret'\ncolor: blue\nhosts: [x, 'y,z', \"\"]", opts, &made), 0);
	const struct config *c = made.block;

	CU_ASSERT_FALSE(c->on);
	CU_ASSERT_EQUAL(c->count, 10);
	CU_ASSERT_EQUAL(c->wait.v, 60000);
	CU_ASSERT_EQUAL(c->size.v, 1 << 20);
	CU_ASSERT(gh_str_eq(c->name, GH_STR("12345678")));
	CU_ASSERT_STRING_EQUAL(c->password.v.p, " s3cret");
	CU_ASSERT_EQUAL(c->color.v, 2);
	CU_ASSERT_EQUAL_FATAL(c->hosts.n, 3);
	CU_ASSERT(gh_str_eq(c->hosts.v[1], GH_STR("y,z")));
	CU_ASSERT_EQUAL(c->hosts.v[2].n, 0);
	options_done(&made);
}

static void
test_fill_json(void)
{
	struct options_config made;

	CU_ASSERT_EQUAL_FATAL(
		fill("{\"on\":false,\"count\":4,\"wait\":1500,\"hosts\":\" q , r,\"}", opts, &made),
		0);
	const struct config *c = made.block;

	CU_ASSERT_EQUAL(c->count, 4);
	CU_ASSERT_EQUAL(c->wait.v, 1500);
	CU_ASSERT_EQUAL_FATAL(c->hosts.n, 2);
	CU_ASSERT(gh_str_eq(c->hosts.v[0], GH_STR("q")));
	CU_ASSERT(gh_str_eq(c->hosts.v[1], GH_STR("r")));
	options_done(&made);
}

static void
test_fill_refused(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "\nnone: 1", "m.yaml:2: entry: none: unknown key; known are: on, count, wait, "
			       "size, name, "
			       "password, color, hosts" },
		{ "[1]", "m.yaml:1: entry: must be a mapping of keys to values" },
		{ "on: yes", "m.yaml:1: entry: on: must be true or false, without quotes" },
		{ "on: 'true'", "m.yaml:1: entry: on: must be true or false, without quotes" },
		{ "on: [true]", "m.yaml:1: entry: on: must be true or false, without quotes" },
		{ "count: x", "m.yaml:1: entry: count: must be a whole number, without quotes" },
		{ "count: '4'", "m.yaml:1: entry: count: must be a whole number, without quotes" },
		{ "count: -4", "m.yaml:1: entry: count: must be a whole number, without quotes" },
		{ "count: 0", "m.yaml:1: entry: count: must be between 1 and 10" },
		{ "count: 18446744073709551616",
			"m.yaml:1: entry: count: must be a whole number, without quotes" },
		{ "on: true\nwait: 2m", "m.yaml:2: entry: wait: must be between 1s and 1m" },
		{ "wait: 5 s", "m.yaml:1: entry: wait: must be a duration such as 250ms, 30s, 5m, "
			       "2h or 7d" },
		{ "size: 2M", "m.yaml:1: entry: size: must be between 0 and 1M" },
		{ "size: 99999999999999T",
			"m.yaml:1: entry: size: must be a size such as 512, 64k, 1M or 2G" },
		{ "name: 123456789",
			"m.yaml:1: entry: name: must have a length in bytes between 0 and 8" },
		{ "name: {}", "m.yaml:1: entry: name: must be a text, not a list or a mapping" },
		{ "name: \"a\\0b\"", "m.yaml:1: entry: name: must not contain a NUL" },
		{ "password: [geheim]",
			"m.yaml:1: entry: password: must be a text, not a list or a mapping" },
		{ "color: pink", "m.yaml:1: entry: color: must be one of: red, green, blue" },
		{ "hosts: [1,2,3,4]",
			"m.yaml:1: entry: hosts: must have a number of items between 0 and 3" },
		{ "hosts: {a: 1}", "m.yaml:1: entry: hosts: must be a list" },
		{ "hosts: [[a]]",
			"m.yaml:1: entry: hosts: must be a text, not a list or a mapping" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options_config made;

		CU_ASSERT_EQUAL(fill(rows[i].text, opts, &made), GH_EINVAL);
		if (strcmp(error, rows[i].why) != 0)
			fprintf(stderr, "%s: %s\n", rows[i].text, error);
		CU_ASSERT_STRING_EQUAL(error, rows[i].why);
	}
}

static void
test_fill_missing(void)
{
	static const struct gh_opt table[] = {
		GH_OPT(struct config, name, .help = "Name."), { .type = GH_OPT_END } };
	struct options_config made;

	CU_ASSERT_EQUAL(fill("", table, &made), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "m.yaml: entry: name: missing, and it has no default");
	CU_ASSERT_EQUAL(fill("name: ~", table, &made), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "m.yaml:1: entry: name: missing, and it has no default");
	CU_ASSERT_EQUAL(fill("x: 1", NULL, &made), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "m.yaml:1: entry: x: unknown key; none is known here");
	CU_ASSERT_EQUAL(fill("{}", NULL, &made), 0);
	options_done(&made);
}

static void
test_same_fixed(void)
{
	static const struct {
		const char *a, *b, *key;
	} rows[] = {
		{ "", "count: 3", NULL },
		{ "wait: 1s", "wait: 2s", NULL },
		{ "", "count: 4", "count" },
		{ "name: x", "name: y", "name" },
		{ "hosts: [a, b]", "", NULL },
		{ "hosts: [a]", "", "hosts" },
		{ "hosts: [a, c]", "", "hosts" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options_config a, b;
		const char *key = NULL;

		CU_ASSERT_EQUAL_FATAL(fill(rows[i].a, opts, &a), 0);
		CU_ASSERT_EQUAL_FATAL(fill(rows[i].b, opts, &b), 0);
		CU_ASSERT_EQUAL(options_same_fixed(&a, &b, &key), rows[i].key == NULL);
		CU_ASSERT(rows[i].key == NULL ? key == NULL : strcmp(key, rows[i].key) == 0);
		options_done(&a);
		options_done(&b);
	}
}

static void
test_check_table(void)
{
	static const char *const none[] = { NULL };
	const struct gh_opt good = GH_OPT(struct config, count, .dflt = "3", .help = "Count.");
	static const char names[][8] = { "as", "Bad", "" };
	struct {
		struct gh_opt opt;
		const char *why;
	} rows[] = {
		{ good, NULL },
		{ good, "option 'as' has a name that belongs to the kernel" },
		{ good, "option 'Bad' is not named in snake_case" },
		{ good, "option '' is not named in snake_case" },
		{ good, "option 'count' lies outside of the configuration" },
		{ good, "option 'count' has an unknown type" },
		{ good, "option 'count' has no help" },
		{ good, "option 'count' has a minimum above its maximum" },
		{ good, "option 'count': its default must be between 4 and 9" },
		{ good, "option 'color' has no words to choose from" },
		{ good, "option number 1 has no key: the table has no end" },
		{ GH_OPT(struct config, color, .dflt = "pink", .words = colors, .help = "C."),
			"option 'color': its default must be one of: red, green, blue" },
		{ GH_OPT(struct config, wait, .dflt = "3 s", .help = "C."),
			"option 'wait': its default must be a duration such as 250ms, 30s, 5m, 2h "
			"or 7d" },
	};

	for (size_t i = 0; i < 3; i++)
		rows[i + 1].opt.key = names[i];
	rows[4].opt.offset = sizeof(struct config) - 4;
	rows[5].opt.type = (enum gh_opt_type)99;
	rows[6].opt.help = NULL;
	rows[7].opt.min = 5, rows[7].opt.max = 4;
	rows[8].opt.min = 4, rows[8].opt.max = 9;
	rows[9].opt = (struct gh_opt)GH_OPT(struct config, color, .words = none, .help = "C.");
	rows[10].opt.key = NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gh_opt table[] = { rows[i].opt, { .type = GH_OPT_END } };
		int r = options_check_table(table, sizeof(struct config), error, sizeof(error));

		CU_ASSERT_EQUAL(r, rows[i].why == NULL ? 0 : GH_EINVAL);
		if (r < 0)
			CU_ASSERT_STRING_EQUAL(error, rows[i].why);
	}
	CU_ASSERT_EQUAL(options_check_table(opts, sizeof(struct config), error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(options_check_table(NULL, 0, error, sizeof(error)), 0);
}

static void
test_check_table_twice(void)
{
	const struct gh_opt table[] = { opts[0], opts[1], opts[0], { .type = GH_OPT_END } };

	CU_ASSERT_EQUAL(
		options_check_table(table, sizeof(struct config), error, sizeof(error)), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "option 'on' stands in the table twice");
}

static void
test_schema(void)
{
	char *text = options_schema("entry", opts);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *properties = json_object_get(root, "properties");

	CU_ASSERT_EQUAL(json_object_size(properties), 8);
	CU_ASSERT_EQUAL(json_integer_value(
				json_object_get(json_object_get(properties, "count"), "maximum")),
		10);
	CU_ASSERT_EQUAL(json_integer_value(
				json_object_get(json_object_get(properties, "count"), "default")),
		3);
	CU_ASSERT_PTR_NULL(json_object_get(json_object_get(properties, "password"), "default"));
	CU_ASSERT_EQUAL(
		json_array_size(json_object_get(json_object_get(properties, "color"), "enum")), 3);
	CU_ASSERT_EQUAL(
		json_array_size(json_object_get(json_object_get(properties, "hosts"), "default")),
		2);
	CU_ASSERT(json_is_false(json_object_get(root, "additionalProperties")));
	json_decref(root);
	free(text);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_fill_defaults), UNIT_TEST(test_fill_values), UNIT_TEST(test_fill_json),
	UNIT_TEST(test_fill_refused), UNIT_TEST(test_fill_missing), UNIT_TEST(test_same_fixed),
	UNIT_TEST(test_check_table), UNIT_TEST(test_check_table_twice), UNIT_TEST(test_schema),
	{ NULL, NULL },
};

int
main(void)
{
	return unit_run("options", tests);
}
