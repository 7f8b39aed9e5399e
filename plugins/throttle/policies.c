/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policies.c
 * @brief The table of policies: small, sorted, copied when it changes.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "plugins/throttle/throttle.h"

#define KEY_MAX (2 * GH_DOC_ID_MAX + 1)

struct throttle_policies *
throttle_policies_new(void)
{
	struct throttle_policies *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->refs = 1;
	return p;
}

struct throttle_policies *
throttle_policies_ref(struct throttle_policies *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void
throttle_policies_unref(struct throttle_policies *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	for (size_t i = 0; i < p->n; i++)
		free((char *)p->items[i].key.p);
	free(p->items);
	free(p);
}

static int
compare(struct gh_str a, struct gh_str b)
{
	int r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

/* Where `key` stands, or where it would have to stand. */
static size_t
place_of(const struct throttle_policies *p, struct gh_str key, bool *ret_found)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare(p->items[middle].key, key);

		if (r == 0) {
			*ret_found = true;
			return middle;
		}
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

static int
reserve(struct throttle_policies *p, size_t n)
{
	if (n <= p->capacity)
		return 0;
	size_t capacity = n < 16 ? 16 : 2 * n;
	struct throttle_policy *items = realloc(p->items, capacity * sizeof(*items));

	if (items == NULL)
		return GH_ENOMEM;
	p->items = items;
	p->capacity = capacity;
	return 0;
}

/* Put @p policy in or over its like; its key is copied. */
static int
put(struct throttle_policies *p, const struct throttle_policy *policy)
{
	bool found;
	size_t at = place_of(p, policy->key, &found);

	if (!found) {
		char *copy = reserve(p, p->n + 1) == 0 ? malloc(policy->key.n) : NULL;

		if (copy == NULL)
			return GH_ENOMEM;
		memcpy(copy, policy->key.p, policy->key.n);
		memmove(p->items + at + 1, p->items + at, (p->n - at) * sizeof(*p->items));
		p->n++;
		p->items[at].key = (struct gh_str){ copy, policy->key.n };
	}
	struct gh_str key = p->items[at].key;

	p->items[at] = *policy;
	p->items[at].key = key;
	return 0;
}

static void
drop(struct throttle_policies *p, struct gh_str key)
{
	bool found;
	size_t at = place_of(p, key, &found);

	if (!found)
		return;
	free((char *)p->items[at].key.p);
	p->n--;
	memmove(p->items + at, p->items + at + 1, (p->n - at) * sizeof(*p->items));
}

struct throttle_policies *
throttle_policies_copy(const struct throttle_policies *from)
{
	struct throttle_policies *p = throttle_policies_new();

	if (p == NULL || reserve(p, from->n) < 0)
		goto out;
	for (size_t i = 0; i < from->n; i++)
		if (put(p, &from->items[i]) < 0)
			goto out;
	return p;
out:
	throttle_policies_unref(p);
	return NULL;
}

/* "<tenant>\n<id>"; a tenant is a domain name and holds no line end. */
static int
make_key(struct gh_str tenant, struct gh_str id, char key[KEY_MAX], struct gh_str *ret_key)
{
	if (tenant.n > GH_DOC_ID_MAX || id.n > GH_DOC_ID_MAX)
		return GH_EINVAL;
	if (tenant.n > 0)
		memcpy(key, tenant.p, tenant.n);
	key[tenant.n] = '\n';
	if (id.n > 0)
		memcpy(key + tenant.n + 1, id.p, id.n);
	*ret_key = (struct gh_str){ key, tenant.n + 1 + id.n };
	return 0;
}

int
throttle_policies_apply(struct throttle_policies *p, const struct gh_feed_change *change)
{
	char key[KEY_MAX];
	struct throttle_policy policy = { .stop_on_quota_reach = true };
	int r = make_key(change->doc.tenant, change->doc.id, key, &policy.key);

	if (r < 0)
		return r;
	if (change->deleted) {
		drop(p, policy.key);
		return 0;
	}
	int64_t requests = doc_int(change->doc.body, "requests", -1);
	int64_t window_ms = doc_int(change->doc.body, "window_ms", -1);

	/* A limit that cannot be understood must not become "no limit": without its policy, calls
	 * are refused. */
	if (requests < 0 || window_ms < 0 || (requests > 0 && window_ms == 0)) {
		drop(p, policy.key);
		return GH_EINVAL;
	}
	policy.requests = (uint64_t)requests;
	policy.window_ms = (uint64_t)window_ms;
	policy.stop_on_quota_reach = doc_bool(change->doc.body, "stop_on_quota_reach", true);
	return put(p, &policy);
}

const struct throttle_policy *
throttle_policies_find(const struct throttle_policies *p, struct gh_str tenant, const char *level,
	struct gh_str name)
{
	char id[GH_DOC_ID_MAX + 1], key[KEY_MAX];
	struct gh_str wanted;
	bool found;
	size_t level_n = strlen(level);

	if (name.n > GH_DOC_ID_MAX - 1 - level_n)
		return NULL;
	memcpy(id, level, level_n);
	id[level_n] = '/';
	if (name.n > 0)
		memcpy(id + level_n + 1, name.p, name.n);
	if (make_key(tenant, (struct gh_str){ id, level_n + 1 + name.n }, key, &wanted) < 0)
		return NULL;
	size_t at = place_of(p, wanted, &found);

	return found ? &p->items[at] : NULL;
}
