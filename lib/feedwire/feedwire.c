/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file feedwire.c
 * @brief One frame: write it, take it apart.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/feedwire/feedwire.h"
#include "lib/hash/hash.h"

#define PREFIX 8
#define SUM 8
#define TENANT_MAX 255
#define KIND_MAX 32

static void
store_uint(char *p, uint64_t value, unsigned n)
{
	while (n-- > 0) {
		p[n] = (char)(value & 0xff);
		value >>= 8;
	}
}

static uint64_t
load_uint(const char *p, unsigned n)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < n; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/** The head, malloc()ed. */
static int
make_head(const struct feedwire_frame *f, struct gh_str *ret_head)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_int(&w, "k", f->kind);
	doc_put_int(&w, "s", (int64_t)f->seq);
	switch (f->kind) {
	case FEEDWIRE_HELLO:
		doc_put_int(&w, "v", FEEDWIRE_VERSION);
		doc_put_bin(&w, "h", (struct gh_str){ (const char *)f->history,
			sizeof(f->history) });
		doc_put_bool(&w, "all", f->is_snapshot);
		break;
	case FEEDWIRE_PUT:
	case FEEDWIRE_DELETE:
		doc_put_int(&w, "i", (int64_t)f->index);
		doc_put_str(&w, "tenant", f->doc.tenant);
		doc_put_str(&w, "kind", f->doc.kind);
		doc_put_str(&w, "id", f->doc.id);
		doc_put_int(&w, "rev", (int64_t)f->doc.rev);
		break;
	case FEEDWIRE_COMMIT:
		doc_put_int(&w, "i", (int64_t)f->index);
		break;
	case FEEDWIRE_END:
		break;
	}
	return doc_finish(&w, ret_head);
}

int
feedwire_put(struct buffer *out, const struct feedwire_frame *f, uint64_t cap)
{
	struct gh_str head, body = f->kind == FEEDWIRE_PUT ? f->doc.body : GH_STR_NONE;
	char prefix[PREFIX], sum[SUM];
	size_t start = out->n;

	if (f->doc.tenant.n > TENANT_MAX || f->doc.kind.n > KIND_MAX ||
	    f->doc.id.n > GH_DOC_ID_MAX || body.n > GH_DOC_BODY_MAX)
		return GH_EINVAL;
	int r = make_head(f, &head);

	if (r < 0)
		return r;
	store_uint(prefix, head.n, 4);
	store_uint(prefix + 4, body.n, 4);
	r = buffer_add(out, prefix, PREFIX, cap);
	if (r == 0)
		r = buffer_add(out, head.p, head.n, cap);
	if (r == 0)
		r = buffer_add(out, body.p, body.n, cap);
	if (r == 0) {
		store_uint(sum, hash_bytes(0, (struct gh_str){ out->p + start, out->n - start }),
			SUM);
		r = buffer_add(out, sum, SUM, cap);
	}
	if (r < 0)
		out->n = start;
	free((void *)head.p);
	return r;
}

int
feedwire_put_batch(struct buffer *out, const struct gh_feed_batch *batch, uint64_t cap)
{
	size_t start = out->n;
	int r = GH_OK;

	for (size_t i = 0; i < batch->n && r == 0; i++)
		r = feedwire_put(out, &(const struct feedwire_frame){
			.kind = batch->changes[i].deleted ? FEEDWIRE_DELETE : FEEDWIRE_PUT,
			.seq = batch->seq, .index = i, .doc = batch->changes[i].doc }, cap);
	if (r == 0)
		r = feedwire_put(out, &(const struct feedwire_frame){
			.kind = FEEDWIRE_COMMIT, .seq = batch->seq, .index = batch->n }, cap);
	if (r < 0)
		out->n = start;
	return r;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool
take_int(struct gh_str head, const char *name, uint64_t *ret)
{
	int64_t value = doc_int(head, name, -1);

	*ret = (uint64_t)value;
	return value >= 0;
}

/** Lower-case letters and '_'. */
static bool
is_kind_name(struct gh_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '_' && (name.p[i] < 'a' || name.p[i] > 'z'))
			return false;
	return name.n > 0 && name.n <= KIND_MAX;
}

static int
take_hello(struct gh_str head, struct feedwire_frame *f, const char **ret_why)
{
	struct gh_str history = doc_bin(head, "h");

	if (doc_int(head, "v", -1) != FEEDWIRE_VERSION) {
		*ret_why = "the other side speaks another version of the feed protocol";
		return GH_EVERSION;
	}
	if (history.n != sizeof(f->history)) {
		*ret_why = "a stream without the id of its history";
		return GH_EINVAL;
	}
	memcpy(f->history, history.p, history.n);
	f->is_snapshot = doc_bool(head, "all", false);
	return GH_OK;
}

static int
take_change(struct gh_str head, struct gh_str body, struct feedwire_frame *f, const char **ret_why)
{
	f->doc.tenant = doc_str(head, "tenant");
	f->doc.kind = doc_str(head, "kind");
	f->doc.id = doc_str(head, "id");
	f->doc.body = body;
	if (!take_int(head, "i", &f->index) || !take_int(head, "rev", &f->doc.rev) ||
	    f->doc.tenant.n == 0 || f->doc.tenant.n > TENANT_MAX || !is_kind_name(f->doc.kind) ||
	    f->doc.id.n == 0 || f->doc.id.n > GH_DOC_ID_MAX || f->doc.rev > f->seq) {
		*ret_why = "a change that names no document";
		return GH_EINVAL;
	}
	if (f->kind == FEEDWIRE_PUT && doc_check(body) < 0) {
		*ret_why = "a document whose body is damaged";
		return GH_EINVAL;
	}
	return GH_OK;
}

static int
take_head(struct gh_str head, struct gh_str body, struct feedwire_frame *f, const char **ret_why)
{
	int64_t kind = doc_int(head, "k", 0);

	*ret_why = "a frame that cannot be understood";
	if (doc_check(head) < 0 || kind < FEEDWIRE_HELLO || kind > FEEDWIRE_END)
		return GH_EINVAL;
	f->kind = (enum feedwire_kind)kind;
	if (!take_int(head, "s", &f->seq) || (f->kind != FEEDWIRE_PUT && body.n > 0))
		return GH_EINVAL;
	switch (f->kind) {
	case FEEDWIRE_HELLO:
		return take_hello(head, f, ret_why);
	case FEEDWIRE_PUT:
	case FEEDWIRE_DELETE:
		return take_change(head, body, f, ret_why);
	case FEEDWIRE_COMMIT:
		return take_int(head, "i", &f->index) ? GH_OK : GH_EINVAL;
	case FEEDWIRE_END:
		break;
	}
	return GH_OK;
}

int
feedwire_take(struct gh_str bytes, struct feedwire_frame *ret_frame, size_t *ret_n,
	const char **ret_why)
{
	struct feedwire_frame f = { .seq = 0 };
	const char *why = NULL;

	if (bytes.n < PREFIX)
		return GH_EAGAIN;
	size_t head_n = load_uint(bytes.p, 4), body_n = load_uint(bytes.p + 4, 4);
	size_t n = PREFIX + head_n + body_n;

	if (head_n > FEEDWIRE_HEAD_MAX || body_n > GH_DOC_BODY_MAX) {
		*ret_why = "a frame that is longer than any may be";
		return GH_EINVAL;
	}
	if (bytes.n < n + SUM)
		return GH_EAGAIN;
	if (load_uint(bytes.p + n, SUM) != hash_bytes(0, (struct gh_str){ bytes.p, n })) {
		*ret_why = "a frame that was changed on its way";
		return GH_EINVAL;
	}
	int r = take_head((struct gh_str){ bytes.p + PREFIX, head_n },
		(struct gh_str){ bytes.p + PREFIX + head_n, body_n }, &f, &why);

	if (r < 0) {
		*ret_why = why;
		return r;
	}
	*ret_frame = f;
	*ret_n = n + SUM;
	return GH_OK;
}
