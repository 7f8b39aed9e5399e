/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_prefix.c
 * @brief A mount's prefix does not begin with a slash.
 */
#include <gatehouse/http.h>

static void
answer(void *process, const void *config, struct gh_call *call)
{
	(void)process;
	(void)config;
	(void)call;
}

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "nowhere", .handler = answer },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_prefix", .version = "1", .mounts = mounts };
