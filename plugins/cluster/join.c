/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file join.c
 * @brief The first certificate, with a token.
 *
 * First the control plane is asked for its authorities, without believing it; the one whose
 * fingerprint stands in the token is trusted.  Only then, and only to a node whose certificate is of
 * that authority, the token is shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "lib/jointoken/jointoken.h"
#include "lib/json/json.h"
#include "plugins/cluster/cluster.h"

#define CONTROL_HOST GH_STR(GH_ROLE_CONTROL GH_ROLE_DOMAIN)
#define ANSWER_MAX (4 * PKI_PEM_MAX)
#define CALL_MS 10000
#define PAUSE_MS 500

/** What joining needs until it is over. */
struct joining {
	struct cluster *cluster;
	struct gh_str url, text;
	struct jointoken token;
	char *error;
	size_t error_size;
};

int
cluster_take_answer(struct cluster *c, struct gh_str text, char *error, size_t error_size)
{
	struct gh_str certificate, authorities;
	json_t *json = NULL;
	char why[160];
	int r = js_parse(text, NULL, &json, why, sizeof(why));

	if (r < 0) {
		snprintf(error, error_size, "the control plane's answer is no JSON: %s", why);
		return r;
	}
	certificate = js_str(json, "certificate");
	authorities = js_str(json, "authorities");
	if (certificate.n == 0 || authorities.n == 0) {
		snprintf(error, error_size, "the control plane's answer holds no certificate");
		r = GH_EINVAL;
	} else {
		r = cluster_identity_install(c, certificate, authorities, error, error_size);
	}
	json_decref(json);
	return r;
}

/** What the other side says against it, as a sentence. */
int
cluster_refusal(const struct fetch_reply *reply, char *error, size_t error_size)
{
	json_t *json = NULL;
	char why[160];
	struct gh_str text;

	js_parse(reply->body, NULL, &json, why, sizeof(why));
	text = js_str(json, "description");
	if (text.n > 0 && text.n < 300)
		snprintf(error, error_size, "%.*s", GH_STR_ARG(text));
	else
		snprintf(error, error_size, "the control plane answered %u", reply->status);
	json_decref(json);
	if (reply->status == 401 || reply->status == 403)
		return GH_EDENIED;
	return reply->status >= 500 || reply->status == 404 || reply->status == 429 ? GH_EAGAIN : GH_EINVAL;
}

static int
exchange(const struct fetch_tls *tls, const struct fetch_request *request, struct fetch_reply **ret,
	char *error, size_t error_size)
{
	struct fetch *fetch = NULL;
	struct fetch_line *line = NULL;
	int r = fetch_new(tls, &fetch);

	if (r == GH_OK)
		line = fetch_line_new(fetch);
	r = line != NULL ? fetch_call(line, request, NULL, NULL, ret, error, error_size) : GH_ENOMEM;
	fetch_line_free(line);
	fetch_free(fetch);
	return r;
}

/** @param[out] ret_pem  malloc()ed: the authority that the token names. */
static int
find_authority(struct joining *j, struct gh_str *ret_pem)
{
	const struct fetch_tls tls = { .is_unverified = true };
	const struct fetch_request request = { .url = j->url, .path = GH_STR("/cluster/v1/authority"),
		.host = CONTROL_HOST, .deadline_ms = CALL_MS, .max_bytes = ANSWER_MAX };
	struct fetch_reply *reply = NULL;
	json_t *json = NULL;
	char why[160];
	int r = exchange(&tls, &request, &reply, j->error, j->error_size);

	if (r < 0)
		return r;
	if (reply->status != 200) {
		r = cluster_refusal(reply, j->error, j->error_size);
		goto out;
	}
	r = js_parse(reply->body, NULL, &json, why, sizeof(why));
	if (r == GH_OK)
		r = pki_pick(js_str(json, "authorities"), j->token.fingerprint, ret_pem);
	if (r < 0) {
		snprintf(j->error, j->error_size, "who answers there is not of the cluster that made the "
			"token: the fingerprint of its authority is another");
		r = GH_EDENIED;
		goto out;
	}
	int64_t off_s = (int64_t)(gh_now_us() / 1000000) - js_int(json, "time", 0);

	if (off_s > GH_ENROLL_BACKDATE_S || off_s < -GH_ENROLL_BACKDATE_S) {
		snprintf(j->error, j->error_size, "the clocks of this node and of the control plane differ "
			"by %lld seconds, at most %d are allowed", (long long)(off_s < 0 ? -off_s : off_s),
			GH_ENROLL_BACKDATE_S);
		free((void *)ret_pem->p);
		*ret_pem = GH_STR_NONE;
		r = GH_EINVAL;
	}
out:
	json_decref(json);
	fetch_reply_free(reply);
	return r;
}

/** @param[out] ret_text  malloc()ed; holds the token. */
static int
make_body(struct joining *j, struct gh_str *ret_text)
{
	struct cluster *c = j->cluster;
	struct gh_str request = GH_STR_NONE;
	json_t *json = json_object();
	int r = cluster_identity_request(c, &request);

	if (r == GH_OK)
		r = js_set_str(json, "token", j->text);
	if (r == GH_OK)
		r = js_set_str(json, "request", request);
	if (r == GH_OK)
		r = js_set_str(json, "nodeId", gh_str_of(c->node_id));
	if (r == GH_OK)
		r = js_set_str(json, "name", c->name);
	if (r == GH_OK && c->cluster_key != NULL)
		r = js_set_str(json, "clusterKeyId", gh_str_of(c->cluster_key_id));
	if (r == GH_OK)
		r = js_dump(json, ret_text);
	free((void *)request.p);
	json_decref(json);
	return r;
}

static int
try_once(struct joining *j)
{
	struct gh_str authority = GH_STR_NONE, body = GH_STR_NONE;
	struct fetch_reply *reply = NULL;
	int r = find_authority(j, &authority);

	if (r == GH_OK)
		r = make_body(j, &body);
	if (r < 0)
		goto out;
	const struct fetch_tls tls = { .authorities = authority };
	const struct fetch_request request = { .url = j->url, .path = GH_STR("/cluster/v1/join"),
		.host = CONTROL_HOST, .method = GH_STR("POST"), .body = body,
		.content_type = GH_STR("application/json"), .deadline_ms = CALL_MS,
		.max_bytes = ANSWER_MAX };

	r = exchange(&tls, &request, &reply, j->error, j->error_size);
	if (r == GH_OK && reply->status != 200)
		r = cluster_refusal(reply, j->error, j->error_size);
	else if (r == GH_OK)
		r = cluster_take_answer(j->cluster, reply->body, j->error, j->error_size);
out:
	free((void *)authority.p);
	crypto_wipe_free((void *)body.p, body.n);
	fetch_reply_free(reply);
	return r;
}

int
cluster_join(struct cluster *c, struct gh_str url, struct gh_str token, uint64_t wait_ms, char *error,
	size_t error_size)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	struct joining j = { .cluster = c, .url = url, .text = token, .error = error,
		.error_size = error_size };
	uint64_t until_ns = gh_mono_ns() + wait_ms * 1000000;
	bool is_told = false;
	int r = jointoken_parse(token, &j.token);

	if (r < 0) {
		snprintf(error, error_size, "join_token: not a token of the form " JOINTOKEN_PREFIX "...");
		return r;
	}
	for (;;) {
		r = try_once(&j);
		/* Only what may pass by itself is tried again. */
		if ((r != GH_EAGAIN && r != GH_ETIMEDOUT) || gh_mono_ns() >= until_ns)
			break;
		if (!is_told)
			cluster_log(c, LOG_WARNING, "waiting for the control plane at %.*s: %s",
				GH_STR_ARG(url), error);
		is_told = true;
		nanosleep(&pause, NULL);
	}
	crypto_wipe(&j.token, sizeof(j.token));
	return r;
}
