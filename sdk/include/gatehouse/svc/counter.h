/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/counter.h
 * @brief counter/1: shared counters per key and window, exact on a node.
 */
#ifndef GATEHOUSE_SVC_COUNTER_H
#define GATEHOUSE_SVC_COUNTER_H
#include <gatehouse/base.h>

#define GH_SVC_COUNTER "counter/1"

/** What a hit found. */
struct gh_counted {
	bool is_admitted;   /**< The amount fitted below the limit and was counted. */
	uint64_t used;      /**< In this window, after this hit. */
	uint64_t reset_ms;  /**< Until the window ends, from now. */
};

struct gh_counter_v1 {
	uint32_t size;
	/** Count @p amount against @p limit; what does not fit is not counted.  A window starts at the
	 *  key's first hit.  ANY, never blocks.
	 *  @param key  BORROW, 1 to 512 bytes; tenant and level are part of it.
	 *  @return 0; GH_EINVAL; GH_ENOMEM (the table is full): the caller's on_error decides. */
	int (*hit)(void *self, struct gh_str key, uint64_t amount, uint64_t limit, uint64_t window_ms,
		struct gh_counted *ret_counted);
};
struct gh_counter { const struct gh_counter_v1 *vt; void *self; };

#endif
