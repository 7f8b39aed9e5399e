/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file secret.c
 * @brief Compare, wipe, and keep secrets out of core dumps.
 */
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "lib/crypto/crypto.h"

bool
crypto_equal(struct gh_str a, struct gh_str b)
{
	return a.n == b.n && (a.n == 0 || gnutls_memcmp(a.p, b.p, a.n) == 0);
}

void
crypto_wipe(void *p, size_t n)
{
	if (n != 0)
		explicit_bzero(p, n);
}

void
crypto_wipe_free(void *p, size_t n)
{
	if (p == NULL)
		return;
	crypto_wipe(p, n);
	free(p);
}

void *
crypto_secret_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, n, MADV_DONTDUMP) != 0) {
		munmap(p, n);
		return NULL;
	}
	(void)mlock(p, n); /* a limit may forbid it; then it may be swapped, but still not dumped */
	return p;
}

void
crypto_secret_free(void *p, size_t n)
{
	if (p == NULL)
		return;
	crypto_wipe(p, n);
	munmap(p, n);
}
