/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_name.c
 * @brief A command has a name that no command can have.
 */
#include <gatehouse/http.h>

static int
nothing(const void *config, const char *state_dir, int argc, char **argv)
{
	(void)config, (void)state_dir, (void)argc, (void)argv;
	return 0;
}

static const struct gh_command_row commands[] = {
	{ "Join it", "nothing", nothing },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "command_name", .version = "1", .commands = commands };
