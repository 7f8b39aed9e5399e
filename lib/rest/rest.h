/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rest.h
 * @brief Management REST: what all operations have in common, so that each is a short function.
 *
 * A plugin has one table of routes, one mount, and one function per operation:
 *
 *   static const struct rest_route routes[] = {
 *           { "GET", "/apis/{apiId}", "apim:api_view apim:api_manage", get_api },
 *           ...
 *           { .method = NULL },
 *   };
 *   static const struct rest_api api = { .version = 4, .routes = routes };
 *
 *   static void                                               the gh_handler of the mount
 *   handle(void *process, const void *config, struct gh_call *call)
 *   {
 *           struct process *p = process;
 *           rest_serve(&api, &p->services, process, config, call);
 *   }
 *
 *   static int
 *   get_api(struct rest_context *ctx)
 *   {
 *           const struct gh_doc *doc;
 *           int r = rest_get(ctx, "api", rest_param(ctx, "apiId"), &doc);
 *
 *           if (r < 0)
 *                   return r;                                 the 404 has been written
 *           rest_etag(ctx, doc->rev);
 *           return rest_reply(ctx, 200, api_to_json(doc));
 *   }
 *
 * rest_serve() has done before: version segment, route (404, 405 with Allow), HEAD and OPTIONS,
 * bearer token (401), scopes (403), query string.  The plugin's table of needs has REST_NEEDS, its
 * fragment of the build links $(REST_LIBS).  An API that speaks another dialect than the management
 * APIs (media type, error bodies, Basic credentials) says so in its struct rest_api.
 *
 * What an operation returns: 0 after it has set a reply; an error of rest_fail(), whose reply
 * stands; any other gh_err, which is answered with the status of rest_fail_err().
 *
 * Reading, then one commit: an operation reads documents, checks, fills the context's batch and
 * commits it once.  When the commit conflicts with another request, the operation runs again from
 * its beginning, a few times.  So it has no effect before its commit that must not happen twice,
 * and sets reply fields after it.
 *
 * Memory: what the functions below hand out belongs to the context unless they say GIVE, and is
 * freed when the operation has ended; for plain text there is the call's arena (gh_call_printf).
 * All POOL.
 */
#ifndef LIB_REST_REST_H
#define LIB_REST_REST_H
#include <gatehouse/call.h>
#include <gatehouse/plugin.h>
#include <gatehouse/svc/docs.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/svc/tokens.h>
#include <jansson.h>

#include "lib/doc/doc.h"
#include "lib/form/form.h"

/* ---- Serving --------------------------------------------------------------------------------- */

#define REST_ROLLOUTS_MAX 8   /**< Followers of the feed on one node. */
#define REST_PARAMS_MAX 4     /**< Path parameters of one route. */
#define REST_PARAM_BYTES 255  /**< Longest path parameter; longer ones are 404. */

/** What every management plugin needs; bound once, in open(). */
struct rest_services {
	struct gh_docs docs;
	struct gh_tokens tokens;
	struct gh_rollout rollouts[REST_ROLLOUTS_MAX];
	size_t rollout_count;
};

/** Rows for the plugin's table of needs. */
#define REST_NEEDS GH_SVC_DOCS, GH_SVC_TOKENS, GH_SVC_ROLLOUT "*"

/** MAIN, in open().  @return 0, or what gh_service_get() returned. */
int rest_services_bind(struct gh_inst *inst, struct rest_services *services);

struct rest_context;

/** One operation. */
typedef int rest_fn(struct rest_context *ctx);

struct rest_route {
	const char *method; /**< NULL ends the table.  HEAD is answered by the row for GET. */
	const char *path;   /**< Behind the version: "/apis/{apiId}".  Literals beat parameters. */
	/** Space separated; any one suffices.  "": credentials of anybody.  NULL: none are needed; the
	 *  tenant is that of credentials that come all the same, or the one that the field
	 *  X-WSO2-Tenant names. */
	const char *scopes;
	rest_fn *fn;
};

/** Body of an error.  @param code, message  as rest_fail_code() has them.
 *  @return a new reference; NULL: out of memory. */
typedef json_t *rest_error_fn(unsigned status, unsigned code, const char *message,
	const char *description);

struct rest_api {
	/** The newest; "/v1" to it, and no version at all, mean the same.  0: paths have none. */
	unsigned version;
	const struct rest_route *routes;
	const char *base; /**< Where paths start, for a mount row further down; NULL: at the mount. */
	const char *media_type;   /**< Of bodies, beside application/json; NULL: only that one. */
	rest_error_fn *error;     /**< NULL: {"code", "message", "description", ...}. */
	/** Basic credentials count as a token with those of the route's scopes that the user's
	 *  roles allow.  Browsers send them by themselves, so bodies need a Content-Type then,
	 *  which pages of other origins cannot set. */
	bool accepts_basic;
};

/** Serve one request: find the operation, check the caller, run it. */
void rest_serve(const struct rest_api *api, const struct rest_services *services, void *process,
	const void *config, struct gh_call *call);

/** One request to one operation. */
struct rest_context {
	struct gh_call *call;
	void *process;                         /**< The plugin's process block. */
	const void *config;                    /**< The plugin's options. */
	const struct rest_services *services;
	const struct gh_principal *principal;  /**< NULL: the caller is not known. */
	/** Of the caller, or the default one.  Documents are read and written there. */
	struct gh_str tenant;
	/** The caller as owner or provider: "name", "name@tenant" outside the default tenant. */
	struct gh_str user;
	const struct form *query;              /**< Unknown parameters are ignored. */
	/* Private to lib/rest. */
	const struct rest_api *api;
	struct gh_str path;                    /**< Behind mount and version. */
	struct { struct gh_str name, value; } params[REST_PARAMS_MAX];
	size_t param_count;
	struct rest_batch *batch;
	struct rest_owned *owned;
	bool has_failed;                       /**< rest_fail() wrote the reply. */
	struct gh_str failure;                 /**< Its description, the call's. */
};

/* ---- The request ----------------------------------------------------------------------------- */

/** Path parameter, percent-decoded.  @param name  one of the route's. */
struct gh_str rest_param(const struct rest_context *ctx, const char *name);
/** Query parameter; p = NULL: none. */
struct gh_str rest_query(const struct rest_context *ctx, const char *name);
/** A query parameter that must be there and not empty; else 400. */
int rest_query_need(struct rest_context *ctx, const char *name, struct gh_str *ret_value);
/** "true" or "false"; absent: @p otherwise; anything else is 400. */
int rest_query_bool(struct rest_context *ctx, const char *name, bool otherwise, bool *ret_value);
/** Does the caller's token carry the scope?  Basic credentials carry only scopes of the route. */
bool rest_has_scope(const struct rest_context *ctx, const char *scope);

enum rest_type {
	REST_END, REST_STRING, REST_INTEGER, REST_BOOLEAN, REST_ARRAY, REST_OBJECT,
	REST_ANY, /**< Not looked at. */
};

/** One member of an object that clients send.  A member that is null counts as absent; members
 *  without a row are kept and not looked at. */
struct rest_field {
	const char *name;
	enum rest_type type;
	bool is_required;         /**< There; strings also not blank. */
	int64_t min, max;         /**< Bytes, value or items.  Both 0: any. */
	const char *const *words; /**< Strings: NULL-ended list of those allowed. */
	/** Strings: is it well formed? */
	bool (*is_valid)(struct gh_str value);
	const char *rule;         /**< For is_valid: what it must be, "must start with '/'". */
	const char *dflt;         /**< JSON text that takes the place of an absent member. */
	enum rest_type item;      /**< Arrays: type of the items; REST_END: any. */
	const struct rest_field *fields; /**< Of objects and such items; ended by REST_END. */
};

/** The body as a JSON object that agrees with @p schema; else 400 or 415 that names field and
 *  reason.  An empty body is an empty object.  @param schema  NULL: any object.
 *  @param[out] ret_json  the context's. */
int rest_body(struct rest_context *ctx, const struct rest_field *schema, json_t **ret_json);
/** The body as a JSON array whose items are objects that agree with @p schema; an empty body is an
 *  empty array. */
int rest_body_array(struct rest_context *ctx, const struct rest_field *schema, json_t **ret_json);
/** Check any JSON object; defaults are put in.  @param where  for messages, "additionalProperties",
 *  or NULL. */
int rest_check(struct rest_context *ctx, const char *where, const struct rest_field *schema,
	json_t *object);
/** The parts of a multipart body; else 400 or 415.  @param parts  room for @p max. */
int rest_multipart(struct rest_context *ctx, struct multipart_part *parts, size_t max,
	size_t *ret_n);

/* ---- The reply ------------------------------------------------------------------------------- */

/** Reply with JSON.  @param json  GIVE; NULL (an allocation that failed) is GH_ENOMEM. */
int rest_reply(struct rest_context *ctx, unsigned status, json_t *json);
/** Reply with text of any type. */
int rest_reply_text(struct rest_context *ctx, unsigned status, struct gh_str content_type,
	struct gh_str text);
/** Reply without a body. */
int rest_reply_empty(struct rest_context *ctx, unsigned status);
/** Path of the mount with the newest version: "/api/am/publisher/v4".
 *  @return ARENA(call); p = NULL: out of memory. */
struct gh_str rest_base_path(struct rest_context *ctx);
/** 201 with Location: "/apis/<id>" behind this API's mount and version.  @param json  GIVE. */
int rest_reply_created(struct rest_context *ctx, json_t *json, const char *location_fmt, ...)
	GH_PRINTF(3, 4);
/** Answer an error: {"code": status, "message": its phrase, "description": fmt...}.
 *  @return GH_EINVAL, to be returned at once. */
int rest_fail(struct rest_context *ctx, unsigned status, const char *fmt, ...) GH_PRINTF(3, 4);
/** As rest_fail(), with one of the documented numbers and its message. */
int rest_fail_code(struct rest_context *ctx, unsigned status, unsigned code, const char *message,
	const char *fmt, ...) GH_PRINTF(5, 6);
/** Take the answer of rest_fail() back, to tell it in another way.
 *  @return its description; p = NULL: there is none. */
struct gh_str rest_failure_take(struct rest_context *ctx);
/** Answer what an error of a service means (GH_ENOENT 404, GH_ECONFLICT 409, GH_EIO 503 ...). */
int rest_fail_err(struct rest_context *ctx, int err);

/** ETag from a document's revision.  Not a weak one, because If-Match compares strongly (RFC 9110,
 *  13.1.1). */
int rest_etag(struct rest_context *ctx, uint64_t rev);
/** 412 when the request has an If-Match field that does not name @p rev. */
int rest_if_match(struct rest_context *ctx, uint64_t rev);

/* ---- Lists ----------------------------------------------------------------------------------- */

#define REST_LIMIT_DEFAULT 25
#define REST_LIMIT_MAX 1000 /**< A larger limit counts as this one. */

struct rest_page {
	uint32_t limit, offset;
};

/** From the parameters limit and offset; else 400. */
int rest_page(struct rest_context *ctx, struct rest_page *ret_page);
/** {"count", "list", "pagination": {offset, limit, total, next, previous}}.
 *  @param list   GIVE: a JSON array with this page's rows.
 *  @param total  of all pages. */
int rest_reply_list(struct rest_context *ctx, const struct rest_page *page, json_t *list,
	uint64_t total);
/** Makes the row of one document.  @return a new reference; NULL: out of memory. */
typedef json_t *rest_row_fn(struct rest_context *ctx, const struct gh_doc *doc);
/** Reply with this page of what @p find finds.  @param find  its tenant, limit and offset are set by
 *  this function.  @return as rest_page() and rest_find(). */
int rest_reply_find(struct rest_context *ctx, struct gh_find *find, rest_row_fn *row);
/** As rest_reply_list(), for documents found with this page's limit and offset. */
int rest_reply_docs(struct rest_context *ctx, const struct rest_page *page,
	const struct gh_docs_found *found, rest_row_fn *row);

/* ---- Documents ------------------------------------------------------------------------------- */

/** The document; 404 when there is none. */
int rest_get(struct rest_context *ctx, const char *kind, struct gh_str id,
	const struct gh_doc **ret_doc);
/** The document; GH_ENOENT without a reply when there is none. */
int rest_lookup(struct rest_context *ctx, const char *kind, struct gh_str id,
	const struct gh_doc **ret_doc);
/** @param find  its tenant is set by this function. */
int rest_find(struct rest_context *ctx, struct gh_find *find,
	const struct gh_docs_found **ret_found);
/** Up to GH_FIND_MAX documents whose first @p n indexed fields have these values. */
int rest_find_equal(struct rest_context *ctx, const char *kind, const char *index,
	const struct gh_str *equal, size_t n, const struct gh_docs_found **ret_found);

/** A user whom the client names, "name" or "name@tenant", as owners and providers are stored.
 *  @return 0; GH_ENOENT: nobody of ctx->tenant can be called that; GH_ENOMEM. */
int rest_user_name(struct rest_context *ctx, struct gh_str given, struct gh_str *ret_user);
/** Let the functions on documents work in another tenant, for operations that make or look into
 *  one.  The caller answers for the right to do so.  @return the tenant before. */
struct gh_str rest_use_tenant(struct rest_context *ctx, struct gh_str tenant);

/** Called for one document, which is the caller's only until it returns.  @return not 0: stop. */
typedef int rest_each_fn(struct rest_context *ctx, const struct gh_doc *doc, void *arg);
/** Call @p fn for every document, however many there are; each page is freed before the next one.
 *  @param find  its tenant, limit and cursor are set by this function.
 *  @return 0; what @p fn returned to stop; or an error of docs/1. */
int rest_find_each(struct rest_context *ctx, struct gh_find *find, rest_each_fn *fn, void *arg);

/** Add to the context's batch.  @param body  GIVE: malloc()ed, from doc_finish() and its like.
 *  @param expect_rev  as in struct gh_doc_op. */
int rest_put(struct rest_context *ctx, const char *kind, struct gh_str id, struct gh_str body,
	uint64_t expect_rev);
/** The same with doc_finish() of @p w. */
int rest_put_written(struct rest_context *ctx, const char *kind, struct gh_str id,
	struct doc_writer *w, uint64_t expect_rev);
int rest_delete(struct rest_context *ctx, const char *kind, struct gh_str id, uint64_t expect_rev);
/** Write the batch.  When it holds a kind that gateways need, wait until they act on it
 *  (rest_rollout_wait).  The batch is empty afterwards; an empty one is no error.
 *  @param[out] ret_rev  the revision that the documents have now; may be NULL.
 *  @return 0; GH_ECONFLICT: return it, and the operation runs again; others as docs/1. */
int rest_commit(struct rest_context *ctx, uint64_t *ret_rev);
/** Wait up to 2 s until every gateway of this node acts on @p seq; later than that the reply
 *  carries a Warning field.  0 means nothing changed. */
void rest_rollout_wait(struct rest_context *ctx, uint64_t seq);

/* ---- Memory ---------------------------------------------------------------------------------- */

/** Call @p fn(arg) when the operation ends.  @return 0; GH_ENOMEM: fn(arg) was called at once. */
int rest_defer(struct rest_context *ctx, void (*fn)(void *arg), void *arg);
/** GIVE a reference to the context.  @return 0; GH_ENOMEM, also when @p json is NULL. */
int rest_own_json(struct rest_context *ctx, json_t *json);

#endif
