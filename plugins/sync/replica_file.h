/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file replica_file.h
 * @brief One file of the replica: its blocks, and the index of the records that count.
 */
#ifndef PLUGINS_SYNC_REPLICA_FILE_H
#define PLUGINS_SYNC_REPLICA_FILE_H
#include "lib/feedwire/feedwire.h"
#include "plugins/sync/replica.h"

#define REPLICA_ID_BYTES 16
#define REPLICA_FIRST 24           /**< Where the first block stands: magic:8 id:16 come before. */
#define REPLICA_BLOCK_BYTES 65536  /**< A block is written when it has so much. */

/** Which document, as a hash of 128 bits under a key of this process. */
struct replica_key {
	uint64_t a, b;
};

struct replica_slot {
	struct replica_key key;
	uint64_t record;  /**< Number of the PUT that counts, plus 1; 0: the slot is free. */
	bool is_deleted;  /**< No PUT counts. */
};

/** From documents to records. */
struct replica_index {
	uint64_t seed;
	struct replica_slot *slots;
	size_t size, used; /**< size is a power of 2; used counts deleted ones, too. */
	uint64_t live;
};

struct replica_file {
	unsigned refs;       /**< replica->lock; so are all below, once readers see the file. */
	int fd;
	uint8_t id[REPLICA_ID_BYTES];
	uint8_t history[GH_FEED_HISTORY_BYTES];
	uint64_t base, seq;
	uint64_t records;
	uint64_t changes_at; /**< Where the first batch behind the snapshot begins. */
	uint64_t end;        /**< Behind the last batch that is complete. */
	uint64_t *batches;   /**< Where batch base + 1 + i begins. */
	size_t batch_size;
	struct replica_index index;
};

/** What a batch does to the index. */
struct replica_pending {
	struct replica_key key;
	uint64_t record;
	bool is_deleted;
};

/* ---- index.c --------------------------------------------------------------------------------- */

struct replica_key replica_key_of(const struct replica_index *index, const struct gh_doc *doc);
/** Make room for @p n more.  @return 0, GH_ENOMEM. */
int replica_index_reserve(struct replica_index *index, size_t n);
/** Needs room.  Later changes of a document win. */
void replica_index_apply(struct replica_index *index, const struct replica_pending *change);
/** One bit per record of the first @p records: it counts.  @return malloc()ed, or NULL. */
uint8_t *replica_index_bits(const struct replica_index *index, uint64_t records);

/* ---- file.c ---------------------------------------------------------------------------------- */

/** A new file with its head.  @return 0, GH_EIO, GH_ENOMEM. */
int replica_file_new(const char *path, struct replica_file **ret_file);
/** An existing one, without its blocks.  @return 0, GH_ENOENT, GH_EINVAL, GH_EIO, GH_ENOMEM. */
int replica_file_open(const char *path, struct replica_file **ret_file);
void replica_file_free(struct replica_file *file);
/** Write a block at @p at.  @param[out] ret_next  behind it.  @return 0, GH_EIO, GH_ENOMEM. */
int replica_block_write(const struct gh_trust *trust, const struct replica_file *file, uint64_t at,
	struct gh_str plain, uint64_t *ret_next);
/** Read the block at @p at, which must end before @p end.  @param plain  replaced.
 *  @return 0; GH_EINVAL: there is none that is whole; GH_ENOENT: sealed under another key; GH_EIO;
 *  GH_ENOMEM. */
int replica_block_read(const struct gh_trust *trust, const struct replica_file *file, uint64_t at,
	uint64_t end, struct buffer *plain, uint64_t *ret_next);

#endif
