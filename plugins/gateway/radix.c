/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file radix.c
 * @brief The radix tree: nodes with a piece of the key, edges sorted by their first byte.
 */
#include "plugins/gateway/radix.h"

#include <stdlib.h>

struct edge {
	struct gw_radix *node;
	unsigned char byte; /* the first one of node->piece */
};

struct gw_radix {
	unsigned refs;
	unsigned edge_count;
	struct edge *edges;
	struct gw_object *value; /* NULL: no key ends here */
	size_t piece_n;
	char piece[];
};

static struct gw_radix *
node_new(struct gh_str piece, struct gw_object *value)
{
	struct gw_radix *node = calloc(1, sizeof(*node) + piece.n);

	if (node == NULL)
		return NULL;
	node->refs = 1;
	node->piece_n = piece.n;
	if (piece.n > 0)
		memcpy(node->piece, piece.p, piece.n);
	if ((node->value = value) != NULL)
		gw_object_ref(value);
	return node;
}

struct gw_radix *
gw_radix_ref(struct gw_radix *tree)
{
	if (tree != NULL)
		tree->refs++;
	return tree;
}

/* Depth is bounded by the length of a key, which the caller bounds. */
void
gw_radix_unref(struct gw_radix *tree)
{
	if (tree == NULL || --tree->refs > 0)
		return;
	for (unsigned i = 0; i < tree->edge_count; i++)
		gw_radix_unref(tree->edges[i].node);
	gw_object_unref(tree->value);
	free(tree->edges);
	free(tree);
}

/* Index of the edge with that byte, or of the first one behind it. */
static unsigned
edge_place(const struct gw_radix *node, unsigned char byte)
{
	unsigned low = 0, high = node->edge_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (node->edges[middle].byte < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct edge *
edge_find(const struct gw_radix *node, unsigned char byte)
{
	unsigned i = edge_place(node, byte);

	return i < node->edge_count && node->edges[i].byte == byte ? &node->edges[i] : NULL;
}

/* @p child: its reference moves to @p node on success. */
static int
edge_add(struct gw_radix *node, struct gw_radix *child)
{
	unsigned char byte = (unsigned char)child->piece[0];
	unsigned i = edge_place(node, byte);
	struct edge *edges = realloc(node->edges, (node->edge_count + 1) * sizeof(*edges));

	if (edges == NULL)
		return GH_ENOMEM;
	memmove(edges + i + 1, edges + i, (node->edge_count - i) * sizeof(*edges));
	edges[i] = (struct edge){ child, byte };
	node->edges = edges;
	node->edge_count++;
	return 0;
}

static void
edge_remove(struct gw_radix *node, unsigned char byte)
{
	unsigned i = edge_place(node, byte);

	gw_radix_unref(node->edges[i].node);
	node->edge_count--;
	memmove(node->edges + i, node->edges + i + 1, (node->edge_count - i) * sizeof(struct edge));
}

/* A node like @p old, whose piece has @p head in front and lacks the first @p cut bytes. */
static struct gw_radix *
node_copy(const struct gw_radix *old, struct gh_str head, size_t cut)
{
	size_t n = old->piece_n - cut;
	struct gw_radix *node = calloc(1, sizeof(*node) + head.n + n);

	if (node == NULL)
		return NULL;
	if (old->edge_count > 0) {
		node->edges = malloc(old->edge_count * sizeof(struct edge));
		if (node->edges == NULL) {
			free(node);
			return NULL;
		}
	}
	node->refs = 1;
	node->piece_n = head.n + n;
	if (head.n > 0)
		memcpy(node->piece, head.p, head.n);
	memcpy(node->piece + head.n, old->piece + cut, n);
	node->edge_count = old->edge_count;
	for (unsigned i = 0; i < old->edge_count; i++) {
		node->edges[i] = old->edges[i];
		node->edges[i].node->refs++;
	}
	if ((node->value = old->value) != NULL)
		gw_object_ref(node->value);
	return node;
}

/* Make *at ours alone; its parent is already. */
static int
own(struct gw_radix **at)
{
	struct gw_radix *node;

	if ((*at)->refs == 1)
		return 0;
	node = node_copy(*at, GH_STR_NONE, 0);
	if (node == NULL)
		return GH_ENOMEM;
	gw_radix_unref(*at);
	*at = node;
	return 0;
}

static size_t
common_prefix(const struct gw_radix *node, struct gh_str key)
{
	size_t n = 0, most = key.n < node->piece_n ? key.n : node->piece_n;

	while (n < most && node->piece[n] == key.p[n])
		n++;
	return n;
}

/* Put a node with the first @p n bytes of its piece above *at. */
static int
split(struct gw_radix **at, size_t n)
{
	struct gw_radix *upper = node_new((struct gh_str){ (*at)->piece, n }, NULL);
	struct gw_radix *lower = node_copy(*at, GH_STR_NONE, n);

	if (upper == NULL || lower == NULL || edge_add(upper, lower) < 0) {
		gw_radix_unref(upper);
		gw_radix_unref(lower);
		return GH_ENOMEM;
	}
	gw_radix_unref(*at);
	*at = upper;
	return 0;
}

/* A new leaf below @p node. */
static int
add_leaf(struct gw_radix *node, struct gh_str key, struct gw_object *value)
{
	struct gw_radix *leaf = node_new(key, value);

	if (leaf == NULL)
		return GH_ENOMEM;
	if (edge_add(node, leaf) < 0) {
		gw_radix_unref(leaf);
		return GH_ENOMEM;
	}
	return 0;
}

int
gw_radix_put(struct gw_radix **at, struct gh_str key, struct gw_object *value)
{
	int r;

	if (*at == NULL && (*at = node_new(GH_STR_NONE, NULL)) == NULL)
		return GH_ENOMEM;
	for (;;) {
		if ((r = own(at)) < 0)
			return r;
		size_t n = common_prefix(*at, key);

		if (n < (*at)->piece_n && (r = split(at, n)) < 0)
			return r;
		key.p += n;
		key.n -= n;
		if (key.n == 0) {
			gw_object_ref(value);
			gw_object_unref((*at)->value);
			(*at)->value = value;
			return 0;
		}
		struct edge *edge = edge_find(*at, (unsigned char)key.p[0]);

		if (edge == NULL)
			return add_leaf(*at, key, value);
		at = &edge->node;
	}
}

/* A node without value and with one edge is joined with its child.  Nothing depends on it, so it is
 * left as it is when there is no memory. */
static void
join(struct gw_radix **at)
{
	struct gw_radix *node = *at, *joined;

	if (node->value != NULL || node->edge_count != 1)
		return;
	joined = node_copy(node->edges[0].node, (struct gh_str){ node->piece, node->piece_n }, 0);
	if (joined == NULL)
		return;
	gw_radix_unref(node);
	*at = joined;
}

int
gw_radix_remove(struct gw_radix **at, struct gh_str key)
{
	struct gw_radix **parent = NULL, **root = at;
	int r;

	if (gw_radix_get(*at, key) == NULL)
		return 0;
	for (;;) {
		if ((r = own(at)) < 0)
			return r;
		key.p += (*at)->piece_n;
		key.n -= (*at)->piece_n;
		if (key.n == 0)
			break;
		parent = at;
		at = &edge_find(*at, (unsigned char)key.p[0])->node;
	}
	gw_object_unref((*at)->value);
	(*at)->value = NULL;
	if (parent != NULL && (*at)->edge_count == 0) {
		edge_remove(*parent, (unsigned char)(*at)->piece[0]);
		at = parent;
	}
	if (at != root)
		join(at);
	return 0;
}

bool
gw_radix_is_empty(const struct gw_radix *tree)
{
	return tree == NULL || (tree->value == NULL && tree->edge_count == 0);
}

struct gw_object *
gw_radix_get(const struct gw_radix *node, struct gh_str key)
{
	while (node != NULL && common_prefix(node, key) == node->piece_n) {
		key.p += node->piece_n;
		key.n -= node->piece_n;
		if (key.n == 0)
			return node->value;
		struct edge *edge = edge_find(node, (unsigned char)key.p[0]);

		node = edge != NULL ? edge->node : NULL;
	}
	return NULL;
}

struct gw_object *
gw_radix_longest(const struct gw_radix *node, struct gh_str path, size_t *ret_n)
{
	struct gw_object *best = NULL;
	size_t at = 0;

	while (node != NULL) {
		if (path.n - at < node->piece_n ||
			memcmp(path.p + at, node->piece, node->piece_n) != 0)
			break;
		at += node->piece_n;
		if (node->value != NULL && (at == path.n || path.p[at] == '/')) {
			best = node->value;
			*ret_n = at;
		}
		if (at == path.n)
			break;
		struct edge *edge = edge_find(node, (unsigned char)path.p[at]);

		node = edge != NULL ? edge->node : NULL;
	}
	return best;
}
