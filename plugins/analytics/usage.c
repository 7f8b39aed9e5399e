/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file usage.c
 * @brief The report: calls of a span of time, grouped by what the caller asks for.
 *
 * Usage is kept per minute, so a span is widened to whole minutes on both sides.
 */
#include <stdlib.h>
#include <syslog.h>

#include "lib/hash/hash.h"
#include "lib/json/json.h"
#include "plugins/analytics/analytics.h"

#define FLUSH_WAIT_MS 2000      /* for calls that are not written yet */
#define GROUPS_MAX 10000u
#define MINUTE_S 60u
#define DAY_S 86400u
#define TIME_MAX_S UINT64_C(253402300799) /* the end of the year 9999 */

/* What calls can be grouped by, in the order in which groups are sorted. */
static const struct dimension {
	const char *name;
	bool is_status;
	enum names_part part;
} dimensions[] = {
	{ "api", false, NAMES_API },
	{ "version", false, NAMES_VERSION },
	{ "application", false, NAMES_APPLICATION },
	{ "method", false, NAMES_METHOD },
	{ "status", true, 0 },
};
#define DIMENSIONS (sizeof(dimensions) / sizeof(dimensions[0]))
#define GROUP_BYTES_MAX (DIMENSIONS * (1 + NAMES_PART_MAX))

/* One request for a report. */
struct report {
	struct rest_context *ctx;
	uint64_t from_s, to_s;
	bool by[DIMENSIONS];
	struct rows *groups;   /* key: the values of the dimensions, each with its length */
	uint64_t seed;
	uint64_t damaged;
};

/* ---- Parameters ------------------------------------------------------------------------------ */

/* A time in the query; absent: `otherwise`. */
static int
query_time(struct rest_context *ctx, const char *name, uint64_t otherwise, uint64_t *ret_s)
{
	struct gh_str text = rest_query(ctx, name);
	uint64_t v = 0;
	bool is_good = text.n > 0 && text.n <= 12;

	if (text.p == NULL) {
		*ret_s = otherwise;
		return 0;
	}
	for (size_t i = 0; i < text.n && is_good; i++) {
		is_good = text.p[i] >= '0' && text.p[i] <= '9';
		v = 10 * v + (uint64_t)(text.p[i] - '0');
	}
	if (!is_good || v > TIME_MAX_S)
		return rest_fail(ctx, 400, "The parameter %s must be a time in Unix seconds", name);
	*ret_s = v;
	return 0;
}

/* The next word of a comma separated list. */
static struct gh_str
take_word(struct gh_str *list)
{
	size_t n = 0;

	while (n < list->n && list->p[n] != ',')
		n++;
	struct gh_str word = { list->p, n };
	size_t skip = n < list->n ? n + 1 : n;

	*list = (struct gh_str){ list->p + skip, list->n - skip };
	return word;
}

static int
query_group_by(struct report *report)
{
	struct gh_str list = rest_query(report->ctx, "groupBy");

	if (list.p == NULL)
		list = GH_STR("api");
	do {
		struct gh_str word = take_word(&list);
		size_t i = 0;

		while (i < DIMENSIONS && !gh_str_eq(word, gh_str_of(dimensions[i].name)))
			i++;
		if (i == DIMENSIONS)
			return rest_fail(report->ctx, 400,
				"The parameter groupBy must list some of api, "
				"version, application, method, status");
		report->by[i] = true;
	} while (list.n > 0);
	return 0;
}

static int
read_query(struct report *report)
{
	uint64_t now_s = gh_now_us() / 1000000u;
	int r = query_time(report->ctx, "to", now_s + 1, &report->to_s);

	if (r == 0)
		r = query_time(report->ctx, "from", report->to_s > DAY_S ? report->to_s - DAY_S : 0,
			&report->from_s);
	if (r == 0 && report->from_s >= report->to_s)
		r = rest_fail(report->ctx, 400, "The parameter to must be later than from");
	if (r == 0)
		r = query_group_by(report);
	report->from_s -= report->from_s % MINUTE_S;
	report->to_s += (MINUTE_S - report->to_s % MINUTE_S) % MINUTE_S;
	return r;
}

/* ---- Adding up ------------------------------------------------------------------------------- */

static size_t
group_key(const struct report *report, const struct names *names, unsigned status, char *ret)
{
	size_t at = 0;

	for (size_t i = 0; i < DIMENSIONS; i++) {
		/* Big-endian, so that sorting by bytes sorts by number. */
		char number[2] = { (char)(status >> 8), (char)status };
		struct gh_str value = dimensions[i].is_status ? (struct gh_str){ number, 2 }
			: names->part[dimensions[i].part];

		if (!report->by[i])
			continue;
		ret[at++] = (char)(unsigned char)value.n;
		memcpy(ret + at, value.p, value.n);
		at += value.n;
	}
	return at;
}

static int
add_row(void *arg, const struct gh_series_row *row)
{
	struct report *report = arg;
	char key[GROUP_BYTES_MAX];
	struct names names;
	struct gh_str sketch;
	unsigned status;

	if (gh_call_is_over(report->ctx->call))
		return GH_ETIMEDOUT;
	if (value_read(row->value, &status, &names, &sketch) < 0) {
		report->damaged++;
		return 0;
	}
	if (!gh_str_eq(names.part[NAMES_TENANT], report->ctx->tenant))
		return 0;
	struct gh_str text = { key, group_key(report, &names, status, key) };
	struct row *group = rows_get(report->groups, hash_bytes(report->seed, text), text);

	if (group == NULL)
		return rows_count(report->groups) >= GROUPS_MAX ? GH_ETOOBIG : GH_ENOMEM;
	int r = sketch_merge_bytes(&group->sketch, sketch);

	if (r == GH_EINVAL)
		report->damaged++;
	return r == GH_EINVAL ? 0 : r;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static json_t *
latency_json(const struct sketch *sketch)
{
	return json_pack("{sI sI sI}", "p50", (json_int_t)sketch_quantile(sketch, 0.50), "p95",
		(json_int_t)sketch_quantile(sketch, 0.95), "p99",
		(json_int_t)sketch_quantile(sketch, 0.99));
}

static json_t *
group_json(const struct report *report, const struct row *group)
{
	json_t *json = json_object();
	size_t at = 0;
	int r = json != NULL ? 0 : GH_ENOMEM;

	for (size_t i = 0; i < DIMENSIONS && r == 0; i++) {
		if (!report->by[i])
			continue;
		size_t n = (unsigned char)group->key[at++];
		const char *p = group->key + at;

		r = js_set(json, dimensions[i].name, dimensions[i].is_status
			? json_integer((unsigned char)p[0] << 8 | (unsigned char)p[1])
			: js_string((struct gh_str){ p, n }));
		at += n;
	}
	if (r == 0)
		r = js_set(json, "count", json_integer((json_int_t)group->sketch.total));
	if (r == 0)
		r = js_set(json, "latency_us", latency_json(&group->sketch));
	if (r < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* Groups in an array that can be sorted. */
struct sorting {
	size_t n;
	struct row **groups;
};

static int
collect(void *arg, struct row *group)
{
	struct sorting *s = arg;

	if (group->sketch.total > 0) /* a damaged row leaves an empty one */
		s->groups[s->n++] = group;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
	int r = memcmp(x->key, y->key, x->n < y->n ? x->n : y->n);

	return r != 0 ? r : (x->n > y->n) - (x->n < y->n);
}

static int
answer(struct report *report)
{
	struct sorting sorting = { .groups = calloc(rows_count(report->groups) + 1,
		sizeof(struct row *)) };
	json_t *list = json_array();
	int r = sorting.groups != NULL && list != NULL ? 0 : GH_ENOMEM;

	if (r == 0) {
		rows_each(report->groups, collect, &sorting);
		qsort(sorting.groups, sorting.n, sizeof(struct row *), compare);
	}
	for (size_t i = 0; i < sorting.n && r == 0; i++)
		if (json_array_append_new(list, group_json(report, sorting.groups[i])) < 0)
			r = GH_ENOMEM;
	free(sorting.groups);
	if (r < 0) {
		json_decref(list);
		return r;
	}
	return rest_reply(report->ctx, 200,
		json_pack("{sI so}", "count", (json_int_t)json_array_size(list), "list", list));
}

static void
free_groups(void *groups)
{
	rows_free(groups);
}

int
usage_get(struct rest_context *ctx)
{
	struct analytics *a = ctx->process;
	struct report report = { .ctx = ctx, .seed = hash_seed() };
	int r = read_query(&report);

	if (r < 0)
		return r;
	report.groups = rows_new(GROUPS_MAX);
	if (report.groups == NULL)
		return GH_ENOMEM;
	r = rest_defer(ctx, free_groups, report.groups);
	if (r < 0)
		return r;
	if (batcher_flush(a->batcher, FLUSH_WAIT_MS) < 0)
		gh_call_log(ctx->call, LOG_WARNING,
			"the report may lack calls of the last seconds");
	r = a->series.vt->scan(a->series.self, ANALYTICS_SERIES, report.from_s, report.to_s,
		add_row, &report);
	if (report.damaged > 0)
		gh_call_log(ctx->call, LOG_WARNING,
			"%llu rows of usage are damaged and were left out",
			(unsigned long long)report.damaged);
	if (r == GH_ETOOBIG)
		return rest_fail(ctx, 400,
			"The parameter groupBy makes more than %u groups in this span", GROUPS_MAX);
	if (r != 0)
		return r;
	return answer(&report);
}
