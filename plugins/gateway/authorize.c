/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file authorize.c
 * @brief AUTHORIZE: may this caller call this operation?
 *
 * The consumer key leads to the application, application and API to the subscription; a key whose
 * application, or a subscription whose document is gone, is refused with the next request.
 */
#include "plugins/gateway/gateway.h"

static void
set_application(struct gh_txn *txn, const struct gw_consumer *consumer)
{
	gh_txn_set_attr(txn, GH_ATTR_KEY_TYPE, consumer->key_type);
	gh_txn_set_attr(txn, GH_ATTR_APPLICATION_ID, consumer->application_id);
	gh_txn_set_attr(txn, GH_ATTR_APPLICATION_NAME, consumer->application_name);
	gh_txn_set_attr(txn, GH_ATTR_APPLICATION_OWNER, consumer->owner);
	gh_txn_set_attr(txn, GH_ATTR_APPLICATION_TIER, consumer->tier);
}

/* Which states let which keys through. */
static enum gw_error
check_subscription(const struct gw_subscription *subscription, const struct gw_consumer *consumer)
{
	switch (subscription->state) {
	case GW_UNBLOCKED:
		return GW_OK;
	case GW_PROD_ONLY_BLOCKED:
		return consumer->is_sandbox ? GW_OK : GW_ERR_SUBSCRIPTION_BLOCKED;
	case GW_ALL_BLOCKED:
		return GW_ERR_SUBSCRIPTION_BLOCKED;
	case GW_ON_HOLD:
	case GW_REJECTED:
		break;
	}
	return GW_ERR_SUBSCRIPTION_INACTIVE;
}

static enum gw_error
check_kind(const struct gw_operation *operation, const struct gw_claims *claims)
{
	bool is_refused = (operation->auth_type == GW_AUTH_APPLICATION &&
		claims->of == GW_TOKEN_OF_USER) ||
		(operation->auth_type == GW_AUTH_APPLICATION_USER &&
		claims->of == GW_TOKEN_OF_APPLICATION);

	return is_refused ? GW_ERR_TOKEN_KIND : GW_OK;
}

/* Is @p scope one of the words of @p scopes? */
static bool
has_scope(struct gh_str scopes, struct gh_str scope)
{
	size_t i = 0;

	while (i < scopes.n) {
		const char *space = memchr(scopes.p + i, ' ', scopes.n - i);
		size_t n = space != NULL ? (size_t)(space - scopes.p) - i : scopes.n - i;

		if (gh_str_eq((struct gh_str){ scopes.p + i, n }, scope))
			return true;
		i += n + 1;
	}
	return false;
}

/* One of the operation's scopes is enough. */
static enum gw_error
check_scopes(const struct gw_operation *operation, struct gh_str scopes)
{
	for (size_t i = 0; i < operation->scope_count; i++)
		if (has_scope(scopes, operation->scopes[i]))
			return GW_OK;
	return operation->scope_count == 0 ? GW_OK : GW_ERR_SCOPE;
}

/* Nothing of one tenant is good for another: token, application and subscription are of the API's. */
static bool
is_of_tenant(struct gh_str tenant, const struct gw_claims *claims, const struct gw_consumer *consumer,
	const struct gw_subscription *subscription)
{
	return gh_str_eq(claims->tenant, tenant) && gh_str_eq(consumer->entry.tenant, tenant) &&
		gh_str_eq(subscription->entry.tenant, tenant);
}

static enum gw_error
authorize(struct gh_txn *txn, struct gw_call *call)
{
	const struct gw_snapshot *root = call->view->root;
	const struct gw_claims *claims = call->claims;
	const struct gw_consumer *consumer = gw_snapshot_consumer(root, claims->consumer_key);
	const struct gw_subscription *subscription;
	enum gw_error error;

	if (consumer == NULL)
		return GW_ERR_INVALID_CREDENTIALS;
	set_application(txn, consumer);
	call->is_sandbox = consumer->is_sandbox;
	if (claims->of == GW_TOKEN_OF_APPLICATION && consumer->owner.n > 0)
		gh_txn_set_attr(txn, GH_ATTR_USER, consumer->owner);
	if ((error = check_kind(call->operation, claims)) != GW_OK)
		return error;
	subscription = gw_snapshot_subscription(root, consumer->application_id, call->api->id);
	if (subscription == NULL ||
		!is_of_tenant(call->api->entry.tenant, claims, consumer, subscription))
		return GW_ERR_NOT_SUBSCRIBED;
	gh_txn_set_attr(txn, GH_ATTR_SUBSCRIPTION_ID, subscription->entry.key.b);
	gh_txn_set_attr(txn, GH_ATTR_SUBSCRIPTION_TIER, subscription->tier);
	if ((error = check_subscription(subscription, consumer)) != GW_OK)
		return error;
	return check_scopes(call->operation, claims->scopes);
}

enum gh_verdict
gw_on_authorize(const void *config, struct gh_txn *txn)
{
	struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));
	enum gw_error error;

	(void)config;
	if (call == NULL || call->api == NULL)
		return GH_FAIL;
	if (call->claims == NULL)
		return GH_NEXT; /* an operation that everybody may call */
	if (call->claims->is_test_key) {
		call->is_sandbox = call->api->production.n == 0;
		gh_txn_set_attr(txn, GH_ATTR_KEY_TYPE,
			call->is_sandbox ? GH_STR("SANDBOX") : GH_STR("PRODUCTION"));
		return GH_NEXT;
	}
	error = authorize(txn, call);
	return error == GW_OK ? GH_NEXT : gw_refuse(txn, error);
}
