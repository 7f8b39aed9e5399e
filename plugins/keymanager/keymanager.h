/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keymanager.h
 * @brief What the files of the key manager share.
 *
 *   keymanager.c  descriptor, options, life, mounts
 *   keys.c        cluster key, signing keys           clients.c     OAuth clients (tokens/1)
 *   users.c       users and identity/1                tokens.c      issue, check, revoke (tokens/1)
 *   passwords.c   argon2id                            refresh.c     refresh tokens, their families
 *   backoff.c     waiting after wrong passwords       oauth.c       what all OAuth endpoints need
 *   sessions.c    passwords that change, users/1      grants.c      POST /oauth2/token
 *   catalogue.c   scopes: roles' and APIs'            introspect.c  the other OAuth endpoints
 *   dcr.c         client registration                 tenants.c     the OAuth endpoints of one tenant
 *
 * Everything here may block: MAIN or POOL.
 */
#ifndef KEYMANAGER_KEYMANAGER_H
#define KEYMANAGER_KEYMANAGER_H
#include <gatehouse/call.h>
#include <gatehouse/metric.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/feed.h>
#include <gatehouse/svc/identity.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/svc/tokens.h>
#include <gatehouse/svc/users.h>
#include <pthread.h>

#include "lib/block/block.h"
#include "lib/clusterkey/clusterkey.h"
#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/follow/follow.h"
#include "lib/form/form.h"
#include "lib/jose/jose.h"
#include "lib/json/json.h"
#include "lib/scopes/scopes.h"
#include "lib/tenant/tenant.h"
#include "plugins/keymanager/passwords.h"

#define KM_TENANT TENANT_DEFAULT /**< Keys, revocations and refresh tokens stand there for all. */
#define KM_KEYS_MAX 16       /**< Keys that are kept imported. */
#define KM_ROLLOUTS_MAX 8
#define KM_ROLLOUT_WAIT_MS 2000
#define KM_GRANTS_MAX 16     /**< Grant types of one client. */
#define KM_COUNTED_MAX (KM_NAME_MAX + 1 + TENANT_DOMAIN_MAX)
#define KM_NAME_MAX 255      /**< Names of users, clients and applications, in bytes. */
#define KM_EXP_NEVER 253402300799 /**< exp of a token that does not expire: year 9999. */

#define KM_TYP_ACCESS "at+jwt"         /**< RFC 9068 */
#define KM_TYP_INTERNAL "internal+jwt" /**< Internal-Key, never accepted as an access token. */

/** Options; all are fixed while the node runs. */
struct km_config {
	struct gh_str issuer;
	struct gh_str cluster_key_file;
	struct gh_secret cluster_key;
	struct gh_choice signing_algorithm;
	struct gh_choice client_secrets;
	struct gh_secret admin_password;
	struct gh_ms token_lifetime, refresh_lifetime, internal_key_lifetime;
	struct gh_ms clock_skew;
	struct gh_ms password_wait;
	uint64_t password_min;
};
enum km_client_secrets { KM_SECRETS_SEALED, KM_SECRETS_HASH_ONLY };

/** Grants that /oauth2/token knows. */
enum km_grant { KM_GRANT_PASSWORD, KM_GRANT_CLIENT, KM_GRANT_REFRESH, KM_GRANT_COUNT };

/** Process block. */
struct km {
	struct gh_inst *inst;
	struct gh_docs docs;
	struct gh_rollout rollouts[KM_ROLLOUTS_MAX];
	unsigned rollout_count;
	/* From the options. */
	char *issuer;
	bool is_issuer_auto; /**< The first key manager of the cluster chose it. */
	enum km_client_secrets client_secrets;
	uint64_t token_s, refresh_s, internal_key_s, skew_s;
	/* keys.c */
	struct clusterkey *cluster_key;
	struct jose_key *signing_key;
	pthread_rwlock_t keys_lock;
	struct jose_key *keys[KM_KEYS_MAX]; /**< keys_lock: that tokens may be signed with. */
	size_t key_count;                   /**< keys_lock */
	struct passwords passwords;
	size_t password_min;                /**< Bytes of a password that is set through users/1. */
	struct km_first_admin *first_admin; /**< NULL: there is nothing to do. */
	struct km_backoff *backoff;
	struct km_catalogue *catalogue;
	struct gh_metric *tokens_issued[KM_GRANT_COUNT];
	struct gh_metric *logins_refused;
};

/* ---- The store ------------------------------------------------------------------------------- */

static inline int
km_get(struct km *km, struct gh_str tenant, const char *kind, struct gh_str id,
	struct gh_docs_found **ret_found)
{
	return km->docs.vt->get(km->docs.self, tenant, gh_str_of(kind), id, ret_found);
}

/** NULL is allowed. */
static inline void
km_found_free(struct km *km, struct gh_docs_found *found)
{
	if (found != NULL)
		km->docs.vt->found_free(found);
}

/** One batch.  @param[out] ret_seq  may be NULL. */
static inline int
km_commit(struct km *km, const struct gh_doc_op *ops, size_t n, uint64_t *ret_seq)
{
	return km->docs.vt->commit(km->docs.self, ops, n, ret_seq, NULL);
}

/* ---- keys.c ---------------------------------------------------------------------------------- */

/** Read or make the cluster key and the signing key.  Logs why not.  @return 0 or a gh_err. */
int km_keys_open(struct km *km, const struct km_config *config);
void km_keys_close(struct km *km);
/** If there are keys in the store, take over the issuer that the newest one names.  Logs why not.
 *  @return 0, GH_EIO, GH_ENOMEM. */
int km_keys_issuer(struct km *km);
/** The key of that id; another node may have made it.  @param[out] ret_key  GIVE: jose_key_unref().
 *  @return 0, GH_ENOENT, GH_EIO, GH_ENOMEM. */
int km_key_find(struct km *km, const char *kid, struct jose_key **ret_key);
/** {"keys": [...]} of all issuer keys.  @param[out] ret_json  a new reference. */
int km_keys_json(struct km *km, json_t **ret_json);

/* ---- users.c --------------------------------------------------------------------------------- */

extern const struct gh_identity_v1 km_identity;

/** Make the first administrator, or set the password that the options give. */
int km_users_open(struct km *km, const struct km_config *config);
void km_users_close(struct km *km);
/** identity/1 authenticate, with the refusals counted.  Nobody is known in a tenant that is disabled.
 *   @param peer  address of the client, who has
 *  to wait after too many of them (GH_EAGAIN); n = 0: not known. */
int km_user_authenticate(struct km *km, struct gh_str user, struct gh_str password,
	struct gh_str peer, struct gh_user **ret_user);
int km_user_lookup(struct km *km, struct gh_str tenant, struct gh_str name,
	struct gh_user **ret_user);
/** A user made here: what users of identity/1 need not know stands behind it. */
struct km_user {
	struct gh_user user;
	struct gh_str session; /**< n = 0: of a user from before there were sessions. */
};
static inline struct gh_str
km_user_session(const struct gh_user *user)
{
	return ((const struct km_user *)(const void *)user)->session;
}
/** Names have one case: @p buf gets the name in lower case.  @return n = 0: too long. */
struct gh_str km_name_fold(struct gh_str name, char buf[KM_NAME_MAX]);
/** What km_backoff_ask() counts a user as: all spellings of one are the same.  @return into @p buf. */
struct gh_str km_user_counted(struct gh_str tenant, struct gh_str name, char buf[KM_COUNTED_MAX]);
/** Is the user there, enabled, and is this its session?  @param session  p = NULL: not asked.
 *  @return 0, GH_EDENIED, GH_EIO, GH_ENOMEM. */
int km_user_check(struct km *km, struct gh_str tenant, struct gh_str name, struct gh_str session);
static inline struct scopes_owner
km_user_owner(const struct gh_user *user)
{
	return (struct scopes_owner){ user->roles, user->role_count };
}

/* ---- sessions.c ------------------------------------------------------------------------------ */

#define KM_SESSION_LEN 16 /**< Hexadecimal digits. */

extern const struct gh_users_v1 km_users;

/** Put what belongs to a new password into the body of a user: its hash, a new session, the time.
 *  @param old  the body so far; n = 0: a new user's.  @param[out] ret_body  malloc()ed. */
int km_user_with_password(struct km *km, struct gh_str old, struct gh_str password,
	struct gh_str *ret_body);

/* ---- backoff.c ------------------------------------------------------------------------------- */

int km_backoff_open(struct km *km);
void km_backoff_close(struct km *km);
/** May this client try a password now?  @return 0 or GH_EAGAIN. */
int km_backoff_ask(struct km *km, struct gh_str user, struct gh_str peer);
/** What came of it: @p r is 0 or GH_EDENIED; anything else says nothing about the password. */
void km_backoff_tell(struct km *km, struct gh_str user, struct gh_str peer, int r);

/* ---- catalogue.c ----------------------------------------------------------------------------- */

/** Follow the feed for the scopes that deployed APIs declare.  @return 0 or a gh_err, logged. */
int km_catalogue_open(struct km *km, const struct gh_feed *feed);
void km_catalogue_close(struct km *km);
/** scopes_grant() with what the tenant has changed and what APIs declare.
 *  @return 0, GH_ETOOBIG, GH_EIO, GH_ENOMEM. */
int km_scopes_grant(struct km *km, struct gh_str tenant, struct gh_str requested,
	const struct scopes_owner *owner, char ret[SCOPES_MAX]);
/** scopes_is_manager() with what the tenant has changed. */
int km_scopes_is_manager(struct km *km, struct gh_str tenant, const struct scopes_owner *owner,
	bool *ret_is_manager);
/** A change of API scopes is followed: rollout/1. */
extern const struct gh_rollout_v1 km_rollout;

/* ---- clients.c ------------------------------------------------------------------------------- */

/** A client as stored; its strings point into found. */
struct km_client {
	struct gh_docs_found *found;
	struct gh_str tenant, id, body;
	uint64_t rev;
};

/** A client of that tenant.  @return 0, GH_ENOENT, GH_EIO, GH_ENOMEM. */
int km_client_load(struct km *km, struct gh_str tenant, struct gh_str id,
	struct km_client *ret_client);
/** A client of any tenant: its id is all that a request names.  @return as km_client_load(). */
int km_client_find(struct km *km, struct gh_str id, struct km_client *ret_client);
/** May users of that tenant sign in with it?  Those of its own; those of every tenant with a client
 *  of the default one that belongs to no application: portals and tools of the operator. */
bool km_client_serves(const struct km_client *client, struct gh_str tenant);
/** Name of its owner, who is a user of its tenant. */
struct gh_str km_client_owner(const struct km_client *client);
/** The client if the secret is right and its tenant is active.  @return GH_EDENIED: unknown client
 *  or wrong secret. */
int km_client_authenticate(struct km *km, struct gh_str id, struct gh_str secret,
	struct km_client *ret_client);
/** Accepts a zeroed struct. */
void km_client_done(struct km *km, struct km_client *client);
bool km_client_has_grant(const struct km_client *client, struct gh_str grant);
/** Consumer key of the client of that owner and name that was made first.
 *  @param[out] ret_id  of KM_NAME_MAX + 1.  @return 0, GH_ENOENT, GH_EIO, GH_ENOMEM. */
int km_client_find_named(struct km *km, struct gh_str tenant, struct gh_str owner,
	struct gh_str name, char *ret_id);

int km_client_put(void *self, const struct gh_client *client, struct gh_client **ret,
	uint64_t *ret_seq);
int km_client_get(void *self, struct gh_str tenant, struct gh_str id, struct gh_client **ret);
int km_client_renew_secret(void *self, struct gh_str tenant, struct gh_str id,
	struct gh_client **ret);
int km_client_delete(void *self, struct gh_str tenant, struct gh_str id, uint64_t *ret_seq);

/* ---- tokens.c -------------------------------------------------------------------------------- */

extern const struct gh_tokens_v1 km_tokens;

/** What goes into an access token. */
struct km_access {
	struct gh_str tenant, user, client_id, scopes;
	struct gh_str session; /**< Of the user, if it is one and has one. */
	bool is_user;        /**< APPLICATION_USER; else APPLICATION. */
	int64_t validity_s;  /**< 0: the default; -1: it does not expire. */
	/* Written by km_access_issue(). */
	struct gh_str token; /**< crypto_wipe_free((void *)p, n). */
	char jti[CRYPTO_UUID_LEN + 1];
	uint64_t expires_at_s;
	int64_t expires_in_s;
};
int km_access_issue(struct km *km, struct km_access *access);

/** Whose token is it, and is it good?  @param typ  KM_TYP_ACCESS or KM_TYP_INTERNAL.
 *  @param[out] ret_claims  jose_claims_done(); written on success only.
 *  @return 0, GH_EDENIED, GH_EEXPIRED, GH_EIO, GH_ENOMEM. */
int km_token_verify(struct km *km, struct gh_str token, const char *typ,
	struct jose_claims *ret_claims);
/** The tenant claim, or the default one. */
struct gh_str km_claims_tenant(const struct jose_claims *claims);
/** Write a revocation.  @param[out] ret_seq  may be NULL. */
int km_token_revoke(struct km *km, struct gh_str jti, uint64_t expires_at_s, uint64_t *ret_seq);
/** Wait until every follower of this node acts on @p seq.  @return 0, GH_ETIMEDOUT. */
int km_rollout_wait(struct km *km, uint64_t seq);

/* ---- refresh.c ------------------------------------------------------------------------------- */

#define KM_REFRESH_LEN 64 /**< Characters of a refresh token. */

/** A refresh token's family, as stored: one document that each rotation rewrites. */
struct km_refresh {
	struct gh_docs_found *found;
	struct gh_str id, body;
	uint64_t rev;
};

/** Start a family.  @param access  the token that goes with it. */
int km_refresh_new(struct km *km, const struct km_access *access,
	char ret_token[KM_REFRESH_LEN + 1]);
/** Find the family of a token that is about to be used.  One that was used before ends the family.
 *  @return 0, GH_EDENIED, GH_EEXPIRED, GH_EIO, GH_ENOMEM. */
int km_refresh_load(struct km *km, struct gh_str token, struct km_refresh *ret_refresh);
/** The same, to look only: nothing ends. */
int km_refresh_peek(struct km *km, struct gh_str token, struct km_refresh *ret_refresh);
void km_refresh_done(struct km *km, struct km_refresh *refresh);
/** Exchange it for the next one.  @return 0; GH_EDENIED: somebody else did just now. */
int km_refresh_rotate(struct km *km, const struct km_refresh *refresh,
	const struct km_access *access, char ret_token[KM_REFRESH_LEN + 1]);
/** End the family and its current access token.  @param[out] ret_seq  for rollout/1. */
int km_refresh_end(struct km *km, const struct km_refresh *refresh, uint64_t *ret_seq);
bool km_refresh_is_shaped(struct gh_str token);
/** End all families of a user.  @param[out] ret_seq  0: there were none. */
int km_refresh_end_user(struct km *km, struct gh_str tenant, struct gh_str user,
	uint64_t *ret_seq);

/* ---- oauth.c --------------------------------------------------------------------------------- */

/** An OAuth error (RFC 6749, 5.2). */
struct km_error {
	unsigned status;
	const char *error, *description; /**< STATIC */
};

/** One request of an OAuth endpoint. */
struct km_request {
	struct km *km;
	struct gh_call *call;
	struct form *form;
	struct form_basic basic; /**< Wiped by km_request_done(). */
	bool has_basic;
	struct km_client client; /**< After km_request_client(). */
	struct gh_str home;      /**< The tenant that the path names: "/t/<domain>/..."; or n = 0. */
	struct gh_user *user;    /**< Introspection: an administrator asks, no client. */
};

/** 401: client authentication failed. */
extern const struct km_error km_bad_client;

/** Read a POSTed form and the Basic field.  @return false: an error was replied. */
bool km_request_init(struct km_request *request, struct km *km, struct gh_call *call);
void km_request_done(struct km_request *request);
/** Authenticate the client, from the Basic field or from the form.  @return false: replied. */
bool km_request_client(struct km_request *request);
/** A form parameter that may stand once at most (RFC 6749, 3.2). */
struct gh_str km_request_param(const struct km_request *request, const char *name);
/** The tenant that a path names, "domain" of "/t/domain/..."; n = 0: none. */
struct gh_str km_path_tenant(const struct gh_call *call);
/** A user name as it is meant: one without a tenant is of the path's.  @return p = NULL: out of
 *  memory. */
struct gh_str km_request_username(const struct km_request *request, struct gh_str username);
/** May users of that tenant get tokens with this client and path? */
bool km_request_serves(const struct km_request *request, struct gh_str tenant);
void km_reply_error(struct gh_call *call, const struct km_error *error);
/** The error of a gh_err: 503 for GH_EAGAIN and GH_EIO, else 500; logged.  @return false, for the
 *  callers. */
bool km_reply_failure(struct gh_call *call, int err, const char *what);
/** Reply with JSON that must not be cached.  @param json  GIVE; NULL: out of memory. */
void km_reply_json(struct gh_call *call, unsigned status, json_t *json);
/** Only these methods.  @param allow  "POST".  @return false: 405 was replied. */
bool km_require_method(struct gh_call *call, const char *allow);

/* ---- Handlers -------------------------------------------------------------------------------- */

gh_handler km_on_token;                         /* grants.c */
gh_handler km_on_revoke, km_on_introspect;      /* introspect.c */
gh_handler km_on_userinfo, km_on_jwks, km_on_discovery;
/** Answer discovery.  @param prefix  in front of the paths of the endpoints: "", "/t/<domain>". */
void km_discover(struct km *km, struct gh_call *call, struct gh_str prefix);
gh_handler km_on_register;                      /* dcr.c */
gh_handler km_on_tenant;                        /* tenants.c: /t/<domain>/oauth2/... */

#endif
