/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file thing_newer.c
 * @brief Needs thing/2; nothing is wrong with it.
 */
#include <gatehouse/http.h>

static const char *const needs[] = { "thing/2", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "thing_newer", .version = "1", .needs = needs };
