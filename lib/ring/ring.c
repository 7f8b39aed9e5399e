/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring.c
 * @brief The byte ring: place is taken by one compare-and-swap, a record is published by its tag.
 *
 * A record is a header of 8 bytes and its text, padded to 8.  A tag of 0 means "not written yet",
 * so the reader zeroes what it gives back: wherever the next header comes to lie, its tag starts
 * as 0.  Records do not wrap; one that would is preceded by a filler to the end.
 */
#include "lib/ring/ring.h"

#define CLOSED (UINT64_C(1) << 63)
#define MASK ((uint64_t)RING_BYTES - 1)
#define TAG_FILLER 256u

struct record {
	_Atomic uint32_t tag; /* stored last */
	uint32_t size;        /* of the text; of a filler: of all of it */
	char text[];
};

static struct record *
record_at(struct ring *ring, uint64_t position)
{
	return (struct record *)(void *)(ring->bytes + (position & MASK));
}

static uint64_t
space_of(uint64_t size)
{
	return (sizeof(struct record) + size + 7) & ~UINT64_C(7);
}

int
ring_put(struct ring *ring, unsigned tag, struct gh_str record)
{
	if (tag == 0 || tag >= TAG_FILLER)
		return GH_EINVAL;
	if (record.n > RING_BYTES / 4)
		return GH_ETOOBIG;
	uint64_t space = space_of(record.n), head, filler;

	do {
		/* The tail first: what is read of the head afterwards cannot lie behind it. */
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

		head = atomic_load_explicit(&ring->head, memory_order_relaxed);
		if (head & CLOSED)
			return GH_EEXPIRED;
		uint64_t to_end = RING_BYTES - (head & MASK);

		filler = space > to_end ? to_end : 0;
		if (head + filler + space - tail > RING_BYTES)
			return GH_EAGAIN;
	} while (!atomic_compare_exchange_weak_explicit(&ring->head, &head, head + filler + space,
		memory_order_relaxed, memory_order_relaxed));
	if (filler > 0) {
		struct record *f = record_at(ring, head);

		f->size = (uint32_t)filler;
		atomic_store_explicit(&f->tag, TAG_FILLER, memory_order_release);
	}
	struct record *r = record_at(ring, head + filler);

	r->size = (uint32_t)record.n;
	if (record.n > 0)
		memcpy(r->text, record.p, record.n);
	/* Ordered before the caller's look at "does the reader sleep?", as the reader's look
	 * here is. */
	atomic_store_explicit(&r->tag, tag, memory_order_seq_cst);
	return 0;
}

/* Zero a record and free its place. */
static void
free_place(struct ring *ring, uint64_t tail, uint64_t space)
{
	memset(ring->bytes + (tail & MASK), 0, space);
	atomic_store_explicit(&ring->tail, tail + space, memory_order_release);
}

bool
ring_take(struct ring *ring, unsigned *ret_tag, struct gh_str *ret_record)
{
	for (;;) {
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
		struct record *r = record_at(ring, tail);
		unsigned tag = atomic_load_explicit(&r->tag, memory_order_seq_cst);

		if (tag == 0)
			return false;
		if (tag != TAG_FILLER) {
			*ret_tag = tag;
			*ret_record = (struct gh_str){ r->text, r->size };
			return true;
		}
		free_place(ring, tail, r->size);
	}
}

void
ring_release(struct ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	free_place(ring, tail, space_of(record_at(ring, tail)->size));
}

bool
ring_is_empty(struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire) & ~CLOSED;

	return head == atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

void
ring_close(struct ring *ring)
{
	atomic_fetch_or(&ring->head, CLOSED);
}

void
ring_open(struct ring *ring)
{
	atomic_fetch_and(&ring->head, ~CLOSED);
}
