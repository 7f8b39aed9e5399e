/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file block.c
 * @brief The size stands in front of every block, so that freeing one can wipe it.
 */
#include <stdlib.h>

#include "lib/block/block.h"

struct head {
	_Alignas(max_align_t) size_t n;
};

void *
block_new(size_t n)
{
	struct head *head = calloc(1, sizeof(*head) + n);

	if (head == NULL)
		return NULL;
	head->n = n;
	return head + 1;
}

void
block_free(void *block)
{
	struct head *head = block;

	if (block == NULL)
		return;
	head--;
	explicit_bzero(head, sizeof(*head) + head->n);
	free(head);
}

void *
block_copy(const void *proto, size_t size, const size_t *offsets, size_t n)
{
	size_t total = size;

	for (size_t i = 0; i < n; i++)
		total += ((const struct gh_str *)((const char *)proto + offsets[i]))->n + 1;
	char *block = block_new(total), *at = block + size;

	if (block == NULL)
		return NULL;
	memcpy(block, proto, size);
	for (size_t i = 0; i < n; i++) {
		struct gh_str *s = (struct gh_str *)(block + offsets[i]);

		if (s->n != 0)
			memcpy(at, s->p, s->n);
		s->p = at;
		at += s->n + 1;
	}
	return block;
}
