/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node.c
 * @brief The life of a node: load, open, start, stop, free.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "kernel/base.h"
#include "kernel/event.h"
#include "kernel/log.h"
#include "kernel/metrics.h"
#include "kernel/pool.h"
#include "kernel/txn.h"
#include "kernel/upgrade.h"
#include "lib/cpus/cpus.h"

struct krn_events *
krn_node_events(struct krn_node *node)
{
	return node->events;
}

/* ---- Making ------------------------------------------------------------------------------------ */

int
krn_state_dir_make(const char *dir, char *error, size_t error_size)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		snprintf(error, error_size, "state directory %s: cannot be made: %s", dir,
			strerror(errno));
		return GH_EIO;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		snprintf(error, error_size, "state directory %s: not a directory", dir);
		return GH_EIO;
	}
	if (access(dir, W_OK | X_OK) < 0) {
		snprintf(error, error_size, "state directory %s: not writable: %s", dir, strerror(errno));
		return GH_EIO;
	}
	if ((st.st_mode & 077) != 0 && chmod(dir, 0700) < 0) {
		snprintf(error, error_size,
			"state directory %s: others may read it and its mode cannot be set to 0700: %s",
			dir, strerror(errno));
		return GH_EDENIED;
	}
	return GH_OK;
}

/* The listener's engine is the entry it names, which must provide engine/1. */
static int
bind_listener(struct krn_node *node, const struct manifest_listener *decl, struct krn_listen *l, char *error,
	size_t error_size)
{
	char labels[96];

	l->listener = decl->listener;
	l->engine_inst = krn_set_find(node->set, decl->engine);
	for (const struct gh_service_row *s = l->engine_inst != NULL ? l->engine_inst->provides : NULL;
		s != NULL && s->name != NULL; s++)
		if (strcmp(s->name, GH_SVC_ENGINE) == 0)
			l->engine = s->vtable;
	if (l->engine == NULL) {
		snprintf(error, error_size, "%s:%u: listener %.*s: no entry \"%.*s\" that provides %s",
			node->manifest->path, decl->line, GH_STR_ARG(decl->listener.name),
			GH_STR_ARG(decl->engine), GH_SVC_ENGINE);
		return GH_ENOENT;
	}
	snprintf(labels, sizeof(labels), "listener=\"%.*s\"", GH_STR_ARG(l->listener.name));
	l->refused = krn_metric_new(GH_COUNTER, "gatehouse_kernel_refused_total",
		"Requests refused before they became transactions.", labels);
	return GH_OK;
}

static int
make_blocks(struct krn_node *node)
{
	for (size_t i = 0; i < node->set->n; i++) {
		struct gh_inst *inst = &node->set->insts[i];
		const struct gh_plugin *d = inst->desc;

		inst->node = node;
		if (d->process_size > 0 && (inst->process = calloc(1, d->process_size)) == NULL)
			return GH_ENOMEM;
		if (d->worker_size == 0)
			continue;
		inst->worker_blocks = calloc(node->worker_count, sizeof(void *));
		for (unsigned w = 0; inst->worker_blocks != NULL && w < node->worker_count; w++)
			if ((inst->worker_blocks[w] = calloc(1, d->worker_size)) == NULL)
				return GH_ENOMEM;
		if (inst->worker_blocks == NULL)
			return GH_ENOMEM;
	}
	return GH_OK;
}

static int
make_parts(struct krn_node *node, char *error, size_t error_size)
{
	int r = krn_mounts_new(node->set, &node->mounts);

	node->workers = calloc(node->worker_count, sizeof(*node->workers));
	node->listens = calloc(node->manifest->listener_count, sizeof(*node->listens));
	if (r < 0 || node->workers == NULL || node->listens == NULL)
		return GH_ENOMEM;
	for (unsigned i = 0; i < node->worker_count && r == GH_OK; i++)
		r = krn_worker_init(&node->workers[i], node, i);
	for (size_t i = 0; i < node->manifest->listener_count && r == GH_OK; i++) {
		node->listen_count++;
		r = bind_listener(node, &node->manifest->listeners[i], &node->listens[i], error,
			error_size);
	}
	if (r == GH_OK)
		r = make_blocks(node);
	if (r == GH_OK && (node->events = krn_events_new(node->set)) == NULL)
		r = GH_ENOMEM;
	return r;
}

static void
make_metrics(struct krn_node *node)
{
	const char *help = "Transactions that have ended.";

	static const char *const labels[GH_CHAIN_COUNT] = { "chain=\"gateway\"",
		"chain=\"management\"", "chain=\"cluster\"" };

	for (unsigned i = 0; i < GH_CHAIN_COUNT; i++)
		node->txn_total[i] = krn_metric_new(GH_COUNTER,
			"gatehouse_kernel_transactions_total", help, labels[i]);
	node->cancelled_total = krn_metric_new(GH_COUNTER, "gatehouse_kernel_cancelled_total",
		"Transactions whose client left before the response was complete.", NULL);
	node->reload_total = krn_metric_new(GH_COUNTER, "gatehouse_kernel_reloads_total",
		"Reloads that were published.", NULL);
	node->reload_failed_total = krn_metric_new(GH_COUNTER, "gatehouse_kernel_reloads_failed_total",
		"Reloads that were refused; the options before them went on.", NULL);
}

int
krn_node_new(struct manifest *manifest, struct krn_set *set, const char *state_dir,
	struct krn_node **ret_node, char *error, size_t error_size)
{
	struct krn_node *node = calloc(1, sizeof(*node));
	int r;

	snprintf(error, error_size, "out of memory");
	if (node == NULL) {
		krn_set_free(set);
		manifest_free(manifest);
		return GH_ENOMEM;
	}
	node->manifest = manifest;
	node->set = set;
	node->state_dir = state_dir;
	node->worker_count = manifest->node.workers > 0 ? (unsigned)manifest->node.workers
							: cpus_allowed();
	if (getrandom(&node->boot_id, sizeof(node->boot_id), 0) != sizeof(node->boot_id))
		node->boot_id = gh_now_us();
	make_metrics(node);
	r = make_parts(node, error, error_size);
	if (r == GH_OK)
		r = krn_generation_new(node, manifest, &node->gen, error, error_size);
	if (r < 0) {
		krn_node_free(node);
		return r;
	}
	*ret_node = node;
	return GH_OK;
}

/* ---- Opening and starting ---------------------------------------------------------------------- */

static bool
has_providers(const struct gh_inst *inst)
{
	for (size_t i = 0; i < inst->binding_count; i++)
		if (!inst->bindings[i].provider->is_open)
			return false;
	return true;
}

/* Open entries that are not open yet.  One that finds its place taken by the process before this one
 * waits, and so do those that need it. */
static int
open_entries(struct krn_node *node, bool *ret_is_waiting, char *error, size_t error_size)
{
	struct krn_set *set = node->set;
	bool is_waiting = false;

	for (size_t i = 0; i < set->n; i++) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];
		int r = GH_OK;

		if (inst->is_open)
			continue;
		if (!has_providers(inst)) {
			is_waiting = true;
			continue;
		}
		if (inst->desc->open != NULL)
			r = inst->desc->open(inst->process, node->gen->configs[inst->index].block, inst);
		if (r == GH_EAGAIN && krn_predecessor_holds()) {
			if (inst->desc->process_size > 0)
				memset(inst->process, 0, inst->desc->process_size);
			is_waiting = true;
			continue;
		}
		if (r < 0) {
			snprintf(error, error_size, "%.*s: open failed: %s", GH_STR_ARG(inst->label),
				gh_strerror(r));
			return r;
		}
		inst->is_open = true;
	}
	*ret_is_waiting = is_waiting;
	return GH_OK;
}

static int
prepare_listeners(struct krn_node *node, char *error, size_t error_size)
{
	for (size_t i = 0; i < node->listen_count; i++) {
		struct krn_listen *l = &node->listens[i];

		if (l->is_prepared || !l->engine_inst->is_open)
			continue;
		int r = l->engine->prepare(l->engine_inst->process, l->engine_inst, &l->listener, error,
			error_size);

		if (r < 0)
			return r;
		l->is_prepared = true;
	}
	return GH_OK;
}

int
krn_node_open(struct krn_node *node, char *error, size_t error_size)
{
	bool is_waiting = true;
	int r = krn_sockets_open(node, error, error_size);

	if (r == GH_OK && node->state_dir != NULL) /* after what fails most: a start leaves nothing behind */
		r = krn_state_dir_make(node->state_dir, error, error_size);
	if (r < 0)
		return r;
	r = krn_pool_new(&node->manifest->node, &node->pool);
	if (r < 0) {
		snprintf(error, error_size, "cannot start the pool's threads: %s", gh_strerror(r));
		return r;
	}
	/* The second round is for what the predecessor holds; all else has been checked by then. */
	while (r == GH_OK && is_waiting) {
		r = open_entries(node, &is_waiting, error, error_size);
		if (r == GH_OK)
			r = prepare_listeners(node, error, error_size);
		if (r == GH_OK && is_waiting)
			r = krn_predecessor_end(error, error_size);
	}
	if (r < 0)
		return r;
	return krn_generation_start(node->gen, error, error_size);
}

struct open_ports {
	struct krn_node *node;
	int result;
};

static size_t
count_ports(const struct krn_node *node, unsigned worker)
{
	size_t n = 0;

	for (size_t i = 0; i < node->listen_count; i++)
		for (unsigned j = worker; j < node->listens[i].fd_count; j += node->worker_count)
			n++;
	return n;
}

static void
adopt_first(struct gh_worker *worker, void *arg)
{
	krn_worker_adopt(worker, arg);
}

/* On each worker: serve its share of every listener's sockets. */
static void
open_ports(struct gh_worker *worker, void *arg)
{
	struct open_ports *o = arg;
	struct krn_node *node = o->node;

	worker->ports = calloc(count_ports(node, worker->index) + 1, sizeof(*worker->ports));
	if (worker->ports == NULL)
		o->result = GH_ENOMEM;
	for (size_t i = 0; i < node->listen_count; i++) {
		struct krn_listen *l = &node->listens[i];

		for (unsigned j = worker->index; j < l->fd_count && o->result == GH_OK;
			j += node->worker_count) {
			struct krn_port *p = &worker->ports[worker->port_count];

			*p = (struct krn_port){ .worker = worker, .listen = l };
			o->result = l->engine->open(l->engine_inst->process, worker, &l->listener,
				l->fds[j], p, &p->port);
			worker->port_count += o->result == GH_OK;
		}
	}
}

int
krn_node_start(struct krn_node *node, char *error, size_t error_size)
{
	for (unsigned i = 0; i < node->worker_count; i++) {
		int r = krn_worker_launch(&node->workers[i]);

		if (r < 0) {
			snprintf(error, error_size, "worker %u cannot start: %s", i, gh_strerror(r));
			return r;
		}
		krn_worker_ask(&node->workers[i], adopt_first, node->gen);
	}
	return GH_OK;
}

const struct gh_inst *
krn_node_unready(const struct krn_node *node)
{
	for (size_t i = 0; i < node->set->n; i++)
		if (atomic_load(&node->set->insts[i].is_unready))
			return &node->set->insts[i];
	return NULL;
}

int
krn_node_listen(struct krn_node *node, char *error, size_t error_size)
{
	struct open_ports o = { node, GH_OK };
	int r = krn_sockets_listen(node, error, error_size);

	if (r < 0)
		return r;
	atomic_store(&node->is_serving, true);
	for (unsigned i = 0; i < node->worker_count && o.result == GH_OK; i++)
		krn_worker_ask(&node->workers[i], open_ports, &o);
	if (o.result < 0)
		snprintf(error, error_size, "a listener cannot be served: %s", gh_strerror(o.result));
	return o.result;
}

/* ---- Stopping ---------------------------------------------------------------------------------- */

static void
quiesce_ports(struct gh_worker *worker, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < worker->port_count; i++)
		worker->ports[i].listen->engine->quiesce(worker->ports[i].port);
}

/* What a drain waits for. */
struct load {
	uint64_t transactions;
	uint64_t connections; /* that may still bring a request, or have one */
};

static void
count_load(struct gh_worker *worker, void *arg)
{
	struct load *load = arg;

	load->transactions += worker->live;
	for (unsigned i = 0; i < worker->port_count; i++)
		load->connections += worker->ports[i].listen->engine->connections(worker->ports[i].port);
}

static void
close_ports(struct gh_worker *worker, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < worker->port_count; i++)
		worker->ports[i].listen->engine->close(worker->ports[i].port);
	worker->port_count = 0;
}

static void
ask_all(struct krn_node *node, void (*fn)(struct gh_worker *worker, void *arg), void *arg)
{
	for (unsigned i = 0; i < node->worker_count; i++)
		if (node->workers[i].has_thread)
			krn_worker_ask(&node->workers[i], fn, arg);
}

static void
leave_generation(struct gh_worker *worker, void *arg)
{
	(void)arg;
	KRN_ASSERT(worker->live == 0); /* every engine reported its transactions */
	krn_worker_adopt(worker, NULL);
}

void
krn_node_stop(struct krn_node *node, uint64_t drain_ms)
{
	uint64_t until = gh_mono_ns() + drain_ms * 1000000u;
	struct load load;

	atomic_store(&node->is_serving, false);
	ask_all(node, quiesce_ports, NULL);
	do {
		load = (struct load){ 0, 0 };
		ask_all(node, count_load, &load);
		if (load.transactions + load.connections > 0)
			usleep(5000);
	} while (load.transactions + load.connections > 0 && gh_mono_ns() < until);
	if (load.transactions > 0)
		krn_log(LOG_WARNING, GH_STR("kernel"), GH_STR_NONE,
			"%llu transactions were cut after drain_ms",
			(unsigned long long)load.transactions);
	ask_all(node, close_ports, NULL);
	krn_sockets_close(node);
	krn_pool_stop(node->pool); /* its last results go through the mailboxes; new jobs are refused */
	ask_all(node, leave_generation, NULL);
	for (unsigned i = 0; i < node->worker_count; i++)
		krn_worker_join(&node->workers[i]);
}

static void
free_blocks(struct krn_node *node)
{
	for (size_t i = 0; i < node->set->n; i++) {
		struct gh_inst *inst = &node->set->insts[i];

		for (unsigned w = 0; inst->worker_blocks != NULL && w < node->worker_count; w++)
			free(inst->worker_blocks[w]);
		free(inst->worker_blocks);
		free(inst->process);
		inst->worker_blocks = NULL;
		inst->process = NULL;
	}
}

void
krn_node_free(struct krn_node *node)
{
	if (node == NULL)
		return;
	struct krn_set *set = node->set;

	node->on_retired = NULL;
	krn_sockets_close(node);
	krn_pool_stop(node->pool);
	if (node->gen != NULL && node->gen->started == set->n) /* else some never opened */
		krn_events_deliver(node->events);
	while (node->retired != NULL) {
		struct krn_generation *gen = node->retired;

		node->retired = gen->next_retired;
		krn_generation_free(gen);
	}
	krn_generation_free(node->gen);
	for (size_t i = set != NULL ? set->n : 0; i-- > 0;) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];

		if (inst->is_open && inst->desc->close != NULL)
			inst->desc->close(inst->process);
		inst->is_open = false;
	}
	krn_pool_free(node->pool); /* until now entries may have offered it jobs, which it refused */
	for (unsigned i = 0; node->workers != NULL && i < node->worker_count; i++)
		krn_worker_done(&node->workers[i]);
	free(node->workers);
	free(node->listens);
	krn_events_free(node->events);
	krn_mounts_free(node->mounts);
	if (set != NULL)
		free_blocks(node);
	krn_set_free(set);
	manifest_free(node->manifest);
	free(node);
}

/* ---- What entries may ask ---------------------------------------------------------------------- */

struct gh_str
gh_inst_label(const struct gh_inst *inst)
{
	return inst->label;
}

struct gh_str
gh_inst_node_name(const struct gh_inst *inst)
{
	return inst->node->manifest->node.name;
}

const char *
gh_inst_state_dir(const struct gh_inst *inst)
{
	return inst->node->state_dir;
}

uint16_t
gh_inst_port(const struct gh_inst *inst, enum gh_chain chain, bool tls)
{
	const struct krn_node *node = inst->node;

	for (size_t i = 0; i < node->listen_count; i++)
		if (node->listens[i].listener.chain == chain && node->listens[i].listener.tls == tls)
			return node->listens[i].listener.port;
	return 0;
}

void
gh_inst_ready(struct gh_inst *inst, bool is_ready, const char *why)
{
	atomic_store(&inst->unready_why, why);
	atomic_store(&inst->is_unready, !is_ready);
}

int
gh_service_get(struct gh_inst *inst, const char *need, unsigned index, struct gh_service *ret_service)
{
	for (size_t i = 0; i < inst->binding_count; i++) {
		const struct krn_binding *b = &inst->bindings[i];

		if (strcmp(b->need, need) != 0 || index-- > 0)
			continue;
		*ret_service = (struct gh_service){ b->vtable, b->provider->process };
		return GH_OK;
	}
	return GH_ENOENT;
}
