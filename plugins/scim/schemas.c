/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schemas.c
 * @brief What a client may ask about the server itself (RFC 7643, 5 to 7).
 */
#include "plugins/scim/scim.h"

static const struct resource_type {
	const char *name, *urn, *description;
	const struct attribute *attributes;
} resource_types[] = {
	{ "User", SCIM_URN_USER, "Somebody who may log in.", user_attributes },
	{ "Group", SCIM_URN_GROUP, "A role, and the users who have it.", group_attributes },
};
#define TYPE_COUNT (sizeof(resource_types) / sizeof(resource_types[0]))

/** "https://host:9443/scim2" + what follows. */
static struct gh_str
url(struct rest_context *ctx, const char *path, const char *name)
{
	return gh_call_printf(ctx->call, "%.*s%.*s%s%s", GH_STR_ARG(gh_call_origin(ctx->call)),
		GH_STR_ARG(rest_base_path(ctx)), path, name);
}

/** Set "meta".  @param json  GIVE; NULL: out of memory. */
static json_t *
with_meta(json_t *json, const char *type, struct gh_str location)
{
	if (location.p != NULL && json != NULL && js_set(json, "meta", json_pack("{s:s, s:s}",
			"resourceType", type, "location", location.p)) == 0)
		return json;
	json_decref(json);
	return NULL;
}

int
schemas_config(struct rest_context *ctx)
{
	json_t *basic = json_pack("{s:s, s:s, s:s}", "type", "httpbasic", "name", "HTTP Basic",
		"description", "Name and password of a user.");
	json_t *bearer = json_pack("{s:s, s:s, s:s}", "type", "oauthbearertoken", "name",
		"OAuth Bearer Token", "description", "An access token with the right scope.");

	return rest_reply(ctx, 200, with_meta(json_pack(
		"{s:[s], s:{s:b}, s:{s:b, s:i, s:i}, s:{s:b, s:i}, s:{s:b}, s:{s:b}, s:{s:b}, "
		"s:[o, o]}",
		"schemas", "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
		"patch", "supported", 1,
		"bulk", "supported", 0, "maxOperations", 0, "maxPayloadSize", 0,
		"filter", "supported", 1, "maxResults", GH_FIND_MAX,
		"changePassword", "supported", 1, "sort", "supported", 0, "etag", "supported", 1,
		"authenticationSchemes", basic, bearer), "ServiceProviderConfig",
		url(ctx, "/ServiceProviderConfig", "")));
}

/* ---- Resource types and schemas -------------------------------------------------------------- */

typedef json_t *describe_fn(struct rest_context *ctx, const struct resource_type *type);

static json_t *
describe_type(struct rest_context *ctx, const struct resource_type *type)
{
	struct gh_str endpoint = gh_call_printf(ctx->call, "/%ss", type->name);

	return endpoint.p == NULL ? NULL : with_meta(json_pack("{s:[s], s:s, s:s, s:s, s:s, s:s}",
		"schemas", "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
		"id", type->name, "name", type->name, "endpoint", endpoint.p,
		"description", type->description, "schema", type->urn), "ResourceType",
		url(ctx, "/ResourceTypes/", type->name));
}

static json_t *
describe_schema(struct rest_context *ctx, const struct resource_type *type)
{
	return with_meta(json_pack("{s:[s], s:s, s:s, s:s, s:o}",
		"schemas", "urn:ietf:params:scim:schemas:core:2.0:Schema", "id", type->urn,
		"name", type->name, "description", type->description,
		"attributes", attributes_describe(type->attributes)), "Schema",
		url(ctx, "/Schemas/", type->urn));
}

static int
reply_all(struct rest_context *ctx, describe_fn *describe)
{
	json_t *list = json_array();

	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (json_array_append_new(list, describe(ctx, &resource_types[i])) < 0) {
			json_decref(list);
			return GH_ENOMEM;
		}
	}
	return rest_reply(ctx, 200, json_pack("{s:[s], s:i, s:i, s:i, s:o}", "schemas",
		SCIM_URN_LIST, "totalResults", (int)TYPE_COUNT, "startIndex", 1, "itemsPerPage",
		(int)TYPE_COUNT, "Resources", list));
}

int
schemas_types(struct rest_context *ctx)
{
	return reply_all(ctx, describe_type);
}

int
schemas_list(struct rest_context *ctx)
{
	return reply_all(ctx, describe_schema);
}

int
schemas_type(struct rest_context *ctx)
{
	struct gh_str name = rest_param(ctx, "name");

	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (gh_str_eq(name, gh_str_of(resource_types[i].name)))
			return rest_reply(ctx, 200, describe_type(ctx, &resource_types[i]));
	return scim_fail(ctx, 404, NULL, "There is no such type of resource");
}

int
schemas_get(struct rest_context *ctx)
{
	struct gh_str urn = rest_param(ctx, "urn");

	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (gh_str_eq_nocase(urn, gh_str_of(resource_types[i].urn)))
			return rest_reply(ctx, 200, describe_schema(ctx, &resource_types[i]));
	return scim_fail(ctx, 404, NULL, "There is no such schema");
}
