/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_uri.c
 * @brief Every spelling of a request target, and the one form it has or the refusal it gets.
 */
#include <stdlib.h>

#include "lib/uri/uri.h"
#include "tests/unit/unit.h"

/** A path as received, and as everybody sees it; NULL: refused. */
static const struct {
	const char *path, *want;
} paths[] = {
	/* Canonical already. */
	{ "/", "/" },
	{ "/a", "/a" },
	{ "/a/", "/a/" },
	{ "/a/b/c", "/a/b/c" },
	{ "/books/1.0.0/isbn", "/books/1.0.0/isbn" },
	{ "/AbC", "/AbC" },
	{ "/-._~", "/-._~" },
	{ "/a!$&'()*+,;=:@b", "/a!$&'()*+,;=:@b" },
	{ "/a;v=1/b", "/a;v=1/b" },
	{ "/.well-known/openid", "/.well-known/openid" },
	{ "/...", "/..." },
	{ "/.../a", "/.../a" },
	{ "/..a", "/..a" },
	{ "/a..", "/a.." },
	{ "/a.", "/a." },
	{ "/.a", "/.a" },
	{ "/a./b", "/a./b" },
	{ "/a..b", "/a..b" },
	{ "/*", "/*" },
	/* Unreserved bytes are decoded, once. */
	{ "/%41", "/A" },
	{ "/%61%62%63", "/abc" },
	{ "/%7E", "/~" },
	{ "/%7euser", "/~user" },
	{ "/%2D%2d%5F%5f", "/--__" },
	{ "/%30%39", "/09" },
	{ "/b%6Foks", "/books" },
	{ "/%2541", "/%2541" },
	{ "/%252e%252e/a", "/%252e%252e/a" },
	{ "/%25", "/%25" },
	{ "/%25%25", "/%25%25" },
	{ "/%2525", "/%2525" },
	{ "/a%5Ab", "/aZb" },
	/* The others stay, in upper case. */
	{ "/%2f", "/%2F" },
	{ "/a%2fb", "/a%2Fb" },
	{ "/a%2Fb", "/a%2Fb" },
	{ "/a%5cb", "/a%5Cb" },
	{ "/a%5Cb", "/a%5Cb" },
	{ "/%20", "/%20" },
	{ "/a%20b", "/a%20b" },
	{ "/%c3%a9", "/%C3%A9" },
	{ "/%C3%A9", "/%C3%A9" },
	{ "/%ff", "/%FF" },
	{ "/%3f", "/%3F" },
	{ "/%23", "/%23" },
	{ "/%3a%40", "/%3A%40" },
	{ "/%21", "/%21" },
	{ "/%3b", "/%3B" },
	{ "/%0a", "/%0A" },
	{ "/%0d%0aX:y", "/%0D%0AX:y" },
	{ "/%7f", "/%7F" },
	{ "/%1f", "/%1F" },
	{ "/%01", "/%01" },
	/* Printable bytes that may not stand in a path. */
	{ "/\"", "/%22" },
	{ "/<x>", "/%3Cx%3E" },
	{ "/[1]", "/%5B1%5D" },
	{ "/{id}", "/%7Bid%7D" },
	{ "/a|b", "/a%7Cb" },
	{ "/a^b", "/a%5Eb" },
	{ "/`a`", "/%60a%60" },
	{ "/%22", "/%22" },
	{ "/%7b%7d", "/%7B%7D" },
	/* Slashes. */
	{ "//", "/" },
	{ "///", "/" },
	{ "//a", "/a" },
	{ "/a//b", "/a/b" },
	{ "/a///b", "/a/b" },
	{ "/a//", "/a/" },
	{ "//a//b//", "/a/b/" },
	{ "/a/%2F/b", "/a/%2F/b" },
	{ "/a/%2f%2f/b", "/a/%2F%2F/b" },
	/* Dot segments, in every spelling. */
	{ "/.", "/" },
	{ "/./", "/" },
	{ "/a/.", "/a/" },
	{ "/a/./", "/a/" },
	{ "/./a", "/a" },
	{ "/a/./b", "/a/b" },
	{ "/a/././b", "/a/b" },
	{ "/a/..", "/" },
	{ "/a/../", "/" },
	{ "/a/../b", "/b" },
	{ "/a/b/..", "/a/" },
	{ "/a/b/../", "/a/" },
	{ "/a/b/../c", "/a/c" },
	{ "/a/b/../../c", "/c" },
	{ "/a/b/c/./../../g", "/a/g" },
	{ "/mid/content=5/../6", "/mid/6" },
	{ "/a/%2e", "/a/" },
	{ "/a/%2E/b", "/a/b" },
	{ "/a/%2e%2e", "/" },
	{ "/a/%2E%2E/b", "/b" },
	{ "/a/%2e./b", "/b" },
	{ "/a/.%2e/b", "/b" },
	{ "/a/.%2E/b", "/b" },
	{ "/a/%2e%2E/b", "/b" },
	{ "/a//../b", "/b" },
	{ "/a/b//../c", "/a/c" },
	{ "/a/b//..//c", "/a/c" },
	{ "/a/..//b", "/b" },
	{ "/a//./b", "/a/b" },
	{ "/a/.../b", "/a/.../b" },
	{ "/a/%2e%2e%2e/b", "/a/.../b" },
	{ "/%61/../b", "/b" },
	{ "/{/../b", "/b" },
	{ "/a/..b/../c", "/a/c" },
	{ "/.hidden/../a", "/a" },
	{ "/a.;x", "/a.;x" },
	{ "/a;..", "/a;.." },
	{ "/%61;..", "/a;.." },
	{ "/a%2F", "/a%2F" },
	{ "/a%2f.b%2f", "/a%2F.b%2F" },
	{ "/a..;x/b", "/a..;x/b" },
	{ "/a%2F..b", "/a%2F..b" },
	{ "/v1.0;a=1/b", "/v1.0;a=1/b" },
	{ "/a%2Fb.c", "/a%2Fb.c" },
	/* Above the root. */
	{ "/..", NULL },
	{ "/../", NULL },
	{ "/../a", NULL },
	{ "/a/../..", NULL },
	{ "/a/../../b", NULL },
	{ "/./..", NULL },
	{ "//..", NULL },
	{ "/%2e%2e", NULL },
	{ "/%2e%2e/%2e%2e/etc/passwd", NULL },
	{ "/.%2e/a", NULL },
	{ "/a/%2e%2e/%2e%2e/b", NULL },
	/* Dot segments that only some backends see. */
	{ "/..;/a", NULL },
	{ "/a/..;/b", NULL },
	{ "/a/..;x=1/b", NULL },
	{ "/a/.;/b", NULL },
	{ "/a/%2e%2e;/b", NULL },
	{ "/a/..%3B/b", NULL },
	{ "/a/..%3b", NULL },
	{ "/a/..%2fb", NULL },
	{ "/a/..%2F", NULL },
	{ "/a/%2e%2e%2fb", NULL },
	{ "/a%2f..", NULL },
	{ "/a%2F..%2Fb", NULL },
	{ "/a%2F.%2Fb", NULL },
	{ "/a/..%5cb", NULL },
	{ "/a/..%5C..%5Cb", NULL },
	{ "/a%5c..", NULL },
	{ "/a%2F..;b", NULL },
	{ "/a;b%2F..", NULL },
	/* What cannot be made canonical. */
	{ "", NULL },
	{ "a", NULL },
	{ "*", NULL },
	{ "a/b", NULL },
	{ "\\", NULL },
	{ "/\\", NULL },
	{ "/a\\b", NULL },
	{ "/a\\..\\b", NULL },
	{ "/a b", NULL },
	{ "/ ", NULL },
	{ "/a\tb", NULL },
	{ "/a\rb", NULL },
	{ "/a\nb", NULL },
	{ "/\x01", NULL },
	{ "/\x1f", NULL },
	{ "/\x7f", NULL },
	{ "/\x80", NULL },
	{ "/\xc3\xa9", NULL },
	{ "/\xff", NULL },
	{ "/a#b", NULL },
	{ "/#", NULL },
	{ "/%", NULL },
	{ "/%4", NULL },
	{ "/%zz", NULL },
	{ "/%4g", NULL },
	{ "/%g4", NULL },
	{ "/a%", NULL },
	{ "/%%41", NULL },
	{ "/% 41", NULL },
	{ "/%u0041", NULL },
	{ "/%-1", NULL },
	{ "/%00", NULL },
	{ "/a%00b", NULL },
	{ "/%4/1", NULL },
};

/** Exactly as many bytes as it needs, so that sanitizers see an overrun in either direction. */
static char *
exact_copy(struct gh_str s)
{
	char *copy = malloc(s.n > 0 ? s.n : 1);

	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	return copy;
}

static void
check_text(struct gh_str got, const char *want, const char *input)
{
	if (want == NULL)
		want = "";
	CU_ASSERT(gh_str_eq(got, gh_str_of(want)));
	if (!gh_str_eq(got, gh_str_of(want)))
		fprintf(stderr, "\n  %s: got \"%.*s\", want \"%s\"\n", input, GH_STR_ARG(got),
			want);
}

static void
test_paths(void)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct gh_str in = gh_str_of(paths[i].path), out = GH_STR_NONE, again;
		char *copy = exact_copy(in), buf[256], buf2[256];
		const char *why = NULL;
		int r = uri_path_canonical((struct gh_str){ copy, in.n }, buf, 3 * in.n + 1, &out,
			&why);

		CU_ASSERT_EQUAL(r, paths[i].want != NULL ? 0 : GH_EINVAL);
		if (r != 0) {
			CU_ASSERT_PTR_NOT_NULL(why);
			CU_ASSERT_PTR_NULL(out.p);
			check_text(out, paths[i].want, paths[i].path);
		} else {
			check_text(out, paths[i].want, paths[i].path);
			r = uri_path_canonical(out, buf2, sizeof(buf2), &again, NULL);
			CU_ASSERT_EQUAL(r, 0);
			check_text(again, paths[i].want, paths[i].path);
		}
		free(copy);
	}
}

static void
test_canonical_path_is_not_copied(void)
{
	struct gh_str in = GH_STR("/books/1.0.0/isbn;v=1/42"), out;

	CU_ASSERT_EQUAL(uri_path_canonical(in, NULL, 0, &out, NULL), 0);
	CU_ASSERT_PTR_EQUAL(out.p, in.p);
}

static void
test_nul_byte(void)
{
	struct gh_str out;
	char buf[64];

	CU_ASSERT_EQUAL(uri_path_canonical(GH_STR("/a\0b"), buf, sizeof(buf), &out, NULL),
		GH_EINVAL);
	CU_ASSERT_EQUAL(uri_path_canonical(GH_STR("/a/../\0"), buf, sizeof(buf), &out, NULL),
		GH_EINVAL);
}

/** Authorities: host and port, or NULL: refused. */
static const struct {
	const char *text, *host;
	unsigned port;
} hosts[] = {
	{ "", "", 0 },
	{ "localhost", "localhost", 0 },
	{ "LOCALHOST", "localhost", 0 },
	{ "Api.Example.COM", "api.example.com", 0 },
	{ "example.com.", "example.com", 0 },
	{ "Example.com.:8243", "example.com", 8243 },
	{ "example.com:", "example.com", 0 },
	{ "example.com:80", "example.com", 80 },
	{ "example.com:00080", "example.com", 80 },
	{ "example.com:65535", "example.com", 65535 },
	{ "a_b.example", "a_b.example", 0 },
	{ "xn--bcher-kva.example", "xn--bcher-kva.example", 0 },
	{ "127.0.0.1", "127.0.0.1", 0 },
	{ "127.0.0.1:8280", "127.0.0.1", 8280 },
	{ "[::1]", "[::1]", 0 },
	{ "[::1]:8243", "[::1]", 8243 },
	{ "[0:0:0:0:0:0:0:1]", "[::1]", 0 },
	{ "[2001:DB8::A]:1", "[2001:db8::a]", 1 },
	{ "[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]", 0 },
	{ ".", NULL, 0 },
	{ "..", NULL, 0 },
	{ "a..b", NULL, 0 },
	{ "a..", NULL, 0 },
	{ ".a", NULL, 0 },
	{ ":80", NULL, 0 },
	{ "a:0", NULL, 0 },
	{ "a:65536", NULL, 0 },
	{ "a:100000", NULL, 0 },
	{ "a:8a", NULL, 0 },
	{ "a:-1", NULL, 0 },
	{ "a:+1", NULL, 0 },
	{ "a: 1", NULL, 0 },
	{ "a:1:2", NULL, 0 },
	{ "a b", NULL, 0 },
	{ " a", NULL, 0 },
	{ "a/b", NULL, 0 },
	{ "a\\b", NULL, 0 },
	{ "a?b", NULL, 0 },
	{ "a#b", NULL, 0 },
	{ "a,b", NULL, 0 },
	{ "a%2eb", NULL, 0 },
	{ "user@a", NULL, 0 },
	{ "user:pw@a", NULL, 0 },
	{ "a@b:80", NULL, 0 },
	{ "\xc3\xa9.example", NULL, 0 },
	{ "a\x01", NULL, 0 },
	{ "[", NULL, 0 },
	{ "[]", NULL, 0 },
	{ "[::1", NULL, 0 },
	{ "::1", NULL, 0 },
	{ "[::1]x", NULL, 0 },
	{ "[::1]:", "[::1]", 0 },
	{ "[fe80::1%25eth0]", NULL, 0 },
	{ "[fe80::1%eth0]", NULL, 0 },
	{ "[127.0.0.1]", NULL, 0 },
	{ "[v1.x]", NULL, 0 },
	{ "[g::1]", NULL, 0 },
	{ "[1:2:3:4:5:6:7:8:9]", NULL, 0 },
};

static void
test_hosts(void)
{
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct gh_str in = gh_str_of(hosts[i].text), host = GH_STR_NONE;
		char *copy = exact_copy(in), buf[URI_HOST_MAX + 2];
		const char *why = NULL;
		uint16_t port = 0;
		int r = uri_host_canonical((struct gh_str){ copy, in.n }, buf, sizeof(buf), &host,
			&port, &why);

		CU_ASSERT_EQUAL(r, hosts[i].host != NULL ? 0 : GH_EINVAL);
		CU_ASSERT(r == 0 || why != NULL);
		check_text(host, hosts[i].host, hosts[i].text);
		CU_ASSERT_EQUAL(port, hosts[i].port);
		free(copy);
	}
}

static void
test_host_length(void)
{
	char name[256], buf[URI_HOST_MAX];
	struct gh_str host;
	uint16_t port;

	memset(name, 'A', sizeof(name));
	CU_ASSERT_EQUAL(uri_host_canonical((struct gh_str){ name, 253 }, buf, sizeof(buf), &host,
		&port, NULL), 0);
	CU_ASSERT_EQUAL(host.n, 253);
	CU_ASSERT_EQUAL(uri_host_canonical((struct gh_str){ name, 254 }, buf, sizeof(buf), &host,
		&port, NULL), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_host_canonical((struct gh_str){ name, 253 }, buf, 252, &host, &port,
		NULL), GH_ETOOBIG);
}

/** Targets; path NULL: refused; query "-": there is none. */
static const struct {
	const char *target, *host_field, *host, *path, *query;
	unsigned port;
} targets[] = {
	{ "/a", "Example.com", "example.com", "/a", "-", 0 },
	{ "/a?", "h", "h", "/a", "", 0 },
	{ "/a?x=1&y=%2f%zz", "h", "h", "/a", "x=1&y=%2f%zz", 0 },
	{ "/a?b?c/../d", "h", "h", "/a", "b?c/../d", 0 },
	{ "/a?\"<>[]{}|\\^`'", "h", "h", "/a", "\"<>[]{}|\\^`'", 0 },
	{ "/?a", "h:81", "h", "/", "a", 81 },
	{ "//evil.example/a", "h", "h", "/evil.example/a", "-", 0 },
	{ "/a/../b?c", "", "", "/b", "c", 0 },
	{ "*", "h", "h", "*", "-", 0 },
	{ "http://h", "h", "h", "/", "-", 0 },
	{ "http://h/", "", "h", "/", "-", 0 },
	{ "HTTP://H:8280/A?b", "h:8280", "h", "/A", "b", 8280 },
	{ "http://h:80/a", "h", "h", "/a", "-", 80 },
	{ "https://h/a", "H:443", "h", "/a", "-", 0 },
	{ "http://h?x", "h", "h", "/", "x", 0 },
	{ "http://[::1]:1/a/./b", "[0::1]:1", "[::1]", "/a/b", "-", 1 },
	{ "", "h", NULL, NULL, NULL, 0 },
	{ "h:443", "h", NULL, NULL, NULL, 0 },
	{ "a/b", "h", NULL, NULL, NULL, 0 },
	{ "**", "h", NULL, NULL, NULL, 0 },
	{ "*?a", "h", NULL, NULL, NULL, 0 },
	{ "?a", "h", NULL, NULL, NULL, 0 },
	{ "/a?b#c", "h", NULL, NULL, NULL, 0 },
	{ "/a?b c", "h", NULL, NULL, NULL, 0 },
	{ "/a?b\x01", "h", NULL, NULL, NULL, 0 },
	{ "/a?\x80", "h", NULL, NULL, NULL, 0 },
	{ "/a", "h, h", NULL, NULL, NULL, 0 },
	{ "/a", "u@h", NULL, NULL, NULL, 0 },
	{ "http://h/a", "other", NULL, NULL, NULL, 0 },
	{ "http://h:81/a", "h", NULL, NULL, NULL, 0 },
	{ "http:///a", "h", NULL, NULL, NULL, 0 },
	{ "http://?a", "h", NULL, NULL, NULL, 0 },
	{ "http://u@h/a", "h", NULL, NULL, NULL, 0 },
	{ "http://h#f", "h", NULL, NULL, NULL, 0 },
	{ "http://h\\a", "h", NULL, NULL, NULL, 0 },
	{ "http:/h/a", "h", NULL, NULL, NULL, 0 },
	{ "ftp://h/a", "h", NULL, NULL, NULL, 0 },
	{ "http://h/../a", "h", NULL, NULL, NULL, 0 },
	{ "javascript:alert(1)", "h", NULL, NULL, NULL, 0 },
};

static void
test_targets(void)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct gh_str target = gh_str_of(targets[i].target);
		struct gh_str field = gh_str_of(targets[i].host_field);
		char *a = exact_copy(target), *b = exact_copy(field), buf[256];
		const char *why = NULL;
		struct uri uri;
		int r = uri_canonical((struct gh_str){ a, target.n }, (struct gh_str){ b, field.n },
			buf, URI_BUFFER_SIZE(target.n, field.n), &uri, &why);

		CU_ASSERT_EQUAL(r, targets[i].path != NULL ? 0 : GH_EINVAL);
		if (r != 0) {
			CU_ASSERT_PTR_NOT_NULL(why);
			fprintf(stderr, "%s", targets[i].path != NULL ? targets[i].target : "");
		} else {
			check_text(uri.host, targets[i].host, targets[i].target);
			check_text(uri.path, targets[i].path, targets[i].target);
			check_text(uri.query.p != NULL ? uri.query : GH_STR("-"), targets[i].query,
				targets[i].target);
			CU_ASSERT_EQUAL(uri.port, targets[i].port);
			CU_ASSERT_EQUAL(uri.is_asterisk, gh_str_eq(target, GH_STR("*")));
		}
		free(a);
		free(b);
	}
}

/** A buffer that is too small is said to be, never overrun. */
static void
test_small_buffers(void)
{
	struct gh_str target = GH_STR("http://H.example:1/%41/{x}/../\"b\"?q");
	struct gh_str field = GH_STR("H.Example:1");

	for (size_t size = 0;; size++) {
		char *buf = malloc(size > 0 ? size : 1);
		struct uri uri;
		int r = uri_canonical(target, field, buf, size, &uri, NULL);

		if (r == 0)
			check_text(uri.path, "/A/%22b%22", "small buffer");
		free(buf);
		if (r == 0)
			break;
		CU_ASSERT_EQUAL(r, GH_ETOOBIG);
		CU_ASSERT_FATAL(size < URI_BUFFER_SIZE(target.n, field.n));
	}
}

static void
test_urls(void)
{
	struct uri_url url;
	char buf[256];

	CU_ASSERT_EQUAL(uri_url_parse(GH_STR("https://Back.End/v1/../v2?x"), buf, sizeof(buf), &url,
		NULL), 0);
	CU_ASSERT(url.is_tls && url.port == 443);
	check_text(url.host, "back.end", "url");
	check_text(url.path, "/v2", "url");
	check_text(url.query, "x", "url");
	CU_ASSERT_EQUAL(uri_url_parse(GH_STR("http://[::1]"), buf, sizeof(buf), &url, NULL), 0);
	CU_ASSERT(!url.is_tls && url.port == 80);
	check_text(url.path, "/", "url");
	CU_ASSERT_EQUAL(uri_url_parse(GH_STR("//h/a"), buf, sizeof(buf), &url, NULL), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_url_parse(GH_STR("/a"), buf, sizeof(buf), &url, NULL), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_url_parse(GH_STR(""), buf, sizeof(buf), &url, NULL), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_url_parse(GH_STR("http://u:p@h/"), buf, sizeof(buf), &url, NULL),
		GH_EINVAL);
}

static void
test_percent(void)
{
	struct gh_str all = { "a b/%\xff+~", 8 }, out, back;
	char buf[64], buf2[64];

	CU_ASSERT_EQUAL(uri_percent_encode(all, buf, 3 * all.n, &out), 0);
	check_text(out, "a%20b%2F%25%FF%2B~", "encode");
	CU_ASSERT_EQUAL(uri_percent_decode(out, buf2, out.n, &back), 0);
	CU_ASSERT(gh_str_eq(back, all));
	CU_ASSERT_EQUAL(uri_percent_encode(GH_STR("abc-._~"), NULL, 0, &out), 0);
	check_text(out, "abc-._~", "encode");
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("a+b"), NULL, 0, &out), 0);
	check_text(out, "a+b", "decode");
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("%00"), buf, sizeof(buf), &out), 0);
	CU_ASSERT(gh_str_eq(out, (struct gh_str){ "", 1 }));
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("%4"), buf, sizeof(buf), &out), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("%"), buf, sizeof(buf), &out), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("a%xy"), buf, sizeof(buf), &out), GH_EINVAL);
	CU_ASSERT_EQUAL(uri_percent_decode(GH_STR("%41bc"), buf, 2, &out), GH_ETOOBIG);
	CU_ASSERT_EQUAL(uri_percent_encode(GH_STR("a/b"), buf, 4, &out), GH_ETOOBIG);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_paths), UNIT_TEST(test_canonical_path_is_not_copied),
		UNIT_TEST(test_nul_byte), UNIT_TEST(test_hosts), UNIT_TEST(test_host_length),
		UNIT_TEST(test_targets), UNIT_TEST(test_small_buffers), UNIT_TEST(test_urls),
		UNIT_TEST(test_percent), { NULL, NULL },
	};

	return unit_run("uri", tests);
}
