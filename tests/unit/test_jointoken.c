/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_jointoken.c
 * @brief The one spelling of a token, and those that are none.
 */
#include "lib/jointoken/jointoken.h"

#include "tests/unit/unit.h"

static void
test_round_trip(void)
{
	uint8_t fingerprint[JOINTOKEN_FINGERPRINT_LEN];
	struct jointoken token, other, back;
	char text[JOINTOKEN_TEXT_LEN + 1], id[JOINTOKEN_ID_LEN + 1], back_id[JOINTOKEN_ID_LEN + 1];

	memset(fingerprint, 0xa5, sizeof(fingerprint));
	CU_ASSERT_EQUAL_FATAL(jointoken_new(fingerprint, &token), GH_OK);
	CU_ASSERT_EQUAL_FATAL(jointoken_new(fingerprint, &other), GH_OK);
	CU_ASSERT_NOT_EQUAL(memcmp(token.secret, other.secret, sizeof(token.secret)), 0);
	jointoken_print(&token, text);
	CU_ASSERT_EQUAL(strlen(text), JOINTOKEN_TEXT_LEN);
	CU_ASSERT_EQUAL(strncmp(text, JOINTOKEN_PREFIX, 5), 0);
	CU_ASSERT_EQUAL_FATAL(jointoken_parse(gh_str_of(text), &back), GH_OK);
	CU_ASSERT_EQUAL(memcmp(&token, &back, sizeof(token)), 0);
	CU_ASSERT_EQUAL(memcmp(back.fingerprint, fingerprint, sizeof(fingerprint)), 0);
	CU_ASSERT_EQUAL(jointoken_id(&token, id), GH_OK);
	CU_ASSERT_EQUAL(jointoken_id(&back, back_id), GH_OK);
	CU_ASSERT_STRING_EQUAL(id, back_id);
	CU_ASSERT_EQUAL(jointoken_id(&other, back_id), GH_OK);
	CU_ASSERT_STRING_NOT_EQUAL(id, back_id);
	/* The id is of the secret alone, and does not tell it. */
	back.fingerprint[0] ^= 1;
	CU_ASSERT_EQUAL(jointoken_id(&back, back_id), GH_OK);
	CU_ASSERT_STRING_EQUAL(id, back_id);
}

static void
test_malformed(void)
{
	struct jointoken token, untouched;
	char good[JOINTOKEN_TEXT_LEN + 1], text[JOINTOKEN_TEXT_LEN + 8];
	static const struct { size_t at; char c; } changes[] = {
		{ 0, 'G' }, { 3, '2' }, { 4, '-' }, { 5, '+' }, { 20, '/' }, { 30, '=' }, { 40, ' ' },
		{ 50, '\0' }, { JOINTOKEN_TEXT_LEN - 1, '=' }, { JOINTOKEN_TEXT_LEN - 1, '\n' },
	};

	memset(&token, 7, sizeof(token));
	jointoken_print(&token, good);
	memset(&token, 9, sizeof(token));
	memset(&untouched, 9, sizeof(untouched));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(text, good, sizeof(good));
		text[changes[i].at] = changes[i].c;
		CU_ASSERT_EQUAL(jointoken_parse((struct gh_str){ text, JOINTOKEN_TEXT_LEN }, &token),
			GH_EINVAL);
		CU_ASSERT_EQUAL(memcmp(&token, &untouched, sizeof(token)), 0);
	}
	for (size_t n = 0; n < JOINTOKEN_TEXT_LEN; n++)
		CU_ASSERT_EQUAL(jointoken_parse((struct gh_str){ good, n }, &token), GH_EINVAL);
	memcpy(text, good, sizeof(good));
	memcpy(text + JOINTOKEN_TEXT_LEN, "A", 2);
	CU_ASSERT_EQUAL(jointoken_parse(gh_str_of(text), &token), GH_EINVAL);
	CU_ASSERT_EQUAL(jointoken_parse(GH_STR_NONE, &token), GH_EINVAL);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_round_trip), UNIT_TEST(test_malformed), { NULL, NULL },
	};

	return unit_run("jointoken", tests);
}
