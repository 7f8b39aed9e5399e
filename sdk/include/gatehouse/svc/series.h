/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/series.h
 * @brief series/1: roll-ups by time.  Unsynced: a power cut may lose the last seconds, a crash of the
 * process does not.  Every function blocks (MAIN or POOL).
 */
#ifndef GATEHOUSE_SVC_SERIES_H
#define GATEHOUSE_SVC_SERIES_H
#include <gatehouse/base.h>

#define GH_SVC_SERIES "series/1"

/** One row; the triple (series, bucket_s, key) is its identity. */
struct gh_series_row {
	struct gh_str series;  /**< "usage_minute"; letters, digits, '_', at most 32 bytes. */
	uint64_t bucket_s;     /**< Start of the bucket, Unix seconds. */
	struct gh_str key;     /**< Any bytes, at most 1 KiB. */
	struct gh_str value;   /**< Any bytes, at most 1 MiB. */
};

/** BORROW.  @return 0 to go on, anything else stops and is passed through. */
typedef int gh_series_fn(void *arg, const struct gh_series_row *row);

struct gh_series_v1 {
	uint32_t size;
	/** Insert or replace, all in one batch.  @return 0, GH_EINVAL, GH_ETOOBIG, GH_EIO, GH_ENOMEM. */
	int (*write)(void *self, const struct gh_series_row *rows, size_t n);
	/** Rows with from_s <= bucket_s < to_s, in order of bucket and key. */
	int (*scan)(void *self, struct gh_str series, uint64_t from_s, uint64_t to_s, gh_series_fn *fn,
		void *arg);
	/** Delete rows with bucket_s < before_s. */
	int (*trim)(void *self, struct gh_str series, uint64_t before_s);
};
struct gh_series { const struct gh_series_v1 *vt; void *self; };

#endif
