/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file throttle.c
 * @brief Limits calls by the policies of subscription, application, API and operation.
 *
 * Phase LIMIT, class QUOTA.  Policies come by feed/1: one thread of the plugin follows it, and
 * every worker gets each new table through its mailbox.  Counters are shared by all workers
 * (counters.c), so a limit is exact on the node; other plugins may count with them through
 * counter/1.
 *
 * With a traffic manager the counters are leases of its (leases.c), and a call may have to wait for
 * one: then the hook is suspended and goes on at the level where it stopped.
 *
 * A call is refused by the first level that is used up; what it was counted for at earlier levels
 * is taken back.  A policy that a call names but nobody knows refuses the call: GH_FAIL, and the
 * attachment's on_error decides (deny, unless the manifest says otherwise).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include <gatehouse/http.h>
#include <gatehouse/metric.h>
#include <gatehouse/svc/counter.h>
#include <gatehouse/svc/rollout.h>
#include <gatehouse/worker.h>

#include "lib/follow/follow.h"
#include "lib/line/line.h"
#include "plugins/throttle/throttle.h"

/* ---- The levels ------------------------------------------------------------------------------ */

#define KEY_PARTS 4

/* A level at which a call can be limited. */
struct level {
	const char *name;           /* in RateLimit fields, metrics and counter keys */
	const char *policy_level;   /* of the policy documents */
	enum gh_attr tier;          /* names the policy; unset or "Unlimited": no limit */
	enum gh_attr instead;       /* where this tier limits, the level does not count; or NONE */
	enum gh_attr key[KEY_PARTS]; /* what has a counter of its own; the first is never unset */
	int code;                   /* documented number of the refusal */
};

/* In the order in which the reference evaluates them. */
static const struct level levels[] = {
	{ "api", "api", GH_ATTR_API_TIER, GH_ATTR_NONE,
		{ GH_ATTR_API_CONTEXT, GH_ATTR_API_VERSION }, 900800 },
	{ "operation", "api", GH_ATTR_OPERATION_TIER, GH_ATTR_API_TIER,
		{ GH_ATTR_API_CONTEXT, GH_ATTR_API_VERSION, GH_ATTR_OPERATION, GH_ATTR_METHOD },
		900802 },
	{ "subscription", "subscription", GH_ATTR_SUBSCRIPTION_TIER, GH_ATTR_NONE,
		{ GH_ATTR_SUBSCRIPTION_ID }, 900804 },
	{ "application", "application", GH_ATTR_APPLICATION_TIER, GH_ATTR_NONE,
		{ GH_ATTR_APPLICATION_ID, GH_ATTR_USER }, 900803 },
};
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

/* ---- Configuration and blocks ---------------------------------------------------------------- */

struct config {
	uint64_t max_keys;
	struct gh_str traffic_manager;
	struct gh_choice away;
	struct gh_ms lease_wait;
};

/* What holds while the traffic manager is away. */
enum away { AWAY_LOCAL, AWAY_OPEN, AWAY_CLOSED };
static const char *const away_words[] = { "local", "open", "closed", NULL };

struct process {
	struct gh_inst *inst;
	struct throttle_counters *counters;
	struct leases *leases;               /* NULL: this node counts alone */
	struct follow follow;
	struct follow_acks acks;
	pthread_t follower;
	struct throttle_policies *next;      /* the follower's: being made, or NULL */
	pthread_mutex_t lock;
	struct throttle_policies *published; /* lock */
	uint64_t published_seq;              /* lock */
	struct gh_feed_reader reader;        /* what the feed may ask us */
	bool *has_worker;                    /* lock: those between worker_start() and _stop() */
	struct gh_metric *refused[LEVELS], *unknown, *keys;
};

/* What a worker acts on. */
struct worker {
	struct throttle_policies *policies; /* a reference; NULL after worker_stop() */
};

/* What the LIMIT hook found, for the fields of the response. */
struct outcome {
	unsigned n;
	bool is_refused; /* by the last one */
	struct counted {
		const struct level *level;
		uint64_t requests, window_ms, remaining, end_ms, reset_ms;
		bool is_lent;
	} items[LEVELS];
};

/* Where the LIMIT hook stands, while it waits for leases. */
struct progress {
	size_t level;
	bool is_late; /* it has waited long enough: as if the traffic manager were away */
};

/* ---- Options --------------------------------------------------------------------------------- */

static const struct gh_opt opts[] = {
	GH_OPT(struct config, max_keys, .dflt = "200000", .min = 1, .max = 100000000, .fixed = true,
		.help = "Counters that may have a running window at the same time, of about "
			"150 bytes each; when all are in use, calls that need another one are "
			"refused."),
	GH_OPT(struct config, traffic_manager, .dflt = "", .max = 512, .fixed = true,
		.help = "URL of the traffic manager, which shares limits out among gateways; empty: "
			"this node counts alone."),
	GH_OPT(struct config, away, .dflt = "local", .words = away_words,
		.help = "While the traffic manager is away: count on this node alone, let calls "
			"pass, or refuse them."),
	GH_OPT(struct config, lease_wait, .dflt = "1s", .min = 1, .max = 30000,
		.help = "Longest wait of a call for the traffic manager's answer."),
	{ .type = GH_OPT_END },
};

/* ---- Hook: LIMIT ----------------------------------------------------------------------------- */

static uint64_t
seconds_up(uint64_t ms)
{
	return ms / 1000 + (ms % 1000 != 0);
}

static bool
is_limiting(struct gh_str tier)
{
	return tier.n > 0 && !gh_str_eq(tier, GH_STR("Unlimited"));
}

/* "<level>\n<tenant>\n<part>\n<part>", and a mark in front when nothing is to take effect. */
static int
make_key(const struct gh_txn *txn, const struct level *level, char key[THROTTLE_KEY_MAX],
	struct gh_str *ret_key)
{
	struct gh_str parts[3 + KEY_PARTS];
	size_t n = 0, at = 0;

	if (gh_txn_attr(txn, level->key[0]).n == 0)
		return GH_EINVAL;
	parts[n++] = gh_txn_is_dry_run(txn) ? GH_STR("dry run") : GH_STR("");
	parts[n++] = gh_str_of(level->name);
	parts[n++] = gh_txn_attr(txn, GH_ATTR_TENANT);
	for (size_t i = 0; i < KEY_PARTS && level->key[i] != GH_ATTR_NONE; i++)
		parts[n++] = gh_txn_attr(txn, level->key[i]);
	for (size_t i = 0; i < n; i++) {
		if (parts[i].n >= THROTTLE_KEY_MAX - at)
			return GH_ETOOBIG;
		if (parts[i].n > 0)
			memcpy(key + at, parts[i].p, parts[i].n);
		at += parts[i].n;
		key[at++] = '\n';
	}
	*ret_key = (struct gh_str){ key, at };
	return 0;
}

/* Take back what the call was counted for at the first `n` levels of `outcome`. */
static void
take_back(struct process *p, struct gh_txn *txn, const struct outcome *outcome, unsigned n)
{
	char key[THROTTLE_KEY_MAX];
	struct gh_str text;

	for (unsigned i = 0; i < n; i++) {
		const struct counted *c = &outcome->items[i];

		if (make_key(txn, c->level, key, &text) < 0)
			continue;
		if (c->is_lent)
			leases_undo(p->leases, text, c->end_ms);
		else
			throttle_counters_undo(p->counters, text, 1, c->end_ms);
	}
}

/* The date as the reference writes it: "2024-Jun-05 06:11:00+0000 UTC". */
static struct gh_str
access_time(struct gh_txn *txn, uint64_t reset_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t s = (time_t)seconds_up(gh_now_us() / 1000 + reset_ms);
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL)
		return GH_STR_NONE;
	return gh_txn_printf(txn, "%d-%.3s-%02d %02d:%02d:%02d+0000 UTC", tm.tm_year + 1900,
		months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static enum gh_verdict
refuse(struct gh_txn *txn, const struct counted *by)
{
	struct gh_str when = access_time(txn, by->reset_ms);
	struct gh_str body = gh_txn_printf(txn,
		"{\"code\":\"%d\",\"message\":\"Message throttled out\",\"description\":"
		"\"You have exceeded your quota .You can access API after %.*s\","
		"\"nextAccessTime\":\"%.*s\"}",
		by->level->code, GH_STR_ARG(when), GH_STR_ARG(when));

	gh_txn_set_attr_int(txn, GH_ATTR_ERROR_CODE, by->level->code);
	if (body.p == NULL || gh_txn_reply(txn, 429, GH_STR("application/json"), body) < 0)
		return GH_FAIL;
	return GH_STOP;
}

static gh_resume_fn on_lease;

/* Count one call: from a lease when there is a traffic manager, else on this node.
 * @return as leases_take(); GH_ENOENT: nothing counts, the call passes. */
static int
count_call(struct process *p, const struct config *config, struct gh_txn *txn, struct gh_str key,
	const struct throttle_policy *policy, const struct progress *progress, uint64_t now_ms,
	bool *ret_is_lent, struct gh_counted *ret_counted)
{
	int r = GH_EIO;

	*ret_is_lent = false;
	if (p->leases != NULL && !gh_txn_is_dry_run(txn)) {
		if (!progress->is_late)
			r = leases_take(p->leases, now_ms, key, policy->requests, policy->window_ms,
				txn, config->lease_wait.v, on_lease, ret_counted);
		*ret_is_lent = r == 0;
		if (r != GH_EIO)
			return r;
		if (config->away.v != AWAY_LOCAL)
			return config->away.v == AWAY_OPEN ? GH_ENOENT : GH_EIO;
	}
	return throttle_counters_hit(p->counters, now_ms, key, 1, policy->requests,
		policy->window_ms, ret_counted);
}

static const char *
why_not_counted(int err)
{
	switch (err) {
	case GH_ENOMEM:
		return "all counters have a running window, see max_keys";
	case GH_EINVAL:
		return "the call does not say whose counter it is";
	case GH_EIO:
		return "the traffic manager is away";
	default:
		return gh_strerror(err);
	}
}

/* Count the call at one level.  Returns NEXT, STOP (the level is used up), SUSPEND or FAIL. */
static enum gh_verdict
count_at(struct process *p, const struct config *config, struct gh_txn *txn,
	const struct level *level, const struct progress *progress, struct outcome *outcome)
{
	const struct worker *w = gh_txn_worker_data(txn);
	struct gh_str tier = gh_txn_attr(txn, level->tier), key;
	uint64_t now_ms = gh_mono_ns() / 1000000u;
	char key_bytes[THROTTLE_KEY_MAX];
	struct gh_counted counted;
	bool is_lent = false;

	if (!is_limiting(tier) ||
	    (level->instead != GH_ATTR_NONE && is_limiting(gh_txn_attr(txn, level->instead))))
		return GH_NEXT;
	const struct throttle_policy *policy = throttle_policies_find(w->policies,
		gh_txn_attr(txn, GH_ATTR_TENANT), level->policy_level, tier);

	if (policy == NULL) {
		gh_metric_add(p->unknown, 1);
		gh_log(txn, LOG_WARNING, "no %s policy is named %.*s", level->policy_level,
			GH_STR_ARG(tier));
		return GH_FAIL;
	}
	if (policy->requests == 0)
		return GH_NEXT;
	int r = make_key(txn, level, key_bytes, &key);

	if (r == 0)
		r = count_call(p, config, txn, key, policy, progress, now_ms, &is_lent, &counted);
	if (r == GH_EAGAIN || r == GH_ENOENT)
		return r == GH_EAGAIN ? GH_SUSPEND : GH_NEXT;
	if (r < 0) {
		gh_log(txn, LOG_WARNING, "cannot count at level %s: %s", level->name,
			why_not_counted(r));
		return GH_FAIL;
	}
	outcome->items[outcome->n++] = (struct counted){
		.level = level,
		.requests = policy->requests,
		.window_ms = policy->window_ms,
		.remaining = policy->requests > counted.used ? policy->requests - counted.used : 0,
		.end_ms = now_ms + counted.reset_ms,
		.reset_ms = counted.reset_ms,
		.is_lent = is_lent,
	};
	if (counted.is_admitted || !policy->stop_on_quota_reach)
		return GH_NEXT;
	gh_metric_add(p->refused[level - levels], 1);
	return GH_STOP;
}

/* Count at the level where the call stands and at those behind it. */
static enum gh_verdict
evaluate(const struct config *config, struct gh_txn *txn, struct outcome *outcome,
	struct progress *progress)
{
	struct process *p = gh_txn_process(txn);

	for (; progress->level < LEVELS; progress->level++) {
		enum gh_verdict verdict = count_at(p, config, txn, &levels[progress->level],
			progress, outcome);

		if (verdict == GH_SUSPEND)
			return verdict;
		if (verdict == GH_FAIL) {
			take_back(p, txn, outcome, outcome->n);
			return verdict;
		}
		if (verdict == GH_STOP) {
			outcome->is_refused = true;
			take_back(p, txn, outcome, outcome->n - 1);
			return refuse(txn, &outcome->items[outcome->n - 1]);
		}
	}
	return GH_NEXT;
}

/* What a suspended call needs to go on. */
struct waiting {
	const struct config *config; /* of the generation that the transaction pins */
	struct progress progress;
};

static enum gh_verdict
on_limit(const void *config, struct gh_txn *txn)
{
	struct outcome *outcome = gh_txn_entry_slot(txn, sizeof(*outcome));
	struct waiting *waiting = gh_txn_slot(txn, sizeof(*waiting));

	if (outcome == NULL || waiting == NULL)
		return GH_FAIL;
	waiting->config = config;
	return evaluate(config, txn, outcome, &waiting->progress);
}

/* A lease has come, or it took too long. */
static enum gh_verdict
on_lease(struct gh_txn *txn, enum gh_reason reason)
{
	struct outcome *outcome = gh_txn_entry_slot(txn, sizeof(*outcome));
	struct waiting *waiting = gh_txn_slot(txn, sizeof(*waiting));

	if (outcome == NULL || waiting == NULL)
		return GH_FAIL;
	if (reason == GH_CANCELLED) {
		take_back(gh_txn_process(txn), txn, outcome, outcome->n);
		return GH_FAIL;
	}
	waiting->progress.is_late = reason == GH_DEADLINE;
	return evaluate(waiting->config, txn, outcome, &waiting->progress);
}

/* ---- Hook: RESPONSE -------------------------------------------------------------------------- */

/* `"<name>"<key><number><key><number>`, an item of one of the fields. */
static void
put_item(struct line *line, const struct level *level, struct gh_str first, uint64_t first_value,
	struct gh_str second, uint64_t second_value)
{
	line_put(line, line->n > 0 ? GH_STR(", \"") : GH_STR("\""));
	line_put(line, gh_str_of(level->name));
	line_put(line, GH_STR("\""));
	line_put(line, first);
	line_uint(line, first_value);
	line_put(line, second);
	line_uint(line, second_value);
}

static int
set_field(struct gh_txn *txn, struct gh_str name, const struct line *value)
{
	return gh_txn_field_set(txn, GH_SIDE_RESPONSE, name, (struct gh_str){ value->p, value->n });
}

/* Tell the caller its limits (draft-ietf-httpapi-ratelimit-headers): one item per level. */
static enum gh_verdict
on_response(const void *config, struct gh_txn *txn)
{
	const struct outcome *outcome = gh_txn_entry_slot(txn, sizeof(*outcome));
	struct line line;
	int r;

	(void)config;
	if (outcome == NULL || outcome->n == 0)
		return GH_NEXT;
	line_init(&line, 0);
	for (const struct counted *c = outcome->items; c < outcome->items + outcome->n; c++)
		put_item(&line, c->level, GH_STR(";q="), c->requests, GH_STR(";w="),
			seconds_up(c->window_ms));
	r = set_field(txn, GH_STR("RateLimit-Policy"), &line);
	line_init(&line, 0);
	for (const struct counted *c = outcome->items; c < outcome->items + outcome->n; c++)
		put_item(&line, c->level, GH_STR(";r="), c->remaining, GH_STR(";t="),
			seconds_up(c->reset_ms));
	if (r == 0)
		r = set_field(txn, GH_STR("RateLimit"), &line);
	if (r == 0 && outcome->is_refused) {
		line_init(&line, 0);
		line_uint(&line, seconds_up(outcome->items[outcome->n - 1].reset_ms));
		r = set_field(txn, GH_STR("Retry-After"), &line);
	}
	return r == 0 ? GH_NEXT : GH_FAIL;
}

/* ---- Following the policies ------------------------------------------------------------------ */

static int
begin(void *arg)
{
	struct process *p = arg;

	p->next = throttle_policies_new();
	return p->next != NULL ? 0 : GH_ENOMEM;
}

static int
apply(void *arg, const struct gh_feed_batch *batch)
{
	struct process *p = arg;

	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_feed_change *change = &batch->changes[i];

		if (!gh_str_eq(change->doc.kind, GH_STR("policy")))
			continue;
		/* Only this thread replaces what is published: it may read it without the lock. */
		if (p->next == NULL)
			p->next = throttle_policies_copy(p->published);
		if (p->next == NULL)
			return GH_ENOMEM;
		int r = throttle_policies_apply(p->next, change);

		if (r == GH_EINVAL)
			gh_inst_log(p->inst, LOG_WARNING, "policy %.*s of %.*s makes no sense: "
				"calls that name it are refused", GH_STR_ARG(change->doc.id),
				GH_STR_ARG(change->doc.tenant));
		else if (r < 0)
			return r;
	}
	return 0;
}

static void
abort_next(void *arg)
{
	struct process *p = arg;

	throttle_policies_unref(p->next);
	p->next = NULL;
}

/* A table on its way to a worker. */
struct table_mail {
	struct gh_mail mail;
	struct process *process;
	struct throttle_policies *policies; /* a reference of its own */
	uint64_t seq;
};

/* WORKER: act on it from now on.  Mail that was sent before worker_stop() may come after it. */
static void
take_table(struct gh_worker *worker, struct gh_mail *mail)
{
	struct table_mail *m = (struct table_mail *)mail;
	struct worker *w = gh_worker_data(m->process->inst, worker);

	if (w->policies != NULL) {
		throttle_policies_unref(w->policies);
		w->policies = m->policies;
		follow_acks_set(&m->process->acks, gh_worker_index(worker), m->seq);
	} else {
		throttle_policies_unref(m->policies);
	}
	free(m);
}

/* Send what is published to the workers that run; the others take it when they start.  Under the
 * lock: so no mail is left behind in the mailbox of a worker that has ended or never started. */
static int
post_tables(struct process *p)
{
	for (unsigned i = 0; i < gh_worker_count(p->inst); i++) {
		if (!p->has_worker[i])
			continue;
		struct table_mail *m = malloc(sizeof(*m));

		if (m == NULL)
			return GH_ENOMEM;
		*m = (struct table_mail){ .mail.fn = take_table, .process = p,
			.policies = throttle_policies_ref(p->published), .seq = p->published_seq };
		gh_worker_post(gh_worker_at(p->inst, i), &m->mail);
	}
	return 0;
}

static int
publish(void *arg, uint64_t seq)
{
	struct process *p = arg;
	struct throttle_policies *old = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->next != NULL) {
		old = p->published;
		p->published = p->next;
		p->next = NULL;
	}
	if (seq < p->published_seq)
		follow_acks_restart(&p->acks); /* another history */
	p->published_seq = seq;
	int r = post_tables(p);

	pthread_mutex_unlock(&p->lock);
	throttle_policies_unref(old);
	gh_metric_set(p->keys, (int64_t)throttle_counters_keys(p->counters));
	return r;
}

static void
trouble(void *arg, int err)
{
	struct process *p = arg;

	if (err == 0)
		gh_inst_log(p->inst, LOG_NOTICE, "the feed of policies works again");
	else
		gh_inst_log(p->inst, LOG_WARNING,
			"the feed of policies fails (%s); the policies known so far stay",
			gh_strerror(err));
}

static const struct follow_ops follow_ops = { begin, apply, publish, abort_next, trouble };

static void *
follow_policies(void *arg)
{
	follow_run(arg);
	return NULL;
}

/* ---- Services -------------------------------------------------------------------------------- */

static int
hit(void *self, struct gh_str key, uint64_t amount, uint64_t limit, uint64_t window_ms,
	struct gh_counted *ret_counted)
{
	struct process *p = self;
	char own[THROTTLE_KEY_MAX];

	if (key.n == 0 || key.n > 512)
		return GH_EINVAL;
	/* Keys of others must not meet ours. */
	memcpy(own, "counter\n", 8);
	memcpy(own + 8, key.p, key.n);
	return throttle_counters_hit(p->counters, gh_mono_ns() / 1000000u,
		(struct gh_str){ own, 8 + key.n }, amount, limit, window_ms, ret_counted);
}

static int
wait(void *self, uint64_t seq, uint64_t deadline_ms)
{
	return follow_acks_wait(&((struct process *)self)->acks, seq, deadline_ms);
}

static uint64_t
serving(void *self)
{
	return follow_acks_serving(&((struct process *)self)->acks);
}

static const struct gh_counter_v1 counter_v1 = { .size = sizeof(counter_v1), .hit = hit };
static const struct gh_rollout_v1 rollout_v1 = { .size = sizeof(rollout_v1), .wait = wait,
	.serving = serving };

static const struct gh_service_row provides[] = {
	{ GH_SVC_COUNTER, &counter_v1 },
	{ GH_SVC_ROLLOUT, &rollout_v1 },
	{ .name = NULL },
};
static const char *const needs[] = { GH_SVC_FEED, "?" GH_SVC_PEER, NULL };

/* ---- Asks of gateways, where this node is the traffic manager ------------------------------------ */

static void
serve_asks(void *process, const void *config, struct gh_call *call)
{
	struct process *p = process;

	(void)config;
	throttle_asks_serve(p->counters, call);
}

static const struct gh_mount_row mounts[] = {
	{ .chain = GH_CHAIN_CLUSTER, .prefix = ASKS_PATH, .handler = serve_asks,
		.lane = GH_LANE_NET, .max_body_bytes = ASKS_BYTES_MAX },
	{ .prefix = NULL },
};

/* ---- Life ------------------------------------------------------------------------------------ */

static void
metrics_new(struct process *p, struct gh_inst *inst)
{
	char labels[64];

	for (size_t i = 0; i < LEVELS; i++) {
		snprintf(labels, sizeof(labels), "level=\"%s\"", levels[i].name);
		p->refused[i] = gh_metric_new(inst, GH_COUNTER, "gatehouse_throttle_refused_total",
			"Calls that found the limit of a level used up.", labels);
	}
	p->unknown = gh_metric_new(inst, GH_COUNTER, "gatehouse_throttle_unknown_policy_total",
		"Calls that named a policy which does not exist.", NULL);
	p->keys = gh_metric_new(inst, GH_GAUGE, "gatehouse_throttle_keys",
		"Counters in memory when policies changed last.", NULL);
}

/* Undo what open_throttle() took, in reverse. */
static void
release(struct process *p)
{
	follow_done(&p->follow);
	follow_acks_done(&p->acks);
	throttle_policies_unref(p->next);
	throttle_policies_unref(p->published);
	leases_free(p->leases);
	throttle_counters_free(p->counters);
	free(p->has_worker);
	pthread_mutex_destroy(&p->lock);
}

static int
open_leases(struct process *p, const struct config *c)
{
	struct leases_setup setup = { .inst = p->inst, .url = c->traffic_manager,
		.max_keys = c->max_keys };

	if (c->traffic_manager.n == 0)
		return 0;
	int r = GH_BIND(p->inst, GH_SVC_PEER, &setup.peer);

	if (r < 0) {
		gh_inst_log(p->inst, LOG_ERR, "traffic_manager: no peer/1 is bound to ask it with");
		return r;
	}
	return leases_new(&setup, &p->leases);
}

static int
open_throttle(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;
	const struct config *c = config;
	struct gh_feed feed;
	int r = GH_ENOMEM;

	p->inst = inst;
	pthread_mutex_init(&p->lock, NULL);
	metrics_new(p, inst);
	p->published = throttle_policies_new();
	p->counters = throttle_counters_new(c->max_keys);
	p->has_worker = calloc(gh_worker_count(inst), sizeof(*p->has_worker));
	if (p->published == NULL || p->counters == NULL || p->has_worker == NULL)
		goto out;
	r = open_leases(p, c);
	if (r == 0)
		r = GH_BIND(inst, GH_SVC_FEED, &feed);
	if (r == 0)
		r = follow_acks_init(&p->acks, gh_worker_count(inst));
	if (r == 0)
		r = follow_init(&p->follow, &feed, &follow_ops, p);
	p->reader.rollout = (struct gh_rollout){ &rollout_v1, p };
	if (r == 0)
		r = follow_attach(&p->follow, &p->reader);
	if (r == 0)
		r = follow_snapshot(&p->follow);
	if (r == 0 && pthread_create(&p->follower, NULL, follow_policies, &p->follow) != 0)
		r = GH_ENOMEM;
out:
	if (r < 0) {
		gh_inst_log(inst, LOG_ERR, "cannot start: %s", gh_strerror(r));
		release(p);
	}
	return r;
}

static void
close_throttle(void *process)
{
	struct process *p = process;

	follow_stop(&p->follow);
	pthread_join(p->follower, NULL);
	release(p);
}

static int
start_worker(void *process, struct gh_worker *worker, void *worker_data)
{
	struct process *p = process;
	struct worker *w = worker_data;

	pthread_mutex_lock(&p->lock);
	w->policies = throttle_policies_ref(p->published);
	p->has_worker[gh_worker_index(worker)] = true;
	uint64_t seq = p->published_seq;

	pthread_mutex_unlock(&p->lock);
	follow_acks_set(&p->acks, gh_worker_index(worker), seq);
	return 0;
}

static void
stop_worker(void *process, struct gh_worker *worker, void *worker_data)
{
	struct process *p = process;
	struct worker *w = worker_data;

	pthread_mutex_lock(&p->lock);
	p->has_worker[gh_worker_index(worker)] = false;
	pthread_mutex_unlock(&p->lock);
	throttle_policies_unref(w->policies);
	w->policies = NULL;
}

static const struct gh_hook_row hooks[] = {
	{ GH_LIMIT, GH_QUOTA, on_limit, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, on_response, "throttle_fields" },
	{ .fn = NULL },
};

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "throttle", .version = "0.1.0", .provides = provides, .needs = needs,
	.opts = opts, .hooks = hooks, .mounts = mounts, .config_size = sizeof(struct config),
	.process_size = sizeof(struct process), .worker_size = sizeof(struct worker),
	.open = open_throttle, .close = close_throttle, .worker_start = start_worker,
	.worker_stop = stop_worker,
};
