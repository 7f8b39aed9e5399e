/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cluster.h
 * @brief What the files of this plugin share.
 *
 *   cluster.c   options, life, the descriptor
 *   identity.c  node id, certificate and key: in memory and in the state directory
 *   trust.c     trust/1: material, membership, sealing
 *   enroll.c    enroll/1: how the node gets its certificate and learns whom to trust
 *   join.c      the first certificate, with a token
 *   command.c   gatehouse join: the same without a node
 *   renew.c     the next ones, from the control plane
 *   peer.c      peer/1: calls to other nodes
 */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/enroll.h>
#include <gatehouse/svc/peer.h>
#include <gatehouse/svc/trust.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/clusterkey/clusterkey.h"
#include "lib/crypto/crypto.h"
#include "lib/fetch/fetch.h"
#include "lib/pki/pki.h"

#define CLUSTER_PATH_MAX 4096
#define CLUSTER_ROLES_BYTES PKI_NAMES_BYTES
#define CLUSTER_ERROR_BYTES 4608 /**< A path and a sentence. */

/** Options of the entry; fixed. */
struct cluster_config {
	struct gh_list roles;
	struct gh_str cluster_key_file;
	struct gh_secret cluster_key;
	struct gh_str control_url;
	struct gh_secret join_token;
	struct gh_ms join_wait;
};

/** What the node shows and trusts.  Never changed, shared by reference. */
struct identity {
	atomic_uint refs;
	struct gh_str chain, key, authorities; /**< malloc()ed; key is wiped. */
	struct pki_certificate certificate;
	char roles[CLUSTER_ROLES_BYTES];
};

/** Roles that were handed out once and may be looked at until the end; rarely more than one. */
struct role_text {
	struct role_text *next;
	char text[CLUSTER_ROLES_BYTES];
};

struct cluster {
	struct gh_inst *inst;             /**< NULL: this is the command, not a node. */
	const char *state_dir;
	struct gh_str name;               /**< Of the node. */
	char dir[CLUSTER_PATH_MAX];       /**< Of this plugin, in the state directory. */
	char node_id[CRYPTO_UUID_LEN + 1];
	char wanted_roles[CLUSTER_ROLES_BYTES];
	char *control_url;                /**< NULL: the certificate comes from the own store. */
	struct clusterkey_place key_place; /**< Strings of the configuration. */
	struct clusterkey *cluster_key;   /**< Set by MAIN in open(), or never. */
	struct crypto_key *own_key;       /**< As above: seals when there is no cluster key. */
	char cluster_key_id[CLUSTERKEY_ID_LEN + 1];
	pthread_mutex_t lock;
	struct identity *newest;          /**< lock; NULL: none yet. */
	struct role_text *_Atomic roles;  /**< The newest first; changed under lock. */
	struct gh_str pending_key;        /**< lock; of the request made last. */
	_Atomic uint64_t serial;          /**< Of newest; 0: none. */
	pthread_rwlock_t removed_lock;
	char (*removed)[CRYPTO_UUID_LEN + 1]; /**< removed_lock; sorted. */
	size_t removed_count;             /**< removed_lock */
	struct fetch *fetch;
	struct fetch_line *renew_line;    /**< Of the thread below. */
	pthread_t renew_thread;
	bool has_renew_thread;
	pthread_cond_t renew_change;      /**< With lock. */
	bool is_stopping, wants_renewal;  /**< lock */
	struct gh_metric *expires_at, *renewals, *renewals_failed; /**< NULL without inst. */
};

/* ---- cluster.c ------------------------------------------------------------------------------- */

/** To the log; from the command to stderr.  No secrets.  ANY. */
void cluster_log(const struct cluster *c, int level, const char *fmt, ...) GH_PRINTF(3, 4);
/** Read the options and what is in the state directory.  MAIN.
 *  @param inst  NULL for the command.  @return 0, then cluster_close() ends it; or an error that
 *  was logged. */
int cluster_prepare(struct cluster *c, const struct cluster_config *config, struct gh_inst *inst,
	const char *state_dir, struct gh_str name);
void cluster_close(void *process);

/* ---- command.c ------------------------------------------------------------------------------- */

extern const struct gh_command_row cluster_commands[];

/* ---- identity.c ------------------------------------------------------------------------------ */

/** Read or make what is in the state directory.  MAIN.  @return 0, or an error that was logged. */
int cluster_identity_open(struct cluster *c);
void cluster_identity_close(struct cluster *c);
/** @return a reference, or NULL: the node has no certificate.  ANY. */
struct identity *cluster_identity_ref(struct cluster *c);
void cluster_identity_unref(struct identity *identity);
/** A request for a certificate, for the key that is kept.  @param[out] ret_request  malloc()ed. */
int cluster_identity_request(struct cluster *c, struct gh_str *ret_request);
/** Check, keep on disk, use.  @return as in struct gh_enroll_v1. */
int cluster_identity_install(struct cluster *c, struct gh_str chain, struct gh_str authorities,
	char *error, size_t error_size);
int cluster_identity_trust(struct cluster *c, struct gh_str authorities, char *error, size_t error_size);
/** When two thirds of its life are over. */
int64_t cluster_renew_at_s(const struct pki_certificate *certificate);

/* ---- trust.c, enroll.c, peer.c --------------------------------------------------------------- */

extern const struct gh_trust_v1 cluster_trust;
extern const struct gh_enroll_v1 cluster_enroll;
extern const struct gh_peer_v1 cluster_peer;

/** The cluster key, when it is there; else a key of this node's own.  MAIN, in open(). */
int cluster_keys_open(struct cluster *c);
void cluster_keys_close(struct cluster *c);

/* ---- join.c, renew.c ------------------------------------------------------------------------- */

/** What the control plane answers to a request for a certificate.  @return 0, or an error with its
 *  sentence. */
int cluster_take_answer(struct cluster *c, struct gh_str json, char *error, size_t error_size);
/** What an answer other than 200 means: an error with its sentence; GH_EAGAIN: it may pass. */
int cluster_refusal(const struct fetch_reply *reply, char *error, size_t error_size);
/** Get the first certificate, within @p wait_ms.  MAIN.  @return 0, or an error with its sentence:
 *  GH_EDENIED (the token, or this node, is not accepted), GH_EINVAL, GH_ETIMEDOUT ... */
int cluster_join(struct cluster *c, struct gh_str url, struct gh_str token, uint64_t wait_ms, char *error,
	size_t error_size);
/** The thread that renews.  MAIN. */
int cluster_renew_open(struct cluster *c);
void cluster_renew_close(struct cluster *c);

#endif
