/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sockets.c
 * @brief Listening sockets: opened once, one per worker, or taken over from systemd or a predecessor.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "kernel/log.h"
#include "kernel/node.h"

#define FIRST_FD 3 /* sd_listen_fds(3) */
#define INHERITED_MAX 256
#define BACKLOG 4096

/* Sockets handed over; used from the front, -1 once taken. */
static int inherited[INHERITED_MAX];
static unsigned inherited_count;

void
krn_sockets_adopt(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	char *end;

	if (pid == NULL || fds == NULL || strtol(pid, &end, 10) != (long)getpid() || *end != '\0')
		return;
	long n = strtol(fds, &end, 10);

	if (*end != '\0' || n < 1 || n > INHERITED_MAX)
		return;
	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		inherited[inherited_count++] = fd;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* "[::]", "::1", "127.0.0.1", "*".  @return GH_EINVAL: not a numeric address. */
static int
parse_address(struct gh_str text, uint16_t port, union address *ret, socklen_t *ret_size)
{
	char z[64];

	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = (struct gh_str){ text.p + 1, text.n - 2 };
	if (text.n == 0 || gh_str_eq(text, GH_STR("*")))
		text = GH_STR("::");
	if (text.n >= sizeof(z))
		return GH_EINVAL;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, z, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_size = sizeof(ret->v6);
		return GH_OK;
	}
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, z, &ret->v4.sin_addr) != 1)
		return GH_EINVAL;
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(port);
	*ret_size = sizeof(ret->v4);
	return GH_OK;
}

static uint16_t
port_of(int fd)
{
	union address a;
	socklen_t size = sizeof(a);

	if (getsockname(fd, &a.any, &size) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* @return the bound socket, or -errno. */
static int
bind_one(const union address *address, socklen_t size, bool share)
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
	if (bind(fd, &address->any, size) < 0) {
		int e = errno;

		close(fd);
		return -e;
	}
	return fd;
}

/* One inherited socket for every worker: the same queue, shared. */
static bool
take_inherited(struct krn_listen *l, unsigned workers)
{
	unsigned found = 0;
	int first = -1;

	for (unsigned i = 0; i < inherited_count && found < workers; i++)
		if (inherited[i] >= 0 && port_of(inherited[i]) == l->listener.port) {
			l->fds[found++] = first = inherited[i];
			fcntl(first, F_SETFL, fcntl(first, F_GETFL) | O_NONBLOCK);
			inherited[i] = -1;
		}
	while (first >= 0 && found < workers)
		l->fds[found++] = fcntl(first, F_DUPFD_CLOEXEC, 0);
	return first >= 0;
}

static int
open_listen(struct krn_node *node, struct krn_listen *l, char *error, size_t error_size)
{
	union address address;
	socklen_t size = 0;

	if (l->listener.port != 0 && take_inherited(l, node->worker_count))
		return GH_OK;
	if (parse_address(l->listener.address, l->listener.port, &address, &size) < 0) {
		snprintf(error, error_size, "listener %.*s: \"%.*s\" is not a numeric address",
			GH_STR_ARG(l->listener.name), GH_STR_ARG(l->listener.address));
		return GH_EINVAL;
	}
	int trial = bind_one(&address, size, false);

	if (trial == -EAFNOSUPPORT && size == sizeof(address.v6)) { /* no IPv6 here: all of IPv4 */
		parse_address(GH_STR("0.0.0.0"), l->listener.port, &address, &size);
		trial = bind_one(&address, size, false);
	}
	if (trial < 0)
		goto fail;
	l->listener.port = port_of(trial);
	if (address.any.sa_family == AF_INET6)
		address.v6.sin6_port = htons(l->listener.port);
	else
		address.v4.sin_port = htons(l->listener.port);
	close(trial);
	for (unsigned i = 0; i < node->worker_count; i++) {
		trial = bind_one(&address, size, true);
		if (trial < 0)
			goto fail;
		l->fds[i] = trial;
	}
	return GH_OK;
fail:
	snprintf(error, error_size, "listener %.*s: cannot bind %.*s port %u: %s",
		GH_STR_ARG(l->listener.name), GH_STR_ARG(l->listener.address),
		(unsigned)l->listener.port, strerror(-trial));
	return GH_EIO;
}

int
krn_sockets_open(struct krn_node *node, char *error, size_t error_size)
{
	for (size_t i = 0; i < node->listen_count; i++) {
		int r = open_listen(node, &node->listens[i], error, error_size);

		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < inherited_count; i++)
		if (inherited[i] >= 0) {
			krn_log(LOG_WARNING, GH_STR("kernel"), GH_STR_NONE,
				"closing an inherited socket on port %u: no listener wants it",
				(unsigned)port_of(inherited[i]));
			close(inherited[i]);
			inherited[i] = -1;
		}
	return GH_OK;
}

int
krn_sockets_listen(struct krn_node *node, char *error, size_t error_size)
{
	for (size_t i = 0; i < node->listen_count; i++)
		for (unsigned w = 0; w < node->worker_count; w++) {
			if (listen(node->listens[i].fds[w], BACKLOG) == 0)
				continue;
			snprintf(error, error_size, "listener %.*s: cannot listen on port %u: %s",
				GH_STR_ARG(node->listens[i].listener.name),
				(unsigned)node->listens[i].listener.port, strerror(errno));
			return GH_EIO;
		}
	return GH_OK;
}

void
krn_sockets_close(struct krn_node *node)
{
	for (size_t i = 0; i < node->listen_count; i++)
		for (unsigned w = 0; node->listens[i].fds != NULL && w < node->worker_count; w++) {
			if (node->listens[i].fds[w] >= 0)
				close(node->listens[i].fds[w]);
			node->listens[i].fds[w] = -1;
		}
}
