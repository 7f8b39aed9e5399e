/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apis.c
 * @brief The APIs that developers find: published and pre-released ones, for everybody.
 */
#include <stdlib.h>

#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/apistore/apistore.h"

static bool
is_visible(const struct gh_doc *doc)
{
	struct gh_str state = doc_str(doc->body, "state");

	return gh_str_eq(state, GH_STR("PUBLISHED")) || gh_str_eq(state, GH_STR("PROTOTYPED"));
}

static json_t *
info_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	char context[TENANT_CONTEXT_MAX];
	struct gh_str b = doc->body;
	json_t *row = json_object();

	(void)ctx;
	if (js_set_str(row, "id", doc->id) < 0 || js_set_str(row, "name", doc_str(b, "name")) < 0 ||
		js_set_str(row, "version", doc_str(b, "version")) < 0 ||
		js_set_str(row, "context",
			tenant_context(doc->tenant, doc_str(b, "context"), context)) < 0 ||
		js_set_str(row, "provider", doc_str(b, "provider")) < 0 ||
		js_set_str(row, "type", doc_str(b, "type")) < 0 ||
		js_set_str(row, "lifeCycleStatus", doc_str(b, "state")) < 0 ||
		js_set(row, "createdTime", apistore_time(doc_int(b, "created_at_s", 0))) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* The words of a search, without the names of clauses: `name:"Books"` is Books. */
static struct gh_str
search_words(struct rest_context *ctx, struct gh_str query)
{
	char *text = gh_call_alloc(ctx->call, query.n + 1);
	size_t at = 0, word = 0;

	if (text == NULL)
		return GH_STR_NONE;
	for (size_t i = 0; i < query.n; i++) {
		char c = query.p[i];

		if (c == ':')
			at = word; /* what stood before it named a clause */
		else if (c != '"')
			text[at++] = c;
		if (c == ' ')
			word = at;
	}
	return (struct gh_str){ text, at };
}

int
apis_list(struct rest_context *ctx)
{
	struct gh_str query = rest_query(ctx, "query");
	const struct gh_docs_found *found;
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r < 0)
		return r;
	if (query.n == 0) {
		struct gh_str published = GH_STR("PUBLISHED");
		struct gh_find find = { .kind = GH_STR("api"), .index = "state", .equal = &published,
			.equal_count = 1 };

		return rest_reply_find(ctx, &find, info_row);
	}
	struct gh_str words = search_words(ctx, query);

	r = rest_find_equal(ctx, "api", "text", &words, 1, &found);
	if (r < 0)
		return r;
	json_t *list = json_array();
	uint64_t total = 0;

	for (size_t i = 0; i < found->n; i++) {
		if (!is_visible(&found->docs[i]))
			continue;
		if (total >= page.offset && json_array_size(list) < page.limit)
			json_array_append_new(list, info_row(ctx, &found->docs[i]));
		total++;
	}
	return rest_reply_list(ctx, &page, list, total);
}

static int
visible_api(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	struct gh_str id = rest_param(ctx, "apiId");
	int r = rest_get(ctx, "api", id, ret_doc);

	if (r == GH_OK && !is_visible(*ret_doc))
		return rest_fail(ctx, 404, "there is no API with the id %.*s", GH_STR_ARG(id));
	return r;
}

/* What of the publisher's representation is for developers. */
static int
copy_public(json_t *row, const json_t *dto)
{
	static const char *const members[] = { "description", "policies", "operations", "scopes", "tags",
		"transport", "authorizationHeader", "apiKeyHeader", "securityScheme",
		"businessInformation", "isDefaultVersion", "categories", NULL };

	for (const char *const *m = members; *m != NULL; m++)
		if (js_has(dto, *m) && json_object_set(row, *m, json_object_get(dto, *m)) < 0)
			return GH_ENOMEM;
	return GH_OK;
}

int
apis_get(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	json_t *dto = NULL;
	int r = visible_api(ctx, &doc);

	if (r == GH_OK)
		r = doc_map_to_json(doc_map(doc->body, "dto"), &dto);
	if (r < 0)
		return r;
	json_t *row = info_row(ctx, doc);

	r = row != NULL ? copy_public(row, dto) : GH_ENOMEM;
	json_decref(dto);
	if (r == GH_OK)
		r = apistore_add_urls(ctx, doc, row);
	if (r < 0) {
		json_decref(row);
		return r;
	}
	rest_etag(ctx, doc->rev);
	return rest_reply(ctx, 200, row);
}

int
apis_get_definition(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = visible_api(ctx, &doc);

	if (r < 0)
		return r;
	struct gh_str definition = doc_str(doc->body, "definition");

	if (definition.n == 0)
		return rest_fail(ctx, 404, "the API has no definition");
	return rest_reply_text(ctx, 200, GH_STR("application/json"), definition);
}
