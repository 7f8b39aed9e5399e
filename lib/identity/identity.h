/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity.h
 * @brief Users for management operations: ask every provider of identity/1 until one knows the name.
 * All POOL, unless something else is said.
 */
#ifndef LIB_IDENTITY_IDENTITY_H
#define LIB_IDENTITY_IDENTITY_H
#include <gatehouse/svc/identity.h>

#include "lib/rest/rest.h"

#define IDENTITY_NEEDS GH_SVC_IDENTITY "*" /**< Row of the plugin's table of needs. */
#define IDENTITY_PROVIDERS_MAX 8

/** Bound once, in open(). */
struct identity_chain {
	struct gh_identity v[IDENTITY_PROVIDERS_MAX];
	size_t n;
};

/** MAIN. */
void identity_bind(struct gh_inst *inst, struct identity_chain *chain);
/** A user of the caller's tenant.
 *  @param[out] ret_user  the context's.
 *  @return 0; GH_ENOENT without a reply: nobody knows the name; or as identity/1. */
int identity_find(struct rest_context *ctx, const struct identity_chain *chain, struct gh_str name,
	const struct gh_user **ret_user);

#endif
