/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hook_class.c
 * @brief A hook is of a class that does not exist.
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
	{ GH_LOG, GH_CLASS_COUNT, on_any, NULL },
	{ .fn = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "hook_class", .version = "1", .hooks = hooks };
