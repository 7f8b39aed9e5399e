/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_kernel.c
 * @brief A mount takes a page of the kernel.
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
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/metrics", .handler = answer },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_kernel", .version = "1", .mounts = mounts };
