/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_manifest.c
 * @brief Fuzzer for manifests: references to the environment, sections, entries, options.
 */
#include "lib/manifest/manifest.h"
#include "lib/options/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	GH_OPT(struct config, enabled, .dflt = "true"),
	GH_OPT(struct config, count, .dflt = "1", .min = 1, .max = 9),
	GH_OPT(struct config, wait, .dflt = "1s", .min = 1, .max = 60000),
	GH_OPT(struct config, size, .dflt = "1k", .max = 1 << 20),
	GH_OPT(struct config, text, .max = 8),
	GH_OPT(struct config, secret, .dflt = "", .max = 8),
	GH_OPT(struct config, color, .dflt = "red", .words = colors),
	GH_OPT(struct config, list, .dflt = "", .max = 4),
	{ .type = GH_OPT_END },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest *m = NULL;
	char error[512];

	if (manifest_parse("m.yaml", (struct gh_str){ (const char *)data, size }, &m, error,
		    sizeof(error)) < 0)
		return 0;
	for (size_t i = 0; i < m->entry_count; i++) {
		struct options_config config;

		if (options_fill(opts, sizeof(struct config), m->entries[i].options, m->path,
			    m->entries[i].label, &config, error, sizeof(error)) == 0)
			options_done(&config);
	}
	manifest_free(m);
	return 0;
}
