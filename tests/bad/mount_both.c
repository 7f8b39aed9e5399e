/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_both.c
 * @brief A mount has a hook and a handler.
 */
#include <gatehouse/http.h>

static enum gh_verdict
on_any(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	return GH_NEXT;
}

static void
answer(void *process, const void *config, struct gh_call *call)
{
	(void)process;
	(void)config;
	(void)call;
}

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/both", .hook = on_any, .handler = answer },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_both", .version = "1", .mounts = mounts };
