/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file docs.c
 * @brief docs/1 for other nodes.
 *
 * A commit whose answer was lost is sent again, perhaps to another node on the same store.  So each
 * commit has an id, and writes a document of kind `commit` with it, in the same batch.  Who finds
 * that document there already knows that the batch was written, and at which sequence.
 */
#include <stdlib.h>

#include "lib/model/model.h"
#include "plugins/expose/expose.h"

#define COMMIT_KEPT_S 600 /* how long the document of a commit is kept: no caller tries that long */
#define COMMIT_ID_BYTES 32

static void
release_found(struct expose_request *request)
{
	request->expose->docs.vt->found_free(request->result);
}

static int
answer_found(struct expose_request *request, struct gh_docs_found *found)
{
	request->result = found;
	request->release = release_found;
	rpc_put_found(&request->out, found);
	return GH_OK;
}

static int
docs_get(struct expose_request *request)
{
	const struct gh_docs *docs = &request->expose->docs;
	struct gh_str head = request->in.head;
	struct gh_docs_found *found;
	int r = docs->vt->get(docs->self, doc_str(head, "tenant"), doc_str(head, "kind"),
		doc_str(head, "id"), &found);

	return r < 0 ? r : answer_found(request, found);
}

static int
docs_find(struct expose_request *request)
{
	const struct gh_docs *docs = &request->expose->docs;
	struct gh_docs_found *found;
	struct rpc_find find;
	int r = rpc_get_find(&request->in, &find);

	if (r == 0)
		r = docs->vt->find(docs->self, &find.find, &found);
	return r < 0 ? r : answer_found(request, found);
}

/** Was it written when the same call came before?  @return 0: yes, as @p ret_seq; @p conflict: no;
 *  GH_EIO, GH_ENOMEM: not known. */
static int
explain_conflict(const struct gh_docs *docs, struct gh_str id, int conflict, uint64_t *ret_seq)
{
	struct gh_docs_found *found;
	int r = docs->vt->get(docs->self, GH_STR(MODEL_TENANT_DEFAULT), GH_STR("commit"), id, &found);

	if (r < 0)
		return r == GH_ENOENT ? conflict : r;
	*ret_seq = found->docs[0].rev;
	docs->vt->found_free(found);
	return GH_OK;
}

/** The first op of every commit from another node: its document.  @param[out] ret_body  free(). */
static int
mark(struct gh_str id, struct gh_doc_op *op, struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_int(&w, "expires_at_s", (int64_t)(gh_now_us() / 1000000) + COMMIT_KEPT_S);
	int r = doc_finish(&w, ret_body);

	if (r == 0)
		*op = (struct gh_doc_op){ GH_DOC_PUT, GH_STR(MODEL_TENANT_DEFAULT), GH_STR("commit"),
			id, *ret_body, GH_REV_NONE };
	return r;
}

static int
docs_commit(struct expose_request *request)
{
	const struct gh_docs *docs = &request->expose->docs;
	struct gh_str id = doc_str(request->in.head, "id"), body = GH_STR_NONE;
	struct gh_doc_op *ops = NULL;
	size_t n = 0, failed = 0;
	uint64_t seq = 0;
	int r = id.n == COMMIT_ID_BYTES ? rpc_get_ops(&request->in, 1, &ops, &n) : GH_EINVAL;

	if (r == 0)
		r = n > 0 ? mark(id, &ops[0], &body) : GH_EINVAL;
	if (r < 0)
		goto out;
	r = docs->vt->commit(docs->self, ops, n + 1, &seq, &failed);
	if (r == GH_ECONFLICT || r == GH_ENOENT)
		r = explain_conflict(docs, id, r, &seq);
	if (r == GH_OK)
		doc_put_int(&request->out.head, "seq", (int64_t)seq);
	else if (r == GH_ECONFLICT || r == GH_ENOENT)
		doc_put_int(&request->out.head, "failed", failed > 0 ? (int64_t)failed - 1 : 0);
out:
	free((void *)body.p);
	free(ops);
	return r;
}

const struct expose_function expose_docs[] = {
	{ "get", docs_get, NULL }, { "find", docs_find, NULL }, { "commit", docs_commit, NULL },
	{ .name = NULL },
};
