/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file txn_access.c
 * @brief From a finished transaction to a line of the access log.
 */
#include "kernel/log.h"
#include "kernel/txn.h"

void
krn_access_of_txn(struct gh_txn *txn)
{
	if (!krn_access_is_on())
		return;
	uint64_t took_us = (gh_mono_ns() - txn->start_ns) / 1000;
	struct access_entry a = {
		.id = gh_txn_attr(txn, GH_ATTR_ID),
		.listener = gh_txn_attr(txn, GH_ATTR_LISTENER),
		.peer = gh_txn_attr(txn, GH_ATTR_PEER),
		.user = gh_txn_attr(txn, GH_ATTR_USER),
		.method = gh_txn_attr(txn, GH_ATTR_METHOD),
		.target = gh_txn_attr(txn, GH_ATTR_TARGET),
		.api = gh_txn_attr(txn, GH_ATTR_API_NAME),
		.version = gh_txn_attr(txn, GH_ATTR_API_VERSION),
		.application = gh_txn_attr(txn, GH_ATTR_APPLICATION_NAME),
		.minor = txn->minor,
		.status = txn->resp.status,
		.error_code = gh_txn_attr_int(txn, GH_ATTR_ERROR_CODE, 0),
		.bytes = txn->bytes_sent,
		.duration_us = took_us,
		.upstream_us = gh_txn_attr_int(txn, GH_ATTR_UPSTREAM_US, -1),
		.referer = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Referer")),
		.agent = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("User-Agent")),
		.time_us = gh_now_us() - took_us,
	};

	krn_access_log(&a);
}
