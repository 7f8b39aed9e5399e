/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.h
 * @brief Metrics: a registry, counting without shared cache lines, and the Prometheus text.
 *
 * Behind gatehouse/metric.h, which plugins use.  A caller numbers its threads: those with different
 * numbers below METRICS_THREADS never write to the same cache line.  Numbers above are taken modulo.
 */
#ifndef LIB_METRICS_METRICS_H
#define LIB_METRICS_METRICS_H
#include <gatehouse/metric.h>

#define METRICS_THREADS 64u

struct metrics;

/** @return an empty registry, or NULL: out of memory. */
struct metrics *metrics_new(void);
/** With all series; nobody may count any more. */
void metrics_free(struct metrics *registry);

/** Register one time series.  ANY.  @param name, help  STATIC.
 *  @param labels  BORROW: `a="x",b="y"`, values already escaped, or NULL.
 *  @return the series, which lives as long as the registry; an existing one if name and labels are the
 *  same; NULL: out of memory, not a name, not labels, or the name has another kind or 10,000 series. */
struct gh_metric *metrics_add(struct metrics *registry, enum gh_metric_kind kind, const char *name,
	const char *help, const char *labels);
/** One label more, its value escaped.  @param labels  as above.
 *  @return malloc()ed, or NULL: out of memory. */
char *metrics_label(const char *labels, const char *name, struct gh_str value);

/** Each ignores NULL and series of another kind.  ANY. */
void metrics_count(struct gh_metric *metric, unsigned thread, uint64_t n);
void metrics_set(struct gh_metric *metric, int64_t value);
/** Into buckets of 0.5 ms to 10 s; negative values and NaN are ignored. */
void metrics_observe(struct gh_metric *metric, unsigned thread, double seconds);
/** Of a counter or gauge; NULL: 0.  ANY. */
int64_t metrics_value(const struct gh_metric *metric);

/** Everything as Prometheus text 0.0.4.  ANY: registration waits meanwhile, counting does not.
 *  @return malloc()ed, NUL-terminated; NULL: out of memory. */
char *metrics_text(struct metrics *registry, size_t *ret_size);

#endif
