/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leveldb_short.h
 * @brief Short forms for the tests of the plugin leveldb: one open store, documents of tenant t1.
 */
#ifndef TESTS_UNIT_LEVELDB_SHORT_H
#define TESTS_UNIT_LEVELDB_SHORT_H
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/doc/doc.h"
#include "tests/unit/leveldb_kit.h"
#include "tests/unit/unit.h"

#define T GH_STR("t1")
#define PATIENCE_MS 10000

static struct kit kit;

/** Open a database of this test's own. */
static inline void
setup(const char *path)
{
	struct ldb_config config = kit_config(path);

	CU_ASSERT_EQUAL_FATAL(kit_open(&kit, &config), 0);
}

static inline void
reopen(void)
{
	struct ldb_config config = kit.config;

	kit_close(&kit);
	CU_ASSERT_EQUAL_FATAL(kit_open(&kit, &config), 0);
}

static inline int
commit(const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq, size_t *ret_failed)
{
	return kit.docs.vt->commit(kit.docs.self, ops, n, ret_seq, ret_failed);
}

static inline struct gh_doc_op
op_put(const char *tenant, const char *kind, const char *id, struct gh_str body, uint64_t rev)
{
	return (struct gh_doc_op){ GH_DOC_PUT, gh_str_of(tenant), gh_str_of(kind), gh_str_of(id),
		body, rev };
}

static inline struct gh_doc_op
op_delete(const char *tenant, const char *kind, const char *id, uint64_t expect_rev)
{
	return (struct gh_doc_op){ GH_DOC_DELETE, gh_str_of(tenant), gh_str_of(kind), gh_str_of(id),
		GH_STR_NONE, expect_rev };
}

/** Put one document of tenant t1 and free its body. */
static inline int
put_rev(const char *kind, const char *id, struct gh_str body, uint64_t expect_rev)
{
	struct gh_doc_op op = op_put("t1", kind, id, body, expect_rev);
	int r = commit(&op, 1, NULL, NULL);

	free((void *)body.p);
	return r;
}

static inline int
put(const char *kind, const char *id, struct gh_str body)
{
	return put_rev(kind, id, body, GH_REV_ANY);
}

static inline int
delete_rev(const char *kind, const char *id, uint64_t expect_rev)
{
	struct gh_doc_op op = op_delete("t1", kind, id, expect_rev);

	return commit(&op, 1, NULL, NULL);
}

/** @return the error, or 0 with the revision of a document of tenant t1. */
static inline int
get_rev(const char *kind, const char *id, uint64_t *ret_rev)
{
	struct gh_docs_found *found;
	int r = kit.docs.vt->get(kit.docs.self, T, gh_str_of(kind), gh_str_of(id), &found);

	if (r < 0)
		return r;
	*ret_rev = found->docs[0].rev;
	kit.docs.vt->found_free(found);
	return 0;
}

/** Revision of a document of tenant t1; 0: there is none. */
static inline uint64_t
rev_of(const char *kind, const char *id)
{
	uint64_t rev = 0;
	int r = get_rev(kind, id, &rev);

	CU_ASSERT(r == 0 || r == GH_ENOENT);
	return rev;
}

static inline struct gh_str
body_at(const char *field, int64_t value, const char *name, const char *text)
{
	struct gh_str plain = kit_body(name, text, NULL), body = GH_STR_NONE;

	CU_ASSERT_EQUAL_FATAL(doc_set(plain, field, DOC_OF_INT(value), &body), 0);
	free((void *)plain.p);
	return body;
}

/** Wait until @p condition holds; the writer looks after old things once a second. */
#define EVENTUALLY(condition) do { \
	uint64_t until = gh_mono_ns() + (uint64_t)PATIENCE_MS * 1000000; \
	while (!(condition) && gh_mono_ns() < until) \
		usleep(5000); \
	CU_ASSERT(condition); \
} while (0)

static inline void
path_in_state(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", kit_state_dir(), name);
}

/** Put one key into a closed database. */
static inline void
tamper(const char *name, const char *key, size_t key_n, const char *value, size_t value_n)
{
	leveldb_options_t *options = leveldb_options_create();
	leveldb_writeoptions_t *synced = leveldb_writeoptions_create();
	char path[200], *error = NULL;

	path_in_state(path, sizeof(path), name);
	leveldb_options_set_create_if_missing(options, 1);
	leveldb_t *db = leveldb_open(options, path, &error);

	CU_ASSERT_PTR_NULL_FATAL(error);
	leveldb_put(db, synced, key, key_n, value, value_n, &error);
	CU_ASSERT_PTR_NULL(error);
	leveldb_close(db);
	leveldb_writeoptions_destroy(synced);
	leveldb_options_destroy(options);
}

#endif
