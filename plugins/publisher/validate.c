/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file validate.c
 * @brief What an API must look like before it is stored.
 */
#include "lib/json/json.h"
#include "lib/tenant/tenant.h"
#include "lib/uri/uri.h"
#include "plugins/publisher/openapi.h"
#include "plugins/publisher/publisher.h"

#define URL_MAX 2048

/* ---- Words and characters -------------------------------------------------------------------- */

static bool
has_only(struct gh_str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return true;
}

static bool
has_none(struct gh_str s, const char *refused)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || strchr(refused, s.p[i]) != NULL)
			return false;
	return true;
}

static bool
is_name(struct gh_str s)
{
	return has_none(s, "~!@#;:%^*()+={}|\\<>\"',&$[]/");
}

static bool
is_version(struct gh_str s)
{
	return has_only(s, "-._~") && !gh_str_eq(s, GH_STR(".")) && !gh_str_eq(s, GH_STR(".."));
}

/** One or more segments; "{version}" may be one of them. */
static bool
is_context(struct gh_str s)
{
	if (s.n > 0 && s.p[0] == '/')
		s = (struct gh_str){ s.p + 1, s.n - 1 };
	for (;;) {
		const char *slash = s.n > 0 ? memchr(s.p, '/', s.n) : NULL;
		struct gh_str segment = { s.p, slash != NULL ? (size_t)(slash - s.p) : s.n };

		if (segment.n == 0 || (!is_version(segment) &&
		    !gh_str_eq(segment, GH_STR("{version}"))))
			return false;
		if (slash == NULL)
			return true;
		s = (struct gh_str){ slash + 1, s.n - segment.n - 1 };
	}
}

static bool
is_target(struct gh_str s)
{
	return openapi_is_path(s, NULL);
}

/** scope-token of RFC 6749, 3.3. */
static bool
is_scope(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static bool
is_field_name(struct gh_str s)
{
	return has_only(s, "!#$%&'*+-.^_`|~");
}

/* ---- The tables ------------------------------------------------------------------------------ */

static const char *const types[] = { "HTTP", NULL };
static const char *const visibilities[] = { "PUBLIC", "PRIVATE", "RESTRICTED", NULL };
static const char *const availabilities[] = {
	"CURRENT_TENANT", "ALL_TENANTS", "SPECIFIC_TENANTS", NULL,
};
static const char *const access_controls[] = { "NONE", "RESTRICTED", NULL };
static const char *const implementations[] = { "ENDPOINT", "INLINE", "MOCKED_OAS", NULL };
static const char *const auth_types[] = {
	"None", "Any", "Application", "Application User", "Application & Application User", NULL,
};

#define TEXTS .type = REST_ARRAY, .item = REST_STRING, .max = 1000

static const struct rest_field operation_schema[] = {
	{ "target", REST_STRING, .is_required = true, .is_valid = is_target,
		.rule = "must be a path that starts with '/'" },
	{ "verb", REST_STRING, .is_required = true, .words = openapi_verbs },
	{ "authType", REST_STRING, .words = auth_types,
		.dflt = "\"Application & Application User\"" },
	{ "throttlingPolicy", REST_STRING, .max = 100, .dflt = "\"Unlimited\"" },
	{ "scopes", TEXTS, .dflt = "[]" },
	{ "operationPolicies", REST_OBJECT,
		.dflt = "{\"request\":[],\"response\":[],\"fault\":[]}" },
	{ .type = REST_END },
};
static const struct rest_field scope_schema[] = {
	{ "name", REST_STRING, .is_required = true, .max = 255, .is_valid = is_scope,
		.rule = "holds a character that no scope can have" },
	{ "displayName", REST_STRING, .max = 255 },
	{ "description", REST_STRING, .max = 512, .dflt = "\"\"" },
	{ "bindings", TEXTS, .dflt = "[]" },
	{ .type = REST_END },
};
static const struct rest_field scope_row_schema[] = {
	{ "scope", REST_OBJECT, .is_required = true, .fields = scope_schema },
	{ "shared", REST_BOOLEAN, .dflt = "false" },
	{ .type = REST_END },
};
static const struct rest_field cors_schema[] = {
	{ "corsConfigurationEnabled", REST_BOOLEAN, .dflt = "false" },
	{ "accessControlAllowOrigins", TEXTS, .dflt = "[\"*\"]" },
	{ "accessControlAllowCredentials", REST_BOOLEAN, .dflt = "false" },
	{ "accessControlAllowHeaders", TEXTS, .dflt = "[\"authorization\",\"Content-Type\","
		"\"SOAPAction\",\"apikey\",\"Internal-Key\"]" },
	{ "accessControlAllowMethods", TEXTS,
		.dflt = "[\"GET\",\"PUT\",\"POST\",\"DELETE\",\"PATCH\",\"OPTIONS\"]" },
	{ .type = REST_END },
};

const struct rest_field publisher_api_schema[] = {
	{ "name", REST_STRING, .is_required = true, .max = 60, .is_valid = is_name,
		.rule = "must not hold any of ~!@#;:%^*()+={}|\\<>\"',&$[]/" },
	{ "displayName", REST_STRING, .max = 255 },
	{ "description", REST_STRING, .max = 32766 },
	{ "context", REST_STRING, .is_required = true, .max = 232, .is_valid = is_context,
		.rule = "must be path segments of letters, digits and -._~ such as /books or "
			"/books/{version}" },
	{ "version", REST_STRING, .is_required = true, .max = 30, .is_valid = is_version,
		.rule = "must be letters, digits and -._~ only" },
	{ "provider", REST_STRING, .max = 50 },
	{ "isDefaultVersion", REST_BOOLEAN, .dflt = "false" },
	{ "type", REST_STRING, .words = types, .dflt = "\"HTTP\"" },
	{ "transport", TEXTS, .dflt = "[\"http\",\"https\"]" },
	{ "tags", TEXTS, .dflt = "[]" },
	{ "policies", TEXTS, .dflt = "[]" },
	{ "apiThrottlingPolicy", REST_STRING, .max = 100 },
	{ "authorizationHeader", REST_STRING, .max = 100, .is_valid = is_field_name,
		.rule = "must be the name of a header field", .dflt = "\"Authorization\"" },
	{ "apiKeyHeader", REST_STRING, .max = 100, .is_valid = is_field_name,
		.rule = "must be the name of a header field", .dflt = "\"ApiKey\"" },
	{ "securityScheme", TEXTS,
		.dflt = "[\"oauth2\",\"oauth_basic_auth_api_key_mandatory\"]" },
	{ "visibility", REST_STRING, .words = visibilities, .dflt = "\"PUBLIC\"" },
	{ "visibleRoles", TEXTS, .dflt = "[]" },
	{ "visibleTenants", TEXTS, .dflt = "[]" },
	{ "subscriptionAvailability", REST_STRING, .words = availabilities,
		.dflt = "\"CURRENT_TENANT\"" },
	{ "subscriptionAvailableTenants", TEXTS, .dflt = "[]" },
	{ "accessControl", REST_STRING, .words = access_controls, .dflt = "\"NONE\"" },
	{ "accessControlRoles", TEXTS, .dflt = "[]" },
	{ "additionalProperties", REST_ANY, .dflt = "[]" },
	{ "additionalPropertiesMap", REST_OBJECT, .dflt = "{}" },
	{ "businessInformation", REST_OBJECT, .dflt = "{}" },
	{ "corsConfiguration", REST_OBJECT, .fields = cors_schema, .dflt = "{}" },
	{ "endpointConfig", REST_OBJECT, .is_required = false },
	{ "endpointImplementationType", REST_STRING, .words = implementations,
		.dflt = "\"ENDPOINT\"" },
	{ "scopes", REST_ARRAY, .item = REST_OBJECT, .max = 1000, .fields = scope_row_schema,
		.dflt = "[]" },
	{ "operations", REST_ARRAY, .item = REST_OBJECT, .max = OPENAPI_OPERATIONS_MAX,
		.fields = operation_schema, .dflt = "[]" },
	{ "responseCachingEnabled", REST_BOOLEAN, .dflt = "false" },
	{ "cacheTimeout", REST_INTEGER, .min = 0, .max = 86400 * 365, .dflt = "300" },
	{ "enableSchemaValidation", REST_BOOLEAN, .dflt = "false" },
	{ "categories", TEXTS, .dflt = "[]" },
	{ "keyManagers", REST_ANY, .dflt = "[\"all\"]" },
	{ .type = REST_END },
};

/* ---- Endpoints ------------------------------------------------------------------------------- */

/** Append the URL of one endpoint when it has one. */
static int
add_url(json_t *urls, const json_t *endpoint)
{
	json_t *url = json_object_get(endpoint, "url");

	if (js_text(url).n == 0)
		return 0;
	return json_array_append(urls, url) == 0 ? 0 : GH_ENOMEM;
}

json_t *
publisher_endpoints(const json_t *dto, const char *which)
{
	const json_t *endpoints = json_object_get(js_object(dto, "endpointConfig"), which),
		     *endpoint;
	json_t *urls = json_array();
	int r = add_url(urls, endpoints); /* one object, or a list of them to balance between */
	size_t i;

	json_array_foreach(endpoints, i, endpoint)
		if (r == 0)
			r = add_url(urls, endpoint);
	if (r == 0)
		return urls;
	json_decref(urls);
	return NULL;
}

bool
publisher_has_endpoint(const json_t *dto)
{
	json_t *production = publisher_endpoints(dto, "production_endpoints");
	json_t *sandbox = publisher_endpoints(dto, "sandbox_endpoints");
	bool has = json_array_size(production) + json_array_size(sandbox) > 0;

	json_decref(production);
	json_decref(sandbox);
	return has;
}

static int
check_endpoints(struct rest_context *ctx, const json_t *dto, const char *which)
{
	json_t *urls = publisher_endpoints(dto, which), *url;
	size_t i;
	int r = rest_own_json(ctx, urls);

	json_array_foreach(urls, i, url) {
		char buf[URI_BUFFER_SIZE(URL_MAX, URI_HOST_MAX)];
		const char *why = NULL;
		struct uri_url parsed;

		if (r == 0 && js_text(url).n > URL_MAX)
			r = rest_fail(ctx, 400, "A URL in 'endpointConfig.%s' is too long", which);
		else if (r == 0 && uri_url_parse(js_text(url), buf, sizeof(buf), &parsed, &why) < 0)
			r = rest_fail(ctx, 400, "The URL '%.100s' in 'endpointConfig.%s' is not "
				"usable. %s", json_string_value(url), which, why);
	}
	return r;
}

/* ---- Scopes, operations, tiers --------------------------------------------------------------- */

/** Names of the declared scopes as the members of an object. */
static int
collect_scopes(struct rest_context *ctx, const json_t *dto, json_t **ret_names)
{
	json_t *names = json_object(), *row;
	size_t i;
	int r = rest_own_json(ctx, names);

	json_array_foreach(js_array(dto, "scopes"), i, row) {
		json_t *scope = js_object(row, "scope");
		struct gh_str name = js_str(scope, "name");

		if (r == 0 && json_object_get(names, name.p) != NULL)
			r = rest_fail(ctx, 400, "The scope '%.100s' is declared twice", name.p);
		if (r == 0)
			r = js_set(names, name.p, json_true());
		if (r == 0 && !js_has(scope, "displayName"))
			r = js_set_str(scope, "displayName", name);
	}
	if (r == 0)
		*ret_names = names;
	return r;
}

static int
check_operation(struct rest_context *ctx,
	const json_t *operation, const json_t *scopes, json_t *seen)
{
	const char *verb = js_str(operation, "verb").p, *target = js_str(operation, "target").p;
	json_t *key = json_sprintf("%s %s", verb, target), *name;
	size_t i;
	int r = rest_own_json(ctx, key);

	if (r == 0 && json_object_get(seen, json_string_value(key)) != NULL)
		r = rest_fail(ctx, 400, "The operation %s %.200s is there twice", verb, target);
	if (r == 0)
		r = js_set(seen, json_string_value(key), json_true());
	json_array_foreach(js_array(operation, "scopes"), i, name)
		if (r == 0 && json_object_get(scopes, json_string_value(name)) == NULL)
			r = rest_fail(ctx, 400, "The operation %s %.200s wants the scope '%.100s', "
				"which is not declared", verb, target, json_string_value(name));
	return r;
}

/** Everything under five verbs, as the reference does. */
static int
add_default_operations(struct rest_context *ctx, json_t *dto)
{
	static const char *const verbs[] = { "GET", "PUT", "POST", "DELETE", "PATCH" };
	json_t *operations = js_array(dto, "operations");

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		json_t *operation = json_pack("{s:s,s:s,s:s}", "id", "", "target", "/*", "verb",
			verbs[i]);

		if (json_array_append_new(operations, operation) < 0)
			return GH_ENOMEM;
		int r = rest_check(ctx, "operations", operation_schema, operation);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
check_operations(struct rest_context *ctx, json_t *dto)
{
	json_t *scopes = NULL, *seen = json_object(), *operation;
	size_t i;
	int r = rest_own_json(ctx, seen);

	if (r == 0)
		r = collect_scopes(ctx, dto, &scopes);
	if (r == 0 && json_array_size(js_array(dto, "operations")) == 0)
		r = add_default_operations(ctx, dto);
	json_array_foreach(js_array(dto, "operations"), i, operation)
		if (r == 0)
			r = check_operation(ctx, operation, scopes, seen);
	return r;
}

static int
check_tiers(struct rest_context *ctx, const json_t *dto)
{
	const struct gh_doc *policy;
	json_t *tier;
	size_t i;

	json_array_foreach(js_array(dto, "policies"), i, tier) {
		if (gh_str_eq(js_text(tier), GH_STR("Unlimited")))
			continue; /* is there without a document */
		struct gh_str id = gh_call_printf(ctx->call, "subscription/%s",
			json_string_value(tier));
		int r = id.p == NULL ? GH_ENOMEM : rest_lookup(ctx, "policy", id, &policy);

		if (r == GH_ENOENT)
			return rest_fail(ctx, 400, "There is no subscription policy '%.100s'",
				json_string_value(tier));
		if (r < 0)
			return r;
	}
	return 0;
}

static int
check_transport(struct rest_context *ctx, const json_t *dto)
{
	json_t *transport;
	size_t i;

	json_array_foreach(js_array(dto, "transport"), i, transport)
		if (!gh_str_eq(js_text(transport), GH_STR("http")) &&
		    !gh_str_eq(js_text(transport), GH_STR("https")))
			return rest_fail(ctx, 400, "'transport[%zu]' must be http or https", i);
	return 0;
}

/** The context with its slash and without the tenant's prefix, which is put before it again where
 *  clients and gateways see it. */
static int
check_context(struct rest_context *ctx, json_t *dto)
{
	struct gh_str context = js_str(dto, "context");

	if (context.p[0] != '/')
		context = gh_call_printf(ctx->call, "/%s", context.p);
	if (context.p == NULL)
		return GH_ENOMEM;
	context = tenant_context_inner(ctx->tenant, context);
	if (tenant_has_prefix(context))
		return rest_fail(ctx, 400, "'context' must not begin with /t, which tenants have");
	return js_set_str(dto, "context", context);
}

int
publisher_api_check(struct rest_context *ctx, json_t *dto)
{
	int r = check_context(ctx, dto);

	if (r == 0)
		r = check_transport(ctx, dto);
	if (r == 0)
		r = check_operations(ctx, dto);
	if (r == 0)
		r = check_endpoints(ctx, dto, "production_endpoints");
	if (r == 0)
		r = check_endpoints(ctx, dto, "sandbox_endpoints");
	return r == 0 ? check_tiers(ctx, dto) : r;
}
