/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file errors.c
 * @brief The table of refusals.
 *
 * Numbers, messages and descriptions are those that clients of the reference product know; where it
 * documents none, the words are ours.  The body never repeats what the caller sent.
 */
#include "plugins/gateway/errors.h"

#include <stdio.h>

#include "plugins/gateway/gateway.h"

#define CHALLENGE "Bearer realm=\"Gatehouse\""
#define INVALID_TOKEN CHALLENGE ", error=\"invalid_token\", error_description=\""

/* Body and row are made from the same words, at compile time. */
#define LITERAL(text) { text, sizeof(text) - 1 }
#define BODY(code, message, description) "{\"code\":\"" code "\",\"message\":\"" message \
	"\",\"description\":\"" description "\"}"
#define ROW(status, code, label, message, description, challenge) { status, code, \
	LITERAL(BODY(#code, message, description)), label, LITERAL(challenge) }

static const struct gw_error_row rows[GW_ERR_COUNT] = {
	[GW_ERR_NO_API] = ROW(404, 404, "no_api", "Not Found",
		"The requested resource is not available.", ""),
	[GW_ERR_NO_TENANT] = ROW(404, 404, "no_tenant", "Not Found",
		"The requested resource is not available.", ""),
	[GW_ERR_NO_RESOURCE] = ROW(404, 404, "no_resource", "Not Found",
		"No matching resource found for given API Request", ""),
	[GW_ERR_METHOD] = ROW(405, 405, "method", "Method Not Allowed",
		"Method not allowed for given API resource", ""),
	[GW_ERR_API_BLOCKED] = ROW(503, 700700, "api_blocked", "API blocked",
		"This API has been blocked temporarily. Please try again later or contact the "
		"system administrators.", ""),
	[GW_ERR_MISSING_CREDENTIALS] = ROW(401, 900902, "missing_credentials",
		"Missing Credentials",
		"Invalid Credentials. Make sure your API invocation call has a header: "
		"'Authorization : Bearer ACCESS_TOKEN'", CHALLENGE),
	[GW_ERR_INVALID_CREDENTIALS] = ROW(401, 900901, "invalid_credentials",
		"Invalid Credentials",
		"Invalid Credentials. Make sure you have provided the correct security credentials",
		INVALID_TOKEN "The access token is invalid\""),
	[GW_ERR_EXPIRED_CREDENTIALS] = ROW(401, 900901, "expired_credentials",
		"Invalid Credentials", "Invalid Credentials. The access token has expired",
		INVALID_TOKEN "The access token expired\""),
	[GW_ERR_TEST_KEY_ONLY] = ROW(401, 900901, "test_key_only", "Invalid Credentials",
		"Invalid Credentials. The API is not published: it takes its test key only",
		INVALID_TOKEN "The API takes its internal test key only\""),
	[GW_ERR_TOKEN_KIND] = ROW(401, 900905, "token_kind",
		"Incorrect Access Token Type is provided",
		"The access token type used is not supported when invoking the API resource",
		INVALID_TOKEN "The type of the access token is not accepted here\""),
	[GW_ERR_SUBSCRIPTION_BLOCKED] = ROW(401, 900907, "subscription_blocked",
		"The requested API is temporarily blocked",
		"The subscription to the API is blocked", CHALLENGE),
	[GW_ERR_NOT_SUBSCRIBED] = ROW(403, 900908, "not_subscribed", "Resource forbidden",
		"User is NOT authorized to access the Resource. "
		"API Subscription validation failed.", ""),
	[GW_ERR_SUBSCRIPTION_INACTIVE] = ROW(403, 900909, "subscription_inactive",
		"The subscription to the API is inactive",
		"The subscription waits for approval, or was rejected", ""),
	[GW_ERR_SCOPE] = ROW(403, 900910, "scope",
		"The access token does not allow you to access the requested resource",
		"User is NOT authorized to access the Resource. Scope validation failed.",
		CHALLENGE ", error=\"insufficient_scope\""),
	[GW_ERR_NO_ENDPOINT] = ROW(403, 900901, "no_endpoint", "Invalid Credentials",
		"The API has no endpoint for the type of key that was used", ""),
	[GW_ERR_BUSY] = ROW(503, 900900, "busy", "Unclassified Authentication Failure",
		"The gateway cannot verify credentials at the moment. Please try again", ""),
	[GW_ERR_UPSTREAM] = ROW(502, 101503, "upstream", "Bad Gateway",
		"Error connecting to the back end", ""),
	[GW_ERR_UPSTREAM_TIMEOUT] = ROW(504, 101504, "upstream_timeout", "Gateway Timeout",
		"Connection to the back end timed out", ""),
	[GW_ERR_UPSTREAM_FULL] = ROW(503, 303001, "upstream_full", "Service Unavailable",
		"The endpoint takes no more connections at the moment", ""),
};

const struct gw_error_row *
gw_error_row(enum gw_error error)
{
	return error > GW_OK && error < GW_ERR_COUNT ? &rows[error] : NULL;
}

enum gw_error
gw_error_of_upstream(int error_code)
{
	for (unsigned i = GW_ERR_UPSTREAM; i < GW_ERR_COUNT; i++)
		if (rows[i].code == error_code)
			return (enum gw_error)i;
	return GW_ERR_UPSTREAM;
}

void
gw_error_metrics(struct gh_inst *inst, struct gh_metric *ret_metrics[GW_ERR_COUNT])
{
	char labels[64];

	ret_metrics[GW_OK] = NULL;
	for (unsigned i = GW_OK + 1; i < GW_ERR_COUNT; i++) {
		snprintf(labels, sizeof(labels), "code=\"%d\",why=\"%s\"", rows[i].code,
			rows[i].label);
		ret_metrics[i] = gh_metric_new(inst, GH_COUNTER, "gatehouse_gateway_refused_total",
			"Calls that the gateway answered with an error of its own.", labels);
	}
}

enum gh_verdict
gw_refuse(struct gh_txn *txn, enum gw_error error)
{
	const struct gw_process *process = gh_txn_process(txn);
	const struct gw_error_row *row = &rows[error];

	if (gh_txn_reply(txn, row->status, GH_STR("application/json"), row->body) < 0)
		return GH_FAIL;
	if (row->challenge.n > 0 && gh_txn_field_set(txn, GH_SIDE_RESPONSE,
		GH_STR("WWW-Authenticate"), row->challenge) < 0)
		return GH_FAIL;
	gh_txn_set_attr_int(txn, GH_ATTR_ERROR_CODE, row->code);
	gh_metric_add(process->refused[error], 1);
	return GH_STOP;
}
