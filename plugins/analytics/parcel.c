/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file parcel.c
 * @brief Rows as bytes: {v, run, seq, rows: [{bucket, key, value}]}.
 */
#include <stdlib.h>

#include "plugins/analytics/analytics.h"

#define VERSION 1

int
parcel_write(const struct parcel_number *number, const struct gh_series_row *rows, size_t n,
	struct gh_str *ret)
{
	struct doc_writer w;
	struct gh_str body;

	doc_writer_init(&w);
	doc_put_int(&w, "v", VERSION);
	doc_put_int(&w, "run", (int64_t)number->run);
	doc_put_int(&w, "seq", (int64_t)number->seq);
	doc_begin_array(&w, "rows");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].key.n != PARCEL_KEY_BYTES) {
			doc_writer_done(&w);
			return GH_EINVAL;
		}
		doc_begin_map(&w, NULL);
		doc_put_int(&w, "bucket", (int64_t)rows[i].bucket_s);
		doc_put_bin(&w, "key", rows[i].key);
		doc_put_bin(&w, "value", rows[i].value);
		doc_end(&w);
	}
	doc_end(&w);
	int r = doc_finish(&w, &body);

	if (r < 0)
		return r;
	if (body.n > PARCEL_BYTES_MAX) {
		free((void *)(uintptr_t)body.p);
		return GH_ETOOBIG;
	}
	*ret = body;
	return 0;
}

/* @return NULL, or what is wrong with the row. */
static const char *
read_row(const struct doc_value *value, struct gh_series_row *ret_row)
{
	struct sketch sketch = { 0 };
	struct names names;
	struct gh_str rest;
	unsigned status;

	if (value->type != DOC_MAP)
		return "a row is not a map";
	int64_t bucket_s = doc_int(value->s, "bucket", -1);

	*ret_row = (struct gh_series_row){ .bucket_s = (uint64_t)bucket_s,
		.key = doc_bin(value->s, "key"), .value = doc_bin(value->s, "value") };
	if (bucket_s < 0 || bucket_s % 60 != 0)
		return "a row's bucket is not a minute";
	if (ret_row->key.n != PARCEL_KEY_BYTES)
		return "a row's key has another length";
	if (value_read(ret_row->value, &status, &names, &rest) < 0)
		return "a row's names are damaged";
	int r = sketch_merge_bytes(&sketch, rest);

	sketch_done(&sketch);
	return r == GH_EINVAL ? "a row's latencies are damaged" : NULL;
}

int
parcel_read(struct gh_str bytes, struct parcel_number *ret_number, uint64_t *ret_latest_s,
	parcel_fn *fn, void *arg, const char **error)
{
	*error = "not a msgpack map";
	if (bytes.n > PARCEL_BYTES_MAX || doc_check(bytes) < 0)
		return GH_EINVAL;
	*error = "of another version";
	if (doc_int(bytes, "v", 0) != VERSION)
		return GH_EINVAL;
	int64_t run = doc_int(bytes, "run", 0), seq = doc_int(bytes, "seq", 0);

	*error = "without a number";
	if (run <= 0 || seq <= 0)
		return GH_EINVAL;
	struct doc_iter it = doc_iter(doc_array(bytes, "rows"));
	struct doc_value value;
	struct gh_series_row row;
	uint64_t latest_s = 0;

	for (struct doc_iter check = it; doc_next(&check, NULL, &value);) {
		*error = read_row(&value, &row);
		if (*error != NULL)
			return GH_EINVAL;
		if (row.bucket_s > latest_s)
			latest_s = row.bucket_s;
	}
	*ret_number = (struct parcel_number){ (uint64_t)run, (uint64_t)seq };
	*ret_latest_s = latest_s;
	int r = 0;

	while (fn != NULL && r == 0 && doc_next(&it, NULL, &value)) {
		read_row(&value, &row);
		r = fn(arg, &row);
	}
	return r;
}
