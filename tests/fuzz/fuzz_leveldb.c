/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_leveldb.c
 * @brief What a database file may hold, damaged in any way: feed records, keys, texts, documents.
 *
 * The first byte chooses what the rest is taken for.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/doc/doc.h"
#include "store/leveldb/leveldb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
touch_batch(void *arg, const struct gh_feed_batch *batch)
{
	size_t *sum = arg;

	for (size_t i = 0; i < batch->n; i++) {
		const struct gh_doc *doc = &batch->changes[i].doc;

		*sum += doc->kind.n + doc->tenant.n + doc->id.n;
		if (doc->body.n > 0)
			*sum += (unsigned char)doc->body.p[doc->body.n - 1];
	}
	return 0;
}

static void
fuzz_record(struct gh_str input)
{
	bool is_damaged;
	uint64_t time_us;
	size_t sum = 0;

	ldb_feed_time(input, &time_us);
	ldb_feed_deliver(1, input, touch_batch, &sum, &is_damaged);
}

/** A key that can be read must be the one that is made of what was read. */
static void
fuzz_key(struct gh_str input)
{
	const struct model_kind *kind;
	struct gh_str rest = input, raw;
	struct ldb_buf tenant = { .n = 0 }, key = { .n = 0 };

	if (ldb_take_doc_key(&rest, &kind, &raw) && raw.n > 0) {
		ldb_put_unescaped(&tenant, raw);
		ldb_key_doc(&key, kind, ldb_buf_str(&tenant), rest);
		struct gh_str again = { key.p + 1, key.n - 1 };

		/* an escape may end in other bytes than FF in a damaged key */
		if (memchr(raw.p, '\0', raw.n) == NULL && !gh_str_eq(again, input))
			abort();
	}
	ldb_buf_free(&tenant);
	ldb_buf_free(&key);
}

/** Cutting the words again changes nothing. */
static void
fuzz_words(struct gh_str input)
{
	struct ldb_words words = { .n = 0 }, again = { .n = 0 };
	size_t at = 0, at_again = 0;

	ldb_words_add(&words, input);
	for (size_t i = 0; i < words.n; i++)
		ldb_words_add(&again, ldb_word(&words, i, &at));
	if (again.n != words.n)
		abort();
	for (size_t i = at = 0; i < words.n; i++)
		if (!gh_str_eq(ldb_word(&words, i, &at), ldb_word(&again, i, &at_again)))
			abort();
	ldb_words_free(&words);
	ldb_words_free(&again);
}

static int
touch_entry(void *arg, const struct ldb_entry *entry)
{
	size_t *sum = arg;

	*sum += entry->key.n + entry->value.n;
	return 0;
}

static void
fuzz_document(struct gh_str input)
{
	size_t sum = 0;

	for (const struct model_kind *kind = model_kinds; kind->name != NULL; kind++)
		ldb_entries(kind, GH_STR("t"), GH_STR("id"), input, touch_entry, &sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(struct gh_str input) = {
		fuzz_record, fuzz_key, fuzz_words, fuzz_document,
	};

	if (size > 0)
		targets[data[0] % 4]((struct gh_str){ (const char *)data + 1, size - 1 });
	return 0;
}
