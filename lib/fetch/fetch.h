/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fetch.h
 * @brief HTTP and HTTPS calls outside the data path: blocking, bounded, and stopped at once.
 *
 * Only what the caller says counts: no proxy, no redirects, no cookies, no netrc, HTTP/1.1 alone.
 * Connections are kept and used again.  A request on a kept connection that turns out to be closed is
 * sent once more on a new one, so a request may arrive twice: what must not happen twice carries an
 * id of its own.
 *
 *   fetch_new(&tls, &f);
 *   line = fetch_line_new(f);
 *   r = fetch_call(line, &request, NULL, NULL, &reply, error, sizeof(error));
 *   fetch_reply_free(reply);
 *   fetch_line_free(line);  fetch_free(f);
 */
#ifndef LIB_FETCH_FETCH_H
#define LIB_FETCH_FETCH_H
#include <gatehouse/base.h>
#include <sys/socket.h>

#define FETCH_KEPT_MAX 16 /**< Connections that are kept, at most. */
#define FETCH_FIELDS_MAX 8

struct fetch;      /**< Connections, and the TLS side of them.  ANY. */
struct fetch_line; /**< What fetch_line_stop() ends together. */

/** Who may answer, and who we are; PEM.  All BORROW, copied. */
struct fetch_tls {
	struct gh_str authorities;      /**< n = 0: those of the system. */
	struct gh_str certificate, key; /**< Of this client; n = 0: none. */
	bool is_unverified;             /**< Whoever answers is not checked. */
};

struct fetch_field {
	struct gh_str name, value;
};

/** May this address be dialled?  Asked for what the name was resolved to, with the socket about to be
 *  connected, so that no later answer of the DNS counts.  On the thread of fetch_call().
 *  @param address  BORROW: struct sockaddr of any family.
 *  @param why      room for a sentence; at least 160 bytes.
 *  @return 0, or an error: then nothing is sent and fetch_call() returns GH_EDENIED. */
typedef int fetch_dial_fn(void *arg, const struct sockaddr *address, char *why, size_t why_size);

/** A request.  All BORROW. */
struct fetch_request {
	struct gh_str url;      /**< "https://host:port/path?query". */
	struct gh_str path;     /**< n > 0: path and query; the url has none then. */
	struct gh_str host;     /**< n > 0: name that the certificate must carry, and that is asked
	                         *   for; the url says only what is dialled. */
	struct gh_str method;   /**< n = 0: GET. */
	struct gh_str body;
	struct gh_str content_type;
	const struct fetch_field *fields; /**< Further ones; no CR, LF or NUL in them. */
	size_t field_count;     /**< At most FETCH_FIELDS_MAX. */
	uint64_t deadline_ms;   /**< For all of it; at least 1. */
	uint64_t idle_ms;       /**< Longest time without a byte of the response; 0: the deadline alone. */
	uint64_t max_bytes;     /**< Largest response body; unpacked, when takes_packed. */
	uint64_t connect_ms;    /**< Until the connection stands, with TLS; 0: the deadline alone. */
	fetch_dial_fn *may_dial; /**< Not NULL: the call has a connection of its own, not kept. */
	void *dial_arg;
	bool takes_packed;      /**< A body with a content coding is asked for, and unpacked. */
};

/** A response, in one allocation. */
struct fetch_reply {
	unsigned status;
	struct gh_str content_type;
	struct gh_str location; /**< Of a redirect, made absolute; n = 0: none.  It was not followed. */
	struct gh_str body;
};

/** A piece of the body of a 200.  BORROW.  @return 0 to go on; what else is passed through. */
typedef int fetch_data_fn(void *arg, struct gh_str piece);

/** @return 0, GH_ENOMEM, GH_EIO. */
int fetch_new(const struct fetch_tls *tls, struct fetch **ret);
/** All lines were freed.  NULL is allowed. */
void fetch_free(struct fetch *fetch);
/** From now on; connections that were opened before are not used for new calls.  ANY.
 *  @return 0, GH_ENOMEM, GH_EIO: then all stays as it was. */
int fetch_set_tls(struct fetch *fetch, const struct fetch_tls *tls);

/** @return a line, or NULL.  Several threads may call on it at the same time.  ANY. */
struct fetch_line *fetch_line_new(struct fetch *fetch);
/** Make calls under way, and later ones, return GH_EAGAIN at once (a name being looked up in the DNS
 *  is waited for).  ANY. */
void fetch_line_stop(struct fetch_line *line);
/** No call is under way.  NULL is allowed. */
void fetch_line_free(struct fetch_line *line);

/** MAIN or POOL.
 *  @param fn  takes the body of a 200 piece by piece; NULL: it is in the reply.
 *  @param[out] error  a sentence when the result is not 0; at least 256 bytes.
 *  @param[out] ret  GIVE: fetch_reply_free().
 *  @return 0: there was an answer, of whatever status; GH_EAGAIN (not reached, broken, stopped);
 *  GH_EDENIED (a certificate was not accepted, theirs or ours; or may_dial refused); GH_ETIMEDOUT; GH_ETOOBIG; GH_EINVAL
 *  (the request); GH_ENOMEM; what @p fn returned. */
int fetch_call(struct fetch_line *line, const struct fetch_request *request, fetch_data_fn *fn,
	void *arg, struct fetch_reply **ret, char *error, size_t error_size);
/** Wipes it.  NULL is allowed. */
void fetch_reply_free(struct fetch_reply *reply);

#endif
