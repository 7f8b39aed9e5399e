/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tls.c
 * @brief Certificates of listeners.
 *
 * A listener that names no files uses a self-signed certificate, which is made once in the state
 * directory and shared by all listeners and later starts.  Credentials that a reload replaced stay
 * until the end, because sessions may still use them; certificates change rarely enough for that.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/file/file.h"
#include "plugins/http/tls.h"

#define SELF_SIGNED_DAYS 3650
#define DAY_S 86400
#define FILE_BYTES_MAX 1048576

/* Credentials that sessions may use; never changed, freed with the store. */
struct credentials {
	struct credentials *older;
	gnutls_certificate_credentials_t gnutls;
	gnutls_datum_t certificate, key; /* The files' bytes, to see whether they changed. */
};

struct tls_identity {
	struct tls_identity *next;
	struct tls_store *store;
	const struct gh_listener *listener;
	struct gh_str name;                     /* The listener's, for messages. */
	char *certificate_file, *key_file;
	struct credentials *_Atomic newest;
};

struct tls_store {
	const char *state_dir;
	gnutls_datum_t ticket_key;
	struct tls_identity *identities;
};

/* ---- Files ----------------------------------------------------------------------------------- */

static void
datum_free(gnutls_datum_t *d)
{
	if (d->data != NULL)
		gnutls_memset(d->data, 0, d->size);
	gnutls_free(d->data);
	d->data = NULL;
	d->size = 0;
}

/* What GnuTLS takes; its free() is ours. */
static int
read_datum(const char *path, gnutls_datum_t *ret, char *error, size_t error_size)
{
	struct gh_str text;
	int r = file_read(path, FILE_BYTES_MAX, &text, error, error_size);

	if (r == GH_OK)
		*ret = (gnutls_datum_t){ (unsigned char *)(uintptr_t)text.p, (unsigned)text.n };
	return r;
}

static struct gh_str
text_of(const gnutls_datum_t *d)
{
	return (struct gh_str){ (const char *)d->data, d->size };
}

/* ---- The self-signed certificate ------------------------------------------------------------- */

static int
add_names(gnutls_x509_crt_t crt)
{
	static const unsigned char v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
	char host[256] = "";
	int r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
		GNUTLS_FSAN_SET);

	if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0' && r >= 0)
		r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
			(unsigned)strlen(host), GNUTLS_FSAN_APPEND);
	if (r >= 0)
		r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v4, sizeof(v4),
			GNUTLS_FSAN_APPEND);
	if (r >= 0)
		r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v6, sizeof(v6),
			GNUTLS_FSAN_APPEND);
	return r;
}

static int
describe(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	unsigned char serial[16], id[20];
	size_t id_size = sizeof(id);
	time_t now = time(NULL);
	int r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, never zero */
	if (r >= 0)
		r = gnutls_x509_crt_set_version(crt, 3);
	if (r >= 0)
		r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (r >= 0)
		r = gnutls_x509_crt_set_activation_time(crt, now - DAY_S);
	if (r >= 0)
		r = gnutls_x509_crt_set_expiration_time(crt,
			now + (time_t)SELF_SIGNED_DAYS * DAY_S);
	if (r >= 0)
		r = gnutls_x509_crt_set_dn(crt, "CN=localhost,O=Gatehouse self-signed", NULL);
	if (r >= 0)
		r = add_names(crt);
	if (r >= 0)
		r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (r >= 0)
		r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (r >= 0)
		r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (r >= 0)
		r = gnutls_x509_crt_set_key(crt, key);
	if (r >= 0)
		r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &id_size);
	if (r >= 0)
		r = gnutls_x509_crt_set_subject_key_id(crt, id, id_size);
	return r;
}

/* Make both files.  The key goes first: a certificate without its key would be refused later. */
static int
make_self_signed(const char *certificate_file, const char *key_file, char *error,
	size_t error_size)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t key_pem = { .data = NULL }, crt_pem = { .data = NULL };
	int r = gnutls_x509_privkey_init(&key);

	if (r >= 0)
		r = gnutls_x509_crt_init(&crt);
	if (r >= 0)
		r = gnutls_x509_privkey_generate2(key, GNUTLS_PK_ECDSA,
			GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, NULL, 0);
	if (r >= 0)
		r = describe(crt, key);
	if (r >= 0)
		r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	if (r >= 0)
		r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
			GNUTLS_PKCS_PLAIN, &key_pem);
	if (r >= 0)
		r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
	if (r < 0) {
		snprintf(error, error_size, "cannot make a self-signed certificate: %s",
			gnutls_strerror(r));
		r = GH_EIO;
	} else {
		r = file_replace(key_file, text_of(&key_pem), error, error_size);
	}
	if (r == GH_OK)
		r = file_replace(certificate_file, text_of(&crt_pem), error, error_size);
	datum_free(&key_pem);
	gnutls_free(crt_pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return r;
}

/* Is there a certificate that has not expired? */
static bool
is_usable(const char *certificate_file)
{
	gnutls_datum_t pem = { .data = NULL };
	gnutls_x509_crt_t crt = NULL;
	char error[256];
	bool is_fresh = false;

	if (access(certificate_file, F_OK) < 0)
		return false;
	if (read_datum(certificate_file, &pem, error, sizeof(error)) < 0)
		return true; /* loading it will say what is wrong */
	if (gnutls_x509_crt_init(&crt) >= 0) {
		is_fresh = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) < 0 ||
			gnutls_x509_crt_get_expiration_time(crt) > time(NULL);
		gnutls_x509_crt_deinit(crt);
	}
	datum_free(&pem);
	return is_fresh;
}

static int
find_self_signed(const char *state_dir, char **ret_certificate_file, char **ret_key_file,
	char *error, size_t error_size)
{
	char dir[4000];
	char *certificate_file = NULL, *key_file = NULL;
	int r = GH_ENOMEM;

	if (snprintf(dir, sizeof(dir), "%s/tls", state_dir) >= (int)sizeof(dir)) {
		snprintf(error, error_size, "the path of the state directory is too long");
		return GH_EINVAL;
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		snprintf(error, error_size, "cannot make %s: %s", dir, strerror(errno));
		return GH_EIO;
	}
	if (asprintf(&certificate_file, "%s/self-signed.crt", dir) < 0)
		certificate_file = NULL;
	if (asprintf(&key_file, "%s/self-signed.key", dir) < 0)
		key_file = NULL;
	if (certificate_file == NULL || key_file == NULL)
		goto out;
	r = is_usable(certificate_file) ? GH_OK
		: make_self_signed(certificate_file, key_file, error, error_size);
	if (r < 0)
		goto out;
	*ret_certificate_file = certificate_file;
	*ret_key_file = key_file;
	certificate_file = key_file = NULL;
out:
	free(certificate_file);
	free(key_file);
	return r;
}

/* ---- Credentials ----------------------------------------------------------------------------- */

static void
credentials_free(struct credentials *c)
{
	if (c == NULL)
		return;
	if (c->gnutls != NULL)
		gnutls_certificate_free_credentials(c->gnutls);
	datum_free(&c->certificate);
	datum_free(&c->key);
	free(c);
}

static const char *
key_error(int r)
{
	switch (r) {
	case GNUTLS_E_CERTIFICATE_KEY_MISMATCH:
		return "the key does not belong to the certificate";
	case GNUTLS_E_BASE64_DECODING_ERROR:
	case GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return "one of them is not PEM";
	default:
		return gnutls_strerror(r);
	}
}

/* Read both files and make them the newest credentials, unless nothing changed. */
static int
identity_load(struct tls_identity *identity, char *error, size_t error_size)
{
	struct credentials *old = atomic_load(&identity->newest);
	struct credentials *c = calloc(1, sizeof(*c));
	char why[1024] = "out of memory";
	int r = GH_ENOMEM;

	if (c == NULL)
		goto out;
	r = read_datum(identity->certificate_file, &c->certificate, why, sizeof(why));
	if (r == GH_OK)
		r = read_datum(identity->key_file, &c->key, why, sizeof(why));
	if (r < 0)
		goto out;
	if (old != NULL && old->certificate.size == c->certificate.size &&
		old->key.size == c->key.size &&
		memcmp(old->certificate.data, c->certificate.data, c->certificate.size) == 0 &&
		gnutls_memcmp(old->key.data, c->key.data, c->key.size) == 0)
		goto out; /* the same */
	int g = gnutls_certificate_allocate_credentials(&c->gnutls);

	if (g >= 0)
		g = gnutls_certificate_set_x509_key_mem2(c->gnutls, &c->certificate, &c->key,
			GNUTLS_X509_FMT_PEM, NULL, 0);
	if (g < 0) {
		snprintf(why, sizeof(why), "%s (certificate_file %s, key_file %s)", key_error(g),
			identity->certificate_file, identity->key_file);
		r = GH_EINVAL;
		goto out;
	}
	c->older = old;
	atomic_store(&identity->newest, c);
	c = NULL;
out:
	credentials_free(c);
	if (r < 0)
		snprintf(error, error_size, "listener %.*s: %s", GH_STR_ARG(identity->name), why);
	return r;
}

static void
identity_free(struct tls_identity *identity)
{
	struct credentials *c = atomic_load(&identity->newest);

	while (c != NULL) {
		struct credentials *older = c->older;

		credentials_free(c);
		c = older;
	}
	free(identity->certificate_file);
	free(identity->key_file);
	free(identity);
}

/* ---- The store ------------------------------------------------------------------------------- */

int
http_tls_store_new(const char *state_dir, struct tls_store **ret_store)
{
	struct tls_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return GH_ENOMEM;
	store->state_dir = state_dir;
	if (gnutls_session_ticket_key_generate(&store->ticket_key) < 0) {
		free(store);
		return GH_ENOMEM;
	}
	*ret_store = store;
	return GH_OK;
}

void
http_tls_store_free(struct tls_store *store)
{
	if (store == NULL)
		return;
	while (store->identities != NULL) {
		struct tls_identity *identity = store->identities;

		store->identities = identity->next;
		identity_free(identity);
	}
	datum_free(&store->ticket_key);
	free(store);
}

int
http_tls_load(struct tls_store *store, const struct gh_listener *listener, char *error,
	size_t error_size)
{
	struct tls_identity *identity = calloc(1, sizeof(*identity));
	int r = GH_ENOMEM;

	snprintf(error, error_size, "out of memory");
	if (identity == NULL)
		return r;
	identity->store = store;
	identity->listener = listener;
	identity->name = listener->name;
	if ((listener->certificate_file.n > 0) != (listener->key_file.n > 0)) {
		snprintf(error, error_size,
			"listener %.*s: certificate_file and key_file belong together",
			GH_STR_ARG(listener->name));
		r = GH_EINVAL;
		goto out;
	}
	if (listener->certificate_file.n > 0) {
		identity->certificate_file =
			strndup(listener->certificate_file.p, listener->certificate_file.n);
		identity->key_file = strndup(listener->key_file.p, listener->key_file.n);
		r = identity->certificate_file != NULL && identity->key_file != NULL ? GH_OK
										     : GH_ENOMEM;
	} else {
		r = find_self_signed(store->state_dir, &identity->certificate_file,
			&identity->key_file, error, error_size);
	}
	if (r == GH_OK)
		r = identity_load(identity, error, error_size);
	if (r < 0)
		goto out;
	identity->next = store->identities;
	store->identities = identity;
	identity = NULL;
out:
	if (identity != NULL)
		identity_free(identity);
	return r;
}

int
http_tls_reload(struct tls_store *store, char *error, size_t error_size)
{
	int r = GH_OK;

	for (struct tls_identity *i = store->identities; i != NULL && r == GH_OK; i = i->next)
		r = identity_load(i, error, error_size);
	return r;
}

struct tls_identity *
http_tls_find(const struct tls_store *store, const struct gh_listener *listener)
{
	struct tls_identity *identity = store->identities;

	while (identity != NULL && identity->listener != listener)
		identity = identity->next;
	return identity;
}

int
http_tls_session_setup(struct tls_identity *identity, gnutls_session_t session)
{
	struct credentials *c = atomic_load(&identity->newest);
	int r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->gnutls);

	if (r >= 0)
		r = gnutls_session_ticket_enable_server(session, &identity->store->ticket_key);
	return r < 0 ? GH_EIO : GH_OK;
}
