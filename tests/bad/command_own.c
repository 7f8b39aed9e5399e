/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_own.c
 * @brief A command has the name of one of the program.
 */
#include <gatehouse/http.h>

static int
nothing(const void *config, const char *state_dir, int argc, char **argv)
{
	(void)config, (void)state_dir, (void)argc, (void)argv;
	return 0;
}

static const struct gh_command_row commands[] = {
	{ "check", "nothing", nothing },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "command_own", .version = "1", .commands = commands };
