/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_registry.c
 * @brief kernel/registry.c and the descriptor checks of kernel/loader.c, on plugins made here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/inst.h"
#include "tests/unit/unit.h"

static char error[512];

/* ---- Plugins --------------------------------------------------------------------------------- */

static const struct { uint32_t size; void (*fn)(void); } vtable = { sizeof(vtable), NULL };

#define PROVIDES(...) (const struct gh_service_row[]){ __VA_ARGS__, { NULL, NULL } }
#define NEEDS(...) (const char *const[]){ __VA_ARGS__, NULL }
#define MOUNTS(...) (const struct gh_mount_row[]){ __VA_ARGS__, { .prefix = NULL } }

static void
handle(void *process, const void *config, struct gh_call *call)
{
	(void)process;
	(void)config;
	(void)call;
}

static enum gh_verdict
hook(const void *config, struct gh_txn *txn)
{
	(void)config;
	(void)txn;
	return GH_NEXT;
}

static const struct gh_plugin plugins[] = {
	{ GH_PLUGIN_ABI, .name = "http", .version = "1",
		.provides = PROVIDES({ "engine/1", &vtable }) },
	{ GH_PLUGIN_ABI, .name = "store", .version = "1",
		.provides = PROVIDES({ "docs/1", &vtable }, { "feed/1", &vtable }) },
	{ GH_PLUGIN_ABI, .name = "user", .version = "1", .needs = NEEDS("docs/1") },
	{ GH_PLUGIN_ABI, .name = "maybe", .version = "1", .needs = NEEDS("?docs/1") },
	{ GH_PLUGIN_ABI, .name = "newer", .version = "1", .needs = NEEDS("docs/2") },
	{ GH_PLUGIN_ABI, .name = "chain", .version = "1",
		.provides = PROVIDES({ "identity/1", &vtable }), .needs = NEEDS("identity/1*") },
	{ GH_PLUGIN_ABI, .name = "local", .version = "1",
		.provides = PROVIDES({ "identity/1", &vtable }) },
	{ GH_PLUGIN_ABI, .name = "egg", .version = "1", .provides = PROVIDES({ "egg/1", &vtable }),
		.needs = NEEDS("hen/1") },
	{ GH_PLUGIN_ABI, .name = "hen", .version = "1", .provides = PROVIDES({ "hen/1", &vtable }),
		.needs = NEEDS("farm/1") },
	{ GH_PLUGIN_ABI, .name = "farm", .version = "1",
		.provides = PROVIDES({ "farm/1", &vtable }), .needs = NEEDS("egg/1") },
	{ GH_PLUGIN_ABI, .name = "farmer", .version = "1", .needs = NEEDS("farm/1") },
	{ GH_PLUGIN_ABI, .name = "portal", .version = "1",
		.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "/portal", .handler = handle }) },
	{ GH_PLUGIN_ABI, .name = "other", .version = "1",
		.mounts = MOUNTS({ GH_CHAIN_GATEWAY, "/portal", .handler = handle },
			{ GH_CHAIN_MANAGEMENT, "/portal", .handler = handle }) },
};

static int
load(const char *arg, struct gh_str name, const struct gh_plugin **ret_desc, void **ret_handle,
	char *why, size_t why_size)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (gh_str_eq(gh_str_of(plugins[i].name), name)) {
			*ret_desc = &plugins[i];
			*ret_handle = NULL;
			return krn_check_descriptor(&plugins[i], name, why, why_size);
		}
	snprintf(why, why_size, "plugin %.*s: find: none", GH_STR_ARG(name));
	return GH_ENOENT;
}

static int
make(const char *text, struct krn_set **ret_set)
{
	struct manifest *m = NULL;

	error[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(
		manifest_parse("m.yaml", gh_str_of(text), &m, error, sizeof(error)), 0);
	int r = krn_set_new_with(m, load, NULL, ret_set, error, sizeof(error));

	manifest_free(m); /* The set must not point into it. */
	return r;
}

/* ---- Sets ------------------------------------------------------------------------------------ */

static void
test_start_order(void)
{
	static const struct {
		const char *plugins, *order;
	} rows[] = {
		{ "[local, store, http]", "local store http" },
		{ "[user, store]", "store user" },
		{ "[maybe]", "maybe" },
		{ "[maybe, http, store]", "http store maybe" },
		{ "[chain]", "chain" },
		{ "[chain, http, local, local: { as: l2 }]", "http local l2 chain" },
		{ "[user, maybe, store, http]", "store user maybe http" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256], order[256] = "";
		struct krn_set *set = NULL;

		snprintf(text, sizeof(text), "plugins: %s", rows[i].plugins);
		CU_ASSERT_EQUAL_FATAL(make(text, &set), 0);
		for (size_t j = 0, used = 0; j < set->n; j++)
			used += (size_t)snprintf(order + used, sizeof(order) - used, "%s%.*s",
				j > 0 ? " " : "",
				GH_STR_ARG(set->insts[set->start_order[j]].label));
		CU_ASSERT_STRING_EQUAL(order, rows[i].order);
		krn_set_free(set);
	}
}

static void
test_bindings(void)
{
	struct krn_set *set = NULL;

	CU_ASSERT_EQUAL_FATAL(make("plugins:\n  - store: { as: one }\n  - store: { as: two }\n"
		"  - user: { needs: { docs/1: two } }\n  - chain\n  - local", &set), 0);
	const struct gh_inst *user = krn_set_find(set, GH_STR("user"));

	CU_ASSERT_EQUAL_FATAL(user->binding_count, 1);
	CU_ASSERT_PTR_EQUAL(user->bindings[0].provider, krn_set_find(set, GH_STR("two")));
	CU_ASSERT_PTR_EQUAL(user->bindings[0].vtable, &vtable);
	CU_ASSERT_STRING_EQUAL(user->bindings[0].need, "docs/1");
	krn_set_free(set);
}

static void
test_narrowed(void)
{
	struct krn_set *set = NULL;

	CU_ASSERT_EQUAL_FATAL(make("plugins:\n  - store: { as: one, provide: [feed/1] }\n"
		"  - store: { as: two, provide: docs/1 }\n  - user", &set), 0);
	const struct gh_inst *user = krn_set_find(set, GH_STR("user"));

	CU_ASSERT_EQUAL_FATAL(user->binding_count, 1);
	CU_ASSERT_PTR_EQUAL(user->bindings[0].provider, krn_set_find(set, GH_STR("two")));
	CU_ASSERT_PTR_NULL(krn_inst_service(krn_set_find(set, GH_STR("one")), GH_STR("docs/1")));
	CU_ASSERT_PTR_NULL(krn_set_find(set, GH_STR("store")));
	krn_set_free(set);
}

static void
test_set_refused(void)
{
	static const struct {
		const char *text;
		int r;
		const char *why;
	} rows[] = {
		{ "plugins: [none]", GH_ENOENT, "m.yaml:1: plugin none: find: none" },
		{ "plugins:\n  - store\n  - store", GH_ECONFLICT,
			"m.yaml:3: the label 'store' is taken by line 2: "
			"give one of them another with 'as'" },
		{ "plugins:\n  - user", GH_ENOENT,
			"m.yaml:2: user: needs docs/1, which no entry provides" },
		{ "plugins: [newer, store]", GH_EVERSION,
			"m.yaml:1: newer: needs docs/2, but 'store' provides docs/1" },
		{ "plugins: [store, store: { as: s2 }, user]", GH_ECONFLICT,
			"m.yaml:1: user: needs docs/1, which "
			"'store' and 's2' provide: choose with needs: { docs/1: LABEL }" },
		{ "plugins: [store, store: { as: s2 }, maybe]", GH_ECONFLICT,
			"m.yaml:1: maybe: needs docs/1, which "
			"'store' and 's2' provide: choose with needs: { docs/1: LABEL }" },
		{ "plugins: [store, user: { needs: { docs/1: s2 } }]", GH_ENOENT,
			"m.yaml:1: user: needs: docs/1: no entry has the label 's2'" },
		{ "plugins: [store, http, user: { needs: { docs/1: http } }]", GH_ENOENT,
			"m.yaml:1: user: needs: docs/1: 'http' does not provide it" },
		{ "plugins: [chain: { needs: { identity/1: chain } }]", GH_ECONFLICT,
			"m.yaml:1: chain: needs: identity/1: an entry cannot be its own provider" },
		{ "plugins: [store, user: { needs: { feed/1: store } }]", GH_ENOENT,
			"m.yaml:1: user: needs: plugin user does not need 'feed/1'" },
		{ "plugins: [store: { provide: [docs/2] }]", GH_ENOENT,
			"m.yaml:1: store: provide: plugin store does not provide 'docs/2'" },
		{ "plugins: [store: { provide: [docs/1, docs/1] }]", GH_ECONFLICT,
			"m.yaml:1: store: provide: 'docs/1' is given twice" },
		{ "plugins: [farmer, egg, hen, farm]", GH_ECONFLICT,
			"m.yaml:1: the needs form a cycle: farm -(egg/1)-> egg -(hen/1)-> hen "
			"-(farm/1)-> farm" },
		{ "plugins: [chain, chain: { as: c2 }]", GH_ECONFLICT,
			"m.yaml:1: the needs form a cycle: "
			"chain -(identity/1)-> c2 -(identity/1)-> chain" },
		{ "plugins:\n  - portal\n  - other", GH_ECONFLICT,
			"m.yaml:3: 'portal' and 'other' both mount /portal" },
		{ "plugins:\n  - portal\n  - portal: { as: p2 }", GH_ECONFLICT,
			"m.yaml:3: 'portal' and 'p2' both mount /portal" },
		{ "listeners: [ { name: a, chain: gateway, port: 80 } ]\nplugins: [store]",
			GH_ENOENT,
			"m.yaml:1: listener 'a': engine: no entry has the label 'http'" },
		{ "listeners: [ { name: a, chain: gateway, port: 80, engine: store } ]\nplugins: "
		  "[store]",
			GH_ENOENT,
			"m.yaml:1: listener 'a': engine: 'store' does not provide engine/1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct krn_set *set = NULL;

		CU_ASSERT_EQUAL(make(rows[i].text, &set), rows[i].r);
		if (strcmp(error, rows[i].why) != 0)
			fprintf(stderr, "%s\n  %s\n", rows[i].text, error);
		CU_ASSERT_STRING_EQUAL(error, rows[i].why);
		krn_set_free(set);
	}
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

#define DESCRIPTOR(...) { { GH_PLUGIN_ABI, .name = "p", .version = "1", __VA_ARGS__ }

static void
test_descriptor_refused(void)
{
	static const struct gh_hook_row late[] = { { (enum gh_phase)9, GH_AUTH, hook, NULL },
		{ .fn = NULL } };
	static const struct gh_hook_row odd[] = { { GH_LIMIT, (enum gh_class)7, hook, NULL },
		{ .fn = NULL } };
	static const struct gh_event_row deaf[] = { { "revoked", NULL, 1 }, { .name = NULL } };
	static const uint32_t no_size = 0;
	const struct {
		struct gh_plugin desc;
		const char *why;
	} rows[] = {
		DESCRIPTOR(.hooks = NULL), NULL },
		DESCRIPTOR(.hooks = late), "hooks: hook 1 is in the unknown phase 9" },
		DESCRIPTOR(.hooks = odd), "hooks: hook 1 is of the unknown class 7" },
		DESCRIPTOR(.events = deaf), "events: subscription 1 has no name or no function" },
		DESCRIPTOR(.provides = PROVIDES({ "docs", &vtable })),
			"provides: 'docs' is not of the form name/number" },
		DESCRIPTOR(.provides = PROVIDES({ "docs/1", NULL })),
			"provides: docs/1 has no vtable, or its vtable has no size" },
		DESCRIPTOR(.provides = PROVIDES({ "docs/1", &no_size })),
			"provides: docs/1 has no vtable, or its vtable has no size" },
		DESCRIPTOR(.provides = PROVIDES({ "docs/1", &vtable }, { "docs/1", &vtable })),
			"provides: docs/1 stands in the table twice" }
, DESCRIPTOR(.needs = NEEDS("?docs/1*")),
	"needs: '?docs/1*' is not of the form name/number, ?name/number or name/number*"
}
, DESCRIPTOR(.needs = NEEDS("docs/1", "?docs/1")), "needs: ?docs/1 stands in the table twice"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "/a", .hook = hook, .handler = handle })),
	"mounts: /a must have either a hook or a handler"
}
, DESCRIPTOR(.mounts = MOUNTS({ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/a" })),
	"mounts: /a must have either a hook or a handler"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "a", .hook = hook })),
	"mounts: the prefix 'a' does not begin with '/'"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "/a/", .hook = hook })),
	"mounts: the prefix '/a/' ends with '/'"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "/a/../b", .hook = hook })),
	"mounts: the prefix '/a/../b' contains an empty or a dot segment"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "//a", .hook = hook })),
	"mounts: the prefix '//a' contains an empty or a dot segment"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_MANAGEMENT, "/a?b", .hook = hook })),
	"mounts: the prefix '/a?b' contains a character that no canonical path has"
}
, DESCRIPTOR(.mounts = MOUNTS({ (enum gh_chain)3, "/a", .hook = hook })),
	"mounts: /a is in the unknown chain 3"
}
,
	DESCRIPTOR(.mounts = MOUNTS(
			   { GH_CHAIN_GATEWAY, "/a", .handler = handle, .lane = (enum gh_lane)3 })),
	"mounts: /a runs on the unknown lane 3"
}
, DESCRIPTOR(.mounts = MOUNTS({ GH_CHAIN_GATEWAY, "/", .hook = hook })), NULL
}
,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = krn_check_descriptor(&rows[i].desc, GH_STR("p"), error, sizeof(error));

		CU_ASSERT_EQUAL(r, rows[i].why == NULL ? 0 : GH_EINVAL);
		if (r < 0)
			CU_ASSERT_STRING_EQUAL(error + strlen("plugin p: "), rows[i].why);
	}
}

static void
test_abi_refused(void)
{
	const struct gh_plugin good = { GH_PLUGIN_ABI, .name = "p", .version = "1" };
	struct gh_plugin bad = good;

	bad.abi_major = 7;
	CU_ASSERT_EQUAL(krn_check_descriptor(&bad, GH_STR("p"), error, sizeof(error)), GH_EVERSION);
	CU_ASSERT_STRING_EQUAL(
		error, "plugin p: descriptor: it was built for ABI 7.2, this is ABI 0.2");
	bad = good;
	bad.abi_minor++;
	CU_ASSERT_EQUAL(krn_check_descriptor(&bad, GH_STR("p"), error, sizeof(error)), GH_EVERSION);
	bad = good;
	bad.size -= 8;
	CU_ASSERT_EQUAL(krn_check_descriptor(&bad, GH_STR("p"), error, sizeof(error)), GH_EVERSION);
	bad = good;
	bad.hook_size++;
	CU_ASSERT_EQUAL(krn_check_descriptor(&bad, GH_STR("p"), error, sizeof(error)), GH_EVERSION);
	CU_ASSERT_EQUAL(krn_check_descriptor(&good, GH_STR("q"), error, sizeof(error)), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "plugin q: descriptor: it calls itself 'p', unlike its file");
}

static void
test_plugin_path(void)
{
	const char *path = ":/a::/b/c:";
	struct gh_str dir;

	CU_ASSERT(krn_plugin_path_next(&path, &dir) && gh_str_eq(dir, GH_STR("/a")));
	CU_ASSERT(krn_plugin_path_next(&path, &dir) && gh_str_eq(dir, GH_STR("/b/c")));
	CU_ASSERT_FALSE(krn_plugin_path_next(&path, &dir));
	CU_ASSERT_STRING_EQUAL(krn_plugin_path("/x"), "/x");
	setenv("GATEHOUSE_PLUGIN_PATH", "/y", 1);
	CU_ASSERT_STRING_EQUAL(krn_plugin_path(NULL), "/y");
	unsetenv("GATEHOUSE_PLUGIN_PATH");
}

static void
test_load_refused(void)
{
	const struct gh_plugin *desc;
	void *handle_;

	CU_ASSERT_EQUAL(krn_load("/nowhere", GH_STR("p"), &desc, &handle_, error, sizeof(error)),
		GH_ENOENT);
	CU_ASSERT_STRING_EQUAL(error, "plugin p: find: no file p.so in /nowhere");
	CU_ASSERT_EQUAL(krn_load("/nowhere", GH_STR("../p"), &desc, &handle_, error, sizeof(error)),
		GH_EINVAL);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_start_order),
	UNIT_TEST(test_bindings),
	UNIT_TEST(test_narrowed),
	UNIT_TEST(test_set_refused),
	UNIT_TEST(test_descriptor_refused),
	UNIT_TEST(test_abi_refused),
	UNIT_TEST(test_plugin_path),
	UNIT_TEST(test_load_refused),
	{ NULL, NULL },
};

int
main(void)
{
	return unit_run("registry", tests);
}
