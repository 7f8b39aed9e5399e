/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file list.c
 * @brief Lists of resources: pages that begin at 1, filters, attributes that are left out.
 */
#include "plugins/scim/filter.h"
#include "plugins/scim/scim.h"

#define COUNT_DEFAULT 100
#define START_MAX 1000000

/** A whole number of the query; below @p min it is @p min, above @p max it is @p max (RFC 7644,
 *  3.4.2.4). */
static int
number(struct rest_context *ctx, const char *name, uint32_t otherwise, uint32_t min, uint32_t max,
	uint32_t *ret_value)
{
	struct gh_str text = rest_query(ctx, name);
	bool is_negative = text.n > 1 && text.p[0] == '-';
	uint64_t value = 0;

	for (size_t i = is_negative; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return scim_fail(ctx, 400, "invalidValue", "'%s' must be a whole number",
				name);
		value = value > max ? value : value * 10 + (uint64_t)(text.p[i] - '0');
	}
	if (text.n == 0)
		value = otherwise;
	else if (is_negative || value < min)
		value = min;
	*ret_value = value > max ? max : (uint32_t)value;
	return GH_OK;
}

static void
free_filter(void *arg)
{
	filter_free(arg);
}

int
scim_list_init(struct rest_context *ctx, struct scim_list *list)
{
	struct gh_str filter = rest_query(ctx, "filter");
	const char *why = NULL;
	int r;

	*list = (struct scim_list){ .wanted = rest_query(ctx, "attributes"),
		.unwanted = rest_query(ctx, "excludedAttributes") };
	r = number(ctx, "startIndex", 1, 1, START_MAX, &list->start);
	if (r == 0)
		r = number(ctx, "count", COUNT_DEFAULT, 0, GH_FIND_MAX, &list->count);
	if (r == 0 && filter.p != NULL) {
		r = filter_parse(filter, &list->filter, &why);
		if (r == GH_EINVAL || r == GH_ETOOBIG)
			return scim_fail(ctx, 400, "invalidFilter",
				"The filter cannot be understood: %s", why);
		if (r == 0)
			r = rest_defer(ctx, free_filter, list->filter);
	}
	if (r < 0)
		return r;
	list->resources = json_array();
	return rest_own_json(ctx, list->resources);
}

int
scim_list_put(struct scim_list *list, json_t *json)
{
	int r = attributes_project(json, list->wanted, list->unwanted);

	if (r < 0)
		return r;
	return json_array_append_new(list->resources, json) < 0 ? GH_ENOMEM : GH_OK;
}

int
scim_list_add(struct scim_list *list, json_t *json)
{
	if (json == NULL)
		return GH_ENOMEM;
	if (list->filter == NULL || filter_matches(list->filter, json)) {
		list->total++;
		if (list->total >= list->start &&
		    json_array_size(list->resources) < list->count)
			return scim_list_put(list, json);
	}
	json_decref(json);
	return GH_OK;
}

int
scim_list_reply(struct rest_context *ctx, const struct scim_list *list)
{
	return rest_reply(ctx, 200, json_pack("{s:[s], s:I, s:i, s:i, s:O}", "schemas",
		SCIM_URN_LIST, "totalResults", (json_int_t)list->total, "startIndex",
		(int)list->start, "itemsPerPage", (int)json_array_size(list->resources),
		"Resources", list->resources));
}
