/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file authenticate.c
 * @brief AUTHENTICATE: who calls?
 *
 * A known token costs one SHA-256 and one look-up.  Others are verified at once as long as
 * signatures take less than their share of this worker's second, then on the pool, and when that is
 * full they are answered 503: a flood of forged tokens cannot keep a worker from its other callers.
 */
#include <gatehouse/offload.h>
#include <stdlib.h>

#include "plugins/gateway/gateway.h"

#define SECOND_NS UINT64_C(1000000000)
#define VERIFY_DEADLINE_MS 5000

/* A verification on the pool. */
struct verification {
	struct gh_job job; /* first */
	struct gw_snapshot *root;
	struct gw_jwks *jwks;
	uint64_t trust, now_s, skew_s;
	uint8_t digest[CRYPTO_SHA256_LEN];
	struct gw_claims *claims;
	enum gw_error error;
	size_t token_n;
	char token[];
};

static uint64_t
now_s(void)
{
	return gh_now_us() / 1000000;
}

/* ---- What follows from a verified token ------------------------------------------------- */

static enum gh_verdict
accept_claims(struct gh_txn *txn, struct gw_call *call, struct gw_claims *claims)
{
	bool has_test_key = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Internal-Key")).p != NULL;

	/* Each kind of token counts only in its own field, a test key only for its own API. */
	if (claims->is_test_key != has_test_key ||
		(has_test_key && (!gh_str_eq(claims->api_id, call->api->id) ||
			!gh_str_eq(claims->tenant, call->api->entry.tenant))))
		return gw_refuse(txn, GW_ERR_INVALID_CREDENTIALS);
	call->claims = gw_claims_pin(claims);
	gh_txn_set_attr(txn, GH_ATTR_CONSUMER_KEY, claims->consumer_key);
	gh_txn_set_attr(txn, GH_ATTR_USER, claims->user);
	gh_txn_set_attr(txn, GH_ATTR_SCOPES, claims->scopes);
	if (call->api->state == GW_CREATED && !claims->is_test_key)
		return gw_refuse(txn, GW_ERR_TEST_KEY_ONLY);
	return GH_NEXT;
}

/* Keep the outcome of a verification for the next time. */
static void
remember(struct gw_worker *worker, const uint8_t *digest, uint64_t trust, enum gw_error error,
	struct gw_claims *claims)
{
	if (error == GW_OK)
		gw_token_cache_put(worker->tokens, digest, claims);
	else if (error != GW_ERR_BUSY)
		gw_token_cache_refuse(worker->tokens, digest, trust, error);
}

/* ---- Verification ----------------------------------------------------------------------- */

static void
run_verification(struct gh_job *job)
{
	struct verification *v = (struct verification *)(void *)job;

	v->error = gw_token_verify(v->root, v->jwks, (struct gh_str){ v->token, v->token_n },
		v->now_s, v->skew_s, &v->claims);
}

static void
end_verification(struct gh_job *job, struct gh_txn *txn)
{
	struct verification *v = (struct verification *)(void *)job;
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));

	remember(gh_txn_worker_data(txn), v->digest, v->trust, v->error, v->claims);
	call->refused = v->error;
	call->claims = v->claims; /* with its pin */
	v->claims = NULL;
}

static void
free_verification(struct gh_job *job)
{
	struct verification *v = (struct verification *)(void *)job;

	gw_claims_unpin(v->claims);
	gw_snapshot_unref(v->root);
	crypto_wipe_free(v, sizeof(*v) + v->token_n);
}

static enum gh_verdict
after_verification(struct gh_txn *txn, enum gh_reason reason)
{
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));
	struct gw_claims *claims = call->claims;
	enum gh_verdict verdict;

	if (reason != GH_DONE)
		return gw_refuse(txn, GW_ERR_BUSY);
	if (call->refused != GW_OK)
		return gw_refuse(txn, call->refused);
	call->claims = NULL;
	verdict = accept_claims(txn, call, claims);
	gw_claims_unpin(claims);
	return verdict;
}

static enum gh_verdict
verify_on_pool(struct gh_txn *txn, const struct gw_call *call, struct gh_str token,
	const uint8_t *digest, uint64_t skew_s)
{
	const struct gw_process *process = gh_txn_process(txn);
	struct verification *v = calloc(1, sizeof(*v) + token.n);

	if (v == NULL)
		return gw_refuse(txn, GW_ERR_BUSY);
	v->job = (struct gh_job){ run_verification, end_verification, free_verification };
	v->root = gw_snapshot_ref(call->view->root);
	v->jwks = process->jwks;
	v->trust = gw_trust(v->root, v->jwks);
	v->now_s = now_s();
	v->skew_s = skew_s;
	memcpy(v->digest, digest, sizeof(v->digest));
	v->token_n = token.n;
	memcpy(v->token, token.p, token.n);
	gh_metric_add(process->offloaded, 1);
	if (gh_offload(txn, GH_LANE_CRYPTO, &v->job, VERIFY_DEADLINE_MS, after_verification) < 0)
		return gw_refuse(txn, GW_ERR_BUSY);
	return GH_SUSPEND;
}

/* Have signatures had their share of this second? */
static bool
is_share_spent(struct gw_worker *worker, uint64_t share_percent, uint64_t now_ns)
{
	if (now_ns - worker->second_ns >= SECOND_NS) {
		worker->second_ns = now_ns;
		worker->verify_ns = 0;
	}
	return worker->verify_ns >= SECOND_NS / 100 * share_percent;
}

/* The key that the token names may have been made since the set of keys was fetched. */
static enum gh_verdict
after_fetch(struct gh_txn *txn, enum gh_reason reason)
{
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));

	if (reason == GH_CANCELLED)
		return gw_refuse(txn, GW_ERR_BUSY);
	call->has_waited = true;
	return gw_on_authenticate(call->config, txn);
}

/* Wait for a fetch, once, if one may help.  @return false: the token is refused. */
static bool
wait_for_key(struct gh_txn *txn, const struct gw_config *config, struct gw_call *call,
	struct gh_str token)
{
	const struct gw_process *process = gh_txn_process(txn);

	if (call->has_waited || !gw_jwks_may_wait(process->jwks) ||
		!gw_token_has_unknown_key(call->view->root, process->jwks, token))
		return false;
	call->config = config;
	struct gh_token resume = gh_txn_suspend(txn, GW_JWKS_DEADLINE_MS, after_fetch);

	if (!gw_jwks_wait(process->jwks, resume))
		gh_resume(resume);
	return true;
}

static enum gh_verdict
verify(const struct gw_config *config, struct gh_txn *txn, struct gw_call *call,
	struct gh_str token, const uint8_t *digest)
{
	const struct gw_process *process = gh_txn_process(txn);
	struct gw_worker *worker = gh_txn_worker_data(txn);
	uint64_t start_ns = gh_mono_ns(), skew_s = config->clock_skew.v / 1000;
	uint64_t trust = gw_trust(call->view->root, process->jwks);
	struct gw_claims *claims = NULL;

	if (wait_for_key(txn, config, call, token))
		return GH_SUSPEND;
	if (is_share_spent(worker, config->verify_share, start_ns))
		return verify_on_pool(txn, call, token, digest, skew_s);
	enum gw_error error = gw_token_verify(call->view->root, process->jwks, token, now_s(),
		skew_s, &claims);

	worker->verify_ns += gh_mono_ns() - start_ns;
	remember(worker, digest, trust, error, claims);
	enum gh_verdict verdict = error == GW_OK ? accept_claims(txn, call, claims) :
		gw_refuse(txn, error);

	gw_claims_unpin(claims);
	return verdict;
}

/* Is what was found true once still so?  @return GW_OK, or why not. */
static enum gw_error
check_again(const struct gw_config *config, const struct gw_snapshot *root, struct gw_jwks *jwks,
	struct gw_claims *claims)
{
	uint64_t trust = gw_trust(root, jwks);

	if (claims->expires_at_s + config->clock_skew.v / 1000 <= now_s())
		return GW_ERR_EXPIRED_CREDENTIALS;
	if (claims->trust == trust)
		return GW_OK;
	if (!gw_token_is_trusted(root, jwks, claims))
		return GW_ERR_INVALID_CREDENTIALS;
	/* Transactions that began under an older root may still be on their way. */
	if (claims->trust < trust)
		claims->trust = trust;
	return GW_OK;
}

static enum gh_verdict
check_token(const struct gw_config *config, struct gh_txn *txn, struct gw_call *call,
	struct gh_str token)
{
	const struct gw_process *process = gh_txn_process(txn);
	struct gw_worker *worker = gh_txn_worker_data(txn);
	const struct gw_snapshot *root = call->view->root;
	uint64_t trust = gw_trust(root, process->jwks);
	uint8_t digest[CRYPTO_SHA256_LEN];
	enum gw_error error;

	if (token.n == 0 || token.n > JOSE_TOKEN_MAX)
		return gw_refuse(txn, GW_ERR_INVALID_CREDENTIALS);
	if (crypto_sha256(token, digest) < 0)
		return GH_FAIL;
	struct gw_claims *claims = gw_token_cache_get(worker->tokens, digest);

	if (claims != NULL) {
		gh_metric_add(process->cache_hits, 1);
		if ((error = check_again(config, root, process->jwks, claims)) == GW_OK)
			return accept_claims(txn, call, claims);
		gw_token_cache_drop(worker->tokens, digest);
		gw_token_cache_refuse(worker->tokens, digest, trust, error);
		return gw_refuse(txn, error);
	}
	if ((error = gw_token_cache_refused(worker->tokens, digest, trust)) != GW_OK) {
		gh_metric_add(process->cache_hits, 1);
		return gw_refuse(txn, error);
	}
	gh_metric_add(process->cache_misses, 1);
	return verify(config, txn, call, token, digest);
}

/* ---- Credentials ------------------------------------------------------------------------ */

/* The token behind "Bearer " (RFC 6750, 2.1).  @return false: another scheme. */
static bool
read_bearer(struct gh_str value, struct gh_str *ret_token)
{
	static const struct gh_str scheme = { "Bearer", 6 };

	if (value.n <= scheme.n || value.p[scheme.n] != ' ' ||
		!gh_str_eq_nocase((struct gh_str){ value.p, scheme.n }, scheme))
		return false;
	value.p += scheme.n;
	value.n -= scheme.n;
	while (value.n > 0 && value.p[0] == ' ') {
		value.p++;
		value.n--;
	}
	*ret_token = value;
	return true;
}

enum gh_verdict
gw_on_authenticate(const void *config, struct gh_txn *txn)
{
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));
	struct gh_str token;

	if (call == NULL || call->api == NULL)
		return GH_FAIL;
	token = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Internal-Key"));
	if (token.p != NULL)
		return check_token(config, txn, call, token);
	if (call->operation->auth_type == GW_AUTH_NONE && call->api->state != GW_CREATED)
		return GH_NEXT;
	struct gh_str value = gh_txn_field(txn, GH_SIDE_REQUEST, call->api->authorization_header);

	if (!read_bearer(value, &token))
		return gw_refuse(txn, GW_ERR_MISSING_CREDENTIALS);
	return check_token(config, txn, call, token);
}
