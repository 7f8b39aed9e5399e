/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file overlay.c
 * @brief Changes of a group of commits that are not yet written: found by key, taken back in order.
 *
 * Checks must see the commits before them in the same group, and a commit that fails must leave no
 * trace; so this is a list that only grows and shrinks at its end, with a hash table over it.
 */
#include <stdlib.h>

#include "store/leveldb/leveldb.h"

static struct ldb_change **
bucket_of(const struct ldb_overlay *o, struct gh_str key)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
	return (struct ldb_change **)&o->buckets[(hash ^ hash >> 32) % LDB_OVERLAY_BUCKETS];
}

static struct ldb_change *
find(const struct ldb_overlay *o, struct gh_str key)
{
	for (struct ldb_change *c = *bucket_of(o, key); c != NULL; c = c->chain)
		if (!c->is_hidden && gh_str_eq(c->key, key))
			return c;
	return NULL;
}

static int
add(struct ldb_overlay *o, struct gh_str key, struct gh_str value, bool is_delete)
{
	if (o->n == o->capacity) {
		size_t capacity = o->capacity > 0 ? o->capacity * 2 : 64;
		struct ldb_change **changes = realloc(o->changes, capacity * sizeof(*changes));

		if (changes == NULL)
			return GH_ENOMEM;
		o->changes = changes;
		o->capacity = capacity;
	}
	struct ldb_change *c = malloc(sizeof(*c) + key.n + value.n);

	if (c == NULL)
		return GH_ENOMEM;
	char *bytes = (char *)(c + 1);

	memcpy(bytes, key.p, key.n);
	if (value.n > 0)
		memcpy(bytes + key.n, value.p, value.n);
	struct ldb_change **bucket = bucket_of(o, key);

	*c = (struct ldb_change){
		.key = { bytes, key.n }, .value = { bytes + key.n, value.n },
		.is_delete = is_delete, .number = o->n, .older = find(o, key), .chain = *bucket,
	};
	if (c->older != NULL)
		c->older->is_hidden = true;
	*bucket = c;
	o->changes[o->n++] = c;
	o->bytes += key.n + value.n;
	return GH_OK;
}

int
ldb_overlay_put(struct ldb_overlay *o, struct gh_str key, struct gh_str value)
{
	return add(o, key, value, false);
}

int
ldb_overlay_delete(struct ldb_overlay *o, struct gh_str key)
{
	return add(o, key, GH_STR_NONE, true);
}

const struct ldb_change *
ldb_overlay_find(const struct ldb_overlay *o, struct gh_str key)
{
	return find(o, key);
}

void
ldb_overlay_rollback(struct ldb_overlay *o, size_t mark)
{
	while (o->n > mark) {
		struct ldb_change *c = o->changes[--o->n];

		*bucket_of(o, c->key) = c->chain; /* the newest is always first in its bucket */
		if (c->older != NULL)
			c->older->is_hidden = false;
		o->bytes -= c->key.n + c->value.n;
		free(c);
	}
}

void
ldb_overlay_fill(const struct ldb_overlay *o, leveldb_writebatch_t *batch)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct ldb_change *c = o->changes[i];

		if (c->is_hidden)
			continue;
		if (c->is_delete)
			leveldb_writebatch_delete(batch, c->key.p, c->key.n);
		else
			leveldb_writebatch_put(batch, c->key.p, c->key.n, c->value.p, c->value.n);
	}
}

void
ldb_overlay_free(struct ldb_overlay *o)
{
	ldb_overlay_rollback(o, 0);
	free(o->changes);
	o->changes = NULL;
	o->capacity = 0;
}
