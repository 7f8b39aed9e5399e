/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file access.h
 * @brief Lines of an access log: the Combined Log Format with more words behind it, or JSON.
 */
#ifndef LIB_ACCESS_ACCESS_H
#define LIB_ACCESS_ACCESS_H
#include "lib/line/line.h"

/** What the access log says about one call.  All BORROW. */
struct access_entry {
	struct gh_str id, listener, peer, user, method, target, api, version, application;
	unsigned minor;          /**< HTTP/1.minor. */
	unsigned status;
	int64_t error_code;      /**< 0: none. */
	uint64_t bytes;          /**< Body bytes sent. */
	uint64_t duration_us;
	int64_t upstream_us;     /**< -1: none was asked. */
	struct gh_str referer, agent;
	uint64_t time_us;        /**< When it began, since the epoch. */
};

/** @param clf_time  BORROW: "05/Jun/2024:06:11:00 +0000", which callers keep for a second. */
void access_line_common(struct line *line, const struct access_entry *entry, struct gh_str clf_time);
void access_line_json(struct line *line, const struct access_entry *entry);

#endif
