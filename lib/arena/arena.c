/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file arena.c
 * @brief Chunks behind one pointer; large blocks get chunks of their own.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/arena/arena.h"

#define CHUNK_BYTES 8192u

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of the memory behind this head */
};
/* Keeps the memory behind the head aligned for any type. */
#define HEAD_BYTES ((sizeof(struct arena_chunk) + 15u) & ~(size_t)15)

void
arena_init(struct arena *arena, char *first, size_t first_size, size_t max)
{
	*arena = (struct arena){ .max = max, .first = first, .first_size = first_size };
	arena_reset(arena);
}

void
arena_reset(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	arena->used = 0;
	arena->at = arena->first;
	arena->end = arena->first != NULL ? arena->first + arena->first_size : NULL;
}

/* A chunk with room for at least @p bytes; becomes the current one. */
static char *
chunk_new(struct arena *arena, size_t bytes)
{
	if (bytes > arena->max || arena->used > arena->max - bytes)
		return NULL;
	struct arena_chunk *c = malloc(HEAD_BYTES + bytes);

	if (c == NULL)
		return NULL;
	c->next = arena->chunks;
	c->size = bytes;
	arena->chunks = c;
	arena->used += bytes;
	return (char *)c + HEAD_BYTES;
}

void *
arena_alloc(struct arena *arena, size_t bytes)
{
	if (bytes > arena->max)
		return NULL;
	size_t need = (bytes + 15u) & ~(size_t)15;
	char *p;

#ifdef GH_DEBUG_ARENA
	p = chunk_new(arena, bytes > 0 ? bytes : 1);
#else
	if (need <= (size_t)(arena->end - arena->at)) {
		p = arena->at;
		arena->at += need;
	} else if (need > CHUNK_BYTES / 4) {
		p = chunk_new(arena, need); /* large: a chunk of its own, the current one stays */
	} else {
		p = chunk_new(arena, CHUNK_BYTES);
		if (p != NULL) {
			arena->at = p + need;
			arena->end = p + CHUNK_BYTES;
		}
	}
#endif
	(void)need;
	return p != NULL ? memset(p, 0, bytes) : NULL;
}

struct gh_str
arena_strdup(struct arena *arena, struct gh_str s)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (p == NULL)
		return GH_STR_NONE;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct gh_str){ p, s.n };
}

struct gh_str
arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
{
	va_list again;
	char *p = NULL;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);

	if (n >= 0)
		p = arena_alloc(arena, (size_t)n + 1);
	if (p != NULL)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p != NULL ? (struct gh_str){ p, (size_t)n } : GH_STR_NONE;
}
