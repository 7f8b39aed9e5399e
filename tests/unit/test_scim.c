/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/scim/attributes.h"
#include "tests/unit/unit.h"
int main(void){ static const struct unit_test tests[] = { { .name = NULL } }; return unit_run("scim", tests); }
