/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lifecycle.h
 * @brief The lifecycle as a table, apart from requests and documents.
 *
 * Documents hold states in capitals ("PUBLISHED"); people read labels ("Published").
 */
#ifndef PUBLISHER_LIFECYCLE_H
#define PUBLISHER_LIFECYCLE_H
#include <gatehouse/base.h>

struct lifecycle_row {
	const char *from;
	const char *event; /**< As the clients write it; NULL ends the table. */
	const char *to;
};
extern const struct lifecycle_row lifecycle_rows[];

/** The row for an event in a state; NULL: not possible. */
const struct lifecycle_row *lifecycle_find(struct gh_str state, struct gh_str event);
/** The first row of the shortest way from a state to another one; NULL: there is no way, or it is the
 *  same state. */
const struct lifecycle_row *lifecycle_step(struct gh_str from, struct gh_str to);
/** Is it the name of a state? */
bool lifecycle_is_state(struct gh_str state);
/** "Published" for "PUBLISHED". */
const char *lifecycle_label(const char *state);
const char *lifecycle_label_of(struct gh_str state);

/** What can be asked for when an API is published. */
enum lifecycle_check { LIFECYCLE_DEPRECATE_OLD, LIFECYCLE_RESUBSCRIBE, LIFECYCLE_CHECK_COUNT };
extern const char *const lifecycle_checks[LIFECYCLE_CHECK_COUNT];
/** Is there a checklist in this state? */
bool lifecycle_has_checklist(struct gh_str state);
/** What "Name:true,Other name:false" says about a check; @p otherwise when it does not name it. */
bool lifecycle_is_checked(struct gh_str checklist, enum lifecycle_check check, bool otherwise);

#endif
