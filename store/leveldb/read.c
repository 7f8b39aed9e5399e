/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file read.c
 * @brief docs/1 get, and the pages in which documents are handed out.
 */
#include <stdlib.h>
#include <syslog.h>

#include "store/leveldb/leveldb.h"

int
ldb_page_add(struct ldb_page *page, struct gh_str tenant, struct gh_str id, struct gh_str stored)
{
	uint64_t rev;

	if (!ldb_take_uint(&stored, 8, &rev))
		return GH_EIO;
	if (page->n == page->capacity) {
		size_t capacity = page->capacity > 0 ? page->capacity * 2 : 8;
		struct ldb_page_item *items = realloc(page->items, capacity * sizeof(*items));

		if (items == NULL)
			return GH_ENOMEM;
		page->items = items;
		page->capacity = capacity;
	}
	ldb_put_str(&page->bytes, tenant);
	ldb_put_str(&page->bytes, id);
	ldb_put_str(&page->bytes, stored);
	if (page->bytes.has_failed)
		return GH_ENOMEM;
	page->items[page->n++] = (struct ldb_page_item){
		.tenant_n = tenant.n, .id_n = id.n, .body_n = stored.n, .rev = rev };
	return GH_OK;
}

struct gh_doc
ldb_page_doc(const struct ldb_page *page, const char *base, size_t i, size_t *at)
{
	const struct ldb_page_item *item = &page->items[i];
	const char *tenant = base + *at, *id = tenant + item->tenant_n, *body = id + item->id_n;

	*at += item->tenant_n + item->id_n + item->body_n;
	return (struct gh_doc){
		.tenant = { tenant, item->tenant_n }, .kind = page->kind, .id = { id, item->id_n },
		.rev = item->rev, .body = { body, item->body_n },
	};
}

void
ldb_page_reset(struct ldb_page *page)
{
	ldb_buf_reset(&page->bytes);
	page->n = 0;
}

void
ldb_page_free(struct ldb_page *page)
{
	ldb_buf_free(&page->bytes);
	ldb_buf_free(&page->cursor);
	free(page->items);
	page->items = NULL;
	page->n = page->capacity = 0;
}

int
ldb_page_finish(struct ldb_page *page, struct gh_docs_found **ret_found)
{
	size_t docs_size = page->n * sizeof(struct gh_doc);
	size_t cursor_n = page->has_more ? page->cursor.n : 0;
	struct gh_docs_found *found =
		malloc(sizeof(*found) + docs_size + page->bytes.n + cursor_n);
	int r = GH_ENOMEM;
	size_t at = 0;

	if (found == NULL || page->cursor.has_failed) {
		free(found);
		goto out;
	}
	struct gh_doc *docs = (struct gh_doc *)(found + 1);
	char *bytes = (char *)docs + docs_size;

	if (page->bytes.n > 0)
		memcpy(bytes, page->bytes.p, page->bytes.n);
	for (size_t i = 0; i < page->n; i++)
		docs[i] = ldb_page_doc(page, bytes, i, &at);
	if (cursor_n > 0)
		memcpy(bytes + at, page->cursor.p, cursor_n);
	*found = (struct gh_docs_found){
		.n = page->n, .docs = docs, .next = { bytes + at, cursor_n },
		.total = page->total };
	*ret_found = found;
	r = GH_OK;
out:
	ldb_page_free(page);
	return r;
}

void
ldb_found_free(struct gh_docs_found *found)
{
	free(found);
}

int
ldb_get(void *self, struct gh_str tenant, struct gh_str kind_name, struct gh_str id,
	struct gh_docs_found **ret_found)
{
	struct ldb *p = self;
	const struct model_kind *kind = model_kind_find(kind_name);
	struct ldb_page page = { .total = 1 };
	struct ldb_buf key = { .n = 0 };
	struct gh_str stored;
	struct ldb_view view;

	LDB_ASSERT_MAY_BLOCK();
	if (kind == NULL || tenant.n == 0)
		return GH_EINVAL;
	int r = ldb_view_open(&view, &p->db);

	if (r < 0)
		return r;
	page.kind = gh_str_of(kind->name);
	ldb_key_doc(&key, kind, tenant, id);
	r = key.has_failed ? GH_ENOMEM : ldb_view_get(&view, ldb_buf_str(&key), &stored);
	if (r == 0) {
		r = ldb_page_add(&page, tenant, id, stored);
		leveldb_free((void *)stored.p);
	}
	if (r == 0)
		r = ldb_page_finish(&page, ret_found);
	ldb_page_free(&page);
	ldb_buf_free(&key);
	ldb_view_close(&view);
	return r;
}

void
ldb_tenants_free(struct gh_str *tenants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)tenants[i].p);
	free(tenants);
}

/** Append a copy of @p raw, unescaped. */
static int
add_tenant(struct gh_str raw, struct gh_str **tenants, size_t *n)
{
	struct gh_str *grown = realloc(*tenants, (*n + 1) * sizeof(*grown));
	struct ldb_buf tenant = { .n = 0 };

	if (grown == NULL)
		return GH_ENOMEM;
	*tenants = grown;
	ldb_put_unescaped(&tenant, raw);
	if (tenant.has_failed) {
		ldb_buf_free(&tenant);
		return GH_ENOMEM;
	}
	grown[(*n)++] = ldb_buf_str(&tenant);
	return GH_OK;
}

int
ldb_tenants(struct ldb_view *view, struct gh_str prefix, struct gh_str **ret_tenants, size_t *ret_n)
{
	leveldb_iterator_t *it = ldb_view_iterate(view);
	struct ldb_buf next = { .n = 0 };
	struct gh_str *tenants = NULL;
	size_t n = 0;
	int r = GH_OK;

	ldb_iter_seek(it, prefix);
	while (r == 0 && ldb_iter_on(it, prefix)) {
		struct gh_str rest = ldb_iter_key(it), raw;

		rest.p += prefix.n;
		rest.n -= prefix.n;
		if (!ldb_take_escaped(&rest, &raw)) {
			gh_inst_log(view->db->inst, LOG_ERR, "database %s has a damaged key",
				view->db->dir);
			r = GH_EIO;
			break;
		}
		r = n < LDB_TENANTS_MAX ? add_tenant(raw, &tenants, &n) : GH_ETOOBIG;
		/* on to the first key behind this tenant's */
		ldb_buf_reset(&next);
		ldb_put_str(&next, prefix);
		ldb_put_str(&next, raw);
		ldb_put(&next, "\0\1", 2);
		if (next.has_failed)
			r = GH_ENOMEM;
		if (r == 0)
			ldb_iter_seek(it, ldb_buf_str(&next));
	}
	r = ldb_iter_end(view->db, it, r);
	ldb_buf_free(&next);
	if (r < 0) {
		ldb_tenants_free(tenants, n);
		return r;
	}
	*ret_tenants = tenants;
	*ret_n = n;
	return GH_OK;
}
