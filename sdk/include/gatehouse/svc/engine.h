/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/engine.h
 * @brief engine/1: turns bytes on the kernel's sockets into transactions and back.
 *
 * Only the kernel uses this service, and only engines call the gh_engine_* functions.  The order for
 * one transaction: gh_engine_begin(); then gh_engine_body() and gh_engine_body_end() as bytes come;
 * the kernel calls ops->head(), ops->body(), ops->end() or ops->abort(); when the response has been
 * handed to the socket the engine calls gh_engine_done(), or at any time gh_engine_gone() when the
 * client left.  After either of the two the transaction must not be touched any more.
 * All of it is WORKER.
 */
#ifndef GATEHOUSE_SVC_ENGINE_H
#define GATEHOUSE_SVC_ENGINE_H
#include <gatehouse/http.h>

#define GH_SVC_ENGINE "engine/1"

/** A listener of the manifest.  Lives as long as the process. */
struct gh_listener {
	struct gh_str name, address;
	enum gh_chain chain;
	uint16_t port;
	bool tls;
	struct gh_str certificate_file, key_file; /**< PEM; n = 0: self-signed, kept in the state directory. */
	uint64_t head_ms;        /**< Deadline for a complete request head. */
	uint64_t idle_ms;        /**< Keep-alive and inactivity. */
	uint64_t max_head_bytes;
	uint64_t max_connections; /**< Per worker. */
};

/** What an engine serves on one socket of one worker: an opaque handle of the engine. */
struct gh_port;

struct gh_engine_v1 {
	uint32_t size;
	/** Check what can be checked before any socket is served: certificate readable, key fits.  MAIN.
	 *  @param[out] error  at least 256 bytes.  @return 0, or an error with its sentence. */
	int (*prepare)(void *self, struct gh_inst *inst, const struct gh_listener *listener, char *error,
		size_t error_size);
	/** Serve @p fd, a listening non-blocking socket that stays the kernel's.
	 *  @param kport  the kernel's handle, for gh_engine_begin(). */
	int (*open)(void *self, struct gh_worker *worker, const struct gh_listener *listener, int fd,
		void *kport, struct gh_port **ret_port);
	/** Accept no more; answer what runs with Connection: close; end connections that bring no request
	 *  soon.  The socket's queue may be somebody else's by now. */
	void (*quiesce)(struct gh_port *port);
	/** Connections that are open, idle ones too.  A drain waits for all of them. */
	unsigned (*connections)(struct gh_port *port);
	/** End: every transaction that is left is reported with gh_engine_gone().  Frees the port. */
	void (*close)(struct gh_port *port);
};
struct gh_engine { const struct gh_engine_v1 *vt; void *self; };

/** A request head.  All slices BORROW until gh_engine_done() or gh_engine_gone() was called. */
struct gh_engine_head {
	struct gh_str method, target; /**< The target raw, as on the wire. */
	unsigned minor;               /**< HTTP/1.minor. */
	struct gh_str peer;           /**< Numeric address. */
	struct gh_str peer_node;      /**< From the verified client certificate of a cluster listener:
	                               *   id of the node; n = 0: there is none. */
	struct gh_str peer_roles;     /**< As above: its roles, space separated. */
	bool tls;
	const struct gh_field *fields;
	size_t field_count;
	int64_t body_length; /**< -1: chunked; 0: none. */
	bool body_expected_100; /**< Expect: 100-continue. */
};

/** How the kernel answers.  STATIC. */
struct gh_engine_ops {
	/** The response head.  @param length  of the body, -1 when not known, 0 for none.  For HEAD
	 *  requests and for 204 and 304 no body() follows, whatever the length.
	 *  @param fields  BORROW until done or gone.  @param close  end the connection afterwards. */
	void (*head)(void *conn, unsigned status, int64_t length, const struct gh_field *fields,
		size_t field_count, bool close);
	/** @return bytes taken; fewer than @p n: wait for gh_engine_drained(). */
	size_t (*body)(void *conn, const char *p, size_t n);
	void (*end)(void *conn);
	/** The response cannot be completed: close, so that the client sees it. */
	void (*abort)(void *conn);
	/** The consumer of the request body can take more: offer again what was not taken. */
	void (*ready)(void *conn);
};

/** A request head has come: runs phases until the transaction waits or has a reply.
 *  @return the transaction; NULL when out of memory (then answer 503 and close). */
GH_API struct gh_txn *gh_engine_begin(void *kport, const struct gh_engine_head *head,
	const struct gh_engine_ops *ops, void *conn);
/** Offer body bytes.  @return bytes taken; fewer: stop reading until ops->ready(). */
GH_API size_t gh_engine_body(struct gh_txn *txn, const char *p, size_t n);
GH_API void gh_engine_body_end(struct gh_txn *txn);
/** After body() took less than it was offered: there is room again. */
GH_API void gh_engine_drained(struct gh_txn *txn);
/** The response is complete (or was cut by abort).  @param bytes  body bytes sent. */
GH_API void gh_engine_done(struct gh_txn *txn, uint64_t bytes);
/** The client left, or the connection broke, before the response was complete. */
GH_API void gh_engine_gone(struct gh_txn *txn, uint64_t bytes);
/** Count and log a request that never became a transaction (malformed, too slow).
 *  @param why  STATIC, for the log.  @param target  may be empty. */
GH_API void gh_engine_refused(void *kport, unsigned status, struct gh_str peer, struct gh_str target,
	const char *why);

#endif
