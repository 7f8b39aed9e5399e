/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file authorization.c
 * @brief Authorization fields: "Basic" and "Bearer".
 */
#include "lib/form/form.h"

#include "lib/crypto/crypto.h"

/** What follows "<scheme> ".  @return 0; GH_ENOENT: another scheme; GH_EINVAL: nothing follows. */
static int
credentials_of(struct gh_str field, struct gh_str scheme, struct gh_str *ret_rest)
{
	if (field.n < scheme.n || !gh_str_eq_nocase((struct gh_str){ field.p, scheme.n }, scheme))
		return GH_ENOENT;
	struct gh_str rest = { field.p + scheme.n, field.n - scheme.n };

	if (rest.n == 0)
		return GH_EINVAL;
	if (rest.p[0] != ' ')
		return GH_ENOENT;
	while (rest.n > 0 && rest.p[0] == ' ') {
		rest.p++;
		rest.n--;
	}
	while (rest.n > 0 && rest.p[rest.n - 1] == ' ')
		rest.n--;
	if (rest.n == 0)
		return GH_EINVAL;
	*ret_rest = rest;
	return 0;
}

int
form_basic_parse(struct gh_str authorization, struct form_basic *ret_basic)
{
	struct gh_str encoded;
	size_t n = 0;
	int r = credentials_of(authorization, GH_STR("Basic"), &encoded);

	if (r < 0)
		return r;
	r = crypto_unbase64(encoded, ret_basic->text, sizeof(ret_basic->text), &n);
	if (r < 0)
		return r;
	char *colon = memchr(ret_basic->text, ':', n);

	if (colon == NULL || memchr(ret_basic->text, '\0', n) != NULL) {
		crypto_wipe(ret_basic, sizeof(*ret_basic));
		return GH_EINVAL;
	}
	size_t user_n = (size_t)(colon - ret_basic->text);

	ret_basic->user = (struct gh_str){ ret_basic->text, user_n };
	ret_basic->password = (struct gh_str){ colon + 1, n - user_n - 1 };
	return 0;
}

/** b64token of RFC 6750, 2.1. */
static bool
is_token_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("-._~+/=", c) != NULL);
}

int
form_bearer_parse(struct gh_str authorization, struct gh_str *ret_token)
{
	struct gh_str token;
	int r = credentials_of(authorization, GH_STR("Bearer"), &token);

	if (r < 0)
		return r;
	for (size_t i = 0; i < token.n; i++)
		if (!is_token_byte(token.p[i]))
			return GH_EINVAL;
	*ret_token = token;
	return 0;
}
