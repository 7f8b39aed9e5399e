/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file open_fails.c
 * @brief Cannot open what it needs.
 */
#include <gatehouse/http.h>

static int
open_fails(void *process, const void *config, struct gh_inst *inst)
{
	(void)process;
	(void)config;
	(void)inst;
	return GH_EIO;
}

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "open_fails", .version = "1", .open = open_fails };
