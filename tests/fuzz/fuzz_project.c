/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_project.c
 * @brief The first byte tells a file's name, the others are its content, in a project that is good
 * otherwise; what is accepted must have an object as its API.
 */
#include <stdlib.h>

#include "plugins/publisher/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"P/api.yaml", "P/api.json", "P/Definitions/swagger.yaml",
		"P/deployment_environments.yaml", "P/Docs/A/document.yaml", "P/SourceArchive.zip",
		"P/intermediate_params.yaml",
	};
	const size_t n = sizeof(names) / sizeof(names[0]);
	struct archive_writer *w, *inner;
	struct project *project = NULL;
	struct gh_str bytes, source;
	char error[PROJECT_ERROR_SIZE];
	size_t which = size > 0 ? data[0] % n : 0;
	struct gh_str content = { (const char *)data + (size > 0), size - (size > 0) };

	w = archive_writer_new();
	inner = archive_writer_new();
	if (w == NULL || inner == NULL)
		abort();
	archive_writer_add(inner, GH_STR("S/api.yaml"), GH_STR("type: api\ndata: {name: a}\n"));
	if (archive_writer_finish(inner, &source) != 0)
		abort();
	if (which == n - 1)
		archive_writer_add(w, GH_STR("P/SourceArchive.zip"), source);
	else if (which > 1 && which < 5)
		archive_writer_add(w, GH_STR("P/api.yaml"), GH_STR("type: api\ndata: {name: a}\n"));
	archive_writer_add(w, gh_str_of(names[which]), content);
	free((void *)(uintptr_t)source.p);
	if (archive_writer_finish(w, &bytes) != 0)
		abort();
	if (project_read(bytes, &project, error) == 0) {
		if (!json_is_object(project->dto))
			abort();
		project_free(project);
	}
	free((void *)(uintptr_t)bytes.p);
	return 0;
}
