/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file documents.c
 * @brief Documents of an API, its thumbnail, and files that archives brought along.
 *
 * They belong to the API, not to its revisions.
 */
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/json/json.h"
#include "plugins/publisher/project.h"
#include "plugins/publisher/publisher.h"

#define CONTENT_MAX (6u << 20)
#define THUMBNAIL_MAX (1u << 20)
#define PARTS_MAX 4

static const char *const types[] = {
	"HOWTO", "SAMPLES", "PUBLIC_FORUM", "SUPPORT_FORUM", "API_MESSAGE_FORMAT", "SWAGGER_DOC",
	"OTHER", NULL,
};
static const char *const sources[] = { "INLINE", "MARKDOWN", "URL", "FILE", NULL };
static const char *const visibilities[] = { "OWNER_ONLY", "PRIVATE", "API_LEVEL", NULL };

static const struct rest_field document_schema[] = {
	{ "name", REST_STRING, .is_required = true, .max = 60,
		.is_valid = project_is_document_name,
		.rule = "must not hold any of /\\:*?\"<>|;% nor be document.yaml" },
	{ "type", REST_STRING, .is_required = true, .words = types },
	{ "summary", REST_STRING, .max = 32766 },
	{ "sourceType", REST_STRING, .is_required = true, .words = sources },
	{ "sourceUrl", REST_STRING, .max = 2048 },
	{ "fileName", REST_STRING, .max = 255 },
	{ "otherTypeName", REST_STRING, .max = 100 },
	{ "visibility", REST_STRING, .words = visibilities, .dflt = "\"API_LEVEL\"" },
	{ "inlineContent", REST_STRING, .max = CONTENT_MAX },
	{ .type = REST_END },
};

/* ---- In the store ---------------------------------------------------------------------------- */

int
publisher_document_lookup(struct rest_context *ctx, struct gh_str api_id, struct gh_str role,
	struct gh_str name, const struct gh_doc **ret_document)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "document", "api",
		(struct gh_str[]){ api_id, role, name }, 3, &found);

	if (r < 0)
		return r;
	if (found->n == 0)
		return GH_ENOENT;
	*ret_document = &found->docs[0];
	return 0;
}

int
publisher_documents_each(struct rest_context *ctx, struct gh_str api_id, const char *role,
	rest_each_fn *fn, void *arg)
{
	struct gh_str equal[2] = { api_id, gh_str_of(role) };
	struct gh_find find = {
		.kind = GH_STR("document"), .index = "api", .equal = equal,
		.equal_count = role != NULL ? 2 : 1,
	};

	return rest_find_each(ctx, &find, fn, arg);
}

/** A rest_each_fn. */
static int
remove_document(struct rest_context *ctx, const struct gh_doc *document, void *arg)
{
	(void)arg;
	return rest_delete(ctx, "document", document->id, document->rev);
}

int
publisher_documents_remove(struct rest_context *ctx, struct gh_str api_id, const char *role)
{
	return publisher_documents_each(ctx, api_id, role, remove_document, NULL);
}

int
publisher_document_put(struct rest_context *ctx, struct gh_str api_id, struct gh_str body)
{
	const struct gh_doc *stored = NULL;
	char uuid[CRYPTO_UUID_LEN + 1];
	int r = publisher_document_lookup(ctx, api_id, doc_str(body, "role"), doc_str(body, "name"),
		&stored);

	if (r == 0)
		return rest_put(ctx, "document", stored->id, body, stored->rev);
	if (r == GH_ENOENT)
		r = crypto_uuid(uuid);
	if (r == 0)
		return rest_put(ctx, "document", gh_str_of(uuid), body, GH_REV_NONE);
	free((void *)(uintptr_t)body.p);
	return r;
}

int
publisher_file_body(struct gh_str api_id, const char *role, struct gh_str name,
	struct gh_str media_type, struct gh_str content, struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "api_id", api_id);
	doc_put_str(&w, "role", gh_str_of(role));
	doc_put_str(&w, "name", name);
	doc_put_str(&w, "media_type", media_type);
	doc_put_bin(&w, "content", content);
	return doc_finish(&w, ret_body);
}

/** What the table cannot say. */
static int
check_source(struct rest_context *ctx, const char *where, const json_t *dto, struct gh_str content)
{
	struct gh_str source = js_str(dto, "sourceType"), url = js_str(dto, "sourceUrl");
	struct gh_str other = js_str(dto, "otherTypeName");
	bool is_web = (url.n > 7 && memcmp(url.p, "http://", 7) == 0) ||
		(url.n > 8 && memcmp(url.p, "https://", 8) == 0);
	const char *name = where != NULL ? where : "The document";

	if (gh_str_eq(source, GH_STR("URL")) && !is_web)
		return rest_fail(ctx, 400, "%s: 'sourceUrl' must be a URL with http or https", name);
	if (gh_str_eq(js_str(dto, "type"), GH_STR("OTHER")) && other.n == 0)
		return rest_fail(ctx, 400, "%s: the type OTHER needs 'otherTypeName'", name);
	if (content.n > CONTENT_MAX)
		return rest_fail(ctx, 400, "%s: its content is larger than %u bytes", name,
			CONTENT_MAX);
	return 0;
}

static void
put_text(struct doc_writer *w, const char *field, const json_t *dto, const char *name)
{
	struct gh_str text = js_str(dto, name);

	if (text.n > 0)
		doc_put_str(w, field, text);
}

int
publisher_document_body(struct rest_context *ctx, const char *where, struct gh_str api_id,
	json_t *dto, const struct gh_doc *stored, struct gh_str content, struct gh_str *ret_body)
{
	int64_t now_s = publisher_now_s();
	struct doc_writer w;
	int r = rest_check(ctx, where, document_schema, dto);

	if (r == 0 && content.p == NULL)
		content = js_str(dto, "inlineContent");
	if (r == 0 && content.p == NULL && stored != NULL)
		content = doc_bin(stored->body, "content");
	if (r == 0)
		r = check_source(ctx, where, dto, content);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "api_id", api_id);
	doc_put_str(&w, "role", GH_STR(PUBLISHER_DOCUMENT));
	doc_put_str(&w, "name", js_str(dto, "name"));
	put_text(&w, "type", dto, "type");
	put_text(&w, "summary", dto, "summary");
	put_text(&w, "source_type", dto, "sourceType");
	put_text(&w, "source_url", dto, "sourceUrl");
	put_text(&w, "file_name", dto, "fileName");
	put_text(&w, "other_type", dto, "otherTypeName");
	put_text(&w, "visibility", dto, "visibility");
	if (content.p != NULL && !gh_str_eq(js_str(dto, "sourceType"), GH_STR("URL")))
		doc_put_bin(&w, "content", content);
	doc_put_int(&w, "created_at_s", stored != NULL ? doc_int(stored->body, "created_at_s", now_s) :
		now_s);
	doc_put_str(&w, "created_by", stored != NULL ? doc_str(stored->body, "created_by") :
		ctx->user);
	doc_put_int(&w, "updated_at_s", now_s);
	return doc_finish(&w, ret_body);
}

json_t *
publisher_document_row(struct rest_context *ctx, const struct gh_doc *document)
{
	static const char *const texts[][2] = {
		{ "name", "name" }, { "type", "type" }, { "summary", "summary" },
		{ "sourceType", "source_type" }, { "sourceUrl", "source_url" },
		{ "fileName", "file_name" }, { "otherTypeName", "other_type" },
		{ "visibility", "visibility" }, { "createdBy", "created_by" },
	};
	struct gh_str body = document->body;
	json_t *row = json_object();
	int r = js_set_str(row, "documentId", document->id);

	(void)ctx;
	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = js_set_str(row, texts[i][0], doc_str(body, texts[i][1]));
	if (r == 0)
		r = js_set(row, "createdTime", publisher_time(doc_int(body, "created_at_s", 0)));
	if (r == 0)
		r = js_set(row, "lastUpdatedTime", publisher_time(doc_int(body, "updated_at_s", 0)));
	if (r == 0)
		return row;
	json_decref(row);
	return NULL;
}

/* ---- REST: documents ------------------------------------------------------------------------- */

/** The document of the path, with its API. */
static int
document_of_path(struct rest_context *ctx, const struct gh_doc **ret_api,
	const struct gh_doc **ret_document)
{
	struct gh_str id = rest_param(ctx, "documentId");
	int r = publisher_api_of_path(ctx, ret_api);

	if (r == 0)
		r = rest_get(ctx, "document", id, ret_document);
	if (r < 0)
		return r;
	if (!gh_str_eq(doc_str((*ret_document)->body, "api_id"), (*ret_api)->id) ||
	    !gh_str_eq(doc_str((*ret_document)->body, "role"), GH_STR(PUBLISHER_DOCUMENT)))
		return rest_fail(ctx, 404, "The API has no document with the id '%.*s'",
			GH_STR_ARG(id));
	return 0;
}

int
publisher_document_list(struct rest_context *ctx)
{
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	if (r < 0)
		return r;
	struct gh_str equal[2] = { api->id, GH_STR(PUBLISHER_DOCUMENT) };
	struct gh_find find = { .kind = GH_STR("document"), .index = "api", .equal = equal,
		.equal_count = 2 };

	return rest_reply_find(ctx, &find, publisher_document_row);
}

int
publisher_document_get(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	int r = document_of_path(ctx, &api, &document);

	if (r < 0)
		return r;
	rest_etag(ctx, document->rev);
	return rest_reply(ctx, 200, publisher_document_row(ctx, document));
}

/** Nobody else has this name. */
static int
check_name(struct rest_context *ctx, const struct gh_doc *api, struct gh_str name,
	const struct gh_doc *itself)
{
	const struct gh_doc *other;
	int r = publisher_document_lookup(ctx, api->id, GH_STR(PUBLISHER_DOCUMENT), name, &other);

	if (r == GH_ENOENT || (r == 0 && itself != NULL && gh_str_eq(other->id, itself->id)))
		return 0;
	return r < 0 ? r : rest_fail(ctx, 409, "The API has a document '%.*s' already",
		GH_STR_ARG(name));
}

/** Write a document and answer with it. */
static int
write_document(struct rest_context *ctx, const struct gh_doc *api, const struct gh_doc *stored,
	struct gh_str id, json_t *dto, struct gh_str content)
{
	const struct gh_doc *document;
	struct gh_str body;
	int r = publisher_document_body(ctx, NULL, api->id, dto, stored, content, &body);

	if (r == 0)
		r = rest_put(ctx, "document", id, body, stored != NULL ? stored->rev : GH_REV_NONE);
	if (r == 0)
		r = publisher_api_touch(ctx, api); /* it is not deleted meanwhile */
	if (r == 0)
		r = rest_commit(ctx, NULL);
	if (r == 0)
		r = rest_lookup(ctx, "document", id, &document);
	if (r < 0)
		return r;
	rest_etag(ctx, document->rev);
	json_t *row = publisher_document_row(ctx, document);

	return stored != NULL ? rest_reply(ctx, 200, row) : rest_reply_created(ctx, row,
		"/apis/%.*s/documents/%.*s", GH_STR_ARG(api->id), GH_STR_ARG(id));
}

int
publisher_document_create(struct rest_context *ctx)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	const struct gh_docs_found *found;
	const struct gh_doc *api;
	json_t *dto;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_body(ctx, document_schema, &dto);
	if (r == 0)
		r = check_name(ctx, api, js_str(dto, "name"), NULL);
	if (r < 0)
		return r;
	struct gh_str equal[2] = { api->id, GH_STR(PUBLISHER_DOCUMENT) };
	struct gh_find find = { .kind = GH_STR("document"), .index = "api", .equal = equal,
		.equal_count = 2, .limit = 1 };

	r = rest_find(ctx, &find, &found);
	if (r == 0 && found->total >= PROJECT_DOCUMENTS_MAX)
		return rest_fail(ctx, 400, "The API has %d documents, which is the maximum",
			PROJECT_DOCUMENTS_MAX);
	if (r == 0)
		r = crypto_uuid(uuid);
	return r == 0 ? write_document(ctx, api, NULL, gh_str_of(uuid), dto, GH_STR_NONE) : r;
}

int
publisher_document_update(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	json_t *dto;
	int r = document_of_path(ctx, &api, &document);

	if (r == 0)
		r = rest_if_match(ctx, document->rev);
	if (r == 0)
		r = rest_body(ctx, document_schema, &dto);
	if (r == 0)
		r = check_name(ctx, api, js_str(dto, "name"), document);
	return r == 0 ? write_document(ctx, api, document, document->id, dto, GH_STR_NONE) : r;
}

int
publisher_document_delete(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	int r = document_of_path(ctx, &api, &document);

	if (r == 0)
		r = rest_if_match(ctx, document->rev);
	if (r == 0)
		r = rest_delete(ctx, "document", document->id, document->rev);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? rest_reply_empty(ctx, 200) : r;
}

int
publisher_document_check(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	struct gh_str name;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_query_need(ctx, "name", &name);
	if (r == 0)
		r = publisher_document_lookup(ctx, api->id, GH_STR(PUBLISHER_DOCUMENT), name, &document);
	if (r == GH_ENOENT)
		return rest_fail(ctx, 404, "The API has no document of this name");
	return r == 0 ? rest_reply_empty(ctx, 200) : r;
}

/* ---- REST: contents -------------------------------------------------------------------------- */

/** Browsers must not take what somebody uploaded for a page of ours. */
static int
reply_content(struct rest_context *ctx, struct gh_str type, struct gh_str content,
	const char *disposition)
{
	int r = gh_call_reply_field(ctx->call, GH_STR("X-Content-Type-Options"), GH_STR("nosniff"));

	if (r == 0)
		r = gh_call_reply_field(ctx->call, GH_STR("Content-Security-Policy"),
			GH_STR("default-src 'none'; sandbox"));
	if (r == 0 && disposition != NULL)
		r = gh_call_reply_field(ctx->call, GH_STR("Content-Disposition"),
			gh_str_of(disposition));
	return r == 0 ? rest_reply_text(ctx, 200, type, content) : r;
}

int
publisher_content_get(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	int r = document_of_path(ctx, &api, &document);

	if (r < 0)
		return r;
	struct gh_str source = doc_str(document->body, "source_type");
	struct gh_str content = doc_bin(document->body, "content");

	if (gh_str_eq(source, GH_STR("URL"))) {
		r = gh_call_reply_field(ctx->call, GH_STR("Location"),
			doc_str(document->body, "source_url"));
		return r == 0 ? rest_reply_empty(ctx, 303) : r;
	}
	if (content.p == NULL)
		return rest_fail(ctx, 404, "The document has no content yet");
	if (gh_str_eq(source, GH_STR("FILE")))
		return reply_content(ctx, GH_STR("application/octet-stream"), content, "attachment");
	return reply_content(ctx, gh_str_eq(source, GH_STR("MARKDOWN")) ?
		GH_STR("text/markdown; charset=utf-8") : GH_STR("text/plain; charset=utf-8"),
		content, NULL);
}

int
publisher_content_put(struct rest_context *ctx)
{
	const struct gh_doc *api, *document;
	struct multipart_part parts[PARTS_MAX];
	const struct multipart_part *part;
	size_t n = 0;
	int r = document_of_path(ctx, &api, &document);

	if (r == 0)
		r = rest_if_match(ctx, document->rev);
	if (r == 0)
		r = rest_multipart(ctx, parts, PARTS_MAX, &n);
	if (r < 0)
		return r;
	struct gh_str source = doc_str(document->body, "source_type");
	bool is_file = gh_str_eq(source, GH_STR("FILE"));

	if (gh_str_eq(source, GH_STR("URL")))
		return rest_fail(ctx, 400, "The document is a URL; it has no content here");
	part = multipart_find(parts, n, is_file ? "file" : "inlineContent");
	if (part == NULL)
		return rest_fail(ctx, 400, "The part '%s' is missing", is_file ? "file" :
			"inlineContent");
	json_t *dto = publisher_document_row(ctx, document);

	r = rest_own_json(ctx, dto);
	if (r == 0 && is_file && archive_is_name(part->filename, 0, NULL))
		r = js_set_str(dto, "fileName", part->filename);
	return r == 0 ? write_document(ctx, api, document, document->id, dto, part->body) : r;
}

/* ---- REST: the thumbnail --------------------------------------------------------------------- */

const char *
publisher_image_type(struct gh_str content)
{
	static const struct {
		struct gh_str magic;
		const char *type;
	} images[] = {
		{ GH_STR("\x89PNG\r\n\x1a\n"), "image/png" },
		{ GH_STR("\xff\xd8\xff"), "image/jpeg" },
		{ GH_STR("GIF87a"), "image/gif" },
		{ GH_STR("GIF89a"), "image/gif" },
	};

	if (content.n > THUMBNAIL_MAX)
		return NULL;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++)
		if (content.n > images[i].magic.n &&
			memcmp(content.p, images[i].magic.p, images[i].magic.n) == 0)
			return images[i].type;
	return NULL;
}

int
publisher_thumbnail_get(struct rest_context *ctx)
{
	const struct gh_doc *api, *thumbnail;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = publisher_document_lookup(ctx, api->id, GH_STR(PUBLISHER_THUMBNAIL),
			GH_STR(PUBLISHER_THUMBNAIL), &thumbnail);
	if (r == GH_ENOENT)
		return rest_fail(ctx, 404, "The API has no thumbnail");
	if (r < 0)
		return r;
	rest_etag(ctx, thumbnail->rev);
	return reply_content(ctx, doc_str(thumbnail->body, "media_type"),
		doc_bin(thumbnail->body, "content"), NULL);
}

int
publisher_thumbnail_put(struct rest_context *ctx)
{
	struct multipart_part parts[PARTS_MAX];
	const struct multipart_part *part;
	const struct gh_doc *api;
	struct gh_str body;
	struct doc_writer w;
	size_t n = 0;
	int r = publisher_api_of_path(ctx, &api);

	if (r == 0)
		r = rest_multipart(ctx, parts, PARTS_MAX, &n);
	if (r < 0)
		return r;
	part = multipart_find(parts, n, "file");
	if (part == NULL)
		return rest_fail(ctx, 400, "The part 'file' is missing");
	const char *type = publisher_image_type(part->body);

	if (type == NULL)
		return rest_fail(ctx, 400,
			"A thumbnail must be a PNG, JPEG or GIF image of at most %u bytes",
			THUMBNAIL_MAX);
	r = publisher_file_body(api->id, PUBLISHER_THUMBNAIL, GH_STR(PUBLISHER_THUMBNAIL),
		gh_str_of(type), part->body, &body);
	if (r == 0)
		r = publisher_document_put(ctx, api->id, body);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_bool(&w, "has_thumbnail", true);
	r = publisher_api_put(ctx, api, &w);
	if (r == 0)
		r = rest_commit(ctx, NULL);
	return r == 0 ? rest_reply(ctx, 200, json_pack("{s:o,s:s}", "relativePath",
		json_sprintf("apis/%.*s/thumbnail", GH_STR_ARG(api->id)), "mediaType", type)) : r;
}
