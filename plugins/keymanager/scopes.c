/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scopes.c
 * @brief The table of scopes and roles.
 *
 * The administrator's role has every scope, so it stands in no row.
 */
#include "plugins/keymanager/scopes.h"

enum role {
	CREATOR = 1, PUBLISHER = 2, SUBSCRIBER = 4, DEVOPS = 8, OBSERVER = 16, ANALYTICS = 32,
	INTEGRATION = 64,
	ANYBODY = 128, /* no role is needed */
	ADMIN = 256,
	NOBODY = 0,    /* but the administrator */
	MAKERS = CREATOR | PUBLISHER,
	READERS = CREATOR | PUBLISHER | OBSERVER | ANALYTICS,
};

static const struct { const char *name; unsigned bit; } roles[] = {
	{ "admin", ADMIN }, { "Internal/creator", CREATOR }, { "Internal/publisher", PUBLISHER },
	{ "Internal/subscriber", SUBSCRIBER }, { "Internal/devops", DEVOPS },
	{ "Internal/observer", OBSERVER }, { "Internal/analytics", ANALYTICS },
	{ "Internal/integration_dev", INTEGRATION },
};

static const struct scope {
	const char *name;
	unsigned roles;
} table[] = {
	{ "openid", ANYBODY }, { SCOPES_DEFAULT, ANYBODY }, { "am_application_scope", ANYBODY },
	/* publisher */
	{ "apim:api_view", READERS }, { "apim:api_list_view", READERS | INTEGRATION },
	{ "apim:api_definition_view", READERS | INTEGRATION }, { "apim:api_create", CREATOR },
	{ "apim:api_delete", CREATOR }, { "apim:api_publish", PUBLISHER },
	{ "apim:api_manage", NOBODY }, { "apim:api_generate_key", MAKERS },
	{ "apim:api_import_export", DEVOPS }, { "apim:api_product_import_export", DEVOPS },
	{ "apim:subscription_view", MAKERS | OBSERVER }, { "apim:subscription_block", MAKERS },
	{ "apim:subscription_manage", MAKERS }, { "apim:publisher_settings", MAKERS | OBSERVER },
	{ "apim:threat_protection_policy_create", MAKERS },
	{ "apim:threat_protection_policy_manage", MAKERS }, { "apim:document_create", MAKERS },
	{ "apim:document_manage", MAKERS }, { "apim:api_mediation_policy_manage", CREATOR },
	{ "apim:mediation_policy_view", MAKERS }, { "apim:mediation_policy_create", CREATOR },
	{ "apim:mediation_policy_manage", CREATOR },
	{ "apim:common_operation_policy_view", MAKERS | OBSERVER },
	{ "apim:common_operation_policy_manage", CREATOR },
	{ "apim:gateway_policy_view", MAKERS | OBSERVER }, { "apim:gateway_policy_manage", MAKERS },
	{ "apim:client_certificates_view", MAKERS }, { "apim:client_certificates_add", CREATOR },
	{ "apim:client_certificates_update", CREATOR },
	{ "apim:client_certificates_manage", CREATOR }, { "apim:ep_certificates_view", MAKERS },
	{ "apim:ep_certificates_add", CREATOR }, { "apim:ep_certificates_update", CREATOR },
	{ "apim:ep_certificates_manage", CREATOR }, { "apim:pub_alert_manage", PUBLISHER },
	{ "apim:shared_scope_manage", MAKERS }, { "apim:comment_view", MAKERS },
	{ "apim:comment_write", MAKERS }, { "apim:comment_manage", NOBODY },
	{ "apim:llm_provider_read", MAKERS }, { "apim:publisher_organization_read", MAKERS },
	{ "apim:mcp_server_view", READERS }, { "apim:mcp_server_list_view", READERS | INTEGRATION },
	{ "apim:mcp_server_create", CREATOR }, { "apim:mcp_server_delete", CREATOR },
	{ "apim:mcp_server_publish", PUBLISHER }, { "apim:mcp_server_manage", NOBODY },
	{ "apim:mcp_server_import_export", DEVOPS },
	/* developer portal */
	{ "apim:subscribe", SUBSCRIBER }, { "apim:api_key", SUBSCRIBER },
	{ "apim:app_manage", SUBSCRIBER | DEVOPS }, { "apim:sub_manage", SUBSCRIBER | DEVOPS },
	{ "apim:store_settings", SUBSCRIBER }, { "apim:sub_alert_manage", SUBSCRIBER },
	{ "apim:app_import_export", DEVOPS },
	/* administration */
	{ "apim:admin", NOBODY }, { "apim:tier_view", MAKERS | OBSERVER },
	{ "apim:tier_manage", NOBODY }, { "apim:bl_view", NOBODY }, { "apim:bl_manage", NOBODY },
	{ "apim:policies_import_export", DEVOPS }, { "apim:app_owner_change", NOBODY },
	{ "apim:label_read", NOBODY }, { "apim:label_manage", NOBODY },
	{ "apim:environment_read", MAKERS | DEVOPS }, { "apim:environment_manage", NOBODY },
	{ "apim:monetization_usage_publish", PUBLISHER }, { "apim:api_workflow_view", NOBODY },
	{ "apim:api_workflow_approve", NOBODY }, { "apim:bot_data", NOBODY },
	{ "apim:tenantInfo", NOBODY }, { "apim:tenant_theme_manage", NOBODY },
	{ "apim:admin_operations", NOBODY }, { "apim:admin_settings", NOBODY },
	{ "apim:admin_alert_manage", NOBODY }, { "apim:scope_manage", NOBODY },
	{ "apim:llm_provider_manage", NOBODY }, { "apim:organization_manage", NOBODY },
	{ "apim:organization_read", NOBODY },
	/* service catalogue and governance */
	{ "service_catalog:service_view", MAKERS | INTEGRATION },
	{ "service_catalog:service_write", MAKERS | INTEGRATION },
	{ "apim:gov_rule_read", MAKERS }, { "apim:gov_rule_manage", NOBODY },
	{ "apim:gov_policy_read", MAKERS }, { "apim:gov_policy_manage", NOBODY },
	{ "apim:gov_result_read", MAKERS },
};

static unsigned
roles_of(const struct scopes_owner *owner)
{
	unsigned bits = 0;

	for (size_t i = 0; i < owner->role_count; i++)
		for (size_t j = 0; j < sizeof(roles) / sizeof(roles[0]); j++)
			if (gh_str_eq(owner->roles[i], gh_str_of(roles[j].name)))
				bits |= roles[j].bit;
	return bits;
}

bool
scopes_is_manager(const struct scopes_owner *owner)
{
	return roles_of(owner) != 0;
}

bool
scopes_has_role(const struct scopes_owner *owner, struct gh_str role)
{
	for (size_t i = 0; i < owner->role_count; i++)
		if (gh_str_eq(owner->roles[i], role))
			return true;
	return false;
}

bool
scopes_next(struct gh_str *rest, struct gh_str *ret_scope)
{
	size_t n = 0;

	while (rest->n > 0 && rest->p[0] == ' ') {
		rest->p++;
		rest->n--;
	}
	while (n < rest->n && rest->p[n] != ' ')
		n++;
	*ret_scope = (struct gh_str){ rest->p, n };
	*rest = (struct gh_str){ rest->p + n, rest->n - n };
	return n > 0;
}

static bool
has_scope(struct gh_str list, struct gh_str scope)
{
	struct gh_str one;

	while (scopes_next(&list, &one))
		if (gh_str_eq(one, scope))
			return true;
	return false;
}

bool
scopes_contain(struct gh_str whole, struct gh_str part)
{
	struct gh_str one;

	while (scopes_next(&part, &one))
		if (!has_scope(whole, one))
			return false;
	return true;
}

static const struct scope *
find_scope(struct gh_str name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (gh_str_eq(name, gh_str_of(table[i].name)))
			return &table[i];
	return NULL;
}

int
scopes_grant(struct gh_str requested, const struct scopes_owner *owner, scopes_other_fn *other,
	void *arg, char ret[SCOPES_MAX])
{
	unsigned held = roles_of(owner) | ANYBODY;
	struct gh_str one;
	size_t n = 0;

	if (requested.n >= SCOPES_MAX)
		return GH_ETOOBIG; /* what is granted is never longer */
	while (scopes_next(&requested, &one)) {
		const struct scope *scope = find_scope(one);
		bool is_allowed = scope != NULL ? (held & (scope->roles | ADMIN)) != 0
			: other != NULL && other(arg, one, owner);

		if (!is_allowed || has_scope((struct gh_str){ ret, n }, one))
			continue;
		if (n > 0)
			ret[n++] = ' ';
		memcpy(ret + n, one.p, one.n);
		n += one.n;
	}
	if (n == 0) {
		n = sizeof(SCOPES_DEFAULT) - 1;
		memcpy(ret, SCOPES_DEFAULT, n);
	}
	ret[n] = '\0';
	return GH_OK;
}
