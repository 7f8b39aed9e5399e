/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file uri.c
 * @brief Canonical request targets, hosts and URLs.
 *
 * A path that is canonical already, nearly every one, costs one pass over its bytes and no copy.
 * Anything else is rebuilt segment by segment: bytes first, then dots, so that no spelling of a dot
 * segment is left when dots are looked at.
 */
#include "lib/uri/uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum byte_class {
	UNRESERVED = 1, /**< RFC 3986, 2.3. */
	SEGMENT = 2,    /**< May stand in a path segment as it is: pchar without '%'. */
	ENCODE = 4,     /**< Printable, but only encoded in a path. */
	QUERY = 8,      /**< May stand in a query on a request line. */
	NAME = 16,      /**< May stand in a host name. */
};

#define PLAIN (UNRESERVED | SEGMENT | QUERY)
static const uint8_t classes[256] = {
	['a' ... 'z'] = PLAIN | NAME, ['A' ... 'Z'] = PLAIN | NAME, ['0' ... '9'] = PLAIN | NAME,
	['-'] = PLAIN | NAME, ['.'] = PLAIN | NAME, ['_'] = PLAIN | NAME, ['~'] = PLAIN,
	['!'] = SEGMENT | QUERY, ['$'] = SEGMENT | QUERY, ['&'] = SEGMENT | QUERY,
	['\''] = SEGMENT | QUERY, ['('] = SEGMENT | QUERY, [')'] = SEGMENT | QUERY,
	['*'] = SEGMENT | QUERY, ['+'] = SEGMENT | QUERY, [','] = SEGMENT | QUERY,
	[';'] = SEGMENT | QUERY, ['='] = SEGMENT | QUERY, [':'] = SEGMENT | QUERY,
	['@'] = SEGMENT | QUERY,
	['"'] = ENCODE | QUERY, ['<'] = ENCODE | QUERY, ['>'] = ENCODE | QUERY,
	['['] = ENCODE | QUERY, [']'] = ENCODE | QUERY, ['^'] = ENCODE | QUERY,
	['`'] = ENCODE | QUERY, ['{'] = ENCODE | QUERY, ['|'] = ENCODE | QUERY,
	['}'] = ENCODE | QUERY,
	['%'] = QUERY, ['/'] = QUERY, ['?'] = QUERY, ['\\'] = QUERY,
};

static const char digits[16] = "0123456789ABCDEF";

/** Where a changed part is written. */
struct writer {
	char *p;
	size_t n, size;
};

static bool
is_class(char c, unsigned mask)
{
	return (classes[(unsigned char)c] & mask) != 0;
}

static int
refuse(const char **ret_why, const char *why)
{
	if (ret_why != NULL)
		*ret_why = why;
	return GH_EINVAL;
}

static int
no_room(const char **ret_why)
{
	if (ret_why != NULL)
		*ret_why = "The request target is too long.";
	return GH_ETOOBIG;
}

static bool
put(struct writer *w, char c)
{
	if (w->n >= w->size)
		return false;
	w->p[w->n++] = c;
	return true;
}

static bool
put_encoded(struct writer *w, unsigned char byte)
{
	return put(w, '%') && put(w, digits[byte >> 4]) && put(w, digits[byte & 15]);
}

/** @return 0 to 15, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 32);

	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/** Value of the "%XX" at @p p, of which @p n bytes are there.  @return 0 to 255, or -1. */
static int
hex_pair(const char *p, size_t n)
{
	if (n < 3)
		return -1;
	int high = hex_value(p[1]), low = hex_value(p[2]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static struct gh_str
rest_of(struct gh_str s, size_t from)
{
	return (struct gh_str){ s.p + from, s.n - from };
}

/* ---- Paths ------------------------------------------------------------------------- */

/** Append one segment with its bytes normalised. */
static int
put_segment(struct writer *w, struct gh_str segment, const char **ret_why)
{
	for (size_t i = 0; i < segment.n; i++) {
		char c = segment.p[i];
		bool fits;

		if (is_class(c, SEGMENT)) {
			fits = put(w, c);
		} else if (is_class(c, ENCODE)) {
			fits = put_encoded(w, (unsigned char)c);
		} else if (c == '%') {
			int value = hex_pair(segment.p + i, segment.n - i);

			if (value < 0)
				return refuse(ret_why, "The path holds a '%' without two "
					"hexadecimal digits.");
			if (value == 0)
				return refuse(ret_why, "The path holds an encoded NUL byte.");
			i += 2;
			fits = is_class((char)value, UNRESERVED) ? put(w, (char)value) :
				put_encoded(w, (unsigned char)value);
		} else if (c == '\\') {
			return refuse(ret_why, "The path holds a backslash.");
		} else if (c == '#') {
			return refuse(ret_why, "The request target holds a fragment.");
		} else {
			return refuse(ret_why, "The path holds a space, a control byte or a byte "
				"that is not ASCII.");
		}
		if (!fits)
			return no_room(ret_why);
	}
	return 0;
}

static bool
is_dots(struct gh_str s)
{
	return gh_str_eq(s, GH_STR(".")) || gh_str_eq(s, GH_STR(".."));
}

/** Where an escape of @p wanted (upper case) or, if it is not 0, the byte @p plain stands first. */
static size_t
find_either(struct gh_str s, const char wanted[4], const char *other, char plain)
{
	size_t i = 0;

	while (i < s.n && (plain == 0 || s.p[i] != plain) &&
		(s.n - i < 3 || (memcmp(s.p + i, wanted, 3) != 0 &&
		(other == NULL || memcmp(s.p + i, other, 3) != 0))))
		i++;
	return i;
}

/** Would a backend that takes "%2F" and "%5C" for separators, or cuts parameters off (";v=1"), find
 *  a dot segment in this normalised one? */
static bool
hides_dots(struct gh_str segment)
{
	struct gh_str rest = segment;

	if (segment.n == 0 || memchr(segment.p, '.', segment.n) == NULL)
		return false;
	while (true) {
		struct gh_str part = { rest.p, find_either(rest, "%2F", "%5C", 0) };
		struct gh_str bare = { part.p, find_either(part, "%3B", NULL, ';') };

		if (is_dots(bare) && bare.n < segment.n)
			return true;
		if (part.n == rest.n)
			return false;
		rest = rest_of(rest, part.n + 3);
	}
}

/** Take back the last segment that was written. */
static void
drop_segment(struct writer *w)
{
	while (w->n > 0 && w->p[--w->n] != '/')
		;
}

/** Rebuild a path that begins with '/'. */
static int
rebuild_path(struct gh_str path, struct writer *w, const char **ret_why)
{
	bool ends_open = true; /* with a slash: an empty or a dot segment came last */

	for (size_t i = 0; i < path.n;) {
		while (i < path.n && path.p[i] == '/')
			i++;
		size_t start = i, mark = w->n;

		while (i < path.n && path.p[i] != '/')
			i++;
		ends_open = true;
		if (i == start)
			break;
		if (!put(w, '/'))
			return no_room(ret_why);
		int r = put_segment(w, (struct gh_str){ path.p + start, i - start }, ret_why);

		if (r < 0)
			return r;
		struct gh_str segment = { w->p + mark + 1, w->n - mark - 1 };

		if (is_dots(segment)) {
			w->n = mark;
			if (segment.n == 2 && mark == 0)
				return refuse(ret_why, "The path leads above the root.");
			if (segment.n == 2)
				drop_segment(w);
			continue;
		}
		if (hides_dots(segment))
			return refuse(ret_why, "The path holds a dot segment beside an encoded "
				"separator or a parameter.");
		ends_open = false;
	}
	return !ends_open || put(w, '/') ? 0 : no_room(ret_why);
}

/** The fast path: nothing to decode, encode, merge or resolve. */
static bool
is_canonical(struct gh_str path)
{
	char before = 0;

	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '/' ? before == '/' : !is_class(c, SEGMENT))
			return false;
		if (c == '.' && before == '/')
			return false; /* "/.well-known" too: only a look at the segment can tell */
		before = c;
	}
	return true;
}

static int
path_into(struct gh_str path, struct writer *w, struct gh_str *ret_path, const char **ret_why)
{
	if (path.n == 0 || path.p[0] != '/')
		return refuse(ret_why, "The path does not begin with a slash.");
	if (is_canonical(path)) {
		*ret_path = path;
		return 0;
	}
	struct writer own = { w->p + w->n, 0, w->size - w->n };
	int r = rebuild_path(path, &own, ret_why);

	if (r < 0)
		return r;
	w->n += own.n;
	*ret_path = (struct gh_str){ own.p, own.n };
	return 0;
}

int
uri_path_canonical(struct gh_str path, char *buf, size_t size, struct gh_str *ret_path,
	const char **ret_why)
{
	struct writer w = { buf, 0, size };

	return path_into(path, &w, ret_path, ret_why);
}

/** Split "path?query" and make the path canonical.  An empty path is "/". */
static int
path_and_query_into(struct gh_str text, struct writer *w, struct gh_str *ret_path,
	struct gh_str *ret_query, const char **ret_why)
{
	const char *mark = text.n > 0 ? memchr(text.p, '?', text.n) : NULL;
	struct gh_str path = { text.p, mark != NULL ? (size_t)(mark - text.p) : text.n };
	struct gh_str query = GH_STR_NONE;

	if (mark != NULL)
		query = rest_of(text, path.n + 1);
	for (size_t i = 0; i < query.n; i++) {
		if (query.p[i] == '#')
			return refuse(ret_why, "The request target holds a fragment.");
		if (!is_class(query.p[i], QUERY))
			return refuse(ret_why, "The query holds a space, a control byte or a byte "
				"that is not ASCII.");
	}
	if (path.n == 0)
		path = GH_STR("/");
	int r = path_into(path, w, ret_path, ret_why);

	if (r == 0)
		*ret_query = query;
	return r;
}

/* ---- Hosts ------------------------------------------------------------------------- */

/** @param text  what follows the host: empty, or ':' and digits. */
static int
parse_port(struct gh_str text, uint16_t *ret_port, const char **ret_why)
{
	unsigned value = 0;

	if (text.n > 0 && text.p[0] != ':')
		return refuse(ret_why, "The host holds a byte that may not stand there.");
	if (text.n > 6)
		return refuse(ret_why, "The port is not a number from 1 to 65535.");
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return refuse(ret_why, "The port is not a number from 1 to 65535.");
		value = value * 10 + (unsigned)(text.p[i] - '0');
	}
	if (text.n > 1 && (value == 0 || value > 65535))
		return refuse(ret_why, "The port is not a number from 1 to 65535.");
	*ret_port = (uint16_t)value;
	return 0;
}

/** "[v6]" at the start of @p authority. */
static int
ip6_into(struct gh_str authority, struct writer *w, struct gh_str *ret_host, size_t *ret_used,
	const char **ret_why)
{
	const char *end = memchr(authority.p, ']', authority.n);
	size_t used = end != NULL ? (size_t)(end - authority.p) + 1 : 0;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (used < 4 || used - 2 >= sizeof(text))
		return refuse(ret_why, "The host is no IPv6 address in brackets.");
	memcpy(text, authority.p + 1, used - 2);
	text[used - 2] = 0;
	if (memchr(text, 0, used - 2) != NULL || inet_pton(AF_INET6, text, &address) != 1 ||
		inet_ntop(AF_INET6, &address, text, sizeof(text)) == NULL)
		return refuse(ret_why, "The host is no IPv6 address in brackets.");
	*ret_used = used;
	struct gh_str host = { authority.p + 1, used - 2 };

	if (gh_str_eq(gh_str_of(text), host)) {
		*ret_host = (struct gh_str){ authority.p, used };
		return 0;
	}
	size_t n = strlen(text);

	if (w->size - w->n < n + 2)
		return no_room(ret_why);
	char *out = w->p + w->n;

	out[0] = '[';
	memcpy(out + 1, text, n);
	out[n + 1] = ']';
	w->n += n + 2;
	*ret_host = (struct gh_str){ out, n + 2 };
	return 0;
}

/** A name or an IPv4 address at the start of @p authority. */
static int
name_into(struct gh_str authority, struct writer *w, struct gh_str *ret_host, size_t *ret_used,
	const char **ret_why)
{
	bool has_upper = false;
	size_t n = 0;

	for (; n < authority.n && is_class(authority.p[n], NAME); n++) {
		char c = authority.p[n];

		has_upper |= c >= 'A' && c <= 'Z';
		if (c == '.' && (n == 0 || authority.p[n - 1] == '.'))
			return refuse(ret_why, "The host holds an empty label.");
	}
	*ret_used = n;
	if (n > 0 && authority.p[n - 1] == '.')
		n--;
	if (n == 0)
		return refuse(ret_why, "The host is empty or holds a byte that may not be there.");
	if (n > URI_HOST_MAX)
		return refuse(ret_why, "The host is longer than 253 bytes.");
	*ret_host = (struct gh_str){ authority.p, n };
	if (!has_upper)
		return 0;
	if (w->size - w->n < n)
		return no_room(ret_why);
	char *out = w->p + w->n;

	for (size_t i = 0; i < n; i++) {
		char c = authority.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	w->n += n;
	*ret_host = (struct gh_str){ out, n };
	return 0;
}

static int
host_into(struct gh_str authority, struct writer *w, struct gh_str *ret_host, uint16_t *ret_port,
	const char **ret_why)
{
	struct gh_str host = GH_STR_NONE;
	uint16_t port = 0;
	size_t used = 0;
	int r = 0;

	if (authority.n > 0 && memchr(authority.p, '@', authority.n) != NULL)
		return refuse(ret_why, "The host holds user information.");
	if (authority.n > 0) {
		r = authority.p[0] == '[' ? ip6_into(authority, w, &host, &used, ret_why) :
			name_into(authority, w, &host, &used, ret_why);
		if (r == 0)
			r = parse_port(rest_of(authority, used), &port, ret_why);
	}
	if (r < 0)
		return r;
	*ret_host = host;
	*ret_port = port;
	return 0;
}

int
uri_host_canonical(struct gh_str authority, char *buf, size_t size, struct gh_str *ret_host,
	uint16_t *ret_port, const char **ret_why)
{
	struct writer w = { buf, 0, size };

	return host_into(authority, &w, ret_host, ret_port, ret_why);
}

/* ---- Targets and URLs -------------------------------------------------------------- */

static uint16_t
default_port(bool is_tls)
{
	return is_tls ? 443 : 80;
}

/** @return bytes of "http://" or "https://" at the start of @p text; 0: neither is there. */
static size_t
scheme_length(struct gh_str text, bool *ret_is_tls)
{
	static const struct gh_str schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < 2; i++) {
		struct gh_str s = schemes[i];

		if (text.n >= s.n && gh_str_eq_nocase((struct gh_str){ text.p, s.n }, s)) {
			*ret_is_tls = i == 1;
			return s.n;
		}
	}
	return 0;
}

/** The part of an absolute URL behind its scheme. */
static int
url_into(struct gh_str text, struct writer *w, struct uri_url *ret_url, const char **ret_why)
{
	size_t n = 0;

	while (n < text.n && text.p[n] != '/' && text.p[n] != '?')
		n++;
	struct gh_str authority = { text.p, n };

	if (authority.n == 0)
		return refuse(ret_why, "The URL has no host.");
	int r = host_into(authority, w, &ret_url->host, &ret_url->port, ret_why);

	if (r == 0)
		r = path_and_query_into(rest_of(text, n), w, &ret_url->path, &ret_url->query,
			ret_why);
	return r;
}

int
uri_url_parse(struct gh_str url, char *buf, size_t size, struct uri_url *ret_url,
	const char **ret_why)
{
	struct uri_url found = { .is_tls = false };
	struct writer w = { buf, 0, size };
	size_t scheme = scheme_length(url, &found.is_tls);

	if (scheme == 0)
		return refuse(ret_why, "The URL begins with neither http:// nor https://.");
	int r = url_into(rest_of(url, scheme), &w, &found, ret_why);

	if (r < 0)
		return r;
	if (found.port == 0)
		found.port = default_port(found.is_tls);
	*ret_url = found;
	return 0;
}

/** Absolute form (RFC 9112, 3.2.2): its authority counts, and Host must not say otherwise. */
static int
absolute_into(struct gh_str target, size_t scheme, bool is_tls, struct writer *w, struct uri *uri,
	const char **ret_why)
{
	struct uri_url url = { .is_tls = is_tls };
	uint16_t dflt = default_port(is_tls);
	int r = url_into(rest_of(target, scheme), w, &url, ret_why);

	if (r < 0)
		return r;
	if (uri->host.n > 0 && (!gh_str_eq(uri->host, url.host) ||
		(uri->port != 0 ? uri->port : dflt) != (url.port != 0 ? url.port : dflt)))
		return refuse(ret_why, "The target and the Host field name different hosts.");
	uri->host = url.host;
	uri->port = url.port;
	uri->path = url.path;
	uri->query = url.query;
	return 0;
}

int
uri_canonical(struct gh_str target, struct gh_str host_field, char *buf, size_t size,
	struct uri *ret_uri, const char **ret_why)
{
	struct writer w = { buf, 0, size };
	struct uri uri = { .port = 0 };
	bool is_tls = false;
	int r = host_into(host_field, &w, &uri.host, &uri.port, ret_why);

	if (r < 0)
		return r;
	size_t scheme = scheme_length(target, &is_tls);

	if (target.n > 0 && target.p[0] == '/') {
		r = path_and_query_into(target, &w, &uri.path, &uri.query, ret_why);
	} else if (scheme > 0) {
		r = absolute_into(target, scheme, is_tls, &w, &uri, ret_why);
	} else if (gh_str_eq(target, GH_STR("*"))) {
		uri.is_asterisk = true;
		uri.path = target;
	} else {
		r = refuse(ret_why, "The request target is neither a path nor an http URL.");
	}
	if (r == 0)
		*ret_uri = uri;
	return r;
}

/* ---- Percent-encoding -------------------------------------------------------------- */

int
uri_percent_decode(struct gh_str text, char *buf, size_t size, struct gh_str *ret)
{
	struct writer w = { buf, 0, size };

	if (text.n == 0 || memchr(text.p, '%', text.n) == NULL) {
		*ret = text;
		return 0;
	}
	for (size_t i = 0; i < text.n; i++) {
		int value = (unsigned char)text.p[i];

		if (text.p[i] == '%') {
			value = hex_pair(text.p + i, text.n - i);
			if (value < 0)
				return GH_EINVAL;
			i += 2;
		}
		if (!put(&w, (char)value))
			return GH_ETOOBIG;
	}
	*ret = (struct gh_str){ w.p, w.n };
	return 0;
}

int
uri_percent_encode(struct gh_str text, char *buf, size_t size, struct gh_str *ret)
{
	struct writer w = { buf, 0, size };
	size_t plain = 0;

	while (plain < text.n && is_class(text.p[plain], UNRESERVED))
		plain++;
	if (plain == text.n) {
		*ret = text;
		return 0;
	}
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!(is_class(c, UNRESERVED) ? put(&w, c) : put_encoded(&w, (unsigned char)c)))
			return GH_ETOOBIG;
	}
	*ret = (struct gh_str){ w.p, w.n };
	return 0;
}
