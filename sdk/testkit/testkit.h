/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file testkit.h
 * @brief The test kit for entries that were not loaded from files: the kernel's own unit tests.
 */
#ifndef SDK_TESTKIT_TESTKIT_H
#define SDK_TESTKIT_TESTKIT_H
#include <gatehouse/test.h>

#include "kernel/inst.h"

/** As gh_test_new().  @param manifest  GIVE.  @param set  GIVE. */
struct gh_test *krn_test_new(struct manifest *manifest, struct krn_set *set, char *error,
	size_t error_size);

#endif
