/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file form.h
 * @brief What clients send beside JSON: forms, query strings, Basic credentials, multipart bodies.
 *
 * Everything here is hostile input: strict, bounded, no state.  Forms may carry passwords, so their
 * memory is wiped when it is freed.
 */
#ifndef LIB_FORM_FORM_H
#define LIB_FORM_FORM_H
#include <gatehouse/base.h>

/* ---- application/x-www-form-urlencoded, and query strings ------------------------------------ */

#define FORM_FIELDS_MAX 256   /**< Fields in one form. */

struct form_field {
	struct gh_str name, value; /**< Decoded; no NUL in them. */
};

/** A form, in one allocation. */
struct form {
	size_t n;
	struct form_field *fields; /**< In their order; a name may stand several times. */
	char *text;                /**< What the fields point into. */
	size_t text_n;
};

/** Parse "a=1&b=x+y%21".  '+' is a space; "a" alone is a field with an empty value; empty pieces
 *  ("&&") are skipped.
 *  @param[out] ret_form  GIVE: form_free().
 *  @param[out] ret_why   on failure only: STATIC sentence; may be NULL.
 *  @return 0; GH_EINVAL (a '%' without two digits, "%00", a raw control byte); GH_ETOOBIG
 *  (FORM_FIELDS_MAX); GH_ENOMEM. */
int form_parse(struct gh_str text, struct form **ret_form, const char **ret_why);
/** Wipe and free.  NULL is allowed. */
void form_free(struct form *form);
/** First value of that name; p = NULL: none.  BORROWed from the form, which may be NULL. */
struct gh_str form_get(const struct form *form, const char *name);
/** How often the name stands in the form: parameters of OAuth 2 must not be repeated (RFC 6749,
 *  3.2). */
size_t form_count(const struct form *form, const char *name);
/** Is a Content-Type value this one, whatever its parameters?  @param type  "application/json". */
bool form_is_type(struct gh_str content_type, struct gh_str type);

/* ---- Authorization fields -------------------------------------------------------------------- */

#define FORM_BASIC_MAX 1024 /**< Longest decoded "user:password". */

/** Credentials from a Basic field (RFC 7617). */
struct form_basic {
	struct gh_str user, password; /**< Point into @c text. */
	char text[FORM_BASIC_MAX];
};

/** Parse the value of an Authorization field with the scheme Basic.  The caller wipes @p ret_basic
 *  (crypto_wipe) after use.  Client credentials of OAuth 2 are form-encoded once more (RFC 6749,
 *  2.3.1); that is left to whoever knows the parties.
 *  @return 0; GH_ENOENT: another scheme, or no field at all; GH_EINVAL: malformed; GH_ETOOBIG. */
int form_basic_parse(struct gh_str authorization, struct form_basic *ret_basic);
/** The token of a Bearer field (RFC 6750, 2.1), BORROWed from it.
 *  @return 0; GH_ENOENT: another scheme, or no field at all; GH_EINVAL: malformed. */
int form_bearer_parse(struct gh_str authorization, struct gh_str *ret_token);

/* ---- multipart/form-data (RFC 7578) ---------------------------------------------------------- */

#define MULTIPART_PARTS_MAX 64
#define MULTIPART_HEAD_MAX 4096 /**< Bytes of the fields of one part. */

/** One part; everything points into the body that was parsed. */
struct multipart_part {
	struct gh_str name;
	struct gh_str filename;     /**< As written (escapes are kept); p = NULL: no file. */
	struct gh_str content_type; /**< p = NULL: none. */
	struct gh_str body;
};

/** Cut a body into its parts.  Strict: a boundary counts only at the beginning of a line and
 *  followed by nothing but blanks; every part needs a name; the closing boundary must be there.
 *  @param content_type  of the request, with the boundary parameter.
 *  @param parts         room for @p max parts.
 *  @param[out] ret_why  on failure only: STATIC sentence; may be NULL.
 *  @return 0; GH_EINVAL; GH_ETOOBIG (more than @p max parts, a part's fields too long). */
int multipart_parse(struct gh_str content_type, struct gh_str body, struct multipart_part *parts,
	size_t max, size_t *ret_n, const char **ret_why);
/** First part of that name, or NULL. */
const struct multipart_part *multipart_find(const struct multipart_part *parts, size_t n,
	const char *name);

#endif
