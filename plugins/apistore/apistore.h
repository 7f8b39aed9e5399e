/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apistore.h
 * @brief What the files of the API store plugin share.
 */
#ifndef PLUGINS_APISTORE_APISTORE_H
#define PLUGINS_APISTORE_APISTORE_H
#include <gatehouse/svc/users.h>

#include "lib/rest/rest.h"

#define APISTORE_KEY_MANAGER "Resident Key Manager"

struct apistore {
	struct rest_services services;
	struct gh_users users; /**< vt = NULL: nobody here changes passwords. */
};

/** The application of that id, if it is the caller's; else the 404 has been written. */
int apistore_application(struct rest_context *ctx, struct gh_str id, const struct gh_doc **ret_doc);
/** 400 unless there is a policy of that level and name.  @param field  of the request, for the message. */
int apistore_check_policy(struct rest_context *ctx, const char *level, const char *field,
	struct gh_str name);
/** "1700000000" seconds as clients of the reference expect times: milliseconds in a string. */
json_t *apistore_time(int64_t seconds);

/* apis.c */
int apis_list(struct rest_context *ctx);
int apis_get(struct rest_context *ctx);
int apis_get_definition(struct rest_context *ctx);

/* applications.c */
int applications_list(struct rest_context *ctx);
int applications_create(struct rest_context *ctx);
int applications_get(struct rest_context *ctx);
int applications_update(struct rest_context *ctx);
int applications_delete(struct rest_context *ctx);

/* keys.c: keys of an application, by {keyMappingId} or {keyType}. */
int keys_generate(struct rest_context *ctx);
int keys_list(struct rest_context *ctx);
int keys_get(struct rest_context *ctx);
int keys_update(struct rest_context *ctx);
int keys_regenerate_secret(struct rest_context *ctx);
int keys_generate_token(struct rest_context *ctx);

/* subscriptions.c */
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
