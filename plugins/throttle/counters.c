/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file counters.c
 * @brief Counters per key, shared by all workers and exact on the node.
 *
 * A window starts at the first hit of its key.
 */
#include <stdlib.h>

#include "plugins/throttle/throttle.h"

struct counter {
	struct throttle_entry entry;
	uint64_t used;
};

struct throttle_counters {
	struct throttle_table *table;
};

struct throttle_counters *
throttle_counters_new(uint64_t max_keys)
{
	struct throttle_counters *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->table = throttle_table_new(max_keys, sizeof(struct counter));
	if (c->table == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
throttle_counters_free(struct throttle_counters *c)
{
	if (c == NULL)
		return;
	throttle_table_free(c->table);
	free(c);
}

void
throttle_window_begin(struct throttle_entry *entry, uint64_t now_ms, uint64_t window_ms,
	uint64_t *used)
{
	if (entry->end_ms <= now_ms) {
		*used = 0;
		entry->end_ms = now_ms + window_ms;
	} else if (entry->end_ms - now_ms > window_ms) {
		entry->end_ms = now_ms + window_ms; /* the policy's window has become shorter */
	}
}

int
throttle_counters_hit(struct throttle_counters *c, uint64_t now_ms, struct gh_str key,
	uint64_t amount, uint64_t limit, uint64_t window_ms, struct gh_counted *ret_counted)
{
	struct throttle_place place;

	if (key.n == 0 || key.n > THROTTLE_KEY_MAX || window_ms == 0 ||
	    window_ms > UINT64_MAX - now_ms)
		return GH_EINVAL;
	int r = throttle_table_enter(c->table, now_ms, key, amount <= limit, &place);

	if (r == GH_ENOENT) { /* can never be admitted: no window starts */
		*ret_counted = (struct gh_counted){ .reset_ms = window_ms };
		return 0;
	}
	if (r < 0)
		return r;
	struct counter *k = (struct counter *)place.entry;

	throttle_window_begin(&k->entry, now_ms, window_ms, &k->used);
	ret_counted->is_admitted = k->used <= limit && amount <= limit - k->used;
	if (ret_counted->is_admitted)
		k->used += amount;
	ret_counted->used = k->used;
	ret_counted->reset_ms = k->entry.end_ms - now_ms;
	throttle_table_leave(&place);
	return 0;
}

int
throttle_counters_lend(struct throttle_counters *c, uint64_t now_ms, struct gh_str key,
	uint64_t want, uint64_t limit, uint64_t window_ms, struct throttle_grant *ret_grant)
{
	struct throttle_place place;

	if (key.n == 0 || key.n > THROTTLE_KEY_MAX || want == 0 || window_ms == 0 ||
	    window_ms > UINT64_MAX - now_ms)
		return GH_EINVAL;
	int r = throttle_table_enter(c->table, now_ms, key, true, &place);

	if (r < 0)
		return r;
	struct counter *k = (struct counter *)place.entry;

	throttle_window_begin(&k->entry, now_ms, window_ms, &k->used);
	uint64_t left = k->used < limit ? limit - k->used : 0, amount = want;

	if (amount > left / LEND_OF_LEFT)
		amount = left / LEND_OF_LEFT;
	if (amount > limit / LEND_OF_LIMIT)
		amount = limit / LEND_OF_LIMIT;
	if (amount == 0 && left > 0)
		amount = 1;
	k->used += amount;
	*ret_grant = (struct throttle_grant){ .amount = amount, .used = k->used,
		.reset_ms = k->entry.end_ms - now_ms };
	throttle_table_leave(&place);
	return 0;
}

void
throttle_counters_undo(struct throttle_counters *c, struct gh_str key, uint64_t amount,
	uint64_t window_end_ms)
{
	struct throttle_place place;

	if (throttle_table_enter(c->table, 0, key, false, &place) < 0)
		return;
	struct counter *k = (struct counter *)place.entry;

	if (k->entry.end_ms == window_end_ms && k->used >= amount)
		k->used -= amount;
	throttle_table_leave(&place);
}

uint64_t
throttle_counters_keys(const struct throttle_counters *c)
{
	return throttle_table_keys(c->table);
}
