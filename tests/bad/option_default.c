/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file option_default.c
 * @brief An option's default is outside of its own range.
 */
#include <gatehouse/http.h>

struct config {
	uint64_t count;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, count, .dflt = "11", .min = 1, .max = 10, .help = "Count."),
	{ .type = GH_OPT_END },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "option_default", .version = "1", .opts = opts,
	.config_size = sizeof(struct config) };
