/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cpus.c
 * @brief How many CPUs this process may use.
 */
#include "config.h"

#include <sched.h>
#include <stdio.h>

#include "lib/cpus/cpus.h"

#define CPUS_MAX 256u

/* Quota of our cgroup in CPUs, 0: none.  The file is absent without cgroup v2. */
static unsigned
cgroup_cpus(void)
{
	FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
	unsigned long long quota = 0, period = 0;
	int n = f != NULL ? fscanf(f, "%llu %llu", &quota, &period) : 0;

	if (f != NULL)
		fclose(f);
	if (n != 2 || quota == 0 || period == 0) /* "max 100000" */
		return 0;
	unsigned long long cpus = (quota + period - 1) / period;

	return cpus < CPUS_MAX ? (unsigned)cpus : CPUS_MAX;
}

unsigned
cpus_allowed(void)
{
	cpu_set_t set;
	unsigned n = 1, quota = cgroup_cpus();

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	if (quota > 0 && quota < n)
		n = quota;
	return n < 1 ? 1 : n > CPUS_MAX ? CPUS_MAX : n;
}
