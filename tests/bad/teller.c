/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file teller.c
 * @brief Has commands, with which nothing is wrong.
 */
#include <gatehouse/http.h>
#include <stdio.h>

struct config {
	struct gh_str greeting;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, greeting, .dflt = "hello", .help = "What it says first."),
	{ .type = GH_OPT_END },
};

static int
tell(const void *config, const char *state_dir, int argc, char **argv)
{
	const struct config *c = config;

	printf("%.*s\n%s\n", GH_STR_ARG(c->greeting), state_dir);
	for (int i = 0; i < argc; i++)
		printf("[%s]\n", argv[i]);
	return argv[argc] == NULL ? argc : 99;
}

/* A command must not get here. */
static int
on_open(void *process, const void *config, struct gh_inst *inst)
{
	(void)process, (void)config, (void)inst;
	return GH_EIO;
}

static const struct gh_command_row commands[] = {
	{ "tell", "print what it was given", tell },
	{ .name = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "teller", .version = "1", .opts = opts,
	.config_size = sizeof(struct config), .open = on_open, .commands = commands };
