/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apis.c
 * @brief APIs: create, read, replace, delete.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/publisher/openapi.h"
#include "plugins/publisher/publisher.h"

int64_t
publisher_now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

int
publisher_api_of_path(struct rest_context *ctx, const struct gh_doc **ret_api)
{
	return rest_get(ctx, "api", rest_param(ctx, "apiId"), ret_api);
}

int
publisher_api_put(struct rest_context *ctx, const struct gh_doc *api, struct doc_writer *changes)
{
	struct gh_str patch = GH_STR_NONE, body;
	int r = doc_finish(changes, &patch);

	if (r == 0)
		r = doc_merge(api->body, patch, &body);
	free((void *)patch.p);
	return r == 0 ? rest_put(ctx, "api", api->id, body, api->rev) : r;
}

int
publisher_api_touch(struct rest_context *ctx, const struct gh_doc *api)
{
	struct doc_writer w;

	doc_writer_init(&w);
	return publisher_api_put(ctx, api, &w);
}

int
publisher_api_get(struct rest_context *ctx)
{
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	if (r < 0)
		return r;
	rest_etag(ctx, api->rev);
	return rest_reply(ctx, 200, publisher_api_dto(api));
}

int
publisher_swagger_get(struct rest_context *ctx)
{
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	if (r < 0)
		return r;
	rest_etag(ctx, api->rev);
	return rest_reply_text(ctx, 200, GH_STR("application/json"),
		doc_str(api->body, "definition"));
}

/** Answer with the API as it is in the store now. */
static int
reply_api(struct rest_context *ctx, unsigned status, struct gh_str id, uint64_t rev)
{
	const struct gh_doc *api;
	int r = rest_lookup(ctx, "api", id, &api);

	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	if (status == 201)
		return rest_reply_created(ctx,
			publisher_api_dto(api), "/apis/%.*s", GH_STR_ARG(id));
	return rest_reply(ctx, status, publisher_api_dto(api));
}

/* ---- Names, contexts and the default version ------------------------------------------------- */

/** The path that gateways serve it at: its version is where "{version}" stands, else behind. */
static struct gh_str
base_of(struct rest_context *ctx, const json_t *dto)
{
	const char *context = js_str(dto, "context").p, *version = js_str(dto, "version").p;
	const char *mark = strstr(context, "{version}");

	if (mark == NULL)
		return gh_call_printf(ctx->call, "%s/%s", context, version);
	return gh_call_printf(ctx->call, "%.*s%s%s", (int)(mark - context), context, version,
		mark + strlen("{version}"));
}

/** No other API is served at the path of this one. */
static int
check_base(struct rest_context *ctx, const json_t *dto)
{
	struct gh_str base = base_of(ctx, dto);
	const struct gh_docs_found *found;

	if (base.p == NULL)
		return GH_ENOMEM;
	if (tenant_has_prefix(base))
		return rest_fail(ctx, 400, "The path %s cannot be had: what begins with /t belongs to "
			"the tenant that follows", base.p);
	int r = rest_find_equal(ctx, "api", "base", &base, 1, &found);

	if (r == 0 && found->n > 0)
		r = rest_fail(ctx, 409, "The path %s belongs to the API %.*s", base.p,
			GH_STR_ARG(doc_str(found->docs[0].body, "name")));
	return r;
}

/** Nobody else has this name and version, or this context under another name. */
static int
check_unique(struct rest_context *ctx, const json_t *dto)
{
	struct gh_str name = js_str(dto, "name"), version = js_str(dto, "version");
	struct gh_str context = js_str(dto, "context");
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "api", "name_version",
		(struct gh_str[]){ name, version }, 2, &found);

	if (r == 0 && found->n > 0)
		return rest_fail(ctx, 409, "The API %s:%s exists already", name.p, version.p);
	if (r == 0)
		r = rest_find_equal(ctx, "api", "context_version", &context, 1, &found);
	for (size_t i = 0; r == 0 && i < found->n; i++)
		if (!gh_str_eq(doc_str(found->docs[i].body, "name"), name))
			r = rest_fail(ctx, 409, "The context %s belongs to the API %.*s", context.p,
				GH_STR_ARG(doc_str(found->docs[i].body, "name")));
	return r == 0 ? check_base(ctx, dto) : r;
}

/** What takes effect without a new revision: default version and, from a DTO, business plans. */
static int
change_deployed(struct rest_context *ctx,
	const struct gh_doc *api, bool is_default, const json_t *dto)
{
	struct doc_writer w;
	struct gh_str changes = GH_STR_NONE;

	doc_writer_init(&w);
	doc_put_bool(&w, "is_default", is_default);
	if (dto != NULL)
		doc_put_json(&w, "tiers", js_array(dto, "policies"));
	int r = doc_finish(&w, &changes);

	if (r == 0)
		r = publisher_deployments_change(ctx, api->id, changes);
	free((void *)changes.p);
	return r;
}

/** No other version of @p name remains the default one. */
static int
end_other_defaults(struct rest_context *ctx, struct gh_str name, struct gh_str id)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "api", "name_version", &name, 1, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct gh_doc *other = &found->docs[i];
		struct doc_writer w;

		if (gh_str_eq(other->id, id) || !doc_bool(other->body, "is_default", false))
			continue;
		doc_writer_init(&w);
		doc_put_bool(&w, "is_default", false);
		r = publisher_api_put(ctx, other, &w);
		if (r == 0)
			r = change_deployed(ctx, other, false, NULL);
	}
	return r;
}

/** What identifies an API stays as it is. */
static int
check_identity(struct rest_context *ctx, const struct gh_doc *api, const json_t *dto)
{
	static const char *const names[] = { "name", "version", "context" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct gh_str now = doc_str(api->body, names[i]);

		if (!gh_str_eq(js_str(dto, names[i]), now))
			return rest_fail(ctx, 400, "'%s' cannot be changed: it is %.*s", names[i],
				GH_STR_ARG(now));
	}
	return 0;
}

/* ---- Create ---------------------------------------------------------------------------------- */

/** Who an API belongs to: an administrator may name a user of the tenant, otherwise it is the caller. */
static struct gh_str
provider_of(struct rest_context *ctx, const json_t *dto)
{
	struct gh_str provider = js_str(dto, "provider"), name, tenant;

	tenant_split_user(provider, ctx->tenant, &name, &tenant);
	if (name.n > 0 && gh_str_eq(tenant, ctx->tenant) && rest_has_scope(ctx, "apim:admin"))
		return provider;
	return ctx->user;
}

/** @param definition  made to agree with @p dto, and put as text. */
static int
put_definition(struct doc_writer *w, json_t *definition, const json_t *dto)
{
	struct gh_str text = GH_STR_NONE;
	int r = openapi_sync(definition, dto);

	if (r == 0)
		r = js_dump(definition, &text);
	if (r == 0)
		doc_put_str(w, "definition", text);
	free((void *)text.p);
	return r;
}

/** What a new API begins with. */
static int
put_new(struct rest_context *ctx, struct doc_writer *w, struct gh_str provider, const json_t *dto)
{
	struct gh_str base = base_of(ctx, dto);

	if (base.p == NULL)
		return GH_ENOMEM;
	doc_put_str(w, "name", js_str(dto, "name"));
	doc_put_str(w, "version", js_str(dto, "version"));
	doc_put_str(w, "context", js_str(dto, "context"));
	doc_put_str(w, "base", base);
	doc_put_str(w, "provider", provider);
	doc_put_str(w, "state", GH_STR("CREATED"));
	doc_put_str(w, "type", js_str(dto, "type"));
	doc_put_int(w, "created_at_s", publisher_now_s());
	doc_put_int(w, "next_revision", 1);
	return 0;
}

static int
make_body(struct rest_context *ctx, const struct gh_doc *stored, struct gh_str provider, json_t *dto,
	json_t *definition, struct gh_str *ret_body)
{
	struct doc_writer w;
	struct gh_str patch;

	doc_writer_init(&w);
	int r = stored == NULL ? put_new(ctx, &w, provider, dto) : 0;

	doc_put_bool(&w, "is_default", js_bool(dto, "isDefaultVersion", false));
	doc_put_int(&w, "updated_at_s", publisher_now_s());
	if (r == 0)
		r = put_definition(&w, definition, dto);
	publisher_dto_strip(dto);
	doc_put_json(&w, "dto", dto);
	if (r < 0) {
		doc_writer_done(&w);
		return r;
	}
	if (stored == NULL)
		return doc_finish(&w, ret_body);
	r = doc_finish(&w, &patch);
	if (r < 0)
		return r;
	r = doc_merge(stored->body, patch, ret_body);
	free((void *)patch.p);
	return r;
}

int
publisher_api_draft(struct rest_context *ctx, const struct gh_doc *stored, struct gh_str provider,
	json_t *dto, json_t *definition, struct gh_str *ret_body)
{
	int r = publisher_api_check(ctx, dto);

	if (r == 0)
		r = stored == NULL ? check_unique(ctx, dto) : check_identity(ctx, stored, dto);
	if (r == 0 && js_bool(dto, "isDefaultVersion", false))
		r = end_other_defaults(ctx, js_str(dto, "name"),
			stored != NULL ? stored->id : GH_STR_NONE);
	if (r == 0 && definition == NULL) {
		definition = json_object();
		r = rest_own_json(ctx, definition);
	}
	return r == 0 ? make_body(ctx, stored, provider, dto, definition, ret_body) : r;
}

int
publisher_api_add(struct rest_context *ctx, json_t *dto, json_t *definition)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	struct gh_str body;
	uint64_t rev = 0;
	int r = crypto_uuid(uuid);

	if (r == 0)
		r = publisher_api_draft(ctx, NULL, provider_of(ctx, dto), dto, definition, &body);
	if (r == 0)
		r = rest_put(ctx, "api", gh_str_of(uuid), body, GH_REV_NONE);
	if (r == 0)
		r = rest_commit(ctx, &rev);
	return r == 0 ? reply_api(ctx, 201, gh_str_of(uuid), rev) : r;
}

int
publisher_api_create(struct rest_context *ctx)
{
	json_t *dto;
	int r = rest_body(ctx, publisher_api_schema, &dto);

	return r == 0 ? publisher_api_add(ctx, dto, NULL) : r;
}

/* ---- Replace --------------------------------------------------------------------------------- */

int
publisher_api_replace(struct rest_context *ctx, const struct gh_doc *api, json_t *dto,
	json_t *definition)
{
	bool is_default = js_bool(dto, "isDefaultVersion", false); /* draft takes it out */
	struct gh_str body;
	int r = publisher_api_draft(ctx, api, GH_STR_NONE, dto, definition, &body);

	if (r == 0)
		r = rest_put(ctx, "api", api->id, body, api->rev);
	return r == 0 ? change_deployed(ctx, api, is_default, dto) : r;
}

/** The stored definition as JSON, the context's. */
static int
stored_definition(struct rest_context *ctx, const struct gh_doc *api, json_t **ret_definition)
{
	char why[160];
	int r = js_parse(doc_str(api->body, "definition"), NULL, ret_definition, why, sizeof(why));

	if (r < 0 && r != GH_ENOMEM)
		*ret_definition = json_object(); /* lost: it is made anew from the operations */
	return rest_own_json(ctx, *ret_definition);
}

int
publisher_api_update(struct rest_context *ctx)
{
	const struct gh_doc *api;
	json_t *dto, *definition = NULL;
	uint64_t rev = 0;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_if_match(ctx, api->rev);
	if (r == 0)
		r = rest_body(ctx, publisher_api_schema, &dto);
	if (r == 0)
		r = stored_definition(ctx, api, &definition);
	if (r == 0)
		r = publisher_api_replace(ctx, api, dto, definition);
	if (r == 0)
		r = rest_commit(ctx, &rev);
	return r == 0 ? reply_api(ctx, 200, api->id, rev) : r;
}

/* ---- Delete ---------------------------------------------------------------------------------- */

int
publisher_api_delete(struct rest_context *ctx)
{
	const struct gh_doc *api;
	const struct gh_docs_found *found;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_if_match(ctx, api->rev);
	if (r == 0)
		r = rest_find_equal(ctx, "subscription", "api", &api->id, 1, &found);
	if (r == 0 && found->n > 0)
		return rest_fail(ctx, 409, "The API has %zu subscriptions; it cannot be deleted",
			(size_t)found->total);
	if (r == 0)
		r = publisher_deployments_remove(ctx, api->id);
	if (r == 0)
		r = rest_find_equal(ctx, "revision", "api", &api->id, 1, &found);
	for (size_t i = 0; r == 0 && i < found->n; i++)
		r = rest_delete(ctx, "revision", found->docs[i].id, GH_REV_ANY);
	if (r == 0)
		r = publisher_documents_remove(ctx, api->id, NULL);
	if (r == 0)
		r = rest_delete(ctx, "api", api->id, api->rev);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? rest_reply_empty(ctx, 200) : r;
}
