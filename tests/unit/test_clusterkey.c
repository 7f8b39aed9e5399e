/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_clusterkey.c
 * @brief Where cluster keys come from, what is none, and which of several seals and opens.
 */
#include "lib/clusterkey/clusterkey.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char directory[64], path[96];

static int
open_text(const char *text, struct clusterkey **ret)
{
	const struct clusterkey_place place = { .text = { gh_str_of(text) }, .state_dir = "/nowhere" };
	char made[CLUSTERKEY_PATH_MAX], error[512];

	return clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), ret);
}

static void
test_texts(void)
{
	static const struct { const char *text; int want; } rows[] = {
		{ A, GH_OK }, { A "\n", GH_OK }, { A "\r\n", GH_OK }, { "\n\n" A "\n\n" B, GH_OK },
		{ A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A, GH_OK },
		{ A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A, GH_ETOOBIG },
		{ "\n", GH_EINVAL }, { A "a", GH_EINVAL }, { A B, GH_EINVAL }, { A " ", GH_EINVAL },
		{ "secret", GH_EINVAL }, { A "\nsecret", GH_EINVAL }, { A ",\n" B, GH_EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct clusterkey *keys = NULL;

		CU_ASSERT_EQUAL(open_text(rows[i].text, &keys), rows[i].want);
		CU_ASSERT_EQUAL(keys != NULL, rows[i].want == GH_OK);
		clusterkey_close(keys);
	}
}

static void
test_first_seals_all_open(void)
{
	const struct gh_str context = GH_STR("here"), plain = GH_STR("a secret");
	struct clusterkey *old = NULL, *both = NULL, *fresh = NULL;
	char old_id[CLUSTERKEY_ID_LEN + 1], both_id[CLUSTERKEY_ID_LEN + 1], id[CLUSTERKEY_ID_LEN + 1];
	uint8_t by_old[64], by_both[64], out[64];
	const struct gh_str sealed_old = { (char *)by_old, plain.n + CRYPTO_SEAL_OVERHEAD };
	const struct gh_str sealed_both = { (char *)by_both, plain.n + CRYPTO_SEAL_OVERHEAD };
	size_t n;

	CU_ASSERT_EQUAL_FATAL(open_text(A, &old), GH_OK);
	CU_ASSERT_EQUAL_FATAL(open_text(B "\n" A, &both), GH_OK);
	CU_ASSERT_EQUAL_FATAL(open_text(B, &fresh), GH_OK);
	clusterkey_id(old, old_id);
	clusterkey_id(both, both_id);
	clusterkey_id(fresh, id);
	CU_ASSERT_STRING_EQUAL(both_id, id);
	CU_ASSERT_STRING_NOT_EQUAL(both_id, old_id);
	CU_ASSERT_EQUAL(clusterkey_seal(old, context, plain, by_old), GH_OK);
	CU_ASSERT_EQUAL(clusterkey_seal(both, context, plain, by_both), GH_OK);
	CU_ASSERT_EQUAL(clusterkey_unseal(both, context, sealed_old, out, &n), GH_OK);
	CU_ASSERT(gh_str_eq((struct gh_str){ (char *)out, n }, plain));
	CU_ASSERT_EQUAL(clusterkey_unseal(both, context, sealed_both, out, &n), GH_OK);
	CU_ASSERT_EQUAL(clusterkey_unseal(fresh, context, sealed_both, out, &n), GH_OK);
	CU_ASSERT_EQUAL(clusterkey_unseal(fresh, context, sealed_old, out, &n), GH_ENOENT);
	CU_ASSERT_EQUAL(clusterkey_unseal(old, context, sealed_both, out, &n), GH_ENOENT);
	/* Another context, and a changed byte, are no matter of the key. */
	CU_ASSERT_EQUAL(clusterkey_unseal(both, GH_STR("there"), sealed_old, out, &n), GH_EDENIED);
	by_old[sealed_old.n - 1] ^= 1;
	CU_ASSERT_EQUAL(clusterkey_unseal(both, context, sealed_old, out, &n), GH_EDENIED);
	CU_ASSERT(clusterkey_is_newest(both, sealed_both));
	CU_ASSERT_FALSE(clusterkey_is_newest(both, sealed_old));
	CU_ASSERT_FALSE(clusterkey_is_newest(both, GH_STR("short")));
	clusterkey_close(old);
	clusterkey_close(both);
	clusterkey_close(fresh);
}

static void
write_key(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
	close(fd);
}

static void
test_files(void)
{
	const struct clusterkey_place place = { .state_dir = directory };
	char made[CLUSTERKEY_PATH_MAX], error[512], id[CLUSTERKEY_ID_LEN + 1], again[CLUSTERKEY_ID_LEN + 1];
	struct clusterkey *keys = NULL;
	struct stat st;

	CU_ASSERT_EQUAL(clusterkey_open(&place, CLUSTERKEY_ENOENT, made, error, sizeof(error), &keys),
		GH_ENOENT);
	CU_ASSERT_EQUAL(clusterkey_open(&place, CLUSTERKEY_REFUSE, made, error, sizeof(error), &keys),
		GH_ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "is missing, but the store holds keys"));
	CU_ASSERT_EQUAL_FATAL(clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), &keys),
		GH_OK);
	CU_ASSERT_STRING_EQUAL(made, path);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	clusterkey_id(keys, id);
	clusterkey_close(keys);
	keys = NULL;
	CU_ASSERT_EQUAL_FATAL(clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), &keys),
		GH_OK);
	CU_ASSERT_STRING_EQUAL(made, "");
	clusterkey_id(keys, again);
	CU_ASSERT_STRING_EQUAL(id, again);
	clusterkey_close(keys);
	write_key(A, 0604);
	keys = NULL;
	CU_ASSERT_EQUAL(clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), &keys),
		GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "lets everybody use it"));
	/* What is wrong with a key is said without the key. */
	write_key("5ecret5ecret", 0600);
	CU_ASSERT_EQUAL(clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), &keys),
		GH_EINVAL);
	CU_ASSERT_PTR_NULL(strstr(error, "5ecret"));
	write_key("", 0600);
	CU_ASSERT_EQUAL(clusterkey_open(&place, CLUSTERKEY_CREATE, made, error, sizeof(error), &keys),
		GH_EINVAL);
	CU_ASSERT_PTR_NULL(keys);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_texts), UNIT_TEST(test_first_seals_all_open), UNIT_TEST(test_files),
		{ NULL, NULL },
	};

	snprintf(directory, sizeof(directory), "/tmp/test_clusterkey.XXXXXX");
	if (mkdtemp(directory) == NULL)
		return 70;
	snprintf(path, sizeof(path), "%s/cluster.key", directory);
	int code = unit_run("clusterkey", tests);

	unlink(path);
	rmdir(directory);
	return code;
}
