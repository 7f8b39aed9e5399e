/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.c
 * @brief Compiles attachments into plans: by phase, then class, then order of attachment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/metrics.h"
#include "kernel/node.h"
#include "kernel/plan.h"

const char *
krn_phase_name(enum gh_phase phase)
{
	static const char *const names[GH_PHASE_COUNT] = { "accept", "route", "authenticate",
		"authorize", "limit", "request", "upstream", "response", "log" };

	return (unsigned)phase < GH_PHASE_COUNT ? names[phase] : "unknown";
}

static size_t
hook_count(const struct gh_plugin *desc)
{
	size_t n = 0;

	while (desc->hooks != NULL && desc->hooks[n].fn != NULL)
		n++;
	return n;
}

static bool
deny_on_fail(enum gh_on_error on_error, enum gh_phase phase)
{
	if (on_error != GH_ON_ERROR_DEFAULT)
		return on_error == GH_ON_ERROR_DENY;
	return phase == GH_AUTHENTICATE || phase == GH_AUTHORIZE || phase == GH_LIMIT;
}

/* Append all hooks of one attachment; the arrays were counted before. */
static void
add_steps(struct gh_plan *plan, struct gh_inst *inst, const void *config, bool dry_run,
	enum gh_on_error on_error)
{
	for (const struct gh_hook_row *h = inst->desc->hooks; h != NULL && h->fn != NULL; h++) {
		const char *name = h->name != NULL ? h->name : inst->desc->name;
		char labels[192];

		snprintf(labels, sizeof(labels), "policy=\"%.*s\",hook=\"%s\",phase=\"%s\"",
			GH_STR_ARG(inst->label), name, krn_phase_name(h->phase));
		plan->steps[plan->n++] = (struct krn_step){
			.fn = h->fn,
			.inst = inst,
			.config = config,
			.phase = h->phase,
			.order = h->order,
			.dry_run = dry_run,
			.deny_on_fail = deny_on_fail(on_error, h->phase),
			.attachment = plan->attachments,
			.name = name,
			.cost_ns = krn_metric_new(GH_COUNTER, "gatehouse_policy_cost_ns_total",
				"Sampled time spent in hooks, nanoseconds.", labels),
			.cost_samples = krn_metric_new(GH_COUNTER, "gatehouse_policy_cost_samples_total",
				"Hook calls that were timed (1 of 64).", labels),
		};
	}
	plan->attachments++;
}

/* Stable sort by phase and class (insertion: plans are short), then the index by phase. */
static void
seal(struct gh_plan *plan)
{
	for (size_t i = 1; i < plan->n; i++) {
		struct krn_step s = plan->steps[i];
		size_t j = i;

		while (j > 0 && (plan->steps[j - 1].phase > s.phase ||
				(plan->steps[j - 1].phase == s.phase && plan->steps[j - 1].order > s.order))) {
			plan->steps[j] = plan->steps[j - 1];
			j--;
		}
		plan->steps[j] = s;
	}
	size_t at = 0;

	for (unsigned p = 0; p <= GH_PHASE_COUNT; p++) {
		while (at < plan->n && (unsigned)plan->steps[at].phase < p)
			at++;
		plan->first[p] = at;
	}
}

static struct gh_plan *
plan_alloc(size_t steps, size_t configs)
{
	struct gh_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return NULL;
	atomic_init(&plan->refs, 1);
	plan->steps = calloc(steps + 1, sizeof(*plan->steps));
	plan->configs = calloc(configs + 1, sizeof(*plan->configs));
	plan->config_insts = calloc(configs + 1, sizeof(struct gh_inst *));
	if (plan->steps == NULL || plan->configs == NULL || plan->config_insts == NULL) {
		gh_plan_unref(plan);
		return NULL;
	}
	return plan;
}

int
krn_plan_for_node(struct krn_set *set, const struct options_config *configs, struct gh_plan **ret_plan)
{
	size_t steps = 0;

	for (size_t i = 0; i < set->n; i++)
		steps += hook_count(set->insts[i].desc);
	struct gh_plan *plan = plan_alloc(steps, 0);

	if (plan == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < set->n; i++) {
		struct gh_inst *inst = &set->insts[i];

		if (!inst->bypass)
			add_steps(plan, inst, configs[i].block, inst->dry_run, inst->on_error);
	}
	seal(plan);
	*ret_plan = plan;
	return GH_OK;
}

/* Options of one attachment into plan->configs, and the plugin's start() on them. */
static int
attach_config(struct gh_plan *plan, struct gh_inst *inst, const struct gh_attachment *a, char *error,
	size_t error_size)
{
	struct options_config *config = &plan->configs[plan->config_count];
	struct yaml_doc *doc = NULL;
	int r = GH_OK;

	if (a->options.n > 0)
		r = yaml_parse(a->options, NULL, NULL, NULL, &doc, error, error_size);
	if (r == GH_OK)
		r = options_fill(inst->desc->opts, inst->desc->config_size,
			doc != NULL ? yaml_root(doc) : NULL, "attachment", inst->label, config, error,
			error_size);
	if (r == GH_OK && inst->desc->start != NULL) {
		r = inst->desc->start(inst->process, config->block);
		if (r < 0) {
			snprintf(error, error_size, "%.*s: start refused these options: %s",
				GH_STR_ARG(inst->label), gh_strerror(r));
			options_done(config);
		}
	}
	yaml_doc_free(doc);
	if (r == GH_OK)
		plan->config_insts[plan->config_count++] = inst;
	return r;
}

int
gh_plan_new(struct gh_inst *self, const struct gh_attachment *attachments, size_t n, char *error,
	size_t error_size, struct gh_plan **ret_plan)
{
	struct krn_set *set = self->node->set;
	size_t steps = 0;

	if (n > KRN_PLAN_ATTACHMENTS_MAX) {
		snprintf(error, error_size, "%zu attachments; at most %u are allowed", n,
			KRN_PLAN_ATTACHMENTS_MAX);
		return GH_EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		struct gh_inst *inst = krn_set_find(set, attachments[i].label);

		if (inst == NULL) {
			snprintf(error, error_size, "attachment %zu: the manifest has no entry \"%.*s\"",
				i + 1, GH_STR_ARG(attachments[i].label));
			return GH_ENOENT;
		}
		steps += hook_count(inst->desc);
	}
	struct gh_plan *plan = plan_alloc(steps, n);

	if (plan == NULL) {
		snprintf(error, error_size, "out of memory");
		return GH_ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct gh_attachment *a = &attachments[i];
		struct gh_inst *inst = krn_set_find(set, a->label);

		if (a->bypass || inst->bypass)
			continue;
		int r = attach_config(plan, inst, a, error, error_size);

		if (r < 0) {
			gh_plan_unref(plan);
			return r;
		}
		add_steps(plan, inst, plan->configs[plan->config_count - 1].block,
			a->dry_run || inst->dry_run,
			a->on_error != GH_ON_ERROR_DEFAULT ? a->on_error : inst->on_error);
	}
	seal(plan);
	*ret_plan = plan;
	return GH_OK;
}

struct gh_plan *
gh_plan_ref(struct gh_plan *plan)
{
	atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
	return plan;
}

void
gh_plan_unref(struct gh_plan *plan)
{
	if (plan == NULL || atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < plan->config_count; i++) {
		struct gh_inst *inst = plan->config_insts[i];

		if (inst->desc->stop != NULL)
			inst->desc->stop(inst->process, plan->configs[i].block);
		options_done(&plan->configs[i]);
	}
	free(plan->configs);
	free(plan->config_insts);
	free(plan->steps);
	free(plan);
}
