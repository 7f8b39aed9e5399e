/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_doc.c
 * @brief lib/doc: what is refused, what is read, what is written, and JSON both ways.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/doc/doc_json.h"
#include "tests/unit/unit.h"

static void
release(struct gh_str body)
{
	free((void *)body.p);
}

static const struct {
	const char *what;
	struct gh_str body;
	int expected;
} checks[] = {
	{ "empty map", GH_STR("\x80"), 0 },
	{ "one field", GH_STR("\x81\xa1" "a\x01"), 0 },
	{ "nested array", GH_STR("\x81\xa1" "a\x92\xc0\xc3"), 0 },
	{ "all number widths",
		GH_STR("\x84\xa1" "a\xcc\xff\xa1" "b\xd1\xff\x00\xa1" "c\xca\x3f\x80\x00\x00\xa1"
		       "d\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), 0 },
	{ "nothing", GH_STR(""), GH_EINVAL },
	{ "no map", GH_STR("\x01"), GH_EINVAL },
	{ "an array", GH_STR("\x90"), GH_EINVAL },
	{ "something after the map", GH_STR("\x80\x80"), GH_EINVAL },
	{ "value missing", GH_STR("\x81\xa1" "a"), GH_EINVAL },
	{ "string cut short", GH_STR("\x81\xa1" "a\xa5" "abc"), GH_EINVAL },
	{ "string longer than memory", GH_STR("\x81\xa1" "a\xdb\xff\xff\xff\xff" "b"), GH_EINVAL },
	{ "map bigger than the body", GH_STR("\xdf\xff\xff\xff\xff\xa1" "a\x01"), GH_EINVAL },
	{ "length cut short", GH_STR("\x81\xa1" "a\xda\x00"), GH_EINVAL },
	{ "number cut short", GH_STR("\x81\xa1" "a\xcf\x00\x00"), GH_EINVAL },
	{ "name is a number", GH_STR("\x81\x01\x01"), GH_EINVAL },
	{ "nested name is a number", GH_STR("\x81\xa1" "a\x81\x01\x01"), GH_EINVAL },
	{ "byte 0xc1", GH_STR("\x81\xa1" "a\xc1"), GH_EINVAL },
	{ "extension type", GH_STR("\x81\xa1" "a\xd4\x01\x00"), GH_EINVAL },
};

static void
test_check(void)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = doc_check(checks[i].body);

		if (r != checks[i].expected)
			printf("\n  %s: %d instead of %d\n", checks[i].what, r, checks[i].expected);
		CU_ASSERT_EQUAL(r, checks[i].expected);
	}
}

/** A map inside @p depth - 1 arrays. */
static int
check_depth(unsigned depth)
{
	char body[80] = "\x81\xa1" "a";
	size_t n = 3;

	for (unsigned i = 2; i < depth; i++)
		body[n++] = (char)0x91;
	body[n++] = (char)0x90;
	return doc_check((struct gh_str){ body, n });
}

static void
test_check_depth(void)
{
	CU_ASSERT_EQUAL(check_depth(DOC_DEPTH_MAX), 0);
	CU_ASSERT_EQUAL(check_depth(DOC_DEPTH_MAX + 1), GH_ETOOBIG);
}

/** A body with a field of each type. */
static struct gh_str
sample(void)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "name", GH_STR("books"));
	doc_put_int(&w, "negative", -70000);
	doc_put_int(&w, "largest", INT64_MAX);
	doc_put_bool(&w, "yes", true);
	doc_put_float(&w, "half", 0.5);
	doc_put_nil(&w, "nothing");
	doc_put_bin(&w, "sealed", GH_STR("\0\1\2"));
	doc_begin_array(&w, "scopes");
	doc_put_str(&w, NULL, GH_STR("read"));
	doc_put_str(&w, NULL, GH_STR("write"));
	doc_end(&w);
	doc_begin_map(&w, "inner");
	doc_put_key(&w, GH_STR("a key"));
	doc_put_int(&w, NULL, 7);
	doc_end(&w);
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
	CU_ASSERT_EQUAL(doc_check(body), 0);
	return body;
}

static void
test_read_what_was_written(void)
{
	struct gh_str body = sample();
	struct doc_value v;

	CU_ASSERT(gh_str_eq(doc_str(body, "name"), GH_STR("books")));
	CU_ASSERT_EQUAL(doc_int(body, "negative", 0), -70000);
	CU_ASSERT_EQUAL(doc_int(body, "largest", 0), INT64_MAX);
	CU_ASSERT(doc_bool(body, "yes", false));
	CU_ASSERT_EQUAL(doc_float(body, "half", 0), 0.5);
	CU_ASSERT_EQUAL(doc_float(body, "negative", 0), -70000.0);
	CU_ASSERT(gh_str_eq(doc_bin(body, "sealed"), GH_STR("\0\1\2")));
	CU_ASSERT(doc_has(body, "nothing"));
	CU_ASSERT_EQUAL(doc_find(body, GH_STR("nothing"), &v), 0);
	CU_ASSERT_EQUAL(v.type, DOC_NIL);
	CU_ASSERT_EQUAL(doc_int(doc_map(body, "inner"), "a key", 0), 7);
	/* absent, or of another type */
	CU_ASSERT_EQUAL(doc_str(body, "negative").n, 0);
	CU_ASSERT_EQUAL(doc_str(body, "sealed").n, 0);
	CU_ASSERT_EQUAL(doc_int(body, "name", 42), 42);
	CU_ASSERT_EQUAL(doc_int(body, "absent", 42), 42);
	CU_ASSERT_EQUAL(doc_map(body, "scopes").n, 0);
	CU_ASSERT_EQUAL(doc_find(GH_STR("\x92\xa1" "a\x01"), GH_STR("a"), &v), GH_ENOENT);
	release(body);
}

static void
test_iterate(void)
{
	struct gh_str body = sample(), name;
	struct doc_iter it = doc_iter(doc_array(body, "scopes"));
	struct doc_value v;

	CU_ASSERT_EQUAL(doc_count(doc_array(body, "scopes")), 2);
	CU_ASSERT(doc_next(&it, NULL, &v) && gh_str_eq(v.s, GH_STR("read")));
	CU_ASSERT(doc_next(&it, &name, &v) && gh_str_eq(v.s, GH_STR("write")));
	CU_ASSERT(!doc_next(&it, NULL, &v));
	CU_ASSERT(!doc_next(&it, NULL, &v));

	unsigned fields = 0;

	for (it = doc_iter(body); doc_next(&it, &name, &v);)
		fields++;
	CU_ASSERT_EQUAL(fields, 9);
	it = doc_iter(GH_STR("\x93\x01"));
	CU_ASSERT(doc_next(&it, NULL, &v));
	CU_ASSERT(!doc_next(&it, NULL, &v)); /* it says three and holds one */
	it = doc_iter(GH_STR(""));
	CU_ASSERT(!doc_next(&it, NULL, &v));
	release(body);
}

/** Containers shrink their header to the shortest form. */
static void
test_write_many_items(void)
{
	static const unsigned counts[] = { 0, 15, 16, 65535, 65536 };
	static const size_t headers[] = { 1, 1, 3, 3, 5 };

	for (size_t i = 0; i < 5; i++) {
		struct gh_str body = GH_STR_NONE;
		struct doc_writer w;

		doc_writer_init(&w);
		doc_begin_array(&w, "a");
		for (unsigned k = 0; k < counts[i]; k++)
			doc_put_int(&w, NULL, k % 100);
		doc_end(&w);
		doc_put_str(&w, "z", GH_STR("end"));
		CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &body), 0);
		CU_ASSERT_EQUAL(doc_check(body), 0);
		CU_ASSERT_EQUAL(doc_array(body, "a").n, headers[i] + counts[i]);
		CU_ASSERT_EQUAL(doc_count(doc_array(body, "a")), counts[i]);
		CU_ASSERT(gh_str_eq(doc_str(body, "z"), GH_STR("end")));
		release(body);
	}
}

static void
value_without_name(struct doc_writer *w)
{
	doc_put_int(w, NULL, 1);
}

static void
name_in_array(struct doc_writer *w)
{
	doc_begin_array(w, "a");
	doc_put_int(w, "b", 1);
	doc_end(w);
}

static void
name_twice(struct doc_writer *w)
{
	doc_put_key(w, GH_STR("a"));
	doc_put_int(w, "b", 1);
}

static void
name_without_value(struct doc_writer *w)
{
	doc_put_key(w, GH_STR("a"));
}

static void
left_open(struct doc_writer *w)
{
	doc_begin_map(w, "a");
}

static void
ended_too_often(struct doc_writer *w)
{
	doc_end(w);
}

static void
damaged_value(struct doc_writer *w)
{
	doc_put_map(w, "a", GH_STR("\x81\xa1" "a"));
}

static void
too_deep(struct doc_writer *w)
{
	doc_begin_array(w, "a");
	for (unsigned i = 1; i < DOC_DEPTH_MAX; i++)
		doc_begin_array(w, NULL);
}

static void
too_big(struct doc_writer *w)
{
	static char megabyte[1 << 20];

	for (unsigned i = 0; i < 9; i++)
		doc_put_bin(w, "a", (struct gh_str){ megabyte, sizeof(megabyte) });
}

static const struct {
	const char *what;
	void (*fn)(struct doc_writer *w);
	int expected;
} misuses[] = {
	{ "value without a name", value_without_name, GH_EINVAL },
	{ "name in an array", name_in_array, GH_EINVAL },
	{ "name twice", name_twice, GH_EINVAL },
	{ "name without a value", name_without_value, GH_EINVAL },
	{ "left open", left_open, GH_EINVAL },
	{ "ended too often", ended_too_often, GH_EINVAL },
	{ "damaged value", damaged_value, GH_EINVAL },
	{ "too deep", too_deep, GH_ETOOBIG },
	{ "too big", too_big, GH_ETOOBIG },
};

static void
test_write_misuse(void)
{
	for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
		struct gh_str body = GH_STR_NONE;
		struct doc_writer w;

		doc_writer_init(&w);
		misuses[i].fn(&w);
		int r = doc_finish(&w, &body);

		if (r != misuses[i].expected)
			printf("\n  %s: %d\n", misuses[i].what, r);
		CU_ASSERT_EQUAL(r, misuses[i].expected);
		CU_ASSERT_PTR_NULL(body.p);
		CU_ASSERT(doc_finish(&w, &body) < 0); /* empty by now */
	}
}

static void
test_set_and_merge(void)
{
	struct gh_str body = sample(), changed, changes, merged;
	struct doc_writer w;

	CU_ASSERT_EQUAL_FATAL(doc_set(body, "name", DOC_OF_STR(GH_STR("tea")), &changed), 0);
	CU_ASSERT(gh_str_eq(doc_str(changed, "name"), GH_STR("tea")));
	CU_ASSERT_EQUAL(doc_count(changed), doc_count(body));
	CU_ASSERT_EQUAL(doc_int(doc_map(changed, "inner"), "a key", 0), 7);
	release(changed);
	CU_ASSERT_EQUAL_FATAL(doc_set(body, "new", DOC_OF_INT(1), &changed), 0);
	CU_ASSERT_EQUAL(doc_int(changed, "new", 0), 1);
	CU_ASSERT_EQUAL(doc_count(changed), doc_count(body) + 1);
	release(changed);
	CU_ASSERT_EQUAL_FATAL(doc_set(body, "name", NULL, &changed), 0);
	CU_ASSERT(!doc_has(changed, "name"));
	release(changed);

	doc_writer_init(&w);
	doc_put_nil(&w, "name");
	doc_put_bool(&w, "yes", false);
	doc_put_str(&w, "more", GH_STR("x"));
	doc_put_nil(&w, "never there");
	CU_ASSERT_EQUAL_FATAL(doc_finish(&w, &changes), 0);
	CU_ASSERT_EQUAL_FATAL(doc_merge(body, changes, &merged), 0);
	CU_ASSERT(!doc_has(merged, "name"));
	CU_ASSERT(!doc_bool(merged, "yes", true));
	CU_ASSERT(gh_str_eq(doc_str(merged, "more"), GH_STR("x")));
	CU_ASSERT(!doc_has(merged, "never there"));
	CU_ASSERT_EQUAL(doc_count(merged), doc_count(body));
	CU_ASSERT_EQUAL(doc_set(GH_STR("\x81"), "a", DOC_OF_BOOL(true), &changed), GH_EINVAL);
	release(merged);
	release(changes);
	release(body);
}

static void
test_json_round_trip(void)
{
	static const char text[] =
		"{\"a\":[1,-2,0.25,true,false,null,\"\\u00e4\",{\"b\":{}}],\"c\":\"\"}";
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *back = NULL;
	struct gh_str body;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_EQUAL_FATAL(doc_from_json(json, &body), 0);
	CU_ASSERT_EQUAL_FATAL(doc_map_to_json(body, &back), 0);
	CU_ASSERT(json_equal(json, back));
	json_decref(json);
	json_decref(back);
	release(body);
}

static const struct {
	const char *what;
	struct gh_str body;
	int expected;
} not_json[] = {
	{ "binary", GH_STR("\x81\xa1" "a\xc4\x01\x00"), GH_EINVAL },
	{ "string that is no UTF-8", GH_STR("\x81\xa1" "a\xa1\xff"), GH_EINVAL },
	{ "name that is no UTF-8", GH_STR("\x81\xa1\xff\x01"), GH_EINVAL },
	{ "name with a NUL", GH_STR("\x81\xa1\x00\x01"), GH_EINVAL },
	{ "name twice", GH_STR("\x82\xa1" "a\x01\xa1" "a\x02"), GH_EINVAL },
	{ "integer above INT64_MAX",
		GH_STR("\x81\xa1" "a\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), GH_EINVAL },
	{ "infinity", GH_STR("\x81\xa1" "a\xca\x7f\x80\x00\x00"), GH_EINVAL },
	{ "damaged", GH_STR("\x81\xa1" "a"), GH_EINVAL },
};

static void
test_json_refusals(void)
{
	for (size_t i = 0; i < sizeof(not_json) / sizeof(not_json[0]); i++) {
		json_t *json = NULL;
		int r = doc_map_to_json(not_json[i].body, &json);

		if (r != not_json[i].expected)
			printf("\n  %s: %d\n", not_json[i].what, r);
		CU_ASSERT_EQUAL(r, not_json[i].expected);
		CU_ASSERT_PTR_NULL(json);
	}
	json_t *array = json_array();
	struct gh_str body;

	CU_ASSERT_EQUAL(doc_from_json(array, &body), GH_EINVAL);
	json_decref(array);
}

static void
test_json_depth(void)
{
	json_t *json = json_object();
	struct gh_str body;

	for (unsigned i = 1; i < DOC_DEPTH_MAX; i++)
		json = json_pack("{so}", "a", json);
	CU_ASSERT_EQUAL(doc_from_json(json, &body), 0);
	release(body);
	json = json_pack("{so}", "a", json);
	CU_ASSERT_EQUAL(doc_from_json(json, &body), GH_ETOOBIG);
	json_decref(json);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_check), UNIT_TEST(test_check_depth),
		UNIT_TEST(test_read_what_was_written), UNIT_TEST(test_iterate),
		UNIT_TEST(test_write_many_items), UNIT_TEST(test_write_misuse),
		UNIT_TEST(test_set_and_merge), UNIT_TEST(test_json_round_trip),
		UNIT_TEST(test_json_refusals), UNIT_TEST(test_json_depth),
		{ .name = NULL },
	};

	return unit_run("doc", tests);
}
