/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file members.h
 * @brief What the files of this plugin share.
 *
 *   members.c       options, life, the descriptor
 *   authority.c     the authority in the store: made, read, replaced
 *   certificates.c  certificates for nodes, this one among them, and their documents
 *   join.c          what other nodes ask: /cluster/v1/{authority,join,renew}
 *   nodes.c         what administrators ask: /api/am/cluster/v1
 *   follow.c        the feed: who was removed, which authorities there are
 *   keeper.c        a thread: renews this node's certificate, retires authorities
 */
#ifndef MEMBERS_MEMBERS_H
#define MEMBERS_MEMBERS_H
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/enroll.h>
#include <gatehouse/svc/trust.h>
#include <pthread.h>

#include "lib/doc/doc.h"
#include "lib/follow/follow.h"
#include "lib/model/model.h"
#include "lib/pki/pki.h"
#include "lib/rest/rest.h"

#define MEMBERS_TENANT GH_STR(MODEL_TENANT_DEFAULT)
#define MEMBERS_ROLES_MAX 4
#define MEMBERS_SERIALS_MAX 4     /**< Of a node's certificates that its document names. */
#define MEMBERS_TRIES 5           /**< When others write the same document at the same time. */
#define MEMBERS_ERROR_BYTES 512
#define MEMBERS_BODY_MAX 65536    /**< What other nodes send. */
#define MEMBERS_HEX_FINGERPRINT (2 * PKI_FINGERPRINT_LEN)

/** Options of the entry; fixed. */
struct members_config {
	struct gh_ms certificate_lifetime, authority_lifetime;
};

struct members {
	struct gh_inst *inst;
	struct gh_docs docs;              /**< vt NULL: this node has no documents. */
	struct gh_enroll enroll;
	struct gh_trust trust;
	struct rest_services rest;
	bool has_rest;                    /**< docs/1 and tokens/1 are there. */
	bool has_authority;               /**< This node has documents and the cluster key. */
	int64_t certificate_s, authority_s; /**< Lifetimes. */
	struct follow follow;
	struct followed *followed;        /**< The following thread's. */
	pthread_t follow_thread, keeper_thread;
	bool has_follow_thread, has_keeper_thread;
	pthread_mutex_t lock;
	pthread_cond_t change;            /**< With lock: the keeper looks again. */
	bool is_stopping;                 /**< lock */
	struct gh_metric *issued, *refused;
};

/* ---- authority.c ----------------------------------------------------------------------------- */

/** The authority that issues. */
struct authority {
	struct gh_str certificate, cross; /**< PEM; cross may be empty. */
	struct gh_str key;                /**< PEM, secret. */
	struct gh_str bundle;             /**< PEM of all that are trusted. */
	char fingerprint[MEMBERS_HEX_FINGERPRINT + 1];
	uint64_t rev;                     /**< Of its cluster_secret. */
};

/** Read it.  @param[out] error  a sentence.  @return 0; GH_ENOENT: there is none; GH_EDENIED (sealed
 *  with another cluster key, or changed); GH_EIO; GH_ENOMEM.  members_authority_done() on success. */
int members_authority_read(struct members *m, struct authority *ret, char *error, size_t error_size);
/** Read it, or make it when there is none; of two nodes that try, one succeeds. */
int members_authority_open(struct members *m, struct authority *ret, char *error, size_t error_size);
void members_authority_done(struct authority *a);
/** Replace it by a new one; both are trusted then.  @param[out] ret_seq  for rollout/1.
 *  @return 0; GH_ECONFLICT: one is being replaced already; or as above. */
int members_authority_rotate(struct members *m, uint64_t *ret_seq, char *error, size_t error_size);
/** Forget authorities that no certificate needs any more.
 *  @param[out] ret_is_replacing  there was more than one.  @return 0, or an error of docs/1. */
int members_authority_retire(struct members *m, bool *ret_is_replacing);

/* ---- certificates.c -------------------------------------------------------------------------- */

/** A node that asks. */
struct applicant {
	struct gh_str id, name;
	struct gh_str roles[MEMBERS_ROLES_MAX];
	size_t role_count;
	struct gh_str request;             /**< PEM. */
	const struct gh_doc_op *also;      /**< A new node's: written in the same batch; or NULL. */
	bool is_known;                     /**< Its document must be there; roles and name are that one's. */
};

/** A certificate, written down. */
struct certificate {
	struct gh_str chain, authorities;  /**< malloc()ed PEM. */
};

/** Issue a certificate and write the node's document in one batch.
 *  @param[out] error  a sentence for the one who asked.
 *  @return 0; GH_EDENIED (removed from the cluster, not known); GH_EINVAL (the request); GH_ENOENT and
 *  GH_ECONFLICT (@c also did not hold); or an error of docs/1. */
int members_issue(struct members *m, const struct applicant *applicant, struct certificate *ret,
	char *error, size_t error_size);
void members_certificate_done(struct certificate *certificate);
/** See that this node has a good certificate of the current authority.  MAIN or the keeper.
 *  @return 0, or an error with its sentence. */
int members_issue_own(struct members *m, char *error, size_t error_size);

/* ---- join.c, nodes.c, follow.c, keeper.c ----------------------------------------------------- */

gh_handler members_on_cluster, members_on_rest;

/** Take the state of the feed, then follow it with a thread.  @return 0, or an error that was logged. */
int members_follow_open(struct members *m, const struct gh_feed *feed);
void members_follow_close(struct members *m);
int members_keeper_open(struct members *m);
void members_keeper_close(struct members *m);
/** Have the keeper look soon.  ANY. */
void members_keeper_wake(struct members *m);

#endif
