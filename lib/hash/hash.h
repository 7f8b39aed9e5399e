/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hash.h
 * @brief Keyed hashing of byte strings for tables in memory.
 *
 * Fast, well mixed in all 64 bits, and keyed, so that whoever sends the strings cannot choose ones
 * that collide.  Not for signatures and not for what is stored: the value depends on seed and
 * machine.
 */
#ifndef LIB_HASH_HASH_H
#define LIB_HASH_HASH_H
#include <gatehouse/base.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/** A seed for one table. */
uint64_t hash_seed(void);

/** Hash of @p s.  The hash of one string may be the seed for the next. */
static inline uint64_t
hash_bytes(uint64_t seed, struct gh_str s)
{
	return XXH3_64bits_withSeed(s.n > 0 ? s.p : "", s.n, seed);
}

#endif
