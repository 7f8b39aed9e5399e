/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file spool.c
 * @brief Parcels that wait for the analytics node, in one file that is emptied when all are gone.
 *
 * A record is its length, the beginning of its SHA-256, and its bytes.  What was delivered is
 * remembered in memory only: after a crash it is sent again, and the receiver knows it by its number.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/crypto.h"
#include "lib/file/file.h"
#include "plugins/analytics/analytics.h"

#define DIGEST 8u
#define HEAD (4u + DIGEST)
#define PATH_BYTES 4096

struct spool {
	int fd;
	uint64_t run, max_bytes;
	pthread_mutex_t lock;
	uint64_t begin, end; /* lock: of the records that wait, in the file */
	uint64_t peeked;     /* the reader's: length of the record it looked at */
};

static int
fail(char *error, size_t error_size, const char *directory, const char *what)
{
	snprintf(error, error_size, "%s: %s: %s", directory, what, strerror(errno));
	return GH_EIO;
}

/* The record at @p offset.  @param[out] ret  malloc()ed.
 * @return 0; GH_ENOENT: no whole record stands there; GH_ENOMEM. */
static int
read_record(const struct spool *s, uint64_t offset, struct gh_str *ret)
{
	uint8_t head[HEAD], digest[CRYPTO_SHA256_LEN];

	if (file_read_at(s->fd, head, HEAD, offset) < 0)
		return GH_ENOENT;
	size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

	if (n == 0 || n > PARCEL_BYTES_MAX)
		return GH_ENOENT;
	char *p = malloc(n);

	if (p == NULL)
		return GH_ENOMEM;
	if (file_read_at(s->fd, p, n, offset + HEAD) < 0 ||
		crypto_sha256((struct gh_str){ p, n }, digest) < 0 ||
		memcmp(digest, head + 4, DIGEST) != 0) {
		free(p);
		return GH_ENOENT;
	}
	*ret = (struct gh_str){ p, n };
	return 0;
}

/* Find the end of what is whole, and cut off the rest. */
static int
recover(struct spool *s)
{
	struct gh_str record;
	int r;

	while ((r = read_record(s, s->end, &record)) == 0) {
		free((void *)(uintptr_t)record.p);
		s->end += HEAD + record.n;
	}
	if (r == GH_ENOENT && ftruncate(s->fd, (off_t)s->end) == 0)
		return 0;
	return r == GH_ENOENT ? GH_EIO : r;
}

/* One more start: the number in the file "run". */
static int
count_run(struct spool *s, const char *directory, char *error, size_t error_size)
{
	char path[PATH_BYTES], text[32];
	struct gh_str before = GH_STR_NONE;

	if (snprintf(path, sizeof(path), "%s/run", directory) >= (int)sizeof(path))
		return GH_EINVAL;
	int r = file_read(path, sizeof(text), &before, error, error_size);

	if (r < 0 && r != GH_ENOENT)
		return r;
	s->run = (r == 0 ? strtoull(before.p, NULL, 10) : 0) + 1;
	free((void *)(uintptr_t)before.p);
	int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)s->run);

	return file_replace(path, (struct gh_str){ text, (size_t)n }, error, error_size);
}

int
spool_open(const char *directory, uint64_t max_bytes, struct spool **ret_spool, char *error,
	size_t error_size)
{
	char path[PATH_BYTES];
	struct spool *s = calloc(1, sizeof(*s));
	int r = 0;

	if (s == NULL)
		return GH_ENOMEM;
	s->fd = -1;
	s->max_bytes = max_bytes;
	pthread_mutex_init(&s->lock, NULL);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		r = fail(error, error_size, directory, "cannot be made");
	else if ((r = count_run(s, directory, error, error_size)) < 0)
		; /* error says why */
	else if (snprintf(path, sizeof(path), "%s/spool", directory) >= (int)sizeof(path) ||
		(s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		r = fail(error, error_size, directory, "the spool cannot be opened");
	else if ((r = recover(s)) == GH_EIO)
		r = fail(error, error_size, directory, "the spool cannot be read");
	if (r < 0) {
		spool_close(s);
		return r;
	}
	*ret_spool = s;
	return 0;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

uint64_t
spool_run(const struct spool *s)
{
	return s->run;
}

int
spool_put(struct spool *s, struct gh_str parcel)
{
	uint8_t head[HEAD] = { (uint8_t)(parcel.n >> 24), (uint8_t)(parcel.n >> 16),
		(uint8_t)(parcel.n >> 8), (uint8_t)parcel.n };
	uint8_t digest[CRYPTO_SHA256_LEN];
	int r = GH_EIO;

	if (parcel.n == 0 || parcel.n > PARCEL_BYTES_MAX)
		return GH_ETOOBIG;
	if (crypto_sha256(parcel, digest) < 0)
		return GH_EIO;
	memcpy(head + 4, digest, DIGEST);
	pthread_mutex_lock(&s->lock);
	if (s->end + HEAD + parcel.n > s->max_bytes)
		r = GH_ETOOBIG;
	else if (file_write_at(s->fd, parcel.p, parcel.n, s->end + HEAD) == 0 &&
		file_write_at(s->fd, head, HEAD, s->end) == 0) {
		s->end += HEAD + parcel.n;
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int
spool_peek(struct spool *s, struct gh_str *ret)
{
	pthread_mutex_lock(&s->lock);
	uint64_t begin = s->begin, end = s->end;

	pthread_mutex_unlock(&s->lock);
	if (begin == end)
		return GH_ENOENT;
	int r = read_record(s, begin, ret);

	if (r < 0)
		return r == GH_ENOENT ? GH_EIO : r;
	s->peeked = HEAD + ret->n;
	return 0;
}

void
spool_drop(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->begin += s->peeked;
	s->peeked = 0;
	if (s->begin == s->end && ftruncate(s->fd, 0) == 0)
		s->begin = s->end = 0;
	pthread_mutex_unlock(&s->lock);
}

uint64_t
spool_clear(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t n = s->end - s->begin;

	s->begin = s->end; /* goes on behind what cannot be read, should truncating fail */
	if (ftruncate(s->fd, 0) == 0)
		s->begin = s->end = 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

uint64_t
spool_bytes(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t n = s->end - s->begin;

	pthread_mutex_unlock(&s->lock);
	return n;
}
