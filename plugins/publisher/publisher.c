/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file publisher.c
 * @brief The publisher: REST operations by which APIs are made, published and deployed.
 *
 * Mounted at /api/am/publisher on the management chain; blocking, as it reads and writes docs/1.
 */
#include <stddef.h>
#include <syslog.h>

#include "plugins/publisher/publisher.h"

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt options[] = {
	GH_OPT(struct publisher_config, allow_private_definitions, .dflt = "", .max = 1000,
		.help = "Networks, addresses and host names that definitions may be fetched from "
			"although they are not public."),
	GH_OPT(struct publisher_config, definition_max_bytes, .dflt = "4M", .min = 1024,
		.max = 10u << 20, .help = "Largest definition that is fetched from a URL."),
	GH_OPT(struct publisher_config, definition_timeout, .dflt = "10s", .min = 100,
		.max = 25000, .help = "Longest time for a definition, with all redirects."),
	GH_OPT(struct publisher_config, definition_connect_timeout, .dflt = "3s", .min = 100,
		.max = 25000, .help = "Longest time until a server of definitions is connected to."),
	{ .type = GH_OPT_END },
};

/* ---- Operations ------------------------------------------------------------------------------ */

#define VIEW "apim:api_view apim:api_manage "
#define TRANSFER "apim:api_import_export apim:api_product_import_export"
#define REVISION "apim:api_create apim:api_manage apim:api_publish"
#define DOCUMENT_VIEW VIEW "apim:document_manage"
#define DOCUMENT_CHANGE "apim:api_create apim:api_manage apim:document_manage"
#define DOCUMENT_CREATE DOCUMENT_CHANGE " apim:document_create"
#define TIERS "apim:api_view apim:tier_view apim:tier_manage"
#define BLOCK "apim:subscription_block apim:subscription_manage"

static const struct rest_route routes[] = {
	{ "GET", "/settings", "apim:api_view apim:publisher_settings", publisher_settings_get },

	{ "GET", "/apis", VIEW "apim:api_import_export apim:api_list_view", publisher_api_list },
	{ "GET", "/search", VIEW TRANSFER, publisher_search },
	{ "POST", "/apis", "apim:api_create apim:api_manage", publisher_api_create },
	{ "POST", "/apis/import-openapi", "apim:api_create apim:api_manage",
		publisher_import_openapi },
	{ "POST", "/apis/validate-openapi", "apim:api_create apim:api_manage",
		publisher_validate_openapi },
	{ "POST", "/apis/import", "apim:api_import_export apim:admin", publisher_archive_import },
	{ "GET", "/apis/export", VIEW "apim:api_publish apim:api_create apim:api_import_export",
		publisher_archive_export },
	{ "GET", "/apis/{apiId}", VIEW TRANSFER, publisher_api_get },
	{ "PUT", "/apis/{apiId}", REVISION, publisher_api_update },
	{ "DELETE", "/apis/{apiId}", "apim:api_delete apim:api_manage apim:api_import_export",
		publisher_api_delete },
	{ "GET", "/apis/{apiId}/swagger", VIEW "apim:api_definition_view", publisher_swagger_get },
	{ "PUT", "/apis/{apiId}/swagger", "apim:api_create apim:api_manage",
		publisher_swagger_update },
	{ "POST", "/apis/{apiId}/generate-key", "apim:api_generate_key apim:api_manage",
		publisher_key_generate },

	{ "GET", "/apis/{apiId}/revisions",
		VIEW "apim:api_create apim:api_publish apim:api_import_export",
		publisher_revision_list },
	{ "POST", "/apis/{apiId}/revisions", REVISION " apim:api_import_export",
		publisher_revision_create },
	{ "GET", "/apis/{apiId}/revisions/{revisionId}", VIEW "apim:api_create apim:api_publish",
		publisher_revision_get },
	{ "DELETE", "/apis/{apiId}/revisions/{revisionId}", REVISION " apim:api_import_export",
		publisher_revision_delete },
	{ "GET", "/apis/{apiId}/deployments", VIEW "apim:api_create apim:api_publish",
		publisher_deployment_list },
	{ "POST", "/apis/{apiId}/deploy-revision", REVISION, publisher_deploy },
	{ "POST", "/apis/{apiId}/undeploy-revision", REVISION " apim:api_import_export",
		publisher_undeploy },

	{ "POST", "/apis/change-lifecycle",
		"apim:api_publish apim:api_manage apim:api_import_export",
		publisher_lifecycle_change },
	{ "GET", "/apis/{apiId}/lifecycle-state", VIEW "apim:api_publish apim:api_create",
		publisher_lifecycle_get },
	{ "GET", "/apis/{apiId}/lifecycle-history", VIEW "apim:api_publish",
		publisher_lifecycle_history },

	{ "GET", "/apis/{apiId}/thumbnail", VIEW, publisher_thumbnail_get },
	{ "PUT", "/apis/{apiId}/thumbnail", REVISION, publisher_thumbnail_put },
	{ "GET", "/apis/{apiId}/documents", DOCUMENT_VIEW, publisher_document_list },
	{ "POST", "/apis/{apiId}/documents", DOCUMENT_CREATE, publisher_document_create },
	{ "POST", "/apis/{apiId}/documents/validate", DOCUMENT_CREATE, publisher_document_check },
	{ "GET", "/apis/{apiId}/documents/{documentId}", DOCUMENT_VIEW, publisher_document_get },
	{ "PUT", "/apis/{apiId}/documents/{documentId}", DOCUMENT_CHANGE,
		publisher_document_update },
	{ "DELETE", "/apis/{apiId}/documents/{documentId}", DOCUMENT_CHANGE,
		publisher_document_delete },
	{ "GET", "/apis/{apiId}/documents/{documentId}/content", DOCUMENT_VIEW,
		publisher_content_get },
	{ "POST", "/apis/{apiId}/documents/{documentId}/content", DOCUMENT_CREATE,
		publisher_content_put },

	{ "GET", "/subscriptions", "apim:api_view apim:subscription_view apim:subscription_manage",
		publisher_subscription_list },
	{ "POST", "/subscriptions/block-subscription", BLOCK, publisher_subscription_block },
	{ "POST", "/subscriptions/unblock-subscription", BLOCK, publisher_subscription_unblock },

	{ "GET", "/throttling-policies/{policyLevel}", TIERS, publisher_tier_list },
	{ "GET", "/throttling-policies/{policyLevel}/{policyName}", TIERS, publisher_tier_get },
	{ .method = NULL },
};

#define MOUNT "/api/am/publisher"

static const struct rest_api api = { .version = 4, .routes = routes, .base = MOUNT };

static void
handle(void *process, const void *config, struct gh_call *call)
{
	struct publisher *p = process;

	rest_serve(&api, &p->services, p, config, call);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int
open_publisher(void *process, const void *config, struct gh_inst *inst)
{
	struct publisher *p = process;

	(void)config;
	p->inst = inst;
	int r = rest_services_bind(inst, &p->services);

	if (r < 0) {
		gh_inst_log(inst, LOG_ERR, "a needed service is missing: %s", gh_strerror(r));
		return r;
	}
	environment_nodes_bind(inst, &p->nodes);
	identity_bind(inst, &p->identities);
	r = fetch_new(&(const struct fetch_tls){ .is_unverified = false }, &p->fetch);
	if (r == 0 && (p->line = fetch_line_new(p->fetch)) == NULL) {
		fetch_free(p->fetch);
		r = GH_ENOMEM;
	}
	if (r < 0)
		gh_inst_log(inst, LOG_ERR, "definitions cannot be fetched: %s", gh_strerror(r));
	return r;
}

static void
close_publisher(void *process)
{
	struct publisher *p = process;

	fetch_line_free(p->line);
	fetch_free(p->fetch);
}

static int
start_publisher(void *process, void *config)
{
	const struct publisher *p = process;
	const struct publisher_config *c = config;

	for (size_t i = 0; i < c->allow_private_definitions.n; i++) {
		struct gh_str text = c->allow_private_definitions.v[i];

		if (!publisher_allowance_check(text)) {
			gh_inst_log(p->inst, LOG_ERR, "allow_private_definitions: '%.100s' is neither "
				"a network such as 10.1.0.0/16 nor a host name", text.p);
			return GH_EINVAL;
		}
	}
	return 0;
}

static const char *const needs[] = { REST_NEEDS, ENVIRONMENT_NODES, IDENTITY_NEEDS, NULL };

/* What may wait for strangers' servers does not hold up what waits for the store. */
#define FETCHING(version) \
	{ GH_CHAIN_MANAGEMENT, MOUNT version "/apis/import-openapi", .handler = handle, \
		.lane = GH_LANE_NET, .max_body_bytes = 10u << 20 }, \
	{ GH_CHAIN_MANAGEMENT, MOUNT version "/apis/validate-openapi", .handler = handle, \
		.lane = GH_LANE_NET, .max_body_bytes = 10u << 20 }

static const struct gh_mount_row mounts[] = {
	FETCHING("/v4"), FETCHING("/v3"), FETCHING("/v2"), FETCHING("/v1"), FETCHING(""),
	{ GH_CHAIN_MANAGEMENT, MOUNT, .handler = handle, .lane = GH_LANE_STORE,
		.max_body_bytes = 10u << 20 },
	{ .prefix = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "publisher", .version = "1.0.0", .needs = needs, .opts = options,
	.mounts = mounts, .config_size = sizeof(struct publisher_config),
	.process_size = sizeof(struct publisher), .open = open_publisher, .close = close_publisher,
	.start = start_publisher,
};
