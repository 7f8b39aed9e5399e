/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file inspect.h
 * @brief `gatehouse check` and `gatehouse plugins`: look at tables, run nothing.
 *
 * All print to standard output, and a refusal to standard error.
 * @return the exit code: 0, 70 or 78.
 */
#ifndef KERNEL_INSPECT_H
#define KERNEL_INSPECT_H

/** Load and resolve a manifest, parse every option; print plugins in start order, services, hooks
 *  in the order in which they run, mounts and listeners. */
int krn_check(const char *manifest_path, const char *plugin_path);
/** Print what the directories of the plugin path hold.  A file that is refused is printed too, and
 *  makes the exit code 78. */
int krn_print_plugins(const char *plugin_path);
/** Print the options of one plugin as JSON Schema. */
int krn_print_schema(const char *plugin_path, const char *name);

#endif
