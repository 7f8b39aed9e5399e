/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_tables.c
 * @brief The gateway's map and radix tree: as a plain list would answer, and old roots unchanged.
 */
#include <stdlib.h>

#include "plugins/gateway/radix.h"
#include "tests/unit/unit.h"

/** An object that knows how many of its kind are alive. */
struct thing {
	struct gw_object object;
	struct gw_key key;
	unsigned number;
};
static unsigned alive;

static void
thing_free(struct gw_object *object)
{
	alive--;
	free(object);
}

static struct thing *
thing_new(struct gh_str key, unsigned number)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	CU_ASSERT_PTR_NOT_NULL_FATAL(thing);
	thing->object.free = thing_free;
	thing->key.a = key;
	thing->number = number;
	alive++;
	return thing;
}

static unsigned
number_of(const struct gw_object *object)
{
	return object != NULL ? ((const struct thing *)(const void *)object)->number : 0;
}

/** The same numbers every time. */
static unsigned
next_random(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 8;
}

#define KEYS 400
#define ROUNDS 6000
#define OLD_ROOTS 16

struct keys {
	char text[KEYS][40];
	struct gh_str key[KEYS];
	unsigned value[KEYS]; /* 0: not there */
};

/** Paths that share beginnings in many ways. */
static void
keys_init(struct keys *keys)
{
	*keys = (struct keys){ 0 };
	for (unsigned i = 0; i < KEYS; i++) {
		int n = snprintf(keys->text[i], sizeof(keys->text[i]), "/%.*s%u/v%u",
			(int)(i % 5), "abab", i / 7, i % 3);

		keys->key[i] = (struct gh_str){ keys->text[i], (size_t)n };
	}
}

static void
test_map_as_a_list_would_answer(void)
{
	static struct keys keys, old[OLD_ROOTS];
	struct gw_map *map = gw_map_new(42), *roots[OLD_ROOTS] = { NULL };
	unsigned state = 1;

	keys_init(&keys);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		unsigned i = next_random(&state) % KEYS;

		if (next_random(&state) % 3 != 0) {
			struct thing *thing = thing_new(keys.key[i], round);

			CU_ASSERT_EQUAL_FATAL(gw_map_put(&map, &thing->key, &thing->object), 0);
			keys.value[i] = round;
		} else {
			CU_ASSERT_EQUAL_FATAL(
				gw_map_remove(&map, (struct gw_key){ .a = keys.key[i] }), 0);
			keys.value[i] = 0;
		}
		if (round % (ROUNDS / OLD_ROOTS) == 0) {
			unsigned slot = round / (ROUNDS / OLD_ROOTS) - 1;

			roots[slot] = gw_map_ref(map);
			old[slot] = keys;
		}
	}
	for (unsigned slot = 0; slot < OLD_ROOTS; slot++) {
		size_t count = 0;

		for (unsigned i = 0; i < KEYS; i++) {
			struct gw_key key = { .a = keys.key[i] };

			CU_ASSERT_EQUAL(
				number_of(gw_map_get(roots[slot], key)), old[slot].value[i]);
			count += old[slot].value[i] != 0;
		}
		CU_ASSERT_EQUAL(gw_map_count(roots[slot]), count);
		gw_map_unref(roots[slot]);
	}
	gw_map_unref(map);
	CU_ASSERT_EQUAL(alive, 0);
}

static void
test_map_tells_two_parts_apart(void)
{
	struct gw_map *map = gw_map_new(7);
	struct thing *thing = thing_new(GH_STR("ab"), 1);

	thing->key.b = GH_STR("c");
	CU_ASSERT_EQUAL(gw_map_put(&map, &thing->key, &thing->object), 0);
	CU_ASSERT_EQUAL(
		number_of(gw_map_get(map, (struct gw_key){ GH_STR("ab"), GH_STR("c") })), 1);
	CU_ASSERT_PTR_NULL(gw_map_get(map, (struct gw_key){ GH_STR("a"), GH_STR("bc") }));
	CU_ASSERT_PTR_NULL(gw_map_get(map, (struct gw_key){ GH_STR("abc"), GH_STR_NONE }));
	CU_ASSERT_PTR_NULL(gw_map_get(map, (struct gw_key){ GH_STR_NONE, GH_STR_NONE }));
	gw_map_unref(map);
	CU_ASSERT_EQUAL(alive, 0);
}

/** The longest key that ends where a segment of @p path ends, by trying all. */
static unsigned
longest_of(const struct keys *keys, struct gh_str path, size_t *ret_n)
{
	unsigned best = 0;

	*ret_n = 0;
	for (unsigned i = 0; i < KEYS; i++) {
		struct gh_str key = keys->key[i];

		if (keys->value[i] == 0 || key.n > path.n || memcmp(key.p, path.p, key.n) != 0)
			continue;
		if (key.n < path.n && path.p[key.n] != '/')
			continue;
		if (key.n >= *ret_n) {
			*ret_n = key.n;
			best = keys->value[i];
		}
	}
	return best;
}

static void
check_tree(const struct gw_radix *tree, const struct keys *keys)
{
	char text[64];

	for (unsigned i = 0; i < KEYS; i++) {
		size_t expected_n, n = 0;
		int len = snprintf(text, sizeof(text), "%s/more/%u", keys->text[i], i);
		struct gh_str path = { text, (size_t)len };

		CU_ASSERT_EQUAL(number_of(gw_radix_get(tree, keys->key[i])), keys->value[i]);
		unsigned expected = longest_of(keys, path, &expected_n);

		CU_ASSERT_EQUAL(number_of(gw_radix_longest(tree, path, &n)), expected);
		CU_ASSERT_EQUAL(n, expected_n);
	}
}

static void
test_radix_as_a_list_would_answer(void)
{
	static struct keys keys, old[OLD_ROOTS];
	struct gw_radix *tree = NULL, *roots[OLD_ROOTS] = { NULL };
	unsigned state = 5;

	keys_init(&keys);
	/* Keys that begin each other at a '/' and elsewhere. */
	for (unsigned i = 0; i < KEYS; i += 4)
		keys.key[i].n -= 3;
	/* Cutting made some of them equal: the first one counts. */
	for (unsigned round = 1; round <= ROUNDS; round++) {
		unsigned i = next_random(&state) % KEYS, first = 0;

		while (!gh_str_eq(keys.key[first], keys.key[i]))
			first++;
		if (next_random(&state) % 3 != 0) {
			struct thing *thing = thing_new(GH_STR_NONE, round);

			CU_ASSERT_EQUAL_FATAL(gw_radix_put(&tree, keys.key[i], &thing->object), 0);
		} else {
			CU_ASSERT_EQUAL_FATAL(gw_radix_remove(&tree, keys.key[i]), 0);
		}
		unsigned value = number_of(gw_radix_get(tree, keys.key[i]));

		for (unsigned j = first; j < KEYS; j++)
			if (gh_str_eq(keys.key[j], keys.key[i]))
				keys.value[j] = value;
		if (round % (ROUNDS / OLD_ROOTS) == 0) {
			unsigned slot = round / (ROUNDS / OLD_ROOTS) - 1;

			roots[slot] = gw_radix_ref(tree);
			old[slot] = keys;
		}
	}
	for (unsigned slot = 0; slot < OLD_ROOTS; slot++) {
		for (unsigned i = 0; i < KEYS; i++)
			old[slot].key[i] = keys.key[i];
		check_tree(roots[slot], &old[slot]);
		gw_radix_unref(roots[slot]);
	}
	for (unsigned i = 0; i < KEYS; i++)
		CU_ASSERT_EQUAL(gw_radix_remove(&tree, keys.key[i]), 0);
	gw_radix_unref(tree);
	CU_ASSERT_EQUAL(alive, 0);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_map_as_a_list_would_answer),
	UNIT_TEST(test_map_tells_two_parts_apart),
	UNIT_TEST(test_radix_as_a_list_would_answer),
	{ .name = NULL },
};

int
main(void)
{
	return unit_run("gateway_tables", tests);
}
