/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clock.h
 * @brief Conditions that wait on CLOCK_MONOTONIC, for follow.c and acks.c.
 */
#ifndef LIB_FOLLOW_CLOCK_H
#define LIB_FOLLOW_CLOCK_H
#include <pthread.h>
#include <stdint.h>
#include <time.h>

/** @return 0, or -1 with nothing left to destroy. */
static inline int
clock_init(pthread_mutex_t *lock, pthread_cond_t *change)
{
	pthread_condattr_t attr;

	if (pthread_mutex_init(lock, NULL) != 0)
		return -1;
	if (pthread_condattr_init(&attr) != 0)
		goto no_attr;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	int r = pthread_cond_init(change, &attr);

	pthread_condattr_destroy(&attr);
	if (r == 0)
		return 0;
no_attr:
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
