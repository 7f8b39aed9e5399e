/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file application.h
 * @brief What belongs to an application: its consumers, clients and subscriptions.
 *
 * Gateways know no applications, so name, tier and owner of one stand in its `consumer` documents
 * too.  These functions keep them together; all fill the context's batch and do not commit.  POOL.
 */
#ifndef LIB_APPLICATION_APPLICATION_H
#define LIB_APPLICATION_APPLICATION_H
#include "lib/rest/rest.h"

/** 409 when another application of @p owner has that name.  @param own_id  n = 0: a new one. */
int application_check_name(struct rest_context *ctx, struct gh_str owner, struct gh_str name,
	struct gh_str own_id);
/** Let its consumers say what the application says.  @return as docs/1. */
int application_put_consumers(struct rest_context *ctx, struct gh_str application_id,
	struct gh_str name, struct gh_str owner, struct gh_str tier);
/** Give it, with its clients, to another user.  @return as docs/1. */
int application_put_owner(struct rest_context *ctx, const struct gh_doc *application,
	struct gh_str owner);
/** Delete it with everything that belongs to it.  @return as docs/1. */
int application_delete(struct rest_context *ctx, const struct gh_doc *application);

#endif
