/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file others.c
 * @brief identity/1 and rollout/1 of another node.
 */
#include "lib/block/block.h"
#include "plugins/remote/remote.h"

#define WAIT_MAX_MS 10000 /* of one call; the other node allows no more */

/* ---- identity/1 ------------------------------------------------------------------------------ */

static int
ask_user(struct remote *remote, const struct remote_call *call, struct gh_user **ret_user)
{
	struct remote_answer answer;
	int r = remote_call(remote, call, &answer);

	if (r == 0) {
		r = rpc_get_user(&answer.message, ret_user);
		if (r < 0)
			r = remote_nonsense(remote, call->function, r);
	}
	remote_answer_done(&answer);
	return r;
}

/** Wrong passwords are counted over there, so none is sent twice. */
static int
identity_authenticate(void *self, struct gh_str user, struct gh_str password,
	struct gh_user **ret_user)
{
	struct remote_call call = { .function = "identity/1/authenticate",
		.errors = REMOTE_ERR(GH_EDENIED) | REMOTE_ERR(GH_EAGAIN) };
	struct rpc_writer w;

	if (password.n > RPC_TOKEN_MAX)
		return GH_EDENIED;
	rpc_writer_init(&w);
	doc_put_str(&w.head, "user", user);
	rpc_put_blob(&w, "password", password);
	int r = rpc_finish(&w, &call.message);

	return r < 0 ? r : ask_user(self, &call, ret_user);
}

static int
identity_lookup(void *self, struct gh_str user, struct gh_user **ret_user)
{
	struct remote_call call = { .function = "identity/1/lookup", .is_repeatable = true,
		.errors = REMOTE_ERR(GH_ENOENT) };
	struct rpc_writer w;

	rpc_writer_init(&w);
	doc_put_str(&w.head, "user", user);
	int r = rpc_finish(&w, &call.message);

	return r < 0 ? r : ask_user(self, &call, ret_user);
}

static void
identity_user_free(struct gh_user *user)
{
	block_free(user);
}

const struct gh_identity_v1 remote_identity = {
	.size = sizeof(remote_identity), .authenticate = identity_authenticate,
	.lookup = identity_lookup, .user_free = identity_user_free,
};

/* ---- rollout/1 ------------------------------------------------------------------------------- */

/** All followers that the other node knows.  One that cannot be asked counts as late: the change
 *  may not be served yet. */
static int
rollout_wait(void *self, uint64_t seq, uint64_t deadline_ms)
{
	struct remote_call call = { .function = "rollout/1/wait", .is_repeatable = true,
		.errors = REMOTE_ERR(GH_ETIMEDOUT),
		.wait_ms = deadline_ms < WAIT_MAX_MS ? deadline_ms : WAIT_MAX_MS };
	struct remote *remote = self;
	struct remote_answer answer;
	struct rpc_writer w;

	if (seq > INT64_MAX)
		return GH_ETIMEDOUT;
	rpc_writer_init(&w);
	doc_put_int(&w.head, "seq", (int64_t)seq);
	doc_put_int(&w.head, "wait_ms", (int64_t)call.wait_ms);
	if (rpc_finish(&w, &call.message) < 0)
		return GH_ETIMEDOUT;
	int r = remote_call(remote, &call, &answer);

	if (r == 0) {
		int64_t serving = doc_int(answer.message.head, "serving", 0);

		atomic_store(&remote->serving, serving > 0 ? (uint64_t)serving : 0);
	}
	remote_answer_done(&answer);
	return r == 0 ? GH_OK : GH_ETIMEDOUT;
}

static uint64_t
rollout_serving(void *self)
{
	struct remote *remote = self;

	return atomic_load(&remote->serving);
}

const struct gh_rollout_v1 remote_rollout = {
	sizeof(remote_rollout), rollout_wait, rollout_serving,
};
