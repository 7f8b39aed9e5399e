/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file filter.c
 * @brief Recursive descent into a bounded array of nodes; a walk over it to match.
 */
#include "plugins/scim/filter.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"

enum op { EQ, NE, CO, SW, EW, GT, GE, LT, LE, PR, AND, OR, NOT, ANY_OF };

static const struct { const char *word; enum op op; } words[] = {
	{ "eq", EQ }, { "ne", NE }, { "co", CO }, { "sw", SW }, { "ew", EW }, { "gt", GT },
	{ "ge", GE }, { "lt", LT }, { "le", LE }, { "pr", PR },
};

struct node {
	enum op op;
	struct filter_path path; /**< Of comparisons, PR and ANY_OF. */
	json_t *value;           /**< Of comparisons. */
	unsigned left, right;    /**< Nodes below: AND, OR; left only: NOT, ANY_OF. */
};

struct filter {
	unsigned n, root;
	struct node nodes[FILTER_NODES_MAX];
	char text[FILTER_BYTES_MAX]; /**< What the paths point into. */
};

struct parser {
	struct filter *filter;
	struct gh_str rest;
	unsigned depth;
	const char *why;
};

static int parse_or(struct parser *p, unsigned *ret_node);

/* ---- Words ----------------------------------------------------------------------------------- */

static int
refuse(struct parser *p, const char *why)
{
	p->why = why;
	return GH_EINVAL;
}

static void
skip(struct gh_str *rest, size_t n)
{
	*rest = (struct gh_str){ rest->p + n, rest->n - n };
}

static void
skip_blanks(struct parser *p)
{
	while (p->rest.n > 0 && p->rest.p[0] == ' ')
		skip(&p->rest, 1);
}

static bool
take_char(struct parser *p, char c)
{
	skip_blanks(p);
	if (p->rest.n == 0 || p->rest.p[0] != c)
		return false;
	skip(&p->rest, 1);
	return true;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/** Take a word that ends at a blank, a bracket or the end. */
static bool
take_word(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	skip_blanks(p);
	if (p->rest.n < n || !gh_str_eq_nocase((struct gh_str){ p->rest.p, n }, gh_str_of(word)))
		return false;
	if (p->rest.n > n && is_alnum(p->rest.p[n]))
		return false;
	skip(&p->rest, n);
	return true;
}

static bool
is_name(char c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '$';
}

bool
filter_take_path(struct gh_str *rest, struct filter_path *ret_path)
{
	struct gh_str text = { rest->p, 0 };
	struct filter_path path = { GH_STR_NONE, GH_STR_NONE };
	size_t n = 0;

	while (n < rest->n && (is_name(rest->p[n]) || rest->p[n] == '.' || rest->p[n] == ':'))
		n++;
	text.n = n;
	/* "urn:ietf:params:scim:schemas:core:2.0:User:userName": the last part is the attribute. */
	for (size_t i = n; i > 0; i--) {
		if (rest->p[i - 1] == ':') {
			skip(&text, i);
			break;
		}
	}
	const char *dot = text.n > 0 ? memchr(text.p, '.', text.n) : NULL;

	path.name = text;
	if (dot != NULL) {
		path.name.n = (size_t)(dot - text.p);
		path.sub = (struct gh_str){ dot + 1, text.n - path.name.n - 1 };
		if (path.sub.n == 0 || memchr(path.sub.p, '.', path.sub.n) != NULL)
			return false;
	}
	if (path.name.n == 0)
		return false;
	skip(rest, n);
	*ret_path = path;
	return true;
}

/* ---- Parsing --------------------------------------------------------------------------------- */

static int
new_node(struct parser *p, struct node node, unsigned *ret_node)
{
	if (p->filter->n == FILTER_NODES_MAX) {
		json_decref(node.value);
		return refuse(p, "it has too many parts");
	}
	*ret_node = p->filter->n;
	p->filter->nodes[p->filter->n++] = node;
	return GH_OK;
}

/** A JSON string, number, true, false or null. */
static int
parse_value(struct parser *p, json_t **ret_value)
{
	size_t n = 0;

	skip_blanks(p);
	if (p->rest.n > 0 && p->rest.p[0] == '"') {
		for (n = 1; n < p->rest.n && p->rest.p[n] != '"'; n++)
			n += p->rest.p[n] == '\\';
		n++;
	} else {
		while (n < p->rest.n && memchr(" )]", p->rest.p[n], 3) == NULL)
			n++;
	}
	if (n == 0 || n > p->rest.n)
		return refuse(p, "a value is missing or has no end");
	int r = js_parse((struct gh_str){ p->rest.p, n }, NULL, ret_value, NULL, 0);

	if (r < 0)
		return r == GH_ENOMEM ? r : refuse(p, "a value is no JSON string, number or word");
	skip(&p->rest, n);
	return GH_OK;
}

/** Can values of that type be compared that way? */
static bool
fits(enum op op, const json_t *value)
{
	if (json_is_object(value) || json_is_array(value))
		return false;
	if (op == CO || op == SW || op == EW)
		return json_is_string(value);
	return op == EQ || op == NE || json_is_string(value) || json_is_number(value);
}

/** name op value, name pr, name[filter] */
static int
parse_comparison(struct parser *p, unsigned *ret_node)
{
	struct node node = { .op = ANY_OF };
	size_t i = 0;
	int r;

	skip_blanks(p);
	if (!filter_take_path(&p->rest, &node.path))
		return refuse(p, "the name of an attribute is missing");
	if (p->rest.n > 0 && p->rest.p[0] == '[') {
		skip(&p->rest, 1);
		r = parse_or(p, &node.left);
		if (r == 0 && !take_char(p, ']'))
			r = refuse(p, "a ']' is missing");
		return r < 0 ? r : new_node(p, node, ret_node);
	}
	while (i < sizeof(words) / sizeof(words[0]) && !take_word(p, words[i].word))
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return refuse(p, "an operator is missing or is none");
	node.op = words[i].op;
	if (node.op != PR) {
		r = parse_value(p, &node.value);
		if (r < 0)
			return r;
		if (!fits(node.op, node.value)) {
			json_decref(node.value);
			return refuse(p, "a value has a type that its operator cannot compare");
		}
	}
	return new_node(p, node, ret_node);
}

static int
parse_term(struct parser *p, unsigned *ret_node)
{
	bool is_not = take_word(p, "not");
	unsigned inner;
	int r;

	if (!take_char(p, '('))
		return is_not ? refuse(p, "'not' needs parentheses")
			: parse_comparison(p, ret_node);
	r = parse_or(p, &inner);
	if (r == 0 && !take_char(p, ')'))
		r = refuse(p, "a ')' is missing");
	if (r == 0 && is_not)
		r = new_node(p, (struct node){ .op = NOT, .left = inner }, &inner);
	if (r == 0)
		*ret_node = inner;
	return r;
}

static int
parse_and(struct parser *p, unsigned *ret_node)
{
	unsigned left, right;
	int r = parse_term(p, &left);

	while (r == 0 && take_word(p, "and")) {
		r = parse_term(p, &right);
		if (r == 0)
			r = new_node(p, (struct node){ .op = AND, .left = left, .right = right },
				&left);
	}
	if (r == 0)
		*ret_node = left;
	return r;
}

static int
parse_or(struct parser *p, unsigned *ret_node)
{
	unsigned left, right;
	int r;

	if (++p->depth > FILTER_DEPTH_MAX)
		return refuse(p, "it is nested too deep");
	r = parse_and(p, &left);
	while (r == 0 && take_word(p, "or")) {
		r = parse_and(p, &right);
		if (r == 0)
			r = new_node(p, (struct node){ .op = OR, .left = left, .right = right },
				&left);
	}
	p->depth--;
	if (r == 0)
		*ret_node = left;
	return r;
}

/** Parse @p text up to @p end, which is the character behind the filter, or 0 for its end. */
static int
parse(struct gh_str text, char end, struct filter **ret_filter, struct gh_str *ret_rest,
	const char **ret_why)
{
	struct parser p = { .filter = NULL };
	int r;

	if (text.n > FILTER_BYTES_MAX) {
		*ret_why = "it is too long";
		return GH_ETOOBIG;
	}
	p.filter = calloc(1, sizeof(*p.filter));
	if (p.filter == NULL)
		return GH_ENOMEM;
	if (text.n > 0)
		memcpy(p.filter->text, text.p, text.n);
	p.rest = (struct gh_str){ p.filter->text, text.n };
	r = parse_or(&p, &p.filter->root);
	if (r == 0 && end != 0 && !take_char(&p, end))
		r = refuse(&p, "a ']' is missing");
	skip_blanks(&p);
	if (r == 0 && end == 0 && p.rest.n > 0)
		r = refuse(&p, "there is something behind its end");
	if (r < 0) {
		filter_free(p.filter);
		*ret_why = p.why;
		return r;
	}
	*ret_filter = p.filter;
	*ret_rest = (struct gh_str){ text.p + text.n - p.rest.n, p.rest.n };
	return GH_OK;
}

int
filter_parse(struct gh_str text, struct filter **ret_filter, const char **ret_why)
{
	struct gh_str rest;

	return parse(text, 0, ret_filter, &rest, ret_why);
}

int
filter_parse_target(struct gh_str text, struct filter_path *ret_path,
	struct filter **ret_filter, const char **ret_why)
{
	struct filter *filter = NULL;
	struct filter_path path, sub;
	int r;

	if (!filter_take_path(&text, &path)) {
		*ret_why = "it begins with no attribute";
		return GH_EINVAL;
	}
	if (text.n > 0 && text.p[0] == '[' && path.sub.n == 0) {
		skip(&text, 1);
		r = parse(text, ']', &filter, &text, ret_why);
		if (r < 0)
			return r;
		if (text.n > 0 && text.p[0] == '.') {
			skip(&text, 1);
			if (filter_take_path(&text, &sub) && sub.sub.n == 0)
				path.sub = sub.name;
		}
	}
	if (text.n > 0) {
		filter_free(filter);
		*ret_why = "there is something behind its end";
		return GH_EINVAL;
	}
	*ret_path = path;
	*ret_filter = filter;
	return GH_OK;
}

void
filter_free(struct filter *filter)
{
	for (unsigned i = 0; filter != NULL && i < filter->n; i++)
		json_decref(filter->nodes[i].value);
	free(filter);
}

/* ---- Matching -------------------------------------------------------------------------------- */

json_t *
filter_member(const json_t *object, struct gh_str name)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
		if (gh_str_eq_nocase(gh_str_of(key), name))
			return value;
	return NULL;
}

/** Attributes whose values have a case. */
static bool
is_exact(const struct filter_path *path)
{
	static const char *const exact[] = { "id", "externalId", "version" };
	struct gh_str last = path->sub.n > 0 ? path->sub : path->name;

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
		if (gh_str_eq_nocase(last, gh_str_of(exact[i])))
			return true;
	return false;
}

static bool
equal(struct gh_str a, struct gh_str b, bool exact)
{
	return exact ? gh_str_eq(a, b) : gh_str_eq_nocase(a, b);
}

static int
order(struct gh_str a, struct gh_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

static bool
contains(struct gh_str a, struct gh_str b, bool exact)
{
	for (size_t i = 0; i + b.n <= a.n; i++)
		if (equal((struct gh_str){ a.p + i, b.n }, b, exact))
			return true;
	return false;
}

static bool
decide(enum op op, int difference)
{
	switch (op) {
	case GT: return difference > 0;
	case GE: return difference >= 0;
	case LT: return difference < 0;
	case LE: return difference <= 0;
	default: return false;
	}
}

static bool
compare_text(const struct node *node, struct gh_str a, struct gh_str b)
{
	bool exact = is_exact(&node->path);

	switch (node->op) {
	case EQ: return equal(a, b, exact);
	case CO: return contains(a, b, exact);
	case SW: return a.n >= b.n && equal((struct gh_str){ a.p, b.n }, b, exact);
	case EW: return a.n >= b.n && equal((struct gh_str){ a.p + a.n - b.n, b.n }, b, exact);
	default: return decide(node->op, order(a, b));
	}
}

/** One value, which is no array; NE is EQ here. */
static bool
compare(const struct node *node, const json_t *value)
{
	if (json_is_object(value))
		value = filter_member(value, GH_STR("value"));
	if (value == NULL || json_is_null(value))
		return false;
	if (json_is_string(value) && json_is_string(node->value))
		return compare_text(node, js_text(value), js_text(node->value));
	if (json_is_number(value) && json_is_number(node->value)) {
		double a = json_number_value(value), b = json_number_value(node->value);

		return node->op == EQ ? a >= b && a <= b
			: decide(node->op, (a > b) - (a < b));
	}
	return node->op == EQ && json_equal((json_t *)value, node->value);
}

static bool
is_present(const json_t *value)
{
	if (json_is_array(value))
		return json_array_size(value) > 0;
	if (json_is_object(value))
		return json_object_size(value) > 0;
	return value != NULL && !json_is_null(value) &&
		(!json_is_string(value) || json_string_length(value) > 0);
}

/** Does any value of a path, of which some are lists, pass? */
static bool
any_value(const struct node *node, const json_t *value, struct gh_str sub)
{
	json_t *item;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach((json_t *)value, i, item)
			if (any_value(node, item, sub))
				return true;
		return false;
	}
	if (sub.n > 0)
		value = filter_member(value, sub);
	return node->op == PR ? is_present(value) : compare(node, value);
}

static bool matches(const struct filter *filter, unsigned at, const json_t *resource);

static bool
any_item(const struct filter *filter, const struct node *node, const json_t *list)
{
	json_t *item;
	size_t i;

	if (json_is_object(list))
		return matches(filter, node->left, list);
	json_array_foreach((json_t *)list, i, item)
		if (matches(filter, node->left, item))
			return true;
	return false;
}

static bool
matches(const struct filter *filter, unsigned at, const json_t *resource)
{
	const struct node *node = &filter->nodes[at];
	struct node twin = *node;
	const json_t *value = filter_member(resource, node->path.name);

	switch (node->op) {
	case AND: return matches(filter, node->left, resource) &&
			matches(filter, node->right, resource);
	case OR: return matches(filter, node->left, resource) ||
			matches(filter, node->right, resource);
	case NOT: return !matches(filter, node->left, resource);
	case ANY_OF: return any_item(filter, node, value);
	case EQ: /* "eq null" asks for what is not there */
		return json_is_null(node->value) ? !is_present(value)
			: any_value(node, value, node->path.sub);
	case NE:
		twin.op = EQ;
		return json_is_null(node->value) ? is_present(value)
			: !any_value(&twin, value, node->path.sub);
	default: return any_value(node, value, node->path.sub);
	}
}

bool
filter_matches(const struct filter *filter, const json_t *resource)
{
	return matches(filter, filter->root, resource);
}

bool
filter_is_equal(const struct filter *filter, const char *attribute, struct gh_str *ret_value)
{
	const struct node *root = &filter->nodes[filter->root];

	if (root->op != EQ || root->path.sub.n > 0 || !json_is_string(root->value) ||
	    !gh_str_eq_nocase(root->path.name, gh_str_of(attribute)))
		return false;
	*ret_value = js_text(root->value);
	return true;
}
