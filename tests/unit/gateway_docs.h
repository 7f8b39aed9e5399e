/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gateway_docs.h
 * @brief For tests of the gateway: documents and feed batches from JSON text.
 */
#ifndef TESTS_UNIT_GATEWAY_DOCS_H
#define TESTS_UNIT_GATEWAY_DOCS_H
#include <gatehouse/svc/feed.h>
#include <stdlib.h>

#include "lib/doc/doc_json.h"
#include "plugins/gateway/snapshot.h"
#include "tests/unit/unit.h"

static struct gh_str test_environment = { "Default", 7 };
static struct gh_list test_environments = { &test_environment, 1 };
static const struct gw_scope test_scope = { &test_environments };

/** A document whose body is free()d with test_doc_done(). */
static inline struct gh_doc
test_doc(const char *kind, const char *id, uint64_t rev, const char *json)
{
	struct gh_doc doc = { GH_STR("carbon.super"), gh_str_of(kind), gh_str_of(id), rev,
		GH_STR_NONE };
	json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	CU_ASSERT_EQUAL_FATAL(doc_from_json(object, &doc.body), 0);
	json_decref(object);
	return doc;
}

static inline void
test_doc_done(struct gh_doc *doc)
{
	free((void *)(uintptr_t)doc->body.p);
}

/** Put one document into @p root.  @return why it was not taken, or NULL. */
static inline const char *
test_put(struct gw_snapshot *root, const char *kind, const char *id, uint64_t rev, const char *json)
{
	struct gh_doc doc = test_doc(kind, id, rev, json);
	const char *why = NULL;

	CU_ASSERT_EQUAL(gw_snapshot_apply(root, NULL, &test_scope, false, &doc, &why), 0);
	test_doc_done(&doc);
	return why;
}

static inline void
test_delete(struct gw_snapshot *root, const char *kind, const char *id)
{
	struct gh_doc doc = { GH_STR("carbon.super"), gh_str_of(kind), gh_str_of(id), 0,
		GH_STR_NONE };
	const char *why = NULL;

	CU_ASSERT_EQUAL(gw_snapshot_apply(root, NULL, &test_scope, true, &doc, &why), 0);
	CU_ASSERT_PTR_NULL(why);
}

#endif
