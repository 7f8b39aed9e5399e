/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file multipart.c
 * @brief multipart/form-data: find the delimiter lines, then read the fields of each part.
 *
 * A delimiter is CRLF "--" boundary, then blanks and CRLF, or "--" at the end (RFC 2046, 5.1.1).
 * The first one may stand at the very beginning.  Bytes that only look like one belong to the part.
 */
#include "lib/form/form.h"

#define BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */

static int
fail(int err, const char *why, const char **ret_why)
{
	if (ret_why != NULL)
		*ret_why = why;
	return err;
}

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

static struct gh_str
cut(struct gh_str s, size_t from)
{
	return (struct gh_str){ s.p + from, s.n - from };
}

/** Take a quoted value or a bare one up to ';' from the front of @p rest.
 *  @return the value without its quotes; p = NULL: the quote is not closed. */
static struct gh_str
take_value(struct gh_str *rest)
{
	size_t i = 0;

	if (rest->n == 0 || rest->p[0] != '"') {
		while (i < rest->n && rest->p[i] != ';')
			i++;
		struct gh_str bare = trim((struct gh_str){ rest->p, i });

		*rest = cut(*rest, i);
		return bare;
	}
	for (i = 1; i < rest->n && rest->p[i] != '"'; i++)
		if (rest->p[i] == '\\' && i + 1 < rest->n && rest->p[i + 1] == '"')
			i++; /* \" does not end it; other backslashes are part of file names */
	if (i >= rest->n)
		return GH_STR_NONE;
	struct gh_str quoted = { rest->p + 1, i - 1 };

	*rest = cut(*rest, i + 1);
	return quoted;
}

/** Parameter of a field value, "form-data; name=\"file\"; filename=x".
 *  @return 0; GH_ENOENT; GH_EINVAL: malformed, or there twice. */
static int
parameter_of(struct gh_str value, struct gh_str name, struct gh_str *ret_value)
{
	const char *semicolon = value.n > 0 ? memchr(value.p, ';', value.n) : NULL;
	struct gh_str rest = semicolon == NULL ? GH_STR_NONE :
		cut(value, (size_t)(semicolon - value.p));
	bool is_found = false;

	while (rest.n > 0) {
		if (rest.p[0] != ';')
			return GH_EINVAL;
		rest = trim(cut(rest, 1));
		if (rest.n == 0)
			break; /* a semicolon at the end */
		const char *equals = memchr(rest.p, '=', rest.n);

		if (equals == NULL)
			return GH_EINVAL;
		struct gh_str key = trim((struct gh_str){ rest.p, (size_t)(equals - rest.p) });

		rest = trim(cut(rest, (size_t)(equals - rest.p) + 1));
		struct gh_str found = take_value(&rest);

		rest = trim(rest);
		if (found.p == NULL)
			return GH_EINVAL;
		if (!gh_str_eq_nocase(key, name))
			continue;
		if (is_found)
			return GH_EINVAL;
		*ret_value = found;
		is_found = true;
	}
	return is_found ? 0 : GH_ENOENT;
}

static int
boundary_of(struct gh_str content_type, struct gh_str *ret_boundary, const char **ret_why)
{
	static const char others[] = "'()+_,-./:=? ";

	if (!form_is_type(content_type, GH_STR("multipart/form-data")))
		return fail(GH_EINVAL, "the content type is not multipart/form-data", ret_why);
	if (parameter_of(content_type, GH_STR("boundary"), ret_boundary) < 0 ||
	    ret_boundary->n == 0 || ret_boundary->n > BOUNDARY_MAX ||
	    ret_boundary->p[ret_boundary->n - 1] == ' ')
		return fail(GH_EINVAL, "the content type has no valid boundary", ret_why);
	for (size_t i = 0; i < ret_boundary->n; i++) {
		char c = ret_boundary->p[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return fail(GH_EINVAL, "the content type has no valid boundary", ret_why);
	}
	return 0;
}

/** Where the next CRLF stands at or behind @p from; text.n: nowhere. */
static size_t
crlf_at(struct gh_str text, size_t from)
{
	while (from < text.n) {
		const char *cr = memchr(text.p + from, '\r', text.n - from);

		if (cr == NULL)
			break;
		from = (size_t)(cr - text.p);
		if (from + 1 < text.n && cr[1] == '\n')
			return from;
		from++;
	}
	return text.n;
}

/** A delimiter line. */
struct delimiter {
	size_t start;  /**< Where the part before it ends. */
	size_t end;    /**< Behind its line. */
	bool is_last;
};

/** Does a delimiter line begin at @p at ("--boundary...")?  @return its end, or 0. */
static size_t
delimiter_end(struct gh_str body, size_t at, struct gh_str boundary, bool *ret_is_last)
{
	size_t i = at + 2 + boundary.n;

	if (i > body.n || memcmp(body.p + at, "--", 2) != 0 ||
	    memcmp(body.p + at + 2, boundary.p, boundary.n) != 0)
		return 0;
	bool is_last = body.n - i >= 2 && memcmp(body.p + i, "--", 2) == 0;

	if (is_last)
		i += 2;
	while (i < body.n && is_blank(body.p[i]))
		i++;
	if (is_last && i == body.n) {
		*ret_is_last = true;
		return i;
	}
	if (body.n - i < 2 || memcmp(body.p + i, "\r\n", 2) != 0)
		return 0;
	*ret_is_last = is_last;
	return i + 2;
}

/** Next delimiter at or behind @p from, where a line begins.  @return false: none. */
static bool
find_delimiter(struct gh_str body, size_t from, struct gh_str boundary, struct delimiter *ret)
{
	size_t line = from;

	while (line < body.n) {
		size_t end = delimiter_end(body, line, boundary, &ret->is_last);

		if (end > 0) {
			ret->start = line >= from + 2 ? line - 2 : from;
			ret->end = end;
			return true;
		}
		line = crlf_at(body, line) + 2;
	}
	return false;
}

static int
read_disposition(struct gh_str value, struct multipart_part *part, const char **ret_why)
{
	if (!form_is_type(value, GH_STR("form-data")))
		return fail(GH_EINVAL, "the disposition of a part is not form-data", ret_why);
	if (parameter_of(value, GH_STR("name"), &part->name) < 0 || part->name.n == 0)
		return fail(GH_EINVAL, "a part has no valid name", ret_why);
	int r = parameter_of(value, GH_STR("filename"), &part->filename);

	if (r < 0 && r != GH_ENOENT)
		return fail(GH_EINVAL, "a part has no valid file name", ret_why);
	return 0;
}

/** One field line of a part. */
static int
read_field(struct gh_str line, struct multipart_part *part, const char **ret_why)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (colon == NULL || colon == line.p || is_blank(line.p[0]))
		return fail(GH_EINVAL, "a field of a part is malformed", ret_why);
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7F)
			return fail(GH_EINVAL, "a control byte stands in a part's fields", ret_why);
	struct gh_str name = { line.p, (size_t)(colon - line.p) };
	struct gh_str value = trim(cut(line, name.n + 1));

	if (gh_str_eq_nocase(name, GH_STR("Content-Type")))
		part->content_type = value;
	if (!gh_str_eq_nocase(name, GH_STR("Content-Disposition")))
		return 0;
	if (part->name.p != NULL)
		return fail(GH_EINVAL, "a part has two dispositions", ret_why);
	return read_disposition(value, part, ret_why);
}

/** Fields, an empty line, then the body. */
static int
read_part(struct gh_str text, struct multipart_part *part, const char **ret_why)
{
	size_t used = 0;

	*part = (struct multipart_part){ .name = GH_STR_NONE };
	for (;;) {
		size_t n = crlf_at(text, 0);

		if (text.n == 0 && used > 0)
			break; /* nothing but fields: the delimiter took the empty line */
		if (used + n > MULTIPART_HEAD_MAX)
			return fail(GH_ETOOBIG, "the fields of a part are too long", ret_why);
		if (n == text.n)
			return fail(GH_EINVAL, "a part ends within its fields", ret_why);
		struct gh_str line = { text.p, n };

		text = cut(text, n + 2);
		used += n + 2;
		if (n == 0)
			break;
		int r = read_field(line, part, ret_why);

		if (r < 0)
			return r;
	}
	if (part->name.p == NULL)
		return fail(GH_EINVAL, "a part has no disposition", ret_why);
	part->body = text;
	return 0;
}

int
multipart_parse(struct gh_str content_type, struct gh_str body, struct multipart_part *parts,
	size_t max, size_t *ret_n, const char **ret_why)
{
	struct gh_str boundary;
	struct delimiter here, next;
	size_t n = 0;
	int r = boundary_of(content_type, &boundary, ret_why);

	if (r < 0)
		return r;
	if (!find_delimiter(body, 0, boundary, &here))
		return fail(GH_EINVAL, "the boundary does not occur in the body", ret_why);
	while (!here.is_last) {
		if (!find_delimiter(body, here.end, boundary, &next))
			return fail(GH_EINVAL, "the closing boundary is missing", ret_why);
		if (n == max)
			return fail(GH_ETOOBIG, "too many parts", ret_why);
		struct gh_str text = { body.p + here.end, next.start - here.end };

		r = read_part(text, &parts[n++], ret_why);
		if (r < 0)
			return r;
		here = next;
	}
	*ret_n = n;
	return 0;
}

const struct multipart_part *
multipart_find(const struct multipart_part *parts, size_t n, const char *name)
{
	struct gh_str wanted = gh_str_of(name);

	for (size_t i = 0; i < n; i++)
		if (gh_str_eq(parts[i].name, wanted))
			return &parts[i];
	return NULL;
}
