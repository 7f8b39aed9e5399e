/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scopes.c
 * @brief The table of scopes and roles, and what a tenant has changed in it.
 *
 * The administrator's role has every scope, so it stands in no row.
 */
#include "lib/scopes/scopes.h"

#include "lib/doc/doc.h"

enum role {
	CREATOR = 1, PUBLISHER = 2, SUBSCRIBER = 4, DEVOPS = 8, OBSERVER = 16, ANALYTICS = 32,
	INTEGRATION = 64, ADMIN = 128,
	NOBODY = 0,    /* but the administrator */
	MAKERS = CREATOR | PUBLISHER,
	READERS = CREATOR | PUBLISHER | OBSERVER | ANALYTICS,
};

static const struct { const char *name; unsigned bit; } roles[] = {
	{ SCOPES_ADMIN_ROLE, ADMIN }, { "Internal/creator", CREATOR },
	{ "Internal/publisher", PUBLISHER }, { "Internal/subscriber", SUBSCRIBER },
	{ "Internal/devops", DEVOPS },
	{ "Internal/observer", OBSERVER }, { "Internal/analytics", ANALYTICS },
	{ "Internal/integration_dev", INTEGRATION },
};

static const struct scope {
	const char *name;
	unsigned roles;
	const char *tag, *description;
} table[] = {
	/* publisher */
	{ "apim:api_view", READERS, "publisher", "See APIs" },
	{ "apim:api_list_view", READERS | INTEGRATION, "publisher", "List APIs" },
	{ "apim:api_definition_view", READERS | INTEGRATION, "publisher",
		"See the definitions of APIs" },
	{ "apim:api_create", CREATOR, "publisher", "Create and change APIs" },
	{ "apim:api_delete", CREATOR, "publisher", "Delete APIs" },
	{ "apim:api_publish", PUBLISHER, "publisher", "Publish APIs" },
	{ "apim:api_manage", NOBODY, "publisher", "Do everything with APIs" },
	{ "apim:api_generate_key", MAKERS, "publisher", "Get keys for testing APIs" },
	{ "apim:api_import_export", DEVOPS, "publisher", "Import and export APIs" },
	{ "apim:api_product_import_export", DEVOPS, "publisher", "Import and export API products" },
	{ "apim:subscription_view", MAKERS | OBSERVER, "publisher",
		"See the subscriptions to APIs" },
	{ "apim:subscription_block", MAKERS, "publisher", "Block subscriptions" },
	{ "apim:subscription_manage", MAKERS, "publisher", "Do everything with subscriptions" },
	{ "apim:publisher_settings", MAKERS | OBSERVER, "publisher",
		"See the settings of the publisher" },
	{ "apim:threat_protection_policy_create", MAKERS, "publisher",
		"Create threat protection policies" },
	{ "apim:threat_protection_policy_manage", MAKERS, "publisher",
		"Change threat protection policies" },
	{ "apim:document_create", MAKERS, "publisher", "Create documents of APIs" },
	{ "apim:document_manage", MAKERS, "publisher", "Change documents of APIs" },
	{ "apim:api_mediation_policy_manage", CREATOR, "publisher",
		"Change mediation policies of an API" },
	{ "apim:mediation_policy_view", MAKERS, "publisher", "See mediation policies" },
	{ "apim:mediation_policy_create", CREATOR, "publisher", "Create mediation policies" },
	{ "apim:mediation_policy_manage", CREATOR, "publisher", "Change mediation policies" },
	{ "apim:common_operation_policy_view", MAKERS | OBSERVER, "publisher",
		"See common operation policies" },
	{ "apim:common_operation_policy_manage", CREATOR, "publisher",
		"Change common operation policies" },
	{ "apim:gateway_policy_view", MAKERS | OBSERVER, "publisher", "See gateway policies" },
	{ "apim:gateway_policy_manage", MAKERS, "publisher", "Change gateway policies" },
	{ "apim:client_certificates_view", MAKERS, "publisher", "See client certificates" },
	{ "apim:client_certificates_add", CREATOR, "publisher", "Add client certificates" },
	{ "apim:client_certificates_update", CREATOR, "publisher", "Replace client certificates" },
	{ "apim:client_certificates_manage", CREATOR, "publisher",
		"Do everything with client certificates" },
	{ "apim:ep_certificates_view", MAKERS, "publisher", "See certificates of backends" },
	{ "apim:ep_certificates_add", CREATOR, "publisher", "Add certificates of backends" },
	{ "apim:ep_certificates_update", CREATOR, "publisher", "Replace certificates of backends" },
	{ "apim:ep_certificates_manage", CREATOR, "publisher",
		"Do everything with certificates of backends" },
	{ "apim:pub_alert_manage", PUBLISHER, "publisher", "Change the alerts of the publisher" },
	{ "apim:shared_scope_manage", MAKERS, "publisher", "Change shared scopes" },
	{ "apim:comment_view", MAKERS, "publisher", "Read comments" },
	{ "apim:comment_write", MAKERS, "publisher", "Write comments" },
	{ "apim:comment_manage", NOBODY, "publisher", "Change comments of others" },
	{ "apim:llm_provider_read", MAKERS, "publisher", "See providers of language models" },
	{ "apim:publisher_organization_read", MAKERS, "publisher", "See organizations" },
	{ "apim:mcp_server_view", READERS, "publisher", "See MCP servers" },
	{ "apim:mcp_server_list_view", READERS | INTEGRATION, "publisher", "List MCP servers" },
	{ "apim:mcp_server_create", CREATOR, "publisher", "Create and change MCP servers" },
	{ "apim:mcp_server_delete", CREATOR, "publisher", "Delete MCP servers" },
	{ "apim:mcp_server_publish", PUBLISHER, "publisher", "Publish MCP servers" },
	{ "apim:mcp_server_manage", NOBODY, "publisher", "Do everything with MCP servers" },
	{ "apim:mcp_server_import_export", DEVOPS, "publisher", "Import and export MCP servers" },
	/* devportal */
	{ "apim:subscribe", SUBSCRIBER, "devportal", "Keep applications and subscribe to APIs" },
	{ "apim:api_key", SUBSCRIBER, "devportal", "Get API keys" },
	{ "apim:app_manage", SUBSCRIBER | DEVOPS, "devportal", "Keep applications" },
	{ "apim:sub_manage", SUBSCRIBER | DEVOPS, "devportal", "Keep subscriptions" },
	{ "apim:store_settings", SUBSCRIBER, "devportal", "See the settings of the portal" },
	{ "apim:sub_alert_manage", SUBSCRIBER, "devportal", "Change the alerts of the portal" },
	{ "apim:app_import_export", DEVOPS, "devportal", "Import and export applications" },
	/* admin */
	{ "apim:admin", NOBODY, "admin", "Do everything in the admin API" },
	{ "apim:tier_view", MAKERS | OBSERVER, "admin", "See throttling policies" },
	{ "apim:tier_manage", NOBODY, "admin", "Change throttling policies" },
	{ "apim:bl_view", NOBODY, "admin", "See the deny policies" },
	{ "apim:bl_manage", NOBODY, "admin", "Change the deny policies" },
	{ "apim:policies_import_export", DEVOPS, "admin", "Import and export throttling policies" },
	{ "apim:app_owner_change", NOBODY, "admin", "Give an application another owner" },
	{ "apim:label_read", NOBODY, "admin", "See labels" },
	{ "apim:label_manage", NOBODY, "admin", "Change labels" },
	{ "apim:environment_read", MAKERS | DEVOPS, "admin", "See gateway environments" },
	{ "apim:environment_manage", NOBODY, "admin", "Change gateway environments" },
	{ "apim:monetization_usage_publish", PUBLISHER, "admin", "Publish usage for monetization" },
	{ "apim:api_workflow_view", NOBODY, "admin", "See requests for approval" },
	{ "apim:api_workflow_approve", NOBODY, "admin", "Approve requests" },
	{ "apim:bot_data", NOBODY, "admin", "See what bots have tried" },
	{ "apim:tenantInfo", NOBODY, "admin", "See the tenants" },
	{ "apim:tenant_theme_manage", NOBODY, "admin", "Change the theme of a tenant" },
	{ "apim:admin_operations", NOBODY, "admin", "Do administrative operations" },
	{ "apim:admin_settings", NOBODY, "admin", "See the settings of the admin portal" },
	{ "apim:admin_alert_manage", NOBODY, "admin", "Change the alerts of the admin portal" },
	{ "apim:scope_manage", NOBODY, "admin", "Change which roles have which scopes" },
	{ "apim:llm_provider_manage", NOBODY, "admin", "Change providers of language models" },
	{ "apim:organization_manage", NOBODY, "admin", "Change organizations" },
	{ "apim:organization_read", NOBODY, "admin", "See organizations as an administrator" },
	/* service-catalog */
	{ "service_catalog:service_view", MAKERS | INTEGRATION, "service-catalog", "See services" },
	{ "service_catalog:service_write", MAKERS | INTEGRATION, "service-catalog",
		"Change services" },
	/* governance */
	{ "apim:gov_rule_read", MAKERS, "governance", "See rules of governance" },
	{ "apim:gov_rule_manage", NOBODY, "governance", "Change rules of governance" },
	{ "apim:gov_policy_read", MAKERS, "governance", "See policies of governance" },
	{ "apim:gov_policy_manage", NOBODY, "governance", "Change policies of governance" },
	{ "apim:gov_result_read", MAKERS, "governance", "See results of governance" },
	/* identity */
	{ "internal_user_mgt_create", NOBODY, "identity", "Create users" },
	{ "internal_user_mgt_list", NOBODY, "identity", "List users" },
	{ "internal_user_mgt_view", NOBODY, "identity", "See users" },
	{ "internal_user_mgt_update", NOBODY, "identity", "Change users" },
	{ "internal_user_mgt_delete", NOBODY, "identity", "Delete users" },
	{ "internal_role_mgt_create", NOBODY, "identity", "Create roles" },
	{ "internal_role_mgt_view", NOBODY, "identity", "See roles" },
	{ "internal_role_mgt_update", NOBODY, "identity", "Change roles and their members" },
	{ "internal_role_mgt_delete", NOBODY, "identity", "Delete roles" },
};
#define SCOPE_COUNT (sizeof(table) / sizeof(table[0]))

/** Scopes that need no role. */
static const char *const free_scopes[] = { "openid", SCOPES_DEFAULT, "am_application_scope" };

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

/* ---- The table, and a tenant's changes ------------------------------------------------------- */

struct scopes_map
scopes_map_of(struct gh_str body)
{
	return (struct scopes_map){ doc_map(body, "scopes"), doc_map(body, "aliases") };
}

/** Is there an array for @p name in a map?  @param[out] ret_array  n = 0: none. */
static bool
find_array(struct gh_str map, struct gh_str name, struct gh_str *ret_array)
{
	struct doc_value v;

	*ret_array = GH_STR_NONE;
	if (map.n == 0 || doc_find(map, name, &v) < 0 || v.type != DOC_ARRAY)
		return false;
	*ret_array = v.s;
	return true;
}

/** Has the owner the role, or one that counts as it? */
static bool
counts_as(const struct scopes_owner *owner, const struct scopes_map *map, struct gh_str role)
{
	struct gh_str aliases;

	if (scopes_has_role(owner, role))
		return true;
	if (map == NULL || !find_array(map->aliases, role, &aliases))
		return false;
	struct doc_iter it = doc_iter(aliases);
	struct doc_value v;

	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && scopes_has_role(owner, v.s))
			return true;
	return false;
}

static bool
allows(const struct scope *scope, const struct scopes_owner *owner, const struct scopes_map *map)
{
	struct gh_str changed;

	if (counts_as(owner, map, GH_STR(SCOPES_ADMIN_ROLE)))
		return true;
	if (map != NULL && find_array(map->scopes, gh_str_of(scope->name), &changed)) {
		struct doc_iter it = doc_iter(changed);
		struct doc_value v;

		while (doc_next(&it, NULL, &v))
			if (v.type == DOC_STR && counts_as(owner, map, v.s))
				return true;
		return false;
	}
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if ((scope->roles & roles[i].bit) != 0 &&
				counts_as(owner, map, gh_str_of(roles[i].name)))
			return true;
	return false;
}

bool
scopes_find(struct gh_str name, size_t *ret_i)
{
	for (size_t i = 0; i < SCOPE_COUNT; i++) {
		if (gh_str_eq(name, gh_str_of(table[i].name))) {
			*ret_i = i;
			return true;
		}
	}
	return false;
}

bool
scopes_at(size_t i, struct scopes_row *ret_row)
{
	if (i >= SCOPE_COUNT)
		return false;
	*ret_row = (struct scopes_row){ table[i].name, table[i].tag, table[i].description };
	return true;
}

const char *
scopes_default_role(size_t i, size_t n)
{
	for (size_t j = 0; j < sizeof(roles) / sizeof(roles[0]); j++)
		if (((table[i].roles | ADMIN) & roles[j].bit) != 0 && n-- == 0)
			return roles[j].name;
	return NULL;
}

bool
scopes_allow(struct gh_str scope, const struct scopes_owner *owner, const struct scopes_map *map)
{
	size_t i;

	return scopes_find(scope, &i) && allows(&table[i], owner, map);
}

bool
scopes_is_manager(const struct scopes_owner *owner, const struct scopes_map *map)
{
	for (size_t i = 0; i < SCOPE_COUNT; i++)
		if (allows(&table[i], owner, map))
			return true;
	return false;
}

/* ---- The choice ------------------------------------------------------------------------------ */

static bool
is_free(struct gh_str scope)
{
	for (size_t i = 0; i < sizeof(free_scopes) / sizeof(free_scopes[0]); i++)
		if (gh_str_eq(scope, gh_str_of(free_scopes[i])))
			return true;
	return false;
}

int
scopes_grant(struct gh_str requested, const struct scopes_owner *owner,
	const struct scopes_map *map, scopes_other_fn *other, void *arg, char ret[SCOPES_MAX])
{
	struct gh_str one;
	size_t n = 0, i;

	if (requested.n >= SCOPES_MAX)
		return GH_ETOOBIG; /* what is granted is never longer */
	while (scopes_next(&requested, &one)) {
		bool is_allowed = is_free(one) || (scopes_find(one, &i)
			? allows(&table[i], owner, map)
			: other != NULL && other(arg, one, owner));

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
