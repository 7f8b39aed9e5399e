/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mutual.c
 * @brief Mutual TLS of cluster listeners.
 *
 * A caller without a certificate gets through, as it may want to join; a caller with a wrong one
 * does not.  Whether a node was removed is asked for each request and now and then for each
 * connection, as connections live long.
 */
#include "config.h"

#include <gatehouse/offload.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/http/mutual.h"

struct mutual_credentials {
	atomic_uint refs;
	gnutls_certificate_credentials_t gnutls;
	uint64_t serial;
};

struct mutual {
	struct gh_inst *inst;
	struct gh_trust trust;
	pthread_mutex_t lock;
	struct mutual_credentials *newest; /* lock */
	_Atomic uint64_t serial;           /* Of newest. */
	atomic_bool is_refreshing;
};

struct refresh {
	struct gh_job job;
	struct mutual *mutual;
};

/* ---- Credentials ----------------------------------------------------------------------------- */

void
http_mutual_release(struct mutual_credentials *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	gnutls_certificate_free_credentials(c->gnutls);
	free(c);
}

/* Called within the handshake, also when there is no certificate to verify. */
static int
on_verify(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, .size = 0 };
	unsigned status = GNUTLS_CERT_INVALID, n = 0;

	if (gnutls_certificate_get_peers(session, &n) == NULL || n == 0)
		return 0;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	return 0;
}

static gnutls_datum_t
datum_of(struct gh_str s)
{
	return (gnutls_datum_t){ (unsigned char *)s.p, (unsigned)s.n };
}

static int
credentials_new(const struct gh_trust_material *material, struct mutual_credentials **ret)
{
	gnutls_datum_t chain = datum_of(material->chain_pem), key = datum_of(material->key_pem);
	gnutls_datum_t authorities = datum_of(material->ca_pem);
	struct mutual_credentials *c = calloc(1, sizeof(*c));
	int g;

	if (c == NULL)
		return GH_ENOMEM;
	atomic_init(&c->refs, 1);
	c->serial = material->serial;
	g = gnutls_certificate_allocate_credentials(&c->gnutls);
	if (g < 0) {
		free(c);
		return GH_ENOMEM;
	}
	g = gnutls_certificate_set_x509_key_mem2(c->gnutls, &chain, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (g >= 0)
		g = gnutls_certificate_set_x509_trust_mem(c->gnutls, &authorities, GNUTLS_X509_FMT_PEM);
	if (g <= 0) {
		http_mutual_release(c);
		return GH_EIO;
	}
	gnutls_certificate_set_verify_function(c->gnutls, on_verify);
	*ret = c;
	return GH_OK;
}

static int
load(struct mutual *m)
{
	struct gh_trust_material *material = NULL;
	struct mutual_credentials *c = NULL, *old;
	int r = m->trust.vt->material(m->trust.self, &material);

	if (r < 0)
		return r;
	r = credentials_new(material, &c);
	m->trust.vt->material_free(material);
	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	old = m->newest;
	m->newest = c;
	atomic_store(&m->serial, c->serial);
	pthread_mutex_unlock(&m->lock);
	http_mutual_release(old);
	return GH_OK;
}

/* ---- Taking up changes ----------------------------------------------------------------------- */

static void
on_refresh(struct gh_job *job)
{
	struct refresh *refresh = (struct refresh *)(void *)job;
	int r = load(refresh->mutual);

	if (r < 0)
		gh_inst_log(refresh->mutual->inst, LOG_ERR,
			"the new certificate of this node cannot be used: %s", gh_strerror(r));
}

static void
on_free(struct gh_job *job)
{
	struct refresh *refresh = (struct refresh *)(void *)job;

	atomic_store(&refresh->mutual->is_refreshing, false);
	free(refresh);
}

void
http_mutual_refresh(struct mutual *m)
{
	struct refresh *refresh;

	if (m->trust.vt->serial(m->trust.self) == atomic_load(&m->serial) ||
		atomic_exchange(&m->is_refreshing, true))
		return;
	refresh = calloc(1, sizeof(*refresh));
	if (refresh == NULL) {
		atomic_store(&m->is_refreshing, false);
		return;
	}
	refresh->job = (struct gh_job){ .run = on_refresh, .free = on_free };
	refresh->mutual = m;
	(void)gh_job_post(m->inst, GH_LANE_CRYPTO, &refresh->job); /* it is tried again soon */
}

/* ---- Sessions -------------------------------------------------------------------------------- */

struct mutual_credentials *
http_mutual_setup(struct mutual *m, gnutls_session_t session)
{
	struct mutual_credentials *c;

	pthread_mutex_lock(&m->lock);
	c = m->newest;
	atomic_fetch_add(&c->refs, 1);
	pthread_mutex_unlock(&m->lock);
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->gnutls) < 0) {
		http_mutual_release(c);
		return NULL;
	}
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	return c;
}

int
http_mutual_caller(gnutls_session_t session, struct mutual_caller **ret)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	struct pki_certificate c;
	struct mutual_caller *caller;
	int r;

	if (chain == NULL || n == 0)
		return GH_ENOENT;
	r = pki_read_der(chain[0].data, chain[0].size, &c);
	if (r < 0)
		return r;
	caller = calloc(1, sizeof(*caller));
	if (caller == NULL)
		return GH_ENOMEM;
	memcpy(caller->node, c.common_name, sizeof(caller->node));
	pki_names_under(&c, GH_ROLE_DOMAIN, caller->roles);
	caller->not_after_s = c.not_after_s;
	*ret = caller;
	return GH_OK;
}

bool
http_mutual_is_good(const struct mutual *m, const struct mutual_caller *caller)
{
	return (int64_t)(gh_now_us() / 1000000) <= caller->not_after_s &&
		m->trust.vt->is_member(m->trust.self, gh_str_of(caller->node));
}

/* ---- Life ------------------------------------------------------------------------------------ */

int
http_mutual_new(struct gh_inst *inst, const struct gh_trust *trust, char *error, size_t error_size,
	struct mutual **ret)
{
	struct mutual *m = calloc(1, sizeof(*m));
	int r = GH_ENOMEM;

	snprintf(error, error_size, "out of memory");
	if (m == NULL)
		return r;
	m->inst = inst;
	m->trust = *trust;
	pthread_mutex_init(&m->lock, NULL);
	r = load(m);
	if (r == GH_ENOENT)
		snprintf(error, error_size, "this node has no certificate of its cluster: name the plugin "
			"members on a node with documents, or give control_url and join_token");
	else if (r < 0)
		snprintf(error, error_size, "the certificate of this node cannot be used: %s",
			gh_strerror(r));
	if (r == GH_OK)
		*ret = m;
	else
		http_mutual_free(m);
	return r;
}

void
http_mutual_free(struct mutual *m)
{
	if (m == NULL)
		return;
	http_mutual_release(m->newest);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
