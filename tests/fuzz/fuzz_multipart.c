/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_multipart.c
 * @brief A line with a content type, then any bytes as its body; parts must lie within it, in
 * order.
 */
#include <stdlib.h>

#include "lib/form/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *newline = size > 0 ? memchr(text, '\n', size) : NULL;
	struct multipart_part parts[8];
	size_t n = 0;

	if (newline == NULL)
		return 0;
	struct gh_str type = { text, (size_t)(newline - text) };
	struct gh_str body = { newline + 1, size - type.n - 1 };
	const char *from = body.p;

	if (multipart_parse(type, body, parts, 8, &n, NULL) != 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].name.n == 0 || parts[i].body.p < from ||
		    parts[i].body.p + parts[i].body.n > body.p + body.n)
			abort();
		from = parts[i].body.p + parts[i].body.n;
	}
	return 0;
}
