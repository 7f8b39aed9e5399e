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
#include "lib/fetch/fetch.h"
#include "lib/identity/identity.h"
#include "lib/rest/rest.h"

/** The publisher's options. */
struct publisher_config {
	struct gh_list allow_private_definitions;
	struct gh_bytes definition_max_bytes;
	struct gh_ms definition_timeout, definition_connect_timeout;
};

/** The publisher's process block. */
struct publisher {
	struct gh_inst *inst;
	struct rest_services services;
	struct environment_nodes nodes;
	struct identity_chain identities;
	struct fetch *fetch;       /**< For definitions. */
	struct fetch_line *line;
};

/* ---- Operations, by file --------------------------------------------------------------------- */

rest_fn publisher_settings_get;                                             /* settings.c */
rest_fn publisher_api_create, publisher_api_get, publisher_api_update,      /* apis.c */
	publisher_api_delete, publisher_swagger_get;
rest_fn publisher_import_openapi, publisher_validate_openapi,               /* import.c */
	publisher_swagger_update;
rest_fn publisher_archive_import;                                           /* archive_import.c */
rest_fn publisher_archive_export;                                           /* archive_export.c */
rest_fn publisher_document_list, publisher_document_create,                 /* documents.c */
	publisher_document_get, publisher_document_update, publisher_document_delete,
	publisher_document_check, publisher_content_get, publisher_content_put,
	publisher_thumbnail_get, publisher_thumbnail_put;
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
/** Check a new API, or what is to replace a stored one, and make its document's body.  Other versions
 *  that cease to be the default one go into the batch; nothing else does.
 *  @param stored    NULL: a new one.
 *  @param provider  of a new one.
 *  @param dto         agrees with publisher_api_schema; loses what the document itself says.
 *  @param definition  as publisher_api_add().
 *  @param[out] ret_body  malloc()ed. */
int publisher_api_draft(struct rest_context *ctx, const struct gh_doc *stored,
	struct gh_str provider, json_t *dto, json_t *definition, struct gh_str *ret_body);
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

/* ---- lifecycle.c ----------------------------------------------------------------------------- */

/** Bring an API that is being written into a state, by as many events as it takes; 400 when none lead
 *  there.  What hangs on the API is left to the caller.
 *  @param api  its body is malloc()ed, and replaced. */
int publisher_lifecycle_reach(struct rest_context *ctx, struct gh_doc *api, struct gh_str state);
/** Remove the API's subscriptions, within the batch. */
int publisher_subscriptions_remove(struct rest_context *ctx, struct gh_str api_id);

/* ---- documents.c ----------------------------------------------------------------------------- */

/** What the kind `document` is used for (its field role). */
#define PUBLISHER_DOCUMENT "document"
#define PUBLISHER_THUMBNAIL "thumbnail"
#define PUBLISHER_FILE "file" /**< Of an imported archive; kept for exports. */

/** The API's document of a role and name; GH_ENOENT without a reply. */
int publisher_document_lookup(struct rest_context *ctx, struct gh_str api_id, struct gh_str role,
	struct gh_str name, const struct gh_doc **ret_document);
/** Call @p fn for each of the API's documents of a role, in the order of their names. */
int publisher_documents_each(struct rest_context *ctx, struct gh_str api_id, const char *role,
	rest_each_fn *fn, void *arg);
/** Put one into the batch: a new one, or in the place of the one that has its role and name.
 *  @param body  GIVE: from one of the two functions below. */
int publisher_document_put(struct rest_context *ctx, struct gh_str api_id, struct gh_str body);
/** Remove those of one role, or all (NULL), within the batch. */
int publisher_documents_remove(struct rest_context *ctx, struct gh_str api_id, const char *role);
/** Body of a document.  400 when the DTO is not as it must be.
 *  @param where    for messages, or NULL.
 *  @param stored   what it replaces, or NULL.
 *  @param content  of the sources INLINE, MARKDOWN and FILE; p = NULL: none, or as in @p stored.
 *  @param[out] ret_body  malloc()ed. */
int publisher_document_body(struct rest_context *ctx, const char *where, struct gh_str api_id,
	json_t *dto, const struct gh_doc *stored, struct gh_str content, struct gh_str *ret_body);
/** Body of a thumbnail or of a kept file. */
int publisher_file_body(struct gh_str api_id, const char *role, struct gh_str name,
	struct gh_str media_type, struct gh_str content, struct gh_str *ret_body);
/** "image/png", by the first bytes; NULL: no image that is allowed. */
const char *publisher_image_type(struct gh_str content);
/** REST representation of a document.  A rest_row_fn. */
json_t *publisher_document_row(struct rest_context *ctx, const struct gh_doc *document);

/* ---- definition.c ---------------------------------------------------------------------------- */

/** May hosts of this text be allowed?  A network, an address or a host name. */
bool publisher_allowance_check(struct gh_str text);
/** Fetch the definition that a client names by URL, within the time and size of the options, from no
 *  address that a stranger must not reach through this node.  400 with the reason otherwise.
 *  @param[out] ret_text  the context's. */
int publisher_definition_fetch(struct rest_context *ctx, struct gh_str url, struct gh_str *ret_text);

/* ---- revisions.c ----------------------------------------------------------------------------- */

#define PUBLISHER_REVISIONS_MAX 5 /**< Of one API, as in the reference. */

/** Every revision of an API, the oldest first. */
int publisher_revisions_of(struct rest_context *ctx, const struct gh_doc *api,
	const struct gh_docs_found **ret_found);
/** Body of the API's next revision.  @param[out] ret_body  malloc()ed. */
int publisher_revision_body(const struct gh_doc *api, struct gh_str description,
	struct gh_str *ret_body);
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
/** May this revision be deployed to such targets?  400 otherwise. */
int publisher_deployable_check(struct rest_context *ctx, const struct gh_doc *api, const json_t *dto,
	const json_t *targets);
/** Deploy a revision to one target, within the batch.
 *  @param api     as it will be when the batch is committed.
 *  @param dto     of the revision.
 *  @param target  {name, vhost, displayOnDevportal}. */
int publisher_deployment_put(struct rest_context *ctx, const struct gh_doc *api,
	const struct gh_doc *revision, const json_t *dto, const json_t *target);
/** Remove them all, within the batch. */
int publisher_deployments_remove(struct rest_context *ctx, struct gh_str api_id);
/** {"revisionUuid", "name", "vhost" ...}.  A rest_row_fn. */
json_t *publisher_deployment_row(struct rest_context *ctx, const struct gh_doc *deployment);

#endif
