/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file uri.h
 * @brief One canonical form of what a request asks for, so that router, policies, limits, log and
 * upstream never disagree about it.
 *
 * What becomes canonical (RFC 3986, 6.2.2; RFC 9110, 4.2.3):
 *   - a percent-encoded unreserved byte is decoded, once ("%41" is "A", "%2541" stays "%2541");
 *   - every other %XX stays encoded, with upper-case digits; so "%2F" and "%5C" never become
 *   separators;
 *   - a printable byte that may not stand in a path ('"', '<', '[', '{' ...) is encoded;
 *   - "//" is one '/'; then dot segments, in every spelling, are resolved; the path starts with
 *   '/';
 *   - the host is lower case and has no port, no trailing dot; IPv6 literals keep their brackets.
 * What is refused, with a sentence for the answer 400: raw control bytes, spaces, bytes from 0x7F
 * on, '\' and '#'; a '%' without two digits; "%00"; ".." above the root; a dot segment with
 * parameters ("/..;/") or beside an encoded separator ("/..%2F"), which some backends resolve and
 * others do not; user information; ports and hosts that are none; a Host that contradicts an
 * absolute target.
 *
 * The query is not interpreted: it is the raw text behind '?', checked for bytes that may not stand
 * in a request line.
 *
 * No allocation.  Slices of the result point into the inputs or into the caller's buffer.
 */
#ifndef LIB_URI_URI_H
#define LIB_URI_URI_H
#include <gatehouse/base.h>

/** Longest host, without brackets and port (RFC 1035, 2.3.4). */
#define URI_HOST_MAX 253

/** A buffer of this size is always large enough for uri_canonical(). */
#define URI_BUFFER_SIZE(target_n, host_n) (3 * (target_n) + (host_n) + 64)

/** A canonical request target. */
struct uri {
	struct gh_str host;  /**< Lower case; n = 0: the request names none. */
	uint16_t port;       /**< 0: none was given. */
	bool is_asterisk;    /**< The target is "*": allowed for OPTIONS only; the caller checks. */
	struct gh_str path;  /**< Starts with '/'; "*" when is_asterisk. */
	struct gh_str query; /**< Raw, without '?'; p = NULL: there is no '?'. */
};

/** Make a request target canonical: origin-form, absolute-form (http, https) or "*".
 *  @param target      as on the request line.
 *  @param host_field  value of the Host field; n = 0: empty or not there.
 *  @param buf         where parts that change are written; URI_BUFFER_SIZE() bytes always do.
 *  @param[out] ret_uri  BORROWs target, host_field and buf.
 *  @param[out] ret_why  on error only: STATIC sentence.  May be NULL.
 *  @return 0; GH_EINVAL: cannot be made canonical; GH_ETOOBIG: @p size is too small. */
int uri_canonical(struct gh_str target, struct gh_str host_field, char *buf, size_t size,
	struct uri *ret_uri, const char **ret_why);

/** The path alone, without query; for contexts and path templates that must compare equal.
 *  @param[out] ret_path  @p path itself when it is canonical already, else in @p buf.
 *  @return as uri_canonical(); 3 * path.n + 1 bytes always do. */
int uri_path_canonical(struct gh_str path, char *buf, size_t size, struct gh_str *ret_path,
	const char **ret_why);

/** "host", "host:port", "[v6]:port": what a Host field or an authority may hold.
 *  @param[out] ret_host  @p authority's own bytes when they are canonical already, else in @p buf
 *                        (URI_HOST_MAX + 2 bytes always do).
 *  @param[out] ret_port  0: none was given.
 *  @return 0, GH_EINVAL, GH_ETOOBIG. */
int uri_host_canonical(struct gh_str authority, char *buf, size_t size, struct gh_str *ret_host,
	uint16_t *ret_port, const char **ret_why);

/** Where a backend is. */
struct uri_url {
	bool is_tls;         /**< https. */
	struct gh_str host;  /**< Canonical, with brackets for IPv6. */
	uint16_t port;       /**< The scheme's default when none was given. */
	struct gh_str path;  /**< Canonical; "/" when there is none. */
	struct gh_str query; /**< As in struct uri. */
};

/** Parse an absolute http or https URL without user information and fragment.
 *  @return as uri_canonical(), with the same need for room. */
int uri_url_parse(struct gh_str url, char *buf, size_t size, struct uri_url *ret_url,
	const char **ret_why);

/** Decode every %XX ('+' stays).  The result may hold any byte, also NUL.
 *  @param[out] ret  @p text itself when nothing is encoded, else in @p buf (text.n bytes always do;
 *                   it may be where @p text stands).
 *  @return 0; GH_EINVAL: a '%' without two digits; GH_ETOOBIG. */
int uri_percent_decode(struct gh_str text, char *buf, size_t size, struct gh_str *ret);

/** Encode everything but unreserved bytes, so that the result is one path segment or query value.
 *  @param[out] ret  @p text itself when nothing needs it, else in @p buf (3 * text.n bytes always
 *  do).
 *  @return 0 or GH_ETOOBIG. */
int uri_percent_encode(struct gh_str text, char *buf, size_t size, struct gh_str *ret);

#endif
