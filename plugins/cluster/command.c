/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command.c
 * @brief gatehouse join: get this node's certificate before the node runs.
 *
 * What it leaves in the state directory is what a start with join_token would leave there.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/jointoken/jointoken.h"
#include "plugins/cluster/cluster.h"

enum { EXIT_USAGE = 64, EXIT_CANNOT_JOIN = 78 };

#define LINE_MAX_BYTES 256

static const char usage[] =
	"usage: gatehouse join [--manifest FILE] [--state DIR] [--url URL] [--token TOKEN] [--name NAME]\n"
	"  --url    https://host:port of a control plane's cluster listener; else control_url of the manifest\n"
	"  --token  from POST /api/am/cluster/v1/join-tokens; '-' reads it from the standard input, where\n"
	"           other users of this machine do not see it; else join_token of the manifest\n"
	"  --name   what the list of nodes calls this one; else the name of this machine\n";

struct wish {
	const char *url, *token, *name;
};

/** @return is the command line right? */
static bool
read_words(int argc, char **argv, struct wish *wish)
{
	for (int i = 1; i < argc; i += 2) {
		const char **place = strcmp(argv[i], "--url") == 0 ? &wish->url
			: strcmp(argv[i], "--token") == 0 ? &wish->token
			: strcmp(argv[i], "--name") == 0 ? &wish->name : NULL;

		if (place == NULL || i + 1 == argc) {
			fprintf(stderr, place == NULL ? "gatehouse: join does not take '%s'\n"
				: "gatehouse: %s needs a value\n", argv[i]);
			return false;
		}
		*place = argv[i + 1];
	}
	return true;
}

static int
join(struct cluster *c, const struct cluster_config *config, const struct wish *wish)
{
	char error[CLUSTER_ERROR_BYTES] = "out of memory", line[LINE_MAX_BYTES] = "";
	struct gh_str url = wish->url != NULL ? gh_str_of(wish->url) : gh_str_of(c->control_url);
	struct gh_str token = wish->token != NULL ? gh_str_of(wish->token) : config->join_token.v;
	int r;

	if (atomic_load(&c->serial) > 0) {
		fprintf(stderr, "gatehouse: cannot join: this node has a certificate already; for another "
			"cluster, empty %s\n", c->state_dir);
		return EXIT_CANNOT_JOIN;
	}
	if (wish->token != NULL && strcmp(wish->token, "-") == 0) {
		token = GH_STR_NONE;
		if (fgets(line, sizeof(line), stdin) != NULL)
			token = (struct gh_str){ line, strcspn(line, "\r\n") };
	}
	if (url.n == 0 || token.n == 0) {
		fprintf(stderr, "gatehouse: join needs %s\n%s", url.n == 0 ? "--url" : "--token", usage);
		return EXIT_USAGE;
	}
	while (url.n > 0 && url.p[url.n - 1] == '/')
		url.n--;
	r = cluster_join(c, url, token, config->join_wait.v, error, sizeof(error));
	crypto_wipe(line, sizeof(line));
	if (r < 0) {
		fprintf(stderr, "gatehouse: cannot join the cluster at %.*s: %s\n", GH_STR_ARG(url), error);
		return EXIT_CANNOT_JOIN;
	}
	struct role_text *roles = atomic_load(&c->roles);

	printf("node %s joined the cluster at %.*s; roles: %s\n", c->node_id, GH_STR_ARG(url), roles->text);
	return 0;
}

static int
on_join(const void *config, const char *state_dir, int argc, char **argv)
{
	char host[HOST_NAME_MAX + 1] = "";
	struct wish wish = { .url = NULL };
	struct cluster *c;
	int code = EXIT_CANNOT_JOIN;

	if (!read_words(argc, argv, &wish)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (wish.name == NULL && gethostname(host, sizeof(host) - 1) == 0)
		wish.name = host;
	c = calloc(1, sizeof(*c));
	if (c != NULL && cluster_prepare(c, config, NULL, state_dir, gh_str_of(wish.name)) == GH_OK) {
		code = join(c, config, &wish);
		cluster_close(c);
	}
	free(c);
	return code;
}

const struct gh_command_row cluster_commands[] = {
	{ "join", "get this node's certificate from a control plane, with a token", on_join },
	{ .name = NULL },
};
