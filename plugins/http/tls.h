/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tls.h
 * @brief Certificates of listeners: loaded, made when there is none, and read again on reload.
 */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H
#include <gatehouse/svc/engine.h>
#include <gnutls/gnutls.h>

struct tls_store;    /**< All certificates of one entry. */
struct tls_identity; /**< What one listener proves it is; lives as long as the store. */

/** @param state_dir  BORROW until http_tls_store_free().  MAIN.  @return 0, GH_ENOMEM. */
int http_tls_store_new(const char *state_dir, struct tls_store **ret_store);
void http_tls_store_free(struct tls_store *store);

/** Load the listener's certificate and key, or the self-signed ones, which are made once.  MAIN.
 *  @param[out] error  a sentence.  @return 0, GH_EINVAL, GH_EIO, GH_ENOMEM. */
int http_tls_load(struct tls_store *store, const struct gh_listener *listener, char *error,
	size_t error_size);
/** Read all files again; new connections use what changed.  On error all stay as they were.  MAIN.
 *  @return as http_tls_load(). */
int http_tls_reload(struct tls_store *store, char *error, size_t error_size);

/** @return what http_tls_load() made for it, or NULL.  ANY, once loading is over. */
struct tls_identity *http_tls_find(const struct tls_store *store,
	const struct gh_listener *listener);
/** Prepare a session before its handshake: certificate and tickets.  WORKER. */
int http_tls_session_setup(struct tls_identity *identity, gnutls_session_t session);

#endif
