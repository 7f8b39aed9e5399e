/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file search.c
 * @brief Lists of APIs, by search conditions.
 *
 * What was written is found at once: an index leads to the candidates where the query names one
 * exactly, and every candidate is compared with all conditions.
 */
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/publisher/publisher.h"
#include "plugins/publisher/query.h"

/** What a search collects. */
struct search {
	struct query query;
	struct rest_page page;
	rest_row_fn *row;
	json_t *list;   /**< Rows of this page. */
	uint64_t total; /**< Matches on all pages. */
};

static bool
has_tag(const struct query_term *term, struct gh_str body)
{
	struct doc_iter it = doc_iter(doc_array(doc_map(body, "dto"), "tags"));
	struct doc_value tag;

	while (doc_next(&it, NULL, &tag))
		if (tag.type == DOC_STR && query_holds(term, tag.s))
			return true;
	return false;
}

static bool
holds(const struct query_term *term, struct gh_str body)
{
	switch (term->attribute) {
	case QUERY_NAME: return query_holds(term, doc_str(body, "name"));
	case QUERY_VERSION: return query_holds(term, doc_str(body, "version"));
	case QUERY_CONTEXT: return query_holds(term, doc_str(body, "context"));
	case QUERY_PROVIDER: return query_holds(term, doc_str(body, "provider"));
	case QUERY_STATUS: return query_holds(term, doc_str(body, "state"));
	case QUERY_TYPE:
		return query_holds(term, GH_STR("API")) || query_holds(term, doc_str(body, "type"));
	case QUERY_DESCRIPTION:
		return query_holds(term, doc_str(doc_map(body, "dto"), "description"));
	case QUERY_TAGS: return has_tag(term, body);
	}
	return false;
}

/** A rest_each_fn. */
static int
collect(struct rest_context *ctx, const struct gh_doc *api, void *arg)
{
	struct search *search = arg;
	uint64_t at = search->total;

	for (size_t i = 0; i < search->query.n; i++)
		if (!holds(&search->query.terms[i], api->body))
			return 0;
	search->total++;
	if (at < search->page.offset || at - search->page.offset >= search->page.limit)
		return 0;
	return json_array_append_new(search->list, search->row(ctx, api)) == 0 ? 0 : GH_ENOMEM;
}

/** The index that leads to the fewest candidates; by name otherwise, as lists are ordered. */
static void
choose_index(const struct query *query, struct gh_str values[2], struct gh_find *find)
{
	static const struct {
		enum query_attribute attribute;
		const char *index;
	} choices[] = {
		{ QUERY_NAME, "name_version" }, { QUERY_CONTEXT, "context_version" },
		{ QUERY_PROVIDER, "provider" },
	};

	find->index = "name_version";
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		values[0] = query_exact(query, choices[i].attribute);
		if (values[0].n == 0)
			continue;
		find->index = choices[i].index;
		find->equal = values;
		find->equal_count = 1;
		values[1] = query_exact(query, QUERY_VERSION);
		if (values[1].n > 0 && choices[i].attribute != QUERY_PROVIDER)
			find->equal_count = 2;
		return;
	}
}

static int
search(struct rest_context *ctx, rest_row_fn *row)
{
	struct search state = { .row = row, .list = json_array() };
	struct gh_find find = { .kind = GH_STR("api") };
	struct gh_str values[2];
	const char *why = NULL;
	int r = rest_own_json(ctx, state.list);

	if (r == 0)
		r = rest_page(ctx, &state.page);
	if (r < 0)
		return r;
	if (query_parse(rest_query(ctx, "query"), &state.query, &why) < 0)
		return rest_fail(ctx, 400,
			"The query parameter 'query' cannot be understood: %s", why);
	for (size_t i = 0; i < state.query.n; i++)
		if (state.query.terms[i].attribute == QUERY_CONTEXT)
			state.query.terms[i].value = tenant_context_inner(ctx->tenant,
				state.query.terms[i].value);
	choose_index(&state.query, values, &find);
	find.descending = gh_str_eq_nocase(rest_query(ctx, "sortOrder"), GH_STR("desc"));
	r = rest_find_each(ctx, &find, collect, &state);
	return r == 0 ? rest_reply_list(ctx, &state.page, json_incref(state.list), state.total) : r;
}

int
publisher_api_list(struct rest_context *ctx)
{
	return search(ctx, publisher_api_row);
}

/** A row of /search, where APIs are not alone.  A rest_row_fn. */
static json_t *
result_row(struct rest_context *ctx, const struct gh_doc *api)
{
	json_t *row = publisher_api_row(ctx, api);
	int r = row != NULL ? js_set_str(row, "type", GH_STR("API")) : GH_ENOMEM;

	if (r == 0)
		r = js_set_str(row, "transportType", doc_str(api->body, "type"));
	if (r == 0)
		r = js_set_str(row, "status", doc_str(api->body, "state"));
	if (r == 0)
		return row;
	json_decref(row);
	return NULL;
}

int
publisher_search(struct rest_context *ctx)
{
	return search(ctx, result_row);
}
