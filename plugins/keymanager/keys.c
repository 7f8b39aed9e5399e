/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keys.c
 * @brief The cluster key, and the keys that sign tokens, sealed in the store.
 *
 * Every node of a cluster is given the same cluster key.  A signing key lies in the store twice:
 * sealed as `signing_key`, for key managers, its public part as `issuer_key`, for who verifies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/doc/doc_json.h"
#include "plugins/keymanager/keymanager.h"

#define CONTEXT_MAX (JOSE_KID_MAX + 32)
#define SEALED_MAX 8192
#define FIRST_KEY 1 /* of its algorithm; a unique index lets one key manager make it */

/** What a sealed private key belongs to. */
static struct gh_str
seal_context(char buffer[CONTEXT_MAX], struct gh_str kid)
{
	int n = snprintf(buffer, CONTEXT_MAX, "signing_key/%.*s", GH_STR_ARG(kid));

	return (struct gh_str){ buffer, n > 0 && n < CONTEXT_MAX ? (size_t)n : 0 };
}

/* ---- Cluster key ----------------------------------------------------------------------------- */

/** @param has_sealed  the store holds what was sealed with a key that must exist somewhere. */
static int
open_cluster_key(struct km *km, const struct km_config *config, bool has_sealed)
{
	const struct clusterkey_place place = { .text = config->cluster_key,
		.file = config->cluster_key_file, .state_dir = gh_inst_state_dir(km->inst) };
	char made[CLUSTERKEY_PATH_MAX], error[CLUSTERKEY_PATH_MAX + 256];
	int r = clusterkey_open(&place, has_sealed ? CLUSTERKEY_REFUSE : CLUSTERKEY_CREATE, made, error,
		sizeof(error), &km->cluster_key);

	if (r < 0)
		gh_inst_log(km->inst, LOG_ERR, "%s", error);
	else if (made[0] != '\0')
		gh_inst_log(km->inst, LOG_NOTICE,
			"made a cluster key, %s; every node of the cluster needs a copy", made);
	return r;
}

/* ---- Signing key ----------------------------------------------------------------------------- */

/** The public part, as gateways get it.  @param[out] ret_body  malloc()ed. */
static int
issuer_body(const struct km *km, const struct jose_key *key, int64_t created_at_s,
	struct gh_str *ret_body)
{
	const struct jose_jwk *jwk = jose_key_jwk(key);
	const struct { const char *name; struct gh_str value; } members[] = {
		{ "kty", jwk->kty }, { "use", jwk->use }, { "alg", jwk->alg }, { "kid", jwk->kid },
		{ "crv", jwk->crv }, { "x", jwk->x }, { "y", jwk->y }, { "n", jwk->n },
		{ "e", jwk->e },
	};
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "issuer", gh_str_of(km->issuer));
	doc_put_str(&w, "alg", jwk->alg);
	doc_begin_map(&w, "jwk");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].value.n != 0)
			doc_put_str(&w, members[i].name, members[i].value);
	doc_end(&w);
	doc_put_int(&w, "created_at_s", created_at_s);
	return doc_finish(&w, ret_body);
}

/** The private part, sealed.  @param[out] ret_body  malloc()ed. */
static int
signing_body(const struct km *km, const struct jose_key *key, int64_t created_at_s,
	struct gh_str *ret_body)
{
	struct gh_str der = GH_STR_NONE;
	uint8_t sealed[SEALED_MAX];
	char context[CONTEXT_MAX];
	struct doc_writer w;
	int r = jose_key_private(key, &der);

	if (r < 0)
		return r;
	size_t sealed_n = der.n + CRYPTO_SEAL_OVERHEAD;

	r = GH_ETOOBIG;
	if (sealed_n <= sizeof(sealed))
		r = clusterkey_seal(km->cluster_key, seal_context(context, jose_key_kid(key)), der,
			sealed);

	crypto_wipe_free((void *)der.p, der.n);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "alg", gh_str_of(jose_alg_name(jose_key_alg(key))));
	doc_put_bin(&w, "sealed", (struct gh_str){ (const char *)sealed, sealed_n });
	doc_put_int(&w, "number", FIRST_KEY);
	doc_put_int(&w, "created_at_s", created_at_s);
	return doc_finish(&w, ret_body);
}

/** Make the first signing key and store both parts in one batch.
 *  @return 0; GH_ECONFLICT: another key manager made it in this moment; an error, logged. */
static int
create_signing_key(struct km *km, enum jose_alg alg)
{
	struct gh_str issuer = GH_STR_NONE, signing = GH_STR_NONE;
	int64_t now_s = (int64_t)(gh_now_us() / 1000000);
	struct jose_key *key = NULL;
	int r = jose_key_generate(alg, &key);

	if (r == 0)
		r = issuer_body(km, key, now_s, &issuer);
	if (r == 0)
		r = signing_body(km, key, now_s, &signing);
	if (r < 0)
		goto out;
	const struct gh_doc_op ops[] = {
		{ GH_DOC_PUT, KM_TENANT, GH_STR("signing_key"), jose_key_kid(key), signing,
			GH_REV_NONE },
		{ GH_DOC_PUT, KM_TENANT, GH_STR("issuer_key"), jose_key_kid(key), issuer,
			GH_REV_NONE },
	};

	r = km_commit(km, ops, 2, NULL);
	if (r < 0)
		goto out;
	km->signing_key = jose_key_ref(key);
	gh_inst_log(km->inst, LOG_NOTICE, "made a signing key, %s, kid %.*s", jose_alg_name(alg),
		GH_STR_ARG(jose_key_kid(key)));
out:
	if (r < 0 && r != GH_ECONFLICT)
		gh_inst_log(km->inst, LOG_ERR, "cannot make a signing key: %s", gh_strerror(r));
	jose_key_unref(key);
	free((void *)issuer.p);
	free((void *)signing.p);
	return r;
}

/** Import a stored signing key; logs why not. */
static int
load_signing_key(struct km *km, enum jose_alg alg, const struct gh_doc *doc)
{
	struct gh_str sealed = doc_bin(doc->body, "sealed");
	uint8_t der[SEALED_MAX];
	char context[CONTEXT_MAX];
	size_t n = 0;
	int r = sealed.n > sizeof(der) ? GH_EINVAL : clusterkey_unseal(km->cluster_key,
		seal_context(context, doc->id), sealed, der, &n);

	if (r == 0)
		r = jose_key_from_private(alg, (struct gh_str){ (const char *)der, n },
			&km->signing_key);
	crypto_wipe(der, n);
	if (r == GH_ENOENT)
		gh_inst_log(km->inst, LOG_ERR, "signing key %.*s was sealed with another cluster "
			"key", GH_STR_ARG(doc->id));
	else if (r < 0)
		gh_inst_log(km->inst, LOG_ERR, "signing key %.*s is damaged: %s",
			GH_STR_ARG(doc->id), gh_strerror(r));
	return r;
}

/** Take over the issuer that a key in the store names. */
static int
adopt_issuer(struct km *km, const struct gh_doc *key)
{
	struct gh_str issuer = doc_str(key->body, "issuer");
	char *copy = strndup(issuer.n > 0 ? issuer.p : "", issuer.n);

	if (copy == NULL)
		return GH_ENOMEM;
	free(km->issuer);
	km->issuer = copy;
	return GH_OK;
}

/** Tokens name their issuer, and so does the public key: after another one was configured, the
 *  key's document is written anew. */
static int
update_issuer(struct km *km, const struct gh_doc *signing)
{
	struct gh_docs_found *found = NULL;
	struct gh_str body = GH_STR_NONE;
	int r = km_get(km, KM_TENANT, "issuer_key", signing->id, &found);

	if (r < 0 && r != GH_ENOENT)
		return r;
	if (r == 0 && gh_str_eq(doc_str(found->docs[0].body, "issuer"), gh_str_of(km->issuer)))
		goto out;
	if (found != NULL && km->is_issuer_auto) {
		r = adopt_issuer(km, &found->docs[0]); /* another key manager was first */
		goto out;
	}
	if (found != NULL)
		gh_inst_log(km->inst, LOG_WARNING, "the issuer was %.*s and is %s now; every key "
			"manager of the cluster must be given the same",
			GH_STR_ARG(doc_str(found->docs[0].body, "issuer")), km->issuer);
	r = issuer_body(km, km->signing_key, doc_int(signing->body, "created_at_s", 0), &body);
	if (r < 0)
		goto out;
	const struct gh_doc_op op = { GH_DOC_PUT, KM_TENANT, GH_STR("issuer_key"), signing->id,
		body, GH_REV_ANY };

	r = km_commit(km, &op, 1, NULL);
out:
	free((void *)body.p);
	km_found_free(km, found);
	return r;
}

/** The newest one of the algorithm that the options name. */
static const struct gh_doc *
newest_key(const struct gh_docs_found *found, enum jose_alg alg)
{
	const struct gh_doc *newest = NULL;

	for (size_t i = 0; i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];

		if (jose_alg_of(doc_str(doc->body, "alg")) != alg)
			continue;
		if (newest == NULL || doc_int(doc->body, "created_at_s", 0) >
				doc_int(newest->body, "created_at_s", 0))
			newest = doc;
	}
	return newest;
}

static int
find_keys(struct km *km, const char *kind, struct gh_docs_found **ret_found)
{
	const struct gh_find find = { .tenant = KM_TENANT, .kind = gh_str_of(kind),
		.limit = GH_FIND_MAX };
	int r = km->docs.vt->find(km->docs.self, &find, ret_found);

	if (r < 0)
		gh_inst_log(km->inst, LOG_ERR, "cannot read the keys: %s", gh_strerror(r));
	return r;
}

int
km_keys_issuer(struct km *km)
{
	const struct gh_doc *newest = NULL;
	struct gh_docs_found *found = NULL;
	int r = find_keys(km, "issuer_key", &found);

	if (r < 0)
		return r;
	for (size_t i = 0; i < found->n; i++)
		if (newest == NULL || doc_int(found->docs[i].body, "created_at_s", 0) >
				doc_int(newest->body, "created_at_s", 0))
			newest = &found->docs[i];
	if (newest != NULL)
		r = adopt_issuer(km, newest);
	km_found_free(km, found);
	return r;
}

/** Load the newest signing key, or make the first one.  @param found  those that there are.
 *  @return as create_signing_key(). */
static int
choose_signing_key(struct km *km, enum jose_alg alg, const struct gh_docs_found *found)
{
	const struct gh_doc *doc = newest_key(found, alg);
	int r = doc != NULL ? load_signing_key(km, alg, doc) : create_signing_key(km, alg);

	return r == 0 && doc != NULL ? update_issuer(km, doc) : r;
}

int
km_keys_open(struct km *km, const struct km_config *config)
{
	static const enum jose_alg algs[] = { JOSE_ES256, JOSE_RS256, JOSE_EDDSA };
	enum jose_alg alg = algs[config->signing_algorithm.v];
	struct gh_docs_found *found = NULL;
	int r = find_keys(km, "signing_key", &found);

	if (r < 0)
		return r;
	r = open_cluster_key(km, config, found->n > 0);
	if (r == 0)
		r = choose_signing_key(km, alg, found);
	if (r == GH_ECONFLICT) { /* now it is there */
		km_found_free(km, found);
		found = NULL;
		r = find_keys(km, "signing_key", &found);
		if (r == 0)
			r = choose_signing_key(km, alg, found);
	}
	if (r < 0)
		goto out;
	pthread_rwlock_init(&km->keys_lock, NULL);
	km->keys[km->key_count++] = jose_key_ref(km->signing_key);
out:
	km_found_free(km, found);
	if (r < 0)
		km_keys_close(km);
	return r;
}

void
km_keys_close(struct km *km)
{
	if (km->key_count > 0)
		pthread_rwlock_destroy(&km->keys_lock);
	while (km->key_count > 0)
		jose_key_unref(km->keys[--km->key_count]);
	jose_key_unref(km->signing_key);
	clusterkey_close(km->cluster_key);
	km->signing_key = NULL;
	km->cluster_key = NULL;
}

/* ---- Public keys ----------------------------------------------------------------------------- */

static struct jose_key *
find_known(struct km *km, struct gh_str kid)
{
	struct jose_key *key = NULL;

	pthread_rwlock_rdlock(&km->keys_lock);
	for (size_t i = 0; i < km->key_count && key == NULL; i++)
		if (gh_str_eq(jose_key_kid(km->keys[i]), kid))
			key = jose_key_ref(km->keys[i]);
	pthread_rwlock_unlock(&km->keys_lock);
	return key;
}

/** Keep a key that was just read; when the table is full it is simply read again next time. */
static void
remember(struct km *km, struct jose_key *key)
{
	pthread_rwlock_wrlock(&km->keys_lock);
	if (km->key_count < KM_KEYS_MAX)
		km->keys[km->key_count++] = jose_key_ref(key);
	pthread_rwlock_unlock(&km->keys_lock);
}

int
km_key_find(struct km *km, const char *kid, struct jose_key **ret_key)
{
	struct gh_docs_found *found = NULL;
	struct jose_key *key = find_known(km, gh_str_of(kid));
	json_t *jwk = NULL;
	int r;

	if (key != NULL) {
		*ret_key = key;
		return GH_OK;
	}
	if (kid[0] == '\0')
		return GH_ENOENT;
	r = km_get(km, KM_TENANT, "issuer_key", gh_str_of(kid), &found);
	if (r < 0)
		return r;
	struct gh_str body = found->docs[0].body;

	r = GH_ENOENT;
	if (gh_str_eq(doc_str(body, "issuer"), gh_str_of(km->issuer)))
		r = doc_map_to_json(doc_map(body, "jwk"), &jwk);
	if (r == 0)
		r = jose_key_from_json(jwk, &key);
	if (r == 0) {
		remember(km, key);
		*ret_key = key;
	}
	json_decref(jwk);
	km_found_free(km, found);
	return r == GH_EINVAL ? GH_ENOENT : r;
}

int
km_keys_json(struct km *km, json_t **ret_json)
{
	const struct gh_find find = { .tenant = KM_TENANT, .kind = GH_STR("issuer_key"),
		.limit = GH_FIND_MAX };
	struct gh_docs_found *found = NULL;
	json_t *keys = json_array(), *jwk;
	int r = km->docs.vt->find(km->docs.self, &find, &found);

	if (r < 0) {
		json_decref(keys);
		return r;
	}
	for (size_t i = 0; i < found->n; i++)
		if (doc_map_to_json(doc_map(found->docs[i].body, "jwk"), &jwk) == 0)
			json_array_append_new(keys, jwk);
	km_found_free(km, found);
	*ret_json = json_pack("{s:o}", "keys", keys);
	return *ret_json != NULL ? GH_OK : GH_ENOMEM;
}
