/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file groups.c
 * @brief /Groups: a group is a role, its members are the users who have it.
 *
 * Every change of members writes the role's document, too, with the revision that was read before
 * the members were: of two changes at once one runs again.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "plugins/scim/filter.h"
#include "plugins/scim/scim.h"

/* ---- Members --------------------------------------------------------------------------------- */

/** A search for members. */
struct search {
	struct gh_str role; /**< n = 0: of all roles. */
	json_t *found;      /**< {role: [members]} */
};

/** Put a user among the members of a role.  Everybody is in SCIM_EVERYONE, so that nobody is
 *  listed there. */
static int
add_member(struct rest_context *ctx, struct search *s, const struct gh_doc *doc, struct gh_str role)
{
	struct gh_str name = gh_call_printf(ctx->call, "%.*s", GH_STR_ARG(role)), uuid;
	json_t *list, *member;
	int r;

	if (gh_str_eq(role, GH_STR(SCIM_EVERYONE)))
		return GH_OK;
	r = name.p != NULL ? users_uuid(ctx, doc, &uuid) : GH_ENOMEM;
	if (r < 0)
		return r;
	list = json_object_get(s->found, name.p);
	if (list == NULL) {
		list = json_array();
		r = js_set(s->found, name.p, list);
	}
	if (r == 0 && json_array_size(list) >= ATTRIBUTES_MEMBERS_MAX)
		return GH_ETOOBIG;
	member = json_object();
	if (r == 0 && (js_set_str(member, "value", uuid) < 0 ||
			js_set_str(member, "display", doc->id) < 0 ||
			js_set_str(member, "$ref", scim_location(ctx, "User", uuid)) < 0 ||
			json_array_append(list, member) < 0))
		r = GH_ENOMEM;
	json_decref(member);
	return r;
}

static int
search_user(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	struct search *s = arg;
	struct doc_iter it = doc_iter(doc_array(doc->body, "roles"));
	struct doc_value v;
	int r = gh_call_is_over(ctx->call) ? GH_ETIMEDOUT : GH_OK;

	while (r == 0 && doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && (s->role.n == 0 || gh_str_eq(v.s, s->role)))
			r = add_member(ctx, s, doc, v.s);
	return r;
}

/** Members by role.  @param role  n = 0: of all roles.  @param[out] ret_found  the context's. */
static int
find_members(struct rest_context *ctx, struct gh_str role, json_t **ret_found)
{
	struct gh_find find = { .kind = GH_STR("user") };
	struct search s = { .role = role, .found = json_object() };
	int r = rest_own_json(ctx, s.found);

	if (r == 0)
		r = rest_find_each(ctx, &find, search_user, &s);
	if (r == 0)
		*ret_found = s.found;
	return r;
}

/** @param members  from find_members(); NULL: they are not wanted.  @return a new reference. */
static json_t *
to_json(struct rest_context *ctx, const struct gh_doc *doc, const json_t *members)
{
	struct gh_str name = gh_call_printf(ctx->call, "%.*s", GH_STR_ARG(doc->id));
	json_t *json = json_pack("{s:[s]}", "schemas", SCIM_URN_GROUP);
	json_t *list = members != NULL && name.p != NULL ? json_object_get(members, name.p) : NULL;

	if (name.p == NULL || scim_set_common(ctx, json, "Group", doc_str(doc->body, "uuid"),
			doc) < 0 || js_set_str(json, "displayName", doc->id) < 0 ||
			(members != NULL && js_set(json, "members",
				list != NULL ? json_incref(list) : json_array()) < 0)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static bool
wants_members(struct rest_context *ctx)
{
	return attributes_is_wanted("members", rest_query(ctx, "attributes"),
		rest_query(ctx, "excludedAttributes"));
}

static int
reply(struct rest_context *ctx, unsigned status, struct gh_str name)
{
	const struct gh_doc *doc;
	json_t *members = NULL;
	int r = rest_lookup(ctx, "role", name, &doc);

	if (r == 0 && wants_members(ctx))
		r = find_members(ctx, name, &members);
	return r < 0 ? r : scim_reply(ctx, status, doc->rev, to_json(ctx, doc, members));
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct listing {
	struct scim_list list;
	json_t *members;
};

static int
list_one(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	struct listing *l = arg;

	return scim_list_add(&l->list, to_json(ctx, doc, l->members));
}

int
groups_list(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("role") };
	struct listing l = { .members = NULL };
	const struct gh_doc *doc;
	struct gh_str name;
	int r = scim_list_init(ctx, &l.list);
	bool has_name = r == 0 && l.list.filter != NULL &&
		filter_is_equal(l.list.filter, "displayName", &name);

	if (r == 0)
		r = roles_seed(&ctx->services->docs, ctx->tenant);
	/* A filter may ask for members also where they are not shown. */
	if (r == 0 && (wants_members(ctx) || (l.list.filter != NULL && !has_name)))
		r = find_members(ctx, has_name ? name : GH_STR_NONE, &l.members);
	if (r < 0)
		return r;
	if (has_name) {
		r = rest_lookup(ctx, "role", name, &doc);
		if (r == 0)
			r = list_one(ctx, doc, &l);
		else if (r == GH_ENOENT || r == GH_EINVAL)
			r = GH_OK;
	} else {
		r = rest_find_each(ctx, &find, list_one, &l);
	}
	return r < 0 ? r : scim_list_reply(ctx, &l.list);
}

static int
find_role(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	int r = roles_seed(&ctx->services->docs, ctx->tenant);

	return r < 0 ? r : scim_get(ctx, "role", rest_param(ctx, "roleId"), ret_doc);
}

int
groups_get(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_role(ctx, &doc);

	return r < 0 ? r : reply(ctx, 200, doc->id);
}

/* ---- Changing members ------------------------------------------------------------------------ */

/** {uuid: name} of a list of members. */
static int
index_members(const json_t *list, json_t **ret_index)
{
	json_t *index = json_object(), *member;
	size_t i;
	int r = index != NULL ? GH_OK : GH_ENOMEM;

	json_array_foreach((json_t *)list, i, member)
		if (r == 0 && js_has(member, "value"))
			r = js_set_str(index, json_string_value(json_object_get(member, "value")),
				js_str(member, "display"));
	if (r < 0)
		json_decref(index);
	else
		*ret_index = index;
	return r;
}

/** Put a user with or without the role into the batch. */
static int
put_user(struct rest_context *ctx, const struct gh_doc *user, struct gh_str role, bool has_it)
{
	struct gh_str body;
	int r = roles_change(user->body, role, has_it, &body);

	return r < 0 ? r : rest_put(ctx, "user", user->id, body, user->rev);
}

static int
add_users(struct rest_context *ctx, struct gh_str role, const json_t *old, json_t *now)
{
	const struct gh_docs_found *found;
	const char *uuid;
	json_t *name;
	int r = GH_OK;

	json_object_foreach(now, uuid, name) {
		struct gh_str id = gh_str_of(uuid);

		if (r < 0 || json_object_get(old, uuid) != NULL)
			continue;
		r = rest_find_equal(ctx, "user", "uuid", &id, 1, &found);
		if (r == 0 && found->n == 0)
			return scim_fail(ctx, 400, "invalidValue", "There is no user with the id "
				"'%.64s'", uuid);
		if (r == 0)
			r = put_user(ctx, &found->docs[0], role, true);
	}
	return r;
}

/** @param is_any_left  of the members there were, does one remain who may log in? */
static int
remove_users(struct rest_context *ctx, struct gh_str role, json_t *old, const json_t *now,
	bool *ret_is_any_left)
{
	const struct gh_doc *user;
	const char *uuid;
	json_t *name;
	int r = GH_OK;

	*ret_is_any_left = false;
	json_object_foreach(old, uuid, name) {
		bool stays = json_object_get(now, uuid) != NULL;

		if (r < 0 || (stays && *ret_is_any_left))
			continue;
		r = rest_lookup(ctx, "user", js_text(name), &user);
		if (r == GH_ENOENT)
			r = GH_ECONFLICT;
		if (r == 0 && stays)
			*ret_is_any_left = doc_bool(user->body, "enabled", true);
		else if (r == 0)
			r = put_user(ctx, user, role, false);
	}
	return r;
}

/** Write the members that are other ones now.
 *  @param given  the group as it shall be.  @param members  those there are. */
static int
change_members(struct rest_context *ctx, const struct gh_doc *role, const json_t *given,
	const json_t *members)
{
	bool is_admin = gh_str_eq(role->id, GH_STR(SCIM_ADMIN)), is_any_left = false;
	json_t *old = NULL, *now = NULL;
	int r = index_members(members, &old);

	if (r == 0)
		r = index_members(js_array(given, "members"), &now);
	if (r < 0 || json_equal(old, now))
		goto out;
	r = gh_str_eq(role->id, GH_STR(SCIM_EVERYONE)) ? scim_fail(ctx, 400, "mutability",
		"Every user is a member of %s", SCIM_EVERYONE) : roles_check_admin(ctx, is_admin);
	if (r == 0)
		r = roles_touch(ctx, role->id);
	if (r == 0)
		r = remove_users(ctx, role->id, old, now, &is_any_left);
	if (r == 0 && is_admin && !is_any_left)
		r = scim_fail(ctx, 409, NULL, "One of the administrators must stay; add others "
			"first");
	if (r == 0)
		r = add_users(ctx, role->id, old, now);
out:
	json_decref(old);
	json_decref(now);
	return r;
}

static int
change_group(struct rest_context *ctx, const struct gh_doc *role, json_t *given,
	const json_t *members)
{
	struct scim_error error;
	json_t *json;
	int r = scim_fail_error(ctx, attributes_read(group_attributes, given, &json, &error),
		&error);

	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r < 0)
		return r;
	if (!gh_str_eq(js_str(json, "displayName"), role->id))
		return scim_fail(ctx, 400, "mutability", "The name of a role does not change");
	r = change_members(ctx, role, json, members);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply(ctx, 200, role->id);
}

/** The role in the path and its members. */
static int
find_group(struct rest_context *ctx, const struct gh_doc **ret_role, json_t **ret_members)
{
	json_t *found;
	int r = find_role(ctx, ret_role);

	if (r == 0)
		r = rest_if_match(ctx, (*ret_role)->rev);
	if (r == 0)
		r = find_members(ctx, (*ret_role)->id, &found);
	if (r == 0)
		*ret_members = found;
	return r;
}

int
groups_replace(struct rest_context *ctx)
{
	const struct gh_doc *role;
	json_t *given, *group, *found;
	int r = find_group(ctx, &role, &found);

	if (r == 0)
		r = scim_body(ctx, SCIM_URN_GROUP, &given);
	if (r < 0)
		return r;
	group = to_json(ctx, role, found);
	r = rest_own_json(ctx, group);
	return r < 0 ? r : change_group(ctx, role, given, js_array(group, "members"));
}

int
groups_patch(struct rest_context *ctx)
{
	const struct gh_doc *role;
	json_t *operations, *group, *changed, *found;
	struct scim_error error;
	int r = find_group(ctx, &role, &found);

	if (r == 0)
		r = scim_operations(ctx, &operations);
	if (r < 0)
		return r;
	group = to_json(ctx, role, found);
	r = rest_own_json(ctx, group);
	changed = json_deep_copy(group);
	if (r == 0)
		r = rest_own_json(ctx, changed);
	if (r == 0)
		r = scim_fail_error(ctx, attributes_patch(group_attributes, changed, operations,
			&error), &error);
	return r < 0 ? r : change_group(ctx, role, changed, js_array(group, "members"));
}

/* ---- Making and deleting --------------------------------------------------------------------- */

/** Names of roles: as those of users, with capitals and one '/' inside. */
static bool
is_role_name(struct gh_str name)
{
	size_t slashes = 0;

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9');

		slashes += c == '/';
		if (!is_alnum && (i == 0 || i + 1 == name.n || memchr("._-/", c, 4) == NULL))
			return false;
	}
	return name.n > 0 && name.n <= SCIM_NAME_MAX && slashes <= 1;
}

static int
put_role(struct rest_context *ctx, struct gh_str name, struct gh_str folded)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	struct doc_writer w;
	int r = crypto_uuid(uuid);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "uuid", gh_str_of(uuid));
	doc_put_str(&w, "name_folded", folded);
	doc_put_str(&w, "description", GH_STR(""));
	doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
	return rest_put_written(ctx, "role", name, &w, GH_REV_NONE);
}

/** 400 or 409 when a role cannot have this name. */
static int
check_new_name(struct rest_context *ctx, struct gh_str name, struct gh_str folded)
{
	const struct gh_docs_found *found;
	int r;

	if (!is_role_name(name))
		return scim_fail(ctx, 400, "invalidValue", "'displayName' must be 1 to 64 of a-z, "
			"A-Z, 0-9, '.', '_', '-' and one '/' inside");
	r = roles_seed(&ctx->services->docs, ctx->tenant);
	if (r == 0)
		r = rest_find_equal(ctx, "role", "name_folded", &folded, 1, &found);
	if (r < 0)
		return r;
	if (found->n > 0)
		return scim_fail(ctx, 409, "uniqueness", "There is a role %.*s already",
			GH_STR_ARG(found->docs[0].id));
	if (roles_is_reserved(name))
		return scim_fail(ctx, 400, "invalidValue", "Names that begin with Internal/ are "
			"given by this program only");
	return GH_OK;
}

int
groups_create(struct rest_context *ctx)
{
	struct scim_error error;
	struct gh_str name, folded;
	json_t *given, *json, *members, *none;
	int r = scim_body(ctx, SCIM_URN_GROUP, &given);

	if (r == 0)
		r = scim_fail_error(ctx, attributes_read(group_attributes, given, &json, &error),
			&error);
	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r < 0)
		return r;
	name = js_str(json, "displayName");
	folded = scim_fold(ctx, name);
	r = check_new_name(ctx, name, folded);
	if (r == 0)
		r = put_role(ctx, name, folded);
	none = json_object();
	if (r == 0)
		r = index_members(js_array(json, "members"), &members);
	if (r == 0) {
		r = add_users(ctx, name, none, members);
		json_decref(members);
	}
	json_decref(none);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply(ctx, 201, name);
}

int
groups_delete(struct rest_context *ctx)
{
	const struct gh_doc *role, *user;
	json_t *found, *list, *member;
	size_t i;
	int r = find_group(ctx, &role, &found);

	if (r < 0)
		return r;
	if (roles_is_reserved(role->id))
		return scim_fail(ctx, 403, NULL, "The role %.*s cannot be deleted",
			GH_STR_ARG(role->id));
	list = json_object_get(found, gh_call_printf(ctx->call, "%.*s", GH_STR_ARG(role->id)).p);
	json_array_foreach(list, i, member) {
		if (r == 0)
			r = rest_lookup(ctx, "user", js_str(member, "display"), &user);
		if (r == 0)
			r = put_user(ctx, user, role->id, false);
	}
	if (r == 0)
		r = rest_delete(ctx, "role", role->id, role->rev);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == GH_ENOENT ? GH_ECONFLICT : r < 0 ? r : rest_reply_empty(ctx, 204);
}
