/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.h
 * @brief The manifest of a node, read and checked: nothing is loaded or started by it.
 *
 * Source: YAML with ${NAME} and ${NAME:-default} taken from the environment inside scalars, before
 * their type is decided; a value never becomes syntax, and $${ stands for ${.  Unknown keys are
 * errors.  Every message names file and line.
 *
 *   node: { name, workers, drain_ms, leave_ms, txn_arena_bytes }
 *   log: { level, format }
 *   access_log: { format, file }
 *   pool: { store, crypto, net, queue }
 *   listeners: [ { name, chain, engine, address, port, tls, certificate_file, key_file, head_ms,
 *           idle_ms, max_head_bytes, max_connections } ]
 *   plugins: [ NAME | NAME: { as, provide, needs, dry_run, bypass, on_error, and its options } ]
 */
#ifndef LIB_MANIFEST_MANIFEST_H
#define LIB_MANIFEST_MANIFEST_H
#include <gatehouse/plan.h>
#include <gatehouse/svc/engine.h>

#include "lib/yaml/yaml.h"

enum manifest_log_format { MANIFEST_LOG_TEXT, MANIFEST_LOG_JSON };
enum manifest_access_format { MANIFEST_ACCESS_OFF, MANIFEST_ACCESS_COMMON, MANIFEST_ACCESS_JSON };

/** `node:`, `log:`, `access_log:` and `pool:`, with defaults filled in. */
struct manifest_node {
	struct gh_str name;
	uint64_t workers;            /**< 0: as many as affinity and cgroup allow. */
	uint64_t drain_ms;           /**< Longest wait for transactions on shutdown and reload. */
	uint64_t leave_ms;           /**< How long it serves on after SIGTERM, with /readyz saying no. */
	uint64_t txn_arena_bytes;    /**< Most memory of one transaction's arena. */
	int log_level;               /**< As in <syslog.h>. */
	enum manifest_log_format log_format;
	enum manifest_access_format access_format;
	struct gh_str access_file;   /**< n = 0: standard output. */
	uint64_t pool_threads[GH_LANE_COUNT];
	uint64_t pool_queue;         /**< Jobs that may wait per lane. */
};

struct manifest_listener {
	struct gh_listener listener; /**< The address is numeric, IPv6 without brackets. */
	struct gh_str engine;        /**< Label of the entry that provides engine/1. */
	unsigned line;
};

struct manifest_need {
	struct gh_str need;          /**< "docs/1" */
	struct gh_str label;
};

/** One item of `plugins:`. */
struct manifest_entry {
	struct gh_str plugin, label;
	const struct gh_str *provide; /**< Narrowed services; NULL: all that the plugin provides. */
	size_t provide_count;
	const struct manifest_need *needs;
	size_t need_count;
	bool dry_run, bypass;
	enum gh_on_error on_error;
	const struct yaml_node *options; /**< Mapping without the keys above, perhaps empty. */
	unsigned line;
};

struct manifest {
	const char *path;            /**< As given, for messages. */
	struct manifest_node node;
	struct manifest_listener *listeners;
	size_t listener_count;
	struct manifest_entry *entries;
	size_t entry_count;
	struct yaml_doc *doc;        /**< Owns every string and node above. */
};

/** Read and check a file.  @param[out] error  one sentence with file and line, >= 512 bytes.
 *  @return 0, GH_ENOENT, GH_EINVAL, GH_ENOMEM. */
int manifest_load(const char *path, struct manifest **ret_manifest, char *error,
	size_t error_size);
/** The same from text; @p name stands for the file in messages. */
int manifest_parse(const char *name, struct gh_str text, struct manifest **ret_manifest,
	char *error, size_t error_size);
void manifest_free(struct manifest *manifest);

#endif
