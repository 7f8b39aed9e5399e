/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file self.c
 * @brief Provides what it needs all of: it must not be bound to itself.
 */
#include <gatehouse/http.h>

static const struct {
	uint32_t size;
	void (*fn)(void);
} vtable = { sizeof(vtable), NULL };

static const struct gh_service_row provides[] = {
	{ "self/1", &vtable },
	{ NULL, NULL },
};

static const char *const needs[] = { "self/1*", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "self", .version = "1", .provides = provides, .needs = needs };
