/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hash.c
 * @brief The seed of a table.
 */
#include "config.h"

#include <sys/random.h>

#include "lib/hash/hash.h"

uint64_t
hash_seed(void)
{
	uint64_t seed;

	/* Early in the life of a machine there may be no randomness yet.  A table works with any
	 * seed, it is only easier to unbalance on purpose. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = gh_mono_ns() * UINT64_C(0x9e3779b97f4a7c15);
	return seed;
}
