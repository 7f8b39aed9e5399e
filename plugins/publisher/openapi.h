/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file openapi.h
 * @brief OpenAPI 3.0 and 3.1 definitions: check one, take operations from it, write them back.
 *
 * Knows neither requests nor documents.  "Operations", "scopes" and "DTO" are what REST shows
 * (objects with target, verb, authType ...).  Every function is ANY.
 */
#ifndef PUBLISHER_OPENAPI_H
#define PUBLISHER_OPENAPI_H
#include <gatehouse/base.h>
#include <jansson.h>

#define OPENAPI_OPERATIONS_MAX 5000
#define OPENAPI_ERROR_SIZE 320

/** Is it a path template: starts with '/', parameters whole and named, no query, nothing odd?
 *  @param[out] ret_why  on failure: STATIC, "must start with '/'". */
bool openapi_is_path(struct gh_str path, const char **ret_why);
/** The verbs that operations may have ("GET"); NULL-ended. */
extern const char *const openapi_verbs[];
/** The verb of a path item's field: "GET" for "get"; NULL: it is no operation. */
const char *openapi_verb_of(const char *field);
/** The field of a verb: "get" for "GET"; NULL: there is no such verb. */
const char *openapi_field_of(const char *verb);

/** Parse a text as JSON when it begins with a brace, else as YAML.
 *  @param[out] ret_json  a new reference.  @return as openapi_parse(). */
int openapi_parse_text(struct gh_str text, json_t **ret_json, char *error);
/** Parse and check a definition, JSON or YAML.
 *  @param[out] ret_definition  a new reference.
 *  @param[out] error  on failure: a sentence; OPENAPI_ERROR_SIZE bytes.
 *  @return 0; GH_EINVAL, GH_ETOOBIG: see @p error; GH_ENOMEM. */
int openapi_parse(struct gh_str text, json_t **ret_definition, char *error);

/** The operations of a checked definition, with x-auth-type, x-throttling-tier and required scopes.
 *  @param[out] ret_operations  a new array, in the order of the definition.
 *  @return as openapi_parse(). */
int openapi_operations(const json_t *definition, json_t **ret_operations, char *error);
/** The scopes that its OAuth 2 security schemes declare, with their roles (x-scopes-bindings).
 *  @param[out] ret_scopes  a new array of {"scope": {...}, "shared": false}. */
int openapi_scopes(const json_t *definition, json_t **ret_scopes);
/** URL of the first server that is absolute http or https, with the defaults of its variables.
 *  @return false: there is none (or it does not fit). */
bool openapi_server(const json_t *definition, char *ret_url, size_t size);

/** Make a definition agree with a DTO: title, version, exactly the DTO's operations, their vendor
 *  fields and scopes.  Everything else in it stays.
 *  @param definition  checked, or an empty object.  @param dto  checked.  @return 0, GH_ENOMEM. */
int openapi_sync(json_t *definition, const json_t *dto);

#endif
