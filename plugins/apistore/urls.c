/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file urls.c
 * @brief Where an API can be called: its deployments, at the addresses of their virtual hosts.
 *
 * Everything comes from documents, as the gateways may be other nodes.
 */
#include "lib/doc/doc.h"
#include "lib/environment/environment.h"
#include "lib/json/json.h"
#include "lib/model/model.h"
#include "plugins/apistore/apistore.h"

static const struct gh_str mark = { "{version}", 9 };

static bool
starts_with(struct gh_str s, struct gh_str start)
{
	return s.n >= start.n && (start.n == 0 || memcmp(s.p, start.p, start.n) == 0);
}

/* @p path as gateways serve it for the tenant. */
static struct gh_str
tenant_path(struct rest_context *ctx, struct gh_str path)
{
	if (gh_str_eq(ctx->tenant, GH_STR(MODEL_TENANT_DEFAULT)) || starts_with(path, GH_STR("/t/")))
		return path;
	return gh_call_printf(ctx->call, "/t/%.*s%.*s", GH_STR_ARG(ctx->tenant), GH_STR_ARG(path));
}

/* The context without a version: "/books", also from "/{version}/books". */
static struct gh_str
default_path(struct rest_context *ctx, struct gh_str context)
{
	size_t before = 0;

	while (before < context.n &&
		!starts_with((struct gh_str){ context.p + before, context.n - before }, mark))
		before++;
	if (before == context.n)
		return context;
	size_t behind = before + mark.n;

	/* Its slash goes too, as the gateway makes one of two. */
	if (before > 0 && (behind == context.n || context.p[behind] == '/'))
		before--;
	return gh_call_printf(ctx->call, "%.*s%.*s", (int)before, context.p,
		(int)(context.n - behind), context.p + behind);
}

static bool
has_transport(const struct gh_doc *deployment, struct gh_str name)
{
	struct doc_iter it = doc_iter(doc_array(deployment->body, "transport"));
	struct doc_value v;
	bool has_any = false;

	while (doc_next(&it, NULL, &v)) {
		has_any = true;
		if (v.type == DOC_STR && gh_str_eq_nocase(v.s, name))
			return true;
	}
	return !has_any; /* as the gateway reads it */
}

/* {http, https, ws, wss}; what it is not served on is null.  @param path  p = NULL: nothing is. */
static json_t *
url_map(const struct gh_doc *deployment, const struct environment_vhost *vhost, struct gh_str path)
{
	bool is_http = path.p != NULL && has_transport(deployment, GH_STR("http"));
	bool is_https = path.p != NULL && has_transport(deployment, GH_STR("https"));

	return json_pack("{s:o, s:o, s:n, s:n}",
		"http", is_http ? environment_url(vhost, false, path) : json_null(),
		"https", is_https ? environment_url(vhost, true, path) : json_null(), "ws", "wss");
}

static json_t *
row_of(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *deployment,
	const struct gh_doc *environment, const struct environment_vhost *vhost)
{
	struct gh_str name = doc_str(environment->body, "name"), type = environment_type(environment);
	struct gh_str title = doc_str(doc_map(environment->body, "dto"), "displayName");
	struct gh_str path = tenant_path(ctx, doc_str(api->body, "base")), short_path = GH_STR_NONE;

	if (doc_bool(api->body, "is_default", false))
		short_path = tenant_path(ctx, default_path(ctx, doc_str(api->body, "context")));
	return json_pack("{s:s%, s:s%, s:s%, s:o, s:o}", "environmentName", name.p, name.n,
		"environmentDisplayName", title.n > 0 ? title.p : name.p,
		title.n > 0 ? title.n : name.n, "environmentType", type.p, type.n,
		"URLs", url_map(deployment, vhost, path),
		"defaultVersionURLs", url_map(deployment, vhost, short_path));
}

/* A deployment whose environment or virtual host is gone has no address. */
static int
add_deployment(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *deployment,
	json_t *rows)
{
	const struct gh_doc *environment;
	struct environment_vhost vhost;
	int r = environment_by_name(ctx, doc_str(deployment->body, "environment"), &environment);

	if (r == GH_ENOENT)
		return GH_OK;
	if (r < 0 || !environment_vhost(environment, doc_str(deployment->body, "vhost"), &vhost))
		return r;
	return json_array_append_new(rows, row_of(ctx, api, deployment, environment, &vhost)) < 0
		       ? GH_ENOMEM
		       : GH_OK;
}

int
apistore_add_urls(struct rest_context *ctx, const struct gh_doc *api, json_t *row)
{
	const struct gh_docs_found *found;
	json_t *rows;
	int r = rest_find_equal(ctx, "deployment", "api", &api->id, 1, &found);

	if (r < 0)
		return r;
	rows = json_array();
	for (size_t i = 0; i < found->n && r == GH_OK; i++)
		if (doc_bool(found->docs[i].body, "display_on_devportal", true))
			r = add_deployment(ctx, api, &found->docs[i], rows);
	if (r < 0) {
		json_decref(rows);
		return r;
	}
	return js_set(row, "endpointURLs", rows);
}
