/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_sketch.c
 * @brief Bytes as a serialised sketch: what is taken is written again, and reads back the same.
 */
#include <stdlib.h>

#include "lib/sketch/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sketch s = { 0 };
	char bytes[SKETCH_BYTES_MAX];

	if (sketch_merge_bytes(&s, (struct gh_str){ (const char *)data, size }) < 0) {
		if (s.total != 0 || s.n != 0)
			abort();
		return 0;
	}
	size_t n = sketch_write(&s, bytes);

	if (n != size || memcmp(bytes, data, n) != 0)
		abort();
	if (sketch_quantile(&s, 0.5) > sketch_quantile(&s, 0.99))
		abort();
	sketch_done(&s);
	return 0;
}
