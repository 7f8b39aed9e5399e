/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file unresolved.c
 * @brief Calls a function that nobody has.
 */
#include <gatehouse/http.h>

int nobody_has_this(void);

static int
open_unresolved(void *process, const void *config, struct gh_inst *inst)
{
	(void)process;
	(void)config;
	(void)inst;
	return nobody_has_this();
}

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "unresolved", .version = "1", .open = open_unresolved };
