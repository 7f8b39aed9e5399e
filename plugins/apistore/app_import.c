/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file app_import.c
 * @brief POST /applications/import: an application from an archive.
 *
 * Everything is read and checked before anything is written.  Keys are the key manager's, which
 * writes them by itself: they are made first, and taken back when the rest cannot be written.
 * Subscriptions to APIs that are not here are skipped and told with status 207, as the reference
 * does.
 */
#include <stdlib.h>

#include "lib/application/application.h"
#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "plugins/apistore/app_archive.h"
#include "plugins/apistore/apistore.h"

#define SUBSCRIPTIONS_MAX 5000

static const char *const key_types[] = { "PRODUCTION", "SANDBOX", NULL };

static const struct rest_field key_fields[] = {
	{ "keyManager", REST_STRING, .max = 100 },
	{ "consumerKey", REST_STRING, .is_required = true, .min = 1, .max = 255 },
	{ "consumerSecret", REST_STRING, .is_required = true, .min = 1, .max = 512 },
	{ "keyType", REST_STRING, .is_required = true, .words = key_types },
	{ "supportedGrantTypes", REST_ARRAY, .is_required = true, .max = 16, .item = REST_STRING },
	{ "callbackUrl", REST_STRING, .max = 2048 },
	{ .type = REST_END },
};
static const struct rest_field info_fields[] = {
	{ "applicationId", REST_STRING, .max = 64 },
	{ "owner", REST_STRING, .max = 255 },
	{ "keys", REST_ARRAY, .item = REST_OBJECT, .max = 2, .fields = key_fields, .dflt = "[]" },
	{ .type = REST_END },
};
/* The same without keys, when they are skipped and may look as they like. */
static const struct rest_field info_fields_only[] = {
	{ "applicationId", REST_STRING, .max = 64 },
	{ "owner", REST_STRING, .max = 255 },
	{ .type = REST_END },
};
static const struct rest_field api_fields[] = {
	{ "apiName", REST_STRING, .is_required = true, .min = 1, .max = 255 },
	{ "version", REST_STRING, .is_required = true, .min = 1, .max = 255 },
	{ .type = REST_END },
};
static const struct rest_field subscription_fields[] = {
	{ "apiId", REST_OBJECT, .is_required = true, .fields = api_fields },
	{ "throttlingPolicy", REST_STRING, .is_required = true, .min = 1, .max = 60 },
	{ .type = REST_END },
};
static const struct rest_field data_fields[] = {
	{ "subscribedAPIs", REST_ARRAY, .item = REST_OBJECT, .max = SUBSCRIPTIONS_MAX,
		.fields = subscription_fields, .dflt = "[]" },
	{ .type = REST_END },
};

/* What the query says. */
struct wishes {
	bool preserves_owner, skips_subscriptions, skips_keys, updates;
	struct gh_str owner;
};

/* ---- Reading ------------------------------------------------------------------------------------- */

static int
read_wishes(struct rest_context *ctx, struct wishes *ret)
{
	int r = rest_query_bool(ctx, "preserveOwner", false, &ret->preserves_owner);

	if (r == GH_OK)
		r = rest_query_bool(ctx, "skipSubscriptions", false, &ret->skips_subscriptions);
	if (r == GH_OK)
		r = rest_query_bool(ctx, "skipApplicationKeys", false, &ret->skips_keys);
	if (r == GH_OK)
		r = rest_query_bool(ctx, "update", false, &ret->updates);
	ret->owner = rest_query(ctx, "appOwner");
	return r;
}

static int
read_archive(struct rest_context *ctx, const struct wishes *wishes, json_t **ret_data)
{
	struct multipart_part parts[8];
	char error[APP_ARCHIVE_ERROR_SIZE];
	size_t n;
	int r = rest_multipart(ctx, parts, sizeof(parts) / sizeof(parts[0]), &n);

	if (r < 0)
		return r;
	const struct multipart_part *file = multipart_find(parts, n, "file");

	if (file == NULL)
		return rest_fail(ctx, 400, "file: the part with the archive is missing");
	r = app_archive_read(file->body, ret_data, error);
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "%s", error);
	if (r == GH_OK)
		r = rest_own_json(ctx, *ret_data);
	if (r < 0)
		return r;
	json_t *info = js_object(*ret_data, "applicationInfo");

	if (wishes->skips_subscriptions)
		json_object_del(*ret_data, "subscribedAPIs");
	r = rest_check(ctx, "applicationInfo", apistore_application_fields, info);
	if (r == GH_OK)
		r = rest_check(ctx, "applicationInfo",
			wishes->skips_keys ? info_fields_only : info_fields, info);
	return r == GH_OK ? rest_check(ctx, NULL, data_fields, *ret_data) : r;
}

/* ---- Whose it becomes ---------------------------------------------------------------------------- */

static int
choose_owner(struct rest_context *ctx, const struct wishes *wishes, const json_t *info,
	struct gh_str *ret_owner)
{
	const struct apistore *p = ctx->process;
	struct gh_str owner = wishes->owner;
	const struct gh_user *user;
	int r;

	if (owner.n == 0 && wishes->preserves_owner)
		owner = js_str(info, "owner");
	if (owner.n == 0)
		owner = ctx->user;
	r = rest_user_name(ctx, owner, ret_owner);
	if (r == GH_OK)
		r = apistore_check_foreign(ctx, *ret_owner, "appOwner: importing an application");
	if (r == GH_OK && !gh_str_eq(*ret_owner, ctx->user))
		r = identity_find(ctx, &p->identities, *ret_owner, &user);
	if (r == GH_ENOENT)
		return rest_fail(ctx, 400, "appOwner: there is no user named %.*s here",
			GH_STR_ARG(owner));
	return r;
}

/* ---- Its id -------------------------------------------------------------------------------------- */

/* The one of the archive, so that an application that comes back is the same; a new one when that
 * is not free. */
static int
choose_id(struct rest_context *ctx, const json_t *info, struct gh_str *ret_id)
{
	struct gh_str id = js_str(info, "applicationId");
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_doc *doc;
	int r = crypto_is_uuid(id) ? rest_lookup(ctx, "application", id, &doc) : GH_OK;

	if (r == GH_ENOENT) {
		*ret_id = id;
		return GH_OK;
	}
	if (r == GH_OK)
		r = crypto_uuid(uuid);
	if (r == GH_OK) {
		*ret_id = gh_call_strdup(ctx->call, gh_str_of(uuid));
		r = ret_id->p != NULL ? GH_OK : GH_ENOMEM;
	}
	return r;
}

static int
find_application(struct rest_context *ctx, const struct wishes *wishes, const json_t *info,
	struct apistore_import *import)
{
	struct gh_str equal[] = { import->owner, import->name };
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "application", "owner_name", equal, 2, &found);

	if (r < 0)
		return r;
	if (found->n > 0 && !wishes->updates)
		return rest_fail(ctx, 409, "%.*s has an application named %.*s already; update=true "
			"replaces it", GH_STR_ARG(import->owner), GH_STR_ARG(import->name));
	if (found->n == 0)
		return choose_id(ctx, info, &import->id);
	import->old = &found->docs[0];
	import->id = import->old->id;
	return GH_OK;
}

/* ---- Subscriptions ------------------------------------------------------------------------------- */

static int
skip(const json_t *row, struct gh_str why, json_t *skipped)
{
	const json_t *api = js_object(row, "apiId");
	json_t *info = json_object();

	if (js_set_str(info, "name", js_str(api, "apiName")) < 0 ||
		js_set_str(info, "version", js_str(api, "version")) < 0 ||
		js_set_str(info, "provider", js_str_or(api, "providerName", GH_STR(""))) < 0 ||
		js_set_str(info, "description", why) < 0) {
		json_decref(info);
		return GH_ENOMEM;
	}
	return json_array_append_new(skipped, info) < 0 ? GH_ENOMEM : GH_OK;
}

/* A new one, or another plan for the one that is there. */
static int
put_subscription(struct rest_context *ctx, const struct apistore_import *import,
	const struct gh_doc *api, struct gh_str tier)
{
	struct gh_str equal[] = { import->id, api->id };
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "subscription", "application_api", equal, 2, &found);

	if (r == GH_OK && found->n > 0) {
		const struct gh_doc *old = &found->docs[0];

		return gh_str_eq(doc_str(old->body, "tier"), tier) ? GH_OK :
			apistore_put_subscription(ctx, old->id, import->id, api->id, tier,
				doc_str(old->body, "state"), doc_int(old->body, "created_at_s", 0),
				old->rev);
	}
	if (r == GH_OK)
		r = crypto_uuid(uuid);
	return r < 0 ? r : apistore_put_subscription(ctx, gh_str_of(uuid), import->id, api->id, tier,
		GH_STR("UNBLOCKED"), (int64_t)(gh_now_us() / 1000000), GH_REV_NONE);
}

static int
put_subscriptions(struct rest_context *ctx, const struct apistore_import *import,
	const json_t *rows, json_t *skipped)
{
	int r = GH_OK;

	for (size_t i = 0; i < json_array_size(rows) && r == GH_OK; i++) {
		const json_t *row = json_array_get(rows, i), *id = js_object(row, "apiId");
		struct gh_str equal[] = { js_str(id, "apiName"), js_str(id, "version") };
		struct gh_str tier = js_str(row, "throttlingPolicy"), why = GH_STR_NONE;
		const struct gh_docs_found *found;

		for (size_t k = 0; k < i; k++) {
			const json_t *other = js_object(json_array_get(rows, k), "apiId");

			if (gh_str_eq(js_str(other, "apiName"), equal[0]) &&
				gh_str_eq(js_str(other, "version"), equal[1]))
				return rest_fail(ctx, 400, "subscribedAPIs[%zu]: %.*s %.*s stands there "
					"twice", i, GH_STR_ARG(equal[0]), GH_STR_ARG(equal[1]));
		}
		r = rest_find_equal(ctx, "api", "name_version", equal, 2, &found);
		if (r < 0)
			return r;
		if (found->n == 0)
			why = GH_STR("there is no such API");
		else
			why = apistore_why_not(ctx, &found->docs[0], tier);
		r = why.p != NULL ? skip(row, why, skipped) :
			put_subscription(ctx, import, &found->docs[0], tier);
	}
	return r;
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static int
put_all(struct rest_context *ctx, const struct apistore_import *import, const json_t *data,
	json_t *skipped)
{
	int64_t created_at_s = import->old != NULL ? doc_int(import->old->body, "created_at_s", 0) :
		(int64_t)(gh_now_us() / 1000000);
	int r = apistore_put_application(ctx, import->id, import->owner,
		js_object(data, "applicationInfo"), created_at_s,
		import->old != NULL ? import->old->rev : GH_REV_NONE);

	if (r == GH_OK)
		r = put_subscriptions(ctx, import, js_array(data, "subscribedAPIs"), skipped);
	if (r == GH_OK && import->old != NULL)
		r = application_put_consumers(ctx, import->id, import->name, import->owner,
			import->tier);
	return r == GH_OK ? rest_commit(ctx, NULL) : r;
}

static int
reply_import(struct rest_context *ctx, const struct apistore_import *import, json_t *skipped)
{
	const struct gh_doc *doc;
	int r = rest_get(ctx, "application", import->id, &doc);

	if (r < 0)
		return r;
	if (json_array_size(skipped) > 0)
		return rest_reply(ctx, 207, json_pack("{s:I, s:O}", "count",
			(json_int_t)json_array_size(skipped), "list", skipped));
	return rest_reply(ctx, 200, apistore_application_row(ctx, doc));
}

int
applications_import(struct rest_context *ctx)
{
	struct wishes wishes = { .updates = false };
	struct apistore_import import = { .old = NULL };
	json_t *data = NULL, *skipped = json_array();
	const json_t *info = NULL;
	uint64_t seq = 0;
	int r = rest_own_json(ctx, skipped);

	if (r == GH_OK)
		r = read_wishes(ctx, &wishes);
	if (r == GH_OK)
		r = read_archive(ctx, &wishes, &data);
	if (r == GH_OK) {
		info = js_object(data, "applicationInfo");
		import.name = js_str(info, "name");
		import.tier = js_str(info, "throttlingPolicy");
		import.keys = wishes.skips_keys ? NULL : js_array(info, "keys");
		r = choose_owner(ctx, &wishes, info, &import.owner);
	}
	if (r == GH_OK)
		r = apistore_check_policy(ctx, "application", "applicationInfo.throttlingPolicy",
			import.tier);
	if (r == GH_OK)
		r = find_application(ctx, &wishes, info, &import);
	if (r == GH_OK)
		r = apistore_check_keys(ctx, &import);
	if (r == GH_OK)
		r = apistore_put_keys(ctx, &import, &seq);
	if (r < 0)
		return r;
	r = put_all(ctx, &import, data, skipped);
	if (r < 0) {
		apistore_undo_keys(ctx, &import);
		return r;
	}
	rest_rollout_wait(ctx, seq);
	return reply_import(ctx, &import, skipped);
}
