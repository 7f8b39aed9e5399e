/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file db.c
 * @brief The open database: life, sentences for what fails, and the way back after a failed write.
 *
 * After a write has failed, LevelDB's log may end in the middle of a record, and what is appended
 * to it would be lost at the next start although it was acknowledged.  So the first failure stops
 * all writing (is_broken), reading goes on, and the writer opens the database again as soon as
 * there is room: that reads the log back and begins a new one.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "store/leveldb/leveldb.h"

#define MAX_OPEN_FILES 256
#define BLOOM_BITS 10
#define DRAIN_MS 1000            /* how long a reopening waits for readers */
#define ROOM_BESIDE_BUFFER 65536 /* manifest and the like */

int
ldb_db_check(struct ldb_db *db, const char *doing, char *error)
{
	if (error == NULL)
		return GH_OK;
	gh_inst_log(db->inst, LOG_ERR, "database %s: %s: %s", db->dir, doing, error);
	leveldb_free(error);
	return GH_EIO;
}

/** Say why it could not be opened.  Frees @p error. */
static int
explain(struct ldb_db *db, char *error)
{
	static const char lock[] = "IO error: lock ", corruption[] = "Corruption";
	int r = GH_EIO;

	if (strncmp(error, lock, sizeof(lock) - 1) == 0) {
		gh_inst_log(db->inst, LOG_NOTICE, "database %s is in use by another process or by "
			"another entry of the manifest; give this one a path of its own", db->dir);
		r = GH_EAGAIN;
	} else if (strncmp(error, corruption, sizeof(corruption) - 1) == 0) {
		gh_inst_log(db->inst, LOG_ERR,
			"database %s is damaged (%s); restore it from a backup", db->dir, error);
	} else if (strstr(error, "Permission denied") != NULL) {
		gh_inst_log(db->inst, LOG_ERR, "database %s may not be read or written: %s",
			db->dir, error);
		r = GH_EDENIED;
	} else {
		gh_inst_log(db->inst, LOG_ERR, "database %s cannot be opened: %s", db->dir, error);
	}
	leveldb_free(error);
	return r;
}

/** Make the directory and those above it; only the owner may look inside. */
static int
make_directory(struct ldb_db *db)
{
	struct stat st;

	for (char *slash = db->dir; (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		int made = mkdir(db->dir, 0700);
		int why = errno;

		*slash = '/';
		if (made < 0 && why != EEXIST) {
			errno = why;
			goto failed;
		}
	}
	if (mkdir(db->dir, 0700) < 0 && errno != EEXIST)
		goto failed;
	if (stat(db->dir, &st) < 0)
		goto failed;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		goto failed;
	}
	if ((st.st_mode & 077) != 0 && chmod(db->dir, 0700) < 0)
		goto failed;
	return GH_OK;
failed:
	gh_inst_log(db->inst, LOG_ERR, "directory %s cannot be used: %s", db->dir, strerror(errno));
	return errno == EACCES || errno == EPERM || errno == EROFS ? GH_EDENIED : GH_EIO;
}

static int
init_locks(struct ldb_db *db)
{
	if (clock_init(&db->lock, &db->idle) < 0)
		return GH_ENOMEM;
	if (pthread_mutex_init(&db->write_lock, NULL) == 0)
		return GH_OK;
	pthread_cond_destroy(&db->idle);
	pthread_mutex_destroy(&db->lock);
	return GH_ENOMEM;
}

static void
make_options(struct ldb_db *db, uint64_t cache_bytes)
{
	db->options = leveldb_options_create();
	db->cache = leveldb_cache_create_lru(cache_bytes);
	db->filter = leveldb_filterpolicy_create_bloom(BLOOM_BITS);
	leveldb_options_set_create_if_missing(db->options, 1);
	leveldb_options_set_paranoid_checks(db->options, 1);
	leveldb_options_set_write_buffer_size(db->options, db->write_buffer_bytes);
	leveldb_options_set_max_open_files(db->options, MAX_OPEN_FILES);
	leveldb_options_set_cache(db->options, db->cache);
	leveldb_options_set_filter_policy(db->options, db->filter);
	db->read = leveldb_readoptions_create();
	leveldb_readoptions_set_verify_checksums(db->read, 1);
	db->synced = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(db->synced, 1);
	db->unsynced = leveldb_writeoptions_create();
}

int
ldb_db_open(struct ldb_db *db, struct gh_inst *inst, const char *dir, uint64_t write_buffer_bytes,
	uint64_t cache_bytes)
{
	char *error = NULL;

	*db = (struct ldb_db){ .inst = inst, .write_buffer_bytes = write_buffer_bytes };
	db->dir = strdup(dir);
	if (db->dir == NULL || init_locks(db) < 0) {
		free(db->dir);
		db->dir = NULL;
		return GH_ENOMEM;
	}
	make_options(db, cache_bytes);
	int r = make_directory(db);

	if (r == 0) {
		db->handle = leveldb_open(db->options, db->dir, &error);
		if (error != NULL) {
			db->handle = NULL;
			r = explain(db, error);
		}
	}
	if (r < 0)
		ldb_db_close(db);
	return r;
}

void
ldb_db_close(struct ldb_db *db)
{
	if (db->dir == NULL)
		return;
	if (db->handle != NULL)
		leveldb_close(db->handle);
	leveldb_writeoptions_destroy(db->unsynced);
	leveldb_writeoptions_destroy(db->synced);
	leveldb_readoptions_destroy(db->read);
	leveldb_options_destroy(db->options);
	leveldb_filterpolicy_destroy(db->filter);
	leveldb_cache_destroy(db->cache);
	pthread_cond_destroy(&db->idle);
	pthread_mutex_destroy(&db->lock);
	pthread_mutex_destroy(&db->write_lock);
	free(db->dir);
	*db = (struct ldb_db){ .dir = NULL };
}

leveldb_t *
ldb_db_use(struct ldb_db *db)
{
	pthread_mutex_lock(&db->lock);
	leveldb_t *handle = db->is_draining ? NULL : db->handle;

	if (handle != NULL)
		db->users++;
	pthread_mutex_unlock(&db->lock);
	return handle;
}

void
ldb_db_unuse(struct ldb_db *db)
{
	pthread_mutex_lock(&db->lock);
	if (--db->users == 0)
		pthread_cond_broadcast(&db->idle);
	pthread_mutex_unlock(&db->lock);
}

int
ldb_db_write(struct ldb_db *db, leveldb_writebatch_t *batch, bool is_synced)
{
	char *error = NULL;
	int r = GH_EIO;

	pthread_mutex_lock(&db->write_lock);
	leveldb_t *handle = atomic_load(&db->is_broken) ? NULL : ldb_db_use(db);

	if (handle != NULL) {
		leveldb_write(handle, is_synced ? db->synced : db->unsynced, batch, &error);
		ldb_db_unuse(db);
		r = ldb_db_check(db,
			"a write failed, no more are taken until it can be opened again", error);
		if (r < 0) {
			atomic_store(&db->is_broken, true);
			gh_inst_ready(db->inst, false, "the database cannot be written");
		}
	}
	pthread_mutex_unlock(&db->write_lock);
	return r;
}

/** Opening writes what is in the log as a table: is there room for that? */
static bool
has_room(const struct ldb_db *db)
{
	struct statvfs fs;

	if (statvfs(db->dir, &fs) < 0)
		return false;
	return (uint64_t)fs.f_bavail * fs.f_frsize >= db->write_buffer_bytes + ROOM_BESIDE_BUFFER;
}

/** Keep new readers out and wait for those inside.
 *  @return false: they stay; nothing has changed. */
static bool
drain(struct ldb_db *db)
{
	struct timespec until = clock_after(DRAIN_MS);
	int r = 0;

	pthread_mutex_lock(&db->lock);
	db->is_draining = true;
	while (db->users > 0 && r == 0)
		r = pthread_cond_timedwait(&db->idle, &db->lock, &until);
	bool is_idle = db->users == 0;

	db->is_draining = is_idle;
	pthread_mutex_unlock(&db->lock);
	return is_idle;
}

int
ldb_db_reopen(struct ldb_db *db)
{
	char *error = NULL;

	if (!has_room(db) || !drain(db))
		return GH_EIO;
	pthread_mutex_lock(&db->write_lock);
	if (db->handle != NULL)
		leveldb_close(db->handle);
	leveldb_t *handle = leveldb_open(db->options, db->dir, &error);

	pthread_mutex_lock(&db->lock);
	db->handle = error == NULL ? handle : NULL;
	db->is_draining = false;
	pthread_mutex_unlock(&db->lock);
	int r = GH_OK;

	if (error != NULL && db->is_explained) { /* tried once a second: one line is enough */
		leveldb_free(error);
		r = GH_EIO;
	} else if (error != NULL) {
		r = explain(db, error);
		db->is_explained = true;
	}
	if (r == 0) {
		db->is_explained = false;
		atomic_store(&db->is_broken, false);
		gh_inst_log(db->inst, LOG_NOTICE, "database %s was opened again", db->dir);
		gh_inst_ready(db->inst, true, NULL);
	}
	pthread_mutex_unlock(&db->write_lock);
	return r == 0 ? GH_OK : GH_EIO;
}

int
ldb_view_open(struct ldb_view *view, struct ldb_db *db)
{
	leveldb_t *handle = ldb_db_use(db);

	if (handle == NULL)
		return GH_EIO;
	*view = (struct ldb_view){ .db = db, .handle = handle };
	view->snapshot = leveldb_create_snapshot(handle);
	view->read = leveldb_readoptions_create();
	leveldb_readoptions_set_verify_checksums(view->read, 1);
	leveldb_readoptions_set_snapshot(view->read, view->snapshot);
	return GH_OK;
}

void
ldb_view_close(struct ldb_view *view)
{
	if (view->handle == NULL)
		return;
	leveldb_readoptions_destroy(view->read);
	leveldb_release_snapshot(view->handle, view->snapshot);
	ldb_db_unuse(view->db);
	view->handle = NULL;
}

leveldb_iterator_t *
ldb_view_iterate(struct ldb_view *view)
{
	return leveldb_create_iterator(view->handle, view->read);
}

int
ldb_view_get(struct ldb_view *view, struct gh_str key, struct gh_str *ret_value)
{
	char *error = NULL;
	size_t n = 0;
	char *value = leveldb_get(view->handle, view->read, key.p, key.n, &n, &error);
	int r = ldb_db_check(view->db, "reading failed", error);

	if (r < 0)
		return r;
	if (value == NULL)
		return GH_ENOENT;
	*ret_value = (struct gh_str){ value, n };
	return GH_OK;
}

int
ldb_iter_end(struct ldb_db *db, leveldb_iterator_t *it, int r)
{
	char *error = NULL;

	leveldb_iter_get_error(it, &error);
	leveldb_iter_destroy(it);
	int failed = ldb_db_check(db, "reading failed", error);

	return r == 0 ? failed : r;
}
