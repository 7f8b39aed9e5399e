/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file listen.h
 * @brief Numeric addresses and the sockets that are bound to them.
 */
#ifndef LIB_LISTEN_LISTEN_H
#define LIB_LISTEN_LISTEN_H
#include <gatehouse/base.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct listen_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t size;
};

/** "[::]", "::1", "127.0.0.1"; "" and "*" are "::".  @return 0; GH_EINVAL: not a numeric address. */
int listen_parse(struct gh_str text, uint16_t port, struct listen_address *ret_address);
void listen_set_port(struct listen_address *address, uint16_t port);
uint16_t listen_port_of(const struct listen_address *address);
/** A stream socket, not blocking, close-on-exec, not listening yet; [::] takes IPv4 too.
 *  @param share  several may be bound to the same address (SO_REUSEPORT), by this user.
 *  @return the socket, or -errno. */
int listen_bind(const struct listen_address *address, bool share);
/** @return the port that a socket is bound to; 0: none. */
uint16_t listen_port(int fd);
/** Is it bound to that address and port?  0.0.0.0 and [::] count as the same. */
bool listen_is_at(int fd, const struct listen_address *address);

#endif
