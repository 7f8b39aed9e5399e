/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_parcel.c
 * @brief Any bytes as usage from another node.
 */
#include <stdlib.h>

#include "plugins/analytics/analytics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parcel parcel;
	const char *why;
	int r = parcel_read((struct gh_str){ (const char *)data, size }, &parcel, &why);

	if (r == GH_EINVAL && why == NULL)
		abort();
	if (r < 0)
		return 0;
	if (parcel.number.run == 0 || parcel.number.seq == 0)
		abort();
	for (size_t i = 0; i < parcel.n; i++)
		if (parcel.rows[i].key.n != PARCEL_KEY_BYTES || parcel.rows[i].value.n == 0 ||
			parcel.rows[i].bucket_s > parcel.latest_s)
			abort();
	parcel_done(&parcel);
	return 0;
}
