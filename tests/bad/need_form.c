/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file need_form.c
 * @brief A need is malformed.
 */
#include <gatehouse/http.h>

static const char *const needs[] = { "thing one", NULL };

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "need_form", .version = "1", .needs = needs };
