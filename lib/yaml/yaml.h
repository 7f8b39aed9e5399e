/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yaml.h
 * @brief YAML 1.2 (core schema) and so also JSON text, as a tree that knows its lines.
 *
 * On libyaml's events.  Refused: duplicate keys, keys that are no scalars, more than one document,
 * anchors that grow the tree beyond the limits, tags other than the core ones.  "no" and "on" are
 * strings, as YAML 1.2 says; "<<" is a key like any other.  Of JSON, text that needs \u escapes
 * beyond U+FFFF must be written as UTF-8.  An alias shares the nodes of its anchor, which count
 * each time.
 */
#ifndef LIB_YAML_YAML_H
#define LIB_YAML_YAML_H
#include <gatehouse/base.h>

enum yaml_kind { YAML_SCALAR_NODE_KIND, YAML_SEQUENCE_NODE_KIND, YAML_MAPPING_NODE_KIND };

struct yaml_node {
	enum yaml_kind kind;
	unsigned line;               /**< From 1. */
	/* Scalars */
	struct gh_str text;
	bool is_plain;               /**< Not quoted: its type follows from the text. */
	/* Sequences: items; mappings: keys[i] -> items[i]. */
	size_t n;
	struct yaml_node **items;
	struct gh_str *keys;
	unsigned *key_lines;
};

struct yaml_doc; /**< Owns the tree; its memory is wiped when freed, as it may hold secrets. */

struct yaml_limits {
	size_t max_bytes, max_nodes;
	unsigned max_depth;
};

/** Replaces text of a scalar, keys too, before its type is decided (environment variables).
 *  @param[out] ret_text  malloc()ed, or p = NULL to keep.
 *  @return 0, or an error with a sentence. */
typedef int yaml_expand_fn(void *arg, struct gh_str text, unsigned line, struct gh_str *ret_text,
	char *error, size_t error_size);

/** @param limits  NULL: 8 MiB, 1,000,000 nodes, 64 deep; never deeper than 1,000.
 *  @param expand  may be NULL.  @param[out] error  "line N: why".
 *  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM, or what expand returned. */
int yaml_parse(struct gh_str text, const struct yaml_limits *limits, yaml_expand_fn *expand,
	void *arg, struct yaml_doc **ret_doc, char *error, size_t error_size);
/** @return the root, or NULL for an empty document. */
const struct yaml_node *yaml_root(const struct yaml_doc *doc);
/** Not yaml_free(): libyaml has a function of that name, and would call ours. */
void yaml_doc_free(struct yaml_doc *doc);
/** Value of a key of a mapping; NULL: none, or no mapping. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, struct gh_str key);
/** Zeroed memory, aligned for any type, that lives as long as @p doc.
 *  @return NULL: out of memory. */
void *yaml_alloc(struct yaml_doc *doc, size_t bytes);
/** A mapping with only those keys of @p mapping that are (@p keep) or are not among @p keys.
 *  @param keys  ended by NULL.  @return lives as long as @p doc; NULL: out of memory. */
const struct yaml_node *yaml_pick(struct yaml_doc *doc, const struct yaml_node *mapping,
	const char *const *keys, bool keep);

/** Type of a scalar by the core schema; lists and mappings count as YAML_TYPE_STR. */
enum yaml_type { YAML_TYPE_NULL, YAML_TYPE_BOOL, YAML_TYPE_INT, YAML_TYPE_FLOAT, YAML_TYPE_STR };
enum yaml_type yaml_type_of(const struct yaml_node *scalar);

#endif
