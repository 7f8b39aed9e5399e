/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policy.c
 * @brief A policy to start from: answers 400 to requests without a certain field, and counts them.
 *
 * The order of a policy's file: configuration, process data, options, hooks in phase order, life,
 * and the descriptor last.  The headers under <gatehouse/> say all about each call.
 */
#include <gatehouse/http.h>
#include <gatehouse/metric.h>

/** One generation's options; read-only in hooks, because several workers use them at once. */
struct config {
	struct gh_str field;
	struct gh_str message;
};

/** What lives as long as the process. */
struct process {
	struct gh_metric *refused;
};

/** The kernel parses, checks and stores these; no parsing code here. */
static const struct gh_opt opts[] = {
	GH_OPT(struct config, field, .dflt = "X-Request-Id", .min = 1, .max = 64,
		.help = "Name of the field that every request must have."),
	GH_OPT(struct config, message, .dflt = "A field is missing.", .max = 1024,
		.help = "Text of the answer when it is missing."),
	{ .type = GH_OPT_END },
};

static enum gh_verdict
on_request(const void *config, struct gh_txn *txn)
{
	const struct config *c = config;
	struct process *p = gh_txn_process(txn);

	if (gh_txn_field(txn, GH_SIDE_REQUEST, c->field).p != NULL)
		return GH_NEXT;
	gh_metric_add(p->refused, 1);
	if (gh_txn_reply(txn, 400, GH_STR("text/plain; charset=utf-8"), c->message) < 0)
		return GH_FAIL; /* Then on_error in the manifest decides. */
	return GH_STOP;
}

static const struct gh_hook_row hooks[] = {
	{ GH_REQUEST, GH_TRANSFORM, on_request, NULL },
	{ .fn = NULL },
};

static int
open_my_policy(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;

	(void)config;
	p->refused = gh_metric_new(inst, GH_COUNTER, "gatehouse_my_policy_refused_total",
		"Requests refused because a field was missing.", NULL);
	return GH_OK;
}

/* The name is that of the file without ".so", and of the manifest. */
GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "my_policy", .version = "0.1.0", .opts = opts, .hooks = hooks,
	.config_size = sizeof(struct config), .process_size = sizeof(struct process),
	.open = open_my_policy,
};
