/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line.h
 * @brief One line of text in a fixed buffer, built from values that nobody checked.
 *
 * Every value has a maximum; a longer one is cut and ends in "...".  So the line as a whole always
 * fits and stays well-formed.  Escaping keeps a value on its line and inside its quotes, and keeps
 * terminals from being driven.
 */
#ifndef LIB_LINE_LINE_H
#define LIB_LINE_LINE_H
#include <gatehouse/base.h>

#define LINE_BYTES 16384u /**< Bytes of a line, its end included. */

struct line {
	size_t n;
	size_t value_max; /**< Bytes of one escaped value, without quotes and mark. */
	char p[LINE_BYTES];
};

/** @param value_max  times the number of values on the line must stay below LINE_BYTES. */
void line_init(struct line *line, size_t value_max);
/** Our own words, as they are. */
void line_put(struct line *line, struct gh_str s);
void line_uint(struct line *line, uint64_t v);
void line_int(struct line *line, int64_t v);
/** "2024-06-05T06:11:00.123Z" (RFC 3339).  @param time_us  since the epoch. */
void line_time(struct line *line, uint64_t time_us);
/** A value in plain text: control bytes and what is not UTF-8 become \xHH. */
void line_text(struct line *line, struct gh_str s);
/** The same between double quotes: '"' and '\' are escaped too; "-" in quotes when empty. */
void line_quoted(struct line *line, struct gh_str s);
/** A word of a space-separated line: as quoted, but without quotes and with spaces escaped. */
void line_word(struct line *line, struct gh_str s);
/** A JSON string with its quotes (RFC 8259, 7); bytes that are not UTF-8 become U+FFFD. */
void line_json(struct line *line, struct gh_str s);

#endif
