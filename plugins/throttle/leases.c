/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file leases.c
 * @brief Limits that several gateways share: each counts from what the traffic manager has lent it.
 *
 * A lease is a number of calls of one key within the window that runs at the traffic manager.  There
 * they count as used when they are lent, so gateways together never admit more than the limit; what
 * is left of a lease when its window ends is lost.  Leases grow with the rate at which they are used
 * up, and the traffic manager never lends more than a part of what is left, one by one at the end.
 *
 * One thread asks: for all keys that need more at once, with one request.  A call that finds nothing
 * waits for its answer; a lease that runs low is renewed before that.
 */
#include <gatehouse/svc/trust.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/clock/clock.h"
#include "plugins/throttle/throttle.h"

#define ASK_MS 1000          /* for one request */
#define PAUSE_MIN_MS 100     /* while the traffic manager is away */
#define PAUSE_MAX_MS 2000
#define FAST_MS 50           /* a lease used up within this was too small */
#define SLOW_MS 500          /* one that lasted this long was too large */
#define WAITERS_MAX 65536u   /* of one key */

/* A transaction that waits for a lease; its token does nothing once it is gone. */
struct waiter {
	struct waiter *next;
	struct gh_token token;
};

struct lease {
	struct throttle_entry entry;
	uint64_t limit, window_ms;
	uint64_t left;           /* calls that may be admitted */
	uint64_t used;           /* by all gateways, when it was lent */
	uint64_t want;           /* what will be asked for next */
	uint64_t lent_ms;        /* when the last answer came */
	bool is_exhausted;       /* nothing is left in this window */
	struct waiter *waiters;
	uint32_t waiter_count;
	struct lease *next;      /* queue lock: in the queue */
};

struct leases {
	struct gh_inst *inst;
	struct gh_peer peer;
	struct gh_peer_line *line;
	char *url;
	struct throttle_table *table;
	pthread_t thread;
	pthread_mutex_t lock;    /* of the queue; may be taken under the lock of an entry */
	pthread_cond_t change;
	struct lease *first, **last; /* lock: to be asked for */
	bool is_stopping;            /* lock */
	_Atomic bool is_away;
	struct gh_metric *lent, *failed, *away;
};

/* ---- What workers call ----------------------------------------------------------------------- */

/* The entry's lock is held. */
static void
enqueue(struct leases *ls, struct lease *l)
{
	if (l->entry.is_pinned)
		return;
	l->entry.is_pinned = true;
	pthread_mutex_lock(&ls->lock);
	l->next = NULL;
	*ls->last = l;
	ls->last = &l->next;
	pthread_cond_signal(&ls->change);
	pthread_mutex_unlock(&ls->lock);
}

/* Ask, and suspend the transaction until the next answer; the entry's lock is held. */
static int
wait_for_more(struct leases *ls, struct lease *l, struct gh_txn *txn, uint64_t deadline_ms,
	gh_resume_fn *fn)
{
	if (txn != NULL) {
		struct waiter *w = l->waiter_count < WAITERS_MAX ? malloc(sizeof(*w)) : NULL;

		if (w == NULL)
			return GH_ENOMEM;
		w->token = gh_txn_suspend(txn, deadline_ms, fn);
		w->next = l->waiters;
		l->waiters = w;
		l->waiter_count++;
	}
	enqueue(ls, l);
	return GH_EAGAIN;
}

static void
tell(const struct lease *l, uint64_t now_ms, bool is_admitted, struct gh_counted *ret)
{
	*ret = (struct gh_counted){ .is_admitted = is_admitted,
		.used = l->used > l->left ? l->used - l->left : 0,
		.reset_ms = l->entry.end_ms > now_ms ? l->entry.end_ms - now_ms : 0 };
}

int
leases_take(struct leases *ls, uint64_t now_ms, struct gh_str key, uint64_t limit, uint64_t window_ms,
	struct gh_txn *txn, uint64_t deadline_ms, gh_resume_fn *fn, struct gh_counted *ret_counted)
{
	struct throttle_place place;

	if (key.n == 0 || key.n > THROTTLE_KEY_MAX || limit == 0 || window_ms == 0)
		return GH_EINVAL;
	int r = throttle_table_enter(ls->table, now_ms, key, true, &place);

	if (r < 0)
		return r;
	struct lease *l = (struct lease *)place.entry;

	if (l->entry.end_ms <= now_ms || l->limit != limit || l->window_ms != window_ms) {
		l->limit = limit;
		l->window_ms = window_ms;
		l->left = 0;
		l->is_exhausted = false;
	}
	if (l->want == 0)
		l->want = 1;
	if (l->left > 0) {
		l->left--;
		tell(l, now_ms, true, ret_counted);
		if (l->left < l->want / 4 && !l->is_exhausted)
			enqueue(ls, l);
	} else if (l->is_exhausted) {
		tell(l, now_ms, false, ret_counted);
	} else {
		r = atomic_load(&ls->is_away) ? GH_EIO
					      : wait_for_more(ls, l, txn, deadline_ms, fn);
	}
	throttle_table_leave(&place);
	return r;
}

void
leases_undo(struct leases *ls, struct gh_str key, uint64_t window_end_ms)
{
	struct throttle_place place;

	if (throttle_table_enter(ls->table, 0, key, false, &place) < 0)
		return;
	struct lease *l = (struct lease *)place.entry;

	uint64_t end_ms = l->entry.end_ms;

	/* Each answer says anew, and a little differently, when the same window ends. */
	if (l->window_ms > 0 && (end_ms > window_end_ms ? end_ms - window_end_ms
			: window_end_ms - end_ms) <= l->window_ms / 2)
		l->left++;
	throttle_table_leave(&place);
}

/* ---- The thread that asks -------------------------------------------------------------------- */

/* @return 0, GH_EIO.  The log has one line per trouble. */
static int
exchange(struct leases *ls, const struct throttle_ask *asks, size_t n, struct throttle_grant *grants)
{
	struct gh_peer_request request = { .url = gh_str_of(ls->url),
		.role = GH_STR(GH_ROLE_TRAFFIC), .method = GH_STR("POST"),
		.path = GH_STR(ASKS_PATH), .content_type = GH_STR("application/msgpack"),
		.deadline_ms = ASK_MS, .max_bytes = ASKS_BYTES_MAX };
	struct gh_peer_reply *reply = NULL;
	char error[512] = "it answers with something else";
	int r = throttle_asks_write(asks, n, &request.body);

	if (r == 0)
		r = ls->peer.vt->call(ls->line, &request, NULL, NULL, &reply, error, sizeof(error));
	if (r == 0 && reply->status != 200) {
		snprintf(error, sizeof(error), "it answers %u", reply->status);
		r = GH_EIO;
	}
	if (r == 0)
		r = throttle_grants_read(reply->body, n, grants);
	ls->peer.vt->reply_free(reply);
	free((void *)(uintptr_t)request.body.p);
	bool was_away = atomic_exchange(&ls->is_away, r < 0);

	if (r < 0)
		gh_metric_add(ls->failed, 1);
	if (r < 0 && !was_away)
		gh_inst_log(ls->inst, LOG_WARNING, "the traffic manager %s is away: %s", ls->url,
			error);
	else if (r == 0 && was_away)
		gh_inst_log(ls->inst, LOG_NOTICE, "the traffic manager is back");
	gh_metric_set(ls->away, r < 0);
	return r < 0 ? GH_EIO : 0;
}

/* Take up to ASKS_MAX leases from the queue. */
static size_t
dequeue(struct leases *ls, struct lease **ret)
{
	size_t n = 0;

	pthread_mutex_lock(&ls->lock);
	while (!ls->is_stopping && ls->first == NULL)
		pthread_cond_wait(&ls->change, &ls->lock);
	while (!ls->is_stopping && ls->first != NULL && n < ASKS_MAX) {
		ret[n++] = ls->first;
		ls->first = ls->first->next;
	}
	if (ls->first == NULL)
		ls->last = &ls->first;
	pthread_mutex_unlock(&ls->lock);
	return n;
}

static void
read_asks(struct leases *ls, struct lease **list, size_t n, struct throttle_ask *asks)
{
	for (size_t i = 0; i < n; i++) {
		struct throttle_place place;
		struct lease *l = list[i];

		throttle_table_enter_entry(ls->table, &l->entry, &place);
		uint64_t want = l->waiter_count > l->want ? l->waiter_count : l->want;

		asks[i] = (struct throttle_ask){ throttle_table_key(ls->table, &l->entry),
			want < ASKS_WANT_MAX ? want : ASKS_WANT_MAX, l->limit, l->window_ms };
		throttle_table_leave(&place);
	}
}

/* The entry's lock is held. */
static void
take_grant(struct lease *l, const struct throttle_ask *ask, const struct throttle_grant *grant,
	uint64_t sent_ms, uint64_t now_ms)
{
	if (l->limit != ask->limit || l->window_ms != ask->window_ms)
		return; /* the policy has changed meanwhile */
	if (l->entry.end_ms <= now_ms)
		l->left = 0;
	/* Counted from before it was sent, our window ends no later than the traffic manager's. */
	l->entry.end_ms = sent_ms + grant->reset_ms;
	l->left += grant->amount;
	l->used = grant->used;
	l->is_exhausted = grant->amount == 0;
	if (now_ms - l->lent_ms < FAST_MS && l->want < ASKS_WANT_MAX &&
		grant->amount >= l->want)
		l->want *= 2;
	else if (now_ms - l->lent_ms > SLOW_MS && l->want > 1)
		l->want /= 2;
	l->lent_ms = now_ms;
}

static void
resume(struct waiter *waiters)
{
	for (struct waiter *w = waiters, *next; w != NULL; w = next) {
		next = w->next;
		gh_resume(w->token);
		free(w);
	}
}

/* @param grants  NULL: there are none. */
static void
settle(struct leases *ls, struct lease **list, size_t n, const struct throttle_ask *asks,
	const struct throttle_grant *grants, uint64_t sent_ms)
{
	uint64_t now_ms = gh_mono_ns() / 1000000u;

	for (size_t i = 0; i < n; i++) {
		struct throttle_place place;
		struct lease *l = list[i];

		throttle_table_enter_entry(ls->table, &l->entry, &place);
		if (grants != NULL) {
			take_grant(l, &asks[i], &grants[i], sent_ms, now_ms);
			gh_metric_add(ls->lent, grants[i].amount);
		}
		struct waiter *waiters = l->waiters;

		l->waiters = NULL;
		l->waiter_count = 0;
		l->entry.is_pinned = false;
		throttle_table_leave(&place);
		resume(waiters);
	}
}

/* Ask with empty hands until there is an answer. */
static void
wait_for_return(struct leases *ls)
{
	uint64_t pause_ms = PAUSE_MIN_MS;

	for (;;) {
		struct timespec until = clock_after(pause_ms);

		pthread_mutex_lock(&ls->lock);
		while (!ls->is_stopping &&
			pthread_cond_timedwait(&ls->change, &ls->lock, &until) == 0)
			;
		bool is_over = ls->is_stopping;

		pthread_mutex_unlock(&ls->lock);
		if (is_over || exchange(ls, NULL, 0, NULL) == 0)
			return;
		pause_ms = 2 * pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
	}
}

static void *
run(void *arg)
{
	struct leases *ls = arg;
	struct lease *list[ASKS_MAX];
	struct throttle_ask asks[ASKS_MAX];
	struct throttle_grant grants[ASKS_MAX];
	size_t n;

	while ((n = dequeue(ls, list)) > 0) {
		read_asks(ls, list, n, asks);
		uint64_t sent_ms = gh_mono_ns() / 1000000u;
		int r = exchange(ls, asks, n, grants);

		settle(ls, list, n, asks, r == 0 ? grants : NULL, sent_ms);
		if (r < 0)
			wait_for_return(ls);
	}
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void
release(struct leases *ls)
{
	if (ls->line != NULL)
		ls->peer.vt->line_free(ls->line);
	throttle_table_free(ls->table);
	pthread_cond_destroy(&ls->change);
	pthread_mutex_destroy(&ls->lock);
	free(ls->url);
	free(ls);
}

int
leases_new(const struct leases_setup *setup, struct leases **ret_leases)
{
	struct leases *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return GH_ENOMEM;
	if (clock_init(&ls->lock, &ls->change) < 0) {
		free(ls);
		return GH_ENOMEM;
	}
	ls->inst = setup->inst;
	ls->peer = setup->peer;
	ls->last = &ls->first;
	ls->lent = gh_metric_new(setup->inst, GH_COUNTER, "gatehouse_throttle_lent_total",
		"Calls that the traffic manager has lent.", NULL);
	ls->failed = gh_metric_new(setup->inst, GH_COUNTER, "gatehouse_throttle_asks_failed_total",
		"Requests to the traffic manager without a usable answer.", NULL);
	ls->away = gh_metric_new(setup->inst, GH_GAUGE, "gatehouse_throttle_away",
		"1 while the traffic manager is away.", NULL);
	ls->url = strndup(setup->url.p, setup->url.n);
	ls->table = throttle_table_new(setup->max_keys, sizeof(struct lease));
	ls->line = ls->peer.vt->line_new(ls->peer.self);
	if (ls->url == NULL || ls->table == NULL || ls->line == NULL ||
		pthread_create(&ls->thread, NULL, run, ls) != 0) {
		release(ls);
		return GH_ENOMEM;
	}
	*ret_leases = ls;
	return 0;
}

void
leases_free(struct leases *ls)
{
	if (ls == NULL)
		return;
	pthread_mutex_lock(&ls->lock);
	ls->is_stopping = true;
	pthread_cond_signal(&ls->change);
	pthread_mutex_unlock(&ls->lock);
	ls->peer.vt->line_stop(ls->line);
	pthread_join(ls->thread, NULL);
	for (struct lease *l = ls->first; l != NULL; l = l->next)
		resume(l->waiters); /* their transactions are gone */
	release(ls);
}
