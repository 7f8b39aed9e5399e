/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tenant.h
 * @brief Tenants: their domains, "name@domain", "/t/<domain>/context", and whether one is served.
 *
 * The default tenant is always there and has neither a document nor a prefix.  Every other one is a
 * document `tenant` of the default tenant, with its domain as id.
 */
#ifndef LIB_TENANT_TENANT_H
#define LIB_TENANT_TENANT_H
#include <gatehouse/svc/docs.h>

#include "lib/model/model.h"

#define TENANT_DEFAULT GH_STR(MODEL_TENANT_DEFAULT)
#define TENANT_DOMAIN_MAX 100
#define TENANT_CONTEXT_MAX 512 /**< Longest context of an API with the prefix of its tenant. */

static inline bool
tenant_is_default(struct gh_str tenant)
{
	return gh_str_eq(tenant, TENANT_DEFAULT);
}

/** May a tenant be called that?  Labels of lower-case letters, digits and inner '-', at least two of
 *  them, joined by dots; at most TENANT_DOMAIN_MAX bytes; not the default one.  ANY. */
bool tenant_is_domain(struct gh_str s);

/** Is the tenant served?  Blocks unless it is the default one.
 *  @return 0; GH_ENOENT: there is none, or it is disabled; GH_EIO; GH_ENOMEM. */
int tenant_check(const struct gh_docs *docs, struct gh_str tenant);

/** "name@tenant" in its parts; without '@' the tenant is @p home.  A name that holds another '@'
 *  is nobody's.  ANY. */
void tenant_split_user(struct gh_str user, struct gh_str home, struct gh_str *ret_name,
	struct gh_str *ret_tenant);

/** A context as clients see it: "/t/<domain>/context", or as it is in the default tenant.  ANY.
 *  @return points into @p buf or is @p context; n = 0: it does not fit. */
struct gh_str tenant_context(struct gh_str tenant, struct gh_str context,
	char buf[TENANT_CONTEXT_MAX]);
/** Take the tenant's own prefix from a context, if it is there; a slash stays in front.  ANY. */
struct gh_str tenant_context_inner(struct gh_str tenant, struct gh_str context);
/** Does a path lie where contexts of tenants are: "/t", "/t/..."?  ANY. */
bool tenant_has_prefix(struct gh_str path);

#endif
