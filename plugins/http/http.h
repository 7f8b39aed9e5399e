/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http.h
 * @brief What the files of this plugin share.
 *
 *   http.c   options, metrics, life, the service table
 *   port.c   a libmicrohttpd daemon per listener and worker, driven by the worker's loop
 *   watch.c  connections, their deadlines, clients that leave
 *   conn.c   one request: the library's handler calls, and what the kernel calls back
 *   reply.c  one response: queued whole, or fed from a bounded buffer
 *   guard.c  which requests may pass
 *   tls.c    certificates
 *   mutual.c mutual TLS with the other nodes of a cluster
 *
 * Everything about a port, its connections and its requests belongs to one worker and is touched by
 * its thread only.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H
#include <gatehouse/metric.h>
#include <gatehouse/svc/engine.h>
#include <gatehouse/worker.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <uv.h>

#include "plugins/http/guard.h"
#include "plugins/http/mutual.h"
#include "plugins/http/tls.h"

#define HTTP_BUFFER 32768u        /**< Response bytes held for a slow client. */
#define HTTP_DRAIN_KEEP 65536     /**< Rest of a body that is read to keep a connection. */
#define HTTP_DRAIN_MAX 67108864   /**< Rest of a body that is read to get a reply across. */
#define HTTP_STALL_BYTES 1024     /**< What a body must gain per body_stall. */
#define HTTP_TICK_MS 250          /**< Clients that left are looked for that often. */
#define HTTP_PATIENCE_MS 200      /**< Requests faster than this are not looked at. */
#define HTTP_REFRESH_MS 250       /**< How often a new certificate of the node is looked for. */
#define HTTP_GRACE_MS 2000        /**< For the first head, when no more is accepted. */
#define HTTP_LINGER_MS 250        /**< As above, for the next head on an idle connection. */

/** Options of the entry; fixed. */
struct http_options {
	struct gh_ms body_stall;
	struct gh_bytes max_target;
	uint64_t max_fields;
	struct gh_str tls_priorities;
};

/** Metrics of one worker, so that workers do not share cache lines. */
struct http_counts {
	struct gh_metric *connections_now, *connections_total, *requests_total;
};

struct http_process {
	struct gh_inst *inst;
	struct http_options options;
	char *tls_priorities;            /**< Copy of the option, NUL-ended. */
	struct tls_store *tls;           /**< Written by MAIN, before ports open and on reload. */
	struct gh_trust trust;           /**< vt NULL: no plugin provides it. */
	struct mutual *mutual;           /**< Written by MAIN, before ports open; NULL: not needed. */
	struct http_counts *counts;      /**< One per worker. */
	struct gh_metric *refused_total[GUARD_RULE_COUNT];
};

struct conn;

/** One worker.  On the heap, because its libuv handles close after worker_stop(). */
struct http_worker {
	struct http_process *process;
	struct http_counts *counts;
	int64_t connections;             /**< Of all ports. */
	uv_loop_t *loop;
	uv_prepare_t prepare;            /**< Runs the daemons that need it. */
	uv_idle_t idle;                  /**< Active while a daemon needs another run at once. */
	uv_timer_t timer;                /**< When a daemon wants to be run without an event. */
	uv_timer_t tick;                 /**< Runs while there are connections. */
	uv_timer_t refresh;              /**< Runs when there is a cluster listener. */
	unsigned handles;                /**< Of the five handles here, not yet closed. */
	unsigned tick_count;
	struct gh_port *ports;
	struct conn *free_conns;         /**< Bounded free lists. */
	struct reply_buffer *free_buffers;
	unsigned free_conn_count, free_buffer_count;
	struct watch_set *watched;       /**< Scratch of the tick. */
	char *scratch;                   /**< For NUL-ended names and values of the library. */
	size_t scratch_size;
};

/** One TCP connection. */
struct link {
	struct link *prev, *next;        /**< In gh_port.links. */
	struct conn *conn;               /**< The request that runs on it, or NULL. */
	int fd;                          /**< The library's. */
	uint64_t requests;
	uint64_t head_deadline_ms;       /**< Of the loop's clock; 0: no head is awaited. */
	char peer[INET6_ADDRSTRLEN];
	size_t peer_n;
	struct mutual_credentials *credentials; /**< Of a cluster listener, until the session's end. */
	struct mutual_caller *caller;    /**< NULL: it showed no certificate, or was not asked yet. */
	bool is_asked;
};

/** One listener on one worker. */
struct gh_port {
	struct http_worker *worker;
	const struct gh_listener *listener;
	void *kport;                     /**< The kernel's handle. */
	struct MHD_Daemon *daemon;
	uv_poll_t poll;                  /**< On the daemon's epoll descriptor; stays armed. */
	struct gh_port *next;            /**< Of the worker. */
	struct tls_identity *identity;   /**< NULL: no TLS, or mutual. */
	struct mutual *mutual;           /**< NULL: no cluster listener. */
	size_t pool_bytes;               /**< The library's memory for one connection. */
	bool need_run, is_quiesced;
	struct link *links;
	unsigned link_count;
	struct conn *suspended_first, *suspended_last; /**< Oldest first. */
	size_t suspended_count;
};

/** Bytes of a response that wait for the client: a ring. */
struct reply_buffer {
	struct reply_buffer *next;       /**< In the free list. */
	size_t start, fill;
	char bytes[HTTP_BUFFER];
};

/** The response as the kernel gives it. */
struct reply {
	unsigned status;
	int64_t length;                  /**< -1: not known. */
	const struct gh_field *fields;   /**< The kernel's, until done or gone. */
	size_t field_count;
	struct reply_buffer *buffer;     /**< Or NULL. */
	uint64_t sent;                   /**< Body bytes handed to the library. */
	bool has_head, is_ended;         /**< What the kernel has called. */
	bool wants_close;
	bool is_queued;                  /**< The library has it: no handler call follows. */
	bool is_starving;                /**< The kernel waits for gh_engine_drained(). */
};

/** Where a request stands; the handler is called in each of them, sometimes repeatedly. */
enum stage {
	STAGE_HEAD,   /**< The request line has come, fields follow. */
	STAGE_BODY,   /**< The transaction has begun, body bytes follow. */
	STAGE_ANSWER, /**< The request is complete; the response is awaited or on its way. */
};

/** One request. */
struct conn {
	struct conn *prev, *next;        /**< In gh_port.suspended_*, or next in the free list. */
	struct gh_port *port;
	struct link *link;
	struct MHD_Connection *mhd;
	struct gh_txn *txn;              /**< NULL before begin, after done and gone. */
	enum stage stage;
	bool is_suspended;               /**< In the library and in the port's list. */
	bool is_cut;                     /**< Answer every call of the library with an error. */
	bool is_head_request;
	bool may_read;                   /**< ops->ready() was called. */
	bool is_refused;                 /**< And reported. */
	uint64_t suspended_at_ms;
	uint64_t body_seen, body_dropped;
	uint64_t stall_seen, stall_since_ms; /**< body_seen when the stall clock was set. */
	size_t head_bytes;               /**< Of the request. */
	struct reply reply;
	struct gh_field *fields;         /**< Kept over uses. */
	size_t field_count, field_size;  /**< Stripped, unless the request was refused. */
	size_t field_total;              /**< Before they were stripped. */
	char *target;                    /**< Kept over uses. */
	size_t target_n, target_size;
};

/* ---- port.c ---------------------------------------------------------------------------------- */

int http_port_worker_new(struct http_process *process, struct gh_worker *worker,
	struct http_worker **ret_worker);
/** All ports were closed before.  Frees the block when the loop has closed its handles. */
void http_port_worker_free(struct http_worker *worker);
/** As in struct gh_engine_v1. */
int http_port_open(void *self, struct gh_worker *worker, const struct gh_listener *listener, int fd,
	void *kport, struct gh_port **ret_port);
void http_port_quiesce(struct gh_port *port);
unsigned http_port_connections(struct gh_port *port);
void http_port_close(struct gh_port *port);
/** Count and report a request that does not become a transaction.  @param status  as answered. */
void http_port_refused(struct gh_port *port, const struct guard_refusal *why, unsigned status,
	const struct link *link);

/** Have the library look at its connections before the loop waits again. */
void http_port_run_soon(struct gh_port *port);
/** There are connections: the tick must run. */
void http_port_watch(struct gh_port *port);

/* ---- watch.c --------------------------------------------------------------------------------- */

/** MHD_NotifyConnectionCallback, cls is the port. */
void http_watch_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code);
/** What the library keeps for us about that connection; NULL: it was refused for want of memory. */
struct link *http_watch_link(struct MHD_Connection *mhd);
/** A new time to have the next head: @p ms from now; 0: none is awaited. */
void http_watch_head(struct gh_port *port, struct link *link, uint64_t ms);
/** No more is accepted: hurry idle connections and new ones. */
void http_watch_quiesce(struct gh_port *port);
/** Look for clients that left and, once a second or when it is quiesced, for deadlines that passed. */
void http_watch_tick(struct http_worker *worker);
void http_watch_done(struct http_worker *worker);

/* ---- conn.c ---------------------------------------------------------------------------------- */

/** MHD_OPTION_URI_LOG_CALLBACK, MHD_AccessHandlerCallback, MHD_OPTION_NOTIFY_COMPLETED. */
void *http_conn_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_conn_on_call(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *data_size,
	void **req_cls);
void http_conn_on_completed(void *cls, struct MHD_Connection *mhd, void **req_cls,
	enum MHD_RequestTerminationCode code);
/** Stop until http_conn_wake().  Only for the connection whose callback runs. */
void http_conn_suspend(struct conn *c);
/** Let the library call again; a batch of them costs one MHD_run(). */
void http_conn_wake(struct conn *c);
/** The client left, or the port closes: the transaction ends now, the connection soon. */
void http_conn_gone(struct conn *c);
/** Bytes of the library's pool that the request occupies, at most. */
size_t http_conn_pool_use(const struct conn *c);
/** Free what the worker keeps for later requests. */
void http_conn_pool_free(struct http_worker *worker);

/* ---- reply.c --------------------------------------------------------------------------------- */

/** Give the response to the library, as much of it as there is.  Handler calls only.
 *  @return what the handler returns. */
enum MHD_Result http_reply_queue(struct conn *c);
/** Answer without the kernel, and close. */
enum MHD_Result http_reply_refusal(struct conn *c, const struct guard_refusal *why);
/** Take body bytes of the kernel.  @return how many. */
size_t http_reply_put(struct conn *c, const char *p, size_t n);
/** Give back the buffer. */
void http_reply_done(struct conn *c);

#endif
