/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tenants.c
 * @brief Tenants: make them, disable and enable them, tell who belongs where.
 *
 * A new tenant gets its document, its default policies and its first administrator in one batch.
 * Tenants are not deleted: what they own would be left behind, and the name given to somebody else.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/admin/admin.h"

#define DEFAULT_NUMBER (-1234) /* tenantId of the default tenant, as the reference has it */

static bool
is_user_name(struct gh_str s)
{
	if (s.n > 0 && strchr("._-", s.p[0]) != NULL)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
			(c == '\0' || strchr("._-", c) == NULL))
			return false;
	}
	return true;
}

static const struct rest_field create_fields[] = {
	{ "domain", REST_STRING, .is_required = true, .max = TENANT_DOMAIN_MAX,
		.is_valid = tenant_is_domain, .rule = "must be a domain name in lower case with at "
			"least one dot, and not " MODEL_TENANT_DEFAULT },
	{ "adminUser", REST_STRING, .is_required = true, .min = 1, .max = 64,
		.is_valid = is_user_name, .rule = "must be lower-case letters, digits and ._- only, begin "
			"with a letter or digit, and not have the domain" },
	{ "adminPassword", REST_STRING, .is_required = true, .min = 8, .max = 512 },
	{ "active", REST_BOOLEAN, .dflt = "true" },
	{ .type = REST_END },
};
static const struct rest_field update_fields[] = {
	{ "active", REST_BOOLEAN, .is_required = true },
	{ .type = REST_END },
};

/* ---- Shared -------------------------------------------------------------------------------------- */

/* Who a tenant's administrator is: the default tenant's can be anybody with the role. */
static json_t *
tenant_json(struct gh_str domain, int64_t number, bool is_active, struct gh_str admin,
	int64_t created_at_s)
{
	return json_pack("{s:s%, s:I, s:b, s:s%, s:o}", "domain", domain.p, domain.n, "tenantId",
		(json_int_t)number, "active", is_active, "admin", admin.p, admin.n, "createdTime",
		json_sprintf("%lld", (long long)created_at_s * 1000));
}

static json_t *
tenant_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	struct gh_str b = doc->body, admin = gh_call_printf(ctx->call, "%.*s@%.*s",
		GH_STR_ARG(doc_str(b, "admin")), GH_STR_ARG(doc->id));

	if (admin.p == NULL)
		return NULL;
	return tenant_json(doc->id, doc_int(b, "number", 0), doc_bool(b, "is_active", false), admin,
		doc_int(b, "created_at_s", 0));
}

/* What concerns all tenants is for administrators of the default one. */
static int
need_default_tenant(struct rest_context *ctx)
{
	if (tenant_is_default(ctx->tenant))
		return GH_OK;
	return rest_fail_code(ctx, 403, 900910,
		"The access token does not allow you to access the requested resource",
		"Tenants are managed by administrators of " MODEL_TENANT_DEFAULT);
}

static int
unknown_tenant(struct rest_context *ctx, struct gh_str domain)
{
	return rest_fail(ctx, 404, "There is no tenant '%.*s'", GH_STR_ARG(domain));
}

/* The document of a tenant; 404 otherwise. */
static int
find_tenant(struct rest_context *ctx, struct gh_str domain, const struct gh_doc **ret_doc)
{
	struct gh_str before = rest_use_tenant(ctx, TENANT_DEFAULT);
	int r = tenant_is_domain(domain) ? rest_lookup(ctx, "tenant", domain, ret_doc) : GH_ENOENT;

	rest_use_tenant(ctx, before);
	return r == GH_ENOENT ? unknown_tenant(ctx, domain) : r;
}

/* ---- Operations ---------------------------------------------------------------------------------- */

int
tenants_list(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("tenant") };
	int r = need_default_tenant(ctx);

	return r < 0 ? r : rest_reply_find(ctx, &find, tenant_row);
}

/* The number behind the largest one; two tenants made at once meet at the index, and one tries
 * again. */
static int
next_number(struct rest_context *ctx, int64_t *ret_number)
{
	struct gh_find find = { .kind = GH_STR("tenant"), .index = "number", .descending = true,
		.limit = 1 };
	const struct gh_docs_found *found;
	int r = rest_find(ctx, &find, &found);

	if (r == GH_OK)
		*ret_number = found->n > 0 ? doc_int(found->docs[0].body, "number", 0) + 1 : 1;
	return r;
}

/* The first administrator of the tenant that the context works in. */
static int
put_admin(struct rest_context *ctx, const json_t *dto)
{
	const struct admin *p = ctx->process;
	struct gh_str fresh = GH_STR_NONE, body;
	char uuid[CRYPTO_UUID_LEN + 1];
	struct doc_writer w;

	if (p->users.vt == NULL)
		return rest_fail(ctx, 501, "This node has no users of its own, so it cannot make a "
			"tenant's administrator");
	int r = crypto_uuid(uuid);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "uuid", gh_str_of(uuid));
	doc_begin_array(&w, "roles");
	doc_put_str(&w, NULL, GH_STR("admin"));
	doc_put_str(&w, NULL, GH_STR("Internal/everyone"));
	doc_end(&w);
	doc_put_bool(&w, "enabled", true);
	doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
	r = doc_finish(&w, &fresh);
	if (r == 0)
		r = p->users.vt->set_password(p->users.self, fresh, js_str(dto, "adminPassword"),
			&body);
	free((void *)fresh.p);
	if (r == GH_EINVAL)
		return rest_fail(ctx, 400, "'adminPassword' must have %zu to %d bytes",
			p->users.vt->password_min(p->users.self), GH_PASSWORD_MAX);
	return r < 0 ? r : rest_put(ctx, "user", js_str(dto, "adminUser"), body, GH_REV_NONE);
}

static int
put_tenant(struct rest_context *ctx, const json_t *dto, int64_t number)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_int(&w, "number", number);
	doc_put_bool(&w, "is_active", js_bool(dto, "active", true));
	doc_put_str(&w, "admin", js_str(dto, "adminUser"));
	doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
	return rest_put_written(ctx, "tenant", js_str(dto, "domain"), &w, GH_REV_NONE);
}

static int
reply_tenant(struct rest_context *ctx, struct gh_str domain, bool is_new)
{
	const struct gh_doc *doc;
	int r = find_tenant(ctx, domain, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	return is_new ? rest_reply_created(ctx, tenant_row(ctx, doc), "/tenants/%.*s",
		GH_STR_ARG(domain)) : rest_reply(ctx, 200, tenant_row(ctx, doc));
}

int
tenants_create(struct rest_context *ctx)
{
	const struct gh_doc *old;
	int64_t number = 0;
	json_t *dto;
	int r = need_default_tenant(ctx);

	if (r == GH_OK)
		r = rest_body(ctx, create_fields, &dto);
	if (r < 0)
		return r;
	struct gh_str domain = js_str(dto, "domain");

	r = rest_lookup(ctx, "tenant", domain, &old);
	if (r != GH_ENOENT)
		return r < 0 ? r : rest_fail(ctx, 409, "There is a tenant '%.*s' already",
			GH_STR_ARG(domain));
	r = next_number(ctx, &number);
	if (r == GH_OK)
		r = put_tenant(ctx, dto, number);
	if (r < 0)
		return r;
	struct gh_str before = rest_use_tenant(ctx, domain);

	r = put_admin(ctx, dto);
	if (r == GH_OK)
		r = admin_seed_tenant(ctx);
	rest_use_tenant(ctx, before);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_tenant(ctx, domain, true);
}

int
tenants_get(struct rest_context *ctx)
{
	struct gh_str domain = rest_param(ctx, "domain");
	int r = need_default_tenant(ctx);

	if (r < 0)
		return r;
	if (tenant_is_default(domain))
		return rest_reply(ctx, 200, tenant_json(domain, DEFAULT_NUMBER, true,
			GH_STR("admin"), 0));
	return reply_tenant(ctx, domain, false);
}

int
tenants_update(struct rest_context *ctx)
{
	struct gh_str domain = rest_param(ctx, "domain"), body;
	const struct gh_doc *doc;
	json_t *dto;
	int r = need_default_tenant(ctx);

	if (r == GH_OK)
		r = rest_body(ctx, update_fields, &dto);
	if (r < 0)
		return r;
	if (tenant_is_default(domain))
		return rest_fail(ctx, 400, "The tenant " MODEL_TENANT_DEFAULT
			" is always active and cannot be changed");
	r = find_tenant(ctx, domain, &doc);
	if (r == GH_OK)
		r = rest_if_match(ctx, doc->rev);
	if (r == GH_OK)
		r = doc_set(doc->body, "is_active", DOC_OF_BOOL(js_bool(dto, "active", false)),
			&body);
	if (r == GH_OK)
		r = rest_put(ctx, "tenant", doc->id, body, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_tenant(ctx, domain, false);
}

/* Number and administrator of a tenant that the caller may know of: his own, or any for those of the
 * default one. */
static int
look_up(struct rest_context *ctx, struct gh_str domain, int64_t *ret_number,
	struct gh_str *ret_admin)
{
	const struct gh_doc *doc;

	if (!tenant_is_default(ctx->tenant) && !gh_str_eq(domain, ctx->tenant))
		return unknown_tenant(ctx, domain);
	*ret_number = DEFAULT_NUMBER;
	*ret_admin = GH_STR("admin");
	if (tenant_is_default(domain))
		return GH_OK;
	int r = find_tenant(ctx, domain, &doc);

	if (r < 0)
		return r;
	*ret_number = doc_int(doc->body, "number", 0);
	*ret_admin = gh_call_printf(ctx->call, "%.*s@%.*s", GH_STR_ARG(doc_str(doc->body, "admin")),
		GH_STR_ARG(domain));
	return ret_admin->p != NULL ? GH_OK : GH_ENOMEM;
}

int
tenants_info_of_user(struct rest_context *ctx)
{
	struct gh_str user = rest_param(ctx, "username"), name, domain, admin;
	int64_t number;

	tenant_split_user(user, TENANT_DEFAULT, &name, &domain);
	int r = look_up(ctx, domain, &number, &admin);

	return r < 0 ? r : rest_reply(ctx, 200, json_pack("{s:s%, s:s%, s:I}", "username", user.p,
		user.n, "tenantDomain", domain.p, domain.n, "tenantId", (json_int_t)number));
}

/* Tenants have no addresses of their own here. */
int
tenants_custom_urls(struct rest_context *ctx)
{
	struct gh_str domain = rest_param(ctx, "tenantDomain"), admin;
	int64_t number;
	int r = look_up(ctx, domain, &number, &admin);

	return r < 0 ? r : rest_reply(ctx, 200, json_pack("{s:s%, s:s%, s:b, s:{s:s}}",
		"tenantDomain", domain.p, domain.n, "tenantAdminUsername", admin.p, admin.n,
		"enabled", 0, "devPortal", "url", ""));
}
