/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_metrics.c
 * @brief Metrics: registration, counting from many threads, and the grammar of the text.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/metrics/metrics.h"
#include "tests/unit/unit.h"

static struct metrics *registry;

static bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static char *
text_now(void)
{
	size_t size = 0;
	char *text = metrics_text(registry, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(size, strlen(text));
	return text;
}

static void
test_counter_gauge(void)
{
	struct gh_metric *c =
		metrics_add(registry, GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"1\"");
	struct gh_metric *d =
		metrics_add(registry, GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"2\"");
	struct gh_metric *g =
		metrics_add(registry, GH_GAUGE, "gatehouse_test_open", "Open\\now\nhere.", NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_PTR_NOT_EQUAL(c, d);
	CU_ASSERT_PTR_EQUAL(c,
		metrics_add(registry, GH_COUNTER, "gatehouse_test_calls_total", "Calls.", "a=\"1\""));
	CU_ASSERT_PTR_NULL(metrics_add(registry, GH_GAUGE, "gatehouse_test_calls_total", "Calls.", NULL));
	metrics_count(c, 0, 3);
	metrics_count(c, 0, 4);
	metrics_set(g, -5);
	metrics_set(c, 100); /* of another kind: nothing happens */
	metrics_count(g, 0, 100);
	metrics_observe(c, 1, 1);
	metrics_count(NULL, 0, 1);
	metrics_set(NULL, 1);
	metrics_observe(NULL, 1, 1);
	CU_ASSERT_EQUAL(metrics_value(c), 7);
	CU_ASSERT_EQUAL(metrics_value(g), -5);
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
		metrics_add(registry, GH_HISTOGRAM, "gatehouse_test_seconds", "Time.", "b=\"x\"");

	metrics_observe(h, 1, 0.0005); /* upper bounds belong to their bucket */
	metrics_observe(h, 1, 0.003);
	metrics_observe(h, 1, 11);
	metrics_observe(h, 1, -1);    /* ignored, and so is what is no number */
	metrics_observe(h, 1, 0.0 / 0.0);
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
test_label(void)
{
	static const struct gh_str odd = { "a\"b\\c\nd", 7 };
	static const char *const rows[] = { "x=\"1\"", NULL, "" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *labels = metrics_label(rows[i], "entry", odd);

		CU_ASSERT_PTR_NOT_NULL_FATAL(labels);
		CU_ASSERT_PTR_NOT_NULL(
			metrics_add(registry, GH_COUNTER, "gatehouse_test_entry_total", "E.", labels));
		free(labels);
	}
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
		CU_ASSERT_PTR_NULL(metrics_add(registry, GH_COUNTER, rows[i].name, "No.", rows[i].labels));
}

static void
test_too_many_series(void)
{
	char labels[32];

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(labels, sizeof(labels), "i=\"%u\"", i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(
			metrics_add(registry, GH_COUNTER, "gatehouse_test_many_total", "Many.", labels));
	}
	CU_ASSERT_PTR_NULL(
		metrics_add(registry, GH_COUNTER, "gatehouse_test_many_total", "Many.", "i=\"x\""));
	CU_ASSERT_PTR_NOT_NULL(
		metrics_add(registry, GH_COUNTER, "gatehouse_test_other_total", "Other.", "i=\"x\""));
}

static _Atomic unsigned threads_seen;

static void *
add_many(void *arg)
{
	unsigned thread = threads_seen++;

	for (int i = 0; i < 20000; i++)
		metrics_count(arg, thread, 1);
	return NULL;
}

/* More threads than there are tables of cells, so that some share one. */
static void
test_threads_count_exactly(void)
{
	struct gh_metric *m =
		metrics_add(registry, GH_COUNTER, "gatehouse_test_threads_total", "T.", NULL);
	pthread_t threads[80];

	for (int i = 0; i < 80; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, add_many, m), 0);
	for (int i = 0; i < 80; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(metrics_value(m), 80 * 20000);
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
		UNIT_TEST(test_label),
		UNIT_TEST(test_refused),
		UNIT_TEST(test_too_many_series),
		UNIT_TEST(test_threads_count_exactly),
		UNIT_TEST(test_text_grammar),
		{ NULL, NULL },
	};

	registry = metrics_new();
	if (registry == NULL)
		return 70;
	int code = unit_run("metrics", tests);

	metrics_free(registry);
	return code;
}
