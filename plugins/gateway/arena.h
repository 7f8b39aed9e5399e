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
	size_t left; /**< Free bytes at the end of the first block. */
	char *at;
};

struct gw_arena_block {
	struct gw_arena_block *next;
	_Alignas(16) char bytes[];
};

#define GW_ARENA_BLOCK 1000

/** Zeroed, aligned for any type.  @return NULL: out of memory. */
static inline void *
gw_arena_alloc(struct gw_arena *arena, size_t bytes)
{
	bytes = (bytes + 15) & ~(size_t)15;
	if (bytes > arena->left) {
		size_t size = bytes > GW_ARENA_BLOCK ? bytes : GW_ARENA_BLOCK;
		struct gw_arena_block *block = calloc(1, sizeof(*block) + size);

		if (block == NULL)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->at = block->bytes;
		arena->left = size;
	}
	char *p = arena->at;

	arena->at += bytes;
	arena->left -= bytes;
	return p;
}

/** Copy @p s.  @return 0 or GH_ENOMEM. */
static inline int
gw_arena_str(struct gw_arena *arena, struct gh_str s, struct gh_str *ret)
{
	*ret = GH_STR_NONE;
	if (s.n == 0)
		return 0;
	char *p = gw_arena_alloc(arena, s.n);

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
