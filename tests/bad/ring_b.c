/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring_b.c
 * @brief The other half of a cycle.
 */
#include <gatehouse/http.h>

static const struct {
	uint32_t size;
	void (*fn)(void);
} vtable = { sizeof(vtable), NULL };

static const struct gh_service_row provides[] = {
	{ "b/1", &vtable },
	{ NULL, NULL },
};

static const char *const needs[] = { "?a/1", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "ring_b", .version = "1", .provides = provides,
	.needs = needs };
