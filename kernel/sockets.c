/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sockets.c
 * @brief Listening sockets: opened once, at least one per worker, or taken over.
 *
 * Every socket that was taken over is served for ever, also when there are more of them than workers:
 * a socket that is closed loses the connections in its queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/node.h"
#include "kernel/upgrade.h"
#include "lib/listen/listen.h"

#define BACKLOG 4096

static int
add_fd(struct krn_listen *l, int fd)
{
	int *larger = realloc(l->fds, (l->fd_count + 1) * sizeof(*larger));

	if (larger == NULL) {
		close(fd);
		return -ENOMEM;
	}
	l->fds = larger;
	l->fds[l->fd_count++] = fd;
	return 0;
}

/* What was passed on.  @return how many, or -errno. */
static int
take_over(struct krn_listen *l, const struct listen_address *address)
{
	int fd, r = 0;

	while (r == 0 && (fd = krn_upgrade_socket(address)) >= 0) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		r = add_fd(l, fd);
	}
	return r < 0 ? r : (int)l->fd_count;
}

/* The first socket of an address: nobody else may have it, also not with SO_REUSEPORT. */
static int
try_address(struct krn_listen *l, struct listen_address *address)
{
	int trial = listen_bind(address, false);

	if (trial == -EAFNOSUPPORT && address->any.sa_family == AF_INET6) { /* no IPv6 here: all of IPv4 */
		listen_parse(GH_STR("0.0.0.0"), l->listener.port, address);
		trial = listen_bind(address, false);
	}
	if (trial < 0)
		return trial;
	l->listener.port = listen_port(trial);
	listen_set_port(address, l->listener.port);
	close(trial);
	return 0;
}

static int
open_listen(struct krn_node *node, struct krn_listen *l, char *error, size_t error_size)
{
	struct listen_address address;

	if (listen_parse(l->listener.address, l->listener.port, &address) < 0) {
		snprintf(error, error_size, "listener %.*s: \"%.*s\" is not a numeric address",
			GH_STR_ARG(l->listener.name), GH_STR_ARG(l->listener.address));
		return GH_EINVAL;
	}
	int taken = l->listener.port != 0 ? take_over(l, &address) : 0;
	int r = taken == 0 ? try_address(l, &address) : taken;

	while (r >= 0 && l->fd_count < node->worker_count) {
		int fd = listen_bind(&address, true);

		if (fd < 0 && taken > 0) /* not to be shared: the same queue for two workers */
			fd = fcntl(l->fds[l->fd_count % (unsigned)taken], F_DUPFD_CLOEXEC, 0);
		r = fd < 0 ? fd : add_fd(l, fd);
	}
	if (r >= 0)
		return GH_OK;
	snprintf(error, error_size, "listener %.*s: cannot bind %.*s port %u: %s",
		GH_STR_ARG(l->listener.name), GH_STR_ARG(l->listener.address),
		(unsigned)l->listener.port, strerror(-r));
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
	krn_upgrade_close_rest();
	return GH_OK;
}

int
krn_sockets_listen(struct krn_node *node, char *error, size_t error_size)
{
	for (size_t i = 0; i < node->listen_count; i++)
		for (unsigned j = 0; j < node->listens[i].fd_count; j++) {
			if (listen(node->listens[i].fds[j], BACKLOG) == 0)
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
	for (size_t i = 0; i < node->listen_count; i++) {
		struct krn_listen *l = &node->listens[i];

		for (unsigned j = 0; j < l->fd_count; j++)
			close(l->fds[j]);
		free(l->fds);
		l->fds = NULL;
		l->fd_count = 0;
	}
}
