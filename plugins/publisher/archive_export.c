/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive_export.c
 * @brief APIs as archives, in the layout that archive_import.c reads.
 *
 * What changes with every import (ids, times) is left out.  So an API that was exported, deleted and
 * imported is exported as the same bytes again.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "lib/yaml/yaml_write.h"
#include "plugins/publisher/project.h"
#include "plugins/publisher/publisher.h"

#define BYTES_MAX (64u << 20)

/** One export. */
struct export {
	struct archive_writer *writer;
	struct gh_str root;        /**< "Books-1.0.0/". */
	bool is_json, preserves_status, preserves_credentials;
	size_t bytes;
	const struct gh_doc *api;
	const struct gh_doc *revision; /**< NULL: the working copy. */
};

/** A rest_defer() function. */
static void
export_free(void *arg)
{
	struct export *export = arg;

	archive_writer_free(export->writer);
	free(export);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int
add_bytes(struct rest_context *ctx, struct export *export, struct gh_str name, struct gh_str content)
{
	struct gh_str path = gh_call_printf(ctx->call, "%.*s%.*s", GH_STR_ARG(export->root),
		GH_STR_ARG(name));

	if (path.p == NULL)
		return GH_ENOMEM;
	export->bytes += content.n;
	if (export->bytes > BYTES_MAX)
		return rest_fail(ctx, 413, "The API has more than %u bytes of documents", BYTES_MAX);
	archive_writer_add(export->writer, path, content);
	return 0;
}

/** Add NAME.yaml or NAME.json.  @param json  GIVE; NULL: out of memory. */
static int
add_json(struct rest_context *ctx, struct export *export, const char *name, json_t *json)
{
	struct gh_str path = gh_call_printf(ctx->call, "%s.%s", name, export->is_json ? "json" :
		"yaml");
	struct gh_str text = GH_STR_NONE;
	int r = json != NULL && path.p != NULL ? 0 : GH_ENOMEM;

	if (r == 0 && export->is_json) {
		text = gh_str_of(json_dumps(json, JSON_INDENT(2)));
		r = text.p != NULL ? 0 : GH_ENOMEM;
	} else if (r == 0) {
		r = yaml_write(json, &text);
	}
	json_decref(json);
	if (r == 0)
		r = add_bytes(ctx, export, path, text);
	free((void *)(uintptr_t)text.p);
	return r;
}

/* ---- The parts of a project ------------------------------------------------------------------ */

/** Passwords and the like of backends. */
static int
blank_credentials(json_t *dto)
{
	static const char *const secrets[] = { "password", "clientSecret", "apiKeyValue" };
	json_t *security = js_object(js_object(dto, "endpointConfig"), "endpoint_security"), *side;
	const char *name;
	int r = 0;

	json_object_foreach(security, name, side)
		for (size_t i = 0; r == 0 && i < sizeof(secrets) / sizeof(secrets[0]); i++)
			if (js_has(side, secrets[i]))
				r = js_set_str(side, secrets[i], GH_STR(""));
	return r;
}

/** The DTO as api.yaml has it. */
static json_t *
make_dto(const struct export *export)
{
	static const char *const left_out[] = {
		"id", "createdTime", "lastUpdatedTime", "isRevision", "revisionId",
	};
	json_t *dto = publisher_api_dto(export->api), *snapshot = NULL;
	int r = dto != NULL ? 0 : GH_ENOMEM;

	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		json_object_del(dto, left_out[i]);
	if (r == 0 && !export->preserves_status)
		r = js_set_str(dto, "lifeCycleStatus", GH_STR("CREATED"));
	if (r == 0 && export->revision != NULL) {
		snapshot = publisher_stored_dto(export->revision->body);
		r = snapshot != NULL && json_object_update(dto, snapshot) == 0 ? 0 : GH_ENOMEM;
		json_decref(snapshot);
		if (r == 0)
			r = js_set(dto, "isRevision", json_true());
		if (r == 0)
			r = js_set(dto, "revisionId", json_integer(doc_int(export->revision->body,
				"number", 0)));
	}
	if (r == 0 && !export->preserves_credentials)
		r = blank_credentials(dto);
	if (r == 0)
		return dto;
	json_decref(dto);
	return NULL;
}

static int
add_definition(struct rest_context *ctx, struct export *export)
{
	const struct gh_doc *from = export->revision != NULL ? export->revision : export->api;
	json_t *definition = NULL;
	char why[160];
	int r = js_parse(doc_str(from->body, "definition"), NULL, &definition, why, sizeof(why));

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return 0; /* lost: an import makes it anew from the operations */
	return r == 0 ? add_json(ctx, export, "Definitions/swagger", definition) : r;
}

/** Where the revision is deployed. */
static int
add_targets(struct rest_context *ctx, struct export *export)
{
	const struct gh_docs_found *found;
	json_t *rows;
	int r;

	if (export->revision == NULL)
		return 0;
	r = rest_find_equal(ctx, "deployment", "revision", &export->revision->id, 1, &found);
	if (r < 0 || found->n == 0)
		return r;
	rows = json_array();
	for (size_t i = 0; r == 0 && i < found->n; i++) {
		struct gh_str name = doc_str(found->docs[i].body, "environment");
		struct gh_str vhost = doc_str(found->docs[i].body, "vhost");

		if (json_array_append_new(rows, json_pack("{s:b,s:s%,s:s%}", "displayOnDevportal",
			doc_bool(found->docs[i].body, "display_on_devportal", true),
			"deploymentEnvironment", name.p, name.n, "deploymentVhost", vhost.p,
			vhost.n)) < 0)
			r = GH_ENOMEM;
	}
	if (r == 0)
		return add_json(ctx, export, "deployment_environments",
			project_envelope("deployment_environments", rows));
	json_decref(rows);
	return r;
}

/** A rest_each_fn. */
static int
add_document(struct rest_context *ctx, const struct gh_doc *document, void *arg)
{
	static const char *const left_out[] = {
		"documentId", "createdBy", "createdTime", "lastUpdatedTime",
	};
	struct export *export = arg;
	struct gh_str name = doc_str(document->body, "name");
	struct gh_str content = doc_bin(document->body, "content");
	struct gh_str file = doc_str(document->body, "file_name");
	struct gh_str head = gh_call_printf(ctx->call, "Docs/%.*s/document", GH_STR_ARG(name));
	json_t *row = publisher_document_row(ctx, document);

	if (head.p == NULL || row == NULL) {
		json_decref(row);
		return GH_ENOMEM;
	}
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		json_object_del(row, left_out[i]);
	int r = add_json(ctx, export, head.p, project_envelope("document", row));

	if (r < 0 || content.p == NULL)
		return r;
	if (!project_is_document_name(file)) /* it is a file's name too */
		file = name;
	struct gh_str path = gh_call_printf(ctx->call, "Docs/%.*s/%.*s", GH_STR_ARG(name),
		GH_STR_ARG(file));

	return path.p != NULL ? add_bytes(ctx, export, path, content) : GH_ENOMEM;
}

/** A rest_each_fn. */
static int
add_file(struct rest_context *ctx, const struct gh_doc *document, void *arg)
{
	return add_bytes(ctx, arg, doc_str(document->body, "name"),
		doc_bin(document->body, "content"));
}

static int
add_thumbnail(struct rest_context *ctx, struct export *export)
{
	const struct gh_doc *thumbnail;
	int r = publisher_document_lookup(ctx, export->api->id, GH_STR(PUBLISHER_THUMBNAIL),
		GH_STR(PUBLISHER_THUMBNAIL), &thumbnail);

	if (r < 0)
		return r == GH_ENOENT ? 0 : r;
	struct gh_str type = doc_str(thumbnail->body, "media_type");
	struct gh_str name = gh_str_eq(type, GH_STR("image/png")) ? GH_STR("Image/icon.png") :
		gh_str_eq(type, GH_STR("image/gif")) ? GH_STR("Image/icon.gif") :
		GH_STR("Image/icon.jpg");

	return add_bytes(ctx, export, name, doc_bin(thumbnail->body, "content"));
}

/* ---- Which API ------------------------------------------------------------------------------- */

static int
find_api(struct rest_context *ctx, const struct gh_doc **ret_api)
{
	struct gh_str id = rest_query(ctx, "apiId"), provider = rest_query(ctx, "providerName");
	const struct gh_docs_found *found;
	struct gh_str name, version;

	if (id.n > 0)
		return rest_get(ctx, "api", id, ret_api);
	int r = rest_query_need(ctx, "name", &name);

	if (r == 0)
		r = rest_query_need(ctx, "version", &version);
	if (r == 0)
		r = rest_find_equal(ctx, "api", "name_version",
			(struct gh_str[]){ name, version }, 2, &found);
	if (r < 0)
		return r;
	if (provider.n > 0 && rest_user_name(ctx, provider, &provider) == GH_ENOMEM)
		return GH_ENOMEM;
	if (found->n == 0 || (provider.n > 0 &&
	    !gh_str_eq(doc_str(found->docs[0].body, "provider"), provider)))
		return rest_fail(ctx, 404, "There is no API %.*s:%.*s%s%.*s", GH_STR_ARG(name),
			GH_STR_ARG(version), provider.n > 0 ? " of " : "", GH_STR_ARG(provider));
	*ret_api = &found->docs[0];
	return 0;
}

/** The revision that revisionNumber or latestRevision name; NULL: neither does. */
static int
find_revision(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc **ret_revision)
{
	struct gh_str number = rest_query(ctx, "revisionNumber");
	const struct gh_docs_found *found;
	bool is_latest = false;
	int r = rest_query_bool(ctx, "latestRevision", false, &is_latest);

	*ret_revision = NULL;
	if (r < 0 || (number.n == 0 && !is_latest))
		return r;
	r = publisher_revisions_of(ctx, api, &found);
	if (r < 0)
		return r;
	for (size_t i = 0; i < found->n; i++) {
		struct gh_str own = gh_call_printf(ctx->call, "%lld",
			(long long)doc_int(found->docs[i].body, "number", 0));

		if (is_latest ? i + 1 == found->n : gh_str_eq(own, number))
			*ret_revision = &found->docs[i];
	}
	if (*ret_revision != NULL)
		return 0;
	return is_latest ? rest_fail(ctx, 404, "The API has no revision") :
		rest_fail(ctx, 404, "The API has no revision %.*s", GH_STR_ARG(number));
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int
read_query(struct rest_context *ctx, struct export *export)
{
	struct gh_str format = rest_query(ctx, "format");
	int r = rest_query_bool(ctx, "preserveStatus", true, &export->preserves_status);

	if (r == 0)
		r = rest_query_bool(ctx, "preserveCredentials", false,
			&export->preserves_credentials);
	export->is_json = gh_str_eq_nocase(format, GH_STR("JSON"));
	if (r == 0 && format.n > 0 && !export->is_json &&
	    !gh_str_eq_nocase(format, GH_STR("YAML")))
		r = rest_fail(ctx, 400, "The query parameter 'format' must be YAML or JSON");
	if (r == 0)
		r = find_api(ctx, &export->api);
	return r == 0 ? find_revision(ctx, export->api, &export->revision) : r;
}

static int
add_parts(struct rest_context *ctx, struct export *export)
{
	int r = add_json(ctx, export, "api", project_envelope("api", make_dto(export)));

	if (r == 0)
		r = add_definition(ctx, export);
	if (r == 0)
		r = add_targets(ctx, export);
	if (r == 0)
		r = publisher_documents_each(ctx, export->api->id, PUBLISHER_DOCUMENT, add_document,
			export);
	if (r == 0)
		r = add_thumbnail(ctx, export);
	return r == 0 ? publisher_documents_each(ctx, export->api->id, PUBLISHER_FILE, add_file,
		export) : r;
}

/** The archive as a download with the name NAME-VERSION.zip. */
static int
reply_archive(struct rest_context *ctx, const struct export *export, struct gh_str bytes)
{
	struct gh_str field = gh_call_printf(ctx->call, "attachment; filename=\"%.*s.zip\"",
		(int)export->root.n - 1, export->root.p);

	if (field.p == NULL)
		return GH_ENOMEM;
	for (char *p = (char *)(uintptr_t)field.p; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x7F)
			*p = '_'; /* the names inside are the true ones */
	int r = gh_call_reply_field(ctx->call, GH_STR("Content-Disposition"), field);

	return r == 0 ? rest_reply_text(ctx, 200, GH_STR("application/zip"), bytes) : r;
}

int
publisher_archive_export(struct rest_context *ctx)
{
	struct export *export = calloc(1, sizeof(*export));
	struct gh_str bytes;
	int r = export != NULL ? rest_defer(ctx, export_free, export) : GH_ENOMEM;

	if (r == 0)
		r = read_query(ctx, export);
	if (r < 0)
		return r;
	export->writer = archive_writer_new();
	export->root = gh_call_printf(ctx->call, "%.*s-%.*s/",
		GH_STR_ARG(doc_str(export->api->body, "name")),
		GH_STR_ARG(doc_str(export->api->body, "version")));
	if (export->writer == NULL || export->root.p == NULL)
		return GH_ENOMEM;
	r = add_parts(ctx, export);
	if (r < 0)
		return r;
	struct archive_writer *writer = export->writer;

	export->writer = NULL; /* finishing frees it */
	r = archive_writer_finish(writer, &bytes);
	if (r < 0)
		return r;
	r = reply_archive(ctx, export, bytes);
	free((void *)(uintptr_t)bytes.p);
	return r;
}
