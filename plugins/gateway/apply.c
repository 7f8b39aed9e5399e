/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file apply.c
 * @brief From changes of the feed to changes of a snapshot: a table of kinds and what each becomes.
 *
 * Documents that make no sense are left out, and what stood in their place goes with them: a
 * gateway denies when in doubt.
 */
#include "plugins/gateway/snapshot.h"

#include "lib/doc/doc.h"
#include "lib/tenant/tenant.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One change on its way into a snapshot. */
struct change {
	struct gw_snapshot *snapshot;
	const struct gw_scope *scope;
	const struct gh_doc *doc;
	const char *why;
};

/* How documents of one kind become entries. */
struct kind {
	const char *name;
	size_t map;       /* offset of its map in the snapshot */
	bool is_global;   /* the id alone is the key: tokens name no tenant */
	bool is_trust;    /* verified tokens must be looked at again */
	/* @return 0; GH_ENOENT: it is none of ours; GH_EINVAL: change->why says why; GH_ENOMEM. */
	int (*make)(struct change *change, struct gw_entry **ret_entry);
	/* Keep what else leads to the entries; either may be NULL.  @return 0 or GH_ENOMEM. */
	int (*link)(struct gw_snapshot *snapshot, struct gw_entry *old, struct gw_entry *new);
};

/* ---- Entries ---------------------------------------------------------------------------- */

static void
entry_free(struct gw_object *object)
{
	struct gw_entry *entry = (struct gw_entry *)(void *)object;

	gw_arena_free(&entry->arena);
	free(entry);
}

/* A zeroed struct that begins with an entry; its key is the id, or tenant and id. */
static void *
entry_new(size_t size, const struct gh_doc *doc, bool is_global)
{
	struct gw_entry *entry = calloc(1, size);

	if (entry == NULL)
		return NULL;
	entry->object.free = entry_free;
	entry->rev = doc->rev;
	entry->arena.block = doc->tenant.n + doc->id.n + doc->body.n; /* holds every string */
	struct gh_str *id = is_global ? &entry->key.a : &entry->key.b;

	if (gw_arena_str(&entry->arena, doc->tenant, &entry->tenant) < 0 ||
		gw_arena_str(&entry->arena, doc->id, id) < 0) {
		entry_free(&entry->object);
		return NULL;
	}
	if (!is_global)
		entry->key.a = entry->tenant;
	return entry;
}

/* Copy a string of the document. */
static int
take(struct gw_entry *entry, struct gh_str body, const char *field, struct gh_str *ret)
{
	return gw_arena_str(&entry->arena, doc_str(body, field), ret);
}

/* ---- Deployments ------------------------------------------------------------------------ */

static int
make_api(struct change *change, struct gw_entry **ret_entry)
{
	struct gh_str environment = doc_str(change->doc->body, "environment");
	const struct gh_list *list = change->scope->environments;
	unsigned rank = 0;
	struct gw_api *api;
	int r;

	while (rank < list->n && !gh_str_eq(list->v[rank], environment))
		rank++;
	if (rank == list->n)
		return GH_ENOENT;
	if ((r = gw_api_new(change->doc, rank, &api, &change->why)) < 0)
		return r;
	*ret_entry = &api->entry;
	return 0;
}

static int
link_api(struct gw_snapshot *snapshot, struct gw_entry *old, struct gw_entry *new)
{
	int r = 0;

	if (old != NULL)
		r = gw_router_remove(&snapshot->router, (struct gw_api *)(void *)old);
	if (r == 0 && new != NULL)
		r = gw_router_add(&snapshot->router, (struct gw_api *)(void *)new);
	return r;
}

/* ---- Consumers -------------------------------------------------------------------------- */

static int
make_consumer(struct change *change, struct gw_entry **ret_entry)
{
	struct gh_str body = change->doc->body;
	struct gw_consumer *c = entry_new(sizeof(*c), change->doc, true);

	if (c == NULL)
		return GH_ENOMEM;
	if (take(&c->entry, body, "application_id", &c->application_id) < 0 ||
		take(&c->entry, body, "application_name", &c->application_name) < 0 ||
		take(&c->entry, body, "owner", &c->owner) < 0 ||
		take(&c->entry, body, "tier", &c->tier) < 0 ||
		take(&c->entry, body, "key_type", &c->key_type) < 0) {
		entry_free(&c->entry.object);
		return GH_ENOMEM;
	}
	c->is_sandbox = gh_str_eq(c->key_type, GH_STR("SANDBOX"));
	if (c->application_id.n == 0 ||
		(!c->is_sandbox && !gh_str_eq(c->key_type, GH_STR("PRODUCTION")))) {
		change->why = "it names no application, or a key type that is not known";
		entry_free(&c->entry.object);
		return GH_EINVAL;
	}
	*ret_entry = &c->entry;
	return 0;
}

/* ---- Subscriptions ---------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum gw_subscription_state state;
} subscription_states[] = {
	{ "UNBLOCKED", GW_UNBLOCKED }, { "BLOCKED", GW_ALL_BLOCKED },
	{ "PROD_ONLY_BLOCKED", GW_PROD_ONLY_BLOCKED }, { "ON_HOLD", GW_ON_HOLD },
	{ "REJECTED", GW_REJECTED },
	/* A change that waits for approval leaves the subscription as it was. */
	{ "TIER_UPDATE_PENDING", GW_UNBLOCKED }, { "DELETE_PENDING", GW_UNBLOCKED },
};

static int
make_subscription(struct change *change, struct gw_entry **ret_entry)
{
	struct gh_str body = change->doc->body, word = doc_str(body, "state");
	struct gw_subscription *s = entry_new(sizeof(*s), change->doc, false);
	bool is_known = false;

	if (s == NULL)
		return GH_ENOMEM;
	if (take(&s->entry, body, "application_id", &s->pair.a) < 0 ||
		take(&s->entry, body, "api_id", &s->pair.b) < 0 ||
		take(&s->entry, body, "tier", &s->tier) < 0) {
		entry_free(&s->entry.object);
		return GH_ENOMEM;
	}
	for (size_t i = 0; i < COUNT(subscription_states); i++) {
		if (gh_str_eq(word, gh_str_of(subscription_states[i].word))) {
			s->state = subscription_states[i].state;
			is_known = true;
		}
	}
	if (!is_known || s->pair.a.n == 0 || s->pair.b.n == 0) {
		change->why = "it lacks application or API, or its state is not known";
		entry_free(&s->entry.object);
		return GH_EINVAL;
	}
	*ret_entry = &s->entry;
	return 0;
}

static int
link_subscription(struct gw_snapshot *snapshot, struct gw_entry *old, struct gw_entry *new)
{
	int r = 0;

	if (old != NULL) {
		struct gw_key pair = ((struct gw_subscription *)(void *)old)->pair;

		if (gw_map_get(snapshot->subscribed, pair) == &old->object)
			r = gw_map_remove(&snapshot->subscribed, pair);
	}
	if (r == 0 && new != NULL)
		r = gw_map_put(&snapshot->subscribed,
			&((struct gw_subscription *)(void *)new)->pair, &new->object);
	return r;
}

/* ---- Trust ------------------------------------------------------------------------------ */

static void
issuer_key_free(struct gw_object *object)
{
	jose_key_unref(((struct gw_issuer_key *)(void *)object)->jose);
	entry_free(object);
}

static int
make_issuer_key(struct change *change, struct gw_entry **ret_entry)
{
	struct gh_str body = change->doc->body, jwk = doc_map(body, "jwk");
	struct gw_issuer_key *k = entry_new(sizeof(*k), change->doc, true);
	int r;

	if (k == NULL)
		return GH_ENOMEM;
	k->entry.object.free = issuer_key_free;
	if ((r = take(&k->entry, body, "issuer", &k->issuer)) < 0)
		goto out;
	r = jose_key_from_jwk(&(struct jose_jwk){
		.kty = doc_str(jwk, "kty"), .use = doc_str(jwk, "use"), .alg = doc_str(jwk, "alg"),
		.kid = doc_str(jwk, "kid"), .crv = doc_str(jwk, "crv"), .x = doc_str(jwk, "x"),
		.y = doc_str(jwk, "y"), .n = doc_str(jwk, "n"), .e = doc_str(jwk, "e") }, &k->jose);
	if (r == 0 && k->issuer.n == 0)
		r = GH_EINVAL;
	if (r == GH_EINVAL)
		change->why = "it names no issuer, or its jwk is no public key that is accepted";
out:
	if (r < 0) {
		issuer_key_free(&k->entry.object);
		return r;
	}
	*ret_entry = &k->entry;
	return 0;
}

static int
make_revocation(struct change *change, struct gw_entry **ret_entry)
{
	*ret_entry = entry_new(sizeof(**ret_entry), change->doc, true);
	return *ret_entry != NULL ? 0 : GH_ENOMEM;
}

/* ---- Tenants ---------------------------------------------------------------------------- */

static int
make_tenant(struct change *change, struct gw_entry **ret_entry)
{
	if (!tenant_is_default(change->doc->tenant)) {
		change->why = "it does not stand in the default tenant";
		return GH_EINVAL;
	}
	struct gw_tenant *t = entry_new(sizeof(*t), change->doc, true);

	if (t == NULL)
		return GH_ENOMEM;
	t->is_active = doc_bool(change->doc->body, "is_active", false);
	*ret_entry = &t->entry;
	return 0;
}

/* ---- Applying --------------------------------------------------------------------------- */

static const struct kind kinds[] = {
	{ "deployment", offsetof(struct gw_snapshot, apis), false, false, make_api, link_api },
	{ "consumer", offsetof(struct gw_snapshot, consumers), true, false, make_consumer, NULL },
	{ "subscription", offsetof(struct gw_snapshot, subscriptions), false, false,
		make_subscription, link_subscription },
	{ "issuer_key", offsetof(struct gw_snapshot, keys), true, true, make_issuer_key, NULL },
	{ "revocation", offsetof(struct gw_snapshot, revocations), true, true, make_revocation,
		NULL },
	{ "tenant", offsetof(struct gw_snapshot, tenants), true, false, make_tenant, NULL },
};

static struct gw_map **
map_of(const struct kind *kind, const struct gw_snapshot *snapshot)
{
	return (struct gw_map **)(void *)((char *)(uintptr_t)snapshot + kind->map);
}

static struct gw_entry *
find_entry(const struct kind *kind, const struct gw_snapshot *snapshot, const struct gh_doc *doc)
{
	struct gw_key key = { doc->tenant, doc->id };

	if (kind->is_global)
		key = (struct gw_key){ .a = doc->id };
	return (struct gw_entry *)(void *)gw_map_get(*map_of(kind, snapshot), key);
}

/* Put @p new in the place of @p old; either may be NULL. */
static int
replace(const struct kind *kind, struct gw_snapshot *snapshot, struct gw_entry *old,
	struct gw_entry *new)
{
	struct gw_map **map = map_of(kind, snapshot);
	int r = 0;

	if (new != NULL)
		gw_object_ref(&new->object); /* so that a failure on the way frees it */
	if (kind->link != NULL)
		r = kind->link(snapshot, old, new);
	if (r == 0 && new != NULL)
		r = gw_map_put(map, &new->key, &new->object);
	else if (r == 0 && old != NULL)
		r = gw_map_remove(map, old->key);
	gw_object_unref(new != NULL ? &new->object : NULL);
	if (kind->is_trust)
		snapshot->trust++;
	return r;
}

int
gw_snapshot_apply(struct gw_snapshot *snapshot, const struct gw_snapshot *previous,
	const struct gw_scope *scope, bool is_deleted, const struct gh_doc *doc,
	const char **ret_why)
{
	struct change change = { snapshot, scope, doc, NULL };
	const struct kind *kind = kinds;
	struct gw_entry *old, *new = NULL;
	int r = 0;

	*ret_why = NULL;
	while (!gh_str_eq(doc->kind, gh_str_of(kind->name)))
		if (++kind == kinds + COUNT(kinds))
			return 0; /* other parts of the node need it */
	old = find_entry(kind, snapshot, doc);
	if (old != NULL && !gh_str_eq(old->tenant, doc->tenant)) {
		*ret_why = "another tenant has one with that id";
		return 0;
	}
	if (!is_deleted) {
		if (old != NULL && old->rev == doc->rev)
			return 0;
		new = previous != NULL ? find_entry(kind, previous, doc) : NULL;
		if (new == NULL || new->rev != doc->rev || !gh_str_eq(new->tenant, doc->tenant)) {
			new = NULL;
			r = kind->make(&change, &new);
		}
		if (r == GH_ENOMEM)
			return r;
		*ret_why = change.why;
	}
	return old != NULL || new != NULL ? replace(kind, snapshot, old, new) : 0;
}
