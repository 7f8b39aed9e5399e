/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reply.c
 * @brief Replies, error bodies, validators and pages.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/json/json.h"
#include "lib/rest/context.h"
#include "lib/uri/uri.h"

#define DESCRIPTION_MAX 512

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 409, "Conflict" },
	{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" }, { 429, "Too Many Requests" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
};

static const struct {
	int err;
	unsigned status;
	const char *description;
} meanings[] = {
	{ GH_EINVAL, 400, "The request cannot be understood" },
	{ GH_ENOENT, 404, "There is no such resource" },
	{ GH_ECONFLICT, 409, "The resource exists already or was changed at the same time" },
	{ GH_EDENIED, 403, "The request is not allowed" },
	{ GH_ETOOBIG, 413, "The request is larger than what can be kept" },
	{ GH_EAGAIN, 503, "The node is busy; try again" },
	{ GH_ETIMEDOUT, 503, "The node is busy; try again" },
	{ GH_EIO, 503, "The store cannot be read or written at the moment" },
	{ GH_ENOMEM, 503, "The node is out of memory" },
};

/* ---- Replies --------------------------------------------------------------------------------- */

int
rest_reply_text(struct rest_context *ctx, unsigned status, struct gh_str content_type,
	struct gh_str text)
{
	return gh_call_reply(ctx->call, status, content_type, text);
}

int
rest_reply_empty(struct rest_context *ctx, unsigned status)
{
	return gh_call_reply(ctx->call, status, GH_STR_NONE, GH_STR_NONE);
}

int
rest_reply(struct rest_context *ctx, unsigned status, json_t *json)
{
	struct gh_str text;
	int r = json != NULL ? js_dump(json, &text) : GH_ENOMEM;

	json_decref(json);
	if (r < 0)
		return r;
	r = rest_reply_text(ctx, status, ctx->api->media_type != NULL
		? gh_str_of(ctx->api->media_type) : GH_STR("application/json"), text);
	free((void *)text.p);
	return r;
}

struct gh_str
rest_base_path(struct rest_context *ctx)
{
	struct gh_str path = gh_call_path(ctx->call);

	path.n -= rest_subpath(ctx).n;
	if (ctx->api->version == 0)
		return gh_call_strdup(ctx->call, path);
	return gh_call_printf(ctx->call, "%.*s/v%u", GH_STR_ARG(path), ctx->api->version);
}

int
rest_reply_created(struct rest_context *ctx, json_t *json, const char *location_fmt, ...)
{
	struct gh_str base = rest_base_path(ctx);
	char tail[3 * GH_DOC_ID_MAX];
	va_list args;

	va_start(args, location_fmt);
	vsnprintf(tail, sizeof(tail), location_fmt, args);
	va_end(args);
	struct gh_str location = gh_call_printf(ctx->call, "%.*s%s", GH_STR_ARG(base), tail);

	if (base.p == NULL || location.p == NULL ||
	    gh_call_reply_field(ctx->call, GH_STR("Location"), location) < 0) {
		json_decref(json);
		return GH_ENOMEM;
	}
	return rest_reply(ctx, 201, json);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

/** Error body of the management APIs. */
static json_t *
error_body(unsigned status, unsigned code, const char *message, const char *description)
{
	json_t *body = json_object();
	int r = js_set(body, "code", json_integer(code));

	(void)status;
	if (r == 0)
		r = js_set_str(body, "message", gh_str_of(message));
	if (r == 0)
		r = js_set_str(body, "description", gh_str_of(description));
	if (r == 0)
		r = js_set_str(body, "moreInfo", GH_STR(""));
	if (r == 0)
		r = js_set(body, "error", json_array());
	if (r == 0)
		return body;
	json_decref(body);
	return NULL;
}

static int
fail(struct rest_context *ctx, unsigned status, unsigned code, const char *message,
	const char *description)
{
	rest_error_fn *error = ctx->api->error != NULL ? ctx->api->error : error_body;

	if (rest_reply(ctx, status, error(status, code, message, description)) < 0)
		gh_call_reply(ctx->call, 503, GH_STR_NONE, GH_STR_NONE);
	ctx->has_failed = true;
	ctx->failure = gh_call_strdup(ctx->call, gh_str_of(description));
	return GH_EINVAL;
}

struct gh_str
rest_failure_take(struct rest_context *ctx)
{
	struct gh_str failure = ctx->has_failed ? ctx->failure : GH_STR_NONE;

	ctx->has_failed = false;
	return failure;
}

static const char *
phrase_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

int
rest_fail(struct rest_context *ctx, unsigned status, const char *fmt, ...)
{
	char description[DESCRIPTION_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(description, sizeof(description), fmt, args);
	va_end(args);
	return fail(ctx, status, status, phrase_of(status), description);
}

int
rest_fail_code(struct rest_context *ctx, unsigned status, unsigned code, const char *message,
	const char *fmt, ...)
{
	char description[DESCRIPTION_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(description, sizeof(description), fmt, args);
	va_end(args);
	return fail(ctx, status, code, message, description);
}

int
rest_fail_err(struct rest_context *ctx, int err)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].err != err)
			continue;
		if (meanings[i].status >= 500)
			gh_call_log(ctx->call, LOG_ERR, "answered %u: %s", meanings[i].status,
				gh_strerror(err));
		return rest_fail(ctx, meanings[i].status, "%s", meanings[i].description);
	}
	gh_call_log(ctx->call, LOG_ERR, "answered 500: %s", gh_strerror(err));
	return rest_fail(ctx, 500, "The operation failed");
}

/* ---- Validators ------------------------------------------------------------------------------ */

int
rest_etag(struct rest_context *ctx, uint64_t rev)
{
	char tag[24];
	int n = snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", rev);

	return gh_call_reply_field(ctx->call, GH_STR("ETag"), (struct gh_str){ tag, (size_t)n });
}

int
rest_if_match(struct rest_context *ctx, uint64_t rev)
{
	struct gh_str field = gh_call_field(ctx->call, GH_STR("If-Match"));
	char tag[24];
	size_t n = (size_t)snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", rev);

	if (field.n == 0 || gh_str_eq(field, GH_STR("*")))
		return 0;
	/* Tags of ours hold digits only, so a list of them is searched as text. */
	for (size_t i = 0; i + n <= field.n; i++)
		if (memcmp(field.p + i, tag, n) == 0 && (i < 2 || field.p[i - 1] != '/'))
			return 0;
	return rest_fail(ctx, 412, "The resource was changed: its ETag is %s now", tag);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/** The request's path and query with another offset; "" when @p is_there is false. */
static json_t *
page_link(struct rest_context *ctx, const struct rest_page *page, bool is_there, uint64_t offset)
{
	if (!is_there)
		return json_string("");
	struct gh_str link = gh_call_printf(ctx->call, "%.*s?limit=%u&offset=%" PRIu64,
		GH_STR_ARG(ctx->path), page->limit, offset);

	for (size_t i = 0; ctx->query != NULL && i < ctx->query->n && link.p != NULL; i++) {
		const struct form_field *field = &ctx->query->fields[i];
		struct gh_str value = field->value;

		if (gh_str_eq(field->name, GH_STR("limit")) ||
		    gh_str_eq(field->name, GH_STR("offset")))
			continue;
		char *buf = gh_call_alloc(ctx->call, 3 * (field->name.n + value.n) + 1);
		struct gh_str name;

		if (buf == NULL)
			return NULL;
		uri_percent_encode(field->name, buf, 3 * field->name.n, &name);
		uri_percent_encode(value, buf + 3 * field->name.n, 3 * value.n, &value);
		link = gh_call_printf(ctx->call, "%.*s&%.*s=%.*s", GH_STR_ARG(link),
			GH_STR_ARG(name), GH_STR_ARG(value));
	}
	return link.p != NULL ? js_string(link) : NULL;
}

int
rest_reply_list(struct rest_context *ctx,
	const struct rest_page *page, json_t *list, uint64_t total)
{
	uint64_t next = (uint64_t)page->offset + page->limit;
	uint64_t previous = page->offset > page->limit ? page->offset - page->limit : 0;
	json_t *pagination = json_object();
	json_t *body = json_object();
	int r = js_set(body, "count", json_integer((json_int_t)json_array_size(list)));

	if (r == 0)
		r = js_set(body, "list", json_incref(list));
	if (r == 0)
		r = js_set(pagination, "offset", json_integer(page->offset));
	if (r == 0)
		r = js_set(pagination, "limit", json_integer(page->limit));
	if (r == 0)
		r = js_set(pagination, "total", json_integer((json_int_t)total));
	if (r == 0)
		r = js_set(pagination, "next", page_link(ctx, page, next < total, next));
	if (r == 0)
		r = js_set(pagination, "previous",
			page_link(ctx, page, page->offset > 0, previous));
	if (r == 0)
		r = js_set(body, "pagination", json_incref(pagination));
	json_decref(list);
	json_decref(pagination);
	if (r < 0) {
		json_decref(body);
		return r;
	}
	return rest_reply(ctx, 200, body);
}

int
rest_reply_docs(struct rest_context *ctx, const struct rest_page *page,
	const struct gh_docs_found *found, rest_row_fn *row)
{
	json_t *list = json_array();

	for (size_t i = 0; i < found->n; i++) {
		if (json_array_append_new(list, row(ctx, &found->docs[i])) < 0) {
			json_decref(list);
			return GH_ENOMEM;
		}
	}
	return rest_reply_list(ctx, page, list, found->total);
}

int
rest_reply_find(struct rest_context *ctx, struct gh_find *find, rest_row_fn *row)
{
	const struct gh_docs_found *found;
	struct rest_page page;
	int r = rest_page(ctx, &page);

	if (r < 0)
		return r;
	find->limit = page.limit;
	find->offset = page.offset;
	r = rest_find(ctx, find, &found);
	return r < 0 ? r : rest_reply_docs(ctx, &page, found, row);
}
