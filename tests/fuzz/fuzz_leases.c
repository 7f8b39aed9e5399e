/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_leases.c
 * @brief Any bytes as asks of a gateway and as grants of a traffic manager.
 */
#include <stdlib.h>

#include "plugins/throttle/throttle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct throttle_ask asks[ASKS_MAX];
	static struct throttle_grant grants[ASKS_MAX];
	struct gh_str bytes = { (const char *)data, size };
	const char *why;
	size_t n;

	if (throttle_asks_read(bytes, asks, &n, &why) == 0)
		for (size_t i = 0; i < n; i++)
			if (asks[i].key.n == 0 || asks[i].want == 0 || asks[i].window_ms == 0)
				abort();
	for (n = 0; n < 3; n++)
		if (throttle_grants_read(bytes, n, grants) == 0 && n > 0 &&
			grants[0].amount > ASKS_WANT_MAX)
			abort();
	return 0;
}
