/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file inst.h
 * @brief Entries of a manifest after loading: code, bindings, blocks; and the set of them.
 *
 * loader.c maps code and checks descriptors; registry.c binds needs to services and finds the start
 * order.  Neither runs a function of a plugin: that is life.c's.
 */
#ifndef KERNEL_INST_H
#define KERNEL_INST_H
#include <gatehouse/plugin.h>
#include <stdatomic.h>

#include "lib/manifest/manifest.h"
#include "lib/options/options.h"

struct krn_node; /* kernel/node.h: the running node */

/** One bound need; several with the same need when it ends in '*'. */
struct krn_binding {
	const char *need;          /**< Without '?' and '*'. */
	struct gh_inst *provider;
	const void *vtable;
};

/** A gh_inst: one entry, for the life of the process. */
struct gh_inst {
	struct krn_node *node;      /**< NULL until the node starts. */
	unsigned index;             /**< Place in the manifest, from 0. */
	struct gh_str label;        /**< Owned by the set. */
	const struct gh_plugin *desc;
	void *handle;               /**< From dlopen(); never closed (RTLD_NODELETE). */
	struct gh_service_row *provides; /**< Narrowed copy of desc->provides, NULL-ended. */
	struct krn_binding *bindings;
	size_t binding_count;
	bool dry_run, bypass;
	enum gh_on_error on_error;

	void *process;              /**< process_size bytes, zeroed; open() runs on it. */
	void **worker_blocks;       /**< One per worker, or NULL. */
	bool is_open;
	_Atomic bool is_unready;    /**< Set by gh_inst_ready(); why is written before it. */
	const char *_Atomic unready_why;
};

/** All entries of a manifest, loaded and bound. */
struct krn_set {
	struct gh_inst *insts;      /**< In manifest order. */
	size_t n;
	unsigned *start_order;      /**< Indexes into insts: providers before their users. */
};

/** Where plugins are looked for: @p plugin_path, else GATEHOUSE_PLUGIN_PATH, else the installed
 *  directory.  Colon-separated directories.  @return BORROW. */
const char *krn_plugin_path(const char *plugin_path);
/** Cut the next directory off a plugin path.  @return false: there is none. */
bool krn_plugin_path_next(const char **path, struct gh_str *ret_dir);

/** Load and check one shared object.  Every refusal is "plugin NAME: PHASE: reason".
 *  @param plugin_path  or NULL, see krn_plugin_path().
 *  @param[out] error  >= 512 bytes.  @return 0, GH_ENOENT, GH_EVERSION, GH_EINVAL, GH_EDENIED. */
int krn_load(const char *plugin_path, struct gh_str name, const struct gh_plugin **ret_desc,
	void **ret_handle, char *error, size_t error_size);
/** The checks of krn_load() on a descriptor that is there already. */
int krn_check_descriptor(const struct gh_plugin *desc, struct gh_str name, char *error,
	size_t error_size);
/** Is it "word/number", as the names of services are? */
bool krn_is_service_name(struct gh_str name);

/** Load every entry, narrow what they provide, bind what they need, order them, check engines and
 *  mounts.  @return as krn_load; GH_ECONFLICT (a label twice, an ambiguous need, a cycle, equal
 *  mounts). */
int krn_set_new(const struct manifest *manifest, const char *plugin_path,
	struct krn_set **ret_set, char *error, size_t error_size);
/** krn_set_new() with a loader of the caller's: krn_load() is one, @p arg being the plugin path. */
typedef int krn_load_fn(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc,
	void **ret_handle, char *error, size_t error_size);
int krn_set_new_with(const struct manifest *manifest, krn_load_fn *load, const char *arg,
	struct krn_set **ret_set, char *error, size_t error_size);
void krn_set_free(struct krn_set *set);
/** @return the entry of that label, or NULL. */
struct gh_inst *krn_set_find(struct krn_set *set, struct gh_str label);
/** The service of that name which @p inst provides.  @return its vtable, or NULL. */
const void *krn_inst_service(const struct gh_inst *inst, struct gh_str name);

#endif
