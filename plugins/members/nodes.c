/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file nodes.c
 * @brief What administrators ask, /api/am/cluster/v1: tokens for joining, nodes, a new authority.
 */
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "lib/crypto/crypto.h"
#include "lib/jointoken/jointoken.h"
#include "lib/json/json.h"
#include "plugins/members/members.h"

#define ADMIN "apim:admin"
#define VALIDITY_MAX_MIN 10080 /* A week. */

static int64_t
now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

/** As RFC 3339 has it; null for 0. */
static json_t *
time_text(int64_t at_s)
{
	char text[40];
	struct tm tm;
	time_t t = (time_t)at_s;

	if (at_s == 0 || gmtime_r(&t, &tm) == NULL)
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/** The cluster is not a tenant's: administrators of other tenants have no say in it. */
static int
check_caller(struct rest_context *ctx)
{
	if (gh_str_eq(ctx->tenant, MEMBERS_TENANT))
		return GH_OK;
	return rest_fail(ctx, 403, "Only administrators of " MODEL_TENANT_DEFAULT " manage the cluster");
}

static json_t *
strings(struct gh_str array)
{
	struct doc_iter it = doc_iter(array);
	json_t *list = json_array();
	struct doc_value v;

	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR)
			json_array_append_new(list, js_string(v.s));
	return list;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static const struct rest_field token_fields[] = {
	{ "roles", REST_ARRAY, .is_required = true, .min = 1, .max = MEMBERS_ROLES_MAX,
		.item = REST_STRING },
	{ "validityMinutes", REST_INTEGER, .min = 1, .max = VALIDITY_MAX_MIN, .dflt = "60" },
	{ .type = REST_END },
};

static bool
is_role(struct gh_str s)
{
	return gh_str_eq(s, GH_STR(GH_ROLE_CONTROL)) || gh_str_eq(s, GH_STR(GH_ROLE_GATEWAY)) ||
		gh_str_eq(s, GH_STR(GH_ROLE_TRAFFIC)) || gh_str_eq(s, GH_STR(GH_ROLE_ANALYTICS));
}

static int
check_roles(struct rest_context *ctx, const json_t *roles)
{
	for (size_t i = 0; i < json_array_size(roles); i++) {
		struct gh_str role = js_text(json_array_get(roles, i));

		if (!is_role(role))
			return rest_fail(ctx, 400, "roles: must be control, gateway, traffic or analytics");
		for (size_t k = 0; k < i; k++)
			if (gh_str_eq(role, js_text(json_array_get(roles, k))))
				return rest_fail(ctx, 400, "roles: names %.*s twice", GH_STR_ARG(role));
	}
	return GH_OK;
}

static int
put_token(struct rest_context *ctx, struct gh_str id, const json_t *roles, int64_t expires_at_s)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_begin_array(&w, "roles");
	for (size_t i = 0; i < json_array_size(roles); i++)
		doc_put_str(&w, NULL, js_text(json_array_get(roles, i)));
	doc_end(&w);
	doc_put_str(&w, "user", ctx->principal->user);
	doc_put_int(&w, "created_at_s", now_s());
	doc_put_int(&w, "expires_at_s", expires_at_s);
	return rest_put_written(ctx, "join_token", id, &w, GH_REV_NONE);
}

/** The secret of a new token, for the reply alone. */
static int
make_token(struct rest_context *ctx, char text[JOINTOKEN_TEXT_LEN + 1], char id[JOINTOKEN_ID_LEN + 1])
{
	struct members *m = ctx->process;
	char error[MEMBERS_ERROR_BYTES];
	struct authority authority;
	struct pki_certificate c;
	struct jointoken token;
	int r = members_authority_read(m, &authority, error, sizeof(error));

	if (r < 0)
		return rest_fail(ctx, 503, "%s", error);
	r = pki_read(authority.certificate, &c);
	members_authority_done(&authority);
	if (r == GH_OK)
		r = jointoken_new(c.fingerprint, &token);
	if (r < 0)
		return r;
	jointoken_print(&token, text);
	r = jointoken_id(&token, id);
	crypto_wipe(&token, sizeof(token));
	return r;
}

static int
create_token(struct rest_context *ctx)
{
	char text[JOINTOKEN_TEXT_LEN + 1] = "", id[JOINTOKEN_ID_LEN + 1];
	json_t *body, *reply;
	int64_t expires_at_s;
	int r = check_caller(ctx);

	if (r == GH_OK)
		r = rest_body(ctx, token_fields, &body);
	if (r == GH_OK)
		r = check_roles(ctx, js_array(body, "roles"));
	if (r == GH_OK)
		r = make_token(ctx, text, id);
	if (r < 0)
		goto out;
	expires_at_s = now_s() + js_int(body, "validityMinutes", 60) * 60;
	r = put_token(ctx, gh_str_of(id), js_array(body, "roles"), expires_at_s);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	if (r < 0)
		goto out;
	(void)gh_call_reply_field(ctx->call, GH_STR("Cache-Control"), GH_STR("no-store"));
	reply = json_pack("{s:s, s:s, s:O, s:o}", "id", id, "token", text, "roles",
		js_array(body, "roles"), "expiresAt", time_text(expires_at_s));
	r = rest_reply_created(ctx, reply, "/join-tokens/%s", id);
out:
	crypto_wipe(text, sizeof(text));
	return r;
}

static json_t *
token_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	(void)ctx;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "id", js_string(doc->id),
		"roles", strings(doc_array(doc->body, "roles")),
		"createdBy", js_string(doc_str(doc->body, "user")),
		"createdAt", time_text(doc_int(doc->body, "created_at_s", 0)),
		"expiresAt", time_text(doc_int(doc->body, "expires_at_s", 0)));
}

static int
list_tokens(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("join_token") };
	int r = check_caller(ctx);

	return r < 0 ? r : rest_reply_find(ctx, &find, token_row);
}

static int
delete_token(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = check_caller(ctx);

	if (r == GH_OK)
		r = rest_get(ctx, "join_token", rest_param(ctx, "tokenId"), &doc);
	if (r == GH_OK)
		r = rest_delete(ctx, "join_token", doc->id, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	return r < 0 ? r : rest_reply_empty(ctx, 200);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static const char *
state_of(struct gh_str node)
{
	if (doc_bool(node, "is_removed", false))
		return "REMOVED";
	return doc_int(node, "expires_at_s", 0) > now_s() ? "MEMBER" : "EXPIRED";
}

static json_t *
node_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	struct members *m = ctx->process;
	struct gh_str b = doc->body;

	return json_pack("{s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o}",
		"id", js_string(doc->id), "name", js_string(doc_str(b, "name")),
		"roles", strings(doc_array(b, "roles")), "state", state_of(b),
		"isThisNode", gh_str_eq(doc->id, m->trust.vt->node_id(m->trust.self)),
		"joinedAt", time_text(doc_int(b, "joined_at_s", 0)),
		"renewedAt", time_text(doc_int(b, "renewed_at_s", 0)),
		"expiresAt", time_text(doc_int(b, "expires_at_s", 0)),
		"removedAt", time_text(doc_int(b, "removed_at_s", 0)),
		"serials", strings(doc_array(b, "serials")));
}

static int
list_nodes(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("node") };
	int r = check_caller(ctx);

	return r < 0 ? r : rest_reply_find(ctx, &find, node_row);
}

static int
get_node(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	int r = check_caller(ctx);

	if (r == GH_OK)
		r = rest_get(ctx, "node", rest_param(ctx, "nodeId"), &doc);
	return r < 0 ? r : rest_reply(ctx, 200, node_row(ctx, doc));
}

/* The document stays: it is what tells every node whom to refuse. */
static int
delete_node(struct rest_context *ctx)
{
	struct members *m = ctx->process;
	struct gh_str id = rest_param(ctx, "nodeId"), changes = GH_STR_NONE, body = GH_STR_NONE;
	const struct gh_doc *doc;
	struct doc_writer w;
	int r = check_caller(ctx);

	if (r == GH_OK)
		r = rest_get(ctx, "node", id, &doc);
	if (r < 0)
		return r;
	if (gh_str_eq(id, m->trust.vt->node_id(m->trust.self)))
		return rest_fail(ctx, 409, "This node cannot remove itself; ask another control plane");
	if (doc_bool(doc->body, "is_removed", false))
		return rest_reply_empty(ctx, 200);
	doc_writer_init(&w);
	doc_put_bool(&w, "is_removed", true);
	doc_put_int(&w, "removed_at_s", now_s());
	r = doc_finish(&w, &changes);
	if (r == GH_OK)
		r = doc_merge(doc->body, changes, &body);
	free((void *)changes.p);
	if (r == GH_OK)
		r = rest_put(ctx, "node", id, body, doc->rev);
	if (r == GH_OK)
		r = rest_commit(ctx, NULL);
	if (r < 0)
		return r;
	gh_call_log(ctx->call, LOG_NOTICE, "node %.*s was removed from the cluster by %.*s",
		GH_STR_ARG(id), GH_STR_ARG(ctx->principal->user));
	return rest_reply_empty(ctx, 200);
}

/* ---- The authority --------------------------------------------------------------------------- */

static int
rotate(struct rest_context *ctx)
{
	struct members *m = ctx->process;
	char error[MEMBERS_ERROR_BYTES];
	uint64_t seq = 0;
	int r = check_caller(ctx);

	if (r < 0)
		return r;
	r = members_authority_rotate(m, &seq, error, sizeof(error));
	if (r == GH_ECONFLICT)
		return rest_fail(ctx, 409, "%s", error);
	if (r < 0)
		return rest_fail(ctx, 503, "%s", error);
	gh_call_log(ctx->call, LOG_NOTICE, "the cluster's authority is being replaced for %.*s",
		GH_STR_ARG(ctx->principal->user));
	rest_rollout_wait(ctx, seq);
	return rest_reply_empty(ctx, 202);
}

static json_t *
authority_row(struct rest_context *ctx, const struct gh_doc *doc)
{
	(void)ctx;
	return json_pack("{s:o, s:b, s:o, s:o, s:o}", "fingerprint", js_string(doc->id),
		"isCurrent", doc_bool(doc->body, "is_current", false),
		"createdAt", time_text(doc_int(doc->body, "created_at_s", 0)),
		"retiresAt", time_text(doc_int(doc->body, "retires_at_s", 0)),
		"certificate", js_string(doc_str(doc->body, "certificate")));
}

static int
list_authorities(struct rest_context *ctx)
{
	struct gh_find find = { .kind = GH_STR("authority"), .limit = PKI_CHAIN_MAX };
	const struct rest_page page = { .limit = PKI_CHAIN_MAX };
	const struct gh_docs_found *found;
	int r = check_caller(ctx);

	if (r == GH_OK)
		r = rest_find(ctx, &find, &found);
	return r < 0 ? r : rest_reply_docs(ctx, &page, found, authority_row);
}

/* ---- The API --------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
	{ "GET", "/join-tokens", ADMIN, list_tokens },
	{ "POST", "/join-tokens", ADMIN, create_token },
	{ "DELETE", "/join-tokens/{tokenId}", ADMIN, delete_token },
	{ "GET", "/nodes", ADMIN, list_nodes },
	{ "GET", "/nodes/{nodeId}", ADMIN, get_node },
	{ "DELETE", "/nodes/{nodeId}", ADMIN, delete_node },
	{ "GET", "/authorities", ADMIN, list_authorities },
	{ "POST", "/authority/rotate", ADMIN, rotate },
	{ .method = NULL },
};

static const struct rest_api api = { .version = 1, .routes = routes };

void
members_on_rest(void *process, const void *config, struct gh_call *call)
{
	struct members *m = process;

	if (m->has_rest && m->has_authority) {
		rest_serve(&api, &m->rest, process, config, call);
		return;
	}
	(void)gh_call_reply(call, 404, GH_STR("application/json"), GH_STR("{\"code\":404,"
		"\"message\":\"Not Found\",\"description\":\"This node does not manage the cluster; "
		"ask a control plane\"}"));
}
