/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file.c
 * @brief Reading and replacing small files.
 */
#include "lib/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int
file_read(const char *path, size_t max_bytes, struct gh_str *ret_text, char *error, size_t error_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = GH_EIO;
	char *text = NULL;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = errno == ENOENT ? GH_ENOENT : GH_EIO;
		snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (size_t)st.st_size > max_bytes) {
		snprintf(error, error_size, "%s is empty, too large or not a regular file", path);
		r = GH_EINVAL;
		goto out;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL) {
		snprintf(error, error_size, "out of memory");
		r = GH_ENOMEM;
		goto out;
	}
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	*ret_text = (struct gh_str){ text, n };
	r = GH_OK;
out:
	if (fd >= 0)
		close(fd);
	return r;
}

/* The new name must survive a power cut, too. */
static int
sync_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *end = strrchr(path, '/');
	int fd, r;

	snprintf(dir, sizeof(dir), "%.*s", end != NULL ? (int)(end - path) : 1, end != NULL ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

int
file_replace(const char *path, struct gh_str content, char *error, size_t error_size)
{
	char temp[PATH_MAX];
	size_t done = 0;
	int fd = -1, r = GH_EIO;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp)) {
		snprintf(error, error_size, "the path %s is too long", path);
		return GH_EINVAL;
	}
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (fd >= 0 && done < content.n) {
		ssize_t n = write(fd, content.p + done, content.n - done);

		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (fd >= 0 && done == content.n && fsync(fd) == 0 && rename(temp, path) == 0 &&
		sync_directory(path) == 0)
		r = GH_OK;
	else
		snprintf(error, error_size, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}
