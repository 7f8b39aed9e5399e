/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/http.h
 * @brief Fields, replies and bodies of a transaction.  All WORKER.
 *
 * Fields are kept in order, names as received; look-up ignores case (RFC 9110, 5.1).  Framing fields
 * (Content-Length, Transfer-Encoding, Connection and the other hop-by-hop ones) are not among them:
 * the engine and the upstream client write framing anew.
 */
#ifndef GATEHOUSE_HTTP_H
#define GATEHOUSE_HTTP_H
#include <gatehouse/txn.h>

struct gh_field {
	struct gh_str name, value;
};

/** Which message. */
enum gh_side { GH_SIDE_REQUEST, GH_SIDE_RESPONSE };

/** First field of that name.  @return its value, ARENA(txn); p = NULL when there is none. */
GH_API struct gh_str gh_txn_field(const struct gh_txn *txn, enum gh_side side, struct gh_str name);
/** All fields.  @return valid until a field is added or removed. */
GH_API const struct gh_field *gh_txn_fields(const struct gh_txn *txn, enum gh_side side, size_t *ret_n);
/** Add one.  @param name  a token (RFC 9110, 5.6.2).  @param value  no control bytes but HTAB.
 *  Both BORROW, copied.  @return 0, GH_EINVAL, GH_ENOMEM, GH_ETOOBIG (over 256 fields). */
GH_API int gh_txn_field_add(struct gh_txn *txn, enum gh_side side, struct gh_str name, struct gh_str value);
/** Replace all fields of that name by one.  As gh_txn_field_add. */
GH_API int gh_txn_field_set(struct gh_txn *txn, enum gh_side side, struct gh_str name, struct gh_str value);
/** Remove all fields of that name.  @return how many there were. */
GH_API unsigned gh_txn_field_remove(struct gh_txn *txn, enum gh_side side, struct gh_str name);

/** Status of the response; 0 before there is one. */
GH_API unsigned gh_txn_status(const struct gh_txn *txn);
GH_API void gh_txn_set_status(struct gh_txn *txn, unsigned status);

/** Set the reply that GH_STOP sends; a later call replaces status and body, and drops the response
 *  fields set before.  @param content_type  n = 0: none.  All BORROW, copied.
 *  @return 0, GH_EINVAL (a head was sent already), GH_ENOMEM: then nothing was changed. */
GH_API int gh_txn_reply(struct gh_txn *txn, unsigned status, struct gh_str content_type, struct gh_str body);

/** Ask for the whole body of that side before the next phase (request: call before UPSTREAM;
 *  response: before RESPONSE), at most @p cap bytes: a longer request is answered 413, a longer
 *  response 502.  A dry run does not get it, as nothing may end because of one.
 *  @return 0, GH_EINVAL (too late). */
GH_API int gh_txn_body_want(struct gh_txn *txn, enum gh_side side, uint64_t cap);
/** The whole body, when it was wanted and is complete (RESPONSE phase, or REQUEST phase for the
 *  request).  @return ARENA(txn); p = NULL when it is not there. */
GH_API struct gh_str gh_txn_body(const struct gh_txn *txn, enum gh_side side);
/** Replace a whole body.  @param body  BORROW, copied.  @return 0, GH_EINVAL (not whole), GH_ENOMEM. */
GH_API int gh_txn_body_set(struct gh_txn *txn, enum gh_side side, struct gh_str body);

/* ---- Streaming: for the one hook in UPSTREAM that produces the response -------------------------
 *
 * A producer offers a borrowed slice; the consumer returns how many bytes it took.  Fewer means: stop
 * until the consumer says it is ready again.  The head comes first; exactly one end or abort follows.
 */

/** Consumer of the request body.  Calls stop after end or abort. */
struct gh_sink {
	size_t (*data)(void *ctx, const char *p, size_t n); /**< @return bytes taken. */
	void (*end)(void *ctx);
	void (*abort)(void *ctx); /**< The client left or broke the framing. */
};

/** Length of the request body in bytes; -1: chunked, not known; 0: there is none. */
GH_API int64_t gh_txn_request_length(const struct gh_txn *txn);
/** Take the request body.  What is there already is offered before this returns.  In a dry run the sink
 *  is aborted at once.
 *  @param sink  STATIC.  @param ctx  BORROW until end or abort was called, or gh_txn_request_drop(). */
GH_API void gh_txn_request_sink(struct gh_txn *txn, const struct gh_sink *sink, void *ctx);
/** The sink can take more: it is offered what waits, perhaps before this returns. */
GH_API void gh_txn_request_ready(struct gh_txn *txn);
/** The sink is no longer interested: the rest of the body is read and dropped. */
GH_API void gh_txn_request_drop(struct gh_txn *txn);

/** Producer of the response body, as the consumer calls it. */
struct gh_source {
	void (*ready)(void *ctx);  /**< The consumer can take more. */
	void (*cancel)(void *ctx); /**< No more is wanted: the client left.  No call may follow. */
};

/** Declare a streamed response: status and fields are set, the body follows through
 *  gh_txn_response_data().  Call before the suspended UPSTREAM hook is resumed.  A stream that was
 *  declared before is cancelled; in a dry run this one is, at once.
 *  @param length  bytes, or -1 when not known.  @param source  STATIC.  @param ctx  BORROW until end,
 *  abort or cancel. */
GH_API void gh_txn_response_stream(struct gh_txn *txn, int64_t length, const struct gh_source *source,
	void *ctx);
/** Offer bytes.  @return bytes taken; 0 while the RESPONSE phase has not finished. */
GH_API size_t gh_txn_response_data(struct gh_txn *txn, const char *p, size_t n);
GH_API void gh_txn_response_end(struct gh_txn *txn);
/** The body cannot be completed: the connection is closed so that the client sees it. */
GH_API void gh_txn_response_abort(struct gh_txn *txn);

#endif
