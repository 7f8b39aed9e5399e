/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_rpc.c
 * @brief Any bytes as a message between nodes, read as each request and each reply.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/rpc/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Touch the first and last byte of what was handed out. */
static unsigned
touch(struct gh_str s)
{
	return s.n > 0 ? (unsigned char)s.p[0] + (unsigned char)s.p[s.n - 1] : 0;
}

static void
read_docs(const struct rpc_message *message)
{
	struct rpc_message m = *message;
	struct gh_docs_found *found;
	struct gh_doc_op *ops;
	struct rpc_find find;
	size_t n;

	if (rpc_get_find(&m, &find) == 0 && find.find.equal_count > RPC_EQUAL_MAX)
		abort();
	m = *message;
	if (rpc_get_ops(&m, 1, &ops, &n) == 0) {
		for (size_t i = 1; i <= n; i++)
			touch(ops[i].tenant), touch(ops[i].id), touch(ops[i].body);
		free(ops);
	}
	m = *message;
	if (rpc_get_found(&m, 8, &found) == 0) {
		for (size_t i = 0; i < found->n; i++)
			if (doc_check(found->docs[i].body) < 0)
				abort();
		touch(found->next);
		block_free(found);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_message message, m;
	struct gh_user *user;
	struct gh_client *client;
	struct gh_principal principal;

	if (rpc_read((struct gh_str){ (const char *)data, size }, &message) < 0)
		return 0;
	read_docs(&message);
	m = message;
	if (rpc_get_user(&m, &user) == 0) {
		touch(user->name);
		block_free(user);
	}
	m = message;
	if (rpc_get_block(&m, rpc_client_fields, sizeof(*client), (void **)&client) == 0) {
		touch(client->secret), touch(client->callback);
		block_free(client);
	}
	m = message;
	if (rpc_get_struct(&m, rpc_principal_fields, &principal) == 0)
		touch(principal.user);
	return 0;
}
