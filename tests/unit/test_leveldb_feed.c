/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_leveldb_feed.c
 * @brief The plugin leveldb: the feed, what expires, series.
 */
#include <stdarg.h>

#include "tests/unit/leveldb_short.h"

/* ---- Feed ---------------------------------------------------------------------------------- */

/** What a reader saw, as text: "3(+issuer_key/a -consumer/b) 4()". */
struct seen {
	char text[4000];
	size_t n;
	uint64_t last_seq;
	unsigned batches, docs;
	int answer;
};

static void GH_PRINTF(2, 3)
say(struct seen *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(s->text + s->n, sizeof(s->text) - s->n, fmt, args);

	va_end(args);
	s->n += (size_t)n;
	if (s->n >= sizeof(s->text))
		s->n = sizeof(s->text) - 1; /* cut */
}

static int
see(void *arg, const struct gh_feed_batch *batch)
{
	struct seen *s = arg;

	s->last_seq = batch->seq;
	s->batches++;
	s->docs += (unsigned)batch->n;
	say(s, "%s%llu(", s->n > 0 ? " " : "", (unsigned long long)batch->seq);
	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_feed_change *c = &batch->changes[i];

		CU_ASSERT(c->doc.rev <= batch->seq);
		CU_ASSERT_EQUAL(c->deleted, c->doc.body.n == 0);
		say(s, "%s%c%.*s/%.*s", i > 0 ? " " : "", c->deleted ? '-' : '+',
			GH_STR_ARG(c->doc.kind), GH_STR_ARG(c->doc.id));
	}
	say(s, ")");
	return s->answer;
}

static int
feed_read(uint64_t after, uint64_t wait_ms, struct seen *s)
{
	*s = (struct seen){ .answer = s->answer };
	return kit.feed.vt->read(kit.feed.self, after, wait_ms, see, s);
}

static void
test_feed(void)
{
	struct seen s = { .n = 0 };
	uint64_t seq = 99;

	setup("feed");
	CU_ASSERT_EQUAL(kit.feed.vt->snapshot(kit.feed.self, see, &s, &seq), 0);
	CU_ASSERT_EQUAL(seq, 0);
	CU_ASSERT_STRING_EQUAL(s.text, "0()");
	CU_ASSERT_EQUAL(feed_read(0, 0, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "");
	put("issuer_key", "k", kit_body("alg", "ES256", NULL));
	put("user", "u", kit_body("name", "U", NULL));
	put("consumer", "c", kit_body("key_type", "PRODUCTION", NULL));
	delete_rev("issuer_key", "k", GH_REV_ANY);
	CU_ASSERT_EQUAL(feed_read(0, 0, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "1(+issuer_key/k) 2() 3(+consumer/c) 4(-issuer_key/k)");
	reopen();
	CU_ASSERT_EQUAL(feed_read(2, 0, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "3(+consumer/c) 4(-issuer_key/k)");
	CU_ASSERT_EQUAL(feed_read(4, 0, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "");
	CU_ASSERT_EQUAL(feed_read(5, 0, &s), GH_ETRUNCATED); /* ahead: of another database */
	s.answer = 17;
	CU_ASSERT_EQUAL(feed_read(2, 0, &s), 17);
	CU_ASSERT_EQUAL(s.batches, 1);
	s = (struct seen){ .n = 0 };
	CU_ASSERT_EQUAL(kit.feed.vt->snapshot(kit.feed.self, see, &s, &seq), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "4(+consumer/c)");
	CU_ASSERT_EQUAL(seq, 4);
	kit_close(&kit);
}

static void
test_feed_snapshot_of_many(void)
{
	struct gh_str body = kit_body("alg", "ES256", NULL);
	struct gh_doc_op ops[700];
	char names[700][8];
	struct seen s = { .n = 0 };
	uint64_t seq;

	setup("snapshot");
	for (unsigned i = 0; i < 700; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		ops[i] = op_put("t1", "issuer_key", names[i], body, GH_REV_NONE);
	}
	CU_ASSERT_EQUAL(commit(ops, 700, NULL, NULL), 0);
	CU_ASSERT_EQUAL(kit.feed.vt->snapshot(kit.feed.self, see, &s, &seq), 0);
	CU_ASSERT_EQUAL(s.docs, 700);
	CU_ASSERT(s.batches > 1);
	CU_ASSERT_EQUAL(s.last_seq, 1);
	CU_ASSERT_EQUAL(feed_read(0, 0, &s), 0);
	CU_ASSERT_EQUAL(s.docs, 700);
	CU_ASSERT_EQUAL(s.batches, 1);
	free((void *)body.p);
	kit_close(&kit);
}

struct reader {
	struct seen seen;
	uint64_t after;
	int r;
};

static void *
read_and_wait(void *arg)
{
	struct reader *reader = arg;

	reader->r = feed_read(reader->after, PATIENCE_MS, &reader->seen);
	return NULL;
}

static void
test_feed_wait_and_wake(void)
{
	struct reader reader = { .after = 0 };
	uint64_t start = gh_mono_ns();
	pthread_t thread;

	setup("wait");
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_and_wait, &reader), 0);
	put("user", "u", kit_body("name", "U", NULL));
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(reader.r, 0);
	CU_ASSERT_STRING_EQUAL(reader.seen.text, "1()");
	reader = (struct reader){ .after = 1 };
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_and_wait, &reader), 0);
	for (unsigned i = 0; i < 50; i++) { /* it may not wait yet */
		kit.feed.vt->wake(kit.feed.self);
		usleep(1000);
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(reader.r, 0);
	CU_ASSERT_STRING_EQUAL(reader.seen.text, "");
	CU_ASSERT((gh_mono_ns() - start) / 1000000 < PATIENCE_MS);
	kit_close(&kit);
}

#define STAMPS 300

/** Commits pairs of documents that carry the same stamp; one of them comes and goes. */
static void *
write_pairs(void *arg)
{
	(void)arg;
	for (unsigned stamp = 1; stamp <= STAMPS; stamp++) {
		struct gh_str body = body_at("stamp", stamp, "x", "y");
		struct gh_doc_op ops[] = {
			op_put("t1", "consumer", "a", body, GH_REV_ANY),
			op_put("t1", "issuer_key", "b", body, GH_REV_ANY),
			op_put("t1", "revocation", "odd", body, GH_REV_ANY),
		};

		if (stamp % 2 == 0)
			ops[2] = op_delete("t1", "revocation", "odd", GH_REV_ANY);
		CU_ASSERT_EQUAL(commit(ops, 3, NULL, NULL), 0);
		free((void *)body.p);
	}
	return NULL;
}

/** All documents of a snapshot must be of its sequence, which is the stamp here. */
static int
check_stamps(void *arg, const struct gh_feed_batch *batch)
{
	unsigned *docs = arg;

	for (size_t i = 0; i < batch->n; i++) {
		uint64_t stamp = (uint64_t)doc_int(batch->changes[i].doc.body, "stamp", -1);

		CU_ASSERT_EQUAL(stamp, batch->seq);
		CU_ASSERT_EQUAL(batch->changes[i].doc.rev, batch->seq);
	}
	*docs += (unsigned)batch->n;
	return 0;
}

static void
test_snapshots_under_writes(void)
{
	struct seen s = { .n = 0 };
	uint64_t seq = 0;
	pthread_t thread;

	setup("moving");
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, write_pairs, NULL), 0);
	while (seq < STAMPS) {
		unsigned docs = 0;

		CU_ASSERT_EQUAL_FATAL(
			kit.feed.vt->snapshot(kit.feed.self, check_stamps, &docs, &seq), 0);
		CU_ASSERT_EQUAL(docs, seq == 0 ? 0 : 2 + seq % 2);
		CU_ASSERT_EQUAL(feed_read(seq, 0, &s), 0); /* never ahead of the feed */
		CU_ASSERT(s.batches == 0 || s.last_seq == seq + s.batches);
	}
	pthread_join(thread, NULL);
	kit_close(&kit);
}

static uint64_t
oldest_seq(void)
{
	pthread_mutex_lock(&kit.process.writer.lock);
	uint64_t oldest = kit.process.writer.oldest_seq;

	pthread_mutex_unlock(&kit.process.writer.lock);
	return oldest;
}

static void
test_feed_is_trimmed(void)
{
	struct ldb_config config = kit_config("trim");
	struct seen s = { .n = 0 };

	config.feed_keep_batches = 5;
	config.feed_keep.v = 60000;
	CU_ASSERT_EQUAL_FATAL(kit_open(&kit, &config), 0);
	for (unsigned i = 0; i < 20; i++)
		put("issuer_key", "k", kit_body("alg", "ES256", NULL));
	CU_ASSERT_EQUAL(oldest_seq(), 1);
	kit_clock_ahead_s = 61; /* now they are old, and 15 of them too many */
	EVENTUALLY(oldest_seq() == 16);
	CU_ASSERT_EQUAL(feed_read(0, 0, &s), GH_ETRUNCATED);
	CU_ASSERT_EQUAL(feed_read(14, 0, &s), GH_ETRUNCATED);
	CU_ASSERT_EQUAL(feed_read(15, 0, &s), 0);
	CU_ASSERT_EQUAL(s.batches, 5);
	reopen();
	CU_ASSERT_EQUAL(oldest_seq(), 16);
	CU_ASSERT_EQUAL(kit.process.writer.last_seq, 20);
	kit_clock_ahead_s = 0;
	kit_close(&kit);
}

/** A reload changes how long the feed keeps commits; one that is refused leaves it as it was. */
static void
test_feed_retention_over_reloads(void)
{
	extern const struct gh_plugin gh_plugin;
	struct ldb_config longer = kit_config("reload"), refused = longer;

	setup("reload");
	longer.feed_keep_batches = 500;
	refused.feed_keep_batches = 7;
	CU_ASSERT_EQUAL(gh_plugin.start(&kit.process, &longer), 0);
	gh_plugin.stop(&kit.process, &kit.config); /* the old generation is drained */
	CU_ASSERT_EQUAL(kit.process.feed_keep_batches, 500);
	CU_ASSERT_EQUAL(gh_plugin.start(&kit.process, &refused), 0);
	CU_ASSERT_EQUAL(kit.process.feed_keep_batches, 7);
	gh_plugin.stop(&kit.process, &refused);
	CU_ASSERT_EQUAL(kit.process.feed_keep_batches, 500);
	gh_plugin.stop(&kit.process, &longer);
	kit_close(&kit);
}

/* ---- Expiry and series --------------------------------------------------------------------- */

static void
put_expiring(const char *id, int64_t at_s)
{
	CU_ASSERT_EQUAL(put("revocation", id, body_at("expires_at_s", at_s, "x", "y")), 0);
}

static void
test_expired_documents_are_deleted(void)
{
	int64_t now_s = (int64_t)(gh_now_us() / 1000000);
	struct seen s = { .n = 0 };

	setup("expiry");
	put_expiring("old", now_s - 1000);
	put_expiring("new", now_s + 1000);
	put_expiring("moved", now_s);
	put_expiring("moved", now_s + 1500);
	CU_ASSERT_EQUAL(put("revocation", "never", kit_body("x", "y", NULL)), 0);
	EVENTUALLY(rev_of("revocation", "old") == 0);
	kit_clock_ahead_s = 1200;
	EVENTUALLY(rev_of("revocation", "new") == 0);
	CU_ASSERT(rev_of("revocation", "moved") > 0);
	CU_ASSERT(rev_of("revocation", "never") > 0);
	CU_ASSERT_EQUAL(feed_read(1, 0, &s), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "(-revocation/old)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "(-revocation/new)"));
	reopen();
	kit_clock_ahead_s = 2000;
	EVENTUALLY(rev_of("revocation", "moved") == 0);
	kit_clock_ahead_s = 0;
	kit_close(&kit);
}

static void
test_orphans_in_expiry_queue(void)
{
	char key[] = "\4\0\0\0\0\0\0\0\1\0\12t1\0\0ghost";

	setup("orphans");
	kit_close(&kit);
	tamper("orphans", key, sizeof(key) - 1, "", 0);
	tamper("orphans", "\4\0\0\0\0\0\0\0\2 damaged", 17, "", 0);
	setup("orphans");
	EVENTUALLY(kit_log_has("2 entries of the expiry queue"));
	kit_close(&kit);
}

static int
see_row(void *arg, const struct gh_series_row *row)
{
	char *text = arg;
	size_t n = strlen(text);

	snprintf(text + n, 200 - n, "%llu/%.*s=%.*s ", (unsigned long long)row->bucket_s,
		GH_STR_ARG(row->key), GH_STR_ARG(row->value));
	return 0;
}

static const char *
rows_of(const char *series, uint64_t from_s, uint64_t to_s)
{
	static char text[200];

	text[0] = '\0';
	int r = kit.series.vt->scan(kit.series.self, gh_str_of(series), from_s, to_s, see_row,
		text);

	if (r != 0)
		snprintf(text, sizeof(text), "error %d", r);
	return text;
}

static void
test_series(void)
{
	static const char megabyte[(1 << 20) + 1];
	const struct gh_series_row rows[] = {
		{ GH_STR("usage"), 60, GH_STR("b"), GH_STR("1") },
		{ GH_STR("usage"), 60, GH_STR("a"), GH_STR("2") },
		{ GH_STR("usage"), 0, GH_STR("z\0z"), GH_STR("3") },
		{ GH_STR("usage"), 120, GH_STR(""), GH_STR("4") },
		{ GH_STR("usage_day"), 60, GH_STR("a"), GH_STR("5") },
	};
	struct gh_series_row bad = rows[0];

	setup("series");
	CU_ASSERT_EQUAL(kit.series.vt->write(kit.series.self, rows, 5), 0);
	CU_ASSERT_STRING_EQUAL(rows_of("usage", 60, UINT64_MAX), "60/a=2 60/b=1 120/=4 ");
	CU_ASSERT_STRING_EQUAL(rows_of("usage", 60, 120), "60/a=2 60/b=1 ");
	CU_ASSERT_STRING_EQUAL(rows_of("usage_day", 0, 61), "60/a=5 ");
	bad.value = GH_STR("9"); /* replaces */
	CU_ASSERT_EQUAL(kit.series.vt->write(kit.series.self, &bad, 1), 0);
	reopen();
	CU_ASSERT_EQUAL(kit.series.vt->trim(kit.series.self, GH_STR("usage"), 60), 0);
	CU_ASSERT_STRING_EQUAL(rows_of("usage", 0, 100), "60/a=2 60/b=9 ");
	bad.series = GH_STR("no good");
	CU_ASSERT_EQUAL(kit.series.vt->write(kit.series.self, &bad, 1), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(rows_of("no/good", 0, 1), "error -2");
	bad = rows[0];
	bad.key = (struct gh_str){ megabyte, 1025 };
	CU_ASSERT_EQUAL(kit.series.vt->write(kit.series.self, &bad, 1), GH_ETOOBIG);
	bad = rows[0];
	bad.value = (struct gh_str){ megabyte, sizeof(megabyte) };
	CU_ASSERT_EQUAL(kit.series.vt->write(kit.series.self, &bad, 1), GH_ETOOBIG);
	kit_close(&kit);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_feed), UNIT_TEST(test_feed_snapshot_of_many),
		UNIT_TEST(test_snapshots_under_writes), UNIT_TEST(test_feed_wait_and_wake),
		UNIT_TEST(test_feed_is_trimmed), UNIT_TEST(test_feed_retention_over_reloads),
		UNIT_TEST(test_expired_documents_are_deleted),
		UNIT_TEST(test_orphans_in_expiry_queue), UNIT_TEST(test_series),
		{ .name = NULL },
	};

	return unit_run("leveldb_feed", tests);
}
