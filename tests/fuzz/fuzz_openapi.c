/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_openapi.c
 * @brief Any bytes as a definition; what is accepted must give operations that can be written back.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "plugins/publisher/openapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Read what sync wrote: the same operations must come out. */
static void
check_round_trip(json_t *definition, const json_t *operations, const json_t *scopes)
{
	char error[OPENAPI_ERROR_SIZE];
	json_t *again = NULL;
	json_t *dto = json_pack("{s:s,s:s,s:O,s:O}", "name", "n", "version", "v", "operations",
		operations, "scopes", scopes);

	if (openapi_sync(definition, dto) != 0 ||
		openapi_operations(definition, &again, error) != 0)
		abort();
	if (json_array_size(again) != json_array_size(operations))
		abort();
	json_decref(again);
	json_decref(dto);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *definition = NULL, *operations = NULL, *scopes = NULL;
	char error[OPENAPI_ERROR_SIZE], url[256];

	if (openapi_parse((struct gh_str){ (const char *)data, size }, &definition, error) != 0)
		return 0;
	openapi_server(definition, url, sizeof(url));
	if (openapi_operations(definition, &operations, error) == 0 &&
	    openapi_scopes(definition, &scopes) == 0)
		check_round_trip(definition, operations, scopes);
	json_decref(operations);
	json_decref(scopes);
	json_decref(definition);
	return 0;
}
