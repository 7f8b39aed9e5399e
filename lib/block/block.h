/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file block.h
 * @brief Results of services: a struct and its strings in one allocation that is wiped when freed.
 */
#ifndef LIB_BLOCK_BLOCK_H
#define LIB_BLOCK_BLOCK_H
#include <gatehouse/base.h>

/** @return zeroed memory, GIVE: block_free(); or NULL. */
void *block_new(size_t n);
/** Wipe and free.  NULL is allowed. */
void block_free(void *block);
/** Copy a struct with its strings, each NUL-terminated behind its end.
 *  @param offsets  where its @p n members of type struct gh_str stand.
 *  @return GIVE: block_free(); NULL: out of memory. */
void *block_copy(const void *proto, size_t size, const size_t *offsets, size_t n);

#endif
