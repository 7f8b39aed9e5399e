/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * @brief Compiled plans: hooks in the order in which they run.
 */
#ifndef KERNEL_PLAN_H
#define KERNEL_PLAN_H
#include <gatehouse/metric.h>
#include <gatehouse/plan.h>
#include <stdatomic.h>

#include "kernel/inst.h"

#define KRN_PLAN_ATTACHMENTS_MAX 64u /**< Of one gh_plan_new(). */

/** One hook of one attachment. */
struct krn_step {
	gh_hook *fn;
	struct gh_inst *inst;
	const void *config;
	enum gh_phase phase;
	enum gh_class order;
	bool dry_run, deny_on_fail;
	unsigned attachment;         /**< Number of its attachment within the plan: hooks share a slot. */
	const char *name;
	struct gh_metric *cost_ns, *cost_samples;
};

struct gh_plan {
	_Atomic unsigned refs;
	struct krn_step *steps;
	size_t n;
	unsigned attachments;
	size_t first[GH_PHASE_COUNT + 1]; /**< Steps of phase p: first[p] to first[p + 1] - 1. */
	struct options_config *configs;       /**< Owned, of gh_plan_new(); NULL for the node's plan. */
	struct gh_inst **config_insts;
	size_t config_count;
};

/** The node's plan.  @param configs  per entry of the set; they outlive the plan. */
int krn_plan_for_node(struct krn_set *set, const struct options_config *configs, struct gh_plan **ret_plan);
/** Text of a phase: "route". */
const char *krn_phase_name(enum gh_phase phase);

#endif
