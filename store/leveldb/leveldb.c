/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leveldb.c
 * @brief The embedded store: docs/1, feed/1 and series/1 in one LevelDB database per entry.
 *
 * An entry of the manifest is one database in a directory of its own.  Roll-ups should have an
 * entry of theirs: `leveldb: { as: analytics_db, path: analytics, provide: [series/1] }`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "store/leveldb/leveldb.h"

static const struct gh_opt opts[] = {
	GH_OPT(struct ldb_config, path, .dflt = "data", .min = 1, .max = 4000, .fixed = true,
		.help = "Directory of the database; relative to the state directory."),
	GH_OPT(struct ldb_config, write_buffer, .dflt = "4M", .min = 65536, .max = 268435456,
		.fixed = true,
		.help = "Memory for what was written last, before it is sorted to disk."),
	GH_OPT(struct ldb_config, cache, .dflt = "4M", .min = 65536, .max = 17179869184,
		.fixed = true, .help = "Memory for blocks that were read."),
	GH_OPT(struct ldb_config, sync, .dflt = "true", .fixed = true,
		.help = "Answer a commit only when it is on the disk itself; false survives a "
			"crash of the process, but not of the machine."),
	GH_OPT(struct ldb_config, feed_keep_batches, .dflt = "100000", .min = 1, .max = 1000000000,
		.help = "How many commits the feed keeps at least, for readers that were away."),
	GH_OPT(struct ldb_config, feed_keep, .dflt = "7d", .max = 31536000000,
		.help = "How long the feed keeps a commit at least."),
	{ .type = GH_OPT_END },
};

_Noreturn void
ldb_assertion_failed(const char *function)
{
	fprintf(stderr, "leveldb: %s was called on a worker, which must not block\n", function);
	abort();
}

static void
make_metrics(struct ldb *p, struct gh_inst *inst)
{
	p->commits = gh_metric_new(inst, GH_COUNTER, "gatehouse_leveldb_commits_total",
		"Commits that were written.", NULL);
	p->groups = gh_metric_new(inst, GH_COUNTER, "gatehouse_leveldb_groups_total",
		"Writes to the disk; one holds the commits that waited together.", NULL);
	p->conflicts = gh_metric_new(inst, GH_COUNTER, "gatehouse_leveldb_conflicts_total",
		"Commits refused because of a revision or a unique key.", NULL);
	p->errors = gh_metric_new(inst, GH_COUNTER, "gatehouse_leveldb_errors_total",
		"Commits refused for another reason, or failed.", NULL);
	p->expired = gh_metric_new(inst, GH_COUNTER, "gatehouse_leveldb_expired_total",
		"Documents deleted because they expired.", NULL);
	p->commit_time = gh_metric_new(inst, GH_HISTOGRAM, "gatehouse_leveldb_commit_seconds",
		"Time of a commit, waiting included.", NULL);
	p->sequence = gh_metric_new(inst, GH_GAUGE, "gatehouse_leveldb_sequence",
		"Sequence of the newest commit.", NULL);
}

/** Path of the directory.  @return malloc()ed, or NULL. */
static char *
directory_of(const struct ldb_config *config, struct gh_inst *inst)
{
	bool is_absolute = config->path.n > 0 && config->path.p[0] == '/';
	const char *state = is_absolute ? "" : gh_inst_state_dir(inst);
	size_t size = strlen(state) + 1 + config->path.n + 1;
	char *dir = malloc(size);

	if (dir != NULL)
		snprintf(dir, size, "%s%s%.*s", state, is_absolute ? "" : "/",
			GH_STR_ARG(config->path));
	return dir;
}

static void
take_options(struct ldb *p, const struct ldb_config *config)
{
	atomic_store(&p->feed_keep_batches, config->feed_keep_batches);
	atomic_store(&p->feed_keep_ms, config->feed_keep.v);
}

static int
open_leveldb(void *process, const void *config, struct gh_inst *inst)
{
	const struct ldb_config *c = config;
	struct ldb *p = process;
	char *dir = directory_of(c, inst);

	if (dir == NULL)
		return GH_ENOMEM;
	p->inst = inst;
	p->is_synced = c->sync;
	take_options(p, c);
	make_metrics(p, inst);
	int r = ldb_db_open(&p->db, inst, dir, c->write_buffer.v, c->cache.v);

	free(dir);
	if (r < 0)
		return r;
	r = ldb_schema_open(&p->db);
	if (r == 0)
		r = ldb_writer_start(p);
	if (r < 0)
		ldb_db_close(&p->db);
	return r;
}

static int
start_leveldb(void *process, void *config)
{
	struct ldb *p = process;

	p->previous = p->config;
	p->config = config;
	take_options(p, config);
	return GH_OK;
}

/** A generation ends: an old one, or the newest because another plugin refused the reload. */
static void
stop_leveldb(void *process, void *config)
{
	struct ldb *p = process;

	if (config == p->config) {
		p->config = p->previous;
		if (p->config != NULL)
			take_options(p, p->config);
	}
	if (config == p->previous || p->config == p->previous)
		p->previous = NULL;
}

static void
close_leveldb(void *process)
{
	struct ldb *p = process;

	ldb_writer_stop(p);
	ldb_db_close(&p->db);
}

static const struct gh_docs_v1 docs = {
	.size = sizeof(docs), .get = ldb_get, .find = ldb_find, .found_free = ldb_found_free,
	.commit = ldb_commit,
};

static const struct gh_feed_v1 feed = {
	.size = sizeof(feed), .snapshot = ldb_feed_snapshot, .read = ldb_feed_read,
	.wake = ldb_feed_wake, .history = ldb_feed_history,
};

static const struct gh_series_v1 series = {
	.size = sizeof(series), .write = ldb_series_write, .scan = ldb_series_scan,
	.trim = ldb_series_trim,
};

static const struct gh_service_row provides[] = {
	{ GH_SVC_DOCS, &docs }, { GH_SVC_FEED, &feed }, { GH_SVC_SERIES, &series },
	{ .name = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "leveldb", .version = "0.1.0", .provides = provides, .opts = opts,
	.config_size = sizeof(struct ldb_config), .process_size = sizeof(struct ldb),
	.open = open_leveldb, .close = close_leveldb, .start = start_leveldb,
	.stop = stop_leveldb,
};
