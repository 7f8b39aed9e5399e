/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml_json.h
 * @brief From a YAML tree to jansson's values, for documents that may come as either (OpenAPI).
 */
#ifndef LIB_YAML_YAML_JSON_H
#define LIB_YAML_YAML_JSON_H
#include <jansson.h>

#include "lib/yaml/yaml.h"

/** Convert; types follow the core schema.  Whole numbers beyond 64 bits become reals.
 *  @param node  NULL (an empty document): null.
 *  @param[out] ret_json  a new reference.  @param[out] error  "line N: why".
 *  @return 0, GH_EINVAL (.nan or .inf, which JSON does not have; a key with a NUL), GH_ENOMEM. */
int yaml_to_json(const struct yaml_node *node, json_t **ret_json, char *error, size_t error_size);

#endif
