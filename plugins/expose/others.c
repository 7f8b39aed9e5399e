/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file others.c
 * @brief identity/1 and rollout/1 for other nodes.
 */
#include "plugins/expose/expose.h"

#define USER_MAX 1024        /* "name@tenant" */
#define WAIT_MAX_MS 10000    /* of one call; who wants to wait longer calls again */

/* ---- identity/1 ------------------------------------------------------------------------------ */

static int
answer_user(struct expose_request *request, struct gh_user *user)
{
	rpc_put_user(&request->out, user);
	request->expose->identity.vt->user_free(user);
	return GH_OK;
}

static int
identity_authenticate(struct expose_request *request)
{
	const struct gh_identity *identity = &request->expose->identity;
	struct gh_str user = doc_str(request->in.head, "user"), password = GH_STR_NONE;
	struct gh_user *found;
	int r = rpc_blob(&request->in, request->in.head, "password", RPC_TOKEN_MAX, &password);

	if (r == 0)
		r = user.n <= USER_MAX ? identity->vt->authenticate(identity->self, user, password,
			&found) : GH_EDENIED;
	return r < 0 ? r : answer_user(request, found);
}

static int
identity_lookup(struct expose_request *request)
{
	const struct gh_identity *identity = &request->expose->identity;
	struct gh_str user = doc_str(request->in.head, "user");
	struct gh_user *found;
	int r = user.n <= USER_MAX ? identity->vt->lookup(identity->self, user, &found) : GH_ENOENT;

	return r < 0 ? r : answer_user(request, found);
}

const struct expose_function expose_identity[] = {
	{ "authenticate", identity_authenticate, NULL }, { "lookup", identity_lookup, NULL },
	{ .name = NULL },
};

/* ---- rollout/1 ------------------------------------------------------------------------------- */

static uint64_t
serving(const struct expose *e)
{
	uint64_t least = INT64_MAX;

	for (unsigned i = 0; i < e->rollout_count; i++) {
		uint64_t seq = e->rollouts[i].vt->serving(e->rollouts[i].self);

		least = seq < least ? seq : least;
	}
	return least;
}

/** All followers that this node knows; for the caller they are one. */
static int
rollout_wait(struct expose_request *request)
{
	const struct expose *e = request->expose;
	int64_t seq = doc_int(request->in.head, "seq", -1);
	int64_t wait_ms = doc_int(request->in.head, "wait_ms", -1);
	uint64_t end_ns = gh_mono_ns() + (uint64_t)wait_ms * UINT64_C(1000000);
	int r = seq < 0 || wait_ms < 0 || wait_ms > WAIT_MAX_MS ? GH_EINVAL : GH_OK;

	for (unsigned i = 0; i < e->rollout_count && r == 0; i++) {
		uint64_t now_ns = gh_mono_ns();

		r = e->rollouts[i].vt->wait(e->rollouts[i].self, (uint64_t)seq,
			now_ns < end_ns ? (end_ns - now_ns) / 1000000 : 0);
	}
	if (r == 0)
		doc_put_int(&request->out.head, "serving", (int64_t)serving(e));
	return r;
}

const struct expose_function expose_rollout[] = {
	{ "wait", rollout_wait, NULL }, { .name = NULL },
};
