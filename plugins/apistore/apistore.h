/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apistore.h
 * @brief What the files of the API store plugin share.
 */
#ifndef PLUGINS_APISTORE_APISTORE_H
#define PLUGINS_APISTORE_APISTORE_H
#include <gatehouse/svc/users.h>

#include "lib/identity/identity.h"
#include "lib/rest/rest.h"

#define APISTORE_KEY_MANAGER "Resident Key Manager"

struct apistore {
	struct rest_services services;
	struct identity_chain identities;
	struct gh_users users; /**< vt = NULL: nobody here changes passwords. */
};

/** The application of that id, if it is the caller's; else the 404 has been written. */
int apistore_application(struct rest_context *ctx, struct gh_str id, const struct gh_doc **ret_doc);
/** 400 unless there is a policy of that level and name.  @param field  of the request, for the message. */
int apistore_check_policy(struct rest_context *ctx, const char *level, const char *field,
	struct gh_str name);
/** What an import writes. */
struct apistore_import {
	struct gh_str id;               /**< Of the application. */
	struct gh_str owner, name, tier;
	const struct gh_doc *old;       /**< NULL: it is new. */
	const json_t *keys;             /**< Array; NULL: none are imported. */
};

/** "1700000000" seconds as clients of the reference expect times: milliseconds in a string. */
json_t *apistore_time(int64_t seconds);

/* apis.c */
int apis_list(struct rest_context *ctx);
int apis_get(struct rest_context *ctx);
int apis_get_definition(struct rest_context *ctx);

/* urls.c */
/** Set endpointURLs: where the API can be called. */
int apistore_add_urls(struct rest_context *ctx, const struct gh_doc *api, json_t *row);

/* applications.c */
extern const struct rest_field apistore_application_fields[];
/** A rest_row_fn. */
json_t *apistore_application_row(struct rest_context *ctx, const struct gh_doc *doc);
/** The row with the scopes of its subscriptions.  @param[out] ret_row  a new reference. */
int apistore_full_row(struct rest_context *ctx, const struct gh_doc *doc, json_t **ret_row);
/** Put an application into the batch.  @param dto  agrees with apistore_application_fields. */
int apistore_put_application(struct rest_context *ctx, struct gh_str id, struct gh_str owner,
	const json_t *dto, int64_t created_at_s, uint64_t expect_rev);
int applications_list(struct rest_context *ctx);
int applications_create(struct rest_context *ctx);
int applications_get(struct rest_context *ctx);
int applications_update(struct rest_context *ctx);
int applications_delete(struct rest_context *ctx);

/* keys.c: keys of an application, by {keyMappingId} or {keyType}. */
/** Let the context free what the key manager gave.  @param client  GIVE. */
int apistore_own_client(struct rest_context *ctx, struct gh_client *client);
/** An array of words as one text with spaces between; 400 when an item is no word.
 *  @param field  of the request, for the message. */
int apistore_join_words(struct rest_context *ctx, const char *field, const json_t *array,
	struct gh_str *ret_text);
/** The opposite.  @return a new array, or NULL. */
json_t *apistore_words(struct gh_str text);
/** Seconds from a member that may be a number or a number in a string; absent is 0. */
int apistore_validity(struct rest_context *ctx, const json_t *dto, const char *field,
	int64_t *ret_s);
int keys_generate(struct rest_context *ctx);
int keys_list(struct rest_context *ctx);
int keys_get(struct rest_context *ctx);
int keys_update(struct rest_context *ctx);
int keys_regenerate_secret(struct rest_context *ctx);
int keys_generate_token(struct rest_context *ctx);

/* app_export.c, app_import.c */
int applications_export(struct rest_context *ctx);
int applications_import(struct rest_context *ctx);
/** May the caller do that to applications of other people?  Their keys act with their roles, so it
 *  takes an administrator's scope.  403 otherwise. */
int apistore_check_foreign(struct rest_context *ctx, struct gh_str owner, const char *what);

/* app_keys.c */
/** Check the keys of an archive, and what they are compared with; 400 or 409 otherwise. */
int apistore_check_keys(struct rest_context *ctx, const struct apistore_import *import);
/** Write them.  What this made is undone when it fails.  @param[out] ret_seq  for rollout/1. */
int apistore_put_keys(struct rest_context *ctx, const struct apistore_import *import,
	uint64_t *ret_seq);
/** Undo it, when what follows has failed. */
void apistore_undo_keys(struct rest_context *ctx, const struct apistore_import *import);

/* subscriptions.c */
/** Why an API cannot be subscribed to on that plan.  @return a sentence in the call's memory;
 *  p = NULL: it can. */
struct gh_str apistore_why_not(struct rest_context *ctx, const struct gh_doc *api,
	struct gh_str tier);
int apistore_put_subscription(struct rest_context *ctx, struct gh_str id,
	struct gh_str application_id, struct gh_str api_id, struct gh_str tier, struct gh_str state,
	int64_t created_at_s, uint64_t expect_rev);
int subscriptions_list(struct rest_context *ctx);
int subscriptions_create(struct rest_context *ctx);
int subscriptions_get(struct rest_context *ctx);
int subscriptions_update(struct rest_context *ctx);
int subscriptions_delete(struct rest_context *ctx);

/* me.c */
int me_change_password(struct rest_context *ctx);

/* policies.c */
int policies_list(struct rest_context *ctx);
int policies_get(struct rest_context *ctx);

#endif
