/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/identity.h
 * @brief identity/1: who is a user, and what are their roles?  Several providers may form a chain.
 * Every function blocks (MAIN or POOL).
 */
#ifndef GATEHOUSE_SVC_IDENTITY_H
#define GATEHOUSE_SVC_IDENTITY_H
#include <gatehouse/base.h>

#define GH_SVC_IDENTITY "identity/1"

/** A user, in one allocation. */
struct gh_user {
	struct gh_str name;   /**< Without the tenant. */
	struct gh_str tenant;
	size_t role_count;
	struct gh_str *roles; /**< "admin", "Internal/publisher", ... */
};

struct gh_identity_v1 {
	uint32_t size;
	/** Check a password (argon2id; takes tens of milliseconds, also for unknown users).
	 *  @param user  "name" or "name@tenant".  @param[out] ret_user  GIVE: user_free().
	 *  @return 0, GH_EDENIED (unknown user and wrong password alike), GH_EAGAIN (too many at once),
	 *  GH_EIO. */
	int (*authenticate)(void *self, struct gh_str user, struct gh_str password,
		struct gh_user **ret_user);
	/** @return 0, GH_ENOENT, GH_EIO. */
	int (*lookup)(void *self, struct gh_str user, struct gh_user **ret_user);
	void (*user_free)(struct gh_user *user);
};
struct gh_identity { const struct gh_identity_v1 *vt; void *self; };

#endif
