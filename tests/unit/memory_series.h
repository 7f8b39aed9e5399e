/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file memory_series.h
 * @brief A series/1 in memory, for tests of those who use one.  One series, and writing may fail.
 */
#ifndef TESTS_UNIT_MEMORY_SERIES_H
#define TESTS_UNIT_MEMORY_SERIES_H
#include <gatehouse/svc/series.h>
#include <pthread.h>
#include <stdlib.h>

struct memory_row {
	uint64_t bucket_s;
	size_t key_n, value_n;
	char key[64];
	char *value;
};

static struct memory {
	pthread_mutex_t lock;
	size_t n;
	struct memory_row rows[4096];
	int fail;         /* what write() returns instead */
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
memory_put(const struct gh_series_row *row)
{
	struct memory_row *m = memory.rows;

	while (m < memory.rows + memory.n &&
	       (m->bucket_s != row->bucket_s || m->key_n != row->key.n ||
		memcmp(m->key, row->key.p, row->key.n) != 0))
		m++;
	if (m == memory.rows + memory.n)
		memory.n++;
	free(m->value);
	m->bucket_s = row->bucket_s;
	m->key_n = row->key.n;
	memcpy(m->key, row->key.p, row->key.n);
	m->value_n = row->value.n;
	m->value = malloc(row->value.n);
	memcpy(m->value, row->value.p, row->value.n);
}

static int
memory_write(void *self, const struct gh_series_row *rows, size_t n)
{
	(void)self;
	pthread_mutex_lock(&memory.lock);
	int r = memory.fail;

	for (size_t i = 0; i < n && r == 0; i++)
		memory_put(&rows[i]);
	pthread_mutex_unlock(&memory.lock);
	return r;
}

static int
memory_scan(void *self, struct gh_str series, uint64_t from_s, uint64_t to_s, gh_series_fn *fn,
	void *arg)
{
	int r = 0;

	(void)self;
	pthread_mutex_lock(&memory.lock);
	for (size_t i = 0; i < memory.n && r == 0; i++) {
		const struct memory_row *m = &memory.rows[i];
		struct gh_series_row row = { series, m->bucket_s, { m->key, m->key_n },
			{ m->value, m->value_n } };

		if (m->bucket_s >= from_s && m->bucket_s < to_s)
			r = fn(arg, &row);
	}
	pthread_mutex_unlock(&memory.lock);
	return r;
}

static int
memory_trim(void *self, struct gh_str series, uint64_t before_s)
{
	(void)self;
	(void)series;
	(void)before_s;
	return 0;
}

static const struct gh_series_v1 memory_v1 = { .size = sizeof(memory_v1), .write = memory_write,
	.scan = memory_scan, .trim = memory_trim };

static void
memory_clear(void)
{
	for (size_t i = 0; i < memory.n; i++)
		free(memory.rows[i].value);
	memset(memory.rows, 0, sizeof(memory.rows));
	memory.n = 0;
	memory.fail = 0;
}

#endif
