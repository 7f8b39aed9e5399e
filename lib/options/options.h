/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.h
 * @brief Options of an entry: from YAML or JSON into the plugin's configuration, by its table.
 */
#ifndef LIB_OPTIONS_OPTIONS_H
#define LIB_OPTIONS_OPTIONS_H
#include <gatehouse/plugin.h>

#include "lib/yaml/yaml.h"

/**
 * What a value may look like, by the type of its option:
 *   bool     true or false, not quoted
 *   uint     a whole number, not quoted
 *   ms       a number with ms, s, m, h or d behind it; without a unit: milliseconds
 *   bytes    a number with k, M, G or T behind it (powers of 1024); without a unit: bytes
 *   string, secret, choice   any scalar; its text counts, and it may not contain a NUL
 *   list     a list of scalars, or one scalar with commas (which an environment variable can hold)
 * A key without a value (null) counts as not given.  Strings in the block have a NUL behind them.
 */

/** One filled configuration block and the strings it points to. */
struct options_config {
	const struct gh_opt *opts; /**< NULL: the plugin has none. */
	void *block;               /**< block_size bytes. */
	size_t block_size;
	char *strings;             /**< Private: storage of strings and lists. */
	size_t strings_size;
};

/** Check the table itself: known types, fields inside the block, defaults inside their own range.
 *  @param[out] error  names the key.  @return 0 or GH_EINVAL. */
int options_check_table(const struct gh_opt *opts, size_t config_size, char *error,
	size_t error_size);
/** Fill a block.  @param opts  a table that passed the check, or NULL.
 *  @param node  mapping, or NULL for defaults.  @param where  "file" for messages.
 *  @param label  of the entry; n = 0 leaves it out of messages.
 *  @param[out] error  "FILE:LINE: ENTRY: KEY: why", >= 512 bytes; never the value itself.
 *  @return 0, GH_EINVAL (unknown key, wrong type, out of range, missing), GH_ENOMEM. */
int options_fill(const struct gh_opt *opts, size_t config_size, const struct yaml_node *node,
	const char *where, struct gh_str label, struct options_config *ret_config, char *error,
	size_t error_size);
/** Frees block and strings, both wiped first.  Zeroes @p config. */
void options_done(struct options_config *config);
/** Is every fixed option the same?  Both have the same table.
 *  @param[out] ret_key  the first that differs; written only when the answer is false. */
bool options_same_fixed(const struct options_config *a, const struct options_config *b,
	const char **ret_key);
/** JSON Schema (2020-12) of the table, for portals and `gatehouse plugins --schema`.
 *  @param opts  or NULL.  @return malloc()ed text, or NULL: out of memory. */
char *options_schema(const char *plugin_name, const struct gh_opt *opts);

#endif
