/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file expose.h
 * @brief What the files of the plugin share.
 *
 *   expose.c   descriptor, options, metrics
 *   serve.c    one call: who asks, for what, and the answer
 *   docs.c     docs/1, with commits that are written once however often they are sent
 *   tokens.c   tokens/1
 *   others.c   identity/1, rollout/1
 */
#ifndef PLUGINS_EXPOSE_EXPOSE_H
#define PLUGINS_EXPOSE_EXPOSE_H
#include <gatehouse/call.h>
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/identity.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/svc/tokens.h>

#include "lib/rpc/rpc.h"

#define EXPOSE_ROLLOUTS_MAX 8
#define EXPOSE_FUNCTIONS_MAX 10 /**< Of one service. */

enum expose_service { EXPOSE_DOCS, EXPOSE_TOKENS, EXPOSE_IDENTITY, EXPOSE_ROLLOUT, EXPOSE_COUNT };

/** One function of a service. */
struct expose_metrics {
	struct gh_metric *calls, *errors, *seconds;
};

/** Process block. */
struct expose {
	struct gh_inst *inst;
	bool is_offered[EXPOSE_COUNT]; /**< Named by the option `services`. */
	struct gh_docs docs;
	struct gh_tokens tokens;
	struct gh_identity identity;
	struct gh_rollout rollouts[EXPOSE_ROLLOUTS_MAX];
	unsigned rollout_count;
	struct expose_metrics metrics[EXPOSE_COUNT][EXPOSE_FUNCTIONS_MAX];
};

/** One call being answered. */
struct expose_request {
	struct expose *expose;
	struct rpc_message in;
	struct rpc_writer out;
	/** Frees what the blobs of @c out point to; called when they have been copied.  Or NULL. */
	void (*release)(struct expose_request *request);
	void *result;
};

/** Answer: read @c in, call the service, write @c out.
 *  @return 0, or the error that goes to the caller; GH_EINVAL also for a request that is damaged. */
typedef int expose_fn(struct expose_request *request);

struct expose_function {
	const char *name; /**< NULL ends the table. */
	expose_fn *fn;
	/** Role that suffices besides GH_ROLE_CONTROL; NULL: none. */
	const char *role;
};

/** A service that may be offered. */
struct expose_named {
	const char *name;
	const struct expose_function *functions;
};

extern const struct expose_named expose_services[EXPOSE_COUNT];

/** The gh_handler of all mounts. */
void expose_handle(void *process, const void *config, struct gh_call *call);

extern const struct expose_function expose_docs[], expose_tokens[], expose_identity[],
	expose_rollout[];

#endif
