/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file form.c
 * @brief Forms and query strings: cut at '&' and '=', then decode each piece in place.
 */
#include "lib/form/form.h"

#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/uri/uri.h"

static int
fail(int err, const char *why, const char **ret_why)
{
	if (ret_why != NULL)
		*ret_why = why;
	return err;
}

static size_t
piece_count(struct gh_str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '&';
	return n;
}

static bool
has_control_byte(struct gh_str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F)
			return true;
	return false;
}

/** Decode @p piece where it stands; it only gets shorter. */
static int
decode(char *piece, size_t n, struct gh_str *ret, const char **ret_why)
{
	for (size_t i = 0; i < n; i++)
		if (piece[i] == '+')
			piece[i] = ' ';
	if (uri_percent_decode((struct gh_str){ piece, n }, piece, n, ret) < 0)
		return fail(GH_EINVAL, "a '%' is not followed by two hexadecimal digits", ret_why);
	if (ret->n > 0 && memchr(ret->p, '\0', ret->n) != NULL)
		return fail(GH_EINVAL, "%00 may not stand in a form", ret_why);
	return 0;
}

static int
parse_pieces(struct form *form, size_t max, const char **ret_why)
{
	char *end = form->text + form->text_n;

	for (char *p = form->text; p < end; p++) {
		char *stop = memchr(p, '&', (size_t)(end - p));

		if (stop == NULL)
			stop = end;
		if (stop == p)
			continue;
		if (form->n == max)
			return fail(GH_ETOOBIG, "too many fields", ret_why);
		char *equals = memchr(p, '=', (size_t)(stop - p));
		char *name_end = equals != NULL ? equals : stop;
		char *value = equals != NULL ? equals + 1 : stop;
		struct form_field *field = &form->fields[form->n++];
		int r = decode(p, (size_t)(name_end - p), &field->name, ret_why);

		if (r == 0)
			r = decode(value, (size_t)(stop - value), &field->value, ret_why);
		if (r < 0)
			return r;
		p = stop;
	}
	return 0;
}

int
form_parse(struct gh_str text, struct form **ret_form, const char **ret_why)
{
	size_t max = piece_count(text);

	if (has_control_byte(text))
		return fail(GH_EINVAL, "a control byte stands in a form", ret_why);
	if (max > FORM_FIELDS_MAX)
		max = FORM_FIELDS_MAX;
	struct form *form = calloc(1, sizeof(*form) + max * sizeof(*form->fields) + text.n);

	if (form == NULL)
		return fail(GH_ENOMEM, "out of memory", ret_why);
	form->fields = (struct form_field *)(form + 1);
	form->text = (char *)(form->fields + max);
	form->text_n = text.n;
	if (text.n > 0)
		memcpy(form->text, text.p, text.n);
	int r = parse_pieces(form, max, ret_why);

	if (r < 0) {
		form_free(form);
		return r;
	}
	*ret_form = form;
	return 0;
}

void
form_free(struct form *form)
{
	if (form == NULL)
		return;
	crypto_wipe(form->text, form->text_n);
	free(form);
}

struct gh_str
form_get(const struct form *form, const char *name)
{
	struct gh_str wanted = gh_str_of(name);

	for (size_t i = 0; form != NULL && i < form->n; i++)
		if (gh_str_eq(form->fields[i].name, wanted))
			return form->fields[i].value;
	return GH_STR_NONE;
}

size_t
form_count(const struct form *form, const char *name)
{
	struct gh_str wanted = gh_str_of(name);
	size_t count = 0;

	for (size_t i = 0; form != NULL && i < form->n; i++)
		count += gh_str_eq(form->fields[i].name, wanted);
	return count;
}

bool
form_is_type(struct gh_str content_type, struct gh_str type)
{
	size_t n = 0;

	while (n < content_type.n && content_type.p[n] != ';')
		n++;
	while (n > 0 && (content_type.p[n - 1] == ' ' || content_type.p[n - 1] == '\t'))
		n--;
	return gh_str_eq_nocase((struct gh_str){ content_type.p, n }, type);
}
