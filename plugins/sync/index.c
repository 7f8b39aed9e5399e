/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file index.c
 * @brief Which record of each document counts: open addressing over hashes of 128 bits.
 *
 * Two documents of one hash would be taken for one; under a random key that is less likely than a
 * fault of the memory.
 */
#include <stdlib.h>

#include "lib/hash/hash.h"
#include "plugins/sync/replica_file.h"

#define SIZE_MIN 64

struct replica_key
replica_key_of(const struct replica_index *index, const struct gh_doc *doc)
{
	struct replica_key key;
	uint64_t seeds[2] = { index->seed, ~index->seed }, hashes[2];

	for (unsigned i = 0; i < 2; i++) {
		/* Lengths first: "ab" + "c" is another document than "a" + "bc". */
		uint64_t lengths[3] = { doc->tenant.n, doc->kind.n, doc->id.n };
		uint64_t h = hash_bytes(seeds[i],
			(struct gh_str){ (const char *)lengths, sizeof(lengths) });

		h = hash_bytes(h, doc->tenant);
		h = hash_bytes(h, doc->kind);
		hashes[i] = hash_bytes(h, doc->id);
	}
	key.a = hashes[0];
	key.b = hashes[1];
	return key;
}

static struct replica_slot *
slot_of(const struct replica_index *index, struct replica_key key)
{
	size_t i = (size_t)key.a & (index->size - 1);

	while (index->slots[i].record != 0 &&
		(index->slots[i].key.a != key.a || index->slots[i].key.b != key.b))
		i = (i + 1) & (index->size - 1);
	return &index->slots[i];
}

int
replica_index_reserve(struct replica_index *index, size_t n)
{
	size_t size = index->size > 0 ? index->size : SIZE_MIN;

	while ((index->used + n) * 4 > size * 3)
		size *= 2;
	if (size == index->size)
		return GH_OK;
	struct replica_slot *slots = calloc(size, sizeof(*slots));

	if (slots == NULL)
		return GH_ENOMEM;
	struct replica_index grown = { .seed = index->seed, .slots = slots, .size = size };

	for (size_t i = 0; i < index->size; i++) {
		const struct replica_slot *s = &index->slots[i];

		if (s->record == 0 || s->is_deleted)
			continue;
		*slot_of(&grown, s->key) = *s;
		grown.used++;
		grown.live++;
	}
	free(index->slots);
	*index = grown;
	return GH_OK;
}

void
replica_index_apply(struct replica_index *index, const struct replica_pending *change)
{
	struct replica_slot *s = slot_of(index, change->key);
	bool was_live = s->record != 0 && !s->is_deleted;

	if (s->record == 0) {
		if (change->is_deleted)
			return;
		index->used++;
	}
	index->live += !change->is_deleted;
	index->live -= was_live;
	*s = (struct replica_slot){ change->key, change->is_deleted ? s->record
		: change->record + 1, change->is_deleted };
}

uint8_t *
replica_index_bits(const struct replica_index *index, uint64_t records)
{
	uint8_t *bits = calloc(1, (size_t)(records / 8) + 1);

	for (size_t i = 0; bits != NULL && i < index->size; i++) {
		const struct replica_slot *s = &index->slots[i];

		if (s->record != 0 && !s->is_deleted && s->record <= records)
			bits[(s->record - 1) / 8] |= (uint8_t)(1u << (s->record - 1) % 8);
	}
	return bits;
}
