/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_forward.c
 * @brief Usage on its way to another node: parcels, the spool, and the thread that sends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gatehouse/svc/peer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/inst.h"
#include "lib/clock/clock.h"
#include "plugins/analytics/analytics.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/gatehouse-forward-XXXXXX";

static void
remove_files(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/run", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/spool", directory);
	unlink(path);
}

static size_t
file_size(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/spool", directory);
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* One row with @p calls calls; its bytes are @p value's. */
static struct gh_series_row
row_of(unsigned number, unsigned calls, char *key, char *value)
{
	const struct names names = { .part = { GH_STR("carbon.super"), GH_STR("id"),
		GH_STR("Books"), GH_STR("1.0"), GH_STR("App"), GH_STR("GET") } };
	char encoded[NAMES_BYTES_MAX];
	struct sketch sketch = { 0 };

	snprintf(key, PARCEL_KEY_BYTES + 1, "row-%012u", number);
	sketch_add(&sketch, 1000, calls);
	size_t n = value_write(200, (struct gh_str){ encoded, names_encode(&names, encoded) },
		&sketch, value);

	sketch_done(&sketch);
	return (struct gh_series_row){ ANALYTICS_SERIES, 1200000000, { key, PARCEL_KEY_BYTES },
		{ value, n } };
}

static struct gh_str
parcel_of(uint64_t run, uint64_t seq)
{
	static char value[VALUE_BYTES_MAX];
	char key[PARCEL_KEY_BYTES + 1];
	struct gh_series_row row = row_of((unsigned)seq, 3, key, value);
	struct gh_str parcel = GH_STR_NONE;

	CU_ASSERT_EQUAL_FATAL(
		parcel_write(&(struct parcel_number){ run, seq }, &row, 1, &parcel), 0);
	return parcel;
}

static void
drop(struct gh_str s)
{
	free((void *)(uintptr_t)s.p);
}

/* ---- Parcels --------------------------------------------------------------------------------- */

/* Read it and forget it.  @param ret_number  may be NULL.  @return what parcel_read() does. */
static int
read_once(struct gh_str bytes, struct parcel_number *ret_number, const char **why)
{
	struct parcel parcel;
	int r = parcel_read(bytes, &parcel, why);

	if (r < 0)
		return r;
	if (ret_number != NULL)
		*ret_number = parcel.number;
	parcel_done(&parcel);
	return 0;
}

static void
test_parcel_round_trip(void)
{
	struct gh_str bytes = parcel_of(7, 9);
	struct parcel parcel;
	const char *why;

	CU_ASSERT_EQUAL_FATAL(parcel_read(bytes, &parcel, &why), 0);
	CU_ASSERT_EQUAL(parcel.number.run, 7);
	CU_ASSERT_EQUAL(parcel.number.seq, 9);
	CU_ASSERT_EQUAL(parcel.latest_s, 1200000000);
	CU_ASSERT_EQUAL_FATAL(parcel.n, 1);
	CU_ASSERT_EQUAL(parcel.rows[0].bucket_s, 1200000000);
	CU_ASSERT_TRUE(gh_str_eq(parcel.rows[0].key, GH_STR("row-000000000009")));
	parcel_done(&parcel);
	drop(bytes);
}

/* Whatever is cut off or changed: no crash, and a reason.  A change may hit a number or a key, which
 * may be any; in the structure it is found. */
static void
test_parcel_damaged(void)
{
	struct gh_str parcel = parcel_of(7, 9);
	char *bytes = malloc(parcel.n);
	unsigned refused = 0;
	const char *why;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	for (size_t cut = 0; cut < parcel.n; cut++) {
		memcpy(bytes, parcel.p, cut);
		CU_ASSERT_EQUAL(read_once((struct gh_str){ bytes, cut }, NULL, &why), GH_EINVAL);
	}
	for (size_t at = 0; at < parcel.n; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(bytes, parcel.p, parcel.n);
			bytes[at] = (char)(bytes[at] ^ (1 << bit));
			int r = read_once((struct gh_str){ bytes, parcel.n }, NULL, &why);

			CU_ASSERT_TRUE(r == 0 || (r == GH_EINVAL && why != NULL));
			refused += r == GH_EINVAL;
		}
	CU_ASSERT_TRUE(refused > 8 * parcel.n / 4);
	free(bytes);
	drop(parcel);
}

static void
test_parcel_refuses(void)
{
	char value[VALUE_BYTES_MAX], key[PARCEL_KEY_BYTES + 1];
	struct gh_series_row row = row_of(1, 1, key, value);
	const struct parcel_number one = { 1, 1 }, none = { 0, 1 };
	struct gh_str parcel;
	const char *why;

	row.key.n--;
	CU_ASSERT_EQUAL(parcel_write(&one, &row, 1, &parcel), GH_EINVAL);
	row.key.n++;
	CU_ASSERT_EQUAL(parcel_write(&none, &row, 1, &parcel), 0);
	CU_ASSERT_EQUAL(read_once(parcel, NULL, &why), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "without a number");
	drop(parcel);
	row.bucket_s++;
	CU_ASSERT_EQUAL(parcel_write(&one, &row, 1, &parcel), 0);
	CU_ASSERT_EQUAL(read_once(parcel, NULL, &why), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "damaged: a row's bucket is not a minute");
	drop(parcel);
	row.bucket_s--;
	row.value.n--;
	CU_ASSERT_EQUAL(parcel_write(&one, &row, 1, &parcel), 0);
	CU_ASSERT_EQUAL(read_once(parcel, NULL, &why), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "damaged: a row's latencies");
	drop(parcel);
}

/* ---- Spool ----------------------------------------------------------------------------------- */

static struct spool *
spool_start(uint64_t max_bytes)
{
	struct spool *spool = NULL;
	char error[4400] = "";

	CU_ASSERT_EQUAL_FATAL(spool_open(directory, max_bytes, &spool, error, sizeof(error)), 0);
	return spool;
}

static unsigned
count_and_drop(struct spool *spool)
{
	struct gh_str parcel;
	unsigned n = 0;

	while (spool_peek(spool, &parcel) == 0) {
		drop(parcel);
		spool_drop(spool);
		n++;
	}
	return n;
}

static void
test_spool_keeps_order_over_restarts(void)
{
	struct spool *spool = spool_start(1 << 20);
	struct parcel_number number;
	struct gh_str parcel;
	const char *why;

	CU_ASSERT_EQUAL(spool_run(spool), 1);
	for (unsigned i = 1; i <= 3; i++) {
		parcel = parcel_of(1, i);
		CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
		drop(parcel);
	}
	spool_close(spool);
	spool = spool_start(1 << 20);
	CU_ASSERT_EQUAL(spool_run(spool), 2);
	for (unsigned i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL_FATAL(spool_peek(spool, &parcel), 0);
		CU_ASSERT_EQUAL(read_once(parcel, &number, &why), 0);
		CU_ASSERT_EQUAL(number.seq, i);
		drop(parcel);
		spool_drop(spool);
	}
	CU_ASSERT_EQUAL(spool_peek(spool, &parcel), GH_ENOENT);
	CU_ASSERT_EQUAL(file_size(), 0);
	spool_close(spool);
	remove_files();
}

/* A crash cuts the file anywhere: whole records stay, and the next one is written behind them. */
static void
test_spool_torn_tail(void)
{
	struct gh_str parcel = parcel_of(1, 1);
	struct spool *spool = spool_start(1 << 20);
	char path[128];

	CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
	size_t one = file_size();

	spool_close(spool);
	snprintf(path, sizeof(path), "%s/spool", directory);
	for (size_t cut = 1; cut <= one; cut++) {
		spool = spool_start(1 << 20);
		CU_ASSERT_EQUAL(spool_bytes(spool), one);
		CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
		spool_close(spool);
		CU_ASSERT_EQUAL_FATAL(truncate(path, (off_t)(2 * one - cut)), 0);
	}
	spool = spool_start(1 << 20);
	CU_ASSERT_EQUAL(count_and_drop(spool), 1);
	spool_close(spool);
	drop(parcel);
	remove_files();
}

static void
test_spool_full(void)
{
	struct gh_str parcel = parcel_of(1, 1);
	struct spool *spool = spool_start(3 * (parcel.n + 12));

	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
	CU_ASSERT_EQUAL(spool_put(spool, parcel), GH_ETOOBIG);
	CU_ASSERT_EQUAL(count_and_drop(spool), 3);
	CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
	spool_close(spool);
	drop(parcel);
	remove_files();
}

static void
test_spool_damaged_in_the_middle(void)
{
	struct gh_str parcel = parcel_of(1, 1), got;
	struct spool *spool = spool_start(1 << 20);
	char path[128];

	CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
	snprintf(path, sizeof(path), "%s/spool", directory);
	int fd = open(path, O_WRONLY);

	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, 20), 1);
	close(fd);
	CU_ASSERT_EQUAL(spool_peek(spool, &got), GH_EIO);
	CU_ASSERT_TRUE(spool_clear(spool) > parcel.n);
	CU_ASSERT_EQUAL(spool_put(spool, parcel), 0);
	CU_ASSERT_EQUAL(count_and_drop(spool), 1);
	spool_close(spool);
	drop(parcel);
	remove_files();
}

static void
test_spool_without_a_directory(void)
{
	struct spool *spool = NULL;
	char error[4400] = "";

	CU_ASSERT_EQUAL(spool_open("/nonexistent/analytics", 1 << 20, &spool, error, sizeof(error)),
		GH_EIO);
	CU_ASSERT_STRING_EQUAL(error, "/nonexistent/analytics: cannot be made: No such file or "
		"directory");
}

/* ---- Forwarder, against a node that is not there ----------------------------------------------- */

static struct node {
	pthread_mutex_t lock;
	pthread_cond_t change;
	int fail;                    /* what a call returns, or */
	unsigned status;             /* how the node answers */
	unsigned calls, taken;
	struct parcel_number last;
	bool is_out_of_order;
} node = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct gh_peer_line *
line_new(void *self)
{
	return self;
}

static void
line_end(struct gh_peer_line *line)
{
	(void)line;
}

static int
call(struct gh_peer_line *line, const struct gh_peer_request *request, gh_peer_data_fn *fn, void *arg,
	struct gh_peer_reply **ret, char *error, size_t error_size)
{
	struct parcel_number number;
	const char *why;

	(void)line;
	(void)fn;
	(void)arg;
	pthread_mutex_lock(&node.lock);
	int r = node.fail;

	node.calls++;
	CU_ASSERT_TRUE(gh_str_eq(request->url, GH_STR("https://analytics.example:9447")));
	CU_ASSERT_TRUE(gh_str_eq(request->role, GH_STR("analytics")));
	CU_ASSERT_EQUAL(read_once(request->body, &number, &why), 0);
	if (r == 0 && node.status == 200) {
		if (number.run < node.last.run ||
			(number.run == node.last.run && number.seq <= node.last.seq))
			node.is_out_of_order = true;
		node.last = number;
		node.taken++;
	}
	if (r < 0)
		snprintf(error, error_size, "nobody listens");
	else if ((*ret = calloc(1, sizeof(**ret))) != NULL)
		(*ret)->status = node.status;
	pthread_cond_broadcast(&node.change);
	pthread_mutex_unlock(&node.lock);
	return r;
}

static void
reply_free(struct gh_peer_reply *reply)
{
	free(reply);
}

static const struct gh_peer_v1 peer_v1 = { .size = sizeof(peer_v1), .line_new = line_new,
	.line_stop = line_end, .line_free = line_end, .call = call, .reply_free = reply_free };

static struct forward *
forward_start(uint64_t max_bytes)
{
	static struct gh_inst inst = { .label = { "analytics", 9 } };
	const struct forward_setup setup = { .inst = &inst, .peer = { &peer_v1, &node },
		.url = GH_STR("https://analytics.example:9447"), .directory = directory,
		.max_bytes = max_bytes };
	struct forward *f = NULL;

	CU_ASSERT_EQUAL_FATAL(forward_new(&setup, &f), 0);
	return f;
}

static int
write_one(struct forward *f, unsigned number)
{
	static char value[VALUE_BYTES_MAX];
	char key[PARCEL_KEY_BYTES + 1];
	struct gh_series_row row = row_of(number, 5, key, value);
	struct gh_series series = forward_series(f);

	return series.vt->write(series.self, &row, 1);
}

static void
set_node(int fail, unsigned status)
{
	pthread_mutex_lock(&node.lock);
	node.fail = fail;
	node.status = status;
	node.calls = 0;
	node.taken = 0;
	pthread_mutex_unlock(&node.lock);
}

/* Until so many calls came, or so many parcels were taken. */
static void
await(const unsigned *count, unsigned n)
{
	struct timespec until = clock_after(10000);
	int r = 0;

	pthread_mutex_lock(&node.lock);
	while (*count < n && r == 0)
		r = pthread_cond_timedwait(&node.change, &node.lock, &until);
	CU_ASSERT_TRUE(*count >= n);
	pthread_mutex_unlock(&node.lock);
}

static void
test_forward_sends_in_order(void)
{
	struct forward *f = forward_start(1 << 20);

	set_node(0, 200);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(write_one(f, i), 0);
	await(&node.taken, 100);
	forward_free(f);
	CU_ASSERT_EQUAL(file_size(), 0);
	CU_ASSERT_FALSE(node.is_out_of_order);
	remove_files();
}

/* Away over a restart of our node: everything comes, in order, once the node is back. */
static void
test_forward_waits_for_a_node_that_is_away(void)
{
	node.last = (struct parcel_number){ 0, 0 };
	set_node(GH_EAGAIN, 0);
	struct forward *f = forward_start(1 << 20);

	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(write_one(f, i), 0);
	await(&node.calls, 2);
	forward_free(f);
	CU_ASSERT_TRUE(file_size() > 0);
	set_node(0, 503);
	f = forward_start(1 << 20);
	CU_ASSERT_EQUAL(write_one(f, 10), 0);
	await(&node.calls, 2);
	set_node(0, 200);
	await(&node.taken, 11);
	forward_free(f);
	CU_ASSERT_EQUAL(node.last.run, 2);
	CU_ASSERT_EQUAL(node.last.seq, 1);
	CU_ASSERT_FALSE(node.is_out_of_order);
	remove_files();
}

/* A parcel that is refused for good does not hold up the next one. */
static void
test_forward_goes_on_after_a_refusal(void)
{
	set_node(0, 400);
	struct forward *f = forward_start(1 << 20);

	CU_ASSERT_EQUAL(write_one(f, 0), 0);
	await(&node.calls, 1);
	set_node(0, 200);
	CU_ASSERT_EQUAL(write_one(f, 1), 0);
	await(&node.taken, 1);
	forward_free(f);
	CU_ASSERT_EQUAL(file_size(), 0);
	remove_files();
}

static void
test_forward_says_when_the_spool_is_full(void)
{
	set_node(GH_EAGAIN, 0);
	struct forward *f = forward_start(2048);
	unsigned n = 0;
	int r;

	while ((r = write_one(f, n)) == 0 && n < 1000)
		n++;
	CU_ASSERT_EQUAL(r, GH_ETOOBIG);
	CU_ASSERT_TRUE(n > 3);
	set_node(0, 200);
	await(&node.taken, n);
	forward_free(f);
	remove_files();
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_parcel_round_trip),
		UNIT_TEST(test_parcel_damaged),
		UNIT_TEST(test_parcel_refuses),
		UNIT_TEST(test_spool_keeps_order_over_restarts),
		UNIT_TEST(test_spool_torn_tail),
		UNIT_TEST(test_spool_full),
		UNIT_TEST(test_spool_damaged_in_the_middle),
		UNIT_TEST(test_spool_without_a_directory),
		UNIT_TEST(test_forward_sends_in_order),
		UNIT_TEST(test_forward_waits_for_a_node_that_is_away),
		UNIT_TEST(test_forward_goes_on_after_a_refusal),
		UNIT_TEST(test_forward_says_when_the_spool_is_full),
		{ NULL, NULL },
	};

	if (mkdtemp(directory) == NULL || clock_cond_init(&node.change) < 0)
		return 70;
	int r = unit_run("forward", tests);

	rmdir(directory);
	return r;
}
