/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.h
 * @brief The manifest of a node, read and checked: nothing is loaded or started by it.
 *
 * Source: YAML with ${NAME} and ${NAME:-default} taken from the environment inside scalars, before
 * their type is decided; a value never becomes syntax, and $${ stands for ${.  Unknown keys are
 * errors.  Every message names file and line.
 *
 *   node: { name, workers, drain_ms, txn_arena_bytes }
 *   log: { level, format }
 *   access_log: { format, file }
 *   pool: { store, crypto, net, queue }
 *   listeners: [ { name, chain, engine, address, port, tls, certificate_file, key_file, head_ms,
 *           idle_ms, max_head_bytes, max_connections } ]
 *   plugins: [ NAME | NAME: { as, provide, needs, dry_run, bypass, on_error, and its options } ]
 */
#ifndef KERNEL_MANIFEST_H
#define KERNEL_MANIFEST_H
#include <gatehouse/plan.h>
#include <gatehouse/svc/engine.h>

#include "lib/yaml/yaml.h"

enum krn_log_format { KRN_LOG_TEXT, KRN_LOG_JSON };
enum krn_access_format { KRN_ACCESS_OFF, KRN_ACCESS_COMMON, KRN_ACCESS_JSON };

/** `node:`, `log:`, `access_log:` and `pool:`, with defaults filled in. */
struct krn_node_options {
	struct gh_str name;
	uint64_t workers;            /**< 0: as many as affinity and cgroup allow. */
	uint64_t drain_ms;           /**< Longest wait for transactions on shutdown and reload. */
	uint64_t txn_arena_bytes;    /**< Most memory of one transaction's arena. */
	int log_level;               /**< As in <syslog.h>. */
	enum krn_log_format log_format;
	enum krn_access_format access_format;
	struct gh_str access_file;   /**< n = 0: standard output. */
	uint64_t pool_threads[GH_LANE_COUNT];
	uint64_t pool_queue;         /**< Jobs that may wait per lane. */
};

struct krn_listener_decl {
	struct gh_listener listener; /**< The address is numeric, IPv6 without brackets. */
	struct gh_str engine;        /**< Label of the entry that provides engine/1. */
	unsigned line;
};

struct krn_need_binding {
	struct gh_str need;          /**< "docs/1" */
	struct gh_str label;
};

/** One item of `plugins:`. */
struct krn_entry {
	struct gh_str plugin, label;
	const struct gh_str *provide; /**< Narrowed services; NULL: all that the plugin provides. */
	size_t provide_count;
	const struct krn_need_binding *needs;
	size_t need_count;
	bool dry_run, bypass;
	enum gh_on_error on_error;
	const struct yaml_node *options; /**< Mapping without the keys above, perhaps empty. */
	unsigned line;
};

struct krn_manifest {
	const char *path;            /**< As given, for messages. */
	struct krn_node_options node;
	struct krn_listener_decl *listeners;
	size_t listener_count;
	struct krn_entry *entries;
	size_t entry_count;
	struct yaml_doc *doc;        /**< Owns every string and node above. */
};

/** Read and check a file.  @param[out] error  one sentence with file and line, >= 512 bytes.
 *  @return 0, GH_ENOENT, GH_EINVAL, GH_ENOMEM. */
int krn_manifest_load(const char *path, struct krn_manifest **ret_manifest, char *error,
	size_t error_size);
/** The same from text; @p name stands for the file in messages. */
int krn_manifest_parse(const char *name, struct gh_str text, struct krn_manifest **ret_manifest,
	char *error, size_t error_size);
void krn_manifest_free(struct krn_manifest *manifest);

#endif
