/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file event_queue.c
 * @brief A subscription has no room for an event.
 */
#include <gatehouse/http.h>

static void
on_event(void *process, struct gh_str name, struct gh_str payload)
{
	(void)process;
	(void)name;
	(void)payload;
}

static const struct gh_event_row events[] = {
	{ "revoked", on_event, 0 },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "event_queue", .version = "1", .events = events };
