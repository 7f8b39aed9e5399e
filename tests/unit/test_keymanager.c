/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_keymanager.c
 * @brief The key manager's part that needs no node: password hashes.
 */
#include <stdio.h>
#include <stdlib.h>
#include "plugins/keymanager/passwords.h"
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

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_password_round_trip),
		UNIT_TEST(test_password_of_another_implementation),
		UNIT_TEST(test_hashes_refused), UNIT_TEST(test_passwords_of_any_length),
		UNIT_TEST(test_third_computation_is_told_to_come_again),
		{ .name = NULL },
	};

	return unit_run("keymanager", tests);
}
