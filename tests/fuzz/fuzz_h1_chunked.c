/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_h1_chunked.c
 * @brief Input: a byte of choices, then a chunked body.  Whole and in pieces it must hold the same.
 */
#include <stdlib.h>

#include "lib/h1/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

struct outcome {
	int result;
	size_t used, data_n;
	uint32_t sum; /**< Of the data, by place. */
};

/** Decode with the input in pieces of @p step bytes, taking at most @p take bytes at a time. */
static struct outcome
decode(const char *p, size_t n, size_t step, size_t take)
{
	struct h1_chunked d = { .state = 0 };
	struct outcome o = { .result = GH_EAGAIN };
	size_t end = 0;

	while (o.result == GH_EAGAIN && end < n) {
		end = n - end < step ? n : end + step;
		o.result = 0;
		while (o.result == 0) {
			struct gh_str data = GH_STR_NONE;
			size_t used = 0;

			o.result = h1_chunked_next(&d, p + o.used, end - o.used, &used, &data,
				NULL);
			check(o.result < 0 || used + data.n <= end - o.used);
			if (o.result == GH_EAGAIN)
				o.used = end;
			if (o.result < 0)
				break;
			o.used += used;
			if (data.n == 0)
				return o;
			size_t taken = data.n < take ? data.n : take;

			for (size_t i = 0; i < taken; i++)
				o.sum = o.sum * 31 + (unsigned char)data.p[i];
			o.used += taken;
			o.data_n += taken;
			h1_chunked_took(&d, taken);
		}
	}
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const char *p = (const char *)data + 1;
	struct outcome whole = decode(p, size - 1, size, size);
	struct outcome pieces = decode(p, size - 1, 1 + (data[0] & 15), 1 + (data[0] >> 4));

	check(whole.result == pieces.result);
	check(whole.data_n == pieces.data_n && whole.sum == pieces.sum);
	check(whole.result != 0 || whole.used == pieces.used);
	return 0;
}
