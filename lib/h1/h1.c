/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file h1.c
 * @brief Bytes of HTTP/1.1: tokens, values, hop-by-hop names; and writing of heads.
 */
#include <string.h>

#include "lib/h1/bytes.h"
#include "lib/h1/h1.h"

#define TOKEN (H1_TOKEN_BYTE | H1_VALUE_BYTE)
const uint8_t h1_bytes[256] = {
	['\t'] = H1_VALUE_BYTE, [' '] = H1_VALUE_BYTE,
	['!'] = TOKEN, ['"'] = H1_VALUE_BYTE, ['#' ... '\''] = TOKEN, ['('] = H1_VALUE_BYTE,
	[')'] = H1_VALUE_BYTE, ['*'] = TOKEN, ['+'] = TOKEN, [','] = H1_VALUE_BYTE, ['-'] = TOKEN,
	['.'] = TOKEN, ['/'] = H1_VALUE_BYTE, ['0' ... '9'] = TOKEN, [':' ... '@'] = H1_VALUE_BYTE,
	['A' ... 'Z'] = TOKEN, ['[' ... ']'] = H1_VALUE_BYTE, ['^' ... 'z'] = TOKEN,
	['{'] = H1_VALUE_BYTE, ['|'] = TOKEN, ['}'] = H1_VALUE_BYTE, ['~'] = TOKEN,
	[0x80 ... 0xFF] = H1_VALUE_BYTE,
};

bool
h1_all(struct gh_str s, unsigned mask)
{
	for (size_t i = 0; i < s.n; i++)
		if (!h1_is(s.p[i], mask))
			return false;
	return true;
}

bool
h1_is_token(struct gh_str s)
{
	return s.n > 0 && h1_all(s, H1_TOKEN_BYTE);
}

/* Is one of 8 bytes below 0x20, or 0x7F?  The subtraction sets the top bit of a byte that is less;
 * a borrow can reach the next byte only from one that is less itself. */
static bool
has_control(const char *p)
{
	const uint64_t ones = UINT64_MAX / 255;
	uint64_t w, del;

	memcpy(&w, p, sizeof(w));
	del = w ^ ones * 0x7F;
	return (((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & ones * 0x80;
}

/* Values are long (tokens, cookies): 8 bytes at once, and the table for those with a tab. */
bool
h1_is_value(struct gh_str s)
{
	for (; s.n >= 8; s.p += 8, s.n -= 8)
		if (has_control(s.p) && !h1_all((struct gh_str){ s.p, 8 }, H1_VALUE_BYTE))
			return false;
	return h1_all(s, H1_VALUE_BYTE);
}

/* Names that concern one connection.  The order is that of enum h1_name. */
static const struct gh_str names[] = {
	{ "", 0 }, { "Connection", 10 }, { "Content-Length", 14 }, { "Transfer-Encoding", 17 },
	{ "Keep-Alive", 10 }, { "Proxy-Connection", 16 }, { "TE", 2 }, { "Trailer", 7 },
	{ "Upgrade", 7 }, { "Proxy-Authenticate", 18 }, { "Proxy-Authorization", 19 },
	{ "Proxy-Authentication-Info", 25 },
};
/* A bit per length above: most names are none of them, and this says so at once. */
#define LENGTHS (1u << 2 | 1u << 7 | 1u << 10 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 18 | \
	1u << 19 | 1u << 25)

enum h1_name
h1_name_of(struct gh_str name)
{
	if (name.n > 25 || (LENGTHS >> name.n & 1u) == 0)
		return H1_NAME_OTHER;
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (gh_str_eq_nocase(name, names[i]))
			return (enum h1_name)i;
	return H1_NAME_OTHER;
}

bool
h1_is_hop_by_hop(struct gh_str name)
{
	return h1_name_of(name) != H1_NAME_OTHER;
}

/* ---- Writing ----------------------------------------------------------------------- */

void
h1_put(struct h1_writer *w, struct gh_str text)
{
	if (w->size - w->n < text.n) {
		w->is_bad = true;
		return;
	}
	if (text.n > 0)
		memcpy(w->p + w->n, text.p, text.n);
	w->n += text.n;
}

void
h1_put_request_line(struct h1_writer *w, struct gh_str method, struct gh_str target)
{
	if (!h1_is_token(method) || target.n == 0)
		w->is_bad = true;
	for (size_t i = 0; i < target.n; i++)
		if (target.p[i] <= ' ' || target.p[i] == 0x7F) /* char is signed: not ASCII, too */
			w->is_bad = true;
	h1_put(w, method);
	h1_put(w, GH_STR(" "));
	h1_put(w, target);
	h1_put(w, GH_STR(" HTTP/1.1\r\n"));
}

void
h1_put_field(struct h1_writer *w, struct gh_str name, struct gh_str value)
{
	size_t n = name.n + value.n + 4;

	if (w->size - w->n < n) {
		w->is_bad = true;
		return;
	}
	char *p = w->p + w->n;

	memcpy(p, name.p, name.n);
	p += name.n;
	*p++ = ':';
	*p++ = ' ';
	if (value.n > 0)
		memcpy(p, value.p, value.n);
	p += value.n;
	*p++ = '\r';
	*p = '\n';
	w->n += n;
}

void
h1_put_content_length(struct h1_writer *w, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	h1_put_field(w, GH_STR("Content-Length"),
		(struct gh_str){ digits + at, sizeof(digits) - at });
}

size_t
h1_chunk_prefix(uint64_t n, char buf[H1_CHUNK_PREFIX_MAX])
{
	unsigned digits = 1;

	while (digits < 16 && n >> (4 * digits) != 0)
		digits++;
	for (unsigned i = 0; i < digits; i++)
		buf[i] = "0123456789abcdef"[n >> (4 * (digits - 1 - i)) & 15];
	buf[digits] = '\r';
	buf[digits + 1] = '\n';
	return digits + 2;
}
