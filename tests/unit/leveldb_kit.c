/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leveldb_kit.c
 * @brief The kernel as far as the plugin leveldb sees it.
 */
#include "tests/unit/leveldb_kit.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/doc/doc.h"

extern const struct gh_plugin gh_plugin;

_Atomic uint64_t kit_clock_ahead_s;
bool kit_is_worker;
bool kit_is_loud;
atomic_bool kit_is_ready = true;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_log[1024];
static char state_dir[64];
static pid_t state_dir_owner;

uint64_t
gh_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ((uint64_t)ts.tv_sec + kit_clock_ahead_s) * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
gh_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

bool
gh_may_block(void)
{
	return !kit_is_worker;
}

const char *
gh_strerror(int err)
{
	return err == 0 ? "no error" : "error";
}

const char *
gh_inst_state_dir(const struct gh_inst *inst)
{
	(void)inst;
	return kit_state_dir();
}

void
gh_inst_ready(struct gh_inst *inst, bool is_ready, const char *why)
{
	(void)inst;
	(void)why;
	kit_is_ready = is_ready;
}

void
gh_inst_log(struct gh_inst *inst, int level, const char *fmt, ...)
{
	va_list args;

	(void)inst;
	pthread_mutex_lock(&log_lock);
	va_start(args, fmt);
	vsnprintf(last_log, sizeof(last_log), fmt, args);
	va_end(args);
	if (kit_is_loud)
		fprintf(stderr, "<%d> %s\n", level, last_log);
	pthread_mutex_unlock(&log_lock);
}

const char *
kit_last_log(void)
{
	return last_log;
}

bool
kit_log_has(const char *text)
{
	pthread_mutex_lock(&log_lock);
	bool has_it = strstr(last_log, text) != NULL;

	pthread_mutex_unlock(&log_lock);
	return has_it;
}

struct gh_metric *
gh_metric_new(struct gh_inst *inst, enum gh_metric_kind kind, const char *name, const char *help,
	const char *labels)
{
	(void)inst;
	(void)kind;
	(void)name;
	(void)help;
	(void)labels;
	return NULL;
}

void
gh_metric_add(struct gh_metric *metric, uint64_t n)
{
	(void)metric;
	(void)n;
}

void
gh_metric_set(struct gh_metric *metric, int64_t value)
{
	(void)metric;
	(void)value;
}

void
gh_metric_observe(struct gh_metric *metric, double seconds)
{
	(void)metric;
	(void)seconds;
}

/** Remove a directory and what is in it. */
static void
remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char inner[512];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (unlink(inner) < 0)
			remove_tree(inner);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(path);
}

static void
remove_state_dir(void)
{
	if (getpid() == state_dir_owner)
		remove_tree(state_dir);
}

const char *
kit_state_dir(void)
{
	if (state_dir[0] == '\0') {
		char made[] = "leveldb-test-XXXXXX";

		if (mkdtemp(made) == NULL)
			abort();
		snprintf(state_dir, sizeof(state_dir), "%s", made);
		state_dir_owner = getpid();
		atexit(remove_state_dir);
	}
	return state_dir;
}

struct ldb_config
kit_config(const char *path)
{
	return (struct ldb_config){
		.path = gh_str_of(path), .write_buffer = { 1 << 20 }, .cache = { 1 << 20 },
		.sync = true, .feed_keep_batches = 100000, .feed_keep = { 604800000 },
	};
}

int
kit_open(struct kit *kit, const struct ldb_config *config)
{
	memset(kit, 0, sizeof(*kit));
	kit->config = *config;
	int r = gh_plugin.open(&kit->process, &kit->config, NULL);

	if (r < 0)
		return r;
	kit->docs = (struct gh_docs){ gh_plugin.provides[0].vtable, &kit->process };
	kit->feed = (struct gh_feed){ gh_plugin.provides[1].vtable, &kit->process };
	kit->series = (struct gh_series){ gh_plugin.provides[2].vtable, &kit->process };
	return gh_plugin.start(&kit->process, &kit->config);
}

void
kit_close(struct kit *kit)
{
	gh_plugin.stop(&kit->process, &kit->config);
	gh_plugin.close(&kit->process);
}

struct gh_str
kit_body(const char *name, ...)
{
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;
	va_list args;

	doc_writer_init(&w);
	va_start(args, name);
	while (name != NULL) {
		doc_put_str(&w, name, gh_str_of(va_arg(args, const char *)));
		name = va_arg(args, const char *);
	}
	va_end(args);
	if (doc_finish(&w, &body) < 0)
		abort();
	return body;
}
