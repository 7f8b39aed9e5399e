/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_yaml.c
 * @brief Fuzzer for lib/yaml: composing, types, conversion to JSON, and writing: what was written
 * must read as the same value.
 */
#include <stdlib.h>

#include "lib/yaml/yaml.h"
#include "lib/yaml/yaml_json.h"
#include "lib/yaml/yaml_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_and_read(const json_t *json)
{
	struct gh_str text;
	struct yaml_doc *doc = NULL;
	json_t *again = NULL;
	char error[256];

	if (yaml_write(json, &text) < 0 ||
		yaml_parse(text, NULL, NULL, NULL, &doc, error, sizeof(error)) < 0 ||
		yaml_to_json(yaml_root(doc), &again, error, sizeof(error)) < 0 ||
		!json_equal(json, again))
		abort();
	json_decref(again);
	yaml_doc_free(doc);
	free((void *)(uintptr_t)text.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct yaml_limits limits = {
		.max_bytes = 65536, .max_nodes = 10000, .max_depth = 64
	};
	struct yaml_doc *doc = NULL;
	json_t *json = NULL;
	char error[256];

	if (yaml_parse((struct gh_str){ (const char *)data, size }, &limits, NULL, NULL, &doc,
		    error, sizeof(error)) < 0)
		return 0;
	if (yaml_to_json(yaml_root(doc), &json, error, sizeof(error)) == 0) {
		write_and_read(json);
		json_decref(json);
	}
	yaml_doc_free(doc);
	return 0;
}
