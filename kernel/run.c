/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.c
 * @brief `gatehouse run`: the main thread from start to exit.
 *
 * Signals: SIGTERM and SIGINT drain and end, SIGHUP reloads the manifest and reopens the access log,
 * SIGUSR2 starts a process that takes over.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>
#include <uv.h>

#include "kernel/event.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/run.h"
#include "kernel/upgrade.h"
#include "lib/handover/handover.h"
#include "lib/notify/notify.h"

#define EXIT_CANNOT_START 78
#define ERROR_SIZE 1024
#define CUT_EVERY_MS 500
#define READY_WAIT_MS 10000 /* for entries that are not ready, before a successor listens */
#define READY_STEP_US 5000

struct run {
	const struct krn_run_args *args;
	struct krn_node *node;
	uv_loop_t loop;
	uv_async_t wake;       /* events wait, or a generation is no longer used */
	uv_signal_t term, interrupt, hup, usr2;
	uv_timer_t cut;        /* repeats while generations drain; ends those that had their time */
	uv_timer_t leave;      /* between saying that we go and going */
	struct krn_successor successor;
	char *program;         /* as it was started; a newer one may be in its place by now */
	bool is_ending;
};

static void
say(int level, const char *text)
{
	krn_log(level, GH_STR("kernel"), GH_STR_NONE, "%s", text);
}

static void
notify(const char *state)
{
	if (notify_manager(state) < 0)
		say(LOG_WARNING, "the service manager cannot be told about our state");
}

static void
on_wake(uv_async_t *handle)
{
	struct run *run = handle->data;

	krn_events_deliver(run->node->events);
	krn_node_reap(run->node);
}

static void
wake_main(void *arg)
{
	uv_async_send(arg);
}

static void
wake_for_retired(struct krn_node *node)
{
	uv_async_send(node->on_retired_arg);
}

static void
on_end(uv_signal_t *handle, int signum)
{
	struct run *run = handle->data;

	if (!run->is_ending)
		krn_log(LOG_NOTICE, GH_STR("kernel"), GH_STR_NONE, "%s: draining", strsignal(signum));
	run->is_ending = true;
	uv_stop(&run->loop);
}

static void
on_cut(uv_timer_t *timer)
{
	struct run *run = timer->data;

	if (run->node->retired == NULL)
		uv_timer_stop(timer);
	krn_node_cut_retired(run->node);
}

static void
on_reload(uv_signal_t *handle, int signum)
{
	struct run *run = handle->data;
	struct manifest *manifest = NULL;
	char error[ERROR_SIZE] = "";

	(void)signum;
	notify("RELOADING=1");
	int r = manifest_load(run->args->manifest, &manifest, error, sizeof(error));

	if (r == GH_OK)
		r = krn_node_reload(run->node, manifest, error, sizeof(error));
	if (r == GH_OK) {
		if (krn_log_reconfigure(&run->node->gen->manifest->node, error, sizeof(error)) < 0)
			krn_log(LOG_ERR, GH_STR("kernel"), GH_STR_NONE,
				"reloaded, but logs go on as before: %s", error);
		if (!uv_is_active((uv_handle_t *)&run->cut)) /* else it repeats already */
			uv_timer_start(&run->cut, on_cut, run->node->gen->manifest->node.drain_ms,
				CUT_EVERY_MS);
		say(LOG_NOTICE, "reloaded");
	} else {
		krn_log(LOG_ERR, GH_STR("kernel"), GH_STR_NONE,
			"not reloaded, the options before go on: %s", error);
	}
	notify("READY=1");
}

static void
on_left(uv_timer_t *timer)
{
	struct run *run = timer->data;

	run->is_ending = true;
	uv_stop(&run->loop);
}

/* Say no on /readyz and serve on for leave_ms, so that balancers send nobody any more when listening
 * ends.  A second signal ends it at once. */
static void
leave(struct run *run)
{
	uint64_t leave_ms = run->node->gen->manifest->node.leave_ms;

	if (leave_ms == 0)
		return;
	krn_log(LOG_NOTICE, GH_STR("kernel"), GH_STR_NONE,
		"/readyz says no; serving on for %llu ms", (unsigned long long)leave_ms);
	atomic_store(&run->node->is_serving, false);
	run->is_ending = false;
	uv_timer_start(&run->leave, on_left, leave_ms, 0);
	while (!run->is_ending)
		uv_run(&run->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&run->leave);
}

static void
on_taken(void *arg)
{
	struct run *run = arg;
	char state[32];

	snprintf(state, sizeof(state), "MAINPID=%d", (int)run->successor.pid);
	notify(state);
	run->is_ending = true;
	uv_stop(&run->loop);
}

static void
on_upgrade(uv_signal_t *handle, int signum)
{
	struct run *run = handle->data;
	char error[ERROR_SIZE] = "";

	(void)signum;
	if (!atomic_load(&run->node->is_serving)) {
		say(LOG_WARNING, "not replaced: this process leaves");
		return;
	}
	if (krn_successor_start(&run->successor, &run->loop, run->node, run->program,
			run->args->argv, error, sizeof(error)) < 0)
		krn_log(LOG_ERR, GH_STR("kernel"), GH_STR_NONE,
			"not replaced, this process goes on: %s", error);
}

static int
loop_init(struct run *run)
{
	uv_signal_t *signals[] = { &run->term, &run->interrupt, &run->hup, &run->usr2 };

	run->program = handover_program(run->args->argv[0]);
	if (run->program == NULL || uv_loop_init(&run->loop) < 0) {
		free(run->program);
		return GH_ENOMEM;
	}
	uv_async_init(&run->loop, &run->wake, on_wake);
	run->wake.data = run;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		uv_signal_init(&run->loop, signals[i]);
		signals[i]->data = run;
	}
	uv_timer_init(&run->loop, &run->cut);
	run->cut.data = run;
	uv_timer_init(&run->loop, &run->leave);
	run->leave.data = run;
	uv_signal_start(&run->term, on_end, SIGTERM);
	uv_signal_start(&run->interrupt, on_end, SIGINT);
	uv_signal_start(&run->hup, on_reload, SIGHUP);
	uv_signal_start(&run->usr2, on_upgrade, SIGUSR2);
	run->successor.on_taken = on_taken;
	run->successor.arg = run;
	return GH_OK;
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
loop_done(struct run *run)
{
	uv_walk(&run->loop, close_handle, NULL);
	uv_run(&run->loop, UV_RUN_DEFAULT);
	uv_loop_close(&run->loop);
	free(run->program);
}

void
krn_limit_process(void)
{
	struct rlimit l;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN); /* until it can be answered */
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	l = (struct rlimit){ 0, 0 };
	setrlimit(RLIMIT_CORE, &l);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void
announce(const struct krn_node *node)
{
	for (size_t i = 0; i < node->listen_count; i++) {
		const struct gh_listener *l = &node->listens[i].listener;

		krn_log(LOG_NOTICE, GH_STR("kernel"), GH_STR_NONE, "listening: %.*s %s %.*s:%u",
			GH_STR_ARG(l->name), l->tls ? "https" : "http", GH_STR_ARG(l->address),
			(unsigned)l->port);
	}
	krn_log(LOG_NOTICE, GH_STR("kernel"), GH_STR_NONE, "ready: %u workers, %zu entries",
		node->worker_count, node->set->n);
	notify("READY=1");
}

static int
cannot_start(const char *error)
{
	krn_predecessor_failed(error);
	krn_log_stop();
	fprintf(stderr, "gatehouse: cannot start: %s\n", error);
	return EXIT_CANNOT_START;
}

/* What a predecessor serves, or what waits in its queues, is not to meet "not ready". */
static void
await_ready(struct run *run)
{
	uint64_t until = gh_mono_ns() + READY_WAIT_MS * UINT64_C(1000000);
	const struct gh_inst *inst;

	while ((inst = krn_node_unready(run->node)) != NULL && !run->is_ending &&
		gh_mono_ns() < until) {
		uv_run(&run->loop, UV_RUN_NOWAIT);
		usleep(READY_STEP_US);
	}
	if (inst != NULL)
		krn_log(LOG_WARNING, GH_STR("kernel"), GH_STR_NONE,
			"listening although %.*s is not ready", GH_STR_ARG(inst->label));
}

static int
start(struct run *run, char *error, size_t error_size)
{
	int r = krn_node_start(run->node, error, error_size);

	if (r < 0)
		return r;
	if (krn_upgrade_is_one())
		await_ready(run);
	r = krn_node_listen(run->node, error, error_size);
	if (r < 0)
		return r;
	announce(run->node);
	krn_predecessor_ready();
	return GH_OK;
}

/* Serve until a signal says otherwise. */
static int
serve(struct run *run, char *error, size_t error_size)
{
	if (loop_init(run) < 0) {
		snprintf(error, error_size, "no event loop to be had");
		return GH_EIO;
	}
	krn_events_set_wake(run->node->events, wake_main, &run->wake);
	run->node->on_retired_arg = &run->wake;
	run->node->on_retired = wake_for_retired;
	int r = krn_node_open(run->node, error, error_size);

	if (r == GH_OK) {
		r = start(run, error, error_size);
		if (r == GH_OK) {
			while (!run->is_ending)
				uv_run(&run->loop, UV_RUN_DEFAULT);
			if (!run->successor.has_taken) {
				krn_successor_done(&run->successor);
				notify("STOPPING=1");
				leave(run);
			}
		}
		krn_node_stop(run->node, r == GH_OK ? run->node->gen->manifest->node.drain_ms : 0);
	}
	krn_node_free(run->node);
	krn_successor_done(&run->successor); /* now that the databases are closed */
	loop_done(run);
	return r;
}

int
krn_run(const struct krn_run_args *args)
{
	struct run run = { .args = args };
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	char error[ERROR_SIZE] = "";

	krn_upgrade_take();
	krn_limit_process();
	if (manifest_load(args->manifest, &manifest, error, sizeof(error)) < 0)
		return cannot_start(error);
	if (krn_log_start(&manifest->node, error, sizeof(error)) < 0) {
		manifest_free(manifest);
		return cannot_start(error);
	}
	if (krn_set_new(manifest, args->plugin_path, &set, error, sizeof(error)) < 0) {
		manifest_free(manifest);
		return cannot_start(error);
	}
	if (krn_node_new(manifest, set, args->state_dir, &run.node, error, sizeof(error)) < 0)
		return cannot_start(error);
	if (serve(&run, error, sizeof(error)) < 0)
		return cannot_start(error);
	say(LOG_NOTICE, "ended");
	krn_log_stop();
	return 0;
}
