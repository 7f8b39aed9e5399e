/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file thing_user.c
 * @brief Needs thing/1; nothing is wrong with it.
 */
#include <gatehouse/http.h>

static const char *const needs[] = { "thing/1", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "thing_user", .version = "1", .needs = needs };
