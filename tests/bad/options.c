/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.c
 * @brief An option of each type; nothing is wrong with it, but perhaps with its entry.
 */
#include <gatehouse/http.h>

struct config {
	bool enabled;
	uint64_t count;
	struct gh_ms wait;
	struct gh_bytes size;
	struct gh_str text;
	struct gh_secret secret;
	struct gh_choice color;
	struct gh_list list;
};

static const char *const colors[] = { "red", "green", NULL };

static const struct gh_opt opts[] = {
	GH_OPT(struct config, enabled, .dflt = "true", .help = "A bool."),
	GH_OPT(struct config, count, .dflt = "1", .min = 1, .max = 9, .help = "A number."),
	GH_OPT(struct config, wait, .dflt = "1s", .min = 1, .max = 60000, .help = "A duration."),
	GH_OPT(struct config, size, .dflt = "1k", .max = 1 << 20, .help = "A size."),
	GH_OPT(struct config, text, .max = 8, .help = "A text; mandatory."),
	GH_OPT(struct config, secret, .dflt = "", .min = 0, .max = 8, .help = "A secret."),
	GH_OPT(struct config, color, .dflt = "red", .words = colors, .help = "A choice."),
	GH_OPT(struct config, list, .dflt = "", .max = 2, .help = "A list."),
	{ .type = GH_OPT_END },
};

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "options", .version = "1", .opts = opts,
	.config_size = sizeof(struct config) };
