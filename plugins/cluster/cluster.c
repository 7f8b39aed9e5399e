/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cluster.c
 * @brief Who this node is, whom it trusts, and how it calls other nodes.
 *
 * It needs neither documents nor the feed, because what brings those from other nodes is built on it.
 * A node with a control_url gets its first certificate there, with a token, and renews it there.  The
 * others get theirs from their own store, through the plugin `members`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "plugins/cluster/cluster.h"

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt opts[] = {
	GH_OPT(struct cluster_config, roles, .dflt = GH_ROLE_CONTROL, .min = 1, .max = 4, .fixed = true,
		.help = "Roles of this node when it gets its certificate from its own store: control, "
			"gateway, traffic, analytics.  A node that joins has those of its token."),
	GH_OPT(struct cluster_config, cluster_key_file, .dflt = "", .max = 4000, .fixed = true,
		.help = "File with the keys that all nodes of a cluster share, 64 hexadecimal digits "
			"each, the newest first; empty: cluster.key in the state directory."),
	GH_OPT(struct cluster_config, cluster_key, .dflt = "", .max = 1024, .fixed = true,
		.help = "These keys themselves, in place of a file."),
	GH_OPT(struct cluster_config, control_url, .dflt = "", .max = 1024, .fixed = true,
		.help = "Where a node that joins finds a control plane, https://host:port of its "
			"cluster listener; empty: the node has the documents itself."),
	GH_OPT(struct cluster_config, join_token, .dflt = "", .max = 256, .fixed = true,
		.help = "Token for the first certificate; not looked at when there is one."),
	GH_OPT(struct cluster_config, join_wait, .dflt = "60s", .min = 1000, .max = 3600000,
		.fixed = true, .help = "How long a start waits for the control plane to answer the token."),
	{ .type = GH_OPT_END },
};

/* ---- Life ------------------------------------------------------------------------------------ */

void
cluster_log(const struct cluster *c, int level, const char *fmt, ...)
{
	char text[CLUSTER_ERROR_BYTES + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->inst != NULL)
		gh_inst_log(c->inst, level, "%s", text);
	else
		fprintf(stderr, "gatehouse: %s\n", text);
}

static int
take_roles(struct cluster *c, const struct gh_list *roles)
{
	static const char *const known[] = { GH_ROLE_CONTROL, GH_ROLE_GATEWAY, GH_ROLE_TRAFFIC,
		GH_ROLE_ANALYTICS };
	size_t used = 0;

	for (size_t i = 0; i < roles->n; i++) {
		size_t k = 0;

		while (k < sizeof(known) / sizeof(known[0]) && !gh_str_eq(roles->v[i], gh_str_of(known[k])))
			k++;
		if (k == sizeof(known) / sizeof(known[0])) {
			cluster_log(c, LOG_ERR, "roles: no role is called %.*s",
				GH_STR_ARG(roles->v[i]));
			return GH_EINVAL;
		}
		used += (size_t)snprintf(c->wanted_roles + used, sizeof(c->wanted_roles) - used, "%s%s",
			used > 0 ? " " : "", known[k]);
	}
	return GH_OK;
}

static int
take_options(struct cluster *c, const struct cluster_config *config)
{
	struct gh_str url = config->control_url;
	int n = snprintf(c->dir, sizeof(c->dir), "%s/cluster", c->state_dir);

	if (n < 0 || (size_t)n >= sizeof(c->dir) - 32) {
		cluster_log(c, LOG_ERR, "the path of the state directory is too long");
		return GH_EINVAL;
	}
	c->key_place = (struct clusterkey_place){ .text = config->cluster_key,
		.file = config->cluster_key_file, .state_dir = c->state_dir };
	while (url.n > 0 && url.p[url.n - 1] == '/')
		url.n--;
	if (url.n > 0 && (c->control_url = strndup(url.p, url.n)) == NULL)
		return GH_ENOMEM;
	return take_roles(c, &config->roles);
}

static int
join_first(struct cluster *c, const struct cluster_config *config)
{
	char error[CLUSTER_ERROR_BYTES] = "out of memory";
	int r;

	if (c->control_url == NULL || atomic_load(&c->serial) > 0)
		return GH_OK;
	if (config->join_token.v.n == 0) {
		cluster_log(c, LOG_ERR, "this node has no valid certificate of its cluster: let the "
			"control plane make a token (POST /api/am/cluster/v1/join-tokens) and give it as "
			"join_token, or run gatehouse join");
		return GH_EDENIED;
	}
	r = cluster_join(c, gh_str_of(c->control_url), config->join_token.v, config->join_wait.v, error,
		sizeof(error));
	if (r < 0)
		cluster_log(c, LOG_ERR, "cannot join the cluster at %s: %s", c->control_url, error);
	return r;
}

void
cluster_close(void *process)
{
	struct cluster *c = process;

	cluster_renew_close(c);
	cluster_identity_close(c);
	cluster_keys_close(c);
	fetch_free(c->fetch);
	pthread_rwlock_destroy(&c->removed_lock);
	pthread_cond_destroy(&c->renew_change);
	pthread_mutex_destroy(&c->lock);
	free(c->removed);
	free(c->control_url);
	c->removed = NULL;
	c->control_url = NULL;
	c->fetch = NULL;
}

static int
init(struct cluster *c, struct gh_inst *inst)
{
	const struct fetch_tls none = { .is_unverified = false };
	int r = fetch_new(&none, &c->fetch);

	if (r < 0)
		return r;
	if (clock_init(&c->lock, &c->renew_change) != 0) {
		fetch_free(c->fetch);
		return GH_ENOMEM;
	}
	pthread_rwlock_init(&c->removed_lock, NULL);
	if (inst == NULL)
		return GH_OK;
	c->expires_at = gh_metric_new(inst, GH_GAUGE, "gatehouse_cluster_certificate_expires_seconds",
		"When the certificate of this node ends, in Unix seconds.", NULL);
	c->renewals = gh_metric_new(inst, GH_COUNTER, "gatehouse_cluster_renewals_total",
		"Certificates that the control plane gave to this node after the first.", NULL);
	c->renewals_failed = gh_metric_new(inst, GH_COUNTER, "gatehouse_cluster_renewals_failed_total",
		"Attempts to get another certificate that failed.", NULL);
	return GH_OK;
}

int
cluster_prepare(struct cluster *c, const struct cluster_config *config, struct gh_inst *inst,
	const char *state_dir, struct gh_str name)
{
	int r;

	c->inst = inst;
	c->state_dir = state_dir;
	c->name = name;
	r = init(c, inst);
	if (r < 0) {
		cluster_log(c, LOG_ERR, "%s", gh_strerror(r));
		return r;
	}
	r = take_options(c, config);
	if (r == GH_OK)
		r = cluster_identity_open(c);
	if (r == GH_OK)
		r = cluster_keys_open(c);
	if (r < 0)
		cluster_close(c);
	return r;
}

static int
open_cluster(void *process, const void *config, struct gh_inst *inst)
{
	struct cluster *c = process;
	int r = cluster_prepare(c, config, inst, gh_inst_state_dir(inst), gh_inst_node_name(inst));

	if (r < 0)
		return r;
	r = join_first(c, config);
	if (r == GH_OK)
		r = cluster_renew_open(c);
	if (r < 0)
		cluster_close(c);
	return r;
}

/* Every open() is over: who should have given the certificate has done so. */
static int
start_cluster(void *process, void *config)
{
	struct cluster *c = process;

	(void)config;
	if (atomic_load(&c->serial) > 0)
		return GH_OK;
	cluster_log(c, LOG_ERR, "this node has no certificate of its cluster: name the plugin members "
		"on a node with documents, or give control_url and join_token");
	return GH_EDENIED;
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static const struct gh_service_row provides[] = {
	{ GH_SVC_TRUST, &cluster_trust }, { GH_SVC_PEER, &cluster_peer },
	{ GH_SVC_ENROLL, &cluster_enroll }, { .name = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "cluster", .version = "0.1.0", .provides = provides, .opts = opts,
	.config_size = sizeof(struct cluster_config), .process_size = sizeof(struct cluster),
	.open = open_cluster, .close = cluster_close, .start = start_cluster,
	.commands = cluster_commands,
};
