/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_form.c
 * @brief Any bytes as a form and as an Authorization field.
 */
#include <stdlib.h>

#include "lib/form/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gh_str text = { (const char *)data, size }, token;
	struct form *form = NULL;
	struct form_basic basic;

	if (form_parse(text, &form, NULL) == 0) {
		for (size_t i = 0; i < form->n; i++)
			if (memchr(form->fields[i].value.p, '\0', form->fields[i].value.n) != NULL)
				abort();
		form_count(form, "a");
		form_free(form);
	}
	if (form_basic_parse(text, &basic) == 0 &&
	    basic.user.n + basic.password.n + 1 > sizeof(basic.text))
		abort();
	if (form_bearer_parse(text, &token) == 0 && token.n == 0)
		abort();
	return 0;
}
