/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file deploy.c
 * @brief Deployments: one flat document per API and environment that says all a gateway must know.
 */
#include <stdlib.h>

#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "plugins/publisher/publisher.h"

#define TARGETS_MAX 500 /* environments in one request */

/* ---- Every deployment of an API -------------------------------------------------------------- */

int
publisher_deployments_of(struct rest_context *ctx, struct gh_str api_id,
	const struct gh_docs_found **ret_found)
{
	return rest_find_equal(ctx, "deployment", "api", &api_id, 1, ret_found);
}

int
publisher_deployments_change(struct rest_context *ctx, struct gh_str api_id, struct gh_str changes)
{
	const struct gh_docs_found *found;
	int r = publisher_deployments_of(ctx, api_id, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];
		struct gh_str body;

		r = doc_merge(doc->body, changes, &body);
		if (r == 0 && gh_str_eq(doc->body, body))
			free((void *)body.p); /* nothing changes: gateways need not hear of it */
		else if (r == 0)
			r = rest_put(ctx, "deployment", doc->id, body, doc->rev);
	}
	return r;
}

int
publisher_deployments_remove(struct rest_context *ctx, struct gh_str api_id)
{
	const struct gh_docs_found *found;
	int r = publisher_deployments_of(ctx, api_id, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++)
		r = rest_delete(ctx, "deployment", found->docs[i].id, found->docs[i].rev);
	return r;
}

/** How many gateways serve it.  What cannot be known is not shown. */
static void
add_counts(struct rest_context *ctx, const struct gh_doc *deployment, json_t *row)
{
	const struct publisher *p = ctx->process;
	struct environment_counts counts;
	int64_t age_s = publisher_now_s() - doc_int(deployment->body, "deployed_at_s", 0);

	if (p->nodes.n == 0 || environment_count(&p->nodes,
		doc_str(deployment->body, "environment"), deployment->rev, age_s, &counts) < 0)
		return;
	json_object_set_new(row, "liveGatewayCount", json_integer(counts.live));
	json_object_set_new(row, "deployedGatewayCount", json_integer(counts.deployed));
	json_object_set_new(row, "failedGatewayCount", json_integer(counts.failed));
}

json_t *
publisher_deployment_row(struct rest_context *ctx, const struct gh_doc *deployment)
{
	struct gh_str body = deployment->body;
	struct gh_str revision_id = doc_str(body, "revision_id");
	struct gh_str name = doc_str(body, "environment"), vhost = doc_str(body, "vhost");
	json_t *at = publisher_time(doc_int(body, "deployed_at_s", 0));
	json_t *row = json_pack("{s:s%,s:s%,s:s,s:s%,s:b,s:O,s:O}",
		"revisionUuid", revision_id.p, revision_id.n, "name", name.p, name.n,
		"status", "APPROVED", "vhost", vhost.p, vhost.n,
		"displayOnDevportal", doc_bool(body, "display_on_devportal", true),
		"deployedTime", at, "successDeployedTime", at);

	json_decref(at);
	if (row != NULL)
		add_counts(ctx, deployment, row);
	return row;
}

int
publisher_deployment_list(struct rest_context *ctx)
{
	const struct rest_page page = { GH_FIND_MAX, 0 };
	const struct gh_docs_found *found;
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = publisher_deployments_of(ctx, api->id, &found);
	return r == 0 ? rest_reply_docs(ctx, &page, found, publisher_deployment_row) : r;
}

/* ---- The document ---------------------------------------------------------------------------- */

static void
put_texts(struct doc_writer *w, const char *name, const json_t *texts)
{
	json_t *text;
	size_t i;

	doc_begin_array(w, name);
	json_array_foreach(texts, i, text)
		if (json_is_string(text))
			doc_put_str(w, NULL, js_text(text));
	doc_end(w);
}

static void
put_scopes(struct doc_writer *w, const json_t *rows)
{
	json_t *row;
	size_t i;

	doc_begin_array(w, "scopes");
	json_array_foreach(rows, i, row) {
		const json_t *scope = js_object(row, "scope");

		doc_begin_map(w, NULL);
		doc_put_str(w, "name", js_str(scope, "name"));
		put_texts(w, "roles", js_array(scope, "bindings"));
		doc_end(w);
	}
	doc_end(w);
}

static void
put_operations(struct doc_writer *w, const json_t *operations)
{
	json_t *operation;
	size_t i;

	doc_begin_array(w, "operations");
	json_array_foreach(operations, i, operation) {
		doc_begin_map(w, NULL);
		doc_put_str(w, "target", js_str(operation, "target"));
		doc_put_str(w, "verb", js_str(operation, "verb"));
		doc_put_str(w, "auth_type", js_str(operation, "authType"));
		doc_put_str(w, "tier", js_str(operation, "throttlingPolicy"));
		put_texts(w, "scopes", js_array(operation, "scopes"));
		doc_end(w);
	}
	doc_end(w);
}

static void
put_endpoints(struct doc_writer *w, const char *name, const json_t *dto, const char *which)
{
	json_t *urls = publisher_endpoints(dto, which);

	put_texts(w, name, urls);
	json_decref(urls);
}

/** What comes from the API as it is now. */
static void
put_api_part(struct doc_writer *w, const struct gh_doc *api)
{
	static const char *const names[] = {
		"name", "version", "context", "provider", "type", "state",
	};

	doc_put_str(w, "api_id", api->id);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		doc_put_str(w, names[i], doc_str(api->body, names[i]));
	doc_put_bool(w, "is_default", doc_bool(api->body, "is_default", false));
}

/** The backends that gateways of the environment may reach. */
static void
put_backends(struct doc_writer *w, const struct gh_doc *environment, const json_t *dto)
{
	struct gh_str type = environment_type(environment);

	put_endpoints(w, "production",
		gh_str_eq(type, GH_STR("sandbox")) ? NULL : dto, "production_endpoints");
	put_endpoints(w, "sandbox",
		gh_str_eq(type, GH_STR("production")) ? NULL : dto, "sandbox_endpoints");
}

/** What comes from the revision's snapshot. */
static void
put_revision_part(struct doc_writer *w, const struct gh_doc *revision, const json_t *dto)
{
	doc_put_str(w, "revision_id", revision->id);
	doc_put_int(w, "revision_number", doc_int(revision->body, "number", 0));
	doc_put_str(w, "api_tier", js_str_or(dto, "apiThrottlingPolicy", GH_STR("")));
	doc_put_str(w, "authorization_header",
		js_str_or(dto, "authorizationHeader", GH_STR("Authorization")));
	doc_put_str(w, "api_key_header", js_str_or(dto, "apiKeyHeader", GH_STR("ApiKey")));
	doc_put_bool(w, "pass_credentials", js_bool(dto, "passCredentials", false));
	put_texts(w, "transport", js_array(dto, "transport"));
	put_scopes(w, js_array(dto, "scopes"));
	put_operations(w, js_array(dto, "operations"));
}

/* ---- Deploy ---------------------------------------------------------------------------------- */

static const struct rest_field target_schema[] = {
	{ "name", REST_STRING, .is_required = true, .max = 255 },
	{ "vhost", REST_STRING, .max = 255 },
	{ "displayOnDevportal", REST_BOOLEAN, .dflt = "true" },
	{ .type = REST_END },
};

/** Where a target leads; 400 when there is no such place, or it is not for the caller. */
static int
find_place(struct rest_context *ctx, const json_t *target, const struct gh_doc **ret_environment,
	struct environment_vhost *ret_vhost)
{
	struct gh_str name = js_str(target, "name"), vhost = js_str(target, "vhost");
	const struct gh_doc *environment;
	int r = environment_by_name(ctx, name, &environment);

	if (r == 0)
		r = publisher_may_deploy(ctx, environment);
	if (r == GH_ENOENT || r == GH_EDENIED)
		return rest_fail(ctx, 400, "There is no gateway environment '%.*s'",
			GH_STR_ARG(name));
	if (r < 0)
		return r;
	if (!environment_vhost(environment, vhost, ret_vhost))
		return rest_fail(ctx, 400, "The environment %.*s has no virtual host '%.*s'",
			GH_STR_ARG(name), GH_STR_ARG(vhost));
	*ret_environment = environment;
	return 0;
}

/** Has the API a backend that gateways of the environment may reach? */
static int
check_backends(struct rest_context *ctx, const struct gh_doc *environment, const json_t *dto)
{
	struct gh_str type = environment_type(environment);
	json_t *urls;
	size_t n;

	if (gh_str_eq(type, GH_STR("hybrid")))
		return 0;
	bool is_sandbox = gh_str_eq(type, GH_STR("sandbox"));

	urls = publisher_endpoints(dto, is_sandbox ? "sandbox_endpoints" : "production_endpoints");
	n = json_array_size(urls);
	json_decref(urls);
	if (n > 0)
		return 0;
	return rest_fail(ctx, 400, "The environment %.*s is for %.*s only, and the revision has no "
		"such endpoint", GH_STR_ARG(doc_str(environment->body, "name")), GH_STR_ARG(type));
}

static struct gh_str
deployment_id(struct rest_context *ctx, const struct gh_doc *api, struct gh_str environment)
{
	return gh_call_printf(ctx->call, "%.*s/%.*s", GH_STR_ARG(api->id),
		GH_STR_ARG(environment));
}

int
publisher_deployment_put(struct rest_context *ctx, const struct gh_doc *api,
	const struct gh_doc *revision, const json_t *dto, const json_t *target)
{
	const struct gh_doc *environment;
	struct environment_vhost vhost;
	const json_t *api_dto = publisher_stored_dto(api->body);
	struct doc_writer w;
	int r = rest_own_json(ctx, (json_t *)api_dto);

	if (r == 0)
		r = find_place(ctx, target, &environment, &vhost);
	if (r == 0)
		r = check_backends(ctx, environment, dto);
	if (r < 0)
		return r;
	struct gh_str name = doc_str(environment->body, "name");
	struct gh_str id = deployment_id(ctx, api, name);

	if (id.p == NULL)
		return GH_ENOMEM;
	doc_writer_init(&w);
	put_api_part(&w, api);
	put_texts(&w, "tiers", js_array(api_dto, "policies"));
	put_revision_part(&w, revision, dto);
	put_backends(&w, environment, dto);
	doc_put_str(&w, "environment", name);
	doc_put_str(&w, "vhost", vhost.host);
	doc_put_bool(&w, "display_on_devportal", js_bool(target, "displayOnDevportal", true));
	doc_put_int(&w, "deployed_at_s", publisher_now_s());
	return rest_put_written(ctx, "deployment", id, &w, GH_REV_ANY);
}

/** Answer with the deployments that match @p revision (all when it is NULL), as they are now. */
static int
reply_deployments(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *revision)
{
	const struct gh_docs_found *found;
	json_t *list = json_array();
	int r = publisher_deployments_of(ctx, api->id, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];

		if (revision != NULL &&
		    !gh_str_eq(doc_str(doc->body, "revision_id"), revision->id))
			continue;
		if (json_array_append_new(list, publisher_deployment_row(ctx, doc)) < 0)
			r = GH_ENOMEM;
	}
	if (r == 0)
		return rest_reply(ctx, 201, list);
	json_decref(list);
	return r;
}

int
publisher_deployable_check(struct rest_context *ctx, const struct gh_doc *api, const json_t *dto,
	const json_t *targets)
{
	if (json_array_size(targets) == 0)
		return rest_fail(ctx, 400, "The body names no environment to deploy to");
	if (json_array_size(targets) > TARGETS_MAX)
		return rest_fail(ctx, 400, "The body names more than %d environments", TARGETS_MAX);
	for (size_t i = 0; i < json_array_size(targets); i++)
		for (size_t k = 0; k < i; k++)
			if (gh_str_eq(js_str(json_array_get(targets, i), "name"),
				js_str(json_array_get(targets, k), "name")))
				return rest_fail(ctx, 400, "The body names the environment "
					"'%.*s' twice",
					GH_STR_ARG(js_str(json_array_get(targets, i), "name")));
	if (gh_str_eq(doc_str(api->body, "state"), GH_STR("RETIRED")))
		return rest_fail(ctx, 400, "A retired API cannot be deployed");
	if (!publisher_has_endpoint(dto))
		return rest_fail(ctx, 400,
			"The revision has no endpoint; an API needs one before it "
			"can be deployed");
	return 0;
}

int
publisher_deploy(struct rest_context *ctx)
{
	const struct gh_doc *api, *revision = NULL;
	struct gh_str revision_id;
	json_t *targets, *target, *dto = NULL;
	size_t i;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_query_need(ctx, "revisionId", &revision_id);
	if (r == 0)
		r = publisher_revision_find(ctx, api, revision_id, &revision);
	if (r == 0)
		r = rest_body_array(ctx, target_schema, &targets);
	if (r == 0) {
		dto = publisher_stored_dto(revision->body);
		r = rest_own_json(ctx, dto);
	}
	if (r == 0)
		r = publisher_deployable_check(ctx, api, dto, targets);
	if (r < 0)
		return r;
	json_array_foreach(targets, i, target)
		if (r == 0)
			r = publisher_deployment_put(ctx, api, revision, dto, target);
	if (r == 0)
		r = publisher_api_touch(ctx, api);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? reply_deployments(ctx, api, revision) : r;
}

/* ---- Undeploy -------------------------------------------------------------------------------- */

/** The revision that revisionId or revisionNumber name. */
static int
revision_of_query(struct rest_context *ctx, const struct gh_doc *api,
	const struct gh_doc **ret_revision)
{
	struct gh_str id = rest_query(ctx, "revisionId");
	struct gh_str number = rest_query(ctx, "revisionNumber");
	const struct gh_docs_found *found;
	bool is_number = number.n < 10;

	if (id.n > 0)
		return publisher_revision_find(ctx, api, id, ret_revision);
	if (number.n == 0)
		return rest_fail(ctx, 400, "One of the query parameters 'revisionId' and "
			"'revisionNumber' must be there");
	for (size_t i = 0; i < number.n && number.n < 10; i++)
		is_number &= number.p[i] >= '0' && number.p[i] <= '9';
	if (!is_number)
		return rest_fail(ctx, 400, "The query parameter 'revisionNumber' must be a number");
	int r = rest_find_equal(ctx, "revision", "api", (struct gh_str[]){ api->id, number }, 2,
		&found);

	if (r < 0)
		return r;
	if (found->n == 0)
		return rest_fail(ctx, 404, "The API has no revision %.*s", GH_STR_ARG(number));
	*ret_revision = &found->docs[0];
	return 0;
}

/** Remove the revision from one environment. */
static int
remove_deployment(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *revision,
	const json_t *target)
{
	struct gh_str name = js_str(target, "name"), vhost = js_str(target, "vhost");
	struct gh_str id = deployment_id(ctx, api, name);
	const struct gh_doc *deployment;
	int r = id.p != NULL ? rest_lookup(ctx, "deployment", id, &deployment) : GH_ENOMEM;

	/* Whether the environment still exists does not matter. */
	if (r == GH_ENOENT || (r == 0 &&
	    !gh_str_eq(doc_str(deployment->body, "revision_id"), revision->id)))
		return rest_fail(ctx, 400, "The revision is not deployed in '%.*s'",
			GH_STR_ARG(name));
	if (r == 0 && vhost.n > 0 &&
	    !gh_str_eq_nocase(doc_str(deployment->body, "vhost"), vhost))
		return rest_fail(ctx, 400, "The revision is not deployed on the virtual host "
			"'%.*s' of %.*s", GH_STR_ARG(vhost), GH_STR_ARG(name));
	return r == 0 ? rest_delete(ctx, "deployment", id, deployment->rev) : r;
}

/** Remove the revision wherever it is. */
static int
remove_everywhere(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *revision)
{
	const struct gh_docs_found *found;
	int r = publisher_deployments_of(ctx, api->id, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++)
		if (gh_str_eq(doc_str(found->docs[i].body, "revision_id"), revision->id))
			r = rest_delete(ctx, "deployment", found->docs[i].id, found->docs[i].rev);
	return r;
}

int
publisher_undeploy(struct rest_context *ctx)
{
	const struct gh_doc *api, *revision = NULL;
	json_t *targets = NULL, *target;
	bool is_everywhere = false;
	size_t i;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = revision_of_query(ctx, api, &revision);
	if (r == 0)
		r = rest_query_bool(ctx, "allEnvironments", false, &is_everywhere);
	if (r == 0)
		r = rest_body_array(ctx, target_schema, &targets);
	if (r < 0)
		return r;
	if (is_everywhere || json_array_size(targets) == 0)
		r = remove_everywhere(ctx, api, revision);
	else
		json_array_foreach(targets, i, target)
			if (r == 0)
				r = remove_deployment(ctx, api, revision, target);
	if (r == 0)
		r = publisher_api_touch(ctx, api);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? reply_deployments(ctx, api, revision) : r;
}
