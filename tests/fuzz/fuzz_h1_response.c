/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_h1_response.c
 * @brief Input: a byte of choices, then a response.  Parsing it whole and in pieces must agree.
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

static void
check_fields(const struct h1_response *r, const char *p, size_t used)
{
	for (unsigned i = 0; i < r->field_count; i++) {
		const struct h1_field *f = &r->fields[i];

		check((size_t)f->name.at + f->name.n <= used);
		check((size_t)f->value.at + f->value.n <= used);
		check(h1_is_token(h1_slice_of(p, f->name)));
		check(h1_is_value(h1_slice_of(p, f->value)));
		check(f->is_hop || !h1_is_hop_by_hop(h1_slice_of(p, f->name)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct h1_response whole, pieces;
	const char *p = (const char *)data + 1, *why = NULL;
	size_t used = 0, used2 = 0;

	if (size < 1)
		return 0;
	size_t n = size - 1, step = 1 + (data[0] >> 1);

	h1_response_init(&whole, data[0] & 1);
	h1_response_init(&pieces, data[0] & 1);
	int r = h1_response_parse(&whole, p, n, &used, &why), r2 = GH_EAGAIN;

	for (size_t at = 0; r2 == GH_EAGAIN && at <= n;
		at = n - at < step && at < n ? n : at + step)
		r2 = h1_response_parse(&pieces, p, at, &used2, NULL);
	check(r == r2 && used == used2);
	check(r != GH_EINVAL || why != NULL);
	if (r == 0) {
		check(used <= n && used <= H1_HEAD_MAX);
		check(whole.status >= 200 && whole.status <= 599);
		check(whole.status == pieces.status && whole.framing == pieces.framing);
		check(whole.framing != H1_LENGTH || whole.content_length >= 0);
		check_fields(&whole, p, used);
	}
	return 0;
}
