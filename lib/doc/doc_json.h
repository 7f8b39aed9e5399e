/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doc_json.h
 * @brief Documents to JSON and back (jansson), strictly: what JSON cannot say is refused.
 */
#ifndef LIB_DOC_DOC_JSON_H
#define LIB_DOC_DOC_JSON_H
#include <gatehouse/base.h>
#include <jansson.h>

#include "lib/doc/doc.h"

/** JSON of a value.  Refused: binary, strings that are no UTF-8, names with a NUL or that stand
 *  twice, integers above INT64_MAX, infinite floats, more than DOC_DEPTH_MAX levels.
 *  @param[out] ret_json  a new reference.  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int doc_to_json(const struct doc_value *value, json_t **ret_json);
/** The same for a body or a nested map. */
int doc_map_to_json(struct gh_str map, json_t **ret_json);

/** A body from a JSON object.
 *  @param[out] ret_body  malloc()ed.  @return 0, GH_EINVAL (no object), GH_ETOOBIG, GH_ENOMEM. */
int doc_from_json(const json_t *json, struct gh_str *ret_body);
/** Put any JSON value into a body being written; errors show at doc_finish(). */
void doc_put_json(struct doc_writer *w, const char *name, const json_t *json);

#endif
