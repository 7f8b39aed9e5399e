/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file project_params.c
 * @brief Parameters of an environment over a project: endpoints, their security, certificates,
 * business plans, where to deploy.
 *
 * The names are those of the parameter files of apictl.  A field that is not known is refused:
 * what an operator wrote for an environment must not be lost without a word.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/json/json.h"
#include "lib/yaml/yaml_write.h"
#include "plugins/publisher/project.h"

#define PARAMS "intermediate_params.yaml"
#define fail(...) project_fail(error, GH_EINVAL, __VA_ARGS__)

static const char *const sides[] = { "production", "sandbox" };

static json_t *
endpoint_config(struct project *p)
{
	if (js_object(p->dto, "endpointConfig") == NULL &&
	    js_set(p->dto, "endpointConfig", json_object()) < 0)
		return NULL;
	return js_object(p->dto, "endpointConfig");
}

/** {url, config} as an endpoint. */
static int
check_endpoint(const json_t *endpoint, const char *where, char *error)
{
	static const char *const names[] = { "url", "config", NULL };

	if (js_str(endpoint, "url").n == 0)
		return fail(PARAMS ": '%s' has no 'url'", where);
	return project_only(endpoint, where, names, error);
}

/** One endpoint, or a list of them. */
static int
check_endpoints(const json_t *value, const char *where, char *error)
{
	json_t *item;
	size_t i;
	int r = 0;

	if (!json_is_array(value))
		return check_endpoint(value, where, error);
	if (json_array_size(value) == 0)
		return fail(PARAMS ": '%s' must not be empty", where);
	json_array_foreach(value, i, item)
		if (r == 0)
			r = check_endpoint(item, where, error);
	return r;
}

/** Put what @p from says of a side into the configuration as SIDE + @p suffix. */
static int
put_endpoints(json_t *config, const json_t *from, const char *side, const char *source_suffix,
	const char *suffix, char *error)
{
	char name[40], source[40];

	snprintf(source, sizeof(source), "%s%s", side, source_suffix);
	snprintf(name, sizeof(name), "%s%s", side, suffix);
	json_t *value = json_object_get(from, source);

	if (value == NULL || json_is_null(value))
		return 0;
	int r = check_endpoints(value, source, error);

	return r == 0 ? js_set(config, name, json_incref(value)) : r;
}

static int
merge_plain(json_t *config, const json_t *endpoints, char *error)
{
	static const char *const names[] = { "production", "sandbox", NULL };
	int r = project_only(endpoints, PARAMS ", 'endpoints'", names, error);

	for (size_t i = 0; r == 0 && i < 2; i++)
		r = put_endpoints(config, endpoints, sides[i], "", "_endpoints", error);
	return r;
}

static int
merge_balanced(json_t *config, const json_t *from, char *error)
{
	static const char *const names[] = {
		"production", "sandbox", "algoClassName", "sessionManagement", "sessionTimeOut", NULL,
	};
	static const char *const copied[][2] = {
		{ "algoClassName", "algoClassName" }, { "sessionManagement", "sessionManagement" },
		{ "sessionTimeOut", "sessionTimeOut" },
	};
	int r = project_only(from, PARAMS ", 'loadBalanceEndpoints'", names, error);

	for (size_t i = 0; r == 0 && i < 2; i++)
		r = put_endpoints(config, from, sides[i], "", "_endpoints", error);
	for (size_t i = 0; r == 0 && i < sizeof(copied) / sizeof(copied[0]); i++) {
		json_t *value = json_object_get(from, copied[i][0]);

		if (value != NULL)
			r = js_set(config, copied[i][1], json_incref(value));
	}
	return r;
}

static int
merge_failover(json_t *config, const json_t *from, char *error)
{
	static const char *const names[] = {
		"production", "sandbox", "productionFailovers", "sandboxFailovers", NULL,
	};
	int r = project_only(from, PARAMS ", 'failoverEndpoints'", names, error);

	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = put_endpoints(config, from, sides[i], "", "_endpoints", error);
		if (r == 0)
			r = put_endpoints(config, from, sides[i], "Failovers", "_failovers", error);
	}
	return r;
}

static int
merge_endpoints(struct project *p, const json_t *params, char *error)
{
	static const char *const parts[] = { "endpoints", "loadBalanceEndpoints",
		"failoverEndpoints" };
	static const char *const types[] = { "http", "load_balance", "failover" };
	static int (*const merges[])(json_t *config, const json_t *from, char *error) = {
		merge_plain, merge_balanced, merge_failover,
	};
	struct gh_str policy = js_str(params, "endpointRoutingPolicy");
	struct gh_str type = js_str(params, "endpointType");
	size_t which = 0;

	if (type.n > 0 && !gh_str_eq_nocase(type, GH_STR("rest")) &&
	    !gh_str_eq_nocase(type, GH_STR("http")))
		return fail(PARAMS ": endpoints of the type '%.40s' are not supported", type.p);
	if (gh_str_eq(policy, GH_STR("load_balanced")))
		which = 1;
	else if (gh_str_eq(policy, GH_STR("failover")))
		which = 2;
	else if (policy.n > 0)
		return fail(PARAMS ": 'endpointRoutingPolicy' must be load_balanced or failover");
	const json_t *from = json_object_get(params, parts[which]);

	if (from == NULL || json_is_null(from))
		return policy.n > 0 ? fail(PARAMS ": '%s' is missing", parts[which]) : 0;
	if (!json_is_object(from))
		return fail(PARAMS ": '%s' must be an object", parts[which]);
	json_t *config = endpoint_config(p);
	int r = config != NULL ? merges[which](config, from, error) : GH_ENOMEM;

	return r == 0 ? js_set_str(config, "endpoint_type", gh_str_of(types[which])) : r;
}

/* ---- Security -------------------------------------------------------------------------------- */

/** {enabled, type, username ...} with the type in capitals, as DTOs have it. */
static int
put_security(json_t *security, const char *side, const json_t *from, char *error)
{
	static const char *const names[] = {
		"enabled", "type", "username", "password", "grantType", "tokenUrl", "clientId",
		"clientSecret", "customParameters", "apiKeyIdentifier", "apiKeyValue",
		"apiKeyIdentifierType", NULL,
	};
	static const char *const types[] = { "BASIC", "DIGEST", "OAUTH", "APIKEY", "NONE" };
	struct gh_str type = js_str(from, "type");
	const json_t *enabled = json_object_get(from, "enabled");
	json_t *made;
	size_t i = 0;

	if (!json_is_object(from))
		return fail(PARAMS ": 'security.%s' must be an object", side);
	int r = project_only(from, PARAMS ", 'security'", names, error);

	if (r < 0)
		return r;
	if (enabled != NULL && !json_is_boolean(enabled))
		return fail(PARAMS ": 'security.%s.enabled' must be true or false", side);
	while (type.n > 0 && i < 5 && !gh_str_eq_nocase(type, gh_str_of(types[i])))
		i++;
	if (i == 5 || (json_is_true(enabled) && type.n == 0))
		return fail(PARAMS ": 'security.%s.type' must be basic, digest, oauth or apikey", side);
	made = json_copy((json_t *)(uintptr_t)from);
	if (made != NULL && type.n > 0 && js_set_str(made, "type", gh_str_of(types[i])) < 0) {
		json_decref(made);
		return GH_ENOMEM;
	}
	return js_set(security, side, made);
}

static int
merge_security(struct project *p, const json_t *params, char *error)
{
	static const char *const names[] = { "production", "sandbox", NULL };
	const json_t *from = json_object_get(params, "security");
	int r = 0;

	if (from == NULL || json_is_null(from))
		return 0;
	if (!json_is_object(from))
		return fail(PARAMS ": 'security' must be an object");
	bool is_flat = js_has(from, "enabled") || js_has(from, "type"); /* of both, as once was */

	if (!is_flat)
		r = project_only(from, PARAMS ", 'security'", names, error);
	json_t *config = r == 0 ? endpoint_config(p) : NULL;

	if (r == 0 && (config == NULL || (js_object(config, "endpoint_security") == NULL &&
	    js_set(config, "endpoint_security", json_object()) < 0)))
		r = GH_ENOMEM;
	for (size_t i = 0; r == 0 && i < 2; i++) {
		const json_t *one = is_flat ? from : json_object_get(from, sides[i]);

		if (one != NULL && !json_is_null(one))
			r = put_security(js_object(config, "endpoint_security"), sides[i], one,
				error);
	}
	return r;
}

/* ---- Certificates ---------------------------------------------------------------------------- */

/** How a list of certificates is written into the project. */
struct certificates {
	const char *param;   /**< Name of the list. */
	const char *folder;  /**< Where they lie in a project, with a slash. */
	const char *list;    /**< Name of the list there. */
	const char *type;
	const char *const *names;
};

static const char *const endpoint_names[] = { "hostName", "alias", "path", NULL };
static const char *const client_names[] = { "tierName", "alias", "path", "keyType", NULL };
static const struct certificates certificates[] = {
	{ "certs", "Endpoint-certificates/", "Endpoint-certificates/endpoint_certificates.yaml",
		"endpoint_certificates", endpoint_names },
	{ "mutualSslCerts", "Client-certificates/",
		"Client-certificates/client_certificates.yaml", "client_certificates",
		client_names },
};

/** The certificate file that a path names: below Deployment/certificates/ or Deployment/. */
static const struct archive_file *
find_certificate(const struct project *p, struct gh_str prefix, struct gh_str path)
{
	static const char *const folders[] = { "Deployment/certificates/", "Deployment/", "" };
	const struct archive_file *file = NULL;
	char name[2 * ARCHIVE_NAME_MAX];

	for (size_t i = 0; file == NULL && i < sizeof(folders) / sizeof(folders[0]); i++) {
		int n = snprintf(name, sizeof(name), "%.*s%s%.*s", GH_STR_ARG(prefix), folders[i],
			GH_STR_ARG(path));

		if (n > 0 && (size_t)n < sizeof(name))
			file = archive_find(p->outer, (struct gh_str){ name, (size_t)n });
	}
	return file;
}

static int
put_certificate(struct project *p, const struct certificates *kind, struct gh_str prefix,
	const json_t *row, json_t *list, char *error)
{
	struct gh_str path = js_str(row, "path"), alias = js_str(row, "alias");
	const char *why = "is missing";
	int r = project_only(row, kind->param, kind->names, error);

	if (r < 0)
		return r;
	if (alias.n == 0 || alias.n > 30)
		return fail(PARAMS ": a certificate in '%s' has no usable 'alias'", kind->param);
	if (path.n > 100 || !archive_is_name(path, 4, &why))
		return fail(PARAMS ": the 'path' of the certificate '%.30s' %s", alias.p, why);
	const struct archive_file *file = find_certificate(p, prefix, path);

	if (file == NULL)
		return fail("The certificate '%.100s' that " PARAMS " names is not in "
			"Deployment/certificates/", path.p);
	if (memmem(file->content.p, file->content.n, "-----BEGIN CERTIFICATE-----", 27) == NULL)
		return fail("%.*s holds no certificate (PEM)", GH_STR_ARG(file->name));
	const char *slash = strrchr(path.p, '/'), *base = slash != NULL ? slash + 1 : path.p;
	size_t folder_n = strlen(kind->folder), base_n = strlen(base);
	char *made = malloc(folder_n + base_n);

	if (made == NULL)
		return GH_ENOMEM;
	memcpy(made, kind->folder, folder_n);
	memcpy(made + folder_n, base, base_n);
	r = project_add_file(p, (struct gh_str){ made, folder_n + base_n }, file->content, made,
		error);
	json_t *out = json_pack("{s:s,s:s}", "alias", alias.p, "certificate", base);

	if (r == 0 && js_has(row, "hostName"))
		r = js_set_str(out, "endpoint", js_str(row, "hostName"));
	if (r == 0 && js_has(row, "tierName"))
		r = js_set_str(out, "tierName", js_str(row, "tierName"));
	if (r == 0 && js_has(row, "keyType"))
		r = js_set_str(out, "keyType", js_str(row, "keyType"));
	return json_array_append_new(list, out) < 0 ? GH_ENOMEM : r;
}

/** The list and the files of one kind take the place of those that the project has. */
static int
merge_certificates(struct project *p, const struct certificates *kind, struct gh_str prefix,
	const json_t *params, char *error)
{
	const json_t *rows = json_object_get(params, kind->param);
	json_t *list, *row, *envelope;
	struct gh_str text;
	size_t i, kept = 0;
	int r = 0;

	if (rows == NULL || json_is_null(rows))
		return 0;
	if (!json_is_array(rows))
		return fail(PARAMS ": '%s' must be a list", kind->param);
	for (i = 0; i < p->file_count; i++) {
		if (p->files[i].name.n > strlen(kind->folder) &&
		    memcmp(p->files[i].name.p, kind->folder, strlen(kind->folder)) == 0)
			free(p->files[i].made);
		else
			p->files[kept++] = p->files[i];
	}
	p->file_count = kept;
	list = json_array();
	json_array_foreach(rows, i, row)
		if (r == 0)
			r = put_certificate(p, kind, prefix, row, list, error);
	envelope = project_envelope(kind->type, list);
	if (r == 0)
		r = envelope != NULL ? yaml_write(envelope, &text) : GH_ENOMEM;
	json_decref(envelope);
	return r == 0 ? project_add_file(p, gh_str_of(kind->list), text, (char *)(uintptr_t)text.p,
		error) : r;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static int
merge_policies(struct project *p, const json_t *params, char *error)
{
	json_t *policies = json_object_get(params, "policies"), *policy;
	size_t i;

	if (policies == NULL || json_is_null(policies))
		return 0;
	if (!json_is_array(policies))
		return fail(PARAMS ": 'policies' must be a list of names");
	json_array_foreach(policies, i, policy)
		if (js_text(policy).n == 0)
			return fail(PARAMS ": 'policies' must be a list of names");
	return js_set(p->dto, "policies", json_incref(policies));
}

static int
merge_targets(struct project *p, const json_t *params, char *error)
{
	const json_t *rows = json_object_get(params, "deploymentEnvironments");
	json_t *targets = NULL;

	if (rows == NULL || json_is_null(rows))
		return 0;
	int r = project_targets(rows, PARAMS ", 'deploymentEnvironments'", &targets, error);

	if (r < 0)
		return r;
	json_decref(p->targets);
	p->targets = targets;
	return 0;
}

/** The parameters as an object; those of "configs" when the client has sent the whole entry. */
static int
read_params(const struct project *p, struct gh_str prefix, json_t **ret_params, char *error)
{
	static const char *const places[] = { PARAMS, "Deployment/" PARAMS, "api_params.yaml",
		"Deployment/api_params.yaml" };
	const struct archive_file *file = NULL;
	char name[ARCHIVE_NAME_MAX];
	json_t *root = NULL;

	for (size_t i = 0; file == NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		int n = snprintf(name, sizeof(name), "%.*s%s", GH_STR_ARG(prefix), places[i]);

		if (n > 0 && (size_t)n < sizeof(name))
			file = archive_find(p->outer, (struct gh_str){ name, (size_t)n });
	}
	if (file == NULL)
		return fail("The archive holds SourceArchive.zip, but no " PARAMS);
	int r = project_parse(file, &root, error);

	if (r < 0)
		return r;
	json_t *configs = js_object(root, "configs");

	if (configs != NULL && json_object_size(root) <= 2) { /* beside its name */
		json_incref(configs);
		json_decref(root);
		root = configs;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		return fail("%.*s: it must be an object", GH_STR_ARG(file->name));
	}
	*ret_params = root;
	return 0;
}

int
project_merge_params(struct project *p, struct gh_str prefix, char *error)
{
	static const char *const names[] = {
		"endpoints", "endpointType", "endpointRoutingPolicy", "loadBalanceEndpoints",
		"failoverEndpoints", "security", "certs", "mutualSslCerts", "deploymentEnvironments",
		"policies", "dependentAPIs", NULL,
	};
	json_t *params = NULL;
	int r = read_params(p, prefix, &params, error);

	if (r == 0)
		r = project_only(params, PARAMS, names, error);
	if (r == 0)
		r = merge_endpoints(p, params, error);
	if (r == 0)
		r = merge_security(p, params, error);
	for (size_t i = 0; r == 0 && i < sizeof(certificates) / sizeof(certificates[0]); i++)
		r = merge_certificates(p, &certificates[i], prefix, params, error);
	if (r == 0)
		r = merge_policies(p, params, error);
	if (r == 0)
		r = merge_targets(p, params, error);
	p->has_dependent_apis = r == 0 && js_has(params, "dependentAPIs");
	json_decref(params);
	return r;
}
