/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leveldb.h
 * @brief What the files of this plugin share.  The prefix is ldb_: leveldb_ is the library's.
 *
 *   leveldb.c  descriptor, options, life           keys.c     byte strings, layout of keys
 *   db.c       the open database, its failures     overlay.c  changes of a group, not yet written
 *   schema.c   version of the layout, re-indexing  words.c    words of a text
 *   writer.c   the writing thread, group commit    apply.c    one commit, checked and indexed
 *   read.c     get, pages of documents             find.c     ranges of an index
 *   search.c   the index "text"                    record.c   what a commit changed, as bytes
 *   feed.c     snapshot, read, wake                expiry.c   old documents and old feed records
 *   series.c   write, scan, trim
 *
 * One thread writes (writer.c): checks of revisions and unique keys need no lock.  Readers use the
 * library from any thread, each on a snapshot of its own (struct ldb_view).
 */
#ifndef STORE_LEVELDB_LEVELDB_H
#define STORE_LEVELDB_LEVELDB_H
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/series.h>
#include <leveldb/c.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/model/model.h"

/* ---- Limits -------------------------------------------------------------------------------- */

#define LDB_TENANT_MAX 255
#define LDB_INDEX_VALUE_MAX 1024          /**< Longest string in an index. */
#define LDB_OPS_MAX 10000                 /**< Operations of one commit. */
#define LDB_COMMIT_BYTES_MAX (64u << 20)  /**< Bodies of one commit, or of one page. */
#define LDB_QUEUE_MAX 1024                /**< Commits that may wait for the writer. */
#define LDB_QUEUE_WAIT_MS 30000           /**< How long one may wait there. */
#define LDB_GROUP_MAX 64                  /**< Commits written together. */
#define LDB_GROUP_BYTES (4u << 20)        /**< A group takes no further commit beyond that. */
#define LDB_WORDS_MAX 256                 /**< Words of one document in the index "text". */
#define LDB_WORD_BYTES_MAX 64

/* ---- keys.c: byte strings ------------------------------------------------------------------ */

/** Growing bytes.  Errors are collected: has_failed says at the end that memory was short. */
struct ldb_buf {
	char *p;
	size_t n, capacity;
	bool has_failed;
};

void ldb_buf_free(struct ldb_buf *b);
/** Empty it, keep its memory, forget a failure. */
void ldb_buf_reset(struct ldb_buf *b);
static inline struct gh_str
ldb_buf_str(const struct ldb_buf *b)
{
	return (struct gh_str){ b->p, b->n };
}
void ldb_put(struct ldb_buf *b, const void *bytes, size_t n);
void ldb_put_str(struct ldb_buf *b, struct gh_str s);
/** Big-endian, so that bytes sort as numbers do. */
void ldb_put_uint(struct ldb_buf *b, uint64_t value, unsigned width);
/** A signed number; bytes sort as numbers do. */
void ldb_put_integer(struct ldb_buf *b, int64_t value);
/** A string inside a key, without its end: what it is a prefix of begins with the same bytes. */
void ldb_put_escaped(struct ldb_buf *b, struct gh_str s);
/** The end of an escaped string; sorts before whatever could go on. */
void ldb_put_end(struct ldb_buf *b);

bool ldb_take(struct gh_str *rest, size_t n, struct gh_str *ret_front);
bool ldb_take_uint(struct gh_str *rest, unsigned width, uint64_t *ret_value);
/** Step over an escaped string and its end.  @param[out] ret_raw  its escaped form; may be NULL. */
bool ldb_take_escaped(struct gh_str *rest, struct gh_str *ret_raw);
/** Undo ldb_put_escaped(). */
void ldb_put_unescaped(struct ldb_buf *b, struct gh_str raw);

/** As memcmp() does it, and as LevelDB sorts. */
int ldb_compare(struct gh_str a, struct gh_str b);
bool ldb_has_prefix(struct gh_str s, struct gh_str prefix);
/** Turn a prefix into the first key after everything that begins with it. */
void ldb_buf_successor(struct ldb_buf *b);

/* ---- keys.c: layout ------------------------------------------------------------------------
 *
 *   00 name                                            about the database itself
 *   01 kind:2 tenant id                                rev:8 body
 *   02 kind:2 index:1 tenant values                    id       (unique index)
 *   02 kind:2 index:1 tenant values id                 -        (other index)
 *   02 kind:2 ff tenant word id                        -        (words)
 *   03 seq:8                                           feed record
 *   04 expires:8 kind:2 tenant id                      -        (expiry queue)
 *   05 series bucket:8 key                             value
 *
 * Tenants, values, words and series are escaped and ended; ids and keys are raw: they come last.
 */
enum ldb_space {
	LDB_META, LDB_DOCS, LDB_INDEX, LDB_FEED, LDB_EXPIRY, LDB_SERIES,
};
#define LDB_INDEX_TEXT 0xff

void ldb_key_meta(struct ldb_buf *b, const char *name);
/** Up to the tenant; with n = 0 up to the kind. */
void ldb_key_docs(struct ldb_buf *b, const struct model_kind *kind, struct gh_str tenant);
void ldb_key_doc(struct ldb_buf *b, const struct model_kind *kind, struct gh_str tenant,
	struct gh_str id);
void ldb_key_index(struct ldb_buf *b, const struct model_kind *kind, uint8_t number,
	struct gh_str tenant);
void ldb_key_feed(struct ldb_buf *b, uint64_t seq);
/** Take kind, tenant (escaped) and the rest of a key of LDB_DOCS or, after its time, LDB_EXPIRY. */
bool ldb_take_doc_key(struct gh_str *rest, const struct model_kind **ret_kind,
	struct gh_str *ret_tenant_raw);

/** One entry that a document has beside itself: an index, a word, its expiry. */
struct ldb_entry {
	struct gh_str key, value;
	bool is_unique;
};
typedef int ldb_entry_fn(void *arg, const struct ldb_entry *entry);
/** All entries of a document.  @return 0, GH_ETOOBIG, GH_ENOMEM, or what @p fn returned. */
int ldb_entries(const struct model_kind *kind, struct gh_str tenant, struct gh_str id,
	struct gh_str body, ldb_entry_fn *fn, void *arg);

/* ---- words.c ------------------------------------------------------------------------------- */

struct ldb_words {
	struct ldb_buf text;    /**< The words, folded, one after the other. */
	size_t n;
	uint16_t length[LDB_WORDS_MAX];
};

/** Add the words of @p text that are not there yet; beyond LDB_WORDS_MAX they are left out.
 *  @param text  UTF-8; what is none separates words. */
void ldb_words_add(struct ldb_words *words, struct gh_str text);
/** The words of a document's text fields. */
void ldb_words_of_doc(struct ldb_words *words, const struct model_kind *kind, struct gh_str body);
void ldb_words_free(struct ldb_words *words);
/** Iterate.  @param at  0 at first. @param i  0, 1, ... */
struct gh_str ldb_word(const struct ldb_words *words, size_t i, size_t *at);

/* ---- db.c ---------------------------------------------------------------------------------- */

struct ldb_db {
	struct gh_inst *inst;
	char *dir;
	leveldb_options_t *options;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *filter;
	leveldb_readoptions_t *read; /**< Without a snapshot. */
	leveldb_writeoptions_t *synced, *unsynced;
	uint64_t write_buffer_bytes;
	pthread_mutex_t write_lock;  /**< Held while writing: nothing gets into a broken log. */
	pthread_mutex_t lock;
	pthread_cond_t idle;         /**< users became 0. */
	leveldb_t *handle;           /**< lock; NULL while it could not be opened again. */
	unsigned users;              /**< lock */
	bool is_draining;            /**< lock: no new users, it is being opened again. */
	atomic_bool is_broken;       /**< A write failed; none goes on until it was opened again. */
	bool is_explained;           /**< Why it cannot be opened again was logged; the writer's. */
	uint8_t history[GH_FEED_HISTORY_BYTES]; /**< Of the feed; fixed after ldb_schema_open(). */
};

/** Open or create.  Failures are logged as a sentence that names the directory.  MAIN.
 *  @return 0, GH_EIO (also damaged), GH_EAGAIN (in use), GH_EDENIED, GH_EVERSION, GH_ENOMEM. */
int ldb_db_open(struct ldb_db *db, struct gh_inst *inst, const char *dir,
	uint64_t write_buffer_bytes, uint64_t cache_bytes);
void ldb_db_close(struct ldb_db *db);
/** The handle, for a short time.  @return NULL: there is none now. */
leveldb_t *ldb_db_use(struct ldb_db *db);
void ldb_db_unuse(struct ldb_db *db);
/** Write all of @p batch.  @return 0, GH_EIO: logged; is_broken is set. */
int ldb_db_write(struct ldb_db *db, leveldb_writebatch_t *batch, bool is_synced);
/** Open a broken database again, so that it can be written.  Only the writer.
 *  @return 0; GH_EIO: still broken; reading goes on if it did. */
int ldb_db_reopen(struct ldb_db *db);
/** Log an error of the library and free its text.  @return GH_EIO, or 0 when @p error is NULL. */
int ldb_db_check(struct ldb_db *db, const char *doing, char *error);

/** A consistent view of the database for one reader. */
struct ldb_view {
	struct ldb_db *db;
	leveldb_t *handle;
	const leveldb_snapshot_t *snapshot;
	leveldb_readoptions_t *read;
};
/** @return 0, GH_EIO: there is no database now. */
int ldb_view_open(struct ldb_view *view, struct ldb_db *db);
void ldb_view_close(struct ldb_view *view);
leveldb_iterator_t *ldb_view_iterate(struct ldb_view *view);
/** @param[out] ret_value  leveldb_free((void *)p).  @return 0, GH_ENOENT, GH_EIO. */
int ldb_view_get(struct ldb_view *view, struct gh_str key, struct gh_str *ret_value);

static inline struct gh_str
ldb_iter_key(const leveldb_iterator_t *it)
{
	struct gh_str key;

	key.p = leveldb_iter_key(it, &key.n);
	return key;
}
static inline struct gh_str
ldb_iter_value(const leveldb_iterator_t *it)
{
	struct gh_str value;

	value.p = leveldb_iter_value(it, &value.n);
	return value;
}
static inline void
ldb_iter_seek(leveldb_iterator_t *it, struct gh_str key)
{
	leveldb_iter_seek(it, key.p, key.n);
}
/** Is it on a key that begins with @p prefix? */
static inline bool
ldb_iter_on(const leveldb_iterator_t *it, struct gh_str prefix)
{
	return leveldb_iter_valid(it) && ldb_has_prefix(ldb_iter_key(it), prefix);
}
/** Destroy it.  @param r  what happened so far.  @return @p r, or GH_EIO for an error it met. */
int ldb_iter_end(struct ldb_db *db, leveldb_iterator_t *it, int r);

/* ---- schema.c ------------------------------------------------------------------------------ */

/** Check or write the version of the layout; make the indexes anew that lib/model changed; find out
 *  which history the feed belongs to.
 *  @return 0, GH_EVERSION (newer, or not ours), GH_ECONFLICT (a new unique index does not hold),
 *  GH_EIO, GH_ENOMEM; all logged. */
int ldb_schema_open(struct ldb_db *db);

/* ---- overlay.c ----------------------------------------------------------------------------- */

/** One change that is not yet written. */
struct ldb_change {
	struct gh_str key, value;
	bool is_delete;
	bool is_hidden;            /**< A later change of the same key is there. */
	size_t number;             /**< Place in the overlay. */
	struct ldb_change *older;  /**< What it hides, or NULL. */
	struct ldb_change *chain;  /**< Same bucket. */
};

#define LDB_OVERLAY_BUCKETS 1024
/** Changes in order; the latest of each key counts. */
struct ldb_overlay {
	struct ldb_change **changes;
	size_t n, capacity, bytes;
	struct ldb_change *buckets[LDB_OVERLAY_BUCKETS];
};

int ldb_overlay_put(struct ldb_overlay *o, struct gh_str key, struct gh_str value);
int ldb_overlay_delete(struct ldb_overlay *o, struct gh_str key);
/** @return the latest change of @p key, or NULL. */
const struct ldb_change *ldb_overlay_find(const struct ldb_overlay *o, struct gh_str key);
/** Take back all changes from number @p mark on. */
void ldb_overlay_rollback(struct ldb_overlay *o, size_t mark);
void ldb_overlay_fill(const struct ldb_overlay *o, leveldb_writebatch_t *batch);
void ldb_overlay_free(struct ldb_overlay *o);

/* ---- writer.c ------------------------------------------------------------------------------ */

/** A commit on its way; lives on the stack of its caller. */
struct ldb_request {
	struct ldb_request *next;
	const struct gh_doc_op *ops;
	const struct model_kind **kinds; /**< Of each op. */
	size_t n, bytes;
	int r;            /**< Result. */
	uint64_t seq;     /**< When r is 0. */
	size_t failed;    /**< The op that conflicts. */
	bool is_taken, is_done; /**< writer lock */
};

struct ldb_writer {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t work;       /**< Something was queued, or the writer shall stop. */
	pthread_cond_t done;       /**< Commits were answered. */
	pthread_cond_t news;       /**< last_seq grew, or wakes did. */
	struct ldb_request *first, **last; /**< lock */
	size_t queued;             /**< lock */
	bool is_stopping;          /**< lock */
	uint64_t last_seq;         /**< lock: newest commit on disk. */
	uint64_t oldest_seq;       /**< lock: oldest feed record kept; 0: there is none. */
	uint64_t wakes;            /**< lock: calls of wake(). */
	struct ldb_overlay overlay;/**< The writer's, as the rest. */
	uint64_t next_expiry_s;    /**< No document expires before. */
	uint64_t next_care_ns;     /**< Next look at expiry and trimming. */
	uint64_t next_reopen_ns;   /**< Next try, while broken. */
};

/* ---- The process block --------------------------------------------------------------------- */

struct ldb_config {
	struct gh_str path;
	struct gh_bytes write_buffer, cache;
	bool sync;
	uint64_t feed_keep_batches;
	struct gh_ms feed_keep;
};

struct ldb {
	struct gh_inst *inst;
	struct ldb_db db;
	struct ldb_writer writer;
	bool is_synced;
	const struct ldb_config *config, *previous; /**< Generations; MAIN. */
	_Atomic uint64_t feed_keep_batches, feed_keep_ms; /**< Of config; the writer reads. */
	struct gh_metric *commits, *groups, *conflicts, *errors, *expired, *commit_time, *sequence;
};

/** Services block: on a worker they end the process, whatever the build. */
#define LDB_ASSERT_MAY_BLOCK() do { \
	if (!gh_may_block()) \
		ldb_assertion_failed(__func__); \
} while (0)
_Noreturn void ldb_assertion_failed(const char *function);

int ldb_writer_start(struct ldb *p);
void ldb_writer_stop(struct ldb *p);
/** docs/1 commit. */
int ldb_commit(void *self, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq,
	size_t *ret_failed);
/** Write commits as one group and answer them.  Only the writer. */
void ldb_write_group(struct ldb *p, struct ldb_request **requests, size_t n);
/** Newest and oldest feed record on disk; both 0 when there is none.  @return 0, GH_EIO. */
int ldb_feed_ends(struct ldb_db *db, uint64_t *ret_oldest, uint64_t *ret_newest);

/** Put one commit into the overlay: all of it, or nothing.  Only the writer.
 *  @return as docs/1 commit; request->failed is set on GH_ECONFLICT and GH_ENOENT. */
int ldb_apply(struct ldb *p, struct ldb_view *view, struct ldb_request *request, uint64_t seq);

/** Delete what has expired and trim the feed, a bounded piece at a time.  Only the writer.
 *  @return true: there is more to do at once. */
bool ldb_care(struct ldb *p);
/** A commit makes an entry: if it is one of the expiry queue, look there in time. */
void ldb_expiry_note(struct ldb_writer *w, struct gh_str key);

/* ---- read.c, find.c, search.c -------------------------------------------------------------- */

/** Documents being gathered for one answer. */
struct ldb_page {
	struct gh_str kind;
	struct ldb_buf bytes;       /**< tenant, id and body of each. */
	struct ldb_page_item {
		size_t tenant_n, id_n, body_n;
		uint64_t rev;
	} *items;
	size_t n, capacity;
	struct ldb_buf cursor;      /**< Key of the last one. */
	bool has_more;
	uint64_t total;
};

/** Add a document from its stored value.  @return 0, GH_EIO (damaged), GH_ENOMEM. */
int ldb_page_add(struct ldb_page *page, struct gh_str tenant, struct gh_str id,
	struct gh_str stored);
/** @return 0, GH_ENOMEM.  The page is freed in any case. */
int ldb_page_finish(struct ldb_page *page, struct gh_docs_found **ret_found);
void ldb_page_free(struct ldb_page *page);
/** Empty it, keep its memory. */
void ldb_page_reset(struct ldb_page *page);
/** The document number @p i; call it for 0, 1, ...  @param at  0 at first.
 *  @param base  the page's bytes or a copy of them: the document points there. */
struct gh_doc ldb_page_doc(const struct ldb_page *page, const char *base, size_t i, size_t *at);

/** docs/1. */
int ldb_get(void *self, struct gh_str tenant, struct gh_str kind, struct gh_str id,
	struct gh_docs_found **ret_found);
int ldb_find(void *self, const struct gh_find *find, struct gh_docs_found **ret_found);
void ldb_found_free(struct gh_docs_found *found);

#define LDB_TOTAL_MAX 100000 /**< Matches are counted up to here. */
#define LDB_TENANTS_MAX 100000 /**< Tenants that one find visits. */

/** Tenants that have documents in @p space of a kind, in order.  @param prefix  up to the tenant.
 *  @param[out] ret_tenants  free() each p and the array.  @return 0, GH_EIO, GH_ENOMEM,
 *  GH_ETOOBIG (LDB_TENANTS_MAX). */
int ldb_tenants(struct ldb_view *view, struct gh_str prefix, struct gh_str **ret_tenants,
	size_t *ret_n);
void ldb_tenants_free(struct gh_str *tenants, size_t n);

/** find() on the index "text". */
int ldb_search(struct ldb_view *view, const struct model_kind *kind, const struct gh_find *find,
	struct ldb_page *page);

/* ---- record.c, feed.c, series.c ------------------------------------------------------------ */

/** Begin a feed record; ldb_feed_add() for each change, then ldb_feed_finish(). */
void ldb_feed_begin(struct ldb_buf *record, uint64_t now_us);
void ldb_feed_add(struct ldb_buf *record, const struct gh_doc_op *op,
	const struct model_kind *kind);
void ldb_feed_finish(struct ldb_buf *record, uint32_t n);
/** When a record was written.  @return false: damaged. */
bool ldb_feed_time(struct gh_str record, uint64_t *ret_us);
/** Hand one record to a reader.
 *  @return 0; GH_ENOMEM; GH_EIO with @p ret_damaged set; else what @p fn returned. */
int ldb_feed_deliver(uint64_t seq, struct gh_str record, gh_feed_fn *fn, void *arg,
	bool *ret_damaged);

int ldb_feed_snapshot(void *self, gh_feed_fn *fn, void *arg, uint64_t *ret_seq);
int ldb_feed_read(void *self, uint64_t after_seq, uint64_t wait_ms, gh_feed_fn *fn, void *arg);
void ldb_feed_wake(void *self);
int ldb_feed_history(void *self, uint8_t ret_id[GH_FEED_HISTORY_BYTES]);

int ldb_series_write(void *self, const struct gh_series_row *rows, size_t n);
int ldb_series_scan(void *self, struct gh_str series, uint64_t from_s, uint64_t to_s,
	gh_series_fn *fn, void *arg);
int ldb_series_trim(void *self, struct gh_str series, uint64_t before_s);

#endif
