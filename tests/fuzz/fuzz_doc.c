/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_doc.c
 * @brief Any bytes as a document body: read, iterate, change, make JSON of it and back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/doc/doc_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Touch every byte that iteration hands out. */
static unsigned
walk(struct gh_str container, unsigned depth)
{
	struct doc_iter it = doc_iter(container);
	struct gh_str name;
	struct doc_value v;
	unsigned sum = 0;

	while (doc_next(&it, &name, &v)) {
		for (size_t i = 0; i < name.n; i++)
			sum += (unsigned char)name.p[i];
		if (v.type == DOC_STR && v.s.n > 0)
			sum += (unsigned char)v.s.p[v.s.n - 1];
		if ((v.type == DOC_ARRAY || v.type == DOC_MAP) && depth < DOC_DEPTH_MAX)
			sum += walk(v.s, depth + 1);
	}
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gh_str body = { (const char *)data, size }, changed, again;
	json_t *json;

	walk(body, 0);
	int r = doc_check(body);

	if (doc_set(body, "name", DOC_OF_INT(1), &changed) == 0) {
		if (r < 0 || doc_check(changed) < 0 || doc_int(changed, "name", 0) != 1)
			abort();
		free((void *)changed.p);
	}
	if (doc_map_to_json(body, &json) == 0) {
		if (r < 0 || doc_from_json(json, &again) < 0 || doc_check(again) < 0)
			abort();
		free((void *)again.p);
		json_decref(json);
	}
	return 0;
}
