/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file option_reserved.c
 * @brief An option has a name that is the kernel's.
 */
#include <gatehouse/http.h>

struct config {
	bool bypass;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, bypass, .dflt = "false", .help = "Bypass."),
	{ .type = GH_OPT_END },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "option_reserved", .version = "1", .opts = opts,
	.config_size = sizeof(struct config) };
