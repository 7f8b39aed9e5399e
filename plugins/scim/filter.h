/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file filter.h
 * @brief Filters of SCIM (RFC 7644, 3.4.2.2): parse one, ask whether a resource matches.
 *
 * All of the grammar: eq ne co sw ew pr gt ge lt le, and, or, not, parentheses and
 * emails[type eq "x"].  Names of attributes have no case; values have one only where the schema says
 * so.  No state; ANY.
 */
#ifndef SCIM_FILTER_H
#define SCIM_FILTER_H
#include <gatehouse/base.h>
#include <jansson.h>

#define FILTER_BYTES_MAX 1024
#define FILTER_NODES_MAX 64  /**< Comparisons and operators in one filter. */
#define FILTER_DEPTH_MAX 16  /**< Parentheses inside each other. */

struct filter;

/** @param[out] ret_filter  GIVE: filter_free().  @param[out] ret_why  on GH_EINVAL and GH_ETOOBIG:
 *  STATIC.  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int filter_parse(struct gh_str text, struct filter **ret_filter, const char **ret_why);
/** NULL is allowed. */
void filter_free(struct filter *filter);
bool filter_matches(const struct filter *filter, const json_t *resource);
/** Is it nothing but: @p attribute eq "value"?  @param[out] ret_value  BORROW. */
bool filter_is_equal(const struct filter *filter, const char *attribute, struct gh_str *ret_value);

/** An attribute as a filter or a PATCH names it: "name.givenName", with or without its schema. */
struct filter_path {
	struct gh_str name, sub; /**< sub.n = 0: none. */
};
/** Take one from the front of @p rest.  @return false: there is none. */
bool filter_take_path(struct gh_str *rest, struct filter_path *ret_path);
/** A PATCH path: attribute, filter in brackets or NULL, attribute in what it matches.
 *  @param[out] ret_filter  as filter_parse(). */
int filter_parse_target(struct gh_str text, struct filter_path *ret_path,
	struct filter **ret_filter, const char **ret_why);

/** Member of an object, whatever the case of its name.  BORROW; NULL: none. */
json_t *filter_member(const json_t *object, struct gh_str name);

#endif
