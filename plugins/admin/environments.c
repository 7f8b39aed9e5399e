/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file environments.c
 * @brief Gateway environments: where APIs can be deployed, and which gateways are there.
 *
 * An environment's name stands in the manifests of its gateways and in the ids of deployments, so it
 * does not change.  What is in use is not removed: an environment, or one of its virtual hosts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/model/model.h"
#include "lib/uri/uri.h"
#include "plugins/admin/admin.h"

#define NAME_MAX_BYTES 200 /* an id of a deployment is "<uuid>/<name>" */
#define ENVIRONMENTS_MAX 500

/* ---- Schema -------------------------------------------------------------------------------------- */

static bool
is_name(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= 0x20 || c == 0x7f || strchr("~!@#;:%^*()+={}|\\<>\"',&$/", c) != NULL)
			return false;
	}
	return true;
}

/* A name, or an address of IPv4: what a virtual host may be. */
static bool
is_host(struct gh_str s)
{
	char buf[URI_HOST_MAX + 2];
	struct gh_str host;
	uint16_t port;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-' && c != '.')
			return false;
	}
	return uri_host_canonical(s, buf, sizeof(buf), &host, &port, NULL) == GH_OK && host.n > 0;
}

static bool
is_context(struct gh_str s)
{
	for (size_t i = s.n > 0 && s.p[0] == '/'; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-')
			return false;
	}
	return true;
}

static const char *const types[] = { "hybrid", "production", "sandbox", NULL };
static const char *const gateway_types[] = { "Regular", NULL };
static const char *const permission_types[] = { "PUBLIC", "ALLOW", "DENY", NULL };

#define PORT(field, otherwise) \
	{ field, REST_INTEGER, .min = 1, .max = UINT16_MAX, .dflt = otherwise }

static const struct rest_field vhost_fields[] = {
	{ "host", REST_STRING, .is_required = true, .min = 1, .max = URI_HOST_MAX, .is_valid = is_host,
		.rule = "must be the name of a host" },
	{ "httpContext", REST_STRING, .max = 255, .is_valid = is_context, .dflt = "\"\"",
		.rule = "must be letters, digits and hyphens" },
	PORT("httpPort", "80"), PORT("httpsPort", "443"), PORT("wsPort", "9099"),
	PORT("wssPort", "8099"),
	{ .type = REST_END },
};
static const struct rest_field permission_fields[] = {
	{ "permissionType", REST_STRING, .words = permission_types, .dflt = "\"PUBLIC\"" },
	{ "roles", REST_ARRAY, .item = REST_STRING, .max = 100, .dflt = "[]" },
	{ .type = REST_END },
};
static const struct rest_field fields[] = {
	{ "name", REST_STRING, .is_required = true, .min = 1, .max = NAME_MAX_BYTES, .is_valid = is_name,
		.rule = "must not contain spaces or any of ~ ! @ # ; : % ^ * ( ) + = { } | \\ < > \" ' , "
			"& $ /" },
	{ "displayName", REST_STRING, .max = 255 },
	{ "type", REST_STRING, .words = types, .dflt = "\"hybrid\"" },
	{ "description", REST_STRING, .max = 1023, .dflt = "\"\"" },
	{ "provider", REST_STRING, .max = 255, .dflt = "\"gatehouse\"" },
	{ "gatewayType", REST_STRING, .words = gateway_types, .dflt = "\"Regular\"" },
	{ "vhosts", REST_ARRAY, .is_required = true, .min = 1, .max = 100, .item = REST_OBJECT,
		.fields = vhost_fields },
	{ "endpointURIs", REST_ARRAY, .item = REST_OBJECT, .max = 100, .dflt = "[]" },
	{ "additionalProperties", REST_ARRAY, .item = REST_OBJECT, .max = 100, .dflt = "[]" },
	{ "permissions", REST_OBJECT, .fields = permission_fields,
		.dflt = "{\"permissionType\": \"PUBLIC\", \"roles\": []}" },
	{ .type = REST_END },
};

/* ---- Reading a request --------------------------------------------------------------------------- */

/* One virtual host in its canonical form. */
static int
canonical_vhost(json_t *vhost)
{
	struct gh_str context = js_str(vhost, "httpContext"), host;
	char buf[URI_HOST_MAX + 2];
	uint16_t port;
	int r = uri_host_canonical(js_str(vhost, "host"), buf, sizeof(buf), &host, &port, NULL);

	if (r < 0)
		return r;
	json_t *text = js_string(host); /* before what it was read from goes */

	r = js_set(vhost, "host", text);
	if (r == GH_OK && context.n > 0 && context.p[0] == '/')
		r = js_set(vhost, "httpContext",
			js_string((struct gh_str){ context.p + 1, context.n - 1 }));
	return r;
}

static int
check_vhosts(struct rest_context *ctx, json_t *vhosts)
{
	int r = GH_OK;

	for (size_t i = 0; i < json_array_size(vhosts) && r == GH_OK; i++) {
		json_t *vhost = json_array_get(vhosts, i);

		r = canonical_vhost(vhost);
		for (size_t k = 0; k < i && r == GH_OK; k++) {
			struct gh_str host = js_str(vhost, "host");

			if (gh_str_eq(host, js_str(json_array_get(vhosts, k), "host")))
				return rest_fail(ctx, 400, "vhosts[%zu].host: %.*s stands there twice", i,
					GH_STR_ARG(host));
		}
	}
	return r;
}

/* The environment of the body; members that we do not know are left out. */
static int
read_environment(struct rest_context *ctx, json_t **ret_dto)
{
	json_t *body, *dto = json_object();
	int r = rest_own_json(ctx, dto);

	if (r == GH_OK)
		r = rest_body(ctx, fields, &body);
	if (r == GH_OK && !js_has(body, "displayName"))
		r = js_set_str(body, "displayName", js_str(body, "name"));
	for (const struct rest_field *f = fields; f->type != REST_END && r == GH_OK; f++)
		if (js_has(body, f->name))
			r = js_set(dto, f->name, json_incref(json_object_get(body, f->name)));
	if (r == GH_OK)
		r = check_vhosts(ctx, js_array(dto, "vhosts"));
	if (r == GH_OK)
		*ret_dto = dto;
	return r;
}

/* ---- Documents ----------------------------------------------------------------------------------- */

int
admin_environment_doc(struct gh_str name, struct gh_str uuid, bool is_shared, const json_t *dto,
	struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "uuid", uuid);
	doc_put_str(&w, "name", name);
	doc_put_bool(&w, "is_shared", is_shared);
	doc_put_json(&w, "dto", dto);
	return doc_finish(&w, ret_body);
}

static int
find_environment(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	struct gh_str id = rest_param(ctx, "environmentId");
	int r = environment_by_uuid(ctx, id, ret_doc);

	if (r == GH_ENOENT)
		return rest_fail(ctx, 404, "there is no environment with the id %.*s", GH_STR_ARG(id));
	return r;
}

/* One that the caller may change. */
static int
find_own(struct rest_context *ctx, const struct gh_doc **ret_doc)
{
	int r = find_environment(ctx, ret_doc);

	if (r == GH_OK && !environment_is_own(ctx, *ret_doc))
		return rest_fail(ctx, 400, "the environment %.*s is read-only for this tenant",
			GH_STR_ARG(doc_str((*ret_doc)->body, "name")));
	return r == GH_OK ? rest_if_match(ctx, (*ret_doc)->rev) : r;
}

/* 409 when something is deployed there.  @param vhost  n = 0: on any of its virtual hosts. */
static int
check_unused(struct rest_context *ctx, const struct gh_doc *environment, struct gh_str vhost)
{
	struct gh_str equal[] = { doc_str(environment->body, "name"), vhost }, own = ctx->tenant;
	const struct gh_docs_found *found;

	if (doc_bool(environment->body, "is_shared", false))
		ctx->tenant = GH_STR_NONE; /* deployments of all tenants */
	int r = rest_find_equal(ctx, "deployment", "environment", equal, vhost.n > 0 ? 2 : 1, &found);

	ctx->tenant = own;
	if (r == GH_OK && found->n > 0 && vhost.n > 0)
		return rest_fail(ctx, 409, "the virtual host %.*s is in use: APIs are deployed there",
			GH_STR_ARG(vhost));
	if (r == GH_OK && found->n > 0)
		return rest_fail(ctx, 409, "the environment %.*s is in use: APIs are deployed there",
			GH_STR_ARG(equal[0]));
	return r;
}

/* Virtual hosts that the new form lacks must not be in use. */
static int
check_removed_vhosts(struct rest_context *ctx, const struct gh_doc *environment, const json_t *dto)
{
	struct doc_iter it = doc_iter(doc_array(doc_map(environment->body, "dto"), "vhosts"));
	const json_t *vhosts = js_array(dto, "vhosts");
	struct doc_value v;
	int r = GH_OK;

	while (r == GH_OK && doc_next(&it, NULL, &v)) {
		struct gh_str host = v.type == DOC_MAP ? doc_str(v.s, "host") : GH_STR_NONE;
		bool stays = host.n == 0;

		for (size_t i = 0; i < json_array_size(vhosts); i++)
			stays |= gh_str_eq(js_str(json_array_get(vhosts, i), "host"), host);
		if (!stays)
			r = check_unused(ctx, environment, host);
	}
	return r;
}

/* ---- Operations ---------------------------------------------------------------------------------- */

int
environments_list(struct rest_context *ctx)
{
	const struct gh_doc *const *list;
	json_t *rows;
	size_t n;
	int r = environment_list(ctx, &list, &n);

	if (r < 0)
		return r;
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(rows, environment_to_json(ctx, list[i])) < 0) {
			json_decref(rows);
			return GH_ENOMEM;
		}
	}
	return rest_reply(ctx, 200, json_pack("{s:I, s:o}", "count", (json_int_t)n, "list", rows));
}

static int
reply_environment(struct rest_context *ctx, struct gh_str name, bool is_new)
{
	const struct gh_doc *doc;
	int r = environment_by_name(ctx, name, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	json_t *row = environment_to_json(ctx, doc);

	return is_new ? rest_reply_created(ctx, row, "/environments/%.*s",
				GH_STR_ARG(doc_str(doc->body, "uuid")))
		      : rest_reply(ctx, 200, row);
}

int
environments_create(struct rest_context *ctx)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_doc *const *list;
	struct gh_str body;
	json_t *dto;
	size_t n;
	int r = read_environment(ctx, &dto);

	if (r == GH_OK)
		r = environment_list(ctx, &list, &n);
	if (r < 0)
		return r;
	struct gh_str name = js_str(dto, "name");

	if (n >= ENVIRONMENTS_MAX)
		return rest_fail(ctx, 400, "there are %d environments, which is the maximum",
			ENVIRONMENTS_MAX);
	for (size_t i = 0; i < n; i++)
		if (gh_str_eq(doc_str(list[i]->body, "name"), name))
			return rest_fail(ctx, 409, "there is an environment named %.*s already",
				GH_STR_ARG(name));
	r = crypto_uuid(uuid);
	if (r == GH_OK)
		r = admin_environment_doc(name, gh_str_of(uuid), false, dto, &body);
	if (r == GH_OK)
		r = rest_put(ctx, "environment", name, body, GH_REV_NONE);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_environment(ctx, name, true);
}

int
environments_get(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_environment(ctx, &doc);

	if (r < 0)
		return r;
	rest_etag(ctx, doc->rev);
	return rest_reply(ctx, 200, environment_to_json(ctx, doc));
}

int
environments_update(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	struct gh_str body;
	json_t *dto;
	int r = find_own(ctx, &doc);

	if (r == GH_OK)
		r = read_environment(ctx, &dto);
	if (r < 0)
		return r;
	struct gh_str name = doc_str(doc->body, "name");

	if (!gh_str_eq(js_str(dto, "name"), name))
		return rest_fail(ctx, 400, "name: the name of an environment does not change");
	r = check_removed_vhosts(ctx, doc, dto);
	if (r == GH_OK)
		r = admin_environment_doc(name, doc_str(doc->body, "uuid"),
			doc_bool(doc->body, "is_shared", false), dto, &body);
	if (r == GH_OK)
		r = rest_put(ctx, "environment", doc->id, body, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : reply_environment(ctx, name, false);
}

int
environments_delete(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = find_own(ctx, &doc);

	if (r == GH_OK && doc_bool(doc->body, "is_shared", false))
		return rest_fail(ctx, 400, "the environment %.*s comes with the installation and stays",
			GH_STR_ARG(doc_str(doc->body, "name")));
	if (r == GH_OK)
		r = check_unused(ctx, doc, GH_STR_NONE);
	if (r == GH_OK)
		r = rest_delete(ctx, "environment", doc->id, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}

/* ---- Gateways ------------------------------------------------------------------------------------ */

/* An environment_node_fn. */
static int
add_gateway(void *arg, const struct gh_node_seen *node)
{
	time_t s = (time_t)node->last_seen_s;
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_t *row = json_object();

	if (js_set_str(row, "gatewayId", node->id) < 0 ||
		js_set_str(row, "lastActive", gh_str_of(when)) < 0 ||
		js_set_str(row, "status",
			node->is_live ? GH_STR("ACTIVE") : GH_STR("EXPIRED")) < 0) {
		json_decref(row);
		return GH_ENOMEM;
	}
	return json_array_append_new(arg, row) < 0 ? GH_ENOMEM : GH_OK;
}

int
environments_list_gateways(struct rest_context *ctx)
{
	const struct admin *admin = ctx->process;
	const struct gh_doc *doc;
	json_t *rows;
	int r = find_environment(ctx, &doc);

	if (r < 0)
		return r;
	rows = json_array();
	r = environment_nodes_each(&admin->nodes, doc_str(doc->body, "name"), add_gateway, rows);
	if (r < 0) {
		json_decref(rows);
		return r;
	}
	return rest_reply(ctx, 200, json_pack("{s:I, s:o}", "count",
		(json_int_t)json_array_size(rows), "list", rows));
}

/* ---- The first one ------------------------------------------------------------------------------- */

/* The port that was asked for, else of this node's own listener, else the usual one. */
static json_int_t
first_port(struct gh_inst *inst, uint64_t option, bool is_tls)
{
	uint16_t own = gh_inst_port(inst, GH_CHAIN_GATEWAY, is_tls);

	if (option != 0)
		return (json_int_t)option;
	return own != 0 ? own : is_tls ? 8243 : 8280;
}

static json_t *
default_dto(struct gh_inst *inst, const struct admin_config *config)
{
	char buf[URI_HOST_MAX + 2];
	struct gh_str host;
	uint16_t port;

	if (!is_host(config->gateway_host) || uri_host_canonical(config->gateway_host, buf,
			sizeof(buf), &host, &port, NULL) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s%, s:s, s:I, s:I, s:i, s:i}], s:[], s:[],"
			 " s:{s:s, s:[]}}",
		"name", ENVIRONMENT_DEFAULT, "displayName", ENVIRONMENT_DEFAULT, "type", "hybrid",
		"description", "Gateways of this installation", "provider", "gatehouse",
		"gatewayType", "Regular", "vhosts",
		"host", host.p, host.n, "httpContext", "",
		"httpPort", first_port(inst, config->gateway_http_port, false),
		"httpsPort", first_port(inst, config->gateway_https_port, true),
		"wsPort", ENVIRONMENT_WS_PORT, "wssPort", ENVIRONMENT_WSS_PORT,
		"endpointURIs", "additionalProperties",
		"permissions", "permissionType", "PUBLIC", "roles");
}

int
admin_seed_environment(const struct gh_docs *docs, struct gh_inst *inst,
	const struct admin_config *config)
{
	struct gh_doc_op op = { .verb = GH_DOC_PUT, .tenant = GH_STR(MODEL_TENANT_DEFAULT),
		.kind = GH_STR("environment"), .id = GH_STR(ENVIRONMENT_DEFAULT),
		.expect_rev = GH_REV_NONE };
	char uuid[CRYPTO_UUID_LEN + 1];
	struct gh_docs_found *found;
	int r = docs->vt->get(docs->self, op.tenant, op.kind, op.id, &found);

	if (r == GH_OK)
		docs->vt->found_free(found);
	if (r != GH_ENOENT)
		return r;
	json_t *dto = default_dto(inst, config);

	r = dto != NULL ? crypto_uuid(uuid) : GH_EINVAL;
	if (r == GH_OK)
		r = admin_environment_doc(op.id, gh_str_of(uuid), true, dto, &op.body);
	if (r == GH_OK)
		r = docs->vt->commit(docs->self, &op, 1, NULL, NULL);
	json_decref(dto);
	free((void *)op.body.p);
	return r == GH_ECONFLICT ? GH_OK : r; /* another node was faster */
}
