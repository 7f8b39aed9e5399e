/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file generation.c
 * @brief Generations: options and plan made aside, published by one pointer, freed when unused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base.h"
#include "kernel/txn.h"

/* Parse the options of every entry by its table. */
static int
fill_configs(struct krn_generation *gen, char *error, size_t error_size)
{
	struct krn_set *set = gen->node->set;

	for (size_t i = 0; i < set->n; i++) {
		const struct gh_plugin *d = set->insts[i].desc;
		int r = options_fill(d->opts, d->config_size, gen->manifest->entries[i].options,
			gen->manifest->path, set->insts[i].label, &gen->configs[i], error, error_size);

		if (r < 0)
			return r;
	}
	return GH_OK;
}

int
krn_generation_new(struct krn_node *node, struct manifest *manifest, struct krn_generation **ret_gen,
	char *error, size_t error_size)
{
	struct krn_generation *gen = calloc(1, sizeof(*gen));
	int r = GH_ENOMEM;

	snprintf(error, error_size, "out of memory");
	if (gen == NULL)
		return r;
	gen->node = node;
	gen->manifest = manifest;
	gen->number = node->gen != NULL ? node->gen->number + 1 : 1;
	gen->configs = calloc(node->set->n, sizeof(*gen->configs));
	gen->pins = calloc(node->worker_count, sizeof(*gen->pins));
	gen->mount_steps = calloc(krn_mounts_count(node->mounts), sizeof(*gen->mount_steps));
	atomic_init(&gen->users, 0);
	if (gen->configs == NULL || gen->pins == NULL || gen->mount_steps == NULL)
		goto fail;
	r = fill_configs(gen, error, error_size);
	if (r < 0)
		goto fail;
	krn_mounts_steps(node->mounts, gen);
	r = krn_plan_for_node(node->set, gen->configs, &gen->plan);
	if (r < 0)
		goto fail;
	*ret_gen = gen;
	return GH_OK;
fail:
	gen->manifest = NULL; /* stays the caller's */
	krn_generation_free(gen);
	return r;
}

void
krn_generation_free(struct krn_generation *gen)
{
	if (gen == NULL)
		return;
	struct krn_set *set = gen->node->set;

	for (size_t i = gen->started; i-- > 0;) {
		struct gh_inst *inst = &set->insts[set->start_order[i]];

		if (inst->desc->stop != NULL)
			inst->desc->stop(inst->process, gen->configs[inst->index].block);
	}
	gh_plan_unref(gen->plan);
	for (size_t i = 0; gen->configs != NULL && i < set->n; i++)
		options_done(&gen->configs[i]);
	free(gen->configs);
	free(gen->pins);
	free(gen->mount_steps);
	if (gen->manifest != gen->node->manifest)
		manifest_free(gen->manifest);
	free(gen);
}

void
krn_generation_hold(struct krn_generation *gen)
{
	atomic_fetch_add_explicit(&gen->users, 1, memory_order_relaxed);
}

void
krn_generation_drop(struct krn_generation *gen)
{
	struct krn_node *node = gen->node;

	if (atomic_fetch_sub_explicit(&gen->users, 1, memory_order_acq_rel) == 1 &&
		node->on_retired != NULL)
		node->on_retired(node); /* MAIN frees it, if it is retired */
}

void
krn_generation_pin(struct krn_generation *gen, struct gh_worker *worker)
{
	gen->pins[worker->index]++;
}

void
krn_generation_unpin(struct krn_generation *gen, struct gh_worker *worker)
{
	KRN_ASSERT(gen->pins[worker->index] > 0);
	if (--gen->pins[worker->index] == 0 && worker->gen != gen)
		krn_generation_drop(gen);
}

void
krn_worker_adopt(struct gh_worker *worker, struct krn_generation *gen)
{
	struct krn_generation *old = worker->gen;

	if (gen != NULL)
		krn_generation_hold(gen);
	worker->gen = gen;
	if (old != NULL && old->pins[worker->index] == 0)
		krn_generation_drop(old);
}

/* ---- Reload ------------------------------------------------------------------------------------ */

static int
refuse(char *error, size_t error_size, struct gh_str what)
{
	snprintf(error, error_size, "%.*s: a change here needs a restart", GH_STR_ARG(what));
	return GH_EINVAL;
}

static bool
same_listener(const struct gh_listener *a, const struct gh_listener *b)
{
	return gh_str_eq(a->name, b->name) && gh_str_eq(a->address, b->address) &&
		a->port == b->port && a->chain == b->chain && a->tls == b->tls &&
		gh_str_eq(a->certificate_file, b->certificate_file) &&
		gh_str_eq(a->key_file, b->key_file) && a->head_ms == b->head_ms &&
		a->idle_ms == b->idle_ms && a->max_head_bytes == b->max_head_bytes &&
		a->max_connections == b->max_connections;
}

static bool
same_entry(const struct manifest_entry *a, const struct manifest_entry *b)
{
	if (!gh_str_eq(a->plugin, b->plugin) || !gh_str_eq(a->label, b->label) ||
		a->provide_count != b->provide_count || a->need_count != b->need_count ||
		a->dry_run != b->dry_run || a->bypass != b->bypass || a->on_error != b->on_error)
		return false;
	for (size_t i = 0; i < a->provide_count; i++)
		if (!gh_str_eq(a->provide[i], b->provide[i]))
			return false;
	for (size_t i = 0; i < a->need_count; i++)
		if (!gh_str_eq(a->needs[i].need, b->needs[i].need) ||
			!gh_str_eq(a->needs[i].label, b->needs[i].label))
			return false;
	return true;
}

/* Entries, listeners and sizes are fixed; only options and logging may differ. */
static int
check_same_house(struct krn_node *node, const struct manifest *m, char *error, size_t error_size)
{
	const struct manifest *old = node->manifest;

	if (m->entry_count != old->entry_count)
		return refuse(error, error_size, GH_STR("plugins"));
	for (size_t i = 0; i < m->entry_count; i++)
		if (!same_entry(&m->entries[i], &old->entries[i]))
			return refuse(error, error_size, m->entries[i].label);
	if (m->listener_count != old->listener_count)
		return refuse(error, error_size, GH_STR("listeners"));
	for (size_t i = 0; i < m->listener_count; i++)
		if (!same_listener(&m->listeners[i].listener, &old->listeners[i].listener) ||
			!gh_str_eq(m->listeners[i].engine, old->listeners[i].engine))
			return refuse(error, error_size, m->listeners[i].listener.name);
	if (!gh_str_eq(m->node.name, old->node.name) || m->node.workers != old->node.workers ||
		m->node.pool_queue != old->node.pool_queue ||
		memcmp(m->node.pool_threads, old->node.pool_threads, sizeof(m->node.pool_threads)) != 0)
		return refuse(error, error_size, GH_STR("node"));
	return GH_OK;
}

static int
check_fixed(struct krn_node *node, const struct krn_generation *gen, char *error, size_t error_size)
{
	for (size_t i = 0; i < node->set->n; i++) {
		const char *key = NULL;

		if (options_same_fixed(&node->gen->configs[i], &gen->configs[i], &key))
			continue;
		snprintf(error, error_size, "%.*s: %s: a change here needs a restart",
			GH_STR_ARG(node->set->insts[i].label), key);
		return GH_EINVAL;
	}
	return GH_OK;
}

int
krn_generation_start(struct krn_generation *gen, char *error, size_t error_size)
{
	struct krn_set *set = gen->node->set;

	for (; gen->started < set->n; gen->started++) {
		struct gh_inst *inst = &set->insts[set->start_order[gen->started]];

		if (inst->desc->start == NULL)
			continue;
		int r = inst->desc->start(inst->process, gen->configs[inst->index].block);

		if (r < 0) {
			snprintf(error, error_size, "%.*s: start failed: %s", GH_STR_ARG(inst->label),
				gh_strerror(r));
			return r;
		}
	}
	return GH_OK;
}

static void
adopt(struct gh_worker *worker, void *arg)
{
	krn_worker_adopt(worker, arg);
}

int
krn_node_reload(struct krn_node *node, struct manifest *manifest, char *error, size_t error_size)
{
	struct krn_generation *gen = NULL;
	int r = check_same_house(node, manifest, error, error_size);

	if (r == GH_OK)
		r = krn_generation_new(node, manifest, &gen, error, error_size);
	if (r < 0) {
		manifest_free(manifest);
		goto out;
	}
	r = check_fixed(node, gen, error, error_size);
	if (r == GH_OK)
		r = krn_generation_start(gen, error, error_size);
	if (r < 0) {
		krn_generation_free(gen); /* stops those that were started */
		goto out;
	}
	node->gen->cut_ns = gh_mono_ns() + manifest->node.drain_ms * 1000000u;
	node->gen->next_retired = node->retired;
	node->retired = node->gen;
	node->gen = gen;
	for (unsigned i = 0; i < node->worker_count; i++)
		krn_worker_ask(&node->workers[i], adopt, gen);
out:
	gh_metric_add(r == GH_OK ? node->reload_total : node->reload_failed_total, 1);
	return r;
}

void
krn_node_reap(struct krn_node *node)
{
	struct krn_generation **at = &node->retired;

	while (*at != NULL) {
		struct krn_generation *gen = *at;

		if (atomic_load_explicit(&gen->users, memory_order_acquire) > 0) {
			at = &gen->next_retired;
			continue;
		}
		*at = gen->next_retired;
		krn_generation_free(gen);
	}
}

static void
cut_old(struct gh_worker *worker, void *arg)
{
	uint64_t now_ns = gh_mono_ns();

	(void)arg;
	for (uint32_t i = 0; i < worker->slot_count; i++) {
		struct gh_txn *txn = worker->slots[i];

		if (txn->is_live && txn->gen != worker->gen && txn->gen->cut_ns <= now_ns &&
			!txn->is_finished)
			txn->ops->abort(txn->conn);
	}
}

void
krn_node_cut_retired(struct krn_node *node)
{
	if (node->retired == NULL)
		return;
	for (unsigned i = 0; i < node->worker_count; i++)
		krn_worker_ask(&node->workers[i], cut_old, NULL);
}
