/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file revisions.c
 * @brief Revisions: snapshots of an API, which is what gets deployed.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/json/json.h"
#include "plugins/publisher/publisher.h"

static const struct rest_field revision_schema[] = {
	{ "description", REST_STRING, .max = 255, .dflt = "\"\"" },
	{ .type = REST_END },
};

/** The API's deployments of one revision as a JSON array. */
static json_t *
deployments_of(struct rest_context *ctx, const struct gh_doc *revision)
{
	const struct gh_docs_found *found;
	json_t *list = json_array();
	int r = rest_find_equal(ctx, "deployment", "revision", &revision->id, 1, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++)
		if (json_array_append_new(list, publisher_deployment_row(ctx, &found->docs[i])) < 0)
			r = GH_ENOMEM;
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

/** A rest_row_fn. */
static json_t *
revision_row(struct rest_context *ctx, const struct gh_doc *revision)
{
	struct gh_str body = revision->body;
	struct gh_str api_id = doc_str(body, "api_id"), description = doc_str(body, "description");

	return json_pack("{s:o,s:s%,s:s%,s:o,s:{s:s%},s:o}",
		"displayName", json_sprintf("Revision %lld", (long long)doc_int(body, "number", 0)),
		"id", revision->id.p, revision->id.n,
		"description", description.n > 0 ? description.p : "", description.n,
		"createdTime", publisher_time(doc_int(body, "created_at_s", 0)),
		"apiInfo", "id", api_id.p, api_id.n,
		"deploymentInfo", deployments_of(ctx, revision));
}

int
publisher_revisions_of(struct rest_context *ctx,
	const struct gh_doc *api, const struct gh_docs_found **ret_found)
{
	return rest_find_equal(ctx, "revision", "api", &api->id, 1, ret_found);
}

int
publisher_revision_find(struct rest_context *ctx, const struct gh_doc *api, struct gh_str id,
	const struct gh_doc **ret_revision)
{
	const struct gh_doc *revision;
	int r = rest_get(ctx, "revision", id, &revision);

	if (r < 0)
		return r;
	if (!gh_str_eq(doc_str(revision->body, "api_id"), api->id))
		return rest_fail(ctx, 404, "The API has no revision with the id '%.*s'",
			GH_STR_ARG(id));
	*ret_revision = revision;
	return 0;
}

static int
revision_of_path(struct rest_context *ctx, const struct gh_doc **ret_api,
	const struct gh_doc **ret_revision)
{
	int r = publisher_api_of_path(ctx, ret_api);

	return r < 0 ? r : publisher_revision_find(ctx, *ret_api, rest_param(ctx, "revisionId"),
		ret_revision);
}

int
publisher_revision_body(const struct gh_doc *api, struct gh_str description, struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "api_id", api->id);
	doc_put_int(&w, "number", doc_int(api->body, "next_revision", 1));
	doc_put_str(&w, "description", description);
	doc_put_int(&w, "created_at_s", publisher_now_s());
	doc_put_map(&w, "dto", doc_map(api->body, "dto"));
	doc_put_str(&w, "definition", doc_str(api->body, "definition"));
	return doc_finish(&w, ret_body);
}

/** The snapshot, and the API with its next number. */
static int
put_revision(struct rest_context *ctx, const struct gh_doc *api, struct gh_str id,
	struct gh_str description)
{
	struct doc_writer w;
	struct gh_str body;
	int r = publisher_revision_body(api, description, &body);

	if (r == 0)
		r = rest_put(ctx, "revision", id, body, GH_REV_NONE);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_int(&w, "next_revision", doc_int(api->body, "next_revision", 1) + 1);
	return publisher_api_put(ctx, api, &w);
}

int
publisher_revision_create(struct rest_context *ctx)
{
	const struct gh_doc *api, *revision;
	const struct gh_docs_found *found;
	json_t *request = NULL;
	char uuid[CRYPTO_UUID_LEN + 1];
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_body(ctx, revision_schema, &request);
	if (r == 0)
		r = publisher_revisions_of(ctx, api, &found);
	if (r == 0 && found->n >= PUBLISHER_REVISIONS_MAX)
		return rest_fail(ctx, 400,
			"The API has %d revisions, which is the maximum; delete one first",
			PUBLISHER_REVISIONS_MAX);
	if (r == 0)
		r = crypto_uuid(uuid);
	if (r == 0)
		r = put_revision(ctx, api, gh_str_of(uuid), js_str(request, "description"));
	if (r == 0)
		r = rest_commit(ctx, NULL);
	if (r == 0)
		r = rest_lookup(ctx, "revision", gh_str_of(uuid), &revision);
	return r == 0 ? rest_reply_created(ctx, revision_row(ctx, revision),
		"/apis/%.*s/revisions/%s", GH_STR_ARG(api->id), uuid) : r;
}

/** Does the revision agree with the parameter query ("deployed:true")? */
static bool
is_asked_for(struct rest_context *ctx, const struct gh_doc *revision, struct gh_str query)
{
	bool wants_deployed = gh_str_eq(query, GH_STR("deployed:true"));
	const struct gh_docs_found *found;

	if (!wants_deployed && !gh_str_eq(query, GH_STR("deployed:false")))
		return true;
	if (rest_find_equal(ctx, "deployment", "revision", &revision->id, 1, &found) < 0)
		return true;
	return (found->n > 0) == wants_deployed;
}

/** {"count", "list"} of the API's revisions. */
static int
reply_revisions(struct rest_context *ctx, const struct gh_doc *api)
{
	struct gh_str query = rest_query(ctx, "query");
	const struct gh_docs_found *found;
	json_t *list = json_array();
	int r = publisher_revisions_of(ctx, api, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++)
		if (is_asked_for(ctx, &found->docs[i], query) &&
		    json_array_append_new(list, revision_row(ctx, &found->docs[i])) < 0)
			r = GH_ENOMEM;
	if (r == 0)
		return rest_reply(ctx, 200, json_pack("{s:I,s:o}",
			"count", (json_int_t)json_array_size(list), "list", list));
	json_decref(list);
	return r;
}

int
publisher_revision_list(struct rest_context *ctx)
{
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	return r == 0 ? reply_revisions(ctx, api) : r;
}

int
publisher_revision_get(struct rest_context *ctx)
{
	const struct gh_doc *api, *revision;
	int r = revision_of_path(ctx, &api, &revision);

	return r == 0 ? rest_reply(ctx, 200, revision_row(ctx, revision)) : r;
}

int
publisher_revision_delete(struct rest_context *ctx)
{
	const struct gh_doc *api, *revision;
	const struct gh_docs_found *found;
	int r = revision_of_path(ctx, &api, &revision);

	if (r == 0)
		r = rest_find_equal(ctx, "deployment", "revision", &revision->id, 1, &found);
	if (r == 0 && found->n > 0)
		return rest_fail(ctx, 400, "The revision is deployed in %.*s; undeploy it first",
			GH_STR_ARG(doc_str(found->docs[0].body, "environment")));
	if (r == 0)
		r = rest_delete(ctx, "revision", revision->id, revision->rev);
	if (r == 0)
		r = publisher_api_touch(ctx, api); /* nobody deploys the revision meanwhile */
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? reply_revisions(ctx, api) : r;
}
