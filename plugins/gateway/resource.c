/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resource.c
 * @brief Building the tree of path segments, and finding an operation in it.
 *
 * To build it, the templates are sorted in the order in which they win; then every node is a run of
 * neighbours, and its children are sorted without further work.
 */
#include "plugins/gateway/resource.h"

#include "lib/uri/uri.h"

enum segment_kind { LITERAL, MIXED, PARAMETER };

struct segment {
	enum segment_kind kind;
	struct gh_str text; /* a '*' stands for a parameter */
};

struct gw_resource {
	struct segment segment;
	const struct gw_operation **operations; /* whose templates end here */
	const struct gw_operation **any;        /* whose templates go on with "*" */
	struct gw_resource *children;
	uint32_t operation_count, any_count;
	uint32_t literal_count, child_count;    /* literals come first, sorted by their bytes */
};

/* ---- Building --------------------------------------------------------------------------- */

struct template {
	const struct gw_operation *operation;
	struct segment *segments;
	size_t count;
	bool is_any; /* ends with "*" */
};

/* Put a '*' for each "{name}", so that the rest can be made canonical as a path. */
static int
mark_parameters(struct gh_str template, char *buf, size_t *ret_n)
{
	size_t n = 0;
	bool is_inside = false;

	for (size_t i = 0; i < template.n; i++) {
		char c = template.p[i];

		if (is_inside) {
			if (c == '{' || c == '/')
				return GH_EINVAL;
			is_inside = c != '}';
		} else if (c == '{') {
			is_inside = true;
			buf[n++] = '*';
		} else if (c == '}') {
			return GH_EINVAL;
		} else {
			buf[n++] = c;
		}
	}
	*ret_n = n;
	return is_inside ? GH_EINVAL : 0;
}

static enum segment_kind
kind_of(struct gh_str text)
{
	if (text.n == 1 && text.p[0] == '*')
		return PARAMETER;
	return memchr(text.p, '*', text.n) != NULL ? MIXED : LITERAL;
}

/* Cut a canonical path at its slashes. */
static int
cut(struct gw_arena *arena, struct gh_str path, struct template *template)
{
	struct segment found[GW_TEMPLATE_SEGMENTS];
	size_t count = 0, i = 0;

	while (i < path.n) {
		if (path.p[i] == '/') {
			i++;
			continue;
		}
		size_t start = i;

		while (i < path.n && path.p[i] != '/')
			i++;
		if (count == GW_TEMPLATE_SEGMENTS)
			return GH_ETOOBIG;
		struct gh_str text = { path.p + start, i - start };

		found[count++] = (struct segment){ kind_of(text), text };
	}
	if (count == 0)
		return 0;
	template->segments = gw_arena_alloc(arena, count * sizeof(found[0]));
	if (template->segments == NULL)
		return GH_ENOMEM;
	memcpy(template->segments, found, count * sizeof(found[0]));
	template->count = count;
	return 0;
}

/* @return 0; GH_EINVAL or GH_ETOOBIG: leave it out; GH_ENOMEM. */
static int
parse_template(struct gw_arena *arena, const struct gw_operation *operation,
	struct template *ret_template)
{
	struct gh_str text = operation->template, path, kept;
	struct template template = { .operation = operation };
	char marked[GW_TEMPLATE_MAX], buf[3 * GW_TEMPLATE_MAX + 1];
	int r;

	if (text.n >= 2 && memcmp(text.p + text.n - 2, "/*", 2) == 0) {
		template.is_any = true;
		text.n -= 2;
	}
	if (text.n > sizeof(marked))
		return GH_ETOOBIG;
	if (text.n > 0) {
		if (text.p[0] != '/')
			return GH_EINVAL;
		if ((r = mark_parameters(text, marked, &path.n)) < 0)
			return r;
		path.p = marked;
		if ((r = uri_path_canonical(path, buf, sizeof(buf), &path, NULL)) < 0)
			return r;
		if ((r = gw_arena_str(arena, path, &kept)) < 0 ||
			(r = cut(arena, kept, &template)) < 0)
			return r;
	}
	*ret_template = template;
	return 0;
}

static int
compare_bytes(struct gh_str a, struct gh_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

static int
compare_segments(const struct segment *a, const struct segment *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	/* Of two mixed segments the longer one says more. */
	if (a->kind == MIXED && a->text.n != b->text.n)
		return a->text.n > b->text.n ? -1 : 1;
	return compare_bytes(a->text, b->text);
}

/* What ends comes before what goes on with "*", and that before what goes on with a segment. */
static int
compare_templates(const void *left, const void *right)
{
	const struct template *a = left, *b = right;
	size_t n = a->count < b->count ? a->count : b->count;
	int r;

	for (size_t i = 0; i < n; i++)
		if ((r = compare_segments(&a->segments[i], &b->segments[i])) != 0)
			return r;
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	if (a->is_any != b->is_any)
		return a->is_any ? 1 : -1;
	/* As given: qsort() is not stable. */
	return a->operation < b->operation ? -1 : a->operation > b->operation;
}

/* Take the templates of [*low, high) that have @p depth segments and end as @p is_any says. */
static int
collect(struct gw_arena *arena, const struct template *templates, size_t *low, size_t high,
	size_t depth, bool is_any, const struct gw_operation ***ret_operations, uint32_t *ret_n)
{
	size_t end = *low;

	while (end < high && templates[end].count == depth && templates[end].is_any == is_any)
		end++;
	uint32_t n = (uint32_t)(end - *low);

	if (n == 0)
		return 0;
	const struct gw_operation **operations = gw_arena_alloc(arena, n * sizeof(*operations));

	if (operations == NULL)
		return GH_ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		operations[i] = templates[*low + i].operation;
	*low = end;
	*ret_operations = operations;
	*ret_n = n;
	return 0;
}

/* End of the run that shares the segment at @p depth with the first template. */
static size_t
run_end(const struct template *templates, size_t low, size_t high, size_t depth)
{
	const struct segment *first = &templates[low].segments[depth];
	size_t i = low + 1;

	while (i < high && compare_segments(first, &templates[i].segments[depth]) == 0)
		i++;
	return i;
}

/* Recursion is bounded by GW_TEMPLATE_SEGMENTS. */
static int
build(struct gw_arena *arena, struct gw_resource *node, const struct template *templates,
	size_t low, size_t high, size_t depth)
{
	uint32_t i = 0;
	int r = collect(arena, templates, &low, high, depth, false, &node->operations,
		&node->operation_count);

	if (r < 0)
		return r;
	r = collect(arena, templates, &low, high, depth, true, &node->any, &node->any_count);
	if (r < 0)
		return r;
	for (size_t at = low; at < high; at = run_end(templates, at, high, depth))
		node->child_count++;
	if (node->child_count == 0)
		return 0;
	node->children = gw_arena_alloc(arena, node->child_count * sizeof(*node));
	if (node->children == NULL)
		return GH_ENOMEM;
	for (size_t at = low; at < high; i++) {
		size_t end = run_end(templates, at, high, depth);

		node->children[i].segment = templates[at].segments[depth];
		if (node->children[i].segment.kind == LITERAL)
			node->literal_count++;
		if ((r = build(arena, &node->children[i], templates, at, end, depth + 1)) < 0)
			return r;
		at = end;
	}
	return 0;
}

int
gw_resource_build(struct gw_arena *arena, const struct gw_operation *operations, size_t n,
	const struct gw_resource **ret_tree, size_t *ret_skipped)
{
	struct template *templates = calloc(n > 0 ? n : 1, sizeof(*templates));
	struct gw_resource *tree = gw_arena_alloc(arena, sizeof(*tree));
	size_t count = 0, skipped = 0;
	int r = GH_ENOMEM;

	if (templates == NULL || tree == NULL)
		goto out;
	for (size_t i = 0; i < n; i++) {
		r = parse_template(arena, &operations[i], &templates[count]);
		if (r == GH_ENOMEM)
			goto out;
		if (r < 0)
			skipped++;
		else
			count++;
	}
	qsort(templates, count, sizeof(*templates), compare_templates);
	if ((r = build(arena, tree, templates, 0, count, 0)) < 0)
		goto out;
	*ret_tree = tree;
	*ret_skipped = skipped;
out:
	free(templates);
	return r;
}

/* ---- Finding ---------------------------------------------------------------------------- */

/* Does @p text fit @p pattern, in which every '*' stands for one or more bytes? */
static bool
fits(struct gh_str pattern, struct gh_str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_t = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			star_t = ++t; /* at least one byte */
		} else if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++star_t;
		} else {
			return false;
		}
	}
	return p == pattern.n;
}

static const struct gw_resource *
literal_child(const struct gw_resource *node, struct gh_str text)
{
	uint32_t low = 0, high = node->literal_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int r = compare_bytes(node->children[middle].segment.text, text);

		if (r == 0)
			return &node->children[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Choose by method; templates that fit without it are remembered for the answer 405. */
static bool
choose(const struct gw_operation *const *operations, uint32_t n, struct gh_str method,
	struct gw_matched *matched)
{
	for (uint32_t i = 0; i < n; i++) {
		if (gh_str_eq(operations[i]->method, method)) {
			matched->operation = operations[i];
			return true;
		}
	}
	if (n > 0 && matched->allow_count < GW_ALLOW_MAX) {
		matched->allow[matched->allow_count] = operations;
		matched->allow_sizes[matched->allow_count++] = n;
	}
	return false;
}

/* Every node is reached by one sequence of segments only, so that no node is visited twice, however
 * the path was chosen. */
static bool
find(const struct gw_resource *node, struct gh_str path, struct gh_str method,
	struct gw_matched *matched)
{
	while (path.n > 0 && path.p[0] == '/') {
		path.p++;
		path.n--;
	}
	if (path.n == 0)
		return choose(node->operations, node->operation_count, method, matched) ||
			choose(node->any, node->any_count, method, matched);
	const char *slash = memchr(path.p, '/', path.n);
	struct gh_str text = { path.p, slash != NULL ? (size_t)(slash - path.p) : path.n };
	struct gh_str rest = { path.p + text.n, path.n - text.n };
	const struct gw_resource *child = literal_child(node, text);

	if (child != NULL && find(child, rest, method, matched))
		return true;
	for (uint32_t i = node->literal_count; i < node->child_count; i++) {
		child = &node->children[i];
		if (child->segment.kind == MIXED && !fits(child->segment.text, text))
			continue;
		if (find(child, rest, method, matched))
			return true;
	}
	return choose(node->any, node->any_count, method, matched);
}

void
gw_resource_find(const struct gw_resource *tree, struct gh_str path, struct gh_str method,
	struct gw_matched *ret_matched)
{
	ret_matched->operation = NULL;
	ret_matched->allow_count = 0;
	(void)find(tree, path, method, ret_matched);
}
