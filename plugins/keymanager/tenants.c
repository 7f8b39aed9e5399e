/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tenants.c
 * @brief /t/<domain>/oauth2/...: the OAuth endpoints as one tenant's users see them.
 *
 * They are the same ones; but only clients that serve the tenant are known there, and a user name
 * without a tenant is one of its users.
 */
#include "plugins/keymanager/keymanager.h"

static void
on_discovery(void *process, const void *config, struct gh_call *call)
{
	struct gh_str path = gh_call_path(call), end = GH_STR("/oauth2/");

	(void)config;
	for (size_t n = 3; n + end.n <= path.n; n++) { /* behind "/t/" */
		if (memcmp(path.p + n, end.p, end.n) != 0)
			continue;
		km_discover(process, call, (struct gh_str){ path.p, n });
		return;
	}
}

static const struct {
	const char *path;
	gh_handler *fn;
} endpoints[] = {
	{ "/oauth2/token", km_on_token }, { "/oauth2/revoke", km_on_revoke },
	{ "/oauth2/introspect", km_on_introspect }, { "/oauth2/userinfo", km_on_userinfo },
	{ "/oauth2/jwks", km_on_jwks },
	{ "/oauth2/token/.well-known/openid-configuration", on_discovery },
};

void
km_on_tenant(void *process, const void *config, struct gh_call *call)
{
	static const struct km_error unknown = { 404, "invalid_request", "There is nothing here" };
	struct gh_str path = gh_call_subpath(call), domain = GH_STR_NONE;
	const struct km *km = process;
	int r = GH_ENOENT;

	if (path.n > 1) { /* "/<domain>/oauth2/token" */
		domain = (struct gh_str){ path.p + 1, path.n - 1 };
		const char *slash = memchr(domain.p, '/', domain.n);

		if (slash != NULL)
			domain.n = (size_t)(slash - domain.p);
		path = (struct gh_str){ domain.p + domain.n, path.n - 1 - domain.n };
		r = tenant_check(&km->docs, domain);
	}
	if (r < 0 && r != GH_ENOENT) {
		km_reply_failure(call, r, "tenant");
		return;
	}
	for (size_t i = 0; r == 0 && i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		if (gh_str_eq(path, gh_str_of(endpoints[i].path))) {
			endpoints[i].fn(process, config, call);
			return;
		}
	}
	km_reply_error(call, &unknown);
}
