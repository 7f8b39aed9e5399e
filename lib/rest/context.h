/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file context.h
 * @brief What the files of lib/rest tell each other; not for others.
 */
#ifndef LIB_REST_CONTEXT_H
#define LIB_REST_CONTEXT_H
#include "lib/rest/rest.h"

/** Something to be called when the operation ends; newest first. */
struct rest_owned {
	struct rest_owned *next;
	void (*fn)(void *arg);
	void *arg;
};

/** Find the route of a path behind the mount, and its path parameters.
 *  @param method   "GET"; HEAD looks for GET.
 *  @param subpath  with or without version segment.
 *  @param[out] ret_route    set when 0 is returned.
 *  @param[out] ret_allowed  set when GH_EDENIED is returned: "GET, HEAD, OPTIONS, PUT"; room
 * for 80.
 *  @return 0; GH_ENOENT: no such path; GH_EDENIED: not with this method; GH_ENOMEM. */
int rest_route_find(struct rest_context *ctx, struct gh_str method, struct gh_str subpath,
	const struct rest_route **ret_route, char *ret_allowed, size_t allowed_size);

/** Path of the request behind the API's base. */
struct gh_str rest_subpath(const struct rest_context *ctx);

/** Drop the batch of an attempt. */
void rest_batch_free(struct rest_batch *batch);

#endif
