/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/users.h
 * @brief users/1: passwords of stored users, and the end of what they gave.
 *
 * The key manager provides it, because it owns the bound on how many passwords are computed at once
 * in a process.  Who writes `user` documents (lib/model) asks it for the fields that belong to a
 * password.  Every function blocks (MAIN or POOL).
 */
#ifndef GATEHOUSE_SVC_USERS_H
#define GATEHOUSE_SVC_USERS_H
#include <gatehouse/base.h>

#define GH_SVC_USERS "users/1"
#define GH_PASSWORD_MAX 512 /**< Longest password in bytes. */

struct gh_users_v1 {
	uint32_t size;
	/** Fewest bytes of a password.  ANY, does not block. */
	size_t (*password_min)(void *self);
	/** The body of a user's document with this password and another session: commit it, then call
	 *  end_sessions().  @param body  the document's so far; n = 0: a new user's.
	 *  @param[out] ret_body  malloc()ed: free((void *)ret_body->p).
	 *  @return 0; GH_EINVAL: shorter than password_min() or longer than GH_PASSWORD_MAX; GH_EAGAIN (too
	 *  many at once); GH_EIO; GH_ENOMEM. */
	int (*set_password)(void *self, struct gh_str body, struct gh_str password,
		struct gh_str *ret_body);
	/** Change the password of a user who knows the current one, and end the sessions.
	 *  @param peer  address of the client, who has to wait after wrong passwords.
	 *  @param[out] ret_seq  for rollout/1; may be NULL.
	 *  @return 0; GH_EDENIED: the current one is wrong; GH_EINVAL: as above, or both are the same;
	 *  GH_EAGAIN (too many at once, or too many wrong ones); GH_ECONFLICT; GH_EIO; GH_ENOMEM. */
	int (*change_password)(void *self, struct gh_str tenant, struct gh_str name,
		struct gh_str current, struct gh_str password, struct gh_str peer, uint64_t *ret_seq);
	/** End a user's refresh tokens, and revoke the access tokens that came with them.  To be called
	 *  after the user was deleted or disabled or has got another password; from that commit on the
	 *  management plane refuses the tokens anyway.
	 *  @param[out] ret_seq  for rollout/1; 0: there were none.  @return 0, GH_EIO, GH_ENOMEM. */
	int (*end_sessions)(void *self, struct gh_str tenant, struct gh_str name, uint64_t *ret_seq);
};
struct gh_users { const struct gh_users_v1 *vt; void *self; };

#endif
