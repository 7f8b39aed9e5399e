/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive_write.c
 * @brief Making archives, always the same bytes of the same files.
 */
#include <stdlib.h>
#include <zip.h>

#include "lib/zip/archive.h"

enum {
	DEPTH_MAX = 64,
	DOS_EPOCH = 1 << 5 | 1, /* the first of January 1980, where times of this format begin */
};

struct archive_writer {
	zip_source_t *target;
	zip_t *zip;
	int error; /**< The first one. */
};

struct archive_writer *
archive_writer_new(void)
{
	struct archive_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->target = zip_source_buffer_create(NULL, 0, 0, NULL);
	if (w->target != NULL)
		w->zip = zip_open_from_source(w->target, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	if (w->zip != NULL) {
		zip_source_keep(w->target); /* what is written must outlive zip_close() */
		return w;
	}
	zip_source_free(w->target);
	free(w);
	return NULL;
}

/** @return 0, GH_EINVAL, GH_ENOMEM. */
static int
add(struct archive_writer *w, struct gh_str name, struct gh_str content)
{
	char *copy = content.n > 0 ? malloc(content.n) : NULL, *name_z = strndup(name.p, name.n);
	zip_source_t *source = NULL;
	zip_int64_t index = -1;
	int r = GH_ENOMEM;

	if (copy != NULL)
		memcpy(copy, content.p, content.n);
	if ((copy != NULL || content.n == 0) && name_z != NULL)
		source = zip_source_buffer(w->zip, copy, content.n, 1);
	if (source == NULL)
		free(copy);
	else
		index = zip_file_add(w->zip, name_z, source, ZIP_FL_ENC_UTF_8);
	if (index < 0 && source != NULL) {
		if (zip_error_code_zip(zip_get_error(w->zip)) != ZIP_ER_MEMORY)
			r = GH_EINVAL;
		zip_source_free(source);
	}
	if (index >= 0 && zip_file_set_dostime(w->zip, (zip_uint64_t)index, 0, DOS_EPOCH, 0) == 0)
		r = 0;
	free(name_z);
	return r;
}

void
archive_writer_add(struct archive_writer *w, struct gh_str name, struct gh_str content)
{
	if (w->error == 0 && !archive_is_name(name, DEPTH_MAX, NULL))
		w->error = GH_EINVAL;
	if (w->error == 0)
		w->error = add(w, name, content);
}

/** What zip_close() has written. */
static int
take_bytes(zip_source_t *target, struct gh_str *ret_bytes)
{
	zip_stat_t stat;
	zip_int64_t n = -1;
	char *bytes = NULL;

	if (zip_source_stat(target, &stat) < 0 || (stat.valid & ZIP_STAT_SIZE) == 0 ||
	    zip_source_open(target) < 0)
		return GH_ENOMEM;
	bytes = malloc((size_t)stat.size + 1);
	if (bytes != NULL)
		n = zip_source_read(target, bytes, stat.size);
	zip_source_close(target);
	if (n < 0 || (zip_uint64_t)n != stat.size) {
		free(bytes);
		return GH_ENOMEM;
	}
	*ret_bytes = (struct gh_str){ bytes, (size_t)n };
	return 0;
}

int
archive_writer_finish(struct archive_writer *w, struct gh_str *ret_bytes)
{
	int r = w->error;

	if (r == 0 && zip_close(w->zip) == 0)
		w->zip = NULL;
	else if (r == 0)
		r = GH_ENOMEM;
	if (r == 0)
		r = take_bytes(w->target, ret_bytes);
	archive_writer_free(w);
	return r;
}

void
archive_writer_free(struct archive_writer *w)
{
	if (w == NULL)
		return;
	if (w->zip != NULL)
		zip_discard(w->zip);
	zip_source_free(w->target);
	free(w);
}
