/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_leveldb.c
 * @brief The plugin leveldb: documents, indexes, words, opening, failures.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/leveldb_short.h"

static struct gh_str
api(const char *name, const char *version, const char *provider)
{
	char context[100];

	snprintf(context, sizeof(context), "/%s", name);
	return kit_body("name", name, "version", version, "context", context, "provider", provider,
		NULL);
}

/* ---- Documents ----------------------------------------------------------------------------- */

static void
test_put_get_delete(void)
{
	struct gh_docs_found *found = NULL;

	setup("documents");
	CU_ASSERT_EQUAL(put("user", "alice", kit_body("name", "Alice", NULL)), 0);
	CU_ASSERT_EQUAL_FATAL(kit.docs.vt->get(kit.docs.self, T, GH_STR("user"), GH_STR("alice"),
		&found), 0);
	CU_ASSERT_EQUAL(found->n, 1);
	CU_ASSERT(gh_str_eq(found->docs[0].id, GH_STR("alice")));
	CU_ASSERT(gh_str_eq(found->docs[0].kind, GH_STR("user")));
	CU_ASSERT(gh_str_eq(found->docs[0].tenant, T));
	CU_ASSERT(gh_str_eq(doc_str(found->docs[0].body, "name"), GH_STR("Alice")));
	kit.docs.vt->found_free(found);
	/* another tenant has its own */
	CU_ASSERT_EQUAL(kit.docs.vt->get(kit.docs.self, GH_STR("t2"), GH_STR("user"),
		GH_STR("alice"), &found), GH_ENOENT);
	uint64_t first = rev_of("user", "alice");

	CU_ASSERT_EQUAL(put("user", "alice", kit_body("name", "Alice B.", NULL)), 0);
	CU_ASSERT(rev_of("user", "alice") > first);
	reopen();
	CU_ASSERT_EQUAL(rev_of("user", "alice"), first + 1);
	CU_ASSERT_EQUAL(delete_rev("user", "alice", GH_REV_ANY), 0);
	CU_ASSERT_EQUAL(rev_of("user", "alice"), 0);
	CU_ASSERT_EQUAL(delete_rev("user", "alice", GH_REV_ANY), 0); /* nothing to do is no error */
	kit_close(&kit);
}

static void
test_revisions(void)
{
	setup("revisions");
	CU_ASSERT_EQUAL(put_rev("user", "a", kit_body("n", "1", NULL), GH_REV_NONE), 0);
	CU_ASSERT_EQUAL(put_rev("user", "a", kit_body("n", "2", NULL), GH_REV_NONE), GH_ECONFLICT);
	uint64_t rev = rev_of("user", "a");

	CU_ASSERT_EQUAL(put_rev("user", "a", kit_body("n", "2", NULL), rev + 1), GH_ECONFLICT);
	CU_ASSERT_EQUAL(put_rev("user", "a", kit_body("n", "2", NULL), rev), 0);
	CU_ASSERT_EQUAL(put_rev("user", "a", kit_body("n", "3", NULL), rev), GH_ECONFLICT);
	CU_ASSERT_EQUAL(put_rev("user", "b", kit_body("n", "1", NULL), 7), GH_ECONFLICT);
	CU_ASSERT_EQUAL(delete_rev("user", "b", 7), GH_ENOENT);
	CU_ASSERT_EQUAL(delete_rev("user", "a", rev), GH_ECONFLICT);
	CU_ASSERT_EQUAL(delete_rev("user", "a", rev_of("user", "a")), 0);
	kit_close(&kit);
}

static const char megabytes[(8 << 20) + 1];

static void
test_refusals(void)
{
	static const char long_id[256] = "x";
	struct gh_str body = kit_body("name", "a", NULL);
	struct {
		struct gh_doc_op op;
		int expected;
	} rows[] = {
		{ op_put("t1", "no_such_kind", "a", body, GH_REV_ANY), GH_EINVAL },
		{ op_put("", "user", "a", body, GH_REV_ANY), GH_EINVAL },
		{ op_put("t1", "user", "", body, GH_REV_ANY), GH_EINVAL },
		{ op_put("t1", "user", "a", GH_STR(""), GH_REV_ANY), GH_EINVAL },
		{ op_put("t1", "user", "a", GH_STR("\x90"), GH_REV_ANY), GH_EINVAL },
		{ op_put("t1", "user", "a", (struct gh_str){ megabytes, sizeof(megabytes) },
			GH_REV_ANY), GH_ETOOBIG },
		{ op_put("t1", "user", "a", body, GH_REV_ANY), 0 },
	};

	setup("refusals");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(commit(&rows[i].op, 1, NULL, NULL), rows[i].expected);
	struct gh_doc_op op = rows[6].op;

	op.id = (struct gh_str){ long_id, 256 };
	CU_ASSERT_EQUAL(commit(&op, 1, NULL, NULL), GH_EINVAL);
	op.id.n = 255;
	CU_ASSERT_EQUAL(commit(&op, 1, NULL, NULL), 0);
	CU_ASSERT_EQUAL(commit(&op, 0, NULL, NULL), GH_EINVAL);
	struct gh_doc_op twice[] = { op, op };

	CU_ASSERT_EQUAL(commit(twice, 2, NULL, NULL), GH_EINVAL);
	free((void *)body.p);
	kit_close(&kit);
}

static void
test_index_value_too_long(void)
{
	char name[LDB_INDEX_VALUE_MAX + 2];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setup("longvalue");
	CU_ASSERT_EQUAL(put("application", "1", kit_body("owner", "o", "name", name, NULL)),
		GH_ETOOBIG);
	name[LDB_INDEX_VALUE_MAX] = '\0';
	CU_ASSERT_EQUAL(put("application", "1", kit_body("owner", "o", "name", name, NULL)), 0);
	kit_close(&kit);
}

static void
test_batch_is_atomic(void)
{
	struct gh_str body = kit_body("n", "1", NULL);
	struct gh_doc_op ops[] = {
		op_put("t1", "user", "a", body, GH_REV_ANY),
		op_put("t1", "issuer_key", "k", body, GH_REV_ANY),
		op_put("t1", "user", "b", body, 99), /* fails */
	};
	size_t failed = 0;
	uint64_t seq = 0, next = 0;

	setup("atomic");
	CU_ASSERT_EQUAL(commit(ops, 2, &seq, NULL), 0);
	CU_ASSERT_EQUAL(delete_rev("user", "a", GH_REV_ANY), 0);
	CU_ASSERT_EQUAL(commit(ops, 3, NULL, &failed), GH_ECONFLICT);
	CU_ASSERT_EQUAL(failed, 2);
	CU_ASSERT_EQUAL(rev_of("user", "a"), 0);
	CU_ASSERT_EQUAL(rev_of("issuer_key", "k"), seq);
	CU_ASSERT_EQUAL(commit(ops, 2, &next, NULL), 0);
	CU_ASSERT_EQUAL(next, seq + 2); /* the failed one took no number */
	free((void *)body.p);
	kit_close(&kit);
}

static void
test_unique_keys(void)
{
	size_t failed = 9;

	setup("unique");
	CU_ASSERT_EQUAL(put("api", "1", api("books", "1.0", "alice")), 0);
	CU_ASSERT_EQUAL(put("api", "2", api("books", "1.0", "bob")), GH_ECONFLICT);
	CU_ASSERT_EQUAL(put("api", "2", api("books", "2.0", "bob")), 0);
	CU_ASSERT_EQUAL(put("api", "1", api("books", "1.0", "carol")), 0); /* its own */
	CU_ASSERT_EQUAL(put("api", "1", api("books", "2.0", "carol")), GH_ECONFLICT);
	/* a document without the fields is in no index */
	CU_ASSERT_EQUAL(put("api", "3", kit_body("state", "CREATED", NULL)), 0);
	CU_ASSERT_EQUAL(put("api", "4", kit_body("state", "CREATED", NULL)), 0);
	/* two documents exchange their values in one batch */
	struct gh_str one = api("books", "1.0", "x"), two = api("books", "2.0", "x");
	struct gh_doc_op ops[] = { op_put("t1", "api", "1", two, GH_REV_ANY),
		op_put("t1", "api", "2", one, GH_REV_ANY) };

	CU_ASSERT_EQUAL(commit(ops, 2, NULL, NULL), 0);
	ops[0] = op_put("t1", "api", "5", one, GH_REV_ANY);
	CU_ASSERT_EQUAL(commit(ops, 1, NULL, &failed), GH_ECONFLICT);
	CU_ASSERT_EQUAL(failed, 0);
	/* the value is free again, in the same batch and for another tenant */
	ops[0] = op_delete("t1", "api", "2", GH_REV_ANY);
	ops[1] = op_put("t1", "api", "5", one, GH_REV_ANY);
	CU_ASSERT_EQUAL(commit(ops, 2, NULL, NULL), 0);
	ops[0] = op_put("t2", "api", "1", one, GH_REV_ANY);
	CU_ASSERT_EQUAL(commit(ops, 1, NULL, NULL), 0);
	free((void *)one.p);
	free((void *)two.p);
	kit_close(&kit);
}

#define THREADS 8
#define COMMITS 40

struct contender {
	pthread_t thread;
	unsigned number, won;
	uint64_t seqs[COMMITS];
};

/** Each commits documents of its own, and tries to take the same unique names as the others. */
static void *
contend(void *arg)
{
	struct contender *c = arg;

	for (unsigned i = 0; i < COMMITS; i++) {
		char id[40], name[40];

		snprintf(id, sizeof(id), "%u-%u", c->number, i);
		snprintf(name, sizeof(name), "name%u", i);
		struct gh_str body = kit_body("owner", "o", "name", name, NULL);
		struct gh_str other = kit_body("n", id, NULL);
		struct gh_doc_op op = op_put("t1", "user", id, other, GH_REV_NONE);

		if (commit(&op, 1, &c->seqs[i], NULL) < 0)
			c->seqs[i] = 0;
		op = op_put("t1", "application", id, body, GH_REV_NONE);
		if (commit(&op, 1, NULL, NULL) == 0)
			c->won++;
		free((void *)body.p);
		free((void *)other.p);
	}
	return NULL;
}

static void
test_commits_at_the_same_time(void)
{
	static struct contender contenders[THREADS];
	unsigned won = 0;
	char seen[THREADS * COMMITS * 2 + 1] = "";

	setup("contend");
	for (unsigned i = 0; i < THREADS; i++) {
		contenders[i] = (struct contender){ .number = i };
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(contenders[i].thread, NULL);
		won += contenders[i].won;
		for (unsigned k = 0; k < COMMITS; k++) {
			uint64_t seq = contenders[i].seqs[k];

			CU_ASSERT_FATAL(seq > 0 && seq <= THREADS * COMMITS + COMMITS);
			CU_ASSERT_FALSE(seen[seq]);
			seen[seq] = 1;
		}
	}
	CU_ASSERT_EQUAL(won, COMMITS); /* one of them got each name */
	CU_ASSERT_EQUAL(kit.process.writer.last_seq, THREADS * COMMITS + COMMITS);
	kit_close(&kit);
}

/* ---- Find ---------------------------------------------------------------------------------- */

/** Ids of what a find gives, as "a,b,c" or "error N". */
static const char *
ids(const struct gh_find *find, struct gh_docs_found **ret_found)
{
	static char text[2000];
	struct gh_docs_found *found;
	struct gh_find limited = *find;
	size_t n = 0;

	if (limited.limit == 0)
		limited.limit = 100;
	int r = kit.docs.vt->find(kit.docs.self, &limited, &found);

	if (r < 0) {
		snprintf(text, sizeof(text), "error %d", r);
		return text;
	}
	text[0] = '\0';
	for (size_t i = 0; i < found->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", i > 0 ? "," : "",
			GH_STR_ARG(found->docs[i].id));
	if (ret_found != NULL)
		*ret_found = found;
	else
		kit.docs.vt->found_free(found);
	return text;
}

static void
put_subscriptions(void)
{
	static const struct {
		const char *id, *api;
		int64_t created;
	} rows[] = {
		{ "s1", "books", 100 }, { "s2", "books", -5 }, { "s3", "books", 300 },
		{ "s4", "bo", 200 },    { "s5", "tea", 100 },  { "s6", "books", 200 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(put("subscription", rows[i].id,
			body_at("created_at_s", rows[i].created, "api_id", rows[i].api)), 0);
	CU_ASSERT_EQUAL(put("subscription", "s7", kit_body("tier", "Gold", NULL)), 0);
}

#define V(...) .equal = (const struct gh_str[]){ __VA_ARGS__ }, \
	.equal_count = sizeof((const struct gh_str[]){ __VA_ARGS__ }) / sizeof(struct gh_str)
/** A find on subscriptions; a limit left out is 100 in ids(). */
#define F(...) { .tenant = { "t1", 2 }, .kind = { "subscription", 12 }, __VA_ARGS__ }

static void
test_find_in_index(void)
{
	const struct {
		struct gh_find find;
		const char *expected;
	} rows[] = {
		{ F(.index = NULL), "s1,s2,s3,s4,s5,s6,s7" },
		{ F(.index = NULL, .descending = true), "s7,s6,s5,s4,s3,s2,s1" },
		{ F(.index = NULL, .from = { "s2", 2 }, .to = { "s4", 2 }), "s2,s3,s4" },
		{ F(.index = NULL, .from = { "s", 1 }, .is_prefix = true, .limit = 2), "s1,s2" },
		{ F(.index = NULL, .offset = 5), "s6,s7" },
		{ F(.index = "api"), "s4,s2,s1,s6,s3,s5" },
		{ F(.index = "api", V({ "books", 5 })), "s2,s1,s6,s3" },
		{ F(.index = "api", V({ "books", 5 }), .descending = true), "s3,s6,s1,s2" },
		{ F(.index = "api", V({ "books", 5 }, { "200", 3 })), "s6" },
		{ F(.index = "api", V({ "books", 5 }, { "-5", 2 })), "s2" },
		{ F(.index = "api", V({ "book", 4 })), "" },
		{ F(.index = "api", V({ "books", 5 }), .from = { "100", 3 }), "s1,s6,s3" },
		{ F(.index = "api", V({ "books", 5 }), .to = { "100", 3 }), "s2,s1" },
		{ F(.index = "api", V({ "books", 5 }), .from = { "0", 1 }, .to = { "200", 3 }),
			"s1,s6" },
		{ F(.index = "api", .from = { "bo", 2 }, .is_prefix = true), "s4,s2,s1,s6,s3" },
		{ F(.index = "api", .from = { "bo", 2 }, .to = { "bo", 2 }), "s4" },
		{ F(.index = "api", .from = { "boo", 3 }, .to = { "tea", 3 }), "s2,s1,s6,s3,s5" },
		{ F(.index = "no_such"), "error -2" },
		{ F(.index = NULL, V({ "s1", 2 })), "error -2" },
		{ F(.index = "api", V({ "books", 5 }, { "x", 1 })), "error -2" },
		{ F(.index = "api", V({ "books", 5 }, { "9223372036854775808", 19 })), "error -2" },
		{ F(.index = "api", V({ "books", 5 }), .from = { "1", 1 }, .is_prefix = true),
			"error -2" },
		{ F(.index = "api", V({ "a", 1 }, { "1", 1 }, { "2", 1 })), "error -2" },
		{ F(.index = "api", .limit = GH_FIND_MAX + 1), "error -2" },
	};

	setup("find");
	put_subscriptions();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = ids(&rows[i].find, NULL);

		if (strcmp(got, rows[i].expected) != 0)
			printf("\n  row %zu: %s instead of %s\n", i, got, rows[i].expected);
		CU_ASSERT_STRING_EQUAL(got, rows[i].expected);
	}
	/* entries follow the document */
	CU_ASSERT_EQUAL(put("subscription", "s6", body_at("created_at_s", 1, "api_id", "tea")), 0);
	CU_ASSERT_EQUAL(delete_rev("subscription", "s3", GH_REV_ANY), 0);
	CU_ASSERT_STRING_EQUAL(ids(&rows[6].find, NULL), "s2,s1");
	kit_close(&kit);
}

/** Walk all pages of a find. */
static void
expect_pages(struct gh_find find, const char *const *pages, uint64_t total)
{
	struct gh_docs_found *found = NULL;
	char cursor[600];

	for (;; pages++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(*pages);
		CU_ASSERT_STRING_EQUAL(ids(&find, &found), *pages);
		CU_ASSERT_EQUAL(found->total, total);
		CU_ASSERT_FATAL(found->next.n < sizeof(cursor));
		bool is_last = found->next.n == 0;

		memcpy(cursor, found->next.p, found->next.n);
		find.cursor = (struct gh_str){ cursor, found->next.n };
		kit.docs.vt->found_free(found);
		if (is_last)
			break;
	}
	CU_ASSERT_PTR_NULL(pages[1]);
}

static void
test_find_pages(void)
{
	struct gh_find find = F(.index = "api", .limit = 2);
	struct gh_str body = body_at("created_at_s", 1, "api_id", "books");
	struct gh_doc_op op = op_put("t0", "subscription", "other", body, GH_REV_ANY);

	setup("pages");
	put_subscriptions();
	CU_ASSERT_EQUAL(commit(&op, 1, NULL, NULL), 0);
	expect_pages(find, (const char *const[]){ "s4,s2", "s1,s6", "s3,s5", NULL }, 6);
	find.descending = true;
	expect_pages(find, (const char *const[]){ "s5,s3", "s6,s1", "s2,s4", NULL }, 6);
	find.tenant = GH_STR_NONE; /* all tenants */
	find.limit = 3;
	expect_pages(find, (const char *const[]){ "s5,s3,s6", "s1,s2,s4", "other", NULL }, 7);
	find.descending = false;
	expect_pages(find, (const char *const[]){ "other,s4,s2", "s1,s6,s3", "s5", NULL }, 7);
	find.index = NULL;
	struct gh_docs_found *none;

	find.limit = 0;
	CU_ASSERT_EQUAL(kit.docs.vt->find(kit.docs.self, &find, &none), GH_EINVAL);
	find.limit = 7;
	expect_pages(find, (const char *const[]){ "other,s1,s2,s3,s4,s5,s6", "s7", NULL }, 8);
	/* a cursor from outside changes only where to begin */
	find.cursor = GH_STR("\xff\xff nonsense");
	CU_ASSERT_STRING_EQUAL(ids(&find, NULL), "");
	find.cursor = GH_STR("\x00");
	find.tenant = T;
	CU_ASSERT_STRING_EQUAL(ids(&find, NULL), "s1,s2,s3,s4,s5,s6,s7");
	free((void *)body.p);
	kit_close(&kit);
}

#undef F
#define F(query, ...) { .tenant = { "t1", 2 }, .kind = { "api", 3 }, .index = "text", \
	.equal = &GH_STR(query), .equal_count = 1, __VA_ARGS__ }

static void
test_find_words(void)
{
	const struct {
		struct gh_find find;
		const char *expected;
	} rows[] = {
		{ F("books"), "1,2" },
		{ F("BOO"), "1,2" },
		{ F("alice"), "1,3" },
		{ F("alice boo"), "1" },
		{ F("boo alice"), "" }, /* only the last word is a prefix */
		{ F("books 2"), "1,2" },
		{ F("books 2.0"), "2" },
		{ F("\xc3\x84PFEL"), "3" }, /* Ä folds to ä */
		{ F("\xc3\xa4pfel tee"), "3" },
		{ F("a", .limit = 2), "1,2" },
		{ F("a", .descending = true), "3,2,1" },
		{ F("nothing"), "" },
		{ F(" - "), "" },
		{ F("books", .from = { "x", 1 }), "error -2" },
	};

	setup("words");
	CU_ASSERT_EQUAL(put("api", "1", api("Books-API", "1.2", "alice")), 0);
	CU_ASSERT_EQUAL(put("api", "2", api("books", "2.0", "admin")), 0);
	CU_ASSERT_EQUAL(put("api", "3", api("\xc3\xa4pfel & Tee", "3", "alice")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = ids(&rows[i].find, NULL);

		if (strcmp(got, rows[i].expected) != 0)
			printf("\n  row %zu: %s instead of %s\n", i, got, rows[i].expected);
		CU_ASSERT_STRING_EQUAL(got, rows[i].expected);
	}
	struct gh_find find = F("a", .limit = 2);

	expect_pages(find, (const char *const[]){ "1,2", "3", NULL }, 3);
	find.tenant = GH_STR_NONE;
	find.descending = true;
	expect_pages(find, (const char *const[]){ "3,2", "1", NULL }, 3);
	CU_ASSERT_EQUAL(put("api", "1", api("pens", "1.2", "bob")), 0);
	find = (struct gh_find)F("books");
	CU_ASSERT_STRING_EQUAL(ids(&find, NULL), "2");
	kit_close(&kit);
}

/* ---- What may go wrong --------------------------------------------------------------------- */

static void
write_file(const char *name, const char *text)
{
	char path[200];

	path_in_state(path, sizeof(path), name);
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

/** Opening must fail with @p expected and log a sentence that names the directory. */
static void
refuse(const char *name, int expected, const char *sentence)
{
	struct ldb_config config = kit_config(name);
	struct kit other;

	CU_ASSERT_EQUAL(kit_open(&other, &config), expected);
	if (strstr(kit_last_log(), sentence) == NULL)
		printf("\n  %s\n", kit_last_log());
	CU_ASSERT_PTR_NOT_NULL(strstr(kit_last_log(), sentence));
	CU_ASSERT_PTR_NOT_NULL(strstr(kit_last_log(), name));
}

static void
test_open_refusals(void)
{
	char path[200];
	struct stat st;

	setup("deep/er/database");
	path_in_state(path, sizeof(path), "deep/er/database");
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	refuse("deep/er/database", GH_EAGAIN, "in use by another process");
	kit_close(&kit);
	write_file("deep/er/database/CURRENT", "nonsense\n");
	refuse("deep/er/database", GH_EIO, "is damaged");
	write_file("deep/er/database/CURRENT", "nonsense");
	refuse("deep/er/database", GH_EIO, "is damaged");
	write_file("a_file", "");
	refuse("a_file", GH_EIO, "Not a directory");
	refuse("a_file/below", GH_EIO, "Not a directory");
}

static void
test_schema_of_others(void)
{
	setup("newer");
	kit_close(&kit);
	tamper("newer", "\0schema", 7, "\0\0\0\2", 4);
	refuse("newer", GH_EVERSION, "newer version");
	tamper("foreign", "key", 3, "value", 5);
	refuse("foreign", GH_EVERSION, "not one of Gatehouse");
}

static void
test_indexes_are_made_anew(void)
{
	const struct gh_find by_provider = { .tenant = T, .kind = GH_STR("api"), .limit = 9,
		.index = "provider", V(GH_STR("bob")) };

	setup("reindex");
	put("api", "1", api("books", "1", "alice"));
	put("api", "2", api("books", "2", "bob"));
	kit_close(&kit);
	tamper("reindex", "\0kind/1", 7, "declared otherwise", 18);
	tamper("reindex", "\2\0\1\2t1\0\0bob\0\0ghost", 19, "", 0); /* to be removed */
	setup("reindex");
	CU_ASSERT_STRING_EQUAL(ids(&by_provider, NULL), "2");
	CU_ASSERT_EQUAL(put("api", "3", api("books", "2", "x")), GH_ECONFLICT);
	kit_close(&kit);
	/* what is not unique cannot become so: here two documents lost their entries */
	tamper("reindex", "\1\0\1t1\0\0" "9", 9,
		"\0\0\0\0\0\0\0\1\x82\xa4name\xa5" "books\xa7version\xa1" "2", 30);
	tamper("reindex", "\0kind/1", 7, "declared otherwise", 18);
	refuse("reindex", GH_ECONFLICT, "unique");
}

/** Bytes that the process may write into one file. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int
count_batch(void *arg, const struct gh_feed_batch *batch)
{
	uint64_t *batches = arg;

	CU_ASSERT_EQUAL(batch->seq, ++*batches);
	return 0;
}

/** The disk is full for a while: what was acknowledged stays, what was not is not there. */
static void
test_full_disk(void)
{
	char id[40], text[3000];
	unsigned acknowledged = 0, refused = 0;
	uint64_t rev;

	signal(SIGXFSZ, SIG_IGN);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	setup("full");
	limit_files(100000);
	for (unsigned i = 0; i < 200 && refused < 5; i++) {
		snprintf(id, sizeof(id), "u%u", i);
		int r = put("user", id, kit_body("text", text, NULL));

		CU_ASSERT(r == 0 || r == GH_EIO);
		if (r == 0)
			acknowledged++;
		else
			refused++;
		if (r == GH_EIO)
			limit_files(1); /* not even opening again works any more */
	}
	CU_ASSERT(acknowledged > 10);
	CU_ASSERT_EQUAL(refused, 5);
	CU_ASSERT_FALSE(kit_is_ready);
	EVENTUALLY(get_rev("user", "u0", &rev) == GH_EIO); /* the writer has tried to open it */
	limit_files(RLIM_INFINITY);
	EVENTUALLY(put("user", "after", kit_body("text", "t", NULL)) == 0);
	CU_ASSERT(kit_is_ready);
	for (unsigned turn = 0; turn < 2; turn++) {
		uint64_t batches = 0;

		CU_ASSERT_EQUAL(
			kit.feed.vt->read(kit.feed.self, 0, 0, count_batch, &batches), 0);
		for (unsigned i = 0; i < acknowledged; i++) {
			snprintf(id, sizeof(id), "u%u", i);
			CU_ASSERT(rev_of("user", id) > 0);
		}
		CU_ASSERT(rev_of("user", "after") > 0);
		CU_ASSERT_EQUAL(batches, kit.process.writer.last_seq);
		reopen();
	}
	CU_ASSERT_EQUAL(put("user", "more", kit_body("text", "t", NULL)), 0);
	kit_close(&kit);
	signal(SIGXFSZ, SIG_DFL);
}

static void
test_call_on_worker(void)
{
	setup("worker");
	pid_t child = fork();

	if (child == 0) {
		struct gh_docs_found *found;

		signal(SIGABRT, SIG_DFL);
		freopen("/dev/null", "w", stderr);
		kit_is_worker = true;
		kit.docs.vt->get(kit.docs.self, T, GH_STR("user"), GH_STR("u"), &found);
		_exit(0);
	}
	int status = 0;

	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	kit_close(&kit);
}

/* ---- Parts --------------------------------------------------------------------------------- */

static void
test_keys_sort_as_values(void)
{
	static const struct gh_str sorted[] = {
		{ "", 0 }, { "\0", 1 }, { "\0\0", 2 }, { "\0\1", 2 }, { "\1", 1 }, { "a", 1 },
		{ "a\0", 2 }, { "a\0b", 3 }, { "a\1", 2 }, { "aa", 2 },
		{ "\xff", 1 }, { "\xff\xff", 2 },
	};
	static const int64_t numbers[] = { INT64_MIN, -256, -255, -1, 0, 1, 255, 256, INT64_MAX };
	struct ldb_buf previous = { .n = 0 }, key = { .n = 0 }, back = { .n = 0 };
	struct gh_str raw, rest;

	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
		ldb_buf_reset(&key);
		ldb_put_escaped(&key, sorted[i]);
		ldb_put_end(&key);
		ldb_put_str(&key, GH_STR("\xff")); /* whatever follows */
		CU_ASSERT(i == 0 || ldb_compare(ldb_buf_str(&previous), ldb_buf_str(&key)) < 0);
		rest = ldb_buf_str(&key);
		CU_ASSERT(ldb_take_escaped(&rest, &raw));
		CU_ASSERT_EQUAL(rest.n, 1);
		ldb_buf_reset(&back);
		ldb_put_unescaped(&back, raw);
		CU_ASSERT(gh_str_eq(ldb_buf_str(&back), sorted[i]));
		ldb_buf_reset(&previous);
		ldb_put_str(&previous, ldb_buf_str(&key));
	}
	ldb_buf_reset(&previous);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		ldb_buf_reset(&key);
		ldb_put_integer(&key, numbers[i]);
		CU_ASSERT(ldb_compare(ldb_buf_str(&previous), ldb_buf_str(&key)) < 0);
		ldb_buf_reset(&previous);
		ldb_put_str(&previous, ldb_buf_str(&key));
	}
	rest = GH_STR("no end\0");
	CU_ASSERT_FALSE(ldb_take_escaped(&rest, NULL));
	ldb_buf_free(&previous);
	ldb_buf_free(&key);
	ldb_buf_free(&back);
}

static void
test_overlay(void)
{
	struct ldb_overlay o = { .n = 0 };

	CU_ASSERT_EQUAL(ldb_overlay_put(&o, GH_STR("a"), GH_STR("1")), 0);
	CU_ASSERT_EQUAL(ldb_overlay_put(&o, GH_STR("a"), GH_STR("2")), 0);
	size_t mark = o.n;

	CU_ASSERT_EQUAL(ldb_overlay_delete(&o, GH_STR("a")), 0);
	CU_ASSERT_EQUAL(ldb_overlay_put(&o, GH_STR("b"), GH_STR("3")), 0);
	CU_ASSERT(ldb_overlay_find(&o, GH_STR("a"))->is_delete);
	ldb_overlay_rollback(&o, mark);
	CU_ASSERT(gh_str_eq(ldb_overlay_find(&o, GH_STR("a"))->value, GH_STR("2")));
	CU_ASSERT_PTR_NULL(ldb_overlay_find(&o, GH_STR("b")));
	ldb_overlay_free(&o);
	CU_ASSERT_EQUAL(o.bytes, 0);
}

static void
test_words(void)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "Hello, hello World!", "hello world " },
		{ "pizza-shack_v1.2", "pizza shack v1 2 " },
		{ "\xce\x95\xce\xbb\xce\xbb\xce\xac\xcf\x82 \xd0\x9c\xd0\xb8\xd1\x80",
			"\xce\xb5\xce\xbb\xce\xbb\xce\xac\xcf\x82 \xd0\xbc\xd0\xb8\xd1\x80 " },
		{ "a\xff" "b \xe2\x80\x94 c\xc3", "a b c " }, /* no UTF-8, a dash, cut short */
		{ "\xc0\x80", "" },                           /* overlong */
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ldb_words words = { .n = 0 };
		char text[200] = "";
		size_t at = 0;

		ldb_words_add(&words, gh_str_of(rows[i].text));
		for (size_t k = 0; k < words.n; k++) {
			struct gh_str word = ldb_word(&words, k, &at);
			size_t used = strlen(text);

			snprintf(text + used, sizeof(text) - used, "%.*s ", GH_STR_ARG(word));
		}
		CU_ASSERT_STRING_EQUAL(text, rows[i].words);
		ldb_words_free(&words);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_keys_sort_as_values), UNIT_TEST(test_overlay), UNIT_TEST(test_words),
		UNIT_TEST(test_put_get_delete), UNIT_TEST(test_revisions), UNIT_TEST(test_refusals),
		UNIT_TEST(test_index_value_too_long), UNIT_TEST(test_batch_is_atomic),
		UNIT_TEST(test_unique_keys), UNIT_TEST(test_commits_at_the_same_time),
		UNIT_TEST(test_find_in_index), UNIT_TEST(test_find_pages),
		UNIT_TEST(test_find_words), UNIT_TEST(test_open_refusals),
		UNIT_TEST(test_schema_of_others), UNIT_TEST(test_indexes_are_made_anew),
		UNIT_TEST(test_full_disk), UNIT_TEST(test_call_on_worker),
		{ .name = NULL },
	};

	return unit_run("leveldb", tests);
}
