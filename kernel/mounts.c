/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mounts.c
 * @brief Which mount answers a path, and the pages that are there from the beginning:
 * /metrics, /healthz, /readyz.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/metrics.h"
#include "kernel/txn.h"

#define BODY_DEFAULT (UINT64_C(1) << 20)

struct mount {
	const struct gh_mount_row *row;
	struct gh_inst *inst;       /* NULL: a built-in page */
	struct gh_str prefix;
};

/** All mounts, the longest prefixes first. */
struct krn_mounts {
	size_t n;
	struct mount v[];
};

static void
reply_text(struct gh_txn *txn, unsigned status, struct gh_str text)
{
	if (krn_txn_reply(txn, status, GH_STR("text/plain; charset=utf-8"), text) < 0)
		krn_txn_reply_error(txn, 503, "Service Unavailable", "Out of memory.");
}

static enum gh_verdict
on_metrics(const void *config, struct gh_txn *txn)
{
	size_t n = 0;
	char *text = krn_metrics_text(&n);

	(void)config;
	if (text == NULL) {
		krn_txn_reply_error(txn, 503, "Service Unavailable", "Out of memory.");
		return GH_STOP;
	}
	if (krn_txn_reply(txn, 200, GH_STR("text/plain; version=0.0.4; charset=utf-8"),
			(struct gh_str){ text, n }) < 0)
		krn_txn_reply_error(txn, 503, "Service Unavailable", "Out of memory.");
	free(text);
	return GH_STOP;
}

static enum gh_verdict
on_healthz(const void *config, struct gh_txn *txn)
{
	(void)config;
	reply_text(txn, 200, GH_STR("ok\n"));
	return GH_STOP;
}

static enum gh_verdict
on_readyz(const void *config, struct gh_txn *txn)
{
	struct krn_set *set = txn->worker->node->set;
	char text[4096];
	size_t at = 0;

	(void)config;
	for (size_t i = 0; i < set->n && at < sizeof(text); i++) {
		struct gh_inst *inst = &set->insts[i];

		if (!atomic_load(&inst->is_unready))
			continue;
		const char *why = atomic_load(&inst->unready_why);

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s: %s\n",
			GH_STR_ARG(inst->label), why != NULL ? why : "not ready");
	}
	if (at > sizeof(text) - 1)
		at = sizeof(text) - 1;
	bool is_serving = atomic_load(&txn->worker->node->is_serving);

	if (at > 0 || !is_serving)
		reply_text(txn, 503, at > 0 ? (struct gh_str){ text, at } : GH_STR("draining\n"));
	else
		reply_text(txn, 200, GH_STR("ready\n"));
	return GH_STOP;
}

static const struct gh_mount_row builtin[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/metrics", .hook = on_metrics },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/healthz", .hook = on_healthz },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/readyz", .hook = on_readyz },
	{ .prefix = NULL },
};

static int
by_length(const void *a, const void *b)
{
	size_t x = ((const struct mount *)a)->prefix.n, y = ((const struct mount *)b)->prefix.n;

	return x < y ? 1 : x > y ? -1 : 0;
}

static size_t
row_count(const struct gh_mount_row *rows)
{
	size_t n = 0;

	while (rows != NULL && rows[n].prefix != NULL)
		n++;
	return n;
}

int
krn_mounts_new(struct krn_set *set, struct krn_mounts **ret_mounts)
{
	size_t n = row_count(builtin);

	for (size_t i = 0; i < set->n; i++)
		n += row_count(set->insts[i].desc->mounts);
	struct krn_mounts *m = calloc(1, sizeof(*m) + n * sizeof(m->v[0]));

	if (m == NULL)
		return GH_ENOMEM;
	for (const struct gh_mount_row *r = builtin; r->prefix != NULL; r++)
		m->v[m->n++] = (struct mount){ r, NULL, gh_str_of(r->prefix) };
	for (size_t i = 0; i < set->n; i++)
		for (const struct gh_mount_row *r = set->insts[i].desc->mounts;
			r != NULL && r->prefix != NULL; r++)
			m->v[m->n++] = (struct mount){ r, &set->insts[i], gh_str_of(r->prefix) };
	qsort(m->v, m->n, sizeof(m->v[0]), by_length);
	*ret_mounts = m;
	return GH_OK;
}

void
krn_mounts_free(struct krn_mounts *mounts)
{
	free(mounts);
}

size_t
krn_mounts_count(const struct krn_mounts *mounts)
{
	return mounts->n;
}

void
krn_mounts_steps(const struct krn_mounts *mounts, struct krn_generation *gen)
{
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount *m = &mounts->v[i];

		gen->mount_steps[i] = (struct krn_step){
			.fn = m->row->hook,
			.inst = m->inst,
			.config = m->inst != NULL ? gen->configs[m->inst->index].block : NULL,
			.phase = GH_UPSTREAM,
			.deny_on_fail = true,
			.name = m->row->prefix,
		};
	}
}

/* Prefixes match at segment borders: "/oauth2" covers "/oauth2" and "/oauth2/token". */
static bool
covers(struct gh_str prefix, struct gh_str path)
{
	if (path.n < prefix.n || memcmp(path.p, prefix.p, prefix.n) != 0)
		return false;
	return path.n == prefix.n || path.p[prefix.n] == '/' || prefix.p[prefix.n - 1] == '/';
}

void
krn_mounts_find(struct gh_txn *txn)
{
	const struct krn_mounts *mounts = txn->worker->node->mounts;
	struct gh_str path = gh_txn_attr(txn, GH_ATTR_PATH);

	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount *m = &mounts->v[i];

		if (m->row->chain != txn->chain || !covers(m->prefix, path))
			continue;
		txn->mount = &txn->gen->mount_steps[i];
		if (m->row->handler != NULL)
			gh_txn_body_want(txn, GH_SIDE_REQUEST,
				m->row->max_body_bytes > 0 ? m->row->max_body_bytes : BODY_DEFAULT);
		return;
	}
}

void
krn_mounts_run(struct gh_txn *txn)
{
	size_t i = (size_t)(txn->mount - txn->gen->mount_steps);
	const struct gh_mount_row *row = txn->worker->node->mounts->v[i].row;

	txn->step = txn->mount;
	krn_txn_verdict(txn, row->hook != NULL ? row->hook(txn->mount->config, txn)
					       : krn_call_start(txn, row));
}
