/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file patch.h
 * @brief What attributes.c and patch.c tell each other; not for others.
 */
#ifndef SCIM_PATCH_H
#define SCIM_PATCH_H
#include "plugins/scim/attributes.h"

/** @return GH_EINVAL. */
int scim_refuse(struct scim_error *ret_error, const char *type, const char *fmt, ...)
	GH_PRINTF(3, 4);
/** Whatever the case of the name; NULL: the table has none such. */
const struct attribute *attribute_find(const struct attribute *table, struct gh_str name);

#endif
