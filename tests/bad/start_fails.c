/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file start_fails.c
 * @brief Finds fault with its options.
 */
#include <gatehouse/http.h>

static int
start_fails(void *process, void *config)
{
	(void)process;
	(void)config;
	return GH_EINVAL;
}

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "start_fails", .version = "1", .start = start_fails };
