/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file unit.h
 * @brief The main() of every unit test: one suite, a table of tests, CUnit's basic report.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct unit_test {
	const char *name;
	void (*fn)(void);
};

/** Row of a test table; the name is the function's. */
#define UNIT_TEST(fn) { #fn, fn }

/** Run @p tests, ended by a NULL name.  @return what main() returns. */
static inline int
unit_run(const char *suite_name, const struct unit_test *tests)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 70;
	CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);

	for (const struct unit_test *t = tests; t->name != NULL; t++)
		CU_add_test(suite, t->name, t->fn);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	unsigned ran = CU_get_number_of_tests_run();

	CU_cleanup_registry();
	return failed == 0 && ran > 0 ? 0 : 1;
}

#endif
