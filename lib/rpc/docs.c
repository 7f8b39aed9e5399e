/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file docs.c
 * @brief Searches, changes and results of docs/1 in messages; users of identity/1.
 */
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/rpc/rpc.h"

/* ---- Searches -------------------------------------------------------------------------------- */

void
rpc_put_find(struct rpc_writer *w, const struct gh_find *find)
{
	struct doc_writer *head = &w->head;

	doc_put_str(head, "tenant", find->tenant);
	doc_put_str(head, "kind", find->kind);
	if (find->index != NULL)
		doc_put_str(head, "index", gh_str_of(find->index));
	doc_begin_array(head, "equal");
	for (size_t i = 0; i < find->equal_count; i++)
		doc_put_str(head, NULL, find->equal[i]);
	doc_end(head);
	doc_put_str(head, "from", find->from);
	doc_put_str(head, "to", find->to);
	doc_put_bool(head, "is_prefix", find->is_prefix);
	doc_put_bool(head, "descending", find->descending);
	doc_put_int(head, "limit", find->limit);
	doc_put_int(head, "offset", find->offset);
	doc_put_str(head, "cursor", find->cursor);
}

int
rpc_get_find(struct rpc_message *message, struct rpc_find *ret_find)
{
	struct gh_str head = message->head, index = doc_str(head, "index");
	struct doc_iter it = doc_iter(doc_array(head, "equal"));
	int64_t limit = doc_int(head, "limit", 0), offset = doc_int(head, "offset", 0);
	struct gh_find *find = &ret_find->find;
	struct doc_value v;

	if (index.n > RPC_NAME_MAX || (index.n > 0 && memchr(index.p, '\0', index.n) != NULL) ||
	    limit < 1 || limit > GH_FIND_MAX || offset < 0 || offset > UINT32_MAX)
		return GH_EINVAL;
	*ret_find = (struct rpc_find){ .find = {
		.tenant = doc_str(head, "tenant"), .kind = doc_str(head, "kind"),
		.from = doc_str(head, "from"), .to = doc_str(head, "to"),
		.is_prefix = doc_bool(head, "is_prefix", false),
		.descending = doc_bool(head, "descending", false), .limit = (uint32_t)limit,
		.offset = (uint32_t)offset, .cursor = doc_str(head, "cursor"),
	} };
	if (index.n > 0) {
		memcpy(ret_find->index, index.p, index.n);
		find->index = ret_find->index;
	}
	find->equal = ret_find->equal;
	while (doc_next(&it, NULL, &v)) {
		if (v.type != DOC_STR || find->equal_count == RPC_EQUAL_MAX)
			return GH_EINVAL;
		ret_find->equal[find->equal_count++] = v.s;
	}
	return rpc_end(message);
}

/* ---- Changes --------------------------------------------------------------------------------- */

void
rpc_put_ops(struct rpc_writer *w, const struct gh_doc_op *ops, size_t n)
{
	struct doc_writer *head = &w->head;

	doc_begin_array(head, "ops");
	for (size_t i = 0; i < n; i++) {
		doc_begin_map(head, NULL);
		doc_put_str(head, "tenant", ops[i].tenant);
		doc_put_str(head, "kind", ops[i].kind);
		doc_put_str(head, "id", ops[i].id);
		if (ops[i].expect_rev != GH_REV_ANY)
			doc_put_int(head, "rev", (int64_t)ops[i].expect_rev);
		if (ops[i].verb == GH_DOC_PUT)
			rpc_put_blob(w, "body", ops[i].body);
		doc_end(head);
	}
	doc_end(head);
}

static int
get_op(struct rpc_message *message, struct gh_str map, struct gh_doc_op *op)
{
	int64_t rev = doc_int(map, "rev", 0);

	*op = (struct gh_doc_op){ .verb = doc_has(map, "body") ? GH_DOC_PUT : GH_DOC_DELETE,
		.tenant = doc_str(map, "tenant"), .kind = doc_str(map, "kind"),
		.id = doc_str(map, "id"),
		.expect_rev = doc_has(map, "rev") ? (uint64_t)rev : GH_REV_ANY };
	if (rev < 0)
		return GH_EINVAL;
	return op->verb == GH_DOC_PUT ? rpc_blob(message, map, "body", GH_DOC_BODY_MAX, &op->body)
		: 0;
}

int
rpc_get_ops(struct rpc_message *message, size_t spare, struct gh_doc_op **ret_ops, size_t *ret_n)
{
	struct gh_str array = doc_array(message->head, "ops");
	struct doc_iter it = doc_iter(array);
	size_t count = doc_count(array), n = 0;
	struct doc_value v;

	if (count > RPC_OPS_MAX)
		return GH_ETOOBIG;
	struct gh_doc_op *ops = calloc(spare + count + 1, sizeof(*ops));
	int r = ops != NULL ? 0 : GH_ENOMEM;

	while (r == 0 && n < count && doc_next(&it, NULL, &v)) {
		r = v.type == DOC_MAP ? get_op(message, v.s, &ops[spare + n]) : GH_EINVAL;
		n++;
	}
	if (r == 0)
		r = n == count ? rpc_end(message) : GH_EINVAL;
	if (r < 0) {
		free(ops);
		return r;
	}
	*ret_ops = ops;
	*ret_n = n;
	return 0;
}

/* ---- Results --------------------------------------------------------------------------------- */

void
rpc_put_found(struct rpc_writer *w, const struct gh_docs_found *found)
{
	struct doc_writer *head = &w->head;

	doc_begin_array(head, "docs");
	for (size_t i = 0; i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];

		doc_begin_map(head, NULL);
		doc_put_str(head, "tenant", doc->tenant);
		doc_put_str(head, "kind", doc->kind);
		doc_put_str(head, "id", doc->id);
		doc_put_int(head, "rev", (int64_t)doc->rev);
		rpc_put_blob(w, "body", doc->body);
		doc_end(head);
	}
	doc_end(head);
	doc_put_str(head, "next", found->next);
	doc_put_int(head, "total", (int64_t)found->total);
}

/** Take a string into the allocation. */
static struct gh_str
keep(char **at, struct gh_str s)
{
	struct gh_str kept = { *at, s.n };

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

static int
get_doc(struct rpc_message *message, struct gh_str map, char **at, struct gh_doc *doc)
{
	int64_t rev = doc_int(map, "rev", -1);
	struct gh_str body = GH_STR_NONE;
	int r = rpc_blob(message, map, "body", GH_DOC_BODY_MAX, &body);

	if (r == 0)
		r = rev >= 0 ? doc_check(body) : GH_EINVAL;
	if (r == 0)
		*doc = (struct gh_doc){ keep(at, doc_str(map, "tenant")),
			keep(at, doc_str(map, "kind")), keep(at, doc_str(map, "id")),
			(uint64_t)rev, keep(at, body) };
	return r;
}

int
rpc_get_found(struct rpc_message *message, size_t max, struct gh_docs_found **ret_found)
{
	struct gh_str array = doc_array(message->head, "docs"), next;
	struct doc_iter it = doc_iter(array);
	size_t count = doc_count(array), n = 0;
	int64_t total = doc_int(message->head, "total", 0);
	struct gh_docs_found *found;
	struct doc_value v;
	int r = 0;

	if (array.n == 0 || count > max || total < 0)
		return GH_EINVAL;
	/* Every string is part of the message and is kept once, whatever names stand twice. */
	found = block_new(sizeof(*found) + count * sizeof(*found->docs) + message->head.n +
		message->rest.n);
	if (found == NULL)
		return GH_ENOMEM;
	found->docs = (struct gh_doc *)(found + 1);
	char *at = (char *)(found->docs + count);

	while (r == 0 && n < count && doc_next(&it, NULL, &v)) {
		r = v.type == DOC_MAP ? get_doc(message, v.s, &at, &found->docs[n]) : GH_EINVAL;
		n++;
	}
	next = doc_str(message->head, "next");
	if (r == 0)
		r = n == count ? rpc_end(message) : GH_EINVAL;
	if (r < 0) {
		block_free(found);
		return r;
	}
	found->n = n;
	found->next = keep(&at, next);
	found->total = (uint64_t)total;
	*ret_found = found;
	return 0;
}

/* ---- Users ----------------------------------------------------------------------------------- */

void
rpc_put_user(struct rpc_writer *w, const struct gh_user *user)
{
	doc_put_str(&w->head, "name", user->name);
	doc_put_str(&w->head, "tenant", user->tenant);
	doc_begin_array(&w->head, "roles");
	for (size_t i = 0; i < user->role_count; i++)
		doc_put_str(&w->head, NULL, user->roles[i]);
	doc_end(&w->head);
}

int
rpc_get_user(struct rpc_message *message, struct gh_user **ret_user)
{
	struct gh_str head = message->head, array = doc_array(head, "roles");
	struct gh_str name = doc_str(head, "name"), tenant = doc_str(head, "tenant");
	struct doc_iter it = doc_iter(array);
	size_t count = doc_count(array);
	struct doc_value v;

	if (name.n == 0 || tenant.n == 0 || count > RPC_ROLES_MAX || rpc_end(message) < 0)
		return GH_EINVAL;
	struct gh_user *user = block_new(sizeof(*user) + count * sizeof(*user->roles) + head.n);

	if (user == NULL)
		return GH_ENOMEM;
	user->roles = (struct gh_str *)(user + 1);
	char *at = (char *)(user->roles + count);

	user->name = keep(&at, name);
	user->tenant = keep(&at, tenant);
	while (user->role_count < count && doc_next(&it, NULL, &v)) {
		if (v.type != DOC_STR)
			break;
		user->roles[user->role_count++] = keep(&at, v.s);
	}
	if (user->role_count < count) {
		block_free(user);
		return GH_EINVAL;
	}
	*ret_user = user;
	return 0;
}
