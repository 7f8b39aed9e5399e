/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file applications.c
 * @brief Applications of everybody in the tenant: list them, delete them, give them to others.
 */
#include "lib/application/application.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/admin/admin.h"

/* A rest_row_fn. */
static json_t *
application_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	json_t *row = json_object();

	(void)ctx;
	if (js_set_str(row, "applicationId", doc->id) < 0 ||
		js_set_str(row, "name", doc_str(doc->body, "name")) < 0 ||
		js_set_str(row, "owner", doc_str(doc->body, "owner")) < 0 ||
		js_set_str(row, "status", doc_str(doc->body, "status")) < 0 ||
		js_set_str(row, "groupId", GH_STR("")) < 0) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* What a search by name alone collects: no index leads to a name without its owner. */
struct search {
	struct gh_str name;
	struct rest_page page;
	json_t *list;
	uint64_t total;
};

/* A rest_each_fn. */
static int
collect(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	struct search *s = arg;

	if (!gh_str_eq(doc_str(doc->body, "name"), s->name) || s->total++ < s->page.offset ||
		json_array_size(s->list) >= s->page.limit)
		return GH_OK;
	return json_array_append_new(s->list, application_row(ctx, doc)) < 0 ? GH_ENOMEM : GH_OK;
}

static int
list_by_name(struct rest_context *ctx, const struct rest_page *page, struct gh_str name)
{
	struct gh_find find = { .kind = GH_STR("application"), .index = "owner_name" };
	struct search search = { .name = name, .page = *page, .list = json_array() };
	int r = rest_find_each(ctx, &find, collect, &search);

	if (r == GH_OK)
		return rest_reply_list(ctx, page, search.list, search.total);
	json_decref(search.list);
	return r;
}

/* The tenant that the query names: only the default one looks into others. */
static int
choose_tenant(struct rest_context *ctx)
{
	struct gh_str tenant = rest_query(ctx, "tenantDomain");

	if (tenant.n == 0 || gh_str_eq(tenant, ctx->tenant))
		return GH_OK;
	if (!tenant_is_default(ctx->tenant))
		return rest_fail(ctx, 400, "tenantDomain: is not the caller's tenant");
	if (!rest_has_scope(ctx, "apim:admin"))
		return rest_fail(ctx, 403, "tenantDomain: another tenant needs the scope apim:admin");
	rest_use_tenant(ctx, tenant);
	return GH_OK;
}

int
applications_list(struct rest_context *ctx)
{
	struct gh_str equal[] = { rest_query(ctx, "user"), rest_query(ctx, "name") };
	const struct gh_docs_found *found;
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r == GH_OK)
		r = choose_tenant(ctx);
	if (r == GH_OK && equal[0].n > 0 && rest_user_name(ctx, equal[0], &equal[0]) == GH_ENOMEM)
		r = GH_ENOMEM;
	if (r < 0)
		return r;
	if (equal[0].n == 0 && equal[1].n > 0)
		return list_by_name(ctx, &page, equal[1]);
	struct gh_find find = { .kind = GH_STR("application"), .index = "owner_name", .equal = equal,
		.equal_count = (equal[0].n > 0) + (equal[1].n > 0), .limit = page.limit,
		.offset = page.offset };

	r = rest_find(ctx, &find, &found);
	return r < 0 ? r : rest_reply_docs(ctx, &page, found, application_row);
}

static int
find_application(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	int r = rest_get(ctx, "application", rest_param(ctx, "applicationId"), ret_doc);

	return r < 0 ? r : rest_if_match(ctx, (*ret_doc)->rev);
}

int
applications_delete(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_application(ctx, &doc);

	if (r == GH_OK)
		r = application_delete(ctx, doc);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}

int
applications_change_owner(struct rest_context *ctx)
{
	const struct admin *admin = ctx->process;
	const struct gh_user *user;
	const struct gh_doc *doc;
	struct gh_str owner;
	int r = find_application(ctx, &doc);

	if (r == GH_OK)
		r = rest_query_need(ctx, "owner", &owner);
	if (r < 0)
		return r;
	struct gh_str given = owner;

	r = rest_user_name(ctx, given, &owner);
	if (r == GH_OK)
		r = identity_find(ctx, &admin->identities, owner, &user);
	if (r == GH_ENOENT)
		return rest_fail(ctx, 400, "owner: there is no user named %.*s", GH_STR_ARG(owner));
	if (r == GH_OK)
		r = application_check_name(ctx, owner, doc_str(doc->body, "name"), doc->id);
	if (r == GH_OK)
		r = application_put_owner(ctx, doc, owner);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}
