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

	*ret_row = (struct gh_series_row){ .bucket_s = 0 };
	if (value->type != DOC_MAP)
		return "made of something else than rows";
	int64_t bucket_s = doc_int(value->s, "bucket", -1);

	*ret_row = (struct gh_series_row){ .bucket_s = (uint64_t)bucket_s,
		.key = doc_bin(value->s, "key"), .value = doc_bin(value->s, "value") };
	if (bucket_s < 0 || bucket_s % 60 != 0)
		return "damaged: a row's bucket is not a minute";
	if (ret_row->key.n != PARCEL_KEY_BYTES)
		return "damaged: a row's key has another length";
	if (value_read(ret_row->value, &status, &names, &rest) < 0)
		return "damaged: a row's names";
	int r = sketch_merge_bytes(&sketch, rest);

	sketch_done(&sketch);
	return r == GH_EINVAL ? "damaged: a row's latencies" : NULL;
}

/* @return NULL, or what is wrong with the parcel. */
static const char *
read_head(struct gh_str bytes, struct parcel_number *ret)
{
	if (bytes.n > PARCEL_BYTES_MAX || doc_check(bytes) < 0)
		return "not a msgpack map";
	if (doc_int(bytes, "v", 0) != VERSION)
		return "of another version";
	int64_t run = doc_int(bytes, "run", 0), seq = doc_int(bytes, "seq", 0);

	*ret = (struct parcel_number){ (uint64_t)run, (uint64_t)seq };
	return run > 0 && seq > 0 ? NULL : "without a number";
}

int
parcel_read(struct gh_str bytes, struct parcel *ret, const char **error)
{
	struct parcel parcel = { .n = 0 };

	*error = read_head(bytes, &parcel.number);
	if (*error != NULL)
		return GH_EINVAL;
	struct gh_str rows = doc_array(bytes, "rows");
	struct doc_iter it = doc_iter(rows);
	struct doc_value value;

	parcel.rows = calloc((size_t)doc_count(rows) + 1, sizeof(*parcel.rows));
	if (parcel.rows == NULL)
		return GH_ENOMEM;
	while (*error == NULL && doc_next(&it, NULL, &value)) {
		struct gh_series_row *row = &parcel.rows[parcel.n++];

		*error = read_row(&value, row);
		if (row->bucket_s > parcel.latest_s)
			parcel.latest_s = row->bucket_s;
	}
	if (*error != NULL) {
		parcel_done(&parcel);
		return GH_EINVAL;
	}
	*ret = parcel;
	return 0;
}

void
parcel_done(struct parcel *parcel)
{
	free(parcel->rows);
	*parcel = (struct parcel){ .n = 0 };
}
