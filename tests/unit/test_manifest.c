/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_manifest.c
 * @brief lib/manifest/manifest.c and lib/env: defaults, the look of the guide, every refusal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/manifest/manifest.h"
#include "tests/unit/unit.h"

static char error[512];

static int
parse(const char *text, struct manifest **ret_manifest)
{
	error[0] = '\0';
	return manifest_parse("m.yaml", gh_str_of(text), ret_manifest, error, sizeof(error));
}

static void
test_defaults(void)
{
	struct manifest *m = NULL;

	CU_ASSERT_EQUAL_FATAL(parse("plugins: [http]", &m), 0);
	CU_ASSERT(gh_str_eq(m->node.name, GH_STR("local")));
	CU_ASSERT_EQUAL(m->node.workers, 0);
	CU_ASSERT_EQUAL(m->node.drain_ms, 10000);
	CU_ASSERT_EQUAL(m->node.txn_arena_bytes, 1 << 20);
	CU_ASSERT_EQUAL(m->node.log_level, LOG_INFO);
	CU_ASSERT_EQUAL(m->node.log_format, MANIFEST_LOG_TEXT);
	CU_ASSERT_EQUAL(m->node.access_format, MANIFEST_ACCESS_OFF);
	CU_ASSERT_EQUAL(m->node.pool_threads[GH_LANE_STORE], 4);
	CU_ASSERT_EQUAL(m->node.pool_threads[GH_LANE_CRYPTO], 2);
	CU_ASSERT_EQUAL(m->node.pool_threads[GH_LANE_NET], 4);
	CU_ASSERT_EQUAL(m->node.pool_queue, 1024);
	CU_ASSERT_EQUAL(m->listener_count, 0);
	CU_ASSERT_EQUAL_FATAL(m->entry_count, 1);
	CU_ASSERT(gh_str_eq(m->entries[0].label, GH_STR("http")));
	CU_ASSERT_PTR_NULL(m->entries[0].provide);
	CU_ASSERT_EQUAL(m->entries[0].options->n, 0);
	manifest_free(m);
}

/** The manifest of the guide: references inside YAML's flow style. */
static void
test_whole(void)
{
	static const char text[] =
		"node: { name: ${GH_TEST_NAME:-local}, workers: ${GH_TEST_WORKERS:-auto} } # "
		"${NOT_LOOKED_UP}\n"
		"listeners:\n"
		"  - { name: management, chain: management, engine: http,  address: \"[::]\", "
		"port: ${GH_TEST_PORT:-9443}, tls: true }\n"
		"  - { name: public, chain: gateway, address: 127.0.0.1, port: 8243, tls: true, "
		"head_ms: 5s,\n"
		"      certificate_file: c.pem, key_file: k.pem }\n"
		"plugins:\n"
		"  - http\n"
		"  - leveldb: { path: data, provide: [docs/1, feed/1] }\n"
		"  - leveldb: { as: analytics_db, path: analytics, provide: [series/1] }\n"
		"  - analytics: { needs: { docs/1: leveldb } }\n"
		"  - my_policy: { dry_run: true, on_error: deny, bypass: true, text: '$${x}' }\n";
	struct manifest *m = NULL;

	setenv("GH_TEST_NAME", "n, { \"1\"", 1);
	CU_ASSERT_EQUAL(parse(text, &m), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error,
		"m.yaml:1: node: name: a name has 1 to 64 letters, digits, '_', '-' "
		"and '.', and does not begin with '-' or '.'");
	setenv("GH_TEST_NAME", "n1", 1);
	CU_ASSERT_EQUAL_FATAL(parse(text, &m), 0);
	CU_ASSERT(gh_str_eq(m->node.name, GH_STR("n1")));
	CU_ASSERT_EQUAL_FATAL(m->listener_count, 2);
	CU_ASSERT_EQUAL(m->listeners[0].listener.port, 9443);
	CU_ASSERT(gh_str_eq(m->listeners[0].listener.address, GH_STR("::")));
	CU_ASSERT_EQUAL(m->listeners[0].listener.chain, GH_CHAIN_MANAGEMENT);
	CU_ASSERT_EQUAL(m->listeners[0].listener.idle_ms, 75000);
	CU_ASSERT_EQUAL(m->listeners[0].listener.max_head_bytes, 16384);
	CU_ASSERT_EQUAL(m->listeners[0].listener.max_connections, 10000);
	CU_ASSERT_EQUAL(m->listeners[1].listener.head_ms, 5000);
	CU_ASSERT(gh_str_eq(m->listeners[1].engine, GH_STR("http")));
	CU_ASSERT_EQUAL_FATAL(m->entry_count, 5);
	CU_ASSERT_EQUAL(m->entries[1].provide_count, 2);
	CU_ASSERT_EQUAL(m->entries[1].options->n, 1);
	CU_ASSERT(gh_str_eq(m->entries[2].label, GH_STR("analytics_db")));
	CU_ASSERT_EQUAL(m->entries[3].need_count, 1);
	CU_ASSERT(gh_str_eq(m->entries[3].needs[0].need, GH_STR("docs/1")));
	CU_ASSERT(m->entries[4].dry_run && m->entries[4].bypass);
	CU_ASSERT_EQUAL(m->entries[4].on_error, GH_ON_ERROR_DENY);
	CU_ASSERT(gh_str_eq(yaml_get(m->entries[4].options, GH_STR("text"))->text, GH_STR("${x}")));
	CU_ASSERT_EQUAL(m->entries[4].line, 11);
	manifest_free(m);
	unsetenv("GH_TEST_NAME");
}

static void
test_environment_is_no_syntax(void)
{
	struct manifest *m = NULL;

	setenv("GH_TEST_VALUE", "x, as: other }", 1);
	CU_ASSERT_EQUAL_FATAL(
		parse("plugins: [ p: { a: ${GH_TEST_VALUE}, b: 'pre-${GH_TEST_VALUE}' } ]", &m), 0);
	CU_ASSERT(gh_str_eq(m->entries[0].label, GH_STR("p")));
	CU_ASSERT(gh_str_eq(
		yaml_get(m->entries[0].options, GH_STR("a"))->text, GH_STR("x, as: other }")));
	CU_ASSERT(gh_str_eq(
		yaml_get(m->entries[0].options, GH_STR("b"))->text, GH_STR("pre-x, as: other }")));
	manifest_free(m);
	setenv("GH_TEST_VALUE", "", 1);
	CU_ASSERT_EQUAL_FATAL(
		parse("plugins: [ p: { a: ${GH_TEST_VALUE:-d}, b: '${GH_TEST_VALUE}' } ]", &m), 0);
	CU_ASSERT(gh_str_eq(yaml_get(m->entries[0].options, GH_STR("a"))->text, GH_STR("d")));
	CU_ASSERT_EQUAL(yaml_get(m->entries[0].options, GH_STR("b"))->text.n, 0);
	manifest_free(m);
	setenv("GH_TEST_OTHER", "o", 1);
	CU_ASSERT_EQUAL_FATAL(parse("plugins: [ p: { a: ${GH_TEST_VALUE:-${GH_TEST_OTHER}} } ]", &m),
		0);
	CU_ASSERT(gh_str_eq(yaml_get(m->entries[0].options, GH_STR("a"))->text, GH_STR("o")));
	manifest_free(m);
	unsetenv("GH_TEST_OTHER");
	unsetenv("GH_TEST_VALUE");
}

#define LISTENER(more) "listeners:\n  - { name: a, chain: gateway, port: 80" more " }\nplugins: [p]"
#define TWO_LISTENERS(one, two) "listeners:\n  - { chain: gateway, " one " }\n" \
	"  - { chain: gateway, " two " }\nplugins: [p]"

static const struct {
	const char *text, *why;
} refused[] = {
	{ "", "m.yaml:1: a manifest is a mapping with the keys node, listeners and "
	      "plugins" },
	{ "- p", "m.yaml:1: a manifest is a mapping with the keys node, listeners and "
		 "plugins" },
	{ "plugins: [p]\nplugin: [q]",
		"m.yaml:2: plugin: unknown key; known are: node, log, access_log, pool, "
		"listeners, plugins" },
	{ "plugins: [p]\nplugins: [q]", "m.yaml:2: the key 'plugins' is given twice" },
	{ "node: {}", "m.yaml:1: plugins: names no plugin" },
	{ "plugins: []", "m.yaml:1: plugins: names no plugin" },
	{ "plugins: p", "m.yaml:1: plugins: must be a list" },
	{ "plugins:\n  - [p]",
		"m.yaml:2: plugins: an item is a plugin's name, alone or with its options "
		"indented below it" },
	{ "plugins:\n  - p:\n    a: 1",
		"m.yaml:2: plugins: an item is a plugin's name, alone or with its "
		"options indented below it" },
	{ "plugins: [ p: 1 ]",
		"m.yaml:1: plugins: p: must be followed by a mapping of options" },
	{ "plugins: [ '../p' ]",
		"m.yaml:1: plugins: a name has 1 to 64 letters, digits, '_', '-' and '.', "
		"and does not begin with '-' or '.'" },
	{ "plugins: [ p: { as: 'a b' } ]",
		"m.yaml:1: as: a name has 1 to 64 letters, digits, '_', '-' and "
		"'.', and does not begin with '-' or '.'" },
	{ "plugins: [ p: { dry_run: 1 } ]",
		"m.yaml:1: p: dry_run: must be true or false, without quotes" },
	{ "plugins: [ p: { on_error: die } ]",
		"m.yaml:1: p: on_error: must be one of: default, deny, allow" },
	{ "plugins: [ p: { needs: [x] } ]",
		"m.yaml:1: p: needs: must be a mapping of services to labels" },
	{ "plugins: [ p: { needs: { docs/1: [x] } } ]",
		"m.yaml:1: p: needs: docs/1: must be the label of an entry" },
	{ "node: { workers: many }\nplugins: [p]",
		"m.yaml:1: node: workers: must be a whole number, without quotes" },
	{ "log: { level: loud }\nplugins: [p]",
		"m.yaml:1: log: level: must be one of: emerg, alert, crit, error, warning, "
		"notice, info, debug" },
	{ "log: info\nplugins: [p]", "m.yaml:1: log: must be a mapping of keys to values" },
	{ "pool: { crypto: 0 }\nplugins: [p]",
		"m.yaml:1: pool: crypto: must be between 1 and 64" },
	{ "node: 1\nplugins: [p]", "m.yaml:1: node: must be a mapping of keys to values" },
	{ LISTENER(", x: 1"), "m.yaml:2: listener: x: unknown key; known are: name, chain, "
			      "engine, address, "
			      "port, tls, certificate_file, key_file, head_ms, idle_ms, "
			      "max_head_bytes, max_connections" },
	{ LISTENER(", address: localhost"),
		"m.yaml:2: listener 'a': address: must be a numeric IPv4 or IPv6 address" },
	{ LISTENER(", tls: true, key_file: k"),
		"m.yaml:2: listener 'a': certificate_file and key_file belong together" },
	{ LISTENER(", certificate_file: c, key_file: k"),
		"m.yaml:2: listener 'a': certificate_file: the listener has no tls" },
	{ "listeners: [ { name: a, chain: gateway } ]\nplugins: [p]",
		"m.yaml:1: listener: port: missing, and it has no default" },
	{ TWO_LISTENERS("name: a, port: 1", "name: a, port: 2"),
		"m.yaml:3: listener 'a': line 2 has one of that name" },
	{ TWO_LISTENERS("name: a, port: 1", "name: b, port: 1, address: 127.0.0.1"),
		"m.yaml:3: listener 'b': port 1 is taken by 'a' in line 2" },
	{ "node: { name: ${GH_TEST_NONE} }\nplugins: [p]",
		"m.yaml:1: the environment variable GH_TEST_NONE is not set and has no "
		"default" },
	{ "node: { name: ${GH_TEST_NONE:-${GH_TEST_NEITHER}} }\nplugins: [p]",
		"m.yaml:1: the environment variable GH_TEST_NEITHER is not set and has no "
		"default" },
	{ "plugins:\n  - p: { x: '${GH_TEST_NONE:-${GH_TEST_NONE:-a}}' }",
		"m.yaml:2: a reference to the environment looks like ${NAME} or "
		"${NAME:-default}; a literal ${ is written $${" },
	{ "plugins:\n  - p: { x: '${}' }",
		"m.yaml:2: a reference to the environment looks like ${NAME} or "
		"${NAME:-default}; a literal ${ is written $${" },
	{ "plugins:\n  - p: { x: \"\\uE0009\\uE001\" }",
		"m.yaml:2: a reference to the environment looks like "
		"${NAME} or ${NAME:-default}; a literal ${ is written $${" },
	{ "plugins:\n  - \xee\x80\x80",
		"m.yaml:2: the characters U+E000 and U+E001 are not allowed" },
	{ "plugins: [",
		"m.yaml:2: while parsing a flow node: did not find expected node content" },
};

static void
test_refused(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct manifest *m = NULL;

		CU_ASSERT_EQUAL(parse(refused[i].text, &m), GH_EINVAL);
		if (strcmp(error, refused[i].why) != 0)
			fprintf(stderr, "%s\n  %s\n", refused[i].text, error);
		CU_ASSERT_STRING_EQUAL(error, refused[i].why);
		manifest_free(m);
	}
}

static void
test_file(void)
{
	struct manifest *m = NULL;

	CU_ASSERT_EQUAL(manifest_load("/nowhere/m.yaml", &m, error, sizeof(error)), GH_ENOENT);
	CU_ASSERT_STRING_EQUAL(error, "/nowhere/m.yaml: cannot be read: No such file or directory");
	CU_ASSERT_EQUAL(manifest_load("/", &m, error, sizeof(error)), GH_EINVAL);
	CU_ASSERT_EQUAL(manifest_load("/dev/zero", &m, error, sizeof(error)), GH_ETOOBIG);
	CU_ASSERT_STRING_EQUAL(
		error, "/dev/zero:1: the text has 1048577 bytes, at most 1048576 are allowed");
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_defaults), UNIT_TEST(test_whole), UNIT_TEST(test_environment_is_no_syntax),
	UNIT_TEST(test_refused), UNIT_TEST(test_file), { NULL, NULL },
};

int
main(void)
{
	return unit_run("manifest", tests);
}
