/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cors.c
 * @brief Cross-origin calls from browsers: preflight requests and the fields of answers.
 *
 * Credentials in the sense of the Fetch standard (cookies, client certificates) are never allowed,
 * so that "*" is safe: a page can send only what it has got itself, such as a token.
 */
#include "plugins/gateway/gateway.h"

#define MAX_AGE "600"

/* The value of Access-Control-Allow-Origin for this caller; n = 0: it is not allowed. */
static struct gh_str
allowed_origin(const struct gw_config *config, struct gh_txn *txn)
{
	struct gh_str origin = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Origin"));

	for (size_t i = 0; i < config->cors_origins.n; i++) {
		struct gh_str allowed = config->cors_origins.v[i];

		if (gh_str_eq(allowed, GH_STR("*")) || gh_str_eq(allowed, origin))
			return allowed;
	}
	return GH_STR_NONE;
}

static int
set(struct gh_txn *txn, const char *name, struct gh_str value)
{
	return gh_txn_field_set(txn, GH_SIDE_RESPONSE, gh_str_of(name), value);
}

/* Fields that every cross-origin answer has. */
static int
set_origin(const struct gw_config *config, struct gh_txn *txn)
{
	struct gh_str origin = allowed_origin(config, txn);
	int r = 0;

	if (origin.n == 0)
		return 0;
	r = set(txn, "Access-Control-Allow-Origin", origin);
	if (r == 0 && !gh_str_eq(origin, GH_STR("*")))
		r = gh_txn_field_add(txn, GH_SIDE_RESPONSE, GH_STR("Vary"), GH_STR("Origin"));
	return r;
}

bool
gw_cors_is_preflight(const struct gw_config *config, struct gh_txn *txn)
{
	static const struct gh_str method = { "Access-Control-Request-Method", 29 };

	return config->cors && gh_str_eq(gh_txn_attr(txn, GH_ATTR_METHOD), GH_STR("OPTIONS")) &&
		gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Origin")).p != NULL &&
		gh_txn_field(txn, GH_SIDE_REQUEST, method).p != NULL;
}

enum gh_verdict
gw_cors_preflight(const struct gw_config *config, struct gh_txn *txn, struct gh_str allow)
{
	if (gh_txn_reply(txn, 204, GH_STR_NONE, GH_STR_NONE) < 0 ||
		set(txn, "Access-Control-Allow-Methods", allow) < 0 ||
		set(txn, "Access-Control-Allow-Headers", config->cors_headers_text) < 0 ||
		set(txn, "Access-Control-Max-Age", GH_STR(MAX_AGE)) < 0)
		return GH_FAIL;
	return GH_STOP;
}

/* Also for refusals, or a page could not read why. */
enum gh_verdict
gw_on_response(const void *config, struct gh_txn *txn)
{
	const struct gw_call *call = gh_txn_entry_slot(txn, sizeof(*call));

	if (call == NULL)
		return GH_FAIL;
	if (!call->is_cors)
		return GH_NEXT;
	/* The gateway speaks for the API: what the backend said about origins does not count. */
	gh_txn_field_remove(txn, GH_SIDE_RESPONSE, GH_STR("Access-Control-Allow-Origin"));
	gh_txn_field_remove(txn, GH_SIDE_RESPONSE, GH_STR("Access-Control-Allow-Credentials"));
	return set_origin(config, txn) < 0 ? GH_FAIL : GH_NEXT;
}
