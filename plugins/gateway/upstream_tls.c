/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_tls.c
 * @brief https endpoints: GnuTLS over the connection's own non-blocking socket.
 *
 * The backend's certificate is verified against the system's trust or the file that was named, and
 * its host against the certificate.  Sessions are resumed.  A stream that ends without close_notify
 * counts as broken, so that nobody can shorten a response.
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/gateway/upstream_private.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/** Shared by all workers. */
struct upstream_trust {
	const struct upstream_options *options;
	pthread_mutex_t lock;                   /**< Of the two below, until is_loaded. */
	gnutls_certificate_credentials_t creds; /**< Read-only once loaded. */
	bool is_loaded;
	gnutls_priority_t priority;
};

struct upstream_tls {
	gnutls_session_t session;
	char host[256];    /**< For verification: GnuTLS keeps the pointer. */
	bool is_unsent;    /**< Sealed bytes wait for the socket. */
	bool is_kept;      /**< The peer has this session already. */
};

/* ---- Trust ------------------------------------------------------------------------- */

/** Read certificates.  The lock is held, or nobody else knows @p t yet. */
static int
load(struct upstream_trust *t, const char **ret_why)
{
	gnutls_certificate_credentials_t creds;
	struct gh_str file = t->options->ca_file;
	int n;

	if (gnutls_certificate_allocate_credentials(&creds) < 0) {
		*ret_why = "out of memory";
		return GH_ENOMEM;
	}
	if (file.n > 0) {
		char path[4096];

		snprintf(path, sizeof(path), "%.*s", GH_STR_ARG(file));
		n = gnutls_certificate_set_x509_trust_file(creds, path, GNUTLS_X509_FMT_PEM);
	} else {
		n = gnutls_certificate_set_x509_system_trust(creds);
	}
	if (n <= 0 && !t->options->insecure) {
		*ret_why = n == 0 ? "there is no certificate in it" : gnutls_strerror(n);
		gnutls_certificate_free_credentials(creds);
		return GH_EINVAL;
	}
	t->creds = creds;
	t->is_loaded = true;
	return 0;
}

int
upstream_trust_new(const struct upstream_options *options, struct upstream_trust **ret_trust,
	char *error, size_t error_size)
{
	struct upstream_trust *t = calloc(1, sizeof(*t));
	const char *why = "out of memory";
	int r = GH_ENOMEM;

	if (t == NULL || gnutls_priority_init(&t->priority, PRIORITY, NULL) < 0)
		goto out;
	t->options = options;
	pthread_mutex_init(&t->lock, NULL);
	why = "the resolver library did not start";
	r = resolve_library_init();
	if (r < 0)
		goto out;
	if (options->ca_file.n > 0)
		r = load(t, &why);
	if (r < 0) {
		resolve_library_done();
		goto out;
	}
	*ret_trust = t;
	t = NULL;
out:
	if (r < 0)
		snprintf(error, error_size, "trust store%s%.*s: %s",
			options->ca_file.n > 0 ? " " : "", GH_STR_ARG(options->ca_file), why);
	if (t != NULL && t->priority != NULL)
		gnutls_priority_deinit(t->priority);
	free(t);
	return r;
}

void
upstream_trust_free(struct upstream_trust *t)
{
	if (t == NULL)
		return;
	if (t->is_loaded)
		gnutls_certificate_free_credentials(t->creds);
	gnutls_priority_deinit(t->priority);
	pthread_mutex_destroy(&t->lock);
	resolve_library_done();
	free(t);
}

static int
credentials(struct upstream_trust *t, gnutls_certificate_credentials_t *ret_creds,
	const char **ret_why)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->is_loaded)
		r = load(t, ret_why);
	if (r == 0)
		*ret_creds = t->creds;
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* ---- Handshake --------------------------------------------------------------------- */

/** Name that the certificate must show: without brackets. */
static void
set_host(struct upstream_tls *tls, const struct upstream_peer *peer)
{
	struct gh_str host = upstream_peer_host(peer);
	bool is_v6 = host.n > 2 && host.p[0] == '[';
	struct gh_str bare = is_v6 ? (struct gh_str){ host.p + 1, host.n - 2 } : host;

	snprintf(tls->host, sizeof(tls->host), "%.*s", GH_STR_ARG(bare));
	unsigned char address[16];

	if (!is_v6 && inet_pton(AF_INET, tls->host, address) != 1) /* SNI is for names only */
		gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, tls->host, bare.n);
}

int
upstream_tls_open(struct upstream_conn *c, const char **ret_why)
{
	static const gnutls_datum_t alpn = { (unsigned char *)(uintptr_t)"http/1.1", 8 };
	struct upstream_trust *trust = c->pool->trust;
	gnutls_certificate_credentials_t creds = NULL;
	int r = credentials(trust, &creds, ret_why);

	if (r < 0)
		return r;
	struct upstream_tls *tls = calloc(1, sizeof(*tls));

	*ret_why = "out of memory";
	if (tls == NULL)
		return GH_ENOMEM;
	if (gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
		free(tls);
		return GH_ENOMEM;
	}
	c->tls = tls;
	gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT); /* we have our own */
	set_host(tls, c->peer);
	if (gnutls_priority_set(tls->session, trust->priority) < 0 ||
		gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, creds) < 0)
		return GH_ENOMEM;
	gnutls_alpn_set_protocols(tls->session, &alpn, 1, 0);
	if (!c->pool->options.insecure)
		gnutls_session_set_verify_cert(tls->session, tls->host, 0);
	if (c->peer->session != NULL)
		gnutls_session_set_data(tls->session, c->peer->session, c->peer->session_n);
	gnutls_transport_set_int(tls->session, c->fd);
	return 0;
}

/** A sentence for a handshake that failed. */
static void
explain(struct upstream_tls *tls, int error, char *why, size_t why_size)
{
	gnutls_datum_t text = { NULL, 0 };

	if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
		gnutls_certificate_verification_status_print(
			gnutls_session_get_verify_cert_status(tls->session), GNUTLS_CRT_X509, &text,
			0) >= 0)
		snprintf(why, why_size, "its certificate for %s: %.*s", tls->host, (int)text.size,
			(const char *)text.data);
	else if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		snprintf(why, why_size, "TLS handshake: the backend says: %s",
			gnutls_alert_get_name(gnutls_alert_get(tls->session)));
	else
		snprintf(why, why_size, "TLS handshake: %s", gnutls_strerror(error));
	gnutls_free(text.data);
}

int
upstream_tls_handshake(struct upstream_conn *c, enum upstream_tls_want *ret_want, char *why,
	size_t why_size)
{
	struct upstream_tls *tls = c->tls;
	int r;

	do
		r = gnutls_handshake(tls->session);
	while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (r == GNUTLS_E_AGAIN) {
		*ret_want = gnutls_record_get_direction(tls->session) == 1 ? UPSTREAM_TLS_WRITE :
			UPSTREAM_TLS_READ;
		return 0;
	}
	if (r < 0) {
		explain(tls, r, why, why_size);
		free(c->peer->session); /* do not try to resume what has failed */
		c->peer->session = NULL;
		return GH_EIO;
	}
	*ret_want = UPSTREAM_TLS_DONE;
	return 0;
}

/* ---- Bytes ------------------------------------------------------------------------- */

int64_t
upstream_tls_read(struct upstream_conn *c, char *p, size_t n)
{
	ssize_t r;

	do
		r = gnutls_record_recv(c->tls->session, p, n);
	while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (r >= 0)
		return r;
	return r == GNUTLS_E_AGAIN ? GH_EAGAIN : GH_EIO; /* also renegotiation, which is refused */
}

bool
upstream_tls_has_bytes(const struct upstream_conn *c)
{
	return c->tls != NULL && gnutls_record_check_pending(c->tls->session) > 0;
}

bool
upstream_tls_is_full(const struct upstream_conn *c)
{
	return c->tls != NULL && c->tls->is_unsent;
}

int
upstream_tls_flush(struct upstream_conn *c)
{
	struct upstream_tls *tls = c->tls;
	int r;

	if (!tls->is_unsent)
		return 0;
	do
		r = gnutls_record_uncork(tls->session, 0);
	while (r == GNUTLS_E_INTERRUPTED);
	if (r == GNUTLS_E_AGAIN)
		return GH_EAGAIN;
	tls->is_unsent = false;
	return r < 0 ? GH_EIO : 0;
}

int64_t
upstream_tls_write(struct upstream_conn *c, const struct iovec *iov, int count)
{
	struct upstream_tls *tls = c->tls;
	size_t taken = 0;

	gnutls_record_cork(tls->session);
	for (int i = 0; i < count && taken < UPSTREAM_CHUNK_MAX; i++) {
		size_t n = iov[i].iov_len;

		if (n > UPSTREAM_CHUNK_MAX - taken)
			n = UPSTREAM_CHUNK_MAX - taken;
		ssize_t r = n > 0 ? gnutls_record_send(tls->session, iov[i].iov_base, n) : 0;

		if (r < 0)
			return GH_EIO;
		taken += (size_t)r;
	}
	tls->is_unsent = true;
	int r = upstream_tls_flush(c);

	return r == GH_EIO ? GH_EIO : (int64_t)taken;
}

/* ---- Sessions ---------------------------------------------------------------------- */

void
upstream_tls_keep_session(struct upstream_conn *c)
{
	struct upstream_tls *tls = c->tls;
	gnutls_datum_t data = { NULL, 0 };

	if (tls == NULL || tls->is_kept)
		return;
	/* In TLS 1.3 nothing can be resumed before a ticket has come; asking would wait for it. */
	if (gnutls_protocol_get_version(tls->session) >= GNUTLS_TLS1_3 &&
		(gnutls_session_get_flags(tls->session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0)
		return;
	tls->is_kept = true;
	if (gnutls_session_get_data2(tls->session, &data) < 0)
		return;
	void *copy = malloc(data.size);

	if (copy != NULL) {
		memcpy(copy, data.data, data.size);
		free(c->peer->session);
		c->peer->session = copy;
		c->peer->session_n = data.size;
	}
	gnutls_free(data.data);
}

void
upstream_tls_close(struct upstream_conn *c)
{
	struct upstream_tls *tls = c->tls;

	if (tls == NULL)
		return;
	c->tls = NULL;
	if (c->state == UPSTREAM_BUSY || c->state == UPSTREAM_IDLE)
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	gnutls_deinit(tls->session);
	free(tls);
}
