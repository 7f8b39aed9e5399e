/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file arena.h
 * @brief Memory of one lifetime: many small blocks, freed together, with a maximum.
 *
 * A sanitizer build (GH_DEBUG_ARENA) makes every block one malloc(), so that overruns are seen.
 */
#ifndef LIB_ARENA_ARENA_H
#define LIB_ARENA_ARENA_H
#include <gatehouse/base.h>
#include <stdarg.h>

struct arena_chunk;

struct arena {
	char *at, *end;                /**< Free room of the current chunk. */
	struct arena_chunk *chunks; /**< malloc()ed, newest first. */
	size_t used, max;              /**< Bytes handed out in chunks; most allowed. */
	char *first;                   /**< The caller's first chunk, reused after arena_reset(). */
	size_t first_size;
};

/** @param first  BORROW: memory for the first blocks, or NULL. */
void arena_init(struct arena *arena, char *first, size_t first_size, size_t max);
/** Free everything; the arena can be used again. */
void arena_reset(struct arena *arena);
/** Zeroed, 16-byte aligned.  @return NULL: over the maximum, or out of memory. */
void *arena_alloc(struct arena *arena, size_t bytes);
/** Copy, with a NUL behind it.  @return p = NULL when it failed. */
struct gh_str arena_strdup(struct arena *arena, struct gh_str s);
struct gh_str arena_vprintf(struct arena *arena, const char *fmt, va_list ap) GH_PRINTF(2, 0);

#endif
