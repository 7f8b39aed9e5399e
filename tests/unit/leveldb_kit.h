/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leveldb_kit.h
 * @brief Runs the plugin leveldb without a kernel: what it calls of the kernel is faked, with
 * a clock that tests may turn.
 */
#ifndef TESTS_UNIT_LEVELDB_KIT_H
#define TESTS_UNIT_LEVELDB_KIT_H
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/series.h>

#include "store/leveldb/leveldb.h"

/** One entry of the plugin. */
struct kit {
	struct ldb process;
	struct ldb_config config;
	struct gh_docs docs;
	struct gh_feed feed;
	struct gh_series series;
};

extern _Atomic uint64_t kit_clock_ahead_s; /**< Added to the time of day. */
extern bool kit_is_worker;                 /**< Then nothing may block. */
extern bool kit_is_loud;                   /**< Print what is logged. */
extern atomic_bool kit_is_ready;           /**< What the plugin said last. */
/** The last line that was logged. */
const char *kit_last_log(void);
/** Does it contain @p text?  While threads of the plugin may log. */
bool kit_log_has(const char *text);

/** A directory of this process under the working directory; removed at exit.  @return STATIC. */
const char *kit_state_dir(void);
/** Defaults of the options. */
struct ldb_config kit_config(const char *path);
/** @return what open() returned. */
int kit_open(struct kit *kit, const struct ldb_config *config);
void kit_close(struct kit *kit);

/** A body of string fields: kit_body("name", "a", "version", "1", NULL).  free() it. */
struct gh_str kit_body(const char *name, ...) __attribute__((sentinel));

#endif
