/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file inspect.c
 * @brief `gatehouse check` and `gatehouse plugins`: what tables say, for people and scripts.
 */
#include <dirent.h>

#include "kernel/base.h"
#include "kernel/inspect.h"
#include "kernel/inst.h"

enum { EXIT_INTERNAL = 70, EXIT_CANNOT_START = 78, ERROR_BYTES = 1024 };

static const char *const phase_names[GH_PHASE_COUNT] = { "accept", "route", "authenticate",
	"authorize", "limit", "request", "upstream", "response", "log" };
static const char *const class_names[GH_CLASS_COUNT] = { "deny", "auth", "quota", "transform",
	"observe" };
static const char *const chain_names[] = { "gateway", "management", "cluster" };
static const char *const lane_names[GH_LANE_COUNT] = { "store", "crypto", "net" };

static int
cannot_start(const char *error)
{
	fprintf(stderr, "gatehouse: cannot start: %s\n", error);
	return EXIT_CANNOT_START;
}

/* ---- check ----------------------------------------------------------------------------------- */

/** Parse the options of every entry, and forget them again. */
static int
check_options(
	const struct manifest *m, const struct krn_set *set, char *error, size_t error_size)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct gh_plugin *desc = set->insts[i].desc;
		struct options_config config;
		int r = options_fill(desc->opts, desc->config_size, m->entries[i].options, m->path,
			set->insts[i].label, &config, error, error_size);

		if (r < 0)
			return r;
		options_done(&config);
	}
	return 0;
}

static void
print_entries(const struct krn_set *set)
{
	static const char *const on_error_notes[] = { "", ", on error deny", ", on error allow" };

	printf("plugins, in start order\n");
	for (size_t i = 0; i < set->n; i++) {
		const struct gh_inst *inst = &set->insts[set->start_order[i]];

		printf("  %-16.*s %s %s%s%s%s\n", GH_STR_ARG(inst->label), inst->desc->name,
			inst->desc->version, inst->dry_run ? ", dry run" : "",
			inst->bypass ? ", bypassed" : "", on_error_notes[inst->on_error]);
	}
}

static void
print_users(const struct krn_set *set, const struct gh_inst *provider, const char *service)
{
	const char *separator = " for ";

	for (size_t i = 0; i < set->n; i++)
		for (size_t j = 0; j < set->insts[i].binding_count; j++) {
			const struct krn_binding *b = &set->insts[i].bindings[j];

			if (b->provider != provider || strcmp(b->need, service) != 0)
				continue;
			printf("%s%.*s", separator, GH_STR_ARG(set->insts[i].label));
			separator = ", ";
		}
}

static void
print_services(const struct krn_set *set)
{
	printf("services\n");
	for (size_t i = 0; i < set->n; i++)
		for (const struct gh_service_row *row = set->insts[i].provides; row->name != NULL;
			row++) {
			printf("  %-16s %.*s", row->name, GH_STR_ARG(set->insts[i].label));
			print_users(set, &set->insts[i], row->name);
			printf("\n");
		}
}

static void
print_hooks_of(const struct krn_set *set, unsigned phase, unsigned order)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct gh_inst *inst = &set->insts[i];

		for (const struct gh_hook_row *row = inst->desc->hooks;
			row != NULL && row->fn != NULL; row++)
			if (row->phase == phase && row->order == order)
				printf("  %-16s %-10s %.*s%s%s%s\n", phase_names[phase],
					class_names[order], GH_STR_ARG(inst->label),
					row->name != NULL ? ": " : "",
					row->name != NULL ? row->name : "",
					inst->bypass ? ", bypassed" : "");
	}
}

static void
print_hooks(const struct krn_set *set)
{
	printf("hooks, in the order in which they run\n");
	for (unsigned phase = 0; phase < GH_PHASE_COUNT; phase++)
		for (unsigned order = 0; order < GH_CLASS_COUNT; order++)
			print_hooks_of(set, phase, order);
}

static void
print_mounts(const struct krn_set *set)
{
	printf("mounts\n");
	for (size_t i = 0; i < set->n; i++) {
		const struct gh_inst *inst = &set->insts[i];

		for (const struct gh_mount_row *row = inst->desc->mounts;
			row != NULL && row->prefix != NULL; row++)
			printf("  %-16s %-32s %.*s%s%s\n", chain_names[row->chain], row->prefix,
				GH_STR_ARG(inst->label),
				row->handler != NULL ? ", blocking on lane " : "",
				row->handler != NULL ? lane_names[row->lane] : "");
	}
}

static void
print_commands(const struct krn_set *set)
{
	printf("commands\n");
	for (size_t i = 0; i < set->n; i++)
		for (const struct gh_command_row *row = set->insts[i].desc->commands;
			row != NULL && row->name != NULL; row++)
			printf("  %-16s %.*s: %s\n", row->name, GH_STR_ARG(set->insts[i].label),
				row->help);
}

static void
print_listeners(const struct manifest *m)
{
	printf("listeners\n");
	for (size_t i = 0; i < m->listener_count; i++) {
		const struct gh_listener *l = &m->listeners[i].listener;
		bool is_v6 = memchr(l->address.p, ':', l->address.n) != NULL;

		printf("  %-16.*s %-10s %s://%s%.*s%s:%u by %.*s\n", GH_STR_ARG(l->name),
			chain_names[l->chain], l->tls ? "https" : "http", is_v6 ? "[" : "",
			GH_STR_ARG(l->address), is_v6 ? "]" : "", l->port,
			GH_STR_ARG(m->listeners[i].engine));
	}
}

int
krn_check(const char *manifest_path, const char *plugin_path)
{
	struct manifest *m = NULL;
	struct krn_set *set = NULL;
	char error[ERROR_BYTES] = "";
	int code = 0;

	if (manifest_load(manifest_path, &m, error, sizeof(error)) < 0 ||
		krn_set_new(m, plugin_path, &set, error, sizeof(error)) < 0 ||
		check_options(m, set, error, sizeof(error)) < 0) {
		code = cannot_start(error);
		goto out;
	}
	printf("node %.*s\n", GH_STR_ARG(m->node.name));
	print_entries(set);
	print_services(set);
	print_hooks(set);
	print_mounts(set);
	print_commands(set);
	print_listeners(m);
out:
	krn_set_free(set);
	manifest_free(m);
	return code;
}

/* ---- plugins --------------------------------------------------------------------------------- */

static int
print_plugin(const char *dir, struct gh_str name)
{
	const struct gh_plugin *desc;
	void *handle;
	char error[ERROR_BYTES];

	if (krn_load(dir, name, &desc, &handle, error, sizeof(error)) < 0) {
		fprintf(stderr, "gatehouse: %s\n", error);
		return EXIT_CANNOT_START;
	}
	printf("%-16s %s", desc->name, desc->version);
	for (const struct gh_service_row *row = desc->provides; row != NULL && row->name != NULL;
		row++)
		printf("%s%s", row == desc->provides ? ", provides " : " ", row->name);
	for (const char *const *need = desc->needs; need != NULL && *need != NULL; need++)
		printf("%s%s", need == desc->needs ? ", needs " : " ", *need);
	printf("\n");
	return 0;
}

static int
is_shared_object(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

int
krn_print_plugins(const char *plugin_path)
{
	const char *dirs = krn_plugin_path(plugin_path);
	struct gh_str dir;
	int code = 0;

	while (krn_plugin_path_next(&dirs, &dir)) {
		struct dirent **files = NULL;
		char path[4096];

		snprintf(path, sizeof(path), "%.*s", GH_STR_ARG(dir));
		int n = scandir(path, &files, is_shared_object, alphasort);

		for (int i = 0; i < n; i++) {
			struct gh_str name = { files[i]->d_name, strlen(files[i]->d_name) - 3 };

			if (print_plugin(path, name) != 0)
				code = EXIT_CANNOT_START;
			free(files[i]);
		}
		free(files);
	}
	return code;
}

int
krn_print_schema(const char *plugin_path, const char *name)
{
	const struct gh_plugin *desc;
	void *handle;
	char error[ERROR_BYTES];

	if (krn_load(plugin_path, gh_str_of(name), &desc, &handle, error, sizeof(error)) < 0)
		return cannot_start(error);
	char *text = options_schema(desc->name, desc->opts);

	if (text == NULL) {
		fprintf(stderr, "gatehouse: out of memory\n");
		return EXIT_INTERNAL;
	}
	printf("%s\n", text);
	free(text);
	return 0;
}
