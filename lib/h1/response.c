/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file response.c
 * @brief Response heads, line by line as they come.
 *
 * A line is looked at when its LF is there, and never again; so a head that trickles in costs no
 * more than one that comes at once.  Only the first bytes of a status line are checked before that:
 * a peer that does not speak HTTP is found out at once and not by a deadline.
 */
#include "lib/h1/bytes.h"

#define NAMED_MAX 32u /* options that the Connection fields of one head may hold */

void
h1_response_init(struct h1_response *r, bool is_head_request)
{
	memset(r, 0, offsetof(struct h1_response, fields));
	r->content_length = -1;
	r->is_head_request = is_head_request;
}

/* ---- Status line ------------------------------------------------------------------- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/** Can what is there become a status line? */
static bool
may_be_status_line(const char *p, size_t n)
{
	return n == 0 || memcmp(p, "HTTP/1.", n < 7 ? n : 7) == 0;
}

/** "HTTP/1.1 200 reason"; servers that leave out the last space are understood. */
static int
parse_status_line(struct h1_response *r, struct gh_str line, const char **ret_why)
{
	if (line.n < 12 || !may_be_status_line(line.p, line.n) || line.p[8] != ' ' ||
		(line.p[7] != '0' && line.p[7] != '1'))
		return h1_fail(GH_EINVAL, "the status line is not one of HTTP/1.0 or HTTP/1.1",
			ret_why);
	const char *code = line.p + 9;

	if (code[0] < '1' || code[0] > '5' || !is_digit(code[1]) || !is_digit(code[2]) ||
		(line.n > 12 && line.p[12] != ' '))
		return h1_fail(GH_EINVAL, "the status code is not three digits from 100 to 599",
			ret_why);
	if (!h1_is_value((struct gh_str){ line.p + 12, line.n - 12 }))
		return h1_fail(GH_EINVAL, "the reason phrase holds a control byte", ret_why);
	r->minor = (unsigned)(line.p[7] - '0');
	r->status = (unsigned)(code[0] - '0') * 100 + (unsigned)(code[1] - '0') * 10 +
		(unsigned)(code[2] - '0');
	return 0;
}

/* ---- Fields ------------------------------------------------------------------------ */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct gh_str
trim(struct gh_str s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/** Take the next item off a comma-separated list.  @return false: there is none. */
static bool
next_item(struct gh_str *list, struct gh_str *ret_item)
{
	if (list->n == 0)
		return false;
	const char *comma = memchr(list->p, ',', list->n);
	size_t n = comma != NULL ? (size_t)(comma - list->p) : list->n;
	size_t skip = comma != NULL ? n + 1 : n;

	*ret_item = trim((struct gh_str){ list->p, n });
	list->p += skip;
	list->n -= skip;
	return true;
}

static int
on_content_length(struct h1_response *r, struct gh_str value, const char **ret_why)
{
	int64_t length = 0;

	if (r->content_length >= 0)
		return h1_fail(GH_EINVAL, "there is more than one Content-Length", ret_why);
	if (value.n == 0 || value.n > 18)
		return h1_fail(GH_EINVAL, "Content-Length is not a number of bytes", ret_why);
	for (size_t i = 0; i < value.n; i++) {
		if (!is_digit(value.p[i]))
			return h1_fail(GH_EINVAL, "Content-Length is not a number of bytes",
				ret_why);
		length = length * 10 + (value.p[i] - '0');
	}
	r->content_length = length;
	return 0;
}

static int
on_transfer_encoding(struct h1_response *r, struct gh_str value, const char **ret_why)
{
	if (r->has_encoding || !gh_str_eq_nocase(value, GH_STR("chunked")))
		return h1_fail(GH_EINVAL, "Transfer-Encoding is not chunked alone", ret_why);
	r->has_encoding = true;
	return 0;
}

static int
on_connection(struct h1_response *r, struct gh_str value, const char **ret_why)
{
	struct gh_str item;

	while (next_item(&value, &item)) {
		if (++r->named > NAMED_MAX)
			return h1_fail(GH_ETOOBIG, "Connection holds too many options", ret_why);
		if (gh_str_eq_nocase(item, GH_STR("close")))
			r->says_close = true;
		else if (gh_str_eq_nocase(item, GH_STR("keep-alive")))
			r->says_keep_alive = true;
	}
	return 0;
}

typedef int field_fn(struct h1_response *r, struct gh_str value, const char **ret_why);

static int
parse_field(struct h1_response *r, const char *p, struct gh_str line, const char **ret_why)
{
	static field_fn *const on_name[] = {
		[H1_NAME_CONNECTION] = on_connection,
		[H1_NAME_CONTENT_LENGTH] = on_content_length,
		[H1_NAME_TRANSFER_ENCODING] = on_transfer_encoding,
	};
	size_t n = 0;

	if (is_blank(line.p[0]))
		return h1_fail(GH_EINVAL, "a field line is folded", ret_why);
	while (n < line.n && h1_is(line.p[n], H1_TOKEN_BYTE))
		n++;
	if (n < line.n && is_blank(line.p[n]))
		return h1_fail(GH_EINVAL, "there is a space in or behind a field name", ret_why);
	if (n == 0 || n == line.n || line.p[n] != ':')
		return h1_fail(GH_EINVAL, "a field name is empty or no token", ret_why);
	struct gh_str name = { line.p, n };
	struct gh_str value = trim((struct gh_str){ line.p + n + 1, line.n - n - 1 });

	if (!h1_is_value(value))
		return h1_fail(GH_EINVAL, "a field value holds a control byte", ret_why);
	if (r->field_count == H1_FIELDS_MAX)
		return h1_fail(GH_ETOOBIG, "there are more than 200 field lines", ret_why);
	enum h1_name known = h1_name_of(name);

	r->fields[r->field_count++] = (struct h1_field){
		.name = { (uint32_t)(name.p - p), (uint32_t)name.n },
		.value = { (uint32_t)(value.p - p), (uint32_t)value.n },
		.is_hop = known != H1_NAME_OTHER,
	};
	if (known == H1_NAME_OTHER || known >= H1_NAME_HOP)
		return 0;
	return on_name[known](r, value, ret_why);
}

/* ---- The end of a head ------------------------------------------------------------- */

/** Fields that Connection names are hop-by-hop too (RFC 9110, 7.6.1). */
static void
mark_named(struct h1_response *r, const char *p)
{
	for (unsigned i = 0; i < r->field_count; i++) {
		struct gh_str item, list = h1_slice_of(p, r->fields[i].value);

		if (h1_name_of(h1_slice_of(p, r->fields[i].name)) != H1_NAME_CONNECTION)
			continue;
		while (next_item(&list, &item))
			for (unsigned k = 0; k < r->field_count; k++)
				r->fields[k].is_hop |=
					gh_str_eq_nocase(item, h1_slice_of(p, r->fields[k].name));
	}
}

/** How long the body is (RFC 9112, 6.3), and whether the connection lives on (9.3). */
static int
decide(struct h1_response *r, const char *p, const char **ret_why)
{
	if (r->has_encoding && r->content_length >= 0)
		return h1_fail(GH_EINVAL, "there are Transfer-Encoding and Content-Length",
			ret_why);
	if (r->has_encoding && r->minor == 0)
		return h1_fail(GH_EINVAL, "there is a Transfer-Encoding in HTTP/1.0", ret_why);
	if (r->is_head_request || r->status == 204 || r->status == 304)
		r->framing = H1_NO_BODY;
	else if (r->has_encoding)
		r->framing = H1_CHUNKED;
	else
		r->framing = r->content_length >= 0 ? H1_LENGTH : H1_UNTIL_CLOSE;
	r->is_persistent = r->framing != H1_UNTIL_CLOSE && !r->says_close &&
		(r->minor == 1 || r->says_keep_alive);
	if (r->named > 0)
		mark_named(r, p);
	return 0;
}

/** An interim head is over: start again behind it. */
static int
skip_interim(struct h1_response *r, const char **ret_why)
{
	if (r->status == 101)
		return h1_fail(GH_EINVAL, "it switches protocols without being asked", ret_why);
	if (++r->interim > H1_INTERIM_MAX)
		return h1_fail(GH_ETOOBIG, "there are too many interim responses", ret_why);
	struct h1_response fresh = { .content_length = -1, .is_head_request = r->is_head_request,
		.interim = r->interim, .line = r->line, .scan = r->scan };

	memcpy(r, &fresh, offsetof(struct h1_response, fields));
	return 0;
}

/** A line without its CRLF.  @return as h1_response_parse(). */
static int
on_line(struct h1_response *r, const char *p, struct gh_str line, const char **ret_why)
{
	int r2;

	if (!r->in_fields) {
		r2 = parse_status_line(r, line, ret_why);
		r->in_fields = true;
	} else if (line.n > 0) {
		r2 = parse_field(r, p, line, ret_why);
	} else if (r->status < 200) {
		r2 = skip_interim(r, ret_why);
	} else {
		return decide(r, p, ret_why);
	}
	return r2 < 0 ? r2 : GH_EAGAIN;
}

int
h1_response_parse(struct h1_response *r, const char *p, size_t n, size_t *ret_used,
	const char **ret_why)
{
	int r2 = GH_EAGAIN;

	while (r2 == GH_EAGAIN) {
		const char *lf = n > r->scan ? memchr(p + r->scan, '\n', n - r->scan) : NULL;

		if (!r->in_fields && n > r->line && !may_be_status_line(p + r->line, n - r->line))
			return h1_fail(GH_EINVAL,
				"the status line is not one of HTTP/1.0 or HTTP/1.1", ret_why);
		if ((lf != NULL ? (size_t)(lf - p) : n) >= H1_HEAD_MAX)
			return h1_fail(GH_ETOOBIG, "the head is longer than 64 KiB", ret_why);
		if (lf == NULL) {
			r->scan = (uint32_t)n;
			return GH_EAGAIN;
		}
		size_t start = r->line, end = (size_t)(lf - p);

		if (end == start || p[end - 1] != '\r')
			return h1_fail(GH_EINVAL, "a line ends with a bare LF", ret_why);
		r->line = r->scan = (uint32_t)(end + 1);
		r2 = on_line(r, p, (struct gh_str){ p + start, end - 1 - start }, ret_why);
	}
	if (r2 == 0)
		*ret_used = r->line;
	return r2;
}
