/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/docs.h
 * @brief docs/1: documents by kind and id, with indexes, in atomic and durable batches.
 *
 * Kinds, their indexes and unique keys are declared once in lib/model.  A document's body is a msgpack
 * map.  Every function blocks (MAIN or POOL).  What was acknowledged is on disk.
 */
#ifndef GATEHOUSE_SVC_DOCS_H
#define GATEHOUSE_SVC_DOCS_H
#include <gatehouse/base.h>

#define GH_SVC_DOCS "docs/1"
#define GH_DOC_ID_MAX 255
#define GH_DOC_BODY_MAX (8u << 20)
#define GH_FIND_MAX 1000 /**< Largest limit of one find. */

struct gh_doc {
	struct gh_str tenant, kind, id;
	uint64_t rev;       /**< Sequence of the batch that wrote it; grows with every write. */
	struct gh_str body; /**< msgpack map. */
};

/** Documents found, in one allocation. */
struct gh_docs_found {
	size_t n;
	struct gh_doc *docs;
	struct gh_str next; /**< Cursor for the next page; n = 0: this was the last one. */
	uint64_t total;     /**< How many match without limit and cursor (counted up to 100,000). */
};

#define GH_REV_ANY UINT64_MAX /**< Do not check. */
#define GH_REV_NONE 0         /**< The document must not exist. */

enum gh_doc_verb { GH_DOC_PUT, GH_DOC_DELETE };

/** One change in a batch.  All BORROW. */
struct gh_doc_op {
	enum gh_doc_verb verb;
	struct gh_str tenant, kind, id;
	struct gh_str body;  /**< For PUT. */
	uint64_t expect_rev; /**< GH_REV_ANY, GH_REV_NONE, or the revision it must have. */
};

/** Which documents. */
struct gh_find {
	struct gh_str tenant; /**< n = 0: all tenants. */
	struct gh_str kind;
	const char *index;    /**< Declared in lib/model; NULL: all of the kind, by id. */
	const struct gh_str *equal; /**< Values for the index's leading fields; integers in decimal. */
	size_t equal_count;
	struct gh_str from, to;     /**< Range on the next field, inclusive; n = 0: open. */
	bool is_prefix;             /**< @c from is a prefix of the next field (strings only). */
	bool descending;
	uint32_t limit;             /**< 1 to GH_FIND_MAX. */
	uint32_t offset;            /**< Skip that many. */
	struct gh_str cursor;       /**< From gh_docs_found.next; n = 0: start. */
};

struct gh_docs_v1 {
	uint32_t size;
	/** @param[out] ret_found  GIVE: one document; free with found_free().
	 *  @return 0, GH_ENOENT, GH_EINVAL (unknown kind), GH_EIO, GH_ENOMEM. */
	int (*get)(void *self, struct gh_str tenant, struct gh_str kind, struct gh_str id,
		struct gh_docs_found **ret_found);
	/** Consistent: all documents are of one moment.  @return as get, but none found is 0 with n = 0. */
	int (*find)(void *self, const struct gh_find *find, struct gh_docs_found **ret_found);
	void (*found_free)(struct gh_docs_found *found);
	/** All or nothing; checks run against every batch before it.
	 *  @param[out] ret_seq    sequence of the batch, for rollout/1; may be NULL.
	 *  @param[out] ret_failed  index of the op that conflicts, on GH_ECONFLICT or GH_ENOENT; may be NULL.
	 *  @return 0; GH_ECONFLICT (revision or unique key); GH_ENOENT (delete with an expected revision,
	 *  document missing); GH_EINVAL (unknown kind, body not a map, id too long); GH_ETOOBIG; GH_EIO
	 *  (disk full, ...: nothing was written; only when another node writes it may have been);
	 *  GH_EAGAIN (too many wait: not tried); GH_ENOMEM. */
	int (*commit)(void *self, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq,
		size_t *ret_failed);
};
struct gh_docs { const struct gh_docs_v1 *vt; void *self; };

#endif
