/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.h
 * @brief The offload pool: lanes with threads of their own and bounded queues.
 */
#ifndef KERNEL_POOL_H
#define KERNEL_POOL_H
#include "lib/manifest/manifest.h"

struct krn_pool;

/** Start the threads.  MAIN.  @return 0, GH_ENOMEM, GH_EAGAIN (no threads to be had). */
int krn_pool_new(const struct manifest_node *options, struct krn_pool **ret_pool);
/** Free the jobs that wait, let those that run finish, end the threads; jobs are refused from now on.
 *  MAIN.  NULL is allowed. */
void krn_pool_stop(struct krn_pool *pool);
/** Stop and free, when nobody can offer jobs any more.  MAIN.  NULL is allowed. */
void krn_pool_free(struct krn_pool *pool);

#endif
