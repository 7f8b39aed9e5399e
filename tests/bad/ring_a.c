/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring_a.c
 * @brief Half of a cycle.
 */
#include <gatehouse/http.h>

static const struct {
	uint32_t size;
	void (*fn)(void);
} vtable = { sizeof(vtable), NULL };

static const struct gh_service_row provides[] = {
	{ "a/1", &vtable },
	{ NULL, NULL },
};

static const char *const needs[] = { "b/1", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "ring_a", .version = "1", .provides = provides,
	.needs = needs };
