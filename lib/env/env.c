/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file env.c
 * @brief Environment variables in a manifest, by marks that YAML does not know.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/env/env.h"

enum { VALUE_MAX_BYTES = 64 * 1024 };

/* A mark is the number of its reference between two characters of Unicode's private use area
 * (U+E000 and U+E001), which are refused in the text itself. */
static const char mark_open[] = "\xee\x80\x80", mark_close[] = "\xee\x80\x81";
enum { MARK_PART_BYTES = 3 };

/** One "${...}" in the text. */
struct reference {
	struct gh_str name; /* n = 0: malformed, which counts only where it is used. */
	struct gh_str dflt; /* p = NULL: none. */
	bool is_literal;    /* It was "$${": the text "${" comes out. */
	bool has_variable;  /* dflt is "${OTHER", which stands for the value of that. */
};

struct env {
	struct gh_buf {
		char *p;
		size_t n, room;
	} text;
	struct reference *references;
	size_t count, room;
};

static int
append(struct gh_buf *buf, const char *p, size_t n)
{
	if (n > buf->room - buf->n) {
		size_t room = (buf->room + n) * 2;
		char *grown = malloc(room);

		if (grown == NULL)
			return GH_ENOMEM;
		if (buf->n > 0)
			memcpy(grown, buf->p, buf->n);
		if (buf->p != NULL)
			explicit_bzero(buf->p,
				buf->n); /* It may hold secrets, which realloc() would leave. */
		free(buf->p);
		buf->p = grown;
		buf->room = room;
	}
	if (n > 0)
		memcpy(buf->p + buf->n, p, n);
	buf->n += n;
	return 0;
}

static void
drop(struct gh_buf *buf)
{
	if (buf->p != NULL)
		explicit_bzero(buf->p, buf->n);
	free(buf->p);
}

static size_t
name_length(struct gh_str s)
{
	size_t n = 0;

	for (; n < s.n; n++) {
		char c = s.p[n];

		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && c != '_' &&
			!(n > 0 && c >= '0' && c <= '9'))
			break;
	}
	return n;
}

static bool
starts_with(struct gh_str s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && memcmp(s.p, word, n) == 0;
}

/** Read a reference at the beginning of @p s.  @return how many bytes it takes. */
static size_t
read_reference(struct gh_str s, struct reference *ref)
{
	*ref = (struct reference){ .is_literal = starts_with(s, "$${") };
	if (ref->is_literal)
		return 3;
	const char *eol = memchr(s.p, '\n', s.n);
	struct gh_str rest = { s.p + 2, (eol != NULL ? (size_t)(eol - s.p) : s.n) - 2 };
	struct gh_str name = { rest.p, name_length(rest) };

	rest = (struct gh_str){ rest.p + name.n, rest.n - name.n };
	if (name.n == 0)
		return 2;
	if (starts_with(rest, "}")) {
		ref->name = name;
		return 2 + name.n + 1;
	}
	const char *brace = memchr(rest.p, '}', rest.n);

	if (!starts_with(rest, ":-") || brace == NULL)
		return 2;
	ref->name = name;
	ref->dflt = (struct gh_str){ rest.p + 2, (size_t)(brace - rest.p) - 2 };
	ref->has_variable = starts_with(ref->dflt, "${") && brace + 1 < rest.p + rest.n &&
		brace[1] == '}';
	return (size_t)(brace - s.p) + 1 + ref->has_variable;
}

static int
add_reference(struct env *env, const struct reference *ref)
{
	char mark[32];

	if (env->count == env->room) {
		size_t room = env->room > 0 ? env->room * 2 : 16;
		struct reference *grown = reallocarray(env->references, room, sizeof(*grown));

		if (grown == NULL)
			return GH_ENOMEM;
		env->references = grown;
		env->room = room;
	}
	int n = snprintf(mark, sizeof(mark), "%s%zu%s", mark_open, env->count, mark_close);

	env->references[env->count++] = *ref;
	return append(&env->text, mark, (size_t)n);
}

static int
mark_references(struct env *env, struct gh_str text, char *error, size_t error_size)
{
	unsigned line = 1;

	for (size_t i = 0, taken; i < text.n; i += taken) {
		struct gh_str rest = { text.p + i, text.n - i };
		struct reference ref;
		int r;

		taken = 1;
		if (starts_with(rest, mark_open) || starts_with(rest, mark_close)) {
			snprintf(error, error_size,
				"line %u: the characters U+E000 and U+E001 are not allowed", line);
			return GH_EINVAL;
		}
		if (starts_with(rest, "${") || starts_with(rest, "$${")) {
			taken = read_reference(rest, &ref);
			r = add_reference(env, &ref);
		} else {
			line += rest.p[0] == '\n';
			r = append(&env->text, rest.p, 1);
		}
		if (r < 0) {
			snprintf(error, error_size, "line %u: out of memory", line);
			return r;
		}
	}
	return 0;
}

int
env_new(struct gh_str text, struct env **ret_env, char *error, size_t error_size)
{
	struct env *env = calloc(1, sizeof(*env));
	int r;

	if (env == NULL) {
		snprintf(error, error_size, "line 1: out of memory");
		return GH_ENOMEM;
	}
	r = mark_references(env, text, error, error_size);
	if (r < 0) {
		env_free(env);
		return r;
	}
	*ret_env = env;
	return 0;
}

struct gh_str
env_text(const struct env *env)
{
	return (struct gh_str){ env->text.p, env->text.n };
}

void
env_free(struct env *env)
{
	if (env == NULL)
		return;
	drop(&env->text);
	free(env->references);
	free(env);
}

/** What a reference stands for.  @return 0, or GH_EINVAL with a sentence. */
static int
value_of(const struct reference *ref, struct gh_str *ret_value, char *error, size_t error_size)
{
	char name[128];

	if (ref->is_literal) {
		*ret_value = GH_STR("${");
		return 0;
	}
	if (ref->name.n == 0 || ref->name.n >= sizeof(name)) {
		snprintf(error, error_size, "a reference to the environment looks like ${NAME} or "
			"${NAME:-default}; a literal ${ is written $${");
		return GH_EINVAL;
	}
	snprintf(name, sizeof(name), "%.*s", GH_STR_ARG(ref->name));
	const char *value = getenv(name);

	if (value != NULL && (value[0] != '\0' || ref->dflt.p == NULL)) {
		*ret_value = gh_str_of(value);
		return 0;
	}
	if (ref->has_variable) {
		struct gh_str other = { ref->dflt.p + 2, ref->dflt.n - 2 };
		struct reference inner = { .name = other };

		if (name_length(other) != other.n)
			inner.name.n = 0;
		return value_of(&inner, ret_value, error, error_size);
	}
	if (ref->dflt.p != NULL) {
		*ret_value = ref->dflt;
		return 0;
	}
	snprintf(error, error_size, "the environment variable %s is not set and has no default",
		name);
	return GH_EINVAL;
}

/** The reference of the mark that @p s begins with; a malformed one when the mark is none of ours,
 * which an escape in a quoted scalar can make.  @return how many bytes the mark takes. */
static size_t
find_reference(const struct env *env, struct gh_str s, const struct reference **ret_ref)
{
	static const struct reference malformed;
	size_t i = MARK_PART_BYTES, number = 0;

	*ret_ref = &malformed;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && number < env->count; i++)
		number = number * 10 + (size_t)(s.p[i] - '0');
	struct gh_str rest = { s.p + i, s.n - i };

	if (number < env->count && starts_with(rest, mark_close))
		*ret_ref = &env->references[number];
	return i + MARK_PART_BYTES;
}

static bool
has_mark(struct gh_str s)
{
	for (; s.n > 0; s.p++, s.n--)
		if (starts_with(s, mark_open))
			return true;
	return false;
}

int
env_expand(void *arg, struct gh_str text, unsigned line, struct gh_str *ret_text, char *error,
	size_t error_size)
{
	const struct env *env = arg;
	struct gh_buf made = { NULL, 0, 0 };
	int r = 0;

	(void)line;
	if (!has_mark(text))
		return 0;
	for (size_t i = 0, taken; r == 0 && i < text.n; i += taken) {
		struct gh_str rest = { text.p + i, text.n - i }, piece = { rest.p, 1 };
		const struct reference *ref;

		taken = 1;
		if (starts_with(rest, mark_open)) {
			taken = find_reference(env, rest, &ref);
			r = value_of(ref, &piece, error, error_size);
			if (r < 0)
				break;
		}
		r = made.n + piece.n <= VALUE_MAX_BYTES ? append(&made, piece.p, piece.n)
							: GH_ETOOBIG;
		if (r < 0)
			snprintf(error, error_size,
				r == GH_ENOMEM ? "out of memory" : "the value is too long");
	}
	if (r == 0) /* Never NULL, not even for an empty value: NULL means "keep". */
		r = append(&made, "", 1);
	if (r < 0) {
		drop(&made);
		return r;
	}
	*ret_text = (struct gh_str){ made.p, made.n - 1 };
	return 0;
}
