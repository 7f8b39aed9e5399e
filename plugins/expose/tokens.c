/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokens.c
 * @brief tokens/1 for other nodes.
 */
#include <gatehouse/svc/trust.h>

#include "plugins/expose/expose.h"

static const struct gh_tokens *
tokens_of(const struct expose_request *request)
{
	return &request->expose->tokens;
}

static int
answer_principal(struct expose_request *request, struct gh_principal *principal)
{
	rpc_put_struct(&request->out, rpc_principal_fields, principal);
	tokens_of(request)->vt->principal_free(principal);
	return GH_OK;
}

static int
tokens_check(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_principal *principal;
	struct gh_str token = GH_STR_NONE;
	int r = rpc_blob(&request->in, request->in.head, "token", RPC_TOKEN_MAX, &token);

	if (r == 0)
		r = tokens->vt->check(tokens->self, token, &principal);
	return r < 0 ? r : answer_principal(request, principal);
}

static int
tokens_login(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_login login = { .user = GH_STR_NONE };
	struct gh_principal *principal;
	int r = rpc_get_struct(&request->in, rpc_login_fields, &login);

	if (r == 0)
		r = tokens->vt->size >= offsetof(struct gh_tokens_v1, login) +
			sizeof(tokens->vt->login) && tokens->vt->login != NULL
			? tokens->vt->login(tokens->self, &login, &principal) : GH_EDENIED;
	return r < 0 ? r : answer_principal(request, principal);
}

static void
release_issued(struct expose_request *request)
{
	tokens_of(request)->vt->issued_free(request->result);
}

static int
tokens_issue(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	int64_t kind = doc_int(request->in.head, "kind", -1);
	struct gh_token_request ask = { .kind = GH_TOKEN_APPLICATION };
	struct gh_token_issued *issued;
	int r = rpc_get_struct(&request->in, rpc_token_request_fields, &ask);

	if (r == 0 && kind != GH_TOKEN_APPLICATION && kind != GH_TOKEN_INTERNAL)
		r = GH_EINVAL;
	if (r < 0)
		return r;
	ask.kind = (enum gh_token_kind)kind;
	r = tokens->vt->issue(tokens->self, &ask, &issued);
	if (r < 0)
		return r;
	request->result = issued;
	request->release = release_issued;
	rpc_put_struct(&request->out, rpc_issued_fields, issued);
	return GH_OK;
}

static int
tokens_revoke(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_str token = GH_STR_NONE;
	uint64_t seq = 0;
	int r = rpc_blob(&request->in, request->in.head, "token", RPC_TOKEN_MAX, &token);

	if (r == 0)
		r = tokens->vt->revoke(tokens->self, token, &seq);
	if (r == 0)
		doc_put_int(&request->out.head, "seq", (int64_t)seq);
	return r;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void
release_client(struct expose_request *request)
{
	tokens_of(request)->vt->client_free(request->result);
}

static int
answer_client(struct expose_request *request, struct gh_client *client, uint64_t seq)
{
	request->result = client;
	request->release = release_client;
	rpc_put_struct(&request->out, rpc_client_fields, client);
	doc_put_int(&request->out.head, "seq", (int64_t)seq);
	return GH_OK;
}

static int
tokens_client_put(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_client client, *written;
	uint64_t seq = 0;
	int r = rpc_get_struct(&request->in, rpc_client_fields, &client);

	if (r == 0)
		r = tokens->vt->client_put(tokens->self, &client, &written, &seq);
	return r < 0 ? r : answer_client(request, written, seq);
}

static int
tokens_client_get(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_str head = request->in.head;
	struct gh_client *client;
	int r = tokens->vt->client_get(tokens->self, doc_str(head, "tenant"), doc_str(head, "id"),
		&client);

	return r < 0 ? r : answer_client(request, client, 0);
}

static int
tokens_client_renew_secret(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_str head = request->in.head;
	struct gh_client *client;
	int r = tokens->vt->client_renew_secret(tokens->self, doc_str(head, "tenant"),
		doc_str(head, "id"), &client);

	return r < 0 ? r : answer_client(request, client, 0);
}

static int
tokens_client_delete(struct expose_request *request)
{
	const struct gh_tokens *tokens = tokens_of(request);
	struct gh_str head = request->in.head;
	uint64_t seq = 0;
	int r = tokens->vt->client_delete(tokens->self, doc_str(head, "tenant"), doc_str(head, "id"),
		&seq);

	if (r == 0)
		doc_put_int(&request->out.head, "seq", (int64_t)seq);
	return r;
}

/* An analytics node answers a report to whoever has a token for it, so it may ask whose it is. */
const struct expose_function expose_tokens[] = {
	{ "check", tokens_check, GH_ROLE_ANALYTICS }, { "issue", tokens_issue, NULL },
	{ "revoke", tokens_revoke, NULL }, { "client_put", tokens_client_put, NULL },
	{ "client_get", tokens_client_get, NULL },
	{ "client_renew_secret", tokens_client_renew_secret, NULL },
	{ "client_delete", tokens_client_delete, NULL }, { "login", tokens_login, NULL },
	{ .name = NULL },
};
