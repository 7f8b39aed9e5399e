/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file access_line.h
 * @brief What log.c and access_line.c share; the rest of the kernel uses log.h.
 */
#ifndef KERNEL_ACCESS_LINE_H
#define KERNEL_ACCESS_LINE_H
#include "lib/line/line.h"
#include "lib/manifest/manifest.h"

/** How the access log writes from now on.  MAIN. */
void krn_access_set_format(enum manifest_access_format format);
/** Queue a finished line for the access log.  ANY. */
void krn_log_access_line(const struct line *line);

#endif
