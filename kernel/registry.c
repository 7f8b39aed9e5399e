/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file registry.c
 * @brief From the entries of a manifest to a set: labels, services, bindings, start order, mounts.
 *
 * Everything that can be wrong with a combination of plugins is found here, before one of them
 * runs.
 */
#include <stdarg.h>

#include "kernel/base.h"
#include "kernel/inst.h"

/** A set in the making. */
struct resolver {
	const struct manifest *manifest;
	struct krn_set *set;
	char *error;
	size_t error_size;
};

static int refuse(const struct resolver *rs, unsigned line, int err, const char *fmt, ...)
	GH_PRINTF(4, 5);

/** "FILE:LINE: why". */
static int
refuse(const struct resolver *rs, unsigned line, int err, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(rs->error, rs->error_size, "%s:%u: ", rs->manifest->path, line);

	if (n > 0 && (size_t)n < rs->error_size) {
		va_start(ap, fmt);
		vsnprintf(rs->error + n, rs->error_size - (size_t)n, fmt, ap);
		va_end(ap);
	}
	return err;
}

static int
out_of_memory(const struct resolver *rs)
{
	return refuse(rs, 1, GH_ENOMEM, "out of memory");
}

static unsigned
line_of(const struct resolver *rs, const struct gh_inst *inst)
{
	return rs->manifest->entries[inst->index].line;
}

/* ---- Entries --------------------------------------------------------------------------------- */

struct gh_inst *
krn_set_find(struct krn_set *set, struct gh_str label)
{
	for (size_t i = 0; i < set->n; i++)
		if (gh_str_eq(set->insts[i].label, label))
			return &set->insts[i];
	return NULL;
}

const void *
krn_inst_service(const struct gh_inst *inst, struct gh_str name)
{
	for (const struct gh_service_row *row = inst->provides; row != NULL && row->name != NULL;
		row++)
		if (gh_str_eq(gh_str_of(row->name), name))
			return row->vtable;
	return NULL;
}

static size_t
count_services(const struct gh_plugin *desc)
{
	size_t n = 0;

	while (desc->provides != NULL && desc->provides[n].name != NULL)
		n++;
	return n;
}

/** Is the service among those to which the entry narrows its plugin?  Without a list: all are. */
static bool
is_kept(const struct manifest_entry *entry, const char *service)
{
	for (size_t i = 0; i < entry->provide_count; i++)
		if (gh_str_eq(entry->provide[i], gh_str_of(service)))
			return true;
	return entry->provide == NULL;
}

/** Copy what the plugin provides, without what the entry leaves out. */
static int
narrow(const struct resolver *rs, const struct manifest_entry *entry, struct gh_inst *inst)
{
	size_t n = count_services(inst->desc), kept = 0;

	inst->provides = calloc(n + 1, sizeof(*inst->provides));
	if (inst->provides == NULL)
		return out_of_memory(rs);
	for (size_t i = 0; i < n; i++)
		if (is_kept(entry, inst->desc->provides[i].name))
			inst->provides[kept++] = inst->desc->provides[i];
	for (size_t i = 0; i < entry->provide_count; i++) {
		if (krn_inst_service(inst, entry->provide[i]) == NULL)
			return refuse(rs, entry->line, GH_ENOENT,
				"%.*s: provide: plugin %s does not provide '%.*s'",
				GH_STR_ARG(entry->label), inst->desc->name,
				GH_STR_ARG(entry->provide[i]));
		for (size_t j = 0; j < i; j++)
			if (gh_str_eq(entry->provide[i], entry->provide[j]))
				return refuse(rs, entry->line, GH_ECONFLICT,
					"%.*s: provide: '%.*s' is given twice",
					GH_STR_ARG(entry->label), GH_STR_ARG(entry->provide[i]));
	}
	return 0;
}

static int
add_entry(const struct resolver *rs, const struct manifest_entry *entry, struct gh_inst *inst,
	krn_load_fn *load, const char *arg)
{
	const struct gh_inst *same = krn_set_find(rs->set, entry->label);
	char why[512];

	if (same != NULL)
		return refuse(rs, entry->line, GH_ECONFLICT,
			"the label '%.*s' is taken by line %u: give one of "
			"them another with 'as'",
			GH_STR_ARG(entry->label), line_of(rs, same));
	int r = load(arg, entry->plugin, &inst->desc, &inst->handle, why, sizeof(why));

	if (r < 0)
		return refuse(rs, entry->line, r, "%s", why);
	char *label = malloc(entry->label.n + 1);

	if (label == NULL)
		return out_of_memory(rs);
	memcpy(label, entry->label.p, entry->label.n);
	label[entry->label.n] = '\0';
	inst->label = (struct gh_str){ label, entry->label.n };
	inst->index = (unsigned)rs->set->n++;
	inst->dry_run = entry->dry_run;
	inst->bypass = entry->bypass;
	inst->on_error = entry->on_error;
	return narrow(rs, entry, inst);
}

/* ---- Binding --------------------------------------------------------------------------------- */

/** A row of a plugin's table of needs, taken apart. */
struct need {
	struct gh_str name;
	bool is_optional, is_all;
};

static struct need
parse_need(const char *row)
{
	struct need need = { .name = gh_str_of(row) };

	need.is_optional = need.name.p[0] == '?';
	if (need.is_optional) {
		need.name.p++;
		need.name.n--;
	}
	need.is_all = need.name.p[need.name.n - 1] == '*';
	if (need.is_all)
		need.name.n--;
	return need;
}

static int
add_binding(const struct resolver *rs, struct gh_inst *inst, struct gh_str need,
	struct gh_inst *provider)
{
	struct krn_binding *grown =
		reallocarray(inst->bindings, inst->binding_count + 1, sizeof(*grown));
	char *name = malloc(need.n + 1);

	if (grown != NULL)
		inst->bindings = grown;
	if (grown == NULL || name == NULL) {
		free(name);
		return out_of_memory(rs);
	}
	memcpy(name, need.p, need.n);
	name[need.n] = '\0';
	inst->bindings[inst->binding_count++] = (struct krn_binding){
		.need = name, .provider = provider, .vtable = krn_inst_service(provider, need)
	};
	return 0;
}

/** The label to which the manifest binds a need; n = 0: none. */
static struct gh_str
wanted_label(const struct manifest_entry *entry, struct gh_str need)
{
	for (size_t i = 0; i < entry->need_count; i++)
		if (gh_str_eq(entry->needs[i].need, need))
			return entry->needs[i].label;
	return GH_STR_NONE;
}

static int
bind_to_label(
	const struct resolver *rs, struct gh_inst *inst, struct gh_str need, struct gh_str label)
{
	struct gh_inst *provider = krn_set_find(rs->set, label);
	unsigned line = line_of(rs, inst);

	if (provider == NULL)
		return refuse(rs, line, GH_ENOENT,
			"%.*s: needs: %.*s: no entry has the label '%.*s'", GH_STR_ARG(inst->label),
			GH_STR_ARG(need), GH_STR_ARG(label));
	if (provider == inst)
		return refuse(rs, line, GH_ECONFLICT,
			"%.*s: needs: %.*s: an entry cannot be its own provider",
			GH_STR_ARG(inst->label), GH_STR_ARG(need));
	if (krn_inst_service(provider, need) == NULL)
		return refuse(rs, line, GH_ENOENT, "%.*s: needs: %.*s: '%.*s' does not provide it",
			GH_STR_ARG(inst->label), GH_STR_ARG(need), GH_STR_ARG(label));
	return add_binding(rs, inst, need, provider);
}

/** The same service of another major version, to tell "missing" from "too old".  @return or NULL.
 */
static const char *
other_version(const struct resolver *rs, struct gh_str need, const struct gh_inst **ret_provider)
{
	size_t word = (size_t)((const char *)memchr(need.p, '/', need.n) - need.p) + 1;

	for (size_t i = 0; i < rs->set->n; i++) {
		const struct gh_service_row *row = rs->set->insts[i].provides;

		for (; row != NULL && row->name != NULL; row++)
			if (strncmp(row->name, need.p, word) == 0) {
				*ret_provider = &rs->set->insts[i];
				return row->name;
			}
	}
	return NULL;
}

static int
refuse_missing(const struct resolver *rs, const struct gh_inst *inst, struct gh_str need)
{
	const struct gh_inst *provider;
	const char *other = other_version(rs, need, &provider);
	unsigned line = line_of(rs, inst);

	if (other != NULL)
		return refuse(rs, line, GH_EVERSION, "%.*s: needs %.*s, but '%.*s' provides %s",
			GH_STR_ARG(inst->label), GH_STR_ARG(need), GH_STR_ARG(provider->label),
			other);
	return refuse(rs, line, GH_ENOENT, "%.*s: needs %.*s, which no entry provides",
		GH_STR_ARG(inst->label), GH_STR_ARG(need));
}

/** Bind a need to whom the set offers.  An entry never provides for itself. */
static int
bind_to_offer(const struct resolver *rs, struct gh_inst *inst, const struct need *need)
{
	const struct gh_inst *first = NULL;

	for (size_t i = 0; i < rs->set->n; i++) {
		struct gh_inst *provider = &rs->set->insts[i];

		if (provider == inst || krn_inst_service(provider, need->name) == NULL)
			continue;
		if (first != NULL && !need->is_all)
			return refuse(rs, line_of(rs, inst), GH_ECONFLICT,
				"%.*s: needs %.*s, which '%.*s' and '%.*s' "
				"provide: choose with needs: { %.*s: LABEL }",
				GH_STR_ARG(inst->label), GH_STR_ARG(need->name),
				GH_STR_ARG(first->label), GH_STR_ARG(provider->label),
				GH_STR_ARG(need->name));
		int r = add_binding(rs, inst, need->name, provider);

		if (r < 0)
			return r;
		first = provider;
	}
	if (first == NULL && !need->is_optional && !need->is_all)
		return refuse_missing(rs, inst, need->name);
	return 0;
}

static bool
has_need(const struct gh_plugin *desc, struct gh_str name)
{
	for (const char *const *row = desc->needs; row != NULL && *row != NULL; row++)
		if (gh_str_eq(parse_need(*row).name, name))
			return true;
	return false;
}

static int
bind_entry(const struct resolver *rs, struct gh_inst *inst)
{
	const struct manifest_entry *entry = &rs->manifest->entries[inst->index];

	for (size_t i = 0; i < entry->need_count; i++)
		if (!has_need(inst->desc, entry->needs[i].need))
			return refuse(rs, entry->line, GH_ENOENT,
				"%.*s: needs: plugin %s does not need '%.*s'",
				GH_STR_ARG(inst->label), inst->desc->name,
				GH_STR_ARG(entry->needs[i].need));
	for (const char *const *row = inst->desc->needs; row != NULL && *row != NULL; row++) {
		struct need need = parse_need(*row);
		struct gh_str label = wanted_label(entry, need.name);
		int r = label.n > 0 ? bind_to_label(rs, inst, need.name, label)
				    : bind_to_offer(rs, inst, &need);

		if (r < 0)
			return r;
	}
	return 0;
}

/** Listeners name their engine by label. */
static int
check_engines(const struct resolver *rs)
{
	for (size_t i = 0; i < rs->manifest->listener_count; i++) {
		const struct manifest_listener *decl = &rs->manifest->listeners[i];
		const struct gh_inst *engine = krn_set_find(rs->set, decl->engine);

		if (engine == NULL)
			return refuse(rs, decl->line, GH_ENOENT,
				"listener '%.*s': engine: no entry has the label '%.*s'",
				GH_STR_ARG(decl->listener.name), GH_STR_ARG(decl->engine));
		if (krn_inst_service(engine, GH_STR(GH_SVC_ENGINE)) == NULL)
			return refuse(rs, decl->line, GH_ENOENT,
				"listener '%.*s': engine: '%.*s' does not provide " GH_SVC_ENGINE,
				GH_STR_ARG(decl->listener.name), GH_STR_ARG(decl->engine));
	}
	return 0;
}

/* ---- Start order ----------------------------------------------------------------------------- */

/** The first provider of @p inst that has not been ordered yet; NULL: it can start. */
static const struct krn_binding *
first_waiting(const struct gh_inst *inst, const bool *is_ordered)
{
	for (size_t i = 0; i < inst->binding_count; i++)
		if (!is_ordered[inst->bindings[i].provider->index])
			return &inst->bindings[i];
	return NULL;
}

/** Every entry that is left waits for another one that is left: following them ends in a circle. */
static int
refuse_cycle(const struct resolver *rs, const bool *is_ordered)
{
	const struct gh_inst *start = rs->set->insts, *inst;
	char path[400] = "";
	size_t used = 0;

	while (is_ordered[start->index])
		start++;
	for (size_t i = 0; i < rs->set->n; i++) /* Now it is surely inside the circle. */
		start = first_waiting(start, is_ordered)->provider;
	inst = start;
	do {
		const struct krn_binding *b = first_waiting(inst, is_ordered);
		int n = snprintf(path + used, sizeof(path) - used, "%.*s -(%s)-> ",
			GH_STR_ARG(inst->label), b->need);

		used = n > 0 && (size_t)n < sizeof(path) - used ? used + (size_t)n
								: sizeof(path) - 1;
		inst = b->provider;
	} while (inst != start);
	return refuse(rs, line_of(rs, start), GH_ECONFLICT, "the needs form a cycle: %s%.*s", path,
		GH_STR_ARG(start->label));
}

/** Providers before their users; among those that could start, the manifest decides. */
static int
order_entries(const struct resolver *rs)
{
	struct krn_set *set = rs->set;
	bool *is_ordered = calloc(set->n, sizeof(*is_ordered));
	size_t n = 0;
	int r = 0;

	set->start_order = calloc(set->n, sizeof(*set->start_order));
	if (is_ordered == NULL || set->start_order == NULL) {
		r = out_of_memory(rs);
		goto out;
	}
	while (n < set->n) {
		size_t i = 0;

		while (i < set->n &&
			(is_ordered[i] || first_waiting(&set->insts[i], is_ordered) != NULL))
			i++;
		if (i == set->n) {
			r = refuse_cycle(rs, is_ordered);
			goto out;
		}
		is_ordered[i] = true;
		set->start_order[n++] = (unsigned)i;
	}
out:
	free(is_ordered);
	return r;
}

/* ---- Mounts ---------------------------------------------------------------------------------- */

/** @return the entry that has a mount equal to row @p until of @p inst, and before it; or NULL. */
static const struct gh_inst *
find_mount(const struct krn_set *set, const struct gh_inst *inst, const struct gh_mount_row *until)
{
	for (const struct gh_inst *other = set->insts; other <= inst; other++)
		for (const struct gh_mount_row *row = other->desc->mounts;
			row != NULL && row->prefix != NULL; row++) {
			if (other == inst && row == until)
				break;
			if (row->chain == until->chain && strcmp(row->prefix, until->prefix) == 0)
				return other;
		}
	return NULL;
}

static int
check_mounts(const struct resolver *rs)
{
	for (size_t i = 0; i < rs->set->n; i++) {
		const struct gh_inst *inst = &rs->set->insts[i];

		for (const struct gh_mount_row *row = inst->desc->mounts;
			row != NULL && row->prefix != NULL; row++) {
			const struct gh_inst *other = find_mount(rs->set, inst, row);

			if (other != NULL)
				return refuse(rs, line_of(rs, inst), GH_ECONFLICT,
					"'%.*s' and '%.*s' both mount %s", GH_STR_ARG(other->label),
					GH_STR_ARG(inst->label), row->prefix);
		}
	}
	return 0;
}

/* ---- The set --------------------------------------------------------------------------------- */

static int
resolve(const struct resolver *rs, krn_load_fn *load, const char *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->manifest->entry_count; i++)
		r = add_entry(rs, &rs->manifest->entries[i], &rs->set->insts[i], load, arg);
	for (size_t i = 0; r == 0 && i < rs->set->n; i++)
		r = bind_entry(rs, &rs->set->insts[i]);
	if (r == 0)
		r = check_engines(rs);
	if (r == 0)
		r = order_entries(rs);
	return r < 0 ? r : check_mounts(rs);
}

int
krn_set_new_with(const struct manifest *manifest, krn_load_fn *load, const char *arg,
	struct krn_set **ret_set, char *error, size_t error_size)
{
	struct krn_set *set = calloc(1, sizeof(*set));
	struct resolver rs = { manifest, set, error, error_size };
	int r;

	if (set == NULL)
		return out_of_memory(&rs);
	set->insts = calloc(manifest->entry_count, sizeof(*set->insts));
	r = set->insts != NULL ? resolve(&rs, load, arg) : out_of_memory(&rs);
	if (r < 0) {
		krn_set_free(set);
		return r;
	}
	*ret_set = set;
	return 0;
}

int
krn_set_new(const struct manifest *manifest, const char *plugin_path, struct krn_set **ret_set,
	char *error, size_t error_size)
{
	return krn_set_new_with(manifest, krn_load, plugin_path, ret_set, error, error_size);
}

void
krn_set_free(struct krn_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n; i++) {
		struct gh_inst *inst = &set->insts[i];

		for (size_t j = 0; j < inst->binding_count; j++)
			free((char *)inst->bindings[j].need);
		free(inst->bindings);
		free(inst->provides);
		free((char *)inst->label.p);
	}
	free(set->insts);
	free(set->start_order);
	free(set);
}
