/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file definition.c
 * @brief Definitions that a client names by URL: fetched here, which must not open what only this node
 * can reach (server-side request forgery).
 *
 * What counts is the address that is dialled, of every redirect too: names and spellings of numbers
 * are only judged once they have become one.  The client's credentials go nowhere.
 */
#include <stdio.h>

#include "lib/netaddr/netaddr.h"
#include "lib/uri/uri.h"
#include "plugins/publisher/publisher.h"

#define URL_MAX 2048
#define REDIRECTS_MAX 5

/** One call of a chain of redirects. */
struct step {
	struct gh_list allowed; /**< The option. */
	struct gh_str host;     /**< Canonical, of the URL. */
};

bool
publisher_allowance_check(struct gh_str text)
{
	char buf[URI_HOST_MAX + 2];
	struct netaddr_net net;
	struct gh_str host;
	uint16_t port = 0;

	if (text.n == 0 || memchr(text.p, '/', text.n) != NULL)
		return netaddr_net_parse(text, &net) == 0;
	return netaddr_net_parse(text, &net) == 0 ||
		(uri_host_canonical(text, buf, sizeof(buf), &host, &port, NULL) == 0 && port == 0);
}

static bool
is_allowed(const struct step *step, const struct sockaddr *address)
{
	for (size_t i = 0; i < step->allowed.n; i++) {
		char buf[URI_HOST_MAX + 2];
		struct gh_str text = step->allowed.v[i], host;
		struct netaddr_net net;
		uint16_t port;

		if (netaddr_net_parse(text, &net) == 0 ? netaddr_net_has(&net, address) :
		    uri_host_canonical(text, buf, sizeof(buf), &host, &port, NULL) == 0 &&
		    gh_str_eq(host, step->host))
			return true;
	}
	return false;
}

static int
may_dial(void *arg, const struct sockaddr *address, char *why, size_t why_size)
{
	const char *what = netaddr_reserved(address);
	char text[NETADDR_TEXT_SIZE];

	if (what == NULL || is_allowed(arg, address))
		return 0;
	netaddr_print(address, text);
	snprintf(why, why_size, "%s is %s, which the option allow_private_definitions does not allow",
		text, what);
	return GH_EDENIED;
}

/** One request; the reply is the context's. */
static int
call(struct rest_context *ctx, const struct uri_url *url, uint64_t left_ms,
	struct fetch_reply **ret_reply)
{
	const struct publisher *p = ctx->process;
	const struct publisher_config *config = ctx->config;
	struct step step = { config->allow_private_definitions, url->host };
	const struct fetch_field accept = {
		GH_STR("Accept"), GH_STR("application/yaml, application/json, */*;q=0.5"),
	};
	char text[256] = "";
	struct gh_str dialled = gh_call_printf(ctx->call, "%s://%.*s:%u%.*s%s%.*s",
		url->is_tls ? "https" : "http", GH_STR_ARG(url->host), url->port,
		GH_STR_ARG(url->path), url->query.p != NULL ? "?" : "", GH_STR_ARG(url->query));

	if (dialled.p == NULL)
		return GH_ENOMEM;
	int r = fetch_call(p->line, &(const struct fetch_request){
		.url = dialled, .fields = &accept, .field_count = 1, .deadline_ms = left_ms,
		.connect_ms = config->definition_connect_timeout.v, .takes_packed = true,
		.max_bytes = config->definition_max_bytes.v, .may_dial = may_dial, .dial_arg = &step,
	}, NULL, NULL, ret_reply, text, sizeof(text));

	if (r == 0 || r == GH_ENOMEM)
		return r;
	return rest_fail(ctx, 400, "The definition cannot be fetched from %.*s: %s",
		GH_STR_ARG(url->host), text);
}

static void
drop_reply(void *reply)
{
	fetch_reply_free(reply);
}

/** What is called next, and may it be? */
static int
parse(struct rest_context *ctx, struct gh_str text, bool needs_tls, char *buf, size_t size,
	struct uri_url *ret_url)
{
	const char *hash = text.n > 0 ? memchr(text.p, '#', text.n) : NULL, *why = "";

	if (text.n > URL_MAX)
		return rest_fail(ctx, 400, "The URL of the definition has more than %d bytes", URL_MAX);
	if (hash != NULL)
		text.n = (size_t)(hash - text.p); /* is never sent */
	if (uri_url_parse(text, buf, size, ret_url, &why) < 0)
		return rest_fail(ctx, 400, "The URL of the definition cannot be used. %s", why);
	if (needs_tls && !ret_url->is_tls)
		return rest_fail(ctx, 400, "The definition cannot be fetched: an https URL redirects "
			"to http on %.*s", GH_STR_ARG(ret_url->host));
	return 0;
}

int
publisher_definition_fetch(struct rest_context *ctx, struct gh_str url, struct gh_str *ret_text)
{
	const struct publisher_config *config = ctx->config;
	uint64_t until_ms = gh_mono_ns() / 1000000 + config->definition_timeout.v;
	char buf[URI_BUFFER_SIZE(URL_MAX, URI_HOST_MAX)];
	struct uri_url parsed = { .is_tls = false };

	if (gh_call_subpath(ctx->call).n > 0) /* some other spelling of the version, on the store's lane */
		return rest_fail(ctx, 400, "Definitions are fetched from a URL under /v%u only",
			ctx->api->version);
	for (unsigned i = 0; i <= REDIRECTS_MAX; i++) {
		struct fetch_reply *reply = NULL;
		uint64_t now_ms = gh_mono_ns() / 1000000;
		int r = parse(ctx, url, parsed.is_tls, buf, sizeof(buf), &parsed);

		if (r == 0 && now_ms >= until_ms)
			return rest_fail(ctx, 400, "The definition cannot be fetched from %.*s: no "
				"answer in time", GH_STR_ARG(parsed.host));
		if (r == 0)
			r = call(ctx, &parsed, until_ms - now_ms, &reply);
		if (r == 0)
			r = rest_defer(ctx, drop_reply, reply);
		if (r < 0)
			return r;
		if (reply->status == 200) {
			*ret_text = reply->body;
			return 0;
		}
		if (reply->location.n == 0)
			return rest_fail(ctx, 400, "The definition cannot be fetched from %.*s: it "
				"answers %u", GH_STR_ARG(parsed.host), reply->status);
		url = reply->location;
	}
	return rest_fail(ctx, 400, "The definition cannot be fetched: more than %d redirects",
		REDIRECTS_MAX);
}
