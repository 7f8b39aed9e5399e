/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file read.c
 * @brief Walks msgpack in place: no allocation, no recursion, every step checked against the end.
 *
 * msgpack-c's unpacker would build a tree of what is mostly read once and by name, so only the
 * writer (write.c) uses that library.  The format: github.com/msgpack/msgpack, spec.md.
 */
#include "lib/doc/doc.h"
#include "lib/doc/read.h"

/** What follows a first byte from 0xc0 to 0xdf. */
enum form {
	FORM_REFUSED, /* 0xc1, and extension types, which documents do not use */
	FORM_NIL, FORM_FALSE, FORM_TRUE,
	FORM_UNSIGNED, FORM_SIGNED, FORM_FLOAT, /* width bytes of number */
	FORM_BIN, FORM_STR,                     /* width bytes of length, then the bytes */
	FORM_ARRAY, FORM_MAP,                   /* width bytes of count, then the items */
};

static const struct {
	uint8_t form, width;
} forms[0x20] = {
	[0x00] = { FORM_NIL, 0 },      [0x02] = { FORM_FALSE, 0 },    [0x03] = { FORM_TRUE, 0 },
	[0x04] = { FORM_BIN, 1 },      [0x05] = { FORM_BIN, 2 },      [0x06] = { FORM_BIN, 4 },
	[0x0a] = { FORM_FLOAT, 4 },    [0x0b] = { FORM_FLOAT, 8 },    [0x0c] = { FORM_UNSIGNED, 1 },
	[0x0d] = { FORM_UNSIGNED, 2 }, [0x0e] = { FORM_UNSIGNED, 4 }, [0x0f] = { FORM_UNSIGNED, 8 },
	[0x10] = { FORM_SIGNED, 1 },   [0x11] = { FORM_SIGNED, 2 },   [0x12] = { FORM_SIGNED, 4 },
	[0x13] = { FORM_SIGNED, 8 },   [0x19] = { FORM_STR, 1 },      [0x1a] = { FORM_STR, 2 },
	[0x1b] = { FORM_STR, 4 },      [0x1c] = { FORM_ARRAY, 2 },    [0x1d] = { FORM_ARRAY, 4 },
	[0x1e] = { FORM_MAP, 2 },      [0x1f] = { FORM_MAP, 4 },
};

/** Cut @p n bytes off the front.  @return false: there are fewer. */
static bool
cut(struct gh_str *rest, uint64_t n, struct gh_str *ret_front)
{
	if (n > rest->n)
		return false;
	*ret_front = (struct gh_str){ rest->p, (size_t)n };
	rest->p += n;
	rest->n -= (size_t)n;
	return true;
}

static uint64_t
big_endian(struct gh_str bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes.n; i++)
		v = v << 8 | (uint8_t)bytes.p[i];
	return v;
}

static void
set_integer(enum form form, uint64_t raw, unsigned width, struct doc_value *v)
{
	if (form == FORM_SIGNED) {
		unsigned unused = 64 - 8 * width;

		*v = (struct doc_value){ .type = DOC_INT, .i = (int64_t)(raw << unused) >> unused };
	} else if (raw <= INT64_MAX) {
		*v = (struct doc_value){ .type = DOC_INT, .i = (int64_t)raw };
	} else {
		*v = (struct doc_value){ .type = DOC_UINT, .u = raw };
	}
}

static void
set_float(uint64_t raw, unsigned width, struct doc_value *v)
{
	uint32_t raw_single = (uint32_t)raw;
	float single;
	double f;

	if (width == 4) {
		memcpy(&single, &raw_single, sizeof(single));
		f = (double)single;
	} else {
		memcpy(&f, &raw, sizeof(f));
	}
	*v = (struct doc_value){ .type = DOC_FLOAT, .f = f };
}

/** Read the values whose first byte carries a number, a length or a count. */
static bool
read_fix(uint8_t first, struct gh_str *rest, struct doc_value *v, uint32_t *ret_count)
{
	*ret_count = 0;
	if (first <= 0x7f || first >= 0xe0) {
		*v = (struct doc_value){ .type = DOC_INT, .i = (int8_t)first };
		return true;
	}
	if (first >= 0xa0) {
		*v = (struct doc_value){ .type = DOC_STR };
		return cut(rest, first & 0x1fu, &v->s);
	}
	*ret_count = first & 0x0fu;
	*v = (struct doc_value){ .type = first >= 0x90 ? DOC_ARRAY : DOC_MAP };
	return true;
}

/** Read one value from the front; of an array or map only its head.
 *  @param[out] ret_count  items or pairs that follow; 0 unless it is an array or map. */
static bool
read_head(struct gh_str *rest, struct doc_value *v, uint32_t *ret_count)
{
	struct gh_str byte, number;

	if (!cut(rest, 1, &byte))
		return false;
	uint8_t first = (uint8_t)byte.p[0];

	if (first < 0xc0 || first >= 0xe0)
		return read_fix(first, rest, v, ret_count);
	enum form form = (enum form)forms[first - 0xc0].form;
	unsigned width = forms[first - 0xc0].width;

	if (!cut(rest, width, &number))
		return false;
	uint64_t raw = big_endian(number);

	*ret_count = 0;
	switch (form) {
	case FORM_NIL:
		*v = (struct doc_value){ .type = DOC_NIL };
		return true;
	case FORM_FALSE:
	case FORM_TRUE:
		*v = (struct doc_value){ .type = DOC_BOOL, .b = form == FORM_TRUE };
		return true;
	case FORM_UNSIGNED:
	case FORM_SIGNED:
		set_integer(form, raw, width, v);
		return true;
	case FORM_FLOAT:
		set_float(raw, width, v);
		return true;
	case FORM_BIN:
	case FORM_STR:
		*v = (struct doc_value){ .type = form == FORM_BIN ? DOC_BIN : DOC_STR };
		return cut(rest, raw, &v->s);
	case FORM_ARRAY:
	case FORM_MAP:
		*v = (struct doc_value){ .type = form == FORM_ARRAY ? DOC_ARRAY : DOC_MAP };
		*ret_count = (uint32_t)raw;
		return true;
	case FORM_REFUSED:
		break;
	}
	return false;
}

/** Values directly inside a container: a pair of a map is two. */
static uint64_t
items_in(const struct doc_value *v, uint32_t count)
{
	return v->type == DOC_MAP ? 2 * (uint64_t)count : count;
}

/** Read one whole value from the front.  Each turn takes a byte at least, so it ends. */
static bool
read_value(struct gh_str *rest, struct doc_value *ret_value)
{
	struct gh_str start = *rest;
	struct doc_value v, inner;
	uint32_t count;

	if (!read_head(rest, &v, &count))
		return false;
	if (v.type == DOC_ARRAY || v.type == DOC_MAP) {
		for (uint64_t left = items_in(&v, count); left > 0; left--) {
			if (left > rest->n || !read_head(rest, &inner, &count))
				return false;
			left += items_in(&inner, count);
		}
		v.s = (struct gh_str){ start.p, start.n - rest->n };
	}
	*ret_value = v;
	return true;
}

int
doc_check_value(struct gh_str encoded, unsigned outer_depth)
{
	struct {
		uint64_t left; /* values still to come */
		bool is_map;
	} stack[DOC_DEPTH_MAX];
	unsigned depth = 0;
	struct doc_value v;
	uint32_t count;

	do {
		bool is_name = depth > 0 && stack[depth - 1].is_map &&
			stack[depth - 1].left % 2 == 0;

		if (!read_head(&encoded, &v, &count) || (is_name && v.type != DOC_STR))
			return GH_EINVAL;
		if (depth > 0)
			stack[depth - 1].left--;
		if (v.type == DOC_ARRAY || v.type == DOC_MAP) {
			if (outer_depth + depth >= DOC_DEPTH_MAX)
				return GH_ETOOBIG;
			stack[depth].left = items_in(&v, count);
			stack[depth].is_map = v.type == DOC_MAP;
			depth++;
		}
		while (depth > 0 && stack[depth - 1].left == 0)
			depth--;
	} while (depth > 0);
	return encoded.n == 0 ? GH_OK : GH_EINVAL;
}

int
doc_check(struct gh_str body)
{
	if (body.n > DOC_BODY_MAX)
		return GH_ETOOBIG;
	struct gh_str rest = body;
	struct doc_value v;
	uint32_t count;

	if (!read_head(&rest, &v, &count) || v.type != DOC_MAP)
		return GH_EINVAL;
	return doc_check_value(body, 0);
}

struct doc_iter
doc_iter(struct gh_str container)
{
	struct doc_value v;
	uint32_t count;

	if (!read_head(&container, &v, &count) || (v.type != DOC_ARRAY && v.type != DOC_MAP))
		return (struct doc_iter){ .left = 0 };
	return (struct doc_iter){ .rest = container, .left = count, .is_map = v.type == DOC_MAP };
}

bool
doc_next(struct doc_iter *it, struct gh_str *ret_name, struct doc_value *ret_value)
{
	struct doc_value name = { .type = DOC_STR };

	if (it->left == 0)
		return false;
	it->left--;
	if ((it->is_map && (!read_value(&it->rest, &name) || name.type != DOC_STR)) ||
	    !read_value(&it->rest, ret_value)) {
		it->left = 0;
		return false;
	}
	if (ret_name != NULL)
		*ret_name = name.s;
	return true;
}

uint32_t
doc_count(struct gh_str container)
{
	return doc_iter(container).left;
}

int
doc_find(struct gh_str map, struct gh_str name, struct doc_value *ret_value)
{
	struct doc_iter it = doc_iter(map);
	struct gh_str found;
	struct doc_value v;

	if (!it.is_map)
		return GH_ENOENT;
	while (doc_next(&it, &found, &v)) {
		if (gh_str_eq(found, name)) {
			*ret_value = v;
			return GH_OK;
		}
	}
	return GH_ENOENT;
}

bool
doc_has(struct gh_str map, const char *name)
{
	struct doc_value v;

	return doc_find(map, gh_str_of(name), &v) == 0;
}

/** Strings, binary, arrays and maps: all are bytes in the body. */
static struct gh_str
bytes_of(struct gh_str map, const char *name, enum doc_type type)
{
	struct doc_value v;

	if (doc_find(map, gh_str_of(name), &v) < 0 || v.type != type)
		return GH_STR_NONE;
	return v.s;
}

struct gh_str
doc_str(struct gh_str map, const char *name)
{
	return bytes_of(map, name, DOC_STR);
}

struct gh_str
doc_bin(struct gh_str map, const char *name)
{
	return bytes_of(map, name, DOC_BIN);
}

struct gh_str
doc_map(struct gh_str map, const char *name)
{
	return bytes_of(map, name, DOC_MAP);
}

struct gh_str
doc_array(struct gh_str map, const char *name)
{
	return bytes_of(map, name, DOC_ARRAY);
}

int64_t
doc_int(struct gh_str map, const char *name, int64_t otherwise)
{
	struct doc_value v;

	return doc_find(map, gh_str_of(name), &v) == 0 && v.type == DOC_INT ? v.i : otherwise;
}

bool
doc_bool(struct gh_str map, const char *name, bool otherwise)
{
	struct doc_value v;

	return doc_find(map, gh_str_of(name), &v) == 0 && v.type == DOC_BOOL ? v.b : otherwise;
}

double
doc_float(struct gh_str map, const char *name, double otherwise)
{
	struct doc_value v;

	if (doc_find(map, gh_str_of(name), &v) < 0)
		return otherwise;
	switch (v.type) {
	case DOC_FLOAT: return v.f;
	case DOC_INT: return (double)v.i;
	case DOC_UINT: return (double)v.u;
	default: return otherwise;
	}
}
