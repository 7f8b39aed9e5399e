/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_event.c
 * @brief Events: who gets them, in which order, and what happens when a queue is full.
 */
#include <pthread.h>
#include <stdlib.h>

#include "kernel/event.h"
#include "kernel/metrics.h"
#include "tests/unit/unit.h"

/* What a subscriber saw. */
struct seen {
	unsigned n;
	struct krn_events *echo; /* emit "b" from inside the subscriber */
	char text[64][GH_EVENT_MAX + 1];
};

static void
on_event(void *process, struct gh_str name, struct gh_str payload)
{
	struct seen *s = process;

	CU_ASSERT_TRUE(name.n == 1);
	memcpy(s->text[s->n % 64], payload.p, payload.n);
	s->text[s->n++ % 64][payload.n] = '\0';
	if (s->echo != NULL)
		krn_events_emit(s->echo, GH_STR("b"), GH_STR("echo"));
}

static const struct gh_event_row first_rows[] = { { "a", on_event, 3 }, { "b", on_event, 1000 },
	{ NULL, NULL, 0 } };
static const struct gh_event_row second_rows[] = { { "a", on_event, 100 }, { NULL, NULL, 0 } };
static const struct gh_plugin first_plugin = { .events = first_rows };
static const struct gh_plugin second_plugin = { .events = second_rows };
static const struct gh_plugin third_plugin = { .events = NULL };

static struct seen first, second;
static struct gh_inst insts[] = {
	{ .label = { "first", 5 }, .desc = &first_plugin, .process = &first },
	{ .label = { "second", 6 }, .desc = &second_plugin, .process = &second },
	{ .label = { "third", 5 }, .desc = &third_plugin },
};
static const struct krn_set set = { .insts = insts, .n = 3 };
static unsigned wakes;

static void
wake(void *arg)
{
	(void)arg;
	wakes++;
}

static struct krn_events *
events_new(void)
{
	struct krn_events *events = krn_events_new(&set);

	CU_ASSERT_PTR_NOT_NULL_FATAL(events);
	krn_events_set_wake(events, wake, NULL);
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	wakes = 0;
	return events;
}

static void
test_order_and_full_queue(void)
{
	struct krn_events *events = events_new();
	struct gh_metric *dropped = gh_metric_new(&insts[0], GH_COUNTER,
		"gatehouse_kernel_events_dropped_total",
		"Events that found the queue of their subscriber full.", NULL);

	CU_ASSERT_EQUAL(krn_events_emit(events, GH_STR("nobody"), GH_STR("x")), 0);
	CU_ASSERT_EQUAL(wakes, 0);
	for (const char *p = "12345"; *p != '\0'; p++)
		CU_ASSERT_EQUAL(krn_events_emit(events, GH_STR("a"), (struct gh_str){ p, 1 }), 0);
	CU_ASSERT_EQUAL(wakes, 1);
	CU_ASSERT_EQUAL(first.n, 0);
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 3); /* its queue holds three */
	CU_ASSERT_EQUAL(second.n, 5);
	CU_ASSERT_EQUAL(krn_metric_value(dropped), 2);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(second.text[i][0], '1' + (int)i);
	CU_ASSERT_STRING_EQUAL(first.text[2], "3");
	krn_events_emit(events, GH_STR("a"), GH_STR_NONE); /* there is room again */
	CU_ASSERT_EQUAL(wakes, 2);
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 4);
	CU_ASSERT_STRING_EQUAL(first.text[3], "");
	krn_events_free(events);
}

static void
test_size(void)
{
	struct krn_events *events = events_new();
	char payload[GH_EVENT_MAX + 1];

	memset(payload, 'x', sizeof(payload));
	CU_ASSERT_EQUAL(
		krn_events_emit(events, GH_STR("a"), (struct gh_str){ payload, GH_EVENT_MAX + 1 }),
		GH_ETOOBIG);
	CU_ASSERT_EQUAL(
		krn_events_emit(events, GH_STR("a"), (struct gh_str){ payload, GH_EVENT_MAX }), 0);
	CU_ASSERT_EQUAL(gh_event_emit(&insts[0], GH_STR("a"), GH_STR("no node")), 0);
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 1);
	CU_ASSERT_EQUAL(strlen(first.text[0]), GH_EVENT_MAX);
	krn_events_emit(events, GH_STR("a"), GH_STR("dropped by free"));
	krn_events_free(events);
	krn_events_free(NULL);
}

/* A subscriber that emits does not keep the delivery running for ever. */
static void
test_emit_while_delivering(void)
{
	struct krn_events *events = events_new();

	first.echo = events;
	krn_events_emit(events, GH_STR("b"), GH_STR("start"));
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 1);
	CU_ASSERT_EQUAL(wakes, 2);
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 2);
	CU_ASSERT_STRING_EQUAL(first.text[1], "echo");
	krn_events_free(events);
}

static void *
emit_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		krn_events_emit(arg, GH_STR("b"), GH_STR("x"));
	return NULL;
}

static void
test_threads(void)
{
	struct krn_events *events = events_new();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, emit_many, events);
	while (first.n < 400)
		krn_events_deliver(events);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	krn_events_deliver(events);
	CU_ASSERT_EQUAL(first.n, 800);
	krn_events_free(events);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_order_and_full_queue), UNIT_TEST(test_size),
		UNIT_TEST(test_emit_while_delivering), UNIT_TEST(test_threads), { NULL, NULL },
	};

	return unit_run("event", tests);
}
