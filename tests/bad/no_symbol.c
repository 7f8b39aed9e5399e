/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file no_symbol.c
 * @brief Exports something, but not gh_plugin.
 */
#include <gatehouse/base.h>

GH_API const int something_else = 1;
