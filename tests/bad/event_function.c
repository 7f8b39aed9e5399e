/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file event_function.c
 * @brief A subscription has no function.
 */
#include <gatehouse/http.h>

static const struct gh_event_row events[] = {
	{ "revoked", NULL, 16 },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "event_function", .version = "1", .events = events };
