/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schema.c
 * @brief Which layout a database has, and whether its indexes are those that lib/model declares.
 *
 * For every kind the database keeps the text of its declaration.  When a new version of the program
 * declares another one, the entries of that kind are made anew before the node starts.
 */
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <syslog.h>

#include "store/leveldb/leveldb.h"

#define SCHEMA 1
#define PIECE_BYTES (4u << 20)

static int
get(struct ldb_db *db, struct gh_str key, struct gh_str *ret_value)
{
	struct ldb_view view;
	int r = ldb_view_open(&view, db);

	if (r < 0)
		return r;
	r = ldb_view_get(&view, key, ret_value);
	ldb_view_close(&view);
	return r;
}

/** Is there no key at all? */
static bool
is_empty(struct ldb_db *db)
{
	leveldb_iterator_t *it = leveldb_create_iterator(db->handle, db->read);

	leveldb_iter_seek_to_first(it);
	bool has_key = leveldb_iter_valid(it);

	return ldb_iter_end(db, it, GH_OK) == 0 && !has_key;
}

/** Put the version of the layout into @p news, which is written at the end. */
static int
put_version(struct ldb_overlay *news, struct gh_str key)
{
	struct ldb_buf value = { .n = 0 };

	ldb_put_uint(&value, SCHEMA, 4);
	int r = value.has_failed ? GH_ENOMEM : ldb_overlay_put(news, key, ldb_buf_str(&value));

	ldb_buf_free(&value);
	return r;
}

static int
check_version(struct ldb_db *db, struct ldb_overlay *news)
{
	struct ldb_buf key = { .n = 0 };
	struct gh_str value, rest;
	uint64_t version = 0;

	ldb_key_meta(&key, "schema");
	int r = key.has_failed ? GH_ENOMEM : get(db, ldb_buf_str(&key), &value);

	if (r == GH_ENOENT && is_empty(db)) {
		r = put_version(news, ldb_buf_str(&key));
		goto out;
	}
	if (r == 0) {
		rest = value;
		if (!ldb_take_uint(&rest, 4, &version))
			version = 0;
		leveldb_free((void *)value.p);
	}
	if (r == GH_ENOENT || (r == 0 && version == 0)) {
		gh_inst_log(db->inst, LOG_ERR, "%s is a database, but not one of Gatehouse",
			db->dir);
		r = GH_EVERSION;
	} else if (r == 0 && version > SCHEMA) {
		gh_inst_log(db->inst, LOG_ERR, "database %s was written by a newer version of "
			"Gatehouse (layout %u; this one knows %u)", db->dir, (unsigned)version,
			SCHEMA);
		r = GH_EVERSION;
	}
out:
	ldb_buf_free(&key);
	return r;
}

/** The declaration of a kind as text. */
static void
put_declaration(struct ldb_buf *b, const struct model_kind *kind)
{
	for (const struct model_index *index = kind->indexes; index->name != NULL; index++) {
		ldb_put_str(b, gh_str_of(index->is_unique ? "unique " : "index "));
		ldb_put_str(b, gh_str_of(index->name));
		for (size_t i = 0; i < sizeof(index->fields) / sizeof(index->fields[0]); i++) {
			if (index->fields[i].field == NULL)
				break;
			ldb_put_str(b, gh_str_of(
				index->fields[i].type == MODEL_INTEGER ? " int:" : " str:"));
			ldb_put_str(b, gh_str_of(index->fields[i].field));
		}
		ldb_put_str(b, GH_STR(";"));
	}
	ldb_put_str(b, GH_STR("text"));
	for (size_t i = 0; kind->text_fields != NULL && kind->text_fields[i] != NULL; i++) {
		ldb_put_str(b, GH_STR(" "));
		ldb_put_str(b, gh_str_of(kind->text_fields[i]));
	}
	ldb_put_str(b, GH_STR(";expiry "));
	ldb_put_str(b, gh_str_of(kind->expiry_field));
}

/* ---- Making entries anew ------------------------------------------------------------------- */

/** A kind whose entries are made anew. */
struct rebuild {
	struct ldb_db *db;
	const struct model_kind *kind;
	struct ldb_overlay overlay; /* changes not yet written */
};

static int
write_piece(struct rebuild *b, size_t max_bytes)
{
	if (b->overlay.bytes <= max_bytes)
		return GH_OK;
	leveldb_writebatch_t *batch = leveldb_writebatch_create();

	ldb_overlay_fill(&b->overlay, batch);
	int r = ldb_db_write(b->db, batch, false); /* the write of the declarations is synced */

	leveldb_writebatch_destroy(batch);
	ldb_overlay_rollback(&b->overlay, 0);
	return r;
}

/** Call @p fn on every key with @p prefix, and write what it changes. */
static int
for_each_key(struct rebuild *b, struct gh_str prefix,
	int (*fn)(struct rebuild *b, const leveldb_iterator_t *it))
{
	struct ldb_view view;
	int r = ldb_view_open(&view, b->db);

	if (r < 0)
		return r;
	leveldb_iterator_t *it = ldb_view_iterate(&view);

	for (ldb_iter_seek(it, prefix); r == 0 && ldb_iter_on(it, prefix); leveldb_iter_next(it)) {
		r = fn(b, it);
		if (r == 0)
			r = write_piece(b, PIECE_BYTES);
	}
	r = ldb_iter_end(b->db, it, r);
	ldb_view_close(&view);
	return r == 0 ? write_piece(b, 0) : r;
}

static int
drop_index(struct rebuild *b, const leveldb_iterator_t *it)
{
	return ldb_overlay_delete(&b->overlay, ldb_iter_key(it));
}

static int
drop_expiry(struct rebuild *b, const leveldb_iterator_t *it)
{
	struct gh_str rest = ldb_iter_key(it), head;
	uint64_t number;

	if (!ldb_take(&rest, 9, &head) || !ldb_take_uint(&rest, 2, &number))
		return GH_EIO;
	if (number != b->kind->number)
		return GH_OK;
	return ldb_overlay_delete(&b->overlay, ldb_iter_key(it));
}

static int
make_entry(void *arg, const struct ldb_entry *entry)
{
	struct rebuild *b = arg;
	struct gh_str owner;

	if (entry->is_unique) {
		bool is_taken = ldb_overlay_find(&b->overlay, entry->key) != NULL;
		int r = is_taken ? GH_OK : get(b->db, entry->key, &owner);

		if (r < 0 && r != GH_ENOENT)
			return r;
		if (r == 0 && !is_taken)
			leveldb_free((void *)owner.p);
		if (r == 0)
			return GH_ECONFLICT;
	}
	return ldb_overlay_put(&b->overlay, entry->key, entry->value);
}

static int
make_entries(struct rebuild *b, const leveldb_iterator_t *it)
{
	struct gh_str rest = ldb_iter_key(it), body = ldb_iter_value(it), head, raw;
	const struct model_kind *kind;
	struct ldb_buf tenant = { .n = 0 };

	if (!ldb_take(&rest, 1, &head) || !ldb_take_doc_key(&rest, &kind, &raw) ||
	    !ldb_take(&body, 8, &head))
		return GH_EIO;
	ldb_put_unescaped(&tenant, raw);
	int r = tenant.has_failed ? GH_ENOMEM
		: ldb_entries(kind, ldb_buf_str(&tenant), rest, body, make_entry, b);

	if (r == GH_ECONFLICT)
		gh_inst_log(b->db->inst, LOG_ERR, "database %s: this version wants values of "
			"kind %s to be unique that are not: \"%.*s\" has one that another has, too",
			b->db->dir, kind->name, GH_STR_ARG(rest));
	ldb_buf_free(&tenant);
	return r;
}

static int
rebuild(struct ldb_db *db, const struct model_kind *kind)
{
	struct rebuild b = { .db = db, .kind = kind };
	struct ldb_buf prefix = { .n = 0 };
	static const char expiry[] = { LDB_EXPIRY };

	ldb_put_uint(&prefix, LDB_INDEX, 1);
	ldb_put_uint(&prefix, kind->number, 2);
	int r = prefix.has_failed ? GH_ENOMEM : for_each_key(&b, ldb_buf_str(&prefix), drop_index);

	if (r == 0)
		r = for_each_key(&b, (struct gh_str){ expiry, 1 }, drop_expiry);
	ldb_key_docs(&prefix, kind, GH_STR_NONE);
	if (r == 0)
		r = prefix.has_failed ? GH_ENOMEM
			: for_each_key(&b, ldb_buf_str(&prefix), make_entries);
	ldb_overlay_free(&b.overlay);
	ldb_buf_free(&prefix);
	return r;
}

/** Compare the declaration of a kind with the one that its entries were made by.
 *  @param news  gets the declaration when it has changed. */
static int
check_kind(struct ldb_db *db, const struct model_kind *kind, struct ldb_overlay *news)
{
	struct ldb_buf key = { .n = 0 }, declared = { .n = 0 };
	struct gh_str stored = GH_STR_NONE;
	char name[32];

	snprintf(name, sizeof(name), "kind/%u", kind->number);
	ldb_key_meta(&key, name);
	put_declaration(&declared, kind);
	int r = key.has_failed || declared.has_failed ? GH_ENOMEM
		: get(db, ldb_buf_str(&key), &stored);
	bool is_known = r == 0;

	if (is_known && gh_str_eq(stored, ldb_buf_str(&declared)))
		goto out;
	if (r == 0 || r == GH_ENOENT) {
		if (is_known)
			gh_inst_log(db->inst, LOG_NOTICE, "database %s: making the indexes of kind "
				"%s anew", db->dir, kind->name);
		r = rebuild(db, kind);
	}
	if (r == 0)
		r = ldb_overlay_put(news, ldb_buf_str(&key), ldb_buf_str(&declared));
out:
	leveldb_free((void *)stored.p);
	ldb_buf_free(&key);
	ldb_buf_free(&declared);
	return r;
}

/* ---- History of the feed ------------------------------------------------------------------- */

/** The id is kept beside the inode of the directory: a database that was put in the place of another
 *  one (a backup, a copy) begins a history of its own, so that no follower takes its sequences for
 *  those that it knows.  A copy that needed no new history costs each follower one snapshot. */
static int
check_history(struct ldb_db *db, struct ldb_overlay *news)
{
	struct ldb_buf key = { .n = 0 }, value = { .n = 0 };
	struct gh_str stored = GH_STR_NONE, rest, id;
	struct stat st;
	uint64_t inode = 0;

	ldb_key_meta(&key, "history");
	int r = key.has_failed ? GH_ENOMEM : get(db, ldb_buf_str(&key), &stored);

	if (r < 0 && r != GH_ENOENT)
		goto out;
	r = stat(db->dir, &st) == 0 ? GH_OK : GH_EIO;
	if (r < 0)
		goto out;
	rest = stored;
	if (ldb_take(&rest, GH_FEED_HISTORY_BYTES, &id) && ldb_take_uint(&rest, 8, &inode) &&
	    inode == (uint64_t)st.st_ino) {
		memcpy(db->history, id.p, id.n);
		goto out;
	}
	if (getrandom(db->history, sizeof(db->history), 0) != sizeof(db->history)) {
		r = GH_EIO;
		goto out;
	}
	ldb_put_str(&value, (struct gh_str){ (const char *)db->history, sizeof(db->history) });
	ldb_put_uint(&value, (uint64_t)st.st_ino, 8);
	r = value.has_failed ? GH_ENOMEM
		: ldb_overlay_put(news, ldb_buf_str(&key), ldb_buf_str(&value));
out:
	leveldb_free((void *)stored.p);
	ldb_buf_free(&key);
	ldb_buf_free(&value);
	return r;
}

int
ldb_schema_open(struct ldb_db *db)
{
	struct ldb_overlay news = { .n = 0 };
	int r = check_version(db, &news);

	if (r == 0)
		r = check_history(db, &news);

	for (const struct model_kind *kind = model_kinds; kind->name != NULL && r == 0; kind++)
		r = check_kind(db, kind, &news);
	if (r == 0 && news.n > 0) {
		leveldb_writebatch_t *batch = leveldb_writebatch_create();

		ldb_overlay_fill(&news, batch);
		r = ldb_db_write(db, batch, true);
		leveldb_writebatch_destroy(batch);
	}
	ldb_overlay_free(&news);
	return r;
}
