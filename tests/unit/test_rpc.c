/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_rpc.c
 * @brief lib/rpc: what was written is read again; what is cut, damaged or too much is refused.
 */
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/rpc/rpc.h"
#include "tests/unit/unit.h"

#define BODY GH_STR("\x81\xa1" "a\x01")

static struct gh_str
finish(struct rpc_writer *w)
{
	struct gh_str message = GH_STR_NONE;

	CU_ASSERT_EQUAL(rpc_finish(w, &message), 0);
	return message;
}

static struct rpc_message
open_message(struct gh_str bytes)
{
	struct rpc_message m = { .head = GH_STR_NONE };

	CU_ASSERT_EQUAL(rpc_read(bytes, &m), 0);
	return m;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void
test_blobs_come_in_order(void)
{
	struct gh_str one = GH_STR_NONE, two = GH_STR_NONE;
	struct rpc_writer w;

	rpc_writer_init(&w);
	rpc_put_blob(&w, "one", GH_STR("first"));
	rpc_put_blob(&w, "none", GH_STR_NONE);
	rpc_put_blob(&w, "two", GH_STR("second"));
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL(rpc_end(&m), GH_EINVAL);
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "one", 5, &one), 0);
	CU_ASSERT_TRUE(gh_str_eq(one, GH_STR("first")));
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "none", 5, &one), 0);
	CU_ASSERT_EQUAL(one.n, 0);
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "missing", 5, &two), GH_EINVAL);
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "two", 5, &two), GH_ETOOBIG);
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "two", 6, &two), 0);
	CU_ASSERT_TRUE(gh_str_eq(two, GH_STR("second")));
	CU_ASSERT_EQUAL(rpc_end(&m), 0);
	CU_ASSERT_EQUAL(rpc_blob(&m, m.head, "one", 5, &one), GH_EINVAL);
	rpc_free(bytes);
}

/** Each prefix of a message is refused, and so is one byte more. */
static void
test_cut_anywhere(void)
{
	const struct gh_doc_op op = { GH_DOC_PUT, GH_STR("t"), GH_STR("api"), GH_STR("1"), BODY, 7 };
	struct gh_doc_op *ops = NULL;
	struct rpc_writer w;
	size_t n = 0;

	rpc_writer_init(&w);
	rpc_put_ops(&w, &op, 1);
	struct gh_str bytes = finish(&w);

	for (size_t i = 0; i <= bytes.n + 1; i++) {
		char *copy = calloc(1, i + 1);
		struct rpc_message m;

		memcpy(copy, bytes.p, i < bytes.n ? i : bytes.n);
		int r = rpc_read((struct gh_str){ copy, i }, &m);

		if (r == 0)
			r = rpc_get_ops(&m, 0, &ops, &n);
		if (i == bytes.n) {
			CU_ASSERT_EQUAL(r, 0);
			CU_ASSERT_EQUAL(n, 1);
			free(ops);
		} else {
			CU_ASSERT_TRUE(r == GH_EINVAL || r == GH_EVERSION);
		}
		free(copy);
	}
	rpc_free(bytes);
}

static const struct {
	const char *what;
	struct gh_str bytes;
	int expected;
} bad_messages[] = {
	{ "nothing", GH_STR(""), GH_EVERSION },
	{ "text", GH_STR("HTTP/1.1 200 OK"), GH_EVERSION },
	{ "the next version", GH_STR("GHR\x02\x00\x00\x00\x01\x80"), GH_EVERSION },
	{ "an empty message", GH_STR("GHR\x01\x00\x00\x00\x01\x80"), 0 },
	{ "a head that is longer than all", GH_STR("GHR\x01\xff\xff\xff\xff\x80"), GH_EINVAL },
	{ "a head that is no map", GH_STR("GHR\x01\x00\x00\x00\x01\x90"), GH_EINVAL },
	{ "a head with something behind it", GH_STR("GHR\x01\x00\x00\x00\x02\x80\x80"), GH_EINVAL },
	{ "no head", GH_STR("GHR\x01\x00\x00\x00\x00"), GH_EINVAL },
};

static void
test_bad_messages(void)
{
	struct rpc_message m;

	for (size_t i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]); i++) {
		int r = rpc_read(bad_messages[i].bytes, &m);

		if (r != bad_messages[i].expected)
			printf("\n  %s: %d\n", bad_messages[i].what, r);
		CU_ASSERT_EQUAL(r, bad_messages[i].expected);
	}
}

static void
test_too_much_to_write(void)
{
	char *big = calloc(1, RPC_MESSAGE_MAX);
	struct gh_str message = GH_STR("untouched");
	struct rpc_writer w;

	rpc_writer_init(&w);
	rpc_put_blob(&w, "a", (struct gh_str){ big, RPC_MESSAGE_MAX });
	CU_ASSERT_EQUAL(rpc_finish(&w, &message), GH_ETOOBIG);
	rpc_writer_init(&w);
	rpc_put_blob(&w, "a", (struct gh_str){ big, RPC_MESSAGE_MAX / 2 + 1 });
	rpc_put_blob(&w, "b", (struct gh_str){ big, RPC_MESSAGE_MAX / 2 });
	CU_ASSERT_EQUAL(rpc_finish(&w, &message), GH_ETOOBIG);
	CU_ASSERT_TRUE(gh_str_eq(message, GH_STR("untouched")));
	free(big);
}

/* ---- Structs --------------------------------------------------------------------------------- */

static void
test_client(void)
{
	const struct gh_client client = { .tenant = GH_STR("carbon.super"), .id = GH_STR("key"),
		.secret = GH_STR("s3cret"), .name = GH_STR("name"), .validity_s = -1,
		.key_type = GH_STR("PRODUCTION") };
	struct gh_client *copy = NULL;
	struct rpc_writer w;

	rpc_writer_init(&w);
	rpc_put_struct(&w, rpc_client_fields, &client);
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL(rpc_get_block(&m, rpc_client_fields, sizeof(client), (void **)&copy), 0);
	rpc_free(bytes); /* the copy does not need it */
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_TRUE(gh_str_eq(copy->secret, client.secret));
	CU_ASSERT_TRUE(gh_str_eq(copy->tenant, client.tenant));
	CU_ASSERT_TRUE(gh_str_eq(copy->key_type, client.key_type));
	CU_ASSERT_EQUAL(copy->owner.n, 0);
	CU_ASSERT_EQUAL(copy->validity_s, -1);
	block_free(copy);
}

static void
test_fields_of_other_types(void)
{
	struct gh_principal principal;
	struct rpc_writer w;

	for (unsigned i = 0; i < 3; i++) {
		rpc_writer_init(&w);
		if (i == 0)
			doc_put_int(&w.head, "user", 1);
		else if (i == 1)
			doc_put_int(&w.head, "expires_at_s", -1);
		else
			doc_put_str(&w.head, "expires_at_s", GH_STR("9"));
		struct gh_str bytes = finish(&w);
		struct rpc_message m = open_message(bytes);

		CU_ASSERT_EQUAL(rpc_get_struct(&m, rpc_principal_fields, &principal), GH_EINVAL);
		rpc_free(bytes);
	}
}

/* ---- docs/1 and identity/1 ------------------------------------------------------------------- */

static void
test_find(void)
{
	const struct gh_str equal[] = { GH_STR("x"), GH_STR("") };
	const struct gh_find find = { .tenant = GH_STR("t"), .kind = GH_STR("api"),
		.index = "name_version", .equal = equal, .equal_count = 2, .from = GH_STR("a"),
		.to = GH_STR("b"), .is_prefix = true, .descending = true, .limit = 1000,
		.offset = UINT32_MAX, .cursor = GH_STR("c") };
	struct rpc_find read;
	struct rpc_writer w;

	rpc_writer_init(&w);
	rpc_put_find(&w, &find);
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL_FATAL(rpc_get_find(&m, &read), 0);
	CU_ASSERT_STRING_EQUAL(read.find.index, find.index);
	CU_ASSERT_EQUAL(read.find.equal_count, 2);
	CU_ASSERT_TRUE(gh_str_eq(read.find.equal[0], equal[0]));
	CU_ASSERT_TRUE(gh_str_eq(read.find.from, find.from));
	CU_ASSERT_TRUE(gh_str_eq(read.find.to, find.to));
	CU_ASSERT_TRUE(gh_str_eq(read.find.cursor, find.cursor));
	CU_ASSERT_TRUE(read.find.is_prefix && read.find.descending);
	CU_ASSERT_EQUAL(read.find.limit, 1000);
	CU_ASSERT_EQUAL(read.find.offset, UINT32_MAX);
	rpc_free(bytes);
}

static void
test_bad_finds(void)
{
	struct gh_str equal[RPC_EQUAL_MAX + 1];
	char name[RPC_NAME_MAX + 2];

	for (size_t i = 0; i <= RPC_EQUAL_MAX; i++)
		equal[i] = GH_STR("v");
	memset(name, 'n', sizeof(name));
	name[RPC_NAME_MAX + 1] = '\0';
	const struct gh_find finds[] = {
		{ .kind = GH_STR("api"), .limit = 0 },
		{ .kind = GH_STR("api"), .limit = GH_FIND_MAX + 1 },
		{ .kind = GH_STR("api"), .limit = 1, .equal = equal, .equal_count = RPC_EQUAL_MAX + 1 },
		{ .kind = GH_STR("api"), .limit = 1, .index = name },
	};

	for (size_t i = 0; i < sizeof(finds) / sizeof(finds[0]); i++) {
		struct rpc_find read;
		struct rpc_writer w;

		rpc_writer_init(&w);
		rpc_put_find(&w, &finds[i]);
		struct gh_str bytes = finish(&w);
		struct rpc_message m = open_message(bytes);

		CU_ASSERT_EQUAL(rpc_get_find(&m, &read), GH_EINVAL);
		rpc_free(bytes);
	}
}

static void
test_ops(void)
{
	const struct gh_doc_op ops[] = {
		{ GH_DOC_PUT, GH_STR("t"), GH_STR("api"), GH_STR("1"), BODY, GH_REV_ANY },
		{ GH_DOC_PUT, GH_STR("t"), GH_STR("api"), GH_STR("2"), BODY, GH_REV_NONE },
		{ GH_DOC_DELETE, GH_STR("t"), GH_STR("api"), GH_STR("3"), GH_STR_NONE, 9 },
	};
	struct gh_doc_op *read = NULL;
	struct rpc_writer w;
	size_t n = 0;

	rpc_writer_init(&w);
	rpc_put_ops(&w, ops, 3);
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL_FATAL(rpc_get_ops(&m, 1, &read, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 3);
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(read[i + 1].verb, ops[i].verb);
		CU_ASSERT_EQUAL(read[i + 1].expect_rev, ops[i].expect_rev);
		CU_ASSERT_TRUE(gh_str_eq(read[i + 1].id, ops[i].id));
		CU_ASSERT_TRUE(gh_str_eq(read[i + 1].body, ops[i].body));
	}
	free(read);
	rpc_free(bytes);
}

/** An array that claims more changes than a commit may have takes no memory for them. */
static void
test_too_many_ops(void)
{
	struct gh_doc_op *ops = NULL;
	struct rpc_writer w;
	size_t n;

	rpc_writer_init(&w);
	doc_begin_array(&w.head, "ops");
	for (unsigned i = 0; i <= RPC_OPS_MAX; i++)
		doc_put_nil(&w.head, NULL);
	doc_end(&w.head);
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL(rpc_get_ops(&m, 0, &ops, &n), GH_ETOOBIG);
	rpc_free(bytes);
}

static struct gh_str
found_message(struct gh_str body, size_t n)
{
	struct gh_doc docs[3];
	const struct gh_docs_found found = { .n = n, .docs = docs, .next = GH_STR("next"), .total = 5 };
	struct rpc_writer w;

	for (size_t i = 0; i < n; i++)
		docs[i] = (struct gh_doc){ GH_STR("t"), GH_STR("api"), GH_STR("id"), 3, body };
	rpc_writer_init(&w);
	rpc_put_found(&w, &found);
	return finish(&w);
}

static void
test_found(void)
{
	struct gh_str bytes = found_message(BODY, 2);
	struct rpc_message m = open_message(bytes);
	struct gh_docs_found *found = NULL;

	CU_ASSERT_EQUAL(rpc_get_found(&m, 2, &found), 0);
	rpc_free(bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	CU_ASSERT_EQUAL(found->n, 2);
	CU_ASSERT_EQUAL(found->total, 5);
	CU_ASSERT_TRUE(gh_str_eq(found->next, GH_STR("next")));
	CU_ASSERT_TRUE(gh_str_eq(found->docs[1].body, BODY));
	CU_ASSERT_EQUAL(found->docs[1].rev, 3);
	block_free(found);
}

static void
test_bad_found(void)
{
	struct gh_docs_found *found = NULL;
	struct gh_str bytes = found_message(BODY, 3);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL(rpc_get_found(&m, 2, &found), GH_EINVAL); /* more than were asked for */
	rpc_free(bytes);
	bytes = found_message(GH_STR("no map"), 1);
	m = open_message(bytes);
	CU_ASSERT_EQUAL(rpc_get_found(&m, 2, &found), GH_EINVAL);
	CU_ASSERT_PTR_NULL(found);
	rpc_free(bytes);
}

static void
test_user(void)
{
	struct gh_str roles[] = { GH_STR("admin"), GH_STR("Internal/everyone") };
	const struct gh_user user = { GH_STR("ann"), GH_STR("carbon.super"), 2, roles };
	struct gh_user *copy = NULL;
	struct rpc_writer w;

	rpc_writer_init(&w);
	rpc_put_user(&w, &user);
	struct gh_str bytes = finish(&w);
	struct rpc_message m = open_message(bytes);

	CU_ASSERT_EQUAL(rpc_get_user(&m, &copy), 0);
	rpc_free(bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(copy->role_count, 2);
	CU_ASSERT_TRUE(gh_str_eq(copy->roles[1], roles[1]));
	block_free(copy);
}

static void
test_bad_users(void)
{
	for (unsigned i = 0; i < 3; i++) {
		struct gh_user *user = NULL;
		struct rpc_writer w;

		rpc_writer_init(&w);
		if (i > 0) /* else: nobody */
			doc_put_str(&w.head, "name", GH_STR("ann"));
		doc_put_str(&w.head, "tenant", GH_STR("carbon.super"));
		doc_begin_array(&w.head, "roles");
		for (unsigned j = 0; i == 1 && j <= RPC_ROLES_MAX; j++)
			doc_put_str(&w.head, NULL, GH_STR("r"));
		if (i == 2)
			doc_put_int(&w.head, NULL, 1);
		doc_end(&w.head);
		struct gh_str bytes = finish(&w);
		struct rpc_message m = open_message(bytes);

		CU_ASSERT_EQUAL(rpc_get_user(&m, &user), GH_EINVAL);
		CU_ASSERT_PTR_NULL(user);
		rpc_free(bytes);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_blobs_come_in_order), UNIT_TEST(test_cut_anywhere),
	UNIT_TEST(test_bad_messages), UNIT_TEST(test_too_much_to_write), UNIT_TEST(test_client),
	UNIT_TEST(test_fields_of_other_types), UNIT_TEST(test_find), UNIT_TEST(test_bad_finds),
	UNIT_TEST(test_ops), UNIT_TEST(test_too_many_ops), UNIT_TEST(test_found),
	UNIT_TEST(test_bad_found), UNIT_TEST(test_user), UNIT_TEST(test_bad_users),
	{ NULL, NULL },
};

int
main(void)
{
	return unit_run("rpc", tests);
}
