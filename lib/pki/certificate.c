/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file certificate.c
 * @brief Reading certificates, and checking those that a node is to use.
 */
#include <gnutls/abstract.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/pki/private.h"

static int
load(gnutls_datum_t datum, gnutls_x509_crt_fmt_t format, gnutls_x509_crt_t *ret_certificate)
{
	gnutls_x509_crt_t crt;

	if (datum.size == 0 || datum.size > PKI_PEM_MAX)
		return GH_EINVAL;
	if (gnutls_x509_crt_init(&crt) < 0)
		return GH_ENOMEM;
	if (gnutls_x509_crt_import(crt, &datum, format) < 0) {
		gnutls_x509_crt_deinit(crt);
		return GH_EINVAL;
	}
	*ret_certificate = crt;
	return GH_OK;
}

static gnutls_datum_t
datum_of(struct gh_str s)
{
	size_t n = s.n <= PKI_PEM_MAX ? s.n : PKI_PEM_MAX + 1;

	return (gnutls_datum_t){ (unsigned char *)s.p, (unsigned)n };
}

int
pki_load(struct gh_str pem, gnutls_x509_crt_t *ret_certificate)
{
	return load(datum_of(pem), GNUTLS_X509_FMT_PEM, ret_certificate);
}

/* ---- What a certificate says ----------------------------------------------------------------- */

/** Only printable letters without blanks: names become words of a list. */
static bool
is_word(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return false;
	return n > 0;
}

static int
read_dns_names(gnutls_x509_crt_t crt, char *names)
{
	size_t used = 0;

	for (unsigned i = 0; i < PKI_NAMES_MAX; i++) {
		char name[PKI_NAMES_BYTES];
		size_t n = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, NULL);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			return GH_EINVAL;
		if (type != GNUTLS_SAN_DNSNAME)
			continue;
		if (!is_word(name, n) || used + n + 2 > PKI_NAMES_BYTES)
			return GH_EINVAL;
		if (used > 0)
			names[used++] = ' ';
		memcpy(names + used, name, n);
		used += n;
	}
	names[used] = '\0';
	return GH_OK;
}

static int
describe(gnutls_x509_crt_t crt, struct pki_certificate *ret)
{
	struct pki_certificate c = { .not_before_s = gnutls_x509_crt_get_activation_time(crt),
		.not_after_s = gnutls_x509_crt_get_expiration_time(crt) };
	unsigned char bytes[64];
	size_t n = sizeof(c.common_name);

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, c.common_name,
			&n) < 0 || !is_word(c.common_name, n) || read_dns_names(crt, c.dns_names) < 0)
		return GH_EINVAL;
	n = PKI_SERIAL_LEN;
	if (gnutls_x509_crt_get_serial(crt, bytes, &n) < 0)
		return GH_EINVAL;
	crypto_hex(bytes, n, c.serial);
	n = PKI_KEY_ID_LEN;
	if (gnutls_x509_crt_get_subject_key_id(crt, bytes, &n, NULL) >= 0)
		crypto_hex(bytes, n, c.key_id);
	n = PKI_KEY_ID_LEN;
	if (gnutls_x509_crt_get_authority_key_id(crt, bytes, &n, NULL) >= 0)
		crypto_hex(bytes, n, c.authority_key_id);
	n = sizeof(c.fingerprint);
	if (gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, c.fingerprint, &n) < 0)
		return GH_EINVAL;
	*ret = c;
	return GH_OK;
}

int
pki_read(struct gh_str pem, struct pki_certificate *ret)
{
	gnutls_x509_crt_t crt;
	int r = pki_load(pem, &crt);

	if (r < 0)
		return r;
	r = describe(crt, ret);
	gnutls_x509_crt_deinit(crt);
	return r;
}

int
pki_read_der(const void *der, size_t n, struct pki_certificate *ret)
{
	gnutls_datum_t datum = datum_of((struct gh_str){ der, n });
	gnutls_x509_crt_t crt;
	int r = load(datum, GNUTLS_X509_FMT_DER, &crt);

	if (r < 0)
		return r;
	r = describe(crt, ret);
	gnutls_x509_crt_deinit(crt);
	return r;
}

void
pki_names_under(const struct pki_certificate *certificate, const char *domain,
	char ret_names[PKI_NAMES_BYTES])
{
	const char *at = certificate->dns_names;
	size_t used = 0, tail = strlen(domain);

	while (*at != '\0') {
		size_t n = strcspn(at, " ");

		if (n > tail && memcmp(at + n - tail, domain, tail) == 0) {
			if (used > 0)
				ret_names[used++] = ' ';
			memcpy(ret_names + used, at, n - tail); /* shorter than what it comes from */
			used += n - tail;
		}
		at += n;
		at += strspn(at, " ");
	}
	ret_names[used] = '\0';
}

/* ---- Several of them ------------------------------------------------------------------------- */

/** Certificates of one text. */
struct bundle {
	gnutls_x509_crt_t crts[PKI_CHAIN_MAX];
	unsigned n;
};

static void
bundle_done(struct bundle *b)
{
	for (unsigned i = 0; i < b->n; i++)
		gnutls_x509_crt_deinit(b->crts[i]);
	b->n = 0;
}

static int
bundle_init(struct bundle *b, struct gh_str pem)
{
	gnutls_datum_t datum = datum_of(pem);

	b->n = PKI_CHAIN_MAX;
	if (datum.size == 0 || datum.size > PKI_PEM_MAX ||
		gnutls_x509_crt_list_import(b->crts, &b->n, &datum, GNUTLS_X509_FMT_PEM,
			GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0) {
		b->n = 0;
		return GH_EINVAL;
	}
	return GH_OK;
}

int
pki_pick(struct gh_str pem, const uint8_t fingerprint[PKI_FINGERPRINT_LEN], struct gh_str *ret_pem)
{
	struct bundle bundle;
	gnutls_datum_t found = { .data = NULL };
	int r = bundle_init(&bundle, pem);

	if (r < 0)
		return r;
	r = GH_ENOENT;
	for (unsigned i = 0; i < bundle.n && r == GH_ENOENT; i++) {
		uint8_t digest[PKI_FINGERPRINT_LEN];
		size_t n = sizeof(digest);

		if (gnutls_x509_crt_get_fingerprint(bundle.crts[i], GNUTLS_DIG_SHA256, digest, &n) < 0 ||
			memcmp(digest, fingerprint, sizeof(digest)) != 0)
			continue;
		r = gnutls_x509_crt_export2(bundle.crts[i], GNUTLS_X509_FMT_PEM, &found) < 0
			? GH_ENOMEM : pki_give(&found, ret_pem);
	}
	bundle_done(&bundle);
	return r;
}

static bool
is_key_of(struct gh_str key_pem, gnutls_x509_crt_t crt)
{
	unsigned char of_key[PKI_FINGERPRINT_LEN], of_crt[PKI_FINGERPRINT_LEN];
	size_t key_n = sizeof(of_key), crt_n = sizeof(of_crt);
	gnutls_x509_privkey_t key;
	bool is_same;

	if (pki_load_key(key_pem, &key) < 0)
		return false;
	is_same = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_n) >= 0 &&
		gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_n) >= 0 &&
		key_n == crt_n && memcmp(of_key, of_crt, key_n) == 0;
	gnutls_x509_privkey_deinit(key);
	return is_same;
}

static int
verify(const struct bundle *chain, const struct bundle *authorities)
{
	gnutls_x509_trust_list_t list;
	unsigned status = GNUTLS_CERT_INVALID;
	int r = GH_EDENIED;

	if (gnutls_x509_trust_list_init(&list, 0) < 0)
		return GH_ENOMEM;
	/* Times are looked at apart, for a better sentence. */
	if (gnutls_x509_trust_list_add_cas(list, authorities->crts, authorities->n, 0) >= 0 &&
		gnutls_x509_trust_list_verify_crt(list, (gnutls_x509_crt_t *)chain->crts, chain->n,
			GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL) >= 0 && status == 0)
		r = GH_OK;
	gnutls_x509_trust_list_deinit(list, 0);
	return r;
}

int
pki_check(struct gh_str chain_pem, struct gh_str key_pem, struct gh_str authorities_pem, int64_t now_s,
	char *error, size_t error_size)
{
	struct bundle chain = { .n = 0 }, authorities = { .n = 0 };
	struct pki_certificate c;
	int r = bundle_init(&chain, chain_pem);

	if (r == GH_OK)
		r = describe(chain.crts[0], &c);
	if (r == GH_OK)
		r = bundle_init(&authorities, authorities_pem);
	if (r < 0) {
		snprintf(error, error_size, "it is not a certificate with its authorities in PEM");
		goto out;
	}
	if (!is_key_of(key_pem, chain.crts[0])) {
		snprintf(error, error_size, "the private key does not belong to the certificate");
		r = GH_EINVAL;
		goto out;
	}
	r = verify(&chain, &authorities);
	if (r < 0) {
		snprintf(error, error_size, "the certificate is not of an authority of this cluster");
		goto out;
	}
	if (now_s < c.not_before_s || now_s > c.not_after_s) {
		snprintf(error, error_size, "the certificate %s", now_s < c.not_before_s
			? "is not valid yet: is the clock of this node right?" : "has expired");
		r = GH_EEXPIRED;
	}
out:
	bundle_done(&chain);
	bundle_done(&authorities);
	return r;
}
