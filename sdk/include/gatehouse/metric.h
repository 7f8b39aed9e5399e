/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/metric.h
 * @brief Counters, gauges and histograms that /metrics prints (Prometheus text format 0.0.4).
 */
#ifndef GATEHOUSE_METRIC_H
#define GATEHOUSE_METRIC_H
#include <gatehouse/plugin.h>

enum gh_metric_kind { GH_COUNTER, GH_GAUGE, GH_HISTOGRAM };

struct gh_metric;

/** Register one time series.  MAIN, in open().  Lives until the process ends.
 *  @param name    STATIC: gatehouse_PLUGIN_what_unit_total.
 *  @param help    STATIC: one sentence; the same for all series of a name.
 *  @param labels  BORROW: `a="x",b="y"`, values already escaped, or NULL; with the entry's label added.
 *  @return the series; an existing one if name and labels are the same; NULL: out of memory, or the
 *  name has another kind or 10,000 series.  Every function below accepts NULL. */
GH_API struct gh_metric *gh_metric_new(struct gh_inst *inst, enum gh_metric_kind kind, const char *name,
	const char *help, const char *labels);
/** Counter: add.  ANY, one uncontended relaxed atomic. */
GH_API void gh_metric_add(struct gh_metric *metric, uint64_t n);
/** Gauge: set.  ANY. */
GH_API void gh_metric_set(struct gh_metric *metric, int64_t value);
/** Histogram: one observation in seconds (buckets 0.5 ms to 10 s).  ANY. */
GH_API void gh_metric_observe(struct gh_metric *metric, double seconds);

#endif
