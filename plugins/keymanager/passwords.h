/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file passwords.h
 * @brief Passwords as argon2id hashes in PHC text, with a bound on how many are computed at once.
 *
 * One hash needs 19 MiB for some tens of milliseconds.  That memory is mapped for one computation
 * and returned to the system; two computations at once are the most.
 */
#ifndef KEYMANAGER_PASSWORDS_H
#define KEYMANAGER_PASSWORDS_H
#include <gatehouse/base.h>
#include <pthread.h>

#define PASSWORD_MAX 512    /**< Longest password in bytes. */
#define PASSWORD_PHC_MAX 128 /**< Longest hash text, with its NUL. */

/** The two slots.  ANY thread that may block. */
struct passwords {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	unsigned running; /**< lock: computations under way. */
	uint64_t wait_ms; /**< How long one waits for its slot. */
};

/** @return 0 or GH_ENOMEM. */
int passwords_init(struct passwords *passwords, uint64_t wait_ms);
void passwords_done(struct passwords *passwords);
/** Hash with a fresh salt.  @return 0; GH_EINVAL (empty, or longer than PASSWORD_MAX); GH_EAGAIN:
 *  no slot became free in time; GH_ENOMEM; GH_EIO. */
int passwords_hash(struct passwords *passwords, struct gh_str password,
	char ret_phc[PASSWORD_PHC_MAX]);
/** Does @p password belong to @p phc?  @param phc  n = 0: there is no such user; it takes as long.
 *  @return 0; GH_EDENIED; GH_EAGAIN; GH_EINVAL: @p phc is damaged or costs too much; GH_ENOMEM. */
int passwords_verify(struct passwords *passwords, struct gh_str password, struct gh_str phc);

#endif
