/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file log.h
 * @brief The node's log and access log: lines go through a ring to one writer thread.
 *
 * A full ring drops and counts (gatehouse_kernel_log_dropped_total), it never blocks.  Control
 * bytes in values are escaped, so that a request cannot forge lines or drive a terminal.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H
#include <stdarg.h>

#include "lib/access/access.h"
#include "lib/manifest/manifest.h"

/** Start the writer.  Before it, and after krn_log_stop(), lines go straight to stderr.  MAIN. */
int krn_log_start(const struct manifest_node *options, char *error, size_t error_size);
/** Apply level, formats and file of a new generation; reopens the access file (SIGHUP).  MAIN. */
int krn_log_reconfigure(const struct manifest_node *options, char *error, size_t error_size);
/** Write out what is queued and stop the thread.  MAIN. */
void krn_log_stop(void);

/** One line.  @param who  label of the entry or "kernel".  @param id  of a transaction, or n = 0.
 *  ANY. */
void krn_log(int level, struct gh_str who, struct gh_str id, const char *fmt, ...) GH_PRINTF(4, 5);
void krn_vlog(int level, struct gh_str who, struct gh_str id, const char *fmt, va_list ap)
	GH_PRINTF(4, 0);

/** Is the access log on?  ANY, one relaxed load. */
bool krn_access_is_on(void);
void krn_access_log(const struct access_entry *entry);

#endif
