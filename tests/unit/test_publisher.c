/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_publisher.c
 * @brief OpenAPI definitions, the lifecycle table and search conditions.
 */
#include <stdlib.h>

#include "lib/json/json.h"
#include "plugins/publisher/lifecycle.h"
#include "plugins/publisher/openapi.h"
#include "plugins/publisher/query.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "openapi: 3.0.3\ninfo: {title: t, version: v}\n"

static json_t *
parsed(const char *text)
{
	json_t *definition = NULL;
	char error[OPENAPI_ERROR_SIZE] = "";
	int r = openapi_parse(gh_str_of(text), &definition, error);

	if (r < 0)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	return definition;
}

/** Compare @p json (taken) with text. */
static void
check_json(json_t *json, const char *expected)
{
	struct gh_str text;

	CU_ASSERT_EQUAL_FATAL(js_dump(json, &text), 0);
	if (strcmp(text.p, expected) != 0)
		fprintf(stderr, "got %s\n", text.p);
	CU_ASSERT_STRING_EQUAL(text.p, expected);
	free((void *)text.p);
	json_decref(json);
}

/* ---- OpenAPI --------------------------------------------------------------------------------- */

static void
test_definitions_refused(void)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "It is empty" },
		{ " \n", "It is empty" },
		{ "{", "The JSON is malformed: line 1" },
		{ " {\"a\":1,\"a\":2}", "The JSON is malformed: line 1" },
		{ "a: [", "The YAML is malformed: line" },
		{ "a: 1\na: 2", "The YAML is malformed: line 2" },
		{ "- a", "The definition is no object" },
		{ "a: b", "'openapi' is missing" },
		{ "openapi: 3.0", "'openapi' is missing or no string" },
		{ "swagger: '2.0'", "Swagger 2 definitions are not supported" },
		{ "openapi: '2.0'", "'openapi' is 2.0;" },
		{ "openapi: 3.2.0", "'openapi' is 3.2.0;" },
		{ "openapi: 3.01.0", "'openapi' is 3.01.0;" },
		{ "openapi: 3.0.0", "'info' is missing" },
		{ "openapi: 3.0.0\ninfo: {}", "'info.title' is missing" },
		{ "openapi: 3.0.0\ninfo: {title: ' ', version: v}",
			"'info.title' must not be blank" },
		{ "openapi: 3.0.0\ninfo: {title: t}", "'info.version' is missing" },
		{ "openapi: 3.0.0\ninfo: {title: t, version: 1.10}",
			"'info.version' must be a string" },
		{ HEAD "paths: x", "'paths' must be an object" },
		{ HEAD "paths: {books: {}}", "The path 'books' must start with '/'" },
		{ HEAD "paths: {/a b: {}}", "The path '/a b' holds a character" },
		{ HEAD "paths: {/a?b: {}}", "The path '/a?b' holds a character" },
		{ HEAD "paths: {/\xc3\xa4: {}}", "The path '/\xc3\xa4' holds a character" },
		{ HEAD "paths: {'/a/{': {}}",
			"The path '/a/{' has a parameter without name or end" },
		{ HEAD "paths: {'/a/{}': {}}", "The path '/a/{}' has a parameter" },
		{ HEAD "paths: {'/a/{b/c}': {}}", "The path '/a/{b/c}' has a parameter" },
		{ HEAD "paths: {'/a/}': {}}", "The path '/a/}' has a '}'" },
		{ HEAD "paths: {/a//b: {}}", "The path '/a//b' has an empty segment" },
		{ HEAD "paths: {/a/../b: {}}", "The path '/a/../b' has an empty segment, or" },
		{ HEAD "paths: {/a/.: {}}", "The path '/a/.' has an empty segment, or" },
		{ HEAD "paths: {'/a/{x}/b': {}, '/a/{y}/b': {}}",
			"The paths '/a/{y}/b' and '/a/{x}/b' are the same" },
		{ HEAD "paths: {/a: 1}", "paths['/a'] must be an object" },
		{ HEAD "paths: {/a: {get: []}}", "paths['/a'].get must be an object" },
		{ HEAD "paths: {/a: {$ref: '#/x'}}", "paths['/a'] is a $ref" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *definition = NULL;
		char error[OPENAPI_ERROR_SIZE] = "";

		CU_ASSERT_EQUAL(
			openapi_parse(gh_str_of(rows[i].text), &definition, error), GH_EINVAL);
		if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fprintf(stderr, "row %zu: %s\n", i, error);
		CU_ASSERT_EQUAL(strncmp(error, rows[i].error, strlen(rows[i].error)), 0);
		CU_ASSERT_PTR_NULL(definition);
	}
}

static void
test_definitions_accepted(void)
{
	static const char *const texts[] = {
		HEAD,
		HEAD "paths: {}",
		HEAD "paths: {x-note: 1, /: {get: {}}, /*: {}, '/{a}.{b}/': {}}",
		"{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"v\"}}",
		"openapi: '3.0'\ninfo: {title: t, version: v}",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		json_decref(parsed(texts[i]));
}

#define SCHEMES                                                                                    \
	"components: {securitySchemes: {default: {type: oauth2, flows: {implicit: {scopes: "       \
	"{r: Read, w: Write}, x-scopes-bindings: {w: 'a, b c ,'}}}}, key: {type: apiKey}}}\n"

static void
test_operations(void)
{
	static const struct {
		const char *paths, *expected; /* target, verb, authType, tier, scopes */
	} rows[] = {
		{ "paths: {}", "[]" },
		{ "paths: {/a: {get: {}}}",
			"[[\"/a\",\"GET\",\"Application & Application User\",\"Unlimited\",[]]]" },
		{ "paths: {/a: {GET: {}, trace: {}, summary: x}}", "[]" },
		{ "paths: {/a: {put: {x-auth-type: None, x-throttling-tier: T}}}",
			"[[\"/a\",\"PUT\",\"None\",\"T\",[]]]" },
		{ "x-throttling-tier: D\npaths: {/a: {x-auth-type: Any, head: {}}}",
			"[[\"/a\",\"HEAD\",\"Any\",\"D\",[]]]" },
		{ "paths: {/a: {x-auth-type: Any, get: {security: [{default: [w]}, {key: [k]}, "
		  "{default: [r, w]}]}}}",
			"[[\"/a\",\"GET\",\"Any\",\"Unlimited\",[\"w\",\"r\"]]]" },
		{ "security: [{default: [r]}]\npaths: {/a: {x-auth-type: Any, get: {}, put: "
		  "{security: []}}}",
			"[[\"/a\",\"GET\",\"Any\",\"Unlimited\",[\"r\"]],"
			"[\"/a\",\"PUT\",\"Any\",\"Unlimited\",[]]]" },
		{ "security: [{unknown: [r]}, 7]\npaths: {/a: {x-auth-type: Any, get: {}}}",
			"[[\"/a\",\"GET\",\"Any\",\"Unlimited\",[]]]" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[1024], error[OPENAPI_ERROR_SIZE];
		json_t *operations = NULL, *operation, *flat = json_array();
		size_t k;

		snprintf(text, sizeof(text), HEAD SCHEMES "%s", rows[i].paths);
		json_t *definition = parsed(text);

		CU_ASSERT_EQUAL_FATAL(openapi_operations(definition, &operations, error), 0);
		json_array_foreach(operations, k, operation)
			json_array_append_new(flat, json_pack("[O,O,O,O,O]",
				json_object_get(operation, "target"),
				json_object_get(operation, "verb"),
				json_object_get(operation, "authType"),
				json_object_get(operation, "throttlingPolicy"),
				json_object_get(operation, "scopes")));
		check_json(flat, rows[i].expected);
		json_decref(operations);
		json_decref(definition);
	}
}

static void
test_scopes(void)
{
	json_t *definition = parsed(HEAD SCHEMES), *scopes = NULL;

	CU_ASSERT_EQUAL_FATAL(openapi_scopes(definition, &scopes), 0);
	check_json(scopes,
		"[{\"scope\":{\"name\":\"r\",\"displayName\":\"r\",\"description\":\"Read\","
		"\"bindings\":[]},\"shared\":false},{\"scope\":{\"name\":\"w\",\"displayName\":"
		"\"w\","
		"\"description\":\"Write\",\"bindings\":[\"a\",\"b c\"]},\"shared\":false}]");
	json_decref(definition);
}

static void
test_servers(void)
{
	static const struct {
		const char *servers, *url; /* NULL: none */
	} rows[] = {
		{ "servers: []", NULL },
		{ "servers: [{url: /v1}]", NULL },
		{ "servers: [{url: ftp://x}]", NULL },
		{ "servers: [7, {}, {url: 7}]", NULL },
		{ "servers: [{url: http://a:8080/v1}]", "http://a:8080/v1" },
		{ "servers: [{url: /v1}, {url: https://b}]", "https://b" },
		{ "servers: [{url: 'https://{h}.x/{v}', variables: {h: {default: api}, v: "
		  "{default: '2'}}}]",
			"https://api.x/2" },
		{ "servers: [{url: 'https://{h}'}]", NULL },
		{ "servers: [{url: 'https://{h', variables: {h: {default: a}}}]", NULL },
		{ "servers: [{url: 'http://{h}', variables: {h: {default: "
		  "0123456789012345678901234567890}}}]",
			NULL },
		{ "servers: [{url: 'http://{h}', variables: {h: {default: "
		  "a123456789012345678901234567890123456789012345678901234567890}}}]",
			NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512], url[64];

		snprintf(text, sizeof(text), HEAD "%s", rows[i].servers);
		json_t *definition = parsed(text);
		bool is_there = openapi_server(definition, url, sizeof(url));

		CU_ASSERT_EQUAL(is_there, rows[i].url != NULL);
		if (is_there && rows[i].url != NULL)
			CU_ASSERT_STRING_EQUAL(url, rows[i].url);
		json_decref(definition);
	}
}

static void
test_sync(void)
{
	static const struct {
		const char *definition, *dto, *expected;
	} rows[] = {
		{ "{}",
			"{\"name\":\"N\",\"version\":\"1\",\"operations\":[{\"target\":\"/a/"
			"{b}\",\"verb\":\"GET\","
			"\"authType\":\"None\",\"throttlingPolicy\":\"T\",\"scopes\":[]}]}",
			"{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"N\",\"version\":\"1\"},"
			"\"paths\":{\"/a/{b}\":"
			"{\"get\":{\"responses\":{\"200\":{\"description\":\"OK\"}},\"parameters\":"
			"[{\"name\":\"b\","
			"\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}],"
			"\"x-auth-type\":\"None\",\"x-throttling-tier\":\"T\"}}}}" },
		{ "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"kept\",\"version\":\"0\"},\"x-"
		  "other\":1,\"paths\":"
		  "{\"/a\":{\"summary\":\"s\",\"get\":{\"operationId\":\"g\"},\"put\":{}},\"/"
		  "gone\":{\"get\":{}},"
		  "\"/empty\":{\"summary\":\"s\"}}}",
			"{\"name\":\"N\",\"version\":\"1\",\"operations\":[{\"target\":\"/"
			"a\",\"verb\":\"GET\","
			"\"authType\":\"Any\"}]}",
			"{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"kept\",\"version\":\"1\"},"
			"\"x-other\":1,\"paths\":"
			"{\"/"
			"a\":{\"summary\":\"s\",\"get\":{\"operationId\":\"g\",\"x-auth-type\":"
			"\"Any\"}},"
			"\"/empty\":{\"summary\":\"s\"}}}" },
		{ "{}",
			"{\"name\":\"N\",\"version\":\"1\",\"operations\":[{\"target\":\"/"
			"a\",\"verb\":\"PUT\","
			"\"authType\":\"Any\",\"scopes\":[\"s\"]}],\"scopes\":[{\"scope\":{"
			"\"name\":\"s\","
			"\"description\":\"d\",\"bindings\":[\"x\",\"y\"]}}]}",
			"{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"N\",\"version\":\"1\"},"
			"\"paths\":{\"/a\":{\"put\":"
			"{\"responses\":{\"200\":{\"description\":\"OK\"}},\"x-auth-type\":\"Any\","
			"\"security\":"
			"[{\"default\":[\"s\"]}]}}},\"components\":{\"securitySchemes\":{"
			"\"default\":{\"flows\":"
			"{\"implicit\":{\"authorizationUrl\":\"/oauth2/"
			"authorize\",\"scopes\":{\"s\":\"d\"},"
			"\"x-scopes-bindings\":{\"s\":\"x,y\"}}},\"type\":\"oauth2\"}}}}" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *definition = json_loads(rows[i].definition, 0, NULL);
		json_t *dto = json_loads(rows[i].dto, 0, NULL);

		CU_ASSERT_EQUAL(openapi_sync(definition, dto), 0);
		CU_ASSERT_EQUAL(openapi_sync(definition, dto), 0); /* changes nothing more */
		check_json(definition, rows[i].expected);
		json_decref(dto);
	}
}

/* ---- The lifecycle --------------------------------------------------------------------------- */

static void
test_lifecycle(void)
{
	static const char *const states[] = {
		"CREATED", "PROTOTYPED", "PUBLISHED", "BLOCKED", "DEPRECATED", "RETIRED",
	};
	static const struct {
		const char *event;
		const char *to[COUNT(states)]; /* from each state; NULL: impossible */
	} rows[] = {
		{ "Publish", { "PUBLISHED", "PUBLISHED", "PUBLISHED", NULL, NULL, NULL } },
		{ "Deploy as a Prototype",
			{ "PROTOTYPED", "PROTOTYPED", "PROTOTYPED", NULL, NULL, NULL } },
		{ "Demote to Created", { NULL, "CREATED", "CREATED", NULL, NULL, NULL } },
		{ "Block", { NULL, NULL, "BLOCKED", NULL, NULL, NULL } },
		{ "Re-Publish", { NULL, NULL, NULL, "PUBLISHED", NULL, NULL } },
		{ "Deprecate", { NULL, NULL, "DEPRECATED", "DEPRECATED", NULL, NULL } },
		{ "Retire", { NULL, NULL, NULL, NULL, "RETIRED", NULL } },
		{ "publish", { NULL, NULL, NULL, NULL, NULL, NULL } },
		{ "", { NULL, NULL, NULL, NULL, NULL, NULL } },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t k = 0; k < COUNT(states); k++) {
			const struct lifecycle_row *row = lifecycle_find(gh_str_of(states[k]),
				gh_str_of(rows[i].event));

			CU_ASSERT_EQUAL(row != NULL, rows[i].to[k] != NULL);
			if (row != NULL && rows[i].to[k] != NULL)
				CU_ASSERT_STRING_EQUAL(row->to, rows[i].to[k]);
		}
	CU_ASSERT_STRING_EQUAL(lifecycle_label("PUBLISHED"), "Published");
	CU_ASSERT(lifecycle_has_checklist(GH_STR("CREATED")));
	CU_ASSERT_FALSE(lifecycle_has_checklist(GH_STR("BLOCKED")));
}

static void
test_checklist(void)
{
	static const struct {
		const char *list;
		bool deprecate, resubscribe; /* by default false and true */
	} rows[] = {
		{ "", false, true },
		{ "Deprecate old versions after publishing the API:true", true, true },
		{ "Deprecate old versions after publishing the API:true,"
			"Requires re-subscription when publishing the API:false", true, false },
		{ "Requires re-subscription when publishing the API:FALSE, "
			"Deprecate old versions after publishing the API:True", true, false },
		{ "Deprecate old versions after publishing the API", false, true },
		{ "Deprecate old versions after publishing the API:", false, true },
		{ ",,:,true", false, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct gh_str list = gh_str_of(rows[i].list);

		CU_ASSERT_EQUAL(lifecycle_is_checked(list, LIFECYCLE_DEPRECATE_OLD, false),
			rows[i].deprecate);
		CU_ASSERT_EQUAL(lifecycle_is_checked(list, LIFECYCLE_RESUBSCRIBE, true),
			rows[i].resubscribe);
	}
}

/* ---- Search conditions ----------------------------------------------------------------------- */

static void
test_queries(void)
{
	static const struct {
		const char *text;
		int r;
		const char *terms; /* "<attribute number>=value|", '!' before exact values */
	} rows[] = {
		{ "", 0, "" },
		{ "  ", 0, "" },
		{ "books", 0, "0=books|" },
		{ "name:\"My Books\" version:\"1.0\"", 0, "0=!My Books|1=!1.0|" },
		{ "Name:books  status:PUBLISHED", 0, "0=books|4=PUBLISHED|" },
		{ "name:X&version:Y", 0, "0=X&version:Y|" },
		{ "name:\"X\"&version:\"Y\"", 0, "0=!X|1=!Y|" },
		{ "*books*", 0, "0=books|" },
		{ "name:", 0, "" },
		{ "name:\"\"", 0, "" },
		{ "\"a b\" c", 0, "0=!a b|0=c|" },
		{ "context:/a:b", 0, "2=/a:b|" },
		{ "colour:red", GH_EINVAL, "" },
		{ "name:\"open", GH_EINVAL, "" },
		{ "\"", GH_EINVAL, "" },
		{ "a b c d e f g h i j k l m n o p", 0,
			"0=a|0=b|0=c|0=d|0=e|0=f|0=g|0=h|0=i|0=j|0=k|0=l|"
			"0=m|0=n|0=o|0=p|" },
		{ "a b c d e f g h i j k l m n o p q", GH_ETOOBIG, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct query query;
		const char *why = NULL;
		char got[256] = "";
		size_t n = 0;
		int r = query_parse(gh_str_of(rows[i].text), &query, &why);

		for (size_t k = 0; r == 0 && k < query.n; k++)
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%d=%s%.*s|",
				(int)query.terms[k].attribute, query.terms[k].is_exact ? "!" : "",
				GH_STR_ARG(query.terms[k].value));
		CU_ASSERT_EQUAL(r, rows[i].r);
		CU_ASSERT_STRING_EQUAL(got, rows[i].terms);
		CU_ASSERT((why != NULL) == (r < 0));
	}
}

static void
test_query_terms_hold(void)
{
	static const struct {
		const char *query, *text;
		bool holds;
	} rows[] = {
		{ "book", "My Bookstore", true },
		{ "book", "Boo", false },
		{ "book", "", false },
		{ "\"Book\"", "Book", true },
		{ "\"Book\"", "book", false },
		{ "\"Book\"", "Books", false },
		{ "status:published", "PUBLISHED", true },
		{ "status:publish", "PUBLISHED", false },
		{ "version:1", "1.0.1", true },
		{ "version:\"1\"", "1.0.1", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct query query;
		const char *why;

		CU_ASSERT_EQUAL_FATAL(query_parse(gh_str_of(rows[i].query), &query, &why), 0);
		CU_ASSERT_EQUAL(
			query_holds(&query.terms[0], gh_str_of(rows[i].text)), rows[i].holds);
	}
}

static void
test_lifecycle_finds_the_shortest_way(void)
{
	static const struct {
		const char *from, *to, *first; /* the first step's state; NULL: no way */
	} rows[] = {
		{ "CREATED", "PUBLISHED", "PUBLISHED" },
		{ "CREATED", "BLOCKED", "PUBLISHED" },
		{ "CREATED", "RETIRED", "PUBLISHED" },
		{ "PUBLISHED", "RETIRED", "DEPRECATED" },
		{ "BLOCKED", "CREATED", "PUBLISHED" },
		{ "PUBLISHED", "CREATED", "CREATED" },
		{ "DEPRECATED", "PUBLISHED", NULL },
		{ "RETIRED", "CREATED", NULL },
		{ "CREATED", "CREATED", NULL },
		{ "CREATED", "ASLEEP", NULL },
		{ "ASLEEP", "CREATED", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct lifecycle_row *row = lifecycle_step(gh_str_of(rows[i].from),
			gh_str_of(rows[i].to));

		CU_ASSERT_EQUAL(row != NULL, rows[i].first != NULL);
		if (row != NULL && rows[i].first != NULL)
			CU_ASSERT_STRING_EQUAL(row->to, rows[i].first);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_definitions_refused),
		UNIT_TEST(test_definitions_accepted),
		UNIT_TEST(test_operations),
		UNIT_TEST(test_scopes),
		UNIT_TEST(test_servers),
		UNIT_TEST(test_sync),
		UNIT_TEST(test_lifecycle),
		UNIT_TEST(test_lifecycle_finds_the_shortest_way),
		UNIT_TEST(test_checklist),
		UNIT_TEST(test_queries),
		UNIT_TEST(test_query_terms_hold),
		{ NULL, NULL },
	};

	return unit_run("publisher", tests);
}
