/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file followers.c
 * @brief Which nodes follow this one, how far they are, and waiting until they serve a change.
 *
 * A management write waits for the followers that count.  A follower counts
 *   - while a poll of it waits here, and for GRACE after a poll was answered;
 *   - not when its connection ended while its poll waited: it is gone, until it polls again;
 *   - not when a wait for it ran out: until it says that it serves what was waited for.
 * So a dead node holds up nothing longer than GRACE, a node that hangs delays the writes of one wait,
 * and neither delays those that come later.
 */
#include <stdlib.h>

#include "lib/clock/clock.h"
#include "plugins/origin/origin.h"

#define FOLLOWERS_MAX 4096
#define GRACE_NS UINT64_C(2000000000)
#define FORGET_S 86400  /* a node that was not heard of is not listed any longer */
#define LOOK_MS 100     /* who counts changes with time, too */

struct follower {
	struct follower *next;
	char *texts;          /* what the strings point into */
	struct gh_str id, name, roles, environments, version;
	uint64_t serving;
	uint64_t late_for;    /* a wait for it ran out: does not count until it serves that; or 0 */
	unsigned polls;       /* that wait here */
	bool is_astray;       /* hung up, or follows something else */
	uint64_t seen_ns, seen_s;
};

int
followers_init(struct followers *followers)
{
	*followers = (struct followers){ .n = 0 };
	return clock_init(&followers->lock, &followers->change) < 0 ? GH_ENOMEM : GH_OK;
}

static void
follower_free(struct follower *f)
{
	free(f->texts);
	free(f);
}

void
followers_done(struct followers *followers)
{
	while (followers->first != NULL) {
		struct follower *f = followers->first;

		followers->first = f->next;
		follower_free(f);
	}
	pthread_cond_destroy(&followers->change);
	pthread_mutex_destroy(&followers->lock);
}

static struct follower *
find(const struct followers *followers, struct gh_str id)
{
	struct follower *f = followers->first;

	while (f != NULL && !gh_str_eq(f->id, id))
		f = f->next;
	return f;
}

static void
touch(struct follower *f)
{
	f->seen_ns = gh_mono_ns();
	f->seen_s = gh_now_us() / 1000000;
}

static bool
counts(const struct follower *f, uint64_t now_ns)
{
	return !f->is_astray && f->late_for == 0 && (f->polls > 0 || now_ns - f->seen_ns < GRACE_NS);
}

static size_t
count_live(const struct followers *followers, uint64_t now_ns)
{
	size_t n = 0;

	for (const struct follower *f = followers->first; f != NULL; f = f->next)
		n += !f->is_astray && (f->polls > 0 || now_ns - f->seen_ns < GRACE_NS);
	return n;
}

/** Who is listed no longer: those of whom nothing was heard for a day. */
static void
forget_old(struct followers *followers)
{
	struct follower **at = &followers->first;
	uint64_t now_s = gh_now_us() / 1000000;

	while (*at != NULL) {
		struct follower *f = *at;

		if (f->polls > 0 || f->seen_s + FORGET_S > now_s) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		follower_free(f);
		followers->n--;
	}
}

/** Copy what it says about itself, when that has changed. */
static int
set_texts(struct follower *f, const struct report *report)
{
	const struct gh_str from[] = { report->id, report->name, report->roles, report->environments,
		report->version };
	struct gh_str *to[] = { &f->id, &f->name, &f->roles, &f->environments, &f->version };
	size_t n = 1, at = 0;
	bool is_same = f->texts != NULL;

	for (size_t i = 0; i < 5; i++) {
		n += from[i].n;
		is_same = is_same && gh_str_eq(from[i], *to[i]);
	}
	if (is_same)
		return GH_OK;
	char *texts = malloc(n);

	if (texts == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < 5; i++) {
		if (from[i].n > 0)
			memcpy(texts + at, from[i].p, from[i].n);
		*to[i] = (struct gh_str){ texts + at, from[i].n };
		at += from[i].n;
	}
	free(f->texts);
	f->texts = texts;
	return GH_OK;
}

static int
add(struct followers *followers, const struct report *report, struct follower **ret)
{
	forget_old(followers);
	if (followers->n >= FOLLOWERS_MAX)
		return GH_ETOOBIG;
	struct follower *f = calloc(1, sizeof(*f));

	if (f == NULL || set_texts(f, report) < 0) {
		free(f);
		return GH_ENOMEM;
	}
	f->next = followers->first;
	followers->first = f;
	followers->n++;
	*ret = f;
	return GH_OK;
}

int
followers_report(struct followers *followers, const struct report *report)
{
	int r = GH_OK;

	pthread_mutex_lock(&followers->lock);
	struct follower *f = find(followers, report->id);

	r = f == NULL ? add(followers, report, &f) : set_texts(f, report);
	if (r == 0) {
		f->serving = report->serving;
		f->is_astray = false;
		if (f->serving >= f->late_for)
			f->late_for = 0;
		touch(f);
		gh_metric_set(followers->live, (int64_t)count_live(followers, f->seen_ns));
		pthread_cond_broadcast(&followers->change);
	}
	pthread_mutex_unlock(&followers->lock);
	return r;
}

void
followers_park(struct followers *followers, struct gh_str id)
{
	pthread_mutex_lock(&followers->lock);
	struct follower *f = find(followers, id);

	if (f != NULL)
		f->polls++;
	pthread_mutex_unlock(&followers->lock);
}

void
followers_unpark(struct followers *followers, struct gh_str id, bool is_gone)
{
	pthread_mutex_lock(&followers->lock);
	struct follower *f = find(followers, id);

	if (f != NULL && f->polls > 0)
		f->polls--;
	if (f != NULL)
		touch(f);
	if (f != NULL && is_gone && f->polls == 0)
		f->is_astray = true;
	gh_metric_set(followers->live, (int64_t)count_live(followers, gh_mono_ns()));
	pthread_cond_broadcast(&followers->change);
	pthread_mutex_unlock(&followers->lock);
}

void
followers_stray(struct followers *followers, struct gh_str id)
{
	pthread_mutex_lock(&followers->lock);
	struct follower *f = find(followers, id);

	if (f != NULL)
		f->is_astray = true;
	pthread_cond_broadcast(&followers->change);
	pthread_mutex_unlock(&followers->lock);
}

/* ---- rollout/1 ------------------------------------------------------------------------------- */

/** The sequence that all who count act on; UINT64_MAX: nobody counts.  lock. */
static uint64_t
lowest(const struct followers *followers)
{
	uint64_t seq = UINT64_MAX, now_ns = gh_mono_ns();

	for (const struct follower *f = followers->first; f != NULL; f = f->next)
		if (counts(f, now_ns) && f->serving < seq)
			seq = f->serving;
	return seq;
}

uint64_t
followers_serving(struct followers *followers)
{
	pthread_mutex_lock(&followers->lock);
	uint64_t seq = lowest(followers);

	pthread_mutex_unlock(&followers->lock);
	return seq;
}

/** The wait ran out: do not wait again for those who are the reason.  lock. */
static void
mark_late(struct followers *followers, uint64_t seq)
{
	uint64_t now_ns = gh_mono_ns();

	for (struct follower *f = followers->first; f != NULL; f = f->next)
		if (counts(f, now_ns) && f->serving < seq) {
			f->late_for = seq;
			gh_metric_add(followers->late, 1);
		}
}

int
followers_wait(struct followers *followers, uint64_t seq, uint64_t deadline_ms)
{
	uint64_t end_ns = gh_mono_ns() + deadline_ms * 1000000u;
	int r = GH_OK;

	pthread_mutex_lock(&followers->lock);
	while (lowest(followers) < seq) {
		uint64_t now_ns = gh_mono_ns();

		if (now_ns >= end_ns) {
			if (deadline_ms > 0)
				mark_late(followers, seq);
			r = GH_ETIMEDOUT;
			break;
		}
		uint64_t left_ms = (end_ns - now_ns) / 1000000u + 1;
		struct timespec until = clock_after(left_ms < LOOK_MS ? left_ms : LOOK_MS);

		pthread_cond_timedwait(&followers->change, &followers->lock, &until);
	}
	pthread_mutex_unlock(&followers->lock);
	return r;
}

/* ---- nodes/1 --------------------------------------------------------------------------------- */

static size_t
text_bytes(const struct follower *f)
{
	return f->id.n + f->name.n + f->roles.n + f->environments.n + f->version.n;
}

static struct gh_str
copy(char **at, struct gh_str s)
{
	char *p = *at;

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return (struct gh_str){ p, s.n };
}

int
followers_list(struct followers *followers, struct gh_nodes_seen **ret)
{
	size_t bytes = sizeof(struct gh_nodes_seen) + 1;
	uint64_t now_s = gh_now_us() / 1000000;

	pthread_mutex_lock(&followers->lock);
	for (const struct follower *f = followers->first; f != NULL; f = f->next)
		bytes += sizeof(struct gh_node_seen) + text_bytes(f);
	struct gh_nodes_seen *list = malloc(bytes);

	if (list != NULL) {
		list->n = 0;
		list->nodes = (struct gh_node_seen *)(list + 1);
		char *at = (char *)(list->nodes + followers->n);

		for (const struct follower *f = followers->first; f != NULL; f = f->next)
			list->nodes[list->n++] = (struct gh_node_seen){
				.id = copy(&at, f->id), .name = copy(&at, f->name),
				.roles = copy(&at, f->roles),
				.environments = copy(&at, f->environments),
				.version = copy(&at, f->version), .serving = f->serving,
				.last_seen_s = f->polls > 0 ? now_s : f->seen_s,
				.is_live = f->polls > 0 || f->seen_s + GH_NODE_LIVE_S > now_s };
	}
	pthread_mutex_unlock(&followers->lock);
	if (list == NULL)
		return GH_ENOMEM;
	*ret = list;
	return GH_OK;
}
