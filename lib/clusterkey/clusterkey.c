/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clusterkey.c
 * @brief Reading and making the keys that all nodes of a cluster share.
 */
#include "lib/clusterkey/clusterkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS ((size_t)2 * CRYPTO_KEY_LEN)
#define TEXT_MAX (CLUSTERKEY_MAX * (DIGITS + 2))

/** Lines of digits to keys; empty lines count for nothing. */
static int
parse(struct gh_str text, struct clusterkey *keys)
{
	while (text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
		struct gh_str line = { text.p, n };
		uint8_t bytes[CRYPTO_KEY_LEN];
		int r;

		text.p += end != NULL ? n + 1 : n;
		text.n -= end != NULL ? n + 1 : n;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			continue;
		if (keys->n == CLUSTERKEY_MAX)
			return GH_ETOOBIG;
		r = crypto_unhex(line, bytes, sizeof(bytes));
		if (r == GH_OK)
			r = crypto_key_init(&keys->keys[keys->n], bytes);
		crypto_wipe(bytes, sizeof(bytes));
		if (r < 0)
			return r;
		keys->n++;
	}
	return keys->n > 0 ? GH_OK : GH_EINVAL;
}

static int
parse_named(struct gh_str text, const char *where, struct clusterkey *keys, char *error,
	size_t error_size)
{
	int r = parse(text, keys);

	if (r == GH_ETOOBIG)
		snprintf(error, error_size, "%s: more than %d keys", where, CLUSTERKEY_MAX);
	else if (r < 0)
		snprintf(error, error_size, "%s: not %zu hexadecimal digits", where, DIGITS);
	return r;
}

static int
read_file(const char *path, struct clusterkey *keys, char *error, size_t error_size)
{
	char text[TEXT_MAX + 1], where[300];
	struct stat st;
	ssize_t n = -1;
	int r = GH_EIO, fd = open(path, O_RDONLY | O_CLOEXEC);

	snprintf(where, sizeof(where), "cluster key %s", path);
	if (fd < 0 && errno == ENOENT) {
		snprintf(error, error_size, "%s does not exist", where);
		return GH_ENOENT;
	}
	if (fd >= 0 && fstat(fd, &st) == 0)
		n = read(fd, text, sizeof(text));
	if (n < 0) {
		snprintf(error, error_size, "cannot read %s: %s", where, strerror(errno));
	} else if ((st.st_mode & 07) != 0) {
		snprintf(error, error_size, "%s: mode %03o lets everybody use it", where,
			(unsigned)st.st_mode & 0777);
		r = GH_EINVAL;
	} else {
		r = parse_named((struct gh_str){ text, (size_t)n }, where, keys, error, error_size);
	}
	if (fd >= 0)
		close(fd);
	crypto_wipe(text, sizeof(text));
	return r;
}

/** Make a key under another name and link it: whoever comes second finds a whole file. */
static int
create_file(const char *path, char *error, size_t error_size)
{
	char text[DIGITS + 2], temp[CLUSTERKEY_PATH_MAX + 32];
	uint8_t bytes[CRYPTO_KEY_LEN];
	int r = crypto_random(bytes, sizeof(bytes)), fd = -1;

	temp[0] = '\0';
	if (r < 0) {
		snprintf(error, error_size, "the system gives no randomness");
		goto out;
	}
	crypto_hex(bytes, sizeof(bytes), text);
	text[DIGITS] = '\n';
	snprintf(temp, sizeof(temp), "%s.%ld", path, (long)getpid());
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, DIGITS + 1) != (ssize_t)DIGITS + 1 || fsync(fd) != 0 ||
		(link(temp, path) != 0 && errno != EEXIST)) {
		snprintf(error, error_size, "cannot write cluster key %s: %s", path, strerror(errno));
		r = GH_EIO;
	}
out:
	if (fd >= 0) {
		unlink(temp);
		close(fd);
	}
	crypto_wipe(bytes, sizeof(bytes));
	crypto_wipe(text, sizeof(text));
	return r;
}

static int
open_file(const char *path, enum clusterkey_missing missing, struct clusterkey *keys, char *ret_path,
	char *error, size_t error_size)
{
	int r = read_file(path, keys, error, error_size);

	if (r != GH_ENOENT || missing == CLUSTERKEY_ENOENT)
		return r;
	if (missing == CLUSTERKEY_REFUSE) {
		snprintf(error, error_size, "cluster key %s is missing, but the store holds keys that "
			"were sealed with it", path);
		return r;
	}
	r = create_file(path, error, error_size);
	if (r == GH_OK)
		r = read_file(path, keys, error, error_size);
	if (r == GH_OK)
		snprintf(ret_path, CLUSTERKEY_PATH_MAX, "%s", path);
	return r;
}

int
clusterkey_open(const struct clusterkey_place *place, enum clusterkey_missing missing, char *ret_path,
	char *error, size_t error_size, struct clusterkey **ret)
{
	char path[CLUSTERKEY_PATH_MAX];
	struct clusterkey *keys = crypto_secret_new(sizeof(*keys));
	int r, n = place->file.n > 0 ? snprintf(path, sizeof(path), "%.*s", GH_STR_ARG(place->file))
		: snprintf(path, sizeof(path), "%s/cluster.key", place->state_dir);

	ret_path[0] = '\0';
	if (keys == NULL) {
		snprintf(error, error_size, "out of memory");
		return GH_ENOMEM;
	}
	if (place->text.v.n > 0) {
		r = parse_named(place->text.v, "cluster_key", keys, error, error_size);
	} else if (n < 0 || (size_t)n >= sizeof(path)) {
		snprintf(error, error_size, "cluster_key_file: the path is too long");
		r = GH_ETOOBIG;
	} else {
		r = open_file(path, missing, keys, ret_path, error, error_size);
	}
	if (r == GH_OK)
		*ret = keys;
	else
		clusterkey_close(keys);
	return r;
}

void
clusterkey_close(struct clusterkey *keys)
{
	crypto_secret_free(keys, sizeof(*keys));
}

void
clusterkey_id(const struct clusterkey *keys, char ret_id[CLUSTERKEY_ID_LEN + 1])
{
	crypto_hex(keys->keys[0].id, CRYPTO_KEY_ID_LEN, ret_id);
}

int
clusterkey_seal(const struct clusterkey *keys, struct gh_str context, struct gh_str plain, uint8_t *ret)
{
	return crypto_seal(&keys->keys[0], context, plain, ret);
}

int
clusterkey_unseal(const struct clusterkey *keys, struct gh_str context, struct gh_str sealed,
	uint8_t *ret, size_t *ret_n)
{
	int r = GH_ENOENT;

	for (unsigned i = 0; i < keys->n && r == GH_ENOENT; i++)
		r = crypto_unseal(&keys->keys[i], context, sealed, ret, ret_n);
	return r;
}

bool
clusterkey_is_newest(const struct clusterkey *keys, struct gh_str sealed)
{
	return sealed.n >= CRYPTO_SEAL_OVERHEAD &&
		memcmp(sealed.p + 1, keys->keys[0].id, CRYPTO_KEY_ID_LEN) == 0;
}
