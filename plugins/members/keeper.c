/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keeper.c
 * @brief A thread on nodes with documents: renews the node's own certificate, retires authorities.
 */
#include <stdio.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "plugins/members/members.h"

#define LOOK_MS 60000      /* At least that often. */
#define LOOK_MIN_MS 200
#define BACKOFF_MS 5000
#define REPLACING_MS 1000  /* While one authority replaces another. */

/** Until when there is nothing to do. */
static uint64_t
patience_ms(struct members *m)
{
	struct gh_enrolled own;
	int64_t left_ms;

	m->enroll.vt->state(m->enroll.self, &own);
	left_ms = own.renew_at_s * 1000 - (int64_t)(gh_now_us() / 1000);
	if (own.is_joined || left_ms > LOOK_MS)
		return LOOK_MS;
	return left_ms < LOOK_MIN_MS ? LOOK_MIN_MS : (uint64_t)left_ms;
}

/** @param[out] ret_is_replacing  look again soon.  @return did all go well? */
static bool
look(struct members *m, bool *ret_is_replacing)
{
	char error[MEMBERS_ERROR_BYTES];
	struct gh_enrolled own;
	int r = GH_OK;

	m->enroll.vt->state(m->enroll.self, &own);
	if (!own.is_joined)
		r = members_issue_own(m, error, sizeof(error));
	if (r < 0)
		gh_inst_log(m->inst, LOG_WARNING, "the certificate of this node cannot be renewed yet: %s",
			error);
	int retired = members_authority_retire(m, ret_is_replacing);

	if (retired < 0)
		gh_inst_log(m->inst, LOG_WARNING, "authorities cannot be looked through: %s",
			gh_strerror(retired));
	return r == GH_OK && retired == GH_OK;
}

static void *
run(void *arg)
{
	struct members *m = arg;
	bool is_well = true, is_replacing = true;

	pthread_mutex_lock(&m->lock);
	while (!m->is_stopping) {
		uint64_t wait_ms = !is_well ? BACKOFF_MS : is_replacing ? REPLACING_MS : patience_ms(m);
		struct timespec until = clock_after(wait_ms);

		pthread_cond_timedwait(&m->change, &m->lock, &until);
		if (m->is_stopping)
			break;
		pthread_mutex_unlock(&m->lock);
		is_well = look(m, &is_replacing);
		pthread_mutex_lock(&m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

int
members_keeper_open(struct members *m)
{
	if (!m->has_authority)
		return GH_OK;
	if (pthread_create(&m->keeper_thread, NULL, run, m) != 0)
		return GH_ENOMEM;
	m->has_keeper_thread = true;
	return GH_OK;
}

void
members_keeper_close(struct members *m)
{
	if (!m->has_keeper_thread)
		return;
	pthread_mutex_lock(&m->lock);
	m->is_stopping = true;
	pthread_cond_broadcast(&m->change);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->keeper_thread, NULL);
	m->has_keeper_thread = false;
}

void
members_keeper_wake(struct members *m)
{
	pthread_mutex_lock(&m->lock);
	pthread_cond_broadcast(&m->change);
	pthread_mutex_unlock(&m->lock);
}
