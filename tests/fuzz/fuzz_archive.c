/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_archive.c
 * @brief Any bytes as a zip archive; what is accepted must have names that can be written again.
 */
#include <stdlib.h>

#include "lib/zip/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct archive_limits limits = { .max_entries = 64, .max_entry_bytes = 65536,
		.max_total_bytes = 262144, .max_ratio = 100, .max_depth = 4 };
	struct archive *archive = NULL;
	struct archive_writer *w;
	struct gh_str written;
	char error[ARCHIVE_ERROR_SIZE];

	if (archive_read((struct gh_str){ (const char *)data, size }, &limits, &archive, error) != 0)
		return 0;
	w = archive_writer_new();
	if (w == NULL)
		abort();
	for (size_t i = 0; i < archive->n; i++)
		archive_writer_add(w, archive->files[i].name, archive->files[i].content);
	if (archive_writer_finish(w, &written) != 0)
		abort();
	free((void *)(uintptr_t)written.p);
	archive_free(archive);
	return 0;
}
