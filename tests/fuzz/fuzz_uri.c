/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_uri.c
 * @brief Input: a Host value, a line feed, a request target.  What becomes canonical must be its
 * own canonical form, hold no byte that could end a request line, and no dot segment.
 */
#include <stdlib.h>

#include "lib/uri/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_path(struct gh_str path)
{
	check(path.n > 0 && path.p[0] == '/');
	for (size_t i = 0; i < path.n; i++) {
		struct gh_str rest = { path.p + i, path.n - i };

		check(path.p[i] > ' ' && path.p[i] != 0x7F);
		check(path.p[i] != '\\' && path.p[i] != '#');
		check(rest.n < 2 || memcmp(rest.p, "//", 2) != 0);
		check(rest.n < 3 || memcmp(rest.p, "/./", 3) != 0);
		check(rest.n < 4 || memcmp(rest.p, "/../", 4) != 0);
		check(!gh_str_eq(rest, GH_STR("/.")) && !gh_str_eq(rest, GH_STR("/..")));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *lf = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t host_n = lf != NULL ? (size_t)(lf - data) : 0, at = lf != NULL ? host_n + 1 : 0;
	struct gh_str host = { (const char *)data, host_n };
	struct gh_str target = { (const char *)data + at, size - at };
	size_t room = URI_BUFFER_SIZE(target.n, host.n);
	char *buf = malloc(room), *buf2 = malloc(room);
	struct uri uri, again;

	check(buf != NULL && buf2 != NULL);
	int r = uri_canonical(target, host, buf, room, &uri, NULL);

	check(r == 0 || r == GH_EINVAL);
	if (r == 0 && !uri.is_asterisk) {
		check_path(uri.path);
		check(uri_canonical(uri.path, uri.host, buf2, room, &again, NULL) == 0);
		check(gh_str_eq(again.path, uri.path));
		check(gh_str_eq(again.host, uri.host));
	}
	struct gh_str decoded, encoded;

	if (uri_percent_decode(target, buf, room, &decoded) == 0) {
		check(uri_percent_encode(decoded, buf2, room, &encoded) == 0);
		check(uri_percent_decode(encoded, buf, room, &again.path) == 0);
	}
	free(buf);
	free(buf2);
	return 0;
}
