/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_metrics.c
 * @brief Metrics: registration, counting from many threads, and the grammar of the text.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/inst.h"
#include "kernel/metrics.h"
#include "tests/unit/unit.h"

static bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static char *
text_now(void)
{
	size_t size = 0;
	char *text = krn_metrics_text(&size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(size, strlen(text));
	return text;
}

static void
test_counter_gauge(void)
{
	struct gh_metric *c =
		krn_metric_new(GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"1\"");
	struct gh_metric *d =
		krn_metric_new(GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"2\"");
	struct gh_metric *g =
		krn_metric_new(GH_GAUGE, "gatehouse_test_open", "Open\\now\nhere.", NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_PTR_NOT_EQUAL(c, d);
	CU_ASSERT_PTR_EQUAL(c,
		krn_metric_new(GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"1\""));
	CU_ASSERT_PTR_NULL(krn_metric_new(GH_GAUGE, "gatehouse_test_calls_total", "Calls.", NULL));
	gh_metric_add(c, 3);
	gh_metric_add(c, 4);
	gh_metric_set(g, -5);
	gh_metric_set(c, 100); /* of another kind: nothing happens */
	gh_metric_add(g, 100);
	gh_metric_observe(c, 1);
	gh_metric_add(NULL, 1);
	gh_metric_set(NULL, 1);
	gh_metric_observe(NULL, 1);
	CU_ASSERT_EQUAL(krn_metric_value(c), 7);
	CU_ASSERT_EQUAL(krn_metric_value(g), -5);
	char *text = text_now();

	CU_ASSERT_TRUE(has(text, "# HELP gatehouse_test_calls_total Calls.\n"
		"# TYPE gatehouse_test_calls_total counter\n"
		"gatehouse_test_calls_total{a=\"1\"} 7\n"
		"gatehouse_test_calls_total{a=\"2\"} 0\n"));
	CU_ASSERT_TRUE(has(text, "# HELP gatehouse_test_open Open\\\\now\\nhere.\n"
		"# TYPE gatehouse_test_open gauge\ngatehouse_test_open -5\n"));
	free(text);
}

static void
test_histogram(void)
{
	struct gh_metric *h =
		krn_metric_new(GH_HISTOGRAM, "gatehouse_test_seconds", "Time.", "b=\"x\"");

	gh_metric_observe(h, 0.0005); /* upper bounds belong to their bucket */
	gh_metric_observe(h, 0.003);
	gh_metric_observe(h, 11);
	gh_metric_observe(h, -1);    /* ignored, and so is what is no number */
	gh_metric_observe(h, 0.0 / 0.0);
	char *text = text_now();

	CU_ASSERT_TRUE(has(text, "# TYPE gatehouse_test_seconds histogram\n"
		"gatehouse_test_seconds_bucket{b=\"x\",le=\"0.0005\"} 1\n"
		"gatehouse_test_seconds_bucket{b=\"x\",le=\"0.001\"} 1\n"
		"gatehouse_test_seconds_bucket{b=\"x\",le=\"0.0025\"} 1\n"
		"gatehouse_test_seconds_bucket{b=\"x\",le=\"0.005\"} 2\n"));
	CU_ASSERT_TRUE(has(text, "gatehouse_test_seconds_bucket{b=\"x\",le=\"10\"} 2\n"
		"gatehouse_test_seconds_bucket{b=\"x\",le=\"+Inf\"} 3\n"
		"gatehouse_test_seconds_sum{b=\"x\"} 11.003500000\n"
		"gatehouse_test_seconds_count{b=\"x\"} 3\n"));
	free(text);
}

static void
test_entry_label(void)
{
	struct gh_inst inst = { .label = { "a\"b\\c\nd", 7 } };
	struct gh_metric *m =
		gh_metric_new(&inst, GH_COUNTER, "gatehouse_test_entry_total", "E.", "x=\"1\"");

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_PTR_EQUAL(m,
		gh_metric_new(&inst, GH_COUNTER, "gatehouse_test_entry_total", "E.", "x=\"1\""));
	gh_metric_new(&inst, GH_COUNTER, "gatehouse_test_entry_total", "E.", NULL);
	char *text = text_now();

	CU_ASSERT_TRUE(
		has(text, "gatehouse_test_entry_total{x=\"1\",entry=\"a\\\"b\\\\c\\nd\"} 0\n"));
	CU_ASSERT_TRUE(has(text, "gatehouse_test_entry_total{entry=\"a\\\"b\\\\c\\nd\"} 0\n"));
	free(text);
}

static void
test_refused(void)
{
	static const struct {
		const char *name, *labels;
	} rows[] = {
		{ "", NULL },
		{ "9x", NULL },
		{ "a b", NULL },
		{ "a\n", NULL },
		{ "ok", "a" },
		{ "ok", "a=1" },
		{ "ok", "a=\"1" },
		{ "ok", "a=\"1\"," },
		{ "ok", "a=\"1\" b=\"2\"" },
		{ "ok", "a=\"\n\"" },
		{ "ok", "a=\"\\q\"" },
		{ "ok", "=\"1\"" },
		{ "ok", "a=\"1\",,b=\"2\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_PTR_NULL(krn_metric_new(GH_COUNTER, rows[i].name, "No.", rows[i].labels));
}

static void
test_too_many_series(void)
{
	char labels[32];

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(labels, sizeof(labels), "i=\"%u\"", i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(
			krn_metric_new(GH_COUNTER, "gatehouse_test_many_total", "Many.", labels));
	}
	CU_ASSERT_PTR_NULL(
		krn_metric_new(GH_COUNTER, "gatehouse_test_many_total", "Many.", "i=\"x\""));
	CU_ASSERT_PTR_NOT_NULL(
		krn_metric_new(GH_COUNTER, "gatehouse_test_other_total", "Other.", "i=\"x\""));
}

static void *
add_many(void *arg)
{
	for (int i = 0; i < 20000; i++)
		gh_metric_add(arg, 1);
	return NULL;
}

/* More threads than there are tables of cells, so that some share one. */
static void
test_threads_count_exactly(void)
{
	struct gh_metric *m =
		krn_metric_new(GH_COUNTER, "gatehouse_test_threads_total", "T.", NULL);
	pthread_t threads[80];

	for (int i = 0; i < 80; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, add_many, m), 0);
	for (int i = 0; i < 80; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(krn_metric_value(m), 80 * 20000);
}

/* ---- The grammar of the text format, 0.0.4 --------------------------------------------------- */

static const char *
skip_name(const char *p)
{
	if (!isalpha((unsigned char)*p) && *p != '_' && *p != ':')
		return NULL;
	while (isalnum((unsigned char)*p) || *p == '_' || *p == ':')
		p++;
	return p;
}

static const char *
skip_labels(const char *p)
{
	if (*p != '{')
		return p;
	do {
		p = skip_name(p + 1);
		if (p == NULL || p[0] != '=' || p[1] != '"')
			return NULL;
		for (p += 2; *p != '"'; p++)
			if (*p == '\n' || *p == '\0' ||
				(*p == '\\' && strchr("\\\"n", *++p) == NULL))
				return NULL;
		p++;
	} while (*p == ',');
	return *p == '}' ? p + 1 : NULL;
}

/* One line of samples; returns the next, or NULL. */
static const char *
skip_sample(const char *p, const char *family, size_t family_n)
{
	if (strncmp(p, family, family_n) != 0)
		return NULL;
	p = skip_name(p);
	p = p != NULL ? skip_labels(p) : NULL;
	if (p == NULL || *p != ' ')
		return NULL;
	char *end;

	strtod(p + 1, &end);
	return end > p + 1 && *end == '\n' ? end + 1 : NULL;
}

static void
test_text_grammar(void)
{
	char *text = text_now();
	const char *p = text, *family = "";
	size_t family_n = 0;
	unsigned families = 0, samples = 0;

	while (p != NULL && *p != '\0') {
		if (strncmp(p, "# HELP ", 7) != 0) {
			p = skip_sample(p, family, family_n);
			samples++;
			continue;
		}
		family = p + 7;
		family_n = (size_t)(skip_name(family) - family);
		p = strchr(p, '\n') + 1;
		CU_ASSERT_EQUAL_FATAL(strncmp(p, "# TYPE ", 7), 0);
		CU_ASSERT_EQUAL(strncmp(p + 7, family, family_n + 1), 0);
		p = strchr(p, '\n') + 1;
		families++;
	}
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_TRUE(families >= 6 && samples > 10000);
	free(text);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_counter_gauge),
		UNIT_TEST(test_histogram),
		UNIT_TEST(test_entry_label),
		UNIT_TEST(test_refused),
		UNIT_TEST(test_too_many_series),
		UNIT_TEST(test_threads_count_exactly),
		UNIT_TEST(test_text_grammar),
		{ NULL, NULL },
	};

	return unit_run("metrics", tests);
}
