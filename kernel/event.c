/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file event.c
 * @brief Event queues: one lock-free stack per subscriber, turned round when MAIN takes it.
 */
#include <stdlib.h>

#include "kernel/event.h"
#include "kernel/metrics.h"

struct event {
	struct event *next;
	uint16_t size;
	char payload[];
};

struct subscriber {
	struct gh_inst *inst;
	const struct gh_event_row *row;
	struct event *_Atomic newest;
	_Atomic unsigned waiting;       /* passes row->queue only while an event is refused */
	struct gh_metric *dropped;
};

struct krn_events {
	void (*wake)(void *arg);
	void *wake_arg;
	_Atomic bool is_woken;
	size_t n;
	struct subscriber subscribers[];
};

static size_t
count_rows(const struct gh_inst *inst)
{
	size_t n = 0;

	if (inst->desc->events != NULL)
		while (inst->desc->events[n].name != NULL)
			n++;
	return n;
}

struct krn_events *
krn_events_new(const struct krn_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += count_rows(&set->insts[i]);
	struct krn_events *events = calloc(1, sizeof(*events) + n * sizeof(events->subscribers[0]));

	if (events == NULL)
		return NULL;
	for (size_t i = 0; i < set->n; i++) {
		struct gh_inst *inst = &set->insts[i];

		for (size_t k = 0; k < count_rows(inst); k++) {
			struct subscriber *s = &events->subscribers[events->n++];

			s->inst = inst;
			s->row = &inst->desc->events[k];
			s->dropped = gh_metric_new(inst, GH_COUNTER,
				"gatehouse_kernel_events_dropped_total",
				"Events that found the queue of their subscriber full.", NULL);
		}
	}
	return events;
}

static void
events_drop(struct event *list)
{
	while (list != NULL) {
		struct event *next = list->next;

		free(list);
		list = next;
	}
}

void
krn_events_free(struct krn_events *events)
{
	if (events == NULL)
		return;
	for (size_t i = 0; i < events->n; i++)
		events_drop(atomic_load(&events->subscribers[i].newest));
	free(events);
}

void
krn_events_set_wake(struct krn_events *events, void (*wake)(void *arg), void *arg)
{
	events->wake = wake;
	events->wake_arg = arg;
}

/* Queue a copy, unless the queue is full or there is no memory. */
static bool
enqueue(struct subscriber *s, struct gh_str payload)
{
	struct event *e;

	if (atomic_fetch_add(&s->waiting, 1) >= s->row->queue)
		goto out;
	e = malloc(sizeof(*e) + payload.n);
	if (e == NULL)
		goto out;
	e->size = (uint16_t)payload.n;
	if (payload.n > 0)
		memcpy(e->payload, payload.p, payload.n);
	e->next = atomic_load_explicit(&s->newest, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&s->newest, &e->next, e, memory_order_release,
		memory_order_relaxed))
		;
	return true;
out:
	atomic_fetch_sub(&s->waiting, 1);
	gh_metric_add(s->dropped, 1);
	return false;
}

int
krn_events_emit(struct krn_events *events, struct gh_str name, struct gh_str payload)
{
	bool is_queued = false;

	if (payload.n > GH_EVENT_MAX)
		return GH_ETOOBIG;
	for (size_t i = 0; i < events->n; i++)
		if (gh_str_eq(name, gh_str_of(events->subscribers[i].row->name)))
			is_queued |= enqueue(&events->subscribers[i], payload);
	if (is_queued && events->wake != NULL && !atomic_exchange(&events->is_woken, true))
		events->wake(events->wake_arg);
	return 0;
}

int
gh_event_emit(struct gh_inst *inst, struct gh_str name, struct gh_str payload)
{
	struct krn_events *events = inst->node != NULL ? krn_node_events(inst->node) : NULL;

	if (events == NULL)
		return payload.n > GH_EVENT_MAX ? GH_ETOOBIG : 0; /* nobody listens yet */
	return krn_events_emit(events, name, payload);
}

/* Take all that waits, oldest first. */
static struct event *
take_all(struct subscriber *s)
{
	struct event *newest = atomic_exchange_explicit(&s->newest, NULL, memory_order_acquire);
	struct event *oldest = NULL;

	while (newest != NULL) {
		struct event *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

void
krn_events_deliver(struct krn_events *events)
{
	/* Before the queues are looked at: what comes from now on wakes us again. */
	atomic_store(&events->is_woken, false);
	for (size_t i = 0; i < events->n; i++) {
		struct subscriber *s = &events->subscribers[i];
		struct event *next;

		for (struct event *e = take_all(s); e != NULL; e = next) {
			next = e->next;
			atomic_fetch_sub(&s->waiting, 1);
			s->row->fn(s->inst->process, gh_str_of(s->row->name),
				(struct gh_str){ e->payload, e->size });
			free(e);
		}
	}
}
