/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scim.c
 * @brief Users and roles over SCIM 2 (RFC 7643, RFC 7644): /scim2.
 *
 * Users are the `user` documents that the key manager authenticates, groups are roles.  Passwords
 * and sessions are the key manager's (users/1).
 */
#include "plugins/scim/scim.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#include "lib/model/model.h"

#define DETAIL_MAX 320
#define BODY_MAX_BYTES (256u << 10)

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt opts[] = {
	GH_OPT(struct scim_config, self_signup, .dflt = "false",
		.help = "May anybody make a user for himself, with the role Internal/subscriber?"),
	GH_OPT(struct scim_config, signup_per_hour, .dflt = "10", .min = 1, .max = 100000,
		.help = "How often one client address (IPv6: one /64) may try to sign up."),
	{ .type = GH_OPT_END },
};

/* ---- Errors ---------------------------------------------------------------------------------- */

static const char *const types[] = { "invalidFilter", "tooMany", "uniqueness", "mutability",
	"invalidSyntax", "invalidPath", "noTarget", "invalidValue", NULL };

/** rest_error_fn; the message is a scimType, or a phrase that is none. */
static json_t *
error_body(unsigned status, unsigned code, const char *message, const char *description)
{
	json_t *json = json_pack("{s:[s]}", "schemas", SCIM_URN_ERROR);
	char text[12];
	int r;

	(void)code;
	snprintf(text, sizeof(text), "%u", status);
	r = js_set_str(json, "status", gh_str_of(text));
	for (const char *const *type = types; *type != NULL && r == 0; type++)
		if (strcmp(*type, message) == 0)
			r = js_set_str(json, "scimType", gh_str_of(*type));
	if (r == 0)
		r = js_set_str(json, "detail", gh_str_of(description));
	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

int
scim_fail(struct rest_context *ctx, unsigned status, const char *type, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	return type != NULL ? rest_fail_code(ctx, status, status, type, "%s", detail)
		: rest_fail(ctx, status, "%s", detail);
}

int
scim_fail_error(struct rest_context *ctx, int r, const struct scim_error *error)
{
	return r == GH_EINVAL ? scim_fail(ctx, 400, error->type, "%s", error->detail) : r;
}

/* ---- What resources have in common ----------------------------------------------------------- */

int
scim_body(struct rest_context *ctx, const char *urn, json_t **ret_json)
{
	json_t *json, *schemas, *item;
	bool is_named = false;
	size_t i;
	int r = rest_body(ctx, NULL, &json);

	if (r < 0)
		return r;
	schemas = json_object_get(json, "schemas");
	json_array_foreach(schemas, i, item)
		is_named |= gh_str_eq_nocase(js_text(item), gh_str_of(urn));
	if (schemas != NULL && !is_named)
		return scim_fail(ctx, 400, "invalidSyntax", "'schemas' does not name %s", urn);
	*ret_json = json;
	return GH_OK;
}

int
scim_operations(struct rest_context *ctx, json_t **ret_operations)
{
	json_t *json, *operations;
	int r = scim_body(ctx, SCIM_URN_PATCH, &json);

	if (r < 0)
		return r;
	operations = js_array(json, "Operations");
	if (operations == NULL)
		return scim_fail(ctx, 400, "invalidSyntax", "'Operations' must be a list");
	*ret_operations = operations;
	return GH_OK;
}

json_t *
scim_time(int64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm parts;
	char text[32];

	if (gmtime_r(&at, &parts) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return json_null();
	return json_string(text);
}

struct gh_str
scim_location(struct rest_context *ctx, const char *type, struct gh_str uuid)
{
	struct gh_str base = rest_base_path(ctx);

	return gh_call_printf(ctx->call, "%.*s%.*s/%ss/%.*s",
		GH_STR_ARG(gh_call_origin(ctx->call)), GH_STR_ARG(base), type, GH_STR_ARG(uuid));
}

int
scim_set_common(struct rest_context *ctx, json_t *json, const char *type, struct gh_str uuid,
	const struct gh_doc *doc)
{
	int64_t created_s = doc_int(doc->body, "created_at_s", 0);
	json_t *meta = json_object();
	char version[24];

	snprintf(version, sizeof(version), "\"%llu\"", (unsigned long long)doc->rev);
	if (js_set_str(meta, "resourceType", gh_str_of(type)) < 0 ||
	    js_set(meta, "created", scim_time(created_s)) < 0 ||
	    js_set(meta, "lastModified",
		    scim_time(doc_int(doc->body, "updated_at_s", created_s))) < 0 ||
	    js_set_str(meta, "location", scim_location(ctx, type, uuid)) < 0 ||
	    js_set_str(meta, "version", gh_str_of(version)) < 0 ||
	    js_set_str(json, "id", uuid) < 0) {
		json_decref(meta);
		return GH_ENOMEM;
	}
	return js_set(json, "meta", meta);
}

int
scim_reply(struct rest_context *ctx, unsigned status, uint64_t rev, json_t *json)
{
	struct gh_str location = js_str(js_object(json, "meta"), "location");
	int r = json != NULL ? rest_etag(ctx, rev) : GH_ENOMEM;

	if (r == 0 && status == 201)
		r = gh_call_reply_field(ctx->call, GH_STR("Location"), location);
	if (r == 0)
		r = attributes_project(json, rest_query(ctx, "attributes"),
			rest_query(ctx, "excludedAttributes"));
	if (r < 0) {
		json_decref(json);
		return r;
	}
	return rest_reply(ctx, status, json);
}

int
scim_get(struct rest_context *ctx, const char *kind, struct gh_str uuid,
	const struct gh_doc **ret_doc)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, kind, "uuid", &uuid, 1, &found);

	if (r < 0)
		return r;
	if (found->n == 0)
		return scim_fail(ctx, 404, NULL, "There is no %s with the id '%.*s'", kind,
			GH_STR_ARG(uuid));
	*ret_doc = &found->docs[0];
	return GH_OK;
}

struct gh_str
scim_fold(struct rest_context *ctx, struct gh_str name)
{
	char *buf = gh_call_alloc(ctx->call, name.n + 1);

	if (buf == NULL)
		return GH_STR_NONE;
	for (size_t i = 0; i < name.n; i++)
		buf[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 'a' - 'A')
			: name.p[i];
	return (struct gh_str){ buf, name.n };
}

/* ---- Routes ---------------------------------------------------------------------------------- */

#define USERS(verb) "apim:admin internal_user_mgt_" verb
#define ROLES(verb) "apim:admin internal_role_mgt_" verb
#define ANYBODY ""

static const struct rest_route routes[] = {
	{ "GET", "/Users", USERS("list"), users_list },
	{ "POST", "/Users", USERS("create"), users_create },
	{ "GET", "/Users/{userId}", USERS("view"), users_get },
	{ "PUT", "/Users/{userId}", USERS("update"), users_replace },
	{ "PATCH", "/Users/{userId}", USERS("update"), users_patch },
	{ "DELETE", "/Users/{userId}", USERS("delete"), users_delete },
	{ "GET", "/Groups", ROLES("view"), groups_list },
	{ "POST", "/Groups", ROLES("create"), groups_create },
	{ "GET", "/Groups/{roleId}", ROLES("view"), groups_get },
	{ "PUT", "/Groups/{roleId}", ROLES("update"), groups_replace },
	{ "PATCH", "/Groups/{roleId}", ROLES("update"), groups_patch },
	{ "DELETE", "/Groups/{roleId}", ROLES("delete"), groups_delete },
	{ "GET", "/Me", ANYBODY, me_get },
	{ "PUT", "/Me", ANYBODY, me_replace },
	{ "PATCH", "/Me", ANYBODY, me_patch },
	{ "POST", "/Me", NULL, signup_scim },
	{ "GET", "/ServiceProviderConfig", NULL, schemas_config },
	{ "GET", "/ResourceTypes", NULL, schemas_types },
	{ "GET", "/ResourceTypes/{name}", NULL, schemas_type },
	{ "GET", "/Schemas", NULL, schemas_list },
	{ "GET", "/Schemas/{urn}", NULL, schemas_get },
	{ .method = NULL },
};

static const struct rest_api api = {
	.version = 0, .routes = routes, .media_type = "application/scim+json",
	.error = error_body, .accepts_basic = true,
};

static const struct rest_route identity_routes[] = {
	{ "POST", "/v1.0/me", NULL, signup_identity },
	{ .method = NULL },
};

static const struct rest_api identity_api = { .version = 0, .routes = identity_routes };

static void
handle(void *process, const void *config, struct gh_call *call)
{
	struct scim *p = process;

	rest_serve(&api, &p->services, process, config, call);
}

static void
handle_identity(void *process, const void *config, struct gh_call *call)
{
	struct scim *p = process;

	rest_serve(&identity_api, &p->services, process, config, call);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int
open_scim(void *process, const void *config, struct gh_inst *inst)
{
	struct scim *p = process;
	int r = rest_services_bind(inst, &p->services);

	(void)config;
	if (r == 0)
		r = GH_BIND(inst, GH_SVC_USERS, &p->users);
	if (r == 0)
		r = roles_seed(&p->services.docs, GH_STR(MODEL_TENANT_DEFAULT));
	if (r == 0)
		r = users_migrate(&p->services.docs);
	if (r < 0) {
		gh_inst_log(inst, LOG_ERR, "the default roles cannot be written: %s",
			gh_strerror(r));
		return r;
	}
	p->limit = signup_limit_new();
	return p->limit != NULL ? GH_OK : GH_ENOMEM;
}

static void
close_scim(void *process)
{
	struct scim *p = process;

	signup_limit_free(p->limit);
}

static const char *const needs[] = { REST_NEEDS, GH_SVC_USERS, NULL };

/* Passwords are checked and computed here, too. */
static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/scim2", .handler = handle,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = BODY_MAX_BYTES },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/api/identity/user",
		.handler = handle_identity, .lane = GH_LANE_CRYPTO,
		.max_body_bytes = BODY_MAX_BYTES },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "scim", .version = "0.1.0", .needs = needs, .opts = opts,
	.mounts = mounts, .config_size = sizeof(struct scim_config),
	.process_size = sizeof(struct scim), .open = open_scim, .close = close_scim,
};
