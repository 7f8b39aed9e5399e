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

#define STATES (sizeof(labels) / sizeof(labels[0]))

static size_t
index_of(struct gh_str state)
{
	size_t i = 0;

	while (i < STATES && !gh_str_eq(state, gh_str_of(labels[i].state)))
		i++;
	return i;
}

bool
lifecycle_is_state(struct gh_str state)
{
	return index_of(state) < STATES;
}

const struct lifecycle_row *
lifecycle_step(struct gh_str from, struct gh_str to)
{
	size_t distance[STATES + 1]; /* to the end; the last one is of what is no state */
	const struct lifecycle_row *best = NULL;
	size_t best_distance = STATES;

	for (size_t i = 0; i <= STATES; i++)
		distance[i] = STATES;
	if (!lifecycle_is_state(to) || gh_str_eq(from, to))
		return NULL;
	distance[index_of(to)] = 0;
	for (size_t pass = 0; pass < STATES; pass++) {
		for (const struct lifecycle_row *row = lifecycle_rows; row->event != NULL; row++) {
			size_t *at = &distance[index_of(gh_str_of(row->from))];
			size_t next = distance[index_of(gh_str_of(row->to))];

			if (next + 1 < *at)
				*at = next + 1;
		}
	}
	for (const struct lifecycle_row *row = lifecycle_rows; row->event != NULL; row++) {
		size_t d = distance[index_of(gh_str_of(row->to))];

		if (gh_str_eq(from, gh_str_of(row->from)) && d < best_distance) {
			best = row;
			best_distance = d;
		}
	}
	return best;
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
