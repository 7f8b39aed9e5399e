/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file late_probe.c
 * @brief Is not ready for a while after its start, and answers 503 until then: for tests of upgrades.
 */
#include <gatehouse/call.h>
#include <gatehouse/offload.h>
#include <gatehouse/worker.h>
#include <stdatomic.h>

struct config {
	struct gh_ms after;
};

struct process {
	struct gh_inst *inst;
	uint64_t after_ms;
	_Atomic bool is_ready;
};

struct worker {
	struct process *process;
	struct gh_timer *timer;
};

static const struct gh_opt opts[] = {
	GH_OPT(struct config, after, .dflt = "500ms", .fixed = true, .help = "When it is ready."),
	{ .type = GH_OPT_END },
};

static void
answer(void *process, const void *config, struct gh_call *call)
{
	struct process *p = process;

	(void)config;
	gh_call_reply(call, atomic_load(&p->is_ready) ? 200 : 503, GH_STR("text/plain"), GH_STR("late\n"));
}

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/late", .handler = answer, .lane = GH_LANE_NET },
	{ .prefix = NULL },
};

static int
on_open(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;

	p->inst = inst;
	p->after_ms = ((const struct config *)config)->after.v;
	gh_inst_ready(inst, false, "it is late");
	return GH_OK;
}

static void
on_time(void *arg)
{
	struct process *p = arg;

	atomic_store(&p->is_ready, true);
	gh_inst_ready(p->inst, true, NULL);
}

static int
on_worker_start(void *process, struct gh_worker *worker, void *worker_data)
{
	struct process *p = process;
	struct worker *w = worker_data;

	if (gh_worker_index(worker) == 0)
		w->timer = gh_timer_new(worker, p->after_ms, 0, on_time, p);
	return GH_OK;
}

static void
on_worker_stop(void *process, struct gh_worker *worker, void *worker_data)
{
	struct worker *w = worker_data;

	(void)process, (void)worker;
	gh_timer_free(w->timer);
}

GH_PLUGIN = { GH_PLUGIN_ABI, .name = "late_probe", .version = "1", .opts = opts, .mounts = mounts,
	.config_size = sizeof(struct config), .process_size = sizeof(struct process),
	.worker_size = sizeof(struct worker), .open = on_open, .worker_start = on_worker_start,
	.worker_stop = on_worker_stop };
