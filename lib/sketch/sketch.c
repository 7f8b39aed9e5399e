/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sketch.c
 * @brief Log-linear buckets and their serialised form.
 *
 * Bucket i below 16 holds the value i.  Above, with e = floor(log2(v)) >= 4, the 16 buckets of one
 * power of two follow each other: the bucket is 16 * (e - 3) plus the four bits of v behind its
 * leading one.
 *
 * Serialised: a version byte, the number of buckets that are not empty, and for each of them its
 * distance to the one before (the first: to -1) and its count, all as LEB128 varints.
 */
#include <stdlib.h>

#include "lib/sketch/sketch.h"

#define SUB_BITS 4u
#define SUB (1u << SUB_BITS)
#define VERSION 1
#define GROW 16u /* the span of counts starts and ends at multiples of it */

static unsigned
bucket_of(uint64_t us)
{
	if (us > SKETCH_MAX_US)
		us = SKETCH_MAX_US;
	if (us < SUB)
		return (unsigned)us;
	unsigned e = 63u - (unsigned)__builtin_clzll(us);

	return SUB * (e - SUB_BITS + 1) + (unsigned)(us >> (e - SUB_BITS) & (SUB - 1));
}

static uint64_t
middle_of(unsigned bucket)
{
	if (bucket < SUB)
		return bucket;
	unsigned shift = bucket / SUB - 1; /* e - SUB_BITS */
	uint64_t low = (uint64_t)(SUB + bucket % SUB) << shift;

	return low + (UINT64_C(1) << shift) / 2;
}

static uint64_t
add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void
sketch_done(struct sketch *s)
{
	free(s->counts);
	*s = (struct sketch){ 0 };
}

/* Make room for the buckets `from` to `to`. */
static int
span(struct sketch *s, unsigned from, unsigned to)
{
	if (s->n > 0 && from >= s->first && to < (unsigned)s->first + s->n)
		return 0;
	if (s->n > 0) {
		from = from < s->first ? from : s->first;
		to = to > (unsigned)s->first + s->n - 1 ? to : (unsigned)s->first + s->n - 1;
	}
	from -= from % GROW;
	to += GROW - 1 - to % GROW;
	uint64_t *counts = calloc(to - from + 1, sizeof(*counts));

	if (counts == NULL)
		return GH_ENOMEM;
	if (s->n > 0)
		memcpy(counts + (s->first - from), s->counts, s->n * sizeof(*counts));
	free(s->counts);
	s->counts = counts;
	s->first = (uint16_t)from;
	s->n = (uint16_t)(to - from + 1);
	return 0;
}

static void
count(struct sketch *s, unsigned bucket, uint64_t times)
{
	uint64_t *c = &s->counts[bucket - s->first];

	*c = add_saturated(*c, times);
	s->total = add_saturated(s->total, times);
}

int
sketch_add(struct sketch *s, uint64_t us, uint64_t times)
{
	unsigned bucket = bucket_of(us);
	int r = span(s, bucket, bucket);

	if (r == 0)
		count(s, bucket, times);
	return r;
}

int
sketch_merge(struct sketch *s, const struct sketch *from)
{
	if (from->n == 0)
		return 0;
	int r = span(s, from->first, (unsigned)from->first + from->n - 1);

	for (unsigned i = 0; r == 0 && i < from->n; i++)
		count(s, from->first + i, from->counts[i]);
	return r;
}

uint64_t
sketch_quantile(const struct sketch *s, double q)
{
	uint64_t seen = 0, wanted = 1;

	if (s->total == 0)
		return 0;
	if (q >= 1)
		wanted = s->total;
	else if (q > 0)
		wanted = (uint64_t)(q * (double)s->total);
	/* The smallest whole number that is not below the share. */
	if (q > 0 && q < 1 && (double)wanted < q * (double)s->total)
		wanted++;
	for (unsigned i = 0; i < s->n; i++) {
		seen = add_saturated(seen, s->counts[i]);
		if (seen >= wanted && seen > 0)
			return middle_of(s->first + i);
	}
	return middle_of(SKETCH_BUCKETS - 1);
}

/* ---- Serialised form ------------------------------------------------------------------------- */

static size_t
put_varint(char *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (char)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (char)v;
	return n;
}

/* Take a varint off the front; only the shortest form is right. */
static bool
take_varint(struct gh_str *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->n && i < 10; i++) {
		unsigned char c = (unsigned char)s->p[i];

		if (i == 9 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << (7 * i);
		if (c & 0x80)
			continue;
		if (c == 0 && i > 0)
			return false;
		*s = (struct gh_str){ s->p + i + 1, s->n - i - 1 };
		*ret = v;
		return true;
	}
	return false;
}

size_t
sketch_write(const struct sketch *s, char *ret)
{
	size_t n = 0;
	unsigned used = 0, before = 0; /* `before` is one more than the bucket written last */

	for (unsigned i = 0; i < s->n; i++)
		used += s->counts[i] > 0;
	ret[n++] = VERSION;
	n += put_varint(ret + n, used);
	for (unsigned i = 0; i < s->n; i++) {
		if (s->counts[i] == 0)
			continue;
		n += put_varint(ret + n, s->first + i + 1 - before);
		n += put_varint(ret + n, s->counts[i]);
		before = s->first + i + 1;
	}
	return n;
}

/* Walk over the buckets; with `into` they are counted, else only checked.  The outermost buckets
 * come back, so that room can be made between the two walks. */
static bool
walk(struct gh_str bytes, struct sketch *into, unsigned *ret_first, unsigned *ret_last)
{
	uint64_t buckets, gap, times, at = 0;

	if (bytes.n == 0 || bytes.p[0] != VERSION)
		return false;
	bytes = (struct gh_str){ bytes.p + 1, bytes.n - 1 };
	if (!take_varint(&bytes, &buckets) || buckets > SKETCH_BUCKETS)
		return false;
	for (uint64_t i = 0; i < buckets; i++) {
		if (!take_varint(&bytes, &gap) || !take_varint(&bytes, &times))
			return false;
		if (gap == 0 || gap > SKETCH_BUCKETS - at || times == 0)
			return false;
		at += gap;
		if (i == 0)
			*ret_first = (unsigned)at - 1;
		*ret_last = (unsigned)at - 1;
		if (into != NULL)
			count(into, (unsigned)at - 1, times);
	}
	return bytes.n == 0;
}

int
sketch_merge_bytes(struct sketch *s, struct gh_str bytes)
{
	unsigned first = SKETCH_BUCKETS, last = 0;

	if (!walk(bytes, NULL, &first, &last))
		return GH_EINVAL;
	if (first == SKETCH_BUCKETS)
		return 0; /* an empty one */
	int r = span(s, first, last);

	if (r == 0)
		walk(bytes, s, &first, &last);
	return r;
}
