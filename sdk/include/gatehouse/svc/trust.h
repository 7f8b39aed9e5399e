/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/trust.h
 * @brief trust/1: who this node is, and how it knows the other nodes of its cluster.
 *
 * Nodes trust each other through an internal certificate authority.  A node's certificate carries its
 * id as common name and one DNS name per role, "<role>.gatehouse.internal"; a caller verifies the chain
 * and the name of the role it wants to speak to, so the address it dials may be a balancer's.
 * Provided by the plugin `cluster`; used by engines for cluster listeners and by clients of other nodes.
 */
#ifndef GATEHOUSE_SVC_TRUST_H
#define GATEHOUSE_SVC_TRUST_H
#include <gatehouse/base.h>

#define GH_SVC_TRUST "trust/1"

#define GH_ROLE_CONTROL "control"     /**< Has the documents: may read and write all of them. */
#define GH_ROLE_GATEWAY "gateway"     /**< Follows the feed; sends records and asks for leases. */
#define GH_ROLE_TRAFFIC "traffic"     /**< Follows the feed; gives leases of limits. */
#define GH_ROLE_ANALYTICS "analytics" /**< Follows the feed; takes records. */
#define GH_ROLE_DOMAIN ".gatehouse.internal"

/** What TLS needs, in one allocation. */
struct gh_trust_material {
	struct gh_str chain_pem; /**< The node's certificate, then what is between it and the authority. */
	struct gh_str key_pem;   /**< Secret. */
	struct gh_str ca_pem;    /**< Authorities that are trusted now: several while one replaces another. */
	uint64_t serial;         /**< Grows with every change. */
};

struct gh_trust_v1 {
	uint32_t size;
	/** The current material.  MAIN or POOL.  @param[out] ret  GIVE: material_free().
	 *  @return 0; GH_ENOENT: the node has no certificate yet; GH_ENOMEM. */
	int (*material)(void *self, struct gh_trust_material **ret);
	void (*material_free)(struct gh_trust_material *material); /**< Wipes it. */
	/** The serial of what material() would give; 0: none.  A cheap look before each handshake.  ANY. */
	uint64_t (*serial)(void *self);
	/** Id of this node, 36 characters, kept in the state directory.  ANY.  @return until close(). */
	struct gh_str (*node_id)(void *self);
	/** Roles of this node's certificate, space separated.  ANY.  @return until close(). */
	struct gh_str (*roles)(void *self);
	/** Is a certificate of that node still good, or was the node removed from the cluster?  ANY. */
	bool (*is_member)(void *self, struct gh_str node_id);
	/** Seal data for a file of this node: under the cluster key if the node has it, else under a key
	 *  of its own.  ANY.  @param context  bound to it.  @param ret  room for plain.n + GH_SEAL_OVERHEAD.
	 *  @return 0 or GH_EIO. */
	int (*seal)(void *self, struct gh_str context, struct gh_str plain, uint8_t *ret);
	/** @param ret  room for sealed.n - GH_SEAL_OVERHEAD.  @return 0; GH_EINVAL; GH_ENOENT (sealed under
	 *  another key); GH_EDENIED (changed, or of another context). */
	int (*unseal)(void *self, struct gh_str context, struct gh_str sealed, uint8_t *ret, size_t *ret_n);
};
struct gh_trust { const struct gh_trust_v1 *vt; void *self; };

#define GH_SEAL_OVERHEAD 33 /**< Version, key id, nonce, tag. */

#endif
