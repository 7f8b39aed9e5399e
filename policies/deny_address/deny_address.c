/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file deny_address.c
 * @brief Answers 403 to clients whose address is in a list of networks.
 *
 * Phase ACCEPT, class DENY: nothing but the connection is known, and nothing has been spent yet.
 * It looks at the peer of the connection; behind a balancer that is the balancer.
 */
#include <arpa/inet.h>
#include <gatehouse/http.h>
#include <stdlib.h>
#include <syslog.h>

/** IPv4 is kept as IPv6 does it: ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct address {
	unsigned char bytes[16];
};

struct network {
	struct address address;
	unsigned bits;
};

struct config {
	struct gh_list addresses;
	struct network *networks; /* Made of addresses by start(). */
};

struct process {
	struct gh_inst *inst;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, addresses, .min = 1, .max = 10000,
		.help = "Addresses and networks to refuse, such as 192.0.2.7 or 2001:db8::/32."),
	{ .type = GH_OPT_END },
};

/* ---- Addresses ------------------------------------------------------------------------------- */

/** @param[out] ret_bits  how many bits an address of its family has before it was widened: 32 or
 * 128. */
static bool
parse_address(struct gh_str text, struct address *ret_address, unsigned *ret_bits)
{
	static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
	char z[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	if (inet_pton(AF_INET6, z, ret_address->bytes) == 1) {
		*ret_bits = 128;
		return true;
	}
	if (inet_pton(AF_INET, z, ret_address->bytes + sizeof(v4_prefix)) != 1)
		return false;
	memcpy(ret_address->bytes, v4_prefix, sizeof(v4_prefix));
	*ret_bits = 32;
	return true;
}

/** "ADDRESS" or "ADDRESS/BITS". */
static bool
parse_network(struct gh_str text, struct network *ret_network)
{
	const char *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
	struct gh_str host = { text.p, slash != NULL ? (size_t)(slash - text.p) : text.n };
	unsigned family_bits, bits = 0;

	if (!parse_address(host, &ret_network->address, &family_bits))
		return false;
	if (slash == NULL) {
		ret_network->bits = 128;
		return true;
	}
	size_t digits = text.n - host.n - 1;

	if (digits == 0 || digits > 3)
		return false;
	for (size_t i = 1; i <= digits; i++) {
		if (slash[i] < '0' || slash[i] > '9')
			return false;
		bits = bits * 10 + (unsigned)(slash[i] - '0');
	}
	ret_network->bits = bits + (128 - family_bits);
	return bits <= family_bits;
}

static bool
contains(const struct network *network, const struct address *address)
{
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	       ((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

static enum gh_verdict
on_accept(const void *config, struct gh_txn *txn)
{
	const struct gh_str body = GH_STR("{\"code\":\"403\",\"message\":\"Forbidden\","
		"\"description\":\"This address may not call.\"}");
	const struct config *c = config;
	struct gh_str peer = gh_txn_attr(txn, GH_ATTR_PEER);
	const char *zone = peer.n > 0 ? memchr(peer.p, '%', peer.n) : NULL;
	struct address address;
	unsigned bits;

	if (zone != NULL)
		peer.n = (size_t)(zone - peer.p);
	if (!parse_address(peer, &address, &bits)) {
		gh_log(txn, LOG_WARNING, "the peer '%.*s' is no address", GH_STR_ARG(peer));
		return GH_FAIL;
	}
	for (size_t i = 0; i < c->addresses.n; i++) {
		if (!contains(&c->networks[i], &address))
			continue;
		if (gh_txn_reply(txn, 403, GH_STR("application/json"), body) < 0)
			return GH_FAIL;
		return GH_STOP;
	}
	return GH_NEXT;
}

static const struct gh_hook_row hooks[] = {
	{ GH_ACCEPT, GH_DENY, on_accept, NULL },
	{ .fn = NULL },
};

/* ---- Life ------------------------------------------------------------------------------------ */

static int
open_deny_address(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;

	(void)config;
	p->inst = inst;
	return GH_OK;
}

static int
start_deny_address(void *process, void *config)
{
	struct process *p = process;
	struct config *c = config;

	c->networks = calloc(c->addresses.n, sizeof(*c->networks));
	if (c->networks == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < c->addresses.n; i++) {
		if (parse_network(c->addresses.v[i], &c->networks[i]))
			continue;
		gh_inst_log(p->inst, LOG_ERR, "addresses: '%.*s' is no address and no network",
			GH_STR_ARG(c->addresses.v[i]));
		free(c->networks);
		c->networks = NULL;
		return GH_EINVAL;
	}
	return GH_OK;
}

static void
stop_deny_address(void *process, void *config)
{
	struct config *c = config;

	(void)process;
	free(c->networks);
	c->networks = NULL;
}

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "deny_address", .version = "1.0.0", .opts = opts, .hooks = hooks,
	.config_size = sizeof(struct config), .process_size = sizeof(struct process),
	.open = open_deny_address, .start = start_deny_address, .stop = stop_deny_address,
};
