/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chunked.c
 * @brief The chunked transfer coding (RFC 9112, 7.1): sizes exact, extensions and trailers skipped.
 */
#include "lib/h1/bytes.h"

enum state {
	SIZE_FIRST,    /**< The first digit of a size; zero: a zeroed decoder is at its start. */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /**< The first byte of a trailer line, or the CR of the end. */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	DONE,
	STATE_COUNT
};

#define SIZE_MAX_VALUE (UINT64_C(1) << 56)

/** Takes one byte of framing.  @return 0 or a negative gh_err with a sentence. */
typedef int state_fn(struct h1_chunked *d, char c, const char **ret_why);

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 32);

	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/** Only @p want may stand here; then the decoder goes on with @p next. */
static int
expect(struct h1_chunked *d, char c, char want, enum state next, const char *why,
	const char **ret_why)
{
	if (c != want)
		return h1_fail(GH_EINVAL, why, ret_why);
	d->state = next;
	return 0;
}

static int
on_size_first(struct h1_chunked *d, char c, const char **ret_why)
{
	int digit = hex_value(c);

	if (digit < 0)
		return h1_fail(GH_EINVAL, "a chunk size is not a hexadecimal number", ret_why);
	d->left = (uint64_t)digit;
	d->line_n = 1;
	d->state = SIZE;
	return 0;
}

static int
on_size(struct h1_chunked *d, char c, const char **ret_why)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (d->left >= SIZE_MAX_VALUE >> 4 || ++d->line_n > 32)
			return h1_fail(GH_ETOOBIG, "a chunk size is too large", ret_why);
		d->left = d->left << 4 | (uint64_t)digit;
		return 0;
	}
	if (c == ';' || c == ' ' || c == '\t') {
		d->state = EXTENSION;
		return 0;
	}
	return expect(d, c, '\r', SIZE_LF, "a chunk size is not a hexadecimal number", ret_why);
}

static int
on_extension(struct h1_chunked *d, char c, const char **ret_why)
{
	if (++d->line_n > H1_EXTENSION_MAX)
		return h1_fail(GH_ETOOBIG, "a chunk extension is too long", ret_why);
	if (h1_is(c, H1_VALUE_BYTE))
		return 0;
	return expect(d, c, '\r', SIZE_LF, "a chunk extension holds a control byte", ret_why);
}

static int
on_size_lf(struct h1_chunked *d, char c, const char **ret_why)
{
	return expect(d, c, '\n', d->left > 0 ? DATA : TRAILER_FIRST,
		"a chunk size is not followed by CRLF", ret_why);
}

static int
on_data_cr(struct h1_chunked *d, char c, const char **ret_why)
{
	return expect(d, c, '\r', DATA_LF, "chunk data is not followed by CRLF", ret_why);
}

static int
on_data_lf(struct h1_chunked *d, char c, const char **ret_why)
{
	return expect(d, c, '\n', SIZE_FIRST, "chunk data is not followed by CRLF", ret_why);
}

static int
on_trailer_first(struct h1_chunked *d, char c, const char **ret_why)
{
	if (h1_is(c, H1_TOKEN_BYTE)) {
		d->state = TRAILER_NAME;
		return 0;
	}
	return expect(d, c, '\r', END_LF, "a trailer line does not begin with a name", ret_why);
}

static int
on_trailer_name(struct h1_chunked *d, char c, const char **ret_why)
{
	if (h1_is(c, H1_TOKEN_BYTE))
		return 0;
	return expect(d, c, ':', TRAILER_VALUE, "a trailer name is no token", ret_why);
}

static int
on_trailer_value(struct h1_chunked *d, char c, const char **ret_why)
{
	if (h1_is(c, H1_VALUE_BYTE))
		return 0;
	return expect(d, c, '\r', TRAILER_LF, "a trailer value holds a control byte", ret_why);
}

static int
on_trailer_lf(struct h1_chunked *d, char c, const char **ret_why)
{
	return expect(d, c, '\n', TRAILER_FIRST, "a trailer line does not end with CRLF", ret_why);
}

static int
on_end_lf(struct h1_chunked *d, char c, const char **ret_why)
{
	return expect(d, c, '\n', DONE, "the trailer section does not end with CRLF", ret_why);
}

static state_fn *const on_state[STATE_COUNT] = {
	[SIZE_FIRST] = on_size_first, [SIZE] = on_size, [EXTENSION] = on_extension,
	[SIZE_LF] = on_size_lf, [DATA_CR] = on_data_cr, [DATA_LF] = on_data_lf,
	[TRAILER_FIRST] = on_trailer_first, [TRAILER_NAME] = on_trailer_name,
	[TRAILER_VALUE] = on_trailer_value, [TRAILER_LF] = on_trailer_lf, [END_LF] = on_end_lf,
};

int
h1_chunked_next(struct h1_chunked *d, const char *p, size_t n, size_t *ret_used,
	struct gh_str *ret_data, const char **ret_why)
{
	size_t i = 0;

	while (i < n && d->state != DATA && d->state != DONE) {
		bool in_trailer = d->state >= TRAILER_FIRST;
		int r = on_state[d->state](d, p[i++], ret_why);

		if (r == 0 && in_trailer && ++d->trailer_n > H1_TRAILER_MAX)
			r = h1_fail(GH_ETOOBIG, "the trailer section is too long", ret_why);
		if (r < 0)
			return r;
	}
	*ret_used = i;
	if (d->state == DONE) {
		*ret_data = GH_STR_NONE;
		return 0;
	}
	if (i == n)
		return GH_EAGAIN;
	*ret_data = (struct gh_str){ p + i, n - i < d->left ? n - i : (size_t)d->left };
	return 0;
}

void
h1_chunked_took(struct h1_chunked *d, size_t n)
{
	d->left -= n;
	if (d->left == 0)
		d->state = DATA_CR;
}
