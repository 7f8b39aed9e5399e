/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hook_phase.c
 * @brief A hook is in a phase that does not exist.
 */
#include <gatehouse/http.h>

static enum gh_verdict
on_any(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	return GH_NEXT;
}

static const struct gh_hook_row hooks[] = {
	{ GH_PHASE_COUNT, GH_OBSERVE, on_any, NULL },
	{ .fn = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "hook_phase", .version = "1", .hooks = hooks };
