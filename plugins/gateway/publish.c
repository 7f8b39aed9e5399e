/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file publish.c
 * @brief The applier: follows the feed, makes roots, hands them to the workers.
 */
#include "plugins/gateway/publish.h"

#include <stdlib.h>
#include <syslog.h>

/* ---- Views ------------------------------------------------------------------------------ */

/* WORKER: a view has arrived. */
static void
on_mail(struct gh_worker *worker, struct gh_mail *mail)
{
	struct gw_view *view = (struct gw_view *)(void *)mail;
	struct gw_publisher *publisher = view->publisher;
	uint64_t seq = view->root->seq;

	gw_worker_take(publisher->inst, worker, view);
	follow_acks_set(&publisher->acks, gh_worker_index(worker), seq);
}

static struct gw_view *
view_new(struct gw_publisher *publisher, struct gw_snapshot *root)
{
	struct gw_view *view = calloc(1, sizeof(*view));

	if (view == NULL)
		return NULL;
	view->mail.fn = on_mail;
	view->root = gw_snapshot_ref(root);
	view->pins = 1;
	view->publisher = publisher;
	pthread_mutex_lock(&publisher->lock);
	if ((view->next = publisher->views) != NULL)
		view->next->previous = view;
	publisher->views = view;
	pthread_mutex_unlock(&publisher->lock);
	return view;
}

static void
view_free(struct gw_view *view)
{
	struct gw_publisher *publisher = view->publisher;

	pthread_mutex_lock(&publisher->lock);
	if (view->previous != NULL)
		view->previous->next = view->next;
	else
		publisher->views = view->next;
	if (view->next != NULL)
		view->next->previous = view->previous;
	pthread_mutex_unlock(&publisher->lock);
	gw_snapshot_unref(view->root);
	free(view);
}

struct gw_view *
gw_view_pin(struct gw_view *view)
{
	view->pins++;
	return view;
}

void
gw_view_unpin(struct gw_view *view)
{
	if (view != NULL && --view->pins == 0)
		view_free(view);
}

struct gw_view *
gw_publisher_first(struct gw_publisher *publisher, unsigned worker)
{
	struct gw_view *view = publisher->first[worker];

	publisher->first[worker] = NULL;
	return view;
}

/* ---- Following -------------------------------------------------------------------------- */

static int
begin(void *arg)
{
	struct gw_publisher *p = arg;

	gw_snapshot_unref(p->edit);
	p->edit = gw_snapshot_new(&p->graveyard, p->seed);
	if (p->edit == NULL)
		return GH_ENOMEM;
	/* What was verified against the state before must be looked at again. */
	p->edit->trust = p->current != NULL ? p->current->trust + 1 : 1;
	return 0;
}

static int
apply(void *arg, const struct gh_feed_batch *batch)
{
	struct gw_publisher *p = arg;
	int r;

	if (p->edit == NULL && (p->edit = gw_snapshot_fork(p->current)) == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_feed_change *change = &batch->changes[i];
		const char *why;

		r = gw_snapshot_apply(p->edit, p->current, &p->scope, change->deleted, &change->doc,
			&why);
		if (r < 0)
			return r;
		if (why != NULL)
			gh_inst_log(p->inst, LOG_WARNING, "%.*s %.*s: %s",
				GH_STR_ARG(change->doc.kind), GH_STR_ARG(change->doc.id), why);
	}
	return 0;
}

static void
throw_away(void *arg)
{
	struct gw_publisher *p = arg;

	gw_snapshot_unref(p->edit);
	p->edit = NULL;
	gw_graveyard_clear(&p->graveyard);
}

/* One view of the new root per worker, all or none. */
static struct gw_view **
make_views(struct gw_publisher *p, unsigned n)
{
	struct gw_view **views = calloc(n, sizeof(struct gw_view *));

	for (unsigned i = 0; views != NULL && i < n; i++) {
		if ((views[i] = view_new(p, p->edit)) != NULL)
			continue;
		while (i-- > 0)
			view_free(views[i]);
		free(views);
		return NULL;
	}
	return views;
}

static int
publish(void *arg, uint64_t seq)
{
	struct gw_publisher *p = arg;
	unsigned n = gh_worker_count(p->inst);
	struct gw_view **views;

	if (p->edit == NULL && (p->edit = gw_snapshot_fork(p->current)) == NULL)
		return GH_ENOMEM;
	p->edit->seq = seq;
	if ((views = make_views(p, n)) == NULL)
		return GH_ENOMEM;
	if (p->current != NULL && seq < p->current->seq)
		follow_acks_restart(&p->acks); /* another history */
	gw_snapshot_unref(p->current);
	p->current = p->edit;
	p->edit = NULL;
	gh_metric_set(p->seq, (int64_t)seq);
	gh_metric_set(p->apis, (int64_t)gw_map_count(p->current->apis));
	gh_metric_set(p->consumers, (int64_t)gw_map_count(p->current->consumers));
	gh_metric_set(p->subscriptions, (int64_t)gw_map_count(p->current->subscriptions));
	if (!p->is_running) {
		p->first = views; /* in open(): workers take theirs when they start */
		follow_acks_set_all(&p->acks, seq);
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		gh_worker_post(gh_worker_at(p->inst, i), &views[i]->mail);
	free(views);
	gw_graveyard_clear(&p->graveyard);
	return 0;
}

static void
trouble(void *arg, int err)
{
	struct gw_publisher *p = arg;

	if (err != 0)
		gh_inst_log(p->inst, LOG_ERR, "the feed cannot be followed (%s); serving on",
			gh_strerror(err));
	else
		gh_inst_log(p->inst, LOG_NOTICE, "the feed is followed again");
}

static const struct follow_ops follow_ops = {
	.begin = begin, .apply = apply, .publish = publish, .abort = throw_away, .trouble = trouble,
};

static void *
run(void *arg)
{
	follow_run(arg);
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------- */

static void
make_metrics(struct gw_publisher *p)
{
	p->seq = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_gateway_snapshot_sequence",
		"Sequence of the newest snapshot that was published.", NULL);
	p->apis = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_gateway_deployments",
		"Deployments in the newest snapshot.", NULL);
	p->consumers = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_gateway_consumers",
		"Consumer keys in the newest snapshot.", NULL);
	p->subscriptions = gh_metric_new(p->inst, GH_GAUGE, "gatehouse_gateway_subscriptions",
		"Subscriptions in the newest snapshot.", NULL);
}

int
gw_publisher_open(struct gw_publisher *p, struct gh_inst *inst, const struct gh_list *environments,
	const struct gh_feed_reader *reader, uint64_t seed)
{
	struct gh_feed feed;
	int r;

	p->inst = inst;
	p->scope.environments = environments;
	p->seed = seed;
	make_metrics(p);
	if ((r = pthread_mutex_init(&p->lock, NULL)) != 0)
		return GH_ENOMEM;
	if ((r = GH_BIND(inst, GH_SVC_FEED, &feed)) < 0 ||
		(r = follow_acks_init(&p->acks, gh_worker_count(inst))) < 0 ||
		(r = follow_init(&p->follow, &feed, &follow_ops, p)) < 0 ||
		(r = follow_attach(&p->follow, reader)) < 0 ||
		(r = follow_snapshot(&p->follow)) < 0) {
		gh_inst_log(inst, LOG_ERR, "cannot take a snapshot: %s", gh_strerror(r));
		goto out;
	}
	p->is_running = true; /* before the thread looks at it */
	if (pthread_create(&p->thread, NULL, run, &p->follow) != 0) {
		p->is_running = false;
		gh_inst_log(inst, LOG_ERR, "cannot start the thread that follows the feed");
		r = GH_ENOMEM;
	}
out:
	if (r < 0)
		gw_publisher_close(p);
	return r;
}

void
gw_publisher_close(struct gw_publisher *p)
{
	if (p->inst == NULL)
		return;
	if (p->is_running) {
		follow_stop(&p->follow);
		pthread_join(p->thread, NULL);
	}
	follow_done(&p->follow);
	/* Views that were posted when their worker had stopped, or that no worker has taken. */
	while (p->views != NULL)
		view_free(p->views);
	free(p->first);
	gw_snapshot_unref(p->edit);
	gw_snapshot_unref(p->current);
	gw_graveyard_clear(&p->graveyard);
	follow_acks_done(&p->acks);
	pthread_mutex_destroy(&p->lock);
	*p = (struct gw_publisher){ 0 };
}
