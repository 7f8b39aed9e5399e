/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tenant.c
 * @brief Names of tenants and what is made of them.
 */
#include "lib/tenant/tenant.h"

#include "lib/doc/doc.h"

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

static bool
is_label(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_inner = i > 0 && i + 1 < s.n;

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && !(c == '-' && is_inner))
			return false;
	}
	return s.n > 0 && s.n <= LABEL_MAX;
}

bool
tenant_is_domain(struct gh_str s)
{
	size_t labels = 0;

	if (s.n > TENANT_DOMAIN_MAX || tenant_is_default(s))
		return false;
	for (;;) {
		const char *dot = s.n > 0 ? memchr(s.p, '.', s.n) : NULL;
		struct gh_str label = { s.p, dot != NULL ? (size_t)(dot - s.p) : s.n };

		if (!is_label(label))
			return false;
		labels++;
		if (dot == NULL)
			return labels >= 2;
		s = (struct gh_str){ dot + 1, s.n - label.n - 1 };
	}
}

int
tenant_check(const struct gh_docs *docs, struct gh_str tenant)
{
	struct gh_docs_found *found;

	if (tenant_is_default(tenant))
		return GH_OK;
	if (!tenant_is_domain(tenant))
		return GH_ENOENT;
	int r = docs->vt->get(docs->self, TENANT_DEFAULT, GH_STR("tenant"), tenant, &found);

	if (r < 0)
		return r;
	bool is_active = doc_bool(found->docs[0].body, "is_active", false);

	docs->vt->found_free(found);
	return is_active ? GH_OK : GH_ENOENT;
}

void
tenant_split_user(struct gh_str user, struct gh_str home, struct gh_str *ret_name,
	struct gh_str *ret_tenant)
{
	size_t at = user.n;

	while (at > 0 && user.p[at - 1] != '@')
		at--;
	*ret_name = user;
	*ret_tenant = home;
	if (at == 0)
		return; /* no '@' */
	*ret_name = (struct gh_str){ user.p, at - 1 };
	*ret_tenant = (struct gh_str){ user.p + at, user.n - at };
}

bool
tenant_has_prefix(struct gh_str path)
{
	return path.n >= 2 && memcmp(path.p, "/t", 2) == 0 && (path.n == 2 || path.p[2] == '/');
}

struct gh_str
tenant_context(struct gh_str tenant, struct gh_str context, char buf[TENANT_CONTEXT_MAX])
{
	size_t n = 3 + tenant.n + context.n;

	if (tenant_is_default(tenant) || context.n == 0)
		return context;
	if (n > TENANT_CONTEXT_MAX)
		return GH_STR_NONE;
	memcpy(buf, "/t/", 3);
	memcpy(buf + 3, tenant.p, tenant.n);
	memcpy(buf + 3 + tenant.n, context.p, context.n);
	return (struct gh_str){ buf, n };
}

struct gh_str
tenant_context_inner(struct gh_str tenant, struct gh_str context)
{
	size_t n = 3 + tenant.n;

	if (tenant_is_default(tenant) || context.n <= n || memcmp(context.p, "/t/", 3) != 0 ||
			memcmp(context.p + 3, tenant.p, tenant.n) != 0 || context.p[n] != '/')
		return context;
	return (struct gh_str){ context.p + n, context.n - n };
}
