/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_archive.c
 * @brief lib/zip: what is read, what is refused and why, limits, and that writing is repeatable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zip.h>

#include "lib/zip/archive.h"
#include "tests/unit/unit.h"

static char error[ARCHIVE_ERROR_SIZE];

/** How an entry of a test is made. */
struct made {
	const char *name;
	const char *content;
	mode_t mode;         /**< 0: none is written. */
	zip_int32_t method;  /**< 0: the default. */
	bool is_encrypted;
};

/** An archive as strangers may make one. */
static struct gh_str
make(const struct made *rows, size_t n)
{
	zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, NULL);
	zip_t *zip = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	zip_stat_t stat;

	zip_source_keep(target);
	for (size_t i = 0; i < n; i++) {
		size_t name_n = strlen(rows[i].name);
		zip_int64_t at;

		if (name_n > 0 && rows[i].name[name_n - 1] == '/')
			at = zip_dir_add(zip, rows[i].name, 0);
		else
			at = zip_file_add(zip, rows[i].name, zip_source_buffer(zip, rows[i].content,
				strlen(rows[i].content), 0), 0);
		CU_ASSERT_FATAL(at >= 0);
		if (rows[i].mode != 0)
			zip_file_set_external_attributes(zip, (zip_uint64_t)at, 0, ZIP_OPSYS_UNIX,
				(zip_uint32_t)rows[i].mode << 16);
		if (rows[i].method != 0)
			zip_set_file_compression(zip, (zip_uint64_t)at, rows[i].method, 0);
		if (rows[i].is_encrypted)
			zip_file_set_encryption(zip, (zip_uint64_t)at, ZIP_EM_AES_256, "secret");
	}
	CU_ASSERT_EQUAL_FATAL(zip_close(zip), 0);
	zip_source_stat(target, &stat);
	zip_source_open(target);
	char *bytes = malloc(stat.size);

	CU_ASSERT_EQUAL(zip_source_read(target, bytes, stat.size), (zip_int64_t)stat.size);
	zip_source_close(target);
	zip_source_free(target);
	return (struct gh_str){ bytes, stat.size };
}

/** Replace @p from by @p to, of the same length, wherever it stands. */
static void
patch(struct gh_str bytes, const char *from, const char *to)
{
	size_t n = strlen(from);

	for (size_t i = 0; i + n <= bytes.n; i++)
		if (memcmp(bytes.p + i, from, n) == 0)
			memcpy((char *)(uintptr_t)bytes.p + i, to, n);
}

static int
read_made(const struct made *rows, size_t n, const struct archive_limits *limits)
{
	struct gh_str bytes = make(rows, n);
	struct archive *archive = NULL;
	int r = archive_read(bytes, limits, &archive, error);

	archive_free(archive);
	free((void *)(uintptr_t)bytes.p);
	return r;
}

static void
test_read_finds_files(void)
{
	static const struct made rows[] = {
		{ .name = "P/", .mode = S_IFDIR | 0755 },
		{ "P/b.yaml", "b: 1\n", S_IFREG | 0644, 0, false },
		{ "P/Docs/a b.md", "", 0, 0, false },
		{ "P/a.yaml", "a", 0, ZIP_CM_STORE, false },
	};
	struct gh_str bytes = make(rows, 4);
	struct archive *archive = NULL;

	CU_ASSERT_EQUAL_FATAL(archive_read(bytes, NULL, &archive, error), 0);
	CU_ASSERT_EQUAL(archive->n, 3);
	CU_ASSERT(gh_str_eq(archive->files[0].name, GH_STR("P/Docs/a b.md")));
	CU_ASSERT_EQUAL(archive_first(archive, GH_STR("P/a")), 1);
	CU_ASSERT_EQUAL(archive_first(archive, GH_STR("P/c")), 3);
	CU_ASSERT_EQUAL(archive_first(archive, GH_STR("")), 0);
	const struct archive_file *file = archive_find(archive, GH_STR("P/b.yaml"));

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT(gh_str_eq(file->content, GH_STR("b: 1\n")));
	CU_ASSERT_PTR_NULL(archive_find(archive, GH_STR("P/b")));
	archive_free(archive);
	free((void *)(uintptr_t)bytes.p);
}

static void
test_read_refuses_names(void)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{ "/etc/passwd", "is absolute" },
		{ "../up", "leads out" },
		{ "a/../../up", "leads out" },
		{ "a/..", "leads out" },
		{ "a/./b", "'.' as a part" },
		{ "a//b", "empty part" },
		{ "a\\b", "backslash" },
		{ "C:/b", "colon" },
		{ "a\nb", "control" },
		{ "a\x7f", "control" },
		{ "a\xc2\x85", "control" },
		{ "a/b/c/d/e/f/g/h/i/j/k/l/m/n", "too deep" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made made = { .name = rows[i].name, .content = "x" };

		CU_ASSERT_EQUAL(read_made(&made, 1, NULL), GH_EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[i].why));
	}
}

static void
test_read_refuses_name_without_utf8(void)
{
	static const char *const odd[] = {
		"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3",
	};
	const char *why = NULL;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		CU_ASSERT_FALSE(archive_is_name(gh_str_of(odd[i]), 4, &why));
		CU_ASSERT_STRING_EQUAL(why, "is not UTF-8");
	}
	CU_ASSERT_TRUE(archive_is_name(GH_STR("\xc3\xa4/\xf0\x9f\x98\x80"), 4, NULL));
	CU_ASSERT_FALSE(archive_is_name(GH_STR("a\0b"), 4, NULL));
	CU_ASSERT_FALSE(archive_is_name(GH_STR(""), 4, NULL));
}

static void
test_read_refuses_twice(void)
{
	static const struct made same[] = { { .name = "a/x", .content = "1" },
		{ .name = "a/y", .content = "2" } };
	static const struct made by_case[] = { { .name = "a/x", .content = "1" },
		{ .name = "A/X", .content = "2" } };
	static const struct made folder[] = { { .name = "a", .content = "1" }, { .name = "a/" } };
	struct gh_str bytes = make(same, 2);
	struct archive *archive = NULL;

	patch(bytes, "a/y", "a/x"); /* libzip itself would not write it */
	CU_ASSERT_EQUAL(archive_read(bytes, NULL, &archive, error), GH_EINVAL);
	free((void *)(uintptr_t)bytes.p);
	CU_ASSERT_EQUAL(read_made(by_case, 2, NULL), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "twice"));
	CU_ASSERT_EQUAL(read_made(folder, 2, NULL), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "'a' is there twice"));
}

static void
test_read_refuses_kinds(void)
{
	static const struct {
		struct made made;
		const char *why;
	} rows[] = {
		{ { "a", "/etc/passwd", S_IFLNK | 0777, 0, false }, "symbolic link" },
		{ { "a", "", S_IFIFO | 0644, 0, false }, "special" },
		{ { "a", "", S_IFCHR | 0644, 0, false }, "special" },
		{ { "a", "x", 0, 0, true }, "encrypted" },
		{ { "a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, ZIP_CM_BZIP2, false },
			"neither stored nor deflated" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(read_made(&rows[i].made, 1, NULL), GH_EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[i].why));
	}
}

static void
test_read_keeps_limits(void)
{
	static const struct archive_limits small = { .max_entries = 2, .max_entry_bytes = 10,
		.max_total_bytes = 15, .max_ratio = 10, .max_depth = 2 };
	static const struct made many[] = { { .name = "a", .content = "" },
		{ .name = "b", .content = "" }, { .name = "c", .content = "" } };
	static const struct made big = { .name = "a", .content = "0123456789A" };
	static const struct made together[] = { { .name = "a", .content = "01234567" },
		{ .name = "b", .content = "01234567" } };
	static const struct made fits[] = { { .name = "a", .content = "0123456789" },
		{ .name = "b", .content = "01234" } };

	CU_ASSERT_EQUAL(read_made(many, 3, &small), GH_ETOOBIG);
	CU_ASSERT_EQUAL(read_made(&big, 1, &small), GH_ETOOBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "'a' unpacks to more than 10"));
	CU_ASSERT_EQUAL(read_made(together, 2, &small), GH_ETOOBIG);
	CU_ASSERT_EQUAL(read_made(fits, 2, &small), 0);
}

static void
test_read_refuses_bomb(void)
{
	char *zeros = calloc(1, (4u << 20) + 1);

	memset(zeros, '0', 4u << 20);
	struct made bomb = { .name = "a", .content = zeros };

	CU_ASSERT_EQUAL(read_made(&bomb, 1, NULL), GH_ETOOBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "bomb"));
	free(zeros);
}

/** The declared size is a lie: less, and more, than what comes out. */
static void
test_read_refuses_wrong_size(void)
{
	static const struct made row = { "a", "0123456789", 0, ZIP_CM_STORE, false };

	for (int lie = -3; lie <= 3; lie += 3) {
		struct gh_str bytes = make(&row, 1);
		struct archive *archive = NULL;
		char *p = (char *)(uintptr_t)bytes.p;

		for (size_t i = 0; i + 46 < bytes.n; i++) {
			if (memcmp(p + i, "PK\3\4", 4) == 0)
				p[i + 22] = (char)(10 + lie);
			if (memcmp(p + i, "PK\1\2", 4) == 0)
				p[i + 24] = (char)(10 + lie);
		}
		CU_ASSERT_EQUAL(archive_read(bytes, NULL, &archive, error),
			lie == 0 ? 0 : GH_EINVAL);
		archive_free(archive);
		free((void *)(uintptr_t)bytes.p);
	}
}

static void
test_read_refuses_damage(void)
{
	static const struct made row = { "a", "0123456789", 0, ZIP_CM_STORE, false };
	static const char *const no_zip[] = { "", "PK", "no archive at all", "PK\5\6" };
	struct archive *archive = NULL;

	for (size_t i = 0; i < sizeof(no_zip) / sizeof(no_zip[0]); i++)
		CU_ASSERT_EQUAL(archive_read(gh_str_of(no_zip[i]), NULL, &archive, error),
			GH_EINVAL);
	struct gh_str bytes = make(&row, 1);

	for (size_t n = 0; n < bytes.n; n++)
		CU_ASSERT_EQUAL(archive_read((struct gh_str){ bytes.p, n }, NULL, &archive, error),
			GH_EINVAL);
	patch(bytes, "0123456789", "0123456788");
	CU_ASSERT_EQUAL(archive_read(bytes, NULL, &archive, error), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "'a' is damaged"));
	free((void *)(uintptr_t)bytes.p);
	CU_ASSERT_EQUAL(archive_read(GH_STR("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), NULL,
		&archive, error), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "The archive is empty");
}

static int
write_two(const char *first, const char *second, struct gh_str *ret_bytes)
{
	struct archive_writer *w = archive_writer_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
	archive_writer_add(w, gh_str_of(first), GH_STR("one\0two"));
	archive_writer_add(w, gh_str_of(second), GH_STR_NONE);
	return archive_writer_finish(w, ret_bytes);
}

static void
test_write_is_repeatable(void)
{
	struct gh_str a, b;
	struct archive *archive = NULL;

	CU_ASSERT_EQUAL_FATAL(write_two("P/\xc3\xa4", "P/b", &a), 0);
	CU_ASSERT_EQUAL_FATAL(write_two("P/\xc3\xa4", "P/b", &b), 0);
	CU_ASSERT(gh_str_eq(a, b));
	CU_ASSERT_EQUAL_FATAL(archive_read(a, NULL, &archive, error), 0);
	CU_ASSERT(gh_str_eq(archive_find(archive, GH_STR("P/\xc3\xa4"))->content,
		GH_STR("one\0two")));
	CU_ASSERT_EQUAL(archive_find(archive, GH_STR("P/b"))->content.n, 0);
	archive_free(archive);
	free((void *)(uintptr_t)a.p);
	free((void *)(uintptr_t)b.p);
}

static void
test_write_refuses_names(void)
{
	struct gh_str bytes;

	CU_ASSERT_EQUAL(write_two("a", "a", &bytes), GH_EINVAL);
	CU_ASSERT_EQUAL(write_two("../a", "b", &bytes), GH_EINVAL);
	CU_ASSERT_EQUAL(write_two("a", "", &bytes), GH_EINVAL);
	archive_writer_free(archive_writer_new());
	archive_writer_free(NULL);
}

static const struct unit_test tests[] = {
	UNIT_TEST(test_read_finds_files),
	UNIT_TEST(test_read_refuses_names),
	UNIT_TEST(test_read_refuses_name_without_utf8),
	UNIT_TEST(test_read_refuses_twice),
	UNIT_TEST(test_read_refuses_kinds),
	UNIT_TEST(test_read_keeps_limits),
	UNIT_TEST(test_read_refuses_bomb),
	UNIT_TEST(test_read_refuses_wrong_size),
	UNIT_TEST(test_read_refuses_damage),
	UNIT_TEST(test_write_is_repeatable),
	UNIT_TEST(test_write_refuses_names),
	{ .name = NULL },
};

int
main(void)
{
	return unit_run("zip", tests);
}
