/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file publisher.h
 * @brief What the files of the publisher share: how an API is kept, shown, checked and deployed.
 *
 * Every operation that changes an API or what is deployed of it writes the `api` document with the
 * revision it has read.  So two of them never interleave: the second one starts again.
 */
#ifndef PUBLISHER_PUBLISHER_H
#define PUBLISHER_PUBLISHER_H
#include "lib/environment/environment.h"
#include "lib/identity/identity.h"
#include "lib/rest/rest.h"

/** The publisher's process block. */
struct publisher {
	struct gh_inst *inst;
	struct rest_services services;
	struct environment_nodes nodes;
	struct identity_chain identities;
};

/* ---- Operations, by file --------------------------------------------------------------------- */

rest_fn publisher_settings_get;                                             /* settings.c */
rest_fn publisher_api_create, publisher_api_get, publisher_api_update,      /* apis.c */
	publisher_api_delete, publisher_swagger_get;
rest_fn publisher_import_openapi, publisher_swagger_update;                 /* import.c */
rest_fn publisher_api_list, publisher_search;                               /* search.c */
rest_fn publisher_revision_create, publisher_revision_list,                 /* revisions.c */
	publisher_revision_get, publisher_revision_delete;
rest_fn publisher_deploy, publisher_undeploy, publisher_deployment_list;    /* deploy.c */
rest_fn publisher_lifecycle_change, publisher_lifecycle_get,                /* lifecycle.c */
	publisher_lifecycle_history;
rest_fn publisher_key_generate;                                             /* keys.c */
rest_fn publisher_subscription_list, publisher_subscription_block,          /* subscriptions.c */
	publisher_subscription_unblock;
rest_fn publisher_tier_list, publisher_tier_get;                            /* tiers.c */

/* ---- validate.c ------------------------------------------------------------------------------ */

/** What an API must look like. */
extern const struct rest_field publisher_api_schema[];
/** Check what the table cannot say and put in what is missing: context with its slash, default
 *  operations, declared scopes, URLs of endpoints, tiers that exist.  400 otherwise.
 *  @param dto  agrees with publisher_api_schema. */
int publisher_api_check(struct rest_context *ctx, json_t *dto);
/** URLs of "production_endpoints" or "sandbox_endpoints".  @return a new array, or NULL. */
json_t *publisher_endpoints(const json_t *dto, const char *which);
/** Has the API a backend at all? */
bool publisher_has_endpoint(const json_t *dto);

/* ---- dto.c ----------------------------------------------------------------------------------- */

/** REST representation of an `api` document.  @return a new reference, or NULL: out of memory. */
json_t *publisher_api_dto(const struct gh_doc *api);
/** What the client has given for it (the document's field dto).  As publisher_api_dto(). */
json_t *publisher_stored_dto(struct gh_str body);
/** Its row in a list.  A rest_row_fn. */
json_t *publisher_api_row(struct rest_context *ctx, const struct gh_doc *api);
/** Remove what clients send back but do not decide. */
void publisher_dto_strip(json_t *dto);
/** "1712000000000": milliseconds as the reference writes times.  @return a new string. */
json_t *publisher_time(int64_t at_s);

/* ---- apis.c ---------------------------------------------------------------------------------- */

/** The API of the path parameter apiId; 404 otherwise. */
int publisher_api_of_path(struct rest_context *ctx, const struct gh_doc **ret_api);
/** Check and store a new API, and answer 201.
 *  @param dto         agrees with publisher_api_schema.
 *  @param definition  checked, or NULL; changed to agree with @p dto. */
int publisher_api_add(struct rest_context *ctx, json_t *dto, json_t *definition);
/** Replace the client's part of an API.  As publisher_api_add(); does not commit. */
int publisher_api_replace(struct rest_context *ctx, const struct gh_doc *api, json_t *dto,
	json_t *definition);
/** Put the API with changed fields into the batch.  @param changes  finished or discarded. */
int publisher_api_put(struct rest_context *ctx,
	const struct gh_doc *api, struct doc_writer *changes);
/** Put the API unchanged, so that nobody else changes it or what is deployed of it meanwhile. */
int publisher_api_touch(struct rest_context *ctx, const struct gh_doc *api);
/** Seconds since the epoch. */
int64_t publisher_now_s(void);

/* ---- revisions.c ----------------------------------------------------------------------------- */

/** A revision of the API; 404 otherwise. */
int publisher_revision_find(struct rest_context *ctx, const struct gh_doc *api, struct gh_str id,
	const struct gh_doc **ret_revision);

/* ---- settings.c ------------------------------------------------------------------------------ */

/** May the caller deploy there?  @return 0; GH_EDENIED without a reply; or as identity/1. */
int publisher_may_deploy(struct rest_context *ctx, const struct gh_doc *environment);

/* ---- deploy.c -------------------------------------------------------------------------------- */

/** Every deployment of an API. */
int publisher_deployments_of(struct rest_context *ctx, struct gh_str api_id,
	const struct gh_docs_found **ret_found);
/** Put fields into every deployment of an API, within the batch.
 *  @param changes  a body; BORROW. */
int publisher_deployments_change(struct rest_context *ctx, struct gh_str api_id,
	struct gh_str changes);
/** Remove them all, within the batch. */
int publisher_deployments_remove(struct rest_context *ctx, struct gh_str api_id);
/** {"revisionUuid", "name", "vhost" ...}.  A rest_row_fn. */
json_t *publisher_deployment_row(struct rest_context *ctx, const struct gh_doc *deployment);

#endif
