/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/call.h
 * @brief A management request as a blocking handler sees it: plain, sequential, on the pool.
 *
 * The request is complete (its whole body has been read, within the mount's maximum) and owned by the
 * call; nothing here touches a transaction.  All POOL, by the one thread that runs the handler.
 */
#ifndef GATEHOUSE_CALL_H
#define GATEHOUSE_CALL_H
#include <gatehouse/http.h>

GH_API struct gh_str gh_call_method(const struct gh_call *call);
/** Canonical path, starts with '/', percent-decoded where that is safe. */
GH_API struct gh_str gh_call_path(const struct gh_call *call);
/** Path behind the mount's prefix, starts with '/' or is empty. */
GH_API struct gh_str gh_call_subpath(const struct gh_call *call);
/** Raw query without '?'; n = 0 when there is none. */
GH_API struct gh_str gh_call_query(const struct gh_call *call);
/** First request field of that name; p = NULL when there is none. */
GH_API struct gh_str gh_call_field(const struct gh_call *call, struct gh_str name);
/** All request fields. */
GH_API const struct gh_field *gh_call_fields(const struct gh_call *call, size_t *ret_n);
GH_API struct gh_str gh_call_body(const struct gh_call *call);
/** Numeric address of the client. */
GH_API struct gh_str gh_call_peer(const struct gh_call *call);
/** Id of the node that calls, on the cluster chain; n = 0: it showed no valid certificate. */
GH_API struct gh_str gh_call_peer_node(const struct gh_call *call);
/** Does the calling node's certificate carry @p role (gatehouse/svc/trust.h)? */
GH_API bool gh_call_peer_has_role(const struct gh_call *call, struct gh_str role);
/** "https://host:port" of this request as the client wrote it (scheme and Host). */
GH_API struct gh_str gh_call_origin(const struct gh_call *call);
/** Id of the transaction, for error bodies and logs. */
GH_API struct gh_str gh_call_id(const struct gh_call *call);
/** Has the deadline passed?  Long handlers look now and then. */
GH_API bool gh_call_is_over(const struct gh_call *call);

/** Zeroed memory.  @return ARENA(call), or NULL. */
GH_API void *gh_call_alloc(struct gh_call *call, size_t bytes);
GH_API struct gh_str gh_call_strdup(struct gh_call *call, struct gh_str s);
GH_API struct gh_str gh_call_printf(struct gh_call *call, const char *fmt, ...) GH_PRINTF(2, 3);

/** Set the reply; a later call replaces status, type and body and keeps the fields.
 *  @param content_type  n = 0: none.  All BORROW, copied.  @return 0 or GH_ENOMEM. */
GH_API int gh_call_reply(struct gh_call *call, unsigned status, struct gh_str content_type,
	struct gh_str body);
/** Add a field to the reply.  BORROW, copied.  @return 0, GH_EINVAL (not a field), GH_ENOMEM. */
GH_API int gh_call_reply_field(struct gh_call *call, struct gh_str name, struct gh_str value);
/** Status set so far, 0: none. */
GH_API unsigned gh_call_status(const struct gh_call *call);

/** Log one line with this call's id.  No secrets. */
GH_API void gh_call_log(struct gh_call *call, int level, const char *fmt, ...) GH_PRINTF(3, 4);

#endif
