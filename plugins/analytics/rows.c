/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rows.c
 * @brief A table of sketches by key: chains, as many as there are rows, at most @c max of them.
 */
#include <stdlib.h>

#include "plugins/analytics/analytics.h"

#define CHAINS_MIN 64u

struct rows {
	size_t n, max;
	uint64_t last_number;
	size_t chain_count; /* a power of two */
	struct row **chains;
};

struct rows *
rows_new(size_t max)
{
	struct rows *rows = calloc(1, sizeof(*rows));

	if (rows == NULL)
		return NULL;
	rows->max = max;
	rows->chain_count = CHAINS_MIN;
	rows->chains = calloc(CHAINS_MIN, sizeof(struct row *));
	if (rows->chains == NULL) {
		free(rows);
		return NULL;
	}
	return rows;
}

static void
row_free(struct row *row)
{
	sketch_done(&row->sketch);
	free(row);
}

static bool
always(const void *arg, const struct row *row)
{
	(void)arg;
	(void)row;
	return true;
}

void
rows_free(struct rows *rows)
{
	if (rows == NULL)
		return;
	rows_remove(rows, always, NULL);
	free(rows->chains);
	free(rows);
}

size_t
rows_count(const struct rows *rows)
{
	return rows->n;
}

static struct row **
chain_of(struct rows *rows, uint64_t hash)
{
	return &rows->chains[hash & (rows->chain_count - 1)];
}

/* Twice as many chains.  Without memory for them the old ones just get longer. */
static void
grow(struct rows *rows)
{
	struct row **chains = calloc(2 * rows->chain_count, sizeof(struct row *));
	struct row **old = rows->chains;
	size_t old_count = rows->chain_count;

	if (chains == NULL)
		return;
	rows->chains = chains;
	rows->chain_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++)
		for (struct row *row = old[i], *next; row != NULL; row = next) {
			next = row->next;
			row->next = *chain_of(rows, row->hash);
			*chain_of(rows, row->hash) = row;
		}
	free(old);
}

struct row *
rows_get(struct rows *rows, uint64_t hash, struct gh_str key)
{
	for (struct row *row = *chain_of(rows, hash); row != NULL; row = row->next)
		if (row->hash == hash && row->n == key.n && memcmp(row->key, key.p, key.n) == 0)
			return row;
	if (rows->n >= rows->max)
		return NULL;
	if (rows->n >= rows->chain_count)
		grow(rows);
	struct row *row = calloc(1, sizeof(*row) + key.n);

	if (row == NULL)
		return NULL;
	row->hash = hash;
	row->number = ++rows->last_number;
	row->n = (uint32_t)key.n;
	memcpy(row->key, key.p, key.n);
	row->next = *chain_of(rows, hash);
	*chain_of(rows, hash) = row;
	rows->n++;
	return row;
}

int
rows_each(struct rows *rows, int (*fn)(void *arg, struct row *row), void *arg)
{
	int r = 0;

	for (size_t i = 0; i < rows->chain_count; i++)
		for (struct row *row = rows->chains[i]; row != NULL && r == 0; row = row->next)
			r = fn(arg, row);
	return r;
}

void
rows_remove(struct rows *rows, bool (*is_over)(const void *arg, const struct row *row),
	const void *arg)
{
	for (size_t i = 0; i < rows->chain_count; i++)
		for (struct row **at = &rows->chains[i], *row; (row = *at) != NULL;) {
			if (!is_over(arg, row)) {
				at = &row->next;
				continue;
			}
			*at = row->next;
			row_free(row);
			rows->n--;
		}
}
