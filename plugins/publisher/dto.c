/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dto.c
 * @brief An `api` document as clients see it.
 *
 * The document's field dto is what the client gave, with members that we do not know; what the
 * publisher decides stands beside it and is put over it here.
 */
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/publisher/publisher.h"

/** Members that clients send back unchanged; the document's own fields say them. */
static const char *const decided[] = {
	"id", "provider", "lifeCycleStatus", "createdTime", "lastUpdatedTime",
	"lastUpdatedTimestamp", "isRevision", "revisionedApiId", "revisionId", "hasThumbnail",
	"workflowStatus", "isDefaultVersion",
};

void
publisher_dto_strip(json_t *dto)
{
	for (size_t i = 0; i < sizeof(decided) / sizeof(decided[0]); i++)
		json_object_del(dto, decided[i]);
}

json_t *
publisher_time(int64_t at_s)
{
	return json_sprintf("%lld", (long long)at_s * 1000);
}

json_t *
publisher_stored_dto(struct gh_str body)
{
	json_t *dto = NULL;

	return doc_map_to_json(doc_map(body, "dto"), &dto) == 0 ? dto : NULL;
}

json_t *
publisher_api_dto(const struct gh_doc *api)
{
	json_t *dto = publisher_stored_dto(api->body), *head = json_object();
	char context[TENANT_CONTEXT_MAX];
	struct gh_str body = api->body;
	int r = dto != NULL ? js_set_str(head, "id", api->id) : GH_ENOMEM;

	if (r == 0)
		r = js_set_str(head, "name", doc_str(body, "name"));
	if (r == 0)
		r = js_set_str(head, "context",
			tenant_context(api->tenant, doc_str(body, "context"), context));
	if (r == 0)
		r = js_set_str(head, "version", doc_str(body, "version"));
	if (r == 0)
		r = js_set_str(head, "provider", doc_str(body, "provider"));
	if (r == 0)
		r = js_set_str(head, "lifeCycleStatus", doc_str(body, "state"));
	if (r == 0)
		r = js_set(head, "isDefaultVersion",
			json_boolean(doc_bool(body, "is_default", false)));
	if (r == 0)
		r = js_set(head, "isRevision", json_false());
	if (r == 0)
		r = js_set(head, "revisionId", json_integer(0));
	if (r == 0)
		r = js_set(head, "hasThumbnail", json_boolean(doc_bool(body, "has_thumbnail", false)));
	if (r == 0)
		r = js_set(head, "createdTime", publisher_time(doc_int(body, "created_at_s", 0)));
	if (r == 0)
		r = js_set(head,
			"lastUpdatedTime", publisher_time(doc_int(body, "updated_at_s", 0)));
	if (r == 0 && json_object_update_missing(head, dto) < 0)
		r = GH_ENOMEM;
	json_decref(dto);
	if (r == 0)
		return head;
	json_decref(head);
	return NULL;
}

json_t *
publisher_api_row(struct rest_context *ctx, const struct gh_doc *api)
{
	static const char *const kept[] = {
		"id", "name", "displayName", "description", "context", "version", "provider",
		"type", "lifeCycleStatus", "hasThumbnail", "securityScheme", "createdTime",
		"additionalProperties", "additionalPropertiesMap", "audiences", "gatewayVendor",
	};
	json_t *dto = publisher_api_dto(api), *row = json_object();
	int r = dto != NULL ? 0 : GH_ENOMEM;

	(void)ctx;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(dto, kept[i]);

		if (r == 0 && value != NULL)
			r = js_set(row, kept[i], json_incref(value));
	}
	if (r == 0)
		r = js_set(row,
			"updatedTime", json_incref(json_object_get(dto, "lastUpdatedTime")));
	if (r == 0)
		r = js_set(row, "workflowStatus", json_string("APPROVED"));
	json_decref(dto);
	if (r == 0)
		return row;
	json_decref(row);
	return NULL;
}
