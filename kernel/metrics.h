/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.h
 * @brief The registry behind gatehouse/metric.h, and its text form.
 */
#ifndef KERNEL_METRICS_H
#define KERNEL_METRICS_H
#include <gatehouse/metric.h>

/** gh_metric_new() for the kernel itself: no entry label is added. */
struct gh_metric *krn_metric_new(enum gh_metric_kind kind, const char *name, const char *help,
	const char *labels);
/** Value of a counter or gauge, for tests and the readiness page. */
int64_t krn_metric_value(const struct gh_metric *metric);
/** Everything as Prometheus text 0.0.4.  ANY.
 *  @return malloc()ed, NUL-terminated; NULL: no memory. */
char *krn_metrics_text(size_t *ret_size);

#endif
