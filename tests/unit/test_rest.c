/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_rest.c
 * @brief lib/rest with a made-up call, store and key manager: routes, rights, bodies, replies,
 * attempts.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/json/json.h"
#include "lib/rest/rest.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIELDS_MAX 8
#define BLOCKS_MAX 256

/* ---- A call ---------------------------------------------------------------------------------- */

struct gh_call {
	const char *method, *subpath, *query, *authorization, *type, *if_match, *body;
	unsigned status;
	char reply[4096];
	struct { char name[32], value[256]; } fields[FIELDS_MAX];
	size_t field_count;
	void *blocks[BLOCKS_MAX];
	size_t block_count;
};

struct gh_str gh_call_method(const struct gh_call *call) { return gh_str_of(call->method); }
struct gh_str gh_call_subpath(const struct gh_call *call) { return gh_str_of(call->subpath); }
struct gh_str gh_call_query(const struct gh_call *call) { return gh_str_of(call->query); }
struct gh_str gh_call_body(const struct gh_call *call) { return gh_str_of(call->body); }
struct gh_str gh_call_peer(const struct gh_call *call) { (void)call; return GH_STR("::1"); }
unsigned gh_call_status(const struct gh_call *call) { return call->status; }
const char *gh_strerror(int err) { (void)err; return "an error"; }
uint64_t gh_mono_ns(void) { return 1; }

int
gh_service_get(
	struct gh_inst *inst, const char *need, unsigned index, struct gh_service *ret_service)
{
	(void)inst, (void)need, (void)index, (void)ret_service;
	return GH_ENOENT;
}

void
gh_call_log(struct gh_call *call, int level, const char *fmt, ...)
{
	(void)call, (void)level, (void)fmt;
}

void *
gh_call_alloc(struct gh_call *call, size_t bytes)
{
	if (call->block_count == BLOCKS_MAX)
		return NULL;
	return call->blocks[call->block_count++] = calloc(1, bytes > 0 ? bytes : 1);
}

struct gh_str
gh_call_strdup(struct gh_call *call, struct gh_str s)
{
	char *p = gh_call_alloc(call, s.n + 1);

	memcpy(p, s.n > 0 ? s.p : "", s.n);
	return (struct gh_str){ p, s.n };
}

struct gh_str
gh_call_printf(struct gh_call *call, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return gh_call_strdup(call, gh_str_of(text));
}

struct gh_str
gh_call_path(const struct gh_call *call)
{
	return gh_call_printf((struct gh_call *)call, "/api/am/test%s", call->subpath);
}

struct gh_str
gh_call_field(const struct gh_call *call, struct gh_str name)
{
	if (gh_str_eq(name, GH_STR("Authorization")))
		return gh_str_of(call->authorization);
	if (gh_str_eq(name, GH_STR("Content-Type")))
		return gh_str_of(call->type);
	if (gh_str_eq(name, GH_STR("If-Match")))
		return gh_str_of(call->if_match);
	return GH_STR_NONE;
}

int
gh_call_reply(struct gh_call *call, unsigned status, struct gh_str content_type, struct gh_str body)
{
	(void)content_type;
	call->status = status;
	snprintf(call->reply, sizeof(call->reply), "%.*s", GH_STR_ARG(body));
	return 0;
}

int
gh_call_reply_field(struct gh_call *call, struct gh_str name, struct gh_str value)
{
	CU_ASSERT_FATAL(call->field_count < FIELDS_MAX);
	snprintf(call->fields[call->field_count].name, 32, "%.*s", GH_STR_ARG(name));
	snprintf(call->fields[call->field_count++].value, 256, "%.*s", GH_STR_ARG(value));
	return 0;
}

static const char *
reply_field(const struct gh_call *call, const char *name)
{
	for (size_t i = 0; i < call->field_count; i++)
		if (strcmp(call->fields[i].name, name) == 0)
			return call->fields[i].value;
	return "";
}

static void
call_done(struct gh_call *call)
{
	while (call->block_count > 0)
		free(call->blocks[--call->block_count]);
}

/* ---- Services -------------------------------------------------------------------------------- */

static int
check_token(void *self, struct gh_str token, struct gh_principal **ret)
{
	(void)self;
	if (gh_str_eq(token, GH_STR("offline")))
		return GH_EIO;
	if (!gh_str_eq(token, GH_STR("reader")) && !gh_str_eq(token, GH_STR("writer")))
		return GH_EDENIED;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->user = GH_STR("ann");
	(*ret)->tenant = GH_STR("carbon.super");
	(*ret)->scopes = token.p[0] == 'r' ? GH_STR("openid read") : GH_STR("read write");
	return 0;
}

/** "x:y" is a reader. */
static int
log_in(void *self, const struct gh_login *login, struct gh_principal **ret)
{
	CU_ASSERT(gh_str_eq(login->peer, GH_STR("::1")));
	CU_ASSERT(login->scopes.n == 0 || gh_str_eq(login->scopes, GH_STR("read")) ||
		gh_str_eq(login->scopes, GH_STR("write")));
	if (!gh_str_eq(login->user, GH_STR("x")) || !gh_str_eq(login->password, GH_STR("y")))
		return GH_EDENIED;
	return check_token(self, GH_STR("reader"), ret);
}

static void
free_principal(struct gh_principal *principal)
{
	free(principal);
}

static int commit_results[8];
static size_t commit_count;

static int
commit(void *self, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq, size_t *ret_failed)
{
	(void)self, (void)ret_failed;
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT(gh_str_eq(ops[0].kind, GH_STR("deployment")));
	*ret_seq = 42;
	return commit_results[commit_count++];
}

static int
wait_rollout(void *self, uint64_t seq, uint64_t deadline_ms)
{
	(void)self;
	CU_ASSERT_EQUAL(seq, 42);
	CU_ASSERT_EQUAL(deadline_ms, 2000);
	return GH_ETIMEDOUT;
}

static uint64_t serving_seq;

static uint64_t
serving(void *self)
{
	(void)self;
	return serving_seq;
}

static const struct gh_tokens_v1 tokens = {
	.size = sizeof(tokens), .check = check_token, .principal_free = free_principal,
	.login = log_in,
};
/** A provider from before there was login(). */
static const struct gh_tokens_v1 old_tokens = {
	.size = offsetof(struct gh_tokens_v1, login), .check = check_token,
	.principal_free = free_principal, .login = log_in,
};
static const struct gh_docs_v1 docs = { .size = sizeof(docs), .commit = commit };
static const struct gh_rollout_v1 rollout = {
	.size = sizeof(rollout), .wait = wait_rollout, .serving = serving,
};
static const struct rest_services services = {
	.docs = { &docs, NULL }, .tokens = { &tokens, NULL }, .rollouts = { { &rollout, NULL } },
	.rollout_count = 1,
};

/* ---- Operations ------------------------------------------------------------------------------ */

static int
say_params(struct rest_context *ctx)
{
	struct gh_str id = rest_param(ctx, "id"), part = rest_param(ctx, "part");

	return rest_reply(ctx, 200, json_pack("{s:s%,s:s%}", "id", id.p, id.n,
		"part", part.n > 0 ? part.p : "", part.n));
}

static int
say_literal(struct rest_context *ctx)
{
	return rest_reply(ctx, 200, json_pack("{s:s}", "is", "literal"));
}

static const char *const colours[] = { "red", "blue", NULL };

static bool
is_lower(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'a' || s.p[i] > 'z')
			return false;
	return true;
}

static const struct rest_field inner_schema[] = {
	{ "n", REST_INTEGER, .is_required = true, .min = 1, .max = 9 },
	{ .type = REST_END },
};
static const struct rest_field outer_schema[] = {
	{ "name", REST_STRING, .is_required = true, .max = 5, .is_valid = is_lower,
		.rule = "must be lower case" },
	{ "colour", REST_STRING, .words = colours, .dflt = "\"red\"" },
	{ "flag", REST_BOOLEAN, .is_required = false },
	{ "items", REST_ARRAY, .item = REST_OBJECT, .fields = inner_schema, .max = 2 },
	{ "inner", REST_OBJECT, .fields = inner_schema },
	{ .type = REST_END },
};

static int
echo_body(struct rest_context *ctx)
{
	json_t *json;
	int r = rest_body(ctx, outer_schema, &json);

	return r == 0 ? rest_reply_created(ctx, json_incref(json), "/things/%d", 7) : r;
}

static int
list_numbers(struct rest_context *ctx)
{
	struct rest_page page;
	json_t *list = json_array();
	int r = rest_page(ctx, &page);

	if (r < 0) {
		json_decref(list);
		return r;
	}
	for (uint32_t i = page.offset; i < page.offset + page.limit && i < 7; i++)
		json_array_append_new(list, json_integer(i));
	return rest_reply_list(ctx, &page, list, 7);
}

static int
write_once(struct rest_context *ctx)
{
	struct doc_writer w;
	uint64_t rev = 0;
	json_t *kept = json_object();
	int r = rest_own_json(ctx, kept); /* freed with every attempt */

	if (r == 0)
		r = rest_if_match(ctx, 41);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	r = rest_put_written(ctx, "deployment", GH_STR("x"), &w, 41);
	if (r == 0)
		r = rest_commit(ctx, &rev);
	if (r < 0)
		return r;
	rest_etag(ctx, rev);
	return rest_reply_empty(ctx, 200);
}

static int
return_query(struct rest_context *ctx)
{
	return (int)-rest_query(ctx, "err").n; /* GH_ENOMEM for one character, and so on */
}

static const struct rest_route routes[] = {
	{ "GET", "/things", "read", list_numbers },
	{ "POST", "/things", "write", echo_body },
	{ "PUT", "/things", "write admin", write_once },
	{ "GET", "/things/{id}", NULL, say_params },
	{ "GET", "/things/special", NULL, say_literal },
	{ "GET", "/things/{id}/parts/{part}", NULL, say_params },
	{ "DELETE", "/errors", NULL, return_query },
	{ .method = NULL },
};
static const struct rest_api api = { .version = 3, .routes = routes };

static void
serve(struct gh_call *call)
{
	rest_serve(&api, &services, NULL, NULL, call);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_routes(void)
{
	static const struct {
		const char *method, *subpath;
		unsigned status;
		const char *reply; /* part of it */
	} rows[] = {
		{ "GET", "/v3/things/one", 200, "\"id\":\"one\"" },
		{ "GET", "/v1/things/one", 200, "\"id\":\"one\"" },
		{ "GET", "/things/one", 200, "\"id\":\"one\"" },
		{ "GET", "/things/one/", 200, "\"id\":\"one\"" },
		{ "HEAD", "/things/one", 200, "" },
		{ "GET", "/v4/things/one", 404, "\"code\":404" },
		{ "GET", "/v0/things/one", 404, "" },
		{ "GET", "/v1x/things/one", 404, "" },
		{ "GET", "/v3", 404, "" },
		{ "GET", "", 404, "" },
		{ "GET", "/", 404, "" },
		{ "GET", "/things//parts/x", 404, "" },
		{ "GET", "/things/one/two", 404, "" },
		{ "GET", "/things/special", 200, "literal" },
		{ "GET", "/things/specials", 200, "\"id\":\"specials\"" },
		{ "GET", "/things/a%2Fb/parts/c%20d", 200, "\"id\":\"a/b\",\"part\":\"c d\"" },
		{ "GET", "/things/%zz", 404, "" },
		{ "GET", "/things/a%00", 404, "" },
		{ "DELETE", "/things/special", 405, "" },
		{ "OPTIONS", "/things/special", 204, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_call call = { .method = rows[i].method, .subpath = rows[i].subpath };

		serve(&call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, rows[i].reply));
		call_done(&call);
	}
}

static void
test_allow_names_the_methods(void)
{
	struct gh_call call = { .method = "PATCH", .subpath = "/things" };

	serve(&call);
	CU_ASSERT_EQUAL(call.status, 405);
	CU_ASSERT_STRING_EQUAL(reply_field(&call, "Allow"), "OPTIONS, GET, HEAD, POST, PUT");
	call_done(&call);
}

static void
test_long_parameter_is_not_found(void)
{
	char subpath[400];
	struct gh_call call = { .method = "GET", .subpath = subpath };

	snprintf(subpath, sizeof(subpath), "/things/%0*d", REST_PARAM_BYTES + 1, 0);
	serve(&call);
	CU_ASSERT_EQUAL(call.status, 404);
	call_done(&call);
}

static void
test_rights(void)
{
	static const struct {
		const char *method, *authorization;
		unsigned status;
		const char *code, *challenge;
	} rows[] = {
		{ "GET", NULL, 401, "\"code\":900902", "Bearer realm=\"gatehouse\"" },
		{ "GET", "Basic eDp5", 401, "900902", "Bearer realm=\"gatehouse\"" },
		{ "GET", "Bearer wrong", 401, "900901",
			"Bearer realm=\"gatehouse\", error=\"invalid_token\"" },
		{ "GET", "Bearer wr ong", 401, "900901",
			"Bearer realm=\"gatehouse\", error=\"invalid_token\"" },
		{ "GET", "Bearer reader", 200, "", "" },
		{ "PUT", "Bearer reader", 403, "900910", "Bearer realm=\"gatehouse\", "
			"error=\"insufficient_scope\", scope=\"write admin\"" },
		{ "GET", "Bearer offline", 503, "503", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_call call = { .method = rows[i].method, .subpath = "/things",
			.authorization = rows[i].authorization };

		serve(&call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, rows[i].code));
		CU_ASSERT_STRING_EQUAL(reply_field(&call, "WWW-Authenticate"), rows[i].challenge);
		call_done(&call);
	}
}

/** An API with Basic credentials, a media type and error bodies of its own, and no versions. */
static json_t *
short_error(unsigned status, unsigned code, const char *message, const char *description)
{
	(void)description;
	return json_pack("{s:i, s:i, s:s}", "s", (int)status, "c", (int)code, "m", message);
}

static const struct rest_route dialect_routes[] = {
	{ "GET", "/v1/things", "read", say_literal },
	{ "GET", "/me", "", say_literal },
	{ "POST", "/things", "write", echo_body },
	{ "POST", "/open", NULL, echo_body },
	{ .method = NULL },
};
static const struct rest_api dialect = { .version = 0, .routes = dialect_routes,
	.media_type = "application/x+json", .error = short_error, .accepts_basic = true };

static void
test_dialects(void)
{
	static const char body[] = "{\"name\":\"ab\"}";
	static const struct {
		const char *method, *subpath, *authorization, *type;
		unsigned status;
		const char *reply;
	} rows[] = {
		{ "GET", "/v1/things", "Basic eDp5", NULL, 200, "literal" },
		{ "GET", "/v1/things", "Bearer reader", NULL, 200, "literal" },
		{ "GET", "/things/", "Basic eDp5", NULL, 405, "\"s\":405" },
		{ "GET", "/v2/things", "Basic eDp5", NULL, 404, "\"m\":\"Not Found\"" },
		{ "GET", "/me", "Basic eDp5", NULL, 200, "literal" },
		{ "GET", "/me", "Bearer writer", NULL, 200, "literal" },
		{ "GET", "/me", NULL, NULL, 401, "\"c\":900902" },
		{ "GET", "/me", "Basic eDp6", NULL, 401, "\"c\":900901" },
		{ "GET", "/me", "Basic !", NULL, 401, "\"c\":900901" },
		{ "POST", "/things", "Basic eDp5", "application/x+json", 403, "\"c\":900910" },
		{ "POST", "/things", "Bearer writer", "application/x+json", 201, "ab" },
		{ "POST", "/things", "Bearer writer", "application/json", 201, "ab" },
		{ "POST", "/things", "Bearer writer", "text/plain", 415, "\"s\":415" },
		{ "POST", "/open", NULL, NULL, 415, "\"s\":415" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_call call = { .method = rows[i].method, .subpath = rows[i].subpath,
			.authorization = rows[i].authorization, .type = rows[i].type,
			.body = rows[i].method[0] == 'P' ? body : NULL };

		rest_serve(&dialect, &services, NULL, NULL, &call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, rows[i].reply));
		if (call.status == 401)
			CU_ASSERT_STRING_EQUAL(reply_field(&call, "WWW-Authenticate"),
				"Basic realm=\"gatehouse\", charset=\"UTF-8\"");
		if (call.status == 201)
			CU_ASSERT_STRING_EQUAL(reply_field(&call, "Location"),
				"/api/am/test/things/7");
		call_done(&call);
	}
}

static void
test_basic_needs_a_provider_that_has_it(void)
{
	struct rest_services old = services;
	struct gh_call call = { .method = "GET", .subpath = "/me",
		.authorization = "Basic eDp5" };

	old.tokens.vt = &old_tokens;
	rest_serve(&dialect, &old, NULL, NULL, &call);
	CU_ASSERT_EQUAL(call.status, 401);
	call_done(&call);
}

static void
test_bodies(void)
{
	static const struct {
		const char *body;
		unsigned status;
		const char *reply;
	} rows[] = {
		{ "{\"name\":\"ab\"}", 201, "{\"name\":\"ab\",\"colour\":\"red\"}" },
		{ "{\"name\":\"ab\",\"colour\":null,\"more\":[1]}", 201,
			"{\"name\":\"ab\",\"colour\":\"red\",\"more\":[1]}" },
		{ "{\"name\":\"ab\",\"items\":[{\"n\":9}],\"inner\":{\"n\":1}}", 201, "" },
		{ "", 400, "'name' is missing" },
		{ "[]", 400, "must be a JSON object" },
		{ "{\"name\":", 400, "line 1, column" },
		{ "{\"name\":null}", 400, "'name' is missing" },
		{ "{\"name\":\" \\t\"}", 400, "'name' must not be blank" },
		{ "{\"name\":1}", 400, "'name' must be a string" },
		{ "{\"name\":\"abcdef\"}", 400, "'name' is longer than 5 bytes" },
		{ "{\"name\":\"AB\"}", 400, "'name' must be lower case" },
		{ "{\"name\":\"a\",\"colour\":\"green\"}", 400,
			"'colour' must be one of red, blue" },
		{ "{\"name\":\"a\",\"flag\":\"true\"}", 400, "'flag' must be true or false" },
		{ "{\"name\":\"a\",\"items\":{}}", 400, "'items' must be an array" },
		{ "{\"name\":\"a\",\"items\":[1]}", 400, "'items[0]' must be an object" },
		{ "{\"name\":\"a\",\"items\":[{\"n\":1},{\"n\":10}]}", 400,
			"'items[1].n' must be from 1 to 9" },
		{ "{\"name\":\"a\",\"items\":[{\"n\":1},{\"n\":1},{\"n\":1}]}", 400,
			"'items' has more than 2 items" },
		{ "{\"name\":\"a\",\"inner\":{}}", 400, "'inner.n' is missing" },
		{ "{\"name\":\"a\",\"inner\":{\"n\":1.5}}", 400, "'inner.n' must be an integer" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_call call = { .method = "POST",
			.subpath = "/v2/things",
			.body = rows[i].body,
			.authorization = "Bearer writer",
			.type = "application/json; charset=utf-8" };

		serve(&call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, rows[i].reply));
		if (call.status == 201)
			CU_ASSERT_STRING_EQUAL(reply_field(&call, "Location"),
				"/api/am/test/v3/things/7");
		call_done(&call);
	}
}

static void
test_other_media_type(void)
{
	struct gh_call call = { .method = "POST", .subpath = "/things", .body = "{}",
		.authorization = "Bearer writer", .type = "text/plain" };

	serve(&call);
	CU_ASSERT_EQUAL(call.status, 415);
	call_done(&call);
}

static void
test_pages(void)
{
	static const struct {
		const char *query;
		unsigned status;
		const char *reply;
	} rows[] = {
		{ NULL, 200,
			"{\"count\":7,\"list\":[0,1,2,3,4,5,6],\"pagination\":{\"offset\":0,"
			"\"limit\":25,\"total\":7,\"next\":\"\",\"previous\":\"\"}}" },
		{ "limit=3", 200, "\"next\":\"/things?limit=3&offset=3\",\"previous\":\"\"" },
		{ "limit=3&offset=4&q=a%26b+c", 200,
			"\"list\":[4,5,6],\"pagination\":{\"offset\":4,"
			"\"limit\":3,\"total\":7,\"next\":\"\","
			"\"previous\":\"/things?limit=3&offset=1&q=a%26b%20c\"}" },
		{ "limit=3&offset=2", 200, "\"previous\":\"/things?limit=3&offset=0\"" },
		{ "offset=99", 200, "\"count\":0,\"list\":[]" },
		{ "limit=5000", 200, "\"limit\":1000" },
		{ "limit=99999999999999999999999", 400, "'limit'" },
		{ "limit=0", 200, "\"limit\":25" },
		{ "limit=x", 400, "'limit'" },
		{ "offset=-1", 400, "'offset'" },
		{ "limit=%", 400, "query string" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_call call = { .method = "GET",
			.subpath = "/v3/things",
			.query = rows[i].query,
			.authorization = "Bearer reader" };

		serve(&call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, rows[i].reply));
		call_done(&call);
	}
}

/** One write whose commits end as told. */
static void
check_write(const int *results, size_t n, const char *if_match, unsigned status, size_t commits)
{
	struct gh_call call = { .method = "PUT", .subpath = "/things", .if_match = if_match,
		.authorization = "Bearer writer" };

	memset(commit_results, 0, sizeof(commit_results));
	memcpy(commit_results, results, n * sizeof(int));
	commit_count = 0;
	serve(&call);
	CU_ASSERT_EQUAL(call.status, status);
	CU_ASSERT_EQUAL(commit_count, commits);
	CU_ASSERT_STRING_EQUAL(reply_field(&call, "ETag"), status == 200 ? "\"42\"" : "");
	CU_ASSERT_EQUAL(
		reply_field(&call, "Warning")[0] != '\0', status == 200 && serving_seq < 42);
	call_done(&call);
}

static void
test_commits(void)
{
	serving_seq = 42;
	check_write((int[]){ 0 }, 1, NULL, 200, 1);
	check_write((int[]){ GH_ECONFLICT, GH_ENOENT, 0 }, 3, NULL, 200, 3);
	check_write((int[]){ -6, -6, -6, -6, -6, -6 }, 6, NULL, 409, 5);
	check_write((int[]){ GH_EIO }, 1, NULL, 503, 1);
	serving_seq = 41;
	check_write((int[]){ 0 }, 1, NULL, 200, 1);
}

static void
test_if_match(void)
{
	serving_seq = 42;
	check_write((int[]){ 0 }, 1, "\"41\"", 200, 1);
	check_write((int[]){ 0 }, 1, "*", 200, 1);
	check_write((int[]){ 0 }, 1, "\"40\", \"41\"", 200, 1);
	check_write((int[]){ 0 }, 1, "\"40\"", 412, 0);
	check_write((int[]){ 0 }, 1, "W/\"41\"", 412, 0);
	check_write((int[]){ 0 }, 1, "41", 412, 0);
}

static void
test_errors_become_statuses(void)
{
	static const struct {
		int err;
		unsigned status;
	} rows[] = {
		{ GH_ENOMEM, 503 },
		{ GH_EINVAL, 400 },
		{ GH_ENOENT, 404 },
		{ GH_EAGAIN, 503 },
		{ GH_EVERSION, 500 },
		{ GH_ECONFLICT, 409 },
		{ GH_EDENIED, 403 },
		{ GH_EEXPIRED, 500 },
		{ GH_ETOOBIG, 413 },
		{ GH_ETIMEDOUT, 503 },
		{ GH_EIO, 503 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char query[32];
		struct gh_call call = { .method = "DELETE", .subpath = "/errors", .query = query };

		snprintf(query, sizeof(query), "err=%0*d", -rows[i].err, 0);
		serve(&call);
		CU_ASSERT_EQUAL(call.status, rows[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(call.reply, "\"moreInfo\":\"\",\"error\":[]"));
		call_done(&call);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_routes),
		UNIT_TEST(test_allow_names_the_methods),
		UNIT_TEST(test_long_parameter_is_not_found),
		UNIT_TEST(test_rights),
		UNIT_TEST(test_dialects),
		UNIT_TEST(test_basic_needs_a_provider_that_has_it),
		UNIT_TEST(test_bodies),
		UNIT_TEST(test_other_media_type),
		UNIT_TEST(test_pages),
		UNIT_TEST(test_commits),
		UNIT_TEST(test_if_match),
		UNIT_TEST(test_errors_become_statuses),
		{ NULL, NULL },
	};

	return unit_run("rest", tests);
}
