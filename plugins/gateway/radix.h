/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file radix.h
 * @brief A radix tree over paths, of which a changed copy costs the nodes on one path.
 *
 * Threads and reference counts: as in map.h.  Looking up allocates nothing and takes time in the
 * length of the path, however many keys there are.
 */
#ifndef GATEWAY_RADIX_H
#define GATEWAY_RADIX_H
#include "plugins/gateway/map.h"

struct gw_radix; /* one node; a tree is its root, NULL is the empty tree */

struct gw_radix *gw_radix_ref(struct gw_radix *tree);
/** NULL is allowed. */
void gw_radix_unref(struct gw_radix *tree);
/** Set the value of @p key; nodes that are shared are copied.
 *  @param value  one reference is added.
 *  @return 0 or GH_ENOMEM: the tree holds what it held before. */
int gw_radix_put(struct gw_radix **tree, struct gh_str key, struct gw_object *value);
/** Remove @p key; one that is not there is no error.  @return as gw_radix_put(). */
int gw_radix_remove(struct gw_radix **tree, struct gh_str key);
/** Does it hold no key at all? */
bool gw_radix_is_empty(const struct gw_radix *tree);
/** Value of exactly @p key, or NULL. */
struct gw_object *gw_radix_get(const struct gw_radix *tree, struct gh_str key);
/** Value of the longest key that @p path begins with, up to a '/' or its end.
 *  @param[out] ret_n  length of that key.  @return NULL: there is none. */
struct gw_object *gw_radix_longest(const struct gw_radix *tree, struct gh_str path, size_t *ret_n);

#endif
