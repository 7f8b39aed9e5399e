/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file recorder.c
 * @brief From the LOG hook to the batcher without a lock: a ring with one writer and one reader.
 *
 * Records are small because names are interned: the worker keeps a table of subjects and a record
 * points to one.  When the table is full, the worker starts a new one and sends the old one
 * through the ring behind the records that point into it; the batcher frees it when it gets there.
 */
#include <stdalign.h>
#include <stdlib.h>

#include "lib/hash/hash.h"
#include "plugins/analytics/analytics.h"

#define RING 16384u          /* records; a power of two */
#define SLOTS 8192u          /* of the table of subjects; a power of two */
#define SUBJECTS (SLOTS / 2)

struct subjects {
	uint32_t n;
	struct subject *slots[SLOTS];
};

/* What stands in the ring: a call, or a table to be freed. */
struct entry {
	struct record record;
	struct subjects *retired;
};

struct recorder {
	uint64_t seed;
	struct subjects *subjects;          /* the worker's; NULL: none yet */
	struct entry *ring;
	alignas(64) _Atomic uint32_t head;  /* written by the worker */
	uint32_t tail_seen;                 /* the worker's last look at the tail */
	alignas(64) _Atomic uint32_t tail;  /* written by the batcher */
};

/* ---- Subjects -------------------------------------------------------------------------------- */

static void
subjects_free(struct subjects *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		free(s->slots[i]);
	free(s);
}

/* The slot of a subject, or the free one where it belongs.  There is always a free one. */
static struct subject **
slot_of(struct subjects *s, uint64_t hash, struct gh_str bytes)
{
	for (uint64_t i = hash;; i++) {
		struct subject **slot = &s->slots[i % SLOTS];

		if (*slot == NULL || ((*slot)->hash == hash && (*slot)->n == bytes.n &&
			memcmp((*slot)->bytes, bytes.p, bytes.n) == 0))
			return slot;
	}
}

static struct subject *
subject_get(struct recorder *r, const struct names *names)
{
	char bytes[NAMES_BYTES_MAX];
	struct gh_str encoded = { bytes, names_encode(names, bytes) };
	uint64_t hash = hash_bytes(r->seed, encoded);

	if (r->subjects == NULL && (r->subjects = calloc(1, sizeof(*r->subjects))) == NULL)
		return NULL;
	struct subject **slot = slot_of(r->subjects, hash, encoded);

	if (*slot == NULL) {
		*slot = malloc(sizeof(**slot) + encoded.n);
		if (*slot == NULL)
			return NULL;
		(*slot)->hash = hash;
		(*slot)->n = (uint32_t)encoded.n;
		memcpy((*slot)->bytes, encoded.p, encoded.n);
		r->subjects->n++;
	}
	return *slot;
}

/* ---- The ring -------------------------------------------------------------------------------- */

struct recorder *
recorder_new(uint64_t seed)
{
	struct recorder *r = aligned_alloc(alignof(struct recorder), sizeof(*r));

	if (r == NULL)
		return NULL;
	*r = (struct recorder){ .seed = seed, .ring = calloc(RING, sizeof(*r->ring)) };
	if (r->ring == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
recorder_free(struct recorder *r)
{
	struct record left;

	if (r == NULL)
		return;
	while (recorder_take(r, &left))
		; /* tables that were sent */
	subjects_free(r->subjects);
	free(r->ring);
	free(r);
}

/* Records that wait, as far as the worker knows. */
static uint32_t
waiting(struct recorder *r, uint32_t head)
{
	if (head - r->tail_seen >= RING / 2)
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head - r->tail_seen;
}

static void
push(struct recorder *r, uint32_t head, const struct entry *entry)
{
	r->ring[head % RING] = *entry;
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

int
recorder_put(struct recorder *r, const struct names *names, const struct record *record,
	bool *ret_is_filling)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t n = waiting(r, head);
	struct entry entry = { .record = *record };

	*ret_is_filling = n >= RING / 2;
	if (n + 2 > RING) /* room for a table and a call */
		return GH_EAGAIN;
	if (r->subjects != NULL && r->subjects->n >= SUBJECTS) {
		push(r, head++, &(struct entry){ .record.is_retirement = true,
			.retired = r->subjects });
		r->subjects = NULL;
	}
	entry.record.subject = subject_get(r, names);
	if (entry.record.subject == NULL)
		return GH_ENOMEM;
	push(r, head, &entry);
	return 0;
}

bool
recorder_take(struct recorder *r, struct record *ret_record)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	while (tail != atomic_load_explicit(&r->head, memory_order_acquire)) {
		struct entry *entry = &r->ring[tail % RING];
		bool is_call = !entry->record.is_retirement;

		if (is_call)
			*ret_record = entry->record;
		else
			subjects_free(entry->retired);
		atomic_store_explicit(&r->tail, ++tail, memory_order_release);
		if (is_call)
			return true;
	}
	return false;
}
