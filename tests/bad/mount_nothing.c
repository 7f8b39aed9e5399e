/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_nothing.c
 * @brief A mount has neither a hook nor a handler.
 */
#include <gatehouse/http.h>

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/nothing" },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_nothing", .version = "1", .mounts = mounts };
