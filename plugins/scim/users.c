/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file users.c
 * @brief /Users for those who manage users, /Me for everybody.
 *
 * A name has one case, lower, and does not change: applications and APIs name their owner by it.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "plugins/scim/filter.h"
#include "plugins/scim/scim.h"

#define SESSION_BYTES 8

bool
users_is_name(struct gh_str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!is_alnum && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return false;
	}
	return name.n > 0 && name.n <= SCIM_NAME_MAX;
}

/* ---- Ids ------------------------------------------------------------------------------------- */

/** @param[out] ret_uuid  of CRYPTO_UUID_LEN + 1 bytes. */
static int
give_uuid(const struct gh_docs *docs, const struct gh_doc *doc, char *ret_uuid)
{
	struct gh_str body = GH_STR_NONE;
	int r = crypto_uuid(ret_uuid);

	if (r == 0)
		r = doc_set(doc->body, "uuid", DOC_OF_STR(gh_str_of(ret_uuid)), &body);
	if (r == 0) {
		const struct gh_doc_op op = { GH_DOC_PUT, doc->tenant, GH_STR("user"), doc->id,
			body, doc->rev };

		r = docs->vt->commit(docs->self, &op, 1, NULL, NULL);
	}
	free((void *)body.p);
	return r == GH_ENOENT ? GH_ECONFLICT : r;
}

int
users_uuid(struct rest_context *ctx, const struct gh_doc *doc, struct gh_str *ret_uuid)
{
	struct gh_str uuid = doc_str(doc->body, "uuid");
	char *fresh;
	int r;

	if (uuid.n == 0) {
		fresh = gh_call_alloc(ctx->call, CRYPTO_UUID_LEN + 1);
		if (fresh == NULL)
			return GH_ENOMEM;
		r = give_uuid(&ctx->services->docs, doc, fresh);
		if (r < 0)
			return r;
		uuid = gh_str_of(fresh);
	}
	*ret_uuid = uuid;
	return GH_OK;
}

int
users_migrate(const struct gh_docs *docs)
{
	struct gh_find find = { .kind = GH_STR("user"), .limit = GH_FIND_MAX }; /* of all tenants */
	char uuid[CRYPTO_UUID_LEN + 1];
	struct gh_docs_found *found;
	size_t n;
	int r;

	do {
		r = docs->vt->find(docs->self, &find, &found);
		if (r < 0)
			return r;
		n = found->n;
		for (size_t i = 0; i < n && r == 0; i++) {
			if (doc_has(found->docs[i].body, "uuid"))
				continue;
			r = give_uuid(docs, &found->docs[i], uuid);
			if (r == GH_ECONFLICT) /* another node is at it, too */
				r = GH_OK;
		}
		find.offset += (uint32_t)n;
		docs->vt->found_free(found);
	} while (r == 0 && n == GH_FIND_MAX);
	return r;
}

/* ---- Documents as resources ------------------------------------------------------------------ */

static json_t *
groups_of(struct rest_context *ctx, const struct gh_doc *doc, const json_t *roles)
{
	struct doc_iter it = doc_iter(doc_array(doc->body, "roles"));
	json_t *list = json_array();
	struct doc_value v;

	while (list != NULL && doc_next(&it, NULL, &v)) {
		struct gh_str name = v.type == DOC_STR
			? gh_call_printf(ctx->call, "%.*s", GH_STR_ARG(v.s)) : GH_STR_NONE;
		struct gh_str uuid = name.p != NULL ? js_str(roles, name.p) : GH_STR_NONE;
		json_t *group;

		if (name.p == NULL)
			continue;
		group = json_object();
		if ((uuid.n > 0 && js_set_str(group, "value", uuid) < 0) ||
		    js_set_str(group, "display", name) < 0 ||
		    (uuid.n > 0 && js_set_str(group, "$ref",
			    scim_location(ctx, "Group", uuid)) < 0) ||
		    json_array_append(list, group) < 0) {
			json_decref(list);
			list = NULL;
		}
		json_decref(group);
	}
	return list;
}

/** @param roles  from roles_map().  @param[out] ret_json  a new reference. */
static int
to_json(struct rest_context *ctx, const struct gh_doc *doc, const json_t *roles, json_t **ret_json)
{
	struct gh_str dto = doc_map(doc->body, "dto"), uuid;
	json_t *json = NULL, *kept = NULL;
	int r = users_uuid(ctx, doc, &uuid);

	if (r == 0 && dto.n > 0)
		r = doc_map_to_json(dto, &kept);
	if (r < 0)
		return r;
	json = json_pack("{s:[s]}", "schemas", SCIM_URN_USER);
	if (scim_set_common(ctx, json, "User", uuid, doc) < 0 ||
	    js_set_str(json, "userName", doc->id) < 0 ||
	    (kept != NULL && json_object_update_missing(json, kept) < 0) ||
	    js_set(json, "active", json_boolean(doc_bool(doc->body, "enabled", true))) < 0 ||
	    js_set(json, "groups", groups_of(ctx, doc, roles)) < 0)
		r = GH_ENOMEM;
	json_decref(kept);
	if (r < 0)
		json_decref(json);
	else
		*ret_json = json;
	return r;
}

int
users_reply(struct rest_context *ctx, unsigned status, const struct gh_doc *doc)
{
	json_t *roles, *json;
	int r = roles_map(ctx, &roles);

	if (r == 0)
		r = to_json(ctx, doc, roles, &json);
	return r < 0 ? r : scim_reply(ctx, status, doc->rev, json);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

struct listing {
	struct scim_list list;
	json_t *roles;
};

static int
list_one(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	struct listing *l = arg;
	json_t *json;
	int r = gh_call_is_over(ctx->call) ? GH_ETIMEDOUT : to_json(ctx, doc, l->roles, &json);

	return r < 0 ? r : scim_list_add(&l->list, json);
}

/** Without a filter the store skips what stands before the page. */
static int
list_page(struct rest_context *ctx, struct listing *l)
{
	struct gh_find find = { .kind = GH_STR("user"), .offset = l->list.start - 1,
		.limit = l->list.count > 0 ? l->list.count : 1 };
	const struct gh_docs_found *found;
	json_t *json;
	int r = rest_find(ctx, &find, &found);

	if (r < 0)
		return r;
	l->list.total = found->total;
	for (size_t i = 0; i < found->n && i < l->list.count && r == 0; i++) {
		r = to_json(ctx, &found->docs[i], l->roles, &json);
		if (r == 0)
			r = scim_list_put(&l->list, json);
	}
	return r;
}

int
users_list(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("user") };
	const struct gh_doc *doc;
	struct listing l;
	struct gh_str name;
	int r = scim_list_init(ctx, &l.list);

	if (r == 0)
		r = roles_map(ctx, &l.roles);
	if (r < 0)
		return r;
	if (l.list.filter == NULL) {
		r = list_page(ctx, &l);
	} else if (filter_is_equal(l.list.filter, "userName", &name)) {
		r = rest_lookup(ctx, "user", scim_fold(ctx, name), &doc);
		if (r == 0)
			r = list_one(ctx, doc, &l);
		else if (r == GH_ENOENT || r == GH_EINVAL)
			r = GH_OK;
	} else {
		r = rest_find_each(ctx, &find, list_one, &l);
	}
	return r < 0 ? r : scim_list_reply(ctx, &l.list);
}

/* ---- Making ---------------------------------------------------------------------------------- */

/** What of a resource is kept as it is: all but what has a field of its own. */
static void
put_dto(struct doc_writer *w, const json_t *json)
{
	json_t *dto = json_copy((json_t *)json);

	json_object_del(dto, "userName");
	json_object_del(dto, "active");
	json_object_del(dto, "password");
	doc_put_json(w, "dto", dto);
	json_decref(dto);
}

/** @param[out] ret_body  malloc()ed. */
static int
new_body(const json_t *json, const char *role, struct gh_str *ret_body)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	struct doc_writer w;
	int r = crypto_uuid(uuid);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "uuid", gh_str_of(uuid));
	doc_begin_array(&w, "roles");
	doc_put_str(&w, NULL, GH_STR(SCIM_EVERYONE));
	if (role != NULL)
		doc_put_str(&w, NULL, gh_str_of(role));
	doc_end(&w);
	doc_put_bool(&w, "enabled", js_bool(json, "active", true));
	doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
	put_dto(&w, json);
	return doc_finish(&w, ret_body);
}

/** Put a password into a body.  @param body  in: GIVE; out: malloc()ed. */
static int
set_password(struct rest_context *ctx, struct gh_str password, struct gh_str *body)
{
	const struct gh_users *users = &scim_of(ctx)->users;
	struct gh_str with_password = GH_STR_NONE;
	int r = users->vt->set_password(users->self, *body, password, &with_password);

	if (r == GH_EINVAL)
		return scim_fail(ctx, 400, "invalidValue",
			"'password' must have %zu to %d bytes",
			users->vt->password_min(users->self), GH_PASSWORD_MAX);
	if (r < 0)
		return r;
	free((void *)body->p);
	*body = with_password;
	return GH_OK;
}

int
users_make(struct rest_context *ctx, json_t *json, const char *role, const struct gh_doc **ret_doc)
{
	struct gh_str name = scim_fold(ctx, js_str(json, "userName")), body = GH_STR_NONE;
	int r;

	if (!users_is_name(name))
		return scim_fail(ctx, 400, "invalidValue", "'userName' " USERS_NAME_RULE);
	r = rest_lookup(ctx, "user", name, ret_doc);
	if (r == 0)
		return scim_fail(ctx, 409, "uniqueness", "There is a user %.*s already",
			GH_STR_ARG(name));
	if (r == GH_ENOENT)
		r = new_body(json, role, &body);
	if (r == 0 && js_has(json, "password"))
		r = set_password(ctx, js_str(json, "password"), &body);
	if (r < 0) {
		free((void *)body.p);
		return r;
	}
	r = rest_put(ctx, "user", name, body, GH_REV_NONE);
	if (r == 0 && role != NULL)
		r = roles_touch(ctx, gh_str_of(role));
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_lookup(ctx, "user", name, ret_doc);
}

int
users_create(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	struct scim_error error;
	json_t *given, *json = NULL;
	int r = scim_body(ctx, SCIM_URN_USER, &given);

	if (r == 0)
		r = scim_fail_error(ctx, attributes_read(user_attributes, given, &json, &error),
			&error);
	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r == 0)
		r = users_make(ctx, json, NULL, &doc);
	return r < 0 ? r : users_reply(ctx, 201, doc);
}

/* ---- Changing -------------------------------------------------------------------------------- */

/** One change of a user. */
struct change {
	const struct gh_doc *doc;
	json_t *json;    /**< The resource as it shall be; the context's. */
	bool is_self;    /**< Over /Me. */
	bool is_locking; /**< The user is disabled by it. */
};

/** May the caller do that? */
static int
check_change(struct rest_context *ctx, struct change *c)
{
	bool was_active = doc_bool(c->doc->body, "enabled", true);
	bool is_active = js_bool(c->json, "active", was_active);

	if (!gh_str_eq(scim_fold(ctx, js_str(c->json, "userName")), c->doc->id))
		return scim_fail(ctx, 400, "mutability", "The name of a user does not change");
	if (c->is_self && is_active != was_active)
		return scim_fail(ctx, 400, "mutability", "'active' cannot be changed by oneself");
	if (c->is_self && js_has(c->json, "password"))
		return scim_fail(ctx, 400, "mutability", "One's own password is changed with the "
			"current one, at /api/am/devportal/v3/me/change-password");
	c->is_locking = was_active && !is_active;
	return c->is_self ? GH_OK
		: roles_check_admin(ctx, roles_has(c->doc->body, GH_STR(SCIM_ADMIN)));
}

/** @param[out] ret_body  malloc()ed. */
static int
changed_body(struct rest_context *ctx, const struct change *c, struct gh_str *ret_body)
{
	char session[2 * SESSION_BYTES + 1];
	struct gh_str changes = GH_STR_NONE, body = GH_STR_NONE;
	struct doc_writer w;
	int r = crypto_random_hex(session, SESSION_BYTES);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_bool(&w, "enabled", js_bool(c->json, "active",
		doc_bool(c->doc->body, "enabled", true)));
	doc_put_int(&w, "updated_at_s", (int64_t)(gh_now_us() / 1000000));
	if (c->is_locking) /* so that nothing from before works when the user is enabled again */
		doc_put_str(&w, "session", gh_str_of(session));
	put_dto(&w, c->json);
	r = doc_finish(&w, &changes);
	if (r == 0)
		r = doc_merge(c->doc->body, changes, &body);
	free((void *)changes.p);
	if (r == 0 && js_has(c->json, "password"))
		r = set_password(ctx, js_str(c->json, "password"), &body);
	if (r < 0)
		free((void *)body.p);
	else
		*ret_body = body;
	return r;
}

/** The user's tokens are refused from the commit on; now they go. */
static void
end_sessions(struct rest_context *ctx, struct gh_str name)
{
	const struct gh_users *users = &scim_of(ctx)->users;
	uint64_t seq = 0;

	if (users->vt->end_sessions(users->self, ctx->tenant, name, &seq) < 0)
		gh_call_log(ctx->call, LOG_ERR, "cannot delete the refresh tokens of %.*s; they "
			"are refused, and expire", GH_STR_ARG(name));
	rest_rollout_wait(ctx, seq);
}

static int
change_user(struct rest_context *ctx, struct change *c, json_t *given)
{
	struct gh_str name = gh_call_strdup(ctx->call, c->doc->id), body;
	struct scim_error error;
	int r = rest_if_match(ctx, c->doc->rev);

	if (r == 0)
		r = scim_fail_error(ctx, attributes_read(user_attributes, given, &c->json, &error),
			&error);
	if (r == 0)
		r = rest_own_json(ctx, c->json);
	if (r == 0)
		r = check_change(ctx, c);
	if (r == 0)
		r = changed_body(ctx, c, &body);
	if (r == 0)
		r = rest_put(ctx, "user", name, body, c->doc->rev);
	if (r == 0 && c->is_locking)
		r = roles_leave_admin(ctx, c->doc);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	if (r < 0)
		return r;
	if (c->is_locking || js_has(c->json, "password"))
		end_sessions(ctx, name);
	r = rest_lookup(ctx, "user", name, &c->doc);
	return r < 0 ? r : users_reply(ctx, 200, c->doc);
}

static int
patch_user(struct rest_context *ctx, struct change *c)
{
	json_t *operations, *roles, *json;
	struct scim_error error;
	int r = scim_operations(ctx, &operations);

	if (r == 0)
		r = roles_map(ctx, &roles);
	if (r == 0)
		r = to_json(ctx, c->doc, roles, &json);
	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r == 0)
		r = scim_fail_error(ctx, attributes_patch(user_attributes, json, operations,
			&error), &error);
	return r < 0 ? r : change_user(ctx, c, json);
}

static int
find_user(struct rest_context *ctx, struct change *c)
{
	return scim_get(ctx, "user", rest_param(ctx, "userId"), &c->doc);
}

/** The caller's own document. */
static int
find_self(struct rest_context *ctx, struct change *c)
{
	int r = rest_lookup(ctx, "user", ctx->principal->user, &c->doc);

	c->is_self = true;
	return r == GH_ENOENT ? scim_fail(ctx, 404, NULL, "The user %.*s is not kept here",
		GH_STR_ARG(ctx->principal->user)) : r;
}

int
users_get(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	int r = find_user(ctx, &c);

	return r < 0 ? r : users_reply(ctx, 200, c.doc);
}

int
users_replace(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	json_t *given;
	int r = find_user(ctx, &c);

	if (r == 0)
		r = scim_body(ctx, SCIM_URN_USER, &given);
	return r < 0 ? r : change_user(ctx, &c, given);
}

int
users_patch(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	int r = find_user(ctx, &c);

	return r < 0 ? r : patch_user(ctx, &c);
}

int
users_delete(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	struct doc_value v;
	struct gh_str name;
	int r = find_user(ctx, &c);

	if (r == 0)
		r = rest_if_match(ctx, c.doc->rev);
	if (r == 0)
		r = roles_check_admin(ctx, roles_has(c.doc->body, GH_STR(SCIM_ADMIN)));
	if (r == 0)
		r = roles_leave_admin(ctx, c.doc);
	if (r < 0)
		return r;
	struct doc_iter it = doc_iter(doc_array(c.doc->body, "roles"));

	while (r == 0 && doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && !gh_str_eq(v.s, GH_STR(SCIM_ADMIN)) &&
				!gh_str_eq(v.s, GH_STR(SCIM_EVERYONE)))
			r = roles_touch(ctx, v.s);
	name = gh_call_strdup(ctx->call, c.doc->id);
	if (r == 0)
		r = rest_delete(ctx, "user", name, c.doc->rev);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	if (r < 0)
		return r;
	end_sessions(ctx, name);
	return rest_reply_empty(ctx, 204);
}

int
me_get(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	int r = find_self(ctx, &c);

	return r < 0 ? r : users_reply(ctx, 200, c.doc);
}

int
me_replace(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	json_t *given;
	int r = find_self(ctx, &c);

	if (r == 0)
		r = scim_body(ctx, SCIM_URN_USER, &given);
	return r < 0 ? r : change_user(ctx, &c, given);
}

int
me_patch(struct rest_context *ctx)
{
	struct change c = { .doc = NULL };
	int r = find_self(ctx, &c);

	return r < 0 ? r : patch_user(ctx, &c);
}
