/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file replica.c
 * @brief The replica: load, append, begin anew, compact; snapshots and batches for readers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/sync/replica_file.h"

#define SLACK_BYTES (4u << 20)  /* history that is not worth a compaction */
#define BATCHES_MAX 50000u      /* as that; each costs 8 bytes of memory */
#define DELIVER_DOCS 256
#define BLOCKS_MAX (FEEDWIRE_BATCH_BYTES_MAX / REPLICA_BLOCK_BYTES + 2) /* of one batch */

/* ---- Life ------------------------------------------------------------------------------------ */

int
replica_init(struct replica *r, const struct gh_trust *trust, const char *path)
{
	size_t n = strlen(path);

	*r = (struct replica){ .trust = *trust };
	r->path = malloc(n + 1);
	r->new_path = malloc(n + 5);
	if (r->path == NULL || r->new_path == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
		free(r->path);
		free(r->new_path);
		r->path = NULL;
		return GH_ENOMEM;
	}
	memcpy(r->path, path, n + 1);
	snprintf(r->new_path, n + 5, "%s.new", path);
	return GH_OK;
}

/** One user less.  lock. */
static void
unref(struct replica_file *file)
{
	if (file != NULL && --file->refs == 0)
		replica_file_free(file);
}

void
replica_done(struct replica *r)
{
	if (r->path == NULL)
		return;
	replica_abort(r);
	unref(r->current);
	unref(r->previous);
	free(r->writer.pending);
	buffer_done(&r->writer.block);
	free(r->path);
	free(r->new_path);
	pthread_mutex_destroy(&r->lock);
	r->path = NULL;
}

void
replica_state(struct replica *r, struct replica_state *ret_state)
{
	*ret_state = (struct replica_state){ .has_state = false };
	pthread_mutex_lock(&r->lock);
	const struct replica_file *file = r->current;

	if (file != NULL) {
		*ret_state = (struct replica_state){ .has_state = true, .base = file->base,
			.seq = file->seq, .docs = file->index.live, .bytes = file->end };
		memcpy(ret_state->history, file->history, sizeof(file->history));
	}
	pthread_mutex_unlock(&r->lock);
}

/* ---- The batch that is being written --------------------------------------------------------- */

static int
pend(struct replica *r, const struct replica_pending *change)
{
	if (r->writer.pending_n == r->writer.pending_size) {
		size_t size = r->writer.pending_size > 0 ? 2 * r->writer.pending_size : 64;
		struct replica_pending *grown = reallocarray(r->writer.pending, size,
			sizeof(*grown));

		if (grown == NULL)
			return GH_ENOMEM;
		r->writer.pending = grown;
		r->writer.pending_size = size;
	}
	r->writer.pending[r->writer.pending_n++] = *change;
	return GH_OK;
}

/** Note what a change does to the index.  Nobody reads a new file yet: there it is done at once. */
static int
note_change(struct replica *r, struct replica_file *file, bool is_new,
	const struct feedwire_frame *frame)
{
	struct replica_pending change = { .key = replica_key_of(&file->index, &frame->doc),
		.record = r->writer.records, .is_deleted = frame->kind == FEEDWIRE_DELETE };

	r->writer.records += !change.is_deleted;
	if (!is_new)
		return pend(r, &change);
	int err = replica_index_reserve(&file->index, 1);

	if (err == 0)
		replica_index_apply(&file->index, &change);
	return err;
}

static int
reserve_batch(struct replica_file *file)
{
	uint64_t n = file->seq - file->base;

	if (n < file->batch_size)
		return GH_OK;
	size_t size = file->batch_size > 0 ? 2 * file->batch_size : 64;
	uint64_t *grown = reallocarray(file->batches, size, sizeof(*grown));

	if (grown == NULL)
		return GH_ENOMEM;
	file->batches = grown;
	file->batch_size = size;
	return GH_OK;
}

/** A batch that begins at @p at and ends at @p end becomes part of the file.  Under the lock, or
 *  before anybody reads the file. */
static int
add_batch(struct replica *r, struct replica_file *file, uint64_t at, uint64_t end)
{
	int err = reserve_batch(file);

	if (err == 0)
		err = replica_index_reserve(&file->index, r->writer.pending_n);
	if (err < 0)
		return err;
	for (size_t i = 0; i < r->writer.pending_n; i++)
		replica_index_apply(&file->index, &r->writer.pending[i]);
	file->batches[file->seq - file->base] = at;
	file->seq++;
	file->records = r->writer.records;
	file->end = end;
	return GH_OK;
}

static void
reset_batch(struct replica *r)
{
	r->writer.block.n = 0;
	r->writer.index = 0;
	r->writer.pending_n = 0;
	if (r->writer.block.size > 4 * REPLICA_BLOCK_BYTES)
		buffer_done(&r->writer.block); /* one large document is no reason to keep the room */
}

static int
write_block(struct replica *r)
{
	struct gh_str plain = { r->writer.block.p, r->writer.block.n };
	int err = replica_block_write(&r->trust, r->writer.file, r->writer.at, plain,
		&r->writer.at);

	r->writer.block.n = 0;
	return err;
}

static int
add_frame(struct replica *r, const struct feedwire_frame *frame)
{
	int err = feedwire_put(&r->writer.block, frame, REPLICA_BLOCK_BYTES + FEEDWIRE_FRAME_MAX);

	return err == 0 && r->writer.block.n >= REPLICA_BLOCK_BYTES ? write_block(r) : err;
}

/** Go on writing where the current file ends. */
static void
continue_current(struct replica *r)
{
	r->writer.file = r->current;
	r->writer.is_new = false;
	r->writer.at = r->current != NULL ? r->current->end : 0;
	r->writer.records = r->current != NULL ? r->current->records : 0;
	reset_batch(r);
}

int
replica_begin(struct replica *r, const uint8_t history[GH_FEED_HISTORY_BYTES], uint64_t seq)
{
	struct replica_file *file;

	replica_abort(r);
	int err = replica_file_new(r->new_path, &file);

	if (err < 0)
		return err;
	memcpy(file->history, history, sizeof(file->history));
	file->base = file->seq = seq;
	r->writer.file = file;
	r->writer.is_new = true;
	r->writer.at = REPLICA_FIRST;
	r->writer.records = 0;
	struct feedwire_frame hello = { .kind = FEEDWIRE_HELLO, .seq = seq, .is_snapshot = true };

	memcpy(hello.history, history, sizeof(hello.history));
	return add_frame(r, &hello);
}

int
replica_change(struct replica *r, uint64_t seq, const struct gh_feed_change *change)
{
	struct feedwire_frame frame = { .kind = change->deleted ? FEEDWIRE_DELETE : FEEDWIRE_PUT,
		.seq = seq, .index = r->writer.index, .doc = change->doc };

	if (r->writer.file == NULL)
		return GH_EINVAL;
	int err = add_frame(r, &frame);

	if (err == 0)
		err = note_change(r, r->writer.file, r->writer.is_new, &frame);
	r->writer.index++;
	return err;
}

/** The new file is whole: put it in the place of the old one.
 *  @param keep  readers of the old one may go on there. */
static int
publish(struct replica *r, bool keep)
{
	struct replica_file *file = r->writer.file;

	file->changes_at = file->end = r->writer.at;
	file->records = r->writer.records;
	if (fsync(file->fd) < 0 || rename(r->new_path, r->path) < 0)
		return GH_EIO;
	pthread_mutex_lock(&r->lock);
	unref(r->previous);
	r->previous = NULL;
	if (keep)
		r->previous = r->current;
	else
		unref(r->current);
	r->current = file;
	pthread_mutex_unlock(&r->lock);
	continue_current(r);
	return GH_OK;
}

/** Write what ends the batch. */
static int
end_batch(struct replica *r, uint64_t seq)
{
	int err = add_frame(r, &(const struct feedwire_frame){ .kind = FEEDWIRE_COMMIT, .seq = seq,
		.index = r->writer.index });

	return err == 0 && r->writer.block.n > 0 ? write_block(r) : err;
}

int
replica_commit(struct replica *r, uint64_t seq)
{
	struct replica_file *file = r->writer.file;
	uint64_t begun = file != NULL ? file->end : 0;

	if (file == NULL || seq != file->seq + !r->writer.is_new)
		return GH_EINVAL;
	int err = end_batch(r, seq);

	if (err < 0)
		return err;
	if (r->writer.is_new)
		return publish(r, false);
	pthread_mutex_lock(&r->lock);
	err = add_batch(r, file, begun, r->writer.at);
	pthread_mutex_unlock(&r->lock);
	if (err == 0)
		reset_batch(r);
	return err;
}

void
replica_abort(struct replica *r)
{
	if (r->writer.file != NULL && r->writer.is_new) {
		replica_file_free(r->writer.file);
		unlink(r->new_path);
	} else if (r->writer.file != NULL && r->writer.at > r->writer.file->end) {
		/* Else the rest of it might stand behind a shorter batch one day. */
		int err = ftruncate(r->writer.file->fd, (off_t)r->writer.file->end);

		(void)err; /* its frames do not fit there and would be cut off when it is loaded */
	}
	continue_current(r);
}

/* ---- Compaction ------------------------------------------------------------------------------ */

static int
copy_batch(void *arg, const struct gh_feed_batch *batch)
{
	struct replica *r = arg;
	int err = GH_OK;

	for (size_t i = 0; i < batch->n && err == 0; i++)
		err = replica_change(r, batch->seq, &batch->changes[i]);
	return err;
}

int
replica_compact(struct replica *r)
{
	const struct replica_file *file = r->current; /* the writer alone changes it */
	uint64_t seq;

	if (file == NULL)
		return GH_OK;
	uint64_t state = file->changes_at - REPLICA_FIRST, history = file->end - file->changes_at;

	if (history <= SLACK_BYTES + state && file->seq - file->base <= BATCHES_MAX)
		return GH_OK;
	int err = replica_begin(r, file->history, file->seq);

	if (err == 0)
		err = replica_snapshot(r, copy_batch, r, &seq);
	if (err == 0)
		err = end_batch(r, seq);
	if (err == 0)
		err = publish(r, true);
	if (err != 0)
		replica_abort(r);
	return err;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/** A file being read from its beginning. */
struct loading {
	struct replica *r;
	struct replica_file *file;
	bool has_hello, has_snapshot;
	uint64_t begun;  /* where the batch begins that is being read */
};

static int
load_commit(struct loading *l, const struct feedwire_frame *frame, uint64_t next)
{
	struct replica_file *file = l->file;

	if (frame->index != l->r->writer.index || frame->seq != file->seq + l->has_snapshot)
		return GH_EINVAL;
	if (l->has_snapshot) {
		int err = add_batch(l->r, file, l->begun, next);

		if (err < 0)
			return err;
	}
	if (!l->has_snapshot) {
		file->changes_at = file->end = next;
		file->records = l->r->writer.records;
	}
	l->has_snapshot = true;
	l->begun = next;
	reset_batch(l->r);
	return GH_OK;
}

static int
load_frame(struct loading *l, const struct feedwire_frame *frame, uint64_t next)
{
	struct replica_file *file = l->file;

	if (!l->has_hello) {
		if (frame->kind != FEEDWIRE_HELLO || !frame->is_snapshot)
			return GH_EINVAL;
		memcpy(file->history, frame->history, sizeof(file->history));
		file->base = file->seq = frame->seq;
		l->has_hello = true;
		return GH_OK;
	}
	if (frame->kind == FEEDWIRE_COMMIT)
		return load_commit(l, frame, next);
	if (frame->kind != FEEDWIRE_PUT && frame->kind != FEEDWIRE_DELETE)
		return GH_EINVAL;
	if (frame->index != l->r->writer.index || frame->seq != file->seq + l->has_snapshot)
		return GH_EINVAL;
	l->r->writer.index++;
	return note_change(l->r, file, !l->has_snapshot, frame);
}

static int
load_block(struct loading *l, struct gh_str plain, uint64_t next)
{
	struct feedwire_frame frame;
	const char *why;
	size_t n;
	int err = GH_OK;

	while (plain.n > 0 && err == 0) {
		err = feedwire_take(plain, &frame, &n, &why);
		if (err != 0)
			return err == GH_ENOMEM ? err : GH_EINVAL;
		plain.p += n;
		plain.n -= n;
		/* A batch ends with its block, or what is behind it would count without it. */
		err = frame.kind == FEEDWIRE_COMMIT && plain.n > 0 ? GH_EINVAL
			: load_frame(l, &frame, next);
	}
	return err;
}

/** Read all blocks.  @return 0 (what counts is in the file); GH_ENOENT, GH_EINVAL, GH_EIO: nothing
 *  counts; GH_ENOMEM. */
static int
load_blocks(struct loading *l)
{
	struct buffer plain = { .p = NULL };
	struct stat st;
	uint64_t at = REPLICA_FIRST;
	int err = fstat(l->file->fd, &st) == 0 ? GH_OK : GH_EIO;
	uint64_t size = err == 0 ? (uint64_t)st.st_size : 0;

	l->begun = at;
	while (err == 0 && at < size) {
		err = replica_block_read(&l->r->trust, l->file, at, size, &plain, &at);
		if (err == 0)
			err = load_block(l, (struct gh_str){ plain.p, plain.n }, at);
	}
	buffer_done(&plain);
	if (err == GH_ENOMEM)
		return err;
	if (!l->has_snapshot)
		return err < 0 ? err : GH_EINVAL;
	/* What was cut is asked for again; it must not follow what comes instead of it. */
	return ftruncate(l->file->fd, (off_t)l->file->end) == 0 ? GH_OK : GH_EIO;
}

int
replica_load(struct replica *r, char *error, size_t error_size)
{
	struct loading l = { .r = r };
	int err = replica_file_open(r->path, &l.file);

	if (err < 0) {
		snprintf(error, error_size, "%s: %s", r->path,
			err == GH_EINVAL ? "no replica of this program" : "cannot be opened");
		return err;
	}
	r->writer.records = 0;
	err = load_blocks(&l);
	if (err < 0) {
		snprintf(error, error_size, "%s: %s", r->path, err == GH_ENOENT
			? "sealed under another key" : err == GH_EINVAL
			? "damaged before the end of its snapshot" : gh_strerror(err));
		replica_file_free(l.file);
		continue_current(r);
		return err == GH_ENOENT ? GH_EINVAL : err;
	}
	r->current = l.file;
	continue_current(r);
	return GH_OK;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/** What a reader works on: a file, from one place to another. */
struct view {
	struct replica *r;
	struct replica_file *file;
	uint64_t at, end, seq;
};

static void
view_close(struct view *v)
{
	pthread_mutex_lock(&v->r->lock);
	unref(v->file);
	pthread_mutex_unlock(&v->r->lock);
}

/** Changes on their way to a reader. */
struct delivery {
	struct gh_feed_change *changes;
	size_t n, size;
};

static int
gather(struct delivery *d, const struct feedwire_frame *frame)
{
	if (d->n == d->size) {
		size_t size = d->size > 0 ? 2 * d->size : DELIVER_DOCS;
		struct gh_feed_change *grown = reallocarray(d->changes, size, sizeof(*grown));

		if (grown == NULL)
			return GH_ENOMEM;
		d->changes = grown;
		d->size = size;
	}
	d->changes[d->n++] = (struct gh_feed_change){ frame->kind == FEEDWIRE_DELETE, frame->doc };
	return GH_OK;
}

static int
deliver(struct delivery *d, uint64_t seq, gh_feed_fn *fn, void *arg)
{
	struct gh_feed_batch batch = { .seq = seq, .n = d->n, .changes = d->changes };

	d->n = 0;
	return fn(arg, &batch);
}

/** The records of one block that count.  @param record  number of the first PUT in it, moved on. */
static int
snapshot_block(struct delivery *d, struct gh_str plain, const uint8_t *bits, uint64_t *record)
{
	struct feedwire_frame frame;
	const char *why;
	size_t n;
	int err = GH_OK;

	for (; plain.n > 0 && err == 0; plain.p += n, plain.n -= n) {
		if (feedwire_take(plain, &frame, &n, &why) != 0)
			return GH_EIO;
		if (frame.kind != FEEDWIRE_PUT)
			continue;
		if ((bits[*record / 8] >> *record % 8 & 1) != 0)
			err = gather(d, &frame);
		(*record)++;
	}
	return err;
}

int
replica_snapshot(struct replica *r, gh_feed_fn *fn, void *arg, uint64_t *ret_seq)
{
	struct view v = { .r = r, .at = REPLICA_FIRST };
	struct delivery d = { .n = 0 };
	struct buffer plain = { .p = NULL };
	uint8_t *bits = NULL;
	uint64_t record = 0, batches = 0;
	int err;

	pthread_mutex_lock(&r->lock);
	if ((v.file = r->current) != NULL) {
		v.file->refs++;
		v.end = v.file->end;
		v.seq = v.file->seq;
		bits = replica_index_bits(&v.file->index, v.file->records);
	}
	pthread_mutex_unlock(&r->lock);
	if (v.file == NULL)
		return GH_ENOENT;
	err = bits != NULL ? GH_OK : GH_ENOMEM;
	while (err == 0 && v.at < v.end) {
		err = replica_block_read(&r->trust, v.file, v.at, v.end, &plain, &v.at);
		if (err == 0)
			err = snapshot_block(&d, (struct gh_str){ plain.p, plain.n }, bits,
				&record);
		else if (err != GH_ENOMEM)
			err = GH_EIO;
		if (err == 0 && d.n > 0) {
			err = deliver(&d, v.seq, fn, arg);
			batches++;
		}
	}
	if (err == 0 && batches == 0)
		err = deliver(&d, v.seq, fn, arg);
	buffer_done(&plain);
	free(d.changes);
	free(bits);
	view_close(&v);
	if (err == 0)
		*ret_seq = v.seq;
	return err;
}

/** The blocks of a batch: its documents point into them. */
struct blocks {
	struct buffer v[BLOCKS_MAX];
	size_t n;
};

static void
blocks_free(struct blocks *blocks)
{
	while (blocks->n > 0)
		buffer_done(&blocks->v[--blocks->n]);
}

/** Read the batch at v->at and hand it out. */
static int
read_batch(struct view *v, struct blocks *blocks, struct delivery *d, gh_feed_fn *fn, void *arg)
{
	struct feedwire_frame frame;
	const char *why;
	size_t n;

	for (;;) {
		struct buffer *block = &blocks->v[blocks->n];

		if (blocks->n == BLOCKS_MAX)
			return GH_EIO;
		*block = (struct buffer){ .p = NULL };
		int err = replica_block_read(&v->r->trust, v->file, v->at, v->end, block, &v->at);

		if (err < 0)
			return err == GH_ENOMEM ? err : GH_EIO;
		blocks->n++;
		struct gh_str plain = { block->p, block->n };

		for (; plain.n > 0; plain.p += n, plain.n -= n) {
			if (feedwire_take(plain, &frame, &n, &why) != 0)
				return GH_EIO;
			if (frame.kind == FEEDWIRE_COMMIT)
				return deliver(d, frame.seq, fn, arg);
			err = gather(d, &frame);
			if (err < 0)
				return err;
		}
	}
}

/** Find where to read on.  @return 0 (perhaps with nothing to read), GH_ENOENT, GH_ETRUNCATED. */
static int
view_open(struct view *v, uint64_t after)
{
	struct replica_file *file = v->r->current;

	if (file == NULL)
		return GH_ENOENT;
	if (after < file->base && v->r->previous != NULL)
		file = v->r->previous;
	if (after < file->base || after > file->seq)
		return GH_ETRUNCATED;
	file->refs++;
	v->file = file;
	v->seq = file->seq;
	v->end = file->end;
	v->at = after < file->seq ? file->batches[after - file->base] : file->end;
	return GH_OK;
}

int
replica_read(struct replica *r, uint64_t after, gh_feed_fn *fn, void *arg)
{
	struct view v = { .r = r };
	struct delivery d = { .n = 0 };
	struct blocks *blocks = calloc(1, sizeof(*blocks));

	if (blocks == NULL)
		return GH_ENOMEM;
	pthread_mutex_lock(&r->lock);
	int err = view_open(&v, after);

	pthread_mutex_unlock(&r->lock);
	if (err < 0)
		goto out;
	while (err == 0 && v.at < v.end) {
		err = read_batch(&v, blocks, &d, fn, arg);
		blocks_free(blocks);
	}
	blocks_free(blocks);
	free(d.changes);
	view_close(&v);
out:
	free(blocks);
	return err;
}
