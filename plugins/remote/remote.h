/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file remote.h
 * @brief What the files of the plugin share.
 *
 *   remote.c   descriptor, options, life
 *   line.c     one call: attempts, deadlines, what the answer means
 *   probe.c    the thread that knows whether the other node can be reached
 *   docs.c     docs/1            tokens.c   tokens/1
 *   others.c   identity/1, rollout/1
 *
 * How services behave here that the other node provides:
 * - A node that cannot be reached, or answers nonsense, is GH_EIO; the log says why, once per trouble.
 *   While the probe knows that it cannot be reached, calls fail at once.
 * - What can be asked twice without harm is asked again when a connection breaks.  Commits are
 *   among that, because each has an id and the other node writes it once.  A commit whose outcome
 *   could not be learnt before the deadline is GH_EIO: here it may have been written.
 * - Checking a password and deleting a client are not tried again.
 */
#ifndef PLUGINS_REMOTE_REMOTE_H
#define PLUGINS_REMOTE_REMOTE_H
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/identity.h>
#include <gatehouse/svc/peer.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/svc/tokens.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/rpc/rpc.h"

#define REMOTE_ERROR_MAX 512

struct remote_probe;

/** Process block. */
struct remote {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_peer_line *line;
	char *url;
	uint64_t deadline_ms;
	atomic_bool is_down;            /**< The probe could not reach the other node. */
	atomic_bool has_complained;     /**< line.c has logged the trouble of this time. */
	_Atomic uint64_t serving;       /**< What rollout/1 there said last. */
	struct remote_probe *probe;
	struct gh_metric *calls, *failures, *retries, *seconds, *up;
};

/** A call.  @c message is GIVE; the rest is STATIC. */
struct remote_call {
	const char *function;      /**< "docs/1/get" */
	struct gh_str message;
	bool is_repeatable;        /**< It may be asked again when its answer was lost. */
	unsigned errors;           /**< REMOTE_ERR() of the errors that the service may return. */
	uint64_t wait_ms;          /**< That the other node may wait, besides the usual deadline. */
	size_t max_bytes;          /**< Largest answer; 0: RPC_SMALL_MAX. */
};
#define REMOTE_ERR(err) (1u << -(err))

/** An answer being read. */
struct remote_answer {
	struct remote *remote;
	struct gh_peer_reply *reply;
	struct rpc_message message;
};

/** Call.  POOL or MAIN.
 *  @param[out] ret_answer  remote_answer_done(), on success and on failure alike; its message is
 *  there when the other node answered with an error of @c errors, too.
 *  @return 0, one of @c errors, GH_EIO, GH_ENOMEM. */
int remote_call(struct remote *remote, const struct remote_call *call,
	struct remote_answer *ret_answer);
void remote_answer_done(struct remote_answer *answer);
/** The answer could not be understood.  @return GH_EIO, or GH_ENOMEM when @p r is that. */
int remote_nonsense(struct remote *remote, const char *function, int r);
/** A number from the answer.  @return 0; GH_EIO: it is not there. */
int remote_answer_seq(struct remote_answer *answer, const char *function, uint64_t *ret_seq);
/** One POST, one answer.  @param[out] ret_reply  as gh_peer_v1 call().
 *  @return 0 for status 200; GH_EAGAIN: it may be tried again; else as gh_peer_v1 call(). */
int remote_post(struct remote *remote, const char *function, struct gh_str message,
	uint64_t deadline_ms, size_t max_bytes, struct gh_peer_reply **ret_reply, char *error);

/** Reach the other node, for at most @p wait_ms, and watch it from then on.  @return 0 or a gh_err,
 *  logged. */
int remote_probe_open(struct remote *remote, uint64_t wait_ms);
void remote_probe_close(struct remote *remote);

extern const struct gh_docs_v1 remote_docs;
extern const struct gh_tokens_v1 remote_tokens;
extern const struct gh_identity_v1 remote_identity;
extern const struct gh_rollout_v1 remote_rollout;

#endif
