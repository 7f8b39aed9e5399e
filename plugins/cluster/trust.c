/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file trust.c
 * @brief trust/1: what TLS needs, who is a member, and sealing for files of this node.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/file/file.h"
#include "plugins/cluster/cluster.h"

/* ---- Material -------------------------------------------------------------------------------- */

/** In front of the material, as it is one block. */
struct block {
	size_t n;
	struct gh_trust_material material;
};

static struct gh_str
put(char **at, struct gh_str s)
{
	struct gh_str out = { *at, s.n };

	memcpy(*at, s.p, s.n);
	*at += s.n + 1;
	return out;
}

static int
get_material(void *self, struct gh_trust_material **ret)
{
	struct cluster *c = self;
	uint64_t serial = atomic_load(&c->serial);
	struct identity *i = cluster_identity_ref(c);
	int r = GH_ENOENT;

	if (i == NULL)
		return r;
	size_t n = sizeof(struct block) + i->chain.n + i->key.n + i->authorities.n + 3;
	struct block *block = calloc(1, n);

	r = GH_ENOMEM;
	if (block != NULL) {
		char *at = (char *)(block + 1);

		block->n = n;
		block->material.chain_pem = put(&at, i->chain);
		block->material.key_pem = put(&at, i->key);
		block->material.ca_pem = put(&at, i->authorities);
		block->material.serial = serial; /* perhaps of the one before: then it is asked again */
		*ret = &block->material;
		r = GH_OK;
	}
	cluster_identity_unref(i);
	return r;
}

static void
material_free(struct gh_trust_material *material)
{
	struct block *block;

	if (material == NULL)
		return;
	block = (struct block *)(void *)((char *)material - offsetof(struct block, material));
	crypto_wipe_free(block, block->n);
}

static uint64_t
get_serial(void *self)
{
	struct cluster *c = self;

	return atomic_load_explicit(&c->serial, memory_order_acquire);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static struct gh_str
node_id(void *self)
{
	struct cluster *c = self;

	return gh_str_of(c->node_id);
}

static struct gh_str
roles(void *self)
{
	struct cluster *c = self;
	struct role_text *newest = atomic_load(&c->roles);

	return newest != NULL ? gh_str_of(newest->text) : GH_STR_NONE;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, CRYPTO_UUID_LEN);
}

static bool
is_member(void *self, struct gh_str id)
{
	struct cluster *c = self;
	bool is_removed;

	if (id.n != CRYPTO_UUID_LEN)
		return false;
	pthread_rwlock_rdlock(&c->removed_lock);
	is_removed = c->removed_count > 0 && bsearch(id.p, c->removed, c->removed_count,
		sizeof(*c->removed), compare) != NULL;
	pthread_rwlock_unlock(&c->removed_lock);
	return !is_removed;
}

/* ---- Sealing --------------------------------------------------------------------------------- */

static int
seal(void *self, struct gh_str context, struct gh_str plain, uint8_t *ret)
{
	struct cluster *c = self;

	return c->cluster_key != NULL ? clusterkey_seal(c->cluster_key, context, plain, ret)
		: crypto_seal(c->own_key, context, plain, ret);
}

static int
unseal(void *self, struct gh_str context, struct gh_str sealed, uint8_t *ret, size_t *ret_n)
{
	struct cluster *c = self;
	int r = c->cluster_key != NULL
		? clusterkey_unseal(c->cluster_key, context, sealed, ret, ret_n) : GH_ENOENT;

	/* A file may be from before the node was given the cluster key. */
	return r == GH_ENOENT && c->own_key != NULL
		? crypto_unseal(c->own_key, context, sealed, ret, ret_n) : r;
}

/** The key of this node alone.  @param is_needed  make one when there is none. */
static int
open_own_key(struct cluster *c, bool is_needed, char *error, size_t error_size)
{
	char path[CLUSTER_PATH_MAX], digits[2 * CRYPTO_KEY_LEN + 1];
	uint8_t bytes[CRYPTO_KEY_LEN];
	struct gh_str text = GH_STR_NONE;
	int n = snprintf(path, sizeof(path), "%s/node.key", c->dir), r = GH_EINVAL;

	if (n < 0 || (size_t)n >= sizeof(path))
		return r;
	r = file_read(path, 2 * CRYPTO_KEY_LEN, &text, error, error_size);
	if (r == GH_ENOENT && !is_needed)
		return GH_OK;
	if (r == GH_ENOENT) {
		r = crypto_random(bytes, sizeof(bytes));
		crypto_hex(bytes, sizeof(bytes), digits);
		if (r == GH_OK)
			r = file_replace(path, gh_str_of(digits), error, error_size);
	} else if (r == GH_OK) {
		r = crypto_unhex(text, bytes, sizeof(bytes));
		if (r < 0)
			snprintf(error, error_size, "%s: not %d hexadecimal digits", path,
				2 * CRYPTO_KEY_LEN);
	}
	if (r < 0)
		goto out;
	c->own_key = crypto_secret_new(sizeof(*c->own_key));
	r = c->own_key != NULL ? crypto_key_init(c->own_key, bytes) : GH_ENOMEM;
out:
	crypto_wipe(bytes, sizeof(bytes));
	crypto_wipe(digits, sizeof(digits));
	crypto_wipe_free((void *)text.p, text.n);
	return r;
}

int
cluster_keys_open(struct cluster *c)
{
	char made[CLUSTERKEY_PATH_MAX], error[CLUSTER_ERROR_BYTES] = "out of memory";
	int r = clusterkey_open(&c->key_place, CLUSTERKEY_ENOENT, made, error, sizeof(error),
		&c->cluster_key);

	if (r == GH_OK)
		clusterkey_id(c->cluster_key, c->cluster_key_id);
	/* A node that joins makes none: the one it has is the cluster's, or it has none. */
	if (r == GH_ENOENT && (c->control_url == NULL || c->key_place.file.n == 0))
		r = GH_OK;
	if (r == GH_OK)
		r = open_own_key(c, c->cluster_key == NULL, error, sizeof(error));
	if (r < 0)
		cluster_log(c, LOG_ERR, "%s", error);
	return r;
}

void
cluster_keys_close(struct cluster *c)
{
	clusterkey_close(c->cluster_key);
	crypto_secret_free(c->own_key, sizeof(*c->own_key));
	c->cluster_key = NULL;
	c->own_key = NULL;
}

/* ---- The service ----------------------------------------------------------------------------- */

const struct gh_trust_v1 cluster_trust = {
	.size = sizeof(cluster_trust), .material = get_material, .material_free = material_free,
	.serial = get_serial, .node_id = node_id, .roles = roles, .is_member = is_member,
	.seal = seal, .unseal = unseal,
};
