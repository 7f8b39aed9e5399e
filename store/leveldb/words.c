/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file words.c
 * @brief Cuts a text into words and folds their case, for the index "text".
 *
 * A word is a run of letters and digits; outside ASCII everything counts as a letter but spaces and
 * punctuation.  Case is folded for Latin, Greek and Cyrillic letters: the alphabets in which names
 * of APIs are written.  No locale is asked, so that an index means the same on every node.
 */
#include "lib/doc/doc.h"
#include "store/leveldb/leveldb.h"

/** Upper-case letters: delta leads to the lower case; 0: the even ones are followed by theirs. */
static const struct {
	uint32_t first, last;
	int32_t delta;
} upper_case[] = {
	{ 'A', 'Z', 32 },           { 0x00c0, 0x00d6, 32 },     { 0x00d8, 0x00de, 32 },
	{ 0x0100, 0x012f, 0 },      { 0x0132, 0x0137, 0 },      { 0x014a, 0x0177, 0 },
	{ 0x0391, 0x03a1, 32 },     { 0x03a3, 0x03ab, 32 },     { 0x0400, 0x040f, 80 },
	{ 0x0410, 0x042f, 32 },     { 0x0460, 0x0481, 0 },      { 0x1e00, 0x1e95, 0 },
};

/** What separates words outside ASCII. */
static const struct {
	uint32_t first, last;
} separators[] = {
	{ 0x0080, 0x00a9 }, { 0x00ab, 0x00b4 }, { 0x00b6, 0x00b9 }, { 0x00bb, 0x00bf },
	{ 0x2000, 0x206f }, { 0x3000, 0x303f }, { 0xfe50, 0xfe6f }, { 0xff01, 0xff0f },
};

/** Take one character.  @return its code point; 0 for a byte that is no UTF-8. */
static uint32_t
take_character(struct gh_str *rest)
{
	static const uint32_t smallest[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*rest->p;
	unsigned more = first < 0x80 ? 0 : first < 0xc0 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2
		: first < 0xf8 ? 3 : 4;
	uint32_t c = more == 0 ? first : first & (0x3fu >> more);

	rest->p++;
	rest->n--;
	if (more == 4 || more > rest->n)
		return 0;
	for (unsigned i = 0; i < more; i++) {
		unsigned char next = (unsigned char)rest->p[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3fu);
	}
	if (c < smallest[more])
		return 0;
	rest->p += more;
	rest->n -= more;
	return c;
}

static bool
is_letter(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
	for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++)
		if (c >= separators[i].first && c <= separators[i].last)
			return false;
	return true;
}

static uint32_t
fold(uint32_t c)
{
	for (size_t i = 0; i < sizeof(upper_case) / sizeof(upper_case[0]); i++) {
		if (c < upper_case[i].first || c > upper_case[i].last)
			continue;
		return upper_case[i].delta != 0 ? c + (uint32_t)upper_case[i].delta : c | 1;
	}
	return c;
}

static void
put_character(struct ldb_buf *b, uint32_t c)
{
	char bytes[4];
	unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (unsigned i = n; i > 1; i--) {
		bytes[i - 1] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	bytes[0] = (char)(marks[n] | c);
	ldb_put(b, bytes, n);
}

/** The word from @p start to the end of the buffer is complete: keep it, unless it is there. */
static void
end_word(struct ldb_words *words, size_t start)
{
	struct gh_str word = { words->text.p + start, words->text.n - start };
	size_t at = 0;
	bool is_new = word.n > 0 && words->n < LDB_WORDS_MAX;

	for (size_t i = 0; i < words->n && is_new; i++)
		is_new = !gh_str_eq(ldb_word(words, i, &at), word);
	if (is_new)
		words->length[words->n++] = (uint16_t)word.n;
	else
		words->text.n = start;
}

void
ldb_words_add(struct ldb_words *words, struct gh_str text)
{
	size_t start = words->text.n;

	while (text.n > 0 && !words->text.has_failed) {
		uint32_t c = take_character(&text);

		if (!is_letter(c)) {
			if (words->text.n > start)
				end_word(words, start);
			start = words->text.n;
		} else if (words->text.n - start + 4 <= LDB_WORD_BYTES_MAX) {
			put_character(&words->text, fold(c));
		}
	}
	if (words->text.n > start)
		end_word(words, start);
}

void
ldb_words_of_doc(struct ldb_words *words, const struct model_kind *kind, struct gh_str body)
{
	if (kind->text_fields == NULL)
		return;
	for (const char *const *field = kind->text_fields; *field != NULL; field++)
		ldb_words_add(words, doc_str(body, *field));
}

void
ldb_words_free(struct ldb_words *words)
{
	ldb_buf_free(&words->text);
	words->n = 0;
}

struct gh_str
ldb_word(const struct ldb_words *words, size_t i, size_t *at)
{
	struct gh_str word = { words->text.p + *at, words->length[i] };

	*at += word.n;
	return word;
}
