/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file write.c
 * @brief Writes and changes bodies with msgpack-c's packer, into a buffer that has a maximum.
 *
 * msgpack wants the number of items before the items.  So the header of an open map or array takes
 * HEADER_MAX bytes at first and shrinks to its shortest form when it is closed.
 */
#include <msgpack.h>
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/doc/read.h"

#define HEADER_MAX 5

static void
fail(struct doc_writer *w, int err)
{
	if (w->error == 0)
		w->error = err;
}

/** msgpack_packer_write: append bytes.  @return 0, or -1 with w->error set. */
static int
append(void *data, const char *bytes, size_t n)
{
	struct doc_writer *w = data;

	if (w->error != 0)
		return -1;
	if (n > DOC_BODY_MAX + DOC_DEPTH_MAX * HEADER_MAX - w->n) {
		fail(w, GH_ETOOBIG);
		return -1;
	}
	if (n > w->capacity - w->n) {
		size_t wanted = w->capacity > 0 ? w->capacity : 256;

		while (wanted < w->n + n)
			wanted *= 2;
		char *p = realloc(w->p, wanted);

		if (p == NULL) {
			fail(w, GH_ENOMEM);
			return -1;
		}
		w->p = p;
		w->capacity = wanted;
	}
	if (n > 0)
		memcpy(w->p + w->n, bytes, n);
	w->n += n;
	return 0;
}

static msgpack_packer
packer(struct doc_writer *w)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, w, append);
	return pk;
}

static void
pack_str(struct doc_writer *w, struct gh_str s)
{
	msgpack_packer pk = packer(w);

	if (s.n > DOC_BODY_MAX) {
		fail(w, GH_ETOOBIG);
		return;
	}
	msgpack_pack_str(&pk, s.n);
	append(w, s.p, s.n);
}

/** Open a container at the end of the buffer. */
static void
open_container(struct doc_writer *w, bool is_map)
{
	static const char room[HEADER_MAX];

	if (w->depth == DOC_DEPTH_MAX)
		fail(w, GH_ETOOBIG);
	if (w->error != 0)
		return;
	w->open[w->depth].at = w->n;
	w->open[w->depth].count = 0;
	w->open[w->depth].is_map = is_map;
	w->depth++;
	append(w, room, sizeof(room));
}

void
doc_writer_init(struct doc_writer *w)
{
	w->p = NULL;
	w->n = w->capacity = 0;
	w->error = 0;
	w->depth = 0;
	w->has_key = false;
	open_container(w, true);
}

void
doc_writer_done(struct doc_writer *w)
{
	free(w->p);
	w->p = NULL;
	w->n = w->capacity = 0;
	w->depth = 0;
	fail(w, GH_EINVAL);
}

void
doc_put_key(struct doc_writer *w, struct gh_str name)
{
	if (w->depth == 0 || !w->open[w->depth - 1].is_map || w->has_key) {
		fail(w, GH_EINVAL);
		return;
	}
	pack_str(w, name);
	w->has_key = true;
}

/** What comes before each value: its name and the count.  @return false: do not write it. */
static bool
begin_value(struct doc_writer *w, const char *name)
{
	if (name != NULL)
		doc_put_key(w, gh_str_of(name));
	if (w->depth == 0 || w->has_key != w->open[w->depth - 1].is_map)
		fail(w, GH_EINVAL);
	if (w->error != 0)
		return false;
	w->open[w->depth - 1].count++;
	w->has_key = false;
	return true;
}

void
doc_put_nil(struct doc_writer *w, const char *name)
{
	msgpack_packer pk = packer(w);

	if (begin_value(w, name))
		msgpack_pack_nil(&pk);
}

void
doc_put_bool(struct doc_writer *w, const char *name, bool value)
{
	msgpack_packer pk = packer(w);

	if (!begin_value(w, name))
		return;
	if (value)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
}

void
doc_put_int(struct doc_writer *w, const char *name, int64_t value)
{
	msgpack_packer pk = packer(w);

	if (begin_value(w, name))
		msgpack_pack_int64(&pk, value);
}

static void
put_uint(struct doc_writer *w, const char *name, uint64_t value)
{
	msgpack_packer pk = packer(w);

	if (begin_value(w, name))
		msgpack_pack_uint64(&pk, value);
}

void
doc_put_float(struct doc_writer *w, const char *name, double value)
{
	msgpack_packer pk = packer(w);

	if (begin_value(w, name))
		msgpack_pack_double(&pk, value);
}

void
doc_put_str(struct doc_writer *w, const char *name, struct gh_str value)
{
	if (begin_value(w, name))
		pack_str(w, value);
}

void
doc_put_bin(struct doc_writer *w, const char *name, struct gh_str value)
{
	msgpack_packer pk = packer(w);

	if (!begin_value(w, name))
		return;
	if (value.n > DOC_BODY_MAX) {
		fail(w, GH_ETOOBIG);
		return;
	}
	msgpack_pack_bin(&pk, value.n);
	append(w, value.p, value.n);
}

static void
put_encoded(struct doc_writer *w, const char *name, struct gh_str encoded)
{
	int r = doc_check_value(encoded, w->depth);

	if (r < 0)
		fail(w, r);
	else if (begin_value(w, name))
		append(w, encoded.p, encoded.n);
}

void
doc_put_value(struct doc_writer *w, const char *name, const struct doc_value *value)
{
	switch (value->type) {
	case DOC_NIL: doc_put_nil(w, name); break;
	case DOC_BOOL: doc_put_bool(w, name, value->b); break;
	case DOC_INT: doc_put_int(w, name, value->i); break;
	case DOC_UINT: put_uint(w, name, value->u); break;
	case DOC_FLOAT: doc_put_float(w, name, value->f); break;
	case DOC_STR: doc_put_str(w, name, value->s); break;
	case DOC_BIN: doc_put_bin(w, name, value->s); break;
	case DOC_ARRAY:
	case DOC_MAP: put_encoded(w, name, value->s); break;
	}
}

void
doc_put_map(struct doc_writer *w, const char *name, struct gh_str body)
{
	int r = doc_check(body);

	if (r < 0)
		fail(w, r);
	else
		put_encoded(w, name, body);
}

void
doc_begin_map(struct doc_writer *w, const char *name)
{
	if (begin_value(w, name))
		open_container(w, true);
}

void
doc_begin_array(struct doc_writer *w, const char *name)
{
	if (begin_value(w, name))
		open_container(w, false);
}

/** Close the innermost container: its header gets the shortest form that holds the count. */
static void
close_container(struct doc_writer *w)
{
	size_t at = w->open[w->depth - 1].at;
	size_t end = w->n;
	uint32_t count = w->open[w->depth - 1].count;
	msgpack_packer pk = packer(w);

	w->n = at;
	if (w->open[w->depth - 1].is_map)
		msgpack_pack_map(&pk, count);
	else
		msgpack_pack_array(&pk, count);
	memmove(w->p + w->n, w->p + at + HEADER_MAX, end - at - HEADER_MAX);
	w->n += end - at - HEADER_MAX;
	w->depth--;
}

void
doc_end(struct doc_writer *w)
{
	if (w->depth < 2 || w->has_key)
		fail(w, GH_EINVAL); /* the body itself is closed by doc_finish() */
	if (w->error == 0)
		close_container(w);
}

int
doc_finish(struct doc_writer *w, struct gh_str *ret_body)
{
	if (w->depth != 1 || w->has_key)
		fail(w, GH_EINVAL);
	if (w->error == 0)
		close_container(w);
	if (w->n > DOC_BODY_MAX)
		fail(w, GH_ETOOBIG);
	int r = w->error;

	if (r == 0) {
		*ret_body = (struct gh_str){ w->p, w->n };
		w->p = NULL;
	}
	doc_writer_done(w);
	return r;
}

int
doc_set(struct gh_str body, const char *name, const struct doc_value *value,
	struct gh_str *ret_body)
{
	struct gh_str wanted = gh_str_of(name), found;
	bool is_put = value == NULL;
	struct doc_writer w;
	struct doc_value old;
	int r = doc_check(body);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	for (struct doc_iter it = doc_iter(body); doc_next(&it, &found, &old);) {
		bool is_it = gh_str_eq(found, wanted);

		if (is_it && is_put)
			continue;
		doc_put_key(&w, found);
		doc_put_value(&w, NULL, is_it ? value : &old);
		is_put = is_put || is_it;
	}
	if (!is_put)
		doc_put_value(&w, name, value);
	return doc_finish(&w, ret_body);
}

int
doc_merge(struct gh_str body, struct gh_str changes, struct gh_str *ret_body)
{
	struct doc_writer w;
	struct doc_value v, changed;
	struct gh_str name;
	int r = doc_check(body);

	if (r == 0)
		r = doc_check(changes);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	for (struct doc_iter it = doc_iter(body); doc_next(&it, &name, &v);) {
		bool is_changed = doc_find(changes, name, &changed) == 0;

		if (is_changed && changed.type == DOC_NIL)
			continue;
		doc_put_key(&w, name);
		doc_put_value(&w, NULL, is_changed ? &changed : &v);
	}
	for (struct doc_iter it = doc_iter(changes); doc_next(&it, &name, &changed);) {
		if (changed.type == DOC_NIL || doc_find(body, name, &v) == 0)
			continue;
		doc_put_key(&w, name);
		doc_put_value(&w, NULL, &changed);
	}
	return doc_finish(&w, ret_body);
}
