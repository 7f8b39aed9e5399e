/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file serve.c
 * @brief One call: who asks, for what, and the answer.
 *
 * POST RPC_PREFIX/<service>/<function>, over mutual TLS; lib/rpc has the form of both bodies.  The
 * answer is 200 with the result of the function, also when that is an error; another status means
 * that the function was not called.  Who calls must carry the role `control`.
 */
#include <stdio.h>
#include <syslog.h>

#include <gatehouse/svc/trust.h>

#include "plugins/expose/expose.h"

const struct expose_named expose_services[EXPOSE_COUNT] = {
	[EXPOSE_DOCS] = { GH_SVC_DOCS, expose_docs },
	[EXPOSE_TOKENS] = { GH_SVC_TOKENS, expose_tokens },
	[EXPOSE_IDENTITY] = { GH_SVC_IDENTITY, expose_identity },
	[EXPOSE_ROLLOUT] = { GH_SVC_ROLLOUT, expose_rollout },
};

/* ---- Calls ----------------------------------------------------------------------------------- */

/** Answer that nothing was called, and why. */
static void
refuse(struct gh_call *call, unsigned status, const char *why)
{
	gh_call_log(call, LOG_WARNING, "refused a call of %.*s by node %.*s at %.*s: %s",
		GH_STR_ARG(gh_call_path(call)), GH_STR_ARG(gh_call_peer_node(call)),
		GH_STR_ARG(gh_call_peer(call)), why);
	(void)gh_call_reply(call, status, GH_STR("text/plain; charset=utf-8"), gh_str_of(why));
}

/** What a path behind the prefix names.  @return false: nothing that is offered here. */
static bool
find_function(const struct expose *e, struct gh_str path, enum expose_service *ret_service,
	unsigned *ret_function)
{
	char wanted[80];

	for (unsigned s = 0; s < EXPOSE_COUNT; s++) {
		const struct expose_function *functions = expose_services[s].functions;

		for (unsigned f = 0; e->is_offered[s] && functions[f].name != NULL; f++) {
			int n = snprintf(wanted, sizeof(wanted), "/%s/%s", expose_services[s].name,
				functions[f].name);

			if (!gh_str_eq(path, (struct gh_str){ wanted, (size_t)n }))
				continue;
			*ret_service = (enum expose_service)s;
			*ret_function = f;
			return true;
		}
	}
	return false;
}

/** @param role  that suffices besides control; or NULL. */
static bool
may_call(const struct gh_call *call, const char *role)
{
	return gh_call_peer_has_role(call, GH_STR(GH_ROLE_CONTROL)) ||
		(role != NULL && gh_call_peer_has_role(call, gh_str_of(role)));
}

/** Run the function and make the message that tells its result. */
static int
answer(struct expose *e, const struct expose_function *function, const struct rpc_message *in,
	int *ret_result, struct gh_str *ret_message)
{
	struct expose_request request = { .expose = e, .in = *in };
	int result, r;

	rpc_writer_init(&request.out);
	result = function->fn(&request);
	doc_put_int(&request.out.head, "r", result);
	r = rpc_finish(&request.out, ret_message);
	if (request.release != NULL)
		request.release(&request);
	*ret_result = result;
	return r;
}

static bool
is_trouble(int result)
{
	return result == GH_EIO || result == GH_ENOMEM || result == GH_EAGAIN;
}

static void
serve(struct expose *e, struct gh_call *call, const struct expose_function *function,
	const struct expose_metrics *metrics)
{
	uint64_t start_ns = gh_mono_ns();
	struct gh_str message = GH_STR_NONE;
	struct rpc_message in;
	int result = 0, r = rpc_read(gh_call_body(call), &in);

	gh_metric_add(metrics->calls, 1);
	if (r == GH_EVERSION)
		refuse(call, 415, "this node speaks version 1 of the calls between nodes");
	else if (r < 0)
		refuse(call, 400, "the message is damaged");
	if (r < 0)
		goto out;
	r = answer(e, function, &in, &result, &message);
	if (r == 0)
		r = gh_call_reply(call, 200, GH_STR(RPC_CONTENT_TYPE), message);
	if (r == GH_ETOOBIG)
		refuse(call, 500, "the answer is larger than a message may be");
	else if (r < 0)
		refuse(call, 503, "the answer could not be made");
	rpc_free(message);
out:
	if (r < 0 || is_trouble(result))
		gh_metric_add(metrics->errors, 1);
	gh_metric_observe(metrics->seconds, (double)(gh_mono_ns() - start_ns) / 1e9);
}

/** Whoever may call anything may ask for what is offered. */
static const struct expose_function hello = { .name = "hello", .role = GH_ROLE_ANALYTICS };

/** What is offered here: how a caller knows that it has reached a node that serves. */
static void
say_hello(const struct expose *e, struct gh_call *call)
{
	struct gh_str message = GH_STR_NONE;
	struct rpc_writer w;

	rpc_writer_init(&w);
	doc_put_int(&w.head, "r", GH_OK);
	doc_begin_array(&w.head, "services");
	for (unsigned s = 0; s < EXPOSE_COUNT; s++)
		if (e->is_offered[s])
			doc_put_str(&w.head, NULL, gh_str_of(expose_services[s].name));
	doc_end(&w.head);
	if (rpc_finish(&w, &message) < 0 ||
	    gh_call_reply(call, 200, GH_STR(RPC_CONTENT_TYPE), message) < 0)
		refuse(call, 503, "out of memory");
	rpc_free(message);
}

void
expose_handle(void *process, const void *config, struct gh_call *call)
{
	struct expose *e = process;
	struct gh_str subpath = gh_call_path(call);
	enum expose_service service = EXPOSE_DOCS;
	unsigned i = 0;

	(void)config;
	subpath.p += sizeof(RPC_PREFIX) - 1; /* all mounts begin with it */
	subpath.n -= sizeof(RPC_PREFIX) - 1;
	if (gh_call_peer_node(call).n == 0)
		return refuse(call, 403, "the caller showed no certificate of this cluster");
	if (!gh_str_eq(gh_call_method(call), GH_STR("POST")))
		return refuse(call, 405, "services are called with POST");
	bool is_hello = gh_str_eq(subpath, GH_STR("/hello"));

	if (!is_hello && !find_function(e, subpath, &service, &i))
		return refuse(call, 404, "this node does not offer that service or function");
	const struct expose_function *function = is_hello ? &hello
		: &expose_services[service].functions[i];

	if (!may_call(call, function->role))
		return refuse(call, 403, "the caller's certificate does not carry the role control");
	if (is_hello)
		return say_hello(e, call);
	serve(e, call, function, &e->metrics[service][i]);
}
