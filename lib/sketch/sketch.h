/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sketch.h
 * @brief Latency sketches: how long calls took, in little memory, so that sketches can be added up.
 *
 * Buckets are log-linear: 16 of equal width for each power of two, from 1 us to 1 h.  A value that
 * is read back is the middle of its bucket, so a quantile lies within 1/32 (3.2 %) of the exact
 * one.  Memory is taken only for the span of buckets in use.
 */
#ifndef LIB_SKETCH_SKETCH_H
#define LIB_SKETCH_SKETCH_H
#include <gatehouse/base.h>

#define SKETCH_MAX_US UINT64_C(3600000000) /**< One hour; longer counts as this. */
#define SKETCH_BUCKETS 464u
/** Longest serialised form: version, number of buckets, and per bucket a gap and a count. */
#define SKETCH_BYTES_MAX (1 + 2 + SKETCH_BUCKETS * (2 + 10))

/** Zeroed memory is an empty sketch.  One thread at a time. */
struct sketch {
	uint64_t total;   /**< Values in it. */
	uint64_t *counts; /**< Of buckets first to first + n - 1. */
	uint16_t first, n;
};

/** Free its memory; it is empty afterwards. */
void sketch_done(struct sketch *s);
/** Add @p times values of @p us microseconds.  @return 0, GH_ENOMEM (nothing was added). */
int sketch_add(struct sketch *s, uint64_t us, uint64_t times);
/** Add all values of @p from.  @return 0, GH_ENOMEM (nothing was added). */
int sketch_merge(struct sketch *s, const struct sketch *from);
/** The value that a share @p q, 0 to 1, of all values does not exceed; 0 when there are none. */
uint64_t sketch_quantile(const struct sketch *s, double q);

/** Serialise.  @param ret  room for SKETCH_BYTES_MAX.  @return bytes written. */
size_t sketch_write(const struct sketch *s, char *ret);
/** Add all values of a serialised sketch.  The bytes may come from anywhere.
 *  @return 0; GH_EINVAL: not what sketch_write() makes; GH_ENOMEM.  On errors nothing was added. */
int sketch_merge_bytes(struct sketch *s, struct gh_str bytes);

#endif
