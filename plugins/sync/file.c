/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file.c
 * @brief Blocks of a replica file: n:4 sealed, where the seal is bound to file and place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/crypto.h"
#include "lib/file/file.h"
#include "lib/hash/hash.h"
#include "plugins/sync/replica_file.h"

#define BLOCK_MAX (REPLICA_BLOCK_BYTES + FEEDWIRE_FRAME_MAX + GH_SEAL_OVERHEAD)

static const char magic[8] = { 'G', 'H', 'F', 'E', 'E', 'D', '1', '\n' };
_Static_assert(sizeof(magic) + REPLICA_ID_BYTES == REPLICA_FIRST, "the head of the file");

static struct replica_file *
file_of(int fd)
{
	struct replica_file *file = fd >= 0 ? calloc(1, sizeof(*file)) : NULL;

	if (file == NULL)
		return NULL;
	file->refs = 1;
	file->fd = fd;
	file->end = REPLICA_FIRST;
	file->index.seed = hash_seed();
	return file;
}

int
replica_file_new(const char *path, struct replica_file **ret_file)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct replica_file *file = file_of(fd);
	int r = fd < 0 ? GH_EIO : file == NULL ? GH_ENOMEM : GH_OK;

	if (r == 0)
		r = crypto_random(file->id, sizeof(file->id));
	if (r == 0)
		r = file_write_at(fd, magic, sizeof(magic), 0);
	if (r == 0)
		r = file_write_at(fd, file->id, sizeof(file->id), sizeof(magic));
	if (r < 0) {
		if (file != NULL)
			replica_file_free(file);
		else if (fd >= 0)
			close(fd);
		return r;
	}
	*ret_file = file;
	return GH_OK;
}

int
replica_file_open(const char *path, struct replica_file **ret_file)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	char head[sizeof(magic)];

	if (fd < 0)
		return errno == ENOENT ? GH_ENOENT : GH_EIO;
	struct replica_file *file = file_of(fd);

	if (file == NULL) {
		close(fd);
		return GH_ENOMEM;
	}
	int r = file_read_at(fd, head, sizeof(head), 0);

	if (r == 0 && memcmp(head, magic, sizeof(magic)) != 0)
		r = GH_EINVAL;
	if (r == 0)
		r = file_read_at(fd, file->id, sizeof(file->id), sizeof(magic));
	if (r < 0) {
		replica_file_free(file);
		return r;
	}
	*ret_file = file;
	return GH_OK;
}

void
replica_file_free(struct replica_file *file)
{
	close(file->fd);
	free(file->batches);
	free(file->index.slots);
	free(file);
}

/** What a seal is bound to. */
struct place {
	char bytes[12 + REPLICA_ID_BYTES + 8];
};

static struct gh_str
place_of(const struct replica_file *file, uint64_t at, struct place *place)
{
	memcpy(place->bytes, "feed/replica", 12);
	memcpy(place->bytes + 12, file->id, sizeof(file->id));
	for (unsigned i = 0; i < 8; i++)
		place->bytes[12 + sizeof(file->id) + i] = (char)(at >> 8 * (7 - i));
	return (struct gh_str){ place->bytes, sizeof(place->bytes) };
}

int
replica_block_write(const struct gh_trust *trust, const struct replica_file *file, uint64_t at,
	struct gh_str plain, uint64_t *ret_next)
{
	size_t n = plain.n + GH_SEAL_OVERHEAD;
	uint8_t *block = malloc(4 + n);
	struct place place;

	if (block == NULL)
		return GH_ENOMEM;
	for (unsigned i = 0; i < 4; i++)
		block[i] = (uint8_t)(n >> 8 * (3 - i));
	int r = trust->vt->seal(trust->self, place_of(file, at, &place), plain, block + 4);

	if (r == 0)
		r = file_write_at(file->fd, block, 4 + n, at);
	free(block);
	if (r < 0)
		return GH_EIO;
	*ret_next = at + 4 + n;
	return GH_OK;
}

/** The sealed bytes of the block at @p at, malloc()ed. */
static int
read_sealed(const struct replica_file *file, uint64_t at, uint64_t end, uint8_t **ret_sealed,
	size_t *ret_n)
{
	uint8_t head[4];

	if (at > end || end - at < 4 + GH_SEAL_OVERHEAD)
		return GH_EINVAL;
	int r = file_read_at(file->fd, head, sizeof(head), at);

	if (r < 0)
		return r;
	size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

	if (n <= GH_SEAL_OVERHEAD || n > BLOCK_MAX || n > end - at - 4)
		return GH_EINVAL;
	uint8_t *sealed = malloc(n);

	if (sealed == NULL)
		return GH_ENOMEM;
	r = file_read_at(file->fd, sealed, n, at + 4);
	if (r < 0) {
		free(sealed);
		return r;
	}
	*ret_sealed = sealed;
	*ret_n = n;
	return GH_OK;
}

int
replica_block_read(const struct gh_trust *trust, const struct replica_file *file, uint64_t at,
	uint64_t end, struct buffer *plain, uint64_t *ret_next)
{
	struct place place;
	uint8_t *sealed = NULL, *open = NULL;
	size_t n = 0, open_n = 0;
	int r = read_sealed(file, at, end, &sealed, &n);

	if (r < 0)
		return r;
	open = malloc(n - GH_SEAL_OVERHEAD);
	r = open == NULL ? GH_ENOMEM : trust->vt->unseal(trust->self, place_of(file, at, &place),
		(struct gh_str){ (const char *)sealed, n }, open, &open_n);
	free(sealed);
	if (r < 0) {
		free(open);
		return r == GH_EDENIED ? GH_EINVAL : r;
	}
	buffer_done(plain);
	*plain = (struct buffer){ (char *)open, open_n, n - GH_SEAL_OVERHEAD };
	*ret_next = at + 4 + n;
	return GH_OK;
}
