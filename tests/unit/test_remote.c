/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_remote.c
 * @brief Plugins remote and expose, back to back on a real store: the wire between them is a fake
 * peer/1 that loses answers, and lies, when a test wants it.
 */
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/model/model.h"
#include "plugins/expose/expose.h"
#include "plugins/remote/remote.h"
#include "tests/unit/leveldb_kit.h"
#include "tests/unit/unit.h"

#define TENANT GH_STR(MODEL_TENANT_DEFAULT)

/* ---- The request as expose sees it ----------------------------------------------------------- */

struct gh_call {
	struct gh_str path, method, node, role, body, type, reply;
	unsigned status;
};

struct gh_str
gh_call_method(const struct gh_call *call)
{
	return call->method;
}

struct gh_str
gh_call_path(const struct gh_call *call)
{
	return call->path;
}

struct gh_str
gh_call_body(const struct gh_call *call)
{
	return call->body;
}

struct gh_str
gh_call_peer(const struct gh_call *call)
{
	(void)call;
	return GH_STR("127.0.0.1");
}

struct gh_str
gh_call_peer_node(const struct gh_call *call)
{
	return call->node;
}

bool
gh_call_peer_has_role(const struct gh_call *call, struct gh_str role)
{
	return gh_str_eq(call->role, role);
}

int
gh_call_reply(struct gh_call *call, unsigned status, struct gh_str content_type, struct gh_str body)
{
	free((void *)call->reply.p);
	call->reply = (struct gh_str){ malloc(body.n + 1), body.n };
	if (body.n > 0)
		memcpy((void *)call->reply.p, body.p, body.n);
	call->type = content_type;
	call->status = status;
	return GH_OK;
}

void
gh_call_log(struct gh_call *call, int level, const char *fmt, ...)
{
	(void)call;
	(void)level;
	(void)fmt;
}

/* ---- The other node, and the wire to it ------------------------------------------------------ */

/** What the wire does. */
static struct {
	struct expose *expose;
	struct gh_str node, role;  /* of the certificate that the caller shows */
	unsigned losses;           /* answers that are lost from now on */
	unsigned calls;            /* that have reached the other node */
	const struct gh_peer_reply *lie; /* comes instead of the answer */
} wire;

/** @return what the other node answered; its reply is malloc()ed. */
static struct gh_call
post(const char *method, struct gh_str path, struct gh_str body)
{
	struct gh_call call = { .method = gh_str_of(method), .path = path, .body = body,
		.node = wire.node, .role = wire.role };

	wire.calls++;
	expose_handle(wire.expose, NULL, &call);
	return call;
}

static int
peer_call(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn,
	void *arg, struct gh_peer_reply **ret, char *error, size_t error_size)
{
	struct gh_peer_reply *reply = calloc(1, sizeof(*reply));

	(void)line;
	(void)fn;
	(void)arg;
	snprintf(error, error_size, "lost");
	if (wire.lie != NULL) {
		char *body = malloc(wire.lie->body.n + 1);

		memcpy(body, wire.lie->body.p, wire.lie->body.n);
		*reply = *wire.lie;
		reply->body.p = body;
	} else {
		struct gh_call call = post("POST", request->path, request->body);

		*reply = (struct gh_peer_reply){ call.status, call.type, call.reply };
	}
	if (wire.losses == 0) {
		*ret = reply;
		return GH_OK;
	}
	wire.losses--;
	free((void *)reply->body.p);
	free(reply);
	return GH_EAGAIN;
}

static void
peer_reply_free(struct gh_peer_reply *reply)
{
	if (reply != NULL)
		free((void *)reply->body.p);
	free(reply);
}

static const struct gh_peer_v1 peer = { .size = sizeof(peer), .call = peer_call,
	.reply_free = peer_reply_free };

static int
tokens_check(void *self, struct gh_str token, struct gh_principal **ret)
{
	static struct gh_principal ann = { .user = { "ann", 3 }, .tenant = { "t", 1 },
		.scopes = { "apim:admin", 10 }, .expires_at_s = 99 };

	(void)self;
	*ret = &ann;
	return gh_str_eq(token, GH_STR("good")) ? GH_OK
		: gh_str_eq(token, GH_STR("old")) ? GH_EEXPIRED : GH_EDENIED;
}

static void
tokens_principal_free(struct gh_principal *principal)
{
	(void)principal;
}

static struct gh_client client_kept; /* the one client that the fake key manager knows */
static unsigned clients_made;
static char client_id[64], client_secret[80];

static int
tokens_client_put(void *self, const struct gh_client *client, struct gh_client **ret,
	uint64_t *ret_seq)
{
	(void)self;
	if (!gh_str_eq(client->id, client_kept.id))
		clients_made++;
	client_kept = *client;
	snprintf(client_id, sizeof(client_id), "%.*s", GH_STR_ARG(client->id));
	snprintf(client_secret, sizeof(client_secret), "%.*s", GH_STR_ARG(client->secret));
	client_kept.id = gh_str_of(client_id);
	client_kept.secret = gh_str_of(client_secret);
	client_kept.name = client_kept.owner = client_kept.tenant = GH_STR("kept");
	*ret = &client_kept;
	*ret_seq = 7;
	return GH_OK;
}

static void
tokens_client_free(struct gh_client *client)
{
	(void)client;
}

static int
tokens_client_delete(void *self, struct gh_str tenant, struct gh_str id, uint64_t *ret_seq)
{
	(void)self;
	(void)tenant;
	(void)id;
	*ret_seq = 8;
	return GH_OK;
}

static const struct gh_tokens_v1 tokens = { .size = sizeof(tokens), .check = tokens_check,
	.principal_free = tokens_principal_free, .client_put = tokens_client_put,
	.client_free = tokens_client_free, .client_delete = tokens_client_delete };

static int
identity_authenticate(void *self, struct gh_str user, struct gh_str password,
	struct gh_user **ret_user)
{
	static struct gh_str role = { "admin", 5 };
	static struct gh_user ann = { { "ann", 3 }, { "t", 1 }, 1, &role };

	(void)self;
	(void)user;
	*ret_user = &ann;
	return gh_str_eq(password, GH_STR("right")) ? GH_OK : GH_EDENIED;
}

static void
identity_user_free(struct gh_user *user)
{
	(void)user;
}

static const struct gh_identity_v1 identity = { .size = sizeof(identity),
	.authenticate = identity_authenticate, .user_free = identity_user_free };

static int
rollout_wait(void *self, uint64_t seq, uint64_t deadline_ms)
{
	(void)self;
	(void)deadline_ms;
	return seq <= 5 ? GH_OK : GH_ETIMEDOUT;
}

static uint64_t
rollout_serving(void *self)
{
	(void)self;
	return 5;
}

static const struct gh_rollout_v1 rollout = { sizeof(rollout), rollout_wait, rollout_serving };

/** Both ends. */
struct pair {
	struct kit kit;
	struct expose expose;
	struct remote remote;
};

static void
pair_start(struct pair *pair, const char *path)
{
	struct ldb_config config = kit_config(path);

	memset(pair, 0, sizeof(*pair));
	CU_ASSERT_EQUAL_FATAL(kit_open(&pair->kit, &config), 0);
	pair->expose = (struct expose){ .docs = pair->kit.docs, .tokens = { &tokens, NULL },
		.identity = { &identity, NULL }, .rollouts = { { &rollout, NULL } },
		.rollout_count = 1, .is_offered = { true, true, true, true } };
	pair->remote.peer = (struct gh_peer){ &peer, NULL };
	pair->remote.url = (char *)"https://other:9447";
	pair->remote.deadline_ms = 5000;
	wire.expose = &pair->expose;
	wire.node = GH_STR("node-1");
	wire.role = GH_STR("control");
	wire.losses = wire.calls = 0;
	wire.lie = NULL;
}

static void
pair_end(struct pair *pair)
{
	kit_close(&pair->kit);
}

/* ---- docs/1 ---------------------------------------------------------------------------------- */

static int
put(struct pair *pair, const char *id, uint64_t expect_rev, uint64_t *ret_seq)
{
	struct gh_str body = kit_body("name", id, "version", "1", NULL);
	const struct gh_doc_op ops[] = {
		{ GH_DOC_PUT, TENANT, GH_STR("user"), GH_STR("other"), body, GH_REV_ANY },
		{ GH_DOC_PUT, TENANT, GH_STR("api"), gh_str_of(id), body, expect_rev },
	};
	size_t failed = 9;
	int r = remote_docs.commit(&pair->remote, ops, 2, ret_seq, &failed);

	if (r == GH_ECONFLICT)
		CU_ASSERT_EQUAL(failed, 1);
	free((void *)body.p);
	return r;
}

static int
get(struct pair *pair, const char *id, struct gh_docs_found **ret_found)
{
	return remote_docs.get(&pair->remote, TENANT, GH_STR("api"), gh_str_of(id), ret_found);
}

static void
test_docs(void)
{
	const struct gh_find find = { .tenant = TENANT, .kind = GH_STR("api"),
		.index = "name_version", .limit = 10 };
	struct gh_docs_found *found = NULL;
	struct pair pair;
	uint64_t seq = 0;

	pair_start(&pair, "remote_docs");
	CU_ASSERT_EQUAL(get(&pair, "a", &found), GH_ENOENT);
	CU_ASSERT_EQUAL(put(&pair, "a", GH_REV_NONE, &seq), 0);
	CU_ASSERT_EQUAL_FATAL(get(&pair, "a", &found), 0);
	CU_ASSERT_EQUAL(found->docs[0].rev, seq);
	CU_ASSERT_TRUE(gh_str_eq(doc_str(found->docs[0].body, "name"), GH_STR("a")));
	remote_docs.found_free(found);
	CU_ASSERT_EQUAL(put(&pair, "a", GH_REV_NONE, &seq), GH_ECONFLICT);
	CU_ASSERT_EQUAL(put(&pair, "b", GH_REV_ANY, &seq), 0);
	CU_ASSERT_EQUAL_FATAL(remote_docs.find(&pair.remote, &find, &found), 0);
	CU_ASSERT_EQUAL(found->n, 2);
	CU_ASSERT_EQUAL(found->total, 2);
	remote_docs.found_free(found);
	const struct gh_find bad = { .tenant = TENANT, .kind = GH_STR("nothing"), .limit = 10 };

	CU_ASSERT_EQUAL(remote_docs.find(&pair.remote, &bad, &found), GH_EINVAL);
	pair_end(&pair);
}

/** The answer is lost, the batch is sent again, and is written once. */
static void
test_commit_whose_answer_is_lost(void)
{
	struct gh_docs_found *found = NULL;
	struct pair pair;
	uint64_t seq = 0, before = 0;

	pair_start(&pair, "remote_lost");
	CU_ASSERT_EQUAL(put(&pair, "first", GH_REV_NONE, &before), 0);
	wire.losses = 2;
	wire.calls = 0;
	CU_ASSERT_EQUAL(put(&pair, "a", GH_REV_NONE, &seq), 0); /* no conflict with itself */
	CU_ASSERT_EQUAL(wire.calls, 3);
	CU_ASSERT_EQUAL(seq, before + 1);
	CU_ASSERT_EQUAL_FATAL(get(&pair, "a", &found), 0);
	CU_ASSERT_EQUAL(found->docs[0].rev, seq);
	remote_docs.found_free(found);
	wire.losses = 1;
	CU_ASSERT_EQUAL(put(&pair, "a", seq, &seq), 0);
	CU_ASSERT_EQUAL(seq, before + 2);
	/* A real conflict is one, also when it is told the second time. */
	wire.losses = 1;
	CU_ASSERT_EQUAL(put(&pair, "a", before, &seq), GH_ECONFLICT);
	pair_end(&pair);
}

static void
test_other_node_that_is_silent(void)
{
	struct gh_docs_found *found = NULL;
	struct pair pair;
	uint64_t seq = 42;

	pair_start(&pair, "remote_silent");
	wire.losses = 100;
	CU_ASSERT_EQUAL(get(&pair, "a", &found), GH_EIO);
	CU_ASSERT_TRUE(kit_log_has("docs/1/get at https://other:9447 failed: lost"));
	CU_ASSERT_EQUAL(put(&pair, "a", GH_REV_ANY, &seq), GH_EIO);
	CU_ASSERT_EQUAL(seq, 42);
	wire.calls = 0;
	pair.remote.is_down = true; /* as the probe says */
	CU_ASSERT_EQUAL(get(&pair, "a", &found), GH_EIO);
	CU_ASSERT_EQUAL(wire.calls, 0);
	pair_end(&pair);
}

#define TYPE { RPC_CONTENT_TYPE, sizeof(RPC_CONTENT_TYPE) - 1 }
#define LIE(text) { text, sizeof(text) - 1 }

#define EMPTY_LIST 9 /* which is none when many were asked for */

static const struct gh_peer_reply lies[] = {
	{ 200, TYPE, LIE("") },
	{ 200, TYPE, LIE("\x80") },
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x01\x80") },                /* no result */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x04\x81\xa1r\x00") },       /* success of nothing */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x04\x81\xa1r\x05") },       /* no error code */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x05\x81\xa1r\xd0\x80") },   /* nor this */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x04\x81\xa1r\xf5") },       /* EIO */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x04\x81\xa1r\xf4") },       /* one that docs/1 has not */
	{ 200, TYPE, LIE("GHR\x02\x00\x00\x00\x04\x81\xa1r\x00") },       /* another version */
	{ 200, TYPE, LIE("GHR\x01\x00\x00\x00\x0a\x82\xa1r\x00\xa4" "docs\x90") }, /* none at all */
	{ 200, { "text/html", 9 }, LIE("GHR\x01\x00\x00\x00\x04\x81\xa1r\x00") },
	{ 404, { "text/plain", 10 }, LIE("no\x1b[31m such thing\n") },
	{ 500, { "text/plain", 10 }, LIE("broken") },
};

static void
test_other_node_that_lies(void)
{
	const struct gh_find find = { .tenant = TENANT, .kind = GH_STR("api"), .limit = 10 };
	struct pair pair;

	pair_start(&pair, "remote_lies");
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct gh_docs_found *found = NULL;
		struct gh_principal *principal = NULL;
		struct gh_client *client = NULL;
		struct gh_user *user = NULL;
		uint64_t seq = 42;

		wire.lie = &lies[i];
		CU_ASSERT_EQUAL(get(&pair, "a", &found), GH_EIO);
		if (i != EMPTY_LIST)
			CU_ASSERT_EQUAL(remote_docs.find(&pair.remote, &find, &found), GH_EIO);
		CU_ASSERT_EQUAL(put(&pair, "a", GH_REV_ANY, &seq), GH_EIO);
		CU_ASSERT_EQUAL(remote_tokens.check(&pair.remote, GH_STR("x"), &principal), GH_EIO);
		CU_ASSERT_EQUAL(remote_tokens.client_get(&pair.remote, TENANT, GH_STR("x"), &client),
			GH_EIO);
		CU_ASSERT_EQUAL(remote_identity.lookup(&pair.remote, GH_STR("x"), &user), GH_EIO);
		CU_ASSERT_EQUAL(seq, 42);
		CU_ASSERT_TRUE(principal == NULL && client == NULL && user == NULL);
		CU_ASSERT_PTR_NULL(found);
	}
	CU_ASSERT_FALSE(kit_log_has("\x1b"));
	pair_end(&pair);
}

/* ---- The others ------------------------------------------------------------------------------ */

static void
test_tokens(void)
{
	const struct gh_client wanted = { .name = GH_STR("tool"), .owner = GH_STR("ann") };
	struct gh_principal *principal = NULL;
	struct gh_client *client = NULL;
	struct pair pair;
	uint64_t seq = 0;

	pair_start(&pair, "remote_tokens");
	CU_ASSERT_EQUAL_FATAL(remote_tokens.check(&pair.remote, GH_STR("good"), &principal), 0);
	CU_ASSERT_TRUE(gh_str_eq(principal->user, GH_STR("ann")));
	CU_ASSERT_EQUAL(principal->expires_at_s, 99);
	remote_tokens.principal_free(principal);
	CU_ASSERT_EQUAL(remote_tokens.check(&pair.remote, GH_STR("old"), &principal), GH_EEXPIRED);
	CU_ASSERT_EQUAL(remote_tokens.check(&pair.remote, GH_STR("bad"), &principal), GH_EDENIED);
	/* A client that is sent twice is made once, and has a secret. */
	wire.losses = 1;
	clients_made = 0;
	CU_ASSERT_EQUAL_FATAL(remote_tokens.client_put(&pair.remote, &wanted, &client, &seq), 0);
	CU_ASSERT_EQUAL(clients_made, 1);
	CU_ASSERT_EQUAL(client->id.n, 32);
	CU_ASSERT_EQUAL(client->secret.n, 64);
	CU_ASSERT_EQUAL(seq, 7);
	remote_tokens.client_free(client);
	/* Deleting is not tried twice: the second answer would be that there is no such client. */
	wire.losses = 1;
	wire.calls = 0;
	CU_ASSERT_EQUAL(remote_tokens.client_delete(&pair.remote, TENANT, GH_STR("x"), &seq), GH_EIO);
	CU_ASSERT_EQUAL(wire.calls, 1);
	CU_ASSERT_EQUAL(remote_tokens.client_delete(&pair.remote, TENANT, GH_STR("x"), &seq), 0);
	CU_ASSERT_EQUAL(seq, 8);
	pair_end(&pair);
}

static void
test_identity_and_rollout(void)
{
	struct gh_user *user = NULL;
	struct pair pair;

	pair_start(&pair, "remote_others");
	CU_ASSERT_EQUAL_FATAL(remote_identity.authenticate(&pair.remote, GH_STR("ann"),
		GH_STR("right"), &user), 0);
	CU_ASSERT_EQUAL(user->role_count, 1);
	CU_ASSERT_TRUE(gh_str_eq(user->roles[0], GH_STR("admin")));
	remote_identity.user_free(user);
	CU_ASSERT_EQUAL(remote_identity.authenticate(&pair.remote, GH_STR("ann"), GH_STR("wrong"),
		&user), GH_EDENIED);
	wire.losses = 1;
	wire.calls = 0;
	CU_ASSERT_EQUAL(remote_identity.authenticate(&pair.remote, GH_STR("ann"), GH_STR("right"),
		&user), GH_EIO);
	CU_ASSERT_EQUAL(wire.calls, 1);
	CU_ASSERT_EQUAL(remote_rollout.serving(&pair.remote), 0);
	CU_ASSERT_EQUAL(remote_rollout.wait(&pair.remote, 4, 100), 0);
	CU_ASSERT_EQUAL(remote_rollout.serving(&pair.remote), 5);
	CU_ASSERT_EQUAL(remote_rollout.wait(&pair.remote, 6, 100), GH_ETIMEDOUT);
	wire.losses = 100;
	CU_ASSERT_EQUAL(remote_rollout.wait(&pair.remote, 4, 100), GH_ETIMEDOUT);
	pair_end(&pair);
}

/* ---- Who may call ---------------------------------------------------------------------------- */

static const struct {
	const char *method, *node, *role, *path;
	struct gh_str body;
	unsigned status;
} calls[] = {
	{ "POST", "", "", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "", "control", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "n", "gateway", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "n", "analytics", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "n", "gateway", "/tokens/1/check", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "n", "analytics", "/tokens/1/check", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 200 },
	{ "POST", "n", "analytics", "/tokens/1/issue", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 403 },
	{ "POST", "n", "control", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 200 },
	{ "POST", "n", "control", "/docs/1/commit", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 200 },
	{ "POST", "n", "control", "/hello", GH_STR(""), 200 },
	{ "POST", "n", "analytics", "/hello", GH_STR(""), 200 },
	{ "POST", "n", "gateway", "/hello", GH_STR(""), 403 },
	{ "POST", "", "", "/hello", GH_STR(""), 403 },
	{ "GET", "n", "control", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 405 },
	{ "POST", "n", "control", "/docs/1/drop", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 404 },
	{ "POST", "n", "control", "/docs/2/get", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 404 },
	{ "POST", "n", "control", "/docs/1/get/", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 404 },
	{ "POST", "n", "control", "", GH_STR(""), 404 },
	{ "POST", "n", "control", "/series/1/write", GH_STR(""), 404 },
	{ "POST", "n", "control", "/docs/1/get", GH_STR("GHR\x02\x00\x00\x00\x01\x80"), 415 },
	{ "POST", "n", "control", "/docs/1/get", GH_STR("{}"), 415 },
	{ "POST", "n", "control", "/docs/1/get", GH_STR("GHR\x01\x00\x00\x00\xff\x80"), 400 },
};

static void
test_who_may_call(void)
{
	struct pair pair;
	char path[128];

	pair_start(&pair, "remote_who");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", RPC_PREFIX, calls[i].path);
		wire.node = gh_str_of(calls[i].node);
		wire.role = gh_str_of(calls[i].role);
		struct gh_call call = post(calls[i].method, gh_str_of(path), calls[i].body);

		if (call.status != calls[i].status)
			printf("\n  %s as %s: %u\n", path, calls[i].role, call.status);
		CU_ASSERT_EQUAL(call.status, calls[i].status);
		free((void *)call.reply.p);
	}
	/* What is not offered is not there. */
	pair.expose.is_offered[EXPOSE_DOCS] = false;
	wire.node = GH_STR("n");
	wire.role = GH_STR("control");
	struct gh_call call = post("POST", GH_STR(RPC_PREFIX "/docs/1/get"), GH_STR(""));

	CU_ASSERT_EQUAL(call.status, 404);
	free((void *)call.reply.p);
	pair_end(&pair);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_docs), UNIT_TEST(test_commit_whose_answer_is_lost),
		UNIT_TEST(test_other_node_that_is_silent), UNIT_TEST(test_other_node_that_lies),
		UNIT_TEST(test_tokens), UNIT_TEST(test_identity_and_rollout),
		UNIT_TEST(test_who_may_call), { .name = NULL },
	};

	return unit_run("remote", tests);
}
