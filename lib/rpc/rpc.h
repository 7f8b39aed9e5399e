/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rpc.h
 * @brief Calls of services between nodes, as bytes: what plugin `remote` sends and `expose` answers.
 *
 * One call is one POST to RPC_PREFIX/<service>/<function>.  Request and reply are messages: a short
 * prelude (magic, version, length of the head), the head (a map of lib/doc), and behind it the
 * blobs, one after the other, whose lengths stand in the head.  Blobs are what is big (bodies of
 * documents) or secret (passwords, tokens): they are copied once, into the finished message, which
 * is wiped when freed.  They are read in the order in which they were put.
 *
 * Readers take hostile bytes: what a message says about itself is checked against what is there,
 * and nothing is handed out of a message that is not whole.  Strings that were read BORROW from the
 * message.
 */
#ifndef LIB_RPC_RPC_H
#define LIB_RPC_RPC_H
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/identity.h>
#include <gatehouse/svc/tokens.h>

#include "lib/doc/doc.h"

#define RPC_VERSION 1
#define RPC_PREFIX "/cluster/v1/services"
#define RPC_CONTENT_TYPE "application/x-gatehouse-rpc"
#define RPC_MESSAGE_MAX (80u << 20) /**< A full commit, or a full page, and what describes it. */
#define RPC_SMALL_MAX (256u << 10)  /**< Requests that carry no documents. */
#define RPC_TOKEN_MAX (64u << 10)   /**< Longest blob that is no document. */
#define RPC_OPS_MAX 20000           /**< Changes of one commit. */

/* ---- Messages -------------------------------------------------------------------------------- */

/** A message being written; blobs are BORROWed until rpc_finish(). */
struct rpc_writer {
	struct doc_writer head; /**< doc_put_...() what is neither big nor secret. */
	struct gh_str *blobs;
	size_t n, capacity;
	size_t bytes;           /**< Of all blobs. */
	int error;
};

/** Start a message; end it with rpc_finish() or rpc_writer_done(). */
void rpc_writer_init(struct rpc_writer *w);
/** Throw away what was written; after rpc_finish() it does nothing. */
void rpc_writer_done(struct rpc_writer *w);
void rpc_put_blob(struct rpc_writer *w, const char *name, struct gh_str blob);
/** The message.  The writer is empty afterwards, on success and on failure alike.
 *  @param[out] ret_message  GIVE: rpc_free().  @return 0, GH_ENOMEM, GH_ETOOBIG, GH_EINVAL. */
int rpc_finish(struct rpc_writer *w, struct gh_str *ret_message);
/** Wipe and free.  An empty one is allowed. */
void rpc_free(struct gh_str message);

/** A message being read. */
struct rpc_message {
	struct gh_str head; /**< A map, checked. */
	struct gh_str rest; /**< Blobs that were not read yet. */
};

/** @return 0; GH_EVERSION (another version, or no message at all); GH_EINVAL (cut short, damaged);
 *  GH_ETOOBIG. */
int rpc_read(struct gh_str bytes, struct rpc_message *ret_message);
/** The next blob, whose length stands in @p map.  @return 0; GH_EINVAL: there is none, or it is
 *  longer than what is left; GH_ETOOBIG: longer than @p max. */
int rpc_blob(struct rpc_message *message, struct gh_str map, const char *name, size_t max,
	struct gh_str *ret_blob);
/** Was everything read?  @return 0 or GH_EINVAL. */
int rpc_end(const struct rpc_message *message);

/* ---- Structs, by a table --------------------------------------------------------------------- */

enum rpc_type {
	RPC_END,
	RPC_STR,    /**< struct gh_str */
	RPC_SECRET, /**< struct gh_str that travels as a blob. */
	RPC_INT,    /**< int64_t */
	RPC_COUNT,  /**< uint64_t, at most INT64_MAX. */
};

struct rpc_field {
	const char *name;
	enum rpc_type type;
	size_t offset;
};

extern const struct rpc_field rpc_client_fields[];        /**< struct gh_client */
extern const struct rpc_field rpc_principal_fields[];     /**< struct gh_principal */
extern const struct rpc_field rpc_token_request_fields[]; /**< struct gh_token_request, but kind */
extern const struct rpc_field rpc_login_fields[];         /**< struct gh_login */
extern const struct rpc_field rpc_issued_fields[];        /**< struct gh_token_issued */

void rpc_put_struct(struct rpc_writer *w, const struct rpc_field *fields, const void *value);
/** Fill the fields; those that are absent become empty or 0.  @return 0; GH_EINVAL (of another
 *  type); GH_ETOOBIG. */
int rpc_get_struct(struct rpc_message *message, const struct rpc_field *fields, void *ret_value);
/** As rpc_get_struct(), into an allocation of its own.  @param[out] ret_block  GIVE: block_free(). */
int rpc_get_block(struct rpc_message *message, const struct rpc_field *fields, size_t size,
	void **ret_block);

/* ---- docs/1 ---------------------------------------------------------------------------------- */

#define RPC_EQUAL_MAX 8  /**< Values for an index's leading fields. */
#define RPC_NAME_MAX 63  /**< Longest name of an index. */

/** A search as it was read. */
struct rpc_find {
	struct gh_find find;
	struct gh_str equal[RPC_EQUAL_MAX];
	char index[RPC_NAME_MAX + 1];
};

void rpc_put_find(struct rpc_writer *w, const struct gh_find *find);
/** @return 0, GH_EINVAL. */
int rpc_get_find(struct rpc_message *message, struct rpc_find *ret_find);
void rpc_put_ops(struct rpc_writer *w, const struct gh_doc_op *ops, size_t n);
/** @param spare  room in front of the ops for this many of the caller's own.
 *  @param[out] ret_ops  free(); the first of those that were read is ret_ops[spare].
 *  @param[out] ret_n    without the spare ones.  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int rpc_get_ops(struct rpc_message *message, size_t spare, struct gh_doc_op **ret_ops, size_t *ret_n);
void rpc_put_found(struct rpc_writer *w, const struct gh_docs_found *found);
/** @param max  documents that there may be at most.
 *  @param[out] ret_found  GIVE: block_free().  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int rpc_get_found(struct rpc_message *message, size_t max, struct gh_docs_found **ret_found);

/* ---- identity/1 ------------------------------------------------------------------------------ */

#define RPC_ROLES_MAX 1000

void rpc_put_user(struct rpc_writer *w, const struct gh_user *user);
/** @param[out] ret_user  GIVE: block_free().  @return 0, GH_EINVAL, GH_ENOMEM. */
int rpc_get_user(struct rpc_message *message, struct gh_user **ret_user);

#endif
