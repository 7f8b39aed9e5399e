/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file doc.h
 * @brief Bodies of documents (msgpack maps): read them in place, write them, change a field.
 *
 * Reading allocates nothing: a body is walked, and what is found points into it, so it lives as
 * long as the body.  Every function checks all bounds itself and is safe on hostile bytes; a body
 * that is damaged reads as if the field were not there.  doc_check() tells damage from absence, and
 * the store has done it before it took a body.  When a name stands twice, the first one counts.
 *
 *   struct gh_str name = doc_str(body, "name");              n = 0 when there is none
 *   struct doc_iter it = doc_iter(doc_array(body, "scopes"));
 *   struct doc_value v;
 *   while (doc_next(&it, NULL, &v))
 *           use(v.s);
 *
 * Writing collects errors and tells them once, at the end:
 *
 *   struct doc_writer w;
 *   doc_writer_init(&w);
 *   doc_put_str(&w, "name", name);
 *   doc_begin_array(&w, "scopes");
 *   doc_put_str(&w, NULL, scope);                            items of an array have no name
 *   doc_end(&w);
 *   r = doc_finish(&w, &body);                               free((void *)body.p) later
 *
 * Strings are taken as they are (UTF-8 is checked where JSON is made of them, doc_json.h).
 */
#ifndef LIB_DOC_DOC_H
#define LIB_DOC_DOC_H
#include <gatehouse/base.h>

#define DOC_DEPTH_MAX 64           /**< Maps and arrays inside each other, the body included. */
#define DOC_BODY_MAX (8u << 20)    /**< Largest body that is read or written. */

enum doc_type {
	DOC_NIL, DOC_BOOL, DOC_INT,
	DOC_UINT,  /**< An integer above INT64_MAX; smaller ones are DOC_INT. */
	DOC_FLOAT, DOC_STR, DOC_BIN, DOC_ARRAY, DOC_MAP,
};

/** One value; which member counts follows from the type. */
struct doc_value {
	enum doc_type type;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		/** DOC_STR, DOC_BIN: the bytes.  DOC_ARRAY, DOC_MAP: its encoding, which doc_iter()
		 *  and, for a map, every reader below accept. */
		struct gh_str s;
	};
};

#define DOC_OF_STR(str) (&(const struct doc_value){ .type = DOC_STR, .s = (str) })
#define DOC_OF_INT(integer) (&(const struct doc_value){ .type = DOC_INT, .i = (integer) })
#define DOC_OF_BOOL(boolean) (&(const struct doc_value){ .type = DOC_BOOL, .b = (boolean) })

/* ---- Reading --------------------------------------------------------------------------------- */

/** Is @p body exactly one map, whole and not nested too deep?  Extension types and names that are
 *  no strings are refused.  @return 0; GH_EINVAL; GH_ETOOBIG (DOC_BODY_MAX, DOC_DEPTH_MAX). */
int doc_check(struct gh_str body);

/** Value of a field of @p map.  @return 0; GH_ENOENT: no such field (or @p map is damaged). */
int doc_find(struct gh_str map, struct gh_str name, struct doc_value *ret_value);

bool doc_has(struct gh_str map, const char *name);
/** The string; GH_STR_NONE: absent or of another type (as for the next three). */
struct gh_str doc_str(struct gh_str map, const char *name);
struct gh_str doc_bin(struct gh_str map, const char *name);
/** A nested map: a body of its own for every function here. */
struct gh_str doc_map(struct gh_str map, const char *name);
/** A nested array, for doc_iter(). */
struct gh_str doc_array(struct gh_str map, const char *name);
/** The integer, or @p otherwise when absent, of another type or above INT64_MAX. */
int64_t doc_int(struct gh_str map, const char *name, int64_t otherwise);
bool doc_bool(struct gh_str map, const char *name, bool otherwise);
/** A float, or an integer as one. */
double doc_float(struct gh_str map, const char *name, double otherwise);

/** Place in an array or map.  Copies are independent. */
struct doc_iter {
	struct gh_str rest; /**< What follows, encoded. */
	uint32_t left;      /**< Items or pairs in it. */
	bool is_map;
};

/** Iterate over the encoding of an array or map; anything else: nothing comes. */
struct doc_iter doc_iter(struct gh_str container);
/** @param[out] ret_name  name of the field in a map; may be NULL.
 *  @return false: the end, or damage. */
bool doc_next(struct doc_iter *it, struct gh_str *ret_name, struct doc_value *ret_value);
/** How many items or pairs a container says it has; 0 for anything else. */
uint32_t doc_count(struct gh_str container);

/* ---- Writing --------------------------------------------------------------------------------- */

/** A map being written.  One thread at a time. */
struct doc_writer {
	char *p;
	size_t n, capacity;
	int error;              /**< The first one; later calls do nothing. */
	unsigned depth;         /**< Open maps and arrays; the body is the first. */
	bool has_key;           /**< doc_put_key() was called; its value comes next. */
	struct {
		size_t at;      /**< Where its header stands. */
		uint32_t count;
		bool is_map;
	} open[DOC_DEPTH_MAX];
};

/** Start a body; end it with doc_finish() or doc_writer_done(). */
void doc_writer_init(struct doc_writer *w);
/** Throw away what was written; after doc_finish() it does nothing. */
void doc_writer_done(struct doc_writer *w);

/* In a map every value has a name; in an array, and after doc_put_key(), the name is NULL. */
void doc_put_nil(struct doc_writer *w, const char *name);
void doc_put_bool(struct doc_writer *w, const char *name, bool value);
void doc_put_int(struct doc_writer *w, const char *name, int64_t value);
void doc_put_float(struct doc_writer *w, const char *name, double value);
void doc_put_str(struct doc_writer *w, const char *name, struct gh_str value);
void doc_put_bin(struct doc_writer *w, const char *name, struct gh_str value);
/** Any value; an array or map is copied with all it contains. */
void doc_put_value(struct doc_writer *w, const char *name, const struct doc_value *value);
/** A nested map from a body of its own. */
void doc_put_map(struct doc_writer *w, const char *name, struct gh_str body);
/** Name of the next value, for names that are not C strings. */
void doc_put_key(struct doc_writer *w, struct gh_str name);
void doc_begin_map(struct doc_writer *w, const char *name);
void doc_begin_array(struct doc_writer *w, const char *name);
/** End the innermost map or array. */
void doc_end(struct doc_writer *w);

/** The body.  The writer is empty afterwards, on success and on failure alike.
 *  @param[out] ret_body  malloc()ed: free((void *)ret_body->p).
 *  @return 0; GH_ENOMEM; GH_ETOOBIG (DOC_BODY_MAX, DOC_DEPTH_MAX); GH_EINVAL: a name too many or
 *  too few, something left open, or a damaged value was put. */
int doc_finish(struct doc_writer *w, struct gh_str *ret_body);

/* ---- Changing -------------------------------------------------------------------------------- */

/** Copy of @p body in which the field @p name has @p value; NULL: without that field.  All other
 *  fields, known or not, stay as they are and in their order.
 *  @param[out] ret_body  malloc()ed.  @return as doc_finish(). */
int doc_set(struct gh_str body, const char *name, const struct doc_value *value,
	struct gh_str *ret_body);
/** Copy of @p body with every field of the map @p changes put in; a field whose new value is nil is
 *  removed.  Nested maps are replaced, not merged. */
int doc_merge(struct gh_str body, struct gh_str changes, struct gh_str *ret_body);

#endif
