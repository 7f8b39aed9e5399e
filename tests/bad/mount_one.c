/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_one.c
 * @brief Nothing is wrong with it, but for another one that mounts the same.
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
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/same", .handler = answer },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_one", .version = "1", .mounts = mounts };
