/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_keymanager.c
 * @brief The key manager's parts that need no node: password hashes, roles and scopes.
 */
#include <stdio.h>
#include <stdlib.h>
#include "plugins/keymanager/passwords.h"
#include "plugins/keymanager/scopes.h"
#include "tests/unit/unit.h"

/* ---- Passwords ------------------------------------------------------------------------------- */

/** "correct horse", hashed by the argon2 reference tool with a small cost. */
#define KNOWN "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"bIKRw3Ua1pluirFy81fnppmR01EnUxY3hLEBwbWxBG8"

static void
test_password_round_trip(void)
{
	struct passwords p;
	char phc[PASSWORD_PHC_MAX], second[PASSWORD_PHC_MAX];

	CU_ASSERT_EQUAL_FATAL(passwords_init(&p, 1000), 0);
	CU_ASSERT_EQUAL(passwords_hash(&p, GH_STR("correct horse"), phc), 0);
	CU_ASSERT_EQUAL(strncmp(phc, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
	CU_ASSERT_EQUAL(passwords_hash(&p, GH_STR("correct horse"), second), 0);
	CU_ASSERT_STRING_NOT_EQUAL(phc, second); /* another salt */
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("correct horse"), gh_str_of(phc)), 0);
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("correct hors"), gh_str_of(phc)), GH_EDENIED);
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR(""), gh_str_of(phc)), GH_EDENIED);
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("correct horse"), GH_STR_NONE), GH_EDENIED);
	passwords_done(&p);
}

static void
test_password_of_another_implementation(void)
{
	struct passwords p;

	CU_ASSERT_EQUAL_FATAL(passwords_init(&p, 1000), 0);
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("correct horse"), GH_STR(KNOWN)), 0);
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("Correct horse"), GH_STR(KNOWN)), GH_EDENIED);
	passwords_done(&p);
}

static void
test_hashes_refused(void)
{
	static const char *const rows[] = {
		"x", "$",
		"$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1,x=2$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=064,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=900,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=64$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAA",
		"$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAA!!",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
	};
	struct passwords p;

	CU_ASSERT_EQUAL_FATAL(passwords_init(&p, 1000), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("x"), gh_str_of(rows[i])), GH_EINVAL);
	passwords_done(&p);
}

static void
test_passwords_of_any_length(void)
{
	char password[PASSWORD_MAX + 1], phc[PASSWORD_PHC_MAX];
	struct passwords p;

	memset(password, 'x', sizeof(password));
	CU_ASSERT_EQUAL_FATAL(passwords_init(&p, 1000), 0);
	CU_ASSERT_EQUAL(passwords_hash(&p, (struct gh_str){ password, PASSWORD_MAX + 1 }, phc),
		GH_EINVAL);
	CU_ASSERT_EQUAL(passwords_hash(&p, GH_STR_NONE, phc), GH_EINVAL);
	CU_ASSERT_EQUAL(passwords_hash(&p, (struct gh_str){ password, PASSWORD_MAX }, phc), 0);
	passwords_done(&p);
}

static void
test_third_computation_is_told_to_come_again(void)
{
	struct passwords p;

	CU_ASSERT_EQUAL_FATAL(passwords_init(&p, 10), 0);
	p.running = 2; /* as if two others were at it */
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("x"), GH_STR(KNOWN)), GH_EAGAIN);
	p.running = 1;
	CU_ASSERT_EQUAL(passwords_verify(&p, GH_STR("x"), GH_STR(KNOWN)), GH_EDENIED);
	passwords_done(&p);
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

/** As the catalogue: the scope "books_write" is for creators, "books_read" for everybody. */
static bool
other_scopes(void *arg, struct gh_str scope, const struct scopes_owner *owner)
{
	(void)arg;
	return gh_str_eq(scope, GH_STR("books_read")) || (gh_str_eq(scope, GH_STR("books_write")) &&
		scopes_has_role(owner, GH_STR("Internal/creator")));
}

static void
test_granted_scopes(void)
{
	static const struct { const char *role, *requested, *granted; } rows[] = {
		{ "admin", "apim:api_view apim:admin", "apim:api_view apim:admin" },
		{ "admin", "", "default" },
		{ "admin", "   ", "default" },
		{ "admin", "apim:no_such_thing", "default" },
		{ "admin", "apim:api_view  apim:api_view openid", "apim:api_view openid" },
		{ "Internal/creator", "apim:api_create apim:api_publish apim:admin",
			"apim:api_create" },
		{ "Internal/publisher", "apim:api_create apim:api_publish", "apim:api_publish" },
		{ "Internal/subscriber", "apim:subscribe apim:api_view", "apim:subscribe" },
		{ "Internal/devops", "apim:api_import_export apim:admin",
			"apim:api_import_export" },
		{ "Internal/observer", "apim:api_view apim:api_create", "apim:api_view" },
		{ "Internal/everyone", "apim:api_view openid default", "openid default" },
		{ "Admin", "apim:admin", "default" }, /* names of roles have case */
		{ "Internal/creator", "books_write books_read x", "books_write books_read" },
		{ "Internal/subscriber", "books_write books_read", "books_read" },
		{ "Internal/subscriber", "apim:api_view\tapim:subscribe", "default" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gh_str role = gh_str_of(rows[i].role);
		struct scopes_owner owner = { &role, 1 };
		char granted[SCOPES_MAX];

		CU_ASSERT_EQUAL(scopes_grant(gh_str_of(rows[i].requested), &owner, other_scopes,
			NULL, granted), 0);
		CU_ASSERT_STRING_EQUAL(granted, rows[i].granted);
	}
}

static void
test_scope_lists_are_bounded(void)
{
	struct scopes_owner nobody = { NULL, 0 };
	char requested[SCOPES_MAX], granted[SCOPES_MAX];

	memset(requested, 'a', sizeof(requested));
	CU_ASSERT_EQUAL(scopes_grant((struct gh_str){ requested, SCOPES_MAX }, &nobody, NULL, NULL,
		granted), GH_ETOOBIG);
	CU_ASSERT_EQUAL(scopes_grant((struct gh_str){ requested, SCOPES_MAX - 1 }, &nobody, NULL,
		NULL, granted), 0);
	CU_ASSERT_STRING_EQUAL(granted, "default");
}

static void
test_scope_subsets(void)
{
	CU_ASSERT(scopes_contain(GH_STR("a b c"), GH_STR("c a")));
	CU_ASSERT(scopes_contain(GH_STR("a b c"), GH_STR("")));
	CU_ASSERT(!scopes_contain(GH_STR("a bb c"), GH_STR("b")));
	CU_ASSERT(!scopes_contain(GH_STR("a"), GH_STR("a b")));
	CU_ASSERT(!scopes_contain(GH_STR_NONE, GH_STR("a")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_password_round_trip),
		UNIT_TEST(test_password_of_another_implementation),
		UNIT_TEST(test_hashes_refused), UNIT_TEST(test_passwords_of_any_length),
		UNIT_TEST(test_third_computation_is_told_to_come_again),
		UNIT_TEST(test_granted_scopes), UNIT_TEST(test_scope_lists_are_bounded),
		UNIT_TEST(test_scope_subsets),
		{ .name = NULL },
	};

	return unit_run("keymanager", tests);
}
