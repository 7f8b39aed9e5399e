/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file buffer.h
 * @brief Bytes that grow up to a cap: a body held whole.
 */
#ifndef LIB_BUFFER_BUFFER_H
#define LIB_BUFFER_BUFFER_H
#include <gatehouse/base.h>

/** All zero: empty. */
struct buffer {
	char *p;
	size_t n, size;
};

/** Append, growing up to @p cap.  @return 0, GH_ETOOBIG, GH_ENOMEM: nothing was appended. */
int buffer_add(struct buffer *buffer, const char *p, size_t n, uint64_t cap);
/** Free what it holds; it is empty then. */
void buffer_done(struct buffer *buffer);

#endif
