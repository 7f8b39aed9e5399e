/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_scim.c
 * @brief Any bytes as a filter, as a PATCH path, and as the operations of a PATCH.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "plugins/scim/attributes.h"
#include "plugins/scim/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *
resource(void)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s}, s:[{s:s, s:b}, {s:s, s:s}]}", "id", "1",
		"userName", "ann", "active", 1, "name", "givenName", "Ann", "emails",
		"value", "a@x", "primary", 1, "value", "b@x", "type", "home");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gh_str text = { (const char *)data, size };
	json_t *json = resource(), *operations = NULL, *read = NULL;
	struct filter *filter = NULL;
	struct filter_path path;
	struct scim_error error;
	const char *why = NULL;

	if (filter_parse(text, &filter, &why) == 0)
		filter_matches(filter, json);
	else if (why == NULL)
		abort();
	filter_free(filter);
	filter = NULL;
	if (filter_parse_target(text, &path, &filter, &why) == 0 && filter != NULL)
		filter_matches(filter, json);
	filter_free(filter);
	if (js_parse(text, NULL, &operations, NULL, 0) == 0) {
		if (attributes_patch(user_attributes, json, operations, &error) == 0 &&
		    attributes_read(user_attributes, json, &read, &error) == 0)
			json_decref(read);
		json_decref(operations);
	}
	attributes_project(json, text, GH_STR_NONE);
	json_decref(json);
	return 0;
}
