/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/plan.h
 * @brief Plans: which hooks run for a transaction, and how.
 *
 * The manifest makes the node's plan.  A router makes one per operation and sets it with
 * gh_txn_set_plan() in ROUTE; the two are merged by phase, then class, then the node's first.
 */
#ifndef GATEHOUSE_PLAN_H
#define GATEHOUSE_PLAN_H
#include <gatehouse/plugin.h>

/** What happens when a hook returns GH_FAIL. */
enum gh_on_error {
	GH_ON_ERROR_DEFAULT, /**< Deny in AUTHENTICATE, AUTHORIZE and LIMIT, otherwise allow. */
	GH_ON_ERROR_DENY,    /**< Answer 500. */
	GH_ON_ERROR_ALLOW,   /**< As GH_NEXT. */
};

/** One policy on one operation: all hooks of a manifest entry, with options of its own. */
struct gh_attachment {
	struct gh_str label;   /**< The manifest entry that provides code and process block. */
	struct gh_str options; /**< JSON object in the terms of its option table; n = 0: defaults. */
	bool dry_run;          /**< Run it, but let nothing it decides take effect. */
	bool bypass;           /**< Leave it out. */
	enum gh_on_error on_error; /**< GH_ON_ERROR_DEFAULT: as the manifest entry says. */
};

/** Compile.  MAIN or POOL; start() of each plugin runs on this thread, stop() where the last reference is
 *  dropped.  @param attachments  BORROW, at most 64.
 *  @param[out] error  at least 256 bytes: which attachment, which option, why.
 *  @return 0; GH_ENOENT (no such entry), GH_EINVAL (options), GH_ENOMEM: nothing was made. */
GH_API int gh_plan_new(struct gh_inst *inst, const struct gh_attachment *attachments, size_t n,
	char *error, size_t error_size, struct gh_plan **ret_plan);
/** One reference more.  ANY. */
GH_API struct gh_plan *gh_plan_ref(struct gh_plan *plan);
/** One less; the last frees it.  ANY.  NULL is allowed. */
GH_API void gh_plan_unref(struct gh_plan *plan);

#endif
