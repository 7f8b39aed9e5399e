/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file arena.h
 * @brief Memory of one object of the snapshot: many small pieces that are freed together.
 */
#ifndef GATEWAY_ARENA_H
#define GATEWAY_ARENA_H
#include <gatehouse/base.h>
#include <stdlib.h>

/** A zeroed struct is an empty arena. */
struct gw_arena {
	struct gw_arena_block *blocks;
	char *at;
	size_t left;  /**< Free bytes behind at. */
	size_t block; /**< Least size of the next block; 0: the default. */
};

struct gw_arena_block {
	struct gw_arena_block *next;
	_Alignas(16) char bytes[];
};

#define GW_ARENA_BLOCK 1000

/** @param align  a power of two up to 16.  @return NULL: out of memory. */
static inline void *
gw_arena_take(struct gw_arena *arena, size_t bytes, size_t align)
{
	size_t gap = -(uintptr_t)arena->at & (align - 1);

	if (gap + bytes > arena->left) {
		size_t size = arena->block > 0 ? arena->block : GW_ARENA_BLOCK;

		if (size < bytes)
			size = bytes;
		struct gw_arena_block *block = calloc(1, sizeof(*block) + size);

		if (block == NULL)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->at = block->bytes;
		arena->left = size;
		arena->block = 0;
		gap = 0;
	}
	char *p = arena->at + gap;

	arena->at = p + bytes;
	arena->left -= gap + bytes;
	return p;
}

/** Zeroed, aligned for any type.  @return NULL: out of memory. */
static inline void *
gw_arena_alloc(struct gw_arena *arena, size_t bytes)
{
	return gw_arena_take(arena, bytes, 16);
}

/** Copy @p s.  @return 0 or GH_ENOMEM. */
static inline int
gw_arena_str(struct gw_arena *arena, struct gh_str s, struct gh_str *ret)
{
	*ret = GH_STR_NONE;
	if (s.n == 0)
		return 0;
	char *p = gw_arena_take(arena, s.n, 1);

	if (p == NULL)
		return GH_ENOMEM;
	memcpy(p, s.p, s.n);
	*ret = (struct gh_str){ p, s.n };
	return 0;
}

static inline void
gw_arena_free(struct gw_arena *arena)
{
	while (arena->blocks != NULL) {
		struct gw_arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
}

#endif
