/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_parcel.c
 * @brief Any bytes as usage from another node.
 */
#include <stdlib.h>

#include "plugins/analytics/analytics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
see_row(void *arg, const struct gh_series_row *row)
{
	if (row->key.n != PARCEL_KEY_BYTES || row->value.n == 0)
		abort();
	++*(size_t *)arg;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parcel_number number;
	uint64_t latest_s;
	const char *why;
	size_t n = 0;
	int r = parcel_read((struct gh_str){ (const char *)data, size }, &number, &latest_s,
		see_row, &n, &why);

	if (r != 0 && (r != GH_EINVAL || n > 0 || why == NULL))
		abort();
	if (r == 0 && (number.run == 0 || number.seq == 0))
		abort();
	return 0;
}
