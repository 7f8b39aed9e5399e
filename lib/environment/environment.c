/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file environment.c
 * @brief Reading gateway environments.
 */
#include "lib/environment/environment.h"

#include <stdlib.h>

#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "lib/model/model.h"
#include "lib/uri/uri.h"

/* ---- Documents ------------------------------------------------------------------------------- */

/** Environments of one tenant. */
static int
find_of(struct rest_context *ctx, struct gh_str tenant, const char *index,
	const struct gh_str *equal, size_t n, const struct gh_docs_found **ret_found)
{
	struct gh_str own = ctx->tenant;

	ctx->tenant = tenant;
	int r = rest_find_equal(ctx, "environment", index, equal, n, ret_found);

	ctx->tenant = own;
	return r;
}

bool
environment_is_own(const struct rest_context *ctx, const struct gh_doc *environment)
{
	return gh_str_eq(environment->tenant, ctx->tenant);
}

static bool
is_visible(const struct rest_context *ctx, const struct gh_doc *environment)
{
	return environment_is_own(ctx, environment) ||
		doc_bool(environment->body, "is_shared", false);
}

/** The one with that value, the tenant's own or a shared one. */
static int
find_one(struct rest_context *ctx, const char *index, struct gh_str value,
	const struct gh_doc **ret_environment)
{
	const struct gh_str tenants[] = { ctx->tenant, GH_STR(MODEL_TENANT_DEFAULT) };
	size_t n = gh_str_eq(tenants[0], tenants[1]) ? 1 : 2;
	int r = value.n > 0 ? 0 : GH_ENOENT;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct gh_docs_found *found;

		r = find_of(ctx, tenants[i], index, &value, 1, &found);
		if (r == 0 && found->n > 0 && is_visible(ctx, &found->docs[0])) {
			*ret_environment = &found->docs[0];
			return 0;
		}
	}
	return r == 0 ? GH_ENOENT : r;
}

int
environment_by_name(struct rest_context *ctx, struct gh_str name,
	const struct gh_doc **ret_environment)
{
	return find_one(ctx, "name", name, ret_environment);
}

int
environment_by_uuid(struct rest_context *ctx, struct gh_str uuid,
	const struct gh_doc **ret_environment)
{
	return find_one(ctx, "uuid", uuid, ret_environment);
}

int
environment_list(struct rest_context *ctx, const struct gh_doc *const **ret_list, size_t *ret_n)
{
	const struct gh_str tenants[] = { ctx->tenant, GH_STR(MODEL_TENANT_DEFAULT) };
	size_t tenant_count = gh_str_eq(tenants[0], tenants[1]) ? 1 : 2, most = 0, n = 0;
	const struct gh_docs_found *found[2];

	for (size_t i = 0; i < tenant_count; i++) {
		int r = find_of(ctx, tenants[i], "name", NULL, 0, &found[i]);

		if (r < 0)
			return r;
		most += found[i]->n;
	}
	const struct gh_doc **list = gh_call_alloc(ctx->call, (most + 1) * sizeof(struct gh_doc *));

	if (list == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < tenant_count; i++)
		for (size_t k = 0; k < found[i]->n; k++)
			if (is_visible(ctx, &found[i]->docs[k]))
				list[n++] = &found[i]->docs[k];
	*ret_list = list;
	*ret_n = n;
	return 0;
}

json_t *
environment_to_json(const struct rest_context *ctx, const struct gh_doc *environment)
{
	json_t *dto = NULL, *row = json_object();
	int r = doc_map_to_json(doc_map(environment->body, "dto"), &dto);

	if (r == 0)
		r = js_set_str(row, "id", doc_str(environment->body, "uuid"));
	if (r == 0 && json_object_update(row, dto) < 0)
		r = GH_ENOMEM;
	if (r == 0)
		r = js_set(row, "isReadOnly", json_boolean(!environment_is_own(ctx, environment)));
	json_decref(dto);
	if (r == 0)
		return row;
	json_decref(row);
	return NULL;
}

struct gh_str
environment_type(const struct gh_doc *environment)
{
	struct gh_str type = doc_str(doc_map(environment->body, "dto"), "type");

	return type.n > 0 ? type : GH_STR("hybrid");
}

/* ---- Virtual hosts --------------------------------------------------------------------------- */

static int
port_of(struct gh_str vhost, const char *name, int otherwise)
{
	int64_t port = doc_int(vhost, name, otherwise);

	return port >= 0 && port <= UINT16_MAX ? (int)port : otherwise;
}

bool
environment_vhost(const struct gh_doc *environment, struct gh_str host,
	struct environment_vhost *ret_vhost)
{
	struct doc_iter it = doc_iter(doc_array(doc_map(environment->body, "dto"), "vhosts"));
	char buf[URI_HOST_MAX + 2];
	struct gh_str wanted = host;
	struct doc_value v;
	uint16_t port;

	if (host.n > 0 && (uri_host_canonical(host, buf, sizeof(buf), &wanted, &port, NULL) < 0 ||
		port != 0))
		return false;
	while (doc_next(&it, NULL, &v)) {
		if (v.type != DOC_MAP || (wanted.n > 0 && !gh_str_eq(doc_str(v.s, "host"), wanted)))
			continue;
		*ret_vhost = (struct environment_vhost){
			.host = doc_str(v.s, "host"),
			.context = doc_str(v.s, "httpContext"),
			.http_port = port_of(v.s, "httpPort", ENVIRONMENT_HTTP_PORT),
			.https_port = port_of(v.s, "httpsPort", ENVIRONMENT_HTTPS_PORT),
			.ws_port = port_of(v.s, "wsPort", ENVIRONMENT_WS_PORT),
			.wss_port = port_of(v.s, "wssPort", ENVIRONMENT_WSS_PORT),
		};
		return true;
	}
	return false;
}

json_t *
environment_url(const struct environment_vhost *vhost, bool is_tls, struct gh_str path)
{
	int port = is_tls ? vhost->https_port : vhost->http_port;
	bool is_usual = port == (is_tls ? ENVIRONMENT_HTTPS_PORT : ENVIRONMENT_HTTP_PORT);
	json_t *authority = is_usual ? json_sprintf("%.*s", GH_STR_ARG(vhost->host)) :
		json_sprintf("%.*s:%d", GH_STR_ARG(vhost->host), port);
	json_t *url = NULL;

	if (authority != NULL)
		url = json_sprintf("%s://%s%s%.*s%.*s", is_tls ? "https" : "http",
			json_string_value(authority), vhost->context.n > 0 ? "/" : "",
			GH_STR_ARG(vhost->context), GH_STR_ARG(path));
	json_decref(authority);
	return url;
}

/* ---- Who may use one ------------------------------------------------------------------------- */

bool
environment_is_allowed(const struct gh_doc *environment, const struct gh_str *roles, size_t n)
{
	struct gh_str permissions = doc_map(doc_map(environment->body, "dto"), "permissions");
	struct gh_str type = doc_str(permissions, "permissionType");
	struct doc_iter it = doc_iter(doc_array(permissions, "roles"));
	struct doc_value v;
	bool has_role = false;

	if (type.n == 0 || gh_str_eq(type, GH_STR("PUBLIC")))
		return true;
	while (doc_next(&it, NULL, &v))
		for (size_t i = 0; i < n && v.type == DOC_STR; i++)
			has_role |= gh_str_eq(v.s, roles[i]);
	return gh_str_eq(type, GH_STR("ALLOW")) ? has_role : n > 0 && !has_role;
}

/* ---- Gateways -------------------------------------------------------------------------------- */

void
environment_nodes_bind(struct gh_inst *inst, struct environment_nodes *nodes)
{
	while (nodes->n < ENVIRONMENT_NODES_MAX &&
		GH_BIND_AT(inst, GH_SVC_NODES, (unsigned)nodes->n, &nodes->v[nodes->n]) == 0)
		nodes->n++;
}

/** Is @p word one of the space separated @p words? */
static bool
has_word(struct gh_str words, struct gh_str word)
{
	while (words.n > 0) {
		const char *space = memchr(words.p, ' ', words.n);
		size_t n = space != NULL ? (size_t)(space - words.p) : words.n;

		if (gh_str_eq((struct gh_str){ words.p, n }, word))
			return true;
		n += space != NULL;
		words = (struct gh_str){ words.p + n, words.n - n };
	}
	return false;
}

int
environment_nodes_each(const struct environment_nodes *nodes, struct gh_str environment,
	environment_node_fn *fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; i < nodes->n && r == 0; i++) {
		const struct gh_nodes *from = &nodes->v[i];
		struct gh_nodes_seen *seen;

		r = from->vt->list(from->self, &seen);
		if (r < 0)
			return r;
		for (size_t k = 0; k < seen->n && r == 0; k++)
			if (has_word(seen->nodes[k].environments, environment))
				r = fn(arg, &seen->nodes[k]);
		from->vt->free_list(seen);
	}
	return r;
}

struct counting {
	uint64_t seq;
	bool is_old;
	struct environment_counts counts;
};

static int
count_node(void *arg, const struct gh_node_seen *node)
{
	struct counting *c = arg;

	if (!node->is_live)
		return 0;
	c->counts.live++;
	if (node->serving >= c->seq)
		c->counts.deployed++;
	else if (c->is_old)
		c->counts.failed++;
	return 0;
}

int
environment_count(const struct environment_nodes *nodes, struct gh_str environment, uint64_t seq,
	int64_t age_s, struct environment_counts *ret_counts)
{
	struct counting c = { .seq = seq, .is_old = age_s >= ENVIRONMENT_FAILED_AFTER_S };
	int r = environment_nodes_each(nodes, environment, count_node, &c);

	if (r == 0)
		*ret_counts = c.counts;
	return r;
}
