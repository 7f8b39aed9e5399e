/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lifecycle_table.c
 * @brief States, events and checks by their names.
 */
#include "plugins/publisher/lifecycle.h"

const struct lifecycle_row lifecycle_rows[] = {
	{ "CREATED", "Publish", "PUBLISHED" },
	{ "CREATED", "Deploy as a Prototype", "PROTOTYPED" },
	{ "PROTOTYPED", "Publish", "PUBLISHED" },
	{ "PROTOTYPED", "Demote to Created", "CREATED" },
	{ "PROTOTYPED", "Deploy as a Prototype", "PROTOTYPED" },
	{ "PUBLISHED", "Block", "BLOCKED" },
	{ "PUBLISHED", "Deprecate", "DEPRECATED" },
	{ "PUBLISHED", "Deploy as a Prototype", "PROTOTYPED" },
	{ "PUBLISHED", "Demote to Created", "CREATED" },
	{ "PUBLISHED", "Publish", "PUBLISHED" },
	{ "BLOCKED", "Deprecate", "DEPRECATED" },
	{ "BLOCKED", "Re-Publish", "PUBLISHED" },
	{ "DEPRECATED", "Retire", "RETIRED" },
	{ .event = NULL },
};

static const struct {
	const char *state, *label;
} labels[] = {
	{ "CREATED", "Created" }, { "PROTOTYPED", "Prototyped" }, { "PUBLISHED", "Published" },
	{ "BLOCKED", "Blocked" }, { "DEPRECATED", "Deprecated" }, { "RETIRED", "Retired" },
};

const char *const lifecycle_checks[LIFECYCLE_CHECK_COUNT] = {
	[LIFECYCLE_DEPRECATE_OLD] = "Deprecate old versions after publishing the API",
	[LIFECYCLE_RESUBSCRIBE] = "Requires re-subscription when publishing the API",
};

const struct lifecycle_row *
lifecycle_find(struct gh_str state, struct gh_str event)
{
	for (const struct lifecycle_row *row = lifecycle_rows; row->event != NULL; row++)
		if (gh_str_eq(state, gh_str_of(row->from)) &&
			gh_str_eq(event, gh_str_of(row->event)))
			return row;
	return NULL;
}

const char *
lifecycle_label(const char *state)
{
	return lifecycle_label_of(gh_str_of(state));
}

const char *
lifecycle_label_of(struct gh_str state)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (gh_str_eq(state, gh_str_of(labels[i].state)))
			return labels[i].label;
	return "Unknown";
}

bool
lifecycle_has_checklist(struct gh_str state)
{
	return gh_str_eq(state, GH_STR("CREATED")) || gh_str_eq(state, GH_STR("PROTOTYPED"));
}

bool
lifecycle_is_checked(struct gh_str checklist, enum lifecycle_check check, bool otherwise)
{
	struct gh_str name = gh_str_of(lifecycle_checks[check]);

	for (size_t i = 0; i < checklist.n; i++) {
		while (i < checklist.n && checklist.p[i] == ' ')
			i++;
		size_t start = i;

		while (i < checklist.n && checklist.p[i] != ',')
			i++;
		struct gh_str item = { checklist.p + start, i - start };

		if (item.n <= name.n || item.p[name.n] != ':' ||
		    !gh_str_eq((struct gh_str){ item.p, name.n }, name))
			continue;
		return gh_str_eq_nocase((struct gh_str){ item.p + name.n + 1,
			item.n - name.n - 1 }, GH_STR("true"));
	}
	return otherwise;
}
