/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file query.h
 * @brief Search conditions of the REST API: `name:"Books" version:1 shop`.
 *
 * Conditions are separated by blanks and must all hold.  `attribute:value` means "contains",
 * without regard to case; `attribute:"value"` means "is"; a value alone is looked for in names.
 */
#ifndef PUBLISHER_QUERY_H
#define PUBLISHER_QUERY_H
#include <gatehouse/base.h>

#define QUERY_TERMS_MAX 16

enum query_attribute {
	QUERY_NAME, QUERY_VERSION, QUERY_CONTEXT, QUERY_PROVIDER, QUERY_STATUS, QUERY_TYPE,
	QUERY_DESCRIPTION, QUERY_TAGS,
};

struct query_term {
	enum query_attribute attribute;
	struct gh_str value; /**< Points into the text; without quotes and '*'s around it. */
	bool is_exact;       /**< It was quoted. */
};

struct query {
	size_t n;
	struct query_term terms[QUERY_TERMS_MAX];
};

/** @param[out] ret_why  on failure: STATIC sentence.  @return 0, GH_EINVAL, GH_ETOOBIG. */
int query_parse(struct gh_str text, struct query *ret_query, const char **ret_why);
/** The exact value that the query wants for an attribute; p = NULL: none. */
struct gh_str query_exact(const struct query *query, enum query_attribute attribute);
/** Does @p text satisfy the term?  Status and type are always compared whole. */
bool query_holds(const struct query_term *term, struct gh_str text);

#endif
