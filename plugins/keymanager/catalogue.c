/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file catalogue.c
 * @brief The scopes that deployed APIs declare, followed through the feed; who may have a scope.
 *
 * An API's scope may be had by users with one of its roles, or by everybody when it names none.
 * The list is read only when a token with such a scope is asked for, so it is a plain one.
 * Deployments do not depend on each other: a batch that was applied half is no wrong state.
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/keymanager/keymanager.h"

/** Scopes of one deployment, as they stand in its document. */
struct declared {
	struct declared *next;
	struct gh_str tenant, id, scopes; /**< Point behind the struct. */
};

struct km_catalogue {
	struct gh_inst *inst;
	struct follow follow;
	struct follow_acks acks;    /**< One worker: the follower itself. */
	pthread_t thread;
	struct declared *fresh;     /**< The follower's: a snapshot that is being read. */
	bool is_snapshot;           /**< The follower's. */
	pthread_rwlock_t lock;
	struct declared *published; /**< lock */
};

static void
free_list(struct declared *list)
{
	while (list != NULL) {
		struct declared *next = list->next;

		free(list);
		list = next;
	}
}

static struct gh_str
append(char **at, struct gh_str s)
{
	struct gh_str copy = { *at, s.n };

	if (s.n != 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct declared *
declared_new(const struct gh_doc *doc, struct gh_str scopes)
{
	struct declared *d = malloc(sizeof(*d) + doc->tenant.n + doc->id.n + scopes.n);
	char *at = (char *)(d + 1);

	if (d == NULL)
		return NULL;
	d->next = NULL;
	d->tenant = append(&at, doc->tenant);
	d->id = append(&at, doc->id);
	d->scopes = append(&at, scopes);
	return d;
}

/** Replace what a list says about one deployment.  @param d  GIVE; NULL: nothing any more. */
static void
replace(struct declared **list, const struct gh_doc *doc, struct declared *d)
{
	for (struct declared **at = list; *at != NULL; at = &(*at)->next) {
		struct declared *old = *at;

		if (gh_str_eq(old->id, doc->id) && gh_str_eq(old->tenant, doc->tenant)) {
			*at = old->next;
			free(old);
			break;
		}
	}
	if (d != NULL) {
		d->next = *list;
		*list = d;
	}
}

/* ---- The follower ---------------------------------------------------------------------------- */

static int
on_begin(void *arg)
{
	struct km_catalogue *c = arg;

	free_list(c->fresh);
	c->fresh = NULL;
	c->is_snapshot = true;
	return GH_OK;
}

static int
on_apply(void *arg, const struct gh_feed_batch *batch)
{
	struct km_catalogue *c = arg;

	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_feed_change *change = &batch->changes[i];
		struct declared *d = NULL;

		if (!gh_str_eq(change->doc.kind, GH_STR("deployment")))
			continue;
		struct gh_str scopes = change->deleted ? GH_STR_NONE
			: doc_array(change->doc.body, "scopes");

		if (doc_count(scopes) > 0) {
			d = declared_new(&change->doc, scopes);
			if (d == NULL)
				return GH_ENOMEM;
		}
		if (c->is_snapshot) {
			replace(&c->fresh, &change->doc, d);
			continue;
		}
		pthread_rwlock_wrlock(&c->lock);
		replace(&c->published, &change->doc, d);
		pthread_rwlock_unlock(&c->lock);
	}
	return GH_OK;
}

static int
on_publish(void *arg, uint64_t seq)
{
	struct km_catalogue *c = arg;

	if (c->is_snapshot) {
		pthread_rwlock_wrlock(&c->lock);
		struct declared *old = c->published;

		c->published = c->fresh;
		pthread_rwlock_unlock(&c->lock);
		c->fresh = NULL;
		c->is_snapshot = false;
		free_list(old);
	}
	follow_acks_set(&c->acks, 0, seq);
	return GH_OK;
}

static void
on_abort(void *arg)
{
	struct km_catalogue *c = arg;

	free_list(c->fresh);
	c->fresh = NULL;
	c->is_snapshot = false;
}

static void
on_trouble(void *arg, int err)
{
	struct km_catalogue *c = arg;

	if (err != 0)
		gh_inst_log(c->inst, LOG_WARNING, "cannot follow the feed: %s", gh_strerror(err));
	else
		gh_inst_log(c->inst, LOG_NOTICE, "follows the feed again");
}

static const struct follow_ops ops = { on_begin, on_apply, on_publish, on_abort, on_trouble };

static void *
run(void *arg)
{
	follow_run(arg);
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void
catalogue_free(struct km_catalogue *c)
{
	free_list(c->published);
	free_list(c->fresh);
	follow_acks_done(&c->acks);
	follow_done(&c->follow);
	pthread_rwlock_destroy(&c->lock);
	free(c);
}

int
km_catalogue_open(struct km *km, const struct gh_feed *feed)
{
	struct km_catalogue *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return GH_ENOMEM;
	c->inst = km->inst;
	pthread_rwlock_init(&c->lock, NULL);
	r = follow_init(&c->follow, feed, &ops, c);
	if (r == 0)
		r = follow_acks_init(&c->acks, 1);
	if (r == 0)
		r = follow_snapshot(&c->follow);
	if (r == 0 && pthread_create(&c->thread, NULL, run, &c->follow) != 0)
		r = GH_EAGAIN;
	if (r < 0) {
		gh_inst_log(km->inst, LOG_ERR, "cannot follow the feed: %s", gh_strerror(r));
		catalogue_free(c);
		return r;
	}
	km->catalogue = c;
	return GH_OK;
}

void
km_catalogue_close(struct km *km)
{
	struct km_catalogue *c = km->catalogue;

	if (c == NULL)
		return;
	follow_stop(&c->follow);
	pthread_join(c->thread, NULL);
	catalogue_free(c);
	km->catalogue = NULL;
}

/* ---- Use ------------------------------------------------------------------------------------- */

/** Does a scope's list of roles let the owner have it? */
static bool
roles_allow(struct gh_str roles, const struct scopes_owner *owner)
{
	struct doc_iter it = doc_iter(roles);
	struct doc_value v;

	if (doc_count(roles) == 0 || scopes_has_role(owner, GH_STR("admin")))
		return true;
	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && scopes_has_role(owner, v.s))
			return true;
	return false;
}

/** Whose scopes catalogue_allows() looks at. */
struct catalogue_of {
	struct km_catalogue *catalogue;
	struct gh_str tenant;
};

/** scopes_other_fn; @p arg is a catalogue_of. */
static bool
catalogue_allows(void *arg, struct gh_str scope, const struct scopes_owner *owner)
{
	const struct catalogue_of *of = arg;
	struct km_catalogue *c = of->catalogue;
	bool is_allowed = false;

	pthread_rwlock_rdlock(&c->lock);
	for (const struct declared *d = c->published; d != NULL && !is_allowed; d = d->next) {
		struct doc_iter it = doc_iter(d->scopes);
		struct doc_value v;

		if (!gh_str_eq(d->tenant, of->tenant))
			continue;
		while (!is_allowed && doc_next(&it, NULL, &v))
			is_allowed = v.type == DOC_MAP && gh_str_eq(doc_str(v.s, "name"), scope) &&
				roles_allow(doc_array(v.s, "roles"), owner);
	}
	pthread_rwlock_unlock(&c->lock);
	return is_allowed;
}

/** What the tenant has changed in the table of scopes.  It is read each time: nobody has to be told
 *  of a change, and what asks for it has checked a password or signs a token.
 *  @param[out] ret_found  km_found_free(); the map points into it. */
static int
read_map(struct km *km, struct gh_str tenant, struct gh_docs_found **ret_found,
	struct scopes_map *ret_map)
{
	int r = km_get(km, tenant, "scope_map", GH_STR(SCOPES_MAP_ID), ret_found);

	if (r == GH_ENOENT) {
		*ret_found = NULL;
		r = GH_OK;
	}
	if (r == 0)
		*ret_map = scopes_map_of(*ret_found != NULL ? (*ret_found)->docs[0].body
			: GH_STR_NONE);
	return r;
}

int
km_scopes_grant(struct km *km, struct gh_str tenant, struct gh_str requested,
	const struct scopes_owner *owner, char ret[SCOPES_MAX])
{
	struct catalogue_of of = { km->catalogue, tenant };
	struct gh_docs_found *found;
	struct scopes_map map;
	int r = read_map(km, tenant, &found, &map);

	if (r < 0)
		return r;
	r = scopes_grant(requested, owner, &map, catalogue_allows, &of, ret);
	km_found_free(km, found);
	return r;
}

int
km_scopes_is_manager(struct km *km, struct gh_str tenant, const struct scopes_owner *owner,
	bool *ret_is_manager)
{
	struct gh_docs_found *found;
	struct scopes_map map;
	int r = read_map(km, tenant, &found, &map);

	if (r < 0)
		return r;
	*ret_is_manager = scopes_is_manager(owner, &map);
	km_found_free(km, found);
	return GH_OK;
}

static int
rollout_wait(void *self, uint64_t seq, uint64_t deadline_ms)
{
	struct km *km = self;

	return follow_acks_wait(&km->catalogue->acks, seq, deadline_ms);
}

static uint64_t
rollout_serving(void *self)
{
	const struct km *km = self;

	return follow_acks_serving(&km->catalogue->acks);
}

const struct gh_rollout_v1 km_rollout = { sizeof(km_rollout), rollout_wait, rollout_serving };
