/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/svc/tokens.h
 * @brief tokens/1: check and issue access tokens, and keep the OAuth clients they belong to.
 * Provided by the key manager.  Every function blocks (MAIN or POOL).
 */
#ifndef GATEHOUSE_SVC_TOKENS_H
#define GATEHOUSE_SVC_TOKENS_H
#include <gatehouse/base.h>

#define GH_SVC_TOKENS "tokens/1"

/** Who stands behind a management call, in one allocation. */
struct gh_principal {
	struct gh_str user;      /**< Subject, without the tenant. */
	struct gh_str tenant;
	struct gh_str client_id; /**< n = 0 for Basic. */
	struct gh_str scopes;    /**< Space separated, granted. */
	struct gh_str jti;
	uint64_t expires_at_s;
};

enum gh_token_kind {
	GH_TOKEN_APPLICATION, /**< As by client_credentials for a client. */
	GH_TOKEN_INTERNAL,    /**< Internal-Key: tests one API, also before it is published. */
};

struct gh_token_request {
	enum gh_token_kind kind;
	struct gh_str tenant;
	struct gh_str client_id;  /**< APPLICATION. */
	struct gh_str user;       /**< INTERNAL: who tests. */
	struct gh_str api_id;     /**< INTERNAL. */
	struct gh_str scopes;     /**< Requested, space separated. */
	int64_t validity_s;       /**< 0: the default; -1: does not expire. */
};

/** A token, in one allocation. */
struct gh_token_issued {
	struct gh_str token;     /**< Wiped when freed. */
	struct gh_str scopes;
	int64_t validity_s;
};

/** An OAuth client; strings BORROW on the way in, in one allocation on the way out. */
struct gh_client {
	struct gh_str tenant;
	struct gh_str id;        /**< Consumer key.  In: n = 0 makes a random one. */
	struct gh_str secret;    /**< In: n = 0 makes a random one.  Out: n = 0 when only its hash is kept. */
	struct gh_str name;
	struct gh_str owner;
	struct gh_str grants;    /**< Space separated grant types. */
	struct gh_str callback;
	int64_t validity_s;      /**< Of its access tokens; 0: default. */
	/* Set when the client belongs to an application of the store. */
	struct gh_str application_id, application_name, application_tier;
	struct gh_str key_type;  /**< "PRODUCTION" or "SANDBOX". */
	struct gh_str key_mapping_id;
};

/** A user's name and password, as Basic carries them.  All BORROW. */
struct gh_login {
	struct gh_str user;      /**< "name" or "name@tenant". */
	struct gh_str password;
	struct gh_str peer;      /**< Address of the client, who has to wait after wrong passwords. */
	struct gh_str scopes;    /**< Requested, space separated; those that the roles allow are granted. */
};

struct gh_tokens_v1 {
	uint32_t size;
	/** Check a bearer token for the management plane: signature, issuer, time, revocation.
	 *  @param[out] ret  GIVE: principal_free().  @return 0, GH_EDENIED, GH_EEXPIRED, GH_EIO. */
	int (*check)(void *self, struct gh_str token, struct gh_principal **ret);
	void (*principal_free)(struct gh_principal *principal);
	/** @return 0, GH_EINVAL, GH_ENOENT (no such client), GH_EIO. */
	int (*issue)(void *self, const struct gh_token_request *request, struct gh_token_issued **ret);
	void (*issued_free)(struct gh_token_issued *issued);
	/** Revoke one token.  @param[out] ret_seq  for rollout/1; 0: nothing changed.  An invalid token is
	 *  no error (RFC 7009, 2.2). */
	int (*revoke)(void *self, struct gh_str token, uint64_t *ret_seq);
	/** Create, or replace the metadata of, a client; with an application also its `consumer`
	 *  document, in the same batch.  @param[out] ret_seq  for rollout/1; may be NULL.
	 *  @return 0, GH_EINVAL, GH_ECONFLICT, GH_EIO. */
	int (*client_put)(void *self, const struct gh_client *client, struct gh_client **ret,
		uint64_t *ret_seq);
	/** @return 0, GH_ENOENT, GH_EIO. */
	int (*client_get)(void *self, struct gh_str tenant, struct gh_str id, struct gh_client **ret);
	/** Give the client a new secret; the old one ends at once. */
	int (*client_renew_secret)(void *self, struct gh_str tenant, struct gh_str id,
		struct gh_client **ret);
	void (*client_free)(struct gh_client *client);
	/** Delete the client and its consumer document.  @return 0, GH_ENOENT, GH_EIO. */
	int (*client_delete)(void *self, struct gh_str tenant, struct gh_str id, uint64_t *ret_seq);
	/** Check a password where a token would do as well.  Ask @c size for it: not every provider has it.
	 *  @param[out] ret  GIVE: principal_free().  @return 0, GH_EDENIED, GH_EAGAIN (too many at once, or
	 *  too many wrong ones), GH_EIO. */
	int (*login)(void *self, const struct gh_login *login, struct gh_principal **ret);
};
struct gh_tokens { const struct gh_tokens_v1 *vt; void *self; };

#endif
