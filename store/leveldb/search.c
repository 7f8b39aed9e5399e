/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file search.c
 * @brief find() on the index "text": documents that have all the words asked for.
 *
 * The last word is a prefix, so that a search finds something while it is typed.  Candidates come
 * from the index by one word, the longest; when more words were asked for, each candidate's own
 * text decides.  Results are in the order of tenant and id.
 */
#include <stdlib.h>

#include "store/leveldb/leveldb.h"

/** A search under way. */
struct search {
	struct ldb_view *view;
	const struct model_kind *kind;
	const struct gh_find *find;
	struct ldb_words words;
	struct ldb_page *page;
	struct ldb_buf key;
	uint32_t to_skip;
	/* one tenant's candidates */
	struct ldb_buf bytes;
	struct gh_str *ids;
	size_t n, capacity;
};

static struct gh_str
word_at(const struct ldb_words *words, size_t wanted)
{
	struct gh_str word = GH_STR_NONE;
	size_t at = 0;

	for (size_t i = 0; i <= wanted; i++)
		word = ldb_word(words, i, &at);
	return word;
}

/** The word to begin with: the longest whole one, or the prefix when it is alone. */
static size_t
pick_word(const struct ldb_words *words)
{
	size_t best = 0;

	for (size_t i = 1; i + 1 < words->n; i++)
		if (words->length[i] > words->length[best])
			best = i;
	return best;
}

static int
compare_ids(const void *a, const void *b)
{
	return ldb_compare(*(const struct gh_str *)a, *(const struct gh_str *)b);
}

/** Remember one id; its pointer is set when no more come. */
static int
add_id(struct search *s, struct gh_str id)
{
	if (s->n == s->capacity) {
		size_t capacity = s->capacity > 0 ? s->capacity * 2 : 64;
		struct gh_str *ids = realloc(s->ids, capacity * sizeof(*ids));

		if (ids == NULL)
			return GH_ENOMEM;
		s->ids = ids;
		s->capacity = capacity;
	}
	ldb_put_str(&s->bytes, id);
	s->ids[s->n++] = (struct gh_str){ NULL, id.n };
	return s->bytes.has_failed ? GH_ENOMEM : GH_OK;
}

/** Sort the ids and keep each once: several words of a document may begin with the prefix. */
static void
sort_ids(struct search *s)
{
	const char *p = s->bytes.p;
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		s->ids[i].p = p;
		p += s->ids[i].n;
	}
	if (s->n > 1)
		qsort(s->ids, s->n, sizeof(s->ids[0]), compare_ids);
	for (size_t i = 0; i < s->n; i++)
		if (kept == 0 || !gh_str_eq(s->ids[kept - 1], s->ids[i]))
			s->ids[kept++] = s->ids[i];
	s->n = kept;
}

/** Ids of the documents that have a word. */
static int
gather(struct search *s, struct gh_str tenant, size_t which)
{
	leveldb_iterator_t *it = ldb_view_iterate(s->view);
	int r = GH_OK;

	s->n = 0;
	ldb_buf_reset(&s->bytes);
	ldb_key_index(&s->key, s->kind, LDB_INDEX_TEXT, tenant);
	ldb_put_escaped(&s->key, word_at(&s->words, which));
	if (which + 1 < s->words.n)
		ldb_put_end(&s->key);
	if (s->key.has_failed)
		r = GH_ENOMEM;
	else
		ldb_iter_seek(it, ldb_buf_str(&s->key));
	for (; r == 0 && s->n < LDB_TOTAL_MAX && ldb_iter_on(it, ldb_buf_str(&s->key));
		leveldb_iter_next(it)) {
		struct gh_str rest = ldb_iter_key(it), head;

		if (!ldb_take(&rest, 4, &head) || !ldb_take_escaped(&rest, NULL) ||
		    !ldb_take_escaped(&rest, NULL))
			r = GH_EIO;
		else
			r = add_id(s, rest);
	}
	r = ldb_iter_end(s->view->db, it, r);
	if (r == 0)
		sort_ids(s);
	return r;
}

/** Has a document all the words?  The last may be a prefix of one. */
static bool
has_all_words(const struct search *s, const struct ldb_words *own)
{
	size_t wanted_at = 0;

	for (size_t i = 0; i < s->words.n; i++) {
		struct gh_str wanted = ldb_word(&s->words, i, &wanted_at);
		bool is_prefix = i + 1 == s->words.n, is_there = false;
		size_t at = 0;

		for (size_t k = 0; k < own->n && !is_there; k++) {
			struct gh_str word = ldb_word(own, k, &at);

			is_there = is_prefix ? ldb_has_prefix(word, wanted)
					     : gh_str_eq(word, wanted);
		}
		if (!is_there)
			return false;
	}
	return true;
}

static bool
matches(const struct search *s, struct gh_str stored)
{
	struct ldb_words own = { .n = 0 };
	struct gh_str rev;

	if (!ldb_take(&stored, 8, &rev))
		return false;
	ldb_words_of_doc(&own, s->kind, stored);
	bool is_match = has_all_words(s, &own);

	ldb_words_free(&own);
	return is_match;
}

/** Does the document with this key belong on the page?  Sets has_more when it would be the next. */
static bool
is_wanted(struct search *s, struct gh_str key)
{
	if (s->find->cursor.n > 0) {
		int order = ldb_compare(key, s->find->cursor);

		if (s->find->descending ? order >= 0 : order <= 0)
			return false;
	}
	if (s->to_skip > 0) {
		s->to_skip--;
		return false;
	}
	if (s->page->n == s->find->limit || s->page->bytes.n >= LDB_COMMIT_BYTES_MAX)
		s->page->has_more = true;
	return !s->page->has_more;
}

/** Look at one candidate. */
static int
consider(struct search *s, struct gh_str tenant, struct gh_str id)
{
	struct gh_str stored = GH_STR_NONE;
	bool must_check = s->words.n > 1;
	int r = GH_OK;

	ldb_key_doc(&s->key, s->kind, tenant, id);
	if (s->key.has_failed)
		return GH_ENOMEM;
	if (must_check)
		r = ldb_view_get(s->view, ldb_buf_str(&s->key), &stored);
	if (r == 0 && must_check && !matches(s, stored))
		goto out;
	if (s->page->total < LDB_TOTAL_MAX)
		s->page->total++;
	if (r < 0 || !is_wanted(s, ldb_buf_str(&s->key)))
		goto out;
	if (!must_check)
		r = ldb_view_get(s->view, ldb_buf_str(&s->key), &stored);
	if (r == 0)
		r = ldb_page_add(s->page, tenant, id, stored);
	ldb_buf_reset(&s->page->cursor);
	ldb_put_str(&s->page->cursor, ldb_buf_str(&s->key));
out:
	leveldb_free((void *)stored.p);
	return r == GH_ENOENT ? GH_EIO : r;
}

static int
search_tenant(struct search *s, struct gh_str tenant)
{
	int r = gather(s, tenant, pick_word(&s->words));

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = consider(s, tenant, s->ids[s->find->descending ? s->n - 1 - i : i]);
	return r;
}

static int
search_all_tenants(struct search *s)
{
	struct gh_str *tenants;
	size_t n;

	ldb_key_index(&s->key, s->kind, LDB_INDEX_TEXT, GH_STR_NONE);
	int r = ldb_tenants(s->view, ldb_buf_str(&s->key), &tenants, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = search_tenant(s, tenants[s->find->descending ? n - 1 - i : i]);
	ldb_tenants_free(tenants, n);
	return r;
}

int
ldb_search(struct ldb_view *view, const struct model_kind *kind, const struct gh_find *find,
	struct ldb_page *page)
{
	struct search s = { .view = view, .kind = kind, .find = find, .page = page,
		.to_skip = find->offset };
	int r = GH_OK;

	if (kind->text_fields == NULL || find->equal_count != 1 || find->is_prefix ||
	    find->from.n > 0 || find->to.n > 0)
		return GH_EINVAL;
	ldb_words_add(&s.words, find->equal[0]);
	if (s.words.text.has_failed)
		r = GH_ENOMEM;
	else if (s.words.n > 0) /* a query without a word matches nothing */
		r = find->tenant.n > 0 ? search_tenant(&s, find->tenant) : search_all_tenants(&s);
	ldb_words_free(&s.words);
	ldb_buf_free(&s.key);
	ldb_buf_free(&s.bytes);
	free(s.ids);
	return r;
}
