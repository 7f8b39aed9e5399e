/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file guard.c
 * @brief The request guard: see guard.h.
 *
 * What no application can see on libmicrohttpd 0.9.75 is not judged here: bare line feeds, a value
 * cut at a NUL, and a folded line whose pieces happen to build a valid name.
 */
#include "plugins/http/guard.h"

#include "lib/h1/h1.h"
#include "lib/uri/uri.h"

#define ROW(rule, status, reason, why) [rule] = { status, reason, why }

const struct guard_refusal http_guard_refusals[GUARD_RULE_COUNT] = {
	ROW(GUARD_METHOD_SYNTAX, 400, "method_syntax", "The method is not a token."),
	ROW(GUARD_METHOD_UNKNOWN, 501, "method_unknown", "The method is not served here."),
	ROW(GUARD_VERSION, 505, "version", "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
	ROW(GUARD_TARGET_SYNTAX, 400, "target_syntax",
		"The request target has a byte that must be percent-encoded."),
	ROW(GUARD_TARGET_FORM, 400, "target_form",
		"The request target is neither a path nor an absolute http URI."),
	ROW(GUARD_TARGET_LONG, 414, "target_long", "The request target is too long."),
	ROW(GUARD_FIELD_COUNT, 431, "field_count", "The request has too many fields."),
	ROW(GUARD_HEAD_LONG, 431, "head_long", "The request head is too long."),
	ROW(GUARD_FIELD_NAME, 400, "field_name", "A field name is not a token."),
	ROW(GUARD_FIELD_VALUE, 400, "field_value", "A field value has a control byte."),
	ROW(GUARD_FIELD_TWICE, 400, "field_twice",
		"A field that may occur only once occurs several times."),
	ROW(GUARD_HOST_MISSING, 400, "host_missing", "The request has no Host field."),
	ROW(GUARD_HOST_TWICE, 400, "host_twice", "The request has several Host fields."),
	ROW(GUARD_HOST_SYNTAX, 400, "host_syntax", "The Host field is not a host and a port."),
	ROW(GUARD_HOST_OTHER, 400, "host_other",
		"The request target and the Host field name different hosts."),
	ROW(GUARD_LENGTH_TWICE, 400, "length_twice",
		"The request has several Content-Length fields."),
	ROW(GUARD_LENGTH_SYNTAX, 400, "length_syntax", "Content-Length is not a number."),
	ROW(GUARD_LENGTH_LONG, 413, "length_long", "Content-Length is too large."),
	ROW(GUARD_FRAMING_TWICE, 400, "framing_twice",
		"The request has both Content-Length and Transfer-Encoding."),
	ROW(GUARD_CODING_TWICE, 400, "coding_twice",
		"The request has several Transfer-Encoding fields."),
	ROW(GUARD_CODING_OLD, 400, "coding_old", "HTTP/1.0 has no Transfer-Encoding."),
	ROW(GUARD_CODING_UNKNOWN, 501, "coding_unknown",
		"The only transfer coding served here is chunked."),
	ROW(GUARD_EXPECTATION, 417, "expectation",
		"The only expectation served here is 100-continue."),
	ROW(GUARD_SLOW_HEAD, 408, "slow_head", "The request head did not come in time."),
	ROW(GUARD_MALFORMED, 400, "malformed", "The request is malformed, or its head too long."),
	ROW(GUARD_NO_MEMORY, 503, "no_memory", "The server is out of memory."),
};

/* ---- Fields with a rule ---------------------------------------------------------------------- */

/* The first members have a rule of their own; their place is counted. */
enum known {
	KNOWN_HOST, KNOWN_LENGTH, KNOWN_CODING, KNOWN_EXPECT, KNOWN_CONNECTION, KNOWN_COUNTED,
	KNOWN_OTHER = KNOWN_COUNTED,
};

enum { SINGLE = 1, HOP = 2 };

static const struct known_row {
	struct gh_str name;
	enum known known;
	unsigned flags;
} known_rows[] = {
	{ { "Host", 4 }, KNOWN_HOST, 0 },
	{ { "Content-Length", 14 }, KNOWN_LENGTH, HOP },
	{ { "Transfer-Encoding", 17 }, KNOWN_CODING, HOP },
	{ { "Expect", 6 }, KNOWN_EXPECT, HOP | SINGLE },
	{ { "Connection", 10 }, KNOWN_CONNECTION, HOP },
	{ { "Keep-Alive", 10 }, KNOWN_OTHER, HOP },
	{ { "Proxy-Connection", 16 }, KNOWN_OTHER, HOP },
	{ { "TE", 2 }, KNOWN_OTHER, HOP },
	{ { "Trailer", 7 }, KNOWN_OTHER, HOP },
	{ { "Upgrade", 7 }, KNOWN_OTHER, HOP },
	{ { "Authorization", 13 }, KNOWN_OTHER, SINGLE },
	{ { "Proxy-Authorization", 19 }, KNOWN_OTHER, SINGLE },
	{ { "Content-Type", 12 }, KNOWN_OTHER, SINGLE },
	{ { "Date", 4 }, KNOWN_OTHER, SINGLE },
	{ { "From", 4 }, KNOWN_OTHER, SINGLE },
	{ { "If-Modified-Since", 17 }, KNOWN_OTHER, SINGLE },
	{ { "If-Range", 8 }, KNOWN_OTHER, SINGLE },
	{ { "If-Unmodified-Since", 19 }, KNOWN_OTHER, SINGLE },
	{ { "Location", 8 }, KNOWN_OTHER, SINGLE },
	{ { "Max-Forwards", 12 }, KNOWN_OTHER, SINGLE },
	{ { "Range", 5 }, KNOWN_OTHER, SINGLE },
	{ { "Referer", 7 }, KNOWN_OTHER, SINGLE },
	{ { "User-Agent", 10 }, KNOWN_OTHER, SINGLE },
};
#define KNOWN_ROWS (sizeof(known_rows) / sizeof(known_rows[0]))

static const struct known_row *
known_find(struct gh_str name)
{
	for (size_t i = 0; i < KNOWN_ROWS; i++)
		if (known_rows[i].name.n == name.n && gh_str_eq_nocase(known_rows[i].name, name))
			return &known_rows[i];
	return NULL;
}

/* ---- Syntax ---------------------------------------------------------------------------------- */

static struct gh_str
trim(struct gh_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static struct gh_str
skip(struct gh_str s, size_t n)
{
	return (struct gh_str){ s.p + n, s.n - n };
}

static bool
starts(struct gh_str s, struct gh_str prefix)
{
	return s.n >= prefix.n && gh_str_eq_nocase((struct gh_str){ s.p, prefix.n }, prefix);
}

/* uri-host [ ":" port ] (RFC 9110, 7.2). */
static bool
is_host(struct gh_str s)
{
	char buf[URI_HOST_MAX + 2];
	struct gh_str host;
	uint16_t port;

	return uri_host_canonical(s, buf, sizeof(buf), &host, &port, NULL) == 0 && host.n > 0;
}

/* 1*DIGIT.  @return false: it is not; -1: it is, and too large. */
static bool
parse_length(struct gh_str s, int64_t *ret_length)
{
	int64_t value = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (value >= 0)
			value = value > (INT64_MAX - 9) / 10 ? -1 : value * 10 + (s.p[i] - '0');
	}
	*ret_length = value;
	return s.n > 0;
}

/* ---- The rules ------------------------------------------------------------------------------- */

/* What one pass over the fields found. */
struct findings {
	unsigned count[KNOWN_COUNTED];
	struct gh_str value[KNOWN_COUNTED]; /* Of the first one, as it came. */
};

static enum guard_rule
check_line(const struct guard_request *q, const struct guard_limits *limits, unsigned *ret_minor)
{
	static const struct gh_str methods[] = {
		{ "GET", 3 }, { "POST", 4 }, { "PUT", 3 }, { "DELETE", 6 }, { "PATCH", 5 },
		{ "HEAD", 4 }, { "OPTIONS", 7 },
	};
	bool is_method = false;

	if (!h1_is_token(q->method))
		return GUARD_METHOD_SYNTAX;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && !is_method; i++)
		is_method = gh_str_eq(q->method, methods[i]);
	if (!is_method)
		return GUARD_METHOD_UNKNOWN;
	if (gh_str_eq(q->version, GH_STR("HTTP/1.1")))
		*ret_minor = 1;
	else if (gh_str_eq(q->version, GH_STR("HTTP/1.0")))
		*ret_minor = 0;
	else
		return GUARD_VERSION;
	if (q->target.n > limits->target_bytes)
		return GUARD_TARGET_LONG;
	if (q->head_bytes > limits->head_bytes)
		return GUARD_HEAD_LONG;
	for (size_t i = 0; i < q->target.n; i++) {
		unsigned char ch = (unsigned char)q->target.p[i];

		if (ch <= 0x20 || ch >= 0x7f || ch == '#')
			return GUARD_TARGET_SYNTAX;
	}
	return GUARD_RULE_COUNT;
}

static enum guard_rule
check_fields(const struct guard_request *q, const struct guard_limits *limits, struct findings *f)
{
	unsigned seen[KNOWN_ROWS] = { 0 };

	if (q->field_count > limits->fields)
		return GUARD_FIELD_COUNT;
	for (size_t i = 0; i < q->field_count; i++) {
		const struct gh_field *field = &q->fields[i];

		if (!h1_is_token(field->name))
			return GUARD_FIELD_NAME;
		if (!h1_is_value(field->value))
			return GUARD_FIELD_VALUE;
		const struct known_row *row = known_find(field->name);

		if (row == NULL)
			continue;
		if (seen[row - known_rows]++ > 0 && (row->flags & SINGLE) != 0)
			return GUARD_FIELD_TWICE;
		if (row->known < KNOWN_COUNTED && f->count[row->known]++ == 0)
			f->value[row->known] = field->value;
	}
	return GUARD_RULE_COUNT;
}

/* origin-form, absolute-form of http(s) for the same host, or "*" for OPTIONS (RFC 9112, 3.2). */
static enum guard_rule
check_host(const struct guard_request *q, const struct findings *f, unsigned minor)
{
	struct gh_str host = trim(f->value[KNOWN_HOST]), rest;

	if (f->count[KNOWN_HOST] > 1)
		return GUARD_HOST_TWICE;
	if (f->count[KNOWN_HOST] == 0 && minor == 1)
		return GUARD_HOST_MISSING;
	if (f->count[KNOWN_HOST] == 1 && !is_host(host))
		return GUARD_HOST_SYNTAX;
	if (q->target.n > 0 && q->target.p[0] == '/')
		return GUARD_RULE_COUNT;
	if (gh_str_eq(q->target, GH_STR("*")))
		return gh_str_eq(q->method, GH_STR("OPTIONS")) ? GUARD_RULE_COUNT
							       : GUARD_TARGET_FORM;
	if (starts(q->target, GH_STR("http://")))
		rest = skip(q->target, 7);
	else if (starts(q->target, GH_STR("https://")))
		rest = skip(q->target, 8);
	else
		return GUARD_TARGET_FORM;
	size_t n = 0;

	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	rest.n = n;
	if (!is_host(rest))
		return GUARD_TARGET_FORM;
	if (f->count[KNOWN_HOST] == 1 && !gh_str_eq_nocase(rest, host))
		return GUARD_HOST_OTHER;
	return GUARD_RULE_COUNT;
}

/* Exactly one way to find the end of the body (RFC 9112, 6.1 and 6.3).  Transfer-Encoding is
 * compared as it came: the library takes "chunked" with a blank behind it for something else. */
static enum guard_rule
check_framing(const struct findings *f, struct guard_facts *facts)
{
	facts->body_length = 0;
	if (f->count[KNOWN_CODING] > 1)
		return GUARD_CODING_TWICE;
	if (f->count[KNOWN_LENGTH] > 1)
		return GUARD_LENGTH_TWICE;
	if (f->count[KNOWN_CODING] == 1) {
		if (f->count[KNOWN_LENGTH] > 0)
			return GUARD_FRAMING_TWICE;
		if (facts->minor == 0)
			return GUARD_CODING_OLD;
		if (!gh_str_eq_nocase(f->value[KNOWN_CODING], GH_STR("chunked")))
			return GUARD_CODING_UNKNOWN;
		facts->body_length = -1;
	} else if (f->count[KNOWN_LENGTH] == 1) {
		if (!parse_length(f->value[KNOWN_LENGTH], &facts->body_length))
			return GUARD_LENGTH_SYNTAX;
		if (facts->body_length < 0)
			return GUARD_LENGTH_LONG;
	}
	facts->expects_100 = false;
	if (f->count[KNOWN_EXPECT] > 0 && facts->minor == 1) {
		if (!gh_str_eq_nocase(trim(f->value[KNOWN_EXPECT]), GH_STR("100-continue")))
			return GUARD_EXPECTATION;
		facts->expects_100 = true;
	}
	return GUARD_RULE_COUNT;
}

const struct guard_refusal *
http_guard_check(const struct guard_request *request, const struct guard_limits *limits,
	struct guard_facts *ret_facts)
{
	struct findings found = { .count = { 0 } };
	struct guard_facts facts = { .minor = 1 };
	enum guard_rule rule = check_line(request, limits, &facts.minor);

	if (rule == GUARD_RULE_COUNT)
		rule = check_fields(request, limits, &found);
	if (rule == GUARD_RULE_COUNT)
		rule = check_host(request, &found, facts.minor);
	if (rule == GUARD_RULE_COUNT)
		rule = check_framing(&found, &facts);
	if (rule != GUARD_RULE_COUNT)
		return &http_guard_refusals[rule];
	*ret_facts = facts;
	return NULL;
}

/* ---- What goes no further -------------------------------------------------------------------- */

/* Mark the fields that one Connection field names.  Host is for every recipient and stays. */
static void
mark_named(struct gh_str list, const struct gh_field *fields, size_t n, bool *goes)
{
	while (list.n > 0) {
		size_t end = 0;

		while (end < list.n && list.p[end] != ',')
			end++;
		struct gh_str name = trim((struct gh_str){ list.p, end });

		list = skip(list, end < list.n ? end + 1 : end);
		if (name.n == 0 || gh_str_eq_nocase(name, GH_STR("close")) ||
			gh_str_eq_nocase(name, GH_STR("keep-alive")) ||
			gh_str_eq_nocase(name, GH_STR("Host")))
			continue;
		for (size_t i = 0; i < n; i++)
			goes[i] = goes[i] || gh_str_eq_nocase(fields[i].name, name);
	}
}

size_t
http_guard_strip(struct gh_field *fields, size_t n)
{
	bool goes[GUARD_MAX_FIELDS] = { false };
	size_t kept = 0;

	if (n > GUARD_MAX_FIELDS)
		n = GUARD_MAX_FIELDS; /* http_guard_check() has refused more */
	for (size_t i = 0; i < n; i++) {
		const struct known_row *row = known_find(fields[i].name);

		if (row == NULL || (row->flags & HOP) == 0)
			continue;
		goes[i] = true;
		if (row->known == KNOWN_CONNECTION)
			mark_named(fields[i].value, fields, n, goes);
	}
	for (size_t i = 0; i < n; i++)
		if (!goes[i]) {
			fields[kept] = (struct gh_field){ fields[i].name, trim(fields[i].value) };
			kept++;
		}
	return kept;
}
