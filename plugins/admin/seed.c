/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file seed.c
 * @brief The default throttling policies of a new store or tenant, those of the reference product.
 *
 * They are written once, in one batch: a policy that an administrator deletes stays deleted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/json/json.h"
#include "lib/model/model.h"
#include "plugins/admin/admin.h"

struct seed {
	const char *level, *name;
	int64_t count;      /* 0: unlimited */
	const char *unit;   /* of one window */
	bool is_events;     /* streaming plans count events */
	int64_t subscribers; /* streaming plans of web hooks */
};

static const struct seed seeds[] = {
	{ "subscription", "Bronze", 1000, "min", false, 0 },
	{ "subscription", "Silver", 2000, "min", false, 0 },
	{ "subscription", "Gold", 5000, "min", false, 0 },
	{ "subscription", "Unlimited", 0, NULL, false, 0 },
	{ "subscription", "DefaultSubscriptionless", 10000, "min", false, 0 },
	{ "subscription", "AsyncBronze", 5000, "day", true, 0 },
	{ "subscription", "AsyncSilver", 25000, "day", true, 0 },
	{ "subscription", "AsyncGold", 50000, "day", true, 0 },
	{ "subscription", "AsyncUnlimited", 0, NULL, true, 0 },
	{ "subscription", "AsyncDefaultSubscriptionless", 10000, "day", true, 0 },
	{ "subscription", "AsyncWHBronze", 1000, "month", true, 100 },
	{ "subscription", "AsyncWHSilver", 5000, "month", true, 500 },
	{ "subscription", "AsyncWHGold", 10000, "month", true, 1000 },
	{ "subscription", "AsyncWHUnlimited", 0, NULL, true, 0 },
	{ "application", "10PerMin", 10, "min", false, 0 },
	{ "application", "20PerMin", 20, "min", false, 0 },
	{ "application", "50PerMin", 50, "min", false, 0 },
	{ "application", "Unlimited", 0, NULL, false, 0 },
	{ "api", "10KPerMin", 10000, "min", false, 0 },
	{ "api", "20KPerMin", 20000, "min", false, 0 },
	{ "api", "50KPerMin", 50000, "min", false, 0 },
	{ "api", "Unlimited", 0, NULL, false, 0 },
};
#define SEED_COUNT (sizeof(seeds) / sizeof(seeds[0]))
#define SEED_ID_SIZE 64

/* The REST form; the limit of an unlimited policy has a type and no count. */
static json_t *
seed_dto(const struct seed *s)
{
	char text[160];
	const char *what = s->is_events ? "events" : "requests";

	if (s->count > 0)
		snprintf(text, sizeof(text), "Allows %lld %s per %s", (long long)s->count, what,
			s->unit);
	else
		snprintf(text, sizeof(text), "Allows unlimited %s", what);
	json_t *limit = json_pack("{s:s}", "type", s->is_events ? "EVENTCOUNTLIMIT" : "REQUESTCOUNTLIMIT");

	if (s->count > 0)
		js_set(limit, s->is_events ? "eventCount" : "requestCount",
			json_pack("{s:s, s:i, s:I}", "timeUnit", s->unit, "unitTime", 1,
				s->is_events ? "eventCount" : "requestCount", (json_int_t)s->count));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:[], s:b, s:s, s:i, s:i, s:I}", "policyId", "",
		"policyName", s->name, "displayName", s->name, "description", text, "defaultLimit", limit,
		"rateLimitCount", 0, "customAttributes", "stopOnQuotaReach", 1, "billingPlan", "FREE",
		"graphQLMaxComplexity", 0, "graphQLMaxDepth", 0, "subscriberCount",
		(json_int_t)s->subscribers);
}

static int
seed_doc(const struct seed *s, char *id, size_t id_size, struct gh_str *ret_body)
{
	char uuid[CRYPTO_UUID_LEN + 1];
	json_t *dto = seed_dto(s);
	int r = dto != NULL ? crypto_uuid(uuid) : GH_ENOMEM;

	if (r == GH_OK)
		r = admin_policy_doc(s->level, gh_str_of(s->name), uuid, dto, ret_body);
	json_decref(dto);
	snprintf(id, id_size, "%s/%s", s->level, s->name);
	return r;
}

int
admin_seed_tenant(struct rest_context *ctx)
{
	char id[SEED_ID_SIZE];
	struct gh_str body;
	int r = GH_OK;

	for (size_t i = 0; i < SEED_COUNT && r == GH_OK; i++) {
		r = seed_doc(&seeds[i], id, sizeof(id), &body);
		if (r == GH_OK)
			r = rest_put(ctx, "policy", gh_str_of(id), body, GH_REV_NONE);
	}
	return r;
}

static int
seed_op(const struct seed *s, struct gh_doc_op *op, char *id, size_t id_size)
{
	int r = seed_doc(s, id, id_size, &op->body);

	op->verb = GH_DOC_PUT;
	op->tenant = GH_STR(MODEL_TENANT_DEFAULT);
	op->kind = GH_STR("policy");
	op->id = gh_str_of(id);
	op->expect_rev = GH_REV_NONE;
	return r;
}

int
admin_seed(const struct gh_docs *docs)
{
	struct gh_find find = { .tenant = GH_STR(MODEL_TENANT_DEFAULT), .kind = GH_STR("policy"),
		.limit = 1 };
	struct gh_doc_op ops[SEED_COUNT] = { { .verb = GH_DOC_PUT } };
	char ids[SEED_COUNT][SEED_ID_SIZE];
	struct gh_docs_found *found;
	int r = docs->vt->find(docs->self, &find, &found);

	if (r < 0)
		return r;
	bool has_policies = found->n > 0;

	docs->vt->found_free(found);
	if (has_policies)
		return GH_OK;
	for (size_t i = 0; i < SEED_COUNT && r == GH_OK; i++)
		r = seed_op(&seeds[i], &ops[i], ids[i], sizeof(ids[i]));
	if (r == GH_OK)
		r = docs->vt->commit(docs->self, ops, SEED_COUNT, NULL, NULL);
	if (r == GH_ECONFLICT) /* another node was faster */
		r = GH_OK;
	for (size_t i = 0; i < SEED_COUNT; i++)
		free((void *)ops[i].body.p);
	return r;
}
