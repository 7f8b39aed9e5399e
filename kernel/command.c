/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command.c
 * @brief `gatehouse NAME`: a command of a plugin, with the options of its entry and without a node.
 */
#include <stdio.h>

#include "kernel/base.h"
#include "kernel/inst.h"
#include "kernel/node.h"
#include "kernel/run.h"

enum { EXIT_USAGE = 64, EXIT_CANNOT_START = 78, ERROR_BYTES = 1024 };

static const struct gh_command_row *
find_row(const struct gh_inst *inst, const char *name)
{
	for (const struct gh_command_row *row = inst->desc->commands;
		row != NULL && row->name != NULL; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* Exactly one entry must have it.  @return 0, or EXIT_USAGE: said. */
static int
find_entry(const struct krn_set *set, const char *name, const char *path, struct gh_inst **ret_inst)
{
	struct gh_inst *found = NULL;

	for (size_t i = 0; i < set->n; i++) {
		if (find_row(&set->insts[i], name) == NULL)
			continue;
		if (found != NULL) {
			fprintf(stderr,
				"gatehouse: %s: '%.*s' and '%.*s' both have the command '%s'\n",
				path, GH_STR_ARG(found->label), GH_STR_ARG(set->insts[i].label),
				name);
			return EXIT_USAGE;
		}
		found = &set->insts[i];
	}
	if (found == NULL) {
		fprintf(stderr, "gatehouse: unknown command '%s': no entry of %s has it; "
			"see gatehouse --help\n", name, path);
		return EXIT_USAGE;
	}
	*ret_inst = found;
	return 0;
}

static int
run_entry(const struct manifest *m, const struct gh_inst *inst, const struct krn_run_args *args,
	int argc, char **argv)
{
	const struct gh_plugin *d = inst->desc;
	struct options_config config = { .opts = NULL };
	char error[ERROR_BYTES] = "";

	if (options_fill(d->opts, d->config_size, m->entries[inst->index].options, m->path,
			inst->label, &config, error, sizeof(error)) < 0 ||
		krn_state_dir_make(args->state_dir, error, sizeof(error)) < 0) {
		fprintf(stderr, "gatehouse: cannot %s: %s\n", argv[0], error);
		options_done(&config);
		return EXIT_CANNOT_START;
	}
	int code = find_row(inst, argv[0])->fn(config.block, args->state_dir, argc, argv);

	options_done(&config);
	return code;
}

int
krn_run_command(const struct krn_run_args *args, bool was_given, int argc, char **argv)
{
	struct manifest *m = NULL;
	struct krn_set *set = NULL;
	struct gh_inst *inst = NULL;
	char error[ERROR_BYTES] = "";
	int code;

	krn_limit_process();
	int r = manifest_load(args->manifest, &m, error, sizeof(error));

	if (r == GH_ENOENT && !was_given) {
		fprintf(stderr, "gatehouse: unknown command '%s'; see gatehouse --help\n", argv[0]);
		return EXIT_USAGE;
	}
	if (r < 0 || krn_set_new(m, args->plugin_path, &set, error, sizeof(error)) < 0) {
		fprintf(stderr, "gatehouse: cannot %s: %s\n", argv[0], error);
		code = EXIT_CANNOT_START;
		goto out;
	}
	code = find_entry(set, argv[0], m->path, &inst);
	if (code == 0)
		code = run_entry(m, inst, args, argc, argv);
out:
	krn_set_free(set);
	manifest_free(m);
	return code;
}
