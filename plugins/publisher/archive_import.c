/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive_import.c
 * @brief APIs from archives: read the project, check everything, then write all of it in one commit.
 */
#include "config.h"

#include <stdlib.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc_json.h"
#include "lib/json/json.h"
#include "plugins/publisher/openapi.h"
#include "plugins/publisher/project.h"
#include "plugins/publisher/publisher.h"

#define PARTS_MAX 8

/** One import. */
struct import {
	struct project *project;
	json_t *dto, *definition;       /**< The context's; the DTO is checked and filled. */
	bool preserves_provider, overwrites, rotates;
	bool is_default;
	struct gh_str state;            /**< Wanted; n = 0: stay, or CREATED. */
	const struct gh_doc *stored;    /**< What is replaced; NULL: a new API. */
	struct gh_doc api;              /**< As it will be; its body is malloc()ed. */
	struct gh_doc revision;         /**< The new one; id.n = 0: none. */
	const struct gh_doc *oldest;    /**< The revision that makes room, or NULL. */
	char api_uuid[CRYPTO_UUID_LEN + 1], revision_uuid[CRYPTO_UUID_LEN + 1];
};

/** A rest_defer() function. */
static void
import_free(void *arg)
{
	struct import *import = arg;

	project_free(import->project);
	free((void *)(uintptr_t)import->api.body.p);
	free((void *)(uintptr_t)import->revision.body.p);
	free(import);
}

/* ---- The DTO --------------------------------------------------------------------------------- */

/** The operation of a verb and target, or NULL. */
static json_t *
find_operation(const json_t *operations, const json_t *like)
{
	struct gh_str verb = js_str(like, "verb"), target = js_str(like, "target");
	json_t *operation;
	size_t i;

	json_array_foreach(operations, i, operation)
		if (gh_str_eq(js_str(operation, "verb"), verb) &&
			gh_str_eq(js_str(operation, "target"), target))
			return operation;
	return NULL;
}

/** "target verb" of each operation as the members of an object; BORROWs the operations. */
static json_t *
operation_set(const json_t *operations)
{
	json_t *set = json_object(), *operation;
	size_t i;
	int r = 0;

	json_array_foreach(operations, i, operation) {
		json_t *key = json_sprintf("%s %s", json_string_value(json_object_get(operation, "verb")),
			json_string_value(json_object_get(operation, "target")));

		if (key == NULL || json_object_set(set, json_string_value(key), operation) < 0)
			r = GH_ENOMEM;
		json_decref(key);
	}
	if (r == 0)
		return set;
	json_decref(set);
	return NULL;
}

/** What api.yaml says of an operation, under what the definition states.
 *  @param stated  the operation as the definition has it.  @param source  there.
 *  @return a new reference, or NULL: out of memory. */
static json_t *
enriched(const json_t *given, const json_t *stated, const json_t *source)
{
	static const char *const names[][2] = {
		{ "authType", "x-auth-type" }, { "throttlingPolicy", "x-throttling-tier" },
		{ "scopes", "security" },
	};
	json_t *operation = json_copy((json_t *)(uintptr_t)given);
	int r = operation != NULL ? 0 : GH_ENOMEM;

	if (r == 0 && js_has(given, "id")) /* where it comes from */
		r = js_set_str(operation, "id", GH_STR(""));
	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		if (js_has(source, names[i][1]) || !js_has(given, names[i][0]))
			r = js_set(operation, names[i][0],
				json_incref(json_object_get(stated, names[i][0])));
	if (r == 0)
		return operation;
	json_decref(operation);
	return NULL;
}

/** The operations are those of the definition, in the order of api.yaml where it names them; policies
 *  and whatever else api.yaml says of an operation stay with it. */
static int
merge_operations(struct rest_context *ctx, json_t *dto, const json_t *definition)
{
	json_t *given = js_array(dto, "operations"), *operations = NULL, *merged = json_array();
	json_t *item, *set, *paths = js_object(definition, "paths");
	char error[OPENAPI_ERROR_SIZE];
	size_t i;
	int r = openapi_operations(definition, &operations, error);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		r = rest_fail(ctx, 400, "The definition cannot be used. %s", error);
	set = r == 0 ? operation_set(operations) : NULL;
	if (r == 0 && (set == NULL || merged == NULL))
		r = GH_ENOMEM;
	json_array_foreach(given, i, item) {
		json_t *key = json_sprintf("%s %s", js_str_or(item, "verb", GH_STR("")).p,
			js_str_or(item, "target", GH_STR("")).p);
		json_t *operation = json_object_get(set, json_string_value(key));
		const char *field = openapi_field_of(js_str_or(item, "verb", GH_STR("")).p);

		if (r == 0 && operation != NULL && field != NULL) {
			if (json_array_append_new(merged, enriched(item, operation, js_object(
				js_object(paths, js_str(item, "target").p), field))) < 0)
				r = GH_ENOMEM;
			json_object_del(set, json_string_value(key)); /* twice is once */
		}
		json_decref(key);
	}
	json_array_foreach(operations, i, item)
		if (r == 0 && find_operation(merged, item) == NULL &&
		    json_array_append(merged, item) < 0)
			r = GH_ENOMEM;
	json_decref(set);
	json_decref(operations);
	if (r == 0 && json_array_size(merged) > 0)
		return js_set(dto, "operations", merged);
	json_decref(merged);
	return r;
}

/** Scopes that only the definition declares. */
static int
merge_scopes(json_t *dto, const json_t *definition)
{
	json_t *given = js_array(dto, "scopes"), *declared = NULL, *row, *other;
	size_t i, k;
	int r = openapi_scopes(definition, &declared);

	if (r == 0 && given == NULL) {
		r = js_set(dto, "scopes", json_array());
		given = js_array(dto, "scopes");
	}
	json_array_foreach(declared, i, row) {
		struct gh_str name = js_str(js_object(row, "scope"), "name");
		bool is_there = false;

		json_array_foreach(given, k, other)
			is_there |= gh_str_eq(js_str(js_object(other, "scope"), "name"), name);
		if (r == 0 && !is_there && json_array_append(given, row) < 0)
			r = GH_ENOMEM;
	}
	json_decref(declared);
	return r;
}

/** Is the member absent, or a list of objects?  Else the table of fields will tell. */
static bool
is_mergeable(const json_t *dto, const char *name)
{
	const json_t *list = json_object_get(dto, name), *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (!json_is_object(item))
			return false;
	return list == NULL || json_is_null(list) || json_is_array(list);
}

static int
prepare_dto(struct rest_context *ctx, struct import *import)
{
	json_t *dto = import->project->dto, *definition = import->project->definition;
	int r = rest_own_json(ctx, json_incref(dto));

	if (r == 0 && definition != NULL)
		r = rest_own_json(ctx, json_incref(definition));
	if (r == 0 && definition != NULL && is_mergeable(dto, "operations"))
		r = merge_operations(ctx, dto, definition);
	if (r == 0 && definition != NULL && is_mergeable(dto, "scopes"))
		r = merge_scopes(dto, definition);
	if (r == 0)
		r = rest_check(ctx, "api.yaml: data", publisher_api_schema, dto);
	if (r == 0 && js_has(dto, "lifeCycleStatus") && js_str(dto, "lifeCycleStatus").n == 0)
		r = rest_fail(ctx, 400, "api.yaml: 'lifeCycleStatus' must be a string");
	if (r < 0)
		return r;
	import->dto = dto;
	import->definition = definition;
	import->is_default = js_bool(dto, "isDefaultVersion", false);
	import->state = gh_call_strdup(ctx->call, js_str_or(dto, "lifeCycleStatus", GH_STR("")));
	return 0;
}

/* ---- Whose it is, and what it replaces ------------------------------------------------------- */

/** "admin" or "admin@tenant": the provider that the archive names, or the caller. */
static int
find_provider(struct rest_context *ctx, const struct import *import, struct gh_str *ret_provider)
{
	struct gh_str provider = js_str(import->dto, "provider");

	if (!import->preserves_provider || provider.n == 0) {
		*ret_provider = ctx->user;
		return 0;
	}
	int r = rest_user_name(ctx, provider, ret_provider);

	return r != GH_ENOENT ? r : rest_fail(ctx, 403, "The provider %.*s is of another tenant than "
		"you; import with preserveProvider=false", GH_STR_ARG(provider));
}

static int
find_stored(struct rest_context *ctx, struct import *import)
{
	struct gh_str name = js_str(import->dto, "name"), version = js_str(import->dto, "version");
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "api", "name_version",
		(struct gh_str[]){ name, version }, 2, &found);

	if (r < 0 || found->n == 0)
		return r;
	if (!import->overwrites)
		return rest_fail(ctx, 409, "The API %s:%s exists already; import it with "
			"overwrite=true to replace it", name.p, version.p);
	import->stored = &found->docs[0];
	return 0;
}

/** The API's document as it will be, but for its revision. */
static int
draft_api(struct rest_context *ctx, struct import *import)
{
	struct gh_str provider;
	int r = find_provider(ctx, import, &provider);

	if (r == 0)
		r = find_stored(ctx, import);
	if (r == 0)
		r = crypto_uuid(import->api_uuid);
	if (r < 0)
		return r;
	import->api.id = import->stored != NULL ? import->stored->id : gh_str_of(import->api_uuid);
	r = publisher_api_draft(ctx, import->stored, provider, import->dto, import->definition,
		&import->api.body);
	if (r == 0 && import->state.n > 0)
		r = publisher_lifecycle_reach(ctx, &import->api, import->state);
	return r;
}

/* ---- The revision and where it is deployed --------------------------------------------------- */

/** Replace the body by one with changed fields. */
static int
change_api(struct import *import, struct doc_writer *changes)
{
	struct gh_str patch, body;
	int r = doc_finish(changes, &patch);

	if (r < 0)
		return r;
	r = doc_merge(import->api.body, patch, &body);
	free((void *)(uintptr_t)patch.p);
	if (r < 0)
		return r;
	free((void *)(uintptr_t)import->api.body.p);
	import->api.body = body;
	return 0;
}

/** A revision when the archive says where to deploy; the oldest one makes room when it may. */
static int
draft_revision(struct rest_context *ctx, struct import *import)
{
	const struct gh_docs_found *found;
	struct doc_writer w;
	json_t *dto;
	int r;

	if (json_array_size(import->project->targets) == 0)
		return 0;
	if (import->stored != NULL) {
		r = publisher_revisions_of(ctx, import->stored, &found);
		if (r < 0)
			return r;
		if (found->n >= PUBLISHER_REVISIONS_MAX && !import->rotates)
			return rest_fail(ctx, 400, "The API has %d revisions, which is the maximum; "
				"delete one first, or import with rotateRevision=true",
				PUBLISHER_REVISIONS_MAX);
		if (found->n >= PUBLISHER_REVISIONS_MAX)
			import->oldest = &found->docs[0];
	}
	r = crypto_uuid(import->revision_uuid);
	if (r == 0)
		r = publisher_revision_body(&import->api, GH_STR("Imported"), &import->revision.body);
	if (r < 0)
		return r;
	import->revision.id = gh_str_of(import->revision_uuid);
	dto = publisher_stored_dto(import->revision.body);
	r = rest_own_json(ctx, dto);
	if (r == 0)
		r = publisher_deployable_check(ctx, &import->api, dto, import->project->targets);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_int(&w, "next_revision", doc_int(import->api.body, "next_revision", 1) + 1);
	return change_api(import, &w);
}

static bool
is_target(const struct import *import, struct gh_str environment)
{
	json_t *target;
	size_t i;

	json_array_foreach(import->project->targets, i, target)
		if (gh_str_eq(js_str(target, "name"), environment))
			return true;
	return false;
}

/** What takes effect of the API without a new revision, in a deployment that stays. */
static int
change_deployment(struct rest_context *ctx, const struct import *import, const struct gh_doc *doc)
{
	struct gh_str changes, body;
	struct doc_writer w;
	int r;

	doc_writer_init(&w);
	doc_put_bool(&w, "is_default", import->is_default);
	doc_put_str(&w, "state", doc_str(import->api.body, "state"));
	doc_put_json(&w, "tiers", js_array(import->dto, "policies"));
	r = doc_finish(&w, &changes);
	if (r < 0)
		return r;
	r = doc_merge(doc->body, changes, &body);
	free((void *)(uintptr_t)changes.p);
	if (r < 0)
		return r;
	if (!gh_str_eq(doc->body, body))
		return rest_put(ctx, "deployment", doc->id, body, doc->rev);
	free((void *)(uintptr_t)body.p);
	return 0;
}

/** Deployments that are there already: one change each. */
static int
put_old_deployments(struct rest_context *ctx, const struct import *import)
{
	bool is_retired = gh_str_eq(doc_str(import->api.body, "state"), GH_STR("RETIRED"));
	const struct gh_docs_found *found;
	int r = publisher_deployments_of(ctx, import->api.id, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];
		bool is_gone = is_retired || (import->oldest != NULL &&
			gh_str_eq(doc_str(doc->body, "revision_id"), import->oldest->id));

		if (is_target(import, doc_str(doc->body, "environment")))
			continue;
		r = is_gone ? rest_delete(ctx, "deployment", doc->id, doc->rev) :
			change_deployment(ctx, import, doc);
	}
	return r == 0 && is_retired ? publisher_subscriptions_remove(ctx, import->api.id) : r;
}

static int
put_revision(struct rest_context *ctx, struct import *import)
{
	json_t *dto = publisher_stored_dto(import->revision.body), *target;
	struct gh_str body = { NULL, import->revision.body.n };
	size_t i;
	int r = rest_own_json(ctx, dto);

	json_array_foreach(import->project->targets, i, target)
		if (r == 0)
			r = publisher_deployment_put(ctx, &import->api, &import->revision, dto,
				target);
	if (r == 0 && import->oldest != NULL)
		r = rest_delete(ctx, "revision", import->oldest->id, import->oldest->rev);
	if (r < 0)
		return r;
	body.p = import->revision.body.p;
	import->revision.body = GH_STR_NONE; /* it moves into the batch */
	return rest_put(ctx, "revision", import->revision.id, body, GH_REV_NONE);
}

/* ---- Documents, thumbnail, other files ------------------------------------------------------- */

static int
put_document(struct rest_context *ctx, const struct import *import,
	const struct project_document *document)
{
	struct gh_str source = js_str(document->data, "sourceType");
	struct gh_str name = js_str(document->data, "name"), body;
	const struct gh_doc *stored = NULL;
	int r = name.n > 0 ? publisher_document_lookup(ctx, import->api.id,
		GH_STR(PUBLISHER_DOCUMENT), name, &stored) : GH_ENOENT;

	if (r == GH_ENOENT)
		r = 0;
	if (r == 0 && gh_str_eq(source, GH_STR("FILE")) && document->content == NULL)
		r = rest_fail(ctx, 400, "Docs: the file of the document '%.60s' is missing",
			name.n > 0 ? name.p : "");
	if (r == 0 && gh_str_eq(source, GH_STR("FILE"))) {
		struct gh_str path = document->content->name;
		const char *slash = memrchr(path.p, '/', path.n);
		size_t folder_n = slash != NULL ? (size_t)(slash + 1 - path.p) : 0;

		r = js_set_str(document->data, "fileName",
			(struct gh_str){ path.p + folder_n, path.n - folder_n });
	}
	if (r == 0)
		r = publisher_document_body(ctx, "document.yaml: data", import->api.id,
			document->data, stored, document->content != NULL ?
			document->content->content : GH_STR_NONE, &body);
	return r == 0 ? publisher_document_put(ctx, import->api.id, body) : r;
}

static int
put_documents(struct rest_context *ctx, const struct import *import)
{
	const struct project *p = import->project;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->document_count; i++) {
		for (size_t k = 0; k < i; k++)
			if (gh_str_eq(js_str(p->documents[i].data, "name"),
				js_str(p->documents[k].data, "name")))
				return rest_fail(ctx, 400, "Docs: two documents have the name '%.60s'",
					js_str_or(p->documents[i].data, "name", GH_STR("")).p);
		r = put_document(ctx, import, &p->documents[i]);
	}
	return r;
}

static int
put_thumbnail(struct rest_context *ctx, struct import *import)
{
	const struct archive_file *file = import->project->thumbnail;
	struct gh_str body;
	struct doc_writer w;

	if (file == NULL)
		return 0;
	const char *type = publisher_image_type(file->content);

	if (type == NULL)
		return rest_fail(ctx, 400, "%.*s is no PNG, JPEG or GIF image of at most 1 MiB",
			GH_STR_ARG(file->name));
	int r = publisher_file_body(import->api.id, PUBLISHER_THUMBNAIL,
		GH_STR(PUBLISHER_THUMBNAIL), gh_str_of(type), file->content, &body);

	if (r == 0)
		r = publisher_document_put(ctx, import->api.id, body);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_bool(&w, "has_thumbnail", true);
	return change_api(import, &w);
}

/** A rest_each_fn: files of an earlier archive that this one does not have. */
static int
drop_file(struct rest_context *ctx, const struct gh_doc *document, void *arg)
{
	const struct project *p = arg;
	struct gh_str name = doc_str(document->body, "name");

	for (size_t i = 0; i < p->file_count; i++)
		if (gh_str_eq(p->files[i].name, name))
			return 0;
	return rest_delete(ctx, "document", document->id, document->rev);
}

static int
put_files(struct rest_context *ctx, const struct import *import)
{
	struct project *p = import->project;
	struct gh_str body;
	int r = publisher_documents_each(ctx, import->api.id, PUBLISHER_FILE, drop_file, p);

	for (size_t i = 0; r == 0 && i < p->file_count; i++) {
		r = publisher_file_body(import->api.id, PUBLISHER_FILE, p->files[i].name,
			GH_STR("application/octet-stream"), p->files[i].content, &body);
		if (r == 0)
			r = publisher_document_put(ctx, import->api.id, body);
	}
	return r;
}

/* ---- All of it ------------------------------------------------------------------------------- */

/** Check everything, and fill the batch with all that changes. */
static int
fill_batch(struct rest_context *ctx, struct import *import)
{
	struct gh_str body;
	int r = prepare_dto(ctx, import);

	if (r == 0)
		r = draft_api(ctx, import);
	if (r == 0)
		r = put_thumbnail(ctx, import);
	if (r == 0)
		r = draft_revision(ctx, import);
	if (r == 0)
		r = put_documents(ctx, import);
	if (r == 0)
		r = put_files(ctx, import);
	if (r == 0)
		r = put_old_deployments(ctx, import);
	if (r == 0 && import->revision.id.n > 0)
		r = put_revision(ctx, import);
	if (r < 0)
		return r;
	body = import->api.body;
	import->api.body = GH_STR_NONE; /* it moves into the batch */
	return rest_put(ctx, "api", import->api.id, body,
		import->stored != NULL ? import->stored->rev : GH_REV_NONE);
}

/** {"compliance-check": {"result", "violations"}}, and nothing is written. */
static int
reply_dry_run(struct rest_context *ctx, struct gh_str violation)
{
	json_t *violations = json_array();
	int r = 0;

	if (violation.p != NULL)
		r = json_array_append_new(violations, json_pack("{s:s,s:s%}", "severity", "ERROR",
			"message", violation.p, violation.n)) < 0 ? GH_ENOMEM : 0;
	if (r == 0)
		return rest_reply(ctx, 200, json_pack("{s:{s:s,s:o}}", "compliance-check", "result",
			violation.p != NULL ? "fail" : "pass", "violations", violations));
	json_decref(violations);
	return r;
}

/** The request: its parameters, and the archive taken apart. */
static int
read_request(struct rest_context *ctx, struct import *import, bool *ret_is_dry)
{
	struct multipart_part parts[PARTS_MAX];
	const struct multipart_part *part;
	char error[PROJECT_ERROR_SIZE];
	size_t n = 0;
	int r = rest_query_bool(ctx, "preserveProvider", true, &import->preserves_provider);

	if (r == 0)
		r = rest_query_bool(ctx, "overwrite", false, &import->overwrites);
	if (r == 0)
		r = rest_query_bool(ctx, "rotateRevision", false, &import->rotates);
	if (r == 0)
		r = rest_query_bool(ctx, "dryRun", false, ret_is_dry);
	if (r == 0)
		r = rest_multipart(ctx, parts, PARTS_MAX, &n);
	if (r < 0)
		return r;
	part = multipart_find(parts, n, "file");
	if (part == NULL)
		return rest_fail(ctx, 400, "The part 'file' with the archive is missing");
	r = project_read(part->body, &import->project, error);
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "The archive cannot be imported. %s", error);
	return r;
}

int
publisher_archive_import(struct rest_context *ctx)
{
	struct import *import = calloc(1, sizeof(*import));
	bool is_dry = false;
	int r = import != NULL ? rest_defer(ctx, import_free, import) : GH_ENOMEM;

	if (r == 0)
		r = read_request(ctx, import, &is_dry);
	if (r < 0)
		return r;
	r = fill_batch(ctx, import);
	if (is_dry) {
		struct gh_str violation = r < 0 ? rest_failure_take(ctx) : GH_STR_NONE;

		return r == 0 || violation.p != NULL ? reply_dry_run(ctx, violation) : r;
	}
	if (r == 0)
		r = rest_commit(ctx, NULL);
	if (r < 0)
		return r;
	if (import->project->has_dependent_apis) {
		gh_call_log(ctx->call, LOG_WARNING,
			"the parameters name dependentAPIs, which only API products have");
		gh_call_reply_field(ctx->call, GH_STR("Warning"),
			GH_STR("199 gatehouse \"dependentAPIs was ignored: only products have them\""));
	}
	return rest_reply(ctx, 200, json_pack("{s:s,s:s%}", "message",
		"API imported successfully.", "id", import->api.id.p, import->api.id.n));
}
