/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file option_outside.c
 * @brief An option lies outside of the configuration.
 */
#include <gatehouse/http.h>

struct config {
	uint64_t count;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, count, .dflt = "1", .help = "Count."),
	{ .type = GH_OPT_END },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "option_outside", .version = "1", .opts = opts,
	.config_size = sizeof(uint32_t) };
