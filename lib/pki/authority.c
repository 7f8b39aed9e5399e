/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file authority.c
 * @brief Issuing: the authority's own certificate, those of nodes, and one authority for another.
 */
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdlib.h>

#include "lib/pki/private.h"

/** Who signs. */
struct signer {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
};

static void
signer_done(struct signer *s)
{
	gnutls_x509_privkey_deinit(s->key);
	gnutls_x509_crt_deinit(s->certificate);
}

static int
signer_init(struct signer *s, struct gh_str key_pem, struct gh_str certificate_pem)
{
	int r = pki_load_key(key_pem, &s->key);

	return r < 0 ? r : pki_load(certificate_pem, &s->certificate);
}

static bool
is_name(struct gh_str name)
{
	if (name.n == 0 || name.n > PKI_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return true;
}

/** What all certificates have: version, serial, times, subject, key and its id. */
static int
describe(gnutls_x509_crt_t crt, struct gh_str common_name, int64_t not_before_s, int64_t not_after_s)
{
	unsigned char serial[PKI_SERIAL_LEN], id[PKI_KEY_ID_LEN];
	size_t id_size = sizeof(id);
	int g = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, never zero */
	if (g >= 0)
		g = gnutls_x509_crt_set_version(crt, 3);
	if (g >= 0)
		g = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (g >= 0)
		g = gnutls_x509_crt_set_activation_time(crt, (time_t)not_before_s);
	if (g >= 0)
		g = gnutls_x509_crt_set_expiration_time(crt, (time_t)not_after_s);
	if (g >= 0)
		g = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common_name.p,
			(unsigned)common_name.n);
	if (g >= 0)
		g = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &id_size);
	if (g >= 0)
		g = gnutls_x509_crt_set_subject_key_id(crt, id, id_size);
	return g;
}

static int
describe_authority(gnutls_x509_crt_t crt)
{
	int g = gnutls_x509_crt_set_basic_constraints(crt, 1, -1);

	return g < 0 ? g : gnutls_x509_crt_set_key_usage(crt,
		GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
}

/** Sign and hand out. */
static int
finish(gnutls_x509_crt_t crt, gnutls_x509_crt_t by, gnutls_x509_privkey_t key, struct gh_str *ret_pem)
{
	unsigned char id[PKI_KEY_ID_LEN];
	size_t id_size = sizeof(id);
	gnutls_datum_t pem = { .data = NULL };
	int g = gnutls_x509_crt_get_subject_key_id(by, id, &id_size, NULL);

	if (g >= 0)
		g = gnutls_x509_crt_set_authority_key_id(crt, id, id_size);
	if (g >= 0)
		g = gnutls_x509_crt_sign2(crt, by, key, GNUTLS_DIG_SHA256, 0);
	if (g >= 0)
		g = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	return g < 0 ? pki_error(g) : pki_give(&pem, ret_pem);
}

int
pki_authority_new(struct gh_str common_name, int64_t not_before_s, int64_t not_after_s,
	struct gh_str *ret_key_pem, struct gh_str *ret_certificate_pem)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	struct gh_str certificate = GH_STR_NONE;
	int g, r;

	if (!is_name(common_name))
		return GH_EINVAL;
	r = pki_generate(&key);
	if (r < 0)
		return r;
	g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = gnutls_x509_crt_set_key(crt, key);
	if (g >= 0)
		g = describe(crt, common_name, not_before_s, not_after_s);
	if (g >= 0)
		g = describe_authority(crt);
	r = g < 0 ? pki_error(g) : finish(crt, crt, key, &certificate);
	if (r == GH_OK)
		r = pki_export_key(key, ret_key_pem);
	if (r == GH_OK)
		*ret_certificate_pem = certificate;
	else
		free((void *)certificate.p);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return r;
}

int
pki_cross_sign(struct gh_str certificate_pem, struct gh_str older_key_pem,
	struct gh_str older_certificate_pem, struct gh_str *ret_certificate_pem)
{
	struct signer older = { .key = NULL };
	gnutls_x509_crt_t crt = NULL, newer = NULL;
	gnutls_pubkey_t key = NULL;
	char name[PKI_NAME_MAX + 1];
	size_t name_n = sizeof(name);
	int g, r = signer_init(&older, older_key_pem, older_certificate_pem);

	if (r == GH_OK)
		r = pki_load(certificate_pem, &newer);
	if (r < 0)
		goto out;
	g = gnutls_x509_crt_get_dn_by_oid(newer, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &name_n);
	if (g >= 0)
		g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = gnutls_pubkey_init(&key);
	if (g >= 0)
		g = gnutls_pubkey_import_x509(key, newer, 0);
	if (g >= 0)
		g = gnutls_x509_crt_set_pubkey(crt, key);
	if (g >= 0)
		g = describe(crt, (struct gh_str){ name, name_n },
			gnutls_x509_crt_get_activation_time(newer),
			gnutls_x509_crt_get_expiration_time(older.certificate));
	if (g >= 0)
		g = describe_authority(crt);
	r = g < 0 ? pki_error(g)
		: finish(crt, older.certificate, older.key, ret_certificate_pem);
out:
	gnutls_pubkey_deinit(key);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crt_deinit(newer);
	signer_done(&older);
	return r;
}

/* ---- Certificates of nodes ------------------------------------------------------------------- */

/** The key of a request that is signed with it; what else the request says is not looked at.
 *  @return 0, GH_EINVAL, GH_ENOMEM. */
static int
load_request(struct gh_str pem, gnutls_pubkey_t *ret_key)
{
	gnutls_datum_t datum = { (unsigned char *)pem.p, (unsigned)pem.n };
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_x509_crq_t request;
	gnutls_pubkey_t key = NULL;
	int r = GH_EINVAL;

	if (pem.n == 0 || pem.n > PKI_PEM_MAX)
		return GH_EINVAL;
	if (gnutls_x509_crq_init(&request) < 0)
		return GH_ENOMEM;
	if (gnutls_pubkey_init(&key) < 0) {
		r = GH_ENOMEM;
		goto out;
	}
	if (gnutls_x509_crq_import(request, &datum, GNUTLS_X509_FMT_PEM) < 0 ||
		gnutls_x509_crq_verify(request, 0) < 0 ||
		gnutls_pubkey_import_x509_crq(key, request, 0) < 0 ||
		gnutls_pubkey_get_pk_algorithm(key, NULL) != GNUTLS_PK_ECDSA ||
		gnutls_pubkey_export_ecc_raw(key, &curve, NULL, NULL) < 0 ||
		curve != GNUTLS_ECC_CURVE_SECP256R1)
		goto out;
	*ret_key = key;
	key = NULL;
	r = GH_OK;
out:
	gnutls_pubkey_deinit(key);
	gnutls_x509_crq_deinit(request);
	return r;
}

static int
describe_node(gnutls_x509_crt_t crt, const struct pki_subject *subject)
{
	int g = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);

	for (size_t i = 0; i < subject->dns_name_count && g >= 0; i++)
		g = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
			subject->dns_names[i].p, (unsigned)subject->dns_names[i].n,
			i == 0 ? GNUTLS_FSAN_SET : GNUTLS_FSAN_APPEND);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (g >= 0)
		g = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	return g;
}

int
pki_issue(struct gh_str authority_key_pem, struct gh_str authority_pem, struct gh_str request_pem,
	const struct pki_subject *subject, struct gh_str *ret_certificate_pem)
{
	struct signer by = { .key = NULL };
	gnutls_pubkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	int g, r;

	if (!is_name(subject->common_name) || subject->dns_name_count > PKI_NAMES_MAX)
		return GH_EINVAL;
	for (size_t i = 0; i < subject->dns_name_count; i++)
		if (!is_name(subject->dns_names[i]))
			return GH_EINVAL;
	r = signer_init(&by, authority_key_pem, authority_pem);
	if (r == GH_OK)
		r = load_request(request_pem, &key);
	if (r < 0)
		goto out;
	int64_t end_s = gnutls_x509_crt_get_expiration_time(by.certificate);

	g = gnutls_x509_crt_init(&crt);
	if (g >= 0)
		g = gnutls_x509_crt_set_pubkey(crt, key);
	if (g >= 0)
		g = describe(crt, subject->common_name, subject->not_before_s,
			subject->not_after_s < end_s ? subject->not_after_s : end_s);
	if (g >= 0)
		g = describe_node(crt, subject);
	r = g < 0 ? pki_error(g) : finish(crt, by.certificate, by.key, ret_certificate_pem);
out:
	gnutls_x509_crt_deinit(crt);
	gnutls_pubkey_deinit(key);
	signer_done(&by);
	return r;
}
