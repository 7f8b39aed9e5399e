/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file thing.c
 * @brief Provides thing/1 and another/1; nothing is wrong with it.
 */
#include <gatehouse/http.h>

static const struct {
	uint32_t size;
	void (*fn)(void);
} vtable = { sizeof(vtable), NULL };

static const struct gh_service_row provides[] = {
	{ "thing/1", &vtable },
	{ "another/1", &vtable },
	{ NULL, NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "thing", .version = "1", .provides = provides };
