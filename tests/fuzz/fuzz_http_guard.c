/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_http_guard.c
 * @brief Input: method, target, version, then lines "name:value".  What the guard lets through must
 * have one way to find its end and no byte that could start another line; what is left after
 * stripping must be end-to-end.
 */
#include <stdlib.h>

#include "lib/h1/h1.h"
#include "plugins/http/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Cut off what stands before @p ch, or all. */
static struct gh_str
cut(struct gh_str *rest, char ch)
{
	const char *end = rest->n > 0 ? memchr(rest->p, ch, rest->n) : NULL;
	struct gh_str head = { rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n };

	rest->p += head.n + (end != NULL);
	rest->n -= head.n + (end != NULL);
	return head;
}

static unsigned
count(const struct gh_field *fields, size_t n, struct gh_str name)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++)
		found += gh_str_eq_nocase(fields[i].name, name);
	return found;
}

static void
check_passed(const struct guard_request *q, const struct guard_facts *facts)
{
	unsigned lengths = count(q->fields, q->field_count, GH_STR("Content-Length"));
	unsigned codings = count(q->fields, q->field_count, GH_STR("Transfer-Encoding"));

	check(facts->minor <= 1 && facts->body_length >= -1);
	check(lengths + codings <= 1 && (facts->body_length == -1) == (codings == 1));
	check(facts->body_length <= 0 || lengths == 1);
	check(facts->minor == 0 || count(q->fields, q->field_count, GH_STR("Host")) == 1);
	check(h1_is_token(q->method));
	for (size_t i = 0; i < q->target.n; i++)
		check(q->target.p[i] > ' ' && q->target.p[i] < 0x7F);
	for (size_t i = 0; i < q->field_count; i++)
		check(h1_is_token(q->fields[i].name) && h1_is_value(q->fields[i].value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct guard_limits limits = { 4096, SIZE_MAX, GUARD_MAX_FIELDS };
	struct gh_field fields[GUARD_MAX_FIELDS + 1];
	struct gh_str rest = { (const char *)data, size };
	struct guard_request q = { .fields = fields };
	struct guard_facts facts;

	if (size == 0)
		return 0;
	q.method = cut(&rest, '\n');
	q.target = cut(&rest, '\n');
	q.version = cut(&rest, '\n');
	while (rest.n > 0 && q.field_count <= GUARD_MAX_FIELDS) {
		struct gh_str line = cut(&rest, '\n');

		fields[q.field_count].name = cut(&line, ':');
		fields[q.field_count++].value = line;
	}
	const struct guard_refusal *refusal = http_guard_check(&q, &limits, &facts);

	if (refusal == NULL)
		check_passed(&q, &facts);
	else
		check(refusal->status >= 400 && refusal->status < 600);
	size_t kept = http_guard_strip(fields, q.field_count);

	check(kept <= q.field_count);
	for (size_t i = 0; i < kept; i++)
		check(!h1_is_hop_by_hop(fields[i].name));
	return 0;
}
