/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file origin.c
 * @brief Serves this node's feed/1 to other nodes, and knows how far each of them is.
 *
 * On the cluster chain: a snapshot, then long polls for changes (docs/adr/0009).  The other side is the
 * plugin `sync`.  A node whose own feed comes from `sync` may serve it on: sequences are the same
 * everywhere, so a follower may be moved between such nodes at any time.
 *
 * rollout/1 here is "all nodes that follow now": management writes wait for it as they wait for the
 * plugins of their own node.
 */
#include <stdlib.h>

#include "plugins/origin/origin.h"

static const struct gh_opt opts[] = {
	GH_OPT(struct origin_config, snapshot_max, .dflt = "512M", .min = 65536,
		.max = UINT64_C(8) << 30,
		.help = "Largest snapshot that is given to other nodes; it is held in memory while "
			"they fetch it."),
	{ .type = GH_OPT_END },
};

/* ---- Services -------------------------------------------------------------------------------- */

static int
wait(void *self, uint64_t seq, uint64_t deadline_ms)
{
	return followers_wait(&((struct origin *)self)->followers, seq, deadline_ms);
}

/** Without followers there is nobody to wait for. */
static uint64_t
serving(void *self)
{
	return followers_serving(&((struct origin *)self)->followers);
}

static int
list(void *self, struct gh_nodes_seen **ret)
{
	return followers_list(&((struct origin *)self)->followers, ret);
}

static void
free_list(struct gh_nodes_seen *nodes)
{
	free(nodes);
}

static const struct gh_rollout_v1 rollout = { .size = sizeof(rollout), .wait = wait,
	.serving = serving };
static const struct gh_nodes_v1 nodes = { .size = sizeof(nodes), .list = list,
	.free_list = free_list };

/* ---- Life ------------------------------------------------------------------------------------ */

static void
make_metrics(struct origin *o, struct gh_inst *inst)
{
	o->polls = gh_metric_new(inst, GH_COUNTER, "gatehouse_origin_polls_total",
		"Polls of nodes that follow this one.", NULL);
	o->older = gh_metric_new(inst, GH_COUNTER, "gatehouse_origin_older_total",
		"Polls that were answered from the store, as they were far behind.", NULL);
	o->sent = gh_metric_new(inst, GH_COUNTER, "gatehouse_origin_sent_bytes_total",
		"Bytes of the feed that went out.", NULL);
	o->snapshots = gh_metric_new(inst, GH_COUNTER, "gatehouse_origin_snapshots_total",
		"Snapshots that were made; one may go to many nodes.", NULL);
	o->followers.live = gh_metric_new(inst, GH_GAUGE, "gatehouse_origin_followers",
		"Nodes that follow this one now.", NULL);
	o->followers.late = gh_metric_new(inst, GH_COUNTER, "gatehouse_origin_late_total",
		"Nodes that did not serve a change in time.", NULL);
}

static int
open_origin(void *process, const void *config, struct gh_inst *inst)
{
	struct origin *o = process;
	int r = followers_init(&o->followers);

	(void)config;
	if (r < 0)
		return r;
	o->inst = inst;
	o->reader.rollout = (struct gh_rollout){ &rollout, o };
	make_metrics(o, inst);
	r = hub_open(&o->hub, inst, &o->reader);
	if (r < 0)
		followers_done(&o->followers);
	return r;
}

static void
close_origin(void *process)
{
	struct origin *o = process;

	hub_close(&o->hub);
	followers_done(&o->followers);
}

static int
start_origin(void *process, void *config)
{
	struct origin *o = process;
	const struct origin_config *c = config;

	atomic_store(&o->snapshot_max_bytes, c->snapshot_max.v);
	return GH_OK;
}

/* ---- Descriptor ------------------------------------------------------------------------------ */

static const struct gh_service_row provides[] = {
	{ GH_SVC_ROLLOUT, &rollout }, { GH_SVC_NODES, &nodes }, { .name = NULL },
};
static const char *const needs[] = { GH_SVC_FEED, NULL };
static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_CLUSTER, .prefix = "/cluster/v1/feed/changes", .hook = origin_on_changes },
	{ .chain = GH_CHAIN_CLUSTER, .prefix = "/cluster/v1/feed/snapshot", .hook = origin_on_snapshot },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "origin", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts, .mounts = mounts, .config_size = sizeof(struct origin_config),
	.process_size = sizeof(struct origin), .open = open_origin, .close = close_origin,
	.start = start_origin,
};
