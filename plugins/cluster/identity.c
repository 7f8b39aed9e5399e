/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity.c
 * @brief Node id, certificate and key: in memory and in the state directory.
 *
 * Key and certificate lie in one file, so that there is never one without the other.
 */
#include "plugins/cluster/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>

#include "lib/file/file.h"

#define CERTIFICATE_MARK "-----BEGIN CERTIFICATE-----"

static int64_t
now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

static int
path_of(const struct cluster *c, const char *name, char path[CLUSTER_PATH_MAX])
{
	int n = snprintf(path, CLUSTER_PATH_MAX, "%s/%s", c->dir, name);

	return n > 0 && n < CLUSTER_PATH_MAX ? GH_OK : GH_EINVAL;
}

/* ---- What a certificate means for a node ----------------------------------------------------- */

int64_t
cluster_renew_at_s(const struct pki_certificate *certificate)
{
	int64_t issued_s = certificate->not_before_s + GH_ENROLL_BACKDATE_S;

	return issued_s + (certificate->not_after_s - issued_s) * 2 / 3;
}

/* ---- Identities ------------------------------------------------------------------------------ */

static struct gh_str
text_dup(struct gh_str s)
{
	char *p = strndup(s.n > 0 ? s.p : "", s.n);

	return (struct gh_str){ p, p != NULL ? s.n : 0 };
}

static void
identity_free(struct identity *identity)
{
	if (identity == NULL)
		return;
	free((void *)identity->chain.p);
	crypto_wipe_free((void *)identity->key.p, identity->key.n);
	free((void *)identity->authorities.p);
	free(identity);
}

/** Checked copies.  @return 0, or an error with its sentence. */
static int
identity_new(struct gh_str chain, struct gh_str key, struct gh_str authorities, char *error,
	size_t error_size, struct identity **ret)
{
	struct identity *identity = calloc(1, sizeof(*identity));
	int r = pki_check(chain, key, authorities, now_s(), error, error_size);

	if (r == GH_OK)
		r = pki_read(chain, &identity->certificate);
	if (r < 0)
		goto out;
	atomic_init(&identity->refs, 1);
	identity->chain = text_dup(chain);
	identity->key = text_dup(key);
	identity->authorities = text_dup(authorities);
	pki_names_under(&identity->certificate, GH_ROLE_DOMAIN, identity->roles);
	if (identity->chain.p == NULL || identity->key.p == NULL || identity->authorities.p == NULL) {
		snprintf(error, error_size, "out of memory");
		r = GH_ENOMEM;
		goto out;
	}
	*ret = identity;
	identity = NULL;
out:
	identity_free(identity);
	return r;
}

struct identity *
cluster_identity_ref(struct cluster *c)
{
	struct identity *identity;

	pthread_mutex_lock(&c->lock);
	identity = c->newest;
	if (identity != NULL)
		atomic_fetch_add(&identity->refs, 1);
	pthread_mutex_unlock(&c->lock);
	return identity;
}

void
cluster_identity_unref(struct identity *identity)
{
	if (identity != NULL && atomic_fetch_sub(&identity->refs, 1) == 1)
		identity_free(identity);
}

/* ---- On disk --------------------------------------------------------------------------------- */

static int
save(const struct cluster *c, const struct identity *identity, bool with_key, char *error,
	size_t error_size)
{
	char path[CLUSTER_PATH_MAX];
	size_t n = identity->key.n + identity->chain.n;
	char *text = malloc(n + 1);
	int r = path_of(c, "authorities.pem", path);

	if (text == NULL || r < 0) {
		snprintf(error, error_size, "out of memory");
		r = GH_ENOMEM;
		goto out;
	}
	/* First whom to trust: it holds also while the certificate is the old one. */
	r = file_replace(path, identity->authorities, error, error_size);
	if (r < 0 || !with_key)
		goto out;
	memcpy(text, identity->key.p, identity->key.n);
	memcpy(text + identity->key.n, identity->chain.p, identity->chain.n);
	r = path_of(c, "identity.pem", path);
	if (r == GH_OK)
		r = file_replace(path, (struct gh_str){ text, n }, error, error_size);
out:
	crypto_wipe_free(text, n);
	return r;
}

/** @return 0; GH_ENOENT: the node has no certificate; or an error with its sentence. */
static int
load(const struct cluster *c, struct identity **ret, char *error, size_t error_size)
{
	char path[CLUSTER_PATH_MAX], why[256];
	struct gh_str text = GH_STR_NONE, authorities = GH_STR_NONE;
	const char *mark;
	int r = path_of(c, "identity.pem", path);

	if (r == GH_OK)
		r = file_read(path, PKI_PEM_MAX, &text, error, error_size);
	if (r < 0)
		return r;
	mark = strstr(text.p, CERTIFICATE_MARK);
	r = mark == NULL ? GH_EINVAL : path_of(c, "authorities.pem", path);
	if (r == GH_OK)
		r = file_read(path, PKI_PEM_MAX, &authorities, error, error_size);
	else
		snprintf(error, error_size, "%s holds no certificate", path);
	if (r < 0) {
		r = r == GH_ENOENT ? GH_EIO : r;
		goto out;
	}
	size_t key_n = (size_t)(mark - text.p);

	r = identity_new((struct gh_str){ mark, text.n - key_n }, (struct gh_str){ text.p, key_n },
		authorities, why, sizeof(why), ret);
	if (r < 0)
		snprintf(error, error_size, "%s/identity.pem: %s", c->dir, why);
out:
	crypto_wipe_free((void *)text.p, text.n);
	free((void *)authorities.p);
	return r;
}

/* ---- Taking one up --------------------------------------------------------------------------- */

/** Under the lock.  @return 0, GH_ENOMEM. */
static int
remember_roles(struct cluster *c, const char *roles)
{
	struct role_text *newest = atomic_load(&c->roles);
	struct role_text *fresh;

	if (newest != NULL && strcmp(newest->text, roles) == 0)
		return GH_OK;
	fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return GH_ENOMEM;
	memcpy(fresh->text, roles, strlen(roles));
	fresh->next = newest;
	atomic_store(&c->roles, fresh);
	return GH_OK;
}

/** Everybody uses it from now on.  @param identity  GIVE, on success. */
static int
use(struct cluster *c, struct identity *identity, char *error, size_t error_size)
{
	const struct fetch_tls tls = { .authorities = identity->authorities,
		.certificate = identity->chain, .key = identity->key };
	struct identity *old;
	int r = fetch_set_tls(c->fetch, &tls);

	pthread_mutex_lock(&c->lock);
	if (r == GH_OK)
		r = remember_roles(c, identity->roles);
	old = c->newest;
	if (r == GH_OK) {
		c->newest = identity;
		atomic_fetch_add(&c->serial, 1);
		if (c->expires_at != NULL)
			gh_metric_set(c->expires_at, identity->certificate.not_after_s);
		pthread_cond_broadcast(&c->renew_change);
	}
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		snprintf(error, error_size, "out of memory or file descriptors");
	else
		cluster_identity_unref(old);
	return r;
}

int
cluster_identity_install(struct cluster *c, struct gh_str chain, struct gh_str authorities, char *error,
	size_t error_size)
{
	struct identity *identity = NULL;
	struct gh_str key;
	int r;

	pthread_mutex_lock(&c->lock);
	key = c->pending_key;
	c->pending_key = GH_STR_NONE;
	pthread_mutex_unlock(&c->lock);
	r = identity_new(chain, key, authorities, error, error_size, &identity);
	if (r == GH_OK)
		r = save(c, identity, true, error, error_size);
	if (r == GH_OK)
		r = use(c, identity, error, error_size);
	if (r == GH_OK)
		cluster_log(c, LOG_NOTICE, "certificate %s of this node (%s), valid until %lld",
			identity->certificate.serial, identity->roles,
			(long long)identity->certificate.not_after_s);
	else
		identity_free(identity);
	crypto_wipe_free((void *)key.p, key.n);
	return r;
}

int
cluster_identity_trust(struct cluster *c, struct gh_str authorities, char *error, size_t error_size)
{
	struct identity *old = cluster_identity_ref(c), *identity = NULL;
	int r = GH_OK;

	if (old == NULL || gh_str_eq(old->authorities, authorities))
		goto out;
	r = identity_new(old->chain, old->key, authorities, error, error_size, &identity);
	if (r == GH_OK)
		r = save(c, identity, false, error, error_size);
	if (r == GH_OK)
		r = use(c, identity, error, error_size);
	if (r < 0)
		identity_free(identity);
out:
	cluster_identity_unref(old);
	return r;
}

int
cluster_identity_request(struct cluster *c, struct gh_str *ret_request)
{
	struct gh_str key = GH_STR_NONE;
	int r = pki_key_new(&key);

	if (r == GH_OK)
		r = pki_request_new(key, gh_str_of(c->node_id), ret_request);
	if (r == GH_OK) {
		struct gh_str old;

		pthread_mutex_lock(&c->lock);
		old = c->pending_key;
		c->pending_key = key;
		pthread_mutex_unlock(&c->lock);
		key = old;
	}
	crypto_wipe_free((void *)key.p, key.n);
	return r;
}

/* ---- Start and end --------------------------------------------------------------------------- */

static int
open_node_id(struct cluster *c, char *error, size_t error_size)
{
	char path[CLUSTER_PATH_MAX], line[CRYPTO_UUID_LEN + 2];
	struct gh_str text = GH_STR_NONE;
	int n = snprintf(path, sizeof(path), "%s/node-id", c->state_dir), r = GH_EINVAL;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		snprintf(error, error_size, "the path of the state directory is too long");
		return r;
	}
	r = file_read(path, sizeof(line), &text, error, error_size);
	if (r == GH_OK) {
		if (text.n > 0 && text.p[text.n - 1] == '\n')
			text.n--;
		r = crypto_is_uuid(text) ? GH_OK : GH_EINVAL;
		if (r == GH_OK)
			memcpy(c->node_id, text.p, CRYPTO_UUID_LEN);
		else
			snprintf(error, error_size, "%s: not a UUID", path);
		free((void *)text.p);
	} else if (r == GH_ENOENT) {
		r = crypto_uuid(c->node_id);
		snprintf(line, sizeof(line), "%s\n", c->node_id);
		if (r == GH_OK)
			r = file_replace(path, gh_str_of(line), error, error_size);
	}
	return r;
}

int
cluster_identity_open(struct cluster *c)
{
	char error[CLUSTER_ERROR_BYTES] = "out of memory";
	struct identity *identity = NULL;
	int r = open_node_id(c, error, sizeof(error));

	if (r == GH_OK && mkdir(c->dir, 0700) < 0 && errno != EEXIST) {
		snprintf(error, sizeof(error), "cannot make %s: %s", c->dir, strerror(errno));
		r = GH_EIO;
	}
	if (r == GH_OK)
		r = load(c, &identity, error, sizeof(error));
	if (r == GH_OK)
		r = use(c, identity, error, sizeof(error));
	else if (r == GH_ENOENT)
		return GH_OK;
	else if (r == GH_EEXPIRED) {
		/* Not the end: its own store can give it another one. */
		cluster_log(c, LOG_WARNING, "%s", error);
		return GH_OK;
	}
	if (r < 0)
		cluster_log(c, LOG_ERR, "%s", error);
	return r;
}

void
cluster_identity_close(struct cluster *c)
{
	struct role_text *roles = atomic_load(&c->roles);

	cluster_identity_unref(c->newest);
	c->newest = NULL;
	while (roles != NULL) {
		struct role_text *next = roles->next;

		free(roles);
		roles = next;
	}
	crypto_wipe_free((void *)c->pending_key.p, c->pending_key.n);
}
