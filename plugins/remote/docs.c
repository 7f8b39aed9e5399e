/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file docs.c
 * @brief docs/1 of another node.
 */
#include "lib/block/block.h"
#include "lib/crypto/crypto.h"
#include "plugins/remote/remote.h"

#define COMMIT_ID_BYTES 16
#define READ_ERRORS (REMOTE_ERR(GH_ENOENT) | REMOTE_ERR(GH_EINVAL) | REMOTE_ERR(GH_ENOMEM))
/* Not GH_EAGAIN: that the last attempt was not tried says nothing about those before it. */
#define COMMIT_ERRORS (REMOTE_ERR(GH_ECONFLICT) | REMOTE_ERR(GH_ENOENT) | REMOTE_ERR(GH_EINVAL) | \
	REMOTE_ERR(GH_ETOOBIG))

/** Ask for documents.  @param max  that may come. */
static int
read_docs(struct remote *remote, const char *function, struct rpc_writer *w, size_t min, size_t max,
	struct gh_docs_found **ret_found)
{
	struct remote_call call = { .function = function, .is_repeatable = true,
		.errors = READ_ERRORS, .max_bytes = RPC_MESSAGE_MAX };
	struct gh_docs_found *found = NULL;
	struct remote_answer answer;
	int r = rpc_finish(w, &call.message);

	if (r < 0)
		return r == GH_ENOMEM ? r : GH_EINVAL;
	r = remote_call(remote, &call, &answer);
	if (r == 0) {
		r = rpc_get_found(&answer.message, max, &found);
		if (r == 0 && found->n < min) {
			block_free(found);
			r = GH_EINVAL;
		}
		if (r < 0)
			r = remote_nonsense(remote, function, r);
	}
	if (r == 0)
		*ret_found = found;
	remote_answer_done(&answer);
	return r;
}

static int
docs_get(void *self, struct gh_str tenant, struct gh_str kind, struct gh_str id,
	struct gh_docs_found **ret_found)
{
	struct rpc_writer w;

	rpc_writer_init(&w);
	doc_put_str(&w.head, "tenant", tenant);
	doc_put_str(&w.head, "kind", kind);
	doc_put_str(&w.head, "id", id);
	return read_docs(self, "docs/1/get", &w, 1, 1, ret_found);
}

static int
docs_find(void *self, const struct gh_find *find, struct gh_docs_found **ret_found)
{
	struct rpc_writer w;

	if (find->limit < 1 || find->limit > GH_FIND_MAX || find->equal_count > RPC_EQUAL_MAX)
		return GH_EINVAL;
	rpc_writer_init(&w);
	rpc_put_find(&w, find);
	return read_docs(self, "docs/1/find", &w, 0, find->limit, ret_found);
}

static void
docs_found_free(struct gh_docs_found *found)
{
	block_free(found);
}

static int
docs_commit(void *self, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq, size_t *ret_failed)
{
	struct remote_call call = { .function = "docs/1/commit", .is_repeatable = true,
		.errors = COMMIT_ERRORS };
	char id[2 * COMMIT_ID_BYTES + 1];
	struct remote_answer answer;
	struct rpc_writer w;
	uint64_t seq = 0;
	int r = n > 0 ? crypto_random_hex(id, COMMIT_ID_BYTES) : GH_EINVAL;

	if (r < 0)
		return r;
	rpc_writer_init(&w);
	doc_put_str(&w.head, "id", gh_str_of(id));
	rpc_put_ops(&w, ops, n);
	r = rpc_finish(&w, &call.message);
	if (r < 0)
		return r;
	r = remote_call(self, &call, &answer);
	if (r == 0)
		r = remote_answer_seq(&answer, call.function, &seq);
	if (r == 0 && ret_seq != NULL)
		*ret_seq = seq;
	if ((r == GH_ECONFLICT || r == GH_ENOENT) && ret_failed != NULL) {
		int64_t failed = doc_int(answer.message.head, "failed", 0);

		*ret_failed = failed > 0 && (uint64_t)failed < n ? (size_t)failed : 0;
	}
	remote_answer_done(&answer);
	return r;
}

const struct gh_docs_v1 remote_docs = {
	.size = sizeof(remote_docs), .get = docs_get, .find = docs_find,
	.found_free = docs_found_free, .commit = docs_commit,
};
