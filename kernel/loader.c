/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file loader.c
 * @brief Finds a plugin's file, maps it and checks its descriptor row by row.
 *
 * No function of the plugin runs here (but for constructors, which dlopen() itself calls): what is
 * checked are tables.  A refusal says "plugin NAME: PHASE: reason".
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "kernel/base.h"
#include "kernel/inst.h"
#include "kernel/run.h"

enum {
	ROWS_MAX = 256,                 /* A table that goes on longer has lost its end. */
	HOOK_NAME_MAX = 64,
	COMMAND_NAME_MAX = 32,
	BLOCK_MAX_BYTES = 64 << 20,     /* Of a plugin's process, worker or configuration block. */
	EVENT_QUEUE_MAX = 65536,
	MOUNT_BODY_MAX_BYTES = 1 << 30,
	MOUNT_DEADLINE_MAX_MS = 86400000,
};

/** A plugin while it is being checked. */
struct check {
	struct gh_str name;
	const char *phase;
	char *error;
	size_t error_size;
};

static int refuse(const struct check *c, int err, const char *fmt, ...) GH_PRINTF(3, 4);

static int
refuse(const struct check *c, int err, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(c->error, c->error_size,
		"plugin %.*s: %s: ", (int)(c->name.n < 64 ? c->name.n : 64), c->name.p, c->phase);

	if (n > 0 && (size_t)n < c->error_size) {
		va_start(ap, fmt);
		vsnprintf(c->error + n, c->error_size - (size_t)n, fmt, ap);
		va_end(ap);
	}
	return err;
}

/** For what is simply wrong. */
#define wrong(c, ...) refuse(c, GH_EINVAL, __VA_ARGS__)

/* ---- Names ----------------------------------------------------------------------------------- */

/** Length of the run of lower-case letters, digits and '_' that @p s begins with; a letter is
 * first. */
static size_t
word_length(struct gh_str s)
{
	size_t n = 0;

	if (s.n == 0 || s.p[0] < 'a' || s.p[0] > 'z')
		return 0;
	while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || (s.p[n] >= '0' && s.p[n] <= '9') ||
				  s.p[n] == '_'))
		n++;
	return n;
}

bool
krn_is_service_name(struct gh_str name)
{
	size_t word = word_length(name), digits = word + 1;

	if (word == 0 || name.n > 64 || word + 1 >= name.n || name.p[word] != '/')
		return false;
	while (digits < name.n && name.p[digits] >= '0' && name.p[digits] <= '9')
		digits++;
	return digits == name.n;
}

/* ---- Finding the file ------------------------------------------------------------------------ */

const char *
krn_plugin_path(const char *plugin_path)
{
	if (plugin_path == NULL)
		plugin_path = getenv("GATEHOUSE_PLUGIN_PATH");
	return plugin_path != NULL ? plugin_path : GH_PLUGIN_DIR;
}

bool
krn_plugin_path_next(const char **path, struct gh_str *ret_dir)
{
	while (**path == ':')
		(*path)++;
	if (**path == '\0')
		return false;
	*ret_dir = (struct gh_str){ *path, strcspn(*path, ":") };
	*path += ret_dir->n;
	return true;
}

/** Whoever may write the file, or exchange it in its directory, would run code in the node. */
static int
check_owner(const struct check *c, const char *path, char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return refuse(c, GH_EDENIED, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return wrong(c, "%s is not a regular file", path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(c, GH_EDENIED, "%s may be written by others", path);
	*strrchr(file, '/') = '\0';
	if (stat(file[0] != '\0' ? file : "/", &st) < 0)
		return refuse(c, GH_EDENIED, "the directory of %s: %s", path, strerror(errno));
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(c, GH_EDENIED, "the directory of %s may be written by others", path);
	return 0;
}

/** @param[out] file  the file itself, without symbolic links. */
static int
find_file(const struct check *c, const char *plugin_path, char file[PATH_MAX])
{
	const char *dirs = plugin_path;
	struct gh_str dir;

	if (word_length(c->name) != c->name.n)
		return wrong(c, "a plugin's name has lower-case letters, digits and '_'");
	while (krn_plugin_path_next(&dirs, &dir)) {
		char path[PATH_MAX], parent[PATH_MAX];
		int n = snprintf(
			path, sizeof(path), "%.*s/%.*s.so", GH_STR_ARG(dir), GH_STR_ARG(c->name));

		if (n < 0 || (size_t)n >= sizeof(path) || realpath(path, file) == NULL)
			continue;
		snprintf(parent, sizeof(parent), "%s", file);
		return check_owner(c, path, parent);
	}
	return refuse(c, GH_ENOENT, "no file %.*s.so in %s", GH_STR_ARG(c->name), plugin_path);
}

/* ---- Descriptor ------------------------------------------------------------------------------ */

static int
check_abi(const struct check *c, const struct gh_plugin *d)
{
	bool is_exact = GH_ABI_MAJOR == 0; /* nothing is promised yet: only the same version fits */

	if (d->abi_major != GH_ABI_MAJOR || (is_exact && d->abi_minor != GH_ABI_MINOR))
		return refuse(c, GH_EVERSION, "it was built for ABI %u.%u, this is ABI %u.%u",
			d->abi_major, d->abi_minor, GH_ABI_MAJOR, GH_ABI_MINOR);
	if (d->abi_minor > GH_ABI_MINOR)
		return refuse(c, GH_EVERSION, "it needs ABI %u.%u, this is only %u.%u",
			d->abi_major, d->abi_minor, GH_ABI_MAJOR, GH_ABI_MINOR);
	if (d->size != sizeof(*d)) /* before its last members are read */
		return refuse(c, GH_EVERSION, "its descriptor has %u bytes where this ABI has %zu",
			d->size, sizeof(*d));
	const struct {
		const char *what;
		size_t has, needs;
	} sizes[] = {
		{ "row of options", d->opt_size, sizeof(struct gh_opt) },
		{ "row of hooks", d->hook_size, sizeof(struct gh_hook_row) },
		{ "row of services", d->service_size, sizeof(struct gh_service_row) },
		{ "row of mounts", d->mount_size, sizeof(struct gh_mount_row) },
		{ "row of events", d->event_size, sizeof(struct gh_event_row) },
		{ "row of commands", d->command_size, sizeof(struct gh_command_row) },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].has != sizes[i].needs)
			return refuse(c, GH_EVERSION, "its %s has %zu bytes where this ABI has %zu",
				sizes[i].what, sizes[i].has, sizes[i].needs);
	return 0;
}

static int
check_identity(const struct check *c, const struct gh_plugin *d)
{
	if (d->name == NULL || d->version == NULL || d->version[0] == '\0')
		return wrong(c, "it has no name or no version");
	if (!gh_str_eq(gh_str_of(d->name), c->name))
		return wrong(c, "it calls itself '%.64s', unlike its file", d->name);
	if (d->config_size > BLOCK_MAX_BYTES || d->process_size > BLOCK_MAX_BYTES ||
		d->worker_size > BLOCK_MAX_BYTES)
		return wrong(c, "a block of it is larger than %d bytes", BLOCK_MAX_BYTES);
	return 0;
}

static int
check_options(const struct check *c, const struct gh_plugin *d)
{
	char why[256];
	int r = options_check_table(d->opts, d->config_size, why, sizeof(why));

	return r == 0 ? 0 : refuse(c, r, "%s", why);
}

static int
check_provides(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const struct gh_service_row *row = d->provides; row != NULL && row->name != NULL;
		row++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		if (!krn_is_service_name(gh_str_of(row->name)))
			return wrong(c, "'%.64s' is not of the form name/number", row->name);
		if (row->vtable == NULL || *(const uint32_t *)row->vtable <= sizeof(uint32_t))
			return wrong(c, "%s has no vtable, or its vtable has no size", row->name);
		for (const struct gh_service_row *other = d->provides; other != row; other++)
			if (strcmp(other->name, row->name) == 0)
				return wrong(c, "%s stands in the table twice", row->name);
	}
	return 0;
}

/** A need without its '?' and '*'. */
static struct gh_str
bare_need(const char *need)
{
	struct gh_str s = gh_str_of(need);

	if (s.n > 0 && s.p[0] == '?')
		return (struct gh_str){ s.p + 1, s.n - 1 };
	if (s.n > 0 && s.p[s.n - 1] == '*')
		s.n--;
	return s;
}

static int
check_needs(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const char *const *need = d->needs; need != NULL && *need != NULL; need++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		if (!krn_is_service_name(bare_need(*need)))
			return wrong(c, "'%.64s' is not of the form name/number, ?name/number or "
				"name/number*",
				*need);
		for (const char *const *other = d->needs; other != need; other++)
			if (gh_str_eq(bare_need(*other), bare_need(*need)))
				return wrong(c, "%s stands in the table twice", *need);
	}
	return 0;
}

static int
check_hooks(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const struct gh_hook_row *row = d->hooks; row != NULL && row->fn != NULL; row++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		if ((unsigned)row->phase >= GH_PHASE_COUNT)
			return wrong(c, "hook %u is in the unknown phase %u", n + 1,
				(unsigned)row->phase);
		if ((unsigned)row->order >= GH_CLASS_COUNT)
			return wrong(c, "hook %u is of the unknown class %u", n + 1,
				(unsigned)row->order);
		if (row->name != NULL && (strnlen(row->name, HOOK_NAME_MAX + 1) > HOOK_NAME_MAX ||
				strpbrk(row->name, "\"\\\n") != NULL))
			return wrong(c, "hook %u has a name that no metric's label can have", n + 1);
	}
	return 0;
}

/** Pages of the kernel itself, on the management chain. */
static bool
is_kernel_page(const struct gh_mount_row *row)
{
	static const char *const pages[] = { "/metrics", "/healthz", "/readyz" };

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (row->chain == GH_CHAIN_MANAGEMENT && strcmp(row->prefix, pages[i]) == 0)
			return true;
	return false;
}

/** @return what is wrong with the prefix of a mount, or NULL. */
static const char *
prefix_fault(struct gh_str prefix)
{
	if (prefix.n == 0 || prefix.p[0] != '/')
		return "does not begin with '/'";
	if (prefix.n > 1 && prefix.p[prefix.n - 1] == '/')
		return "ends with '/'";
	for (size_t i = 0; i < prefix.n; i++) {
		char ch = prefix.p[i];

		if (ch <= ' ' || ch > '~' || strchr("?#%\\\"<>", ch) != NULL)
			return "contains a character that no canonical path has";
		if (ch != '/')
			continue;
		struct gh_str segment = { prefix.p + i + 1, 0 };

		while (i + 1 + segment.n < prefix.n && segment.p[segment.n] != '/')
			segment.n++;
		if ((segment.n == 0 && prefix.n > 1) || gh_str_eq(segment, GH_STR(".")) ||
			gh_str_eq(segment, GH_STR("..")))
			return "contains an empty or a dot segment";
	}
	return NULL;
}

static int
check_mounts(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const struct gh_mount_row *row = d->mounts; row != NULL && row->prefix != NULL;
		row++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		const char *fault = prefix_fault(gh_str_of(row->prefix));

		if (fault != NULL)
			return wrong(c, "the prefix '%.64s' %s", row->prefix, fault);
		if ((unsigned)row->chain >= GH_CHAIN_COUNT)
			return wrong(c, "%s is in the unknown chain %u", row->prefix,
				(unsigned)row->chain);
		if (is_kernel_page(row))
			return refuse(c, GH_ECONFLICT, "%s belongs to the kernel", row->prefix);
		if ((row->hook != NULL) == (row->handler != NULL))
			return wrong(c, "%s must have either a hook or a handler", row->prefix);
		if ((unsigned)row->lane >= GH_LANE_COUNT)
			return wrong(c, "%s runs on the unknown lane %u", row->prefix,
				(unsigned)row->lane);
		if (row->max_body_bytes > MOUNT_BODY_MAX_BYTES)
			return wrong(c, "%s allows bodies over %d bytes", row->prefix,
				MOUNT_BODY_MAX_BYTES);
		if (row->deadline_ms > MOUNT_DEADLINE_MAX_MS)
			return wrong(c, "%s has a deadline over %d ms", row->prefix,
				MOUNT_DEADLINE_MAX_MS);
	}
	return 0;
}

static int
check_events(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const struct gh_event_row *row = d->events; row != NULL && row->name != NULL;
		row++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		if (row->name[0] == '\0' || row->fn == NULL)
			return wrong(c, "subscription %u has no name or no function", n + 1);
		if (row->queue < 1 || row->queue > EVENT_QUEUE_MAX)
			return wrong(c, "the queue of '%.64s' must hold 1 to %d events", row->name,
				EVENT_QUEUE_MAX);
	}
	return 0;
}

static bool
is_command_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= COMMAND_NAME_MAX && name[n] == '\0' && name[0] >= 'a';
}

static int
check_commands(const struct check *c, const struct gh_plugin *d)
{
	unsigned n = 0;

	for (const struct gh_command_row *row = d->commands; row != NULL && row->name != NULL;
		row++, n++) {
		if (n == ROWS_MAX)
			return wrong(c, "the table has no end");
		if (!is_command_name(row->name))
			return wrong(c, "'%.64s' is not a name of lower-case letters, digits and '-'",
				row->name);
		if (krn_is_own_command(row->name))
			return refuse(c, GH_ECONFLICT, "'%s' is a command of gatehouse itself", row->name);
		if (row->fn == NULL || row->help == NULL || row->help[0] == '\0')
			return wrong(c, "'%s' has no function or no help", row->name);
		for (const struct gh_command_row *other = d->commands; other != row; other++)
			if (strcmp(other->name, row->name) == 0)
				return wrong(c, "'%s' stands in the table twice", row->name);
	}
	return 0;
}

int
krn_check_descriptor(
	const struct gh_plugin *desc, struct gh_str name, char *error, size_t error_size)
{
	static const struct {
		const char *phase;
		int (*fn)(const struct check *c, const struct gh_plugin *d);
	} checks[] = {
		{ "descriptor", check_abi },
		{ "descriptor", check_identity },
		{ "options", check_options },
		{ "provides", check_provides },
		{ "needs", check_needs },
		{ "hooks", check_hooks },
		{ "mounts", check_mounts },
		{ "events", check_events },
		{ "commands", check_commands },
	};
	struct check c = { .name = name, .error = error, .error_size = error_size };

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		c.phase = checks[i].phase;
		int r = checks[i].fn(&c, desc);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- Mapping --------------------------------------------------------------------------------- */

int
krn_load(const char *plugin_path, struct gh_str name, const struct gh_plugin **ret_desc,
	void **ret_handle, char *error, size_t error_size)
{
	struct check c = {
		.name = name, .phase = "find", .error = error, .error_size = error_size
	};
	char file[PATH_MAX];
	int r = find_file(&c, krn_plugin_path(plugin_path), file);

	if (r < 0)
		return r;
	c.phase = "load";
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (handle == NULL)
		return refuse(&c, GH_EINVAL, "%s", dlerror());
	const struct gh_plugin *desc = dlsym(handle, "gh_plugin");

	if (desc == NULL)
		return refuse(&c, GH_EINVAL, "%s does not export the symbol gh_plugin", file);
	r = krn_check_descriptor(desc, name, error, error_size);
	if (r < 0)
		return r;
	*ret_desc = desc;
	*ret_handle = handle;
	return 0;
}
