/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml_write.h
 * @brief From jansson's values to YAML as people write it: block style, members in their order.
 */
#ifndef LIB_YAML_YAML_WRITE_H
#define LIB_YAML_YAML_WRITE_H
#include <gatehouse/base.h>
#include <jansson.h>

/** Write one document.  yaml_parse() and yaml_to_json() give the same value again, and so do readers
 *  of YAML 1.1: a string that they could take for something else ("no", "1.0", "2001-01-01") is
 *  quoted.  The same value makes the same bytes.
 *  @param[out] ret_text  malloc()ed and NUL-terminated: free((void *)ret_text->p).
 *  @return 0; GH_ETOOBIG: nested deeper than 1,000; GH_ENOMEM. */
int yaml_write(const json_t *json, struct gh_str *ret_text);

#endif
