/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file guard.h
 * @brief Which requests may become transactions: what libmicrohttpd lets through, judged again.
 *
 * Pure functions over what the library hands out; no socket, no library.  The rules are those of
 * RFC 9110 and 9112 for a server that forwards: what two readers could understand differently is
 * refused, and the connection is closed because nobody knows where the next request begins.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H
#include <gatehouse/http.h>

#define GUARD_MAX_FIELDS 200u

/** Rows of the table of refusals; also labels of a metric. */
enum guard_rule {
	GUARD_METHOD_SYNTAX, GUARD_METHOD_UNKNOWN, GUARD_VERSION, GUARD_TARGET_SYNTAX,
	GUARD_TARGET_FORM, GUARD_TARGET_LONG, GUARD_FIELD_COUNT, GUARD_HEAD_LONG, GUARD_FIELD_NAME,
	GUARD_FIELD_VALUE, GUARD_FIELD_TWICE, GUARD_HOST_MISSING, GUARD_HOST_TWICE,
	GUARD_HOST_SYNTAX, GUARD_HOST_OTHER, GUARD_LENGTH_TWICE, GUARD_LENGTH_SYNTAX,
	GUARD_LENGTH_LONG, GUARD_FRAMING_TWICE, GUARD_CODING_TWICE, GUARD_CODING_OLD,
	GUARD_CODING_UNKNOWN, GUARD_EXPECTATION,
	/* Found by others, reported the same way. */
	GUARD_SLOW_HEAD, GUARD_MALFORMED, GUARD_NO_MEMORY,
	GUARD_RULE_COUNT
};

struct guard_refusal {
	unsigned status;
	const char *reason; /**< STATIC: label of the metric. */
	const char *why;    /**< STATIC: one sentence, for the log and the reply. */
};
extern const struct guard_refusal http_guard_refusals[GUARD_RULE_COUNT];

/** A request as the library shows it.  All BORROW. */
struct guard_request {
	struct gh_str method, target, version; /**< Target raw; version as in "HTTP/1.1". */
	const struct gh_field *fields; /**< Values with trailing blanks, if they came so. */
	size_t field_count;
	size_t head_bytes;             /**< From the method to the empty line. */
};

struct guard_limits {
	size_t target_bytes, head_bytes, fields;
};

/** What a request that may pass says about itself. */
struct guard_facts {
	unsigned minor;       /**< HTTP/1.minor. */
	int64_t body_length;  /**< -1: chunked. */
	bool expects_100;
};

/** Judge a request.  @return NULL: it may pass; otherwise the row that it breaks, STATIC. */
const struct guard_refusal *http_guard_check(const struct guard_request *request,
	const struct guard_limits *limits, struct guard_facts *ret_facts);

/** Remove, in place, what concerns this connection only: framing, Expect, the hop-by-hop fields and
 *  those that Connection names (RFC 9110, 7.6.1).  Blanks around values go too.
 *  @return how many fields are left. */
size_t http_guard_strip(struct gh_field *fields, size_t n);

#endif
