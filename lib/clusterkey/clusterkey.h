/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clusterkey.h
 * @brief The keys that all nodes of a cluster share: the first one seals, all of them open.
 *
 * They come from a file with one key per line, 64 hexadecimal digits each, or from an option (an
 * environment variable) of the same form.  To change the key, put a new line before the old one on
 * every node, seal everything anew, and take the old line away.
 */
#ifndef LIB_CLUSTERKEY_CLUSTERKEY_H
#define LIB_CLUSTERKEY_CLUSTERKEY_H
#include "lib/crypto/crypto.h"

#define CLUSTERKEY_MAX 8
#define CLUSTERKEY_PATH_MAX 4096
#define CLUSTERKEY_ID_LEN (2 * CRYPTO_KEY_ID_LEN)

/** Opaque to users; in crypto_secret_new() memory. */
struct clusterkey {
	struct crypto_key keys[CLUSTERKEY_MAX];
	unsigned n;
};

/** What to do when there is none. */
enum clusterkey_missing {
	CLUSTERKEY_ENOENT, /**< Tell: this node may do without. */
	CLUSTERKEY_CREATE, /**< Make one: nothing was sealed yet. */
	CLUSTERKEY_REFUSE, /**< The store holds what was sealed with a key that must be somewhere. */
};

/** Where to look. */
struct clusterkey_place {
	struct gh_secret text;    /**< n = 0: in the file. */
	struct gh_str file;       /**< n = 0: cluster.key in the state directory. */
	const char *state_dir;
};

/** Read the keys, or make one.
 *  @param[out] ret_path  CLUSTERKEY_PATH_MAX bytes: the file that was made; empty: none was.
 *  @param[out] error  a sentence when the result is not 0; at least 256 bytes.
 *  @param[out] ret  GIVE: clusterkey_close().
 *  @return 0; GH_ENOENT; GH_EINVAL (malformed, or everybody may read it); GH_EIO; GH_ETOOBIG; GH_ENOMEM. */
int clusterkey_open(const struct clusterkey_place *place, enum clusterkey_missing missing,
	char *ret_path, char *error, size_t error_size, struct clusterkey **ret);
/** NULL is allowed. */
void clusterkey_close(struct clusterkey *keys);

/** Which key seals, as hexadecimal. */
void clusterkey_id(const struct clusterkey *keys, char ret_id[CLUSTERKEY_ID_LEN + 1]);
/** As crypto_seal(). */
int clusterkey_seal(const struct clusterkey *keys, struct gh_str context, struct gh_str plain,
	uint8_t *ret);
/** As crypto_unseal(); GH_ENOENT: sealed under none of them. */
int clusterkey_unseal(const struct clusterkey *keys, struct gh_str context, struct gh_str sealed,
	uint8_t *ret, size_t *ret_n);
/** Was this record sealed with the key that seals now? */
bool clusterkey_is_newest(const struct clusterkey *keys, struct gh_str sealed);

#endif
