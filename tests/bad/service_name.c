/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file service_name.c
 * @brief A service's name has no version.
 */
#include <gatehouse/http.h>

static const struct {
	uint32_t size;
	void (*fn)(void);
} vtable = { sizeof(vtable), NULL };

static const struct gh_service_row provides[] = {
	{ "thing", &vtable },
	{ NULL, NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "service_name", .version = "1", .provides = provides };
