/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring.h
 * @brief A bounded ring of records: many threads put, one takes, nobody waits.
 *
 * Records keep the order in which they got their place.  A closed ring takes no more records, but
 * those that have a place are still written and can be taken: that is how nothing gets lost when
 * the reader stops.
 */
#ifndef LIB_RING_RING_H
#define LIB_RING_RING_H
#include <gatehouse/base.h>
#include <stdalign.h>
#include <stdatomic.h>

#define RING_BYTES (2u << 20) /**< A power of two. */

/** Zeroed memory is a ring that is open and empty. */
struct ring {
	alignas(64) _Atomic uint64_t head; /**< Bytes given out so far; the top bit says closed. */
	alignas(64) _Atomic uint64_t tail; /**< Bytes free again; written by the reader. */
	alignas(64) char bytes[RING_BYTES];
};

/** Copy a record in.  ANY.  @param tag  1 to 255, comes back with the record.
 *  @return 0; GH_EAGAIN: the ring is full; GH_EEXPIRED: it is closed; GH_ETOOBIG: over a quarter
 *  of it; GH_EINVAL: no such tag. */
int ring_put(struct ring *ring, unsigned tag, struct gh_str record);
/** The oldest record, if it is written completely.  The reader's thread only.
 *  @param[out] ret_record  valid until ring_release(). */
bool ring_take(struct ring *ring, unsigned *ret_tag, struct gh_str *ret_record);
/** Give the space of the record taken last back. */
void ring_release(struct ring *ring);
/** Nothing left, and nobody is writing a record. */
bool ring_is_empty(struct ring *ring);
void ring_close(struct ring *ring);
void ring_open(struct ring *ring);

#endif
