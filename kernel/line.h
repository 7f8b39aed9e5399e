/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line.h
 * @brief One line of text in a fixed buffer, built from values that nobody checked.
 *
 * Every value has a maximum; a longer one is cut and ends in "...".  So the line as a whole always
 * fits and stays well-formed.  Escaping keeps a value on its line and inside its quotes, and keeps
 * terminals from being driven.
 */
#ifndef KERNEL_LINE_H
#define KERNEL_LINE_H
#include <gatehouse/base.h>

#define KRN_LINE_MAX 16384u /**< Bytes of a line, its end included. */

struct krn_line {
	size_t n;
	size_t value_max; /**< Bytes of one escaped value, without quotes and mark. */
	char p[KRN_LINE_MAX];
};

/** @param value_max  times the number of values on the line must stay below KRN_LINE_MAX. */
void krn_line_init(struct krn_line *line, size_t value_max);
/** Our own words, as they are. */
void krn_line_put(struct krn_line *line, struct gh_str s);
void krn_line_uint(struct krn_line *line, uint64_t v);
void krn_line_int(struct krn_line *line, int64_t v);
/** A value in plain text: control bytes and what is not UTF-8 become \xHH. */
void krn_line_text(struct krn_line *line, struct gh_str s);
/** The same between double quotes: '"' and '\' are escaped too; "-" in quotes when empty. */
void krn_line_quoted(struct krn_line *line, struct gh_str s);
/** A word of a space-separated line: as quoted, but without quotes and with spaces escaped. */
void krn_line_word(struct krn_line *line, struct gh_str s);
/** A JSON string with its quotes (RFC 8259, 7); bytes that are not UTF-8 become U+FFFD. */
void krn_line_json(struct krn_line *line, struct gh_str s);

#endif
