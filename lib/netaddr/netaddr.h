/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file netaddr.h
 * @brief What kind of address is about to be dialled: the public Internet's, or one that a stranger
 * must not make this node call (server-side request forgery).
 *
 * Addresses only, as the system's calls take them: names are looked up, and numbers in their odd
 * spellings read, before.  No allocation, no lookup.
 */
#ifndef LIB_NETADDR_NETADDR_H
#define LIB_NETADDR_NETADDR_H
#include <gatehouse/base.h>
#include <sys/socket.h>

/** A network: an address and how many of its bits count. */
struct netaddr_net {
	uint8_t bytes[16]; /**< IPv4 as ::ffff:a.b.c.d. */
	unsigned bits;     /**< Of 128. */
};

/** Longest text of netaddr_print(), with its NUL. */
#define NETADDR_TEXT_SIZE 64

/** "10.0.0.0/8", "fd00::/8", "127.0.0.1" (that one address).  No other spelling of numbers.
 *  @return 0; GH_EINVAL: none, or bits are set behind its end. */
int netaddr_net_parse(struct gh_str text, struct netaddr_net *ret_net);
/** An IPv4 address is the same in its own form and mapped into IPv6. */
bool netaddr_net_has(const struct netaddr_net *net, const struct sockaddr *address);
/** @return NULL: an address of the public Internet; else what it is, STATIC, as in "a private
 *  address".  An address in another one (mapped, NAT64, 6to4) is never public, and neither is one
 *  of a family that is not IP. */
const char *netaddr_reserved(const struct sockaddr *address);
/** "127.0.0.1", "::1". */
void netaddr_print(const struct sockaddr *address, char text[NETADDR_TEXT_SIZE]);

#endif
