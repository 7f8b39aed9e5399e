/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_function.c
 * @brief A command has no function.
 */
#include <gatehouse/http.h>

static const struct gh_command_row commands[] = {
	{ "join", "nothing", NULL },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "command_function", .version = "1", .commands = commands };
