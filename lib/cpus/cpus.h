/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cpus.h
 * @brief How many CPUs this process may use.
 */
#ifndef LIB_CPUS_CPUS_H
#define LIB_CPUS_CPUS_H

/** By affinity and by the cgroup's quota (v2 cpu.max, rounded up), at least 1, at most 256. */
unsigned cpus_allowed(void);

#endif
