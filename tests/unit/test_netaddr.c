/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_netaddr.c
 * @brief Addresses that a stranger must not make a node call, in every spelling; and that lib/fetch
 * asks about the address that it dials.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "lib/fetch/fetch.h"
#include "lib/netaddr/netaddr.h"
#include "tests/unit/unit.h"

/** What the resolver makes of a text is what is judged.  @param word  NULL: public. */
static const struct {
	const char *text, *word;
} addresses[] = {
	{ "1.1.1.1", NULL }, { "8.8.8.8", NULL }, { "9.255.255.255", NULL }, { "11.0.0.0", NULL },
	{ "100.63.255.255", NULL }, { "100.128.0.0", NULL }, { "126.255.255.255", NULL },
	{ "128.0.0.0", NULL }, { "169.253.255.255", NULL }, { "169.255.0.0", NULL },
	{ "172.15.255.255", NULL }, { "172.32.0.0", NULL }, { "192.0.1.0", NULL },
	{ "192.167.255.255", NULL }, { "192.169.0.0", NULL }, { "198.17.255.255", NULL },
	{ "198.20.0.0", NULL }, { "223.255.255.255", NULL }, { "2606:4700::1111", NULL },
	{ "2a00:1450::1", NULL }, { "2001:200::1", NULL }, { "2003::1", NULL }, { "3ffe::1", NULL },
	{ "134744072", NULL },
	{ "0.0.0.0", "unspecified" }, { "0", "unspecified" }, { "0.1.2.3", "unspecified" },
	{ "10.0.0.0", "private" }, { "10.255.255.255", "private" }, { "0xa000001", "private" },
	{ "012.0.0.1", "private" }, { "167772161", "private" },
	{ "100.64.0.0", "carrier" }, { "100.127.255.255", "carrier" },
	{ "127.0.0.1", "loopback" }, { "127.1", "loopback" }, { "127.0.1", "loopback" },
	{ "2130706433", "loopback" }, { "0x7f.1", "loopback" }, { "0x7f000001", "loopback" },
	{ "0177.0.0.1", "loopback" }, { "017700000001", "loopback" },
	{ "127.255.255.255", "loopback" },
	{ "169.254.0.0", "link-local" }, { "169.254.169.254", "link-local" },
	{ "2852039166", "link-local" }, { "0xA9FEA9FE", "link-local" },
	{ "172.16.0.0", "private" }, { "172.31.255.255", "private" }, { "192.168.0.1", "private" },
	{ "192.168.257", "private" }, { "192.0.0.1", "protocols" }, { "192.0.2.1", "documentation" },
	{ "198.51.100.7", "documentation" }, { "203.0.113.255", "documentation" },
	{ "192.88.99.1", "6to4" }, { "198.18.0.0", "benchmarks" }, { "198.19.255.255", "benchmarks" },
	{ "224.0.0.1", "multicast" }, { "239.255.255.255", "multicast" }, { "240.0.0.0", "reserved" },
	{ "255.255.255.254", "reserved" }, { "255.255.255.255", "broadcast" },
	{ "4294967295", "broadcast" },
	{ "::", "unspecified" }, { "::1", "loopback" }, { "0:0:0:0:0:0:0:1", "loopback" },
	{ "::2", "reserved" }, { "::127.0.0.1", "reserved" }, { "::ffff:127.0.0.1", "loopback" },
	{ "::ffff:7f00:1", "loopback" }, { "::ffff:10.1.2.3", "private" },
	{ "::ffff:169.254.169.254", "link-local" }, { "::ffff:8.8.8.8", "reserved" },
	{ "::ffff:0:127.0.0.1", "reserved" }, { "64:ff9b::7f00:1", "NAT64" },
	{ "64:ff9b::8.8.8.8", "NAT64" }, { "64:ff9b:1::1", "NAT64" }, { "100::1", "reserved" },
	{ "2001::1", "Teredo" }, { "2001:10::1", "protocols" }, { "2001:20::1", "protocols" },
	{ "2001:db8::1", "documentation" }, { "2002:7f00:1::", "6to4" }, { "2002:a00:1::1", "6to4" },
	{ "3fff::1", "documentation" }, { "4000::1", "reserved" }, { "5f00::1", "reserved" },
	{ "fc00::1", "unique local" }, { "fd00:ec2::254", "unique local" }, { "fe80::1", "link-local" },
	{ "febf::1", "link-local" }, { "fec0::1", "site-local" }, { "ff02::1", "multicast" },
	{ "localhost", "loopback" },
};

static void
test_addresses(void)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
		struct addrinfo *found = NULL;
		const char *word = addresses[i].word;
		int r = getaddrinfo(addresses[i].text, "80", &hints, &found);
		const char *what = r == 0 ? netaddr_reserved(found->ai_addr) : "not resolved";

		if (word == NULL ? what != NULL : what == NULL || strstr(what, word) == NULL) {
			fprintf(stderr, "%s: %s\n", addresses[i].text, what != NULL ? what : "public");
			CU_FAIL("address");
		}
		if (r == 0)
			freeaddrinfo(found);
	}
	CU_ASSERT_PTR_NOT_NULL(netaddr_reserved(&(const struct sockaddr){ .sa_family = AF_UNIX }));
}

static void
test_networks(void)
{
	static const struct {
		const char *net, *address;
		int result; /* of the parser, or 1: the address is within */
	} cases[] = {
		{ "10.0.0.0/8", "10.9.8.7", 1 }, { "10.0.0.0/8", "11.0.0.0", 0 },
		{ "10.0.0.0/8", "::ffff:10.9.8.7", 1 }, { "127.0.0.1", "127.0.0.1", 1 },
		{ "127.0.0.1", "127.0.0.2", 0 }, { "0.0.0.0/0", "1.2.3.4", 1 },
		{ "0.0.0.0/0", "::1", 0 }, { "::/0", "1.2.3.4", 1 }, { "::1", "::1", 1 },
		{ "fd00::/8", "fd12::1", 1 }, { "fd00::/8", "fc00::1", 0 },
		{ "172.16.0.0/12", "172.31.0.1", 1 }, { "172.16.0.0/12", "172.32.0.1", 0 },
		{ "10.0.0.1/8", NULL, GH_EINVAL }, { "10.0.0.0/33", NULL, GH_EINVAL },
		{ "10.0.0.0/", NULL, GH_EINVAL }, { "10.0.0.0/08", NULL, GH_EINVAL },
		{ "10.0.0.0/-1", NULL, GH_EINVAL }, { "10.0.0.0/8x", NULL, GH_EINVAL },
		{ "10/8", NULL, GH_EINVAL }, { "127.1", NULL, GH_EINVAL }, { "", NULL, GH_EINVAL },
		{ "/8", NULL, GH_EINVAL }, { "fe80::/129", NULL, GH_EINVAL },
		{ "localhost", NULL, GH_EINVAL }, { "[::1]", NULL, GH_EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct netaddr_net net;
		struct addrinfo *found = NULL;
		int r = netaddr_net_parse(gh_str_of(cases[i].net), &net);

		if (r == 0 && cases[i].address != NULL &&
			getaddrinfo(cases[i].address, NULL, NULL, &found) == 0)
			r = netaddr_net_has(&net, found->ai_addr) ? 1 : 0;
		if (found != NULL)
			freeaddrinfo(found);
		if (r != cases[i].result)
			fprintf(stderr, "%s: %d\n", cases[i].net, r);
		CU_ASSERT_EQUAL(r, cases[i].result);
	}
}

/* ---- The socket ------------------------------------------------------------------------------ */

static unsigned asked;

static int
refuse_reserved(void *arg, const struct sockaddr *address, char *why, size_t why_size)
{
	const char *what = netaddr_reserved(address);

	(void)arg;
	asked++;
	if (what == NULL)
		return 0;
	snprintf(why, why_size, "%s", what);
	return GH_EDENIED;
}

/** Whatever a URL or a resolver says, the address of the socket is what is asked about. */
static void
test_dialled(void)
{
	static const char *const urls[] = {
		"http://127.0.0.1:1/", "http://127.1:1/", "http://2130706433:1/", "http://0x7f.1:1/",
		"http://0177.1:1/", "http://localhost:1/", "http://[::1]:1/",
		"http://[::ffff:127.0.0.1]:1/", "http://[::ffff:7f00:1]:1/", "http://0:1/",
		"https://127.0.0.1:1/", "http://LOCALHOST:1/",
		"http://[64:ff9b::7f00:1]:1/", "http://169.254.169.254/latest/meta-data/",
		"http://%31%32%37.0.0.1:1/",
	};
	struct fetch *fetch;
	struct fetch_line *line;

	CU_ASSERT_EQUAL_FATAL(fetch_new(&(const struct fetch_tls){ .is_unverified = true }, &fetch), 0);
	line = fetch_line_new(fetch);
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct fetch_reply *reply = NULL;
		char error[256] = "";

		asked = 0;
		int r = fetch_call(line, &(const struct fetch_request){ .url = gh_str_of(urls[i]),
			.deadline_ms = 5000, .max_bytes = 10, .may_dial = refuse_reserved }, NULL, NULL,
			&reply, error, sizeof(error));

		if (r != GH_EDENIED || asked == 0)
			fprintf(stderr, "%s: %d, %s\n", urls[i], r, error);
		CU_ASSERT_EQUAL(r, GH_EDENIED);
		CU_ASSERT(asked > 0);
	}
	fetch_line_free(line);
	fetch_free(fetch);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_addresses), UNIT_TEST(test_networks), UNIT_TEST(test_dialled),
		{ NULL, NULL },
	};

	return unit_run("netaddr", tests);
}
