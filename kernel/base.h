/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.h
 * @brief What all of the kernel shares: the worker mark and the assertion that stays compiled in.
 */
#ifndef KERNEL_BASE_H
#define KERNEL_BASE_H
#include <gatehouse/base.h>
#include <stdlib.h>
#include <stdio.h>

/** Set by each worker on its own thread; read by gh_may_block(). */
extern _Thread_local bool krn_on_worker;

/** For errors of the programmer inside the kernel only, never for input or plugins. */
#define KRN_ASSERT(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "gatehouse: assertion failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__); \
		abort(); \
	} } while (0)

#endif
