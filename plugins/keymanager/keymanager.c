/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keymanager.c
 * @brief The key manager: an OAuth 2 server, the users of the platform, the keys that sign tokens.
 *
 * It provides tokens/1 and identity/1 to the management plugins and answers /oauth2 and the
 * registration of clients.  Gateways never ask it: they verify tokens themselves, with the
 * `issuer_key` and `revocation` documents that come to them through the feed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/keymanager/keymanager.h"

#define DEFAULT_MANAGEMENT_PORT 9443

/* ---- Options --------------------------------------------------------------------------------- */

static const char *const algorithms[] = { "ES256", "RS256", "EdDSA", NULL };
static const char *const secret_words[] = { "sealed", "hash_only", NULL };

static const struct gh_opt opts[] = {
	GH_OPT(struct km_config, issuer, .dflt = "auto", .min = 1, .max = 512, .fixed = true,
		.help = "Issuer of tokens, the same for all key managers of a cluster; auto: the one "
			"that the keys in the store name, in a new store "
			"https://localhost:PORT/oauth2/token with the port of the management "
			"listener."),
	GH_OPT(struct km_config, cluster_key_file, .dflt = "", .max = 4000, .fixed = true,
		.help = "File with the keys that all nodes of a cluster share, 64 hexadecimal digits "
			"each, the newest first; empty: cluster.key in the state directory, made when "
			"missing."),
	GH_OPT(struct km_config, cluster_key, .dflt = "", .max = 1024, .fixed = true,
		.help = "These keys themselves, in place of a file."),
	GH_OPT(struct km_config, signing_algorithm, .dflt = "ES256", .words = algorithms,
		.fixed = true, .help = "Algorithm that signs access tokens."),
	GH_OPT(struct km_config, client_secrets, .dflt = "sealed", .words = secret_words,
		.fixed = true, .help = "Keep client secrets sealed under the cluster key, so that "
			"portals can show them again, or only their hash."),
	GH_OPT(struct km_config, admin_password, .dflt = "", .max = PASSWORD_MAX, .fixed = true,
		.help = "Password of the first administrator, admin; empty: a random one, written "
			"to admin-password in the state directory on the first start."),
	GH_OPT(struct km_config, token_lifetime, .dflt = "3600s", .min = 1000,
		.max = UINT64_C(31536000000), .fixed = true,
		.help = "How long an access token is valid, unless its client says otherwise."),
	GH_OPT(struct km_config, refresh_lifetime, .dflt = "86400s", .min = 1000,
		.max = UINT64_C(31536000000), .fixed = true,
		.help = "How long a refresh token may be used after it was given out."),
	GH_OPT(struct km_config, internal_key_lifetime, .dflt = "60000s", .min = 1000,
		.max = UINT64_C(31536000000), .fixed = true,
		.help = "How long a key for testing an API in the publisher is valid."),
	GH_OPT(struct km_config, clock_skew, .dflt = "5s", .max = 300000, .fixed = true,
		.help = "How far the clocks of nodes may differ."),
	GH_OPT(struct km_config, password_min, .dflt = "8", .min = 1, .max = 128, .fixed = true,
		.help = "Fewest bytes of a password that a user chooses or an administrator sets; "
			"the first administrator's own is not looked at."),
	GH_OPT(struct km_config, password_wait, .dflt = "5s", .min = 1, .max = 30000, .fixed = true,
		.help = "How long a login waits while two passwords are being checked."),
	{ .type = GH_OPT_END },
};

/* ---- Life ------------------------------------------------------------------------------------ */

static int
set_issuer(struct km *km, struct gh_str option)
{
	uint16_t port = gh_inst_port(km->inst, GH_CHAIN_MANAGEMENT, true);
	char text[640];
	int n;

	km->is_issuer_auto = gh_str_eq(option, GH_STR("auto"));
	if (km->is_issuer_auto)
		n = snprintf(text, sizeof(text), "https://localhost:%u/oauth2/token",
			port != 0 ? port : DEFAULT_MANAGEMENT_PORT);
	else
		n = snprintf(text, sizeof(text), "%.*s", GH_STR_ARG(option));
	if (n < 0 || (size_t)n >= sizeof(text))
		return GH_ETOOBIG;
	km->issuer = strdup(text);
	if (km->issuer == NULL)
		return GH_ENOMEM;
	return km->is_issuer_auto ? km_keys_issuer(km) : GH_OK;
}

static int
bind_services(struct km *km, struct gh_feed *feed)
{
	int r = GH_BIND(km->inst, GH_SVC_DOCS, &km->docs);

	if (r == 0)
		r = GH_BIND(km->inst, GH_SVC_FEED, feed);
	while (r == 0 && km->rollout_count < KM_ROLLOUTS_MAX && GH_BIND_AT(km->inst, GH_SVC_ROLLOUT,
			km->rollout_count, &km->rollouts[km->rollout_count]) == 0)
		km->rollout_count++;
	return r;
}

static void
make_metrics(struct km *km)
{
	static const char *const labels[KM_GRANT_COUNT] = {
		[KM_GRANT_PASSWORD] = "grant=\"password\"",
		[KM_GRANT_CLIENT] = "grant=\"client_credentials\"",
		[KM_GRANT_REFRESH] = "grant=\"refresh_token\"",
	};

	for (size_t i = 0; i < KM_GRANT_COUNT; i++)
		km->tokens_issued[i] = gh_metric_new(km->inst, GH_COUNTER,
			"gatehouse_keymanager_tokens_issued_total",
			"Access tokens that the token endpoint gave out.", labels[i]);
	km->logins_refused = gh_metric_new(km->inst, GH_COUNTER,
		"gatehouse_keymanager_logins_refused_total",
		"Passwords that were wrong, or of users who do not exist.", NULL);
}

static void
close_keymanager(void *process)
{
	struct km *km = process;

	km_catalogue_close(km);
	km_users_close(km);
	km_keys_close(km);
	km_backoff_close(km);
	passwords_done(&km->passwords);
	free(km->issuer);
	km->issuer = NULL;
}

static int
open_keymanager(void *process, const void *options, struct gh_inst *inst)
{
	const struct km_config *config = options;
	struct km *km = process;
	struct gh_feed feed;
	int r;

	km->inst = inst;
	km->client_secrets = (enum km_client_secrets)config->client_secrets.v;
	km->token_s = config->token_lifetime.v / 1000;
	km->refresh_s = config->refresh_lifetime.v / 1000;
	km->internal_key_s = config->internal_key_lifetime.v / 1000;
	km->skew_s = config->clock_skew.v / 1000;
	km->password_min = (size_t)config->password_min;
	make_metrics(km);
	r = passwords_init(&km->passwords, config->password_wait.v);
	if (r < 0)
		return r;
	r = bind_services(km, &feed);
	if (r == 0)
		r = set_issuer(km, config->issuer);
	if (r == 0)
		r = km_backoff_open(km);
	if (r == 0)
		r = km_keys_open(km, config);
	if (r == 0)
		r = km_users_open(km, config);
	if (r == 0)
		r = km_catalogue_open(km, &feed);
	if (r < 0)
		close_keymanager(km);
	return r;
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static const struct gh_service_row provides[] = {
	{ GH_SVC_TOKENS, &km_tokens }, { GH_SVC_IDENTITY, &km_identity },
	{ GH_SVC_USERS, &km_users }, { GH_SVC_ROLLOUT, &km_rollout }, { .name = NULL },
};

static const char *const needs[] = { GH_SVC_DOCS, GH_SVC_FEED, GH_SVC_ROLLOUT "*", NULL };

/* Signing and hashing are work: their lane is not that of the other management calls. */
static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/token", .handler = km_on_token,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = 65536 },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/token/.well-known",
		.handler = km_on_discovery, .lane = GH_LANE_STORE },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/jwks", .handler = km_on_jwks,
		.lane = GH_LANE_STORE },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/revoke", .handler = km_on_revoke,
		.lane = GH_LANE_STORE, .max_body_bytes = 65536 },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/introspect", .handler = km_on_introspect,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = 65536 },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/oauth2/userinfo", .handler = km_on_userinfo,
		.lane = GH_LANE_STORE, .max_body_bytes = 65536 },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/client-registration/v0.17/register",
		.handler = km_on_register, .lane = GH_LANE_CRYPTO, .max_body_bytes = 65536 },
	{ .chain = GH_CHAIN_MANAGEMENT, .prefix = "/t", .handler = km_on_tenant,
		.lane = GH_LANE_CRYPTO, .max_body_bytes = 65536 },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "keymanager", .version = "1.0.0",
	.provides = provides, .needs = needs, .opts = opts, .mounts = mounts,
	.config_size = sizeof(struct km_config),
	.process_size = sizeof(struct km), .open = open_keymanager, .close = close_keymanager,
};
