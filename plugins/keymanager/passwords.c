/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file passwords.c
 * @brief argon2id with memory from mmap, and its text form.
 */
#include "plugins/keymanager/passwords.h"

#include <argon2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/clock/clock.h"
#include "lib/crypto/crypto.h"

#define SLOTS 2
#define SALT_LEN 16
#define HASH_LEN 32
#define FIELD_MAX 64 /* bytes of a salt or a hash that is read */

/** What a hash costs and says. */
struct hash {
	uint32_t memory_kib, passes, lanes;
	uint8_t salt[FIELD_MAX], digest[FIELD_MAX];
	size_t salt_n, digest_n;
};

static const struct hash cost = { .memory_kib = 19456, .passes = 2, .lanes = 1,
	.salt_n = SALT_LEN, .digest_n = HASH_LEN };
static const struct hash cost_max = { .memory_kib = 65536, .passes = 8, .lanes = 4 };

int
passwords_init(struct passwords *passwords, uint64_t wait_ms)
{
	*passwords = (struct passwords){ .wait_ms = wait_ms };
	return clock_init(&passwords->lock, &passwords->freed) == 0 ? GH_OK : GH_ENOMEM;
}

void
passwords_done(struct passwords *passwords)
{
	pthread_cond_destroy(&passwords->freed);
	pthread_mutex_destroy(&passwords->lock);
}

/** libargon2's allocator: pages that go back at once and stay out of core dumps. */
static int
map_memory(uint8_t **ret, size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return ARGON2_MEMORY_ALLOCATION_ERROR;
	(void)madvise(p, n, MADV_DONTDUMP);
	*ret = p;
	return ARGON2_OK;
}

static void
unmap_memory(uint8_t *p, size_t n)
{
	munmap(p, n);
}

/** Compute hash->digest from its salt and cost. */
static int
compute(struct gh_str password, struct hash *hash)
{
	argon2_context context = {
		.out = hash->digest, .outlen = (uint32_t)hash->digest_n,
		.pwd = (uint8_t *)password.p, .pwdlen = (uint32_t)password.n,
		.salt = hash->salt, .saltlen = (uint32_t)hash->salt_n,
		.t_cost = hash->passes, .m_cost = hash->memory_kib,
		.lanes = hash->lanes, .threads = 1, .version = ARGON2_VERSION_13,
		.allocate_cbk = map_memory, .free_cbk = unmap_memory,
	};
	int r = argon2id_ctx(&context);

	if (r == ARGON2_MEMORY_ALLOCATION_ERROR)
		return GH_ENOMEM;
	return r == ARGON2_OK ? GH_OK : GH_EINVAL;
}

/** Take one of the slots.  @return 0 or GH_EAGAIN. */
static int
take_slot(struct passwords *passwords)
{
	struct timespec until = clock_after(passwords->wait_ms);
	int r = 0;

	pthread_mutex_lock(&passwords->lock);
	while (passwords->running >= SLOTS && r == 0)
		r = pthread_cond_timedwait(&passwords->freed, &passwords->lock, &until);
	bool has_slot = passwords->running < SLOTS;

	passwords->running += has_slot;
	pthread_mutex_unlock(&passwords->lock);
	return has_slot ? GH_OK : GH_EAGAIN;
}

/** compute() inside one of the slots. */
static int
compute_in_slot(struct passwords *passwords, struct gh_str password, struct hash *hash)
{
	int r = take_slot(passwords);

	if (r < 0)
		return r;
	r = compute(password, hash);
	pthread_mutex_lock(&passwords->lock);
	passwords->running--;
	pthread_cond_signal(&passwords->freed);
	pthread_mutex_unlock(&passwords->lock);
	return r;
}

/** Base64 without padding, as PHC texts have it. */
static void
put_base64(const uint8_t *p, size_t n, char *ret)
{
	crypto_base64(p, n, ret);
	ret[strcspn(ret, "=")] = '\0';
}

static int
get_base64(struct gh_str text, uint8_t *ret, size_t *ret_n)
{
	char padded[CRYPTO_BASE64_LEN(FIELD_MAX) + 1];
	size_t n = text.n;

	if (n > CRYPTO_BASE64URL_LEN(FIELD_MAX))
		return GH_EINVAL;
	memcpy(padded, text.p, n);
	while (n % 4 != 0)
		padded[n++] = '=';
	return crypto_unbase64((struct gh_str){ padded, n }, ret, FIELD_MAX, ret_n);
}

/** Take the part of @p rest up to the next '$'. */
static struct gh_str
next_part(struct gh_str *rest)
{
	const char *end = rest->n > 0 ? memchr(rest->p, '$', rest->n) : NULL;
	struct gh_str part = { rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n };
	size_t taken = part.n + (end != NULL);

	*rest = (struct gh_str){ rest->p + taken, rest->n - taken };
	return part;
}

/** Read "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>" and refuse costs that harm the node. */
static int
read_phc(struct gh_str phc, struct hash *ret)
{
	char costs[48], canonical[48];
	unsigned m, t, p;

	if (next_part(&phc).n != 0 || !gh_str_eq(next_part(&phc), GH_STR("argon2id")) ||
			!gh_str_eq(next_part(&phc), GH_STR("v=19")))
		return GH_EINVAL;
	struct gh_str part = next_part(&phc);

	if (part.n >= sizeof(costs))
		return GH_EINVAL;
	memcpy(costs, part.p, part.n);
	costs[part.n] = '\0';
	if (sscanf(costs, "m=%8u,t=%4u,p=%4u", &m, &t, &p) != 3)
		return GH_EINVAL;
	snprintf(canonical, sizeof(canonical), "m=%u,t=%u,p=%u", m, t, p);
	if (!gh_str_eq(part, gh_str_of(canonical)) || m > cost_max.memory_kib ||
			t > cost_max.passes || p > cost_max.lanes)
		return GH_EINVAL;
	*ret = (struct hash){ .memory_kib = m, .passes = t, .lanes = p };
	int r = get_base64(next_part(&phc), ret->salt, &ret->salt_n);

	if (r == 0)
		r = get_base64(phc, ret->digest, &ret->digest_n);
	return r < 0 || ret->digest_n < 16 || ret->salt_n < 8 ? GH_EINVAL : GH_OK;
}

int
passwords_hash(struct passwords *passwords, struct gh_str password, char ret_phc[PASSWORD_PHC_MAX])
{
	struct hash hash = cost;
	char salt[CRYPTO_BASE64_LEN(SALT_LEN) + 1], digest[CRYPTO_BASE64_LEN(HASH_LEN) + 1];
	int r;

	if (password.n == 0 || password.n > PASSWORD_MAX)
		return GH_EINVAL;
	r = crypto_random(hash.salt, hash.salt_n);
	if (r == 0)
		r = compute_in_slot(passwords, password, &hash);
	if (r < 0)
		return r;
	put_base64(hash.salt, hash.salt_n, salt);
	put_base64(hash.digest, hash.digest_n, digest);
	int n = snprintf(ret_phc, PASSWORD_PHC_MAX, "$argon2id$v=19$m=%u,t=%u,p=%u$%s$%s",
		hash.memory_kib, hash.passes, hash.lanes, salt, digest);

	crypto_wipe(&hash, sizeof(hash));
	crypto_wipe(digest, sizeof(digest));
	return n > 0 && n < PASSWORD_PHC_MAX ? GH_OK : GH_EIO;
}

int
passwords_verify(struct passwords *passwords, struct gh_str password, struct gh_str phc)
{
	struct hash stored = cost, given;
	bool has_user = phc.n != 0;
	int r = has_user ? read_phc(phc, &stored) : GH_OK;

	if (r < 0)
		return r;
	if (password.n == 0 || password.n > PASSWORD_MAX)
		return GH_EDENIED;
	given = stored;
	r = compute_in_slot(passwords, password, &given);
	if (r == 0 && (!has_user || !crypto_equal(
			(struct gh_str){ (const char *)given.digest, given.digest_n },
			(struct gh_str){ (const char *)stored.digest, stored.digest_n })))
		r = GH_EDENIED;
	crypto_wipe(&given, sizeof(given));
	crypto_wipe(&stored, sizeof(stored));
	return r;
}
