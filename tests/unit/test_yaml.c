/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_yaml.c
 * @brief lib/yaml: types, lines, refusals, limits, expansion, conversion to JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/yaml/yaml.h"
#include "lib/yaml/yaml_json.h"
#include "lib/yaml/yaml_write.h"
#include "tests/unit/unit.h"

static char error[512];

static struct yaml_doc *
parse(const char *text)
{
	struct yaml_doc *doc = NULL;

	error[0] = '\0';
	return yaml_parse(gh_str_of(text), NULL, NULL, NULL, &doc, error, sizeof(error)) == 0
		       ? doc
		       : NULL;
}

static void
test_type_by_core_schema(void)
{
	static const struct {
		const char *text;
		enum yaml_type type;
	} rows[] = {
		{ "a: ", YAML_TYPE_NULL },
		{ "a: ~", YAML_TYPE_NULL },
		{ "a: null", YAML_TYPE_NULL },
		{ "a: nULL", YAML_TYPE_STR },
		{ "a: true", YAML_TYPE_BOOL },
		{ "a: FALSE", YAML_TYPE_BOOL },
		{ "a: yes", YAML_TYPE_STR },
		{ "a: no", YAML_TYPE_STR },
		{ "a: on", YAML_TYPE_STR },
		{ "a: 12", YAML_TYPE_INT },
		{ "a: -12", YAML_TYPE_INT },
		{ "a: +012", YAML_TYPE_INT },
		{ "a: 0o17", YAML_TYPE_INT },
		{ "a: 0o18", YAML_TYPE_STR },
		{ "a: 0xfF", YAML_TYPE_INT },
		{ "a: -0xff", YAML_TYPE_STR },
		{ "a: 1_000", YAML_TYPE_STR },
		{ "a: 0x", YAML_TYPE_STR },
		{ "a: 1.5", YAML_TYPE_FLOAT },
		{ "a: .5", YAML_TYPE_FLOAT },
		{ "a: 5.", YAML_TYPE_FLOAT },
		{ "a: 1e3", YAML_TYPE_FLOAT },
		{ "a: 1e", YAML_TYPE_STR },
		{ "a: .", YAML_TYPE_STR },
		{ "a: -.inf", YAML_TYPE_FLOAT },
		{ "a: .NaN", YAML_TYPE_FLOAT },
		{ "a: -.nan", YAML_TYPE_STR },
		{ "a: '12'", YAML_TYPE_STR },
		{ "a: \"true\"", YAML_TYPE_STR },
		{ "a: !!str 12", YAML_TYPE_STR },
		{ "a: ! 12", YAML_TYPE_STR },
		{ "a: !!int '12'", YAML_TYPE_INT },
		{ "a: !!float 12", YAML_TYPE_INT },
		{ "a: 12s", YAML_TYPE_STR },
		{ "a: |\n  12\n", YAML_TYPE_STR },
		{ "a: 12:30", YAML_TYPE_STR },
		{ "a: 2024-01-01", YAML_TYPE_STR },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct yaml_doc *doc = parse(rows[i].text);

		CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
		const struct yaml_node *value = yaml_get(yaml_root(doc), GH_STR("a"));

		CU_ASSERT_PTR_NOT_NULL_FATAL(value);
		if (yaml_type_of(value) != rows[i].type)
			fprintf(stderr, "%s: type %d\n", rows[i].text, yaml_type_of(value));
		CU_ASSERT_EQUAL(yaml_type_of(value), rows[i].type);
		yaml_doc_free(doc);
	}
}

static void
test_tree_knows_lines(void)
{
	struct yaml_doc *doc = parse("# words\nlist:\n  - one\n  - { k: v }\nlast: 1\n");

	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	const struct yaml_node *root = yaml_root(doc), *list = yaml_get(root, GH_STR("list"));

	CU_ASSERT_EQUAL(root->n, 2);
	CU_ASSERT_EQUAL(root->key_lines[0], 2);
	CU_ASSERT_EQUAL(root->key_lines[1], 5);
	CU_ASSERT_EQUAL_FATAL(list->n, 2);
	CU_ASSERT_EQUAL(list->items[0]->line, 3);
	CU_ASSERT(gh_str_eq(list->items[0]->text, GH_STR("one")));
	CU_ASSERT_EQUAL(list->items[0]->text.p[3], '\0');
	CU_ASSERT_EQUAL(list->items[1]->kind, YAML_MAPPING_NODE_KIND);
	CU_ASSERT_PTR_NULL(yaml_get(root, GH_STR("none")));
	CU_ASSERT_PTR_NULL(yaml_get(list, GH_STR("list")));
	yaml_doc_free(doc);
}

static void
test_refused(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice" },
		{ "{\"a\": 1, \"a\": 2}", "line 1: the key 'a' is given twice" },
		{ "a: 1\n---\nb: 2\n", "line 2: a second document begins; only one is allowed" },
		{ "[a]: 1", "line 1: a key must be a single word or string" },
		{ "a: &x 1\n*x : 2\n", "line 2: a key must be a single word or string" },
		{ "a: *x", "line 1: the alias 'x' has no anchor" },
		{ "a: &x [ *x ]", "line 1: the alias 'x' stands inside of itself" },
		{ "a: !ruby/object 1",
			"line 1: only the core tags are allowed here, not '!ruby/object'" },
		{ "a: !!int x", "line 1: the value does not fit its tag" },
		{ "a: !!map 1", "line 1: only the core tags are allowed here, not "
				"'tag:yaml.org,2002:map'" },
		{ "a: [1",
			"line 2: while parsing a flow sequence: did not find expected ',' or ']'" },
		{ "a: b: c", "line 1: mapping values are not allowed in this context" },
		{ "a: 1\nb: \x01", "line 2: control characters are not allowed" },
		{ "a: \xff", "line 1: invalid leading UTF-8 octet" },
		{ "a: \t- x", "line 1: block sequence entries are not allowed in this context" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct yaml_doc *doc = parse(rows[i].text);

		CU_ASSERT_PTR_NULL(doc);
		if (strcmp(error, rows[i].why) != 0)
			fprintf(stderr, "%s\n", error);
		CU_ASSERT_STRING_EQUAL(error, rows[i].why);
		yaml_doc_free(doc);
	}
}

static void
test_empty(void)
{
	static const char *const texts[] = { "", "# only words\n", "---\n...\n" };

	for (size_t i = 0; i < 3; i++) {
		struct yaml_doc *doc = parse(texts[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
		CU_ASSERT(yaml_root(doc) == NULL || yaml_type_of(yaml_root(doc)) == YAML_TYPE_NULL);
		yaml_doc_free(doc);
	}
}

static void
test_alias_shares(void)
{
	struct yaml_doc *doc = parse("a: &x { k: 1 }\nb: *x\nc: &x 2\nd: *x\n");

	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	const struct yaml_node *root = yaml_root(doc);

	CU_ASSERT_PTR_EQUAL(root->items[0], root->items[1]);
	CU_ASSERT_PTR_EQUAL(root->items[2], root->items[3]);
	yaml_doc_free(doc);
}

static void
test_limits(void)
{
	struct yaml_limits limits = { .max_bytes = 100, .max_nodes = 6, .max_depth = 3 };
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ "[[[1]]]", 0 },
		{ "[[[[1]]]]", GH_ETOOBIG },
		{ "[1,2,3,4,5]", 0 },
		{ "[1,2,3,4,5,6]", GH_ETOOBIG },
		{ "[&a [1,2], *a]", GH_ETOOBIG },
		{ "[&a [1], *a]", 0 },
		{ "[&a [[1]], [*a]]", GH_ETOOBIG },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaa",
			GH_ETOOBIG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct yaml_doc *doc = NULL;
		int r = yaml_parse(
			gh_str_of(rows[i].text), &limits, NULL, NULL, &doc, error, sizeof(error));

		CU_ASSERT_EQUAL(r, rows[i].r);
		yaml_doc_free(doc);
	}
}

/** Nine lists, each nine times the one before: 9^9 values in 200 bytes. */
static void
test_laughs(void)
{
	struct yaml_doc *doc =
		parse("a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		      "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		      "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
		      "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n");

	CU_ASSERT_PTR_NULL(doc);
	CU_ASSERT_STRING_EQUAL(error, "line 7: more than 1000000 values");
}

static int
upper(void *arg, struct gh_str text, unsigned line, struct gh_str *ret_text, char *why,
	size_t why_size)
{
	(void)arg;
	(void)line;
	if (gh_str_eq(text, GH_STR("bad"))) {
		snprintf(why, why_size, "no");
		return GH_EINVAL;
	}
	if (gh_str_eq(text, GH_STR("port")))
		*ret_text = (struct gh_str){ strdup("9443"), 4 };
	return 0;
}

static void
test_expand(void)
{
	struct yaml_doc *doc = NULL;

	CU_ASSERT_EQUAL_FATAL(yaml_parse(GH_STR("a: port\nport: 'port'"), NULL, upper, NULL, &doc,
				      error, sizeof(error)),
		0);
	const struct yaml_node *root = yaml_root(doc);

	CU_ASSERT_EQUAL(yaml_type_of(root->items[0]), YAML_TYPE_INT);
	CU_ASSERT(gh_str_eq(root->keys[1], GH_STR("9443")));
	CU_ASSERT_EQUAL(yaml_type_of(root->items[1]), YAML_TYPE_STR);
	CU_ASSERT(gh_str_eq(root->items[1]->text, GH_STR("9443")));
	yaml_doc_free(doc);
	CU_ASSERT_EQUAL(
		yaml_parse(GH_STR("a:\n  bad"), NULL, upper, NULL, &doc, error, sizeof(error)),
		GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "line 2: no");
}

static void
test_pick(void)
{
	static const char *const keys[] = { "b", "x", NULL };
	struct yaml_doc *doc = parse("{ a: 1, b: 2, c: 3 }");

	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	const struct yaml_node *with = yaml_pick(doc, yaml_root(doc), keys, true);
	const struct yaml_node *without = yaml_pick(doc, yaml_root(doc), keys, false);

	CU_ASSERT_EQUAL(with->n, 1);
	CU_ASSERT(gh_str_eq(with->keys[0], GH_STR("b")));
	CU_ASSERT_EQUAL(without->n, 2);
	CU_ASSERT_PTR_NOT_NULL(yaml_get(without, GH_STR("c")));
	yaml_doc_free(doc);
}

static void
test_to_json(void)
{
	static const struct {
		const char *yaml, *json; /* json: NULL when it is refused. */
	} rows[] = {
		{ "", "null" },
		{ "a: [1, -2, 0x1F, 0o17, '3', x]", "{\"a\":[1,-2,31,15,\"3\",\"x\"]}" },
		{ "{a: true, b: False, c: ~, d: {}, e: []}",
			"{\"a\":true,\"b\":false,\"c\":null,\"d\":{},\"e\":[]}" },
		{ "200: ok", "{\"200\":\"ok\"}" },
		{ "[1.5, 1e2]", "[1.5,100.0]" },
		{ "[18446744073709551616]", "[1.8446744073709552e19]" },
		{ "a: &x {k: 1}\nb: *x", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}" },
		{ "\"a\\u00e9\\/\"", "\"a\xc3\xa9/\"" },
		{ "x: [.inf]", NULL },
		{ ".NaN", NULL },
		{ "-.INF", NULL },
		{ "0xfffffffffffffffff", NULL },
		{ "{\"a\\0b\": 1}", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct yaml_doc *doc = parse(rows[i].yaml);
		json_t *json = NULL;

		CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
		int r = yaml_to_json(yaml_root(doc), &json, error, sizeof(error));

		CU_ASSERT_EQUAL(r, rows[i].json != NULL ? 0 : GH_EINVAL);
		if (r == 0) {
			char *text =
				json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

			CU_ASSERT_STRING_EQUAL(text, rows[i].json);
			free(text);
		}
		json_decref(json);
		yaml_doc_free(doc);
	}
}

/** The text of a JSON text, and that it reads as the same value again. */
static void
check_written(const char *json_text, const char *expected)
{
	json_t *json = json_loads(json_text, JSON_DECODE_ANY, NULL), *again = NULL;
	struct gh_str text = GH_STR_NONE;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_EQUAL_FATAL(yaml_write(json, &text), 0);
	if (expected != NULL)
		CU_ASSERT_STRING_EQUAL(text.p, expected);
	struct yaml_doc *doc = parse(text.p);

	CU_ASSERT_EQUAL_FATAL(yaml_to_json(yaml_root(doc), &again, error, sizeof(error)), 0);
	CU_ASSERT(json_equal(json, again));
	json_decref(json);
	json_decref(again);
	yaml_doc_free(doc);
	free((void *)(uintptr_t)text.p);
}

static void
test_write_looks_as_people_write(void)
{
	check_written("{\"type\":\"api\",\"version\":\"v4.7.0\",\"data\":{\"z\":[\"http\",{\"a\":1,"
		"\"b\":[]}],\"a\":{},\"m\":null,\"f\":1.5,\"t\":true,"
		"\"u\":\"http://h:1/x\",\"d\":\"two\\nlines\\n\"}}",
		"type: api\nversion: v4.7.0\ndata:\n  z:\n  - http\n  - a: 1\n    b: []\n  a: {}\n"
		"  m: null\n  f: 1.5\n  t: true\n  u: http://h:1/x\n  d: |\n    two\n    lines\n");
	check_written("{\"a\":\"1.0\",\"b\":\"no\",\"c\":\"\"}", "a: \"1.0\"\nb: \"no\"\nc: \"\"\n");
}

static void
test_write_reads_the_same(void)
{
	static const char *const rows[] = {
		"{}", "[]", "\"\"", "null", "1", "-9223372036854775808", "1e300", "0.1",
		"[\"null\",\"~\",\"True\",\"yes\",\"0x1f\",\"1_000\",\"12:30:45\",\"2001-01-01\",\".inf\","
		"\"<<\",\"=\",\"- a\",\"a: b\",\"a #b\",\"#\",\"[a]\",\"{a}\",\"&a\",\"*a\",\"!a\","
		"\"%a\",\"@a\",\"`a\",\"'a'\",\"\\\"a\\\"\",\"a:\",\"a \",\" a\",\"a  b\",\"---\",\"...\"]",
		"[\"a\\nb\",\"a\\n\",\"a\\n\\n\",\"\\na\",\" a\\nb\",\"a \\nb\",\"a\\r\\nb\",\"a\\tb\","
		"\"a\\n\\tb\",\"a\\n  b\\nc\",\"- a\\n- b\",\"a\\u0001\\nb\",\"\\u0085\",\"\\u2028a\\nb\"]",
		"[\"\\u00e4\",\"\\ud83d\\ude00\",\"\\ud83d\\ude00\\nb\",\"\\ufeffa\",\"a\\ufeff\",\"\\ufffe\"]",
		"{\"\":1,\"no\":2,\"a b\":3,\"a: b\":4,\"1\":5,\"a\\nb\":6,\"\\u00e4\":7,\"- x\":8,\"?\":9}",
		"[[[[]],[{}]],{\"a\":[{\"b\":[[1,[2]]]}]}]",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_written(rows[i], NULL);
}

static void
test_write_has_a_bottom(void)
{
	json_t *json = json_array();
	struct gh_str text;

	for (int i = 0; i < 1000; i++) {
		json_t *outer = json_array();

		json_array_append_new(outer, json);
		json = outer;
	}
	CU_ASSERT_EQUAL(yaml_write(json, &text), GH_ETOOBIG);
	json_decref(json);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_type_by_core_schema),
	UNIT_TEST(test_tree_knows_lines),
	UNIT_TEST(test_refused),
	UNIT_TEST(test_empty),
	UNIT_TEST(test_alias_shares),
	UNIT_TEST(test_limits),
	UNIT_TEST(test_laughs),
	UNIT_TEST(test_expand),
	UNIT_TEST(test_pick),
	UNIT_TEST(test_to_json),
	UNIT_TEST(test_write_looks_as_people_write),
	UNIT_TEST(test_write_reads_the_same),
	UNIT_TEST(test_write_has_a_bottom),
	{ NULL, NULL },
};

int
main(void)
{
	return unit_run("yaml", tests);
}
