/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.h
 * @brief JSON from strangers: parse it within limits, take members by type, write it out.
 *
 * A thin layer over jansson, whose own functions remain in use; what is added here starts with js_.
 * Refused beyond what RFC 8259 forbids: the same name twice in an object, NUL in a string, texts
 * that are too long or nested too deep.  Texts are UTF-8.
 */
#ifndef LIB_JSON_JSON_H
#define LIB_JSON_JSON_H
#include <gatehouse/base.h>
#include <jansson.h>

#define JS_BYTES_MAX (8u << 20) /**< Default limit of js_parse(). */
#define JS_DEPTH_MAX 64         /**< Default limit, and what lib/doc can keep. */

struct js_limits {
	size_t max_bytes;
	unsigned max_depth; /**< Arrays and objects inside each other; a scalar has 0. */
};

/** Parse one JSON text of any type.
 *  @param limits  NULL: the defaults.
 *  @param[out] ret_json  a new reference.
 *  @param[out] error  on failure only: "line 3, column 14: why"; 160 bytes are enough.
 *  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int js_parse(struct gh_str text, const struct js_limits *limits, json_t **ret_json, char *error,
	size_t error_size);

/* ---- Members of an object; absent, null and of another type are the same --------------------- */

/** The string, BORROWed from the object; p = NULL: none. */
struct gh_str js_str(const json_t *object, const char *name);
struct gh_str js_str_or(const json_t *object, const char *name, struct gh_str otherwise);
int64_t js_int(const json_t *object, const char *name, int64_t otherwise);
bool js_bool(const json_t *object, const char *name, bool otherwise);
/** BORROW; NULL: none. */
json_t *js_array(const json_t *object, const char *name);
json_t *js_object(const json_t *object, const char *name);
/** Is the member there, and not null? */
bool js_has(const json_t *object, const char *name);

/** An integer within bounds; numbers written as strings ("3600") count too, as clients send them.
 *  @return 0; GH_ENOENT: absent or null; GH_EINVAL: no integer, or outside. */
int js_int_in(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret_value);

/* ---- Values ---------------------------------------------------------------------------------- */

/** Text of a string value; p = NULL for anything else.  BORROW. */
struct gh_str js_text(const json_t *value);
/** A new string.  Bytes that are no UTF-8 become '?', so that only memory can be missing (NULL). */
json_t *js_string(struct gh_str text);
/** Set a member to a string.  @return 0 or GH_ENOMEM. */
int js_set_str(json_t *object, const char *name, struct gh_str text);
/** Set a member and GIVE the value; NULL (an allocation that failed) is an error.
 *  @return 0 or GH_ENOMEM. */
int js_set(json_t *object, const char *name, json_t *value);

/** Compact text, members in the order in which they were set.
 *  @param[out] ret_text  malloc()ed and NUL-terminated: free((void *)ret_text->p).
 *  @return 0, GH_ENOMEM. */
int js_dump(const json_t *json, struct gh_str *ret_text);

#endif
