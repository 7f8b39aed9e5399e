/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mutual.h
 * @brief Mutual TLS of cluster listeners: our certificate and the caller's, by trust/1.
 */
#ifndef HTTP_MUTUAL_H
#define HTTP_MUTUAL_H
#include <gatehouse/plugin.h>
#include <gatehouse/svc/trust.h>
#include <gnutls/gnutls.h>

#include "lib/pki/pki.h"

#define MUTUAL_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3"

struct mutual;             /**< Of one entry; shared by its cluster listeners. */
struct mutual_credentials; /**< What one handshake uses. */

/** Who calls: from a certificate that the handshake accepted. */
struct mutual_caller {
	char node[PKI_NAME_MAX + 1];
	char roles[PKI_NAMES_BYTES]; /**< A blank between two. */
	int64_t not_after_s;
};

/** MAIN.  @param[out] error  a sentence.  @return 0; GH_ENOENT: the node has no certificate; GH_EIO;
 *  GH_ENOMEM. */
int http_mutual_new(struct gh_inst *inst, const struct gh_trust *trust, char *error, size_t error_size,
	struct mutual **ret);
/** Every session has ended.  NULL is allowed. */
void http_mutual_free(struct mutual *mutual);
/** Take up what changed in the material, on the pool; until then handshakes use what was before.
 *  WORKER. */
void http_mutual_refresh(struct mutual *mutual);

/** Prepare a session before its handshake: our certificate, and the wish for the caller's.  Without
 *  tickets, because a resumed session shows no certificate.  WORKER.
 *  @return to be released when the session has ended; NULL: it cannot be served. */
struct mutual_credentials *http_mutual_setup(struct mutual *mutual, gnutls_session_t session);
/** NULL is allowed. */
void http_mutual_release(struct mutual_credentials *credentials);

/** After the handshake.  @param[out] ret  malloc()ed.  @return 0; GH_ENOENT: it showed no certificate;
 *  GH_EINVAL; GH_ENOMEM. */
int http_mutual_caller(gnutls_session_t session, struct mutual_caller **ret);
/** Is that node a member of the cluster still, and its certificate not over? */
bool http_mutual_is_good(const struct mutual *mutual, const struct mutual_caller *caller);

#endif
