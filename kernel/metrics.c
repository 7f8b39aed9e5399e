/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.c
 * @brief The registry of this process (lib/metrics), and the numbers of its threads.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "kernel/base.h"
#include "kernel/inst.h"
#include "kernel/metrics.h"
#include "lib/metrics/metrics.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct metrics *registry; /* Made once, never freed: series live until the process ends. */

static void
make_registry(void)
{
	registry = metrics_new();
}

static unsigned
thread_number(void)
{
	static _Atomic unsigned seen;
	static _Thread_local unsigned number; /* plus one; 0: not known yet */

	if (number == 0)
		number = atomic_fetch_add(&seen, 1) % METRICS_THREADS + 1;
	return number - 1;
}

struct gh_metric *
krn_metric_new(enum gh_metric_kind kind, const char *name, const char *help, const char *labels)
{
	pthread_once(&once, make_registry);
	return registry != NULL ? metrics_add(registry, kind, name, help, labels) : NULL;
}

char *
krn_metrics_text(size_t *ret_size)
{
	pthread_once(&once, make_registry);
	return registry != NULL ? metrics_text(registry, ret_size) : NULL;
}

int64_t
krn_metric_value(const struct gh_metric *metric)
{
	return metrics_value(metric);
}

struct gh_metric *
gh_metric_new(struct gh_inst *inst, enum gh_metric_kind kind, const char *name, const char *help,
	const char *labels)
{
	char *text = metrics_label(labels, "entry", inst->label);
	struct gh_metric *metric = text != NULL ? krn_metric_new(kind, name, help, text) : NULL;

	free(text);
	return metric;
}

void
gh_metric_add(struct gh_metric *metric, uint64_t n)
{
	metrics_count(metric, thread_number(), n);
}

void
gh_metric_set(struct gh_metric *metric, int64_t value)
{
	metrics_set(metric, value);
}

void
gh_metric_observe(struct gh_metric *metric, double seconds)
{
	metrics_observe(metric, thread_number(), seconds);
}
