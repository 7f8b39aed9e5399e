/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * @brief What the command line hands to the node that runs.
 */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H

struct krn_run_args {
	const char *manifest;    /**< Path of the manifest. */
	const char *state_dir;   /**< Directory for the node's files. */
	const char *plugin_path; /**< Colon-separated directories; NULL: the default. */
};

/** Start the node and serve until SIGTERM or SIGINT.
 *  @return the exit code: 0, 70 or 78; what went wrong was printed. */
int krn_run(const struct krn_run_args *args);

#endif
