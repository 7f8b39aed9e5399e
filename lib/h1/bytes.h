/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bytes.h
 * @brief What the files of lib/h1 share: classes of bytes, and names that concern a connection.
 */
#ifndef LIB_H1_BYTES_H
#define LIB_H1_BYTES_H
#include "lib/h1/h1.h"

#define H1_TOKEN_BYTE 1u /**< tchar (RFC 9110, 5.6.2). */
#define H1_VALUE_BYTE 2u /**< field-vchar, SP and HTAB (RFC 9110, 5.5). */
extern const uint8_t h1_bytes[256];

static inline bool
h1_is(char c, unsigned mask)
{
	return (h1_bytes[(unsigned char)c] & mask) != 0;
}

/** Is every byte of that class? */
bool h1_all(struct gh_str s, unsigned mask);

enum h1_name {
	H1_NAME_OTHER, /**< End-to-end. */
	H1_NAME_CONNECTION, H1_NAME_CONTENT_LENGTH, H1_NAME_TRANSFER_ENCODING,
	H1_NAME_HOP,   /**< From here on: hop-by-hop, not looked into. */
};
enum h1_name h1_name_of(struct gh_str name);

/** Fail with a sentence.  @return @p r. */
static inline int
h1_fail(int r, const char *why, const char **ret_why)
{
	if (ret_why != NULL)
		*ret_why = why;
	return r;
}

#endif
