/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file listen.c
 * @brief Numeric addresses and the sockets that are bound to them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "lib/listen/listen.h"

int
listen_parse(struct gh_str text, uint16_t port, struct listen_address *ret_address)
{
	struct listen_address a = { .size = 0 };
	char z[64];

	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = (struct gh_str){ text.p + 1, text.n - 2 };
	if (text.n == 0 || gh_str_eq(text, GH_STR("*")))
		text = GH_STR("::");
	if (text.n >= sizeof(z))
		return GH_EINVAL;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	if (inet_pton(AF_INET6, z, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.size = sizeof(a.v6);
	} else if (inet_pton(AF_INET, z, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.size = sizeof(a.v4);
	} else {
		return GH_EINVAL;
	}
	listen_set_port(&a, port);
	*ret_address = a;
	return GH_OK;
}

void
listen_set_port(struct listen_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
	else
		address->v4.sin_port = htons(port);
}

uint16_t
listen_port_of(const struct listen_address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
							: address->v4.sin_port);
}

int
listen_bind(const struct listen_address *address, bool share)
{
	int one = 1, zero = 0;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (address->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* inherited by connections */
	if (bind(fd, &address->any, address->size) < 0) {
		int e = errno;

		close(fd);
		return -e;
	}
	return fd;
}

static bool
bound_to(int fd, struct listen_address *ret)
{
	struct listen_address a = { .size = sizeof(a.v6) };

	if (getsockname(fd, &a.any, &a.size) < 0 ||
		(a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6))
		return false;
	*ret = a;
	return true;
}

uint16_t
listen_port(int fd)
{
	struct listen_address a;

	return bound_to(fd, &a) ? listen_port_of(&a) : 0;
}

static bool
is_any(const struct listen_address *a)
{
	return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr)
					    : a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool
listen_is_at(int fd, const struct listen_address *address)
{
	struct listen_address a;

	if (!bound_to(fd, &a) || listen_port_of(&a) != listen_port_of(address))
		return false;
	if (is_any(&a) && is_any(address))
		return true;
	if (a.any.sa_family != address->any.sa_family)
		return false;
	return a.any.sa_family == AF_INET6
		? IN6_ARE_ADDR_EQUAL(&a.v6.sin6_addr, &address->v6.sin6_addr)
		: a.v4.sin_addr.s_addr == address->v4.sin_addr.s_addr;
}
