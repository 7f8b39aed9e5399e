/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file no_version.c
 * @brief Has no version.
 */
#include <gatehouse/http.h>

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "no_version", .version = NULL };
