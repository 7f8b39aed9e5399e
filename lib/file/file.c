/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file.c
 * @brief Reading and writing without halves.
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
file_read_at(int fd, void *ret, size_t n, uint64_t offset)
{
	for (size_t done = 0; done < n;) {
		ssize_t some = pread(fd, (char *)ret + done, n - done, (off_t)(offset + done));

		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return some < 0 ? GH_EIO : GH_EINVAL;
		done += (size_t)some;
	}
	return GH_OK;
}

int
file_write_at(int fd, const void *p, size_t n, uint64_t offset)
{
	for (size_t done = 0; done < n;) {
		ssize_t some = pwrite(fd, (const char *)p + done, n - done, (off_t)(offset + done));

		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return GH_EIO;
		done += (size_t)some;
	}
	return GH_OK;
}

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
	n = (size_t)st.st_size;
	r = file_read_at(fd, text, n, 0);
	if (r < 0) {
		snprintf(error, error_size, "cannot read %s: %s", path,
			r == GH_EINVAL ? "it is being changed" : strerror(errno));
		goto out;
	}
	text[n] = '\0';
	*ret_text = (struct gh_str){ text, n };
	text = NULL;
out:
	if (fd >= 0)
		close(fd);
	free(text);
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
	int fd = -1, r = GH_EIO;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp)) {
		snprintf(error, error_size, "the path %s is too long", path);
		return GH_EINVAL;
	}
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && file_write_at(fd, content.p, content.n, 0) == 0 && fsync(fd) == 0 && rename(temp, path) == 0 &&
		sync_directory(path) == 0)
		r = GH_OK;
	else
		snprintf(error, error_size, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}
