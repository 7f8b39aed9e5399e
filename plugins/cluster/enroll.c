/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file enroll.c
 * @brief enroll/1: how the node gets its certificate, and learns whom to trust.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/cluster/cluster.h"

static void
get_state(void *self, struct gh_enrolled *ret)
{
	struct cluster *c = self;
	struct identity *i = cluster_identity_ref(c);

	*ret = (struct gh_enrolled){ .has_certificate = i != NULL, .is_joined = c->control_url != NULL };
	if (i == NULL)
		return;
	memcpy(ret->roles, i->roles, sizeof(ret->roles));
	memcpy(ret->authority, i->certificate.authority_key_id, sizeof(ret->authority));
	ret->not_after_s = i->certificate.not_after_s;
	ret->renew_at_s = cluster_renew_at_s(&i->certificate);
	cluster_identity_unref(i);
}

static struct gh_str
wanted_roles(void *self)
{
	struct cluster *c = self;

	return gh_str_of(c->wanted_roles);
}

static int
need_cluster_key(void *self, bool may_create, char *error, size_t error_size)
{
	struct cluster *c = self;
	char made[CLUSTERKEY_PATH_MAX];
	int r;

	if (c->cluster_key != NULL)
		return GH_OK;
	r = clusterkey_open(&c->key_place, may_create ? CLUSTERKEY_CREATE : CLUSTERKEY_REFUSE, made,
		error, error_size, &c->cluster_key);
	if (r < 0)
		return r;
	clusterkey_id(c->cluster_key, c->cluster_key_id);
	if (made[0] != '\0')
		cluster_log(c, LOG_NOTICE,
			"made a cluster key, %s; every node of the cluster needs a copy", made);
	return GH_OK;
}

static struct gh_str
cluster_key_id(void *self)
{
	struct cluster *c = self;

	return c->cluster_key != NULL ? gh_str_of(c->cluster_key_id) : GH_STR_NONE;
}

static int
request(void *self, struct gh_str *ret_request)
{
	return cluster_identity_request(self, ret_request);
}

static int
install(void *self, struct gh_str chain, struct gh_str authorities, char *error, size_t error_size)
{
	return cluster_identity_install(self, chain, authorities, error, error_size);
}

static int
trust(void *self, struct gh_str authorities)
{
	struct cluster *c = self;
	char error[CLUSTER_ERROR_BYTES] = "out of memory";
	int r = cluster_identity_trust(c, authorities, error, sizeof(error));

	if (r < 0)
		cluster_log(c, LOG_ERR, "the cluster's authorities cannot be taken over: %s", error);
	return r;
}

static int
set_removed(void *self, const struct gh_str *ids, size_t n)
{
	struct cluster *c = self;
	char (*fresh)[CRYPTO_UUID_LEN + 1] = calloc(n + 1, sizeof(*fresh)), (*old)[CRYPTO_UUID_LEN + 1];
	size_t kept = 0;

	if (fresh == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (ids[i].n == CRYPTO_UUID_LEN)
			memcpy(fresh[kept++], ids[i].p, CRYPTO_UUID_LEN);
	pthread_rwlock_wrlock(&c->removed_lock);
	old = c->removed;
	c->removed = fresh;
	c->removed_count = kept;
	pthread_rwlock_unlock(&c->removed_lock);
	free(old);
	return GH_OK;
}

static void
renew(void *self)
{
	struct cluster *c = self;

	pthread_mutex_lock(&c->lock);
	c->wants_renewal = true;
	pthread_cond_broadcast(&c->renew_change);
	pthread_mutex_unlock(&c->lock);
}

const struct gh_enroll_v1 cluster_enroll = {
	.size = sizeof(cluster_enroll), .state = get_state, .wanted_roles = wanted_roles,
	.need_cluster_key = need_cluster_key, .cluster_key_id = cluster_key_id, .request = request,
	.install = install, .trust = trust, .set_removed = set_removed, .renew = renew,
};
