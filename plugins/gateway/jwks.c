/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jwks.c
 * @brief A key manager's JWK set: fetched, checked, kept, and whoever waits for it.
 */
#include "plugins/gateway/jwks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "lib/fetch/fetch.h"
#include "lib/file/file.h"
#include "lib/json/json.h"

#define CA_FILE_MAX (1u << 20)
#define ERROR_MAX 512
#define RETRY_MS 5000 /* after a fetch that failed */

struct gw_jwks {
	struct gh_inst *inst;
	char *url, *issuer;
	uint64_t interval_ms;
	struct fetch *fetch;
	struct fetch_line *line;
	struct gh_metric *fetches, *failures, *keys_known;

	pthread_rwlock_t keys_lock;
	struct jose_key *keys[GW_JWKS_KEYS_MAX]; /**< keys_lock */
	size_t key_count;                        /**< keys_lock */
	_Atomic uint64_t trust;

	pthread_t thread;
	bool is_running;              /**< MAIN: the thread was started. */
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_stopping;             /**< lock, as all that follows. */
	bool is_wanted, is_fetching;
	uint64_t fetched_ms;          /**< When the last fetch ended; 0: none has. */
	struct gh_token waiters[GW_JWKS_WAITERS_MAX];
	size_t waiter_count;
};

static uint64_t
now_ms(void)
{
	return gh_mono_ns() / 1000000 + GW_JWKS_PAUSE_MS; /* never near 0 */
}

/* ---- The set ---------------------------------------------------------------------------- */

/* Keys that are accepted.  Sets hold others too, for encryption, or of algorithms of tomorrow. */
static size_t
read_keys(const json_t *list, struct jose_key **ret_keys)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list) && n < GW_JWKS_KEYS_MAX; i++) {
		const json_t *item = json_array_get(list, i);
		bool is_named = js_str(item, "kid").n > 0;

		/* Tokens name their key, so one without a name would never be found. */
		if (is_named && jose_key_from_json(item, &ret_keys[n]) == 0)
			n++;
	}
	return n;
}

static bool
is_same(const struct gw_jwks *jwks, struct jose_key *const *keys, size_t n)
{
	if (n != jwks->key_count)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct jose_jwk *a = jose_key_jwk(keys[i]), *b = jose_key_jwk(jwks->keys[i]);

		if (!gh_str_eq(a->kid, b->kid) || !gh_str_eq(a->x, b->x) ||
			!gh_str_eq(a->y, b->y) || !gh_str_eq(a->n, b->n) || !gh_str_eq(a->e, b->e))
			return false;
	}
	return true;
}

int
gw_jwks_take(struct gw_jwks *jwks, struct gh_str text)
{
	static const struct js_limits limits = { GW_JWKS_BYTES_MAX, 8 };
	struct jose_key *keys[GW_JWKS_KEYS_MAX], *swap;
	char error[160];
	json_t *json;
	int r = js_parse(text, &limits, &json, error, sizeof(error));

	if (r < 0)
		return r == GH_ENOMEM ? r : GH_EINVAL;
	size_t n = read_keys(js_array(json, "keys"), keys);

	json_decref(json);
	if (n == 0)
		return GH_EINVAL;
	pthread_rwlock_wrlock(&jwks->keys_lock);
	size_t old_n = jwks->key_count;

	if (is_same(jwks, keys, n)) {
		old_n = n; /* what was just read is freed below */
	} else {
		for (size_t i = 0; i < GW_JWKS_KEYS_MAX; i++) {
			swap = i < old_n ? jwks->keys[i] : NULL;
			jwks->keys[i] = i < n ? keys[i] : NULL;
			keys[i] = swap;
		}
		jwks->key_count = n;
		atomic_fetch_add(&jwks->trust, 1);
	}
	pthread_rwlock_unlock(&jwks->keys_lock);
	for (size_t i = 0; i < old_n; i++)
		jose_key_unref(keys[i]);
	gh_metric_set(jwks->keys_known, (int64_t)n);
	return GH_OK;
}

int
gw_jwks_key(struct gw_jwks *jwks, struct gh_str kid, struct jose_key **ret_key)
{
	int r = GH_ENOENT;

	if (jwks == NULL || kid.n == 0)
		return r;
	pthread_rwlock_rdlock(&jwks->keys_lock);
	for (size_t i = 0; i < jwks->key_count && r < 0; i++) {
		if (!gh_str_eq(jose_key_kid(jwks->keys[i]), kid))
			continue;
		*ret_key = jose_key_ref(jwks->keys[i]);
		r = GH_OK;
	}
	pthread_rwlock_unlock(&jwks->keys_lock);
	return r;
}

bool
gw_jwks_trusts(struct gw_jwks *jwks, struct gh_str kid, struct gh_str issuer)
{
	struct jose_key *key = NULL;

	if (jwks == NULL || !gh_str_eq(issuer, gh_str_of(jwks->issuer)) ||
		gw_jwks_key(jwks, kid, &key) < 0)
		return false;
	jose_key_unref(key);
	return true;
}

uint64_t
gw_jwks_trust(const struct gw_jwks *jwks)
{
	return jwks != NULL ? atomic_load(&jwks->trust) : 0;
}

/* ---- Waiting ---------------------------------------------------------------------------- */

/* Is a fetch under way, or may one begin?  Lock held. */
static bool
may_fetch(const struct gw_jwks *jwks)
{
	return jwks->is_running && !jwks->is_stopping && (jwks->is_wanted || jwks->is_fetching ||
		jwks->fetched_ms == 0 || now_ms() - jwks->fetched_ms >= GW_JWKS_PAUSE_MS);
}

bool
gw_jwks_may_wait(struct gw_jwks *jwks)
{
	if (jwks == NULL)
		return false;
	pthread_mutex_lock(&jwks->lock);
	bool may = may_fetch(jwks) && jwks->waiter_count < GW_JWKS_WAITERS_MAX;

	pthread_mutex_unlock(&jwks->lock);
	return may;
}

bool
gw_jwks_wait(struct gw_jwks *jwks, struct gh_token token)
{
	pthread_mutex_lock(&jwks->lock);
	bool may = may_fetch(jwks) && jwks->waiter_count < GW_JWKS_WAITERS_MAX;

	if (may) {
		jwks->waiters[jwks->waiter_count++] = token;
		jwks->is_wanted = jwks->is_wanted || !jwks->is_fetching;
		pthread_cond_signal(&jwks->change);
	}
	pthread_mutex_unlock(&jwks->lock);
	return may;
}

/* Everybody looks again, whatever came of it. */
static void
end_fetch(struct gw_jwks *jwks)
{
	struct gh_token waiters[GW_JWKS_WAITERS_MAX];

	pthread_mutex_lock(&jwks->lock);
	size_t n = jwks->waiter_count;

	memcpy(waiters, jwks->waiters, n * sizeof(*waiters));
	jwks->waiter_count = 0;
	jwks->is_fetching = false;
	jwks->fetched_ms = now_ms();
	pthread_mutex_unlock(&jwks->lock);
	for (size_t i = 0; i < n; i++)
		gh_resume(waiters[i]);
}

/* ---- Fetching --------------------------------------------------------------------------- */

static int
fetch_set(struct gw_jwks *jwks, char *error)
{
	const struct fetch_request request = { .url = gh_str_of(jwks->url),
		.deadline_ms = GW_JWKS_DEADLINE_MS, .max_bytes = GW_JWKS_BYTES_MAX };
	struct fetch_reply *reply = NULL;
	int r = fetch_call(jwks->line, &request, NULL, NULL, &reply, error, ERROR_MAX);

	if (r < 0)
		return r;
	if (reply->status != 200) {
		snprintf(error, ERROR_MAX, "it answered %u", reply->status);
		r = GH_EIO;
	} else {
		r = gw_jwks_take(jwks, reply->body);
		if (r < 0)
			snprintf(error, ERROR_MAX, "it is no set with a key that is accepted");
	}
	fetch_reply_free(reply);
	return r;
}

/* Wait until it is time.  @return false: the node ends. */
static bool
wait_for_turn(struct gw_jwks *jwks, uint64_t wait_ms)
{
	struct timespec until = clock_after(wait_ms);
	int r = 0;

	pthread_mutex_lock(&jwks->lock);
	while (!jwks->is_stopping && !jwks->is_wanted && r == 0)
		r = pthread_cond_timedwait(&jwks->change, &jwks->lock, &until);
	bool goes_on = !jwks->is_stopping;

	jwks->is_wanted = false;
	jwks->is_fetching = goes_on;
	pthread_mutex_unlock(&jwks->lock);
	return goes_on;
}

static void *
run(void *arg)
{
	struct gw_jwks *jwks = arg;
	bool was_good = true;
	uint64_t wait_ms = 0;

	while (wait_for_turn(jwks, wait_ms)) {
		char error[ERROR_MAX] = "";
		bool is_good = fetch_set(jwks, error) == 0;

		gh_metric_add(is_good ? jwks->fetches : jwks->failures, 1);
		end_fetch(jwks);
		if (!is_good && was_good)
			gh_inst_log(jwks->inst, LOG_WARNING, "cannot fetch keys from %s: %s", jwks->url,
				error);
		else if (is_good && !was_good)
			gh_inst_log(jwks->inst, LOG_NOTICE, "fetches keys from %s again", jwks->url);
		was_good = is_good;
		wait_ms = is_good || jwks->interval_ms < RETRY_MS ? jwks->interval_ms : RETRY_MS;
	}
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------- */

static int
check_options(struct gh_inst *inst, const struct gw_jwks_options *options)
{
	static const struct gh_str scheme = { "https://", 8 };

	if (options->url.n <= scheme.n || memcmp(options->url.p, scheme.p, scheme.n) != 0) {
		gh_inst_log(inst, LOG_ERR, "jwks_url: must begin with https://");
		return GH_EINVAL;
	}
	if (options->issuer.n == 0) {
		gh_inst_log(inst, LOG_ERR, "jwks_url needs jwks_issuer: whose tokens these keys sign");
		return GH_EINVAL;
	}
	return GH_OK;
}

static int
set_up_fetch(struct gw_jwks *jwks, struct gh_str ca_file)
{
	struct gh_str pem = GH_STR_NONE;
	char error[ERROR_MAX] = "";
	int r = ca_file.n > 0 ? file_read(ca_file.p, CA_FILE_MAX, &pem, error, sizeof(error)) : GH_OK;

	if (r < 0) {
		gh_inst_log(jwks->inst, LOG_ERR, "jwks_ca_file: %s", error);
		return r == GH_ENOMEM ? r : GH_EINVAL;
	}
	r = fetch_new(&(const struct fetch_tls){ .authorities = pem }, &jwks->fetch);
	free((void *)(uintptr_t)pem.p);
	if (r < 0)
		return r;
	jwks->line = fetch_line_new(jwks->fetch);
	return jwks->line != NULL ? GH_OK : GH_ENOMEM;
}

int
gw_jwks_new(struct gh_inst *inst, const struct gw_jwks_options *options, struct gw_jwks **ret)
{
	int r = check_options(inst, options);
	struct gw_jwks *jwks = r == 0 ? calloc(1, sizeof(*jwks)) : NULL;

	if (jwks == NULL)
		return r < 0 ? r : GH_ENOMEM;
	if (clock_init(&jwks->lock, &jwks->change) < 0) {
		free(jwks);
		return GH_ENOMEM;
	}
	pthread_rwlock_init(&jwks->keys_lock, NULL);
	jwks->inst = inst;
	jwks->interval_ms = options->interval_ms;
	jwks->url = strndup(options->url.p, options->url.n);
	jwks->issuer = strndup(options->issuer.p, options->issuer.n);
	r = jwks->url != NULL && jwks->issuer != NULL ? set_up_fetch(jwks, options->ca_file)
		: GH_ENOMEM;
	if (r < 0) {
		gw_jwks_free(jwks);
		return r;
	}
	*ret = jwks;
	return GH_OK;
}

int
gw_jwks_start(struct gw_jwks *jwks)
{
	jwks->fetches = gh_metric_new(jwks->inst, GH_COUNTER, "gatehouse_gateway_jwks_fetches_total",
		"JWK sets that were fetched.", NULL);
	jwks->failures = gh_metric_new(jwks->inst, GH_COUNTER, "gatehouse_gateway_jwks_failures_total",
		"JWK sets that could not be fetched.", NULL);
	jwks->keys_known = gh_metric_new(jwks->inst, GH_GAUGE, "gatehouse_gateway_jwks_keys",
		"Keys of the set that was fetched last.", NULL);
	pthread_mutex_lock(&jwks->lock);
	jwks->is_running = pthread_create(&jwks->thread, NULL, run, jwks) == 0;
	bool is_running = jwks->is_running;

	pthread_mutex_unlock(&jwks->lock);
	return is_running ? GH_OK : GH_EAGAIN;
}

void
gw_jwks_free(struct gw_jwks *jwks)
{
	if (jwks == NULL)
		return;
	if (jwks->is_running) {
		pthread_mutex_lock(&jwks->lock);
		jwks->is_stopping = true;
		pthread_cond_signal(&jwks->change);
		pthread_mutex_unlock(&jwks->lock);
		fetch_line_stop(jwks->line);
		pthread_join(jwks->thread, NULL);
	}
	fetch_line_free(jwks->line);
	fetch_free(jwks->fetch);
	for (size_t i = 0; i < jwks->key_count; i++)
		jose_key_unref(jwks->keys[i]);
	pthread_rwlock_destroy(&jwks->keys_lock);
	pthread_cond_destroy(&jwks->change);
	pthread_mutex_destroy(&jwks->lock);
	free(jwks->url);
	free(jwks->issuer);
	free(jwks);
}
