/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file buffer.c
 * @brief Bytes that grow by doubling.
 */
#include <stdlib.h>

#include "lib/buffer/buffer.h"

int
buffer_add(struct buffer *b, const char *p, size_t n, uint64_t cap)
{
	if (n > cap || b->n > cap - n)
		return GH_ETOOBIG;
	if (b->n + n > b->size) {
		size_t size = b->size == 0 ? 1024 : b->size * 2;

		while (size < b->n + n)
			size *= 2;
		char *grown = realloc(b->p, size);

		if (grown == NULL)
			return GH_ENOMEM;
		b->p = grown;
		b->size = size;
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return GH_OK;
}

void
buffer_done(struct buffer *b)
{
	free(b->p);
	*b = (struct buffer){ .p = NULL };
}
