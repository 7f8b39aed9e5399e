/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file roles.c
 * @brief Roles: those that every tenant has, who has which, and the administrator who must stay.
 *
 * Who has a role stands in the users' documents only.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "plugins/scim/scim.h"

static const struct { const char *name, *description; } defaults[] = {
	{ SCIM_ADMIN, "May do everything." },
	{ SCIM_EVERYONE, "Every user has it." },
	{ "Internal/publisher", "Publishes APIs." },
	{ "Internal/creator", "Makes APIs." },
	{ SCIM_SUBSCRIBER, "Subscribes to APIs." },
	{ "Internal/devops", "Imports and exports." },
	{ "Internal/observer", "Sees APIs and changes nothing." },
	{ "Internal/analytics", "Sees how APIs are used." },
	{ "Internal/integration_dev", "Finds APIs and services for integrations." },
};
#define DEFAULT_COUNT (sizeof(defaults) / sizeof(defaults[0]))

/* ---- Documents of roles ---------------------------------------------------------------------- */

static int
default_op(size_t i, struct gh_str tenant, struct gh_doc_op *op)
{
	int64_t now_s = (int64_t)(gh_now_us() / 1000000);
	char uuid[CRYPTO_UUID_LEN + 1], folded[SCIM_NAME_MAX + 1] = "";
	struct doc_writer w;
	int r = crypto_uuid(uuid);

	if (r < 0)
		return r;
	for (size_t j = 0; defaults[i].name[j] != '\0'; j++)
		folded[j] = (char)(defaults[i].name[j] == 'I' ? 'i' : defaults[i].name[j]);
	*op = (struct gh_doc_op){ .verb = GH_DOC_PUT, .tenant = tenant, .kind = GH_STR("role"),
		.id = gh_str_of(defaults[i].name), .expect_rev = GH_REV_NONE };
	doc_writer_init(&w);
	doc_put_str(&w, "uuid", gh_str_of(uuid));
	doc_put_str(&w, "name_folded", gh_str_of(folded));
	doc_put_str(&w, "description", gh_str_of(defaults[i].description));
	doc_put_int(&w, "created_at_s", now_s);
	return doc_finish(&w, &op->body);
}

int
roles_seed(const struct gh_docs *docs, struct gh_str tenant)
{
	struct gh_doc_op ops[DEFAULT_COUNT] = { { .verb = GH_DOC_PUT } };
	struct gh_docs_found *found;
	int r = docs->vt->get(docs->self, tenant, GH_STR("role"), GH_STR(SCIM_ADMIN), &found);

	if (r == 0)
		docs->vt->found_free(found);
	if (r != GH_ENOENT)
		return r;
	r = GH_OK;
	for (size_t i = 0; i < DEFAULT_COUNT && r == 0; i++)
		r = default_op(i, tenant, &ops[i]);
	if (r == 0)
		r = docs->vt->commit(docs->self, ops, DEFAULT_COUNT, NULL, NULL);
	for (size_t i = 0; i < DEFAULT_COUNT; i++)
		free((void *)ops[i].body.p);
	return r == GH_ECONFLICT ? GH_OK : r; /* another node was faster */
}

static int
add_to_map(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	struct gh_str name = gh_call_printf(ctx->call, "%.*s", GH_STR_ARG(doc->id));

	return name.p == NULL ? GH_ENOMEM : js_set_str(arg, name.p, doc_str(doc->body, "uuid"));
}

int
roles_map(struct rest_context *ctx, json_t **ret_map)
{
	struct gh_find find = { .kind = GH_STR("role") };
	json_t *map = json_object();
	int r = rest_own_json(ctx, map);

	if (r == 0)
		r = roles_seed(&ctx->services->docs, ctx->tenant);
	if (r == 0)
		r = rest_find_each(ctx, &find, add_to_map, map);
	if (r == 0)
		*ret_map = map;
	return r;
}

bool
roles_is_reserved(struct gh_str name)
{
	struct gh_str prefix = GH_STR("Internal/");

	return gh_str_eq_nocase(name, GH_STR(SCIM_ADMIN)) || (name.n >= prefix.n &&
		gh_str_eq_nocase((struct gh_str){ name.p, prefix.n }, prefix));
}

bool
roles_has(struct gh_str user_body, struct gh_str role)
{
	struct doc_iter it = doc_iter(doc_array(user_body, "roles"));
	struct doc_value v;

	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && gh_str_eq(v.s, role))
			return true;
	return false;
}

int
roles_touch(struct rest_context *ctx, struct gh_str name)
{
	const struct gh_doc *doc;
	struct gh_str body;
	int r = rest_lookup(ctx, "role", name, &doc);

	if (r < 0)
		return r == GH_ENOENT ? GH_OK : r;
	r = doc_set(doc->body, "updated_at_s", DOC_OF_INT((int64_t)(gh_now_us() / 1000000)),
		&body);
	return r < 0 ? r : rest_put(ctx, "role", doc->id, body, doc->rev);
}

int
roles_change(struct gh_str user_body, struct gh_str role, bool has_it, struct gh_str *ret_body)
{
	struct doc_iter it = doc_iter(doc_array(user_body, "roles"));
	struct gh_str changes = GH_STR_NONE;
	struct doc_writer w;
	struct doc_value v;
	int r;

	doc_writer_init(&w);
	doc_begin_array(&w, "roles");
	while (doc_next(&it, NULL, &v))
		if (v.type != DOC_STR || !gh_str_eq(v.s, role))
			doc_put_value(&w, NULL, &v);
	if (has_it)
		doc_put_str(&w, NULL, role);
	doc_end(&w);
	doc_put_int(&w, "updated_at_s", (int64_t)(gh_now_us() / 1000000));
	r = doc_finish(&w, &changes);
	if (r == 0)
		r = doc_merge(user_body, changes, ret_body);
	free((void *)changes.p);
	return r;
}

/* ---- Administrators -------------------------------------------------------------------------- */

/** Stop at an enabled administrator other than @p arg. */
static int
find_other(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	const struct gh_doc *user = arg;

	(void)ctx;
	return !gh_str_eq(doc->id, user->id) && doc_bool(doc->body, "enabled", true) &&
		roles_has(doc->body, GH_STR(SCIM_ADMIN)) ? 1 : 0;
}

int
roles_leave_admin(struct rest_context *ctx, const struct gh_doc *user)
{
	struct gh_find find = { .kind = GH_STR("user") };
	int r;

	if (!roles_has(user->body, GH_STR(SCIM_ADMIN)))
		return GH_OK;
	r = roles_seed(&ctx->services->docs, ctx->tenant);
	if (r == 0) /* before the users are read: what changes meanwhile is a conflict */
		r = roles_touch(ctx, GH_STR(SCIM_ADMIN));
	if (r < 0 || !doc_bool(user->body, "enabled", true))
		return r;
	r = rest_find_each(ctx, &find, find_other, (void *)user);
	if (r == 0)
		return scim_fail(ctx, 409, NULL, "%.*s is the last administrator",
			GH_STR_ARG(user->id));
	return r > 0 ? GH_OK : r;
}

int
roles_check_admin(struct rest_context *ctx, bool concerns_admin)
{
	if (!concerns_admin || rest_has_scope(ctx, "apim:admin"))
		return GH_OK;
	return scim_fail(ctx, 403, NULL, "Only administrators change administrators");
}
