/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/test.h
 * @brief The test kit: run a plugin's hooks on a transaction without a server.
 *
 * It is the real kernel without sockets: options are parsed by the same table, hooks run in the same
 * plan with the same verdict rules, and a suspended transaction is driven by the same loop.
 * Link with libgatehouse.  One thread; every function below is called by it.
 */
#ifndef GATEHOUSE_TEST_H
#define GATEHOUSE_TEST_H
#include <gatehouse/http.h>

struct gh_test; /**< A node with one worker and no listeners. */

/** A node from manifest text (YAML; only `plugins:` matters).  Plugins are found in @p plugin_path, a
 *  colon-separated list of directories.
 *  @param[out] error  why not; at least 256 bytes.  @return the node, or NULL. */
GH_API struct gh_test *gh_test_new(const char *manifest, const char *plugin_path, char *error,
	size_t error_size);
GH_API void gh_test_free(struct gh_test *test);

/** What a test sends. */
struct gh_test_request {
	const char *method, *target;     /**< NULL: GET, "/". */
	const char *peer;                /**< NULL: 127.0.0.1. */
	const struct gh_field *fields;   /**< Ended by a name of n = 0, or NULL. */
	struct gh_str body;
	enum gh_chain chain;
	/** Called in ROUTE, where a gateway would set attributes.  May be NULL. */
	void (*route)(struct gh_txn *txn, void *arg);
	void *arg;
	/** What the backend answers when no hook ends the request before; status 0: 200, empty. */
	unsigned upstream_status;
	const struct gh_field *upstream_fields;
	struct gh_str upstream_body;
};

/** What came of it; valid until the next gh_test_run() or gh_test_free(). */
struct gh_test_outcome {
	unsigned status;
	const struct gh_field *fields;
	size_t field_count;
	struct gh_str body;
	bool reached_upstream;
	const struct gh_field *upstream_request_fields; /**< As the backend would see them. */
	size_t upstream_request_field_count;
};

/** Run one transaction to its end, at most 10 s, then deliver the events sent meanwhile.  @return 0; GH_ETIMEDOUT. */
GH_API int gh_test_run(struct gh_test *test, const struct gh_test_request *request,
	struct gh_test_outcome *ret_outcome);
/** First response field of that name; p = NULL when there is none. */
GH_API struct gh_str gh_test_field(const struct gh_test_outcome *outcome, const char *name);

#endif
