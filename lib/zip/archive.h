/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive.h
 * @brief Zip archives in memory: strangers' archives read within limits, own ones written.
 *
 * On libzip.  Reading takes the whole archive apart at once, so that an archive is either good
 * altogether or refused: encrypted entries, methods other than stored and deflated, symbolic links
 * and other special files, names that lead elsewhere (absolute, "..", backslash, drive letters,
 * control characters) or that stand twice (letters without case, as file systems do), entries that
 * do not agree with the central directory or with their checksum.  The limits hold for what comes
 * out, whatever the archive declares.
 *
 * Contents may be secret (keys), so their memory is wiped when it is freed.  ANY.
 */
#ifndef LIB_ZIP_ARCHIVE_H
#define LIB_ZIP_ARCHIVE_H
#include <gatehouse/base.h>

#define ARCHIVE_ERROR_SIZE 320
#define ARCHIVE_NAME_MAX 512 /**< Bytes of a name. */

struct archive_limits {
	size_t max_entries;     /**< Folders count too. */
	size_t max_entry_bytes; /**< Of one file, uncompressed. */
	size_t max_total_bytes; /**< Of all files, uncompressed. */
	unsigned max_ratio;     /**< Uncompressed to compressed, for files above 64 KiB. */
	unsigned max_depth;     /**< Folders inside each other. */
};

/** 1,000 entries, 8 MiB each, 32 MiB together, ratio 200, 12 deep. */
extern const struct archive_limits archive_limits_default;

/** One file.  Points into the archive's memory. */
struct archive_file {
	struct gh_str name;    /**< UTF-8, "Folder/file.yaml"; never with '/' at an end. */
	struct gh_str content;
};

/** The files of an archive, ordered by the bytes of their names. */
struct archive {
	size_t n;
	struct archive_file *files;
};

/** @param limits  NULL: archive_limits_default.
 *  @param[out] error  on failure: a sentence that names entry and reason; ARCHIVE_ERROR_SIZE bytes.
 *  @return 0; GH_EINVAL: no zip archive, damaged, or refused; GH_ETOOBIG: over a limit;
 *  GH_ENOMEM. */
int archive_read(struct gh_str bytes, const struct archive_limits *limits,
	struct archive **ret_archive, char *error);
/** Wipe and free.  NULL is allowed. */
void archive_free(struct archive *archive);
/** The file of exactly that name, or NULL. */
const struct archive_file *archive_find(const struct archive *archive, struct gh_str name);
/** Index of the first file whose name starts with @p prefix ("Docs/"); such files follow each
 *  other.  @return archive->n when there is none. */
size_t archive_first(const struct archive *archive, struct gh_str prefix);
/** May an entry have this name?  @param[out] ret_why  on failure: STATIC, "is absolute". */
bool archive_is_name(struct gh_str name, unsigned max_depth, const char **ret_why);

struct archive_writer; /**< An archive being written.  One thread at a time. */

/** @return NULL: out of memory. */
struct archive_writer *archive_writer_new(void);
/** Add a file.  The same files in the same order make the same bytes: no times are written.
 *  An error is kept, and told by archive_writer_finish().
 *  @param name  as archive_is_name() wants it.  @param content  BORROW, copied. */
void archive_writer_add(struct archive_writer *w, struct gh_str name, struct gh_str content);
/** The archive.  The writer is freed, on success and on failure alike.
 *  @param[out] ret_bytes  malloc()ed: free((void *)ret_bytes->p).
 *  @return 0; GH_EINVAL: a name that no entry may have, or one that stands twice; GH_ENOMEM. */
int archive_writer_finish(struct archive_writer *w, struct gh_str *ret_bytes);
/** Throw it away.  NULL is allowed. */
void archive_writer_free(struct archive_writer *w);

#endif
