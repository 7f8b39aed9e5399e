/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file.h
 * @brief Small files as a whole: read within a limit, replace so that there is never half of one.
 * And pieces of large ones, whole as well.
 */
#ifndef LIB_FILE_FILE_H
#define LIB_FILE_FILE_H
#include <gatehouse/base.h>

/** Read a regular file that is not empty.
 *  @param[out] ret_text  malloc()ed, with a NUL behind it.
 *  @param[out] error  a sentence when the result is not 0; at least 256 bytes.
 *  @return 0; GH_ENOENT; GH_EINVAL (empty, larger than @p max_bytes, or no file); GH_EIO; GH_ENOMEM. */
int file_read(const char *path, size_t max_bytes, struct gh_str *ret_text, char *error, size_t error_size);
/** Write a file of mode 0600 in place of what has that name: synced, whole or not at all.
 *  @return 0, GH_EINVAL (the path is too long), GH_EIO. */
int file_replace(const char *path, struct gh_str content, char *error, size_t error_size);

/** All of @p n bytes at @p offset.  @return 0; GH_EINVAL: the file ends before; GH_EIO (errno says why). */
int file_read_at(int fd, void *ret, size_t n, uint64_t offset);
/** @return 0, GH_EIO (errno says why). */
int file_write_at(int fd, const void *p, size_t n, uint64_t offset);

#endif
