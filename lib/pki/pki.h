/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pki.h
 * @brief Certificates of nodes and the authority that issues them: X.509 on GnuTLS, P-256 only.
 *
 * Texts are PEM.  No state, no threads; every function is ANY and waits for nothing.  Texts that are
 * handed out are malloc()ed and NUL-terminated: free((void *)text.p), and crypto_wipe_free() for
 * those with a private key.  What is read here is hostile: sizes are bounded, signatures checked.
 */
#ifndef LIB_PKI_PKI_H
#define LIB_PKI_PKI_H
#include <gatehouse/base.h>

#define PKI_PEM_MAX 65536       /**< Longest text that is read. */
#define PKI_CHAIN_MAX 8         /**< Certificates in it. */
#define PKI_NAME_MAX 64         /**< Of a common name. */
#define PKI_NAMES_MAX 8         /**< DNS names of a certificate that are kept. */
#define PKI_NAMES_BYTES 256     /**< Of all of them together, with a blank between two. */
#define PKI_FINGERPRINT_LEN 32  /**< SHA-256 of a certificate. */
#define PKI_SERIAL_LEN 20
#define PKI_KEY_ID_LEN 20

/* ---- Keys ------------------------------------------------------------------------------------ */

/** @param[out] ret_key_pem  PKCS #8.  @return 0, GH_EIO, GH_ENOMEM. */
int pki_key_new(struct gh_str *ret_key_pem);
/** A request for a certificate.  The authority decides what stands in it; the request proves who
 *  has the key.  @return 0, GH_EINVAL (not a key), GH_EIO, GH_ENOMEM. */
int pki_request_new(struct gh_str key_pem, struct gh_str common_name, struct gh_str *ret_request_pem);

/* ---- The authority --------------------------------------------------------------------------- */

/** A self-signed authority with a new key.
 *  @return 0, GH_EINVAL (name), GH_EIO, GH_ENOMEM. */
int pki_authority_new(struct gh_str common_name, int64_t not_before_s, int64_t not_after_s,
	struct gh_str *ret_key_pem, struct gh_str *ret_certificate_pem);
/** The key of the authority @p certificate_pem once more, signed by an older one: who trusts only
 *  the older one accepts what the new one issues.  @return as pki_issue(). */
int pki_cross_sign(struct gh_str certificate_pem, struct gh_str older_key_pem,
	struct gh_str older_certificate_pem, struct gh_str *ret_certificate_pem);

/** What a certificate shall say. */
struct pki_subject {
	struct gh_str common_name;
	const struct gh_str *dns_names;
	size_t dns_name_count;
	int64_t not_before_s, not_after_s; /**< Cut to the authority's own end. */
};

/** Issue a certificate for the key of a request: for clients and servers, no authority.
 *  @return 0; GH_EINVAL (the request is malformed, wrongly signed, or its key is not P-256; or the
 *  subject); GH_EIO; GH_ENOMEM. */
int pki_issue(struct gh_str authority_key_pem, struct gh_str authority_pem, struct gh_str request_pem,
	const struct pki_subject *subject, struct gh_str *ret_certificate_pem);

/* ---- Reading --------------------------------------------------------------------------------- */

/** What a certificate says. */
struct pki_certificate {
	char common_name[PKI_NAME_MAX + 1];
	char dns_names[PKI_NAMES_BYTES]; /**< A blank between two. */
	char serial[2 * PKI_SERIAL_LEN + 1];            /**< Hexadecimal. */
	char key_id[2 * PKI_KEY_ID_LEN + 1];            /**< Of its own key; may be empty. */
	char authority_key_id[2 * PKI_KEY_ID_LEN + 1];  /**< Of the key that signed it; may be empty. */
	uint8_t fingerprint[PKI_FINGERPRINT_LEN];
	int64_t not_before_s, not_after_s;
};

/** The first certificate of a text.  @return 0; GH_EINVAL (not one, or what it says does not fit). */
int pki_read(struct gh_str pem, struct pki_certificate *ret);
/** The same from DER, as TLS gives it. */
int pki_read_der(const void *der, size_t n, struct pki_certificate *ret);
/** The DNS names that end with @p domain (".example"), without it, a blank between two. */
void pki_names_under(const struct pki_certificate *certificate, const char *domain,
	char ret_names[PKI_NAMES_BYTES]);
/** The certificate with that fingerprint among those of a text.
 *  @param[out] ret_pem  that one alone.  @return 0; GH_EINVAL; GH_ENOENT: it is not there; GH_ENOMEM. */
int pki_pick(struct gh_str pem, const uint8_t fingerprint[PKI_FINGERPRINT_LEN], struct gh_str *ret_pem);

/** May a node use this chain with this key at that time, and do the authorities accept it?
 *  @param[out] error  a sentence when the result is not 0; at least 256 bytes.
 *  @return 0; GH_EINVAL (malformed, or the key is of another certificate); GH_EDENIED (another
 *  authority); GH_EEXPIRED (or not valid yet); GH_ENOMEM. */
int pki_check(struct gh_str chain_pem, struct gh_str key_pem, struct gh_str authorities_pem,
	int64_t now_s, char *error, size_t error_size);

#endif
