/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * @brief Every kind of document, declared once: indexes, unique keys, expiry, who needs it.
 *
 * Documents are msgpack maps; field names are snake_case; times are Unix seconds (_s).  Unknown fields
 * are kept.  Tenant and id are part of the document's key, not of its body.  A uuid is 36 characters.
 * Fields, by kind (rt = runtime, appears in feed/1):
 *
 *   api           id uuid.  name, version, context ("/books", without version), base ("/books/1.0.0",
 *                 where it is served), provider, state (CREATED PROTOTYPED PUBLISHED BLOCKED
 *                 DEPRECATED RETIRED), type, is_default, created_at_s, updated_at_s,
 *                 next_revision, has_thumbnail, dto (map: the REST representation as the client
 *                 gave it, with unknown fields), definition (OpenAPI as JSON text),
 *                 history [{from, to, user, at_s}] (of its states, newest last)
 *   revision      id uuid.  api_id, number, description, created_at_s, dto, definition
 *   deployment rt id "<api id>/<environment>".  api_id, name, version, context, provider, type, state,
 *                 is_default, environment, vhost, revision_id, revision_number, display_on_devportal,
 *                 deployed_at_s, api_tier, authorization_header, api_key_header, pass_credentials,
 *                 transport [s], tiers [s], scopes [{name, roles [s]}],
 *                 operations [{target, verb, auth_type, tier, scopes [s]}],
 *                 production [url], sandbox [url] (backend base URLs)
 *   application   id uuid.  name, owner, tier, token_type, description, status, attributes {},
 *                 groups [s], created_at_s
 *   client        id consumer key, unique in all tenants.  One of another tenant than the default
 *                 one has a second document there, with home (its tenant) alone.  name, owner, secret_sha256 (hex), secret_sealed (bin), grants [s],
 *                 callback, validity_s, created_at_s, application_id, key_type
 *   consumer   rt id consumer key.  application_id, application_name, owner, tier, key_type,
 *                 key_mapping_id
 *   subscription rt id uuid.  api_id, application_id, tier, state (UNBLOCKED BLOCKED
 *                 PROD_ONLY_BLOCKED ON_HOLD REJECTED), created_at_s
 *   policy     rt id "<level>/<name>", level subscription, application or api.  uuid, level, name,
 *                 requests, window_ms (both 0: unlimited), stop_on_quota_reach, dto (REST form)
 *   issuer_key rt id kid.  issuer, alg, jwk (map, public part), created_at_s
 *   revocation rt id jti.  expires_at_s
 *   signing_key   id kid.  alg, sealed (bin: private key, AEAD), number (1: the first of its
 *                 alg), created_at_s
 *   user          id name, in lower case.  uuid, password (PHC string), roles [s], enabled,
 *                 created_at_s, updated_at_s, session (hex: another one with each password; tokens
 *                 name it), dto (map: the SCIM attributes that nothing here needs, names, mails)
 *   tenant     rt id domain; all stand in the default tenant, which has none itself.  number (what
 *                 clients know as tenantId), is_active, admin (name of the first administrator),
 *                 created_at_s
 *   environment rt id name.  uuid, name, is_shared (every tenant may deploy there), dto (REST form,
 *                 with canonical hosts)
 *   refresh_token id of its family, hex.  client_id, user, user_tenant, session, scopes, token_sha256
 *                 (hex, of the one that may be used next), access_jti, access_expires_at_s,
 *                 expires_at_s
 *   node       rt id uuid.  name, roles [s], joined_at_s, renewed_at_s, is_removed, removed_at_s,
 *                 expires_at_s (of its newest certificate), serials [s] (hex, newest last),
 *                 authority (hex, id of the key that signed the newest)
 *   join_token    id SHA-256 of its secret, hex.  roles [s], user, created_at_s, expires_at_s
 *   cluster_secret id "authority".  fingerprint (hex), sealed (bin: private key, AEAD), created_at_s
 *   role          id name.  uuid, name_folded (in lower case), description, created_at_s,
 *                 updated_at_s; written anew with each change of its members (their `roles`)
 *   scope_map     id "scopes".  scopes {scope: roles [s]}, aliases {role: roles [s]} (lib/scopes)
 *   document      id uuid.  api_id, role (document; thumbnail; file: kept from an archive), name (of
 *                 files their path there), content (bin), media_type, file_name, type, summary,
 *                 source_type (INLINE MARKDOWN URL FILE), source_url, visibility, other_type,
 *                 created_at_s, created_by, updated_at_s
 *   authority  rt id SHA-256 of the certificate, hex.  certificate (PEM), cross (PEM of the same key,
 *                 signed by the one before; or empty), key_id (hex), is_current, created_at_s,
 *                 retires_at_s (0: not known)
 *   commit        id hex.  Stands in each batch that another node sent, so that the batch is not
 *                 written twice when it is sent twice.  expires_at_s
 */
#ifndef LIB_MODEL_MODEL_H
#define LIB_MODEL_MODEL_H
#include <gatehouse/base.h>

#define MODEL_TENANT_DEFAULT "carbon.super"

enum model_type { MODEL_STRING, MODEL_INTEGER };

struct model_index_field {
	const char *field; /**< Top-level field of the body; NULL ends the list. */
	enum model_type type;
};

/** An index; documents that lack one of the fields are not in it. */
struct model_index {
	const char *name;  /**< NULL ends the list. */
	bool is_unique;    /**< At most one document per tenant and values. */
	struct model_index_field fields[4];
};

struct model_kind {
	const char *name;
	uint16_t number;   /**< In store keys; never reused. */
	bool is_runtime;   /**< Gateways need it: it appears in feed/1. */
	const char *expiry_field; /**< Unix seconds; the store deletes it some time after.  Or NULL. */
	const char *const *text_fields; /**< Strings whose words are searchable through the index "text". */
	const struct model_index *indexes;
	const char *const *secret_fields; /**< Left out of dumps and logs; NULL-ended list or NULL. */
};

/** @return STATIC, or NULL when there is no such kind. */
const struct model_kind *model_kind_find(struct gh_str name);
/** By number, for reading store keys. */
const struct model_kind *model_kind_at(uint16_t number);
/** All kinds, ended by a NULL name. */
extern const struct model_kind model_kinds[];

#endif
