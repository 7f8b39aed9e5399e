/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file other_name.c
 * @brief Calls itself other than its file.
 */
#include <gatehouse/http.h>

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "somebody", .version = "1" };
