/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * @brief What the command line hands to the node that runs.
 */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H
#include <stdbool.h>

struct krn_run_args {
	const char *manifest;    /**< Path of the manifest. */
	const char *state_dir;   /**< Directory for the node's files. */
	const char *plugin_path; /**< Colon-separated directories; NULL: the default. */
	char **argv;             /**< As the program was started, for its successor. */
};

/** As many descriptors as allowed, no new privileges, and no core files, which would hold keys. */
void krn_limit_process(void);

/** Is it a command of gatehouse itself, which no plugin may have? */
bool krn_is_own_command(const char *name);
/** Run the command @p argv[0] of the one entry of the manifest that has it.  @param argv  without what
 *  is in @p args.  @param was_given  false: the default manifest, which may not be there.
 *  @return its exit code, 64 or 78; what went wrong was printed. */
int krn_run_command(const struct krn_run_args *args, bool was_given, int argc, char **argv);

/** Start the node and serve until SIGTERM or SIGINT.
 *  @return the exit code: 0, 70 or 78; what went wrong was printed. */
int krn_run(const struct krn_run_args *args);

#endif
