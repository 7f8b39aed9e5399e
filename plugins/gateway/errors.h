/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file errors.h
 * @brief Every answer with which the gateway itself refuses a call: one table.
 */
#ifndef GATEWAY_ERRORS_H
#define GATEWAY_ERRORS_H
#include <gatehouse/http.h>
#include <gatehouse/metric.h>

enum gw_error {
	GW_OK, /**< No error. */
	GW_ERR_NO_API,
	GW_ERR_NO_TENANT, /**< Its tenant is disabled: answered as if there were no API. */
	GW_ERR_NO_RESOURCE,
	GW_ERR_METHOD,
	GW_ERR_API_BLOCKED,
	GW_ERR_MISSING_CREDENTIALS,
	GW_ERR_INVALID_CREDENTIALS,
	GW_ERR_EXPIRED_CREDENTIALS,
	GW_ERR_TEST_KEY_ONLY,
	GW_ERR_TOKEN_KIND,
	GW_ERR_SUBSCRIPTION_BLOCKED,
	GW_ERR_NOT_SUBSCRIBED,
	GW_ERR_SUBSCRIPTION_INACTIVE,
	GW_ERR_SCOPE,
	GW_ERR_NO_ENDPOINT,
	GW_ERR_BUSY,
	GW_ERR_UPSTREAM,
	GW_ERR_UPSTREAM_TIMEOUT,
	GW_ERR_UPSTREAM_FULL,
	GW_ERR_COUNT
};

struct gw_error_row {
	unsigned status;
	int code;               /**< As a number, for GH_ATTR_ERROR_CODE. */
	struct gh_str body;     /**< JSON: code (a string), message, description. */
	const char *label;      /**< Of the metric. */
	/** WWW-Authenticate (RFC 9110, 11.6.1; RFC 6750, 3); n = 0: none. */
	struct gh_str challenge;
};

/** @return STATIC, NULL for GW_OK and what is out of range. */
const struct gw_error_row *gw_error_row(enum gw_error error);
/** The row for a documented number of upstream.h. */
enum gw_error gw_error_of_upstream(int error_code);

/** Register the counters.  MAIN, in open(). */
void gw_error_metrics(struct gh_inst *inst, struct gh_metric *ret_metrics[GW_ERR_COUNT]);

/** Set the reply, GH_ATTR_ERROR_CODE and the challenge; count.  WORKER.
 *  @return GH_STOP; GH_FAIL when out of memory. */
enum gh_verdict gw_refuse(struct gh_txn *txn, enum gw_error error);

#endif
