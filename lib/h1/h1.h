/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file h1.h
 * @brief HTTP/1.1 messages as bytes (RFC 9112): strict parsing of responses, chunked bodies,
 * writing of request heads.
 *
 * No I/O, no allocation: the caller owns the bytes, results are slices of them.  Bytes may come in
 * any pieces; the outcome does not depend on where they were cut.  What RFC 9112 lets a recipient
 * repair (bare LF, folded lines, space before the colon, lists of lengths) is refused, because two
 * programs that repair differently can be played against each other.
 */
#ifndef LIB_H1_H1_H
#define LIB_H1_H1_H
#include <gatehouse/base.h>

#define H1_HEAD_MAX 65536u   /**< Bytes of a head, interim responses before it included. */
#define H1_FIELDS_MAX 200u   /**< Field lines of a head. */
#define H1_INTERIM_MAX 16u   /**< 1xx responses before the final one. */
#define H1_EXTENSION_MAX 1024u /**< Bytes of one chunk's size line. */
#define H1_TRAILER_MAX 16384u  /**< Bytes of a trailer section. */

/* ---- Words ------------------------------------------------------------------------- */

/** Is it a token (RFC 9110, 5.6.2)? */
bool h1_is_token(struct gh_str s);
/** May it stand in a field value: no control bytes but HTAB? */
bool h1_is_value(struct gh_str s);
/** Is it a field about this connection or about framing, which is never passed on: Connection and
 *  its relatives (RFC 9110, 7.6.1), Transfer-Encoding, Content-Length? */
bool h1_is_hop_by_hop(struct gh_str name);

/* ---- Responses --------------------------------------------------------------------- */

/** Bytes of a head, by offset, so that the head may move while it grows. */
struct h1_slice {
	uint32_t at, n;
};

struct h1_field {
	struct h1_slice name, value; /**< The value without white space around it. */
	bool is_hop;                 /**< Hop-by-hop, framing, or named by Connection. */
};

/** Where a body ends. */
enum h1_framing {
	H1_NO_BODY,     /**< There is none: HEAD, 204, 304 (RFC 9112, 6.3). */
	H1_LENGTH,      /**< After content_length bytes, perhaps 0. */
	H1_CHUNKED,     /**< As h1_chunked_next() says. */
	H1_UNTIL_CLOSE, /**< When the connection is closed. */
};

/** One response head, while and after it is parsed.  May be copied. */
struct h1_response {
	unsigned status;          /**< 200 to 599. */
	unsigned minor;           /**< HTTP/1.minor. */
	enum h1_framing framing;
	int64_t content_length;   /**< As announced, for HEAD and 304 too; -1: not at all. */
	bool is_persistent;       /**< The connection may carry another message afterwards. */
	unsigned field_count;

	/* Private: where parsing stands. */
	bool is_head_request, in_fields, has_encoding, says_close, says_keep_alive;
	unsigned interim, named;  /**< Interim heads skipped; options that Connection names. */
	uint32_t line, scan;      /**< Start of the current line; up to here there is no LF. */
	struct h1_field fields[H1_FIELDS_MAX];
};

/** @param is_head_request  the response to HEAD has a head as if it had a body. */
void h1_response_init(struct h1_response *r, bool is_head_request);
/** Parse on.  @param p, n  everything since the first byte: what earlier calls saw, and more.
 *  @param[out] ret_used  bytes of the head; the body begins there.
 *  @param[out] ret_why   on error: STATIC sentence.
 *  @return 0: the head is complete; GH_EAGAIN: more is needed; GH_EINVAL: malformed; GH_ETOOBIG. */
int h1_response_parse(struct h1_response *r, const char *p, size_t n, size_t *ret_used,
	const char **ret_why);

static inline struct gh_str
h1_slice_of(const char *p, struct h1_slice s)
{
	return (struct gh_str){ p + s.at, s.n };
}

/* ---- Chunked bodies ---------------------------------------------------------------- */

/** Where a decoder stands.  Zeroed: at the start of a body. */
struct h1_chunked {
	uint64_t left;    /**< Data bytes of this chunk that are still to come. */
	unsigned state;   /**< Private. */
	uint32_t line_n, trailer_n;
};

/** Skip framing until data, the end, or the end of the input.
 *  @param[out] ret_used  bytes of framing; data, if any, begins there.
 *  @param[out] ret_data  a slice of @p p; tell with h1_chunked_took() how much of it was consumed.
 *                        n = 0: the body is complete.
 *  @return 0; GH_EAGAIN: all of the input was used; GH_EINVAL or GH_ETOOBIG with a sentence. */
int h1_chunked_next(struct h1_chunked *d, const char *p, size_t n, size_t *ret_used,
	struct gh_str *ret_data, const char **ret_why);
/** @param n  at most what the last slice had. */
void h1_chunked_took(struct h1_chunked *d, size_t n);

/* ---- Writing ----------------------------------------------------------------------- */

/** Writes a head into a buffer of the caller.  Once something does not fit or may not stand where
 *  it was put, is_bad stays set; look at it once, at the end. */
struct h1_writer {
	char *p;
	size_t n, size;
	bool is_bad;
};

/** "METHOD target HTTP/1.1".  @param method  a token.  @param target  no spaces, no control
 *  bytes. */
void h1_put_request_line(struct h1_writer *w, struct gh_str method, struct gh_str target);
/** "Name: value".  Checked by the caller (h1_is_token, h1_is_value). */
void h1_put_field(struct h1_writer *w, struct gh_str name, struct gh_str value);
/** "Content-Length: n". */
void h1_put_content_length(struct h1_writer *w, uint64_t n);
/** Bytes as they are. */
void h1_put(struct h1_writer *w, struct gh_str text);

#define H1_CHUNK_PREFIX_MAX 18u /**< 16 digits and CRLF. */
/** What stands before @p n data bytes; CRLF follows them; the body ends with "0\r\n\r\n".
 *  @return bytes written. */
size_t h1_chunk_prefix(uint64_t n, char buf[H1_CHUNK_PREFIX_MAX]);

#endif
