/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry.h
 * @brief What every object made from a document of the feed begins with.
 */
#ifndef GATEWAY_ENTRY_H
#define GATEWAY_ENTRY_H
#include "plugins/gateway/arena.h"
#include "plugins/gateway/map.h"

struct gw_entry {
	struct gw_object object; /**< First, so that a map can hold it. */
	struct gw_key key;       /**< In the map of its kind. */
	struct gh_str tenant;
	uint64_t rev;            /**< Of the document; the same one means the same content. */
	struct gw_arena arena;   /**< Holds all strings of the object. */
};

#endif
