/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cpus.h
 * @brief How many CPUs this process may use.
 */
#ifndef KERNEL_CPUS_H
#define KERNEL_CPUS_H

/** By affinity and by the cgroup's quota (v2 cpu.max, rounded up), at least 1, at most 256. */
unsigned krn_cpus_allowed(void);

#endif
