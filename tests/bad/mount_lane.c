/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mount_lane.c
 * @brief A mount runs on a lane that does not exist.
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
	{ .chain = GH_CHAIN_MANAGEMENT,
		.prefix = "/lane",
		.handler = answer,
		.lane = GH_LANE_COUNT },
	{ .prefix = NULL },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "mount_lane", .version = "1", .mounts = mounts };
