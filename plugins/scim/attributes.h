/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attributes.h
 * @brief Attributes of users and groups as a table (RFC 7643, 7): check what clients send, apply a
 * PATCH, leave out what a client does not want to see.
 *
 * Pure functions on JSON; ANY.
 */
#ifndef SCIM_ATTRIBUTES_H
#define SCIM_ATTRIBUTES_H
#include <gatehouse/base.h>
#include <jansson.h>

#define ATTRIBUTES_ITEMS_MAX 20       /**< Values of a list that is no list of members. */
#define ATTRIBUTES_MEMBERS_MAX 10000
#define ATTRIBUTES_OPERATIONS_MAX 1000 /**< Of one PATCH. */

#define SCIM_URN_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCIM_URN_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"

enum attribute_type { ATTRIBUTE_END, ATTRIBUTE_STRING, ATTRIBUTE_BOOLEAN, ATTRIBUTE_COMPLEX };
enum mutability { READ_WRITE, READ_ONLY, IMMUTABLE, WRITE_ONLY };

struct attribute {
	const char *name;
	enum attribute_type type;
	enum mutability mutability;
	bool is_list, is_required, is_exact, is_unique;
	size_t max;                   /**< Bytes of a string, items of a list. */
	const struct attribute *subs; /**< Of COMPLEX; ended by ATTRIBUTE_END. */
	const char *description;
};

extern const struct attribute user_attributes[], group_attributes[];

/** Why a resource, a path or an operation is refused. */
struct scim_error {
	const char *type;  /**< scimType (RFC 7644, 3.12). */
	char detail[240];
};

/** The attributes that the table has and clients may write, under their own names; what it does
 *  not have and what is read-only is left out.
 *  @param[out] ret_json  a new reference.  @return 0, GH_EINVAL with @p ret_error, GH_ENOMEM. */
int attributes_read(const struct attribute *table, json_t *given, json_t **ret_json,
	struct scim_error *ret_error);
/** Apply the operations of a PATCH (RFC 7644, 3.5.2) to a resource, which a failure leaves in a
 *  state of no use.  @param resource  as clients see it.
 *  @return as attributes_read(). */
int attributes_patch(const struct attribute *table, json_t *resource, const json_t *operations,
	struct scim_error *ret_error);
/** Leave out what the query parameters say (RFC 7644, 3.9).
 *  @param wanted, unwanted  separated by commas; n = 0: not given. */
int attributes_project(json_t *resource, struct gh_str wanted, struct gh_str unwanted);
/** Would attributes_project() keep the attribute? */
bool attributes_is_wanted(const char *name, struct gh_str wanted, struct gh_str unwanted);
/** The table as a list of definitions.  @return a new reference; NULL: out of memory. */
json_t *attributes_describe(const struct attribute *table);

#endif
