/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_replica.c
 * @brief The replica of plugin sync: what is written is read, also after a crash at any byte.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/crypto.h"
#include "plugins/sync/replica_file.h"
#include "tests/unit/unit.h"

#define BODY_WORD "a readable word"

static char path[] = "replica.XXXXXX";
static const uint8_t history[GH_FEED_HISTORY_BYTES] = { 7, 7 };
static const uint8_t other_history[GH_FEED_HISTORY_BYTES] = { 8, 8 };

/* ---- trust/1 with a key of the test ---------------------------------------------------------- */

static int
seal(void *self, struct gh_str context, struct gh_str plain, uint8_t *ret)
{
	return crypto_seal(self, context, plain, ret);
}

static int
unseal(void *self, struct gh_str context, struct gh_str sealed, uint8_t *ret, size_t *ret_n)
{
	return crypto_unseal(self, context, sealed, ret, ret_n);
}

static const struct gh_trust_v1 trust_v1 = { .size = sizeof(trust_v1), .seal = seal,
	.unseal = unseal };
static struct crypto_key keys[2];

static struct gh_trust
trust_of(unsigned key)
{
	uint8_t bytes[CRYPTO_KEY_LEN] = { (uint8_t)(key + 1) };

	CU_ASSERT_EQUAL_FATAL(crypto_key_init(&keys[key], bytes), 0);
	return (struct gh_trust){ &trust_v1, &keys[key] };
}

static int
open_replica(struct replica *r, unsigned key)
{
	struct gh_trust trust = trust_of(key);
	char error[512];

	CU_ASSERT_EQUAL_FATAL(replica_init(r, &trust, path), 0);
	return replica_load(r, error, sizeof(error));
}

/* ---- Documents ------------------------------------------------------------------------------- */

/** {"w": "a readable word <value>"} with padding. */
static struct gh_str
body_of(unsigned value, char *buf, size_t pad)
{
	size_t n = (size_t)snprintf(buf + 5, 64, BODY_WORD " %u;", value);

	memset(buf + 5 + n, '.', pad);
	n += pad;
	buf[0] = (char)0x81;
	buf[1] = (char)0xa1;
	buf[2] = 'w';
	/* str 8 would do for most; str 16 has one form for all */
	memmove(buf + 6, buf + 5, n);
	buf[3] = (char)0xda;
	buf[4] = (char)(n >> 8);
	buf[5] = (char)n;
	return (struct gh_str){ buf, n + 6 };
}

static char body_room[70000];

static int
put_padded(struct replica *r, uint64_t seq, unsigned id, unsigned value, size_t pad)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "doc%u", id);
	struct gh_feed_change change = { .doc = { GH_STR("carbon.super"), GH_STR("policy"),
		{ name, (size_t)n }, seq, body_of(value, body_room, pad) } };

	return replica_change(r, seq, &change);
}

static int
put(struct replica *r, uint64_t seq, unsigned id, unsigned value)
{
	return put_padded(r, seq, id, value, 0);
}

static int
drop(struct replica *r, uint64_t seq, unsigned id)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "doc%u", id);
	struct gh_feed_change change = { .deleted = true, .doc = { GH_STR("carbon.super"),
		GH_STR("policy"), { name, (size_t)n }, seq, GH_STR_NONE } };

	return replica_change(r, seq, &change);
}

/** A snapshot of documents 0 to n - 1 of value 0. */
static void
begin(struct replica *r, uint64_t seq, unsigned n)
{
	CU_ASSERT_EQUAL_FATAL(replica_begin(r, history, seq), 0);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(put(r, seq, i, 0), 0);
	CU_ASSERT_EQUAL_FATAL(replica_commit(r, seq), 0);
}

/** What a reader has: the value of each document, or -1. */
struct model {
	int values[4096];
	uint64_t seq;
	unsigned batches, changes;
};

static int
take(void *arg, const struct gh_feed_batch *batch)
{
	struct model *m = arg;

	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_doc *doc = &batch->changes[i].doc;
		unsigned id = (unsigned)strtoul(doc->id.p + 3, NULL, 10);

		CU_ASSERT_FATAL(id < 4096);
		m->values[id] = batch->changes[i].deleted ? -1
			: (int)strtol(doc->body.p + 6 + sizeof(BODY_WORD), NULL, 10);
		m->changes++;
	}
	m->seq = batch->seq;
	m->batches++;
	return 0;
}

static void
model_init(struct model *m)
{
	*m = (struct model){ .seq = 0 };
	for (size_t i = 0; i < 4096; i++)
		m->values[i] = -1;
}

static void
snapshot(struct replica *r, struct model *m)
{
	uint64_t seq = 0;

	model_init(m);
	CU_ASSERT_EQUAL_FATAL(replica_snapshot(r, take, m, &seq), 0);
	CU_ASSERT_EQUAL(seq, m->seq);
	CU_ASSERT(m->batches > 0);
}

static bool
is_same(const struct model *a, const struct model *b)
{
	return memcmp(a->values, b->values, sizeof(a->values)) == 0 && a->seq == b->seq;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_nothing_there(void)
{
	struct replica r;
	struct replica_state state;
	struct model m;
	uint64_t seq;

	unlink(path);
	CU_ASSERT_EQUAL(open_replica(&r, 0), GH_ENOENT);
	replica_state(&r, &state);
	CU_ASSERT_FALSE(state.has_state);
	CU_ASSERT_EQUAL(replica_snapshot(&r, take, &m, &seq), GH_ENOENT);
	CU_ASSERT_EQUAL(replica_read(&r, 0, take, &m), GH_ENOENT);
	CU_ASSERT_EQUAL(put(&r, 1, 1, 1), GH_EINVAL);
	CU_ASSERT_EQUAL(replica_compact(&r), 0);
	replica_done(&r);
}

static void
test_snapshot_batches_and_restart(void)
{
	static struct model m, again;
	struct replica r;
	struct replica_state state;

	open_replica(&r, 0);
	begin(&r, 10, 3);
	CU_ASSERT_EQUAL(put(&r, 11, 0, 5), 0);
	CU_ASSERT_EQUAL(drop(&r, 11, 1), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 11), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 12), 0); /* a commit without runtime documents */
	CU_ASSERT_EQUAL(put(&r, 13, 3, 9), 0);
	CU_ASSERT_EQUAL(put(&r, 13, 3, 10), 0); /* twice in one batch: the later one counts */
	CU_ASSERT_EQUAL(replica_commit(&r, 13), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 15), GH_EINVAL); /* a gap */
	replica_abort(&r);
	for (unsigned round = 0; round < 2; round++) {
		snapshot(&r, &m);
		CU_ASSERT(m.seq == 13 && m.values[0] == 5 && m.values[1] == -1 && m.values[2] == 0 &&
			m.values[3] == 10);
		CU_ASSERT_EQUAL(m.changes, 3);
		replica_state(&r, &state);
		CU_ASSERT(state.has_state && state.base == 10 && state.seq == 13 && state.docs == 3);
		CU_ASSERT_EQUAL(memcmp(state.history, history, sizeof(history)), 0);
		model_init(&again);
		CU_ASSERT_EQUAL(replica_read(&r, 11, take, &again), 0);
		CU_ASSERT(again.seq == 13 && again.batches == 2 && again.values[3] == 10);
		again.batches = 0;
		CU_ASSERT_EQUAL(replica_read(&r, 13, take, &again), 0);
		CU_ASSERT_EQUAL(again.batches, 0);
		CU_ASSERT_EQUAL(replica_read(&r, 9, take, &again), GH_ETRUNCATED);
		CU_ASSERT_EQUAL(replica_read(&r, 14, take, &again), GH_ETRUNCATED);
		replica_done(&r);
		CU_ASSERT_EQUAL_FATAL(open_replica(&r, 0), 0);
	}
	/* It goes on where it was. */
	CU_ASSERT_EQUAL(put(&r, 14, 7, 1), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 14), 0);
	snapshot(&r, &m);
	CU_ASSERT(m.seq == 14 && m.values[7] == 1 && m.values[0] == 5);
	replica_done(&r);
}

static void
test_what_was_not_committed_is_not_there(void)
{
	static struct model before, after;
	struct replica r;

	open_replica(&r, 0);
	begin(&r, 1, 5);
	snapshot(&r, &before);
	CU_ASSERT_EQUAL(put_padded(&r, 2, 0, 1, 60000), 0);
	CU_ASSERT_EQUAL(put_padded(&r, 2, 1, 1, 60000), 0); /* a block is on disk now */
	CU_ASSERT_EQUAL(drop(&r, 2, 2), 0);
	snapshot(&r, &after);
	CU_ASSERT(is_same(&before, &after));
	replica_abort(&r);
	snapshot(&r, &after);
	CU_ASSERT(is_same(&before, &after));
	/* A snapshot that is broken off leaves what was. */
	CU_ASSERT_EQUAL(replica_begin(&r, other_history, 100), 0);
	CU_ASSERT_EQUAL(put(&r, 100, 9, 9), 0);
	replica_abort(&r);
	snapshot(&r, &after);
	CU_ASSERT(is_same(&before, &after));
	CU_ASSERT_EQUAL(put(&r, 2, 3, 4), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 2), 0);
	replica_done(&r);
	CU_ASSERT_EQUAL_FATAL(open_replica(&r, 0), 0);
	snapshot(&r, &after);
	CU_ASSERT(after.seq == 2 && after.values[3] == 4 && after.values[0] == 0);
	replica_done(&r);
}

static void
test_another_snapshot_replaces_everything(void)
{
	static struct model m;
	struct replica r;
	struct replica_state state;

	open_replica(&r, 0);
	begin(&r, 50, 20);
	CU_ASSERT_EQUAL(replica_begin(&r, other_history, 3), 0);
	CU_ASSERT_EQUAL(put(&r, 3, 1, 77), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 3), 0);
	replica_state(&r, &state);
	CU_ASSERT(state.seq == 3 && state.docs == 1);
	CU_ASSERT_EQUAL(memcmp(state.history, other_history, sizeof(other_history)), 0);
	snapshot(&r, &m);
	CU_ASSERT(m.changes == 1 && m.values[1] == 77);
	CU_ASSERT_EQUAL(replica_read(&r, 50, take, &m), GH_ETRUNCATED);
	replica_done(&r);
}

static size_t
file_size(void)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	return (size_t)st.st_size;
}

static uint8_t *
file_read(size_t *ret_n)
{
	size_t n = file_size();
	uint8_t *bytes = malloc(n);
	int fd = open(path, O_RDONLY);

	CU_ASSERT_EQUAL_FATAL(read(fd, bytes, n), (ssize_t)n);
	close(fd);
	*ret_n = n;
	return bytes;
}

static void
file_write(const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

/** A file of a snapshot and three batches, cut at every byte: there is exactly what was complete. */
static void
test_torn_at_every_byte(void)
{
	static struct model states[4], m;
	size_t ends[4], n;
	struct replica r;

	open_replica(&r, 0);
	begin(&r, 1, 3);
	snapshot(&r, &states[0]);
	ends[0] = file_size();
	for (unsigned i = 1; i < 4; i++) {
		CU_ASSERT_EQUAL(put(&r, 1 + i, i, 10 * i), 0);
		CU_ASSERT_EQUAL(i == 2 ? drop(&r, 1 + i, 0) : put(&r, 1 + i, 0, i), 0);
		CU_ASSERT_EQUAL(replica_commit(&r, 1 + i), 0);
		snapshot(&r, &states[i]);
		ends[i] = file_size();
	}
	replica_done(&r);
	uint8_t *bytes = file_read(&n);

	CU_ASSERT_EQUAL(n, ends[3]);
	for (size_t cut = 0; cut <= n; cut++) {
		file_write(bytes, cut);
		int err = open_replica(&r, 0);

		if (cut < ends[0]) {
			CU_ASSERT_EQUAL(err, GH_EINVAL);
			replica_done(&r);
			continue;
		}
		size_t last = cut >= ends[3] ? 3 : cut >= ends[2] ? 2 : cut >= ends[1] ? 1 : 0;

		CU_ASSERT_EQUAL_FATAL(err, 0);
		snapshot(&r, &m);
		CU_ASSERT(is_same(&m, &states[last]));
		CU_ASSERT_EQUAL(file_size(), ends[last]);
		replica_done(&r);
	}
	free(bytes);
}

/** As above, with a byte changed: nothing behind it counts, nothing before it is lost. */
static void
test_changed_at_every_byte(void)
{
	static struct model states[3], m;
	size_t ends[3], n;
	struct replica r;

	open_replica(&r, 0);
	begin(&r, 1, 2);
	snapshot(&r, &states[0]);
	ends[0] = file_size();
	for (unsigned i = 1; i < 3; i++) {
		CU_ASSERT_EQUAL(put(&r, 1 + i, 0, i), 0);
		CU_ASSERT_EQUAL(replica_commit(&r, 1 + i), 0);
		snapshot(&r, &states[i]);
		ends[i] = file_size();
	}
	replica_done(&r);
	uint8_t *bytes = file_read(&n);

	for (size_t at = 0; at < n; at++) {
		bytes[at] ^= 0x40;
		file_write(bytes, n);
		bytes[at] ^= 0x40;
		int err = open_replica(&r, 0);

		if (at < ends[0]) {
			CU_ASSERT_EQUAL(err, GH_EINVAL);
		} else {
			CU_ASSERT_EQUAL_FATAL(err, 0);
			snapshot(&r, &m);
			CU_ASSERT(is_same(&m, &states[at >= ends[1]]));
		}
		replica_done(&r);
	}
	free(bytes);
}

static void
test_another_key_and_no_clear_text(void)
{
	struct replica r;
	struct model *m = malloc(sizeof(*m));
	size_t n;

	open_replica(&r, 0);
	begin(&r, 1, 3);
	CU_ASSERT_EQUAL(put(&r, 2, 0, 1), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, 2), 0);
	replica_done(&r);
	uint8_t *bytes = file_read(&n);

	for (size_t i = 0; i + 8 < n; i++)
		CU_ASSERT_FATAL(memcmp(bytes + i, "readable", 8) != 0 &&
			memcmp(bytes + i, "carbon.s", 8) != 0);
	free(bytes);
	CU_ASSERT_EQUAL(open_replica(&r, 1), GH_EINVAL);
	/* It is replaced, not repaired. */
	begin(&r, 9, 1);
	snapshot(&r, m);
	CU_ASSERT(m->seq == 9 && m->changes == 1);
	replica_done(&r);
	CU_ASSERT_EQUAL(open_replica(&r, 1), 0);
	replica_done(&r);
	free(m);
}

/** Blocks of one file in another one, or in another place, are no part of it. */
static void
test_blocks_are_bound_to_their_place(void)
{
	struct replica r;
	size_t n, first, second;

	open_replica(&r, 0);
	begin(&r, 1, 1);
	first = file_size();
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(put(&r, 2 + i, 0, 5), 0);
		CU_ASSERT_EQUAL(replica_commit(&r, 2 + i), 0);
	}
	second = (file_size() - first) / 2;
	replica_done(&r);
	uint8_t *bytes = file_read(&n);

	memmove(bytes + first, bytes + first + second, second); /* the second batch twice */
	file_write(bytes, n);
	CU_ASSERT_EQUAL_FATAL(open_replica(&r, 0), 0);
	CU_ASSERT_EQUAL(file_size(), first);
	begin(&r, 1, 1); /* another file: other id */
	replica_done(&r);
	size_t other_n;
	uint8_t *other = file_read(&other_n);

	CU_ASSERT_EQUAL_FATAL(other_n, first);
	memcpy(bytes, other, REPLICA_FIRST); /* the old blocks under the new id */
	file_write(bytes, first);
	CU_ASSERT_EQUAL(open_replica(&r, 0), GH_EINVAL);
	replica_done(&r);
	free(bytes);
	free(other);
}

static void
test_compaction(void)
{
	static struct model before, after, behind;
	struct replica r;
	uint64_t seq = 1;

	open_replica(&r, 0);
	begin(&r, seq, 50);
	model_init(&behind);
	while (file_size() < (5u << 20)) {
		seq++;
		for (unsigned i = 0; i < 4; i++)
			CU_ASSERT_EQUAL_FATAL(put_padded(&r, seq, (unsigned)(seq + i) % 60,
				(unsigned)seq, 60000), 0);
		CU_ASSERT_EQUAL_FATAL(drop(&r, seq, (unsigned)(seq + 7) % 60), 0);
		CU_ASSERT_EQUAL_FATAL(replica_commit(&r, seq), 0);
	}
	snapshot(&r, &before);
	size_t size = file_size();

	CU_ASSERT_EQUAL(replica_compact(&r), 0);
	CU_ASSERT(file_size() < size);
	snapshot(&r, &after);
	CU_ASSERT(is_same(&before, &after));
	/* Who was behind goes on with the old file, then with the new one. */
	CU_ASSERT_EQUAL(replica_read(&r, seq - 3, take, &behind), 0);
	CU_ASSERT(behind.seq == seq && behind.batches == 3);
	CU_ASSERT_EQUAL(put(&r, seq + 1, 0, 1), 0);
	CU_ASSERT_EQUAL(replica_commit(&r, seq + 1), 0);
	CU_ASSERT_EQUAL(replica_read(&r, behind.seq, take, &behind), 0);
	CU_ASSERT(behind.seq == seq + 1 && behind.batches == 4);
	snapshot(&r, &before);
	replica_done(&r);
	CU_ASSERT_EQUAL_FATAL(open_replica(&r, 0), 0);
	snapshot(&r, &after);
	CU_ASSERT(is_same(&before, &after));
	CU_ASSERT_EQUAL(replica_compact(&r), 0); /* nothing to gain */
	replica_done(&r);
}

/** A reader's view stays what it was, whatever the writer does meanwhile. */
static struct replica *busy;
static int
take_and_write(void *arg, const struct gh_feed_batch *batch)
{
	static uint64_t next;

	if (next == 0)
		next = batch->seq + 1;
	CU_ASSERT_EQUAL(put(busy, next, 0, 1000), 0);
	CU_ASSERT_EQUAL(replica_commit(busy, next), 0);
	next++;
	return take(arg, batch);
}

static void
test_snapshot_while_batches_come(void)
{
	static struct model m;
	struct replica r;
	uint64_t seq;

	busy = &r;
	open_replica(&r, 0);
	begin(&r, 1, 3000);
	model_init(&m);
	CU_ASSERT_EQUAL(replica_snapshot(&r, take_and_write, &m, &seq), 0);
	CU_ASSERT(seq == 1 && m.changes == 3000 && m.values[0] == 0);
	snapshot(&r, &m);
	CU_ASSERT(m.seq > 1 && m.changes == 3000 && m.values[0] == 1000);
	replica_done(&r);
}

static int
refuse(void *arg, const struct gh_feed_batch *batch)
{
	(void)arg;
	(void)batch;
	return 42;
}

static void
test_a_reader_that_stops(void)
{
	struct replica r;
	uint64_t seq;

	open_replica(&r, 0);
	begin(&r, 1, 3);
	CU_ASSERT_EQUAL(replica_commit(&r, 2), 0);
	CU_ASSERT_EQUAL(replica_snapshot(&r, refuse, NULL, &seq), 42);
	CU_ASSERT_EQUAL(replica_read(&r, 1, refuse, NULL), 42);
	replica_done(&r);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_nothing_there),
		UNIT_TEST(test_snapshot_batches_and_restart),
		UNIT_TEST(test_what_was_not_committed_is_not_there),
		UNIT_TEST(test_another_snapshot_replaces_everything),
		UNIT_TEST(test_torn_at_every_byte),
		UNIT_TEST(test_changed_at_every_byte),
		UNIT_TEST(test_another_key_and_no_clear_text),
		UNIT_TEST(test_blocks_are_bound_to_their_place),
		UNIT_TEST(test_compaction),
		UNIT_TEST(test_snapshot_while_batches_come),
		UNIT_TEST(test_a_reader_that_stops),
		{ .name = NULL },
	};
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	int r = unit_run("replica", tests);

	unlink(path);
	return r;
}
