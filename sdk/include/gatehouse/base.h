/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/base.h
 * @brief Words that every other header uses: ownership, threads, errors, counted strings, units.
 *
 * Ownership words; there are no others:
 *   BORROW  the caller keeps it; the callee drops the pointer before it returns.
 *   GIVE    it moves to the callee, on success and on failure alike.
 *   ARENA   freed by the kernel when the named lifetime (txn, call, generation) ends.
 *   STATIC  it lives as long as the shared object is mapped.
 * Thread words:
 *   MAIN    the main thread: start-up, reload, shutdown, event delivery.
 *   WORKER  the worker that owns the transaction.  Never blocks.
 *   POOL    an offload thread, or a thread of the plugin's own.  May block, with a deadline.
 *   ANY     each of them.
 * Errors: int functions return 0 or a negative gh_err; ret_ outputs are written on success only.
 * Sizes are bytes; times carry their unit in the name (_ms, _s, _us, _ns).
 */
#ifndef GATEHOUSE_BASE_H
#define GATEHOUSE_BASE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GH_API __attribute__((visibility("default")))
#define GH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** What an int function returns when it is not 0.  Append only. */
enum gh_err {
	GH_OK = 0,
	GH_ENOMEM = -1,    /**< Allocation failed, or an arena's limit was hit. */
	GH_EINVAL = -2,    /**< The caller broke the contract, or the input is malformed. */
	GH_ENOENT = -3,    /**< No such service, key, document or field. */
	GH_EAGAIN = -4,    /**< Temporary (a full queue, a locked store); may be retried. */
	GH_EVERSION = -5,  /**< Found, but of another major version. */
	GH_ECONFLICT = -6, /**< A unique key or an expected revision does not hold. */
	GH_EDENIED = -7,   /**< Not allowed: wrong password, bad signature, missing right. */
	GH_EEXPIRED = -8,  /**< Was valid, is no longer. */
	GH_ETOOBIG = -9,   /**< Over a stated maximum. */
	GH_ETIMEDOUT = -10, /**< A deadline passed. */
	GH_EIO = -11,      /**< Disk or network failed; details were logged or are in a message. */
	GH_ETRUNCATED = -12, /**< The reader is older than the feed's oldest record. */
};

/** Short English text of a gh_err.  ANY.  @return STATIC, never NULL. */
GH_API const char *gh_strerror(int err);

/** Counted bytes, not NUL-terminated; p may be NULL only where n is 0. */
struct gh_str {
	const char *p;
	size_t n;
};
#define GH_STR(lit) ((struct gh_str){ "" lit "", sizeof(lit) - 1 })
#define GH_STR_NONE ((struct gh_str){ NULL, 0 })
/** For printf's "%.*s". */
#define GH_STR_ARG(s) (int)(s).n, ((s).n ? (s).p : "")

static inline struct gh_str
gh_str_of(const char *z)
{
	return (struct gh_str){ z, z != NULL ? strlen(z) : 0 };
}

static inline bool
gh_str_eq(struct gh_str a, struct gh_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** Compare as field names and schemes are compared: ASCII letters without case (RFC 9110, 5.1). */
static inline bool
gh_str_eq_nocase(struct gh_str a, struct gh_str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];

		if (x != y && ((x | 32) != (y | 32) || (x | 32) < 'a' || (x | 32) > 'z'))
			return false;
	}
	return true;
}

/* Option values have types of their own, so that an option table can tell them apart. */
struct gh_ms { uint64_t v; };          /**< Milliseconds; "30s", "5m", "250ms" in a manifest. */
struct gh_bytes { uint64_t v; };       /**< Bytes; "64k", "1M", "2G" in a manifest (powers of 1024). */
struct gh_secret { struct gh_str v; }; /**< Never logged or exported; wiped when freed. */
struct gh_choice { unsigned v; };      /**< Index into the option's list of words. */
struct gh_list { const struct gh_str *v; size_t n; }; /**< List of strings, in manifest order. */

struct gh_txn;    /**< One request and its response.  BORROWed by every hook. */
struct gh_inst;   /**< One manifest entry of one plugin, for the life of the process. */
struct gh_worker; /**< One event loop on one thread. */
struct gh_call;   /**< One management request on the pool. */
struct gh_plan;   /**< Immutable, ordered attachments. */

/** Microseconds since the epoch (CLOCK_REALTIME).  ANY. */
GH_API uint64_t gh_now_us(void);
/** Nanoseconds of CLOCK_MONOTONIC.  ANY. */
GH_API uint64_t gh_mono_ns(void);
/** True on MAIN and POOL, false on WORKER: may this thread wait for disk or network? */
GH_API bool gh_may_block(void);

#endif
