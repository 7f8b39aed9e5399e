/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file netaddr.c
 * @brief The table of special addresses (IANA's registries, RFC 6890), and networks in text form.
 */
#include "lib/netaddr/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

#define V4(a, b, c, d) { [10] = 0xff, [11] = 0xff, a, b, c, d }

/** The first row that holds an address names it. */
static const struct {
	struct netaddr_net net;
	const char *what;
} rows[] = {
	{ { V4(0, 0, 0, 0), 104 }, "an unspecified address" },
	{ { V4(10, 0, 0, 0), 104 }, "a private address" },
	{ { V4(100, 64, 0, 0), 106 }, "an address of a carrier's NAT" },
	{ { V4(127, 0, 0, 0), 104 }, "a loopback address" },
	{ { V4(169, 254, 0, 0), 112 }, "a link-local address" },
	{ { V4(172, 16, 0, 0), 108 }, "a private address" },
	{ { V4(192, 0, 0, 0), 120 }, "an address for protocols" },
	{ { V4(192, 0, 2, 0), 120 }, "an address for documentation" },
	{ { V4(192, 88, 99, 0), 120 }, "a 6to4 relay" },
	{ { V4(192, 168, 0, 0), 112 }, "a private address" },
	{ { V4(198, 18, 0, 0), 111 }, "an address for benchmarks" },
	{ { V4(198, 51, 100, 0), 120 }, "an address for documentation" },
	{ { V4(203, 0, 113, 0), 120 }, "an address for documentation" },
	{ { V4(224, 0, 0, 0), 100 }, "a multicast address" },
	{ { V4(255, 255, 255, 255), 128 }, "the broadcast address" },
	{ { V4(240, 0, 0, 0), 100 }, "a reserved address" },
	{ { { 0 }, 128 }, "an unspecified address" },
	{ { { [15] = 1 }, 128 }, "a loopback address" },
	{ { { 0, 0x64, 0xff, 0x9b, [11] = 0 }, 96 }, "a NAT64 address" },
	{ { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, "a NAT64 address" },
	{ { { 0x20, 0x01, 0, 0 }, 32 }, "a Teredo address" },
	{ { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, "an address for documentation" },
	{ { { 0x20, 0x01, 0, 0 }, 23 }, "an address for protocols" },
	{ { { 0x20, 0x02 }, 16 }, "a 6to4 address" },
	{ { { 0x3f, 0xff }, 20 }, "an address for documentation" },
	{ { { 0xfc }, 7 }, "a unique local address" },
	{ { { 0xfe, 0x80 }, 10 }, "a link-local address" },
	{ { { 0xfe, 0xc0 }, 10 }, "a site-local address" },
	{ { { 0xff }, 8 }, "a multicast address" },
};

/** @return false: not an IP address. */
static bool
to_bytes(const struct sockaddr *address, uint8_t bytes[16])
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

		memcpy(bytes, mapped, sizeof(mapped));
		memcpy(bytes + sizeof(mapped), &v4->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
	}
	return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static bool
has(const struct netaddr_net *net, const uint8_t bytes[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	return memcmp(net->bytes, bytes, whole) == 0 &&
		(rest == 0 || (net->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool
netaddr_net_has(const struct netaddr_net *net, const struct sockaddr *address)
{
	uint8_t bytes[16];

	return to_bytes(address, bytes) && has(net, bytes);
}

const char *
netaddr_reserved(const struct sockaddr *address)
{
	uint8_t bytes[16];

	if (!to_bytes(address, bytes))
		return "not an IP address";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (has(&rows[i].net, bytes))
			return rows[i].what;
	if (address->sa_family == AF_INET)
		return NULL;
	/* Only 2000::/3 is given to anybody: this refuses mapped IPv4 too, and what comes one day. */
	return bytes[0] >> 5 == 1 ? NULL : "a reserved address";
}

void
netaddr_print(const struct sockaddr *address, char text[NETADDR_TEXT_SIZE])
{
	uint8_t bytes[16];
	bool is_v4 = address->sa_family == AF_INET;

	if (!to_bytes(address, bytes) || inet_ntop(address->sa_family,
		bytes + (is_v4 ? sizeof(mapped) : 0), text, NETADDR_TEXT_SIZE) == NULL)
		snprintf(text, NETADDR_TEXT_SIZE, "?");
}

/** Up to three digits. */
static bool
read_bits(struct gh_str text, unsigned max, unsigned *ret_bits)
{
	unsigned bits = 0;

	if (text.n == 0 || text.n > 3 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		bits = bits * 10 + (unsigned)(text.p[i] - '0');
	}
	*ret_bits = bits;
	return bits <= max;
}

int
netaddr_net_parse(struct gh_str text, struct netaddr_net *ret_net)
{
	const char *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
	size_t n = slash != NULL ? (size_t)(slash - text.p) : text.n;
	struct netaddr_net net = { .bits = 128 };
	char buf[INET6_ADDRSTRLEN];
	unsigned bits;

	if (n == 0 || n >= sizeof(buf) || memchr(text.p, '\0', n) != NULL)
		return GH_EINVAL;
	memcpy(buf, text.p, n);
	buf[n] = '\0';
	bool is_v4 = strchr(buf, ':') == NULL;

	memcpy(net.bytes, mapped, sizeof(mapped));
	if (inet_pton(is_v4 ? AF_INET : AF_INET6, buf,
		net.bytes + (is_v4 ? sizeof(mapped) : 0)) != 1)
		return GH_EINVAL;
	if (slash != NULL) {
		if (!read_bits((struct gh_str){ slash + 1, text.n - n - 1 }, is_v4 ? 32 : 128, &bits))
			return GH_EINVAL;
		net.bits = bits + (is_v4 ? 96 : 0);
	}
	for (unsigned i = net.bits; i < 128; i++)
		if ((net.bytes[i / 8] & (0x80 >> i % 8)) != 0)
			return GH_EINVAL;
	*ret_net = net;
	return GH_OK;
}
