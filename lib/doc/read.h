/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file read.h
 * @brief What read.c gives to write.c; not for users of lib/doc.
 */
#ifndef LIB_DOC_READ_H
#define LIB_DOC_READ_H
#include "lib/doc/doc.h"

/** Is @p encoded exactly one well-formed value whose containers, placed inside @p outer_depth
 *  others, stay within DOC_DEPTH_MAX?  @return 0, GH_EINVAL, GH_ETOOBIG. */
int doc_check_value(struct gh_str encoded, unsigned outer_depth);

#endif
