/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.c
 * @brief Clocks, error texts and the mark that says whether this thread may block.
 */
#include <gatehouse/base.h>
#include <time.h>

#include "kernel/base.h"

_Thread_local bool krn_on_worker;

const char *
gh_strerror(int err)
{
	switch (err) {
	case GH_OK: return "no error";
	case GH_ENOMEM: return "out of memory";
	case GH_EINVAL: return "invalid input";
	case GH_ENOENT: return "not found";
	case GH_EAGAIN: return "temporarily unavailable";
	case GH_EVERSION: return "another version";
	case GH_ECONFLICT: return "conflict";
	case GH_EDENIED: return "denied";
	case GH_EEXPIRED: return "expired";
	case GH_ETOOBIG: return "too big";
	case GH_ETIMEDOUT: return "timed out";
	case GH_EIO: return "input/output error";
	case GH_ETRUNCATED: return "too far behind the feed";
	default: return "unknown error";
	}
}

uint64_t
gh_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t
gh_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool
gh_may_block(void)
{
	return !krn_on_worker;
}
