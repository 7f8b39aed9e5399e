/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test.c
 * @brief deny_address on the test kit: the real kernel without sockets.
 */
#include <gatehouse/test.h>
#include <stdio.h>

#ifndef PLUGIN_DIR
#define PLUGIN_DIR "."
#endif

static unsigned failures;

#define CHECK(cond, row) do { \
	if (!(cond)) { \
		failures++; \
		fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, row, #cond); \
	} } while (0)

static void
test_who_may_call(void)
{
	static const struct {
		const char *addresses, *peer;
		unsigned status;
	} rows[] = {
		{ "[192.0.2.7]", "192.0.2.7", 403 },
		{ "[192.0.2.7]", "192.0.2.8", 200 },
		{ "[192.0.2.0/24]", "192.0.2.255", 403 },
		{ "[192.0.2.0/24]", "192.0.3.0", 200 },
		{ "[10.0.0.0/9]", "10.127.1.1", 403 },
		{ "[10.0.0.0/9]", "10.128.1.1", 200 },
		{ "[0.0.0.0/0]", "203.0.113.9", 403 },
		{ "[0.0.0.0/0]", "2001:db8::1", 200 },
		{ "['::/0']", "203.0.113.9", 403 },
		{ "['2001:db8::/32']", "2001:db8:ffff::1", 403 },
		{ "['2001:db8::/32']", "2001:db9::1", 200 },
		{ "['fe80::/10']", "fe80::1%lo", 403 },
		{ "[192.0.2.7]", "::ffff:192.0.2.7", 403 },
		{ "['::ffff:192.0.2.7']", "192.0.2.7", 403 },
		{ "[198.51.100.1, 192.0.2.7]", "192.0.2.7", 403 },
		{ "[192.0.2.7], dry_run: true", "192.0.2.7", 200 },
		{ "[192.0.2.7]", "nobody", 200 },
		{ "[192.0.2.7], on_error: deny", "nobody", 500 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gh_test_request request = { .peer = rows[i].peer };
		struct gh_test_outcome out = { .status = 0 };
		char manifest[256], error[256] = "";

		snprintf(manifest, sizeof(manifest), "plugins: [ deny_address: { addresses: %s } ]",
			rows[i].addresses);
		struct gh_test *test = gh_test_new(manifest, PLUGIN_DIR, error, sizeof(error));

		CHECK(test != NULL, error);
		if (test == NULL)
			return;
		CHECK(gh_test_run(test, &request, &out) == 0, rows[i].addresses);
		CHECK(out.status == rows[i].status, rows[i].addresses);
		CHECK(out.reached_upstream == (rows[i].status == 200), rows[i].addresses);
		gh_test_free(test);
	}
}

static void
test_refused_options(void)
{
	static const char *const addresses[] = {
		"[]",
		"[localhost]",
		"[192.0.2.0/33]",
		"['::/129']",
		"[192.0.2.0/]",
		"[192.0.2.0/2x]",
		"['']",
		"[1.2.3]",
		"['/8']",
		"[192.0.2.0/0008]",
	};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		char manifest[256], error[256] = "";

		snprintf(manifest, sizeof(manifest), "plugins: [ deny_address: { addresses: %s } ]",
			addresses[i]);
		struct gh_test *test = gh_test_new(manifest, PLUGIN_DIR, error, sizeof(error));

		CHECK(test == NULL, addresses[i]);
		gh_test_free(test);
	}
}

int
main(void)
{
	test_who_may_call();
	test_refused_options();
	return failures == 0 ? 0 : 1;
}
