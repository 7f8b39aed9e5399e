/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file notify.c
 * @brief One datagram to the service manager.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/notify/notify.h"

int
notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path != NULL ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(a.sun_path))
		return GH_OK;
	memcpy(a.sun_path, path, n);
	if (a.sun_path[0] == '@') /* an abstract one: no file has its name */
		a.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return GH_EIO;
	ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));

	close(fd);
	return sent < 0 ? GH_EIO : GH_OK;
}
