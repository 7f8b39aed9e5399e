/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_h1.c
 * @brief Responses and chunked bodies: each row is parsed whole, byte by byte, and cut at every
 * place.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/h1/h1.h"
#include "tests/unit/unit.h"

#define OK "HTTP/1.1 200 OK\r\n"

/** A head and what it means. */
static const struct response_row {
	const char *text;
	unsigned status;
	enum h1_framing framing;
	int length;            /**< As announced. */
	bool is_head, closes;
	unsigned fields, hops; /**< All of them; those that are not passed on. */
} responses[] = {
	/* Framing. */
	{ OK "Content-Length: 5\r\n\r\n", 200, H1_LENGTH, 5, .fields = 1, .hops = 1 },
	{ OK "Content-Length: 0\r\n\r\n", 200, H1_LENGTH, 0, .fields = 1, .hops = 1 },
	{ OK "content-length:\t 00012 \r\n\r\n", 200, H1_LENGTH, 12, .fields = 1, .hops = 1 },
	{ OK "Transfer-Encoding: chunked\r\n\r\n", 200, H1_CHUNKED, -1, .fields = 1, .hops = 1 },
	{ OK "transfer-encoding: CHUNKED\r\n\r\n", 200, H1_CHUNKED, -1, .fields = 1, .hops = 1 },
	{ OK "\r\n", 200, H1_UNTIL_CLOSE, -1, .closes = true },
	{ OK "Content-Length: 7\r\n\r\n", 200, H1_NO_BODY, 7, .is_head = true, .fields = 1,
		.hops = 1 },
	{ OK "\r\n", 200, H1_NO_BODY, -1, .is_head = true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n", 200, H1_NO_BODY, -1, .is_head = true,
		.fields = 1, .hops = 1 },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 204, H1_NO_BODY, -1, .fields = 0 },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, H1_NO_BODY, 9, .fields = 1,
		.hops = 1 },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"x\"\r\n\r\n", 304,
		H1_NO_BODY, 9, .fields = 2, .hops = 1 },
	/* The connection. */
	{ OK "Content-Length: 1\r\nConnection: close\r\n\r\n", 200, H1_LENGTH, 1, .closes = true,
		.fields = 2, .hops = 2 },
	{ OK "Content-Length: 1\r\nConnection: a, Close ,b\r\n\r\n", 200, H1_LENGTH, 1,
		.closes = true, .fields = 2, .hops = 2 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 200, H1_LENGTH, 1, .closes = true,
		.fields = 1, .hops = 1 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\n", 200,
		H1_LENGTH, 1, .fields = 2, .hops = 2 },
	{ "HTTP/1.0 200 OK\r\n\r\n", 200, H1_UNTIL_CLOSE, -1, .closes = true },
	/* Which fields go on. */
	{ OK "A: 1\r\nB: 2\r\nContent-Length: 0\r\nConnection: X-Hop, keep-alive\r\nx-hop: 1\r\n"
		"Keep-Alive: timeout=5\r\n\r\n", 200, H1_LENGTH, 0, .fields = 6, .hops = 4 },
	{ OK "X-Hop: 1\r\nConnection: x-hop,,\r\nConnection: y\r\nY: 1\r\nTrailer: a\r\n"
		"Upgrade: h2c\r\nProxy-Connection: close\r\nTE: trailers\r\n"
		"Content-Length: 0\r\n\r\n", 200, H1_LENGTH, 0, .fields = 9, .hops = 9 },
	{ OK "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", 200, H1_LENGTH, 0,
		.fields = 3, .hops = 1 },
	/* Spellings that are right. */
	{ "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, H1_LENGTH, 0, .fields = 1, .hops = 1 },
	{ "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, H1_LENGTH, 0, .fields = 1, .hops = 1 },
	{ "HTTP/1.1 599 \x80\xff caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n", 599, H1_LENGTH, 0,
		.fields = 1, .hops = 1 },
	{ OK "A:\r\nB: \t \r\nC: \x80\r\nD: a \t b\r\nContent-Length: 0\r\n\r\n", 200, H1_LENGTH, 0,
		.fields = 5, .hops = 1 },
	/* Interim responses. */
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK
		"Content-Length: 3\r\n\r\n", 200, H1_LENGTH, 3, .fields = 1, .hops = 1 },
	{ "HTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 9\r\n"
		"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" OK
		"Content-Length: 3\r\n\r\n", 200, H1_LENGTH, 3, .fields = 1, .hops = 1 },
};

/** A head that is refused, and a part of the sentence. */
static const struct refused_row {
	const char *text, *why;
} refused[] = {
	/* Switching protocols, which was not asked for. */
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "switches protocols" },
	/* Framing that two programs could read differently. */
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "and Content-Length" },
	{ OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "and Content-Length" },
	{ OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "more than one Content-Length" },
	{ OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "more than one Content-Length" },
	{ OK "Content-Length: 5, 5\r\n\r\n", "not a number" },
	{ OK "Content-Length: +5\r\n\r\n", "not a number" },
	{ OK "Content-Length: -5\r\n\r\n", "not a number" },
	{ OK "Content-Length: 0x5\r\n\r\n", "not a number" },
	{ OK "Content-Length: 5a\r\n\r\n", "not a number" },
	{ OK "Content-Length: 5 5\r\n\r\n", "not a number" },
	{ OK "Content-Length: 5.0\r\n\r\n", "not a number" },
	{ OK "Content-Length:\r\n\r\n", "not a number" },
	{ OK "Content-Length: 9999999999999999999\r\n\r\n", "not a number" },
	{ OK "Content-Length: 18446744073709551617\r\n\r\n", "not a number" },
	{ OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: chunked, gzip\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: identity\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: \"chunked\"\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: chunked;a=b\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: xchunked\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding:\r\n\r\n", "not chunked alone" },
	{ OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"not chunked alone" },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in HTTP/1.0" },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"Transfer-Encoding and Content-Length" },
	/* Lines. */
	{ OK "A: 1\nB: 2\r\n\r\n", "bare LF" },
	{ "HTTP/1.1 200 OK\nA: 1\r\n\r\n", "bare LF" },
	{ OK "A: 1\r\n\n", "bare LF" },
	{ OK "\n", "bare LF" },
	{ OK "A: 1\r\n folded\r\n\r\n", "folded" },
	{ OK "A: 1\r\n\tfolded\r\n\r\n", "folded" },
	{ OK " A: 1\r\n\r\n", "folded" },
	{ OK "A : 1\r\n\r\n", "space in or behind" },
	{ OK "A\t: 1\r\n\r\n", "space in or behind" },
	{ OK "A B: 1\r\n\r\n", "space in or behind" },
	{ OK "Content-Length : 5\r\n\r\n", "space in or behind" },
	{ OK ": 1\r\n\r\n", "empty or no token" },
	{ OK "A\r\n\r\n", "empty or no token" },
	{ OK "A(: 1\r\n\r\n", "empty or no token" },
	{ OK "\x80: 1\r\n\r\n", "empty or no token" },
	{ OK "A\x01: 1\r\n\r\n", "empty or no token" },
	{ OK "A: \x01\r\n\r\n", "control byte" },
	{ OK "A: a\rb\r\n\r\n", "control byte" },
	{ OK "A: 1\r\r\n\r\n", "control byte" },
	{ OK "A: \x7f\r\n\r\n", "control byte" },
	{ OK "\r\r\n", "empty or no token" },
	/* Status lines. */
	{ "HTTP/1.1 99 X\r\n\r\n", "three digits" },
	{ "HTTP/1.1 600 X\r\n\r\n", "three digits" },
	{ "HTTP/1.1 000 X\r\n\r\n", "three digits" },
	{ "HTTP/1.1 2000 X\r\n\r\n", "three digits" },
	{ "HTTP/1.1 2x0 X\r\n\r\n", "three digits" },
	{ "HTTP/1.1 20\r\n\r\n", "status line" },
	{ "HTTP/1.1  200 OK\r\n\r\n", "three digits" },
	{ "HTTP/1.1\t200 OK\r\n\r\n", "status line" },
	{ "HTTP/1.2 200 OK\r\n\r\n", "status line" },
	{ "HTTP/2 200 OK\r\n\r\n", "status line" },
	{ "HTTP/1.10 200 OK\r\n\r\n", "status line" },
	{ "http/1.1 200 OK\r\n\r\n", "status line" },
	{ "ICY 200 OK\r\n\r\n", "status line" },
	{ "200 OK\r\n\r\n", "status line" },
	{ "\r\n" OK "\r\n", "status line" },
	{ "\n", "status line" },
	{ " HTTP/1.1 200 OK\r\n\r\n", "status line" },
	{ "HTTP/1.1 200 a\x01\r\n\r\n", "control byte" },
	{ "\x16\x03\x01", "status line" },
	{ "<html>", "status line" },
};

/** Everything but the private part of two parsers. */
static void
check_same(const struct h1_response *a, const struct h1_response *b)
{
	CU_ASSERT_EQUAL(a->status, b->status);
	CU_ASSERT_EQUAL(a->framing, b->framing);
	CU_ASSERT_EQUAL(a->content_length, b->content_length);
	CU_ASSERT_EQUAL(a->is_persistent, b->is_persistent);
	CU_ASSERT_EQUAL(a->field_count, b->field_count);
	for (unsigned i = 0; i < a->field_count && i < b->field_count; i++) {
		const struct h1_field *f = &a->fields[i], *g = &b->fields[i];

		CU_ASSERT(f->name.at == g->name.at && f->name.n == g->name.n);
		CU_ASSERT(f->value.at == g->value.at && f->value.n == g->value.n);
		CU_ASSERT_EQUAL(f->is_hop, g->is_hop);
	}
}

/** One prefix, in a block of exactly its size: the parser must not look further. */
static int
parse_prefix(struct h1_response *r, const char *text, size_t n, size_t *ret_used,
	const char **ret_why)
{
	char *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, text, n);
	int r2 = h1_response_parse(r, copy, n, ret_used, ret_why);

	free(copy);
	return r2;
}

/** Give the parser @p first bytes, then always @p step more. */
static int
parse_in_steps(const char *text, bool is_head, size_t first, size_t step, struct h1_response *ret_r,
	const char **ret_why)
{
	size_t n = strlen(text), at = first, used = 0;

	h1_response_init(ret_r, is_head);
	while (true) {
		int r = parse_prefix(ret_r, text, at, &used, ret_why);

		if (r != GH_EAGAIN || at == n)
			return r;
		at = n - at < step ? n : at + step;
	}
}

static void
check_row(const struct response_row *row, size_t index)
{
	size_t n = strlen(row->text), used = 0;
	struct h1_response r, again;
	const char *why = NULL;
	unsigned hops = 0;

	h1_response_init(&r, row->is_head);
	if (parse_prefix(&r, row->text, n, &used, &why) != 0) {
		fprintf(stderr, "\n  row %zu: %s\n", index, why != NULL ? why : "incomplete");
		CU_FAIL("refused");
		return;
	}
	CU_ASSERT_EQUAL(used, n);
	CU_ASSERT_EQUAL(r.status, row->status);
	CU_ASSERT_EQUAL(r.framing, row->framing);
	CU_ASSERT_EQUAL(r.content_length, row->length);
	CU_ASSERT_EQUAL(r.is_persistent, !row->closes);
	CU_ASSERT_EQUAL(r.field_count, row->fields);
	for (unsigned k = 0; k < r.field_count; k++)
		hops += r.fields[k].is_hop;
	CU_ASSERT_EQUAL(hops, row->hops);
	for (size_t cut = 0; cut < n; cut++) {
		CU_ASSERT_EQUAL(parse_in_steps(row->text, row->is_head, cut, n, &again, &why), 0);
		check_same(&again, &r);
	}
	CU_ASSERT_EQUAL(parse_in_steps(row->text, row->is_head, 0, 1, &again, &why), 0);
	check_same(&again, &r);
}

static void
test_responses(void)
{
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
		check_row(&responses[i], i);
}

static void
test_refused(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = refused[i].text, *why = NULL;
		size_t n = strlen(text);
		struct h1_response r;

		for (size_t cut = 0; cut <= n; cut++) {
			CU_ASSERT_EQUAL(parse_in_steps(text, false, cut, n, &r, &why), GH_EINVAL);
			CU_ASSERT_FATAL(why != NULL);
			CU_ASSERT_PTR_NOT_NULL(strstr(why, refused[i].why));
			if (strstr(why, refused[i].why) == NULL)
				fprintf(stderr, "\n  refusal %zu: %s\n", i, why);
		}
		CU_ASSERT_EQUAL(parse_in_steps(text, false, 0, 1, &r, &why), GH_EINVAL);
	}
}

static void
test_slices(void)
{
	static const char text[] = OK "Content-Type:  text/plain \r\nX:\r\n"
		"Content-Length: 2\r\n\r\nhi";
	struct h1_response r;
	size_t used = 0;

	h1_response_init(&r, false);
	CU_ASSERT_EQUAL(h1_response_parse(&r, text, sizeof(text) - 1, &used, NULL), 0);
	CU_ASSERT_EQUAL(used, sizeof(text) - 3);
	CU_ASSERT(gh_str_eq(h1_slice_of(text, r.fields[0].name), GH_STR("Content-Type")));
	CU_ASSERT(gh_str_eq(h1_slice_of(text, r.fields[0].value), GH_STR("text/plain")));
	CU_ASSERT(gh_str_eq(h1_slice_of(text, r.fields[1].name), GH_STR("X")));
	CU_ASSERT_EQUAL(r.fields[1].value.n, 0);
}

static void
test_nul_bytes(void)
{
	static const char name[] = OK "A\0B: 1\r\n\r\n", value[] = OK "A: 1\0\r\n\r\n";
	struct h1_response r;
	size_t used;

	h1_response_init(&r, false);
	CU_ASSERT_EQUAL(h1_response_parse(&r, name, sizeof(name) - 1, &used, NULL), GH_EINVAL);
	h1_response_init(&r, false);
	CU_ASSERT_EQUAL(h1_response_parse(&r, value, sizeof(value) - 1, &used, NULL), GH_EINVAL);
}

/** Text made of @p head, @p count times @p piece, and @p tail.  @return what parsing says. */
static int
parse_repeated(const char *head, const char *piece, size_t count, const char *tail)
{
	size_t h = strlen(head), n = strlen(piece), t = strlen(tail), used = 0;
	char *text = malloc(h + n * count + t);
	struct h1_response r;

	memcpy(text, head, h);
	for (size_t i = 0; i < count; i++)
		memcpy(text + h + i * n, piece, n);
	memcpy(text + h + n * count, tail, t);
	h1_response_init(&r, false);
	int r2 = h1_response_parse(&r, text, h + n * count + t, &used, NULL);

	free(text);
	return r2;
}

static void
test_limits(void)
{
	CU_ASSERT_EQUAL(parse_repeated(OK, "A: 1\r\n", 200, "\r\n"), 0);
	CU_ASSERT_EQUAL(parse_repeated(OK, "A: 1\r\n", 201, "\r\n"), GH_ETOOBIG);
	CU_ASSERT_EQUAL(parse_repeated(OK "A: ", "x", 65000, "\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(parse_repeated(OK "A: ", "x", 65536, "\r\n\r\n"), GH_ETOOBIG);
	CU_ASSERT_EQUAL(parse_repeated(OK "A: ", "x", 65536, ""), GH_ETOOBIG);
	CU_ASSERT_EQUAL(parse_repeated(OK, "A", 70000, ""), GH_ETOOBIG);
	CU_ASSERT_EQUAL(parse_repeated("", "HTTP/1.1 100\r\n\r\n", 16, OK "\r\n"), 0);
	CU_ASSERT_EQUAL(parse_repeated("", "HTTP/1.1 100\r\n\r\n", 17, OK "\r\n"), GH_ETOOBIG);
	CU_ASSERT_EQUAL(parse_repeated(OK "Connection: ", "a,", 32, "\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(parse_repeated(OK "Connection: ", "a,", 33, "\r\n\r\n"), GH_ETOOBIG);
}

/* ---- Chunked ----------------------------------------------------------------------- */

/** A chunked body, what it holds, and how much of the text it is; why: part of a refusal. */
static const struct chunked_row {
	const char *text, *data, *why;
	unsigned left; /**< Bytes behind the end. */
} chunked[] = {
	{ "0\r\n\r\n", "", NULL, 0 },
	{ "5\r\nhello\r\n0\r\n\r\n", "hello", NULL, 0 },
	{ "5\r\nhello\r\n0\r\n\r\nHTTP/1.1", "hello", NULL, 8 },
	{ "1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", "abc", NULL, 0 },
	{ "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", NULL, 0 },
	{ "0000000000005\r\nhello\r\n0\r\n\r\n", "hello", NULL, 0 },
	{ "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello", NULL, 0 },
	{ "5 ;a\r\nhello\r\n0\r\n\r\n", "hello", NULL, 0 },
	{ "5\r\nhello\r\n0\r\nA: 1\r\nB:\r\n\r\n", "hello", NULL, 0 },
	{ "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", NULL, 0 },
	{ "\r\n", NULL, "hexadecimal", 0 },
	{ "x\r\n", NULL, "hexadecimal", 0 },
	{ "0x5\r\nhello\r\n", NULL, "hexadecimal", 0 },
	{ "-5\r\nhello\r\n", NULL, "hexadecimal", 0 },
	{ "+5\r\nhello\r\n", NULL, "hexadecimal", 0 },
	{ " 5\r\nhello\r\n", NULL, "hexadecimal", 0 },
	{ ";a\r\nhello\r\n", NULL, "hexadecimal", 0 },
	{ "5\nhello\r\n0\r\n\r\n", NULL, "hexadecimal", 0 },
	{ "5;a\nhello\r\n0\r\n\r\n", NULL, "control byte", 0 },
	{ "5;a\x01\r\nhello", NULL, "control byte", 0 },
	{ "5\rhello\r\n0\r\n\r\n", NULL, "not followed", 0 },
	{ "5\r\nhello0\r\n\r\n", NULL, "not followed", 0 },
	{ "5\r\nhello\n0\r\n\r\n", NULL, "not followed", 0 },
	{ "5\r\nhello\r0\r\n\r\n", NULL, "not followed", 0 },
	{ "4\r\nhello\r\n0\r\n\r\n", NULL, "not followed", 0 },
	{ "10000000000000000\r\n", NULL, "too large", 0 },
	{ "ffffffffffffffff\r\n", NULL, "too large", 0 },
	{ "fffffffffffffff\r\n", NULL, "too large", 0 },
	{ "000000000000000000000000000000000\r\n", NULL, "too large", 0 },
	{ "0\r\n A: 1\r\n\r\n", NULL, "does not begin", 0 },
	{ "0\r\n: 1\r\n\r\n", NULL, "does not begin", 0 },
	{ "0\r\nA : 1\r\n\r\n", NULL, "no token", 0 },
	{ "0\r\nA\r\n\r\n", NULL, "no token", 0 },
	{ "0\r\nA: \x01\r\n\r\n", NULL, "control byte", 0 },
	{ "0\r\nA: 1\n\r\n", NULL, "control byte", 0 },
	{ "0\r\nA: 1\r\r\n", NULL, "does not end", 0 },
	{ "0\r\n\n", NULL, "does not begin", 0 },
	{ "0\r\n\rx", NULL, "does not end", 0 },
};

/** Decode pieces of @p piece bytes (the first one of @p first), taking at most @p take at a
 *  time. */
static int
decode(const char *text, size_t n, size_t first, size_t piece, size_t take, char *out,
	size_t *ret_out_n, size_t *ret_used, const char **ret_why)
{
	struct h1_chunked d = { .state = 0 };
	size_t at = 0, end = first < n ? first : n, out_n = 0;

	while (true) {
		struct gh_str data;
		size_t used = 0, taken;
		int r = h1_chunked_next(&d, text + at, end - at, &used, &data, ret_why);

		if (r == GH_EAGAIN && end < n) {
			at = end;
			end = end + piece < n ? end + piece : n;
			continue;
		}
		if (r < 0)
			return r;
		at += used;
		if (data.n == 0)
			break;
		taken = data.n < take ? data.n : take;
		memcpy(out + out_n, data.p, taken);
		out_n += taken;
		at += taken;
		h1_chunked_took(&d, taken);
	}
	*ret_out_n = out_n;
	*ret_used = at;
	return 0;
}

static void
check_decode(const struct chunked_row *row, size_t first, size_t piece, size_t take)
{
	size_t n = strlen(row->text), out_n = 0, used = 0;
	char *copy = malloc(n), out[64];
	const char *why = NULL;

	memcpy(copy, row->text, n);
	int r = decode(copy, n, first, piece, take, out, &out_n, &used, &why);

	if (row->why != NULL) {
		CU_ASSERT(r == GH_EINVAL || r == GH_ETOOBIG);
		CU_ASSERT(why != NULL && strstr(why, row->why) != NULL);
	} else {
		CU_ASSERT_EQUAL(r, 0);
		CU_ASSERT(gh_str_eq((struct gh_str){ out, out_n }, gh_str_of(row->data)));
		CU_ASSERT_EQUAL(n - used, row->left);
	}
	free(copy);
}

static void
test_chunked(void)
{
	for (size_t i = 0; i < sizeof(chunked) / sizeof(chunked[0]); i++) {
		size_t n = strlen(chunked[i].text);

		for (size_t cut = 0; cut <= n; cut++)
			check_decode(&chunked[i], cut, n, n);
		check_decode(&chunked[i], 1, 1, n);
		check_decode(&chunked[i], n, n, 1);
	}
}

static void
test_chunked_limits(void)
{
	size_t used;
	struct gh_str data;
	const char *why = NULL;
	char line[H1_TRAILER_MAX + 16];
	struct h1_chunked d = { .state = 0 };

	memset(line, 'a', sizeof(line));
	memcpy(line, "5;", 2);
	CU_ASSERT_EQUAL(h1_chunked_next(&d, line, H1_EXTENSION_MAX, &used, &data, &why), GH_EAGAIN);
	CU_ASSERT_EQUAL(h1_chunked_next(&d, line, 8, &used, &data, &why), GH_ETOOBIG);
	memset(&d, 0, sizeof(d));
	memcpy(line, "0\r\nA:", 5);
	CU_ASSERT_EQUAL(h1_chunked_next(&d, line, sizeof(line), &used, &data, &why), GH_ETOOBIG);
}

/* ---- Writing ----------------------------------------------------------------------- */

static void
test_write(void)
{
	static const char want[] = "GET /a?b HTTP/1.1\r\nHost: h\r\nEmpty: \r\n"
		"Content-Length: 1234567890\r\n\r\n";
	char buf[sizeof(want) - 1];
	struct h1_writer w = { buf, 0, sizeof(buf), false };

	h1_put_request_line(&w, GH_STR("GET"), GH_STR("/a?b"));
	h1_put_field(&w, GH_STR("Host"), GH_STR("h"));
	h1_put_field(&w, GH_STR("Empty"), GH_STR_NONE);
	h1_put_content_length(&w, 1234567890);
	h1_put(&w, GH_STR("\r\n"));
	CU_ASSERT(!w.is_bad);
	CU_ASSERT(gh_str_eq((struct gh_str){ w.p, w.n }, gh_str_of(want)));
	h1_put(&w, GH_STR("x"));
	CU_ASSERT(w.is_bad);
}

static void
test_write_refuses(void)
{
	static const struct {
		struct gh_str method, target;
	} bad[] = {
		{ GH_STR("GET"), GH_STR("") }, { GH_STR("GET"), GH_STR("/a b") },
		{ GH_STR("GET"), GH_STR("/a\r\nX: y") }, { GH_STR("GET"), GH_STR("/\0") },
		{ GH_STR("GET"), GH_STR("/\x7f") }, { GH_STR("GET"), GH_STR("/\xc3\xa9") },
		{ GH_STR(""), GH_STR("/") }, { GH_STR("G T"), GH_STR("/") },
		{ GH_STR("GET\r\n"), GH_STR("/") },
	};
	char buf[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct h1_writer w = { buf, 0, sizeof(buf), false };

		h1_put_request_line(&w, bad[i].method, bad[i].target);
		CU_ASSERT(w.is_bad);
	}
}

static void
test_chunk_prefix(void)
{
	static const struct {
		uint64_t n;
		const char *want;
	} rows[] = {
		{ 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 16384, "4000\r\n" },
		{ UINT64_MAX, "ffffffffffffffff\r\n" }, { 0, "0\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[H1_CHUNK_PREFIX_MAX];
		size_t n = h1_chunk_prefix(rows[i].n, buf);

		CU_ASSERT(gh_str_eq((struct gh_str){ buf, n }, gh_str_of(rows[i].want)));
	}
}

/* Every byte at every place of a long value, beside neighbours that a borrow could reach. */
static void
test_value_bytes(void)
{
	static const char fillers[] = { 'a', ' ', '~', '\t', '\x80', '\xFF' };
	char bytes[19];

	for (size_t f = 0; f < sizeof(fillers); f++)
		for (size_t at = 0; at < sizeof(bytes); at++)
			for (unsigned c = 0; c < 256; c++) {
				memset(bytes, fillers[f], sizeof(bytes));
				bytes[at] = (char)c;
				bool is_fine = c == '\t' || (c >= ' ' && c != 0x7F);

				CU_ASSERT(h1_is_value((struct gh_str){ bytes, sizeof(bytes) }) ==
					is_fine);
			}
}

static void
test_words(void)
{
	CU_ASSERT(h1_is_token(GH_STR("X-Name_1.2~|`^!#$%&'*+")));
	CU_ASSERT(!h1_is_token(GH_STR("")));
	CU_ASSERT(!h1_is_token(GH_STR("a:")));
	CU_ASSERT(!h1_is_token(GH_STR("a b")));
	CU_ASSERT(h1_is_value(GH_STR("")));
	CU_ASSERT(h1_is_value(GH_STR("a\tb \x80")));
	CU_ASSERT(!h1_is_value(GH_STR("a\r\nb")));
	CU_ASSERT(h1_is_hop_by_hop(GH_STR("connection")));
	CU_ASSERT(h1_is_hop_by_hop(GH_STR("TRANSFER-ENCODING")));
	CU_ASSERT(h1_is_hop_by_hop(GH_STR("te")));
	CU_ASSERT(!h1_is_hop_by_hop(GH_STR("Host")));
	CU_ASSERT(!h1_is_hop_by_hop(GH_STR("Set-Cookie")));
	CU_ASSERT(!h1_is_hop_by_hop(GH_STR("a-very-long-field-name-that-is-none-of-them")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_responses), UNIT_TEST(test_refused), UNIT_TEST(test_slices),
		UNIT_TEST(test_nul_bytes),
		UNIT_TEST(test_limits), UNIT_TEST(test_chunked), UNIT_TEST(test_chunked_limits),
		UNIT_TEST(test_write), UNIT_TEST(test_write_refuses), UNIT_TEST(test_chunk_prefix),
		UNIT_TEST(test_words), UNIT_TEST(test_value_bytes), { NULL, NULL },
	};

	return unit_run("h1", tests);
}
