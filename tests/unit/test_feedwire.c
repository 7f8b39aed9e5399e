/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_feedwire.c
 * @brief lib/feedwire: frames there and back, and every way in which a stream can be wrong.
 */
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "lib/feedwire/feedwire.h"
#include "lib/hash/hash.h"
#include "tests/unit/unit.h"

#define CAP (64u << 20)

static const char body[] = { (char)0x81, (char)0xa1, 'a', 0x01 }; /* {"a": 1} */

static struct feedwire_frame
change(enum feedwire_kind kind, uint64_t seq, uint64_t index)
{
	return (struct feedwire_frame){ .kind = kind, .seq = seq, .index = index,
		.doc = { GH_STR("carbon.super"), GH_STR("policy"), GH_STR("application/Gold"), seq,
			kind == FEEDWIRE_PUT ? (struct gh_str){ body, sizeof(body) } : GH_STR_NONE } };
}

static void
put(struct buffer *out, struct feedwire_frame frame)
{
	CU_ASSERT_EQUAL_FATAL(feedwire_put(out, &frame, CAP), 0);
}

static struct feedwire_frame
plain(enum feedwire_kind kind, uint64_t seq, uint64_t index)
{
	return (struct feedwire_frame){ .kind = kind, .seq = seq, .index = index };
}

static struct feedwire_frame
hello(uint64_t seq, bool is_snapshot)
{
	return (struct feedwire_frame){ .kind = FEEDWIRE_HELLO, .seq = seq,
		.is_snapshot = is_snapshot, .history = { 1, 2, 3 } };
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void
test_frames_there_and_back(void)
{
	const struct feedwire_frame frames[] = { hello(9, true), hello(0, false),
		change(FEEDWIRE_PUT, 7, 3), change(FEEDWIRE_DELETE, 7, 4),
		plain(FEEDWIRE_COMMIT, 7, 5), plain(FEEDWIRE_END, 7, 0) };

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct buffer b = { .p = NULL };
		struct feedwire_frame f;
		const char *why;
		size_t n = 0;

		put(&b, frames[i]);
		for (size_t cut = 0; cut < b.n; cut++)
			CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, cut }, &f, &n, &why),
				GH_EAGAIN);
		CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &f, &n, &why), 0);
		CU_ASSERT_EQUAL(n, b.n);
		CU_ASSERT_EQUAL(f.kind, frames[i].kind);
		CU_ASSERT_EQUAL(f.seq, frames[i].seq);
		CU_ASSERT_EQUAL(f.index, frames[i].index);
		CU_ASSERT_EQUAL(f.is_snapshot, frames[i].is_snapshot);
		CU_ASSERT_EQUAL(memcmp(f.history, frames[i].history, sizeof(f.history)), 0);
		CU_ASSERT(gh_str_eq(f.doc.id, frames[i].doc.id));
		CU_ASSERT(gh_str_eq(f.doc.kind, frames[i].doc.kind));
		CU_ASSERT(gh_str_eq(f.doc.tenant, frames[i].doc.tenant));
		CU_ASSERT(gh_str_eq(f.doc.body, frames[i].doc.body));
		CU_ASSERT_EQUAL(f.doc.rev, frames[i].doc.rev);
		buffer_done(&b);
	}
}

static void
test_every_changed_byte_is_found(void)
{
	struct buffer b = { .p = NULL };
	struct feedwire_frame f;
	const char *why = NULL;
	size_t n;

	put(&b, change(FEEDWIRE_PUT, 7, 3));
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 0x11;
		/* A changed length may ask for more bytes; it never gives another frame. */
		CU_ASSERT_NOT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &f, &n, &why), 0);
		b.p[i] ^= 0x11;
	}
	CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &f, &n, &why), 0);
	buffer_done(&b);
}

static void
test_frames_that_cannot_be(void)
{
	static char long_text[GH_DOC_ID_MAX + 1];
	struct buffer b = { .p = NULL };
	struct feedwire_frame f = change(FEEDWIRE_PUT, 7, 0), got;
	const char *why;
	size_t n;

	f.doc.id = (struct gh_str){ long_text, sizeof(long_text) };
	CU_ASSERT_EQUAL(feedwire_put(&b, &f, CAP), GH_EINVAL);
	f = change(FEEDWIRE_PUT, 7, 0);
	CU_ASSERT_EQUAL(feedwire_put(&b, &f, 10), GH_ETOOBIG);
	CU_ASSERT_EQUAL(b.n, 0);

	const struct { struct gh_doc doc; } rows[] = {
		{ { GH_STR_NONE, GH_STR("policy"), GH_STR("x"), 7, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR("Policy"), GH_STR("x"), 7, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR("pol/icy"), GH_STR("x"), 7, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR(""), GH_STR("x"), 7, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR("policy"), GH_STR(""), 7, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR("policy"), GH_STR("x"), 8, { body, sizeof(body) } } },
		{ { GH_STR("t"), GH_STR("policy"), GH_STR("x"), 7, { body, sizeof(body) - 1 } } },
		{ { GH_STR("t"), GH_STR("policy"), GH_STR("x"), 7, GH_STR("garbage") } },
		{ { GH_STR("t"), GH_STR("policy"), GH_STR("x"), 7, GH_STR_NONE } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.doc = rows[i].doc;
		b.n = 0;
		put(&b, f);
		CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &got, &n, &why),
			GH_EINVAL);
	}
	buffer_done(&b);
	/* Lengths that no frame has are refused before they are waited for. */
	CU_ASSERT_EQUAL(feedwire_take(GH_STR("\xff\xff\xff\xff\0\0\0\1"), &got, &n, &why), GH_EINVAL);
	CU_ASSERT_EQUAL(feedwire_take(GH_STR("\0\0\0\1\xff\xff\xff\xff"), &got, &n, &why), GH_EINVAL);
}

/* ---- Streams --------------------------------------------------------------------------------- */

struct seen {
	unsigned hellos, changes, commits;
	uint64_t seq;
	int refuse_commit;
};

static int
on_hello(void *arg, const struct feedwire_frame *f)
{
	(void)f;
	((struct seen *)arg)->hellos++;
	return 0;
}

static int
on_change(void *arg, const struct feedwire_frame *f)
{
	(void)f;
	((struct seen *)arg)->changes++;
	return 0;
}

static int
on_commit(void *arg, uint64_t seq, uint64_t n)
{
	struct seen *seen = arg;

	(void)n;
	seen->commits++;
	seen->seq = seq;
	return seen->refuse_commit;
}

static const struct feedwire_ops ops = { on_hello, on_change, on_commit };

/** Read @p b in pieces.  @return what the reader says, the end included. */
static int
read_all(const struct buffer *b, size_t piece, bool is_snapshot, uint64_t after, struct seen *seen)
{
	struct feedwire_reader r;
	int err = 0;

	feedwire_reader_init(&r, is_snapshot, after, &ops, seen);
	for (size_t at = 0; at < b->n && err == 0; at += piece)
		err = feedwire_reader_add(&r, (struct gh_str){ b->p + at,
			b->n - at < piece ? b->n - at : piece });
	if (err == 0)
		err = feedwire_reader_end(&r);
	if (err == GH_EINVAL || err == GH_EVERSION)
		CU_ASSERT_PTR_NOT_NULL(r.why);
	feedwire_reader_done(&r);
	return err;
}

/** Two batches behind sequence 4: 5 has two changes, 6 none. */
static void
make_changes(struct buffer *b)
{
	put(b, hello(6, false));
	put(b, change(FEEDWIRE_PUT, 5, 0));
	put(b, change(FEEDWIRE_DELETE, 5, 1));
	put(b, plain(FEEDWIRE_COMMIT, 5, 2));
	put(b, plain(FEEDWIRE_COMMIT, 6, 0));
	put(b, plain(FEEDWIRE_END, 6, 0));
}

static void
test_streams_in_pieces_of_any_size(void)
{
	struct buffer changes = { .p = NULL }, all = { .p = NULL };

	make_changes(&changes);
	put(&all, hello(9, true));
	put(&all, change(FEEDWIRE_PUT, 9, 0));
	put(&all, plain(FEEDWIRE_COMMIT, 9, 1));
	put(&all, plain(FEEDWIRE_END, 9, 0));
	for (size_t piece = 1; piece <= changes.n; piece += 7) {
		struct seen seen = { 0 };

		CU_ASSERT_EQUAL(read_all(&changes, piece, false, 4, &seen), 0);
		CU_ASSERT(seen.hellos == 1 && seen.changes == 2 && seen.commits == 2 && seen.seq == 6);
		seen = (struct seen){ 0 };
		CU_ASSERT_EQUAL(read_all(&all, piece, true, 0, &seen), 0);
		CU_ASSERT(seen.changes == 1 && seen.commits == 1 && seen.seq == 9);
	}
	struct seen seen = { .refuse_commit = GH_EIO };

	CU_ASSERT_EQUAL(read_all(&changes, 100, false, 4, &seen), GH_EIO);
	buffer_done(&changes);
	buffer_done(&all);
}

static void
test_a_cut_stream_is_noticed_wherever_it_is_cut(void)
{
	struct buffer b = { .p = NULL };

	make_changes(&b);
	size_t whole = b.n;

	for (b.n = 0; b.n < whole; b.n++) {
		struct seen seen = { 0 };

		CU_ASSERT_EQUAL(read_all(&b, 64, false, 4, &seen), GH_EINVAL);
		CU_ASSERT(seen.seq == 0 || seen.seq == 5 || seen.seq == 6); /* whole batches only */
	}
	buffer_done(&b);
}

/** A stream of frames by their letters, and what becomes of it. */
struct stream_row {
	const char *what;
	const char *frames;
	bool is_snapshot;
	int result;
	unsigned commits;
};

/* h, s: hello of changes, of a snapshot; p: PUT 5/0; q: PUT 5/1; d: DELETE 5/0; c, C: COMMIT 5 of 1, of 2;
 * z: COMMIT 6 of 0; y: COMMIT 7 of 0; e, f: END 5, 6; o: END 4. */
static const struct stream_row stream_rows[] = {
	{ "nothing new", "ho", false, 0, 0 },
	{ "one batch", "hpce", false, 0, 1 },
	{ "two batches", "hpczf", false, 0, 2 },
	{ "no hello", "pce", false, GH_EINVAL, 0 },
	{ "two hellos", "hhpce", false, GH_EINVAL, 0 },
	{ "hello in the middle", "hphce", false, GH_EINVAL, 0 },
	{ "a snapshot instead", "spce", false, GH_EINVAL, 0 },
	{ "changes instead of a snapshot", "hpce", true, GH_EINVAL, 0 },
	{ "a change is lost", "hpCe", false, GH_EINVAL, 0 },
	{ "the first change is lost", "hqCe", false, GH_EINVAL, 0 },
	{ "a change twice", "hppCe", false, GH_EINVAL, 0 },
	{ "changes swapped", "hqpCe", false, GH_EINVAL, 0 },
	{ "a batch is lost", "hzf", false, GH_EINVAL, 0 },
	{ "a batch is lost behind one", "hpcy", false, GH_EINVAL, 1 },
	{ "a batch twice", "hpcpce", false, GH_EINVAL, 1 },
	{ "a step back", "hpczpc", false, GH_EINVAL, 2 },
	{ "no end", "hpc", false, GH_EINVAL, 1 },
	{ "end inside a batch", "hpe", false, GH_EINVAL, 0 },
	{ "end of another place", "hpcf", false, GH_EINVAL, 1 },
	{ "something behind the end", "hpcez", false, GH_EINVAL, 1 },
	{ "two ends", "hpcee", false, GH_EINVAL, 1 },
	{ "a snapshot", "spqCe", true, 0, 1 },
	{ "an empty snapshot has a commit, too", "se", true, GH_EINVAL, 0 },
	{ "a deletion in a snapshot", "sdce", true, GH_EINVAL, 0 },
	{ "a snapshot with more behind it", "spcpce", true, GH_EINVAL, 1 },
	{ .what = NULL },
};

static void
put_letter(struct buffer *b, char letter)
{
	switch (letter) {
	case 'h': put(b, hello(9, false)); break;
	case 's': put(b, hello(5, true)); break;
	case 'p': put(b, change(FEEDWIRE_PUT, 5, 0)); break;
	case 'q': put(b, change(FEEDWIRE_PUT, 5, 1)); break;
	case 'd': put(b, change(FEEDWIRE_DELETE, 5, 0)); break;
	case 'c': put(b, plain(FEEDWIRE_COMMIT, 5, 1)); break;
	case 'C': put(b, plain(FEEDWIRE_COMMIT, 5, 2)); break;
	case 'z': put(b, plain(FEEDWIRE_COMMIT, 6, 0)); break;
	case 'y': put(b, plain(FEEDWIRE_COMMIT, 7, 0)); break;
	case 'e': put(b, plain(FEEDWIRE_END, 5, 0)); break;
	case 'f': put(b, plain(FEEDWIRE_END, 6, 0)); break;
	case 'o': put(b, plain(FEEDWIRE_END, 4, 0)); break;
	default: CU_FAIL("no such letter");
	}
}

static void
test_streams_out_of_order(void)
{
	for (const struct stream_row *row = stream_rows; row->what != NULL; row++) {
		struct buffer b = { .p = NULL };
		struct seen seen = { 0 };

		for (const char *letter = row->frames; *letter != '\0'; letter++)
			put_letter(&b, *letter);
		int r = read_all(&b, 1000, row->is_snapshot, 4, &seen);

		if (r != row->result || seen.commits != row->commits)
			printf("\n    %s: %d, %u commits\n", row->what, r, seen.commits);
		CU_ASSERT_EQUAL(r, row->result);
		CU_ASSERT_EQUAL(seen.commits, row->commits);
		buffer_done(&b);
	}
}

/** The HELLO of a version to come, made by hand. */
static void
test_another_version(void)
{
	struct buffer b = { .p = NULL };
	struct feedwire_frame f;
	const char *why = NULL;
	size_t n;

	put(&b, hello(6, false));
	/* The head is {"k": 1, "s": 6, "v": 1, ...}. */
	char *v = b.p;

	while (v + 3 < b.p + b.n && memcmp(v, "\xa1v\x01", 3) != 0)
		v++;
	CU_ASSERT_FATAL(v + 3 < b.p + b.n);
	v[2] = 2;
	CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &f, &n, &why), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "changed on its way"));
	uint64_t sum = hash_bytes(0, (struct gh_str){ b.p, b.n - 8 });

	for (unsigned i = 0; i < 8; i++)
		b.p[b.n - 8 + i] = (char)(sum >> 8 * (7 - i));
	CU_ASSERT_EQUAL(feedwire_take((struct gh_str){ b.p, b.n }, &f, &n, &why), GH_EVERSION);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "version"));
	buffer_done(&b);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_frames_there_and_back),
		UNIT_TEST(test_every_changed_byte_is_found),
		UNIT_TEST(test_frames_that_cannot_be),
		UNIT_TEST(test_streams_in_pieces_of_any_size),
		UNIT_TEST(test_a_cut_stream_is_noticed_wherever_it_is_cut),
		UNIT_TEST(test_streams_out_of_order),
		UNIT_TEST(test_another_version),
		{ .name = NULL },
	};

	return unit_run("feedwire", tests);
}
