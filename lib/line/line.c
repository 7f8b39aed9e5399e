/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line.c
 * @brief Lines of bounded length, and the escaping of hostile values in them.
 */
#include "lib/line/line.h"

#include <stdio.h>
#include <time.h>

#define CUT_MARK GH_STR("...")

void
line_init(struct line *line, size_t value_max)
{
	line->n = 0;
	line->value_max = value_max;
}

void
line_put(struct line *line, struct gh_str s)
{
	if (s.n > sizeof(line->p) - line->n)
		s.n = sizeof(line->p) - line->n; /* more values than value_max allows for */
	if (s.n > 0)
		memcpy(line->p + line->n, s.p, s.n);
	line->n += s.n;
}

void
line_uint(struct line *line, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	line_put(line, (struct gh_str){ digits + at, sizeof(digits) - at });
}

void
line_int(struct line *line, int64_t v)
{
	if (v < 0)
		line_put(line, GH_STR("-"));
	line_uint(line, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
line_time(struct line *line, uint64_t time_us)
{
	time_t s = (time_t)(time_us / 1000000u);
	struct tm tm;
	char text[40];

	gmtime_r(&s, &tm);
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	int more = snprintf(text + n, sizeof(text) - n, ".%03uZ",
		(unsigned)(time_us / 1000u % 1000u));

	line_put(line, (struct gh_str){ text, n + (size_t)more });
}

/* Length of the UTF-8 character at p (RFC 3629, 4); 0: there is none. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char first, last; /* of the leading byte */
		unsigned char low, high;   /* of the second byte */
		unsigned char length;
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last)
			continue;
		if (n < rows[i].length || p[1] < rows[i].low || p[1] > rows[i].high)
			return 0;
		for (size_t k = 2; k < rows[i].length; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return rows[i].length;
	}
	return 0;
}

/* Is it a character that a terminal obeys?  C0, DEL, and C1 as UTF-8 (U+0080 to U+009F). */
static bool
is_control(const unsigned char *p, size_t length)
{
	return p[0] < 0x20 || p[0] == 0x7f || (length == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static char
hex_digit(unsigned v)
{
	return "0123456789abcdef"[v & 15];
}

/* How a value is written where it is not harmless: at most 8 bytes into `out`.
 * length 0 stands for one byte that is not UTF-8.  Returns the bytes written. */
typedef size_t escape_fn(char *out, const unsigned char *p, size_t length);

static size_t
escape_text(char *out, const unsigned char *p, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < (length > 0 ? length : 1); i++) {
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex_digit(p[i] >> 4);
		out[n++] = hex_digit(p[i]);
	}
	return n;
}

static size_t
escape_json(char *out, const unsigned char *p, size_t length)
{
	if (length == 0) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	if (p[0] == '"' || p[0] == '\\') {
		out[0] = '\\';
		out[1] = (char)p[0];
		return 2;
	}
	/* A control character: below U+00A0, so the last byte is its low half. */
	memcpy(out, "\\u00", 4);
	out[4] = hex_digit(p[length - 1] >> 4);
	out[5] = hex_digit(p[length - 1]);
	return 6;
}

/* Is it printable ASCII, and none of the three special bytes? */
static bool
is_plain(unsigned char c, const char special[3])
{
	return c >= 0x20 && c < 0x7f && c != special[0] && c != special[1] && c != special[2];
}

/* Copy `s`; control characters, broken UTF-8 and the bytes of `special` go through `escape`. */
static void
put_value(struct line *line, struct gh_str s, const char special[3], escape_fn *escape)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t used = 0, room = s.n < line->value_max ? s.n : line->value_max;

	while (used < room && is_plain(p[used], special))
		used++; /* mostly that is all of it */
	line_put(line, (struct gh_str){ s.p, used });
	for (size_t at = used; at < s.n;) {
		size_t length = utf8_length(p + at, s.n - at);
		const char *from = s.p + at;
		char escaped[8];
		size_t n = length;

		if (length == 0 || is_control(p + at, length) ||
		    (length == 1 && !is_plain(p[at], special))) {
			n = escape(escaped, p + at, length);
			from = escaped;
		}
		if (used + n > line->value_max) {
			line_put(line, CUT_MARK);
			return;
		}
		line_put(line, (struct gh_str){ from, n });
		used += n;
		at += length > 0 ? length : 1;
	}
}

void
line_text(struct line *line, struct gh_str s)
{
	put_value(line, s, "\0\0", escape_text);
}

void
line_word(struct line *line, struct gh_str s)
{
	put_value(line, s.n > 0 ? s : GH_STR("-"), " \"\\", escape_text);
}

void
line_quoted(struct line *line, struct gh_str s)
{
	line_put(line, GH_STR("\""));
	put_value(line, s.n > 0 ? s : GH_STR("-"), "\"\\\0", escape_text);
	line_put(line, GH_STR("\""));
}

void
line_json(struct line *line, struct gh_str s)
{
	line_put(line, GH_STR("\""));
	put_value(line, s, "\"\\\0", escape_json);
	line_put(line, GH_STR("\""));
}
