/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file analytics.h
 * @brief The parts of the analytics plugin, in the order in which a call passes them.
 *
 *   recorder  one per worker: the LOG hook leaves a fixed-size record in a ring that the worker
 *             fills
 *             and the batcher empties;
 *   rows      a table of latency sketches, one per combination of names, status and minute;
 *   batcher   one thread: rings to rows, every second changed rows to series/1;
 *   usage     the report, from series/1.
 *
 * A node without a database has a forwarder instead of a series: it keeps what is written in a
 * spool on disk and sends it, parcel by parcel, to the analytics node, whose intake writes it.
 */
#ifndef PLUGINS_ANALYTICS_ANALYTICS_H
#define PLUGINS_ANALYTICS_ANALYTICS_H
#include <gatehouse/base.h>
#include <gatehouse/metric.h>
#include <gatehouse/svc/peer.h>
#include <gatehouse/svc/series.h>
#include <stdatomic.h>

#include "lib/doc/doc.h"
#include "lib/rest/rest.h"
#include "lib/sketch/sketch.h"

/* ---- Names (names.c): who called what -------------------------------------------------------- */

enum names_part {
	NAMES_TENANT, NAMES_API_ID, NAMES_API, NAMES_VERSION, NAMES_APPLICATION, NAMES_METHOD,
	NAMES_COUNT
};

#define NAMES_PART_MAX 255u /**< Longer names are cut; the management APIs allow none. */
#define NAMES_BYTES_MAX (NAMES_COUNT * (1 + NAMES_PART_MAX))

/** What a call is counted under. */
struct names {
	struct gh_str part[NAMES_COUNT];
};

/** Encode: each part as its length and its bytes.  @param ret  room for NAMES_BYTES_MAX.
 *  @return bytes written. */
size_t names_encode(const struct names *names, char *ret);
/** Decode from the front of @p bytes, which may come from anywhere.
 *  @param[out] ret_names  points into @p bytes.  @return bytes read; 0: damaged. */
size_t names_decode(struct gh_str bytes, struct names *ret_names);

/* ---- Recorder (recorder.c) ------------------------------------------------------------------- */

/** Encoded names, kept once per worker.  Immutable. */
struct subject {
	uint64_t hash; /**< Of the bytes, with the plugin's seed. */
	uint32_t n;
	char bytes[];
};

/** One call. */
struct record {
	const struct subject *subject; /**< Until the next record is taken. */
	uint32_t time_s;               /**< When it ended, Unix seconds. */
	uint32_t latency_us;
	uint16_t status;
	bool is_retirement;            /**< Private: a table of subjects to be freed, no call. */
};

struct recorder;

/** @param seed  the same for all recorders.  @return NULL: out of memory. */
struct recorder *recorder_new(uint64_t seed);
/** After worker and batcher have ended.  NULL is allowed. */
void recorder_free(struct recorder *recorder);
/** Record a call; its subject is looked up by @p names.  WORKER, the one whose recorder it is.
 *  @param[out] ret_is_filling  more than half of the ring waits: wake the batcher.
 *  @return 0; GH_EAGAIN: the ring is full; GH_ENOMEM.  The call is not recorded then. */
int recorder_put(struct recorder *recorder, const struct names *names, const struct record *record,
	bool *ret_is_filling);
/** Take the oldest call.  The batcher's thread only.  @return false: there is none. */
bool recorder_take(struct recorder *recorder, struct record *ret_record);

/* ---- Rows (rows.c) --------------------------------------------------------------------------- */

/** A sketch and what it is the sketch of. */
struct row {
	struct row *next;
	uint64_t hash;
	uint64_t number;      /**< Counts up from 1: the row's identity in the series. */
	bool is_dirty;        /**< Changed since it was written. */
	uint64_t written;     /**< Calls that it held then. */
	struct sketch sketch;
	uint32_t n;
	char key[];
};

struct rows;

/** @param max  rows at the same time.  @return NULL: out of memory. */
struct rows *rows_new(size_t max);
void rows_free(struct rows *rows);
size_t rows_count(const struct rows *rows);
/** The row with that key; an empty one is made when there is none.
 *  @param hash  of the key, by the caller.  @return NULL: too many rows, or no memory. */
struct row *rows_get(struct rows *rows, uint64_t hash, struct gh_str key);
/** Call @p fn for every row.  @return 0; what fn returned, when it was not 0. */
int rows_each(struct rows *rows, int (*fn)(void *arg, struct row *row), void *arg);
/** Remove the rows that @p fn says are over. */
void rows_remove(struct rows *rows, bool (*is_over)(const void *arg, const struct row *row),
	const void *arg);

/* ---- Batcher (batcher.c) --------------------------------------------------------------------- */

#define ANALYTICS_SERIES GH_STR("usage_minute")

struct batcher;

/** What the batcher is made of; all BORROW. */
struct batcher_setup {
	struct gh_inst *inst;
	struct gh_series series;
	struct recorder **recorders;
	unsigned recorder_count;
	uint64_t seed;     /**< That of the recorders. */
	size_t max_rows;
	struct gh_metric *dropped, *recorded;
};

/** Start the thread.  MAIN.  @return 0, GH_ENOMEM, GH_EIO (no randomness). */
int batcher_new(const struct batcher_setup *setup, struct batcher **ret_batcher);
/** Write what is there and end the thread.  MAIN, after the workers.  NULL is allowed. */
void batcher_free(struct batcher *batcher);
/** How long rows are kept.  ANY. */
void batcher_set_retention(struct batcher *batcher, uint64_t retention_s);
/** A ring is filling.  WORKER, never blocks. */
void batcher_wake(struct batcher *batcher);
/** Wait until every call recorded so far can be read from the series.  POOL.
 *  @return 0, GH_ETIMEDOUT. */
int batcher_flush(struct batcher *batcher, uint64_t deadline_ms);

/* What a row's value in the series is: written by the batcher, read by the report. */
#define VALUE_BYTES_MAX (1 + 2 + NAMES_BYTES_MAX + SKETCH_BYTES_MAX)

/** @param ret  room for VALUE_BYTES_MAX.  @return bytes written. */
size_t value_write(unsigned status, struct gh_str encoded_names, const struct sketch *sketch,
	char *ret);
/** @param[out] ret_sketch  the rest, for sketch_merge_bytes().  @return 0, GH_EINVAL (damaged). */
int value_read(struct gh_str value, unsigned *ret_status, struct names *ret_names,
	struct gh_str *ret_sketch);

/* ---- Parcels (parcel.c): rows on their way to another node ------------------------------------- */

#define PARCEL_PATH "/cluster/v1/usage"
#define PARCEL_BYTES_MAX (512u << 10) /**< Of one parcel; the batcher's batches are smaller. */
#define PARCEL_KEY_BYTES 16           /**< Of a row: what the batcher gives it. */

/** Place of a parcel among those of its node.  Grows, also over restarts of the node. */
struct parcel_number {
	uint64_t run; /**< Start of the sending process, counted. */
	uint64_t seq; /**< Within the run. */
};

/** @param[out] ret  malloc()ed.  @return 0, GH_EINVAL (a key is not PARCEL_KEY_BYTES), GH_ETOOBIG,
 *  GH_ENOMEM. */
int parcel_write(const struct parcel_number *number, const struct gh_series_row *rows, size_t n,
	struct gh_str *ret);

/** A parcel that was read. */
struct parcel {
	struct parcel_number number;
	uint64_t latest_s;          /**< The newest bucket; 0: there is no row. */
	size_t n;
	struct gh_series_row *rows; /**< Their strings BORROW from the bytes; their series is not set. */
};

/** Read and check a parcel that came from anywhere.
 *  @param[out] ret  parcel_done().  @param[out] error  on GH_EINVAL: STATIC, "not a msgpack map".
 *  @return 0, GH_EINVAL (damaged, other version), GH_ENOMEM. */
int parcel_read(struct gh_str bytes, struct parcel *ret, const char **error);
void parcel_done(struct parcel *parcel);

/* ---- Spool (spool.c): parcels in a file, first in, first out ----------------------------------- */

struct spool;

/** Open or make the file; a record that a crash has cut off at its end is dropped.  Not synced:
 *  a power cut may lose the last seconds, a crash of the process does not.
 *  @param directory  made when missing.  @return 0, GH_EIO (*error says why), GH_ENOMEM. */
int spool_open(const char *directory, uint64_t max_bytes, struct spool **ret_spool, char *error,
	size_t error_size);
void spool_close(struct spool *spool);
/** Number of this start, from 1; kept in the directory. */
uint64_t spool_run(const struct spool *spool);
/** Add at the end.  ANY.  @return 0, GH_ETOOBIG (full), GH_EIO. */
int spool_put(struct spool *spool, struct gh_str parcel);
/** The oldest parcel.  One reader.  @param[out] ret  malloc()ed.
 *  @return 0, GH_ENOENT (empty), GH_EIO, GH_ENOMEM. */
int spool_peek(struct spool *spool, struct gh_str *ret);
/** Remove what spool_peek() gave. */
void spool_drop(struct spool *spool);
/** Throw away everything: what stands there cannot be read.  @return bytes that were lost. */
uint64_t spool_clear(struct spool *spool);
/** Bytes that wait.  ANY. */
uint64_t spool_bytes(struct spool *spool);

/* ---- Forwarder (forward.c) --------------------------------------------------------------------- */

struct forward;

struct forward_setup {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_str url;       /**< Copied. */
	const char *directory;   /**< Of the spool. */
	uint64_t max_bytes;      /**< Of the spool. */
};

/** Start the thread that sends.  MAIN.  @return 0, or an error that was logged. */
int forward_new(const struct forward_setup *setup, struct forward **ret_forward);
/** Send what can be sent within a second; the rest waits in the spool for the next start.  MAIN. */
void forward_free(struct forward *forward);
/** What the batcher writes to. */
struct gh_series forward_series(struct forward *forward);

/* ---- Intake (intake.c) ------------------------------------------------------------------------- */

struct intake;

/** @param series  copied.  @return NULL: out of memory. */
struct intake *intake_new(struct gh_inst *inst, const struct gh_series *series);
void intake_free(struct intake *intake);
/** One parcel of another node: the handler of PARCEL_PATH. */
void intake_serve(struct intake *intake, struct gh_call *call);

/* ---- Usage (usage.c) ------------------------------------------------------------------------- */

/** GET /usage: a rest_fn.  The context's process is a struct analytics. */
int usage_get(struct rest_context *ctx);

/** The process block. */
struct analytics {
	struct gh_inst *inst;
	struct gh_series series;       /**< vt = NULL: calls are forwarded. */
	struct rest_services services; /**< Only tokens are bound: no operation needs documents. */
	struct intake *intake;         /**< NULL: calls are forwarded. */
	struct forward *forward;       /**< NULL: calls are kept here. */
	struct recorder **recorders;   /**< One per worker. */
	unsigned recorder_count;
	struct batcher *batcher;
	struct gh_metric *dropped;
};

#endif
