/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line.c
 * @brief One call of a function of the other node.
 */
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#include <gatehouse/svc/trust.h>

#include "plugins/remote/remote.h"

#define ATTEMPTS_MAX 4
#define PAUSE_MS 50          /* before the second attempt; then twice as long each time */
#define SENTENCE_MAX 200     /* of what the other node answered, for the log */

/* Calling on a worker would stop every transaction of it. */
static void
assert_may_block(void)
{
	if (!gh_may_block())
		__builtin_trap();
}

static void
complain(struct remote *remote, const char *function, const char *error)
{
	int level = atomic_exchange(&remote->has_complained, true) ? LOG_DEBUG : LOG_ERR;

	gh_inst_log(remote->inst, level, "%s at %s failed: %s", function, remote->url, error);
}

int
remote_nonsense(struct remote *remote, const char *function, int r)
{
	if (r == GH_ENOMEM)
		return r;
	complain(remote, function, "the answer cannot be understood");
	return GH_EIO;
}

/** The sentence of an answer that is none, fit for the log. */
static void
quote(const struct gh_peer_reply *reply, char *error)
{
	char text[SENTENCE_MAX + 1];
	size_t n = reply->body.n < SENTENCE_MAX ? reply->body.n : SENTENCE_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)reply->body.p[i];

		text[i] = c < ' ' || c >= 0x7f ? '.' : (char)c;
	}
	snprintf(error, REMOTE_ERROR_MAX, "it answered %u: %.*s", reply->status, (int)n, text);
}

int
remote_post(struct remote *remote, const char *function, struct gh_str message,
	uint64_t deadline_ms, size_t max_bytes, struct gh_peer_reply **ret_reply, char *error)
{
	char path[96];
	int n = snprintf(path, sizeof(path), "%s/%s", RPC_PREFIX, function);
	const struct gh_peer_request request = {
		.url = gh_str_of(remote->url), .role = GH_STR(GH_ROLE_CONTROL),
		.method = GH_STR("POST"), .path = { path, (size_t)n }, .body = message,
		.content_type = GH_STR(RPC_CONTENT_TYPE), .deadline_ms = deadline_ms,
		.max_bytes = max_bytes,
	};
	struct gh_peer_reply *reply = NULL;
	int r = remote->peer.vt->call(remote->line, &request, NULL, NULL, &reply, error,
		REMOTE_ERROR_MAX);

	if (r < 0)
		return r;
	if (reply->status != 200) {
		quote(reply, error);
		r = reply->status == 503 ? GH_EAGAIN : GH_EIO; /* full queue, or it ends */
	} else if (!gh_str_eq(reply->content_type, GH_STR(RPC_CONTENT_TYPE))) {
		snprintf(error, REMOTE_ERROR_MAX, "the answer is of another type");
		r = GH_EIO;
	}
	if (r < 0)
		remote->peer.vt->reply_free(reply);
	else
		*ret_reply = reply;
	return r;
}

/** Post until there is an answer, attempts or time are used up. */
static int
attempt(struct remote *remote, const struct remote_call *call, struct gh_peer_reply **ret_reply,
	char *error)
{
	uint64_t total_ms = remote->deadline_ms + call->wait_ms;
	uint64_t end_ns = gh_mono_ns() + total_ms * UINT64_C(1000000);
	uint64_t left_ms = total_ms, pause_ms = PAUSE_MS;
	int r = GH_EAGAIN;

	for (unsigned i = 0; i < ATTEMPTS_MAX && left_ms > 0; i++) {
		if (i > 0) {
			gh_metric_add(remote->retries, 1);
			nanosleep(&(struct timespec){ .tv_nsec = (long)pause_ms * 1000000 }, NULL);
			pause_ms *= 2;
		}
		r = remote_post(remote, call->function, call->message, left_ms,
			call->max_bytes > 0 ? call->max_bytes : RPC_SMALL_MAX, ret_reply, error);
		if (r != GH_EAGAIN || !call->is_repeatable || atomic_load(&remote->is_down))
			break;
		uint64_t now_ns = gh_mono_ns();

		left_ms = now_ns < end_ns ? (end_ns - now_ns) / 1000000 : 0;
	}
	return r;
}

/** What the other node says about the call. */
static int
result_of(struct remote *remote, const struct remote_call *call, struct remote_answer *answer)
{
	int r = rpc_read(answer->reply->body, &answer->message);
	int64_t result = 1;

	if (r == 0)
		result = doc_int(answer->message.head, "r", 1);
	if (r < 0 || result > 0 || result < -31)
		return remote_nonsense(remote, call->function, r);
	if (result == 0 || (call->errors & REMOTE_ERR((int)result)) != 0)
		return (int)result;
	complain(remote, call->function, gh_strerror((int)result));
	return GH_EIO;
}

int
remote_call(struct remote *remote, const struct remote_call *call, struct remote_answer *ret_answer)
{
	char error[REMOTE_ERROR_MAX] = "";
	uint64_t start_ns = gh_mono_ns();
	int r = GH_EIO;

	assert_may_block();
	*ret_answer = (struct remote_answer){ .remote = remote };
	gh_metric_add(remote->calls, 1);
	if (!atomic_load(&remote->is_down)) {
		r = attempt(remote, call, &ret_answer->reply, error);
		if (r == 0)
			r = result_of(remote, call, ret_answer);
		else
			complain(remote, call->function, error);
		if (ret_answer->reply == NULL && r != GH_ENOMEM)
			r = GH_EIO;
	}
	rpc_free(call->message);
	if (r == GH_EIO)
		gh_metric_add(remote->failures, 1);
	else
		atomic_store(&remote->has_complained, false);
	gh_metric_observe(remote->seconds, (double)(gh_mono_ns() - start_ns) / 1e9);
	return r;
}

void
remote_answer_done(struct remote_answer *answer)
{
	answer->remote->peer.vt->reply_free(answer->reply);
	answer->reply = NULL;
}

int
remote_answer_seq(struct remote_answer *answer, const char *function, uint64_t *ret_seq)
{
	int64_t seq = doc_int(answer->message.head, "seq", -1);

	if (seq < 0)
		return remote_nonsense(answer->remote, function, GH_EINVAL);
	*ret_seq = (uint64_t)seq;
	return GH_OK;
}
