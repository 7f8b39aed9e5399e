/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_private.h
 * @brief What the files of the upstream client share.  All WORKER, one pool, no locks.
 *
 *   upstream.c       an exchange: one request and its response, between transaction and connection
 *   upstream_body.c  the bodies of an exchange, both ways
 *   upstream_head.c  the request head that is sent, the response head that is passed on
 *   upstream_conn.c  a connection: addresses, socket, deadline, bytes
 *   upstream_pool.c  peers, kept connections, recycled memory
 *   upstream_tls.c   the same bytes through GnuTLS
 *
 * An exchange lives in its transaction's arena, a connection in the pool; they point at each other
 * while they belong together, and either side may cut the tie (upstream_detach()).  A call into the
 * transaction may end it, and the exchange with it; connections live as long as the pool.  So after
 * such a call look first whether the connection's serial is still the same: if not, the tie was cut
 * and the exchange must not be touched.
 */
#ifndef PLUGINS_GATEWAY_UPSTREAM_PRIVATE_H
#define PLUGINS_GATEWAY_UPSTREAM_PRIVATE_H
#include <sys/uio.h>
#include <uv.h>

#include "lib/h1/h1.h"
#include "plugins/gateway/resolve.h"
#include "plugins/gateway/upstream.h"

#define UPSTREAM_READ_SIZE 65536u     /* shared read buffer of a pool */
#define UPSTREAM_SCRATCH_SIZE 131072u /* longest request head */
#define UPSTREAM_CHUNK_MAX 16384u     /* request body bytes framed or sealed at once */
#define UPSTREAM_NO_DEADLINE UINT64_MAX

struct upstream_conn;
struct upstream_exchange;
struct upstream_tls;

/** An endpoint that was used lately. */
struct upstream_peer {
	struct upstream_peer *next;   /**< In its bucket. */
	struct upstream_pool *pool;
	struct upstream_conn *idle;   /**< The last one used first. */
	unsigned idle_count, open_count;
	uint64_t used_ms;             /**< uv_now() of the last request. */
	void *session;                /**< Of TLS, to be resumed, or NULL. */
	size_t session_n;
	uint32_t hash;
	bool is_tls;
	uint16_t port;
	size_t host_n, name_n;
	char name[];                  /**< "host:port"; the host is canonical. */
};

static inline struct gh_str
upstream_peer_host(const struct upstream_peer *peer)
{
	return (struct gh_str){ peer->name, peer->host_n };
}

/** A response head that did not come at once. */
struct upstream_spill {
	struct h1_response parser;
	size_t n;
	char bytes[H1_HEAD_MAX];
};

enum upstream_conn_state {
	UPSTREAM_CLOSED,              /**< On the free list, or until its handle is closed. */
	UPSTREAM_RESOLVING,
	UPSTREAM_CONNECTING,
	UPSTREAM_NEXT_ADDRESS,        /**< Waits for the old socket's handle to be closed. */
	UPSTREAM_HANDSHAKE,
	UPSTREAM_BUSY,
	UPSTREAM_IDLE,
};

struct upstream_conn {
	uv_poll_t poll;
	uv_timer_t timer;             /**< Initialised once; see upstream_conn_deadline(). */
	struct upstream_conn *all;    /**< Every one that the pool ever made. */
	struct upstream_conn *next, *prev; /**< Idle list of the peer, or free list (next only). */
	struct upstream_pool *pool;
	struct upstream_peer *peer;
	struct upstream_exchange *x;  /**< NULL: idle or closed. */
	enum upstream_conn_state state;
	int fd;                       /**< -1: none. */
	bool is_polled;               /**< poll is initialised, or not closed yet. */
	int events;                   /**< What poll watches. */
	uint64_t deadline_ms, timer_ms; /**< When it is due; when the timer fires. */
	uint64_t serial;              /**< Counts ties that were cut; never the same again. */
	unsigned carried;             /**< Requests begun on it. */
	bool is_broken;               /**< Writing failed; reading will say what comes of it. */
	struct upstream_tls *tls;     /**< NULL: plain. */
	bool read_soon;               /**< TLS holds bytes that the socket will not announce. */
	bool is_paused;               /**< The reader cannot take more. */

	char *out;                    /**< Not written yet: out_at to out_n. */
	size_t out_at, out_n, out_size;
	char *held;                   /**< Read, but not taken: held_at to held_n. */
	size_t held_at, held_n;
	struct upstream_spill *spill;

	struct resolve_query query;
	struct resolve_answer addresses;
	unsigned address_at;          /**< The next one to try. */
	uint64_t connect_until_ms;
	const char *why;              /**< Why the last address failed. */
};

#define UPSTREAM_BUCKETS 256u
struct upstream_pool {
	uv_loop_t *loop;
	struct upstream_options options;
	struct upstream_trust *trust;
	struct resolver *resolver;
	uv_timer_t sweep;             /**< Forgets peers that nobody uses any more. */
	struct upstream_peer *peers[UPSTREAM_BUCKETS];
	struct upstream_conn *conns, *free_conns;
	struct upstream_counts counts;
	struct upstream_exchange *deferred; /**< Its head waits in scratch for body bytes. */
	uv_idle_t idle;               /**< Runs while there is one: the head goes alone. */
	unsigned handles;             /**< Not closed yet; the last one frees the pool. */
	bool is_closing;
	struct h1_response head;      /**< For heads that come at once. */
	char *scratch;                /**< UPSTREAM_SCRATCH_SIZE: the head that is being sent. */
	char *input;                  /**< UPSTREAM_READ_SIZE: what was just read. */
};

enum upstream_state {
	UPSTREAM_OVER,                /**< Nothing is expected from a connection; zero. */
	UPSTREAM_WAITING,             /**< For a connection. */
	UPSTREAM_SENDING,             /**< No response yet; the body may still be sent. */
	UPSTREAM_STREAMING,           /**< The response head was passed on. */
	UPSTREAM_FAILED_STATE,        /**< The resume function will call fail. */
};

/** One request and its response.  In the slot of the hook. */
struct upstream_exchange {
	struct gh_txn *txn;
	struct upstream_pool *pool;
	struct upstream_peer *peer;   /**< Valid while conn is set. */
	struct upstream_conn *conn;   /**< NULL: none, or no longer. */
	struct upstream_endpoint endpoint;
	struct gh_str target;
	upstream_fail_fn *fail;
	struct gh_token token;
	uint64_t start_ns;
	enum upstream_state state;
	bool is_suspended;
	bool is_head, is_idempotent;  /**< Of the method. */
	bool is_retried;

	/* Request */
	struct gh_str head;           /**< Not written yet: in the pool's scratch. */
	int64_t body_length;          /**< -1: chunked. */
	uint64_t body_left;           /**< Of a known length. */
	bool has_sink, sink_ended;    /**< The kernel offers the body; it has offered all of it. */
	bool is_body_touched;         /**< A part of it was taken: it cannot be sent again. */
	bool sink_waits;              /**< It was refused bytes and wants gh_txn_request_ready(). */
	bool is_sent;                 /**< The whole request was handed to the connection. */
	bool is_send_stopped;         /**< The rest of the body is not wanted. */
	bool was_written;             /**< A byte of it went out on this connection. */

	/* Response */
	enum h1_framing framing;
	bool is_persistent;
	uint64_t left;                /**< H1_LENGTH */
	struct h1_chunked chunked;
	bool is_pushing, is_ready_again; /**< ready() came while bytes were being offered. */

	int error_code;
	unsigned error_status;
	struct gh_str why;
};

/* upstream.c: what a connection tells its exchange. */
void upstream_begin(struct upstream_exchange *x);
void upstream_on_bytes(struct upstream_exchange *x, const char *p, size_t n);
void upstream_on_writable(struct upstream_exchange *x);
/** @param is_clean  the peer ended the stream properly; else it broke. */
void upstream_on_closed(struct upstream_exchange *x, bool is_clean, const char *why);
void upstream_on_deadline(struct upstream_exchange *x);
/** Give up.  @param why  STATIC or ARENA(txn). */
void upstream_failed(struct upstream_exchange *x, int error_code, unsigned status,
	struct gh_str why);
/** Cut the tie.  @return the connection, which the caller keeps or closes; NULL: there was none. */
struct upstream_conn *upstream_detach(struct upstream_exchange *x);
/** The response is complete.  @param has_rest  bytes follow it that nobody asked for. */
void upstream_finish(struct upstream_exchange *x, bool has_rest);
/** How long the connection may stay silent in this state. */
void upstream_set_deadline(struct upstream_exchange *x);

/** Writing failed.  An answer may have come before that, so reading decides. */
void upstream_write_failed(struct upstream_exchange *x);
/** @return the head, if it was not written yet; it counts as written then. */
struct gh_str upstream_take_head(struct upstream_exchange *x);
/** The head that waits for a body, if there is one, goes without. */
void upstream_send_deferred(struct upstream_pool *pool);
/** The rest of the request body is not wanted.  May end the transaction. */
void upstream_stop_sending(struct upstream_exchange *x);

/* upstream_body.c */
extern const struct gh_sink upstream_sink;
extern const struct gh_source upstream_source;
/** Send the head alone, or the end of a body, when no data carried it.  @return 0 or GH_EIO. */
int upstream_send_rest(struct upstream_exchange *x);
/** Take response body bytes.  @return how many; the exchange may be over afterwards. */
size_t upstream_consume(struct upstream_exchange *x, const char *p, size_t n);

/* upstream_head.c */
/** Write the request head into the pool's scratch.  @return 0 or GH_ETOOBIG. */
int upstream_write_head(struct upstream_exchange *x);
/** Pass status and fields on.  @return 0, GH_ENOMEM, GH_ETOOBIG. */
int upstream_pass_head(struct upstream_exchange *x, const struct h1_response *r, const char *bytes);

/* upstream_conn.c */
/** Begin a connection for @p x; upstream_begin() or upstream_failed() follows, perhaps at once. */
void upstream_conn_open(struct upstream_exchange *x);
/** Write what can be written now.  @return bytes, perhaps 0; GH_EIO.  Must not be called while
 *  upstream_conn_is_full(). */
int64_t upstream_conn_writev(struct upstream_conn *c, struct iovec *iov, int count);
/** Write all: what cannot be written now waits.  @return 0, GH_ENOMEM, GH_EIO. */
int upstream_conn_write_all(struct upstream_conn *c, struct iovec *iov, int count);
/** Does something wait to be written? */
bool upstream_conn_is_full(const struct upstream_conn *c);
/** Keep bytes that were not taken, and stop reading.  @return 0 or GH_ENOMEM. */
int upstream_conn_hold(struct upstream_conn *c, const char *p, size_t n);
void upstream_conn_resume(struct upstream_conn *c);
/** Nothing is held, nothing is written: only its end is waited for. */
void upstream_conn_rest(struct upstream_conn *c);
/** @param ms  from now, or UPSTREAM_NO_DEADLINE. */
void upstream_conn_deadline(struct upstream_conn *c, uint64_t ms);
/** Call upstream_on_writable() when there is room again. */
void upstream_conn_want_write(struct upstream_conn *c);
void upstream_conn_close(struct upstream_conn *c);

/* upstream_pool.c */
/** @return the peer of an endpoint, made when it is new; NULL: no memory. */
struct upstream_peer *upstream_peer_of(struct upstream_pool *pool,
	const struct upstream_endpoint *endpoint);
/** @return the connection used last, BUSY with @p x; NULL: none is kept. */
struct upstream_conn *upstream_pool_take(struct upstream_exchange *x);
/** Keep a connection for the next request. */
void upstream_pool_keep(struct upstream_conn *c);
void upstream_pool_unlink_idle(struct upstream_conn *c);
/** @return a connection in the state CLOSED, or NULL. */
struct upstream_conn *upstream_conn_new(struct upstream_pool *pool);
/** Its handle is closed (or was never open): recycle it. */
void upstream_conn_recycle(struct upstream_conn *c);

/* upstream_tls.c */
enum upstream_tls_want { UPSTREAM_TLS_DONE, UPSTREAM_TLS_READ, UPSTREAM_TLS_WRITE };
/** @return 0, GH_ENOMEM, GH_EIO with a sentence. */
int upstream_tls_open(struct upstream_conn *c, const char **ret_why);
/** Step of the handshake.  @return 0 or GH_EIO; @p why has room for a sentence. */
int upstream_tls_handshake(struct upstream_conn *c, enum upstream_tls_want *ret_want, char *why,
	size_t why_size);
/** @return bytes; 0: closed properly; GH_EAGAIN; GH_EIO: broken, or cut off without notice. */
int64_t upstream_tls_read(struct upstream_conn *c, char *p, size_t n);
/** Seal at most UPSTREAM_CHUNK_MAX bytes.  @return bytes taken (all of them are on their way);
 *  GH_EIO. */
int64_t upstream_tls_write(struct upstream_conn *c, const struct iovec *iov, int count);
/** Write sealed bytes on.  @return 0: all are out; GH_EAGAIN; GH_EIO. */
int upstream_tls_flush(struct upstream_conn *c);
bool upstream_tls_is_full(const struct upstream_conn *c);
/** Are there opened bytes that the socket will not announce? */
bool upstream_tls_has_bytes(const struct upstream_conn *c);
/** Remember the session for the peer's next connection. */
void upstream_tls_keep_session(struct upstream_conn *c);
void upstream_tls_close(struct upstream_conn *c);

#endif
