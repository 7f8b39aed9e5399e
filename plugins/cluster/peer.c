/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file peer.c
 * @brief peer/1: calls to other nodes, over lib/fetch with the node's certificate.
 *
 * What is dialled is the URL's address; what is asked for, and what the certificate must name, is the
 * role.  So a balancer's address serves, and a gateway cannot answer for a control plane.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/cluster/cluster.h"

#define ROLE_MAX 32

struct gh_peer_line {
	struct cluster *cluster;
	struct fetch_line *line;
};

/** The reply points into the one that it was made of. */
struct answer {
	struct gh_peer_reply reply;
	struct fetch_reply *of;
};

static struct gh_peer_line *
line_new(void *self)
{
	struct cluster *c = self;
	struct gh_peer_line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	line->cluster = c;
	line->line = fetch_line_new(c->fetch);
	if (line->line == NULL) {
		free(line);
		return NULL;
	}
	return line;
}

static void
line_stop(struct gh_peer_line *line)
{
	fetch_line_stop(line->line);
}

static void
line_free(struct gh_peer_line *line)
{
	if (line == NULL)
		return;
	fetch_line_free(line->line);
	free(line);
}

static bool
is_role(struct gh_str role)
{
	for (size_t i = 0; i < role.n; i++)
		if (role.p[i] < 'a' || role.p[i] > 'z')
			return false;
	return role.n > 0 && role.n <= ROLE_MAX;
}

static int
call(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn, void *arg,
	struct gh_peer_reply **ret, char *error, size_t error_size)
{
	static const struct gh_str scheme = { "https://", 8 };
	char host[ROLE_MAX + sizeof(GH_ROLE_DOMAIN)];
	struct answer *answer;
	int r;

	if (atomic_load(&line->cluster->serial) == 0) {
		snprintf(error, error_size, "this node has no certificate of its cluster yet");
		return GH_ENOENT;
	}
	if (!is_role(request->role) || request->url.n <= scheme.n ||
		memcmp(request->url.p, scheme.p, scheme.n) != 0) {
		snprintf(error, error_size, "%.*s: not of the form https://host:port",
			(int)(request->url.n < 200 ? request->url.n : 200),
			request->url.n > 0 ? request->url.p : "");
		return GH_EINVAL;
	}
	snprintf(host, sizeof(host), "%.*s" GH_ROLE_DOMAIN, GH_STR_ARG(request->role));
	const struct fetch_request out = { .url = request->url, .path = request->path,
		.host = gh_str_of(host), .method = request->method, .body = request->body,
		.content_type = request->content_type, .deadline_ms = request->deadline_ms,
		.idle_ms = request->idle_ms, .max_bytes = request->max_bytes };

	answer = calloc(1, sizeof(*answer));
	if (answer == NULL) {
		snprintf(error, error_size, "out of memory");
		return GH_ENOMEM;
	}
	r = fetch_call(line->line, &out, fn, arg, &answer->of, error, error_size);
	if (r != GH_OK) {
		free(answer);
		return r;
	}
	answer->reply = (struct gh_peer_reply){ .status = answer->of->status,
		.content_type = answer->of->content_type, .body = answer->of->body };
	*ret = &answer->reply;
	return GH_OK;
}

static void
reply_free(struct gh_peer_reply *reply)
{
	struct answer *answer = (struct answer *)(void *)reply; /* its first member */

	if (answer == NULL)
		return;
	fetch_reply_free(answer->of);
	free(answer);
}

const struct gh_peer_v1 cluster_peer = {
	.size = sizeof(cluster_peer), .line_new = line_new, .line_stop = line_stop,
	.line_free = line_free, .call = call, .reply_free = reply_free,
};
