/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokens.c
 * @brief tokens/1 of a key manager in another process.
 *
 * Nothing is remembered: a token that was revoked there is refused here at once.
 */
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/crypto/crypto.h"
#include "plugins/remote/remote.h"

#define ID_BYTES 16
#define SECRET_BYTES 32

/** Finish the message and call.  @param errors  besides GH_ENOMEM. */
static int
call_tokens(struct remote *remote, const char *function, struct rpc_writer *w, bool is_repeatable,
	unsigned errors, struct remote_answer *ret_answer)
{
	struct remote_call call = { .function = function, .is_repeatable = is_repeatable,
		.errors = errors | REMOTE_ERR(GH_ENOMEM) };
	int r = rpc_finish(w, &call.message);

	*ret_answer = (struct remote_answer){ .remote = remote };
	return r < 0 ? r : remote_call(remote, &call, ret_answer);
}

/** Read a struct of the answer.  @param[out] ret_block  GIVE: block_free(). */
static int
take_block(struct remote_answer *answer, const char *function, const struct rpc_field *fields,
	size_t size, void **ret_block)
{
	int r = rpc_get_block(&answer->message, fields, size, ret_block);

	return r < 0 ? remote_nonsense(answer->remote, function, r) : GH_OK;
}

/** Call what answers a principal. */
static int
ask_principal(void *self, const char *function, struct rpc_writer *w, bool is_repeatable,
	unsigned errors, struct gh_principal **ret)
{
	struct gh_principal *principal = NULL;
	struct remote_answer answer;
	int r = call_tokens(self, function, w, is_repeatable, errors, &answer);

	if (r == 0)
		r = take_block(&answer, function, rpc_principal_fields, sizeof(*principal),
			(void **)&principal);
	if (r == 0 && (principal->user.n == 0 || principal->tenant.n == 0)) {
		block_free(principal);
		r = remote_nonsense(self, function, GH_EINVAL);
	}
	if (r == 0)
		*ret = principal;
	remote_answer_done(&answer);
	return r;
}

static int
tokens_check(void *self, struct gh_str token, struct gh_principal **ret)
{
	struct rpc_writer w;

	if (token.n > RPC_TOKEN_MAX)
		return GH_EDENIED;
	rpc_writer_init(&w);
	rpc_put_blob(&w, "token", token);
	return ask_principal(self, "tokens/1/check", &w, true,
		REMOTE_ERR(GH_EDENIED) | REMOTE_ERR(GH_EEXPIRED), ret);
}

/** Wrong passwords are counted over there, so none is sent twice. */
static int
tokens_login(void *self, const struct gh_login *login, struct gh_principal **ret)
{
	struct rpc_writer w;

	if (login->password.n > RPC_TOKEN_MAX)
		return GH_EDENIED;
	rpc_writer_init(&w);
	rpc_put_struct(&w, rpc_login_fields, login);
	return ask_principal(self, "tokens/1/login", &w, false,
		REMOTE_ERR(GH_EDENIED) | REMOTE_ERR(GH_EAGAIN), ret);
}

static void
tokens_principal_free(struct gh_principal *principal)
{
	block_free(principal);
}

static int
tokens_issue(void *self, const struct gh_token_request *request, struct gh_token_issued **ret)
{
	static const char function[] = "tokens/1/issue";
	struct remote_answer answer;
	struct rpc_writer w;
	int r;

	rpc_writer_init(&w);
	doc_put_int(&w.head, "kind", request->kind);
	rpc_put_struct(&w, rpc_token_request_fields, request);
	r = call_tokens(self, function, &w, true, REMOTE_ERR(GH_EINVAL) | REMOTE_ERR(GH_ENOENT),
		&answer);
	if (r == 0)
		r = take_block(&answer, function, rpc_issued_fields, sizeof(**ret), (void **)ret);
	remote_answer_done(&answer);
	return r;
}

static void
tokens_issued_free(struct gh_token_issued *issued)
{
	block_free(issued);
}

static int
tokens_revoke(void *self, struct gh_str token, uint64_t *ret_seq)
{
	static const char function[] = "tokens/1/revoke";
	struct remote_answer answer;
	struct rpc_writer w;
	int r;

	if (token.n > RPC_TOKEN_MAX) { /* it can be none of ours */
		*ret_seq = 0;
		return GH_OK;
	}
	rpc_writer_init(&w);
	rpc_put_blob(&w, "token", token);
	r = call_tokens(self, function, &w, true, 0, &answer);
	if (r == 0)
		r = remote_answer_seq(&answer, function, ret_seq);
	remote_answer_done(&answer);
	return r;
}

/* ---- Clients --------------------------------------------------------------------------------- */

/** Read the client that was written, and the sequence. */
static int
take_client(struct remote_answer *answer, const char *function, struct gh_client **ret,
	uint64_t *ret_seq)
{
	struct gh_client *client = NULL;
	uint64_t seq = 0;
	int r = remote_answer_seq(answer, function, &seq);

	if (r == 0)
		r = take_block(answer, function, rpc_client_fields, sizeof(*client), (void **)&client);
	if (r == 0 && client->id.n == 0) {
		block_free(client);
		r = remote_nonsense(answer->remote, function, GH_EINVAL);
	}
	if (r < 0)
		return r;
	if (ret_seq != NULL)
		*ret_seq = seq;
	*ret = client;
	return GH_OK;
}

/** A client without an id gets one here, and a secret: so a call that is repeated makes no second
 *  client. */
static int
tokens_client_put(void *self, const struct gh_client *client, struct gh_client **ret,
	uint64_t *ret_seq)
{
	static const char function[] = "tokens/1/client_put";
	char id[2 * ID_BYTES + 1], secret[2 * SECRET_BYTES + 1] = "";
	struct gh_client named = *client;
	struct remote_answer answer;
	struct rpc_writer w;
	int r = GH_OK;

	if (client->id.n == 0) {
		r = crypto_random_hex(id, ID_BYTES);
		named.id = gh_str_of(id);
		if (r == 0 && client->secret.n == 0) {
			r = crypto_random_hex(secret, SECRET_BYTES);
			named.secret = gh_str_of(secret);
		}
	}
	if (r < 0)
		return r;
	rpc_writer_init(&w);
	rpc_put_struct(&w, rpc_client_fields, &named);
	r = call_tokens(self, function, &w, true, REMOTE_ERR(GH_EINVAL) | REMOTE_ERR(GH_ECONFLICT),
		&answer);
	if (r == 0)
		r = take_client(&answer, function, ret, ret_seq);
	remote_answer_done(&answer);
	crypto_wipe(secret, sizeof(secret));
	return r;
}

/** Start a message that names a client. */
static void
name_client(struct rpc_writer *w, struct gh_str tenant, struct gh_str id)
{
	rpc_writer_init(w);
	doc_put_str(&w->head, "tenant", tenant);
	doc_put_str(&w->head, "id", id);
}

static int
tokens_client_get(void *self, struct gh_str tenant, struct gh_str id, struct gh_client **ret)
{
	static const char function[] = "tokens/1/client_get";
	struct remote_answer answer;
	struct rpc_writer w;

	name_client(&w, tenant, id);
	int r = call_tokens(self, function, &w, true, REMOTE_ERR(GH_ENOENT), &answer);

	if (r == 0)
		r = take_client(&answer, function, ret, NULL);
	remote_answer_done(&answer);
	return r;
}

/** Repeated, it makes one secret more, and the caller gets the one that counts. */
static int
tokens_client_renew_secret(void *self, struct gh_str tenant, struct gh_str id,
	struct gh_client **ret)
{
	static const char function[] = "tokens/1/client_renew_secret";
	struct remote_answer answer;
	struct rpc_writer w;

	name_client(&w, tenant, id);
	int r = call_tokens(self, function, &w, true,
		REMOTE_ERR(GH_ENOENT) | REMOTE_ERR(GH_ECONFLICT), &answer);

	if (r == 0)
		r = take_client(&answer, function, ret, NULL);
	remote_answer_done(&answer);
	return r;
}

static void
tokens_client_free(struct gh_client *client)
{
	block_free(client);
}

static int
tokens_client_delete(void *self, struct gh_str tenant, struct gh_str id, uint64_t *ret_seq)
{
	static const char function[] = "tokens/1/client_delete";
	struct remote_answer answer;
	struct rpc_writer w;

	name_client(&w, tenant, id);
	int r = call_tokens(self, function, &w, false,
		REMOTE_ERR(GH_ENOENT) | REMOTE_ERR(GH_ECONFLICT), &answer);

	if (r == 0)
		r = remote_answer_seq(&answer, function, ret_seq);
	remote_answer_done(&answer);
	return r;
}

const struct gh_tokens_v1 remote_tokens = {
	.size = sizeof(remote_tokens),
	.check = tokens_check,
	.principal_free = tokens_principal_free,
	.issue = tokens_issue,
	.issued_free = tokens_issued_free,
	.revoke = tokens_revoke,
	.client_put = tokens_client_put,
	.client_get = tokens_client_get,
	.client_renew_secret = tokens_client_renew_secret,
	.client_free = tokens_client_free,
	.client_delete = tokens_client_delete,
	.login = tokens_login,
};
