/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file follow.c
 * @brief From the feed to the node: who was removed from the cluster, and which authorities there are.
 */
#include <stdlib.h>
#include <stdio.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "plugins/members/members.h"

#define ID_MAX 64

/** One authority, as far as it matters here. */
struct known_authority {
	char id[ID_MAX + 1], key_id[2 * PKI_KEY_ID_LEN + 1];
	char *pem;
	bool is_current;
};

/** What follows from the documents up to now.  After an error it is made anew from a snapshot. */
struct followed {
	struct gh_str *removed;        /**< Sorted; each malloc()ed. */
	size_t removed_count, removed_size;
	struct known_authority authorities[PKI_CHAIN_MAX];
	size_t authority_count;
};

static void
forget(struct followed *f)
{
	for (size_t i = 0; i < f->removed_count; i++)
		free((void *)f->removed[i].p);
	for (size_t i = 0; i < f->authority_count; i++)
		free(f->authorities[i].pem);
	f->removed_count = f->authority_count = 0;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static int
compare(struct gh_str a, struct gh_str b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/** Where @p id stands, or would stand. */
static size_t
place_of(const struct followed *f, struct gh_str id, bool *ret_is_there)
{
	size_t low = 0, high = f->removed_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare(f->removed[middle], id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_is_there = low < f->removed_count && gh_str_eq(f->removed[low], id);
	return low;
}

static int
add_removed(struct followed *f, size_t at, struct gh_str id)
{
	char *copy;

	if (f->removed_count == f->removed_size) {
		size_t size = f->removed_size > 0 ? 2 * f->removed_size : 16;
		struct gh_str *larger = realloc(f->removed, size * sizeof(*larger));

		if (larger == NULL)
			return GH_ENOMEM;
		f->removed = larger;
		f->removed_size = size;
	}
	copy = strndup(id.p, id.n);
	if (copy == NULL)
		return GH_ENOMEM;
	memmove(f->removed + at + 1, f->removed + at, (f->removed_count - at) * sizeof(*f->removed));
	f->removed[at] = (struct gh_str){ copy, id.n };
	f->removed_count++;
	return GH_OK;
}

static int
apply_node(struct followed *f, const struct gh_feed_change *change)
{
	bool is_there, is_removed = !change->deleted && doc_bool(change->doc.body, "is_removed", false);
	size_t at = place_of(f, change->doc.id, &is_there);

	if (is_removed == is_there)
		return GH_OK;
	if (is_removed)
		return add_removed(f, at, change->doc.id);
	free((void *)f->removed[at].p);
	f->removed_count--;
	memmove(f->removed + at, f->removed + at + 1, (f->removed_count - at) * sizeof(*f->removed));
	return GH_OK;
}

/* ---- Authorities ----------------------------------------------------------------------------- */

static int
apply_authority(struct followed *f, const struct gh_feed_change *change)
{
	struct gh_str body = change->doc.body, pem = doc_str(body, "certificate");
	struct known_authority *a = f->authorities;

	if (change->doc.id.n > ID_MAX)
		return GH_OK;
	while (a < f->authorities + f->authority_count && !gh_str_eq(gh_str_of(a->id), change->doc.id))
		a++;
	if (a < f->authorities + f->authority_count) {
		free(a->pem);
		*a = f->authorities[--f->authority_count];
	}
	if (change->deleted)
		return GH_OK;
	if (f->authority_count == PKI_CHAIN_MAX)
		return GH_ETOOBIG;
	a = &f->authorities[f->authority_count];
	*a = (struct known_authority){ .is_current = doc_bool(body, "is_current", false) };
	a->pem = strndup(pem.n > 0 ? pem.p : "", pem.n);
	if (a->pem == NULL)
		return GH_ENOMEM;
	memcpy(a->id, change->doc.id.p, change->doc.id.n);
	snprintf(a->key_id, sizeof(a->key_id), "%.*s", GH_STR_ARG(doc_str(body, "key_id")));
	f->authority_count++;
	return GH_OK;
}

static int
by_id(const void *a, const void *b)
{
	const struct known_authority *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/** Tell the node, when there is something to tell. */
static int
publish_authorities(struct members *m, struct followed *f)
{
	const char *current = NULL;
	struct gh_enrolled own;
	size_t used = 0;
	char *bundle;
	int r;

	if (f->authority_count == 0)
		return GH_OK;
	qsort(f->authorities, f->authority_count, sizeof(f->authorities[0]), by_id);
	bundle = calloc(1, PKI_PEM_MAX);
	if (bundle == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < f->authority_count; i++) {
		int n = snprintf(bundle + used, PKI_PEM_MAX - used, "%s", f->authorities[i].pem);

		used += n > 0 && (size_t)n < PKI_PEM_MAX - used ? (size_t)n : 0;
		if (f->authorities[i].is_current)
			current = f->authorities[i].key_id;
	}
	r = m->enroll.vt->trust(m->enroll.self, (struct gh_str){ bundle, used });
	free(bundle);
	/* One that does not accept our certificate is not taken over: the node goes on with what it has. */
	if (r < 0 && r != GH_EDENIED)
		return r;
	m->enroll.vt->state(m->enroll.self, &own);
	if (current == NULL || !own.has_certificate || strcmp(current, own.authority) == 0)
		return GH_OK;
	if (own.is_joined)
		m->enroll.vt->renew(m->enroll.self);
	else
		members_keeper_wake(m);
	return GH_OK;
}

/* ---- Following ------------------------------------------------------------------------------- */

static int
begin(void *arg)
{
	struct members *m = arg;

	forget(m->followed);
	return GH_OK;
}

static int
apply(void *arg, const struct gh_feed_batch *batch)
{
	struct members *m = arg;
	int r = GH_OK;

	for (size_t i = 0; i < batch->n && r == GH_OK; i++) {
		const struct gh_feed_change *change = &batch->changes[i];

		if (!gh_str_eq(change->doc.tenant, MEMBERS_TENANT))
			continue;
		if (gh_str_eq(change->doc.kind, GH_STR("node")))
			r = apply_node(m->followed, change);
		else if (gh_str_eq(change->doc.kind, GH_STR("authority")))
			r = apply_authority(m->followed, change);
	}
	return r;
}

static int
publish(void *arg, uint64_t seq)
{
	struct members *m = arg;
	int r = m->enroll.vt->set_removed(m->enroll.self, m->followed->removed,
		m->followed->removed_count);

	(void)seq;
	return r == GH_OK ? publish_authorities(m, m->followed) : r;
}

/* A snapshot follows: nothing of the half-applied state is used. */
static void
abort_batch(void *arg)
{
	struct members *m = arg;

	forget(m->followed);
}

static void
trouble(void *arg, int err)
{
	struct members *m = arg;

	if (err != 0)
		gh_inst_log(m->inst, LOG_WARNING, "the feed cannot be followed: %s", gh_strerror(err));
	else
		gh_inst_log(m->inst, LOG_NOTICE, "the feed is followed again");
}

static const struct follow_ops ops = {
	.begin = begin, .apply = apply, .publish = publish, .abort = abort_batch, .trouble = trouble,
};

static void *
run(void *arg)
{
	follow_run(arg);
	return NULL;
}

int
members_follow_open(struct members *m, const struct gh_feed *feed)
{
	int r = GH_ENOMEM;

	m->followed = calloc(1, sizeof(*m->followed));
	if (m->followed == NULL)
		return r;
	r = follow_init(&m->follow, feed, &ops, m);
	if (r < 0)
		return r;
	/* Without a snapshot the node knows what its files say; the thread tries on. */
	r = follow_snapshot(&m->follow);
	if (r < 0)
		gh_inst_log(m->inst, LOG_WARNING, "the feed gives no snapshot yet: %s", gh_strerror(r));
	if (pthread_create(&m->follow_thread, NULL, run, &m->follow) != 0)
		return GH_ENOMEM;
	m->has_follow_thread = true;
	return GH_OK;
}

void
members_follow_close(struct members *m)
{
	if (m->has_follow_thread) {
		follow_stop(&m->follow);
		pthread_join(m->follow_thread, NULL);
	}
	m->has_follow_thread = false;
	follow_done(&m->follow);
	if (m->followed != NULL) {
		forget(m->followed);
		free(m->followed->removed);
	}
	free(m->followed);
	m->followed = NULL;
}
