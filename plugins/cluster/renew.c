/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file renew.c
 * @brief The next certificates: a thread asks the control plane when two thirds of a life are over.
 *
 * When that fails it goes on trying, ever less often, until the certificate's end; calls go on
 * meanwhile, as the old one is good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "lib/json/json.h"
#include "plugins/cluster/cluster.h"

#define CALL_MS 10000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 60000
#define LOOK_MAX_MS 60000   /* The wall clock may be set: look at it now and then. */
#define JITTER_MS 3000      /* Of nodes that all hear of another authority at once. */

static uint64_t
jitter_ms(void)
{
	uint16_t random = 0;

	(void)crypto_random(&random, sizeof(random));
	return (uint64_t)random * JITTER_MS / UINT16_MAX;
}

/** One attempt.  @return 0, or an error with its sentence. */
static int
renew_once(struct cluster *c, char *error, size_t error_size)
{
	struct gh_str request = GH_STR_NONE, body = GH_STR_NONE;
	struct fetch_reply *reply = NULL;
	json_t *json = json_object();
	int r = cluster_identity_request(c, &request);

	if (r == GH_OK)
		r = js_set_str(json, "request", request);
	if (r == GH_OK)
		r = js_dump(json, &body);
	if (r < 0) {
		snprintf(error, error_size, "%s", gh_strerror(r));
		goto out;
	}
	const struct fetch_request call = { .url = gh_str_of(c->control_url),
		.path = GH_STR("/cluster/v1/renew"), .host = GH_STR(GH_ROLE_CONTROL GH_ROLE_DOMAIN),
		.method = GH_STR("POST"), .body = body, .content_type = GH_STR("application/json"),
		.deadline_ms = CALL_MS, .max_bytes = 4 * PKI_PEM_MAX };

	r = fetch_call(c->renew_line, &call, NULL, NULL, &reply, error, error_size);
	if (r == GH_OK && reply->status != 200)
		r = cluster_refusal(reply, error, error_size);
	else if (r == GH_OK)
		r = cluster_take_answer(c, reply->body, error, error_size);
out:
	free((void *)request.p);
	free((void *)body.p);
	json_decref(json);
	fetch_reply_free(reply);
	return r;
}

/** Wait until it is time.  @return false: the end. */
static bool
wait_for_due(struct cluster *c, uint64_t backoff_ms)
{
	bool is_due = false, is_stopping;

	pthread_mutex_lock(&c->lock);
	if (backoff_ms > 0) {
		struct timespec until = clock_after(backoff_ms);

		while (!c->is_stopping &&
			pthread_cond_timedwait(&c->renew_change, &c->lock, &until) == 0)
			continue;
		is_due = true;
	}
	while (!c->is_stopping && !is_due) {
		int64_t now_s = (int64_t)(gh_now_us() / 1000000), left_s;
		struct timespec until;

		left_s = cluster_renew_at_s(&c->newest->certificate) - now_s;
		is_due = c->wants_renewal || left_s <= 0;
		if (is_due)
			break;
		until = clock_after(left_s < LOOK_MAX_MS / 1000 ? (uint64_t)left_s * 1000 : LOOK_MAX_MS);
		pthread_cond_timedwait(&c->renew_change, &c->lock, &until);
	}
	is_stopping = c->is_stopping;
	pthread_mutex_unlock(&c->lock);
	return !is_stopping;
}

static bool
take_wish(struct cluster *c)
{
	bool wanted;

	pthread_mutex_lock(&c->lock);
	wanted = c->wants_renewal;
	c->wants_renewal = false;
	pthread_mutex_unlock(&c->lock);
	return wanted;
}

static void *
run(void *arg)
{
	struct cluster *c = arg;
	char error[CLUSTER_ERROR_BYTES];
	uint64_t backoff_ms = 0;

	while (wait_for_due(c, backoff_ms)) {
		if (take_wish(c) && !wait_for_due(c, 1 + jitter_ms()))
			break;
		int r = renew_once(c, error, sizeof(error));

		if (r == GH_OK) {
			gh_metric_add(c->renewals, 1);
			backoff_ms = 0;
			continue;
		}
		gh_metric_add(c->renewals_failed, 1);
		if (backoff_ms == 0)
			cluster_log(c, LOG_WARNING, "the certificate of this node cannot be renewed "
				"yet: %s", error);
		backoff_ms = backoff_ms == 0 ? BACKOFF_MIN_MS : 2 * backoff_ms;
		backoff_ms = backoff_ms < BACKOFF_MAX_MS ? backoff_ms : BACKOFF_MAX_MS;
	}
	return NULL;
}

int
cluster_renew_open(struct cluster *c)
{
	if (c->control_url == NULL)
		return GH_OK;
	c->renew_line = fetch_line_new(c->fetch);
	if (c->renew_line == NULL || pthread_create(&c->renew_thread, NULL, run, c) != 0)
		return GH_ENOMEM;
	c->has_renew_thread = true;
	return GH_OK;
}

void
cluster_renew_close(struct cluster *c)
{
	if (c->has_renew_thread) {
		pthread_mutex_lock(&c->lock);
		c->is_stopping = true;
		pthread_cond_broadcast(&c->renew_change);
		pthread_mutex_unlock(&c->lock);
		fetch_line_stop(c->renew_line);
		pthread_join(c->renew_thread, NULL);
	}
	fetch_line_free(c->renew_line);
	c->has_renew_thread = false;
	c->renew_line = NULL;
}
