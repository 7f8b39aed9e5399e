/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file query.c
 * @brief Cut search conditions into terms, and compare.
 */
#include "plugins/publisher/query.h"

static const struct {
	const char *name;
	enum query_attribute attribute;
} attributes[] = {
	{ "name", QUERY_NAME }, { "version", QUERY_VERSION }, { "context", QUERY_CONTEXT },
	{ "provider", QUERY_PROVIDER }, { "status", QUERY_STATUS }, { "state", QUERY_STATUS },
	{ "lcState", QUERY_STATUS }, { "type", QUERY_TYPE }, { "description", QUERY_DESCRIPTION },
	{ "tags", QUERY_TAGS }, { "tag", QUERY_TAGS },
};

static bool
find_attribute(struct gh_str name, enum query_attribute *ret_attribute)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (!gh_str_eq_nocase(name, gh_str_of(attributes[i].name)))
			continue;
		*ret_attribute = attributes[i].attribute;
		return true;
	}
	return false;
}

static int
fail(int err, const char *why, const char **ret_why)
{
	*ret_why = why;
	return err;
}

static struct gh_str
without_stars(struct gh_str s)
{
	while (s.n > 0 && s.p[0] == '*') {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && s.p[s.n - 1] == '*')
		s.n--;
	return s;
}

/** Take a value, quoted or up to the next blank, from the front of @p rest.
 *  @return false: the quote is not closed. */
static bool
take_value(struct gh_str *rest, struct query_term *term)
{
	size_t n = 0;

	term->is_exact = rest->n > 0 && rest->p[0] == '"';
	if (term->is_exact) {
		const char *end = memchr(rest->p + 1, '"', rest->n - 1);

		if (end == NULL)
			return false;
		term->value = (struct gh_str){ rest->p + 1, (size_t)(end - rest->p) - 1 };
		n = term->value.n + 2;
	} else {
		while (n < rest->n && rest->p[n] != ' ')
			n++;
		term->value = without_stars((struct gh_str){ rest->p, n });
	}
	*rest = (struct gh_str){ rest->p + n, rest->n - n };
	return true;
}

/** Length of "attribute" when the text begins with "attribute:", else 0. */
static size_t
attribute_length(struct gh_str text)
{
	for (size_t i = 0; i < text.n && text.p[i] != ' ' && text.p[i] != '"'; i++)
		if (text.p[i] == ':')
			return i;
	return 0;
}

int
query_parse(struct gh_str text, struct query *ret_query, const char **ret_why)
{
	ret_query->n = 0;
	while (text.n > 0) {
		struct query_term term = { .attribute = QUERY_NAME };
		size_t n = attribute_length(text);

		if (text.p[0] == ' ' || text.p[0] == '&') { /* apictl joins some terms with '&' */
			text = (struct gh_str){ text.p + 1, text.n - 1 };
			continue;
		}
		if (n > 0 && !find_attribute((struct gh_str){ text.p, n }, &term.attribute))
			return fail(GH_EINVAL,
				"it can be searched by name, version, context, provider, "
				"status, type, description and tags",
				ret_why);
		if (n > 0)
			text = (struct gh_str){ text.p + n + 1, text.n - n - 1 };
		if (!take_value(&text, &term))
			return fail(GH_EINVAL, "a quote is not closed", ret_why);
		if (term.value.n == 0)
			continue;
		if (ret_query->n == QUERY_TERMS_MAX)
			return fail(GH_ETOOBIG, "it has more than 16 conditions", ret_why);
		ret_query->terms[ret_query->n++] = term;
	}
	return 0;
}

struct gh_str
query_exact(const struct query *query, enum query_attribute attribute)
{
	for (size_t i = 0; i < query->n; i++)
		if (query->terms[i].attribute == attribute && query->terms[i].is_exact)
			return query->terms[i].value;
	return GH_STR_NONE;
}

bool
query_holds(const struct query_term *term, struct gh_str text)
{
	struct gh_str value = term->value;

	if (term->attribute == QUERY_STATUS || term->attribute == QUERY_TYPE)
		return gh_str_eq_nocase(text, value);
	if (term->is_exact)
		return gh_str_eq(text, value);
	for (size_t i = 0; i + value.n <= text.n; i++)
		if (gh_str_eq_nocase((struct gh_str){ text.p + i, value.n }, value))
			return true;
	return false;
}
