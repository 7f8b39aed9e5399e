/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file private.h
 * @brief What the files of lib/pki share; not for its users.
 */
#ifndef LIB_PKI_PRIVATE_H
#define LIB_PKI_PRIVATE_H
#include <gnutls/x509.h>

#include "lib/pki/pki.h"

/** GnuTLS's memory to the caller's; @p datum is wiped and empty afterwards.  @return 0, GH_ENOMEM. */
int pki_give(gnutls_datum_t *datum, struct gh_str *ret_text);
/** What an error means that the input cannot cause. */
int pki_error(int gnutls_error);
/** @return 0, GH_EINVAL, GH_ENOMEM. */
int pki_load_key(struct gh_str pem, gnutls_x509_privkey_t *ret_key);
int pki_generate(gnutls_x509_privkey_t *ret_key);
int pki_export_key(gnutls_x509_privkey_t key, struct gh_str *ret_pem);
/** The first certificate of a text.  @return 0, GH_EINVAL, GH_ENOMEM. */
int pki_load(struct gh_str pem, gnutls_x509_crt_t *ret_certificate);

#endif
