/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file key.c
 * @brief Private keys, and requests for certificates.
 */
#include <gnutls/x509.h>
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/pki/private.h"

int
pki_give(gnutls_datum_t *datum, struct gh_str *ret_text)
{
	char *text = malloc((size_t)datum->size + 1);
	int r = GH_ENOMEM;

	if (text != NULL) {
		memcpy(text, datum->data, datum->size);
		text[datum->size] = '\0';
		*ret_text = (struct gh_str){ text, datum->size };
		r = GH_OK;
	}
	crypto_wipe(datum->data, datum->size);
	gnutls_free(datum->data);
	*datum = (gnutls_datum_t){ .data = NULL };
	return r;
}

int
pki_error(int gnutls_error)
{
	return gnutls_error == GNUTLS_E_MEMORY_ERROR ? GH_ENOMEM : GH_EIO;
}

int
pki_load_key(struct gh_str pem, gnutls_x509_privkey_t *ret_key)
{
	gnutls_datum_t datum = { (unsigned char *)pem.p, (unsigned)pem.n };
	gnutls_x509_privkey_t key;

	if (pem.n == 0 || pem.n > PKI_PEM_MAX)
		return GH_EINVAL;
	if (gnutls_x509_privkey_init(&key) < 0)
		return GH_ENOMEM;
	if (gnutls_x509_privkey_import(key, &datum, GNUTLS_X509_FMT_PEM) < 0) {
		gnutls_x509_privkey_deinit(key);
		return GH_EINVAL;
	}
	*ret_key = key;
	return GH_OK;
}

int
pki_generate(gnutls_x509_privkey_t *ret_key)
{
	gnutls_x509_privkey_t key;
	int r = gnutls_x509_privkey_init(&key);

	if (r < 0)
		return pki_error(r);
	r = gnutls_x509_privkey_generate2(key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, NULL, 0);
	if (r < 0) {
		gnutls_x509_privkey_deinit(key);
		return pki_error(r);
	}
	*ret_key = key;
	return GH_OK;
}

int
pki_export_key(gnutls_x509_privkey_t key, struct gh_str *ret_pem)
{
	gnutls_datum_t pem = { .data = NULL };
	int r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
		&pem);

	return r < 0 ? pki_error(r) : pki_give(&pem, ret_pem);
}

int
pki_key_new(struct gh_str *ret_key_pem)
{
	gnutls_x509_privkey_t key;
	int r = pki_generate(&key);

	if (r < 0)
		return r;
	r = pki_export_key(key, ret_key_pem);
	gnutls_x509_privkey_deinit(key);
	return r;
}

int
pki_request_new(struct gh_str key_pem, struct gh_str common_name, struct gh_str *ret_request_pem)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crq_t request = NULL;
	gnutls_datum_t pem = { .data = NULL };
	int g, r = pki_load_key(key_pem, &key);

	if (r < 0)
		return r;
	g = gnutls_x509_crq_init(&request);
	if (g >= 0)
		g = gnutls_x509_crq_set_version(request, 1);
	if (g >= 0)
		g = gnutls_x509_crq_set_dn_by_oid(request, GNUTLS_OID_X520_COMMON_NAME, 0,
			common_name.p, (unsigned)common_name.n);
	if (g >= 0)
		g = gnutls_x509_crq_set_key(request, key);
	if (g >= 0)
		g = gnutls_x509_crq_sign2(request, key, GNUTLS_DIG_SHA256, 0);
	if (g >= 0)
		g = gnutls_x509_crq_export2(request, GNUTLS_X509_FMT_PEM, &pem);
	r = g < 0 ? pki_error(g) : pki_give(&pem, ret_request_pem);
	gnutls_x509_crq_deinit(request);
	gnutls_x509_privkey_deinit(key);
	return r;
}
