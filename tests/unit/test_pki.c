/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_pki.c
 * @brief Certificates of nodes: issued as asked for by the authority alone, and refused in every way.
 */
#include "config.h"

#include "lib/pki/pki.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

#define NOW 1800000000
#define DAY 86400

static struct authority {
	struct gh_str key, pem;
} first, second;

static struct gh_str node_key, request;

static void
drop(struct gh_str *s)
{
	free((void *)s->p);
	*s = GH_STR_NONE;
}

static int
issue(const struct authority *a, struct gh_str from, const char *name, int64_t since_s, int64_t until_s,
	struct gh_str *ret)
{
	static const struct gh_str roles[] = { { "control.gatehouse.internal", 26 },
		{ "traffic.gatehouse.internal", 26 } };
	const struct pki_subject subject = { .common_name = gh_str_of(name), .dns_names = roles,
		.dns_name_count = 2, .not_before_s = since_s, .not_after_s = until_s };

	return pki_issue(a->key, a->pem, from, &subject, ret);
}

static void
test_issue_and_read(void)
{
	struct gh_str pem = GH_STR_NONE;
	struct pki_certificate c, ca;
	char roles[PKI_NAMES_BYTES];

	CU_ASSERT_EQUAL_FATAL(issue(&first, request, "a-node", NOW - 300, NOW + DAY, &pem), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_read(pem, &c), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_read(first.pem, &ca), GH_OK);
	/* The request asks for "asks-for-this". */
	CU_ASSERT_STRING_EQUAL(c.common_name, "a-node");
	CU_ASSERT_STRING_EQUAL(c.authority_key_id, ca.key_id);
	CU_ASSERT_EQUAL(c.not_before_s, NOW - 300);
	CU_ASSERT_EQUAL(c.not_after_s, NOW + DAY);
	pki_names_under(&c, ".gatehouse.internal", roles);
	CU_ASSERT_STRING_EQUAL(roles, "control traffic");
	pki_names_under(&c, ".example", roles);
	CU_ASSERT_STRING_EQUAL(roles, "");
	drop(&pem);
	/* Longer than the authority lives is not possible. */
	CU_ASSERT_EQUAL_FATAL(issue(&first, request, "a-node", NOW, NOW + 900 * DAY, &pem), GH_OK);
	CU_ASSERT_EQUAL(pki_read(pem, &c), GH_OK);
	CU_ASSERT_EQUAL(c.not_after_s, ca.not_after_s);
	drop(&pem);
}

static void
test_requests_that_are_none(void)
{
	static const char *const texts[] = { "", "x", "-----BEGIN CERTIFICATE REQUEST-----",
		"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n" };
	struct gh_str pem = GH_STR_NONE;
	char *changed = strndup(request.p, request.n);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(issue(&first, gh_str_of(texts[i]), "n", NOW, NOW + DAY, &pem), GH_EINVAL);
	CU_ASSERT_EQUAL(issue(&first, first.pem, "n", NOW, NOW + DAY, &pem), GH_EINVAL);
	CU_ASSERT_EQUAL(issue(&first, node_key, "n", NOW, NOW + DAY, &pem), GH_EINVAL);
	/* Every byte of the text matters: the request's signature is of its sender. */
	char *line = strchr(changed, '\n') + 1;

	line[60] = line[60] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(issue(&first, gh_str_of(changed), "n", NOW, NOW + DAY, &pem), GH_EINVAL);
	CU_ASSERT_EQUAL(issue(&first, request, "", NOW, NOW + DAY, &pem), GH_EINVAL);
	CU_ASSERT_PTR_NULL(pem.p);
	free(changed);
}

static void
test_check(void)
{
	struct gh_str mine = GH_STR_NONE, other_key = GH_STR_NONE;
	char error[256];

	CU_ASSERT_EQUAL_FATAL(issue(&first, request, "n", NOW, NOW + DAY, &mine), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_key_new(&other_key), GH_OK);
	const struct {
		struct gh_str chain, key, authorities;
		int64_t at_s;
		int want;
	} rows[] = {
		{ mine, node_key, first.pem, NOW, GH_OK },
		{ mine, node_key, first.pem, NOW + DAY - 1, GH_OK },
		{ mine, node_key, first.pem, NOW - 1, GH_EEXPIRED },
		{ mine, node_key, first.pem, NOW + DAY + 1, GH_EEXPIRED },
		{ mine, node_key, second.pem, NOW, GH_EDENIED },
		{ mine, other_key, first.pem, NOW, GH_EINVAL },
		{ GH_STR("x"), node_key, first.pem, NOW, GH_EINVAL },
		{ mine, GH_STR("x"), first.pem, NOW, GH_EINVAL },
		{ mine, node_key, GH_STR("x"), NOW, GH_EINVAL },
		{ GH_STR_NONE, node_key, first.pem, NOW, GH_EINVAL },
		{ mine, node_key, GH_STR_NONE, NOW, GH_EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		error[0] = '\0';
		CU_ASSERT_EQUAL(pki_check(rows[i].chain, rows[i].key, rows[i].authorities, rows[i].at_s,
			error, sizeof(error)), rows[i].want);
		CU_ASSERT_EQUAL(error[0] != '\0', rows[i].want != GH_OK);
	}
	drop(&mine);
	drop(&other_key);
}

/* A node's certificate is no authority: nothing that it signs is accepted. */
static void
test_node_is_no_authority(void)
{
	struct gh_str mine = GH_STR_NONE, key = GH_STR_NONE, asked = GH_STR_NONE, forged = GH_STR_NONE;
	char error[256];

	CU_ASSERT_EQUAL_FATAL(issue(&first, request, "n", NOW, NOW + DAY, &mine), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_key_new(&key), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_request_new(key, GH_STR("evil"), &asked), GH_OK);
	const struct authority node = { .key = node_key, .pem = mine };

	if (issue(&node, asked, "evil", NOW, NOW + DAY, &forged) == GH_OK) {
		char *chain = NULL;

		CU_ASSERT(asprintf(&chain, "%s%s", forged.p, mine.p) > 0);
		CU_ASSERT_EQUAL(pki_check(gh_str_of(chain), key, first.pem, NOW, error, sizeof(error)),
			GH_EDENIED);
		free(chain);
	}
	drop(&mine);
	drop(&key);
	drop(&asked);
	drop(&forged);
}

static void
test_cross(void)
{
	struct gh_str cross = GH_STR_NONE, leaf = GH_STR_NONE;
	char error[256], *chain = NULL;

	CU_ASSERT_EQUAL_FATAL(pki_cross_sign(second.pem, first.key, first.pem, &cross), GH_OK);
	CU_ASSERT_EQUAL_FATAL(issue(&second, request, "n", NOW, NOW + DAY, &leaf), GH_OK);
	CU_ASSERT(asprintf(&chain, "%s%s", leaf.p, cross.p) > 0);
	CU_ASSERT_EQUAL(pki_check(gh_str_of(chain), node_key, second.pem, NOW, error, sizeof(error)), GH_OK);
	CU_ASSERT_EQUAL(pki_check(gh_str_of(chain), node_key, first.pem, NOW, error, sizeof(error)), GH_OK);
	CU_ASSERT_EQUAL(pki_check(leaf, node_key, first.pem, NOW, error, sizeof(error)), GH_EDENIED);
	free(chain);
	drop(&cross);
	drop(&leaf);
}

static void
test_pick(void)
{
	struct pki_certificate a, b;
	struct gh_str picked = GH_STR_NONE;
	char *both = NULL;

	CU_ASSERT(asprintf(&both, "%s%s", first.pem.p, second.pem.p) > 0);
	CU_ASSERT_EQUAL(pki_read(first.pem, &a), GH_OK);
	CU_ASSERT_EQUAL(pki_read(second.pem, &b), GH_OK);
	CU_ASSERT_EQUAL_FATAL(pki_pick(gh_str_of(both), b.fingerprint, &picked), GH_OK);
	struct pki_certificate found;

	CU_ASSERT_EQUAL(pki_read(picked, &found), GH_OK);
	CU_ASSERT_EQUAL(memcmp(found.fingerprint, b.fingerprint, sizeof(b.fingerprint)), 0);
	drop(&picked);
	CU_ASSERT_EQUAL(pki_pick(first.pem, b.fingerprint, &picked), GH_ENOENT);
	CU_ASSERT_EQUAL(pki_pick(GH_STR("x"), b.fingerprint, &picked), GH_EINVAL);
	CU_ASSERT_EQUAL(pki_pick(GH_STR_NONE, b.fingerprint, &picked), GH_EINVAL);
	CU_ASSERT_PTR_NULL(picked.p);
	free(both);
}

static int
set_up(struct authority *a, const char *name)
{
	return pki_authority_new(gh_str_of(name), NOW - 10 * DAY, NOW + 100 * DAY, &a->key, &a->pem);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_issue_and_read), UNIT_TEST(test_requests_that_are_none),
		UNIT_TEST(test_check), UNIT_TEST(test_node_is_no_authority), UNIT_TEST(test_cross),
		UNIT_TEST(test_pick), { NULL, NULL },
	};

	if (set_up(&first, "first") < 0 || set_up(&second, "second") < 0 || pki_key_new(&node_key) < 0 ||
		pki_request_new(node_key, GH_STR("asks-for-this"), &request) < 0)
		return 70;
	int code = unit_run("pki", tests);

	drop(&first.key);
	drop(&first.pem);
	drop(&second.key);
	drop(&second.pem);
	drop(&node_key);
	drop(&request);
	return code;
}
