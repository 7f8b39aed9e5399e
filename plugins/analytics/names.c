/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file names.c
 * @brief Names as bytes, and rows' values as bytes.
 */
#include "plugins/analytics/analytics.h"

#define VALUE_VERSION 1

size_t
names_encode(const struct names *names, char *ret)
{
	size_t at = 0;

	for (unsigned i = 0; i < NAMES_COUNT; i++) {
		struct gh_str s = names->part[i];

		if (s.n > NAMES_PART_MAX)
			s.n = NAMES_PART_MAX;
		ret[at++] = (char)(unsigned char)s.n;
		if (s.n > 0)
			memcpy(ret + at, s.p, s.n);
		at += s.n;
	}
	return at;
}

size_t
names_decode(struct gh_str bytes, struct names *ret_names)
{
	size_t at = 0;

	for (unsigned i = 0; i < NAMES_COUNT; i++) {
		if (at == bytes.n)
			return 0;
		size_t n = (unsigned char)bytes.p[at++];

		if (n > bytes.n - at)
			return 0;
		ret_names->part[i] = (struct gh_str){ bytes.p + at, n };
		at += n;
	}
	return at;
}

size_t
value_write(unsigned status, struct gh_str encoded_names, const struct sketch *sketch, char *ret)
{
	ret[0] = VALUE_VERSION;
	ret[1] = (char)(status >> 8);
	ret[2] = (char)status;
	memcpy(ret + 3, encoded_names.p, encoded_names.n);
	return 3 + encoded_names.n + sketch_write(sketch, ret + 3 + encoded_names.n);
}

int
value_read(struct gh_str value, unsigned *ret_status, struct names *ret_names,
	struct gh_str *ret_sketch)
{
	if (value.n < 3 || value.p[0] != VALUE_VERSION)
		return GH_EINVAL;
	struct gh_str rest = { value.p + 3, value.n - 3 };
	size_t n = names_decode(rest, ret_names);

	if (n == 0)
		return GH_EINVAL;
	*ret_status = (unsigned)(unsigned char)value.p[1] << 8 | (unsigned char)value.p[2];
	*ret_sketch = (struct gh_str){ rest.p + n, rest.n - n };
	return 0;
}
