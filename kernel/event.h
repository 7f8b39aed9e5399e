/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file event.h
 * @brief Events between entries: emitted anywhere, delivered on MAIN, bounded per subscriber.
 */
#ifndef KERNEL_EVENT_H
#define KERNEL_EVENT_H
#include "kernel/inst.h"

/** The subscribers of a node and what waits for them. */
struct krn_events;

/** The events of a node; NULL before it has any.  The node's part (kernel/node.c). */
struct krn_events *krn_node_events(struct krn_node *node);

/** Gather the subscriptions of all entries.  MAIN.
 *  @param set  BORROW; must outlive the events.  @return NULL: out of memory. */
struct krn_events *krn_events_new(const struct krn_set *set);
/** Drops what still waits.  MAIN, when nobody emits any more.  NULL is allowed. */
void krn_events_free(struct krn_events *events);
/** How MAIN is told that something waits; called from any thread, at most once per delivery.  MAIN,
 *  before the first event. */
void krn_events_set_wake(struct krn_events *events, void (*wake)(void *arg), void *arg);
/** Queue for every subscriber of @p name.  ANY.  @return as gh_event_emit(). */
int krn_events_emit(struct krn_events *events, struct gh_str name, struct gh_str payload);
/** Call the subscribers.  MAIN.  What they emit themselves waits for the next delivery. */
void krn_events_deliver(struct krn_events *events);

#endif
