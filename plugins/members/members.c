/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file members.c
 * @brief Who belongs to the cluster: the authority, certificates for nodes that join, and removal.
 *
 * On a node with documents it is the cluster's certificate authority.  On any node that has a feed it
 * tells the plugin `cluster` which nodes were removed and which authorities are to be trusted.
 */
#include "plugins/members/members.h"

#include <stdio.h>
#include <syslog.h>

#include "lib/clock/clock.h"

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt opts[] = {
	GH_OPT(struct members_config, certificate_lifetime, .dflt = "30d", .min = 3000,
		.max = UINT64_C(31536000000), .fixed = true,
		.help = "How long certificates of nodes are valid; they are renewed after two thirds."),
	GH_OPT(struct members_config, authority_lifetime, .dflt = "3650d", .min = 60000,
		.max = UINT64_C(630720000000), .fixed = true,
		.help = "How long the certificate of a new authority is valid."),
	{ .type = GH_OPT_END },
};

/* ---- Life ------------------------------------------------------------------------------------ */

static bool
has_any(struct members *m, struct gh_str kind)
{
	const struct gh_find find = { .tenant = MEMBERS_TENANT, .kind = kind, .limit = 1 };
	struct gh_docs_found *found = NULL;
	bool is_there;

	if (m->docs.vt->find(m->docs.self, &find, &found) < 0)
		return true; /* in doubt nothing is made anew */
	is_there = found->n > 0;
	m->docs.vt->found_free(found);
	return is_there;
}

/** On a node with documents: the cluster key, the authority, this node's certificate. */
static int
open_authority(struct members *m)
{
	char error[MEMBERS_ERROR_BYTES] = "";
	struct gh_enrolled own;
	bool may_create;
	int r;

	if (m->docs.vt == NULL)
		return GH_OK;
	m->enroll.vt->state(m->enroll.self, &own);
	if (own.is_joined && m->enroll.vt->cluster_key_id(m->enroll.self).n == 0) {
		gh_inst_log(m->inst, LOG_NOTICE, "without the cluster key this node cannot issue "
			"certificates");
		return GH_OK;
	}
	may_create = !has_any(m, GH_STR("cluster_secret")) && !has_any(m, GH_STR("signing_key"));
	r = m->enroll.vt->need_cluster_key(m->enroll.self, may_create, error, sizeof(error));
	if (r == GH_OK && !own.is_joined)
		r = members_issue_own(m, error, sizeof(error));
	if (r < 0)
		gh_inst_log(m->inst, LOG_ERR, "%s", error);
	m->has_authority = r == GH_OK;
	return r;
}

static void
close_members(void *process)
{
	struct members *m = process;

	members_keeper_close(m);
	members_follow_close(m);
	pthread_cond_destroy(&m->change);
	pthread_mutex_destroy(&m->lock);
}

static int
bind_services(struct members *m, struct gh_feed *feed)
{
	int r = GH_BIND(m->inst, GH_SVC_ENROLL, &m->enroll);

	if (r == GH_OK)
		r = GH_BIND(m->inst, GH_SVC_TRUST, &m->trust);
	if (r < 0)
		return r;
	if (GH_BIND(m->inst, GH_SVC_DOCS, &m->docs) < 0)
		m->docs.vt = NULL;
	if (GH_BIND(m->inst, GH_SVC_FEED, feed) < 0)
		feed->vt = NULL;
	m->has_rest = rest_services_bind(m->inst, &m->rest) == GH_OK;
	return GH_OK;
}

static int
open_members(void *process, const void *config, struct gh_inst *inst)
{
	const struct members_config *options = config;
	struct members *m = process;
	struct gh_feed feed = { .vt = NULL };
	int r;

	m->inst = inst;
	m->certificate_s = (int64_t)(options->certificate_lifetime.v / 1000);
	m->authority_s = (int64_t)(options->authority_lifetime.v / 1000);
	m->issued = gh_metric_new(inst, GH_COUNTER, "gatehouse_members_certificates_issued_total",
		"Certificates that this node issued.", NULL);
	m->refused = gh_metric_new(inst, GH_COUNTER, "gatehouse_members_refused_total",
		"Nodes that wanted a certificate and got none.", NULL);
	if (clock_init(&m->lock, &m->change) != 0)
		return GH_ENOMEM;
	r = bind_services(m, &feed);
	if (r == GH_OK)
		r = open_authority(m);
	if (r == GH_OK && feed.vt != NULL)
		r = members_follow_open(m, &feed);
	if (r == GH_OK)
		r = members_keeper_open(m);
	if (r < 0)
		close_members(m);
	return r;
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static const char *const needs[] = { GH_SVC_ENROLL, GH_SVC_TRUST, "?" GH_SVC_DOCS, "?" GH_SVC_FEED,
	"?" GH_SVC_TOKENS, GH_SVC_ROLLOUT "*", NULL };

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_CLUSTER, .prefix = "/cluster/v1/authority", .handler = members_on_cluster,
		.lane = GH_LANE_STORE },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = "/cluster/v1/join", .handler = members_on_cluster,
		.lane = GH_LANE_STORE, .max_body_bytes = MEMBERS_BODY_MAX },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = "/cluster/v1/renew", .handler = members_on_cluster,
		.lane = GH_LANE_STORE, .max_body_bytes = MEMBERS_BODY_MAX },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/am/cluster", .handler = members_on_rest,
		.lane = GH_LANE_STORE },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "members", .version = "0.1.0", .needs = needs, .opts = opts,
	.mounts = mounts,
	.config_size = sizeof(struct members_config), .process_size = sizeof(struct members),
	.open = open_members, .close = close_members,
};
