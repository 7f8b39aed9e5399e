/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_twice.c
 * @brief A command stands in the table twice.
 */
#include <gatehouse/http.h>

static int
nothing(const void *config, const char *state_dir, int argc, char **argv)
{
	(void)config, (void)state_dir, (void)argc, (void)argv;
	return 0;
}

static const struct gh_command_row commands[] = {
	{ "join", "nothing", nothing },
	{ "join", "nothing", nothing },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "command_twice", .version = "1", .commands = commands };
