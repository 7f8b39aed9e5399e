/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file join.c
 * @brief What other nodes ask: who the authorities are, a first certificate, the next one.
 *
 * The first two are asked by nodes without a certificate, so by anybody who reaches the listener.  A
 * token is worth one certificate: it is deleted in the batch that writes the node down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "lib/jointoken/jointoken.h"
#include "lib/json/json.h"
#include "plugins/members/members.h"

#define TOKEN GH_STR("join_token")
#define NAME_MAX_BYTES 255

static const struct js_limits limits = { .max_bytes = MEMBERS_BODY_MAX, .max_depth = 2 };

static int64_t
now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

/* ---- Replies --------------------------------------------------------------------------------- */

/** @param json  GIVE; NULL: out of memory. */
static void
answer(struct gh_call *call, unsigned status, json_t *json)
{
	struct gh_str text = GH_STR_NONE;

	if (json != NULL && js_dump(json, &text) == GH_OK) {
		(void)gh_call_reply(call, status, GH_STR("application/json"), text);
		(void)gh_call_reply_field(call, GH_STR("Cache-Control"), GH_STR("no-store"));
	}
	free((void *)text.p);
	json_decref(json);
}

static void
refuse(struct members *m, struct gh_call *call, unsigned status, const char *why)
{
	json_t *json = json_pack("{s:i, s:s}", "code", (int)status, "message", status == 403
		? "Forbidden" : status == 409 ? "Conflict" : status < 500 ? "Bad Request"
		: "Service Unavailable");

	gh_metric_add(m->refused, 1);
	gh_call_log(call, LOG_WARNING, "refused %.*s from %.*s: %s", GH_STR_ARG(gh_call_path(call)),
		GH_STR_ARG(gh_call_peer(call)), why);
	if (json != NULL && js_set_str(json, "description", gh_str_of(why)) < 0) {
		json_decref(json);
		json = NULL;
	}
	answer(call, status, json);
}

static void
refuse_error(struct members *m, struct gh_call *call, int err, const char *why)
{
	refuse(m, call, err == GH_EDENIED ? 403 : err == GH_EINVAL ? 400 : 503, why);
}

static void
give(struct gh_call *call, struct certificate *c)
{
	json_t *json = json_object();

	if (js_set_str(json, "certificate", c->chain) < 0 ||
		js_set_str(json, "authorities", c->authorities) < 0) {
		json_decref(json);
		json = NULL;
	}
	answer(call, 200, json);
	members_certificate_done(c);
}

/* ---- The authorities ------------------------------------------------------------------------- */

static void
on_authority(struct members *m, struct gh_call *call)
{
	char error[MEMBERS_ERROR_BYTES];
	struct authority authority;
	int r = members_authority_read(m, &authority, error, sizeof(error));

	if (r < 0)
		return refuse(m, call, 503, error);
	json_t *json = json_pack("{s:I}", "time", (json_int_t)now_s());

	if (json != NULL && js_set_str(json, "authorities", authority.bundle) < 0) {
		json_decref(json);
		json = NULL;
	}
	members_authority_done(&authority);
	answer(call, 200, json);
}

/* ---- Joining --------------------------------------------------------------------------------- */

static bool
is_name(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

/** @return NULL, or what is wrong. */
static const char *
read_applicant(const json_t *json, struct applicant *a)
{
	a->id = js_str(json, "nodeId");
	a->name = js_str(json, "name");
	a->request = js_str(json, "request");
	if (!crypto_is_uuid(a->id))
		return "nodeId: must be a UUID";
	if (!is_name(a->name))
		return "name: must be 1 to 255 printable characters";
	if (a->request.n == 0)
		return "request: must be a certificate request, PEM";
	return NULL;
}

static void
take_roles(struct applicant *a, struct gh_str token)
{
	struct doc_iter it = doc_iter(doc_array(token, "roles"));
	struct doc_value v;

	a->role_count = 0;
	while (a->role_count < MEMBERS_ROLES_MAX && doc_next(&it, NULL, &v))
		if (v.type == DOC_STR)
			a->roles[a->role_count++] = v.s;
}

/** @return 0; GH_ECONFLICT: something changed meanwhile; or an error with its sentence. */
static int
join_once(struct members *m, struct gh_str id, struct applicant *a, struct certificate *ret,
	char *error, size_t error_size)
{
	struct gh_docs_found *found = NULL;
	int r = m->docs.vt->get(m->docs.self, MEMBERS_TENANT, TOKEN, id, &found);

	if (r == GH_ENOENT) {
		snprintf(error, error_size, "the token is not known: it was used, has expired, or is of "
			"another cluster");
		return GH_EDENIED;
	}
	if (r < 0) {
		snprintf(error, error_size, "the token cannot be looked up: %s", gh_strerror(r));
		return r;
	}
	struct gh_doc_op used = { GH_DOC_DELETE, MEMBERS_TENANT, TOKEN, id, .expect_rev =
		found->docs[0].rev };

	if (doc_int(found->docs[0].body, "expires_at_s", 0) <= now_s()) {
		snprintf(error, error_size, "the token has expired");
		r = GH_EDENIED;
	} else {
		take_roles(a, found->docs[0].body);
		a->also = &used;
		r = members_issue(m, a, ret, error, error_size);
		a->also = NULL;
	}
	m->docs.vt->found_free(found);
	return r;
}

static void
on_join(struct members *m, struct gh_call *call, const json_t *json)
{
	char id[JOINTOKEN_ID_LEN + 1], error[MEMBERS_ERROR_BYTES];
	struct gh_str key_id = js_str(json, "clusterKeyId");
	struct certificate c = { .chain = GH_STR_NONE };
	struct applicant a = { .is_known = false };
	struct jointoken token;
	const char *wrong = read_applicant(json, &a);
	int r;

	if (wrong != NULL)
		return refuse(m, call, 400, wrong);
	r = jointoken_parse(js_str(json, "token"), &token);
	if (r == GH_OK)
		r = jointoken_id(&token, id);
	crypto_wipe(&token, sizeof(token));
	if (r < 0)
		return refuse(m, call, 403, "this is no token for joining");
	if (key_id.n > 0 && !gh_str_eq(key_id, m->enroll.vt->cluster_key_id(m->enroll.self)))
		return refuse(m, call, 409, "the cluster key of this node is not the cluster's; a gateway "
			"needs none, every other node a copy of the control plane's");
	r = GH_ECONFLICT;
	for (int i = 0; i < MEMBERS_TRIES && (r == GH_ECONFLICT || r == GH_ENOENT); i++)
		r = join_once(m, gh_str_of(id), &a, &c, error, sizeof(error));
	if (r < 0)
		return refuse_error(m, call, r, error);
	give(call, &c);
}

/* ---- Renewing -------------------------------------------------------------------------------- */

static void
on_renew(struct members *m, struct gh_call *call, const json_t *json)
{
	char error[MEMBERS_ERROR_BYTES];
	struct certificate c = { .chain = GH_STR_NONE };
	struct applicant a = { .id = gh_call_peer_node(call), .request = js_str(json, "request"),
		.is_known = true };
	int r;

	if (a.id.n == 0)
		return refuse(m, call, 403, "the caller showed no certificate of this cluster");
	if (a.request.n == 0)
		return refuse(m, call, 400, "request: must be a certificate request, PEM");
	r = members_issue(m, &a, &c, error, sizeof(error));
	if (r < 0)
		return refuse_error(m, call, r, error);
	give(call, &c);
}

/* ---- The mount ------------------------------------------------------------------------------- */

void
members_on_cluster(void *process, const void *config, struct gh_call *call)
{
	struct members *m = process;
	struct gh_str path = gh_call_path(call);
	bool is_authority = gh_str_eq(path, GH_STR("/cluster/v1/authority")),
		is_join = gh_str_eq(path, GH_STR("/cluster/v1/join"));
	char why[160];
	json_t *json = NULL;

	(void)config;
	if (!is_authority && !is_join && !gh_str_eq(path, GH_STR("/cluster/v1/renew"))) {
		(void)gh_call_reply(call, 404, GH_STR_NONE, GH_STR_NONE);
		return;
	}
	if (!gh_str_eq(gh_call_method(call), is_authority ? GH_STR("GET") : GH_STR("POST"))) {
		(void)gh_call_reply(call, 405, GH_STR_NONE, GH_STR_NONE);
		(void)gh_call_reply_field(call, GH_STR("Allow"), is_authority ? GH_STR("GET")
			: GH_STR("POST"));
		return;
	}
	if (!m->has_authority)
		return refuse(m, call, 503, "this node issues no certificates; control_url must name a "
			"control plane");
	if (is_authority)
		return on_authority(m, call);
	if (js_parse(gh_call_body(call), &limits, &json, why, sizeof(why)) < 0)
		return refuse(m, call, 400, why);
	if (is_join)
		on_join(m, call, json);
	else
		on_renew(m, call, json);
	json_decref(json);
}
