/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.h
 * @brief Options of an entry: from YAML or JSON into the plugin's configuration, by its table.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H
#include <gatehouse/plugin.h>

#include "lib/yaml/yaml.h"

/** One filled configuration block and the strings it points to. */
struct krn_config {
	const struct gh_opt *opts; /**< NULL: the plugin has none. */
	void *block;               /**< config_size bytes. */
	char *strings;             /**< Private: storage of strings and lists. */
	size_t strings_size;
};

/** Check the table itself: known types, every default inside its own range.
 *  @param[out] error  names the key.  @return 0 or GH_EINVAL. */
int krn_options_check_table(const struct gh_opt *opts, char *error, size_t error_size);
/** Fill a block.  @param node  mapping, or NULL for defaults.  @param where  "file" for messages.
 *  @param[out] error  "FILE:LINE: ENTRY: KEY: why", >= 512 bytes.
 *  @return 0, GH_EINVAL (unknown key, wrong type, out of range, missing, given twice), GH_ENOMEM. */
int krn_options_fill(const struct gh_opt *opts, size_t config_size, const struct yaml_node *node,
	const char *where, struct gh_str label, struct krn_config *ret_config, char *error,
	size_t error_size);
/** Frees block and strings; secrets are wiped first.  Zeroes @p config. */
void krn_options_done(struct krn_config *config);
/** Is every fixed option the same?  @param[out] ret_key  the first that differs. */
bool krn_options_same_fixed(const struct krn_config *a, const struct krn_config *b, const char **ret_key);
/** JSON Schema (2020-12) of the table, for portals and `gatehouse plugins --schema`.
 *  @return malloc()ed text, or NULL. */
char *krn_options_schema(const char *plugin_name, const struct gh_opt *opts);

#endif
