/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.c
 * @brief The table of document kinds.  Numbers stand in store keys: append, never renumber.
 */
#include "lib/model/model.h"

#define STR(f) { f, MODEL_STRING }
#define INT(f) { f, MODEL_INTEGER }

static const struct model_index api_indexes[] = {
	{ "name_version", true, { STR("name"), STR("version") } },
	{ "context_version", true, { STR("context"), STR("version") } },
	{ "provider", false, { STR("provider") } },
	{ "state", false, { STR("state") } },
	{ "base", true, { STR("base") } },
	{ .name = NULL },
};
static const char *const api_text[] = { "name", "context", "version", "provider", NULL };
static const struct model_index revision_indexes[] = {
	{ "api", true, { STR("api_id"), INT("number") } },
	{ .name = NULL },
};
static const struct model_index deployment_indexes[] = {
	{ "api", false, { STR("api_id") } },
	{ "revision", false, { STR("revision_id") } },
	{ "environment", false, { STR("environment"), STR("vhost") } },
	{ .name = NULL },
};
static const struct model_index application_indexes[] = {
	{ "owner_name", true, { STR("owner"), STR("name") } },
	{ .name = NULL },
};
static const char *const application_text[] = { "name", "owner", NULL };
static const struct model_index client_indexes[] = {
	{ "owner_name", false, { STR("owner"), STR("name") } },
	{ "application", false, { STR("application_id"), STR("key_type") } },
	{ .name = NULL },
};
static const char *const client_secrets[] = { "secret_sha256", "secret_sealed", NULL };
static const struct model_index consumer_indexes[] = {
	{ "application", true, { STR("application_id"), STR("key_type") } },
	{ "key_mapping", true, { STR("key_mapping_id") } },
	{ .name = NULL },
};
static const struct model_index subscription_indexes[] = {
	{ "application_api", true, { STR("application_id"), STR("api_id") } },
	{ "api", false, { STR("api_id"), INT("created_at_s") } },
	{ .name = NULL },
};
static const struct model_index policy_indexes[] = {
	{ "uuid", true, { STR("uuid") } },
	{ "level_name", true, { STR("level"), STR("name") } },
	{ .name = NULL },
};
static const struct model_index signing_key_indexes[] = {
	{ "alg_number", true, { STR("alg"), INT("number") } },
	{ .name = NULL },
};
static const char *const signing_key_secrets[] = { "sealed", NULL };
static const struct model_index user_indexes[] = {
	{ "uuid", true, { STR("uuid") } },
	{ .name = NULL },
};
static const char *const user_secrets[] = { "password", "session", NULL };
static const struct model_index refresh_token_indexes[] = {
	{ "client", false, { STR("client_id") } },
	{ "user", false, { STR("user_tenant"), STR("user") } },
	{ .name = NULL },
};
static const struct model_index role_indexes[] = {
	{ "uuid", true, { STR("uuid") } },
	{ "name_folded", true, { STR("name_folded") } },
	{ .name = NULL },
};
static const struct model_index document_indexes[] = {
	{ "api", true, { STR("api_id"), STR("role"), STR("name") } },
	{ .name = NULL },
};
static const struct model_index environment_indexes[] = {
	{ "uuid", true, { STR("uuid") } },
	{ "name", true, { STR("name") } },
	{ .name = NULL },
};
static const struct model_index tenant_indexes[] = {
	{ "number", true, { INT("number") } },
	{ .name = NULL },
};
static const struct model_index no_indexes[] = { { .name = NULL } };

const struct model_kind model_kinds[] = {
	{ "api", 1, false, NULL, api_text, api_indexes, NULL },
	{ "revision", 2, false, NULL, NULL, revision_indexes, NULL },
	{ "deployment", 3, true, NULL, NULL, deployment_indexes, NULL },
	{ "application", 4, false, NULL, application_text, application_indexes, NULL },
	{ "client", 5, false, NULL, NULL, client_indexes, client_secrets },
	{ "consumer", 6, true, NULL, NULL, consumer_indexes, NULL },
	{ "subscription", 7, true, NULL, NULL, subscription_indexes, NULL },
	{ "policy", 8, true, NULL, NULL, policy_indexes, NULL },
	{ "issuer_key", 9, true, NULL, NULL, no_indexes, NULL },
	{ "revocation", 10, true, "expires_at_s", NULL, no_indexes, NULL },
	{ "signing_key", 11, false, NULL, NULL, signing_key_indexes, signing_key_secrets },
	{ "user", 12, false, NULL, NULL, user_indexes, user_secrets },
	{ "refresh_token", 13, false, "expires_at_s", NULL, refresh_token_indexes, NULL },
	{ "tenant", 14, true, NULL, NULL, tenant_indexes, NULL },
	{ "environment", 15, true, NULL, NULL, environment_indexes, NULL },
	{ "node", 16, true, NULL, NULL, no_indexes, NULL },
	{ "join_token", 17, false, "expires_at_s", NULL, no_indexes, NULL },
	{ "cluster_secret", 18, false, NULL, NULL, no_indexes, signing_key_secrets },
	{ "role", 19, false, NULL, NULL, role_indexes, NULL },
	{ "scope_map", 20, false, NULL, NULL, no_indexes, NULL },
	{ "document", 21, false, NULL, NULL, document_indexes, NULL },
	{ "authority", 22, true, NULL, NULL, no_indexes, NULL },
	{ "commit", 26, false, "expires_at_s", NULL, no_indexes, NULL },
	{ .name = NULL },
};

const struct model_kind *
model_kind_find(struct gh_str name)
{
	for (const struct model_kind *k = model_kinds; k->name != NULL; k++)
		if (gh_str_eq(name, gh_str_of(k->name)))
			return k;
	return NULL;
}

const struct model_kind *
model_kind_at(uint16_t number)
{
	for (const struct model_kind *k = model_kinds; k->name != NULL; k++)
		if (k->number == number)
			return k;
	return NULL;
}
