/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/rollout.h
 * @brief rollout/1: is a change being served yet?  Every follower of the feed provides one.
 */
#ifndef GATEHOUSE_SVC_ROLLOUT_H
#define GATEHOUSE_SVC_ROLLOUT_H
#include <gatehouse/base.h>

#define GH_SVC_ROLLOUT "rollout/1"

struct gh_rollout_v1 {
	uint32_t size;
	/** Wait until every worker of the node acts on sequence @p seq or a later one.  MAIN or POOL.
	 *  @return 0, GH_ETIMEDOUT. */
	int (*wait)(void *self, uint64_t seq, uint64_t deadline_ms);
	/** The sequence that every worker acts on.  ANY. */
	uint64_t (*serving)(void *self);
};
struct gh_rollout { const struct gh_rollout_v1 *vt; void *self; };

#endif
