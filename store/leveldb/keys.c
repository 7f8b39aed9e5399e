/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keys.c
 * @brief Byte strings that sort as their values do, the layout of keys, a document's entries.
 *
 * Inside a key a string is escaped: 00 becomes 00 FF, and 00 00 ends it.  So "a" sorts before
 * "a\0" and that before "ab", whatever follows in the key.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "store/leveldb/leveldb.h"

#define BUF_MAX ((size_t)1 << 30)

void
ldb_buf_free(struct ldb_buf *b)
{
	free(b->p);
	*b = (struct ldb_buf){ .p = NULL };
}

void
ldb_buf_reset(struct ldb_buf *b)
{
	b->n = 0;
	b->has_failed = false;
}

void
ldb_put(struct ldb_buf *b, const void *bytes, size_t n)
{
	if (b->has_failed || n > BUF_MAX - b->n) {
		b->has_failed = true;
		return;
	}
	if (n > b->capacity - b->n) {
		size_t wanted = b->capacity > 0 ? b->capacity : 64;

		while (wanted < b->n + n)
			wanted *= 2;
		char *p = realloc(b->p, wanted);

		if (p == NULL) {
			b->has_failed = true;
			return;
		}
		b->p = p;
		b->capacity = wanted;
	}
	if (n > 0)
		memcpy(b->p + b->n, bytes, n);
	b->n += n;
}

void
ldb_put_str(struct ldb_buf *b, struct gh_str s)
{
	ldb_put(b, s.p, s.n);
}

void
ldb_put_uint(struct ldb_buf *b, uint64_t value, unsigned width)
{
	unsigned char bytes[8];

	for (unsigned i = 0; i < width; i++)
		bytes[i] = (unsigned char)(value >> (8 * (width - 1 - i)));
	ldb_put(b, bytes, width);
}

void
ldb_put_integer(struct ldb_buf *b, int64_t value)
{
	ldb_put_uint(b, (uint64_t)value ^ UINT64_C(1) << 63, 8);
}

void
ldb_put_escaped(struct ldb_buf *b, struct gh_str s)
{
	while (s.n > 0) {
		const char *zero = memchr(s.p, '\0', s.n);
		size_t plain = zero != NULL ? (size_t)(zero - s.p) : s.n;

		ldb_put(b, s.p, plain);
		if (zero != NULL) {
			ldb_put(b, "\0\xff", 2);
			plain++;
		}
		s.p += plain;
		s.n -= plain;
	}
}

void
ldb_put_end(struct ldb_buf *b)
{
	ldb_put(b, "\0\0", 2);
}

bool
ldb_take(struct gh_str *rest, size_t n, struct gh_str *ret_front)
{
	if (n > rest->n)
		return false;
	*ret_front = (struct gh_str){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	return true;
}

bool
ldb_take_uint(struct gh_str *rest, unsigned width, uint64_t *ret_value)
{
	struct gh_str bytes;
	uint64_t value = 0;

	if (!ldb_take(rest, width, &bytes))
		return false;
	for (unsigned i = 0; i < width; i++)
		value = value << 8 | (unsigned char)bytes.p[i];
	*ret_value = value;
	return true;
}

bool
ldb_take_escaped(struct gh_str *rest, struct gh_str *ret_raw)
{
	for (size_t i = 0; i + 1 < rest->n; i++) {
		if (rest->p[i] != '\0')
			continue;
		if (rest->p[i + 1] != '\0') {
			i++; /* an escaped 00 */
			continue;
		}
		if (ret_raw != NULL)
			*ret_raw = (struct gh_str){ rest->p, i };
		rest->p += i + 2;
		rest->n -= i + 2;
		return true;
	}
	return false;
}

void
ldb_put_unescaped(struct ldb_buf *b, struct gh_str raw)
{
	for (size_t i = 0; i < raw.n; i++) {
		ldb_put(b, &raw.p[i], 1);
		if (raw.p[i] == '\0')
			i++;
	}
}

int
ldb_compare(struct gh_str a, struct gh_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

bool
ldb_has_prefix(struct gh_str s, struct gh_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

void
ldb_buf_successor(struct ldb_buf *b)
{
	while (b->n > 0 && (unsigned char)b->p[b->n - 1] == 0xff)
		b->n--;
	if (b->n > 0)
		b->p[b->n - 1]++;
}

void
ldb_key_meta(struct ldb_buf *b, const char *name)
{
	ldb_buf_reset(b);
	ldb_put_uint(b, LDB_META, 1);
	ldb_put_str(b, gh_str_of(name));
}

/** End a key's beginning with the tenant, if there is one. */
static void
put_tenant(struct ldb_buf *b, struct gh_str tenant)
{
	if (tenant.n > 0) {
		ldb_put_escaped(b, tenant);
		ldb_put_end(b);
	}
}

void
ldb_key_docs(struct ldb_buf *b, const struct model_kind *kind, struct gh_str tenant)
{
	ldb_buf_reset(b);
	ldb_put_uint(b, LDB_DOCS, 1);
	ldb_put_uint(b, kind->number, 2);
	put_tenant(b, tenant);
}

void
ldb_key_doc(struct ldb_buf *b, const struct model_kind *kind, struct gh_str tenant,
	struct gh_str id)
{
	ldb_key_docs(b, kind, tenant);
	ldb_put_str(b, id);
}

void
ldb_key_index(struct ldb_buf *b, const struct model_kind *kind, uint8_t number,
	struct gh_str tenant)
{
	ldb_buf_reset(b);
	ldb_put_uint(b, LDB_INDEX, 1);
	ldb_put_uint(b, kind->number, 2);
	ldb_put_uint(b, number, 1);
	put_tenant(b, tenant);
}

void
ldb_key_feed(struct ldb_buf *b, uint64_t seq)
{
	ldb_buf_reset(b);
	ldb_put_uint(b, LDB_FEED, 1);
	ldb_put_uint(b, seq, 8);
}

bool
ldb_take_doc_key(struct gh_str *rest, const struct model_kind **ret_kind,
	struct gh_str *ret_tenant_raw)
{
	uint64_t number;

	if (!ldb_take_uint(rest, 2, &number) || !ldb_take_escaped(rest, ret_tenant_raw))
		return false;
	*ret_kind = model_kind_at((uint16_t)number);
	return *ret_kind != NULL;
}

/** Append one value of an index.  @return 0; GH_ENOENT: the document is not in it; GH_ETOOBIG. */
static int
put_index_value(struct ldb_buf *key, const struct model_index_field *field, struct gh_str body)
{
	struct doc_value v;

	if (doc_find(body, gh_str_of(field->field), &v) < 0)
		return GH_ENOENT;
	if (field->type == MODEL_INTEGER) {
		if (v.type != DOC_INT)
			return GH_ENOENT;
		ldb_put_integer(key, v.i);
		return GH_OK;
	}
	if (v.type != DOC_STR)
		return GH_ENOENT;
	if (v.s.n > LDB_INDEX_VALUE_MAX)
		return GH_ETOOBIG;
	ldb_put_escaped(key, v.s);
	ldb_put_end(key);
	return GH_OK;
}

/** The document's entry in one index, if it is in it. */
static int
index_entry(const struct model_index *index, struct gh_str id, struct gh_str body,
	struct ldb_buf *key, ldb_entry_fn *fn, void *arg)
{
	size_t max = sizeof(index->fields) / sizeof(index->fields[0]);

	for (size_t i = 0; i < max && index->fields[i].field != NULL; i++) {
		int r = put_index_value(key, &index->fields[i], body);

		if (r < 0)
			return r == GH_ENOENT ? GH_OK : r;
	}
	if (!index->is_unique)
		ldb_put_str(key, id);
	if (key->has_failed)
		return GH_ENOMEM;
	return fn(arg, &(const struct ldb_entry){ .key = ldb_buf_str(key),
		.value = index->is_unique ? id : GH_STR_NONE, .is_unique = index->is_unique });
}

static int
word_entries(const struct model_kind *kind, struct gh_str tenant, struct gh_str id,
	struct gh_str body, struct ldb_buf *key, ldb_entry_fn *fn, void *arg)
{
	struct ldb_words words = { .n = 0 };
	size_t at = 0;
	int r = GH_OK;

	ldb_words_of_doc(&words, kind, body);
	if (words.text.has_failed)
		r = GH_ENOMEM;
	for (size_t i = 0; i < words.n && r == 0; i++) {
		ldb_key_index(key, kind, LDB_INDEX_TEXT, tenant);
		ldb_put_escaped(key, ldb_word(&words, i, &at));
		ldb_put_end(key);
		ldb_put_str(key, id);
		r = key->has_failed ? GH_ENOMEM
			: fn(arg, &(const struct ldb_entry){ .key = ldb_buf_str(key) });
	}
	ldb_words_free(&words);
	return r;
}

static int
expiry_entry(const struct model_kind *kind, struct gh_str tenant, struct gh_str id,
	struct gh_str body, struct ldb_buf *key, ldb_entry_fn *fn, void *arg)
{
	int64_t expires_s = doc_int(body, kind->expiry_field, -1);

	if (expires_s < 0)
		return GH_OK; /* without a time it never expires */
	ldb_buf_reset(key);
	ldb_put_uint(key, LDB_EXPIRY, 1);
	ldb_put_uint(key, (uint64_t)expires_s, 8);
	ldb_put_uint(key, kind->number, 2);
	put_tenant(key, tenant);
	ldb_put_str(key, id);
	if (key->has_failed)
		return GH_ENOMEM;
	return fn(arg, &(const struct ldb_entry){ .key = ldb_buf_str(key) });
}

int
ldb_entries(const struct model_kind *kind, struct gh_str tenant, struct gh_str id,
	struct gh_str body, ldb_entry_fn *fn, void *arg)
{
	struct ldb_buf key = { .n = 0 };
	int r = GH_OK;

	for (uint8_t i = 0; kind->indexes[i].name != NULL && r == 0; i++) {
		ldb_key_index(&key, kind, i, tenant);
		r = index_entry(&kind->indexes[i], id, body, &key, fn, arg);
	}
	if (r == 0 && kind->text_fields != NULL)
		r = word_entries(kind, tenant, id, body, &key, fn, arg);
	if (r == 0 && kind->expiry_field != NULL)
		r = expiry_entry(kind, tenant, id, body, &key, fn, arg);
	ldb_buf_free(&key);
	return r;
}
