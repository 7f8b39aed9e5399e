/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_gateway_calls.c
 * @brief Calls through the whole gateway, from ROUTE to UPSTREAM, in the test kit: the row is the
 * specification of status and error code.
 */
#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "kernel/metrics.h"
#include "sdk/testkit/testkit.h"
#include "kernel/worker.h"
#include "tests/unit/gateway_feed.h"

#define ISSUER "https://localhost:9443/oauth2/token"
#define WAIT_NS (UINT64_C(5) * 1000000000)

extern const struct gh_plugin gh_plugin;

static struct jose_key *key, *stranger;
static struct gh_test *test;
static struct gw_process *process;

/* ---- The node ---------------------------------------------------------------------- */

static int
load(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *error, size_t error_size)
{
	(void)arg;
	(void)error;
	(void)error_size;
	*ret_handle = NULL;
	*ret_desc = gh_str_eq(name, GH_STR("feed")) ? &test_feed_plugin : &gh_plugin;
	return 0;
}

/** A node with a feed and a gateway. */
static void
start_node(const char *options)
{
	struct manifest *manifest = NULL;
	struct krn_set *set = NULL;
	char text[512], error[512] = "";

	snprintf(text, sizeof(text), "plugins:\n - feed\n - gateway: {%s}\n", options);
	int r = manifest_parse("test", gh_str_of(text), &manifest, error, sizeof(error));

	if (r == 0)
		r = krn_set_new_with(manifest, load, NULL, &set, error, sizeof(error));
	test = r == 0 ? krn_test_new(manifest, set, error, sizeof(error)) : NULL;
	if (test == NULL)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(test);
	process = krn_set_find(set, GH_STR("gateway"))->process;
}

static void
stop_node(void)
{
	gh_test_free(test);
	test = NULL;
	test_feed_clear();
}

/** Deliver mail until the worker serves @p seq. */
static void
wait_for(uint64_t seq)
{
	uint64_t until = gh_mono_ns() + WAIT_NS;

	while (follow_acks_serving(&process->publisher.acks) < seq && gh_mono_ns() < until) {
		krn_worker_deliver(gh_worker_at(process->inst, 0));
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	CU_ASSERT(follow_acks_serving(&process->publisher.acks) >= seq);
}

static void
write_doc(const char *kind, const char *id, const char *json)
{
	uint64_t seq = test_feed_write(kind, id, json);

	if (test != NULL)
		wait_for(seq);
}

/* ---- Documents --------------------------------------------------------------------- */

#define OPERATIONS                                                                                 \
	"\"operations\":["                                                                         \
	"{\"target\":\"/{id}\",\"verb\":\"GET\","                                              \
	"\"auth_type\":\"Application & Application User\"},"                                      \
	"{\"target\":\"/{id}\",\"verb\":\"POST\",\"scopes\":[\"write\",\"admin\"]},"               \
	"{\"target\":\"/open\",\"verb\":\"GET\",\"auth_type\":\"None\"},"                          \
	"{\"target\":\"/for-app\",\"verb\":\"GET\",\"auth_type\":\"Application\"},"                \
	"{\"target\":\"/for-user\",\"verb\":\"GET\",\"auth_type\":\"Application User\"}]"

/** A deployment /NAME/1 with @p more in front of the usual fields (the first of a name counts). */
static void
deploy(const char *name, const char *state, const char *more)
{
	char json[2048], id[64];

	snprintf(json, sizeof(json),
		"{\"api_id\":\"%s\",\"name\":\"%s\",\"version\":\"1\","
		"\"context\":\"/%s\",\"provider\":\"admin\","
		"\"environment\":\"Default\",\"state\":\"%s\","
		"%s," OPERATIONS "}",
		name, name, name, state, more);
	snprintf(id, sizeof(id), "%s/Default", name);
	write_doc("deployment", id, json);
}

static void
subscribe(const char *id, const char *application, const char *api, const char *state)
{
	char json[512];

	snprintf(json, sizeof(json),
		"{\"application_id\":\"%s\",\"api_id\":\"%s\",\"tier\":\"Gold\","
		"\"state\":\"%s\"}",
		application, api, state);
	write_doc("subscription", id, json);
}

static void
add_consumer(const char *consumer_key, const char *application, const char *key_type)
{
	char json[512];

	snprintf(json, sizeof(json),
		"{\"application_id\":\"%s\",\"application_name\":\"%s\","
		"\"owner\":\"owner\",\"tier\":\"Unlimited\",\"key_type\":\"%s\"}",
		application, application, key_type);
	write_doc("consumer", consumer_key, json);
}

static void
trust_key(void)
{
	const struct jose_jwk *jwk = jose_key_jwk(key);
	char json[1024], kid[JOSE_KID_MAX + 1];

	snprintf(kid, sizeof(kid), "%.*s", GH_STR_ARG(jwk->kid));
	snprintf(json, sizeof(json), "{\"issuer\":\"" ISSUER "\",\"jwk\":{\"kty\":\"EC\","
		"\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\"}}", GH_STR_ARG(jwk->x),
		GH_STR_ARG(jwk->y));
	write_doc("issuer_key", kid, json);
}

#define BACKEND                                                                                    \
	"\"production\":[\"http://prod.example/base\"],\"sandbox\":[\"http://sand.example\"]"

static void
write_world(void)
{
	static const struct {
		const char *name, *state, *more;
	} apis[] = {
		{ "books", "PUBLISHED", BACKEND },
		{ "created", "CREATED", BACKEND },
		{ "proto", "PROTOTYPED", BACKEND },
		{ "old", "DEPRECATED", BACKEND },
		{ "blocked", "BLOCKED", BACKEND },
		{ "gone", "RETIRED", BACKEND },
		{ "passing", "PUBLISHED", BACKEND ",\"pass_credentials\":true" },
		{ "named", "PUBLISHED",
			BACKEND ",\"authorization_header\":\"X-Auth\",\"api_key_header\":\"X-Key\"" },
		{ "secure", "PUBLISHED", BACKEND ",\"transport\":[\"https\"]" },
		{ "prodonly", "PUBLISHED", "\"production\":[\"http://prod.example\"]" },
		{ "down", "PUBLISHED", "\"production\":[\"http://fail-101503.example\"]" },
		{ "slow", "PUBLISHED", "\"production\":[\"http://fail-101504.example\"]" },
		{ "full", "PUBLISHED", "\"production\":[\"http://fail-303001.example\"]" },
		{ "two", "PUBLISHED",
			"\"production\":[\"http://a.example:81?k=v\",\"http://b.example\"]" },
	};
	char id[64];

	trust_key();
	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		deploy(apis[i].name, apis[i].state, apis[i].more);
		snprintf(id, sizeof(id), "sub-%s", apis[i].name);
		subscribe(id, "app", apis[i].name, "UNBLOCKED");
	}
	add_consumer("prod", "app", "PRODUCTION");
	add_consumer("sand", "app", "SANDBOX");
	add_consumer("stranger", "app-stranger", "PRODUCTION");
	add_consumer("blocked", "app-blocked", "PRODUCTION");
	add_consumer("held", "app-held", "PRODUCTION");
	add_consumer("rejected", "app-rejected", "PRODUCTION");
	add_consumer("half-prod", "app-half", "PRODUCTION");
	add_consumer("half-sand", "app-half", "SANDBOX");
	subscribe("s-blocked", "app-blocked", "books", "BLOCKED");
	subscribe("s-held", "app-held", "books", "ON_HOLD");
	subscribe("s-rejected", "app-rejected", "books", "REJECTED");
	subscribe("s-half", "app-half", "books", "PROD_ONLY_BLOCKED");
}

/* ---- Tokens ------------------------------------------------------------------------ */

static char token[JOSE_TOKEN_MAX];

/** "Bearer TOKEN" in a static buffer. */
static const char *
bearer(struct jose_key *with, const char *consumer_key, const char *more, int64_t valid_s)
{
	static char value[JOSE_TOKEN_MAX + 8];
	static unsigned number;
	struct gh_str signed_token;
	char payload[1024];

	snprintf(payload, sizeof(payload),
		"{\"iss\":\"" ISSUER "\",\"sub\":\"alice\",\"azp\":\"%s\","
		"\"jti\":\"j%u\",\"exp\":%lld%s}",
		consumer_key, ++number, (long long)(gh_now_us() / 1000000) + (long long)valid_s,
		more);
	CU_ASSERT_EQUAL_FATAL(jose_sign(with, "at+jwt", gh_str_of(payload), &signed_token), 0);
	snprintf(value, sizeof(value), "Bearer %.*s", GH_STR_ARG(signed_token));
	free((void *)(uintptr_t)signed_token.p);
	return value;
}

static const char *
test_key(const char *api, const char *typ, const char *token_type)
{
	struct gh_str signed_token;
	char payload[512];

	snprintf(payload, sizeof(payload),
		"{\"iss\":\"" ISSUER "\",\"sub\":\"alice\",\"jti\":\"t\","
		"\"exp\":%llu,\"token_type\":\"%s\",\"api_id\":\"%s\"}",
		(unsigned long long)(gh_now_us() / 1000000) + 100, token_type, api);
	CU_ASSERT_EQUAL_FATAL(jose_sign(key, typ, gh_str_of(payload), &signed_token), 0);
	snprintf(token, sizeof(token), "%.*s", GH_STR_ARG(signed_token));
	free((void *)(uintptr_t)signed_token.p);
	return token;
}

/* ---- Calls ------------------------------------------------------------------------- */

static struct gh_test_outcome outcome;

/** One call with up to two fields.  @return status * 10,000,000 + error code. */
static unsigned
call_with(const char *method, const char *target, const struct gh_field fields[3])
{
	struct gh_test_request request = { .method = method, .target = target,
		.chain = GH_CHAIN_GATEWAY, .fields = fields };
	struct gh_str code_start = GH_STR("{\"code\":\"");
	unsigned code = 0;

	CU_ASSERT_EQUAL_FATAL(gh_test_run(test, &request, &outcome), 0);
	if (outcome.body.n > code_start.n &&
		memcmp(outcome.body.p, code_start.p, code_start.n) == 0)
		code = (unsigned)strtoul(outcome.body.p + code_start.n, NULL, 10);
	return outcome.status * 10000000 + code;
}

static unsigned
call(const char *method, const char *target, const char *field, const char *value)
{
	struct gh_field fields[3] = { { GH_STR_NONE, GH_STR_NONE } };

	if (field != NULL)
		fields[0] = (struct gh_field){ gh_str_of(field), gh_str_of(value) };
	return call_with(method, target, fields);
}

#define ANSWER(status, code) ((status) * 10000000u + (code))
#define OK ANSWER(200, 0)

static unsigned
get_with(const char *target, const char *authorization)
{
	return call("GET", target, authorization != NULL ? "Authorization" : NULL, authorization);
}

static bool
body_is(const char *text)
{
	bool is = gh_str_eq(outcome.body, gh_str_of(text));

	if (!is)
		printf("\nbody: %.*s", GH_STR_ARG(outcome.body));
	return is;
}

static void
test_node_starts(void)
{
	write_world();
	start_node("clock_skew: 0ms");
}

static void
test_routing_and_states(void)
{
	static const struct {
		const char *method, *target;
		unsigned answer;
	} rows[] = {
		{ "GET", "/books/1/7", OK },
		{ "GET", "/books/2/7", ANSWER(404, 404) },
		{ "GET", "/nothing", ANSWER(404, 404) },
		{ "GET", "/books/1/7/8", ANSWER(404, 404) },
		{ "GET", "/books/1", ANSWER(404, 404) },
		{ "DELETE", "/books/1/7", ANSWER(405, 405) },
		{ "HEAD", "/books/1/7", ANSWER(405, 0) },
		{ "GET", "/books//1/./7", OK },
		{ "GET", "/proto/1/7", OK },
		{ "GET", "/old/1/7", OK },
		{ "GET", "/blocked/1/7", ANSWER(503, 700700) },
		{ "GET", "/gone/1/7", ANSWER(404, 404) },
		{ "GET", "/created/1/7", ANSWER(401, 900901) },
		{ "GET", "/secure/1/7", ANSWER(404, 404) },
		{ "GET", "/down/1/7", ANSWER(502, 101503) },
		{ "GET", "/slow/1/7", ANSWER(504, 101504) },
		{ "GET", "/full/1/7", ANSWER(503, 303001) },
		{ "OPTIONS", "/books/1/7", ANSWER(204, 0) },
		{ "OPTIONS", "/nothing", ANSWER(404, 404) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned answer = call(rows[i].method, rows[i].target, "Authorization",
			bearer(key, "prod", "", 100));

		if (answer != rows[i].answer)
			printf("\n%s %s: %u", rows[i].method, rows[i].target, answer);
		CU_ASSERT_EQUAL(answer, rows[i].answer);
	}
	call("DELETE", "/books/1/7", NULL, NULL);
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Allow"), GH_STR("GET, POST")));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Content-Type"), GH_STR("application/json")));
	CU_ASSERT(body_is("{\"code\":\"405\",\"message\":\"Method Not Allowed\","
		"\"description\":\"Method not allowed for given API resource\"}"));
}

static void
test_credentials(void)
{
	static const struct {
		const char *target, *consumer_key, *claims;
		unsigned answer;
	} rows[] = {
		{ "/books/1/7", "prod", "", OK },
		{ "/books/1/7", "sand", "", OK },
		{ "/books/1/7", "nobody", "", ANSWER(401, 900901) },
		{ "/books/1/7", "stranger", "", ANSWER(403, 900908) },
		{ "/books/1/7", "blocked", "", ANSWER(401, 900907) },
		{ "/books/1/7", "held", "", ANSWER(403, 900909) },
		{ "/books/1/7", "rejected", "", ANSWER(403, 900909) },
		{ "/books/1/7", "half-prod", "", ANSWER(401, 900907) },
		{ "/books/1/7", "half-sand", "", OK },
		{ "/books/1/for-app", "prod", ",\"aut\":\"APPLICATION\"", OK },
		{ "/books/1/for-app", "prod", ",\"aut\":\"APPLICATION_USER\"",
			ANSWER(401, 900905) },
		{ "/books/1/for-user", "prod", ",\"aut\":\"APPLICATION\"", ANSWER(401, 900905) },
		{ "/books/1/for-user", "prod", ",\"aut\":\"APPLICATION_USER\"", OK },
		{ "/prodonly/1/7", "sand", "", ANSWER(403, 900901) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned answer = get_with(rows[i].target, bearer(key, rows[i].consumer_key,
			rows[i].claims, 100));

		if (answer != rows[i].answer)
			printf("\n%s %s: %u", rows[i].target, rows[i].consumer_key, answer);
		CU_ASSERT_EQUAL(answer, rows[i].answer);
	}
	CU_ASSERT_EQUAL(get_with("/books/1/7", NULL), ANSWER(401, 900902));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "WWW-Authenticate"),
		GH_STR("Bearer realm=\"Gatehouse\"")));
	CU_ASSERT_EQUAL(get_with("/books/1/7", "Basic YTpi"), ANSWER(401, 900902));
	CU_ASSERT_EQUAL(get_with("/books/1/7", "Bearer"), ANSWER(401, 900902));
	CU_ASSERT_EQUAL(get_with("/books/1/7", "Bearer "), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(get_with("/books/1/7", "Bearer a.b.c"), ANSWER(401, 900901));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(gh_test_field(&outcome, "WWW-Authenticate").p, "invalid_token"));
	CU_ASSERT_EQUAL(
		get_with("/books/1/7", bearer(stranger, "prod", "", 100)), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(call("GET", "/books/1/7", "ApiKey", "whatever"), ANSWER(401, 900902));
	CU_ASSERT_EQUAL(get_with("/books/1/open", NULL), OK);
	CU_ASSERT_EQUAL(get_with("/books/1/open", "Bearer nonsense"), OK);
}

static void
test_known_tokens_expire(void)
{
	char value[JOSE_TOKEN_MAX];
	uint64_t until = gh_mono_ns() + WAIT_NS;
	unsigned answer;

	CU_ASSERT_EQUAL(get_with("/books/1/7", bearer(key, "prod", "", -60)), ANSWER(401, 900901));
	CU_ASSERT_PTR_NOT_NULL(memmem(outcome.body.p, outcome.body.n, "expired", 7));
	/* This node's clock_skew is 0. */
	snprintf(value, sizeof(value), "%s", bearer(key, "prod", "", 2));
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
	while ((answer = get_with("/books/1/7", value)) == OK && gh_mono_ns() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	CU_ASSERT_EQUAL(answer, ANSWER(401, 900901));
	CU_ASSERT_PTR_NOT_NULL(memmem(outcome.body.p, outcome.body.n, "expired", 7));
}

static void
test_scopes(void)
{
	static const struct {
		const char *claims;
		unsigned answer;
	} rows[] = {
		{ "", ANSWER(403, 900910) },
		{ ",\"scope\":\"write\"", OK },
		{ ",\"scope\":\"admin\"", OK },
		{ ",\"scope\":\"read write\"", OK },
		{ ",\"scope\":\"write read\"", OK },
		{ ",\"scope\":\"writer\"", ANSWER(403, 900910) },
		{ ",\"scope\":\"over-write\"", ANSWER(403, 900910) },
		{ ",\"scope\":\"\"", ANSWER(403, 900910) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned answer = call("POST", "/books/1/7", "Authorization",
			bearer(key, "prod", rows[i].claims, 100));

		CU_ASSERT_EQUAL(answer, rows[i].answer);
	}
	call("POST", "/books/1/7", "Authorization", bearer(key, "prod", "", 100));
	CU_ASSERT_PTR_NOT_NULL(strstr(gh_test_field(&outcome, "WWW-Authenticate").p,
		"insufficient_scope"));
}

static void
test_internal_test_key(void)
{
	CU_ASSERT_EQUAL(call("GET", "/created/1/7", "Internal-Key",
		test_key("created", "internal+jwt", "InternalKey")), OK);
	CU_ASSERT(body_is("prod.example:80/base/7"));
	CU_ASSERT_EQUAL(call("GET", "/books/1/7", "Internal-Key",
		test_key("books", "internal+jwt", "InternalKey")), OK);
	/* Of another API, of another kind, in another field. */
	CU_ASSERT_EQUAL(call("GET", "/created/1/7", "Internal-Key",
		test_key("books", "internal+jwt", "InternalKey")), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(call("GET", "/created/1/7", "Internal-Key",
		test_key("created", "at+jwt", "InternalKey")), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(call("GET", "/created/1/7", "Internal-Key",
		bearer(key, "prod", "", 100) + 7), ANSWER(401, 900901));
	char value[JOSE_TOKEN_MAX + 8];

	snprintf(value, sizeof(value), "Bearer %s",
		test_key("books", "internal+jwt", "InternalKey"));
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(401, 900901));
	/* What is open elsewhere is not open before the API is published. */
	CU_ASSERT_EQUAL(get_with("/created/1/open", NULL), ANSWER(401, 900902));
	CU_ASSERT_EQUAL(call("GET", "/blocked/1/7", "Internal-Key",
		test_key("blocked", "internal+jwt", "InternalKey")), ANSWER(503, 700700));
}

static void
test_what_reaches_the_backend(void)
{
	char value[JOSE_TOKEN_MAX];

	snprintf(value, sizeof(value), "%s", bearer(key, "prod", "", 100));
	struct gh_field fields[] = { { GH_STR("Authorization"), gh_str_of(value) },
		{ GH_STR("ApiKey"), GH_STR("k") }, { GH_STR("X-Kept"), GH_STR("v") },
		{ GH_STR_NONE, GH_STR_NONE } };

	CU_ASSERT_EQUAL(call_with("GET", "/books/1/a%2fb?x=%20&y", fields), OK);
	CU_ASSERT(body_is("prod.example:80/base/a%2Fb?x=%20&y X-Kept"));
	CU_ASSERT_EQUAL(call_with("GET", "/passing/1/7", fields), OK);
	CU_ASSERT(body_is("prod.example:80/base/7 Authorization ApiKey X-Kept"));
	fields[1] = (struct gh_field){ GH_STR("X-Auth"), gh_str_of(value) };
	CU_ASSERT_EQUAL(call_with("GET", "/named/1/7", fields), OK);
	CU_ASSERT(body_is("prod.example:80/base/7 Authorization X-Kept"));
	fields[2].name = GH_STR("x-key");
	CU_ASSERT_EQUAL(call_with("GET", "/named/1/7", fields), OK);
	CU_ASSERT(body_is("prod.example:80/base/7 Authorization"));
	fields[2].name = GH_STR("X-Kept");
	CU_ASSERT_EQUAL(get_with("/books/1/7", bearer(key, "sand", "", 100)), OK);
	CU_ASSERT(body_is("sand.example:80/7"));
	CU_ASSERT_EQUAL(call_with("GET", "/two/1/7?q", fields), OK);
	bool is_first = outcome.body.p[0] == 'a';

	CU_ASSERT(body_is(is_first ? "a.example:81/7?k=v&q X-Auth X-Kept" :
		"b.example:80/7?q X-Auth X-Kept"));
	CU_ASSERT_EQUAL(call_with("GET", "/two/1/7", fields), OK);
	CU_ASSERT(body_is(is_first ? "b.example:80/7 X-Auth X-Kept" :
		"a.example:81/7?k=v X-Auth X-Kept"));
}

static void
test_changes_are_served_at_once(void)
{
	char value[JOSE_TOKEN_MAX];

	snprintf(value, sizeof(value), "%s", bearer(key, "prod", "", 100));
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
	subscribe("sub-books", "app", "books", "BLOCKED");
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(401, 900907));
	write_doc("subscription", "sub-books", NULL);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(403, 900908));
	subscribe("sub-books", "app", "books", "UNBLOCKED");
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
	write_doc("consumer", "prod", NULL);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(401, 900901));
	add_consumer("prod", "app", "PRODUCTION");
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
	deploy("books", "BLOCKED", BACKEND);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(503, 700700));
	write_doc("deployment", "books/Default", NULL);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), ANSWER(404, 404));
	test_feed_truncate();
	deploy("books", "PUBLISHED", BACKEND);
	CU_ASSERT_EQUAL(get_with("/books/1/7", value), OK);
}

static void
test_revocation_reaches_known_tokens(void)
{
	char first[JOSE_TOKEN_MAX], payload[512], kid[JOSE_KID_MAX + 1];
	struct gh_str signed_token;

	snprintf(payload, sizeof(payload), "{\"iss\":\"" ISSUER "\",\"azp\":\"prod\","
		"\"jti\":\"to-revoke\",\"exp\":%llu}",
		(unsigned long long)(gh_now_us() / 1000000) + 100);
	CU_ASSERT_EQUAL_FATAL(jose_sign(key, "at+jwt", gh_str_of(payload), &signed_token), 0);
	snprintf(first, sizeof(first), "Bearer %.*s", GH_STR_ARG(signed_token));
	free((void *)(uintptr_t)signed_token.p);
	char other[JOSE_TOKEN_MAX];

	snprintf(other, sizeof(other), "%s", bearer(key, "prod", "", 100));
	CU_ASSERT_EQUAL(get_with("/books/1/7", first), OK);
	CU_ASSERT_EQUAL(get_with("/books/1/7", other), OK);
	write_doc("revocation", "to-revoke", "{\"expires_at_s\":9999999999}");
	CU_ASSERT_EQUAL(get_with("/books/1/7", first), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(get_with("/books/1/7", first), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(get_with("/books/1/7", other), OK);
	/* Without the key nothing is true any more; with it what was refused for its lack is. */
	snprintf(kid, sizeof(kid), "%.*s", GH_STR_ARG(jose_key_kid(key)));
	write_doc("issuer_key", kid, NULL);
	CU_ASSERT_EQUAL(get_with("/books/1/7", other), ANSWER(401, 900901));
	trust_key();
	CU_ASSERT_EQUAL(get_with("/books/1/7", other), OK);
	CU_ASSERT_EQUAL(get_with("/books/1/7", first), ANSWER(401, 900901));
}

static void
test_cross_origin_calls(void)
{
	struct gh_field preflight[] = { { GH_STR("Origin"), GH_STR("https://portal.example") },
		{ GH_STR("Access-Control-Request-Method"), GH_STR("POST") },
		{ GH_STR_NONE, GH_STR_NONE } };

	CU_ASSERT_EQUAL(call_with("OPTIONS", "/books/1/7", preflight), ANSWER(204, 0));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Access-Control-Allow-Origin"), GH_STR("*")));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Access-Control-Allow-Methods"),
		GH_STR("GET, POST")));
	CU_ASSERT_PTR_NOT_NULL(memmem(gh_test_field(&outcome, "Access-Control-Allow-Headers").p,
		gh_test_field(&outcome, "Access-Control-Allow-Headers").n, "Internal-Key", 12));
	CU_ASSERT_EQUAL(call("GET", "/books/1/7", "Origin", "https://portal.example"),
		ANSWER(401, 900902));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Access-Control-Allow-Origin"), GH_STR("*")));
	CU_ASSERT_EQUAL(get_with("/books/1/open", NULL), OK);
	CU_ASSERT_EQUAL(gh_test_field(&outcome, "Access-Control-Allow-Origin").n, 0);
}

static void
test_cross_origin_calls_can_be_narrowed(void)
{
	struct gh_field preflight[] = { { GH_STR("Origin"), GH_STR("https://good.example") },
		{ GH_STR("Access-Control-Request-Method"), GH_STR("POST") },
		{ GH_STR_NONE, GH_STR_NONE } };

	stop_node();
	write_world();
	start_node("cors_origins: [https://good.example]");
	CU_ASSERT_EQUAL(call_with("OPTIONS", "/books/1/7", preflight), ANSWER(204, 0));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Access-Control-Allow-Origin"),
		GH_STR("https://good.example")));
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Vary"), GH_STR("Origin")));
	preflight[0].value = GH_STR("https://good.example.evil");
	CU_ASSERT_EQUAL(call_with("OPTIONS", "/books/1/7", preflight), ANSWER(204, 0));
	CU_ASSERT_EQUAL(gh_test_field(&outcome, "Access-Control-Allow-Origin").n, 0);
	stop_node();
	write_world();
	start_node("cors: false");
	CU_ASSERT_EQUAL(call_with("OPTIONS", "/books/1/7", preflight), ANSWER(204, 0));
	CU_ASSERT_EQUAL(gh_test_field(&outcome, "Access-Control-Allow-Methods").n, 0);
	CU_ASSERT(gh_str_eq(gh_test_field(&outcome, "Allow"), GH_STR("GET, POST")));
}

static void
test_more_signatures_than_their_share_go_to_the_pool(void)
{
	stop_node();
	write_world();
	start_node("verify_share: 1, token_cache: 64");
	/* A worker's share is 10 ms of each second. */
	for (unsigned i = 0; i < 400; i++) {
		CU_ASSERT_EQUAL(get_with("/books/1/7", bearer(key, "prod", "", 100)), OK);
		if (i % 4 == 0)
			CU_ASSERT_EQUAL(get_with("/books/1/7", bearer(stranger, "prod", "", 100)),
				ANSWER(401, 900901));
	}
	CU_ASSERT(krn_metric_value(process->offloaded) > 0);
}

/* What REST would never write is here, too: the gateway looks at the tenant of every document. */
static void
write_tenants(void)
{
	write_doc("tenant", "a.com", "{\"is_active\":true}");
	deploy("t/a.com/ours", "PUBLISHED", BACKEND);
	subscribe("to-tenant", "app", "tbooks", "UNBLOCKED");
	test_feed.tenant = GH_STR("a.com");
	deploy("tbooks", "PUBLISHED", BACKEND);
	deploy("t/b.com/theirs", "PUBLISHED", BACKEND);
	add_consumer("tkey", "tapp", "PRODUCTION");
	subscribe("of-tenant", "tapp", "tbooks", "UNBLOCKED");
	subscribe("from-tenant", "tapp", "books", "UNBLOCKED");
	write_doc("tenant", "b.com", "{\"is_active\":true}");
	test_feed.tenant = GH_STR("b.com");
	deploy("other", "PUBLISHED", BACKEND);
	test_feed.tenant = GH_STR("carbon.super");
}

#define OF_A ",\"tenant\":\"a.com\""
#define FOREIGN ANSWER(403, 900908)

static void
test_tenants(void)
{
	static const struct {
		const char *target, *consumer_key, *claims;
		unsigned answer;
	} rows[] = {
		{ "/t/a.com/tbooks/1/7", "tkey", OF_A, OK },
		{ "/t/a.com/tbooks/1/7", "tkey", "", FOREIGN },
		{ "/t/a.com/tbooks/1/7", "tkey", ",\"tenant\":\"b.com\"", FOREIGN },
		{ "/t/a.com/tbooks/1/7", "prod", "", FOREIGN },
		{ "/t/a.com/tbooks/1/7", "prod", OF_A, FOREIGN },
		{ "/books/1/7", "tkey", OF_A, FOREIGN },
		{ "/books/1/7", "tkey", "", FOREIGN },
		{ "/books/1/7", "prod", OF_A, FOREIGN },
		{ "/books/1/7", "prod", ",\"tenant\":\"carbon.super\"", OK },
		{ "/tbooks/1/7", "tkey", OF_A, ANSWER(404, 404) },
		{ "/t/A.com/tbooks/1/7", "tkey", OF_A, ANSWER(404, 404) },
		/* Nobody has a context in the space of somebody else. */
		{ "/t/a.com/ours/1/7", "prod", "", ANSWER(404, 404) },
		{ "/t/b.com/theirs/1/7", "tkey", OF_A, ANSWER(404, 404) },
		/* A tenant exists when the default one says so. */
		{ "/t/b.com/other/1/open", "tkey", OF_A, ANSWER(404, 404) },
	};

	write_tenants();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned answer = get_with(rows[i].target,
			bearer(key, rows[i].consumer_key, rows[i].claims, 100));

		if (answer != rows[i].answer)
			printf("\n%s %s: %u", rows[i].target, rows[i].consumer_key, answer);
		CU_ASSERT_EQUAL(answer, rows[i].answer);
	}
	CU_ASSERT_EQUAL(call("GET", "/t/a.com/tbooks/1/7", "Internal-Key",
		test_key("tbooks", "internal+jwt", "InternalKey")), ANSWER(401, 900901));
	CU_ASSERT_EQUAL(call("GET", "/t/a.com/tbooks/1/7", "Internal-Key",
		test_key("tbooks\"" OF_A ",\"x\":\"", "internal+jwt", "InternalKey")), OK);
}

static void
test_disabled_tenants(void)
{
	static const struct {
		const char *tenant, *json;
		unsigned answer;
	} steps[] = {
		{ "carbon.super", "{\"is_active\":false}", ANSWER(404, 404) },
		{ "a.com", "{\"is_active\":true}", ANSWER(404, 404) }, /* not by itself */
		{ "carbon.super", "{\"is_active\":true}", OK },
		{ "carbon.super", "{\"is_active\":1}", ANSWER(404, 404) },
		{ "carbon.super", "{\"is_active\":true}", OK },
		{ "a.com", NULL, OK },
		{ "carbon.super", NULL, ANSWER(404, 404) },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		test_feed.tenant = gh_str_of(steps[i].tenant);
		write_doc("tenant", "a.com", steps[i].json);
		CU_ASSERT_EQUAL(get_with("/t/a.com/tbooks/1/7", bearer(key, "tkey", OF_A, 100)),
			steps[i].answer);
		CU_ASSERT_EQUAL(get_with("/t/a.com/tbooks/1/open", NULL), steps[i].answer);
		CU_ASSERT_EQUAL(get_with("/books/1/7", bearer(key, "prod", "", 100)), OK);
	}
	test_feed.tenant = GH_STR("carbon.super");
}

static void
test_node_ends(void)
{
	stop_node();
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_node_starts),
	UNIT_TEST(test_routing_and_states),
	UNIT_TEST(test_credentials),
	UNIT_TEST(test_known_tokens_expire),
	UNIT_TEST(test_scopes),
	UNIT_TEST(test_internal_test_key),
	UNIT_TEST(test_what_reaches_the_backend),
	UNIT_TEST(test_changes_are_served_at_once),
	UNIT_TEST(test_revocation_reaches_known_tokens),
	UNIT_TEST(test_cross_origin_calls),
	UNIT_TEST(test_cross_origin_calls_can_be_narrowed),
	UNIT_TEST(test_more_signatures_than_their_share_go_to_the_pool),
	UNIT_TEST(test_tenants),
	UNIT_TEST(test_disabled_tenants),
	UNIT_TEST(test_node_ends),
	{ .name = NULL },
};

int
main(void)
{
	if (jose_key_generate(JOSE_ES256, &key) < 0 || jose_key_generate(JOSE_ES256, &stranger) < 0)
		return 70;
	int status = unit_run("gateway_calls", tests);

	jose_key_unref(key);
	jose_key_unref(stranger);
	return status;
}
