/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clock.h
 * @brief Deadlines for pthread conditions, on CLOCK_MONOTONIC.  Only inline functions.
 */
#ifndef LIB_CLOCK_CLOCK_H
#define LIB_CLOCK_CLOCK_H
#include <pthread.h>
#include <stdint.h>
#include <time.h>

/** A condition whose deadlines come from clock_after().  @return 0, or -1. */
static inline int
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) != 0)
		return -1;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	int r = pthread_cond_init(cond, &attr);

	pthread_condattr_destroy(&attr);
	return r == 0 ? 0 : -1;
}

/** A lock and its condition.  @return 0, or -1 with nothing left to destroy. */
static inline int
clock_init(pthread_mutex_t *lock, pthread_cond_t *change)
{
	if (pthread_mutex_init(lock, NULL) != 0)
		return -1;
	if (clock_cond_init(change) == 0)
		return 0;
	pthread_mutex_destroy(lock);
	return -1;
}

/** The moment @p ms from now, for pthread_cond_timedwait(). */
static inline struct timespec
clock_after(uint64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

#endif
