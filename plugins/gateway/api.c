/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file api.c
 * @brief From a `deployment` document to an API that can be served.
 *
 * The publisher has checked the document; a gateway checks again, because what it cannot serve
 * correctly it must not serve at all.  An operation or endpoint that makes no sense is left out and
 * counted; without identity, context or version the whole deployment is refused.
 */
#include "plugins/gateway/api.h"

#include "lib/doc/doc.h"
#include "lib/tenant/tenant.h"
#include "lib/uri/uri.h"

static const struct {
	const char *word;
	enum gw_state state;
} states[] = {
	{ "CREATED", GW_CREATED }, { "PROTOTYPED", GW_PROTOTYPED }, { "PUBLISHED", GW_PUBLISHED },
	{ "BLOCKED", GW_BLOCKED }, { "DEPRECATED", GW_DEPRECATED }, { "RETIRED", GW_RETIRED },
};

static const struct {
	const char *word;
	enum gw_auth_type type;
} auth_types[] = {
	{ "None", GW_AUTH_NONE }, { "Application", GW_AUTH_APPLICATION },
	{ "Application User", GW_AUTH_APPLICATION_USER },
	{ "Application & Application User", GW_AUTH_ANY },
	{ "Application_User", GW_AUTH_APPLICATION_USER }, { "Any", GW_AUTH_ANY },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- Fields: each map is walked once ---------------------------------------------------- */

/* What is read of a deployment, and of one of its operations. */
struct deployment {
	struct gh_str api_id, name, version, context, provider, api_tier, state;
	struct gh_str authorization_header, api_key_header, vhost;
	struct gh_str transport, operations, production, sandbox; /* arrays */
	bool is_default, pass_credentials;
};

struct operation {
	struct gh_str target, verb, auth_type, tier;
	struct gh_str scopes; /* array */
};

struct field {
	struct gh_str name;
	enum doc_type type;
	size_t offset;
};

#define FIELD(T, field, type) { { #field, sizeof(#field) - 1 }, type, offsetof(T, field) }

static const struct field deployment_fields[] = {
	FIELD(struct deployment, api_id, DOC_STR), FIELD(struct deployment, name, DOC_STR),
	FIELD(struct deployment, version, DOC_STR), FIELD(struct deployment, context, DOC_STR),
	FIELD(struct deployment, provider, DOC_STR), FIELD(struct deployment, api_tier, DOC_STR),
	FIELD(struct deployment, authorization_header, DOC_STR),
	FIELD(struct deployment, api_key_header, DOC_STR),
	FIELD(struct deployment, vhost, DOC_STR),
	FIELD(struct deployment, state, DOC_STR), FIELD(struct deployment, transport, DOC_ARRAY),
	FIELD(struct deployment, operations, DOC_ARRAY),
	FIELD(struct deployment, production, DOC_ARRAY),
	FIELD(struct deployment, sandbox, DOC_ARRAY),
	FIELD(struct deployment, is_default, DOC_BOOL),
	FIELD(struct deployment, pass_credentials, DOC_BOOL),
};

static const struct field operation_fields[] = {
	FIELD(struct operation, target, DOC_STR), FIELD(struct operation, verb, DOC_STR),
	FIELD(struct operation, auth_type, DOC_STR), FIELD(struct operation, tier, DOC_STR),
	FIELD(struct operation, scopes, DOC_ARRAY),
};

/* Fill a zeroed struct; of two fields with one name the first counts. */
static void
read_fields(struct gh_str map, const struct field *fields, size_t n, void *ret)
{
	struct doc_iter it = doc_iter(map);
	struct doc_value value;
	struct gh_str name;
	uint32_t seen = 0;

	while (doc_next(&it, &name, &value)) {
		size_t i = 0;

		while (i < n && !gh_str_eq(fields[i].name, name))
			i++;
		if (i == n || (seen & UINT32_C(1) << i) != 0)
			continue;
		seen |= UINT32_C(1) << i;
		void *at = (char *)ret + fields[i].offset;

		if (value.type == fields[i].type && value.type == DOC_BOOL)
			memcpy(at, &value.b, sizeof(value.b));
		else if (value.type == fields[i].type)
			memcpy(at, &value.s, sizeof(value.s));
	}
}

static int
copy_strings(struct gw_api *api, const struct gh_doc *doc, const struct deployment *from)
{
	struct gw_arena *arena = &api->entry.arena;
	int r;

	if ((r = gw_arena_str(arena, from->api_id, &api->id)) < 0 ||
		(r = gw_arena_str(arena, from->name, &api->name)) < 0 ||
		(r = gw_arena_str(arena, from->version, &api->version)) < 0 ||
		(r = gw_arena_str(arena, from->context, &api->context)) < 0 ||
		(r = gw_arena_str(arena, from->provider, &api->provider)) < 0 ||
		(r = gw_arena_str(arena, from->api_tier, &api->tier)) < 0 ||
		(r = gw_arena_str(arena, from->authorization_header,
			&api->authorization_header)) < 0 ||
		(r = gw_arena_str(arena, from->api_key_header, &api->api_key_header)) < 0 ||
		(r = gw_arena_str(arena, doc->tenant, &api->entry.tenant)) < 0 ||
		(r = gw_arena_str(arena, doc->id, &api->entry.key.b)) < 0)
		return r;
	api->entry.key.a = api->entry.tenant;
	if (api->authorization_header.n == 0)
		api->authorization_header = GH_STR("Authorization");
	if (api->api_key_header.n == 0)
		api->api_key_header = GH_STR("ApiKey");
	return 0;
}

/* ---- Lists of strings ------------------------------------------------------------------- */

/* Read the words of an array of strings.  @return 0 or GH_ENOMEM. */
static int
copy_words(struct gw_arena *arena, struct gh_str array, const struct gh_str **ret_v, size_t *ret_n)
{
	struct doc_iter it = doc_iter(array);
	struct doc_value value;
	size_t most = doc_count(array), n = 0;
	struct gh_str *v;
	int r;

	if (most == 0 || most > array.n)
		return 0;
	if ((v = gw_arena_alloc(arena, most * sizeof(*v))) == NULL)
		return GH_ENOMEM;
	while (n < most && doc_next(&it, NULL, &value)) {
		if (value.type != DOC_STR || value.s.n == 0)
			continue;
		if ((r = gw_arena_str(arena, value.s, &v[n])) < 0)
			return r;
		n++;
	}
	*ret_v = v;
	*ret_n = n;
	return 0;
}

/* ---- Routes ----------------------------------------------------------------------------- */

/* Append to a route; false: it does not fit. */
static bool
append(char *buf, size_t *n, struct gh_str s)
{
	if (s.n > GW_CONTEXT_MAX - *n)
		return false;
	if (s.n > 0)
		memcpy(buf + *n, s.p, s.n);
	*n += s.n;
	return true;
}

static bool
starts_with(struct gh_str s, struct gh_str start)
{
	return s.n >= start.n && memcmp(s.p, start.p, start.n) == 0;
}

/* The context as callers see it: behind "/t/<tenant>", where nobody but that tenant has one. */
static int
set_context(struct gw_api *api)
{
	char buf[TENANT_CONTEXT_MAX];
	struct gh_str inner = tenant_context_inner(api->entry.tenant, api->context);

	api->has_own_tenant = !tenant_is_default(api->entry.tenant);
	if (!api->has_own_tenant)
		return 0;
	struct gh_str context = tenant_context(api->entry.tenant, inner, buf);

	if (context.n == 0)
		return GH_ETOOBIG;
	return gw_arena_str(&api->entry.arena, context, &api->context);
}

/* The context with "{version}" replaced; without it the version follows as a segment.  An empty
 * @p version leaves its segment out: that is where the default version is. */
static int
expand_context(const struct gw_api *api, struct gh_str version, char *buf, size_t *ret_n)
{
	static const struct gh_str mark = { "{version}", 9 };
	struct gh_str context = api->context;
	bool has_mark = false, fits = true;
	size_t n = 0;

	for (size_t i = 0; i < context.n && fits; ) {
		struct gh_str rest = { context.p + i, context.n - i };

		if (!has_mark && starts_with(rest, mark)) {
			has_mark = true;
			fits = append(buf, &n, version);
			i += mark.n;
		} else {
			fits = append(buf, &n, (struct gh_str){ rest.p, 1 });
			i++;
		}
	}
	if (fits && !has_mark && version.n > 0)
		fits = append(buf, &n, GH_STR("/")) && append(buf, &n, version);
	*ret_n = n;
	return fits ? 0 : GH_ETOOBIG;
}

static int
add_route(struct gw_api *api, struct gh_str version)
{
	char raw[GW_CONTEXT_MAX], buf[3 * GW_CONTEXT_MAX + 1];
	struct gh_str path = { raw, 0 };
	int r;

	if ((r = expand_context(api, version, raw, &path.n)) < 0)
		return r;
	/* Two slashes become one, so that an empty version leaves no trace. */
	if ((r = uri_path_canonical(path, buf, sizeof(buf), &path, NULL)) < 0)
		return r;
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	if (!api->has_own_tenant && tenant_has_prefix(path))
		return GH_EINVAL;
	if ((r = gw_arena_str(&api->entry.arena, path, &api->routes[api->route_count])) < 0)
		return r;
	api->route_count++;
	return 0;
}

/* Without a host of its own it is served for every host that nobody names. */
static int
read_vhost(struct gw_api *api, struct gh_str text)
{
	char buf[URI_HOST_MAX + 2];
	struct gh_str host;
	uint16_t port;

	if (text.n == 0)
		return 0;
	if (uri_host_canonical(text, buf, sizeof(buf), &host, &port, NULL) < 0 || port != 0)
		return GH_EINVAL;
	return gh_str_eq(host, GH_STR("localhost")) ? 0 :
		gw_arena_str(&api->entry.arena, host, &api->vhost);
}

/* ---- Operations ------------------------------------------------------------------------- */

static int
read_operation(struct gw_arena *arena, struct gh_str map, struct gw_operation *ret_operation)
{
	struct gw_operation operation = { .auth_type = GW_AUTH_ANY };
	struct operation from = { .tier = GH_STR_NONE };
	int r;

	read_fields(map, operation_fields, COUNT(operation_fields), &from);
	for (size_t i = 0; i < COUNT(auth_types); i++)
		if (gh_str_eq(from.auth_type, gh_str_of(auth_types[i].word)))
			operation.auth_type = auth_types[i].type;
	if ((r = gw_arena_str(arena, from.verb, &operation.method)) < 0 ||
		(r = gw_arena_str(arena, from.target, &operation.template)) < 0 ||
		(r = gw_arena_str(arena, from.tier, &operation.tier)) < 0 ||
		(r = copy_words(arena, from.scopes, &operation.scopes,
			&operation.scope_count)) < 0)
		return r;
	*ret_operation = operation;
	return 0;
}

static int
read_operations(struct gw_api *api, struct gh_str array)
{
	struct doc_iter it = doc_iter(array);
	size_t most = doc_count(array), n = 0, skipped = 0;
	struct gw_operation *operations = NULL;
	struct doc_value value;
	int r;

	if (most > GW_OPERATIONS_MAX)
		return GH_ETOOBIG;
	if (most > 0) {
		operations = gw_arena_alloc(&api->entry.arena, most * sizeof(*operations));
		if (operations == NULL)
			return GH_ENOMEM;
	}
	while (n < most && doc_next(&it, NULL, &value)) {
		if (value.type != DOC_MAP) {
			api->skipped++;
			continue;
		}
		if ((r = read_operation(&api->entry.arena, value.s, &operations[n])) < 0)
			return r;
		if (operations[n].method.n == 0 || operations[n].template.n == 0)
			api->skipped++;
		else
			n++;
	}
	r = gw_resource_build(&api->entry.arena, operations, n, &api->resources, &skipped);
	api->operation_count = n - skipped;
	api->skipped += skipped;
	return r;
}

/* ---- Endpoints -------------------------------------------------------------------------- */

static int
read_endpoint(struct gw_api *api, struct gh_str text, struct gw_endpoint *ret_endpoint)
{
	char buf[3 * GW_TEMPLATE_MAX + 1];
	struct gw_endpoint endpoint;
	struct uri_url url;
	int r;

	if (text.n > GW_TEMPLATE_MAX)
		return GH_ETOOBIG;
	if ((r = uri_url_parse(text, buf, sizeof(buf), &url, NULL)) < 0)
		return r;
	while (url.path.n > 0 && url.path.p[url.path.n - 1] == '/')
		url.path.n--;
	endpoint.where.is_tls = url.is_tls;
	endpoint.where.port = url.port;
	if ((r = gw_arena_str(&api->entry.arena, url.host, &endpoint.where.host)) < 0 ||
		(r = gw_arena_str(&api->entry.arena, url.path, &endpoint.path)) < 0 ||
		(r = gw_arena_str(&api->entry.arena, url.query, &endpoint.query)) < 0)
		return r;
	*ret_endpoint = endpoint;
	return 0;
}

static int
read_endpoints(struct gw_api *api, struct gh_str array, struct gw_endpoints *ret_endpoints)
{
	struct doc_iter it = doc_iter(array);
	size_t most = doc_count(array), n = 0;
	struct gw_endpoint *v;
	struct doc_value value;

	if (most > GW_ENDPOINTS_MAX)
		most = GW_ENDPOINTS_MAX;
	if (most == 0)
		return 0;
	if ((v = gw_arena_alloc(&api->entry.arena, most * sizeof(*v))) == NULL)
		return GH_ENOMEM;
	while (n < most && doc_next(&it, NULL, &value)) {
		int r = value.type == DOC_STR ? read_endpoint(api, value.s, &v[n]) : GH_EINVAL;

		if (r == GH_ENOMEM)
			return r;
		if (r < 0)
			api->skipped++;
		else
			n++;
	}
	*ret_endpoints = (struct gw_endpoints){ v, n };
	return 0;
}

/* ---- The whole -------------------------------------------------------------------------- */

static int
read_state(struct gw_api *api, struct gh_str word)
{
	for (size_t i = 0; i < COUNT(states); i++) {
		if (gh_str_eq(word, gh_str_of(states[i].word))) {
			api->state = states[i].state;
			return 0;
		}
	}
	return GH_EINVAL;
}

/* Nothing said about the transport means both. */
static void
read_transport(struct gw_api *api, struct gh_str array)
{
	struct doc_iter it = doc_iter(array);
	struct doc_value value;

	while (doc_next(&it, NULL, &value)) {
		if (value.type != DOC_STR)
			continue;
		api->on_http |= gh_str_eq_nocase(value.s, GH_STR("http"));
		api->on_https |= gh_str_eq_nocase(value.s, GH_STR("https"));
	}
	if (!api->on_http && !api->on_https)
		api->on_http = api->on_https = true;
}

static int
fill(struct gw_api *api, const struct gh_doc *doc, const char **ret_why)
{
	struct deployment from = { .is_default = false };
	int r;

	read_fields(doc->body, deployment_fields, COUNT(deployment_fields), &from);
	if ((r = copy_strings(api, doc, &from)) < 0)
		return r;
	if (api->id.n == 0 || api->name.n == 0 || api->version.n == 0 || api->context.n < 2 ||
		api->context.p[0] != '/') {
		*ret_why = "it lacks its id, name, version or context";
		return GH_EINVAL;
	}
	if (read_state(api, from.state) < 0) {
		*ret_why = "its state is not known";
		return GH_EINVAL;
	}
	if ((r = read_vhost(api, from.vhost)) < 0) {
		*ret_why = "its virtual host is no host name";
		return r;
	}
	if ((r = set_context(api)) < 0 || (r = add_route(api, api->version)) < 0 ||
		(from.is_default && (r = add_route(api, GH_STR_NONE)) < 0)) {
		*ret_why = "its context and version make no canonical path of its tenant";
		return r;
	}
	api->pass_credentials = from.pass_credentials;
	read_transport(api, from.transport);
	if ((r = read_operations(api, from.operations)) < 0) {
		*ret_why = "it has too many operations";
		return r;
	}
	if ((r = read_endpoints(api, from.production, &api->production)) < 0 ||
		(r = read_endpoints(api, from.sandbox, &api->sandbox)) < 0)
		return r;
	if (api->skipped > 0)
		*ret_why = "some of its operations or endpoints make no sense and are left out";
	return 0;
}

static void
api_free(struct gw_object *object)
{
	struct gw_api *api = (struct gw_api *)(void *)object;

	gw_arena_free(&api->entry.arena);
	free(api);
}

int
gw_api_new(const struct gh_doc *doc, unsigned rank, struct gw_api **ret_api, const char **ret_why)
{
	struct gw_api *api = calloc(1, sizeof(*api));
	int r;

	if (api == NULL)
		return GH_ENOMEM;
	api->entry.object.free = api_free;
	api->entry.rev = doc->rev;
	api->rank = rank;
	*ret_why = NULL;
	if ((r = fill(api, doc, ret_why)) < 0) {
		api_free(&api->entry.object);
		return r == GH_ENOMEM ? r : GH_EINVAL;
	}
	*ret_api = api;
	return 0;
}
