/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file service_vtable.c
 * @brief A service has no vtable.
 */
#include <gatehouse/http.h>

static const struct gh_service_row provides[] = {
	{ "thing/1", NULL },
	{ NULL, NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "service_vtable", .version = "1", .provides = provides };
