/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/enroll.h
 * @brief enroll/1: give this node its certificate, and tell it whom it may trust.
 *
 * Provided by the plugin `cluster`, which keeps the node's identity and needs neither documents nor
 * the feed: what brings those from other nodes is built on it.  Used by the plugin `members`, which
 * reads them.  Texts are PEM.
 */
#ifndef GATEHOUSE_SVC_ENROLL_H
#define GATEHOUSE_SVC_ENROLL_H
#include <gatehouse/base.h>

#define GH_SVC_ENROLL "enroll/1"

/** Certificates begin that long before they are issued, as clocks differ. */
#define GH_ENROLL_BACKDATE_S 300

/** What this node has. */
struct gh_enrolled {
	bool has_certificate;
	bool is_joined;       /**< It gets its certificates from a control plane, not from its own store. */
	char roles[256];      /**< Of its certificate, space separated. */
	char authority[41];   /**< Id of the key that signed it, hexadecimal. */
	int64_t not_after_s;
	int64_t renew_at_s;   /**< Two thirds of its life are over. */
};

struct gh_enroll_v1 {
	uint32_t size;
	/** ANY. */
	void (*state)(void *self, struct gh_enrolled *ret);
	/** Roles that the manifest asks for, space separated.  ANY.  @return until close(). */
	struct gh_str (*wanted_roles)(void *self);
	/** See that the node has the cluster key.  MAIN, in open().
	 *  @param may_create  nothing was sealed with one yet.
	 *  @param[out] error  a sentence; at least 256 bytes.  @return 0, GH_ENOENT, GH_EINVAL, GH_EIO ... */
	int (*need_cluster_key)(void *self, bool may_create, char *error, size_t error_size);
	/** Id of the cluster key that seals, hexadecimal; n = 0: the node has none.  ANY, after open().
	 *  @return until close(). */
	struct gh_str (*cluster_key_id)(void *self);
	/** A request for a certificate, with a new key that is kept for install().  MAIN or POOL.
	 *  @param[out] ret_request  malloc()ed.  @return 0, GH_EIO, GH_ENOMEM. */
	int (*request)(void *self, struct gh_str *ret_request);
	/** Take up the certificate for the request made last; kept on disk.  MAIN or POOL.
	 *  @param[out] error  a sentence; at least 256 bytes.
	 *  @return 0; GH_EINVAL, GH_EDENIED, GH_EEXPIRED (not good); GH_EIO; GH_ENOMEM. */
	int (*install)(void *self, struct gh_str chain, struct gh_str authorities, char *error,
		size_t error_size);
	/** The authorities that are trusted from now on.  MAIN or POOL.
	 *  @return 0; GH_EDENIED: our own certificate is of none of them (nothing was changed); GH_EIO ... */
	int (*trust)(void *self, struct gh_str authorities);
	/** The nodes that belong to the cluster no more, sorted.  ANY.  @return 0, GH_ENOMEM. */
	int (*set_removed)(void *self, const struct gh_str *ids, size_t n);
	/** A joined node: get a new certificate soon, as the authority has changed.  ANY. */
	void (*renew)(void *self);
};
struct gh_enroll { const struct gh_enroll_v1 *vt; void *self; };

#endif
