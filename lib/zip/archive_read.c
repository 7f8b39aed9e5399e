/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive_read.c
 * @brief Taking archives apart: every entry is checked before the first one is unpacked.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zip.h>

#include "lib/zip/archive.h"

enum {
	RATIO_FREE_BYTES = 64 * 1024, /* small texts may well shrink to nothing */
};

const struct archive_limits archive_limits_default = {
	.max_entries = 1000, .max_entry_bytes = 8u << 20, .max_total_bytes = 32u << 20,
	.max_ratio = 200, .max_depth = 12,
};

/** One archive being read. */
struct reader {
	zip_t *zip;
	const struct archive_limits *limits;
	struct archive *archive;
	size_t total_bytes;
	char *error;
};

static int fail(const struct reader *rd, int err, const char *fmt, ...) GH_PRINTF(3, 4);

static int
fail(const struct reader *rd, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(rd->error, ARCHIVE_ERROR_SIZE, fmt, args);
	va_end(args);
	return err;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/** Bytes of the UTF-8 sequence at @p p, or 0 when it is none (RFC 3629). */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 :
		(p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
	    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return length;
}

static const char *
refuse_characters(struct gh_str name)
{
	for (size_t i = 0, n; i < name.n; i += n) {
		unsigned char c = (unsigned char)name.p[i];

		n = utf8_length((const unsigned char *)name.p + i, name.n - i);
		if (n == 0)
			return "is not UTF-8";
		if (c < ' ' || c == 0x7F || (c == 0xC2 && (unsigned char)name.p[i + 1] < 0xA0))
			return "holds a control character";
		if (c == '\\')
			return "holds a backslash";
		if (c == ':')
			return "holds a colon";
	}
	return NULL;
}

static const char *
refuse_segments(struct gh_str name, unsigned max_depth)
{
	unsigned depth = 0;

	for (;;) {
		const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;
		struct gh_str segment = { name.p, slash != NULL ? (size_t)(slash - name.p) : name.n };

		if (segment.n == 0)
			return "has an empty part";
		if (gh_str_eq(segment, GH_STR("..")))
			return "leads out of its folder";
		if (gh_str_eq(segment, GH_STR(".")))
			return "has '.' as a part";
		if (slash == NULL)
			return NULL;
		if (++depth > max_depth)
			return "lies too deep";
		name = (struct gh_str){ slash + 1, name.n - segment.n - 1 };
	}
}

bool
archive_is_name(struct gh_str name, unsigned max_depth, const char **ret_why)
{
	const char *why = NULL;

	if (name.n == 0)
		why = "is empty";
	else if (name.n > ARCHIVE_NAME_MAX)
		why = "is too long";
	else if (name.p[0] == '/')
		why = "is absolute";
	if (why == NULL)
		why = refuse_characters(name);
	if (why == NULL)
		why = refuse_segments(name, max_depth);
	if (why != NULL && ret_why != NULL)
		*ret_why = why;
	return why == NULL;
}

static char
folded(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static int
compare_folded(const void *a, const void *b)
{
	const struct gh_str *x = a, *y = b;

	for (size_t i = 0; i < x->n && i < y->n; i++) {
		unsigned char c = (unsigned char)folded(x->p[i]);
		unsigned char d = (unsigned char)folded(y->p[i]);

		if (c != d)
			return c < d ? -1 : 1;
	}
	return x->n == y->n ? 0 : x->n < y->n ? -1 : 1;
}

/** Bytewise; a name comes directly before those that it is a prefix of. */
static int
compare_names(struct gh_str a, struct gh_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

static int
compare_files(const void *a, const void *b)
{
	return compare_names(((const struct archive_file *)a)->name,
		((const struct archive_file *)b)->name);
}

/** No two entries have the same name, not even on a file system without case. */
static int
check_twice(const struct reader *rd, size_t n)
{
	struct gh_str *names = calloc(n, sizeof(*names));
	int r = 0;

	if (names == NULL)
		return fail(rd, GH_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		names[i] = gh_str_of(zip_get_name(rd->zip, i, ZIP_FL_ENC_RAW));
		if (names[i].n > 0 && names[i].p[names[i].n - 1] == '/')
			names[i].n--; /* a folder and a file of one name are two of one name */
	}
	qsort(names, n, sizeof(*names), compare_folded);
	for (size_t i = 1; r == 0 && i < n; i++)
		if (compare_folded(&names[i - 1], &names[i]) == 0)
			r = fail(rd, GH_EINVAL, "The entry '%.*s' is there twice",
				GH_STR_ARG(names[i]));
	free(names);
	return r;
}

/* ---- Entries --------------------------------------------------------------------------------- */

/** The host system does not matter: tools look at the mode whenever there is one. */
static bool
is_special(const struct reader *rd, zip_uint64_t index)
{
	zip_uint32_t attributes = 0;
	zip_uint8_t host = 0;

	if (zip_file_get_external_attributes(rd->zip, index, 0, &host, &attributes) < 0)
		return true;
	mode_t type = (mode_t)(attributes >> 16) & S_IFMT;

	return type != 0 && type != S_IFREG && type != S_IFDIR;
}

static int
check_entry(const struct reader *rd, zip_uint64_t index, zip_stat_t *ret_stat)
{
	const char *raw = zip_get_name(rd->zip, index, ZIP_FL_ENC_RAW), *why = "";

	if (raw == NULL || zip_stat_index(rd->zip, index, ZIP_FL_ENC_RAW, ret_stat) < 0)
		return fail(rd, GH_EINVAL, "The entry number %llu has no name or is damaged",
			(unsigned long long)index + 1);
	struct gh_str name = gh_str_of(raw);
	bool is_folder = name.n > 0 && name.p[name.n - 1] == '/';

	if (is_folder)
		name.n--;
	if (!archive_is_name(name, rd->limits->max_depth, &why))
		return fail(rd, GH_EINVAL, "The name of the entry number %llu %s",
			(unsigned long long)index + 1, why);
	if ((ret_stat->valid & ZIP_STAT_ENCRYPTION_METHOD) == 0 ||
	    ret_stat->encryption_method != ZIP_EM_NONE)
		return fail(rd, GH_EINVAL, "The entry '%.*s' is encrypted", GH_STR_ARG(name));
	if ((ret_stat->valid & ZIP_STAT_COMP_METHOD) == 0 ||
	    (ret_stat->comp_method != ZIP_CM_STORE && ret_stat->comp_method != ZIP_CM_DEFLATE))
		return fail(rd, GH_EINVAL, "The entry '%.*s' is neither stored nor deflated",
			GH_STR_ARG(name));
	if (is_special(rd, index))
		return fail(rd, GH_EINVAL, "The entry '%.*s' is a symbolic link or another special "
			"file", GH_STR_ARG(name));
	if (is_folder && (ret_stat->valid & ZIP_STAT_SIZE) != 0 && ret_stat->size > 0)
		return fail(rd, GH_EINVAL, "The folder '%.*s' has a content", GH_STR_ARG(name));
	return 0;
}

/** What the archive declares is within the limits?  That it is true shows when it is unpacked. */
static int
check_sizes(const struct reader *rd, struct gh_str name, const zip_stat_t *stat)
{
	const struct archive_limits *max = rd->limits;

	if ((stat->valid & ZIP_STAT_SIZE) == 0 || (stat->valid & ZIP_STAT_COMP_SIZE) == 0)
		return fail(rd, GH_EINVAL, "The entry '%.*s' has no size", GH_STR_ARG(name));
	if (stat->size > max->max_entry_bytes)
		return fail(rd, GH_ETOOBIG, "The entry '%.*s' unpacks to more than %zu bytes",
			GH_STR_ARG(name), max->max_entry_bytes);
	if (stat->size > max->max_total_bytes - rd->total_bytes)
		return fail(rd, GH_ETOOBIG, "The archive unpacks to more than %zu bytes",
			max->max_total_bytes);
	if (stat->size > RATIO_FREE_BYTES && stat->size / max->max_ratio > stat->comp_size)
		return fail(rd, GH_ETOOBIG,
			"The entry '%.*s' is compressed more than %u to 1, as bombs are",
			GH_STR_ARG(name), max->max_ratio);
	return 0;
}

/** Exactly as many bytes as declared come out, and the checksum is right. */
static int
unpack(const struct reader *rd, struct gh_str name, zip_file_t *file, char *content, size_t size)
{
	char more[1];
	size_t at = 0;
	zip_int64_t n;

	do {
		n = zip_fread(file, content + at, size - at);
		at += n > 0 ? (size_t)n : 0;
	} while (n > 0 && at < size);
	if (n >= 0 && at == size)
		n = zip_fread(file, more, sizeof(more)); /* the end, where libzip compares */
	if (n < 0)
		return fail(rd, GH_EINVAL, "The entry '%.*s' is damaged: %.100s", GH_STR_ARG(name),
			zip_file_strerror(file));
	if (n > 0 || at < size)
		return fail(rd, GH_EINVAL, "The entry '%.*s' has another size than the archive "
			"says", GH_STR_ARG(name));
	return 0;
}

/** Name and content go into one block of memory. */
static int
read_file(struct reader *rd, zip_uint64_t index, struct gh_str name, size_t size)
{
	struct archive_file *file = &rd->archive->files[rd->archive->n];
	zip_file_t *source = zip_fopen_index(rd->zip, index, 0);
	char *block = malloc(name.n + size + 1);
	int r = block != NULL ? 0 : fail(rd, GH_ENOMEM, "out of memory");

	if (r == 0 && source == NULL)
		r = fail(rd, GH_EINVAL, "The entry '%.*s' cannot be opened: %.100s",
			GH_STR_ARG(name), zip_strerror(rd->zip));
	if (r == 0)
		r = unpack(rd, name, source, block + name.n, size);
	if (source != NULL)
		zip_fclose(source);
	if (r < 0) {
		free(block);
		return r;
	}
	memcpy(block, name.p, name.n);
	block[name.n + size] = '\0';
	file->name = (struct gh_str){ block, name.n };
	file->content = (struct gh_str){ block + name.n, size };
	rd->archive->n++;
	rd->total_bytes += size;
	return 0;
}

static int
read_entry(struct reader *rd, zip_uint64_t index)
{
	struct gh_str name = gh_str_of(zip_get_name(rd->zip, index, ZIP_FL_ENC_RAW));
	zip_stat_t stat;
	int r = check_entry(rd, index, &stat);

	if (r < 0 || name.p[name.n - 1] == '/')
		return r;
	r = check_sizes(rd, name, &stat);
	return r == 0 ? read_file(rd, index, name, (size_t)stat.size) : r;
}

/* ---- The archive ----------------------------------------------------------------------------- */

static int
open_zip(struct reader *rd, struct gh_str bytes)
{
	zip_error_t why;

	zip_error_init(&why);
	zip_source_t *source = zip_source_buffer_create(bytes.p, bytes.n, 0, &why);

	if (source != NULL)
		rd->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &why);
	if (rd->zip == NULL && source != NULL)
		zip_source_free(source);
	int r = rd->zip != NULL ? 0 : zip_error_code_zip(&why) == ZIP_ER_MEMORY ?
		fail(rd, GH_ENOMEM, "out of memory") :
		fail(rd, GH_EINVAL, "It is no zip archive, or damaged: %.100s",
			zip_error_strerror(&why));

	zip_error_fini(&why);
	return r;
}

static int
read_entries(struct reader *rd)
{
	zip_int64_t n = zip_get_num_entries(rd->zip, 0);
	zip_stat_t stat;
	int r = 0;

	if (n <= 0)
		return fail(rd, GH_EINVAL, "The archive is empty");
	if ((zip_uint64_t)n > rd->limits->max_entries)
		return fail(rd, GH_ETOOBIG, "The archive has more than %zu entries",
			rd->limits->max_entries);
	for (zip_int64_t i = 0; r == 0 && i < n; i++)
		r = check_entry(rd, (zip_uint64_t)i, &stat);
	if (r == 0)
		r = check_twice(rd, (size_t)n);
	if (r < 0)
		return r;
	rd->archive->files = calloc((size_t)n, sizeof(*rd->archive->files));
	if (rd->archive->files == NULL)
		return fail(rd, GH_ENOMEM, "out of memory");
	for (zip_int64_t i = 0; r == 0 && i < n; i++)
		r = read_entry(rd, (zip_uint64_t)i);
	if (r == 0)
		qsort(rd->archive->files, rd->archive->n, sizeof(*rd->archive->files),
			compare_files);
	return r;
}

int
archive_read(struct gh_str bytes, const struct archive_limits *limits,
	struct archive **ret_archive, char *error)
{
	struct reader rd = {
		.limits = limits != NULL ? limits : &archive_limits_default, .error = error,
		.archive = calloc(1, sizeof(struct archive)),
	};
	int r = rd.archive != NULL ? 0 : fail(&rd, GH_ENOMEM, "out of memory");

	if (r == 0)
		r = open_zip(&rd, bytes);
	if (r == 0)
		r = read_entries(&rd);
	if (rd.zip != NULL)
		zip_discard(rd.zip);
	if (r == 0)
		*ret_archive = rd.archive;
	else
		archive_free(rd.archive);
	return r;
}

void
archive_free(struct archive *archive)
{
	if (archive == NULL)
		return;
	for (size_t i = 0; i < archive->n; i++) {
		struct archive_file *file = &archive->files[i];
		char *block = (char *)(uintptr_t)file->name.p;

		explicit_bzero(block, file->name.n + file->content.n);
		free(block);
	}
	free(archive->files);
	free(archive);
}

size_t
archive_first(const struct archive *archive, struct gh_str prefix)
{
	size_t low = 0, high = archive->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(archive->files[middle].name, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < archive->n && archive->files[low].name.n >= prefix.n &&
	    (prefix.n == 0 || memcmp(archive->files[low].name.p, prefix.p, prefix.n) == 0))
		return low;
	return archive->n;
}

const struct archive_file *
archive_find(const struct archive *archive, struct gh_str name)
{
	size_t i = archive_first(archive, name);

	return i < archive->n && gh_str_eq(archive->files[i].name, name) ? &archive->files[i] : NULL;
}
