/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.c
 * @brief The registry of metrics.
 *
 * Every counter is a number, its place in a table of cells.  Each thread has a table of its own,
 * made of pages that appear when a thread first counts there, so an addition touches memory that
 * no other thread writes, and a counter costs eight bytes per thread that uses it.  Threads beyond
 * METRICS_THREADS share tables, which is slower but as exact: every addition is atomic.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/metrics/metrics.h"

#define PAGE_CELLS 512u
#define PAGES 2048u /* so 1,048,576 cells */
#define SERIES_MAX 10000u
#define CHAINS 1024u

/* Upper bounds in nanoseconds and as Prometheus writes them; above the last comes +Inf. */
static const struct {
	uint64_t ns;
	const char *text;
} bounds[] = {
	{ 500000, "0.0005" }, { 1000000, "0.001" }, { 2500000, "0.0025" }, { 5000000, "0.005" },
	{ 10000000, "0.01" }, { 25000000, "0.025" }, { 50000000, "0.05" }, { 100000000, "0.1" },
	{ 250000000, "0.25" }, { 500000000, "0.5" }, { 1000000000, "1" }, { 2500000000, "2.5" },
	{ 5000000000, "5" }, { 10000000000, "10" },
};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))
#define HISTOGRAM_CELLS (BOUNDS + 2) /* the buckets, +Inf, and the sum in nanoseconds */

struct family;

/** One time series.  Immutable once it can be found, but for the gauge's value. */
struct gh_metric {
	struct metrics *registry;
	struct family *family;
	struct gh_metric *next;       /* in the family, in order of registration */
	struct gh_metric *chain;      /* in the hash table */
	uint32_t cell;                /* the first of them */
	_Atomic int64_t gauge;
	size_t labels_size;
	char labels[];                /* without braces; not terminated */
};

/* All series of one name. */
struct family {
	struct family *next;
	enum gh_metric_kind kind;
	const char *name, *help;
	unsigned count;
	struct gh_metric *first, **last;
};

typedef _Atomic uint64_t cell;

struct metrics {
	pthread_mutex_t lock;                /* for all of the struct but pages */
	struct family *first, **last;
	struct gh_metric *chains[CHAINS];
	uint32_t cells;                      /* given out */
	cell *_Atomic pages[METRICS_THREADS][PAGES]; /* published with release; freed at the end only */
};

struct metrics *
metrics_new(void)
{
	struct metrics *registry = calloc(1, sizeof(*registry));

	if (registry == NULL)
		return NULL;
	pthread_mutex_init(&registry->lock, NULL);
	registry->last = &registry->first;
	return registry;
}

static void
family_free(struct family *family)
{
	while (family->first != NULL) {
		struct gh_metric *m = family->first;

		family->first = m->next;
		free(m);
	}
	free(family);
}

void
metrics_free(struct metrics *registry)
{
	if (registry == NULL)
		return;
	while (registry->first != NULL) {
		struct family *family = registry->first;

		registry->first = family->next;
		family_free(family);
	}
	for (unsigned t = 0; t < METRICS_THREADS; t++)
		for (unsigned page = 0; page < PAGES; page++)
			free(registry->pages[t][page]);
	pthread_mutex_destroy(&registry->lock);
	free(registry);
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static cell *
page_make(struct metrics *registry, unsigned thread, uint32_t page)
{
	cell *fresh = calloc(PAGE_CELLS, sizeof(*fresh)), *present = NULL;

	if (fresh == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&registry->pages[thread][page], &present, fresh))
		return fresh;
	free(fresh); /* another thread of the same number was faster */
	return present;
}

/* The thread's cell.  Without memory for a page: that of thread 0, which registration made. */
static cell *
cell_of(struct metrics *registry, unsigned thread, uint32_t number)
{
	uint32_t page = number / PAGE_CELLS;

	thread %= METRICS_THREADS;
	cell *cells = atomic_load_explicit(&registry->pages[thread][page], memory_order_acquire);

	if (cells == NULL)
		cells = page_make(registry, thread, page);
	if (cells == NULL)
		cells = atomic_load(&registry->pages[0][page]);
	return cells + number % PAGE_CELLS;
}

static uint64_t
cell_sum(const struct metrics *registry, uint32_t number)
{
	uint64_t sum = 0;

	for (unsigned t = 0; t < METRICS_THREADS; t++) {
		cell *cells = atomic_load_explicit(&registry->pages[t][number / PAGE_CELLS],
			memory_order_acquire);

		if (cells != NULL)
			sum += atomic_load_explicit(cells + number % PAGE_CELLS,
				memory_order_relaxed);
	}
	return sum;
}

/* Take `n` neighbours on one page.  Under the lock. */
static int
cells_take(struct metrics *registry, uint32_t n, uint32_t *ret_cell)
{
	uint32_t at = registry->cells;

	if (at % PAGE_CELLS + n > PAGE_CELLS)
		at += PAGE_CELLS - at % PAGE_CELLS;
	if (at + n > PAGE_CELLS * PAGES)
		return GH_ETOOBIG;
	if (atomic_load(&registry->pages[0][at / PAGE_CELLS]) == NULL &&
	    page_make(registry, 0, at / PAGE_CELLS) == NULL)
		return GH_ENOMEM;
	registry->cells = at + n;
	*ret_cell = at;
	return 0;
}

/* ---- Registration ---------------------------------------------------------------------------- */

static bool
is_name_byte(char c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && c >= '0' && c <= '9');
}

/* Length of the name at the start of `s`. */
static size_t
name_length(struct gh_str s)
{
	size_t n = 0;

	while (n < s.n && is_name_byte(s.p[n], n == 0))
		n++;
	return n;
}

/* Is it `a="x",b="y"` with escaped values?  What is printed must never break the whole page. */
static bool
are_labels(struct gh_str s)
{
	while (s.n > 0) {
		size_t at = name_length(s);

		if (at == 0 || s.n - at < 3 || s.p[at] != '=' || s.p[at + 1] != '"')
			return false;
		for (at += 2; at < s.n && s.p[at] != '"'; at++) {
			if (s.p[at] == '\n')
				return false;
			if (s.p[at] == '\\' && (++at == s.n || strchr("\\\"n", s.p[at]) == NULL))
				return false;
		}
		if (at == s.n)
			return false;
		at++;
		if (at < s.n && (s.p[at] != ',' || ++at == s.n))
			return false;
		s = (struct gh_str){ s.p + at, s.n - at };
	}
	return true;
}

static struct gh_metric **
chain_of(struct metrics *registry, const char *name, struct gh_str labels)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (const char *p = name; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	for (size_t i = 0; i < labels.n; i++)
		hash = (hash ^ (unsigned char)labels.p[i]) * 0x100000001b3u;
	return &registry->chains[(hash ^ hash >> 32) % CHAINS];
}

static struct family *
family_find(struct metrics *registry, const char *name)
{
	for (struct family *f = registry->first; f != NULL; f = f->next)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static struct family *
family_new(struct metrics *registry, enum gh_metric_kind kind, const char *name, const char *help)
{
	struct family *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->kind = kind;
	f->name = name;
	f->help = help;
	f->last = &f->first;
	*registry->last = f;
	registry->last = &f->next;
	return f;
}

static struct gh_metric *
series_find(struct metrics *registry, const char *name, struct gh_str labels)
{
	for (struct gh_metric *m = *chain_of(registry, name, labels); m != NULL; m = m->chain)
		if (strcmp(m->family->name, name) == 0 &&
		    gh_str_eq((struct gh_str){ m->labels, m->labels_size }, labels))
			return m;
	return NULL;
}

/* Under the lock. */
static struct gh_metric *
series_new(struct metrics *registry, enum gh_metric_kind kind, const char *name, const char *help,
	struct gh_str labels)
{
	struct family *f = family_find(registry, name);
	uint32_t first = 0;

	if (f != NULL && (f->kind != kind || f->count >= SERIES_MAX))
		return NULL;
	struct gh_metric *m = series_find(registry, name, labels);

	if (m != NULL)
		return m;
	m = calloc(1, sizeof(*m) + labels.n);
	if (m == NULL)
		return NULL;
	if (kind != GH_GAUGE &&
	    cells_take(registry, kind == GH_HISTOGRAM ? HISTOGRAM_CELLS : 1, &first) < 0)
		goto out;
	if (f == NULL)
		f = family_new(registry, kind, name, help);
	if (f == NULL)
		goto out;
	m->registry = registry;
	m->family = f;
	m->cell = first;
	m->labels_size = labels.n;
	if (labels.n > 0)
		memcpy(m->labels, labels.p, labels.n);
	*f->last = m;
	f->last = &m->next;
	f->count++;
	struct gh_metric **chain = chain_of(registry, name, labels);

	m->chain = *chain;
	*chain = m;
	return m;
out:
	free(m);
	return NULL;
}

struct gh_metric *
metrics_add(struct metrics *registry, enum gh_metric_kind kind, const char *name, const char *help,
	const char *labels)
{
	struct gh_str text = gh_str_of(labels);

	if (name_length(gh_str_of(name)) != strlen(name) || name[0] == '\0' || !are_labels(text) ||
	    kind > GH_HISTOGRAM)
		return NULL;
	pthread_mutex_lock(&registry->lock);
	struct gh_metric *m = series_new(registry, kind, name, help, text);

	pthread_mutex_unlock(&registry->lock);
	return m;
}

/* Escaped as a label value needs it. */
static void
print_label(FILE *out, struct gh_str value)
{
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '\\' || c == '"')
			fputc('\\', out);
		if (c == '\n')
			fputs("\\n", out);
		else
			fputc(c, out);
	}
}

char *
metrics_label(const char *labels, const char *name, struct gh_str value)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (labels != NULL && labels[0] != '\0')
		fprintf(out, "%s,", labels);
	fprintf(out, "%s=\"", name);
	print_label(out, value);
	fputc('"', out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- Counting -------------------------------------------------------------------------------- */

void
metrics_count(struct gh_metric *metric, unsigned thread, uint64_t n)
{
	if (metric != NULL && metric->family->kind == GH_COUNTER)
		atomic_fetch_add_explicit(cell_of(metric->registry, thread, metric->cell), n,
			memory_order_relaxed);
}

void
metrics_set(struct gh_metric *metric, int64_t value)
{
	if (metric != NULL && metric->family->kind == GH_GAUGE)
		atomic_store_explicit(&metric->gauge, value, memory_order_relaxed);
}

void
metrics_observe(struct gh_metric *metric, unsigned thread, double seconds)
{
	if (metric == NULL || metric->family->kind != GH_HISTOGRAM || !(seconds >= 0))
		return;
	uint64_t ns = seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 1000000000000000000u;
	size_t bucket = 0;

	while (bucket < BOUNDS && ns > bounds[bucket].ns)
		bucket++;
	cell *cells = cell_of(metric->registry, thread, metric->cell);

	atomic_fetch_add_explicit(cells + bucket, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(cells + BOUNDS + 1, ns, memory_order_relaxed);
}

int64_t
metrics_value(const struct gh_metric *metric)
{
	if (metric == NULL)
		return 0;
	if (metric->family->kind == GH_GAUGE)
		return atomic_load_explicit(&metric->gauge, memory_order_relaxed);
	return (int64_t)cell_sum(metric->registry, metric->cell);
}

/* ---- The text -------------------------------------------------------------------------------- */

/* `name suffix{labels,more} ` up to the value; `more` may be empty. */
static void
print_series(FILE *out, const struct gh_metric *m, const char *suffix, const char *more)
{
	fprintf(out, "%s%s", m->family->name, suffix);
	if (m->labels_size > 0 || more[0] != '\0')
		fprintf(out, "{%.*s%s%s}", (int)m->labels_size, m->labels,
			m->labels_size > 0 && more[0] != '\0' ? "," : "", more);
	fputc(' ', out);
}

static void
print_histogram(FILE *out, const struct gh_metric *m)
{
	uint64_t total = 0;
	char le[24];

	for (uint32_t i = 0; i <= BOUNDS; i++) {
		snprintf(le, sizeof(le), "le=\"%s\"", i < BOUNDS ? bounds[i].text : "+Inf");
		total += cell_sum(m->registry, m->cell + i);
		print_series(out, m, "_bucket", le);
		fprintf(out, "%llu\n", (unsigned long long)total);
	}
	uint64_t ns = cell_sum(m->registry, m->cell + BOUNDS + 1);

	print_series(out, m, "_sum", "");
	fprintf(out, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000u),
		(unsigned long long)(ns % 1000000000u));
	print_series(out, m, "_count", "");
	fprintf(out, "%llu\n", (unsigned long long)total);
}

/* HELP escapes backslash and LF only. */
static void
print_help(FILE *out, const struct family *f)
{
	fprintf(out, "# HELP %s ", f->name);
	for (const char *p = f->help != NULL ? f->help : ""; *p != '\0'; p++)
		if (*p == '\\')
			fputs("\\\\", out);
		else if (*p == '\n')
			fputs("\\n", out);
		else
			fputc(*p, out);
	fputc('\n', out);
}

static void
print_family(FILE *out, const struct family *f)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	print_help(out, f);
	fprintf(out, "# TYPE %s %s\n", f->name, types[f->kind]);
	for (const struct gh_metric *m = f->first; m != NULL; m = m->next) {
		if (f->kind == GH_HISTOGRAM) {
			print_histogram(out, m);
		} else {
			print_series(out, m, "", "");
			fprintf(out, "%lld\n", (long long)metrics_value(m));
		}
	}
}

char *
metrics_text(struct metrics *registry, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	/* Registration waits meanwhile; counting does not. */
	pthread_mutex_lock(&registry->lock);
	for (const struct family *f = registry->first; f != NULL; f = f->next)
		print_family(out, f);
	pthread_mutex_unlock(&registry->lock);
	bool failed = ferror(out) != 0;

	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}
