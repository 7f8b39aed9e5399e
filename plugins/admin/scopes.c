/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scopes.c
 * @brief Which role has which scope, and which roles count as others.
 *
 * Both are one document per tenant, which the key manager reads for each grant; it holds only what
 * was changed.  The administrator's role has every scope (lib/scopes) and needs no row.
 */
#include "lib/scopes/scopes.h"

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "plugins/admin/admin.h"

#define ROLES_MAX 64
#define SCOPE_NAME_MAX 190 /* bytes whose base64 is a path parameter */

static const struct rest_field scope_fields[] = {
	{ "name", REST_STRING, .is_required = true, .min = 1, .max = SCOPE_NAME_MAX },
	{ "roles", REST_ARRAY, .is_required = true, .max = ROLES_MAX, .item = REST_STRING },
	{ .type = REST_END },
};
static const struct rest_field scope_list[] = {
	{ "list", REST_ARRAY, .is_required = true, .max = 500, .item = REST_OBJECT,
		.fields = scope_fields },
	{ .type = REST_END },
};
static const struct rest_field alias_fields[] = {
	{ "role", REST_STRING, .is_required = true, .min = 1, .max = 255 },
	{ "aliases", REST_ARRAY, .is_required = true, .max = ROLES_MAX, .item = REST_STRING },
	{ .type = REST_END },
};
static const struct rest_field alias_list[] = {
	{ "list", REST_ARRAY, .is_required = true, .max = 500, .item = REST_OBJECT,
		.fields = alias_fields },
	{ .type = REST_END },
};

/* ---- The document ---------------------------------------------------------------------------- */

/** The tenant's changes.  @param[out] ret_body  n = 0: there are none.
 *  @param[out] ret_rev  for the next write. */
static int
read_map(struct rest_context *ctx, struct gh_str *ret_body, uint64_t *ret_rev)
{
	const struct gh_doc *doc;
	int r = rest_lookup(ctx, "scope_map", GH_STR(SCOPES_MAP_ID), &doc);

	*ret_body = r == 0 ? doc->body : GH_STR_NONE;
	*ret_rev = r == 0 ? doc->rev : GH_REV_NONE;
	return r == GH_ENOENT ? GH_OK : r;
}

/** A part of the document as JSON, "scopes" or "aliases".  @param[out] ret_json  the context's. */
static int
read_part(struct rest_context *ctx, struct gh_str body, const char *part, json_t **ret_json)
{
	struct gh_str map = doc_map(body, part);
	json_t *json = NULL;
	int r = GH_OK;

	if (map.n > 0)
		r = doc_map_to_json(map, &json);
	else
		json = json_object();
	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r == 0)
		*ret_json = json;
	return r;
}

/** Write one part and keep the other. */
static int
write_part(struct rest_context *ctx, struct gh_str body, uint64_t rev, const char *part,
	const json_t *json)
{
	json_t *whole = NULL;
	struct gh_str changed = GH_STR_NONE;
	int r = body.n > 0 ? doc_map_to_json(body, &whole) : GH_OK;

	if (r == 0 && whole == NULL)
		whole = json_object();
	if (r == 0)
		r = js_set(whole, part, json_incref((json_t *)json));
	if (r == 0)
		r = doc_from_json(whole, &changed);
	json_decref(whole);
	if (r == 0)
		r = rest_put(ctx, "scope_map", GH_STR(SCOPES_MAP_ID), changed, rev);
	return r < 0 ? r : rest_commit(ctx, NULL);
}

/** Names of roles: not empty, not longer than the names of documents. */
static int
check_roles(struct rest_context *ctx, const char *field, const json_t *roles)
{
	json_t *role;
	size_t i;

	json_array_foreach((json_t *)roles, i, role)
		if (json_string_length(role) == 0 || json_string_length(role) > GH_DOC_ID_MAX)
			return rest_fail(ctx, 400, "'%s' must be names of 1 to %d bytes", field,
				GH_DOC_ID_MAX);
	return GH_OK;
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

/** Roles of a scope, the administrator's first.  @return a new reference. */
static json_t *
roles_of(size_t i, const json_t *changed)
{
	json_t *roles = json_array(), *role;
	const char *name;
	size_t n;

	if (!json_is_array(changed)) {
		for (n = 0; (name = scopes_default_role(i, n)) != NULL; n++)
			json_array_append_new(roles, json_string(name));
		return roles;
	}
	json_array_append_new(roles, json_string(SCOPES_ADMIN_ROLE));
	json_array_foreach((json_t *)changed, n, role)
		json_array_append(roles, role);
	return roles;
}

int
system_scopes_list(struct rest_context *ctx)
{
	json_t *changed, *list = json_array();
	struct scopes_row row;
	struct gh_str body;
	uint64_t rev;
	int r = rest_own_json(ctx, list);

	if (r == 0)
		r = read_map(ctx, &body, &rev);
	if (r == 0)
		r = read_part(ctx, body, "scopes", &changed);
	for (size_t i = 0; r == 0 && scopes_at(i, &row); i++)
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "tag", row.tag,
				"name", row.name, "description", row.description, "roles",
				roles_of(i, json_object_get(changed, row.name)))) < 0)
			r = GH_ENOMEM;
	return r < 0 ? r : rest_reply(ctx, 200, json_pack("{s:i, s:O}", "count",
		(int)json_array_size(list), "list", list));
}

/** Keep what the table does not say by itself.  @param changed  scope to roles, is changed. */
static int
take_scope(struct rest_context *ctx, const json_t *scope, json_t *changed)
{
	struct gh_str name = js_str(scope, "name");
	json_t *roles = json_array(), *defaults, *role;
	struct scopes_row row;
	size_t i, at;
	int r = rest_own_json(ctx, roles);

	if (r < 0)
		return r;
	if (!scopes_find(name, &at) || !scopes_at(at, &row))
		return rest_fail(ctx, 400, "there is no scope named %.*s", GH_STR_ARG(name));
	r = check_roles(ctx, "roles", js_array(scope, "roles"));
	json_array_foreach(js_array(scope, "roles"), i, role)
		if (r == 0 && !gh_str_eq(js_text(role), GH_STR(SCOPES_ADMIN_ROLE)) &&
				json_array_append(roles, role) < 0)
			r = GH_ENOMEM;
	if (r < 0)
		return r;
	defaults = roles_of(at, NULL);
	json_array_remove(defaults, 0);
	if (json_equal(defaults, roles))
		json_object_del(changed, row.name);
	else
		r = js_set(changed, row.name, json_incref(roles));
	json_decref(defaults);
	return r;
}

int
system_scopes_update(struct rest_context *ctx)
{
	json_t *given, *changed, *scope;
	struct gh_str body;
	uint64_t rev;
	size_t i;
	int r = rest_body(ctx, scope_list, &given);

	if (r == 0)
		r = read_map(ctx, &body, &rev);
	if (r == 0)
		r = read_part(ctx, body, "scopes", &changed);
	if (r < 0)
		return r;
	json_array_foreach(js_array(given, "list"), i, scope)
		if (r == 0)
			r = take_scope(ctx, scope, changed);
	if (r == 0)
		r = write_part(ctx, body, rev, "scopes", changed);
	return r < 0 ? r : system_scopes_list(ctx);
}

/** The name in the path is base64, with or without its padding.  @param[out] ret_name
 *  ARENA(call). */
static int
scope_name(struct rest_context *ctx, struct gh_str *ret_name)
{
	struct gh_str text = rest_param(ctx, "scopeName");
	char *padded = gh_call_alloc(ctx->call, text.n + 4);
	char *name = gh_call_alloc(ctx->call, CRYPTO_UNBASE64_MAX(text.n + 4));
	size_t n = text.n;

	if (padded == NULL || name == NULL)
		return GH_ENOMEM;
	memcpy(padded, text.p, n);
	while (n % 4 != 0)
		padded[n++] = '=';
	if (crypto_unbase64((struct gh_str){ padded, n }, name,
			CRYPTO_UNBASE64_MAX(text.n + 4), &n) < 0)
		return rest_fail(ctx, 404, "the name of a scope must be in base64");
	*ret_name = (struct gh_str){ name, n };
	return GH_OK;
}

/** Has a user of this tenant the scope?  @param name  "ann" or "ann@tenant". */
static int
user_has_scope(struct rest_context *ctx, struct gh_str name, struct gh_str scope, bool *ret_has)
{
	struct gh_str body, tenant;
	struct gh_str roles[ROLES_MAX];
	struct scopes_owner owner = { roles, 0 };
	const struct gh_doc *user;
	struct doc_value v;
	uint64_t rev;
	int r;

	*ret_has = false;
	tenant_split_user(name, ctx->tenant, &name, &tenant);
	if (!gh_str_eq(tenant, ctx->tenant))
		return GH_OK;
	r = rest_lookup(ctx, "user", name, &user);
	if (r < 0)
		return r == GH_ENOENT || r == GH_EINVAL ? GH_OK : r;
	struct doc_iter it = doc_iter(doc_array(user->body, "roles"));

	while (owner.role_count < ROLES_MAX && doc_next(&it, NULL, &v))
		if (v.type == DOC_STR)
			roles[owner.role_count++] = v.s;
	r = read_map(ctx, &body, &rev);
	if (r == 0) {
		struct scopes_map map = scopes_map_of(body);

		*ret_has = scopes_allow(scope, &owner, &map);
	}
	return r;
}

int
system_scopes_get(struct rest_context *ctx)
{
	struct gh_str user = rest_query(ctx, "username"), scope = GH_STR_NONE;
	bool is_known;
	size_t i;
	int r = scope_name(ctx, &scope);

	if (r < 0)
		return r;
	is_known = scopes_find(scope, &i);
	if (is_known && user.n > 0)
		r = user_has_scope(ctx, user, scope, &is_known);
	if (r < 0)
		return r;
	if (!is_known)
		return rest_fail(ctx, 404, user.n > 0 ? "the user has no such scope"
			: "there is no such scope");
	return rest_reply(ctx, 200, json_pack("{s:s%}", "name", scope.p, scope.n));
}

/* ---- Aliases --------------------------------------------------------------------------------- */

int
system_scopes_list_aliases(struct rest_context *ctx)
{
	json_t *aliases, *names, *list = json_array();
	struct gh_str body;
	const char *role;
	uint64_t rev;
	int r = rest_own_json(ctx, list);

	if (r == 0)
		r = read_map(ctx, &body, &rev);
	if (r == 0)
		r = read_part(ctx, body, "aliases", &aliases);
	if (r < 0)
		return r;
	json_object_foreach(aliases, role, names)
		if (json_array_append_new(list, json_pack("{s:s, s:O}", "role", role, "aliases",
				names)) < 0)
			return GH_ENOMEM;
	return rest_reply(ctx, 200, json_pack("{s:i, s:O}", "count",
		(int)json_array_size(list), "list", list));
}

int
system_scopes_update_aliases(struct rest_context *ctx)
{
	json_t *given, *aliases = json_object(), *item;
	struct gh_str body;
	uint64_t rev;
	size_t i;
	int r = rest_own_json(ctx, aliases);

	if (r == 0)
		r = rest_body(ctx, alias_list, &given);
	if (r == 0)
		r = read_map(ctx, &body, &rev);
	if (r < 0)
		return r;
	json_array_foreach(js_array(given, "list"), i, item) {
		/* Who counts as an administrator could do more than the last-administrator
		 * protection of /scim2 and the other users of that role know of. */
		if (r == 0 && gh_str_eq(js_str(item, "role"), GH_STR(SCOPES_ADMIN_ROLE)))
			r = rest_fail(ctx, 400, "no role counts as %s: give that role itself",
				SCOPES_ADMIN_ROLE);
		if (r == 0)
			r = check_roles(ctx, "aliases", js_array(item, "aliases"));
		if (r == 0)
			r = js_set(aliases, js_str(item, "role").p,
				json_incref(js_array(item, "aliases")));
	}
	if (r == 0)
		r = write_part(ctx, body, rev, "aliases", aliases);
	return r < 0 ? r : system_scopes_list_aliases(ctx);
}
